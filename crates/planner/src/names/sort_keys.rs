//! What names in ORDER BY mean: a bare one an output, one inside of an expression a column of FROM.
//!
//! DataFusion takes both for outputs, where there is one of the name. So an output that is named like what an
//! expression mentions gets a name that cannot be typed, and bare keys that one; a query around gives it its own
//! name back where others can refer to it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self as sql, Distinct, Expr, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr,
    TableFactor, VisitorMut,
};
use weir_types::{Error, Result, SqlState};

use super::{SUFFIX, figure, fold, name_items, quoted, wire_name};
use super::{distinct_keys, subquery_keys};
use crate::dialect::visit::{at, of_flow, to_flow, visit_expressions, visit_mut};
use crate::dialect::{no_rows, plain_query, plain_select};

/// Behind the suffix of a name that was taken away from an output.
const MARK: &str = "key";

/// The name of a query as the one that gives its outputs their names back sees it.
const SORTED: &str = "sorted";

/// Gives the sort keys of a query, and of the queries in it, their meaning.
///
/// # Errors
/// 42702 for a name of two outputs, 0A000 for such a query with `*` inside of another.
pub(super) fn resolve(query: &mut Query) -> Result<()> {
    of_flow(visit_mut(query, &mut Resolver { depth: 0 }))
}

struct Resolver {
    depth: usize,
}

impl VisitorMut for Resolver {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.depth += 1;
        to_flow(of_query(query, self.depth == 1))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.depth -= 1;
        for cte in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            restore(&mut cte.query);
        }
        restore_operands(&mut query.body);
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, relation: &mut TableFactor) -> ControlFlow<Error> {
        if let TableFactor::Derived { subquery, .. } = relation {
            restore(subquery);
        }
        ControlFlow::Continue(())
    }
}

fn of_query(query: &mut Query, is_outermost: bool) -> Result<()> {
    if let SetExpr::Select(select) = query.body.as_mut() {
        distinct_keys::name_positions(select)?;
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return Ok(()) };
    let Some(OrderByKind::Expressions(keys)) = query.order_by.as_mut().map(|order| &mut order.kind)
    else {
        return Ok(());
    };
    for key in keys.iter() {
        check_unambiguous(key, &select.projection)?;
    }
    distinct_keys::order_as_sorted(select, keys);
    distinct_keys::name_outputs(keys, select)?;
    if subquery_keys::move_inside(keys, select) {
        return Ok(());
    }
    let mentioned = mentioned(keys);
    let is_clash = |item: &SelectItem| match output(item) {
        Some((name, expr)) => mentioned.contains(&name) && !is_column(expr, &name),
        None => false,
    };
    if !select.projection.iter().any(is_clash) {
        return Ok(());
    }
    let is_wildcard = |item: &SelectItem| output(item).is_none();
    if !is_outermost && select.projection.iter().any(is_wildcard) {
        return Err(Error::unsupported(
            "ORDER BY with an expression over a name that an output has, too, is not supported beside * in a \
             subquery",
        )
        .with_hint("Give the output another name."));
    }
    let mut renamed = Vec::new();
    for (item_idx, item) in select.projection.iter_mut().enumerate() {
        if is_clash(item)
            && let Some((name, expr)) = output(item)
        {
            let alias = quoted(format!("{name}{SUFFIX}{MARK}{item_idx}"));
            let expr = expr.clone();
            renamed.push((name, plain(&expr).clone(), Expr::Identifier(alias.clone())));
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
    }
    follow(keys, select, &renamed);
    Ok(())
}

/// Makes keys that are a renamed output, by name or by what it is, name it.
fn follow(keys: &mut [OrderByExpr], select: &mut Select, renamed: &[(String, Expr, Expr)]) {
    let distinct_on = match &mut select.distinct {
        Some(Distinct::On(exprs)) => exprs.as_mut_slice(),
        _ => &mut [],
    };
    for key in keys.iter_mut().map(|key| &mut key.expr).chain(distinct_on) {
        let found = renamed.iter().find(|(name, meaning, _)| match plain(key) {
            Expr::Identifier(ident) => fold(ident) == *name,
            other => other == meaning,
        });
        if let Some((.., alias)) = found {
            key.clone_from(alias);
        }
    }
}

/// A bare name that two outputs have must not be left to chance.
fn check_unambiguous(key: &OrderByExpr, items: &[SelectItem]) -> Result<()> {
    let Expr::Identifier(ident) = plain(&key.expr) else { return Ok(()) };
    let name = fold(ident);
    let mut of_name = items.iter().filter_map(output).filter(|(output, _)| *output == name);
    let Some((_, first)) = of_name.next() else { return Ok(()) };
    let is_same = |other: &Expr| {
        plain(other) == plain(first) || (is_column(other, &name) && is_column(first, &name))
    };
    if of_name.all(|(_, other)| is_same(other)) {
        return Ok(());
    }
    let error = Error::new(SqlState::AmbiguousColumn, format!("ORDER BY \"{name}\" is ambiguous"));
    Err(at(ident, error))
}

/// The names inside of keys that are expressions.
fn mentioned(keys: &[OrderByExpr]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for key in keys.iter().filter(|key| !matches!(plain(&key.expr), Expr::Identifier(_))) {
        let _ = visit_expressions(&key.expr, |expr| {
            match expr {
                Expr::Identifier(name) => drop(names.insert(fold(name))),
                Expr::CompoundIdentifier(parts) => names.extend(parts.last().map(fold)),
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        });
    }
    names
}

/// The name of an output and what it is; `None` for `*`.
pub(super) fn output(item: &SelectItem) -> Option<(String, &Expr)> {
    match item {
        SelectItem::UnnamedExpr(expr) => Some((figure(expr).0, expr)),
        SelectItem::ExprWithAlias { expr, alias } => {
            Some((wire_name(&fold(alias)).to_owned(), expr))
        }
        _ => None,
    }
}

/// True for the column of that name.
fn is_column(expr: &Expr, name: &str) -> bool {
    match plain(expr) {
        Expr::Identifier(ident) => fold(ident) == name,
        Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|last| fold(last) == name),
        _ => false,
    }
}

/// Without parentheses.
pub(crate) fn plain(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => plain(inner),
        other => other,
    }
}

