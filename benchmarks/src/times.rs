//! Percentiles and medians of what was measured.

use std::time::Duration;

/// Those percentiles in milliseconds; not a number where nothing was measured.
pub(crate) fn percentiles<const N: usize>(times: &mut [Duration], of: [f64; N]) -> [f64; N] {
    times.sort_unstable();
    of.map(|percent| {
        let at = (times.len() as f64 * percent / 100.0).ceil() as usize;
        times.get(at.saturating_sub(1)).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    })
}

/// The middle of the values, or the mean of the two in the middle; there is at least one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_smallest_time_that_so_many_do_not_exceed() {
        let mut times: Vec<Duration> = (1..=1000).rev().map(Duration::from_millis).collect();
        assert_eq!(
            percentiles(&mut times, [50.0, 99.0, 99.9, 100.0]),
            [500.0, 990.0, 999.0, 1000.0]
        );
        assert!(percentiles(&mut [], [50.0])[0].is_nan());
    }
}
