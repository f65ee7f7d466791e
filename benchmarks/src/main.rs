//! `cargo xtask bench ingest`: how fast rows come in, beside PostgreSQL, bare RocksDB and the bare disk.
//!
//! All of them write to the same file system in the same run, one after the other, with an fsync before
//! each acknowledgement.

mod disk;
mod load;
mod raw;
mod report;
mod rows;
mod servers;
mod visible;

use std::path::PathBuf;
use std::process::ExitCode;

use report::Report;
use servers::{Postgres, Weir};

/// Any error, told as it is.
type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Rows that COPY brings in.
const COPY_ROWS: usize = 2_000_000;
/// Connections of the concurrent INSERTs.
const CONNECTIONS: usize = 16;

struct Arguments {
    weir: PathBuf,
    dir: PathBuf,
    results: PathBuf,
}

fn main() -> ExitCode {
    match arguments().and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benchmark: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [weir, dir, results] = words.as_slice() else {
        return Err("usage: weir-benchmarks WEIR_BINARY DIRECTORY RESULTS_DIRECTORY".into());
    };
    Ok(Arguments { weir: weir.into(), dir: dir.into(), results: results.into() })
}

fn run(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let dir = tempfile::Builder::new().prefix("weir-bench-").tempdir_in(&arguments.dir)?;
    let rows = rows::Rows::new(COPY_ROWS);
    let mut report = Report::new(&rows);

    step("the disk alone");
    report.disk = disk::measure(dir.path())?;
    step("bare RocksDB");
    report.rocksdb = raw::measure(&dir.path().join("rocksdb"), &rows, CONNECTIONS)?;
    step("PostgreSQL");
    let postgres = Postgres::start(dir.path())?;
    report.postgres = runtime.block_on(load::measure(&postgres.target(), &rows, CONNECTIONS))?;
    drop(postgres);
    step("Weir");
    let weir = Weir::start(&arguments.weir, dir.path())?;
    report.weir = runtime.block_on(load::measure(&weir.target(), &rows, CONNECTIONS))?;
    step("from acknowledged to visible");
    report.visible = runtime.block_on(visible::measure(&weir.target()))?;
    drop(weir);

    let (markdown, json) = report.write(&arguments.results)?;
    println!("\n{}", std::fs::read_to_string(&markdown)?);
    println!("written to {} and {}", markdown.display(), json.display());
    Ok(())
}

fn step(name: &str) {
    eprintln!("benchmark: {name}");
}
