//! One order where a result depends on an order that the query leaves open.
//!
//! LIMIT, DISTINCT ON, `row_number` and the like take some of several equals, `array_agg` takes its rows
//! as they come. To give the same result in batch and in a view, on any number of workers, ties are
//! broken by the remaining columns; of rows that agree in all of them it does not matter which is taken.

mod window;

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::{AggregateFunction, Sort as SortKey};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, ExprSchemable, Filter, Limit, LogicalPlan, Projection,
    Sort, SubqueryAlias,
};
use weir_types::Result;

use super::error::to_error;
use crate::decorrelate::key_of;
use crate::functions::aggregate::{BoundAggregate, is_of_texts};

/// The plan with every order told that its results depend on.
pub(super) fn make_canonical(plan: LogicalPlan) -> Result<LogicalPlan> {
    canonical(plan).map_err(to_error)
}

/// The plan of a whole query, whose rows come in the order that it tells.
fn canonical(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    match plan {
        LogicalPlan::Sort(_) => {
            let LogicalPlan::Sort(mut sort) = with_subqueries(plan)? else {
                unreachable!("subqueries do not change the node")
            };
            sort.input = unordered(sort.input)?;
            Ok(LogicalPlan::Sort(sort))
        }
        // The sort is below the projection where it needs columns that are no outputs.
        LogicalPlan::Projection(ref projection) if is_over_sort(&projection.input) => {
            with_subqueries(plan)?
                .map_children(|input| canonical(input).map(Transformed::yes))
                .data()
        }
        // Its rows are sorted below it.
        LogicalPlan::Limit(_) => Ordered::of(plan)?.unordered(),
        other => {
            let mut ordered = Ordered::of(other)?;
            let keys = std::mem::take(&mut ordered.keys);
            if !keys.is_empty() {
                let input = Arc::new(ordered.plan);
                ordered.plan = LogicalPlan::Sort(Sort { expr: keys, input, fetch: None });
            }
            ordered.unordered()
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

/// The plan of a part of a query of which the order does not matter.
fn unordered(plan: Arc<LogicalPlan>) -> DfResult<Arc<LogicalPlan>> {
    Ordered::of(Arc::unwrap_or_clone(plan))?.unordered().map(Arc::new)
}

/// The node with its subqueries in order.
fn with_subqueries(plan: LogicalPlan) -> DfResult<LogicalPlan> {
    plan.map_expressions(|expr| expr.transform_up(in_subquery)).data()
}

fn in_subquery(expr: Expr) -> DfResult<Transformed<Expr>> {
    let with = |mut subquery: datafusion::logical_expr::Subquery| -> DfResult<_> {
        subquery.subquery = unordered(subquery.subquery)?;
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
        Expr::Exists(mut exists) => {
            exists.subquery.subquery = of_existence(exists.subquery.subquery)?;
            Transformed::yes(Expr::Exists(exists))
        }
        other => Transformed::no(other),
    })
}

/// The plan of EXISTS. Which rows its own LIMIT takes does not matter, unlike that of a part of it.
fn of_existence(plan: Arc<LogicalPlan>) -> DfResult<Arc<LogicalPlan>> {
    match Arc::unwrap_or_clone(plan) {
        LogicalPlan::Limit(mut limit) => {
            limit.input = unordered(limit.input)?;
            Ok(Arc::new(LogicalPlan::Limit(limit)))
        }
        other => unordered(Arc::new(other)),
    }
}

/// A part of a plan whose rows are meant to come in an order. A sort in the middle of a plan is not one that the rows
/// above it keep: what depends on the order takes its keys.
struct Ordered {
    /// The columns of the part, then those that only the order needs.
    plan: LogicalPlan,
    /// How many columns the part has.
    n_columns: usize,
    /// The order, of columns of the plan; empty where it is open.
    keys: Vec<SortKey>,
}

impl Ordered {
    fn of(plan: LogicalPlan) -> DfResult<Self> {
        let n_columns = plan.schema().fields().len();
        match with_subqueries(plan)? {
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                let plan = Arc::unwrap_or_clone(unordered(sort.input)?);
                Ok(Self { plan, n_columns, keys: sort.expr })
            }
            LogicalPlan::Projection(projection) => of_projection(projection),
            LogicalPlan::Filter(filter) => {
                let input = Self::of(Arc::unwrap_or_clone(filter.input))?;
                let filter = Filter::try_new(filter.predicate, Arc::new(input.plan))?;
                Ok(Self { plan: LogicalPlan::Filter(filter), ..input })
            }
            LogicalPlan::SubqueryAlias(alias) => of_alias(alias),
            LogicalPlan::Limit(limit) => of_limit(limit),
            LogicalPlan::Window(window) => window::of_window(window),
            LogicalPlan::Aggregate(aggregate) => of_aggregate(aggregate).map(Self::open),
            LogicalPlan::Distinct(Distinct::On(distinct)) => of_distinct(distinct),
            other => other
                .map_children(|input| {
                    unordered(Arc::new(input)).map(Arc::unwrap_or_clone).map(Transformed::yes)
                })
                .data()
                .map(Self::open),
        }
    }

    /// A plan that tells no order.
    fn open(plan: LogicalPlan) -> Self {
        Self { n_columns: plan.schema().fields().len(), plan, keys: Vec::new() }
    }

    /// The part without what its order needs.
    fn unordered(self) -> DfResult<LogicalPlan> {
        if self.plan.schema().fields().len() == self.n_columns {
            return Ok(self.plan);
        }
        let own = columns_of(&self.plan).take(self.n_columns).collect();
        Projection::try_new(own, Arc::new(self.plan)).map(LogicalPlan::Projection)
    }
}

/// The keys are told by outputs, and by further columns for those that are none.
fn of_projection(projection: Projection) -> DfResult<Ordered> {
    let Ordered { plan, keys, .. } = Ordered::of(Arc::unwrap_or_clone(projection.input))?;
    with_key_columns(plan, projection.expr, keys)
}

/// The projection of a plan, which comes in the order of the keys.
fn with_key_columns(
    plan: LogicalPlan,
    mut exprs: Vec<Expr>,
    keys: Vec<SortKey>,
) -> DfResult<Ordered> {
    let n_columns = exprs.len();
    let places = with_outputs(&mut exprs, &keys);
    let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
    Ok(Ordered { keys: by_columns(keys, &places, &plan), plan, n_columns })
}

/// Adds outputs for those keys that are none, and tells the places of all.
fn with_outputs(outputs: &mut Vec<Expr>, keys: &[SortKey]) -> Vec<usize> {
    let mut places = Vec::with_capacity(keys.len());
    for key in keys {
        let is_key = |expr: &Expr| expr.clone().unalias() == key.expr;
        let place = outputs.iter().position(is_key).unwrap_or(outputs.len());
        places.push(place);
        if place == outputs.len() {
            outputs.push(key.expr.clone().alias(free_name(outputs)));
        }
    }
    places
}

/// The keys as columns of the plan, in these places.
fn by_columns(mut keys: Vec<SortKey>, places: &[usize], plan: &LogicalPlan) -> Vec<SortKey> {
    let columns = plan.schema().columns();
    for (key, place) in keys.iter_mut().zip(places) {
        key.expr = Expr::Column(columns[*place].clone());
    }
    keys
}

/// A name that none of the outputs has. The plan of a view comes with those that it was given when it was made.
fn free_name(outputs: &[Expr]) -> String {
    let taken: Vec<String> = outputs.iter().map(|output| output.qualified_name().1).collect();
    let mut names = (0..).map(|number| format!("__order_{number}"));
    names.find(|name| !taken.contains(name)).expect("numbers do not end")
}

fn of_alias(alias: SubqueryAlias) -> DfResult<Ordered> {
    let n_columns = alias.schema.fields().len();
    let mut input = Ordered::of(Arc::unwrap_or_clone(alias.input))?;
    if input.keys.iter().any(|key| !matches!(key.expr, Expr::Column(_))) {
        let columns = columns_of(&input.plan).collect();
        input = with_key_columns(input.plan, columns, input.keys)?;
    }
    let inside = input.plan.schema().columns();
    let plan =
        LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input.plan), alias.alias)?);
    let outside = plan.schema().columns();
    let mut keys = input.keys;
    for key in &mut keys {
        let position = inside.iter().position(|column| key.expr == Expr::Column(column.clone()));
        let position = position.expect("each key is a column of the plan");
        key.expr = Expr::Column(outside[position].clone());
    }
    Ok(Ordered { plan, n_columns, keys })
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

