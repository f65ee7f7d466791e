//! `ARRAY(SELECT ..)`: the aggregate of a subquery.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList,
    FunctionArguments, GroupByExpr, Ident, ObjectName, OrderByExpr, OrderByKind, Query, Select,
    SelectItem, SetExpr, Value,
};
use weir_types::{Error, Result};

use super::build::{builtin_name, call, function};

/// Before the parts of the expression are rewritten.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let Expr::Function(found) = expr else { return Ok(()) };
    if builtin_name(&found.name).as_deref() != Some("array") {
        return Ok(());
    }
    let FunctionArguments::Subquery(query) = &mut found.args else { return Ok(()) };
    aggregate(query)?;
    *expr = Expr::Subquery(query.clone());
    Ok(())
}

fn unsupported() -> Error {
    Error::unsupported("ARRAY(..) is supported over a plain SELECT only")
        .with_hint("Use (SELECT array_agg(x) FROM (..) AS q(x)).")
}

/// Makes the query give one row: the array of its rows, in its order.
fn aggregate(query: &mut Query) -> Result<()> {
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return Err(unsupported());
    }
    let order = match query.order_by.take().map(|order| order.kind) {
        None => Vec::new(),
        Some(OrderByKind::Expressions(keys)) => keys,
        Some(OrderByKind::All(_)) => return Err(unsupported()),
    };
    let SetExpr::Select(select) = query.body.as_mut() else { return Err(unsupported()) };
    if !is_plain(select) {
        return Err(unsupported());
    }
    let item = match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] => {
            item.clone()
        }
        _ => return Err(Error::syntax("subquery must return only one column")),
    };
    let order: Vec<OrderByExpr> = order
        .into_iter()
        .map(|mut key| {
            if is_first_output(&key.expr, select) {
                key.expr = item.clone();
            }
            key
        })
        .collect();
    let clauses =
        if order.is_empty() { Vec::new() } else { vec![FunctionArgumentClause::OrderBy(order)] };
    let list = FunctionArgumentList {
        duplicate_treatment: None,
        args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(item))],
        clauses,
    };
    let collected = Expr::Function(function(ObjectName::from(Ident::new("array_agg")), list));
    let empty = Expr::value(Value::SingleQuotedString("{}".to_owned()));
    let mut array = call("coalesce", vec![collected, empty]);
    if let Expr::Function(function) = &mut array {
        function.name = ObjectName::from(Ident::new("coalesce"));
    }
    select.projection = vec![SelectItem::UnnamedExpr(array)];
    Ok(())
}

/// True where aggregating the rows is all that has to be done.
fn is_plain(select: &Select) -> bool {
    let groups = match &select.group_by {
        GroupByExpr::Expressions(exprs, modifiers) => !exprs.is_empty() || !modifiers.is_empty(),
        GroupByExpr::All(_) => true,
    };
    select.distinct.is_none() && select.having.is_none() && !groups
}

/// `ORDER BY 1`, or by the name of the output.
fn is_first_output(key: &Expr, select: &Select) -> bool {
    match key {
        Expr::Value(value) => matches!(&value.value, Value::Number(number, _) if number == "1"),
        Expr::Identifier(name) => matches!(
            select.projection.as_slice(),
            [SelectItem::ExprWithAlias { alias, .. }] if alias.value == name.value
        ),
        _ => false,
    }
}
