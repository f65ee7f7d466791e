//! Qualified names of functions and operators, collations, and which relations a query names.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, DataType, Expr, Ident, ObjectName, Query, Select, SelectItem,
    TableFactor, visit_relations,
};

use super::{find, fold, is_system_name, last_name, take};

/// Separates a name from what keeps it apart from its twins: the mark that output names use.
const SUFFIX: char = '\u{1}';

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

/// `SELECT t.oid, t.*` names a column twice, which DataFusion refuses: the one beside the wildcard
/// gets a name that the wire shows without its suffix.
pub(super) fn keep_wildcards_apart(select: &mut Select) {
    if !has_wildcard(select) {
        return;
    }
    for (item_idx, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let name = match expr {
            Expr::Identifier(ident) => fold(ident),
            Expr::CompoundIdentifier(parts) => parts.last().map(fold).unwrap_or_default(),
            _ => continue,
        };
        let alias = Ident::with_quote('"', format!("{name}{SUFFIX}w{item_idx}"));
        *item = SelectItem::ExprWithAlias { expr: take(expr), alias };
    }
}

fn has_wildcard(select: &Select) -> bool {
    select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)))
}

/// Gives outputs that the rewrite changes the name that PostgreSQL takes from their text. Beside a
/// wildcard of the whole query's outputs that name is kept apart from the wildcard's.
pub(super) fn name_changing_outputs(select: &mut Select, is_top: bool) {
    let keep_apart = is_top && has_wildcard(select);
    for (item_idx, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let changes = matches!(
            expr,
            Expr::Cast { .. } | Expr::CompoundFieldAccess { .. } | Expr::Function(_)
        );
        if let Some(mut name) = shown_name(expr).filter(|_| changes) {
            if keep_apart {
                name = format!("{name}{SUFFIX}w{item_idx}");
            }
            *item =
                SelectItem::ExprWithAlias { expr: take(expr), alias: Ident::with_quote('"', name) };
        }
    }
}

/// The name of an output that is a column, a field, a call, or a cast of such; a cast of anything else
/// is named like its type. `None` for others, which the rewrite does not rename.
fn shown_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(fold(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(fold),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => shown_name(inner),
        Expr::Function(function) => Some(last_name(&function.name)),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                AccessExpr::Dot(Expr::Identifier(field)) => Some(fold(field)),
                _ => None,
            });
            field.or_else(|| shown_name(root))
        }
        Expr::Cast { expr, data_type, .. } => shown_name(expr).or_else(|| match data_type {
            DataType::Custom(name, _) => Some(last_name(name)),
            DataType::Regclass => Some("regclass".to_owned()),
            _ => None,
        }),
        _ => None,
    }
}

/// Takes schemas and collations off that say nothing in Weir.
pub(super) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::Function(function)
            if function.name.0.len() == 2 && is_system_name(&function.name) =>
        {
            function.name.0.remove(0);
        }
        Expr::BinaryOp { op, .. } => {
            if let BinaryOperator::PGCustomBinaryOperator(parts) = op
                && let Some(plain) = parts.last().and_then(|name| plain_operator(name))
            {
                *op = plain;
            }
        }
        // Text is ordered and matched by its bytes, which is what these collations mean here.
        Expr::Collate { expr: inner, collation }
            if is_system_name(collation)
                && matches!(
                    last_name(collation).to_lowercase().as_str(),
                    "default" | "c" | "posix"
                ) =>
        {
            *expr = take(inner);
        }
        _ => {}
    }
}

fn plain_operator(name: &str) -> Option<BinaryOperator> {
    Some(match name {
        "=" => BinaryOperator::Eq,
        "<>" | "!=" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        "<=" => BinaryOperator::LtEq,
        ">" => BinaryOperator::Gt,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Modulo,
        "||" => BinaryOperator::StringConcat,
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        _ => return None,
    })
}
