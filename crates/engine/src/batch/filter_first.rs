//! Rows that a condition leaves out are not computed with: `SELECT a / b, c FROM t WHERE c = 1` must not fail for
//! another row.
//!
//! DataFusion's rule that moves projections down puts them below a filter where they make rows narrower, whatever
//! they compute. Here such a filter goes below again.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

/// Puts filters below projections that compute something, where they ask for columns alone. To run behind the rule
/// that moves projections down.
#[derive(Debug)]
pub(super) struct FilterFirst;

impl PhysicalOptimizerRule for FilterFirst {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(filter_first).data()
    }

    fn name(&self) -> &'static str {
        "filter_first"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn filter_first(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = node.downcast_ref::<FilterExec>() else { return Ok(Transformed::no(node)) };
    let Some(projection) = filter.input().downcast_ref::<ProjectionExec>() else {
        return Ok(Transformed::no(node));
    };
    if projection.expr().iter().all(|output| !computes(&output.expr)) {
        return Ok(Transformed::no(node));
    }
    let Some(predicate) = below(filter.predicate(), projection.expr())? else {
        return Ok(Transformed::no(node));
    };
    let outputs: Vec<ProjectionExpr> = match filter.projection() {
        Some(kept) => kept.iter().map(|output| projection.expr()[*output].clone()).collect(),
        None => projection.expr().to_vec(),
    };
    let filter = FilterExecBuilder::from(filter)
        .with_input(Arc::clone(projection.input()))
        .with_predicate(predicate)
        .apply_projection(None)?
        .build()?;
    Ok(Transformed::yes(Arc::new(ProjectionExec::try_new(outputs, Arc::new(filter))?)))
}

fn computes(expr: &Arc<dyn PhysicalExpr>) -> bool {
    !expr.is::<Column>() && !expr.is::<Literal>()
}

/// The condition over the projection's input; `None` where it asks for what is computed.
fn below(
    predicate: &Arc<dyn PhysicalExpr>,
    outputs: &[ProjectionExpr],
) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let mut asks_for_columns = true;
    let predicate = Arc::clone(predicate).transform_up(|expr| {
        let Some(column) = expr.downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
        let input = &outputs[column.index()].expr;
        asks_for_columns &= input.is::<Column>();
        Ok(Transformed::yes(Arc::clone(input)))
    });
    Ok(asks_for_columns.then_some(predicate.data()?))
}
