//! Operators that make many rows of few yield now and then, so that a cancelled query ends.
//!
//! A task ends at the next point at which it yields. DataFusion lets sources yield; but a join, or `unnest`,
//! can make rows for hours of a batch that it has, while nobody asks a source.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::unnest::UnnestExec;

/// Puts a yielding operator over them. To run last.
#[derive(Debug)]
pub(super) struct YieldInJoins;

impl PhysicalOptimizerRule for YieldInJoins {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            Ok(match makes_many(node.as_ref()) {
                true => Transformed::yes(Arc::new(CooperativeExec::new(node))),
                false => Transformed::no(node),
            })
        })
        .map(|transformed| transformed.data)
    }

    fn name(&self) -> &'static str {
        "yield_in_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn makes_many(node: &dyn ExecutionPlan) -> bool {
    let joins = node.children().len() > 1 && !node.is::<UnionExec>();
    joins || node.is::<UnnestExec>()
}
