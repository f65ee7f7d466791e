//! Correlated subqueries and lateral joins of a logical plan, turned into joins.
//!
//! DataFusion plans a correlated scalar subquery only where it is aggregated and correlated by
//! equality, and a lateral join only in simple forms. Here every one becomes a join with its
//! *domain*, the distinct outer values it depends on: the subquery runs for all of them at once,
//! carrying the domain's columns along, and is joined back by them.
//!
//! To be called on a plan as SQL gives it, before the analyzer, which would refuse it.

mod as_is;
mod conditions;
mod domain;
mod join_condition;
mod row_key;
mod single_value;
mod subquery;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::logical_expr::{
    Expr, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Projection, SubqueryAlias,
};

pub(crate) use as_is::taken_as_is;
use domain::{Domain, join_domain};
pub(crate) use row_key::{bytes_of, is_row_key, key_of, value_of};
pub(crate) use subquery::{gives_one_row, has_subquery};

/// The plan without correlated subqueries that DataFusion cannot run.
///
/// # Errors
/// Where a correlated subquery has a form that even this does not cover, by name of the operator.
pub(crate) fn decorrelate(plan: LogicalPlan) -> Result<LogicalPlan> {
    decorrelate_node(plan, &FreshNames::default())
}

/// Names for the relations made here, no two the same in one plan.
#[derive(Default)]
struct FreshNames(Cell<usize>);

impl FreshNames {
    fn make(&self) -> String {
        let number = self.0.get();
        self.0.set(number + 1);
        format!("__domain_{number}")
    }
}

fn decorrelate_node(plan: LogicalPlan, names: &FreshNames) -> Result<LogicalPlan> {
    let plan = match plan {
        LogicalPlan::Filter(filter) => conditions::below_laterals(filter)?,
        other => other,
    };
    let children = plan.map_children(|child| decorrelate_node(child, names).map(Transformed::yes));
    let plan = children?.data;
    match plan {
        LogicalPlan::Join(join) => {
            let join = subquery::decorrelate_inside(LogicalPlan::Join(join), names)?;
            match join {
                LogicalPlan::Join(join) if is_lateral(&join) => join_laterally(join, names),
                LogicalPlan::Join(join) if join_condition::needs_work(&join) => {
                    join_condition::take_out(join, names)
                }
                other => Ok(other),
            }
        }
        // LATERAL that takes nothing from the left, which DataFusion knows by what it was before its own parts were
        // decorrelated.
        LogicalPlan::Subquery(node) if outer_columns(&node.subquery).is_empty() => {
            Ok(Arc::unwrap_or_clone(node.subquery))
        }
        other => subquery::replace_subqueries(other, names),
    }
}

/// True where the right side uses columns of the left.
fn is_lateral(join: &Join) -> bool {
    outer_columns(&join.right).iter().any(|column| has_column(join.left.schema(), column))
}

fn join_laterally(mut join: Join, names: &FreshNames) -> Result<LogicalPlan> {
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return datafusion::common::not_impl_err!("a lateral {} join", join.join_type);
    }
    let columns: Vec<Column> = outer_columns(&join.right)
        .into_iter()
        .filter(|column| has_column(join.left.schema(), column))
        .collect();
    let joined_rows = conditions::joined_rows(&mut join)?;
    let left = Arc::unwrap_or_clone(join.left);
    if join.join_type == JoinType::Inner && is_row_function(&join.right) {
        let on = join.on.into_iter().map(|(left, right)| left.eq(right));
        let filter = on.chain(join.filter).reduce(Expr::and);
        return apply_to_rows(left, Arc::unwrap_or_clone(join.right), filter, names);
    }
    let mut domain = Domain::new(&joined_rows, columns, names)?;
    let (right, keys) = domain.push_into(Arc::unwrap_or_clone(join.right))?;
    let shown: Vec<Expr> = join.schema.columns().into_iter().map(Expr::Column).collect();
    let on = join.on.into_iter().map(|(left, right)| left.eq(right));
    let filter = on.chain(join.filter).reduce(Expr::and);
    let joined = join_domain(left, right, domain.outer(), &keys, filter, join.join_type)?;
    LogicalPlanBuilder::from(joined).project(shown)?.build()
}

