//! The orders of window functions.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::{Sort as SortKey, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Expr, ExprFunctionExt, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Window, WindowFrame,
    WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
};
use datafusion::scalar::ScalarValue;

use super::{Ordered, column_keys, columns_of, missing_keys, without_repeated};
use crate::functions::aggregate::row_at::{Place, row_at};
use crate::functions::row_number;

/// The functions with an order that tells all that their results depend on.
pub(super) fn of_window(window: Window) -> DfResult<Ordered> {
    let n_own = window.input.schema().fields().len();
    let n_columns = window.schema.fields().len();
    let told = Ordered::of(Arc::unwrap_or_clone(window.input))?;
    // Rows that a window has sorted come in its order.
    let keeps_order = window.window_expr.iter().all(is_over_all);
    let mut input = Arc::new(told.plan);
    let columns: Vec<Expr> = columns_of(&input).collect();
    let keys = Keys { told: &told.keys, columns: column_keys(&input) };
    let mut numbers: Vec<Expr> = Vec::new();
    let names = NamePreserver::new_for_projection();
    let mut is_changed = columns.len() > n_own;
    let mut plain = Vec::with_capacity(window.window_expr.len());
    let mut aliases = Vec::with_capacity(window.window_expr.len());
    for expr in window.window_expr {
        let name = names.save(&expr);
        let Expr::WindowFunction(mut call) = expr.unalias() else {
            return datafusion::common::internal_err!("a window expression is no window function");
        };
        let n_keys = call.params.order_by.len();
        call.params.order_by = without_repeated(call.params.order_by);
        is_changed |= call.params.order_by.len() < n_keys;
        is_changed |= frame_by_groups(&mut call, input.schema())?;
        if let Some(place) = place_among_peers(&call) {
            is_changed = true;
            let number = row_number_of(&call, &keys)?;
            let number_column = Expr::Column(Column::from_name(number.schema_name().to_string()));
            if !numbers.contains(&number) {
                numbers.push(number);
            }
            call.fun = WindowFunctionDefinition::AggregateUDF(Arc::new(row_at(place)));
            call.params.args.truncate(1);
            call.params.args.push(number_column);
        } else if depends_on_order(&call) {
            let missing = keys.missing(&call);
            is_changed |= !missing.is_empty();
            call.params.order_by.extend(missing);
        }
        let expr = named_apart(Expr::WindowFunction(call), &plain);
        aliases.push(name.restore(Expr::Column(Column::from_name(expr.schema_name().to_string()))));
        plain.push(expr);
    }
    if !is_changed {
        let restored = plain.into_iter().zip(aliases).map(|(expr, alias)| match alias {
            Expr::Alias(alias) => expr.alias_qualified(alias.relation, alias.name),
            _ => expr,
        });
        let plan = Window::try_new(restored.collect(), input).map(LogicalPlan::Window)?;
        return Ok(Ordered {
            plan,
            n_columns,
            keys: if keeps_order { told.keys } else { Vec::new() },
        });
    }
    if !numbers.is_empty() {
        input = Arc::new(LogicalPlanBuilder::window_plan(Arc::unwrap_or_clone(input), numbers)?);
    }
    // Functions over different orders are computed by different nodes.
    let mut unique: Vec<Expr> = Vec::new();
    for expr in plain {
        if !unique.contains(&expr) {
            unique.push(expr);
        }
    }
    let plan = LogicalPlanBuilder::window_plan(Arc::unwrap_or_clone(input), unique)?;
    let (own, of_order) = columns.split_at(n_own);
    let of_order = if keeps_order { of_order } else { &[] };
    let shown = own.iter().cloned().chain(aliases).chain(of_order.iter().cloned());
    let plan = LogicalPlanBuilder::from(plan).project(shown)?.build()?;
    Ok(Ordered { plan, n_columns, keys: if keeps_order { told.keys } else { Vec::new() } })
}

/// The call under a name of its own: names leave casts out.
fn named_apart(expr: Expr, others: &[Expr]) -> Expr {
    let name = expr.schema_name().to_string();
    let meets = |other: &Expr| *other != expr && other.schema_name().to_string() == name;
    match expr {
        Expr::WindowFunction(mut call) if others.iter().any(meets) => {
            let number = others.len();
            if let Some(first) = call.params.args.first_mut() {
                *first = first.clone().alias(format!("__argument_{number}"));
            }
            Expr::WindowFunction(call)
        }
        other => other,
    }
}

