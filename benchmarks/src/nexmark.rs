//! `cargo xtask bench nexmark`: Weir, Flink, Spark Structured Streaming and DuckDB on nine queries of
//! Nexmark, in turns, on the same cores and the same files.
//!
//! Every measurement is a process of its own, and its result a small file of the work directory: what
//! is there already is not measured again, as long as binary, programs and queries are the same.

mod check;
mod data;
mod duckdb;
mod facts;
mod install;
mod options;
mod peers;
mod plan;
mod plot;
mod report;
mod rows;
mod sql;
mod store;
mod streaming;
mod summary;
mod weir;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{FlockOperation, flock};

use crate::Result;
use options::Options;
use plan::{Engine, Key, What};
use store::{Measured, Outcome, Store};

/// More measurements one after the other that could not be made end the run: the rest cannot either.
const FAILURES_MAX: usize = 5;

/// Everything that a measurement needs.
pub(crate) struct Bench {
    options: Options,
    data: data::Data,
    sql: sql::Sql,
    peers: peers::Peers,
    store: Store,
}

/// Makes the data, measures, checks and writes the report.
pub(crate) fn run(words: &[String]) -> Result<()> {
    if words.iter().any(|word| word == "--help") {
        println!("{}", options::USAGE);
        return Ok(());
    }
    let mut options = Options::parse(words)?;
    options.stay_on_cores()?;
    let _alone = alone(&options.work)?;
    if options.fresh {
        say("removing what is there");
        empty(&options.work)?;
    }
    options.weir = kept_binary(&options)?;
    let data = data::provide(&options)?;
    let sql = sql::Sql::read(&options.root)?;
    let peers = install::provide(&options)?;
    let store = Store::open(&options, &sql, peers.heap_mib)?;
    let bench = Bench { options, data, sql, peers, store };
    bench.check()?;
    bench.warm()?;
    bench.measure()?;
    let summary = summary::Summary::new(&bench)?;
    let written = report::write(&bench, &summary)?;
    println!("\n{}", std::fs::read_to_string(&written[0])?);
    let names: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    println!("written: {}", names.join(", "));
    match (summary.n_wrong(), summary.n_failed()) {
        (0, 0) => Ok(()),
        (0, n) => Err(format!("{n} measurements failed; {} says which", names[0]).into()),
        (n, _) => Err(format!("{n} results are not DuckDB's; {} says which", names[0]).into()),
    }
}

/// Keeps others out of the work directory as long as it is held: two runs would measure each other.
fn alone(work: &Path) -> Result<File> {
    std::fs::create_dir_all(work)?;
    let path = work.join("lock");
    let file = File::create(&path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| format!("another run holds {}", path.display()))?;
    Ok(file)
}

/// Removes all that is in the work directory, but for its lock.
fn empty(work: &Path) -> Result<()> {
    for entry in std::fs::read_dir(work)? {
        let path = entry?.path();
        match path.is_dir() {
            true => std::fs::remove_dir_all(path)?,
            false if path.ends_with("lock") => {}
            false => std::fs::remove_file(path)?,
        }
    }
    Ok(())
}

/// A copy of Weir's binary: a build meanwhile must not change what is measured.
fn kept_binary(options: &Options) -> Result<PathBuf> {
    let mut hash = store::Fingerprint::new();
    hash.add_file(&options.weir)?;
    let dir = options.work.join("bin");
    let kept = dir.join(format!("weir-{}", hash.text()));
    if !kept.exists() {
        std::fs::create_dir_all(&dir)?;
        let partial = kept.with_extension("partial");
        std::fs::copy(&options.weir, &partial)?;
        std::fs::rename(partial, &kept)?;
    }
    Ok(kept)
}

impl Bench {
    /// Compares every engine's result with DuckDB's; what was not compared yet.
    fn check(&self) -> Result<()> {
        let engines = self.options.engines.iter().filter(|engine| **engine != Engine::DuckDb);
        let mut keys = Vec::new();
        for query in &self.options.queries {
            keys.extend(engines.clone().map(|engine| Key::new(*engine, What::Check, query, 1)));
        }
        self.run_all(&keys)
    }

    /// Reads all files once: a measurement after a restart of the machine would else find a cold cache.
    fn warm(&self) -> Result<()> {
        let load = std::fs::read_to_string("/proc/loadavg")?;
        say(&format!("the machine's load before measuring: {}", load.trim()));
        let mut folders: Vec<PathBuf> =
            ["data", "weir", "duckdb"].map(|name| self.options.work.join(name)).into();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry?.path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => drop(std::io::copy(&mut File::open(path)?, &mut std::io::sink())?),
                }
            }
        }
        Ok(())
    }

    /// Measures what was not measured yet. All engines take turns: what disturbs the machine for a
    /// while disturbs all of them.
    fn measure(&self) -> Result<()> {
        let mut keys = Vec::new();
        for repeat in 1..=self.options.repeats {
            for engine in [Engine::Weir, Engine::DuckDb] {
                if self.options.engines.contains(&engine) {
                    keys.push(Key::new(engine, What::Load, plan::ALL_TABLES, repeat));
                }
            }
            for query in &self.options.queries {
                for engine in &self.options.engines {
                    let whats = engine.whats().iter();
                    keys.extend(whats.map(|what| Key::new(*engine, *what, query, repeat)));
                }
            }
        }
        self.run_all(&keys)
    }

    fn run_all(&self, keys: &[Key]) -> Result<()> {
        let mut n_failures = 0;
        for (number, key) in keys.iter().enumerate() {
            let progress = format!("[{}/{}] {key}", number + 1, keys.len());
            if self.store.get(key)?.is_some_and(|known| known.holds(self.options.bound)) {
                continue;
            }
            // What did not end in time does not do so in the next turn.
            let first = Key { repeat: 1, ..key.clone() };
            let known = self.store.get(&first)?.filter(|known| known.holds(self.options.bound));
            if let Some(known) =
                known.filter(|known| !matches!(known.outcome, Outcome::Finished(_)))
            {
                self.store.put(key, &known)?;
                continue;
            }
            say(&progress);
            // What is still to be written of the one before would be written in this one's time.
            rustix::fs::sync();
            let began = Instant::now();
            let measured = match self.run_one(key) {
                Ok(measured) => {
                    n_failures = 0;
                    measured
                }
                Err(error) if n_failures < FAILURES_MAX => {
                    n_failures += 1;
                    Measured::failed(format!("not measured: {error}"))
                }
                Err(error) => return Err(error),
            };
            say(&format!("{progress}: {measured}, {:.0} s in all", began.elapsed().as_secs_f64()));
            self.store.put(key, &measured)?;
        }
        Ok(())
    }

    /// Where the programs of a measurement write what they say.
    fn log(&self, key: &Key) -> Result<PathBuf> {
        let dir = self.options.work.join("logs");
        std::fs::create_dir_all(&dir)?;
        Ok(dir.join(format!("{}.log", key.file_name())))
    }

    fn run_one(&self, key: &Key) -> Result<Measured> {
        match (key.what, key.engine) {
            (What::Check, _) => check::run(self, key),
            (What::Load, Engine::DuckDb) => duckdb::load(self),
            (What::Load, _) => weir::load(self),
            (_, Engine::Weir) => weir::query(self, key),
            (_, Engine::DuckDb) => duckdb::query(self, key),
            (_, Engine::Flink | Engine::Spark) => streaming::query(self, key),
        }
    }
}

/// A progress line.
fn say(text: &str) {
    eprintln!("nexmark: {text}");
}