/// The queries in parentheses that a body is made of.
fn restore_operands(body: &mut SetExpr) {
    match body {
        SetExpr::Query(query) => restore(query),
        SetExpr::SetOperation { left, right, .. } => {
            restore_operands(left);
            restore_operands(right);
        }
        _ => {}
    }
}

/// Makes a query whose outputs lost their names one of a query that gives them back.
fn restore(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let own_name = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => {
            let (name, suffix) = alias.value.split_once(SUFFIX)?;
            suffix.starts_with(MARK).then(|| name.to_owned())
        }
        _ => None,
    };
    if !select.projection.iter().any(|item| own_name(item).is_some()) {
        return;
    }
    name_items(&mut select.projection);
    let around = |item: &SelectItem| {
        let name = match item {
            SelectItem::ExprWithAlias { alias, .. } => fold(alias),
            other => output(other)?.0,
        };
        let alias = quoted(own_name(item).unwrap_or_else(|| name.clone()));
        Some(SelectItem::ExprWithAlias { expr: Expr::Identifier(quoted(name)), alias })
    };
    let mut items: Vec<SelectItem> = select.projection.iter().filter_map(around).collect();
    name_items(&mut items);
    let inner = std::mem::replace(query, plain_query(no_rows()));
    let relation = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(inner),
        alias: Some(sql::TableAlias {
            explicit: true,
            name: quoted(SORTED.to_owned()),
            columns: Vec::new(),
            at: None,
        }),
        sample: None,
    };
    let from = vec![sql::TableWithJoins { relation, joins: Vec::new() }];
    *query = plain_query(SetExpr::Select(Box::new(plain_select(items, from))));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<String> {
        let mut query = crate::dialect::parse_query(text)?;
        resolve(&mut query)?;
        Ok(query.to_string().replace(SUFFIX, "'"))
    }

    #[test]
    fn an_output_named_like_what_an_expression_mentions_steps_aside() {
        for (text, expected) in [
            (
                "SELECT -v AS v FROM t ORDER BY v + 0, V, (-v), 1",
                "SELECT -v AS \"v'key0\" FROM t ORDER BY v + 0, \"v'key0\", \"v'key0\", 1",
            ),
            (
                "SELECT g, sum(v) AS v FROM t GROUP BY g ORDER BY sum(v)",
                "SELECT g, sum(v) AS \"v'key1\" FROM t GROUP BY g ORDER BY \"v'key1\"",
            ),
            (
                "SELECT t.a::text FROM t ORDER BY t.a",
                "SELECT t.a::TEXT AS \"a'key0\" FROM t ORDER BY t.a",
            ),
            (
                "SELECT -v AS w, v FROM t ORDER BY w, v + 0",
                "SELECT -v AS w, v FROM t ORDER BY w, v + 0",
            ),
            (
                "SELECT v FROM (SELECT g, -v AS v FROM t ORDER BY v + 0 LIMIT 1) AS q",
                "SELECT v FROM (SELECT \"g\" AS \"g\", \"v'key1\" AS \"v\" FROM (SELECT g, -v AS \"v'key1\" \
                 FROM t ORDER BY v + 0 LIMIT 1) AS \"sorted\") AS q",
            ),
        ] {
            assert_eq!(resolved(text).expect("valid"), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        let state = |text: &str| resolved(text).expect_err("refused").state();
        assert_eq!(state("SELECT a, -a AS a FROM t ORDER BY a"), SqlState::AmbiguousColumn);
        assert_eq!(
            state("SELECT 1 FROM (SELECT *, -v AS v FROM t ORDER BY v + 0) AS q"),
            SqlState::FeatureNotSupported
        );
        assert!(resolved("SELECT a, t.a FROM t ORDER BY a").is_ok());
    }
}
