//! Conditions that can fail, behind the conditions before them.
//!
//! `WHERE x <> 0 AND 10 / x > 1` must not divide by zero. DataFusion evaluates both sides of AND on all
//! rows unless the left one drops most of them; a filter of its own hands on only the rows that it keeps.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Operator};
use weir_types::Result;

use super::error::to_error;
use crate::functions::scalar::Bound;

/// The plan with each filter cut before the conditions in it that can fail. To be called behind the
/// logical optimizer, which would join the filters again.
///
/// # Errors
/// A plan that DataFusion cannot rebuild, which is a defect.
pub fn guard_filters(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Filter(filter) = node else { return Ok(Transformed::no(node)) };
        let conditions = split_conjunction_owned(filter.predicate.clone());
        let is_safe = conditions.len() < 2 || !conditions[1..].iter().any(can_fail);
        if is_safe {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        }
        let mut input = filter.input;
        let mut together: Vec<Expr> = Vec::new();
        for condition in conditions {
            if can_fail(&condition)
                && let Some(before) = conjunction(std::mem::take(&mut together))
            {
                input = Arc::new(LogicalPlan::Filter(Filter::try_new(before, input)?));
            }
            together.push(condition);
        }
        let Some(last) = conjunction(together) else {
            return Ok(Transformed::yes(Arc::unwrap_or_clone(input)));
        };
        Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(last, input)?)))
    })
    .data()
    .map_err(to_error)
}

/// True if evaluating the expression may raise an error on some row.
fn can_fail(expr: &Expr) -> bool {
    let mut found = false;
    let visited = expr.apply(|expr| {
        found = match expr {
            Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<Bound>() {
                Some(bound) => bound.can_fail(),
                // Of DataFusion's functions it is not known.
                None => true,
            },
            Expr::BinaryExpr(binary) => matches!(
                binary.op,
                Operator::Plus
                    | Operator::Minus
                    | Operator::Multiply
                    | Operator::Divide
                    | Operator::Modulo
            ),
            _ => false,
        };
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    debug_assert!(visited.is_ok(), "looking at an expression does not fail");
    found
}
