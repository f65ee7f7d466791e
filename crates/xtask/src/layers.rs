//! The architecture as a check: the order of `members` in the root `Cargo.toml` is the order of the
//! layers, and a crate uses only crates listed above it.
//!
//! **Left out on purpose:** dev-dependencies. A test may use whatever helps it.

use serde_json::Value;

use crate::{Result, workspace};

/// Doors of the engine: none uses another, and of Weir's crates each uses these only.
const DOORS: [&str; 3] = ["weir-pg", "weir-kafka", "weir-console"];
const OPEN_TO_DOORS: [&str; 2] = ["weir-engine", "weir-types"];
/// The only crates that may name RocksDB and DataFusion.
const ROCKSDB_USERS: [&str; 1] = ["weir-store"];
const DATAFUSION_USERS: [&str; 3] = ["weir-dataflow", "weir-planner", "weir-engine"];
/// Programs around the product; they may use what they measure or check.
const OUTSIDE_OF_LAYERS: [&str; 2] = ["weir-tests", "weir-benchmarks"];

/// A crate of the workspace with its normal and build dependencies.
#[derive(Clone, Debug)]
pub struct Crate {
    /// The package's name.
    pub name: String,
    /// The names of the packages it uses.
    pub dependencies: Vec<String>,
}

/// The workspace's crates in the order of `members`.
///
/// # Errors
/// Where `Cargo.toml` or what cargo says about it cannot be read.
pub fn members() -> Result<Vec<Crate>> {
    let metadata = workspace::metadata(&["--no-deps"])?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let folders = member_folders(&workspace::read_root_file("Cargo.toml")?);
    let mut crates = Vec::new();
    for folder in &folders {
        let manifest = workspace::root().join(folder).join("Cargo.toml");
        let package = packages
            .iter()
            .find(|package| package["manifest_path"].as_str() == manifest.to_str())
            .ok_or_else(|| format!("member {folder} of Cargo.toml is not a package"))?;
        crates.push(Crate {
            name: package["name"].as_str().unwrap_or_default().to_owned(),
            dependencies: used_by(package),
        });
    }
    if crates.is_empty() || crates.len() != packages.len() {
        return Err(format!(
            "Cargo.toml lists {} members and cargo finds {}: list each by its folder, one a line",
            crates.len(),
            packages.len()
        ));
    }
    Ok(crates)
}

/// The folders that `members` lists.
fn member_folders(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| !line.starts_with("members = ["))
        .skip(1)
        .take_while(|line| !line.starts_with(']'))
        .filter_map(|line| Some(line.trim().strip_prefix('"')?.split_once('"')?.0.to_owned()))
        .collect()
}

fn used_by(package: &Value) -> Vec<String> {
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    dependencies
        .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
        .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
        .collect()
}

/// What breaks the architecture; `crates` are all members, bottom to top.
#[must_use]
pub fn violations(crates: &[Crate]) -> Vec<String> {
    let mut found = Vec::new();
    for (place, user) in crates.iter().enumerate() {
        if OUTSIDE_OF_LAYERS.contains(&user.name.as_str()) {
            continue;
        }
        for used in &user.dependencies {
            let used_place = crates.iter().position(|one| one.name == *used);
            if let Some(problem) = problem(user, place, used, used_place) {
                found.push(format!("{} must not use {used}: {problem}", user.name));
            }
        }
    }
    found
}

/// Why `user` may not use `used`; places are those in the member list.
fn problem(user: &Crate, place: usize, used: &str, used_place: Option<usize>) -> Option<String> {
    let user = user.name.as_str();
    let is_family = |name: &str| used == name || used.starts_with(&format!("{name}-"));
    if used_place.is_some() && DOORS.contains(&user) {
        if DOORS.contains(&used) {
            return Some("doors do not know each other".to_owned());
        }
        if !OPEN_TO_DOORS.contains(&used) {
            return Some(format!("a door uses only {}", OPEN_TO_DOORS.join(" and ")));
        }
    }
    if used_place.is_some_and(|used_place| used_place >= place) {
        return Some("it is not listed above it in Cargo.toml".to_owned());
    }
    if (used == "rocksdb" || used == "librocksdb-sys") && !ROCKSDB_USERS.contains(&user) {
        return Some(format!("only {} uses RocksDB", ROCKSDB_USERS.join(", ")));
    }
    if is_family("datafusion") && !DATAFUSION_USERS.contains(&user) {
        return Some(format!("only {} use DataFusion", DATAFUSION_USERS.join(", ")));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_folders_come_in_their_order() {
        let manifest = "[workspace]\nmembers = [\n    # a word\n    \"crates/b\",\n    \"a\",\n]\n";
        assert_eq!(member_folders(manifest), ["crates/b", "a"]);
    }
}
