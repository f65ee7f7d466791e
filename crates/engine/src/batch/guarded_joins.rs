//! What a join's condition asks of some rows alone is not computed for all rows of a side: `ON l.b < r.b AND (r.a = 0
//! OR 10 / r.a = l.b)` must not divide by zero.
//!
//! DataFusion's rule that moves projections down takes what depends on one side alone out of the conditions of nested
//! loop joins, also where it stands behind a condition.

use std::sync::Arc;

use datafusion::common::tree_node::{TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::CaseExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::projection_pushdown::ProjectionPushdown;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::projection::remove_unnecessary_projections;

/// DataFusion's rule, which leaves all conditions as they are in a plan where one of them has a CASE: that is how
/// conditions that can fail stand behind others.
#[derive(Debug, Default)]
pub(super) struct PushDownProjections(ProjectionPushdown);

impl PhysicalOptimizerRule for PushDownProjections {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if has_guarded_join(&plan)? {
            return plan.transform_down(remove_unnecessary_projections).data();
        }
        self.0.optimize(plan, config)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema_check(&self) -> bool {
        self.0.schema_check()
    }
}

fn has_guarded_join(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(|node| {
        let filter = node.downcast_ref::<NestedLoopJoinExec>().and_then(NestedLoopJoinExec::filter);
        let is_case = |part: &Arc<dyn PhysicalExpr>| Ok(part.is::<CaseExpr>());
        filter.map_or(Ok(false), |filter| filter.expression().exists(is_case))
    })
}
