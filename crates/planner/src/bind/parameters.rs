//! The types of `$1`, `$2`, ..: given by the client, told by the place, or text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan};
use weir_delta::schema;
use weir_types::{Error, Result, SqlState, SqlType};

use super::external;
use crate::semantics;

/// The fields that declare parameters; `None` for a type that the client leaves open.
pub(super) fn declared(parameters: &[Option<SqlType>]) -> Vec<Option<FieldRef>> {
    parameters
        .iter()
        .map(|sql_type| {
            // PostgreSQL's `unknown` leaves the choice to the context.
            let sql_type = sql_type.as_ref().filter(|t| **t != SqlType::Unknown)?;
            Some(field(sql_type))
        })
        .collect()
}

fn field(sql_type: &SqlType) -> FieldRef {
    Arc::new(schema::field(semantics::PARAMETER_FIELD, sql_type, true))
}

/// The numbers of the plan's parameters.
///
/// # Errors
/// 42P02 for a parameter that cannot be.
pub(super) fn numbers(plan: &LogicalPlan) -> Result<BTreeSet<usize>> {
    Ok(mentioned(plan)?.into_keys().collect())
}

/// True where one of those parameters is not declared.
pub(super) fn has_open(numbers: &BTreeSet<usize>, declared: &[Option<FieldRef>]) -> bool {
    numbers.iter().any(|number| declared.get(number - 1).is_none_or(Option::is_none))
        || declared.iter().any(Option::is_none)
}

/// The fields of all parameters, from an analyzed plan with those that are declared. What several places
/// tell is decided by the first.
///
/// # Errors
/// 42P02 for a parameter that cannot be.
pub(super) fn infer(
    plan: &LogicalPlan,
    declared: &[Option<FieldRef>],
) -> Result<Vec<Option<FieldRef>>> {
    let mentioned = mentioned(plan)?;
    let n_parameters = mentioned.keys().last().copied().unwrap_or(0).max(declared.len());
    let of_number = |number: usize| {
        let given = declared.get(number - 1).cloned().flatten();
        given.unwrap_or_else(|| match mentioned.get(&number) {
            Some(Some(told)) => field(told),
            _ => field(&SqlType::Text),
        })
    };
    Ok((1..=n_parameters).map(|number| Some(of_number(number))).collect())
}

/// The numbers of the plan's parameters, with the types that their places tell.
fn mentioned(plan: &LogicalPlan) -> Result<BTreeMap<usize, Option<SqlType>>> {
    let mut found: BTreeMap<usize, Option<SqlType>> = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Placeholder(Placeholder { id, field }) = expr {
                    let told = field.as_ref().filter(|field| !field.data_type().is_null());
                    let told = told.map(|field| schema::sql_type(field));
                    let slot = found.entry(number(id).map_err(external)?).or_default();
                    *slot = slot.take().or(told);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(semantics::to_error)?;
    Ok(found)
}

fn number(id: &str) -> Result<usize> {
    let number = id.trim_start_matches('$').parse().unwrap_or(0);
    if number == 0 || number > usize::from(u16::MAX) {
        return Err(Error::new(
            SqlState::UndefinedParameter,
            format!("there is no parameter {id}"),
        ));
    }
    Ok(number)
}
