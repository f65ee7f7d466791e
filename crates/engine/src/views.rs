//! Materialized views and sinks that run.

pub(crate) mod failed;
mod input;
mod state;
mod task;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use datafusion::config::ConfigOptions;
use datafusion::logical_expr::LogicalPlan;
use parking_lot::{Mutex, RwLock};
use weir_catalog::{Catalog, Object, ObjectBody, OnError, OperatorKind, StoredQuery};
use weir_dataflow::{GraphState, Maintained, Metrics, ViewInputs};
use weir_delta::segments::{Key, Segments};
use weir_planner::bind::{Binder, NoSystemRelations};
use weir_planner::incremental::{self, Choice, Dataflow};
use weir_planner::semantics;
use weir_planner::source::schema_of;
use weir_types::{Epoch, Error, ObjectId, Result, SqlState, Timestamp, TopicId};

use crate::batch::Wanted;
use crate::checkpoint::Record;
use crate::shared::Shared;
use crate::stack::on_planner_stack;
use state::Freezing;
use task::Task;

/// A materialized view's content and what its tasks tell of it.
pub(crate) struct ViewData {
    /// The rows, a bag.
    pub(crate) segments: Segments,
    /// How it is maintained.
    pub(crate) dataflow: Dataflow,
    /// What its operators remember. Held through a tick.
    pub(crate) state: Mutex<GraphState>,
    pub(crate) freezing: Freezing,
    /// What its operators did.
    pub(crate) metrics: Metrics,
    /// Ticks that ran to their end, and their time.
    n_ticks: AtomicU64,
    tick_nanos: AtomicU64,
    /// Bytes of the state when they were last counted.
    state_bytes: AtomicU64,
    /// Ends its queries when it is dropped.
    pub(crate) wanted: Wanted,
    /// The streams and tables it reads.
    pub(crate) topics: BTreeSet<TopicId>,
    /// The materialized views it reads.
    pub(crate) views: Vec<ObjectId>,
    /// Rows for which the query fails are left out.
    pub(crate) skips_errors: AtomicBool,
    /// The rows are those for which the query fails: `dlq.<view>`.
    pub(crate) is_dead_rows: bool,
    /// False for a sink: nobody reads its rows.
    pub(crate) is_read: bool,
    /// Backfill: input rows taken in, and all that there were when it began.
    pub(crate) backfill_rows: AtomicU64,
    pub(crate) backfill_total: AtomicU64,
    pub(crate) backfill_began: Timestamp,
    /// Rows that a sink has taken.
    pub(crate) n_out: AtomicU64,
}

/// All running views and sinks.
#[derive(Default)]
pub(crate) struct Views {
    views: RwLock<HashMap<ObjectId, Arc<ViewData>>>,
    /// Views that could not be started again, with the reason: they are there, and fail.
    broken: RwLock<HashMap<ObjectId, Error>>,
}

/// The error of a view whose stored state is of no use to this version of the program.
fn of_another_version(object: &Object, why: &str) -> Error {
    tracing::error!(view = %object.name, why, "a view's state is of another version");
    Error::new(
        SqlState::ObjectNotInPrerequisiteState,
        format!("the state of \"{}\" was kept by another version: {why}", object.name),
    )
    .with_hint("Drop it and create it again.")
}

impl Views {
    /// The content of that view.
    ///
    /// # Errors
    /// 42P01 where it was dropped.
    pub(crate) fn get(&self, id: ObjectId) -> Result<Arc<ViewData>> {
        self.check_whole(id)?;
        self.views.read().get(&id).cloned().ok_or_else(|| {
            Error::new(SqlState::UndefinedTable, "the materialized view was dropped meanwhile")
        })
    }

    /// Refuses a view that could not be started again, or that reads such a one.
    ///
    /// # Errors
    /// Why that is so.
    pub(crate) fn check_whole(&self, id: ObjectId) -> Result<()> {
        self.broken.read().get(&id).map_or(Ok(()), |error| Err(error.clone()))
    }

    /// All running views and sinks.
    pub(crate) fn all(&self) -> Vec<(ObjectId, Arc<ViewData>)> {
        self.views.read().iter().map(|(id, view)| (*id, Arc::clone(view))).collect()
    }

