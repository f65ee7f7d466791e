//! Numeric constants with more digits than a numeric has here: beside a float they are floats.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::scalar::ScalarValue;

use super::arithmetic::numeric::overflow;
use super::coercion::NUMERIC_DIGITS;
use super::overload::{Declaration, declare};
use super::scalar::{Bound, external};

/// The function that stands for such a constant until its place tells whether it is a float; the argument is the
/// text.
pub(crate) const HUGE_NUMBER: &str = "huge number";

pub(super) const DECLARATIONS: &[Declaration] =
    &[declare("huge number(text) -> numeric", |_| Err(overflow()))];

/// True if the constant has more digits than a numeric, before and behind the point.
pub(crate) fn is_huge(constant: &str) -> bool {
    let most = i64::from(NUMERIC_DIGITS);
    let (mantissa, exponent) = constant.split_once(['e', 'E']).unwrap_or((constant, "0"));
    // An exponent of so many digits is one of a number beyond any type.
    let exponent = exponent.parse::<i64>().unwrap_or(i64::from(i32::MAX));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let n_digits = digits.trim_start_matches('0').len() as i64;
    let scale = fraction.len() as i64 - exponent;
    let n_whole = if n_digits == 0 { 0 } else { n_digits - scale.min(0) };
    n_whole > most || scale > most
}

/// The text of such a constant.
pub(crate) fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Alias(alias) => text_of(&alias.expr),
        Expr::ScalarFunction(call) if call.func.inner().is::<Bound>() => {
            match (call.name(), call.args.as_slice()) {
                (
                    HUGE_NUMBER,
                    [Expr::Literal(ScalarValue::Utf8View(text) | ScalarValue::Utf8(text), _)],
                ) => text.clone(),
                ("-", [operand]) => text_of(operand).map(|text| format!("-{text}")),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Refuses a plan in which such a constant is no float (22003).
pub(crate) fn refuse(plan: &LogicalPlan) -> DfResult<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            if expr.exists(|part| Ok(text_of(part).is_some()))? {
                return Err(external(overflow()));
            }
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_huge;

    #[test]
    fn numbers_of_more_digits_than_a_numeric_are_huge() {
        for text in
            ["1e50", "1E308", "1e-39", "123456789012345678901234567890123456789", "1e99999999999"]
        {
            assert!(is_huge(text), "{text}");
        }
        for text in
            ["1e37", "0", "0e50", "1e-38", "12345678901234567890123456789012345678", "1.50", ".5"]
        {
            assert!(!is_huge(text), "{text}");
        }
    }
}
