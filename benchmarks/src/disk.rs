//! What the disk alone does: one long file, and an fsync for each small append.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;
use crate::times::percentiles;

/// Bytes of the long file.
const SEQUENTIAL_BYTES: usize = 512 << 20;
/// How long fsyncs are measured.
const FSYNC_TIME: Duration = Duration::from_secs(3);

/// Rates of the disk.
#[derive(Default)]
pub(crate) struct Disk {
    /// Sequential writes, the one fsync at the end included.
    pub(crate) mb_per_second: f64,
    /// Appends of 4 KiB with an fdatasync each.
    pub(crate) fsyncs_per_second: f64,
    pub(crate) fsync_p50_ms: f64,
    pub(crate) fsync_p99_ms: f64,
}

pub(crate) fn measure(dir: &Path) -> Result<Disk> {
    let path = dir.join("disk");
    let mut file = File::create(&path)?;
    let piece: Vec<u8> =
        (0..1_u32 << 18).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
    let began = Instant::now();
    for _ in 0..SEQUENTIAL_BYTES / piece.len() {
        file.write_all(&piece)?;
    }
    file.sync_data()?;
    let mb_per_second = SEQUENTIAL_BYTES as f64 / 1e6 / began.elapsed().as_secs_f64();

    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    let began = Instant::now();
    while began.elapsed() < FSYNC_TIME {
        let one = Instant::now();
        file.write_all(&piece[..4096])?;
        file.sync_data()?;
        times.push(one.elapsed());
    }
    let fsyncs_per_second = times.len() as f64 / began.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    let [fsync_p50_ms, fsync_p99_ms] = percentiles(&mut times, [50.0, 99.0]);
    Ok(Disk { mb_per_second, fsyncs_per_second, fsync_p50_ms, fsync_p99_ms })
}
