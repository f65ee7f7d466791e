//! `cargo xtask lint`: everything that can be told without running the product.

use std::collections::BTreeMap;

use crate::progress::{self, say};
use crate::setup::{self, Need};
use crate::{Result, cargo, layers, licences, workspace};

/// Runs all checks, the quick ones first; stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    say("layers");
    report("layers", layers::violations(&layers::members()?))?;
    say("one version of arrow and datafusion");
    report("versions", doubled_families(&workspace::read_root_file("Cargo.lock")?))?;
    say("licences");
    report("licences", licences::violations(&licences::packages()?))?;

    setup::provide_lint_tools()?;
    progress::run("formatting", cargo::command("fmt").args(["--all", "--check"]))?;
    setup::provide(&[Need::Libclang, Need::CppCompiler])?;
    let mut clippy = cargo::building("clippy")?;
    clippy.args(["--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
    progress::run("clippy", &mut clippy)?;
    let mut doc = cargo::building("doc")?;
    doc.args(["--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings");
    progress::run("documentation", &mut doc)
}

fn report(check: &str, violations: Vec<String>) -> Result<()> {
    if violations.is_empty() {
        return Ok(());
    }
    Err(format!("{check}:\n  {}", violations.join("\n  ")))
}

/// Crates of the arrow and datafusion families that the lock file has in more than one version: two
/// of them cannot exchange a batch.
fn doubled_families(lock: &str) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(text) = line.strip_prefix("name = ") {
            name = text.trim_matches('"');
        } else if let Some(text) = line.strip_prefix("version = ")
            && is_in_family(name)
        {
            versions.entry(name).or_default().push(text.trim_matches('"'));
        }
    }
    let mut violations: Vec<String> = ["arrow", "datafusion"]
        .into_iter()
        .filter(|name| !versions.contains_key(name))
        .map(|name| format!("Cargo.lock has no {name}"))
        .collect();
    violations.extend(
        versions
            .into_iter()
            .filter(|(_, versions)| versions.len() > 1)
            .map(|(name, versions)| format!("{name} is there as {}", versions.join(" and "))),
    );
    violations
}

fn is_in_family(name: &str) -> bool {
    ["arrow", "datafusion"].iter().any(|family| {
        name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[package]]\nname = \"arrow\"\nversion = \"59.0.0\"\n\n\
                        [[package]]\nname = \"datafusion\"\nversion = \"55.2.0\"\n";

    #[test]
    fn a_second_version_of_a_family_s_crate_is_found() {
        assert_eq!(doubled_families(GOOD), Vec::<String>::new());
        let doubled = format!(
            "{GOOD}\n[[package]]\nname = \"arrow-schema\"\nversion = \"58.0.0\"\n\
             \n[[package]]\nname = \"arrow-schema\"\nversion = \"59.0.0\"\n\
             \n[[package]]\nname = \"arrows\"\nversion = \"1.0.0\"\n\
             \n[[package]]\nname = \"arrows\"\nversion = \"2.0.0\"\n"
        );
        assert_eq!(doubled_families(&doubled), ["arrow-schema is there as 58.0.0 and 59.0.0"]);
        assert_eq!(doubled_families("").len(), 2);
    }
}
