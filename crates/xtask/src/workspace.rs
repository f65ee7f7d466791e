//! Where things are: the checkout, the cache, and what cargo knows about the crates.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::{Result, cargo};

/// The root of the checkout that cargo runs this for. Not the one it was built for: clones that share a target
/// directory share the binary, too.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let crate_dir = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this");
        let root = Path::new(&crate_dir).ancestors().nth(2);
        root.expect("the crate is two folders below the root").to_owned()
    })
}

/// Where the commands keep what can be made again.
///
/// # Errors
/// Where HOME is not set.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    let home = std::env::var_os("HOME").ok_or("HOME is not set: set it, or CARGO_TARGET_DIR")?;
    Ok(PathBuf::from(home).join(".cache/weir"))
}

/// A file of the root as text.
///
/// # Errors
/// With the file's name.
pub(crate) fn read_root_file(name: &str) -> Result<String> {
    std::fs::read_to_string(root().join(name))
        .map_err(|error| format!("could not read {name}: {error}"))
}

/// What `cargo metadata` says with those arguments.
///
/// # Errors
/// Cargo's own words.
pub(crate) fn metadata(arguments: &[&str]) -> Result<Value> {
    let output = cargo::command("metadata")
        .args(["--format-version", "1"])
        .args(arguments)
        .output()
        .map_err(|error| format!("could not run cargo metadata: {error}"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo metadata failed: {}", reason.trim()));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("could not read what cargo metadata printed: {error}"))
}

/// The target triple of this machine.
///
/// # Errors
/// Where rustc cannot be asked.
pub(crate) fn host() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .map_err(|error| format!("could not run rustc: {error}"))?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .ok_or_else(|| "rustc -vV names no host".to_owned())
}
