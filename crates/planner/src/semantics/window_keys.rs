//! Keys of windows without names.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Window};
use weir_types::Result;

use super::error::to_error;

/// The plan in which the functions of a window have the same keys. DataFusion's elimination of common expressions
/// gives some of them a name, and its physical planner then takes them for others.
///
/// # Errors
/// A plan that DataFusion cannot rebuild, which is a defect.
pub fn plain_window_keys(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Window(window) => of_window(window).map(Transformed::yes),
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

fn without_names(mut call: WindowFunction) -> WindowFunction {
    let params = &mut call.params;
    for key in &mut params.order_by {
        key.expr = key.expr.clone().unalias();
    }
    params.partition_by = params.partition_by.drain(..).map(Expr::unalias).collect();
    call
}
