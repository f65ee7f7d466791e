//! Comparisons whose literals DataFusion would not give the other side's type.

use std::collections::HashSet;
use std::sync::LazyLock;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value};
use weir_types::SqlType;

use super::super::relations;
use super::{call, cast::literal_text, column_name, take};

pub(super) fn rewrite(expr: &mut Expr, is_system: bool) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq, right }
            if is_system =>
        {
            compare_with_bool(left, right);
            compare_with_bool(right, left);
        }
        // DataFusion knows no other escape than the backslash.
        Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
            let other = |escape: &Value| match escape {
                Value::SingleQuotedString(text) if text != "\\" => Some(text.clone()),
                _ => None,
            };
            if let Some(escape) = escape_char.as_ref().and_then(|escape| other(&escape.value)) {
                let escape = Expr::value(Value::SingleQuotedString(escape));
                **pattern = call("like_escape", vec![take(pattern), escape]);
                *escape_char = None;
            }
        }
        _ => {}
    }
}

/// `indisprimary = 't'`.
fn compare_with_bool(column: &Expr, literal: &mut Expr) {
    let is_bool = column_name(column).is_some_and(|name| BOOL_COLUMNS.contains(name.as_str()));
    if !is_bool {
        return;
    }
    let value = match literal_text(literal) {
        Some("t" | "true" | "on" | "yes" | "y" | "1") => true,
        Some("f" | "false" | "off" | "no" | "n" | "0") => false,
        _ => return,
    };
    *literal = Expr::value(Value::Boolean(value));
}

/// Names that only boolean columns of system relations have.
static BOOL_COLUMNS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let columns = || relations().iter().flat_map(|relation| &relation.columns);
    let others: HashSet<&str> =
        columns().filter(|(_, t)| *t != SqlType::Bool).map(|(name, _)| *name).collect();
    let bools = columns().filter(|(_, t)| *t == SqlType::Bool).map(|(name, _)| *name);
    bools.filter(|name| !others.contains(name)).collect()
});
