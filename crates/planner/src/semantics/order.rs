//! One order where a result depends on an order that the query leaves open.
//!
//! LIMIT, DISTINCT ON, `row_number` and the like take some of several equals, `array_agg` takes its rows
//! as they come. To give the same result in batch and in a view, on any number of workers, ties are
//! broken by the remaining columns; of rows that agree in all of them it does not matter which is taken.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::{AggregateFunction, Sort as SortKey, WindowFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, ExprFunctionExt, ExprSchemable, Limit, LogicalPlan,
    LogicalPlanBuilder, Projection, Sort, Window, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition,
};
use datafusion::scalar::ScalarValue;
use weir_types::Result;

use super::error::to_error;
use crate::decorrelate::key_of;
use crate::functions::aggregate::BoundAggregate;
use crate::functions::aggregate::row_at::{Place, row_at};
use crate::functions::row_number;

/// The plan with every order told that its results depend on.
pub(super) fn make_canonical(plan: LogicalPlan) -> Result<LogicalPlan> {
    canonical(plan).map_err(to_error)
}

fn canonical(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    plan.transform_up(|node| {
        let node = node.map_expressions(|expr| expr.transform_up(in_subquery))?.data;
        Ok(Transformed::yes(match node {
            LogicalPlan::Limit(limit) => LogicalPlan::Limit(of_limit(limit)?),
            LogicalPlan::Distinct(Distinct::On(distinct)) => {
                LogicalPlan::Distinct(Distinct::On(of_distinct(distinct)?))
            }
            LogicalPlan::Aggregate(aggregate) => of_aggregate(aggregate)?,
            LogicalPlan::Window(window) => of_window(window)?,
            other => other,
        }))
    })
    .data()
}

/// Subqueries too; but which row lets EXISTS be true does not matter.
fn in_subquery(expr: Expr) -> DfResult<Transformed<Expr>> {
    let with = |mut subquery: datafusion::logical_expr::Subquery| -> DfResult<_> {
        subquery.subquery = Arc::new(canonical(Arc::unwrap_or_clone(subquery.subquery))?);
        Ok(subquery)
    };
    Ok(match expr {
        Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(with(subquery)?)),
        Expr::InSubquery(mut in_subquery) => {
            in_subquery.subquery = with(in_subquery.subquery)?;
            Transformed::yes(Expr::InSubquery(in_subquery))
        }
        Expr::SetComparison(mut comparison) => {
            comparison.subquery = with(comparison.subquery)?;
            Transformed::yes(Expr::SetComparison(comparison))
        }
        other => Transformed::no(other),
    })
}

/// Keys for those expressions that are none yet.
fn missing_keys(keys: &[SortKey], exprs: impl IntoIterator<Item = Expr>) -> Vec<SortKey> {
    let mut missing: Vec<SortKey> = Vec::new();
    for expr in exprs {
        let is_key = |key: &SortKey| key.expr == expr;
        let is_constant = matches!(expr, Expr::Literal(..));
        if !is_constant && !keys.iter().any(is_key) && !missing.iter().any(is_key) {
            missing.push(SortKey::new(expr, true, false));
        }
    }
    missing
}

/// The keys without those that sort by an expression again: DataFusion drops them in some places and not in others,
/// and panics where the two meet.
fn without_repeated(keys: Vec<SortKey>) -> Vec<SortKey> {
    let mut kept: Vec<SortKey> = Vec::with_capacity(keys.len());
    for key in keys {
        if kept.iter().all(|known| known.expr != key.expr) {
            kept.push(key);
        }
    }
    kept
}

fn columns_of(plan: &LogicalPlan) -> impl Iterator<Item = Expr> + use<> {
    plan.schema().columns().into_iter().map(Expr::Column)
}

/// The columns of a plan as keys of an order. A list comes behind its bytes: of lists with a NULL in them DataFusion's
/// ways to sort have different orders.
fn column_keys(plan: &LogicalPlan) -> Vec<Expr> {
    let columns = columns_of(plan).zip(plan.schema().fields());
    columns
        .flat_map(|(column, field)| {
            let is_list = matches!(field.data_type(), DataType::List(_));
            let bytes = is_list.then(|| key_of(vec![column.clone()]));
            bytes.into_iter().chain([column])
        })
        .collect()
}

fn of_limit(mut limit: Limit) -> DfResult<Limit> {
    limit.input = Arc::new(sorted(Arc::unwrap_or_clone(limit.input))?);
    Ok(limit)
}

/// The rows in a total order, which begins with the one that the query tells, if any.
fn sorted(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    match plan {
        LogicalPlan::Sort(mut sort) => {
            let missing = missing_keys(&sort.expr, column_keys(&sort.input));
            sort.expr.extend(missing);
            Ok(LogicalPlan::Sort(sort))
        }
        // The sort is below the projection where it needs columns that are no outputs.
        LogicalPlan::Projection(projection) if is_over_sort(&projection.input) => {
            let Projection { expr, input, .. } = projection;
            let input = Arc::new(sorted(Arc::unwrap_or_clone(input))?);
            Projection::try_new(expr, input).map(LogicalPlan::Projection)
        }
        other => {
            let keys = missing_keys(&[], column_keys(&other));
            if keys.is_empty() {
                return Ok(other);
            }
            Ok(LogicalPlan::Sort(Sort { expr: keys, input: Arc::new(other), fetch: None }))
        }
    }
}

fn is_over_sort(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => is_over_sort(&projection.input),
        _ => false,
    }
}

