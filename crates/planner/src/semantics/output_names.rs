//! Outputs of correlated subqueries under names of their own: `EXISTS (SELECT a AS b FROM t WHERE t.b = o.b)`.
//!
//! DataFusion makes a join of such a subquery, and gives it the columns that its condition asks for as outputs, too.
//! Where an output has the name of one of these, the plan cannot be made, or the join takes one for the other.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr_rewriter::replace_col;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Subquery};
use weir_types::Result;

use super::error::to_error;
use crate::decorrelate::has_subquery;

/// The plan with such names in the subqueries of its conditions.
///
/// # Errors
/// XX000 on a defect.
pub(super) fn set_apart(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| expr.transform_up(in_condition))
    })
    .data()
    .map_err(to_error)
}

fn in_condition(expr: Expr) -> DfResult<Transformed<Expr>> {
    Ok(match expr {
        Expr::InSubquery(mut condition) => {
            condition.subquery = of_subquery(condition.subquery)?;
            Transformed::yes(Expr::InSubquery(condition))
        }
        Expr::Exists(mut condition) => {
            condition.subquery = of_subquery(condition.subquery)?;
            Transformed::yes(Expr::Exists(condition))
        }
        other => Transformed::no(other),
    })
}

fn of_subquery(mut subquery: Subquery) -> DfResult<Subquery> {
    if !subquery.outer_ref_columns.is_empty() {
        subquery.subquery = renamed(subquery.subquery)?;
    }
    Ok(subquery)
}

fn renamed(plan: Arc<LogicalPlan>) -> DfResult<Arc<LogicalPlan>> {
    let projection = match Arc::unwrap_or_clone(plan) {
        LogicalPlan::Projection(projection) => projection,
        other => return Ok(Arc::new(other)),
    };
    let old = projection.input.schema().columns();
    // A subquery among the outputs may name the columns below from inside.
    let input = match projection.expr.iter().any(has_subquery) {
        true => projection.input,
        false => renamed(projection.input)?,
    };
    let new = input.schema().columns();
    let names: HashMap<&Column, &Column> = old.iter().zip(&new).collect();
    let outputs = projection.expr.into_iter().enumerate().map(|(place, output)| {
        Ok(replace_col(output.unalias(), &names)?.alias(format!("__output_{place}")))
    });
    let outputs = outputs.collect::<DfResult<Vec<_>>>()?;
    Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(outputs, input)?)))
}
