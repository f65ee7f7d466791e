//! Sort keys with subqueries.
//!
//! DataFusion computes what a key needs beside the outputs, but not what a subquery in it needs. So such keys become
//! outputs of a query inside, which the one around sorts by and does not show.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self as sql, ExcludeSelectItem, Expr, OrderByExpr, Query, Select, SelectItem, SetExpr,
    TableAlias, TableFactor, Visitor, WildcardAdditionalOptions,
};

use super::sort_keys::{output, plain};
use super::{SUFFIX, fold, name_items, quoted};
use crate::dialect::visit::visit;
use crate::dialect::{plain_query, plain_select};

/// The name of the query inside.
const KEYED: &str = "keyed";

/// Behind the suffix of the name of a key.
const MARK: &str = "by";

/// Moves the keys of a SELECT one of which has a subquery into a query inside; true where it did.
pub(super) fn move_inside(keys: &mut [OrderByExpr], select: &mut Select) -> bool {
    // Keys of DISTINCT are outputs.
    if select.distinct.is_some() || !keys.iter().any(|key| has_subquery(&key.expr)) {
        return false;
    }
    let hidden = hide(keys, select);
    let nothing = plain_select(Vec::new(), Vec::new());
    let inner = std::mem::replace(select, nothing);
    *select = around(SetExpr::Select(Box::new(inner)), hidden);
    true
}

/// Makes the keys outputs, where they are none; the names that these have got.
fn hide(keys: &mut [OrderByExpr], select: &mut Select) -> Vec<String> {
    let mut hidden = Vec::new();
    let mut items = Vec::new();
    for (key_idx, key) in keys.iter_mut().enumerate() {
        let name = match plain(&key.expr) {
            Expr::Value(_) => continue,
            Expr::Identifier(ident) => Some(fold(ident)),
            _ => None,
        };
        let is_of_name = |item: &SelectItem| output(item).is_some_and(|(own, _)| Some(own) == name);
        if let Some(place) = select.projection.iter().position(is_of_name)
            && let Some(name) = name.clone()
        {
            let is_countable = select.projection[..place].iter().all(|item| output(item).is_some());
            key.expr = if is_countable {
                Expr::value(sql::Value::Number((place + 1).to_string(), false))
            } else {
                Expr::Identifier(quoted(name))
            };
            continue;
        }
        let name = quoted(format!("{KEYED}{SUFFIX}{MARK}{key_idx}"));
        let expr = std::mem::replace(&mut key.expr, Expr::Identifier(name.clone()));
        hidden.push(name.value.clone());
        items.push(SelectItem::ExprWithAlias { expr, alias: name });
    }
    name_items(&mut select.projection);
    select.projection.extend(items);
    hidden
}

/// `SELECT *` without the hidden columns, from the query.
fn around(inner: SetExpr, hidden: Vec<String>) -> Select {
    let columns = hidden.into_iter().map(|name| quoted(name).into()).collect();
    let all = WildcardAdditionalOptions {
        opt_exclude: Some(ExcludeSelectItem::Multiple(columns)),
        ..WildcardAdditionalOptions::default()
    };
    let relation = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(plain_query(inner)),
        alias: Some(TableAlias {
            explicit: true,
            name: quoted(KEYED.to_owned()),
            columns: Vec::new(),
            at: None,
        }),
        sample: None,
    };
    let from = vec![sql::TableWithJoins { relation, joins: Vec::new() }];
    plain_select(vec![SelectItem::Wildcard(all)], from)
}

fn has_subquery(expr: &Expr) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    visit(expr, &mut Finder).is_break()
}
