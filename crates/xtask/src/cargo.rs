//! Inner cargo runs. All use one target directory of their own: the outer cargo holds the lock on
//! the checkout's while it builds this crate, and other flags there would rebuild everything.

use std::path::PathBuf;
use std::process::Command;

use crate::{Result, workspace};

/// `cargo <subcommand>` in the root, without a target directory set.
pub(crate) fn command(subcommand: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand).current_dir(workspace::root());
    command
}

/// `cargo <subcommand>` that builds into [`target_dir`].
///
/// # Errors
/// As [`target_dir`].
pub(crate) fn building(subcommand: &str) -> Result<Command> {
    let mut command = command(subcommand);
    command.env("CARGO_TARGET_DIR", target_dir()?);
    Ok(command)
}

/// `CARGO_TARGET_DIR` where it is set, else a folder of the cache, shared by all checkouts.
///
/// # Errors
/// Where neither that nor HOME is set.
pub(crate) fn target_dir() -> Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR") {
        // A relative one is relative to where the developer stands.
        Some(dir) => std::path::absolute(dir).map_err(|error| format!("CARGO_TARGET_DIR: {error}")),
        None => Ok(workspace::cache_dir()?.join("target")),
    }
}
