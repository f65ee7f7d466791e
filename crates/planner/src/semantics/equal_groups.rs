//! Groups of values that are equal and not the same: '1 mon' and '30 days', `{"a": 1}` and `{"a": 1.0}`, 'a' and
//! 'a ' as `bpchar`.
//!
//! Grouping is by keys that such values have in common, and shows of each group the value that comes first in
//! a fixed order, where PostgreSQL shows whichever it met first. A group of floats shows its key: of the two zeros
//! the positive one. Keys that are marked as they are (`decorrelate/as_is.rs`) group by what tells values apart.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, Distinct, Expr, ExprSchemable, GroupingSet, LogicalPlan,
    LogicalPlanBuilder, when,
};
use weir_connect::value::FormatSettings;
use weir_delta::schema::sql_type;
use weir_types::{Error, Result, SqlType};

use super::error::to_error;
use super::expression::Resolver;
use crate::decorrelate::{bytes_of, taken_as_is, value_of};
use crate::functions::aggregate;
use crate::functions::cast::native;
use crate::functions::comparison_key::COMPARISON_KEY;
use crate::functions::scalar::external;

/// The plan with such groups.
///
/// # Errors
/// XX000 on a defect.
pub(super) fn rewrite(plan: LogicalPlan, settings: &Arc<FormatSettings>) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        Ok(match node {
            LogicalPlan::Aggregate(aggregate)
                if has_equal_values(&aggregate.group_expr, &aggregate.input)? =>
            {
                Transformed::yes(by_keys(aggregate, settings).map_err(external)?)
            }
            LogicalPlan::Aggregate(aggregate)
                if aggregate.group_expr.iter().any(|key| taken_as_is(key).is_some()) =>
            {
                Transformed::yes(without_marks(aggregate)?)
            }
            LogicalPlan::Distinct(Distinct::All(input))
                if input.schema().fields().iter().any(|field| is_looser(&sql_type(field))) =>
            {
                let columns: Vec<Expr> =
                    input.schema().columns().into_iter().map(Expr::Column).collect();
                let aggregate = Aggregate::try_new(input, columns, Vec::new())?;
                Transformed::yes(by_keys(aggregate, settings).map_err(external)?)
            }
            other => Transformed::no(other),
        })
    })
    .data()
    .map_err(to_error)
}

/// True for types of which equal values can be told apart.
pub(super) fn is_looser(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Interval
        | SqlType::Jsonb
        | SqlType::Float4
        | SqlType::Float8
        | SqlType::Char(None) => true,
        SqlType::Array(element) => is_looser(element),
        _ => false,
    }
}

/// The aggregate by the values that its keys mark, of which equal ones are the same.
fn without_marks(aggregate: Aggregate) -> DfResult<LogicalPlan> {
    let Aggregate { input, group_expr, aggr_expr, .. } = aggregate;
    let unmarked = |key: Expr| taken_as_is(&key).cloned().unwrap_or(key);
    let groups = group_expr.into_iter().map(unmarked).collect();
    Aggregate::try_new(input, groups, aggr_expr).map(LogicalPlan::Aggregate)
}

fn type_of(expr: &Expr, schema: &DFSchema) -> DfResult<SqlType> {
    Ok(sql_type(&expr.to_field(schema)?.1))
}

