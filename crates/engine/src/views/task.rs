//! The ticks of a view.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::LogicalPlan;
use parking_lot::Mutex;
use weir_dataflow::{
    BatchQuery, Graph, GraphState, Input, Maintained, Origin, Pipeline, Tick, TickClass, recompute,
};
use weir_delta::{Delta, Weights};
use weir_planner::incremental::{Dataflow, InputRelation, Keys, Touched};
use weir_planner::semantics;
use weir_types::planted::{self, Bug};
use weir_types::{Epoch, Error, ObjectId, Result};

use super::input::{RelationInput, Waiting};
use super::{ViewData, view_config};
use crate::batch::normalize;
use crate::dead_rows::DeadRows;
use crate::read::EpochRows;
use crate::shared::Shared;

/// Rows of streams that a tick of a lagging view takes in, about.
const MOST_ROWS: u64 = 1 << 20;
/// A tick over so few epochs takes all of their rows in: it is not worth a look at how many there are.
const FEW_EPOCHS: u64 = 16;

fn most_rows() -> u64 {
    if planted::is_small() { 5 } else { MOST_ROWS }
}

fn few_epochs() -> u64 {
    if planted::is_small() { 1 } else { FEW_EPOCHS }
}

/// A view as the scheduler runs it.
pub(super) struct Task {
    /// Weak: the engine owns the scheduler, which owns this.
    shared: Weak<Shared>,
    id: ObjectId,
    data: Arc<ViewData>,
}

impl Task {
    pub(super) fn new(shared: &Arc<Shared>, id: ObjectId, data: Arc<ViewData>) -> Self {
        Self { shared: Arc::downgrade(shared), id, data }
    }
}

impl Maintained for Task {
    fn tick(&self, from: Epoch, upto: Epoch) -> Result<Tick> {
        let shared = self.shared.upgrade().ok_or_else(|| {
            Error::new(weir_types::SqlState::AdminShutdown, "the server is shutting down")
        })?;
        let run = Run { shared: &shared, id: self.id, data: &self.data };
        let began = Instant::now();
        let tick = match &self.data.dataflow {
            Dataflow::Incremental { graph, inputs } => run.piece_or_all(graph, inputs, from, upto),
            Dataflow::Recompute { plan, keys, .. } => {
                let changed = run.recompute(plan, keys.as_ref(), from, upto);
                changed.map(|changed| Tick { upto, changed })
            }
        };
        if tick.is_err() && planted::is(Bug::SwallowedError) {
            return Ok(Tick { upto, changed: false });
        }
        let tick = tick?;
        self.data.ticked(began);
        Ok(tick)
    }

    fn class(&self) -> TickClass {
        match self.data.dataflow {
            Dataflow::Incremental { .. } => TickClass::Linear,
            Dataflow::Recompute { .. } => TickClass::Batch,
        }
    }
}

/// One tick.
struct Run<'a> {
    shared: &'a Shared,
    id: ObjectId,
    data: &'a ViewData,
}

