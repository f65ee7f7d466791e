//! What the operators of a view have done since it began to run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::graph::Graph;

/// What one operator did on one worker.
#[derive(Debug, Default)]
pub struct Counter {
    rows_in: AtomicU64,
    rows_out: AtomicU64,
    nanos: AtomicU64,
}

/// What a [`Counter`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Rows that came in, whatever their weights.
    pub rows_in: u64,
    /// Rows that went out.
    pub rows_out: u64,
    /// Time spent.
    pub time: Duration,
}

impl Counter {
    /// Counts one batch, whose work began at `since`.
    pub(crate) fn add(&self, rows_in: usize, rows_out: usize, since: Instant) {
        self.rows_in.fetch_add(rows_in as u64, Ordering::Relaxed);
        self.rows_out.fetch_add(rows_out as u64, Ordering::Relaxed);
        self.nanos.fetch_add(since.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }

    /// What it has counted.
    #[must_use]
    pub fn get(&self) -> Counted {
        Counted {
            rows_in: self.rows_in.load(Ordering::Relaxed),
            rows_out: self.rows_out.load(Ordering::Relaxed),
            time: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)),
        }
    }
}

/// The counters of a view: for each operator, one for each worker.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Of each pipeline, its steps.
    pub pipelines: Vec<Vec<Vec<Counter>>>,
    /// Of each aggregation.
    pub aggregations: Vec<Vec<Counter>>,
}

impl Metrics {
    /// Counters for the operators of `graph`.
    #[must_use]
    pub fn new(graph: &Graph, n_workers: usize) -> Self {
        let counters = || (0..n_workers).map(|_| Counter::default()).collect::<Vec<_>>();
        let pipelines = graph.pipelines.iter();
        Self {
            pipelines: pipelines
                .map(|pipeline| pipeline.steps.iter().map(|_| counters()).collect())
                .collect(),
            aggregations: graph.aggregations.iter().map(|_| counters()).collect(),
        }
    }
}
