//! Columns of the other relations of an UPDATE or DELETE in its RETURNING: those of FROM and USING.
//!
//! The rows that are written do not have them; so the query that finds the rows gives them along.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, SelectItem, SelectItemQualifiedWildcardKind, VisitorMut,
};
use weir_catalog::Object;
use weir_planner::dialect::fold;
use weir_planner::dialect::visit::visit_mut;
use weir_types::{Error, Result};

/// RETURNING over the rows of a table that has further columns.
pub(in crate::statement) struct WithOthers {
    pub(in crate::statement) items: Vec<SelectItem>,
    /// What the further columns are, and their names.
    pub(in crate::statement) others: Vec<(Expr, String)>,
}

/// Makes the columns of other relations further columns of the table.
///
/// # Errors
/// 0A000 for all columns of another relation.
pub(in crate::statement) fn take_out(
    object: &Object,
    alias: &str,
    items: &[SelectItem],
) -> Result<WithOthers> {
    let mut taker = Taker { object, alias, depth: 0, others: Vec::new() };
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        match item {
            SelectItem::Wildcard(_) => {
                return Err(all_columns("*", object));
            }
            SelectItem::QualifiedWildcard(kind, _) => {
                let SelectItemQualifiedWildcardKind::ObjectName(name) = kind else {
                    return Err(all_columns(&item.to_string(), object));
                };
                let relation = name.0.last().and_then(|part| part.as_ident()).map(fold);
                if name.0.len() != 1 || relation.as_deref() != Some(alias) {
                    return Err(all_columns(&item.to_string(), object));
                }
                let visible = object.columns().iter().filter(|column| !column.hidden);
                all.extend(
                    visible
                        .map(|column| SelectItem::UnnamedExpr(taker.column_of_table(&column.name))),
                );
            }
            other => {
                let mut item = other.clone();
                let _ = visit_mut(&mut item, &mut taker);
                all.push(item);
            }
        }
    }
    Ok(WithOthers { items: all, others: taker.others })
}

fn all_columns(item: &str, object: &Object) -> Error {
    Error::unsupported(format!("RETURNING {item} is not supported beside other relations"))
        .with_hint(format!("Name the columns, of \"{}\" and of the others.", object.name))
}

struct Taker<'a> {
    object: &'a Object,
    alias: &'a str,
    depth: usize,
    others: Vec<(Expr, String)>,
}

impl Taker<'_> {
    fn column_of_table(&self, name: &str) -> Expr {
        let quoted = |name: &str| Ident::with_quote('"', name);
        Expr::CompoundIdentifier(vec![quoted(self.alias), quoted(name)])
    }

    fn is_of_table(&self, name: &str) -> bool {
        name == self.alias
            || self.object.columns().iter().any(|column| !column.hidden && column.name == name)
    }
}

impl VisitorMut for Taker<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let column = match &*expr {
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [relation, column] if fold(relation) != self.alias => column,
                _ => return ControlFlow::Continue(()),
            },
            Expr::Identifier(column) if !self.is_of_table(&fold(column)) => column,
            _ => return ControlFlow::Continue(()),
        };
        if self.depth == 0 {
            let known = self.others.iter().position(|(known, _)| known == &*expr);
            let place = known.unwrap_or(self.others.len());
            if known.is_none() {
                // The suffix keeps it apart from the table's columns, and is not shown.
                let name = format!("{}\u{1}r{place}", fold(column));
                self.others.push((expr.clone(), name));
            }
            *expr = self.column_of_table(&self.others[place].1);
        }
        ControlFlow::Continue(())
    }
}
