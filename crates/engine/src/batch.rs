//! Batch queries: a finite plan over relations at one epoch, run by DataFusion on threads of its own.

mod constants_last;
mod filter_first;
mod kept_filter;
mod key_names;
mod null_padding;
mod projection_pushdown;
mod shared_keys;
mod skipped_rows;
mod threads;
mod yielding;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::Transformed;
use datafusion::config::{ConfigNonZeroUsize, ConfigOptions};
use datafusion::datasource::provider_as_source;
use datafusion::execution::context::SessionState;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{LogicalPlan, TableScan};
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use futures::stream::BoxStream;
use weir_planner::bind::Functions;
use weir_planner::functions::Registry;
use weir_planner::semantics;
use weir_planner::source::RelationSource;
use weir_types::{Error, Result, SqlState};

use crate::dead_rows::{self, DeadRows};
use constants_last::ConstantsLast;
use filter_first::FilterFirst;
use kept_filter::PushDownColumnFilter;
use null_padding::ForgetConstants;
use projection_pushdown::PushDownProjections;
use shared_keys::ComputeSharedKeys;
use skipped_rows::KeepSkippedOrder;
use threads::Threads;
use yielding::YieldInJoins;

/// Batches that wait between the query's threads and the reader.
const CHANNEL_BATCHES: usize = 4;

/// Finds the rows behind a relation of a plan.
pub(crate) trait Rows: Sync {
    /// The rows of that relation, with the columns its schema tells.
    fn provider(&self, source: &RelationSource) -> Result<Arc<dyn TableProvider>>;
}

/// Runs batch queries.
pub(crate) struct BatchEngine {
    of_statements: Threads,
    /// A view that takes long is in the way of other views alone.
    of_views: Threads,
    template: SessionState,
    /// As `template`, for plans that operators follow.
    incremental: SessionState,
    n_threads: usize,
    registry: Arc<Registry>,
}

impl BatchEngine {
    /// An engine with that many threads, whose queries together stay below `memory_bytes` as far as
    /// DataFusion accounts for them.
    ///
    /// # Errors
    /// Where threads cannot be started.
    pub(crate) fn new(n_threads: usize, memory_bytes: usize) -> Result<Self> {
        let of_statements = Threads::start("weir-query", n_threads)?;
        let of_views = Threads::start("weir-view", n_threads)?;
        let top = std::num::NonZeroUsize::new(5).expect("5 is not 0");
        let pool: Arc<dyn MemoryPool> =
            Arc::new(TrackConsumersPool::new(GreedyMemoryPool::new(memory_bytes), top));
        let env = RuntimeEnvBuilder::new()
            .with_memory_pool(pool)
            .build_arc()
            .map_err(semantics::to_error)?;
        let template = SessionStateBuilder::new()
            .with_config(SessionConfig::from(config(n_threads)))
            .with_runtime_env(env)
            .with_default_features()
            .with_optimizer_rules(logical_rules())
            .with_physical_optimizer_rules(physical_rules())
            .build();
        let incremental = SessionStateBuilder::new_from_existing(template.clone())
            .with_optimizer_rules(incremental_rules())
            .build();
        let registry = Arc::new(Registry::new());
        Ok(Self { of_statements, of_views, template, incremental, n_threads, registry })
    }

    /// The functions that need no session.
    pub(crate) fn functions(&self) -> Functions {
        Functions { registry: Arc::clone(&self.registry), session: Arc::default() }
    }

    /// DataFusion's settings for Weir's dialect.
    pub(crate) fn config(&self) -> ConfigOptions {
        config(self.n_threads)
    }

    /// The optimized form of an analyzed plan.
    ///
    /// # Errors
    /// Of the optimizer.
    pub(crate) fn optimize(
        &self,
        plan: LogicalPlan,
        config: &ConfigOptions,
    ) -> Result<LogicalPlan> {
        optimize(plan, &self.state(config))
    }

    /// The optimized form of an analyzed plan for operators that follow changes.
    ///
    /// # Errors
    /// Of the optimizer.
    pub(crate) fn optimize_incremental(
        &self,
        plan: LogicalPlan,
        config: &ConfigOptions,
    ) -> Result<LogicalPlan> {
        let mut state = self.incremental.clone();
        *state.config_mut().options_mut() = config.clone();
        optimize(plan, &state)
    }