/// True for a plan that makes its rows of the outer row alone, each outer row's by themselves, as `unnest(x)` does.
fn is_row_function(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        LogicalPlan::Subquery(node) => is_row_function(&node.subquery),
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::Unnest(_) => {
            !plan.expressions().iter().any(has_subquery)
                && plan.inputs().into_iter().all(is_row_function)
        }
        _ => false,
    }
}

/// A lateral join with a row function: the function's operators go over the left rows themselves, with all their
/// columns, and need no join.
fn apply_to_rows(
    left: LogicalPlan,
    function: LogicalPlan,
    filter: Option<Expr>,
    names: &FreshNames,
) -> Result<LogicalPlan> {
    let columns = left.schema().columns();
    let of_function = function.schema().columns();
    let mut rows = Domain::of_rows(left, columns.clone(), names)?;
    let (applied, keys) = rows.push_into(function)?;
    let of_left = keys.into_iter().zip(columns).map(|(key, column)| {
        Expr::Column(key).alias_qualified(column.relation.clone(), column.name.clone())
    });
    let shown = of_left.chain(of_function.into_iter().map(Expr::Column));
    let plan = LogicalPlanBuilder::from(applied).project(shown)?;
    match filter {
        Some(filter) => plan.filter(filter)?.build(),
        None => plan.build(),
    }
}

/// The columns that the plan names and does not have: those of queries around it, each once. What a subquery takes
/// from a query inside the plan is not among them, whatever its name.
pub(crate) fn outer_columns(plan: &LogicalPlan) -> Vec<Column> {
    let mut found: Vec<Column> = Vec::new();
    let mut add = |columns: Vec<Column>| {
        for column in columns {
            if !found.contains(&column) {
                found.push(column);
            }
        }
    };
    for expr in plan.expressions() {
        let visited = expr.apply(|expr| {
            if let Expr::OuterReferenceColumn(_, column) = expr {
                add(vec![column.clone()]);
            } else if let Some(subquery) = subquery::plan_of(expr) {
                let mut columns = outer_columns(subquery);
                columns.retain(|column| !has_input_column(plan, column));
                add(columns);
            }
            Ok(TreeNodeRecursion::Continue)
        });
        debug_assert!(visited.is_ok(), "the visitor gives no error");
    }
    for (input_idx, input) in plan.inputs().into_iter().enumerate() {
        let mut columns = outer_columns(input);
        if let (LogicalPlan::Join(join), 1) = (plan, input_idx) {
            columns.retain(|column| !has_column(join.left.schema(), column));
        }
        add(columns);
    }
    found
}

/// The columns of queries around it that a subquery names; none of an expression that is no subquery.
pub(crate) fn outer_columns_of(expr: &Expr) -> Vec<Column> {
    subquery::plan_of(expr).map(outer_columns).unwrap_or_default()
}

/// True where an input of the node has that column.
fn has_input_column(plan: &LogicalPlan, column: &Column) -> bool {
    plan.inputs().iter().any(|input| has_column(input.schema(), column))
}

/// True where the schema has that column under that qualifier.
fn has_column(schema: &DFSchema, column: &Column) -> bool {
    schema.has_column(column)
}

/// The plan with only these columns, under their names.
fn project_columns(plan: LogicalPlan, columns: Vec<Column>) -> Result<LogicalPlan> {
    let exprs = columns.into_iter().map(Expr::Column).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?))
}

/// The plan under an alias.
fn alias_plan(
    plan: LogicalPlan,
    alias: impl Into<datafusion::common::TableReference>,
) -> Result<LogicalPlan> {
    Ok(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(plan), alias)?))
}