/// True for a function over all rows, in the order in which they come.
fn is_over_all(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_over_all(&alias.expr),
        Expr::WindowFunction(call) => {
            call.params.partition_by.is_empty() && call.params.order_by.is_empty()
        }
        _ => false,
    }
}

/// What tells the rows of a window's input apart.
struct Keys<'a> {
    /// The order in which they come.
    told: &'a [SortKey],
    /// Their columns.
    columns: Vec<Expr>,
}

impl Keys<'_> {
    /// The keys that the function's order needs to have no ties.
    fn missing(&self, call: &WindowFunction) -> Vec<SortKey> {
        let params = &call.params;
        let told = if params.order_by.is_empty() { self.told } else { &[] };
        let is_open = |expr: &&Expr| {
            !params.partition_by.contains(expr) && told.iter().all(|key| key.expr != **expr)
        };
        let open = missing_keys(&params.order_by, self.columns.iter().filter(is_open).cloned());
        told.iter().cloned().chain(open).collect()
    }
}

/// A frame of whole peer groups is told in groups where DataFusion has no ranges over the type of the order: it
/// asks for the type of a distance, though there is none in the frame. True where the frame was changed.
fn frame_by_groups(call: &mut WindowFunction, schema: &DFSchema) -> DfResult<bool> {
    let params = &mut call.params;
    let frame = &params.window_frame;
    let is_far = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => true,
        other => other.is_unbounded(),
    };
    let Some(first) = params.order_by.first() else { return Ok(false) };
    let has_no_range =
        matches!(first.expr.get_type(schema)?, DataType::Time64(_) | DataType::Binary);
    if frame.units != WindowFrameUnits::Range
        || !has_no_range
        || !is_far(&frame.start_bound)
        || !is_far(&frame.end_bound)
    {
        return Ok(false);
    }
    let (start, end) = (frame.start_bound.clone(), frame.end_bound.clone());
    params.window_frame = WindowFrame::new_bounds(WindowFrameUnits::Groups, start, end);
    Ok(true)
}

/// Which row of its frame a function gives, where the frame is told in peers, and it is open which of them is meant.
fn place_among_peers(call: &WindowFunction) -> Option<Place> {
    let WindowFunctionDefinition::WindowUDF(function) = &call.fun else { return None };
    if is_by_rows(call) {
        return None;
    }
    let frame = &call.params.window_frame;
    match function.name() {
        "first_value" if !frame.start_bound.is_unbounded() => Some(Place::First),
        "last_value" => Some(Place::Last),
        "nth_value" => match call.params.args.get(1)? {
            Expr::Literal(nth, _) => {
                let ScalarValue::Int64(Some(nth)) = nth.cast_to(&DataType::Int64).ok()? else {
                    return None;
                };
                // DataFusion counts from the end for a number below 0, and tells of 0.
                (nth > 0).then_some(Place::Nth(nth as usize))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The numbers of the rows of each partition, in an order without ties.
fn row_number_of(call: &WindowFunction, keys: &Keys<'_>) -> DfResult<Expr> {
    let params = &call.params;
    let mut order = params.order_by.clone();
    order.extend(keys.missing(call));
    row_number().call(Vec::new()).partition_by(params.partition_by.clone()).order_by(order).build()
}

/// True for a function whose result depends on the order of peers.
fn depends_on_order(call: &WindowFunction) -> bool {
    match &call.fun {
        WindowFunctionDefinition::WindowUDF(function) => match function.name() {
            "row_number" | "lag" | "lead" | "ntile" => true,
            // Of a frame of whole peer groups, the first row is that of the order all the same.
            "first_value" => {
                call.params.window_frame.start_bound.is_unbounded() || is_by_rows(call)
            }
            "last_value" | "nth_value" => is_by_rows(call),
            _ => false,
        },
        WindowFunctionDefinition::AggregateUDF(_) => is_by_rows(call) && !is_whole(call),
    }
}

fn is_by_rows(call: &WindowFunction) -> bool {
    call.params.window_frame.units == WindowFrameUnits::Rows
}

/// True for a frame that is the whole partition.
fn is_whole(call: &WindowFunction) -> bool {
    let frame = &call.params.window_frame;
    frame.start_bound.is_unbounded() && frame.end_bound.is_unbounded()
}
