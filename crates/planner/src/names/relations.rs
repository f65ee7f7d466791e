//! The relations in FROM, as names see them.

use datafusion::sql::sqlparser::ast::{
    Ident, JoinConstraint, JoinOperator, SetExpr, TableAlias, TableFactor, TableWithJoins,
};

use super::fold;

/// The relations in FROM of a body's SELECTs.
pub(crate) fn for_each_factor(body: &mut SetExpr, act: &mut dyn FnMut(&mut TableFactor)) {
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
pub(crate) fn of_tree(tree: &mut TableWithJoins, act: &mut dyn FnMut(&mut TableFactor)) {
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
pub(crate) fn alias_of(factor: &mut TableFactor) -> Option<&mut Option<TableAlias>> {
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

/// The name under which columns of a relation are known, as it is written.
pub(crate) fn ident_of(factor: &TableFactor) -> Option<Ident> {
    let (alias, name) = match factor {
        TableFactor::Table { alias, name, .. } => (alias, Some(name)),
        TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => (alias, None),
        _ => return None,
    };
    match alias {
        Some(alias) => Some(alias.name.clone()),
        None => name?.0.last()?.as_ident().cloned(),
    }
}

/// As [`ident_of`], the name that it means.
pub(crate) fn name_of(factor: &TableFactor) -> Option<String> {
    ident_of(factor).as_ref().map(fold)
}

/// Makes a relation known under another name.
pub(crate) fn set_name(factor: &mut TableFactor, name: Ident) {
    match alias_of(factor) {
        Some(Some(alias)) => alias.name = name,
        Some(alias) => {
            *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
        }
        None => {}
    }
}

/// What a join asks of its rows, where it asks.
pub(crate) fn constraint_of(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}
