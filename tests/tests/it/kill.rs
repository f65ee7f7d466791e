//! 50 kill rounds on the real binary.

use weir_tests::kill::{Rounds, Tally};

/// Rounds on one directory: what comes back grows, and a start gets slower with it.
const ROUNDS_OF_A_DIRECTORY: usize = 10;
const DIRECTORIES: usize = 5;

#[test]
fn fifty_kills_lose_and_double_nothing() {
    let seed = match std::env::var("WEIR_TEST_SEED") {
        Ok(text) => text.parse().expect("WEIR_TEST_SEED is a number"),
        Err(_) => weir_env::Rng::from_os().next_u64(),
    };
    println!("WEIR_TEST_SEED={seed}");
    let mut total = Tally::default();
    for directory in 0..DIRECTORIES {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let mut tally = Tally::default();
        let mut rounds = Rounds::begin(dir.path(), seed.wrapping_add(directory as u64));
        for _ in 0..ROUNDS_OF_A_DIRECTORY {
            rounds.round(&mut tally);
        }
        rounds.end(&mut tally);
        println!("{tally:?}");
        total.add(&tally);
    }
    assert_eq!(total.rounds, DIRECTORIES * ROUNDS_OF_A_DIRECTORY);
    // Rounds that do nothing prove nothing.
    assert!(total.killed_starting > 0 && total.killed_stopping > 0, "{total:?}");
    assert!(total.acknowledged > 150 && total.lines > 200 && total.views > 300, "{total:?}");
    assert!(total.unanswered > 0, "{total:?}");
}
