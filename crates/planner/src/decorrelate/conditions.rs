//! Conditions of a query before the lateral joins and subqueries in it.
//!
//! Of `FROM t, LATERAL (SELECT 1 / t.a) x WHERE t.a <> 0` PostgreSQL runs the subquery for the rows of `t` that the
//! condition lets through, so that it does not fail for others. So the domain of a subquery is that of those rows.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Filter, Join, LogicalPlan, Operator, Projection, lit,
};

use super::subquery::has_subquery;
use super::{alias_plan, has_column, is_lateral};

/// The filter of lateral joins, with its conditions below those of which they need no column.
pub(super) fn below_laterals(filter: Filter) -> Result<LogicalPlan> {
    if !has_lateral(&filter.input) {
        return Ok(LogicalPlan::Filter(filter));
    }
    push_into(Arc::unwrap_or_clone(filter.input), split_conjunction_owned(filter.predicate))
}

/// True where there is a lateral join to which conditions can come.
fn has_lateral(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Join(join) => {
            is_lateral(join) || has_lateral(&join.left) || has_lateral(&join.right)
        }
        LogicalPlan::Filter(_) | LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) => {
            plan.inputs().into_iter().all(has_lateral)
        }
        _ => false,
    }
}

fn push_into(plan: LogicalPlan, mut conditions: Vec<Expr>) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Join(join) => push_into_join(join, conditions),
        plan if !has_lateral(&plan) => filtered(plan, conditions),
        LogicalPlan::Filter(filter) => {
            conditions.splice(0..0, split_conjunction_owned(filter.predicate));
            push_into(Arc::unwrap_or_clone(filter.input), conditions)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let inside = alias.input.schema().columns().into_iter().map(Expr::Column);
            let (moved, rest) = moved(conditions, &alias.schema, inside.collect())?;
            let input = push_into(Arc::unwrap_or_clone(alias.input), moved)?;
            filtered(alias_plan(input, alias.alias)?, rest)
        }
        LogicalPlan::Projection(projection) => {
            let Projection { expr, input, schema, .. } = projection;
            let (moved, rest) = moved(conditions, &schema, expr.clone())?;
            let input = Arc::new(push_into(Arc::unwrap_or_clone(input), moved)?);
            let projection = Projection::try_new_with_schema(expr, input, schema)?;
            filtered(LogicalPlan::Projection(projection), rest)
        }
        other => filtered(other, conditions),
    }
}

/// The conditions that ask for nothing but columns of the input, over those, and the others.
fn moved(
    conditions: Vec<Expr>,
    schema: &DFSchema,
    outputs: Vec<Expr>,
) -> Result<(Vec<Expr>, Vec<Expr>)> {
    let of_input: Vec<(Column, Expr)> = schema
        .columns()
        .into_iter()
        .zip(outputs.into_iter().map(Expr::unalias))
        .filter(|(_, output)| matches!(output, Expr::Column(_)))
        .collect();
    let input_of = |column: &Column| of_input.iter().find(|(output, _)| output == column);
    let (moved, rest): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(|condition| {
        is_plain(condition) && condition.column_refs().into_iter().all(|c| input_of(c).is_some())
    });
    let over_input = |expr: Expr| match &expr {
        Expr::Column(column) => Ok(match input_of(column) {
            Some((_, input)) => Transformed::yes(input.clone()),
            None => Transformed::no(expr),
        }),
        _ => Ok(Transformed::no(expr)),
    };
    let moved = moved.into_iter().map(|condition| condition.transform(over_input).data());
    Ok((moved.collect::<Result<_>>()?, rest))
}

fn push_into_join(mut join: Join, conditions: Vec<Expr>) -> Result<LogicalPlan> {
    let is_inner = join.join_type == JoinType::Inner;
    if !is_inner && join.join_type != JoinType::Left {
        return filtered(LogicalPlan::Join(join), conditions);
    }
    let (of_left, mut rest) = partition(conditions, join.left.schema());
    if is_inner && has_lateral(&join.right) && !is_lateral(&join) {
        let (of_right, others) = partition(rest, join.right.schema());
        join.right = Arc::new(push_into(Arc::unwrap_or_clone(join.right), of_right)?);
        rest = others;
    }
    join.left = Arc::new(push_into(Arc::unwrap_or_clone(join.left), of_left)?);
    filtered(LogicalPlan::Join(join), rest)
}

/// The left rows that a lateral join can join, by its condition: those of an inner join are all that it needs.
pub(super) fn joined_rows(join: &mut Join) -> Result<LogicalPlan> {
    let left = join.left.as_ref().clone();
    let Some(filter) = join.filter.take() else { return Ok(left) };
    let (of_left, rest) = partition(split_conjunction_owned(filter), join.left.schema());
    let rows = filtered(left, of_left.clone())?;
    if join.join_type == JoinType::Inner {
        join.left = Arc::new(rows.clone());
        join.filter = conjunction(rest);
    } else {
        join.filter = conjunction(of_left.into_iter().chain(rest));
    }
    Ok(rows)
}

/// The filter with the conditions that are no subqueries in a filter below.
pub(super) fn before_subqueries(filter: Filter) -> Result<Filter> {
    let schema = Arc::clone(filter.input.schema());
    let (plain, rest) = partition(split_conjunction_owned(filter.predicate), &schema);
    let input = filtered(Arc::unwrap_or_clone(filter.input), plain)?;
    let predicate = conjunction(rest).unwrap_or_else(|| lit(true));
    Filter::try_new(predicate, Arc::new(input))
}

/// The conditions that follow from those columns alone, and the others.
fn partition(conditions: Vec<Expr>, schema: &DFSchema) -> (Vec<Expr>, Vec<Expr>) {
    conditions.into_iter().partition(|condition| {
        let columns = condition.column_refs();
        !columns.is_empty()
            && columns.into_iter().all(|column| has_column(schema, column))
            && is_plain(condition)
    })
}

/// True for a condition that can be asked again, in a place of its own.
pub(super) fn is_plain(condition: &Expr) -> bool {
    !condition.contains_outer() && !condition.is_volatile() && !has_subquery(condition)
}

/// The rows of the plan that meet the conditions.
pub(super) fn filtered(plan: LogicalPlan, conditions: Vec<Expr>) -> Result<LogicalPlan> {
    match conjunction(conditions) {
        Some(condition) => Filter::try_new(condition, Arc::new(plan)).map(LogicalPlan::Filter),
        None => Ok(plan),
    }
}

/// The filter with EXISTS for `TRUE IN (SELECT condition ..)` where NULL is as good as false: it has a join that knows
/// equalities. Comparisons of rows with a subquery are such tests.
pub(super) fn with_exists(mut filter: Filter) -> Result<Filter> {
    filter.predicate = as_exists(filter.predicate)?;
    Ok(filter)
}

fn as_exists(condition: Expr) -> Result<Expr> {
    Ok(match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (left, right) = (as_exists(*left)?, as_exists(*right)?);
            Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
        }
        Expr::InSubquery(InSubquery { expr, mut subquery, negated: false })
            if *expr == lit(true) =>
        {
            let LogicalPlan::Projection(tested) = subquery.subquery.as_ref() else {
                return Ok(Expr::InSubquery(InSubquery::new(expr, subquery, false)));
            };
            let condition = tested.expr[0].clone().unalias();
            let met = Filter::try_new(condition, Arc::clone(&tested.input))?;
            subquery.subquery = Arc::new(LogicalPlan::Filter(met));
            Expr::Exists(Exists { subquery, negated: false })
        }
        other => other,
    })
}
