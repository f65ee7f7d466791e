//! Relations to which subqueries refer, and whose names are columns there.
//!
//! `ya.id` in a subquery over a table with a column `ya` means that column's field to DataFusion, before it looks for a
//! relation of the name in the queries around. PostgreSQL looks for the relation alone. So such a relation gets a name
//! that no column has.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self as sql, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor, VisitorMut,
};

use crate::dialect::visit::visit_mut;
use crate::names::relations::{alias_of, for_each_factor, name_of, set_name};
use crate::names::{SUFFIX, fold};

/// Behind the suffix of such a name.
const MARK: &str = "outer";

/// Renames the relations of queries that subqueries refer to by a name which is that of a column, too.
/// `columns_of` gives the columns of a relation with a name.
pub(super) fn rename(query: &mut Query, columns_of: &dyn Fn(&ObjectName) -> Vec<String>) {
    let mut finder = Walk::default();
    let _ = visit_mut(query, &mut finder);
    if finder.found.is_empty() {
        return;
    }
    let columns = columns_in(query, columns_of);
    let wanted: BTreeSet<Place> =
        finder.found.into_iter().filter(|(_, name)| columns.contains(name)).collect();
    if !wanted.is_empty() {
        let _ = visit_mut(query, &mut Walk { wanted, ..Walk::default() });
    }
}

/// A relation: the number of its query in the order of visits, and its name.
type Place = (usize, String);

/// Visits a query with the relations that its parts see; twice, with the same numbers.
#[derive(Default)]
struct Walk {
    /// The queries around, outermost first: their numbers, and the names of their relations.
    scopes: Vec<(usize, BTreeSet<String>)>,
    n_queries: usize,
    /// Relations that queries further in refer to.
    found: BTreeSet<Place>,
    /// Relations to rename.
    wanted: BTreeSet<Place>,
}

impl VisitorMut for Walk {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let mut names = BTreeSet::new();
        for_each_factor(&mut query.body, &mut |factor| names.extend(name_of(factor)));
        self.scopes.push((self.n_queries, names));
        self.n_queries += 1;
        if !self.wanted.is_empty() {
            self.rename_in(&mut query.body);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::CompoundIdentifier(parts) => {
                if let [relation, _] = parts.as_mut_slice() {
                    self.reference(relation);
                }
            }
            Expr::Function(function) => {
                if let sql::FunctionArguments::List(list) = &mut function.args {
                    for argument in &mut list.args {
                        if let FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) =
                            argument
                        {
                            self.wildcard(name);
                        }
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Walk {
    /// Notes a reference, or renames it with its relation.
    fn reference(&mut self, relation: &mut Ident) {
        let name = fold(relation);
        let sees = |(_, names): &(usize, BTreeSet<String>)| names.contains(&name);
        let Some(depth) = self.scopes.iter().rposition(sees) else { return };
        let place = (self.scopes[depth].0, name);
        if self.wanted.contains(&place) {
            *relation = Ident { span: relation.span, ..renamed(&place.1) };
        } else if depth + 1 < self.scopes.len() {
            self.found.insert(place);
        }
    }

    fn wildcard(&mut self, name: &mut ObjectName) {
        if let [sql::ObjectNamePart::Identifier(relation)] = name.0.as_mut_slice() {
            self.reference(relation);
        }
    }

    /// Renames the relations of a body, in FROM and before `.*`.
    fn rename_in(&mut self, body: &mut SetExpr) {
        let Some((number, _)) = self.scopes.last() else { return };
        let number = *number;
        for_each_factor(body, &mut |factor| {
            if let Some(name) = name_of(factor)
                && self.wanted.contains(&(number, name.clone()))
            {
                set_name(factor, renamed(&name));
            }
        });
        self.rename_wildcards(body);
    }

    fn rename_wildcards(&mut self, body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) => {
                for item in &mut select.projection {
                    if let SelectItem::QualifiedWildcard(kind, _) = item
                        && let SelectItemQualifiedWildcardKind::ObjectName(name) = kind
                    {
                        self.wildcard(name);
                    }
                }
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.rename_wildcards(left);
                self.rename_wildcards(right);
            }
            _ => {}
        }
    }
}

fn renamed(name: &str) -> Ident {
    Ident::with_quote('"', format!("{name}{SUFFIX}{MARK}"))
}

/// The names that columns anywhere in the query have.
fn columns_in(
    query: &mut Query,
    columns_of: &dyn Fn(&ObjectName) -> Vec<String>,
) -> BTreeSet<String> {
    let mut columns = Columns { names: BTreeSet::new(), columns_of };
    let _ = visit_mut(query, &mut columns);
    columns.names
}

struct Columns<'a> {
    names: BTreeSet<String>,
    columns_of: &'a dyn Fn(&ObjectName) -> Vec<String>,
}

impl Columns<'_> {
    fn aliases(&mut self, alias: &TableAlias) {
        self.names.extend(alias.columns.iter().map(|column| fold(&column.name)));
    }
}

impl VisitorMut for Columns<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.aliases(&cte.alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut sql::Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                self.names.insert(fold(alias));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, .. } = factor {
            self.names.extend((self.columns_of)(name));
        }
        if let Some(Some(alias)) = alias_of(factor) {
            let alias = alias.clone();
            self.aliases(&alias);
        }
        ControlFlow::Continue(())
    }
}
