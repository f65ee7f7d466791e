//! CPU time and memory of a process and of all that it started, from `/proc`.
//!
//! Works in any container and for any number of Java processes. **Bound:** a child that ends before its
//! parent waits for it is counted by the kernel at the parent; one that nobody waits for is not counted.
//! Memory is looked at 20 times a second; of a single process the kernel's own high mark counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// Between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks between two searches for children: a search reads an entry of every process of the machine.
const LOOKS_PER_SEARCH: usize = 10;

/// Watches a process until it is dropped.
pub(crate) struct Watch {
    root: u32,
    seen: Arc<Mutex<Seen>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    processes: Vec<u32>,
    /// Most at one look, of all together.
    peak_bytes: u64,
    /// Highest mark of a single process.
    mark_bytes: u64,
}

impl Watch {
    pub(crate) fn new(root: u32) -> Self {
        let seen = Arc::new(Mutex::new(Seen { processes: vec![root], ..Seen::default() }));
        let ended = Arc::new(AtomicBool::new(false));
        let (for_thread, until) = (Arc::clone(&seen), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            for look in 0_usize.. {
                if until.load(Ordering::Relaxed) {
                    break;
                }
                if look % LOOKS_PER_SEARCH == 0 {
                    lock(&for_thread).processes = tree(root);
                }
                lock(&for_thread).look();
                std::thread::sleep(LOOK_EVERY);
            }
        });
        Self { root, seen, ended, thread: Some(thread) }
    }

    /// CPU seconds that all of them took up to now, in user and system mode.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let ticks: u64 = tree(self.root).iter().filter_map(|pid| Some(stat(*pid)?.ticks)).sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    /// The most memory up to now.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let mut seen = lock(&self.seen);
        seen.look();
        seen.peak_bytes.max(seen.mark_bytes)
    }

    /// The processes that there are, and those that were seen last: a child outlives its parent, and is not found below
    /// it then.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mut processes = tree(self.root);
        processes.extend(&lock(&self.seen).processes);
        processes
    }

    /// Ends all of them at once.
    pub(crate) fn kill(&self) {
        kill(&tree(self.root));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has told why.
            let _ = thread.join();
        }
    }
}

impl Seen {
    fn look(&mut self) {
        let mut now = 0;
        for pid in &self.processes {
            let Some((resident, mark)) = memory(*pid) else { continue };
            now += resident;
            self.mark_bytes = self.mark_bytes.max(mark);
        }
        self.peak_bytes = self.peak_bytes.max(now);
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Stat {
    parent: u32,
    ticks: u64,
}

/// A process's parent and CPU ticks, those of children that it waited for included.
fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&text)
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name in parentheses may hold spaces and parentheses: fields are counted behind it.
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}

/// Resident memory and its highest mark.
fn memory(pid: u32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
    };
    Some((bytes("VmRSS:")?, bytes("VmHWM:")?))
}

/// Ends the processes at once.
pub(crate) fn kill(processes: &[u32]) {
    for pid in processes {
        // One that ended meanwhile is what is wanted.
        let _ = i32::try_from(*pid)
            .ok()
            .and_then(Pid::from_raw)
            .map(|pid| kill_process(pid, Signal::KILL));
    }
}

/// True where none of the processes runs any more.
pub(crate) fn are_gone(processes: &[u32]) -> bool {
    processes.iter().all(|pid| memory(*pid).is_none())
}

/// A process and all below it.
fn tree(root: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some((pid, stat)) = pid.and_then(|pid| Some((pid, stat(pid)?))) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.get(pid).into_iter().flatten().copied().collect::<Vec<_>>());
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "7 (a b) c) S 3 7 7 0 -1 4194304 1 2 3 4 100 20 3 4 20 0 1 0";
        let stat = parse_stat(text).expect("the line is whole");
        assert_eq!((stat.parent, stat.ticks), (3, 127));
    }

    #[test]
    fn the_memory_of_this_process_is_found() {
        let (resident, mark) = memory(std::process::id()).expect("the process is there");
        assert!(resident > 0 && mark >= resident);
    }
}