    /// The views whose last tick did not fail, nor that of one they read.
    pub(crate) fn healthy(&self, shared: &Shared) -> Vec<ObjectId> {
        let ids = self.views.read().keys().copied().collect::<Vec<_>>();
        let healthy = |id: &ObjectId| {
            shared.scheduler.status(*id).is_some_and(|status| status.failed.is_none())
        };
        ids.into_iter().filter(healthy).collect()
    }

    /// Starts a view or sink that was just committed, or takes in its changed options.
    pub(crate) fn start(&self, shared: &Arc<Shared>, object: &Object, _epoch: Epoch) {
        let known = self.views.read().get(&object.id).cloned();
        if let Some(known) = known {
            known.skips_errors.store(skips_errors(object), Ordering::Relaxed);
            shared.scheduler.retry(object.id);
            return;
        }
        if let Some((data, clock)) = self.prepare(shared, object) {
            self.launch(shared, object, data, clock, Epoch::ZERO);
        }
    }

    /// Starts a view or sink with what its checkpoint has of it; without one it is filled, which `refilled`
    /// tells of all before it. One that another version of the program has kept in a form that cannot go on
    /// is there, and fails.
    ///
    /// # Errors
    /// XX001 for a checkpoint that is damaged.
    pub(crate) fn resume(
        &self,
        shared: &Arc<Shared>,
        object: &Object,
        record: Option<&Record>,
        refilled: &mut BTreeSet<ObjectId>,
    ) -> Result<()> {
        let Some((data, clock)) = self.prepare(shared, object) else { return Ok(()) };
        if let Err(error) = data.views.iter().try_for_each(|input| self.check_whole(*input)) {
            self.broken.write().insert(object.id, error);
            return Ok(());
        }
        let mut processed = Epoch::ZERO;
        match (record, &data.dataflow) {
            (None, _) => {}
            // It would take the rows of its input in once more.
            (Some(_), Dataflow::Incremental { .. })
                if data.views.iter().any(|input| refilled.contains(input)) =>
            {
                let error = of_another_version(object, "it reads a view that is filled again");
                self.broken.write().insert(object.id, error);
                return Ok(());
            }
            // Made when the whole query ran at each tick: what it reads is all there.
            (Some(Record { state: None, .. }), dataflow) if dataflow.is_stateful() => {
                shared.checkpoints.forget(object.id);
            }
            (Some(record), dataflow) => {
                if let (Some(stored), Dataflow::Incremental { graph, .. }) =
                    (&record.state, dataflow)
                {
                    let state = data.state.lock();
                    if !stored.is_of(graph) {
                        let error = of_another_version(object, "its operators are other ones");
                        self.broken.write().insert(object.id, error);
                        return Ok(());
                    }
                    shared.checkpoints.load_state(object, stored, &state)?;
                    data.freezing.end(!stored.is_grown());
                }
                shared.checkpoints.load(object, record, &data.segments)?;
                data.n_out.store(record.n_out, Ordering::Relaxed);
                processed = record.epoch;
            }
        }
        if processed == Epoch::ZERO {
            refilled.insert(object.id);
        }
        self.launch(shared, object, data, clock, processed);
        Ok(())
    }

    /// The view without rows, and whether it reads the clock; `None` where its plan cannot be made.
    fn prepare(&self, shared: &Arc<Shared>, object: &Object) -> Option<(ViewData, bool)> {
        // On the committer's stack, or that of a start: the plan may be as deep as a statement's.
        on_planner_stack(|| self.make(shared, object))
            .inspect_err(|error| {
                tracing::error!(view = %object.name, %error, "a view's plan cannot be made");
                self.broken.write().insert(object.id, error.clone());
            })
            .ok()
    }

    fn launch(
        &self,
        shared: &Arc<Shared>,
        object: &Object,
        data: ViewData,
        clock: bool,
        processed: Epoch,
    ) {
        let data = Arc::new(data);
        self.views.write().insert(object.id, Arc::clone(&data));
        let inputs = ViewInputs { topics: data.topics.clone(), views: data.views.clone(), clock };
        if clock {
            shared.sources.clock_used(object.id);
        }
        let task: Arc<dyn Maintained> = Arc::new(Task::new(shared, object.id, data));
        shared.scheduler.add(object.id, inputs, processed, task);
    }

