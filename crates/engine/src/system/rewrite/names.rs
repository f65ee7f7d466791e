//! Qualified names of functions, and which relations a query names.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, ObjectName, Query, Select, TableFactor};
use weir_planner::dialect::visit::visit_relations;

use super::{find, fold, is_system_name, last_name};

/// The system relation of a name; bare names are those of `pg_catalog`.
fn system_relation(name: &ObjectName) -> Option<&'static super::super::SystemRelation> {
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(fold).collect();
    match &parts[..] {
        [name] => find("pg_catalog", name),
        [.., schema, name] => find(schema, name),
        [] => None,
    }
}

/// True where a relation of the query, or of one in it, is a system relation.
pub(super) fn names_system_relation(query: &Query) -> bool {
    visit_relations(query, |name| match system_relation(name) {
        Some(_) => ControlFlow::Break(()),
        None => ControlFlow::Continue(()),
    })
    .is_break()
}

/// The system relations of a FROM, by alias or name, with their oids.
pub(super) fn system_relations_of(select: &Select) -> Vec<(String, u32)> {
    let factors = select.from.iter().flat_map(|from| {
        std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
    });
    factors
        .filter_map(|factor| match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let relation = system_relation(name)?;
                let shown = alias.as_ref().map_or_else(|| last_name(name), |a| fold(&a.name));
                Some((shown, relation.oid))
            }
            _ => None,
        })
        .collect()
}

/// Takes off the schema of a function of `information_schema`; that of others is known to the planner.
pub(super) fn rewrite(expr: &mut Expr) {
    if let Expr::Function(function) = expr
        && function.name.0.len() == 2
        && is_system_name(&function.name)
    {
        function.name.0.remove(0);
    }
}
