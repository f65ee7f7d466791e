//! `cargo xtask bench`: builds release, and runs the programs of `benchmarks/`.

use std::path::PathBuf;
use std::process::Command;

use crate::setup::{self, Need};
use crate::{Result, cargo, progress, workspace};

/// Where the data goes: on a disk, not in memory, and open to the user that PostgreSQL runs as.
const DIRECTORY: &str = "/var/tmp";
/// Where data and single results of Nexmark stay from one run to the next.
const NEXMARK_DIRECTORY: &str = "/var/tmp/weir-nexmark";

/// How fast rows come in, beside PostgreSQL, bare RocksDB and the bare disk.
pub(crate) fn ingest() -> Result<()> {
    setup::provide(&[Need::Libclang, Need::CppCompiler, Need::PostgresServer])?;
    let weir = build_weir()?;
    let mut run = benchmark("ingest", "ingest")?;
    run.arg(weir).arg(DIRECTORY).arg(workspace::root().join("benchmarks/results"));
    progress::run("benchmark", &mut run)
}

/// How soon rows are visible in views, with idle views beside and without.
pub(crate) fn latency(arguments: &[&str]) -> Result<()> {
    setup::provide(&[Need::Libclang, Need::CppCompiler])?;
    let weir = build_weir()?;
    let mut run = benchmark("latency", "")?;
    run.arg(weir).arg(DIRECTORY).arg(workspace::root().join("benchmarks/results"));
    progress::run("benchmark", run.args(arguments))
}

/// Weir, Flink, Spark and DuckDB on queries of Nexmark; the program itself reads `arguments`, and of an
/// option that is given twice the last counts.
pub(crate) fn nexmark(arguments: &[&str]) -> Result<()> {
    setup::provide(&[Need::Libclang, Need::CppCompiler])?;
    let mut run = benchmark("nexmark", "")?;
    if arguments.contains(&"--help") {
        return progress::run("benchmark", run.arg("--help"));
    }
    run.arg("--weir").arg(build_weir()?).arg("--root").arg(workspace::root());
    run.args(["--work", NEXMARK_DIRECTORY]).arg("--cache").arg(workspace::cache_dir()?);
    progress::run("benchmark", run.args(arguments))
}

/// The allocators that `allocator` compares with the system's.
const ALLOCATORS: [&str; 2] = ["jemalloc", "mimalloc"];

/// Small measurements that decide how something is built, those of `names` or all. One of them is of
/// allocators, and each is a build of its own.
pub(crate) fn spikes(names: &[&str]) -> Result<()> {
    setup::provide(&[Need::Libclang, Need::CppCompiler, Need::Make])?;
    let run = |features: &str, names: &[&str]| {
        let mut run = cargo::building("run")?;
        run.args(["--release", "--locked", "--features", features])
            .arg("--manifest-path")
            .arg(workspace::root().join("benchmarks/spikes/Cargo.toml"))
            .arg("--")
            .args(names);
        progress::run("spikes", &mut run)
    };
    run("", names)?;
    if names.is_empty() || names.contains(&"allocator") {
        ALLOCATORS.into_iter().try_for_each(|allocator| run(allocator, &["allocator"]))?;
    }
    Ok(())
}

/// The release build of the server.
fn build_weir() -> Result<PathBuf> {
    let mut build = cargo::building("build")?;
    build.args(["--release", "--locked", "-p", "weir-server"]);
    progress::run("release build (the first one takes a while)", &mut build)?;
    Ok(cargo::target_dir()?.join("release/weir"))
}

/// A program of `benchmarks/`, built with those features when it is run.
fn benchmark(name: &str, features: &str) -> Result<Command> {
    let mut run = cargo::building("run")?;
    run.args(["--release", "--locked", "--no-default-features", "--features", features])
        .arg("--manifest-path")
        .arg(workspace::root().join("benchmarks/Cargo.toml"))
        .args(["--", name]);
    Ok(run)
}