    /// Ends a view or sink.
    pub(crate) fn stop(&self, shared: &Arc<Shared>, id: ObjectId) {
        if let Some(view) = self.views.write().remove(&id) {
            view.wanted.end();
        }
        self.broken.write().remove(&id);
        shared.sources.clock_unused(id);
        // A tick may be at work and wait for the committer, which is the caller: not here.
        let scheduler = shared.scheduler.clone();
        weir_env::spawn_thread("weir-drop", move || scheduler.remove(id));
    }

    /// Refuses a view that has no content, and one that cannot get to `epoch`.
    ///
    /// # Errors
    /// 55000 with the percentage while it is filled; the error of its query, or of one that it reads, where
    /// that failed.
    pub(crate) fn check_readable(
        &self,
        shared: &Shared,
        catalog: &Catalog,
        id: ObjectId,
        epoch: Epoch,
    ) -> Result<()> {
        let view = self.get(id)?;
        let Some(status) = shared.scheduler.status(id) else { return Ok(()) };
        if let Some(failure) = status.failed.filter(|_| status.processed < epoch) {
            return Err(failed::told(catalog, &[id], failure));
        }
        if status.processed > Epoch::ZERO {
            return Ok(());
        }
        let name = catalog.full_name(id);
        Err(Error::new(
            SqlState::ObjectNotInPrerequisiteState,
            format!("materialized view \"{name}\" is being filled: {:.1} %", view.percent()),
        )
        .with_hint("Wait, or SET weir.read = 'strict' to let the query wait."))
    }

    fn make(&self, shared: &Arc<Shared>, object: &Object) -> Result<(ViewData, bool)> {
        let query = object
            .query()
            .ok_or_else(|| Error::internal(format!("\"{}\" has no query", object.name)))?;
        let catalog = shared.catalog();
        // Rows for which a query fails are found by its linear operators, or by the batch.
        let is_dead_rows = object.part_of.is_some();
        let mut recomputed = match &object.body {
            ObjectBody::MaterializedView(view) => view.force_recompute.clone(),
            _ => BTreeSet::new(),
        };
        if is_dead_rows {
            recomputed.extend(with_state());
        }
        let (dataflow, clock) = plan(shared, &catalog, query, &recomputed)?;
        let n_workers = shared.n_workers;
        let (state, metrics) = match &dataflow {
            Dataflow::Incremental { graph, .. } => {
                (GraphState::new(graph, n_workers), Metrics::new(graph, n_workers))
            }
            Dataflow::Recompute { .. } => Default::default(),
        };
        let read = catalog.read_set(query.relations.iter().map(|relation| relation.id));
        let ViewInputs { topics, views, .. } = inputs(&catalog, &read, clock);
        let segments = Segments::new(schema_of(object.columns()), Key::Bag);
        let data = ViewData {
            segments,
            dataflow,
            state: Mutex::new(state),
            freezing: Freezing::default(),
            metrics,
            n_ticks: AtomicU64::new(0),
            tick_nanos: AtomicU64::new(0),
            state_bytes: AtomicU64::new(0),
            wanted: Wanted::default(),
            topics,
            views,
            skips_errors: AtomicBool::new(skips_errors(object)),
            is_dead_rows,
            is_read: matches!(object.body, ObjectBody::MaterializedView(_)),
            backfill_rows: AtomicU64::new(0),
            backfill_total: AtomicU64::new(0),
            backfill_began: shared.clock.now(),
            n_out: AtomicU64::new(0),
        };
        Ok((data, clock))
    }
}

