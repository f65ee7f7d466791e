//! Makes a failing round short: steps are taken out for as long as it fails in the same way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Step;
use super::coverage::Coverage;
use super::plan::Round;
use super::play::{Difference, DifferenceKind, Players};
use crate::postgres::Postgres;

/// How long shrinking may take: the seed replays the round anyway.
const TIME_MAX: Duration = Duration::from_secs(60);

/// The shortest failing list of steps that was found in time, and how it fails.
pub fn shrink(
    round: &Round,
    difference: &Difference,
    postgres: Option<&Arc<Postgres>>,
) -> (Vec<Step>, Difference) {
    let deadline = Instant::now() + TIME_MAX;
    let mut steps = round.steps[..=difference.step_idx].to_vec();
    let mut shown = difference.clone();
    let mut size = steps.len() / 2;
    while size > 0 && Instant::now() < deadline {
        let mut start = 0;
        while start < steps.len() && Instant::now() < deadline {
            let end = (start + size).min(steps.len());
            // The last step is the one that shows it.
            if end == steps.len() {
                break;
            }
            // Blocks keep their ends: what is left of one must not take in the steps behind it.
            let kept: Vec<Step> = steps[start..end].iter().filter(ends_block).cloned().collect();
            if kept.len() == end - start {
                start = end;
                continue;
            }
            let fewer = [&steps[..start], &kept, &steps[end..]].concat();
            match fails(round, &fewer, postgres, shown.kind) {
                Some(difference) => {
                    (steps, shown) = (fewer, difference);
                    start += kept.len();
                }
                None => start = end,
            }
        }
        size /= 2;
    }
    (steps, shown)
}

fn ends_block(step: &&Step) -> bool {
    let ends = ["BEGIN", "COMMIT", "ROLLBACK"];
    matches!(step, Step::Run(statement) if ends.contains(&statement.weir.as_str()))
}

fn fails(
    round: &Round,
    steps: &[Step],
    postgres: Option<&Arc<Postgres>>,
    kind: DifferenceKind,
) -> Option<Difference> {
    let mut players = Players::start(round, postgres).ok()?;
    let found = players.play(steps, &mut Coverage::default()).err()?;
    // Another step may fail in the same way only because of what was left out.
    (found.kind == kind && found.step_idx + 1 == steps.len()).then_some(found)
}

/// The steps as a SQL script for Weir.
#[must_use]
pub fn script(steps: &[Step]) -> String {
    let line = |step: &Step| match step {
        Step::Run(statement) if statement.weir == statement.postgres => {
            format!("{};\n", statement.weir)
        }
        Step::Run(statement) => {
            format!("{};  -- PostgreSQL: {}\n", statement.weir, statement.postgres)
        }
        Step::CreateView(view) => format!("{};\n", view.create().weir),
        Step::Read(sql) => format!("{sql};\n"),
        Step::Restart(workers) => format!("-- restart with {workers} workers\n"),
        Step::PowerLoss(workers) => format!("-- loss of power, start with {workers} workers\n"),
        Step::Compare(view) => {
            format!("SELECT * FROM {};  -- and\n{};\n", view.name, view.query.sql)
        }
    };
    steps.iter().map(line).collect()
}
