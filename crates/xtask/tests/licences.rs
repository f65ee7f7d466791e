//! Every package that a build uses has a permitted licence.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use weir_xtask::licences::{packages, violations};

#[test]
fn all_licences_are_permitted() {
    let packages = packages().unwrap();
    assert!(packages.iter().any(|package| package.name == "datafusion"));
    assert!(packages.iter().any(|package| package.name == "rocksdb"));
    assert_eq!(violations(&packages), Vec::<String>::new());
}
