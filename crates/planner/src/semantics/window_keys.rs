//! Keys of windows without names, and those of ordered aggregates, each once.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Window};
use weir_types::Result;

use super::error::to_error;
use super::order::without_repeated;

/// The plan in which the functions of a window have the same keys, and an aggregate has each key of its order once.
/// DataFusion's elimination of common expressions gives some keys a name, and its physical planner then takes them for
/// others; of keys that its simplification makes the same, it drops some in one place and not in another.
///
/// # Errors
/// A plan that DataFusion cannot rebuild, which is a defect.
pub fn plain_window_keys(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Window(window) => of_window(window).map(Transformed::yes),
        LogicalPlan::Aggregate(aggregate) => of_aggregate(aggregate).map(Transformed::yes),
        other => Ok(Transformed::no(other)),
    })
    .data()
    .map_err(to_error)
}

fn of_window(window: Window) -> DfResult<LogicalPlan> {
    let names = NamePreserver::new_for_projection();
    let exprs = window.window_expr.into_iter().map(|expr| {
        let name = names.save(&expr);
        let plain = expr.transform_down(|expr| {
            Ok(match expr {
                Expr::WindowFunction(call) => {
                    Transformed::yes(Expr::WindowFunction(Box::new(without_names(*call))))
                }
                other => Transformed::no(other),
            })
        })?;
        Ok(name.restore(plain.data))
    });
    let exprs = exprs.collect::<DfResult<Vec<_>>>()?;
    Window::try_new(exprs, window.input).map(LogicalPlan::Window)
}

fn of_aggregate(aggregate: Aggregate) -> DfResult<LogicalPlan> {
    let names = NamePreserver::new_for_projection();
    let calls = aggregate.aggr_expr.into_iter().map(|expr| {
        let name = names.save(&expr);
        let plain = expr.transform_down(|expr| {
            Ok(match expr {
                Expr::AggregateFunction(mut call) => {
                    let keys = std::mem::take(&mut call.params.order_by);
                    call.params.order_by = without_repeated(keys);
                    Transformed::yes(Expr::AggregateFunction(call))
                }
                other => Transformed::no(other),
            })
        })?;
        Ok(name.restore(plain.data))
    });
    let calls = calls.collect::<DfResult<Vec<_>>>()?;
    Aggregate::try_new(aggregate.input, aggregate.group_expr, calls).map(LogicalPlan::Aggregate)
}

fn without_names(mut call: WindowFunction) -> WindowFunction {
    let params = &mut call.params;
    for key in &mut params.order_by {
        key.expr = key.expr.clone().unalias();
    }
    params.partition_by = params.partition_by.drain(..).map(Expr::unalias).collect();
    call
}
