//! Flink and Spark Structured Streaming: a query from files, as a stream that ends with them.

use std::path::Path;

use serde_json::{Value, json};

use super::Bench;
use super::plan::Key;
use super::store::Measured;
use crate::Result;

/// Runs the query into a sink that drops its rows.
pub(crate) fn query(bench: &Bench, key: &Key) -> Result<Measured> {
    run(bench, key, None)
}

/// Runs the query and writes its result below `output`.
pub(crate) fn result(bench: &Bench, key: &Key, output: &Path) -> Result<Measured> {
    run(bench, key, Some(output))
}

fn run(bench: &Bench, key: &Key, output: Option<&Path>) -> Result<Measured> {
    let scratch = tempfile::Builder::new().prefix("scratch-").tempdir_in(&bench.options.work)?;
    let task: Value = json!({
        "cores": bench.options.cores,
        "schema": bench.sql.schema_path,
        "data": bench.data.dir,
        "sql": bench.sql.query(key.engine, &key.query)?,
        "scratch": scratch.path(),
        "output": output,
    });
    bench.peers.run(key.engine, &task, &bench.log(key)?, bench.options.bound)
}
