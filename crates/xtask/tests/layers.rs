//! The crates keep to their layers; and the check would see it if they did not.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use weir_xtask::layers::{Crate, members, violations};

fn named(name: &str, dependencies: &[&str]) -> Crate {
    let dependencies = dependencies.iter().map(|&name| name.to_owned()).collect();
    Crate { name: name.to_owned(), dependencies }
}

#[test]
fn the_workspace_keeps_to_its_layers() {
    let crates = members().unwrap();
    assert!(crates.len() >= 14, "{} crates", crates.len());
    assert!(crates.iter().any(|one| one.dependencies.contains(&"weir-types".to_owned())));
    assert_eq!(violations(&crates), Vec::<String>::new());
}

#[test]
fn made_up_crates_that_break_each_rule_are_found() {
    let crates = [
        named("weir-types", &["serde", "weir-store"]),
        named("weir-store", &["rocksdb", "weir-types"]),
        named("weir-log", &["rocksdb", "weir-store"]),
        named("weir-delta", &["arrow", "datafusion-expr"]),
        named("weir-dataflow", &["datafusion", "weir-delta"]),
        named("weir-engine", &["datafusion", "weir-dataflow", "weir-engine"]),
        named("weir-pg", &["weir-engine", "weir-types", "weir-console"]),
        named("weir-console", &["weir-engine", "weir-pg", "weir-log"]),
        named("weir-benchmarks", &["rocksdb"]),
    ];
    let found = violations(&crates);
    let culprits: Vec<_> = found.iter().map(|text| text.split(':').next().unwrap()).collect();
    assert_eq!(
        culprits,
        [
            "weir-types must not use weir-store",
            "weir-log must not use rocksdb",
            "weir-delta must not use datafusion-expr",
            "weir-engine must not use weir-engine",
            "weir-pg must not use weir-console",
            "weir-console must not use weir-pg",
            "weir-console must not use weir-log",
        ]
    );
}
