//! Arithmetic of `numeric`, exact as far as 38 digits go.
//!
//! PostgreSQL finds the scale of each result from the values; here it follows from the types:
//!
//! | operation | digits behind the point |
//! |---|---|
//! | `+ - %` | those of the operand that has more |
//! | `*` | those of both together; where the digits of both exceed 38, at most 16 or those of the operand that has more |
//! | `/` | 16, or those of the operand that has more |
//!
//! A result with more than 38 digits is an error (22003).

use arrow::array::ArrayRef;
use arrow::datatypes::{Decimal128Type, i256};
use weir_types::{Error, NUMERIC_SCALE_UNCONSTRAINED, Result, SqlState, SqlType};

use super::division_by_zero;
use crate::functions::call::Call;
use crate::functions::coercion::{NUMERIC_DIGITS, as_numeric};
use crate::functions::overload::{Constant, Declaration, declare};

/// Digits behind the point that a quotient, an average and the like have at least.
pub(crate) const QUOTIENT_SCALE: i8 = 16;

/// The arithmetic operators of numeric.
pub(crate) const DECLARATIONS: &[Declaration] = &[
    declare("+(numeric, numeric) -> numeric", |call| aligned(call, i128::checked_add))
        .returns(sum_type),
    declare("-(numeric, numeric) -> numeric", |call| aligned(call, i128::checked_sub))
        .returns(sum_type),
    declare("*(numeric, numeric) -> numeric", multiply).returns(product_type),
    declare("/(numeric, numeric) -> numeric", divide).returns(quotient_type),
    declare("%(numeric, numeric) -> numeric", remainder).returns(remainder_type),
    declare("mod(numeric, numeric) -> numeric", remainder).returns(remainder_type),
    declare("div(numeric, numeric) -> numeric", whole_quotient).returns(whole_quotient_type),
    declare("-(numeric) -> numeric", |call| unary(call, |value| -value)).returns(first).total(),
    declare("+(numeric) -> numeric", |call| unary(call, |value| value)).returns(first).total(),
    declare("abs(numeric) -> numeric", |call| unary(call, i128::abs)).returns(first).total(),
    declare("@(numeric) -> numeric", |call| unary(call, i128::abs)).returns(first).total(),
];

/// The type of the first argument.
pub(crate) fn first(types: &[SqlType], _: &[Option<Constant>]) -> SqlType {
    types[0].clone()
}

/// A numeric with that many digits before and behind the point, cut to 38 in all.
pub(crate) fn numeric_of(integer_digits: i16, scale: i8) -> SqlType {
    let digits = (integer_digits + i16::from(scale)).clamp(1, i16::from(NUMERIC_DIGITS));
    SqlType::Numeric(Some(((digits as u8).max(scale.unsigned_abs()), scale)))
}

/// Digits before the point.
pub(crate) fn integer_digits((precision, scale): (u8, i8)) -> i16 {
    i16::from(precision) - i16::from(scale)
}

/// True where an operand is `numeric` without precision and the digits it keeps are enough for the
/// result.
fn is_unconstrained(types: &[SqlType], scale: i8) -> bool {
    types.contains(&SqlType::Numeric(None)) && scale == NUMERIC_SCALE_UNCONSTRAINED
}

fn sum_type(types: &[SqlType], _: &[Option<Constant>]) -> SqlType {
    let (a, b) = (as_numeric(&types[0]), as_numeric(&types[1]));
    let scale = a.1.max(b.1);
    if is_unconstrained(types, scale) {
        return SqlType::Numeric(None);
    }
    numeric_of(integer_digits(a).max(integer_digits(b)) + 1, scale)
}

fn product_type(types: &[SqlType], _: &[Option<Constant>]) -> SqlType {
    let (a, b) = (as_numeric(&types[0]), as_numeric(&types[1]));
    let scale = i16::from(a.1) + i16::from(b.1);
    if a.0 + b.0 <= NUMERIC_DIGITS {
        return SqlType::Numeric(Some((a.0 + b.0, scale as i8)));
    }
    let scale = scale.min(i16::from(a.1.max(b.1).max(QUOTIENT_SCALE))) as i8;
    if is_unconstrained(types, scale) {
        return SqlType::Numeric(None);
    }
    SqlType::Numeric(Some((NUMERIC_DIGITS, scale)))
}

fn quotient_type(types: &[SqlType], _: &[Option<Constant>]) -> SqlType {
    let scale = as_numeric(&types[0]).1.max(as_numeric(&types[1]).1).max(QUOTIENT_SCALE);
    SqlType::Numeric(Some((NUMERIC_DIGITS, scale)))
}

fn remainder_type(types: &[SqlType], _: &[Option<Constant>]) -> SqlType {
    let (a, b) = (as_numeric(&types[0]), as_numeric(&types[1]));
    let scale = a.1.max(b.1);
    if is_unconstrained(types, scale) {
        return SqlType::Numeric(None);
    }
    numeric_of(integer_digits(a).max(integer_digits(b)), scale)
}

