//! What a reader of the numbers has to know: machine, versions, settings, data.

use std::process::Command;

use serde_json::{Value, json};

use super::Bench;
use super::plan::Engine;
use super::summary::Summary;
use crate::machine;

/// All facts of the results that are there.
pub(crate) fn facts(bench: &Bench, summary: &Summary) -> Value {
    let options = &bench.options;
    json!({
        "machine": machine::facts(&options.work),
        "cores": options.cores,
        "turns": options.repeats,
        "bound_seconds": options.bound.as_secs(),
        "jvm_heap_mib": bench.peers.heap_mib,
        "versions": {
            "weir": weir_version(bench),
            "weir_binary": bench.store.identity(Engine::Weir),
            "flink": summary.version(Engine::Flink),
            "spark": summary.version(Engine::Spark),
            "duckdb": summary.version(Engine::DuckDb),
            "java": java_version(bench),
            "generator": bench.data.facts["generator"],
        },
        "measured_between": summary.dates,
        "data": bench.data.facts,
    })
}

fn weir_version(bench: &Bench) -> String {
    let answer = Command::new(&bench.options.weir).arg("--version").output();
    answer.map(|answer| first_line(&answer.stdout)).unwrap_or_default()
}

fn java_version(bench: &Bench) -> Option<String> {
    let java = bench.peers.java_home.as_ref()?.join("bin/java");
    let answer = Command::new(java).arg("-version").output().ok()?;
    Some(first_line(&answer.stderr))
}

fn first_line(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned()
}
