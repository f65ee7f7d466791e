//! `cargo xtask bench ingest`: how fast rows come in, beside PostgreSQL, bare RocksDB and the bare disk.
//!
//! All of them write to the same file system in the same run, in turns, with an fsync before each
//! acknowledgement.

mod load;
mod postgres;
mod raw;
mod report;
mod rows;
mod visible;

use std::path::Path;

use crate::Result;
use crate::disk;
use crate::weir::Weir;
use load::{Rates, Target};
use postgres::Postgres;
use report::Report;
use visible::Visible;

/// Rows that COPY brings in.
const COPY_ROWS: usize = 2_000_000;
/// Connections of the concurrent INSERTs.
const CONNECTIONS: usize = 16;
/// Each system is measured so often; the median counts.
const TURNS: usize = 3;

/// Measures all systems and writes the report.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let [weir, dir, results] = words else {
        return Err("usage: weir-benchmarks ingest WEIR_BINARY DIRECTORY RESULTS_DIRECTORY".into());
    };
    measure(Path::new(weir), Path::new(dir), Path::new(results))
}

fn measure(binary: &Path, dir: &Path, results: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let dir = tempfile::Builder::new().prefix("weir-bench-").tempdir_in(dir)?;
    let rows = rows::Rows::new(COPY_ROWS);
    let mut report = Report::new(&rows);

    step("the disk alone");
    report.disk = disk::measure(dir.path())?;
    let [mut of_rocksdb, mut of_postgres, mut of_weir] = [const { Vec::new() }; 3];
    let mut of_visible = Vec::new();
    for turn in 1..=TURNS {
        step(&format!("turn {turn} of {TURNS}: bare RocksDB"));
        of_rocksdb.push(raw::measure(&dir.path().join("rocksdb"), &rows, CONNECTIONS)?);
        // Each server alone, and new: what it does behind the load is not in the way of the other.
        step(&format!("turn {turn} of {TURNS}: PostgreSQL"));
        let postgres = Postgres::start(dir.path())?;
        let target = postgres.target();
        of_postgres.push(runtime.block_on(load::measure(&target, &rows, CONNECTIONS))?);
        drop(postgres);
        step(&format!("turn {turn} of {TURNS}: Weir"));
        let data = dir.path().join("weir");
        let weir = Weir::start(binary, &data, &[], None)?;
        let target = Target { connect: weir.connect_line(), kind: "STREAM" };
        of_weir.push(runtime.block_on(load::measure(&target, &rows, CONNECTIONS))?);
        step(&format!("turn {turn} of {TURNS}: from acknowledged to visible"));
        of_visible.push(runtime.block_on(visible::measure(&target))?);
        drop(weir);
        std::fs::remove_dir_all(&data)?;
    }
    report.rocksdb = Rates::medians(&of_rocksdb);
    report.postgres = Rates::medians(&of_postgres);
    report.weir = Rates::medians(&of_weir);
    report.visible = Visible::medians(&of_visible);
    report.visible_turns = of_visible;

    let (markdown, json) = report.write(results)?;
    println!("\n{}", std::fs::read_to_string(&markdown)?);
    println!("written to {} and {}", markdown.display(), json.display());
    Ok(())
}

fn step(name: &str) {
    eprintln!("benchmark: {name}");
}