impl ViewData {
    /// Counts a tick that began at `since`.
    fn ticked(&self, since: Instant) {
        self.n_ticks.fetch_add(1, Ordering::Relaxed);
        self.tick_nanos.fetch_add(since.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }

    /// Ticks since the view began to run here, and their time.
    pub(crate) fn ticks(&self) -> (u64, Duration) {
        let nanos = self.tick_nanos.load(Ordering::Relaxed);
        (self.n_ticks.load(Ordering::Relaxed), Duration::from_nanos(nanos))
    }

    /// Bytes of memory of its rows and of what its operators remember, which a running tick hides.
    pub(crate) fn n_bytes(&self) -> usize {
        if let Some(state) = self.state.try_lock() {
            self.state_bytes.store(state.n_bytes() as u64, Ordering::Relaxed);
        }
        self.segments.n_bytes() + self.state_bytes.load(Ordering::Relaxed) as usize
    }

    /// How much of the backfill is done.
    pub(crate) fn percent(&self) -> f64 {
        let total = self.backfill_total.load(Ordering::Relaxed);
        let done = self.backfill_rows.load(Ordering::Relaxed);
        if total == 0 { 0.0 } else { 100.0 * done.min(total) as f64 / total as f64 }
    }
}

/// What makes a query's content change: the topics and views of the relations that it reads.
pub(crate) fn inputs(catalog: &Catalog, read: &BTreeSet<ObjectId>, clock: bool) -> ViewInputs {
    let mut inputs = ViewInputs { clock, ..ViewInputs::default() };
    for id in read {
        match catalog.get(*id).map(|object| &object.body) {
            Some(ObjectBody::MaterializedView(_)) => inputs.views.push(*id),
            Some(ObjectBody::Stream(stream)) => {
                inputs.topics.insert(stream.topic);
            }
            Some(ObjectBody::Table(table)) => {
                inputs.topics.insert(table.topic);
            }
            _ => {}
        }
    }
    inputs
}

fn skips_errors(object: &Object) -> bool {
    matches!(&object.body, ObjectBody::MaterializedView(view) if view.on_error != OnError::Fail)
}

/// How a stored query is maintained, and whether it reads the clock.
///
/// # Errors
/// Of planning.
fn plan(
    shared: &Shared,
    catalog: &Catalog,
    query: &StoredQuery,
    recomputed: &BTreeSet<OperatorKind>,
) -> Result<(Dataflow, bool)> {
    let config = view_config(shared, query);
    let path = weir_catalog::SearchPath::default();
    let binder = Binder {
        catalog,
        search_path: &path,
        functions: &shared.batch.functions(),
        config: &config,
        system: &NoSystemRelations,
        show_hidden: None,
    };
    let bound = binder.stored(query)?;
    let clock = semantics::uses_now(&bound.plan);
    Ok((dataflow(shared, catalog, bound.plan, &config, recomputed)?, clock))
}

/// The operators that remember what they have seen.
pub(crate) fn with_state() -> BTreeSet<OperatorKind> {
    BTreeSet::from([OperatorKind::Aggregate])
}

/// How a query is maintained, without following changes by operators of the kinds `recomputed`.
///
/// # Errors
/// Of the optimizer.
pub(crate) fn dataflow(
    shared: &Shared,
    catalog: &Catalog,
    plan: LogicalPlan,
    config: &ConfigOptions,
    recomputed: &BTreeSet<OperatorKind>,
) -> Result<Dataflow> {
    let is_stream =
        |id| catalog.get(id).is_some_and(|object| matches!(object.body, ObjectBody::Stream(_)));
    if !recomputed.contains(&OperatorKind::Aggregate) {
        let choice = Choice { append_only: &is_stream, recomputed };
        let plan = shared.batch.optimize_incremental(plan.clone(), config)?;
        let dataflow = incremental::split(&plan, choice)?;
        if matches!(dataflow, Dataflow::Incremental { .. }) {
            return Ok(dataflow);
        }
    }
    // Plans for batches have forms of their own for aggregates.
    let mut recomputed = recomputed.clone();
    recomputed.insert(OperatorKind::Aggregate);
    let choice = Choice { append_only: &is_stream, recomputed: &recomputed };
    let plan = shared.batch.optimize(plan, config)?;
    incremental::split(&plan, choice)
}

/// DataFusion's settings for a stored query. One thread: a view's cost must not depend on how many
/// others run.
pub(crate) fn view_config(shared: &Shared, query: &StoredQuery) -> ConfigOptions {
    let mut config = shared.batch.config();
    config.execution.target_partitions = 1;
    config.execution.time_zone = Some(query.time_zone.clone());
    config
}
