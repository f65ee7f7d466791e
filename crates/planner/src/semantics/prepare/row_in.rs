//! `(a, b) IN (SELECT x, y ..)`: DataFusion tests one value.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, Value,
};
use weir_types::{Error, Result};

use super::build::{builtin_name, derived, quoted, select_query};
use super::expression::{items, of_binary};
use crate::dialect::star_query;
use crate::dialect::visit::visit_expressions;
use crate::functions::is_aggregate;

/// The name of the subquery whose rows are tested.
const ROWS: &str = "rows of IN";

/// `TRUE IN (SELECT (a, b) = (c, d) FROM (query) AS rows (c, d))`, which is true, false and NULL where the test of
/// the row is. A test of one value stays as it is.
///
/// # Errors
/// 42601 for another number of columns, 0A000 for a row of aggregates.
pub(super) fn in_query(row: Expr, query: Box<Query>, negated: bool) -> Result<Expr> {
    let Some(items) = items(&row) else {
        let subquery = of_rows(query);
        return Ok(Expr::InSubquery { expr: Box::new(row), subquery, negated });
    };
    let n_columns = items.len();
    check_columns(&query.body, n_columns)?;
    if items.iter().any(is_of_group) {
        return Err(Error::unsupported(
            "a row with aggregates or window functions before IN (SELECT ..) is not supported",
        )
        .with_hint("Compute them in a subquery in FROM, and test its columns."));
    }
    let names: Vec<String> = (1..=n_columns).map(|place| format!("column {place}")).collect();
    let column = |name: &String| Expr::CompoundIdentifier(vec![quoted(ROWS), quoted(name)]);
    let columns = Expr::Tuple(names.iter().map(column).collect());
    let is_equal = of_binary(row, BinaryOperator::Eq, columns)?;
    let alias = TableAlias {
        explicit: true,
        name: quoted(ROWS),
        columns: names
            .iter()
            .map(|name| TableAliasColumnDef { name: quoted(name), data_type: None })
            .collect(),
        at: None,
    };
    let item = SelectItem::ExprWithAlias { expr: is_equal, alias: quoted("is equal") };
    let tests = select_query(vec![item], vec![derived(*query, alias, false)]);
    let expr = Box::new(Expr::value(Value::Boolean(true)));
    Ok(Expr::InSubquery { expr, subquery: Box::new(tests), negated })
}

/// VALUES as a relation that a query reads: DataFusion takes no other query here.
fn of_rows(query: Box<Query>) -> Box<Query> {
    if !matches!(query.body.as_ref(), SetExpr::Values(_)) {
        return query;
    }
    let alias = TableAlias { explicit: true, name: quoted(ROWS), columns: Vec::new(), at: None };
    Box::new(star_query(derived(*query, alias, false)))
}

/// Refuses another number of columns where the text tells it.
fn check_columns(body: &SetExpr, wanted: usize) -> Result<()> {
    let found = match body {
        SetExpr::Select(select) => {
            let is_open = |item: &SelectItem| {
                matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
            };
            if select.projection.iter().any(is_open) {
                return Ok(());
            }
            select.projection.len()
        }
        SetExpr::Values(values) => values.rows.first().map_or(wanted, |row| row.content.len()),
        SetExpr::Query(query) => return check_columns(&query.body, wanted),
        SetExpr::SetOperation { left, .. } => return check_columns(left, wanted),
        _ => return Ok(()),
    };
    match found.cmp(&wanted) {
        std::cmp::Ordering::Less => Err(Error::syntax("subquery has too few columns")),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(Error::syntax("subquery has too many columns")),
    }
}

/// True for an expression that belongs to its SELECT, and would mean another in a subquery.
fn is_of_group(item: &Expr) -> bool {
    visit_expressions(item, |expr| match expr {
        Expr::Function(function)
            if function.over.is_some()
                || builtin_name(&function.name)
                    .is_some_and(|name| is_aggregate(&name) || name == "unnest") =>
        {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}
