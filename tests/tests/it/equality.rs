//! Views equal their queries.

use std::sync::Arc;

use weir_tests::equality;
use weir_tests::postgres::Postgres;

/// Rounds of the test command.
const ROUNDS: u64 = 200;
/// Rounds from which on each kind of operator must have come often enough.
const ROUNDS_OF_KINDS: u64 = 2_000;
const KIND_MIN: u64 = 50;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

#[test]
fn views_equal_their_queries_and_postgres() {
    let postgres = Postgres::shared().inspect_err(|reason| {
        eprintln!("EQUALITY IS NOT CHECKED AGAINST POSTGRESQL: {reason}");
    });
    let postgres: Option<Arc<Postgres>> = postgres.ok();
    let replay = number("WEIR_SEED");
    let n_rounds = number("WEIR_ROUNDS").unwrap_or(if replay.is_some() { 1 } else { ROUNDS });
    let seed = replay.unwrap_or_else(|| weir_env::Rng::from_os().next_u64() % 1_000_000_000_000);
    eprintln!("equality: seeds {seed}..{}", seed + n_rounds);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let report = equality::run(seed, n_rounds, threads, postgres.as_ref(), true);
    eprintln!("{}", report.coverage);
    if let Some(failure) = report.failure {
        panic!("{failure}");
    }
    if replay.is_some() {
        return;
    }
    let coverage = report.coverage;
    assert!(coverage.non_empty_percent() >= 80, "{} % have rows", coverage.non_empty_percent());
    assert!(coverage.refused_percent() <= 5, "{} % are refused", coverage.refused_percent());
    if postgres.is_some() {
        assert!(coverage.postgres_percent() >= 50, "{} %", coverage.postgres_percent());
    }
    if n_rounds >= ROUNDS_OF_KINDS {
        assert_eq!(coverage.rare(KIND_MIN), Vec::<&str>::new(), "kinds used too seldom");
    }
}
