//! Columns that a primary key in GROUP BY determines: `SELECT id, name, count(*) FROM .. GROUP BY id`.
//!
//! PostgreSQL lets them stand beside aggregates. Rows of one key have one value of each, so that grouping by them, too,
//! makes the same groups; an outer join fills the key with NULL where it fills them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, GroupByExpr, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, Value,
    Visitor,
};

use super::scopes::Relation;
use crate::dialect::visit::visit;
use crate::functions::is_aggregate;
use crate::names::{fold, quoted};

/// A relation of the level, by its place, and a column of it.
type Place = (usize, String);

/// Adds to GROUP BY what its keys determine and the SELECT names. Of grouping sets PostgreSQL takes no keys either.
pub(super) fn add_to_groups(select: &mut Select, sort_keys: &[&mut Expr], level: &[Relation]) {
    let GroupByExpr::Expressions(exprs, modifiers) = &select.group_by else { return };
    let is_set =
        |expr: &Expr| matches!(expr, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_));
    if exprs.is_empty() || !modifiers.is_empty() || exprs.iter().any(is_set) {
        return;
    }
    let grouped: BTreeSet<Place> =
        exprs.iter().filter_map(|expr| grouped_column(expr, &select.projection, level)).collect();
    let is_determined = |(place, relation): &(usize, &Relation)| {
        relation.keyed.as_ref().is_some_and(|keyed| {
            keyed.key.iter().all(|column| grouped.contains(&(*place, column.clone())))
        })
    };
    let determined: BTreeSet<usize> =
        level.iter().enumerate().filter(is_determined).map(|(place, _)| place).collect();
    if determined.is_empty() {
        return;
    }
    let mut named = Named { level, determined, found: BTreeSet::new(), n_calls: 0, n_queries: 0 };
    named.items(&select.projection);
    let _ = visit(&select.projection, &mut named);
    let _ = visit(&select.having, &mut named);
    let _ = visit(&select.distinct, &mut named);
    for key in sort_keys {
        let _ = visit(&**key, &mut named);
    }
    let missing = named.found.into_iter().filter(|place| !grouped.contains(place));
    let missing = missing.filter_map(|(place, column)| {
        let relation = level[place].ident.clone()?;
        Some(Expr::CompoundIdentifier(vec![relation, quoted(column)]))
    });
    if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
        exprs.extend(missing);
    }
}

/// The column that an expression of GROUP BY is: by its name, or that of an output, or the position of one.
fn grouped_column(expr: &Expr, items: &[SelectItem], level: &[Relation]) -> Option<Place> {
    let column = column(expr, level);
    if column.is_some() {
        return column;
    }
    let of_item = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            self::column(expr, level)
        }
        _ => None,
    };
    match expr {
        Expr::Value(value) => {
            let Value::Number(text, _) = &value.value else { return None };
            let position: usize = text.parse().ok()?;
            let before = items.get(..position)?;
            // Behind a wildcard the item is another one, and none is a column.
            before.iter().map(of_item).next_back()?.filter(|_| !before.iter().any(is_wildcard))
        }
        Expr::Identifier(name) => {
            let name = fold(name);
            let is_meant = |item: &&SelectItem| match item {
                SelectItem::ExprWithAlias { alias, .. } => fold(alias) == name,
                _ => false,
            };
            of_item(items.iter().find(is_meant)?)
        }
        _ => None,
    }
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

/// The column that a reference means.
fn column(expr: &Expr, level: &[Relation]) -> Option<Place> {
    match expr {
        Expr::Nested(inner) => column(inner, level),
        Expr::Identifier(ident) => {
            let name = fold(ident);
            let mut places = (0..level.len()).filter(|place| level[*place].has(&name));
            let place = places.next()?;
            places.next().is_none().then_some((place, name))
        }
        Expr::CompoundIdentifier(parts) => {
            let [relation, column] = parts.as_slice() else { return None };
            let relation = fold(relation);
            let place = level.iter().position(|known| known.is_named(&relation))?;
            Some((place, fold(column)))
        }
        _ => None,
    }
}

/// Finds the columns that are named outside of aggregates.
struct Named<'a> {
    level: &'a [Relation],
    /// The relations whose keys are grouped.
    determined: BTreeSet<usize>,
    found: BTreeSet<Place>,
    /// Aggregates around the node at hand.
    n_calls: usize,
    /// Queries around it, whose bare names can be columns of theirs.
    n_queries: usize,
}

impl Named<'_> {
    fn items(&mut self, items: &[SelectItem]) {
        for item in items {
            let name = match item {
                SelectItem::Wildcard(_) => None,
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => Some(name.0.last().and_then(|part| part.as_ident()).map(fold)),
                _ => continue,
            };
            for place in self.determined.clone() {
                let relation = &self.level[place];
                let is_meant = match &name {
                    None => true,
                    Some(name) => name.as_ref().is_some_and(|name| relation.is_named(name)),
                };
                let columns = relation.keyed.iter().flat_map(|keyed| &keyed.columns);
                let columns = columns.filter(|_| is_meant).map(|column| (place, column.clone()));
                self.found.extend(columns);
            }
        }
    }

    fn add(&mut self, expr: &Expr) {
        let is_bare = matches!(expr, Expr::Identifier(_));
        if let Some((place, name)) = column(expr, self.level)
            && self.determined.contains(&place)
            && self.level[place].has(&name)
            && !(is_bare && self.n_queries > 0)
        {
            self.found.insert((place, name));
        }
    }
}

impl Visitor for Named<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.n_queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.n_queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) if aggregates(function) => self.n_calls += 1,
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) if self.n_calls == 0 => {
                self.add(expr);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.n_calls -= usize::from(matches!(expr, Expr::Function(call) if aggregates(call)));
        ControlFlow::Continue(())
    }
}

fn aggregates(function: &Function) -> bool {
    let name = function.name.0.last().and_then(|part| part.as_ident()).map(fold);
    function.over.is_none() && name.is_some_and(|name| is_aggregate(&name))
}
