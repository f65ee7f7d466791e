//! `count(t.*)`: counts the rows of `t`, which an outer join may have filled with NULLs.
//!
//! DataFusion counts all rows, which is right only where none is filled. Which ones are cannot be told from their
//! columns, as a row of `t` may be of NULLs, too.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, JoinOperator, Select, TableFactor,
    TableWithJoins,
};
use weir_types::{Error, Result};

use crate::dialect::visit::visit_expressions;
use crate::names::fold;

/// Refuses to count the rows of a relation that an outer join fills.
///
/// # Errors
/// 0A000 for such a call in the select list or HAVING.
pub(super) fn check(select: &Select) -> Result<()> {
    let padded: Vec<String> = select.from.iter().flat_map(padded_of).collect();
    if padded.is_empty() {
        return Ok(());
    }
    let refuse = |expr: &Expr| match counted(expr) {
        Some(name) if padded.contains(&name) => ControlFlow::Break(
            Error::unsupported(format!("count({name}.*) beside an outer join is not supported"))
                .with_hint("Count a column that is NOT NULL, such as the primary key."),
        ),
        _ => ControlFlow::Continue(()),
    };
    let mut flow = visit_expressions(&select.projection, refuse);
    if flow.is_continue() {
        flow = visit_expressions(&select.having, refuse);
    }
    flow.break_value().map_or(Ok(()), Err)
}

/// The relation of `count(relation.*)`.
fn counted(expr: &Expr) -> Option<String> {
    let Expr::Function(function) = expr else { return None };
    let is_count = function.name.0.last()?.as_ident().is_some_and(|name| fold(name) == "count");
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name))] if is_count => {
            name.0.last()?.as_ident().map(fold)
        }
        _ => None,
    }
}

/// The relations of a join tree that one of its joins fills.
fn padded_of(tree: &TableWithJoins) -> Vec<String> {
    let mut all = names_of(&tree.relation);
    let mut padded = match &tree.relation {
        TableFactor::NestedJoin { table_with_joins, .. } => padded_of(table_with_joins),
        _ => Vec::new(),
    };
    for join in &tree.joins {
        let right = names_of(&join.relation);
        if let TableFactor::NestedJoin { table_with_joins, .. } = &join.relation {
            padded.extend(padded_of(table_with_joins));
        }
        match join.join_operator {
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => padded.extend(right.clone()),
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => padded.extend(all.clone()),
            JoinOperator::FullOuter(_) => {
                padded.extend(all.clone());
                padded.extend(right.clone());
            }
            _ => {}
        }
        all.extend(right);
    }
    padded
}

fn names_of(factor: &TableFactor) -> Vec<String> {
    match factor {
        TableFactor::NestedJoin { table_with_joins, alias: None } => {
            let tree = table_with_joins;
            let joined = tree.joins.iter().flat_map(|join| names_of(&join.relation));
            names_of(&tree.relation).into_iter().chain(joined).collect()
        }
        TableFactor::Table { alias: None, name, .. } => {
            name.0.last().and_then(|part| part.as_ident()).map(fold).into_iter().collect()
        }
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => {
            alias.iter().map(|alias| fold(&alias.name)).collect()
        }
        _ => Vec::new(),
    }
}
