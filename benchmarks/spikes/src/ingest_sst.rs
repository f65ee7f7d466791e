//! One call that ingests several SST files, beside one synced WriteBatch of the same rows: two ways to
//! make a checkpoint durable at once. And whether the call is atomic when the process is killed in it.
//!
//! Decides what a checkpoint is written by. Files need no write-ahead log and no memtable, but each costs
//! fsyncs of its own, and rows must come in the order of keys.

mod kills;

use std::path::{Path, PathBuf};
use std::time::Instant;

use rocksdb::{
    DB, DBCompressionType, IngestExternalFileOptions, Options, SstFileWriter, WriteBatch,
    WriteOptions,
};

use crate::measure::{medians, mixed, ms};
use crate::report::Table;
use crate::{DIRECTORY, Result};

pub(crate) use kills::ingest_until_killed;

/// Files of one ingest.
const FILES: u64 = 8;
const VALUE_BYTES: usize = 1000;
const ROUNDS: u64 = 5;

pub(crate) fn run() -> Result<Vec<Table>> {
    Ok(vec![times()?, kills::table()?])
}

fn times() -> Result<Table> {
    let title = format!(
        "Rows of {VALUE_BYTES} bytes over those of the round before, without compression; {FILES} files a \
         call, moved. *Prepare* writes the files, or makes the batch in memory; *commit* is the ingest call, \
         or the synced write; *flush* brings the batch into tables, as will have to be done some time."
    );
    let mut table =
        Table::new(&title, &["prepare, ms", "commit, ms", "flush, ms", "all, ms", "MB/s"]);
    for megabytes in [10, 100] {
        let n_rows = megabytes * 1_000_000 / VALUE_BYTES as u64;
        for (name, by_files) in [("SST files", true), ("WriteBatch", false)] {
            let dir = tempfile::tempdir_in(DIRECTORY)?;
            let db = open(&dir.path().join("db"))?;
            let mut runs = Vec::new();
            for round in 0..ROUNDS {
                let [prepare, commit, flush] = if by_files {
                    ingest(&db, &dir.path().join("sst"), round, n_rows)?
                } else {
                    write(&db, round, n_rows)?
                };
                let all = prepare + commit + flush;
                runs.push([prepare, commit, flush, all, megabytes as f64 / all * 1e3]);
            }
            table.row(format!("{name}, {megabytes} MB"), &medians(&runs));
        }
    }
    Ok(table)
}

/// As the state's instance in `weir-store`, where it matters here.
fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_write_buffer_size(32 << 20);
    options.set_max_background_jobs(2);
    options.set_wal_bytes_per_sync(1 << 20);
    options.set_bytes_per_sync(1 << 20);
    options.set_stats_dump_period_sec(0);
    // All values are alike, unlike those of a view.
    options.set_compression_type(DBCompressionType::None);
    options
}

fn open(path: &Path) -> Result<DB> {
    Ok(DB::open(&options(), path)?)
}

/// Calls `put` with the rows of a round in the order of keys. A value begins with the round.
fn rows(
    round: u64,
    numbers: std::ops::Range<u64>,
    mut put: impl FnMut([u8; 8], &[u8]) -> Result<()>,
) -> Result<()> {
    let mut value: Vec<u8> = (0..VALUE_BYTES as u64).map(|n| mixed(n) as u8).collect();
    value[..8].copy_from_slice(&round.to_le_bytes());
    for number in numbers {
        put(number.to_be_bytes(), &value)?;
    }
    Ok(())
}

fn ingest(db: &DB, dir: &Path, round: u64, n_rows: u64) -> Result<[f64; 3]> {
    let began = Instant::now();
    let files = write_files(dir, round, n_rows)?;
    let prepare = ms(began);
    let began = Instant::now();
    db.ingest_external_file_opts(&moving(), files)?;
    Ok([prepare, ms(began), 0.0])
}

fn moving() -> IngestExternalFileOptions {
    let mut moving = IngestExternalFileOptions::default();
    moving.set_move_files(true);
    moving
}

/// The files of a round, synced, of disjoint ranges of keys.
fn write_files(dir: &Path, round: u64, n_rows: u64) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(dir)?;
    let options = options();
    let mut files = Vec::new();
    for file in 0..FILES {
        let path = dir.join(format!("{file}.sst"));
        let mut writer = SstFileWriter::create(&options);
        writer.open(&path)?;
        let numbers = file * n_rows / FILES..(file + 1) * n_rows / FILES;
        rows(round, numbers, |key, value| Ok(writer.put(key, value)?))?;
        writer.finish()?;
        files.push(path);
    }
    Ok(files)
}

fn write(db: &DB, round: u64, n_rows: u64) -> Result<[f64; 3]> {
    let began = Instant::now();
    let mut batch = WriteBatch::default();
    rows(round, 0..n_rows, |key, value| {
        batch.put(key, value);
        Ok(())
    })?;
    let prepare = ms(began);
    let mut synced = WriteOptions::default();
    synced.set_sync(true);
    let began = Instant::now();
    db.write_opt(batch, &synced)?;
    let commit = ms(began);
    let began = Instant::now();
    db.flush()?;
    Ok([prepare, commit, ms(began)])
}
