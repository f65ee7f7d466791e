//! Views equal their queries.

use std::sync::Arc;

use weir_tests::equality::{self, OnDifference};
use weir_tests::postgres::Postgres;

/// The rounds of the test command. `cargo xtask harness` plays others.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=200;
/// Rounds from which on the shares of the coverage must be met.
const ROUNDS_OF_SHARES: u64 = 200;
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
    let seeds: Vec<u64> = match (replay, number("WEIR_ROUNDS")) {
        (None, None) => SEEDS.collect(),
        (seed, n_rounds) => {
            let first =
                seed.unwrap_or_else(|| weir_env::Rng::from_os().next_u64() % 1_000_000_000_000);
            (first..first + n_rounds.unwrap_or(1)).collect()
        }
    };
    let n_rounds = seeds.len() as u64;
    eprintln!("equality: {n_rounds} rounds from seed {} on", seeds[0]);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let on_difference = match std::env::var_os("WEIR_GO_ON") {
        Some(_) => OnDifference::GoOn,
        None => OnDifference::Shrink,
    };
    let report = equality::run(&seeds, threads, postgres.as_ref(), on_difference);
    eprintln!("{}", report.coverage);
    let n_failures = report.failures.len();
    assert_eq!(n_failures, 0, "differences:\n{}", report.failures.join("\n\n"));
    if n_rounds < ROUNDS_OF_SHARES {
        return;
    }
    let coverage = report.coverage;
    assert!(coverage.non_empty_percent() >= 80, "{} % have rows", coverage.non_empty_percent());
    assert!(coverage.refused_percent() <= 5, "{} % are refused", coverage.refused_percent());
    assert!(coverage.given_up_percent() < 1, "{} % are given up", coverage.given_up_percent());
    if postgres.is_some() {
        assert!(coverage.postgres_percent() >= 50, "{} %", coverage.postgres_percent());
    }
    if n_rounds >= ROUNDS_OF_KINDS {
        assert_eq!(coverage.rare(KIND_MIN), Vec::<&str>::new(), "kinds used too seldom");
    }
}

/// Rounds of the test command in which few rows are many. `cargo xtask harness --small` plays others.
const SMALL_ROUNDS: &str = "60";

/// The same with hashes of 4 bits, and with threads where there are two rows: in a process of its own, because hashes
/// are those of the process.
#[test]
fn views_equal_their_queries_where_few_rows_are_many() {
    if std::env::var_os("WEIR_SMALL").is_some() {
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "equality::views_equal_their_queries_and_postgres", "--nocapture"])
        .envs([("WEIR_SMALL", "1"), ("WEIR_SEED", "1000"), ("WEIR_ROUNDS", SMALL_ROUNDS)])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains(&format!("equality: {SMALL_ROUNDS} rounds")), "{text}");
}
