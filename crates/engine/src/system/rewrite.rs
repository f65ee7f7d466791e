//! Forms of SQL that PostgreSQL's clients use on system relations, turned into forms that can be
//! planned, with the same meaning.
//!
//! Everywhere: functions of the session in FROM become derived relations, `_pg_expandarray` an unnested
//! array of records. Only where the query names a system relation: casts to text of its columns of
//! functions, `tableoid`, and parts of clients' queries that have no other form.
//!
//! Outputs have their names already.

mod cast;
mod known;
mod names;
mod table_function;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, TableFactor, Value, VisitorMut,
};

use weir_planner::dialect::fold;
use weir_planner::dialect::visit::visit_mut;

use super::find;

/// Rewrites the query and all queries in it.
pub fn query(query: &mut Query) {
    let is_system = names::names_system_relation(query);
    let _ = visit_mut(query, &mut Rewriter { is_system, scopes: Vec::new() });
}

struct Rewriter {
    /// The query names a system relation.
    is_system: bool,
    /// For each enclosing SELECT: the system relations of its FROM, by the name used for them.
    scopes: Vec<Vec<(String, u32)>>,
}

impl VisitorMut for Rewriter {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if self.is_system {
            known::rewrite_union(&mut query.body);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.scopes.push(names::system_relations_of(select));
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) = item
                && column_name(expr).as_deref() == Some("tableoid")
            {
                *item =
                    SelectItem::ExprWithAlias { expr: take(expr), alias: Ident::new("tableoid") };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.scopes.pop();
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                table_function::unnest_sets(expr);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        table_function::rewrite(factor);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        names::rewrite(expr);
        cast::rewrite(expr, self.is_system);
        known::rewrite(expr, self.is_system);
        field_access(expr);
        self.rewrite_tableoid(expr);
        ControlFlow::Continue(())
    }
}

impl Rewriter {
    /// `x.tableoid` is the oid of the system relation that `x` stands for.
    fn rewrite_tableoid(&self, expr: &mut Expr) {
        let (relation, column) = match &*expr {
            Expr::Identifier(column) => (None, column),
            Expr::CompoundIdentifier(parts) => match &parts[..] {
                [relation, column] => (Some(&relation.value), column),
                _ => return,
            },
            _ => return,
        };
        if !column.value.eq_ignore_ascii_case("tableoid") {
            return;
        }
        let mut in_scope = self.scopes.iter().rev().flatten();
        let found = in_scope.find(|(name, _)| relation.is_none_or(|relation| relation == name));
        if let Some((_, oid)) = found {
            *expr = number(i64::from(*oid));
        }
    }
}

/// The last part of a name, in lower case unless it was quoted.
fn last_name(name: &ObjectName) -> String {
    name.0.last().and_then(ObjectNamePart::as_ident).map(fold).unwrap_or_default()
}

/// True where the name has no schema, or one whose functions need none.
fn is_system_name(name: &ObjectName) -> bool {
    match &name.0[..] {
        [_] => true,
        [schema, _] => schema.as_ident().is_some_and(|schema| {
            matches!(fold(schema).as_str(), "pg_catalog" | "information_schema")
        }),
        _ => false,
    }
}

fn number(value: i64) -> Expr {
    Expr::value(Value::Number(value.to_string(), false))
}

fn as_oid(expr: Expr) -> Expr {
    Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(expr),
        data_type: DataType::Custom(ObjectName::from(Ident::new("oid")), Vec::new()),
        array: false,
        format: None,
    }
}

fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(function(name, arguments))
}

fn function(name: &str, arguments: Vec<Expr>) -> Function {
    let args = arguments
        .into_iter()
        .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)))
        .collect();
    Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

/// The arguments of a plain call.
fn arguments(function: &Function) -> Option<Vec<&Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    list.args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect()
}

/// Takes the expression out, leaving NULL.
fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::value(Value::Null))
}

/// The column that the expression is, by its last name.
fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(fold(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(fold),
        Expr::Nested(inner) => column_name(inner),
        _ => None,
    }
}

/// `(value).field` as a call.
fn field_access(expr: &mut Expr) {
    let Expr::CompoundFieldAccess { root, access_chain } = expr else { return };
    let Expr::Nested(inner) = root.as_mut() else { return };
    let [AccessExpr::Dot(Expr::Identifier(field))] = &access_chain[..] else { return };
    let name = Expr::value(Value::SingleQuotedString(fold(field)));
    *expr = call("get_field", vec![take(inner), name]);
}
