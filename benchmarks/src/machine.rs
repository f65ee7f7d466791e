//! The machine that something was measured on.

use std::path::Path;

use serde_json::{Value, json};

/// What a reader of the numbers has to know of the machine.
pub(crate) fn facts(dir: &Path) -> Value {
    let kernel = read("/proc/sys/kernel/osrelease");
    let system = read("/etc/os-release");
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    json!({
        "processor": processor(),
        "processors": read("/proc/cpuinfo").lines().filter(|l| l.starts_with("processor")).count(),
        "memory_bytes": memory_bytes(),
        "kernel": kernel.trim(),
        "system": system.unwrap_or_default().trim_matches('"'),
        "file_system": file_system(dir),
    })
}

/// The machine in a few words.
pub(crate) fn in_words() -> String {
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{threads} threads of {}", processor())
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The name of the processor.
pub(crate) fn processor() -> String {
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    model.unwrap_or("a processor without a name").trim().to_owned()
}

/// All memory of the machine.
pub(crate) fn memory_bytes() -> u64 {
    let memory = read("/proc/meminfo");
    let line = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kibibytes.unwrap_or(0_u64) * 1024
}

/// The type of the file system that a directory is on: that of the longest mount point above it.
fn file_system(dir: &Path) -> String {
    let mounts = read("/proc/mounts");
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let above = fields.filter(|fields| fields.len() > 2 && dir.starts_with(fields[1]));
    let nearest = above.max_by_key(|fields| fields[1].len());
    nearest.map(|fields| fields[2].to_owned()).unwrap_or_default()
}
