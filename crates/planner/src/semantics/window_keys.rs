//! Keys of windows as columns without names, and those of ordered aggregates, each once.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection, Window};
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

/// The plan in which each key of a window is a column or a constant; others are computed below it. To run last: no
/// stored plan needs it.
/// DataFusion's physical rules simplify a key of a sort, and not that of the window above it, and so take the sort for
/// another. And of a key over one of two equal columns they do not know that the sort over the other has it.
///
/// # Errors
/// A plan that DataFusion cannot rebuild, which is a defect.
pub fn window_keys_as_columns(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Window(window) => with_keys_below(window),
        other => Ok(Transformed::no(other)),
    })
    .data()
    .map_err(to_error)
}

fn with_keys_below(window: Window) -> DfResult<Transformed<LogicalPlan>> {
    let Window { input, window_expr, schema } = window;
    let names = NamePreserver::new_for_projection();
    let mut computed = KeyColumns { input: input.schema(), columns: Vec::new() };
    let mut exprs = Vec::with_capacity(window_expr.len());
    for mut expr in window_expr {
        let name = names.save(&expr);
        if let Some(call) = call_of(&mut expr) {
            computed.put_in(call);
        }
        exprs.push(name.restore(expr));
    }
    let columns = computed.columns;
    if columns.is_empty() {
        let window = Window { input, window_expr: exprs, schema };
        return Ok(Transformed::no(LogicalPlan::Window(window)));
    }
    let keys = columns.into_iter().map(|(key, name)| key.alias(name));
    let below = input.schema().columns().into_iter().map(Expr::Column).chain(keys).collect();
    let below = Projection::try_new(below, input).map(LogicalPlan::Projection)?;
    let window = Window::try_new(exprs, Arc::new(below)).map(LogicalPlan::Window)?;
    // The columns that it had, without the keys.
    let shown = schema.columns().into_iter().map(Expr::Column).collect();
    let shown = Projection::try_new_with_schema(shown, Arc::new(window), schema)?;
    Ok(Transformed::yes(LogicalPlan::Projection(shown)))
}

fn call_of(expr: &mut Expr) -> Option<&mut WindowFunction> {
    match expr {
        Expr::Alias(alias) => call_of(&mut alias.expr),
        Expr::WindowFunction(call) => Some(call.as_mut()),
        _ => None,
    }
}

/// The computed keys of a window, each once, under names that its input does not have.
struct KeyColumns<'a> {
    input: &'a DFSchema,
    columns: Vec<(Expr, String)>,
}

impl KeyColumns<'_> {
    fn put_in(&mut self, call: &mut WindowFunction) {
        let params = &mut call.params;
        let orders = params.order_by.iter_mut().map(|key| &mut key.expr);
        for key in params.partition_by.iter_mut().chain(orders) {
            if !matches!(key, Expr::Column(_) | Expr::Literal(..)) {
                *key = Expr::Column(Column::from_name(self.name_of(key)));
            }
        }
    }

    fn name_of(&mut self, key: &Expr) -> String {
        if let Some((_, name)) = self.columns.iter().find(|(known, _)| known == key) {
            return name.clone();
        }
        let mut name = format!("__window_key_{}", self.columns.len());
        while self.input.has_column_with_unqualified_name(&name) {
            name.push('_');
        }
        self.columns.push((key.clone(), name.clone()));
        name
    }
}
