//! Kill rounds: clients write and read, the server is killed at a random moment, and what is there after
//! the restart is compared with a ledger outside of it.
//!
//! After every restart:
//! - what was acknowledged is there once, what was not at most once, a statement and a transaction whole or
//!   not at all;
//! - what was read is still there, and the newest epoch is none before one that was seen;
//! - every line of the followed files is there once, as a row or as a dead letter;
//! - each view equals its query.

mod check;
mod ledger;
mod work;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::dice::Dice;
use crate::process::{Process, Starting, serve};
pub use ledger::Ledger;

/// What the rounds did; printed, so that rounds which do nothing are seen.
#[derive(Debug, Default)]
pub struct Tally {
    /// Rounds.
    pub rounds: usize,
    /// Kills while the server started.
    pub killed_starting: usize,
    /// Kills after SIGTERM.
    pub killed_stopping: usize,
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// Writes without an answer.
    pub unanswered: usize,
    /// Of these, those that were there afterwards.
    pub unanswered_there: usize,
    /// Lines of files that were taken.
    pub lines: usize,
    /// Views that were compared with their query.
    pub views: usize,
}

impl Tally {
    /// Adds what others did.
    pub fn add(&mut self, other: &Self) {
        self.rounds += other.rounds;
        self.killed_starting += other.killed_starting;
        self.killed_stopping += other.killed_stopping;
        self.acknowledged += other.acknowledged;
        self.unanswered += other.unanswered;
        self.unanswered_there += other.unanswered_there;
        self.lines += other.lines;
        self.views += other.views;
    }
}

/// A data directory that outlives its servers, and what is known of it.
pub struct Rounds {
    runtime: Runtime,
    dir: PathBuf,
    dice: Dice,
    ledger: Arc<Mutex<Ledger>>,
    /// How long the last start took: kills of the next one fall within.
    start_time: Duration,
}

impl Rounds {
    /// Rounds on a new directory below `dir`.
    ///
    /// # Panics
    /// Where the server does not come up.
    #[must_use]
    pub fn begin(dir: &Path, seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime starts");
        let files = dir.join("files");
        std::fs::create_dir(&files).expect("a directory can be made");
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let began = std::time::Instant::now();
        let process = Process::start(&dir.join("data"));
        let start_time = began.elapsed();
        runtime.block_on(work::set_up(&process, &files));
        drop(process);
        Self { runtime, dir: dir.to_owned(), dice: Dice::new(seed), ledger, start_time }
    }

    /// One round: start, check, work, kill.
    ///
    /// # Panics
    /// Where a promise is broken.
    pub fn round(&mut self, tally: &mut Tally) {
        tally.rounds += 1;
        let data_dir = self.dir.join("data");
        while self.dice.percent(30) {
            let starting = Starting::spawn(serve(&data_dir));
            std::thread::sleep(self.start_time.mul_f64(self.dice.below(1_000) as f64 / 1_000.0));
            starting.kill();
            tally.killed_starting += 1;
        }
        let began = std::time::Instant::now();
        let mut process = Process::start(&data_dir);
        self.start_time = began.elapsed();
        self.runtime.block_on(check::check(&process, &self.ledger, tally));
        let workers = work::start(
            &self.runtime,
            &process,
            &self.ledger,
            &self.dir.join("files"),
            self.dice.bits(),
        );
        std::thread::sleep(Duration::from_millis(self.dice.between(1, 600) as u64));
        if self.dice.percent(15) {
            process.terminate();
            std::thread::sleep(Duration::from_millis(self.dice.below(60) as u64));
            tally.killed_stopping += 1;
        }
        process.kill();
        self.runtime.block_on(workers.end());
    }

    /// The last check, on a server that is then stopped in order.
    ///
    /// # Panics
    /// Where a promise is broken.
    pub fn end(self, tally: &mut Tally) {
        let process = Process::start(&self.dir.join("data"));
        self.runtime.block_on(check::check(&process, &self.ledger, tally));
        let status = process.stop();
        assert!(status.success(), "SIGTERM ends a server with 0, not {status}");
    }
}
