//! The speed of a generator: so many rows a second by the clock.

use std::time::{Duration, Instant};

/// Rows that fell due while nobody polled are made up for, but only those of this long: a process
/// that was stopped for an hour must not flood its views afterwards.
const CATCH_UP: Duration = Duration::from_secs(10);

/// Shortest wait between two polls: at high rates rows come in small groups, not one by one.
const TICK: Duration = Duration::from_millis(5);

/// Tells how many rows are due. Counts from the start, so that rounding never adds up to drift.
pub(super) struct Pace {
    /// Rows a second; 0 is as fast as possible.
    per_second: u64,
    started: Instant,
    /// Rows of the schedule that went, or were given up.
    gone: u64,
}

impl Pace {
    pub(super) fn new(per_second: u64, now: Instant) -> Self {
        Self { per_second, started: now, gone: 0 }
    }

    /// Rows that may go now; the first one at once.
    pub(super) fn due(&mut self, now: Instant) -> u64 {
        if self.per_second == 0 {
            return u64::MAX;
        }
        let scheduled = self.rows_in(now.saturating_duration_since(self.started)) + 1;
        let backlog = scheduled.saturating_sub(self.gone);
        let most = self.rows_in(CATCH_UP).max(1);
        if backlog > most {
            self.gone = scheduled - most;
        }
        backlog.min(most)
    }

    /// Notes that `rows` of the due ones went.
    pub(super) fn take(&mut self, rows: u64) {
        self.gone = self.gone.saturating_add(rows);
    }

    /// How long until `rows` more are due.
    pub(super) fn wait(&self, now: Instant, rows: u64) -> Duration {
        if self.per_second == 0 {
            return Duration::ZERO;
        }
        let last = u128::from(self.gone) + u128::from(rows.max(1)) - 1;
        let nanos = (last * 1_000_000_000).div_ceil(u128::from(self.per_second));
        let at = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        at.saturating_sub(now.saturating_duration_since(self.started)).max(TICK)
    }

    fn rows_in(&self, time: Duration) -> u64 {
        let rows = time.as_nanos() * u128::from(self.per_second) / 1_000_000_000;
        u64::try_from(rows).unwrap_or(u64::MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn rows_follow_the_clock_without_drift() {
        let start = Instant::now();
        let mut pace = Pace::new(3, start);
        let mut total = 0;
        for step in 0..=1000 {
            let due = pace.due(after(start, step * 100));
            pace.take(due);
            total += due;
        }
        assert_eq!(total, 301, "the first at 0 s and three for each of the 100 seconds");
    }

    #[test]
    fn a_pause_is_made_up_for_within_a_bound() {
        let start = Instant::now();
        let mut pace = Pace::new(100, start);
        let due = pace.due(after(start, 2_000));
        assert_eq!(due, 201, "two seconds behind: all of it");
        pace.take(due);
        let due = pace.due(after(start, 3_602_000));
        assert_eq!(due, 1_000, "an hour behind: ten seconds of it");
        pace.take(due);
        assert_eq!(pace.due(after(start, 3_602_500)), 50, "then at the old speed");
    }

    #[test]
    fn the_wait_ends_when_the_next_row_is_due() {
        let start = Instant::now();
        let mut pace = Pace::new(2, start);
        pace.take(1);
        assert_eq!(pace.wait(after(start, 100), 1), Duration::from_millis(400));
        assert_eq!(pace.wait(after(start, 100), 3), Duration::from_millis(1_400));
        assert_eq!(pace.due(after(start, 499)), 0);
        assert_eq!(pace.due(after(start, 500)), 1);
    }

    #[test]
    fn a_rate_of_zero_is_as_fast_as_possible() {
        let now = Instant::now();
        let mut pace = Pace::new(0, now);
        assert_eq!(pace.due(now), u64::MAX);
        assert_eq!(pace.wait(now, 1), Duration::ZERO);
    }
}