    /// The physical plan of an analyzed plan, over the rows that `rows` finds.
    ///
    /// # Errors
    /// Of planning.
    pub(crate) async fn plan(
        &self,
        plan: LogicalPlan,
        rows: &dyn Rows,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = with_rows(plan, rows)?;
        let state = self.state(config);
        let plan = semantics::window_keys_as_columns(optimize(plan, &state)?)?;
        let plan = key_names::set_apart(plan).map_err(semantics::to_error)?;
        let planner = Arc::clone(state.query_planner());
        planner.create_physical_plan(&plan, &state).await.map_err(semantics::to_error)
    }

    /// The rows of a physical plan, made on the query threads. Dropping the stream ends the query.
    pub(crate) fn run(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        self.run_on(self.of_statements.handle(), plan, config)
    }

    fn run_on(
        &self,
        threads: &tokio::runtime::Handle,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        let state = self.state(config);
        let context = Arc::new(TaskContext::from(&state));
        let (sender, receiver) = tokio::sync::mpsc::channel(CHANNEL_BATCHES);
        let task = threads.spawn(async move {
            let mut stream: SendableRecordBatchStream = match execute_stream(plan, context) {
                Ok(stream) => stream,
                Err(error) => {
                    let _ = sender.send(Err(semantics::to_error(error))).await;
                    return;
                }
            };
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(semantics::to_error);
                let failed = batch.is_err();
                if sender.send(batch).await.is_err() || failed {
                    return;
                }
            }
        });
        Box::pin(futures::stream::unfold(
            (receiver, AbortOnDrop(task)),
            |(mut receiver, mut task)| async move {
                match receiver.recv().await {
                    Some(batch) => Some((batch, (receiver, task))),
                    // The task is over: by its end, or by a panic, which must not look like an end.
                    None => match (&mut task.0).await {
                        Ok(()) => None,
                        Err(error) => {
                            let error = match error.is_cancelled() {
                                true => threads::ended(),
                                false => Error::internal("the query's execution panicked"),
                            };
                            Some((Err(error), (receiver, task)))
                        }
                    },
                }
            },
        ))
    }

    /// All rows of an analyzed plan of a view. With `dead`, rows for which it fails go there and are left out.
    /// For threads that may block.
    ///
    /// # Errors
    /// Of planning and execution; 57014 when `wanted` ends first.
    pub(crate) fn collect_blocking(
        &self,
        plan: LogicalPlan,
        rows: &dyn Rows,
        config: &ConfigOptions,
        dead: Option<&Arc<DeadRows>>,
        wanted: &Wanted,
    ) -> Result<Vec<RecordBatch>> {
        let threads = self.of_views.handle();
        threads.block_on(async {
            let mut plan = self.plan(plan, rows, config).await?;
            if let Some(dead) = dead {
                plan = dead_rows::checked(plan, dead)?;
            }
            tokio::select! {
                rows = collect(self.run_on(threads, plan, config)) => rows,
                () = wanted.ended() => {
                    Err(Error::new(SqlState::QueryCanceled, "the view was dropped meanwhile"))
                }
            }
        })
    }

    /// Runs a task on the query threads, until it is dropped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortOnDrop {
        AbortOnDrop(self.of_statements.handle().spawn(task))
    }

    fn state(&self, config: &ConfigOptions) -> SessionState {
        let mut state = self.template.clone();
        *state.config_mut().options_mut() = config.clone();
        state
    }

    /// Ends all queries, and waits until they hold nothing any more; not longer than `patience` for those of each
    /// kind.
    pub(crate) fn end(&self, patience: Duration) {
        self.of_statements.end(patience);
        self.of_views.end(patience);
    }
}

/// Tells the queries of a view whether somebody wants their rows.
pub(crate) struct Wanted(tokio::sync::watch::Sender<bool>);

impl Default for Wanted {
    fn default() -> Self {
        Self(tokio::sync::watch::Sender::new(true))
    }
}

impl Wanted {
    /// Nobody wants them any more: running queries end.
    pub(crate) fn end(&self) {
        self.0.send_replace(false);
    }

    async fn ended(&self) {
        // The sender is here: it cannot be gone.
        let _ = self.0.subscribe().wait_for(|wanted| !*wanted).await;
    }
}

/// DataFusion's logical rules, with two of ours before ones that take plans for what they are not, and one in the place
/// of another such.
fn logical_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    let position = |rules: &[Arc<dyn OptimizerRule + Send + Sync>], name: &str| {
        let position = rules.iter().position(|rule| rule.name() == name);
        position.expect("DataFusion has the rule")
    };
    let pushes = position(&rules, "push_down_filter");
    rules[pushes] = Arc::new(PushDownColumnFilter::default());
    rules.insert(pushes, Arc::new(ConstantsLast));
    rules.insert(position(&rules, "eliminate_cross_join"), Arc::new(ComputeSharedKeys));
    rules
}

