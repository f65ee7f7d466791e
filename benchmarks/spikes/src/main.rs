//! Spikes: small measurements whose numbers decide how something in Weir is built.
//!
//! `cargo run --release -- [NAME..]` measures those spikes, or all, each in a process of its own, so that
//! what one leaves in memory does not slow the next down, and writes `results.md` and `results.json`
//! beside the manifest. Built with the feature `jemalloc` or `mimalloc` it measures `allocator` alone;
//! results of the other builds stay.

mod allocator;
mod bids;
mod exchange;
mod float_sum;
mod group_commit;
mod group_table;
mod ingest_sst;
mod json;
#[path = "../../src/machine.rs"]
mod machine;
mod measure;
mod physical_expr;
mod report;
#[path = "../../src/times.rs"]
mod times;
mod utf8view_gather;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use report::{Results, Table};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[cfg(all(feature = "mimalloc", not(feature = "jemalloc")))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Any error, told as it is.
type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// A spike and what runs it.
type Spike = (&'static str, fn() -> Result<Vec<Table>>);

const SPIKES: [Spike; 9] = [
    ("ingest_sst", ingest_sst::run),
    ("group_commit", group_commit::run),
    ("physical_expr", physical_expr::run),
    ("group_table", group_table::run),
    ("exchange", exchange::run),
    ("json", json::run),
    ("utf8view_gather", utf8view_gather::run),
    ("float_sum", float_sum::run),
    ("allocator", allocator::run),
];

/// Measures one spike in this process, and prints its tables as JSON.
const HERE: &str = "--here";
/// Ingests rounds until the process is killed.
const INGEST: &str = "--ingest-until-killed";
/// Where data goes: on a disk, not in memory.
const DIRECTORY: &str = "/var/tmp";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        [HERE, name] => measure_here(name),
        [INGEST, dir] => ingest_sst::ingest_until_killed(Path::new(dir)),
        names => measure(names),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("spikes: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(names: &[&str]) -> Result<()> {
    let names = match names {
        [] if allocator::NAME == allocator::SYSTEM => SPIKES.map(|(name, _)| name).to_vec(),
        [] => vec!["allocator"],
        names => names.to_vec(),
    };
    for name in &names {
        spike(name)?;
        if *name != "allocator" && allocator::NAME != allocator::SYSTEM {
            return Err(format!("{name} is measured with the allocator of the system").into());
        }
    }
    let dir = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("not run by cargo")?;
    let dir = Path::new(&dir);
    let mut results = Results::read(dir)?;
    for name in names {
        eprintln!("spikes: {name}");
        let output = Command::new(std::env::current_exe()?)
            .args([HERE, name])
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("{name} ended with {}", output.status).into());
        }
        results.put(name, serde_json::from_slice(&output.stdout)?);
        // After each, so that an error in a later one loses nothing.
        results.write(dir)?;
    }
    println!("{}", results.markdown()?);
    Ok(())
}

fn measure_here(name: &str) -> Result<()> {
    let tables = spike(name)?()?;
    println!("{}", serde_json::to_string(&tables)?);
    Ok(())
}

fn spike(name: &str) -> Result<fn() -> Result<Vec<Table>>> {
    let found = SPIKES.iter().find(|(known, _)| *known == name);
    let known = || SPIKES.map(|(known, _)| known).join(", ");
    found
        .map(|(_, run)| *run)
        .ok_or_else(|| format!("no spike {name}; there are {}", known()).into())
}