/// The keys without names, and without those that sort by an expression again: DataFusion drops them in some places and
/// not in others, and panics where the two meet.
pub(super) fn without_repeated(keys: Vec<SortKey>) -> Vec<SortKey> {
    let mut kept: Vec<SortKey> = Vec::with_capacity(keys.len());
    for mut key in keys {
        key.expr = key.expr.unalias();
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

/// LIMIT takes of rows in a total order, which begins with the one that they come in, if any.
fn of_limit(mut limit: Limit) -> DfResult<Ordered> {
    let Ordered { plan, n_columns, keys } = Ordered::of(Arc::unwrap_or_clone(limit.input))?;
    let mut total = keys.clone();
    total.extend(missing_keys(&keys, column_keys(&plan)));
    limit.input = Arc::new(if total.is_empty() {
        plan
    } else {
        LogicalPlan::Sort(Sort { expr: total, input: Arc::new(plan), fetch: None })
    });
    Ok(Ordered { plan: LogicalPlan::Limit(limit), n_columns, keys })
}

/// The rows come in the order that tells which of them are taken. Of that, the keys that are distinct tell all; those
/// that are no outputs are further columns.
fn of_distinct(mut distinct: DistinctOn) -> DfResult<Ordered> {
    distinct.input = unordered(distinct.input)?;
    distinct.on_expr = distinct.on_expr.into_iter().map(Expr::unalias).collect();
    let is_told = distinct.sort_expr.is_some();
    let mut keys = match distinct.sort_expr.take() {
        Some(keys) => without_repeated(keys),
        None => {
            distinct.on_expr.iter().map(|expr| SortKey::new(expr.clone(), true, false)).collect()
        }
    };
    let told: Vec<SortKey> =
        keys.iter().take(if is_told { distinct.on_expr.len() } else { 0 }).cloned().collect();
    keys.extend(missing_keys(&keys, column_keys(&distinct.input)));
    let mut outputs = distinct.select_expr;
    let n_columns = outputs.len();
    let places = with_outputs(&mut outputs, &told);
    let distinct = DistinctOn::try_new(distinct.on_expr, outputs, Some(keys), distinct.input)?;
    let plan = LogicalPlan::Distinct(Distinct::On(distinct));
    Ok(Ordered { keys: by_columns(told, &places, &plan), plan, n_columns })
}

fn of_aggregate(aggregate: Aggregate) -> DfResult<LogicalPlan> {
    let Aggregate { input, group_expr, aggr_expr, .. } = aggregate;
    let Ordered { plan, keys: told, .. } = Ordered::of(Arc::unwrap_or_clone(input))?;
    let input = Arc::new(plan);
    let names = NamePreserver::new_for_projection();
    let aggr_expr = aggr_expr
        .into_iter()
        .map(|expr| {
            let name = names.save(&expr);
            expr.transform_up(|expr| match expr {
                Expr::AggregateFunction(mut call) if depends_on_order(&call) => {
                    call.params.order_by = without_repeated(call.params.order_by);
                    if call.params.order_by.is_empty() && !call.params.distinct {
                        call.params.order_by.clone_from(&told);
                    }
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
    let mut arguments = call.params.args.clone();
    if call.params.distinct && arguments.len() > 1 && is_of_texts(&call.func) {
        // DISTINCT sorts by the values behind the text.
        arguments.rotate_left(1);
    }
    let mut keys = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let is_list = matches!(argument.get_type(schema)?, DataType::List(_));
        keys.extend(is_list.then(|| key_of(vec![argument.clone()])));
        keys.push(argument);
    }
    let missing = missing_keys(&call.params.order_by, keys);
    call.params.order_by.extend(missing);
    Ok(call)
}
