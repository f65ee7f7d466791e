//! Times of small things as medians, and what `/proc` knows of this process.

use std::time::{Duration, Instant};

use crate::Result;

/// Runs of which the median counts.
const RUNS: usize = 7;
/// A run repeats what is shorter than this, or the clock would be measured.
const RUN_MIN: Duration = Duration::from_millis(20);

/// Nanoseconds that `act` takes, the median of several runs.
pub(crate) fn ns(mut act: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut calls = 1_u32;
    loop {
        let began = Instant::now();
        for _ in 0..calls {
            act()?;
        }
        if began.elapsed() >= RUN_MIN {
            break;
        }
        calls *= 2;
    }
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        for _ in 0..calls {
            act()?;
        }
        times.push(began.elapsed().as_secs_f64() * 1e9 / f64::from(calls));
    }
    Ok(median(times))
}

/// The value in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// For each of the `N` numbers of a run, the median of all runs.
pub(crate) fn medians<const N: usize>(runs: &[[f64; N]]) -> [f64; N] {
    std::array::from_fn(|number| median(runs.iter().map(|run| run[number]).collect()))
}

/// Milliseconds since then.
pub(crate) fn ms(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}

/// The number `n` of a sequence that looks random, the same in every run.
pub(crate) fn mixed(n: u64) -> u64 {
    let mut word = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// CPU time of this thread in nanoseconds. The kernel brings it up to date every few milliseconds.
pub(crate) fn cpu_ns() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat.split(' ').next().ok_or("an empty schedstat")?.parse()?)
}

/// Bytes of memory that this process has in use, and the most that it had.
pub(crate) fn memory_bytes() -> Result<[f64; 2]> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let bytes = |name: &str| -> Result<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line")?;
        let kib: f64 = line.trim().strip_suffix("kB").ok_or("another unit")?.trim().parse()?;
        Ok(kib * 1024.0)
    };
    Ok([bytes("VmRSS:")?, bytes("VmHWM:")?])
}
