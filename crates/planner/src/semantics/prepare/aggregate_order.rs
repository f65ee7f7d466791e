//! Constants in the ORDER BY of aggregates: they order nothing. DataFusion's planner takes numbers there for
//! positions of columns.

use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArgumentClause, FunctionArguments, OrderByExpr,
    Value,
};

/// Takes constants out of the ORDER BY of a call. With DISTINCT, which asks that keys are arguments, and in a window,
/// which takes no ORDER BY in a call, they stay, in parentheses.
pub(super) fn without_constants(expr: &mut Expr) {
    let Expr::Function(Function { args: FunctionArguments::List(list), over, .. }) = expr else {
        return;
    };
    let is_kept = over.is_some() || list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    for clause in &mut list.clauses {
        let FunctionArgumentClause::OrderBy(keys) = clause else { continue };
        if is_kept {
            keys.iter_mut().for_each(as_no_position);
        } else {
            keys.retain(|key| !is_constant(&key.expr));
        }
    }
    list.clauses.retain(
        |clause| !matches!(clause, FunctionArgumentClause::OrderBy(keys) if keys.is_empty()),
    );
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_constant(inner),
        Expr::Value(value) => matches!(
            value.value,
            Value::Number(..) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null
        ),
        _ => false,
    }
}

fn as_no_position(key: &mut OrderByExpr) {
    if is_constant(&key.expr) {
        let constant = std::mem::replace(&mut key.expr, Expr::value(Value::Null));
        key.expr = Expr::Nested(Box::new(constant));
    }
}

#[cfg(test)]
mod tests {
    use super::super::prepare_expr;
    use crate::dialect;

    #[test]
    fn constants_order_no_rows_of_an_aggregate() {
        for (text, expected) in [
            ("array_agg(a ORDER BY 1)", "array_agg(a)"),
            ("array_agg(a ORDER BY (2), b DESC, NULL)", "array_agg(a ORDER BY b DESC)"),
            ("array_agg(DISTINCT 1 ORDER BY 1)", "array_agg(DISTINCT 1 ORDER BY (1))"),
            ("sum(a) OVER (ORDER BY 1)", "sum(a) OVER (ORDER BY 1)"),
        ] {
            let mut expr = dialect::parse_expr(text).expect("an expression");
            prepare_expr(&mut expr).expect("can be planned");
            assert_eq!(expr.to_string(), expected, "{text}");
        }
    }
}