/// As [`logical_rules`], without the one that makes two aggregations of one with DISTINCT: an incremental one
/// has a table for what DISTINCT has seen.
fn incremental_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = logical_rules();
    rules.retain(|rule| rule.name() != "single_distinct_aggregation_to_group_by");
    rules
}

/// DataFusion's physical rules, with five of ours (what they know of joins, orders in which rows are skipped,
/// projections that go down, filters first, joins that yield), and without those that push filters through
/// physical plans. Those find columns by name, and so take one of two columns of a name for the other where both sides
/// of a join have it; the logical rules push the same filters, and no relation here takes any.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    rules.retain(|rule| !rule.name().starts_with("FilterPushdown"));
    for rule in &mut rules {
        if rule.name() == "ProjectionPushdown" {
            *rule = Arc::new(PushDownProjections::default());
        }
    }
    // Behind the rule that swaps the sides of joins.
    let swaps = rules.iter().position(|rule| rule.name() == "join_selection");
    rules.insert(swaps.expect("DataFusion has the rule") + 1, Arc::new(ForgetConstants));
    let sorts = rules.iter().position(|rule| rule.name() == "EnsureRequirements");
    rules.insert(sorts.expect("DataFusion has the rule"), Arc::new(KeepSkippedOrder));
    let moves = rules.iter().rposition(|rule| rule.name() == "ProjectionPushdown");
    rules.insert(moves.expect("DataFusion has the rule") + 1, Arc::new(FilterFirst));
    rules.push(Arc::new(YieldInJoins));
    rules
}

/// The optimized plan, in which a condition that can fail is asked only where those before it are met, and a limit
/// either keeps rows or skips them.
fn optimize(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let plan = state.optimizer().optimize(plan, state, |_, _| {}).map_err(semantics::to_error)?;
    let plan = skipped_rows::split_limits(plan).map_err(semantics::to_error)?;
    semantics::plain_window_keys(semantics::guard_filters(plan)?)
}

/// All batches of a stream.
pub(crate) async fn collect(
    mut stream: BoxStream<'static, Result<RecordBatch>>,
) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    while let Some(batch) = stream.next().await {
        batches.push(batch?);
    }
    Ok(batches)
}

/// A task that ends when this is dropped.
pub(crate) struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn config(n_threads: usize) -> ConfigOptions {
    let mut config = ConfigOptions::new();
    config.execution.target_partitions = n_threads.max(1);
    config.execution.batch_size =
        ConfigNonZeroUsize::try_new(weir_types::limits::BATCH_ROWS).expect("a batch has rows");
    config.execution.time_zone = Some("UTC".to_owned());
    config.sql_parser.map_string_types_to_utf8view = true;
    config.sql_parser.parse_float_as_decimal = true;
    config.sql_parser.default_null_ordering = "nulls_max".to_owned();
    // What LIMIT or array_agg above a subquery give depends on its order.
    config.sql_parser.enable_subquery_sort_elimination = false;
    config.optimizer.enable_round_robin_repartition = false;
    // It takes a cast of a column without NULLs for a difference: the logical cast has none, the physical
    // one may have.
    config.execution.skip_physical_aggregate_schema_check = true;
    config
}

/// The plan with rows behind each of its relations, those of subqueries included.
fn with_rows(plan: LogicalPlan, rows: &dyn Rows) -> Result<LogicalPlan> {
    let transformed = plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
        let source: &dyn std::any::Any = scan.source.as_ref();
        let Some(source) = source.downcast_ref::<RelationSource>() else {
            return Ok(Transformed::no(node));
        };
        let provider = rows
            .provider(source)
            .map_err(|error| datafusion::error::DataFusionError::External(Box::new(error)))?;
        let scan = TableScan { source: provider_as_source(provider), ..scan.clone() };
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    });
    Ok(transformed.map_err(semantics::to_error)?.data)
}

/// The batches with `schema`'s types: what a plan gives to what is stored.
pub(crate) fn normalize(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        columns.push(weir_delta::schema::normalize(column, field.data_type())?);
    }
    weir_delta::rows::batch(Arc::clone(schema), columns, batch.num_rows())
}