fn of_distinct(distinct: DistinctOn) -> DfResult<DistinctOn> {
    let mut keys = match &distinct.sort_expr {
        Some(keys) => without_repeated(keys.clone()),
        None => {
            distinct.on_expr.iter().map(|expr| SortKey::new(expr.clone(), true, false)).collect()
        }
    };
    keys.extend(missing_keys(&keys, column_keys(&distinct.input)));
    distinct.with_sort_expr(keys)
}

fn of_aggregate(aggregate: Aggregate) -> DfResult<LogicalPlan> {
    let Aggregate { input, group_expr, aggr_expr, .. } = aggregate;
    let names = NamePreserver::new_for_projection();
    let aggr_expr = aggr_expr
        .into_iter()
        .map(|expr| {
            let name = names.save(&expr);
            expr.transform_up(|expr| match expr {
                Expr::AggregateFunction(mut call) if depends_on_order(&call) => {
                    call.params.order_by = without_repeated(call.params.order_by);
                    Ok(Transformed::yes(Expr::AggregateFunction(ordered(call, input.schema())?)))
                }
                other => Ok(Transformed::no(other)),
            })
            .data()
            .map(|expr| name.restore(expr))
        })
        .collect::<DfResult<Vec<_>>>()?;
    Aggregate::try_new(input, group_expr, aggr_expr).map(LogicalPlan::Aggregate)
}

fn depends_on_order(call: &AggregateFunction) -> bool {
    match call.func.inner().downcast_ref::<BoundAggregate>() {
        Some(bound) => bound.is_ordered(),
        None => matches!(call.func.name(), "first_value" | "last_value" | "nth_value"),
    }
}

fn ordered(mut call: AggregateFunction, schema: &DFSchema) -> DfResult<AggregateFunction> {
    let args: Vec<Expr> = if call.params.distinct {
        // With DISTINCT the rows of one value are one row.
        call.params.args.iter().take(1).cloned().collect()
    } else {
        call.params.args.clone()
    };
    let mut keys = Vec::with_capacity(args.len());
    for argument in args {
        let is_list = matches!(argument.get_type(schema)?, DataType::List(_));
        // DISTINCT takes no keys but its argument.
        keys.extend((is_list && !call.params.distinct).then(|| key_of(vec![argument.clone()])));
        keys.push(argument);
    }
    let missing = missing_keys(&call.params.order_by, keys);
    call.params.order_by.extend(missing);
    Ok(call)
}

fn of_window(window: Window) -> DfResult<LogicalPlan> {
    let Window { mut input, window_expr, .. } = window;
    let columns: Vec<Expr> = columns_of(&input).collect();
    let keys = column_keys(&input);
    let mut numbers: Vec<Expr> = Vec::new();
    let names = NamePreserver::new_for_projection();
    let mut is_changed = false;
    let mut plain = Vec::with_capacity(window_expr.len());
    let mut aliases = Vec::with_capacity(window_expr.len());
    for expr in window_expr {
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
        } else if let Some(missing) = window_keys(&call, &keys) {
            is_changed |= !missing.is_empty();
            call.params.order_by.extend(missing);
        }
        let expr = Expr::WindowFunction(call);
        aliases.push(name.restore(Expr::Column(Column::from_name(expr.schema_name().to_string()))));
        plain.push(expr);
    }
    if !is_changed {
        let restored = plain.into_iter().zip(aliases).map(|(expr, alias)| match alias {
            Expr::Alias(alias) => expr.alias_qualified(alias.relation, alias.name),
            _ => expr,
        });
        return Window::try_new(restored.collect(), input).map(LogicalPlan::Window);
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
    LogicalPlanBuilder::from(plan).project(columns.into_iter().chain(aliases))?.build()
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
fn row_number_of(call: &WindowFunction, keys: &[Expr]) -> DfResult<Expr> {
    let params = &call.params;
    let is_partition = |expr: &&Expr| !params.partition_by.contains(expr);
    let open = keys.iter().filter(is_partition).cloned();
    let mut order = params.order_by.clone();
    order.extend(missing_keys(&params.order_by, open));
    row_number().call(Vec::new()).partition_by(params.partition_by.clone()).order_by(order).build()
}

/// Keys that break the ties of a window function whose result depends on them; `None` for one whose
/// result does not.
fn window_keys(call: &WindowFunction, keys: &[Expr]) -> Option<Vec<SortKey>> {
    let params = &call.params;
    let depends = match &call.fun {
        WindowFunctionDefinition::WindowUDF(function) => match function.name() {
            "row_number" | "lag" | "lead" | "ntile" => true,
            // Of a frame of whole peer groups, the first row is that of the order all the same.
            "first_value" => params.window_frame.start_bound.is_unbounded() || is_by_rows(call),
            "last_value" | "nth_value" => is_by_rows(call),
            _ => false,
        },
        WindowFunctionDefinition::AggregateUDF(_) => is_by_rows(call) && !is_whole(call),
    };
    depends.then(|| {
        let partition = params.partition_by.iter();
        let is_partition = |expr: &Expr| partition.clone().any(|key| key == expr);
        let open = keys.iter().filter(|expr| !is_partition(expr)).cloned();
        missing_keys(&params.order_by, open)
    })
}

fn is_by_rows(call: &WindowFunction) -> bool {
    call.params.window_frame.units == WindowFrameUnits::Rows
}

/// True for a frame that is the whole partition.
fn is_whole(call: &WindowFunction) -> bool {
    let frame = &call.params.window_frame;
    frame.start_bound.is_unbounded() && frame.end_bound.is_unbounded()
}
