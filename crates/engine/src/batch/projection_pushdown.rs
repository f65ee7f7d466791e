//! Projections go down without a change of what is computed.
//!
//! DataFusion's rule takes what depends on one side alone out of the conditions of nested loop joins, also where it
//! stands behind a condition: `ON l.b < r.b AND (r.a = 0 OR 10 / r.a = l.b)` must not divide by zero for a row of a side.
//! And it takes the columns of a filter that shows some of its input for those of the input, when it comes by again.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{CaseExpr, Column};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::projection_pushdown::ProjectionPushdown;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::projection::{
    ProjectionExec, ProjectionExpr, remove_unnecessary_projections,
};

/// DataFusion's rule, for filters that show all of their input. It leaves all conditions as they are in a plan where one
/// of them has a CASE: that is how conditions that can fail stand behind others.
#[derive(Debug, Default)]
pub(super) struct PushDownProjections(ProjectionPushdown);

impl PhysicalOptimizerRule for PushDownProjections {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = plan.transform_up(show_all).data()?;
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

/// A filter that shows some columns as a projection of one that shows all.
fn show_all(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = node.downcast_ref::<FilterExec>() else { return Ok(Transformed::no(node)) };
    let Some(shown) = filter.projection() else { return Ok(Transformed::no(node)) };
    let schema = filter.input().schema();
    let outputs = shown.iter().map(|place| {
        let name = schema.field(*place).name();
        ProjectionExpr::new(Arc::new(Column::new(name, *place)), name)
    });
    let outputs: Vec<ProjectionExpr> = outputs.collect();
    let filter = FilterExecBuilder::from(filter).apply_projection(None)?.build()?;
    Ok(Transformed::yes(Arc::new(ProjectionExec::try_new(outputs, Arc::new(filter))?)))
}

fn has_guarded_join(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(|node| {
        let filter = node.downcast_ref::<NestedLoopJoinExec>().and_then(NestedLoopJoinExec::filter);
        let is_case = |part: &Arc<dyn PhysicalExpr>| Ok(part.is::<CaseExpr>());
        filter.map_or(Ok(false), |filter| filter.expression().exists(is_case))
    })
}