fn has_equal_values(group_exprs: &[Expr], input: &LogicalPlan) -> DfResult<bool> {
    for expr in grouping_set_to_exprlist(group_exprs)? {
        if is_looser(&type_of(expr, input.schema())?) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn by_keys(aggregate: Aggregate, settings: &Arc<FormatSettings>) -> Result<LogicalPlan> {
    let Aggregate { input, group_expr, mut aggr_expr, schema, .. } = aggregate;
    let columns = schema.columns();
    let resolver = Resolver { schema: input.schema(), settings };
    let key_of = |expr: &Expr| resolver.call(COMPARISON_KEY, vec![expr.clone().unalias()]);
    let exprs = grouping_set_to_exprlist(&group_expr).map_err(to_error)?;
    let exprs: Vec<Expr> = exprs.into_iter().cloned().collect();
    // Each looser expression with its key, and the column that shows it.
    let mut replaced: Vec<(Expr, Expr)> = Vec::new();
    let mut shown: Vec<Expr> = Vec::with_capacity(columns.len());
    for (place, column) in columns.iter().enumerate() {
        let of_output = Expr::Column(column.clone());
        let Some(expr) = exprs.get(place) else {
            shown.push(of_output);
            continue;
        };
        let sql_type = type_of(expr, input.schema()).map_err(to_error)?;
        let marked = taken_as_is(expr);
        if !is_looser(&sql_type) {
            shown.push(of_output);
            replaced.extend(marked.map(|value| (expr.clone(), value.clone())));
            continue;
        }
        let key = match marked {
            Some(value) => bytes_of(value.clone()),
            None => key_of(expr)?,
        };
        let key_column = Expr::Column(Column::new_unqualified(key.schema_name().to_string()));
        let value = if marked.is_some() {
            let data_type = expr.get_type(input.schema()).map_err(to_error)?;
            native(value_of(key_column, data_type), &sql_type)
        } else if matches!(sql_type, SqlType::Float4 | SqlType::Float8) {
            key_column
        } else {
            let name = format!("__shown_{place}");
            aggr_expr.push(smallest(expr, &sql_type)?.alias(&name));
            let value = Expr::Column(Column::new_unqualified(name));
            // Grouping sets without the column have no key.
            let value = when(key_column.is_not_null(), value).end().map_err(to_error)?;
            native(value, &sql_type)
        };
        shown.push(value.alias_qualified(column.relation.clone(), column.name.clone()));
        replaced.push((expr.clone(), key));
    }
    let key_for = |expr: Expr| {
        replaced.iter().find(|(known, _)| *known == expr).map_or(expr, |(_, key)| key.clone())
    };
    let all = |exprs: Vec<Expr>| exprs.into_iter().map(key_for).collect::<Vec<_>>();
    let group_expr = group_expr.into_iter().map(|expr| match expr {
        Expr::GroupingSet(GroupingSet::Rollup(exprs)) => {
            Expr::GroupingSet(GroupingSet::Rollup(all(exprs)))
        }
        Expr::GroupingSet(GroupingSet::Cube(exprs)) => {
            Expr::GroupingSet(GroupingSet::Cube(all(exprs)))
        }
        Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => {
            Expr::GroupingSet(GroupingSet::GroupingSets(sets.into_iter().map(all).collect()))
        }
        expr => key_for(expr),
    });
    let group_expr = group_expr.collect();
    let grouped = Aggregate::try_new(input.clone(), group_expr, aggr_expr).map_err(to_error)?;
    LogicalPlanBuilder::from(LogicalPlan::Aggregate(grouped))
        .project(shown)
        .and_then(LogicalPlanBuilder::build)
        .map_err(to_error)
}

/// The value of a group that comes first: the smallest interval, the shortest `bpchar`, or the smallest text of a
/// `jsonb`.
fn smallest(expr: &Expr, of: &SqlType) -> Result<Expr> {
    let expr = expr.clone().unalias();
    let (argument, given) = match of {
        SqlType::Jsonb => (native(expr, &SqlType::Text), SqlType::Text),
        other => (expr, other.clone()),
    };
    let min = aggregate::all()
        .find(|function| function.name() == "min")
        .ok_or_else(|| Error::internal("min is not there"))?;
    let min = min
        .inner()
        .downcast_ref::<aggregate::Aggregate>()
        .ok_or_else(|| Error::internal("min is not ours"))?
        .choose(&[given])?;
    let min = Arc::new(AggregateUDF::new_from_impl(min));
    let call = AggregateFunction::new_udf(min, vec![argument], false, None, Vec::new(), None);
    Ok(Expr::AggregateFunction(call))
}
