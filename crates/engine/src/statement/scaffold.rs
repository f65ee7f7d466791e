//! Queries that statements make around parts of their text. Errors tell the places of those parts; what the engine puts
//! around them has none.

use datafusion::sql::sqlparser::ast as sql;
use weir_planner::dialect::{self, plain_query, without_places};
use weir_types::{Error, Result};

/// The SELECT of a text that the engine made.
pub(super) fn select(text: &str) -> Result<sql::Select> {
    let mut query = dialect::parse_query(text)?;
    without_places(query.as_mut());
    match *query.body {
        sql::SetExpr::Select(select) => Ok(*select),
        _ => Err(Error::internal("a scaffold is a SELECT")),
    }
}

/// The expression of a text that the engine made, or keeps.
pub(super) fn expr(text: &str) -> Result<sql::Expr> {
    let mut expr = dialect::parse_expr(text)?;
    without_places(&mut expr);
    Ok(expr)
}

/// `expr AS name`
pub(super) fn item(expr: sql::Expr, name: &str) -> sql::SelectItem {
    sql::SelectItem::ExprWithAlias { expr, alias: sql::Ident::with_quote('"', name) }
}

/// The query of a SELECT alone.
pub(super) fn query(select: sql::Select) -> sql::Query {
    plain_query(sql::SetExpr::Select(Box::new(select)))
}