impl Run<'_> {
    /// Takes in all up to `upto`, or a piece of it.
    fn piece_or_all(
        &self,
        graph: &Graph,
        inputs: &[InputRelation],
        from: Epoch,
        upto: Epoch,
    ) -> Result<Tick> {
        let taken = |end| {
            let changed = self.incremental(graph, inputs, from, end)?;
            Ok(Tick { upto: end, changed })
        };
        match self.end(graph, inputs, from, upto)? {
            // What fails in the middle may be gone at the end.
            end if end < upto => taken(end).or_else(|_| taken(upto)),
            end => taken(end),
        }
    }

    /// Where a tick ends that may take in rows up to `upto`: the output of one is kept in memory until it is over, so
    /// that a view which lags by much takes its streams in piece by piece. At least one epoch is taken in. What comes
    /// out of aggregations is bounded by their groups.
    fn end(
        &self,
        graph: &Graph,
        inputs: &[InputRelation],
        from: Epoch,
        upto: Epoch,
    ) -> Result<Epoch> {
        let is_whole = from == Epoch::ZERO || upto.0 - from.0 <= few_epochs();
        // Views that it reads are exact where they stopped, and not between.
        if is_whole || !graph.is_linear() || !self.data.views.is_empty() {
            return Ok(upto);
        }
        let mut waiting = Vec::new();
        for source in self.sources(inputs) {
            waiting.extend(source.waiting(from, upto)?);
        }
        let n_rows: u64 = waiting.iter().map(Waiting::n_rows).sum();
        if n_rows <= most_rows() {
            return Ok(upto);
        }
        let mut end = upto;
        for part in &waiting {
            let share = u128::from(part.n_rows()) * u128::from(most_rows()) / u128::from(n_rows);
            end = end.min(part.epoch_of(self.shared.log.as_ref(), share as u64)?.unwrap_or(upto));
        }
        Ok(end)
    }

    /// Sends the changes of the inputs through the operators. A view without content takes batches in as
    /// they come; otherwise all or nothing.
    fn incremental(
        &self,
        graph: &Graph,
        inputs: &[InputRelation],
        from: Epoch,
        upto: Epoch,
    ) -> Result<bool> {
        let backfill = from == Epoch::ZERO;
        let mut state = self.data.state.lock();
        if backfill {
            self.begin_backfill(inputs, upto)?;
            *state = GraphState::new(graph, self.shared.n_workers);
        } else if !graph.is_linear() {
            self.data.freezing.before_tick(&state, upto);
        }
        let n_out = self.data.n_out.load(Ordering::Relaxed);
        let outcome = undoing(
            || self.take_in(graph, inputs, &state, from, upto),
            || {
                // The tick is repeated: its rows would count twice.
                self.data.n_out.store(n_out, Ordering::Relaxed);
                if backfill {
                    return self.empty(upto);
                }
                state.rollback();
                Ok(())
            },
        );
        if outcome.is_ok() {
            state.commit();
        }
        outcome
    }

    /// True where the content changed.
    fn take_in(
        &self,
        graph: &Graph,
        inputs: &[InputRelation],
        state: &GraphState,
        from: Epoch,
        upto: Epoch,
    ) -> Result<bool> {
        let backfill = from == Epoch::ZERO;
        let kept: Mutex<Vec<Delta>> = Mutex::default();
        let changed = AtomicBool::new(false);
        let content = |output: Delta| -> DfResult<()> {
            if output.is_empty() {
                return Ok(());
            }
            changed.store(true, Ordering::Relaxed);
            if !self.data.is_read {
                self.data.n_out.fetch_add(n_changes(&output), Ordering::Relaxed);
                return Ok(());
            }
            let delta = self.stored(&output).map_err(external)?;
            if backfill {
                return self.apply(upto, &delta).map_err(external);
            }
            kept.lock().push(delta);
            Ok(())
        };
        if self.data.is_dead_rows {
            self.dead_rows_of(graph, inputs, from, upto, &content).map_err(semantics::to_error)?;
        } else {
            let sources = self.sources(inputs);
            let parts = sources.iter().map(|source| source.parts(from, upto));
            let parts = parts.collect::<DfResult<Vec<_>>>().map_err(semantics::to_error)?;
            let lost;
            let graph = if planted::is(Bug::LostBranch) {
                lost = without_last(graph);
                &lost
            } else {
                graph
            };
            let run = weir_dataflow::Run {
                graph,
                state,
                metrics: &self.data.metrics,
                n_workers: self.shared.n_workers,
                skips_errors: self.data.skips_errors.load(Ordering::Relaxed),
                content: &content,
            };
            run.run(&parts, !backfill).map_err(semantics::to_error)?;
        }
        let kept = kept.into_inner();
        if !kept.is_empty() {
            let all = Delta::concat(self.data.segments.schema(), &kept)?;
            self.apply(upto, &all)?;
        }
        Ok(changed.into_inner())
    }

    fn sources<'s>(&'s self, inputs: &'s [InputRelation]) -> Vec<RelationInput<'s>> {
        let source = |relation| RelationInput {
            shared: self.shared,
            relation,
            is_net: true,
            n_rows: &self.data.backfill_rows,
        };
        inputs.iter().map(source).collect()
    }

    /// Hands the rows for which a pipeline fails to `each`, as rows of `dlq.<view>`.
    fn dead_rows_of(
        &self,
        graph: &Graph,
        inputs: &[InputRelation],
        from: Epoch,
        upto: Epoch,
        each: &dyn Fn(Delta) -> DfResult<()>,
    ) -> DfResult<()> {
        let dead = self.dead_rows();
        for (input_idx, source) in self.sources(inputs).iter().enumerate() {
            let pipelines =
                || graph.pipelines.iter().filter(|p| p.origin == Origin::Input(input_idx));
            for part in source.parts(from, upto)? {
                while let Some(delta) = part.next()? {
                    for pipeline in pipelines() {
                        each(self.dead_of(pipeline, delta.clone(), &dead)?)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The rows for which the pipeline fails, with their weights.
    fn dead_of(&self, pipeline: &Pipeline, delta: Delta, dead: &DeadRows) -> DfResult<Delta> {
        let mut weights = Vec::new();
        pipeline.apply_skipping(delta, &mut |bad| {
            weights.push(bad.row.weight(0));
            dead.add(bad.row.rows(), semantics::to_error(bad.error)).map_err(external)
        })?;
        let rows = dead.take(self.data.segments.schema()).map_err(external)?;
        Ok(Delta::new(rows, Weights::Mixed(weights)))
    }

    /// Where rows go for which a batch plan fails.
    fn dead_rows(&self) -> DeadRows {
        if self.data.is_dead_rows { DeadRows::gathering() } else { DeadRows::ignoring() }
    }

    /// The output in the types that the view stores.
    fn stored(&self, output: &Delta) -> Result<Delta> {
        let rows = normalize(output.rows(), self.data.segments.schema())?;
        Ok(Delta::new(rows, output.weights().clone()))
    }

    fn begin_backfill(&self, inputs: &[InputRelation], upto: Epoch) -> Result<()> {
        self.data.backfill_rows.store(0, Ordering::Relaxed);
        let mut total = 0;
        for source in self.sources(inputs) {
            total += source.n_rows_at(upto)?;
        }
        self.data.backfill_total.store(total, Ordering::Relaxed);
        Ok(())
    }

    /// Runs the query again, for the values of its keys that changed rows have, where it has keys.
    fn recompute(
        &self,
        plan: &LogicalPlan,
        keys: Option<&Keys>,
        from: Epoch,
        upto: Epoch,
    ) -> Result<bool> {
        let skips = self.data.is_dead_rows || self.data.skips_errors.load(Ordering::Relaxed);
        let touched = match keys {
            Some(keys) if from > Epoch::ZERO && !skips => {
                let touched = self.touched(keys, from, upto)?;
                if touched.is_empty() {
                    return Ok(false);
                }
                Some((keys, Arc::new(touched)))
            }
            _ => None,
        };
        let mut before: Vec<RecordBatch> = match from {
            Epoch::ZERO => Vec::new(),
            from => self.data.segments.snapshot().scan(from, None).collect(),
        };
        let mut plan = plan.clone();
        if let Some((keys, touched)) = &touched {
            plan = keys.restrict(plan, touched)?;
            for batch in &mut before {
                *batch = touched.of_batch(batch, &keys.outputs)?;
            }
        }
        let dead = skips.then(|| Arc::new(self.dead_rows()));
        let query = PlannedBatch { run: self, plan, dead };
        let at = if planted::is(Bug::EarlyTick) { Epoch(upto.0 - 1) } else { upto };
        let delta = recompute(&query, &before, at).map_err(semantics::to_error)?;
        if delta.is_empty() {
            return Ok(false);
        }
        self.apply(upto, &delta)?;
        if !self.data.is_read {
            self.data.n_out.fetch_add(n_changes(&delta), Ordering::Relaxed);
        }
        Ok(true)
    }

    /// The values of the keys in rows that changed after `from`, up to `upto`.
    fn touched(&self, keys: &Keys, from: Epoch, upto: Epoch) -> Result<Touched> {
        let mut touched = Touched::default();
        let n_lost = usize::from(planted::is(Bug::UntouchedKeys));
        for mut source in self.sources(&keys.inputs[n_lost..]) {
            // The columns are the keys alone: a row that changed in others has touched its key.
            source.is_net = false;
            for part in source.parts(from, upto).map_err(semantics::to_error)? {
                while let Some(delta) = part.next().map_err(semantics::to_error)? {
                    touched.add(delta.rows().columns());
                }
            }
        }
        Ok(touched)
    }

    fn apply(&self, epoch: Epoch, delta: &Delta) -> Result<()> {
        if planted::is(Bug::DroppedDelta) && epoch.0.is_multiple_of(3) {
            return Ok(());
        }
        let turned;
        let delta = if planted::is(Bug::WrongSign) && epoch.0.is_multiple_of(3) {
            turned = Delta::new(delta.rows().clone(), Weights::Neg);
            &turned
        } else {
            delta
        };
        if planted::is(Bug::DoubledDelta) {
            self.apply_once(epoch, delta)?;
        }
        self.apply_once(epoch, delta)
    }

    fn apply_once(&self, epoch: Epoch, delta: &Delta) -> Result<()> {
        self.data.segments.apply(epoch, delta).map_err(|error| {
            Error::internal(format!("a change does not fit the view with oid {}: {error}", self.id))
        })
    }

    /// Takes back what a failed backfill has put in.
    fn empty(&self, epoch: Epoch) -> Result<()> {
        let rows: Vec<RecordBatch> = self.data.segments.snapshot().scan(epoch, None).collect();
        for batch in rows {
            self.apply(epoch, &Delta::new(batch, Weights::Neg))?;
        }
        Ok(())
    }
}

/// What `act` gives; where it fails or panics, `undo` has run. An error of `undo` takes the place of that of `act`.
fn undoing<T>(act: impl FnOnce() -> Result<T>, undo: impl FnOnce() -> Result<()>) -> Result<T> {
    let outcome = catch_unwind(AssertUnwindSafe(act));
    if !matches!(outcome, Ok(Ok(_))) {
        undo()?;
    }
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// The graph without the last pipeline, which planted defects lose.
fn without_last(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    graph.pipelines.pop();
    graph
}

/// The rows that come and go with a change.
fn n_changes(delta: &Delta) -> u64 {
    match delta.weights() {
        Weights::One | Weights::Neg => delta.len() as u64,
        Weights::Mixed(weights) => weights.iter().map(|weight| weight.unsigned_abs()).sum(),
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// A view's query as a batch.
struct PlannedBatch<'a> {
    run: &'a Run<'a>,
    plan: LogicalPlan,
    /// Where rows go for which the query fails; `None` where they fail it.
    dead: Option<Arc<DeadRows>>,
}

impl BatchQuery for PlannedBatch<'_> {
    fn run(&self, at: Epoch) -> DfResult<Vec<RecordBatch>> {
        let batches = self.rows(at).map_err(external)?;
        let Run { data, .. } = self.run;
        let schema = data.segments.schema();
        if let Some(dead) = self.dead.as_ref().filter(|_| data.is_dead_rows) {
            return Ok(vec![dead.take(schema).map_err(external)?]);
        }
        batches.iter().map(|batch| normalize(batch, schema).map_err(external)).collect()
    }
}

impl PlannedBatch<'_> {
    fn rows(&self, at: Epoch) -> Result<Vec<RecordBatch>> {
        let Run { shared, id, .. } = *self.run;
        let catalog = shared.catalog();
        let object = catalog.require(id)?;
        let query = object
            .query()
            .ok_or_else(|| Error::internal(format!("\"{}\" has no query", object.name)))?;
        let config = view_config(shared, query);
        let plan = semantics::bind_now(self.plan.clone(), shared.now_of(at))?;
        let rows = EpochRows::at(shared, Arc::clone(&catalog), at);
        let wanted = &self.run.data.wanted;
        shared.batch.collect_blocking(plan, &rows, &config, self.dead.as_ref(), wanted)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use weir_types::{Error, Result};

    use super::undoing;

    #[test]
    fn what_fails_or_panics_is_undone() {
        let n_undone = Cell::new(0);
        let undo = || {
            n_undone.set(n_undone.get() + 1);
            Ok(())
        };
        assert_eq!(undoing(|| Ok(1), undo).expect("it does not fail"), 1);
        assert_eq!(n_undone.get(), 0);
        undoing(|| Err::<(), _>(Error::internal("defect")), undo).expect_err("it fails");
        assert_eq!(n_undone.get(), 1);
        let panicking = || undoing(|| -> Result<()> { panic!("a defect") }, undo);
        let panic = catch_unwind(AssertUnwindSafe(panicking)).expect_err("the panic goes on");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"a defect"));
        assert_eq!(n_undone.get(), 2);
    }
}
