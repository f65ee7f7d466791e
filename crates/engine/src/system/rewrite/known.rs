//! Parts of one client's query that have no other form.

use datafusion::sql::sqlparser::ast::{
    Expr, Query, SetExpr, SetOperator, SetQuantifier, TableFactor, Value,
};

use super::{fold, last_name};

/// Replaces a known part.
pub(super) fn rewrite(expr: &mut Expr, is_system: bool) {
    if let Expr::Subquery(query) = expr
        && is_system
        && is_domain_base(query)
    {
        *expr = super::as_oid(Expr::value(Value::Null));
    }
}

/// asyncpg looks for the base type of a domain by a recursive query over `typebases`, correlated with
/// the domain. Weir has no domains, so there is none.
fn is_domain_base(query: &Query) -> bool {
    query.with.as_ref().is_some_and(|with| {
        with.recursive && with.cte_tables.iter().any(|table| fold(&table.alias.name) == "typebases")
    })
}

/// Metabase adds the columns of materialized views from `pg_attribute` to those of
/// `information_schema.columns`, where PostgreSQL has none of them. Weir lists them there too, so the
/// same rows come twice, and must be shown once.
pub(super) fn rewrite_union(body: &mut SetExpr) {
    if let SetExpr::SetOperation { op: SetOperator::Union, set_quantifier, left, right } = body
        && *set_quantifier == SetQuantifier::All
        && first_relation(left).as_deref() == Some("columns")
        && first_relation(right).as_deref() == Some("pg_class")
        && right.to_string().contains("relkind = 'm'")
    {
        *set_quantifier = SetQuantifier::None;
    }
}

fn first_relation(body: &SetExpr) -> Option<String> {
    let SetExpr::Select(select) = body else { return None };
    match &select.from.first()?.relation {
        TableFactor::Table { name, .. } => Some(last_name(name)),
        _ => None,
    }
}
