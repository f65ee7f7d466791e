//! Arrays: `ARRAY(SELECT ..)`, subscripts, fields of composite values, array literals in comparisons.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, Expr, FunctionArgumentClause, FunctionArguments,
    GroupByExpr, Ident, OrderByExpr, OrderByKind, Query, Select, SelectFlavor, SelectItem, SetExpr,
    Subscript, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins, Value, ValueWithSpan,
};

use super::{call, fold, function, is_vector_column, number, take};

/// Name of the one column of a wrapped subquery.
const ELEMENT: &str = "__element";

pub(super) fn rewrite(expr: &mut Expr, is_system: bool) {
    match expr {
        Expr::Function(array) if array.name.to_string().eq_ignore_ascii_case("array") => {
            if let FunctionArguments::Subquery(query) = &mut array.args {
                aggregate(query);
                let query = Expr::Subquery(query.clone());
                *expr = call("array_or_empty", vec![query]);
            }
        }
        Expr::Function(function) if is_system && super::last_name(&function.name) == "coalesce" => {
            if let Some([value, default]) = super::arguments(function).as_deref()
                && super::cast::literal_text(default) == Some("{}")
            {
                *expr = call("array_or_empty", vec![(*value).clone()]);
            }
        }
        Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => {
            if let Some(array) = array_literal(right) {
                **right = array;
            }
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            if is_system {
                shift_subscripts(is_vector_column(root), access_chain);
            }
            if let Some(field) = field_access(root, access_chain) {
                *expr = field;
            }
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq, right }
            if is_system =>
        {
            if let Some(array) = array_literal(right) {
                **right = array;
            } else if let Some(array) = array_literal(left) {
                **left = array;
            }
        }
        _ => {}
    }
}

/// Makes the query give one row with the array of its only output.
fn aggregate(query: &mut Query) {
    if !aggregate_in_place(query) {
        wrap(query);
    }
}

/// `SELECT e FROM .. ORDER BY o` to `SELECT array_agg(e ORDER BY o) FROM ..`.
fn aggregate_in_place(query: &mut Query) -> bool {
    let is_plain = query.limit_clause.is_none() && query.fetch.is_none();
    let SetExpr::Select(select) = query.body.as_mut() else { return false };
    let no_groups =
        matches!(&select.group_by, GroupByExpr::Expressions(groups, _) if groups.is_empty());
    let is_row_wise = select.distinct.is_none() && no_groups && select.having.is_none();
    let [SelectItem::UnnamedExpr(element) | SelectItem::ExprWithAlias { expr: element, .. }] =
        &select.projection[..]
    else {
        return false;
    };
    if !is_plain || !is_row_wise || contains_call(element) {
        return false;
    }
    let element = element.clone();
    let Some(order) = order_over(query.order_by.take(), |_| Some(element.clone())) else {
        return false;
    };
    select.projection = vec![SelectItem::UnnamedExpr(array_agg(element, order))];
    true
}

