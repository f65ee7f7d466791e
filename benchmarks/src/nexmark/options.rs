//! What the command line asks for.

use std::path::PathBuf;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};

use super::plan::{Engine, QUERIES};
use crate::Result;

/// Events of the usual run; its results are kept in the checkout.
pub(crate) const USUAL_EVENTS: u64 = 5_000_000;
/// Below this a bound would end measurements that only start slowly.
const BOUND_MIN: Duration = Duration::from_secs(300);
/// A run that takes in fewer events a second than this is not waited for.
const EVENTS_PER_SECOND_MIN: u64 = 16_000;

/// All options, for people.
pub(crate) const USAGE: &str = "\
options of bench nexmark:
  --events N           events of all three tables, a multiple of 50 (5000000)
  --queries q0,q15     of q0, q1, q2, q14, q15, q16, q17, q21, q22 (all)
  --engines weir,flink of weir, flink, spark, duckdb (all); the others keep their results
  --repeats N          turns of which the median counts (3)
  --bound SECONDS      what takes longer is ended and told as not finished (by the number of events)
  --cores N            processors that all engines share (all)
  --fresh              forget the data and the results of this number of events
  --weir FILE          another binary than the checkout's release build
  --work DIR           where data and results of single measurements are kept";

/// The options, with their defaults where none are given.
pub(crate) struct Options {
    pub(crate) weir: PathBuf,
    /// The checkout.
    pub(crate) root: PathBuf,
    /// Data and results of this number of events.
    pub(crate) work: PathBuf,
    /// Where the peers are installed.
    pub(crate) cache: PathBuf,
    pub(crate) events: u64,
    pub(crate) repeats: usize,
    pub(crate) bound: Duration,
    pub(crate) cores: usize,
    pub(crate) queries: Vec<&'static str>,
    pub(crate) engines: Vec<Engine>,
    pub(crate) fresh: bool,
}

impl Options {
    /// Reads the command line; of an option that is given twice the last counts.
    pub(crate) fn parse(words: &[String]) -> Result<Self> {
        let (mut weir, mut root, mut work, mut cache) = (None, None, None, None);
        let (mut events, mut repeats, mut bound, mut cores) = (USUAL_EVENTS, 3, None, None);
        let (mut queries, mut engines) = (QUERIES.to_vec(), Engine::ALL.to_vec());
        let mut fresh = false;
        let mut words = words.iter().map(String::as_str);
        while let Some(name) = words.next() {
            if name == "--fresh" {
                fresh = true;
                continue;
            }
            let value = words.next().ok_or_else(|| usage(&format!("{name} needs a value")))?;
            match name {
                "--weir" => weir = Some(std::path::absolute(value)?),
                "--root" => root = Some(std::path::absolute(value)?),
                "--work" => work = Some(std::path::absolute(value)?),
                "--cache" => cache = Some(std::path::absolute(value)?),
                "--events" => events = number(name, value)?,
                "--repeats" => repeats = number(name, value)? as usize,
                "--bound" => bound = Some(Duration::from_secs(number(name, value)?)),
                "--cores" => cores = Some(number(name, value)? as usize),
                "--queries" => queries = list(value, &QUERIES, |query| query)?,
                "--engines" => engines = list(value, &Engine::ALL, Engine::name)?,
                _ => return Err(usage(&format!("unknown option {name}")).into()),
            }
        }
        if events % 50 != 0 {
            return Err(
                usage("--events must be a multiple of 50: one cycle of the generator").into()
            );
        }
        let processors = std::thread::available_parallelism()?.get();
        let cores = cores.unwrap_or(processors);
        if cores > processors {
            return Err(usage(&format!("there are {processors} processors, not {cores}")).into());
        }
        let needed = |path: Option<PathBuf>, name: &str| {
            path.ok_or_else(|| usage(&format!("{name} is missing; cargo xtask bench gives it")))
        };
        Ok(Self {
            weir: needed(weir, "--weir")?,
            root: needed(root, "--root")?,
            work: needed(work, "--work")?.join(events.to_string()),
            cache: needed(cache, "--cache")?,
            events,
            repeats,
            bound: bound.unwrap_or_else(|| usual_bound(events)),
            cores,
            queries,
            engines,
            fresh,
        })
    }

    /// Keeps this process and all that it starts on the first `cores` processors.
    pub(crate) fn stay_on_cores(&self) -> Result<()> {
        if self.cores == std::thread::available_parallelism()?.get() {
            return Ok(());
        }
        let mut set = CpuSet::new();
        (0..self.cores).for_each(|core| set.set(core));
        Ok(sched_setaffinity(None, &set)?)
    }
}

fn usual_bound(events: u64) -> Duration {
    BOUND_MIN.max(Duration::from_secs(events / EVENTS_PER_SECOND_MIN))
}

fn number(name: &str, value: &str) -> Result<u64> {
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(usage(&format!("{name} needs a number above 0, not {value}")).into()),
    }
}

/// The named ones of `all`, in the order of `all`.
fn list<T: Copy>(value: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<Vec<T>> {
    let names: Vec<&str> = value.split(',').map(str::trim).collect();
    let known: Vec<&str> = all.iter().map(|one| name(*one)).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        return Err(usage(&format!("{unknown} is none of {}", known.join(", "))).into());
    }
    Ok(all.iter().copied().filter(|one| names.contains(&name(*one))).collect())
}

fn usage(problem: &str) -> String {
    format!("{problem}\n\n{USAGE}")
}
