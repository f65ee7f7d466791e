//! `cargo xtask bench ingest`: builds release, and runs the programs of `benchmarks/`.

use crate::setup::{self, Need};
use crate::{Result, cargo, progress, workspace};

/// Where the data goes: on a disk, not in memory, and open to the user that PostgreSQL runs as.
const DIRECTORY: &str = "/var/tmp";

/// How fast rows come in, beside PostgreSQL, bare RocksDB and the bare disk.
pub(crate) fn ingest() -> Result<()> {
    setup::provide(&[Need::Libclang, Need::CppCompiler, Need::PostgresServer])?;
    let mut build = cargo::building("build")?;
    build.args(["--release", "--locked", "-p", "weir-server"]);
    progress::run("release build (the first one takes a while)", &mut build)?;
    let target = cargo::target_dir()?;
    let benchmarks = workspace::root().join("benchmarks");
    let mut run = cargo::building("run")?;
    run.args(["--release", "--locked", "--manifest-path"])
        .arg(benchmarks.join("Cargo.toml"))
        .arg("--")
        .arg(target.join("release/weir"))
        .arg(DIRECTORY)
        .arg(benchmarks.join("results"));
    progress::run("benchmark", &mut run)
}