/// An aggregate or set-returning function must stay where it is: any call may be one, except the
/// few that clients put there.
fn contains_call(expr: &Expr) -> bool {
    use std::ops::ControlFlow;
    datafusion::sql::sqlparser::ast::visit_expressions(expr, |expr| match expr {
        Expr::Function(function) => {
            let name = super::last_name(&function.name);
            let is_aggregate =
                ["agg", "count", "max", "min", "sum", "unnest", "generate_", "expand"]
                    .iter()
                    .any(|part| name.contains(part));
            if is_aggregate { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// The sort keys, with output numbers replaced; `None` where one has another form.
fn order_over(
    order: Option<datafusion::sql::sqlparser::ast::OrderBy>,
    output: impl Fn(usize) -> Option<Expr>,
) -> Option<Vec<OrderByExpr>> {
    let Some(order) = order else { return Some(Vec::new()) };
    let OrderByKind::Expressions(mut keys) = order.kind else { return None };
    for key in &mut keys {
        if let Expr::Value(ValueWithSpan { value: Value::Number(text, _), .. }) = &key.expr {
            key.expr = output(text.parse().ok()?)?;
        }
    }
    Some(keys)
}

fn array_agg(element: Expr, order: Vec<OrderByExpr>) -> Expr {
    let mut aggregate = function("array_agg", vec![element]);
    if let FunctionArguments::List(list) = &mut aggregate.args
        && !order.is_empty()
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    Expr::Function(aggregate)
}

/// Any query to `SELECT array_agg(e) FROM (query) AS t(e)`, ordered where the output itself is the
/// sort key.
fn wrap(query: &mut Query) {
    let by_output = query
        .order_by
        .clone()
        .and_then(|order| order_over(Some(order), |_| Some(Expr::Identifier(Ident::new(ELEMENT)))));
    let order = by_output.filter(|keys| {
        keys.iter().all(|key| matches!(&key.expr, Expr::Identifier(name) if name.value == ELEMENT))
    });
    let inner = query.clone();
    let columns = vec![TableAliasColumnDef::from_name(ELEMENT)];
    let alias = TableAlias { explicit: true, name: Ident::new("__elements"), columns, at: None };
    let from = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(inner),
        alias: Some(alias),
        sample: None,
    };
    let element = Expr::Identifier(Ident::new(ELEMENT));
    let item = SelectItem::UnnamedExpr(array_agg(element, order.unwrap_or_default()));
    query.with = None;
    query.order_by = None;
    query.limit_clause = None;
    query.fetch = None;
    *query.body = SetExpr::Select(Box::new(select(
        vec![item],
        vec![TableWithJoins { relation: from, joins: Vec::new() }],
    )));
}

/// A plain SELECT.
pub(super) fn select(projection: Vec<SelectItem>, from: Vec<TableWithJoins>) -> Select {
    Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection,
        exclude: None,
        into: None,
        from,
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }
}

/// A vector's first element has the subscript 0. The vector is the root, or a field that the chain
/// names before the subscript (`i.indkey[0]`).
fn shift_subscripts(mut is_vector: bool, chain: &mut [AccessExpr]) {
    for access in chain {
        match access {
            AccessExpr::Dot(field) => is_vector = is_vector_column(field),
            AccessExpr::Subscript(Subscript::Index { index }) if is_vector => {
                *index = Expr::BinaryOp {
                    left: Box::new(Expr::Nested(Box::new(take(index)))),
                    op: BinaryOperator::Plus,
                    right: Box::new(number(1)),
                };
            }
            AccessExpr::Subscript(_) => is_vector = false,
        }
    }
}

/// `(value).field` as a call.
fn field_access(root: &mut Expr, chain: &mut [AccessExpr]) -> Option<Expr> {
    let Expr::Nested(inner) = root else { return None };
    let [AccessExpr::Dot(Expr::Identifier(field))] = chain else { return None };
    let name = Expr::value(Value::SingleQuotedString(fold(field)));
    Some(call("get_field", vec![take(inner), name]))
}

/// `'{a,b}'` as the array it stands for; `None` for an array in an array.
pub(super) fn array_literal(expr: &Expr) -> Option<Expr> {
    let text = super::cast::literal_text(expr)?;
    let items = array_items(text.trim().strip_prefix('{')?.strip_suffix('}')?)?;
    let is_numeric =
        !items.is_empty() && items.iter().flatten().all(|item| item.trim().parse::<i64>().is_ok());
    let elem = items.into_iter().map(|item| match item {
        None => Expr::value(Value::Null),
        Some(item) if is_numeric => Expr::value(Value::Number(item.trim().to_owned(), false)),
        Some(item) => Expr::value(Value::SingleQuotedString(item)),
    });
    Some(Expr::Array(Array { elem: elem.collect(), named: true }))
}

/// The elements between the braces of an array's text; `None` inside is NULL.
fn array_items(text: &str) -> Option<Vec<Option<String>>> {
    let mut items = Vec::new();
    if text.trim().is_empty() {
        return Some(items);
    }
    let mut item = String::new();
    let (mut in_quotes, mut was_quoted) = (false, false);
    let mut chars = text.chars();
    loop {
        match chars.next() {
            Some('\\') => item.push(chars.next()?),
            Some('"') => {
                in_quotes = !in_quotes;
                was_quoted = true;
            }
            Some('{') if !in_quotes => return None,
            next @ (Some(',') | None) if !in_quotes => {
                let is_null = !was_quoted && item.trim().eq_ignore_ascii_case("null");
                let text = std::mem::take(&mut item);
                let text = if was_quoted { text } else { text.trim().to_owned() };
                items.push((!is_null).then_some(text));
                was_quoted = false;
                if next.is_none() {
                    return Some(items);
                }
            }
            Some(c) => item.push(c),
            None => return None,
        }
    }
}
