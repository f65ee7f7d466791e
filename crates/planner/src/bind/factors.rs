//! The relations in FROM, as names see them.

use datafusion::sql::sqlparser::ast::{Ident, SetExpr, TableAlias, TableFactor, TableWithJoins};

use crate::names::fold;

/// The relations in FROM of a body's SELECTs.
pub(super) fn for_each_factor(body: &mut SetExpr, act: &mut dyn FnMut(&mut TableFactor)) {
    match body {
        SetExpr::Select(select) => select.from.iter_mut().for_each(|tree| of_tree(tree, act)),
        SetExpr::SetOperation { left, right, .. } => {
            for_each_factor(left, act);
            for_each_factor(right, act);
        }
        _ => {}
    }
}

/// The relations of one item of FROM.
pub(super) fn of_tree(tree: &mut TableWithJoins, act: &mut dyn FnMut(&mut TableFactor)) {
    let joined = tree.joins.iter_mut().map(|join| &mut join.relation);
    for factor in std::iter::once(&mut tree.relation).chain(joined) {
        match factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                of_tree(table_with_joins, act);
            }
            other => act(other),
        }
    }
}

/// Where a relation's alias stands.
pub(super) fn alias_of(factor: &mut TableFactor) -> Option<&mut Option<TableAlias>> {
    match factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => Some(alias),
        _ => None,
    }
}

/// The name under which a relation is known.
pub(super) fn name_of(factor: &mut TableFactor) -> Option<String> {
    if let Some(Some(alias)) = alias_of(factor) {
        return Some(fold(&alias.name));
    }
    match factor {
        TableFactor::Table { name, .. } => name.0.last()?.as_ident().map(fold),
        _ => None,
    }
}

/// Makes a relation known under another name.
pub(super) fn set_name(factor: &mut TableFactor, name: Ident) {
    match alias_of(factor) {
        Some(Some(alias)) => alias.name = name,
        Some(alias) => {
            *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
        }
        None => {}
    }
}
