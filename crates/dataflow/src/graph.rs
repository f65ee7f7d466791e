//! An incremental view: pipelines of stateless operators, and the aggregations between them.
//!
//! Filter, project, unnest and union all are linear: the output's change is the operators applied to the
//! input's change. So a tree of them is a list of pipelines, one for each input that the union reaches,
//! and needs no state. An aggregation ends pipelines, and begins others.

use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use weir_delta::{Delta, Weights};

use crate::metrics::Counter;
use crate::operator::aggregate::Aggregate;
use crate::operator::filter::filter;
use crate::operator::project::project;
use crate::operator::unnest::{UnnestColumns, unnest};

/// A stateless operator.
#[derive(Clone, Debug)]
pub enum Step {
    /// Keeps the rows for which the predicate is true.
    Filter(Arc<dyn PhysicalExpr>),
    /// Computes columns.
    Project(Vec<Arc<dyn PhysicalExpr>>, SchemaRef),
    /// One row for each element of a list.
    Unnest(UnnestColumns),
}

/// Where a pipeline begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One of the view's inputs.
    Input(usize),
    /// One of the view's aggregations.
    Aggregation(usize),
}

/// Where a pipeline ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The view's content.
    Content,
    /// One of the view's aggregations.
    Aggregation(usize),
}

/// Operators applied to one input, in order.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// What it reads.
    pub origin: Origin,
    /// The operators.
    pub steps: Vec<Step>,
    /// What takes its output.
    pub target: Target,
}

/// An incremental view. Pipelines with the same target end in the same schema.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The pipelines.
    pub pipelines: Vec<Pipeline>,
    /// The aggregations. Each reads inputs, and aggregations before it.
    pub aggregations: Vec<Arc<Aggregate>>,
}

impl Graph {
    /// True without operators that have a state.
    #[must_use]
    pub fn is_linear(&self) -> bool {
        self.aggregations.is_empty()
    }

    /// The pipelines that begin there, with their numbers.
    pub(crate) fn from(&self, origin: Origin) -> impl Iterator<Item = (usize, &Pipeline)> {
        self.pipelines.iter().enumerate().filter(move |(_, pipeline)| pipeline.origin == origin)
    }
}

/// A row for which an operator failed.
#[derive(Debug)]
pub struct RowError {
    /// The row as it came in, alone, with its weight.
    pub row: Delta,
    /// Why it failed.
    pub error: DataFusionError,
}

impl Pipeline {
    /// The pipeline's output for one batch of changes of its input.
    ///
    /// # Errors
    /// The first error of an operator; nothing of the batch has an effect then.
    pub fn apply(&self, delta: Delta) -> Result<Delta> {
        self.apply_counting(delta, &[], 0)
    }

    /// As [`Self::apply`]; what each step does is counted for that worker, where there are counters.
    pub(crate) fn apply_counting(
        &self,
        delta: Delta,
        counters: &[Vec<Counter>],
        worker_idx: usize,
    ) -> Result<Delta> {
        let mut delta = delta;
        for (step_idx, step) in self.steps.iter().enumerate() {
            if delta.is_empty() && matches!(step, Step::Filter(_)) {
                continue;
            }
            let (began, n_in) = (Instant::now(), delta.len());
            delta = match step {
                Step::Filter(predicate) => filter(delta, predicate.as_ref())?,
                Step::Project(exprs, schema) => project(&delta, exprs, schema)?,
                Step::Unnest(spec) => unnest(&delta, spec)?,
            };
            if let Some(workers) = counters.get(step_idx) {
                workers[worker_idx].add(n_in, delta.len(), began);
            }
        }
        Ok(delta)
    }

    /// As [`Self::apply`], but a row for which an operator fails is left out and given to `bad`. Finds
    /// the bad rows by halving, so a batch with few of them costs little more.
    ///
    /// # Errors
    /// Those that `bad` returns.
    pub fn apply_skipping(
        &self,
        delta: Delta,
        bad: &mut dyn FnMut(RowError) -> Result<()>,
    ) -> Result<Vec<Delta>> {
        let mut good = Vec::new();
        // Halves still to do, the first on top, so that rows keep their order.
        let mut stack = vec![delta];
        while let Some(delta) = stack.pop() {
            match self.apply(delta.clone()) {
                Ok(output) => good.push(output),
                Err(error) if delta.len() <= 1 => bad(RowError { row: delta, error })?,
                Err(_) => {
                    let middle = delta.len() / 2;
                    stack.push(slice(&delta, middle, delta.len() - middle));
                    stack.push(slice(&delta, 0, middle));
                }
            }
        }
        Ok(good)
    }
}

fn slice(delta: &Delta, begin: usize, n_rows: usize) -> Delta {
    let weights = match delta.weights() {
        Weights::Mixed(weights) => Weights::Mixed(weights[begin..begin + n_rows].to_vec()),
        uniform => uniform.clone(),
    };
    Delta::new(delta.rows().slice(begin, n_rows), weights)
}
