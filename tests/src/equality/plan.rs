//! A round as its seed makes it.

use std::sync::Arc;

use super::relation::{Kind, Relation};
use super::{Statement, Step, View, changes, query, relation};
use crate::dice::Dice;

/// The fewest batches of changes.
const BATCHES_MIN: usize = 20;
/// How often views are compared.
const COMPARISONS: usize = 5;

/// Mixed into the seed for the cuts, so that they are no part of what else the seed decides.
const CUTS: u64 = 0x5eed_c075;

/// What goes into one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cuts {
    /// One commit or several, as it comes.
    Any,
    /// One row: every view is read after every commit.
    EachRow,
    /// All changes between two other steps, as one transaction.
    Everything,
}

impl Cuts {
    fn of(seed: u64) -> Self {
        match Dice::new(seed ^ CUTS).below(10) {
            0 | 1 => Self::EachRow,
            2 | 3 => Self::Everything,
            _ => Self::Any,
        }
    }
}

/// A round.
#[derive(Clone, Debug)]
pub struct Round {
    /// What it was made from.
    pub seed: u64,
    /// Weir's workers at the beginning.
    pub workers: usize,
    /// What it does.
    pub steps: Vec<Step>,
}

/// The round of that seed.
#[must_use]
pub fn round(seed: u64) -> Round {
    let mut dice = Dice::new(seed);
    let cuts = Cuts::of(seed);
    let workers = *dice.pick(&[1, 2, 2, 7]);
    let base = relation::random(&mut dice);
    let mut steps: Vec<Step> =
        base.iter().map(|relation| Step::Run(relation.create(&mut dice))).collect();
    let n_batches = BATCHES_MIN + dice.below(6);
    let n_views = dice.between(3, 4);
    // Views come at any moment of the first half: on empty relations, and on those with rows.
    let moments: Vec<usize> = (0..n_views).map(|_| dice.below(n_batches / 2)).collect();
    let restarts: Vec<usize> =
        (0..*dice.pick(&[0, 1, 1, 2])).map(|_| dice.between(3, n_batches - 1)).collect();
    let comparisons: Vec<usize> = (0..COMPARISONS)
        .map(|nth| n_batches / 2 + (nth + 1) * (n_batches - n_batches / 2) / COMPARISONS)
        .collect();
    let mut readable = base.clone();
    let mut views: Vec<View> = Vec::new();
    let mut together = Vec::new();
    for batch_idx in 0..=n_batches {
        let is_other = |batches: &[usize]| batches.contains(&batch_idx);
        if is_other(&moments) || is_other(&restarts) || is_other(&comparisons) {
            steps.append(&mut as_transaction(std::mem::take(&mut together)));
        }
        for _ in moments.iter().filter(|moment| **moment == batch_idx) {
            let view = view(&mut dice, &mut readable, views.len(), n_views);
            steps.push(Step::CreateView(view.clone()));
            views.push(view);
        }
        if restarts.contains(&batch_idx) {
            let workers = *dice.pick(&[1, 2, 7]);
            steps.push(if dice.percent(50) {
                Step::Restart(workers)
            } else {
                Step::PowerLoss(workers)
            });
        }
        let kept: Vec<&View> = views.iter().filter(|view| view.materialized).collect();
        if comparisons.contains(&batch_idx) {
            steps.extend(kept.iter().map(|view| Step::Compare((*view).clone())));
        } else if cuts != Cuts::Everything && !kept.is_empty() && dice.percent(30) {
            let name = dice.pick(&kept).name.clone();
            steps.push(Step::Read(format!("SELECT count(*) FROM {name}")));
        }
        if batch_idx == n_batches {
            break;
        }
        match cuts {
            Cuts::Any => steps.extend(changes::batch(&mut dice, &base)),
            Cuts::Everything => together.extend(changes::part(&mut dice, &base)),
            Cuts::EachRow => {
                for change in changes::single_rows(&mut dice, &base) {
                    steps.push(change);
                    let read =
                        |view: &&View| Step::Read(format!("SELECT count(*) FROM {}", view.name));
                    steps.extend(kept.iter().map(read));
                }
            }
        }
    }
    Round { seed, workers, steps }
}

fn as_transaction(changes: Vec<Step>) -> Vec<Step> {
    if changes.is_empty() {
        return changes;
    }
    let run = |sql| vec![Step::Run(Statement::same(sql))];
    [run("BEGIN"), changes, run("COMMIT")].concat()
}

fn view(dice: &mut Dice, readable: &mut Vec<Relation>, nth: usize, n_views: usize) -> View {
    let query = Arc::new(query::random(dice, readable));
    let materialized = nth + 1 == n_views || dice.percent(85);
    let name = format!("v{nth}");
    readable.push(Relation {
        name: name.clone(),
        kind: Kind::View,
        columns: query.columns.clone(),
        in_postgres: query.common,
    });
    View { name, query, materialized }
}

impl View {
    /// The statement that makes it.
    #[must_use]
    pub fn create(&self) -> Statement {
        let Self { name, query, materialized } = self;
        let kind = if *materialized { "MATERIALIZED VIEW" } else { "VIEW" };
        // To see which operator is to blame for a difference.
        let options = match std::env::var("WEIR_FORCE_RECOMPUTE") {
            Ok(kinds) if *materialized => format!(" WITH (force_recompute = '{kinds}')"),
            _ => String::new(),
        };
        Statement {
            weir: format!("CREATE {kind} {name}{options} AS {}", query.sql),
            postgres: format!("CREATE VIEW {name} AS {}", query.sql),
        }
    }
}
