//! The time of the statement, and functions that have no one result.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::scalar::ScalarValue;
use weir_types::{Result, Timestamp};

use super::error::to_error;
use crate::functions::clock::NOW;

/// The plan with `now()` and its relatives replaced by that time.
///
/// # Errors
/// A plan that DataFusion cannot rebuild, which is a defect.
pub fn bind_now(plan: LogicalPlan, now: Timestamp) -> Result<LogicalPlan> {
    let zone = Some("UTC".into());
    let literal = Expr::Literal(ScalarValue::TimestampMicrosecond(Some(now.0), zone), None);
    plan.transform_down_with_subqueries(|node| {
        let names = datafusion::logical_expr::expr_rewriter::NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let bound = expr.transform_up(|expr| {
                Ok(if is_now(&expr) {
                    Transformed::yes(literal.clone())
                } else {
                    Transformed::no(expr)
                })
            })?;
            Ok(bound.update_data(|expr| name.restore(expr)))
        })
    })
    .data()
    .map_err(to_error)
}

fn is_now(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.name() == NOW && call.args.is_empty())
}

/// True if a result depends on the time of the statement.
#[must_use]
pub fn uses_now(plan: &LogicalPlan) -> bool {
    find(plan, |expr| is_now(expr).then_some(())).is_some()
}

/// The name of a function in the plan that may give another result each time it is called.
#[must_use]
pub fn volatility_problem(plan: &LogicalPlan) -> Option<String> {
    find(plan, |expr| {
        let (name, volatility) = match expr {
            Expr::ScalarFunction(call) => (call.func.name(), call.func.signature().volatility),
            Expr::AggregateFunction(call) => (call.func.name(), call.func.signature().volatility),
            _ => return None,
        };
        (volatility == Volatility::Volatile).then(|| name.to_owned())
    })
}

/// The first that is found in the expressions of a plan and its subqueries.
fn find<T>(plan: &LogicalPlan, wanted: impl Fn(&Expr) -> Option<T>) -> Option<T> {
    let mut found = None;
    let visited = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                found = wanted(expr);
                let stops = found.is_some();
                Ok(if stops { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    });
    debug_assert!(visited.is_ok(), "looking at a plan does not fail");
    found
}
