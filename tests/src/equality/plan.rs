//! A round as its seed makes it.

use std::sync::Arc;

use super::relation::{Kind, Relation};
use super::{Statement, Step, View, changes, query, relation};
use crate::dice::Dice;

/// The fewest batches of changes.
const BATCHES_MIN: usize = 20;
/// How often views are compared.
const COMPARISONS: usize = 5;

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
    let workers = *dice.pick(&[1, 2, 2, 4]);
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
    for batch_idx in 0..=n_batches {
        for _ in moments.iter().filter(|moment| **moment == batch_idx) {
            let view = view(&mut dice, &mut readable, views.len(), n_views);
            steps.push(Step::CreateView(view.clone()));
            views.push(view);
        }
        if restarts.contains(&batch_idx) {
            let workers = *dice.pick(&[1, 2, 3]);
            steps.push(if dice.percent(50) {
                Step::Restart(workers)
            } else {
                Step::PowerLoss(workers)
            });
        }
        let kept: Vec<&View> = views.iter().filter(|view| view.materialized).collect();
        if comparisons.contains(&batch_idx) {
            steps.extend(kept.into_iter().cloned().map(Step::Compare));
        } else if !kept.is_empty() && dice.percent(30) {
            let name = dice.pick(&kept).name.clone();
            steps.push(Step::Read(format!("SELECT count(*) FROM {name}")));
        }
        if batch_idx < n_batches {
            steps.extend(changes::batch(&mut dice, &base));
        }
    }
    Round { seed, workers, steps }
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
        Statement {
            weir: format!("CREATE {kind} {name} AS {}", query.sql),
            postgres: format!("CREATE VIEW {name} AS {}", query.sql),
        }
    }
}
