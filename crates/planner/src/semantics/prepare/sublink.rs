//! `ARRAY(SELECT ..)`: the aggregate of a subquery; and `x LIKE ANY (SELECT ..)`, a match with each of that array.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList,
    FunctionArguments, GroupByExpr, Ident, ObjectName, OrderByExpr, OrderByKind, OrderByOptions,
    Query, Select, SelectItem, SetExpr, TableAlias, TableAliasColumnDef, Value, WindowSpec,
    WindowType,
};
use weir_types::{Error, Result};

use super::build::{array_function, builtin_name, call, derived, function, quoted, select_query};
use super::expression::symbol;
use crate::dialect::visit::visit_expressions;
use crate::functions::is_aggregate;
use crate::functions::operator::Comparison;

/// Before the parts of the expression are rewritten.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let (left, compare_op, right, quantifier) = match expr {
        Expr::Function(function) => {
            if let Some(array) = array_of(function)? {
                *expr = array;
            }
            return Ok(());
        }
        Expr::AnyOp { left, compare_op, right, .. } => (left, compare_op, right, "any"),
        Expr::AllOp { left, compare_op, right } => (left, compare_op, right, "all"),
        _ => return Ok(()),
    };
    let symbol = symbol(compare_op);
    if let Expr::Subquery(query) = right.as_mut()
        // Those are joins.
        && Comparison::of_symbol(&symbol).is_none()
    {
        aggregate(query)?;
        let operands = vec![left.as_ref().clone(), right.as_ref().clone()];
        *expr = call(&format!("{quantifier} {symbol}"), operands);
    }
    Ok(())
}

/// `ARRAY(SELECT ..)` as a subquery of one row.
fn array_of(function: &mut Function) -> Result<Option<Expr>> {
    if builtin_name(&function.name).as_deref() != Some("array") {
        return Ok(None);
    }
    let FunctionArguments::Subquery(query) = &mut function.args else { return Ok(None) };
    aggregate(query)?;
    Ok(Some(Expr::Subquery(query.clone())))
}

/// The output of a subquery that is aggregated around it, and the number of its row.
const ELEMENT: &str = "element";
const PLACE: &str = "place";

/// Makes the query give one row: the array of its rows, in its order.
fn aggregate(query: &mut Query) -> Result<()> {
    let order = match query.order_by.as_ref().map(|order| &order.kind) {
        None => Vec::new(),
        Some(OrderByKind::Expressions(keys)) => keys.clone(),
        Some(OrderByKind::All(_)) => {
            return Err(Error::unsupported("ORDER BY ALL is not supported in ARRAY(..)"));
        }
    };
    let is_whole = query.limit_clause.is_none() && query.fetch.is_none();
    if is_whole
        && let SetExpr::Select(select) = query.body.as_mut()
        && is_plain(select)
    {
        let item = single_output(select)?;
        if !needs_its_place(&item) {
            let order = over_output(order, select, &item);
            select.projection = vec![SelectItem::UnnamedExpr(collected(item, order))];
            query.order_by = None;
            return Ok(());
        }
    }
    wrap(query, order)
}

/// The only output of a SELECT.
fn single_output(select: &Select) -> Result<Expr> {
    match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] => {
            Ok(item.clone())
        }
        _ => Err(Error::syntax("subquery must return only one column")),
    }
}

/// Sort keys with the output in the place of its number or name.
fn over_output(order: Vec<OrderByExpr>, select: &Select, item: &Expr) -> Vec<OrderByExpr> {
    let over = |mut key: OrderByExpr| {
        if is_first_output(&key.expr, select) {
            key.expr = item.clone();
        }
        key
    };
    order.into_iter().map(over).collect()
}

/// True for an expression with aggregates, window functions or sets, which belong to their SELECT.
fn needs_its_place(item: &Expr) -> bool {
    visit_expressions(item, |expr| match expr {
        Expr::Function(function) => {
            let name = builtin_name(&function.name).unwrap_or_default();
            let belongs = function.over.is_some()
                || name == "unnest"
                || array_function(&name).is_some()
                || is_aggregate(&name);
            if belongs { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// `SELECT array_agg(element ORDER BY ..) FROM (query) AS q(element)`. Where the query is ordered by
/// more than its output, its rows are numbered in that order.
fn wrap(query: &mut Query, order: Vec<OrderByExpr>) -> Result<()> {
    let element = || Expr::Identifier(quoted(ELEMENT));
    let mut columns = vec![TableAliasColumnDef::from_name(ELEMENT)];
    let keys = match query.body.as_mut() {
        SetExpr::Select(select) if select.distinct.is_none() && !order.is_empty() => {
            let item = single_output(select)?;
            let order = over_output(order, select, &item);
            let expr = row_number(order);
            select.projection.push(SelectItem::ExprWithAlias { expr, alias: quoted(PLACE) });
            columns.push(TableAliasColumnDef::from_name(PLACE));
            let options = OrderByOptions { asc: None, nulls_first: None };
            vec![OrderByExpr { expr: Expr::Identifier(quoted(PLACE)), options, with_fill: None }]
        }
        // Rows of DISTINCT and of UNION have no other keys than their output.
        _ => order.into_iter().map(|key| OrderByExpr { expr: element(), ..key }).collect(),
    };
    let subquery = query.clone();
    let alias = TableAlias { explicit: true, name: quoted("q"), columns, at: None };
    let from = derived(subquery, alias, false);
    let item = SelectItem::UnnamedExpr(collected(element(), keys));
    *query = select_query(vec![item], vec![from]);
    Ok(())
}

/// `row_number() OVER (ORDER BY ..)`
fn row_number(order: Vec<OrderByExpr>) -> Expr {
    let window = WindowSpec {
        window_name: None,
        partition_by: Vec::new(),
        order_by: order,
        window_frame: None,
    };
    let list =
        FunctionArgumentList { duplicate_treatment: None, args: Vec::new(), clauses: Vec::new() };
    let mut number = function(ObjectName::from(Ident::new("row_number")), list);
    number.over = Some(WindowType::WindowSpec(window));
    Expr::Function(number)
}

/// `coalesce(array_agg(item ORDER BY ..), '{}')`
fn collected(item: Expr, order: Vec<OrderByExpr>) -> Expr {
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
    array
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
