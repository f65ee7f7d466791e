//! `cargo xtask test`: all tests, one profile.

use crate::setup::{self, Need};
use crate::{Result, cargo, progress};

/// Crates whose tests do not pass, or were never run, yet: each leaves the list with the change that makes its
/// tests pass. They are still part of the workspace, and of `cargo xtask lint`'s layer and licence checks.
const UNTESTED: &[&str] = &["weir-engine", "weir-pg", "weir-console", "weir-server"];

/// Installs what the tests need, and runs them; `arguments` go to `cargo test` as they are.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    setup::provide(&[Need::Libclang, Need::CppCompiler, Need::PostgresServer, Need::Psql])?;
    let mut command = cargo::building("test")?;
    command.args(["--workspace", "--locked"]);
    for name in UNTESTED {
        progress::say(&format!("tests of {name} are left out: they do not all pass yet"));
        command.args(["--exclude", name]);
    }
    command.args(arguments);
    progress::run("tests (the first build takes a while)", &mut command)
}
