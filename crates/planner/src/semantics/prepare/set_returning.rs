//! Functions in a select list that give several rows.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Query, SelectItem, SetExpr, TableAlias, Visitor};

use super::build::{array_function, builtin_name, derived, quoted, select_query};
use crate::dialect::visit::visit;
use crate::dialect::{fold, plain_query};

/// `SELECT unnest(a), upper(b) AS b` or `SELECT unnest(a), b AS c, c AS b`: DataFusion computes what is called `b` beside
/// the column `b`, and then cannot tell the two apart.
/// Where that would happen the outputs get other names, and theirs from a query around this one.
pub(super) fn apart_from_columns(query: &mut Query) {
    // Keys name outputs.
    if query.order_by.is_none() {
        of_body(&mut query.body);
    }
}

fn of_body(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) if has_clash(&select.projection) => {
            if let Some(around) = rename(&mut select.projection) {
                let alias = TableAlias {
                    explicit: true,
                    name: quoted(AROUND),
                    columns: Vec::new(),
                    at: None,
                };
                let inner = std::mem::replace(body, SetExpr::Values(empty_values()));
                let around = select_query(around, vec![derived(plain_query(inner), alias, false)]);
                *body = *around.body;
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            of_body(left);
            of_body(right);
        }
        _ => {}
    }
}

/// The name of the query as the one around it sees it.
const AROUND: &str = "set_returning";

fn empty_values() -> datafusion::sql::sqlparser::ast::Values {
    datafusion::sql::sqlparser::ast::Values {
        explicit_row: false,
        value_keyword: false,
        rows: Vec::new(),
    }
}

/// The columns that expressions name, and whether one of them gives several rows.
#[derive(Default)]
struct Names {
    columns: BTreeSet<String>,
    gives_rows: bool,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                self.columns.extend(column_name(expr));
            }
            Expr::Function(function) => {
                self.gives_rows |= builtin_name(&function.name)
                    .is_some_and(|name| name == "unnest" || array_function(&name).is_some());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn has_clash(items: &[SelectItem]) -> bool {
    let mut names = Names::default();
    for item in items {
        let _ = visit(item, &mut names);
    }
    names.gives_rows
        && items.iter().any(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } => {
                let alias = fold(alias);
                column_name(expr).as_ref() != Some(&alias) && names.columns.contains(&alias)
            }
            _ => false,
        })
}

/// Gives the items other names; the items that give theirs back. `None` for a list with an open length.
fn rename(items: &mut [SelectItem]) -> Option<Vec<SelectItem>> {
    let mut around = Vec::with_capacity(items.len());
    let mut renamed = Vec::with_capacity(items.len());
    for (item_idx, item) in items.iter().enumerate() {
        let (expr, name) = match item {
            SelectItem::ExprWithAlias { expr, alias } => (expr.clone(), alias.clone()),
            SelectItem::UnnamedExpr(expr @ Expr::Identifier(name)) => (expr.clone(), name.clone()),
            SelectItem::UnnamedExpr(expr @ Expr::CompoundIdentifier(names)) => {
                (expr.clone(), names.last()?.clone())
            }
            _ => return None,
        };
        let alias = quoted(&format!("output {item_idx}"));
        let column = Expr::CompoundIdentifier(vec![quoted(AROUND), alias.clone()]);
        around.push(SelectItem::ExprWithAlias { expr: column, alias: name });
        renamed.push(SelectItem::ExprWithAlias { expr, alias });
    }
    items.clone_from_slice(&renamed);
    Some(around)
}

fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(fold(name)),
        Expr::CompoundIdentifier(names) => names.last().map(fold),
        _ => None,
    }
}
