//! Columns that an operator fills with NULLs are not constant, though they were below it.
//!
//! DataFusion knows of a plan which of its columns have one value: those of an aggregate without GROUP BY, those that a
//! filter compares with a constant. It takes that knowledge through an outer join, and then leaves such a column out of
//! a sort, where the rows that the join has filled with NULLs are in the wrong place. Through grouping sets it takes it
//! too, and gives the groups out, whenever another value comes, that are to be added to. Here the input that can be
//! filled forgets it. The same operator stands where other knowledge of constants would leave a column out of a sort:
//! above the right side of an inner join, and above the inputs of UNION ALL.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, Statistics};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::statistics::{ChildStats, StatisticsArgs};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties,
    PlanProperties, ReplaceChildrenOptions,
};

/// Puts a [`Padded`] above each input that can be filled with NULLs and has constants or an order, and above the right
/// inputs of inner joins that have constants: a join does not tell them of its right side, so that a sort pushed below
/// it would leave them out and not pass for the one that was asked for. Also above inputs of UNION ALL that have
/// constants: of one that differs from input to input a sort of the first rows would know that it is constant in each
/// partition, leave it out, and let all partitions share the bound that the first of them find. To run before all rules
/// that look at orders.
#[derive(Debug)]
pub(super) struct ForgetConstants;

impl PhysicalOptimizerRule for ForgetConstants {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let forgotten = forgotten_of(node.as_ref());
            let mut is_changed = false;
            let children = node.children().into_iter().zip(forgotten).map(|(child, forgotten)| {
                if knows(child.as_ref(), forgotten) {
                    is_changed = true;
                    return Arc::new(Padded::new(Arc::clone(child))) as Arc<dyn ExecutionPlan>;
                }
                Arc::clone(child)
            });
            let children: Vec<_> = children.collect();
            if !is_changed {
                return Ok(Transformed::no(node));
            }
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            Ok(Transformed::yes(node.replace_children(children, options)?))
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "ForgetConstants"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// What of an input does not hold for the operator's own rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forgotten {
    Nothing,
    Constants,
    /// Constants and orders.
    All,
}

fn knows(plan: &dyn ExecutionPlan, what: Forgotten) -> bool {
    let known = plan.equivalence_properties();
    let has_constants = !known.constants().is_empty();
    match what {
        Forgotten::Nothing => false,
        Forgotten::Constants => has_constants,
        Forgotten::All => has_constants || !known.oeq_class().is_empty(),
    }
}

/// What the operator forgets of each input, or should: a join of its left and right side, an aggregate with several
/// grouping sets of its one input, UNION ALL of each.
fn forgotten_of(node: &dyn ExecutionPlan) -> Vec<Forgotten> {
    use Forgotten::{All, Constants, Nothing};
    let node: &dyn Any = node;
    let join_type = if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        *join.join_type()
    } else if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
        *join.join_type()
    } else if let Some(join) = node.downcast_ref::<SortMergeJoinExec>() {
        join.join_type()
    } else if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        return vec![if aggregate.group_expr().is_single() { Nothing } else { All }];
    } else if let Some(union) = node.downcast_ref::<UnionExec>() {
        return vec![Constants; union.inputs().len()];
    } else {
        return Vec::new();
    };
    match join_type {
        JoinType::Inner => vec![Nothing, Constants],
        JoinType::Left => vec![Nothing, All],
        JoinType::Right => vec![All, Constants],
        JoinType::Full => vec![All, All],
        _ => Vec::new(),
    }
}

/// Passes rows through, and tells nothing of their order or of what is equal in them.
#[derive(Debug)]
struct Padded {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl Padded {
    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let given = input.properties();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(input.schema()),
            given.partitioning.clone(),
            given.emission_type,
            given.boundedness,
        );
        Self { input, properties: Arc::new(properties) }
    }
}

impl DisplayAs for Padded {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Padded")
    }
}

impl ExecutionPlan for Padded {
    fn name(&self) -> &'static str {
        "Padded"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
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
        match children.pop() {
            Some(input) => Ok(Arc::new(Self::new(input))),
            None => datafusion::common::internal_err!("a padded input has lost its rows"),
        }
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
        self.input.execute(partition, context)
    }

    fn statistics_from_inputs(
        &self,
        input_stats: &[Arc<Statistics>],
        _args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        Ok(Arc::clone(&input_stats[0]))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }
}
