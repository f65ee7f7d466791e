//! The harness finds every planted defect. Each has a process of its own: a planted defect is there for all threads
//! of its process.

use std::process::Command;

use weir_tests::equality::{self, OnDifference};
use weir_tests::postgres::Postgres;
use weir_types::planted::{self, ALL, Bug};

/// Within how many rounds a defect must be found.
const ROUNDS_MAX: u64 = 200;
/// Tells the process its defect.
const VARIABLE: &str = "WEIR_PLANTED";

/// Defects of reading that batch and view share: only PostgreSQL tells.
const NEEDS_POSTGRES: [Bug; 4] =
    [Bug::NullsJoin, Bug::KeptRollback, Bug::LostAppends, Bug::IgnoredUpsert];

#[test]
fn every_planted_defect_is_found() {
    let has_postgres = Postgres::shared().is_ok();
    let program = std::env::current_exe().unwrap();
    let missed: Vec<String> = ALL
        .iter()
        .filter(|bug| has_postgres || !NEEDS_POSTGRES.contains(bug))
        .filter_map(|bug| {
            let output = Command::new(&program)
                .args(["--exact", "planted::one_defect_is_found", "--ignored", "--nocapture"])
                .env(VARIABLE, format!("{bug:?}"))
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let told = text.lines().find(|line| line.starts_with("found ")).unwrap_or("not found");
            eprintln!("{bug:?}: {told}");
            (!output.status.success() || told == "not found").then(|| format!("{bug:?}"))
        })
        .collect();
    assert_eq!(missed, Vec::<String>::new());
}

#[test]
#[ignore = "every_planted_defect_is_found runs it, with a defect"]
fn one_defect_is_found() {
    let Ok(name) = std::env::var(VARIABLE) else { return };
    let bug = *ALL.iter().find(|bug| format!("{bug:?}") == name).unwrap();
    let postgres = Postgres::shared().ok();
    let play = |seed, bug| {
        planted::plant(bug);
        equality::run(&[seed], 1, postgres.as_ref(), OnDifference::Stop).failures.pop()
    };
    for seed in 0..ROUNDS_MAX {
        // What fails without the defect tells nothing of it.
        if let Some(failure) = play(seed, Some(bug))
            && play(seed, None).is_none()
        {
            eprintln!("found in round {}: {}", seed + 1, failure.lines().next().unwrap());
            return;
        }
    }
    panic!("{bug:?} was not found in {ROUNDS_MAX} rounds");
}
