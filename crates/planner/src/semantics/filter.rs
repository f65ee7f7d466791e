//! Conditions that can fail, behind the conditions before them.
//!
//! `WHERE x <> 0 AND 10 / x > 1` must not divide by zero. DataFusion evaluates both sides of AND on all
//! rows unless the left one drops most of them, and joins filters that follow each other; only a CASE
//! evaluates its results just on the rows that are theirs.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Operator};
use weir_types::Result;

use super::error::to_error;
use super::in_lists::is_tested;
use super::short_circuit;
use crate::functions::scalar::Bound;
use crate::incremental::IsTouched;

/// The plan with the conditions of filters and joins that can fail asked only of rows that meet the
/// others, and the operands of AND and OR of rows that those before them leave open. To be called
/// behind the logical optimizer, which would not see through it.
///
/// # Errors
/// A plan that DataFusion cannot rebuild, which is a defect.
pub fn guard_filters(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let node = short_circuit::of_node(node)?;
        Ok(match node.data {
            LogicalPlan::Filter(filter) => Transformed::yes(LogicalPlan::Filter(Filter::try_new(
                guarded(filter.predicate)?,
                filter.input,
            )?)),
            LogicalPlan::Join(mut join) => {
                join.filter = join.filter.map(guarded).transpose()?;
                Transformed::yes(LogicalPlan::Join(join))
            }
            other => Transformed::new_transformed(other, node.transformed),
        })
    })
    .data()
    .map_err(to_error)
}

/// The safe conditions first; behind them, each of the others if those before it are met.
fn guarded(condition: Expr) -> DfResult<Expr> {
    let conditions = split_conjunction_owned(condition).into_iter();
    let conditions = conditions.map(short_circuit::of_condition).collect::<DfResult<Vec<_>>>()?;
    let (mut risky, safe): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(can_fail);
    let Some(safe) = conjunction(safe) else { return Ok(short_circuit::all_of(risky)) };
    if risky.is_empty() {
        return Ok(safe);
    }
    risky.insert(0, safe.clone());
    Ok(safe.and(short_circuit::all_of(risky)))
}

/// True if evaluating the expression may raise an error on some row.
pub(super) fn can_fail(expr: &Expr) -> bool {
    let mut found = false;
    let visited = expr.apply(|expr| {
        found = match expr {
            Expr::ScalarFunction(call)
                if call.func.inner().is::<IsTouched>() || is_tested(&call.func) =>
            {
                false
            }
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
