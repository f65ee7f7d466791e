//! `cargo xtask test`: all tests, one profile.

use crate::setup::{self, Need};
use crate::{Result, cargo, progress};

/// Installs what the tests need, and runs them; `arguments` go to `cargo test` as they are.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    setup::provide(&[Need::Libclang, Need::CppCompiler, Need::PostgresServer, Need::Psql])?;
    let mut command = cargo::building("test")?;
    command.args(["--workspace", "--locked"]);
    command.args(arguments);
    progress::run("tests (the first build takes a while)", &mut command)
}