fn whole_quotient_type(_: &[SqlType], _: &[Option<Constant>]) -> SqlType {
    SqlType::Numeric(Some((NUMERIC_DIGITS, 0)))
}

/// The error of a numeric with too many digits.
pub(crate) fn overflow() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "value overflows numeric format")
        .with_detail(format!("A numeric is kept in {NUMERIC_DIGITS} digits."))
}

/// 10 to the power of at most 38.
pub(crate) fn ten_to(exponent: u32) -> i128 {
    10_i128.pow(exponent)
}

/// `value` with its digits behind the point changed from one scale to another, rounded half away from
/// zero; `None` where that overflows.
pub(crate) fn rescale(value: i128, from: i8, to: i8) -> Option<i128> {
    let shift = i16::from(to) - i16::from(from);
    match u32::from(shift.unsigned_abs()) {
        0 => Some(value),
        // No value but 0 is so small or so large.
        power if power > u32::from(NUMERIC_DIGITS) => (shift < 0 || value == 0).then_some(0),
        power if shift > 0 => value.checked_mul(ten_to(power)),
        power => Some(divide_rounded(value, ten_to(power))),
    }
}

/// The quotient rounded half away from zero. The divisor is not 0.
pub(crate) fn divide_rounded(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    // Compared without doubling, which could overflow.
    if rest.unsigned_abs() >= divisor.unsigned_abs() - rest.unsigned_abs() {
        quotient + if (value < 0) == (divisor < 0) { 1 } else { -1 }
    } else {
        quotient
    }
}

/// As [`divide_rounded`], in 256 bits; `None` where the quotient does not fit.
fn divide_rounded_wide(value: i256, divisor: i256) -> Option<i128> {
    let quotient = value.checked_div(divisor)?;
    let rest = value.checked_rem(divisor)?;
    let rounded = if rest.wrapping_abs() >= divisor.wrapping_abs().wrapping_sub(rest.wrapping_abs())
    {
        let is_positive = (value < i256::ZERO) == (divisor < i256::ZERO);
        quotient.wrapping_add(i256::from_i128(if is_positive { 1 } else { -1 }))
    } else {
        quotient
    };
    rounded.to_i128()
}

/// The value, if it has no more than 38 digits.
pub(crate) fn in_range(value: Option<i128>) -> Result<i128> {
    value
        .filter(|value| value.unsigned_abs() < ten_to(u32::from(NUMERIC_DIGITS)).unsigned_abs())
        .ok_or_else(overflow)
}

/// The scale of the call's result.
pub(crate) fn result_scale(call: &Call<'_>) -> i8 {
    as_numeric(&call.types.returns).1
}

fn aligned(call: &Call<'_>, operation: fn(i128, i128) -> Option<i128>) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<Decimal128Type>(0), call.numbers::<Decimal128Type>(1));
    let scale = result_scale(call);
    let (left_scale, right_scale) = (call.numeric(0).1, call.numeric(1).1);
    call.each::<Decimal128Type>(|row| {
        let a = rescale(left.at(row), left_scale, scale);
        let b = rescale(right.at(row), right_scale, scale);
        in_range(a.zip(b).and_then(|(a, b)| operation(a, b)))
    })
}

fn multiply(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<Decimal128Type>(0), call.numbers::<Decimal128Type>(1));
    let exact = i16::from(call.numeric(0).1) + i16::from(call.numeric(1).1);
    let excess = exact - i16::from(result_scale(call));
    if excess <= 0 {
        return call
            .each::<Decimal128Type>(|row| in_range(left.at(row).checked_mul(right.at(row))));
    }
    let divisor = i256::from_i128(ten_to(excess.unsigned_abs().into()));
    call.each::<Decimal128Type>(|row| {
        // Two numbers of 38 digits have 76 in their product, which 256 bits hold.
        let product = i256::from_i128(left.at(row)).wrapping_mul(i256::from_i128(right.at(row)));
        in_range(divide_rounded_wide(product, divisor))
    })
}

fn divide(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<Decimal128Type>(0), call.numbers::<Decimal128Type>(1));
    let (left_scale, right_scale) = (call.numeric(0).1, call.numeric(1).1);
    let scale = result_scale(call);
    call.each::<Decimal128Type>(|row| {
        quotient(left.at(row), left_scale, right.at(row), right_scale, scale)
    })
}

/// The quotient with `scale` digits behind the point, which is at least `a_scale`.
pub(crate) fn quotient(a: i128, a_scale: i8, b: i128, b_scale: i8, scale: i8) -> Result<i128> {
    if b == 0 {
        return Err(division_by_zero());
    }
    let shift = i16::from(scale) + i16::from(b_scale) - i16::from(a_scale);
    if shift < 0 {
        let divisor = b.checked_mul(ten_to(shift.unsigned_abs().into())).ok_or_else(overflow)?;
        return in_range(Some(divide_rounded(a, divisor)));
    }
    let shift = u32::from(shift.unsigned_abs());
    let small =
        (shift <= u32::from(NUMERIC_DIGITS)).then(|| a.checked_mul(ten_to(shift))).flatten();
    if let Some(shifted) = small {
        return in_range(Some(divide_rounded(shifted, b)));
    }
    let power = i256::from_i128(10).checked_pow(shift).ok_or_else(overflow)?;
    let shifted = i256::from_i128(a).checked_mul(power).ok_or_else(overflow)?;
    in_range(divide_rounded_wide(shifted, i256::from_i128(b)))
}

