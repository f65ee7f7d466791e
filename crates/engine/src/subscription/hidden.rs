//! A materialized view without a name: the content of a subscription's query that is not linear.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::LogicalPlan;
use weir_catalog::Catalog;
use weir_dataflow::{BatchQuery, Maintained, Tick, TickClass, recompute};
use weir_delta::segments::{Key, Segments};
use weir_planner::semantics;
use weir_types::{Epoch, Error, ObjectId, Result, SqlState};

use super::Form;
use crate::batch::Wanted;
use crate::batch::normalize;
use crate::read::EpochRows;
use crate::shared::Shared;
use crate::views;

/// A view without a name. Dropping it takes it out of the scheduler.
pub(super) struct Hidden {
    shared: Weak<Shared>,
    id: ObjectId,
    segments: Arc<Segments>,
    /// Ends its queries with it.
    wanted: Arc<Wanted>,
}

impl Hidden {
    /// Starts to fill it.
    pub(super) fn start(
        shared: &Arc<Shared>,
        catalog: &Catalog,
        plan: LogicalPlan,
        relations: &BTreeSet<ObjectId>,
        form: &Form,
        mut config: ConfigOptions,
    ) -> Self {
        config.execution.target_partitions = 1;
        let id = shared.allocate_id();
        let clock = semantics::uses_now(&plan);
        let segments = Arc::new(Segments::new(Arc::clone(&form.content), Key::Bag));
        let weak = Arc::downgrade(shared);
        let content = Arc::clone(&segments);
        let wanted = Arc::new(Wanted::default());
        let for_task = Arc::clone(&wanted);
        let task = Task { shared: weak.clone(), plan, config, segments: content, wanted: for_task };
        if clock {
            shared.sources.clock_used(id);
        }
        let inputs = views::inputs(catalog, relations, clock);
        shared.scheduler.add(id, inputs, Epoch::ZERO, Arc::new(task));
        Self { shared: weak, id, segments, wanted }
    }

    /// Its name for the scheduler.
    pub(super) fn id(&self) -> ObjectId {
        self.id
    }

    pub(super) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// Drops the versions that only readers before `horizon` would see.
    pub(super) fn compact(&self, horizon: Epoch) {
        self.segments.release(horizon);
        self.segments.compact(horizon);
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.wanted.end();
        let Some(shared) = self.shared.upgrade() else { return };
        shared.sources.clock_unused(self.id);
        // A tick may be at work: its end is not waited for here.
        let (scheduler, id) = (shared.scheduler.clone(), self.id);
        weir_env::spawn_thread("weir-drop", move || scheduler.remove(id));
    }
}

/// It, as the scheduler runs it.
struct Task {
    /// Weak: the engine owns the scheduler, which owns this.
    shared: Weak<Shared>,
    plan: LogicalPlan,
    config: ConfigOptions,
    segments: Arc<Segments>,
    wanted: Arc<Wanted>,
}

impl Maintained for Task {
    fn tick(&self, from: Epoch, upto: Epoch) -> Result<Tick> {
        let shared = self
            .shared
            .upgrade()
            .ok_or_else(|| Error::new(SqlState::AdminShutdown, "the server is shutting down"))?;
        let before: Vec<RecordBatch> = match from {
            Epoch::ZERO => Vec::new(),
            from => self.segments.snapshot().scan(from, None).collect(),
        };
        let query = Query { shared: &shared, task: self, schema: self.segments.schema() };
        let delta = recompute(&query, &before, upto).map_err(semantics::to_error)?;
        if delta.is_empty() {
            return Ok(Tick { upto, changed: false });
        }
        self.segments.apply(upto, &delta).map_err(|error| {
            Error::internal(format!("a change does not fit a subscription's rows: {error}"))
        })?;
        Ok(Tick { upto, changed: true })
    }

    fn class(&self) -> TickClass {
        TickClass::Batch
    }
}

/// Its query as a batch.
struct Query<'a> {
    shared: &'a Shared,
    task: &'a Task,
    schema: &'a SchemaRef,
}

impl BatchQuery for Query<'_> {
    fn run(&self, at: Epoch) -> DfResult<Vec<RecordBatch>> {
        let external = |error: Error| DataFusionError::External(Box::new(error));
        let plan = semantics::bind_now(self.task.plan.clone(), self.shared.now_of(at));
        let rows = EpochRows::at(self.shared, self.shared.catalog(), at);
        let config = &self.task.config;
        let collect = plan.and_then(|plan| {
            self.shared.batch.collect_blocking(plan, &rows, config, None, &self.task.wanted)
        });
        let batches = collect.map_err(external)?;
        batches.iter().map(|batch| normalize(batch, self.schema).map_err(external)).collect()
    }
}
