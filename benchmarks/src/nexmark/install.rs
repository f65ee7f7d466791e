//! The peers, installed where they are not: Java 17 of the system, and one Python environment for each
//! engine, because what Flink needs and what Spark needs exclude each other.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::options::Options;
use super::peers::Peers;
use super::plan::Engine;
use super::say;
use super::store::Fingerprint;
use crate::Result;

/// The release of Java that both Flink and Spark support.
const JAVA: u32 = 17;
const JAVA_PACKAGE: &str = "openjdk-17-jre-headless";
const VENV_PACKAGE: &str = "python3-venv";
/// Heap of a JVM: what Nexmark's guide for Flink gives a task manager.
const HEAP_MIB: u64 = 8 << 10;
/// Of a smaller machine no more than this part: the page cache has to hold the files.
const HEAP_PART: u64 = 3;

/// The list of an engine's packages.
pub(crate) fn requirements(root: &Path, engine: Engine) -> PathBuf {
    root.join(format!("benchmarks/peers/requirements-{}.txt", engine.name()))
}

/// Installs the engines that are asked for. DuckDB always: its results are what others are compared with.
pub(crate) fn provide(options: &Options) -> Result<Peers> {
    let needs_java = |engine: &Engine| matches!(engine, Engine::Flink | Engine::Spark);
    let java_home = match options.engines.iter().any(needs_java) {
        true => Some(java_home()?),
        false => None,
    };
    let mut pythons = vec![(Engine::DuckDb, environment(options, Engine::DuckDb)?)];
    for engine in options.engines.iter().copied().filter(needs_java) {
        pythons.push((engine, environment(options, engine)?));
    }
    let memory_mib = crate::machine::memory_bytes() >> 20;
    let heap_mib = HEAP_MIB.min(memory_mib / HEAP_PART);
    Ok(Peers { pythons, java_home, heap_mib, root: options.root.clone() })
}

/// The interpreter of an engine's environment; makes it where it is not there or of another list.
fn environment(options: &Options, engine: Engine) -> Result<PathBuf> {
    let list = requirements(&options.root, engine);
    let mut hash = Fingerprint::new();
    hash.add_file(&list)?;
    let dir = options.cache.join("peers").join(format!("{}-{}", engine.name(), hash.text()));
    let python = dir.join("bin/python");
    let is_whole = dir.join("installed");
    if is_whole.exists() {
        return Ok(python);
    }
    say(&format!("installing {} below {}", engine.label(), dir.display()));
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(options.cache.join("peers"))?;
    make_environment(&dir)?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    run(pip.arg(&list))?;
    std::fs::write(is_whole, "")?;
    Ok(python)
}

fn make_environment(dir: &Path) -> Result<()> {
    let make = || {
        let mut command = Command::new("python3");
        command.args(["-m", "venv"]).arg(dir).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !make() {
        install(VENV_PACKAGE)?;
        if !make() {
            return Err(
                format!("python3 -m venv {} fails; run it to see why", dir.display()).into()
            );
        }
    }
    Ok(())
}

/// Where a Java of the right release is; installs it where there is none.
fn java_home() -> Result<PathBuf> {
    if let Some(home) = find_java() {
        return Ok(home);
    }
    install(JAVA_PACKAGE)?;
    find_java().ok_or_else(|| {
        format!("package {JAVA_PACKAGE} is installed and no Java {JAVA} is found: set JAVA_HOME")
            .into()
    })
}

fn find_java() -> Option<PathBuf> {
    let mut homes: Vec<PathBuf> =
        std::env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().collect();
    let installed = std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
    homes.extend(installed.map(|entry| entry.path()));
    homes.into_iter().find(|home| is_java(home))
}

fn is_java(home: &Path) -> bool {
    let mut java = Command::new(home.join("bin/java"));
    let Ok(answer) = java.arg("-version").stdin(Stdio::null()).output() else { return false };
    // openjdk version "17.0.15" 2025-04-15
    let text = String::from_utf8_lossy(&answer.stderr);
    let version = text.split('"').nth(1).unwrap_or_default();
    version.split('.').next().and_then(|major| major.parse().ok()) == Some(JAVA)
}

/// Installs a package of Debian, as root or with sudo.
fn install(package: &str) -> Result<()> {
    let by_hand = format!("apt-get install --no-install-recommends {package}");
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(
            format!("{package} is missing: install it with your system's package tool").into()
        );
    }
    let words: &[&str] = match rustix::process::geteuid().is_root() {
        true => &["env"],
        // Without a prompt: a hidden question for a password would look like a hang.
        false => &["sudo", "-n", "env"],
    };
    say(&format!("installing {package}"));
    for step in [&["update"][..], &["install", "--yes", "--no-install-recommends", package]] {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]);
        run(command.args(step)).map_err(|error| format!("{error}; run as root: {by_hand}"))?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} ended with {status}").into()),
        Err(error) => Err(format!("could not start {command:?}: {error}").into()),
    }
}