/// As [`quotient`] by a whole number that is not 0; the dividend may have more than 38 digits.
pub(crate) fn wide_quotient(a: i256, a_scale: i8, b: i128, scale: i8) -> Result<i128> {
    if let Some(a) = a.to_i128() {
        return quotient(a, a_scale, b, 0, scale);
    }
    let shift = i16::from(scale) - i16::from(a_scale);
    let power =
        i256::from_i128(10).checked_pow(shift.unsigned_abs().into()).ok_or_else(overflow)?;
    let b = i256::from_i128(b);
    let (a, b) =
        if shift < 0 { (Some(a), b.checked_mul(power)) } else { (a.checked_mul(power), Some(b)) };
    let (a, b) = a.zip(b).ok_or_else(overflow)?;
    in_range(divide_rounded_wide(a, b))
}

/// Calls with both operands at the scale of the one that has more digits behind the point.
fn each_aligned(
    call: &Call<'_>,
    operation: impl Fn(i256, i256, i8) -> Result<Option<i128>>,
) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<Decimal128Type>(0), call.numbers::<Decimal128Type>(1));
    let (left_scale, right_scale) = (call.numeric(0).1, call.numeric(1).1);
    let scale = left_scale.max(right_scale);
    let power =
        |of: i8| i256::from_i128(ten_to((i16::from(scale) - i16::from(of)).unsigned_abs().into()));
    let (left_power, right_power) = (power(left_scale), power(right_scale));
    call.each::<Decimal128Type>(|row| {
        let divisor = i256::from_i128(right.at(row));
        if divisor == i256::ZERO {
            return Err(division_by_zero());
        }
        let dividend =
            i256::from_i128(left.at(row)).checked_mul(left_power).ok_or_else(overflow)?;
        let divisor = divisor.checked_mul(right_power).ok_or_else(overflow)?;
        in_range(operation(dividend, divisor, scale)?)
    })
}

fn remainder(call: &Call<'_>) -> Result<ArrayRef> {
    each_aligned(call, |a, b, _| Ok(a.checked_rem(b).and_then(i256::to_i128)))
}

fn whole_quotient(call: &Call<'_>) -> Result<ArrayRef> {
    each_aligned(call, |a, b, _| Ok(a.checked_div(b).and_then(i256::to_i128)))
}

pub(crate) fn unary(call: &Call<'_>, operation: impl Fn(i128) -> i128) -> Result<ArrayRef> {
    let operand = call.numbers::<Decimal128Type>(0);
    call.each::<Decimal128Type>(|row| Ok(operation(operand.at(row))))
}

#[cfg(test)]
mod tests {
    use super::{divide_rounded, product_type, quotient, quotient_type, rescale, sum_type};
    use weir_types::SqlType;

    fn numeric(precision: u8, scale: i8) -> SqlType {
        SqlType::Numeric(Some((precision, scale)))
    }

    #[test]
    fn results_have_the_scales_of_the_table() {
        let types = [numeric(10, 2), numeric(3, 1)];
        assert_eq!(sum_type(&types, &[]), numeric(11, 2));
        assert_eq!(product_type(&types, &[]), numeric(13, 3));
        assert_eq!(quotient_type(&types, &[]), numeric(38, 16));
        let open = [SqlType::Numeric(None), SqlType::Int4];
        assert_eq!(sum_type(&open, &[]), SqlType::Numeric(None));
        assert_eq!(product_type(&[numeric(38, 10), numeric(38, 10)], &[]), numeric(38, 16));
        assert_eq!(product_type(&[numeric(38, 20), numeric(5, 2)], &[]), numeric(38, 20));
    }

    #[test]
    fn halves_round_away_from_zero() {
        for (value, divisor, rounded) in
            [(5, 10, 1), (-5, 10, -1), (4, 10, 0), (15, 10, 2), (-15, -10, 2), (1, 3, 0), (2, 3, 1)]
        {
            assert_eq!(divide_rounded(value, divisor), rounded, "{value} / {divisor}");
        }
        assert_eq!(rescale(125, 2, 1), Some(13));
        assert_eq!(rescale(-125, 2, 1), Some(-13));
        assert_eq!(rescale(7, 0, 3), Some(7000));
        assert_eq!(rescale(i128::MAX, 0, 1), None);
    }

    #[test]
    fn quotients_beyond_128_bits_on_the_way_are_exact() {
        let third = quotient(10_i128.pow(30), 0, 3, 0, 7).expect("fits");
        assert_eq!(third.to_string(), "3".repeat(37));
        assert_eq!(quotient(1, 0, 0, 0, 16).expect_err("zero").state().code(), "22012");
        assert_eq!(
            quotient(10_i128.pow(37), 0, 1, 0, 16).expect_err("large").state().code(),
            "22003"
        );
    }
}
