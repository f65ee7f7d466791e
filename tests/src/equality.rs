//! The equality harness: a view equals its query at every epoch, whatever changes, ticks and restarts came
//! before, and equals PostgreSQL's answer where both speak the same dialect.
//!
//! A round is made from its seed alone, as a list of [`Step`]s ([`plan`]), and then played on a Weir and, where
//! there is one, a PostgreSQL ([`play`]). So the seed repeats a round exactly, and steps can be taken out of a
//! failing round for as long as it still fails ([`shrink`]).

pub mod aggregate;
pub mod changes;
pub mod coverage;
pub mod expression;
pub mod gather;
pub mod literal;
pub mod plan;
pub mod play;
pub mod query;
pub mod relation;
pub mod shrink;
pub mod subquery;
pub mod ty;
pub mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::postgres::Postgres;
use coverage::Coverage;
use play::{Difference, Players};

/// One thing that a round does.
#[derive(Clone, Debug)]
pub enum Step {
    /// A statement for both databases, which must have the same outcome.
    Run(Statement),
    /// A view is made.
    CreateView(View),
    /// A read that makes Weir cut its ticks here.
    Read(String),
    /// Weir stops and starts with that many workers.
    Restart(usize),
    /// Weir loses its power and starts with that many workers.
    PowerLoss(usize),
    /// A materialized view is compared with its query.
    Compare(View),
}

/// A statement for both.
#[derive(Clone, Debug)]
pub struct Statement {
    /// As Weir gets it.
    pub weir: String,
    /// As PostgreSQL gets it.
    pub postgres: String,
}

impl Statement {
    /// The same text for both.
    #[must_use]
    pub fn same(sql: impl Into<String>) -> Self {
        let sql = sql.into();
        Self { weir: sql.clone(), postgres: sql }
    }
}

/// A view of a round.
#[derive(Clone, Debug)]
pub struct View {
    /// Its name.
    pub name: String,
    /// Its query.
    pub query: Arc<query::Query>,
    /// Kept up to date, rather than a name for a query.
    pub materialized: bool,
}

/// What a run does about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDifference {
    /// It ends, after the failing round was made short.
    Shrink,
    /// It ends at once.
    Stop,
    /// It tells the difference and goes on with the next round.
    GoOn,
}

/// What a run of rounds came to.
#[derive(Debug, Default)]
pub struct Report {
    /// What was exercised.
    pub coverage: Coverage,
    /// The differences as texts for people.
    pub failures: Vec<String>,
}

/// Plays rounds on `threads` threads.
///
/// # Panics
/// Where a thread panics.
#[must_use]
pub fn run(
    seeds: &[u64],
    threads: usize,
    postgres: Option<&Arc<Postgres>>,
    on_difference: OnDifference,
) -> Report {
    let n_rounds = seeds.len() as u64;
    let next = AtomicU64::new(0);
    let work = || {
        let mut report = Report::default();
        loop {
            let round_idx = next.fetch_add(1, Ordering::Relaxed);
            if round_idx >= n_rounds {
                break;
            }
            let seed = seeds[round_idx as usize];
            if let Some(text) = round(seed, postgres, &mut report.coverage, on_difference) {
                if on_difference == OnDifference::GoOn {
                    eprintln!("equality: {text}");
                } else {
                    next.store(n_rounds, Ordering::Relaxed);
                }
                report.failures.push(text);
            }
            if round_idx % 50 == 49 {
                eprintln!("equality: {} of {n_rounds} rounds", round_idx + 1);
            }
        }
        report
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all = Report::default();
        for thread in running {
            let report = thread.join().expect("a thread of the harness does not panic");
            all.coverage.add(report.coverage);
            all.failures.extend(report.failures);
        }
        all
    })
}

/// Plays one round; its difference as a text, if there is one.
fn round(
    seed: u64,
    postgres: Option<&Arc<Postgres>>,
    coverage: &mut Coverage,
    on_difference: OnDifference,
) -> Option<String> {
    let round = plan::round(seed);
    let difference = {
        let players = Players::start(&round, postgres);
        players.and_then(|mut players| players.play(&round.steps, coverage)).err()?
    };
    Some(if on_difference == OnDifference::Shrink {
        describe(&round, &difference, postgres)
    } else {
        format!("seed {}: {difference}", round.seed)
    })
}

/// The failing round as a script, after what can be left out has been left out.
fn describe(
    round: &plan::Round,
    difference: &Difference,
    postgres: Option<&Arc<Postgres>>,
) -> String {
    let (steps, difference) = shrink::shrink(round, difference, postgres);
    let (n_steps, n_left_out) = (round.steps.len(), round.steps.len() - steps.len());
    format!(
        "seed {} ({} workers): {difference}\n\n-- {n_left_out} of {n_steps} steps are left out; WEIR_SEED={} replays \
         all\n{}",
        round.seed,
        round.workers,
        round.seed,
        shrink::script(&steps)
    )
}
