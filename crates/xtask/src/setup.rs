//! What a fresh Debian machine lacks: found, and installed where that is possible.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::progress::{self, say};
use crate::{Result, cargo};

/// Something that must be on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// For bindgen, which reads RocksDB's header.
    Libclang,
    /// For RocksDB, lz4 and zstd.
    CppCompiler,
    /// For jemalloc.
    Make,
    /// The oracle of the tests.
    PostgresServer,
    /// The client of the tests.
    Psql,
}

impl Need {
    fn name(self) -> &'static str {
        match self {
            Self::Libclang => "libclang",
            Self::CppCompiler => "a C++ compiler",
            Self::Make => "make",
            Self::PostgresServer => "the PostgreSQL server",
            Self::Psql => "psql",
        }
    }

    /// The Debian package.
    fn package(self) -> &'static str {
        match self {
            Self::Libclang => "libclang-dev",
            Self::CppCompiler => "g++",
            Self::Make => "make",
            Self::PostgresServer => "postgresql",
            Self::Psql => "postgresql-client",
        }
    }

    fn is_met(self) -> bool {
        match self {
            Self::Libclang => has_libclang(),
            Self::CppCompiler => {
                std::env::var_os("CXX").is_some() || is_program("c++") || is_program("g++")
            }
            Self::Make => is_program("make"),
            Self::PostgresServer => is_program("postgres") || has_debian_postgres(),
            Self::Psql => is_program("psql"),
        }
    }
}

/// Makes sure that all `needs` are met: installs missing packages as root or with sudo.
///
/// # Errors
/// What is missing, and the command that installs it.
pub(crate) fn provide(needs: &[Need]) -> Result<()> {
    let missing: Vec<Need> = needs.iter().copied().filter(|need| !need.is_met()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|need| need.name()).collect();
    let packages: Vec<_> = missing.iter().map(|need| need.package()).collect();
    say(format!("missing on this machine: {}", names.join(", ")));
    let by_hand = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    if !is_program("apt-get") {
        return Err(format!(
            "missing: {}; install them with your system's package tool (on Debian: {by_hand})",
            names.join(", ")
        ));
    }
    let Some(prefix) = root_prefix() else {
        return Err(format!("missing: {}; run as root: {by_hand}", names.join(", ")));
    };
    progress::run("package lists", apt(prefix).arg("update"))?;
    let install = ["install", "--yes", "--no-install-recommends"];
    progress::run("packages", apt(prefix).args(install).args(&packages))?;
    match missing.iter().find(|need| !need.is_met()) {
        Some(need) => Err(format!(
            "package {} is installed and {} is still not found",
            need.package(),
            need.name()
        )),
        None => Ok(()),
    }
}

/// Makes sure that the toolchain has rustfmt and clippy.
///
/// # Errors
/// The command that adds them.
pub(crate) fn provide_lint_tools() -> Result<()> {
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let mut probe = cargo::command(subcommand);
        let probe = probe.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        if probe.status().is_ok_and(|status| status.success()) {
            continue;
        }
        progress::run(component, Command::new("rustup").args(["component", "add", component]))
            .map_err(|error| format!("{error}; run: rustup component add {component}"))?;
    }
    Ok(())
}

/// What to put before apt-get; `None` where this user may not install.
fn root_prefix() -> Option<&'static [&'static str]> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    if is_root {
        return Some(&[]);
    }
    // Without a prompt: a hidden question for a password would look like a hang.
    let mut sudo = Command::new("sudo");
    let sudo = sudo.args(["-n", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    sudo.status().is_ok_and(|status| status.success()).then_some(&["sudo", "-n"])
}

fn apt(prefix: &[&str]) -> Command {
    let words = prefix.iter().chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    let mut words = words.copied();
    let mut command = Command::new(words.next().expect("the list has words"));
    command.args(words);
    command
}

fn is_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

/// Debian keeps the server's programs out of PATH.
fn has_debian_postgres() -> bool {
    folders("/usr/lib/postgresql").iter().any(|dir| dir.join("bin/postgres").is_file())
}

/// Looks where bindgen looks.
fn has_libclang() -> bool {
    let mut places = vec![PathBuf::from("/usr/lib"), "/usr/lib64".into(), "/usr/local/lib".into()];
    places.extend(std::env::var_os("LIBCLANG_PATH").map(PathBuf::from));
    for dir in folders("/usr/lib") {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("llvm") {
            places.push(dir.join("lib"));
        } else if name.ends_with("-linux-gnu") {
            places.push(dir);
        }
    }
    places.iter().any(|place| place.is_file() || folders(place).iter().any(|f| is_libclang(f)))
}

fn is_libclang(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    // Not libclang-cpp.so nor libclang_rt: other libraries.
    let version = name.strip_prefix("libclang").unwrap_or_default();
    let is_own = version.starts_with(".so")
        || version.strip_prefix('-').is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()));
    is_own && version.contains(".so")
}

/// What is in a folder; nothing where it is not there.
fn folders(path: impl AsRef<Path>) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libclang_is_told_from_its_namesakes() {
        for name in ["libclang.so", "libclang.so.1", "libclang-14.so.1", "libclang-19.so.19"] {
            assert!(is_libclang(Path::new(name)), "{name}");
        }
        for name in ["libclang-cpp.so.14", "libclang_rt.asan.so", "libclangAST.a", "libclang.a"] {
            assert!(!is_libclang(Path::new(name)), "{name}");
        }
    }
}
