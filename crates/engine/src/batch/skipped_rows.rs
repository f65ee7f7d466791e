//! The rows that OFFSET skips are the first ones of the order below it.
//!
//! To DataFusion's physical rules a limit is an operator that passes orders on and needs none itself. Where an order is
//! wanted above it, they put the sort below it, which changes the rows that come first, and lets it keep as many as the
//! limit gives, though that skips some of them. And where a projection between the limit and its sort drops the columns
//! of that, they drop the sort.

use std::fmt;
use std::sync::Arc;

use datafusion::common::internal_datafusion_err;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{FetchType, Limit, LogicalPlan, Projection, SkipType, lit};
use datafusion::physical_expr::{Distribution, OrderingRequirements, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::Boundedness;
use datafusion::physical_plan::limit::{GlobalLimitExec, LimitStream};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    InputDistributionRequirements, Partitioning, PlanProperties, ReplaceChildrenOptions,
};

/// The plan in which a limit either keeps rows or skips them: `LIMIT n OFFSET m` is the first `m + n` rows, and of these
/// all but the first `m`. One that skips stands below projections, directly above its sort. Those of subqueries are
/// included. To run behind the rules that make one limit of two, and put projections below them.
pub(super) fn split_limits(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Limit(limit) = &node else { return Ok(Transformed::no(node)) };
        let (SkipType::Literal(skip @ 1..), FetchType::Literal(fetch)) =
            (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return Ok(Transformed::no(node));
        };
        let n_rows = fetch.map(|fetch| skip.saturating_add(fetch) as i64);
        below_projections(Arc::clone(&limit.input), &|input| {
            let kept = match n_rows {
                Some(n_rows) => {
                    let fetch = Some(Box::new(lit(n_rows)));
                    Arc::new(LogicalPlan::Limit(Limit { skip: None, fetch, input }))
                }
                None => input,
            };
            LogicalPlan::Limit(Limit { skip: limit.skip.clone(), fetch: None, input: kept })
        })
        .map(Transformed::yes)
    })
    .data()
}

/// The plan with what `above` makes of the part below its projections.
fn below_projections(
    plan: Arc<LogicalPlan>,
    above: &dyn Fn(Arc<LogicalPlan>) -> LogicalPlan,
) -> Result<LogicalPlan> {
    match Arc::unwrap_or_clone(plan) {
        LogicalPlan::Projection(Projection { expr, input, schema, .. }) => {
            let input = Arc::new(below_projections(input, above)?);
            Projection::try_new_with_schema(expr, input, schema).map(LogicalPlan::Projection)
        }
        other => Ok(above(Arc::new(other))),
    }
}

/// Puts operators that hold on to their order in the place of limits that skip. To run before the rule that moves
/// sorts.
#[derive(Debug)]
pub(super) struct KeepSkippedOrder;

impl PhysicalOptimizerRule for KeepSkippedOrder {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            Ok(match node.downcast_ref::<GlobalLimitExec>() {
                Some(limit) if limit.skip() > 0 && limit.fetch().is_none() => {
                    let input = Arc::clone(limit.input());
                    Transformed::yes(Arc::new(OffsetExec::new(input, limit.skip())))
                }
                _ => Transformed::no(node),
            })
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "keep_skipped_order"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// All rows but the first ones, of the order that the input had when this was made.
#[derive(Debug)]
struct OffsetExec {
    input: Arc<dyn ExecutionPlan>,
    n_skipped: usize,
    order: Option<OrderingRequirements>,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

impl OffsetExec {
    fn new(input: Arc<dyn ExecutionPlan>, n_skipped: usize) -> Self {
        let order = input.output_ordering().cloned().map(OrderingRequirements::from);
        Self::in_order(input, n_skipped, order)
    }

    fn in_order(
        input: Arc<dyn ExecutionPlan>,
        n_skipped: usize,
        order: Option<OrderingRequirements>,
    ) -> Self {
        let properties = PlanProperties::new(
            input.equivalence_properties().clone(),
            Partitioning::UnknownPartitioning(1),
            input.pipeline_behavior(),
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Self { input, n_skipped, order, metrics, properties: Arc::new(properties) }
    }
}

impl DisplayAs for OffsetExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OffsetExec: skip={}", self.n_skipped)
    }
}

impl ExecutionPlan for OffsetExec {
    fn name(&self) -> &'static str {
        "OffsetExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![self.order.clone()]
    }

    /// It keeps the order, and says that it does not: else rules push a sort from above below it.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input =
            children.pop().ok_or_else(|| internal_datafusion_err!("OFFSET has lost its input"))?;
        Ok(Arc::new(Self::in_order(input, self.n_skipped, self.order.clone())))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        Ok(Box::pin(LimitStream::new(rows, self.n_skipped, None, metrics)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
