//! Mathematical functions of `numeric`.
//!
//! Roots, powers with a whole exponent and roundings are exact; `exp`, `ln`, `log` and other powers are
//! computed in double precision. Results that are not whole have 16 digits behind the point.

use arrow::array::ArrayRef;
use arrow::datatypes::{Decimal128Type, Int32Type, Int64Type, i256};
use weir_types::{Result, SqlType};

use super::{check_buckets, check_logarithm, common_divisor, complex_power, zero_to_negative};
use crate::functions::arithmetic::numeric::{
    QUOTIENT_SCALE, divide_rounded, first, in_range, integer_digits, numeric_of, overflow,
    quotient, rescale, result_scale, ten_to, unary,
};
use crate::functions::call::Call;
use crate::functions::coercion::{NUMERIC_DIGITS, as_numeric};
use crate::functions::number::{error_of, numeric_to_double, shortest_to_numeric};
use crate::functions::overload::{Constant, Declaration, declare};

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("ceil(numeric) -> numeric", ceiling).returns(whole),
    declare("ceiling(numeric) -> numeric", ceiling).returns(whole),
    declare("floor(numeric) -> numeric", floor).returns(whole),
    declare("round(numeric) -> numeric", |call| to_scale(call, divide_rounded)).returns(whole),
    declare("trunc(numeric) -> numeric", |call| to_scale(call, |a, b| a / b)).returns(whole),
    declare("round(numeric, int4) -> numeric", |call| to_digits(call, divide_rounded))
        .returns(with_digits),
    declare("trunc(numeric, int4) -> numeric", |call| to_digits(call, |a, b| a / b))
        .returns(with_digits),
    declare("sign(numeric) -> numeric", |call| unary(call, i128::signum))
        .returns(|_, _| numeric_of(1, 0)),
    declare("sqrt(numeric) -> numeric", square_root).returns(inexact),
    declare("exp(numeric) -> numeric", |call| in_double(call, |a| Ok(a.exp()))).returns(inexact),
    declare("ln(numeric) -> numeric", |call| in_double(call, |a| logarithm(a, f64::ln)))
        .returns(inexact),
    declare("log(numeric) -> numeric", |call| in_double(call, |a| logarithm(a, f64::log10)))
        .returns(inexact),
    declare("log10(numeric) -> numeric", |call| in_double(call, |a| logarithm(a, f64::log10)))
        .returns(inexact),
    declare("log(numeric, numeric) -> numeric", logarithm_to_base).returns(inexact),
    declare("power(numeric, numeric) -> numeric", power).returns(inexact),
    declare("pow(numeric, numeric) -> numeric", power).returns(inexact),
    declare("^(numeric, numeric) -> numeric", power).returns(inexact),
    declare("gcd(numeric, numeric) -> numeric", greatest_divisor).returns(wider),
    declare("lcm(numeric, numeric) -> numeric", least_multiple).returns(wider),
    declare("factorial(int8) -> numeric", factorial).returns(|_, _| numeric_of(38, 0)),
    declare("scale(numeric) -> int4", |call| {
        let scale = shown_scale(call);
        let operand = call.numbers::<Decimal128Type>(0);
        call.each::<Int32Type>(|row| {
            Ok(scale.unwrap_or_else(|declared| least_scale(operand.at(row), declared)))
        })
    })
    .total(),
    declare("min_scale(numeric) -> int4", |call| {
        let (operand, scale) = (call.numbers::<Decimal128Type>(0), call.numeric(0).1);
        call.each::<Int32Type>(|row| Ok(least_scale(operand.at(row), scale)))
    })
    .total(),
    declare("trim_scale(numeric) -> numeric", |call| {
        let (operand, from, to) =
            (call.numbers::<Decimal128Type>(0), call.numeric(0).1, result_scale(call));
        call.each::<Decimal128Type>(|row| in_range(rescale(operand.at(row), from, to)))
    })
    .returns(|_, _| SqlType::Numeric(None)),
    declare("width_bucket(numeric, numeric, numeric, int4) -> int4", width_bucket),
];

/// One more digit than the argument has before the point, as rounding may carry into it.
fn whole(types: &[SqlType], _: &[Option<Constant>]) -> SqlType {
    numeric_of(integer_digits(as_numeric(&types[0])) + 1, 0)
}

/// As many digits behind the point as the second argument says, if it is a constant.
fn with_digits(types: &[SqlType], constants: &[Option<Constant>]) -> SqlType {
    let Some(Some(Constant::Integer(digits))) = constants.get(1) else {
        return first(types, constants);
    };
    let integer_digits = integer_digits(as_numeric(&types[0])) + 1;
    let most = i64::from(i16::from(NUMERIC_DIGITS) - integer_digits.min(i16::from(NUMERIC_DIGITS)));
    numeric_of(
        integer_digits,
        (*digits).clamp(0, most.max(as_numeric(&types[0]).1.max(0).into())) as i8,
    )
}

fn inexact(types: &[SqlType], _: &[Option<Constant>]) -> SqlType {
    let scale = types.iter().map(|t| as_numeric(t).1).fold(QUOTIENT_SCALE, i8::max);
    SqlType::Numeric(Some((NUMERIC_DIGITS, scale)))
}

fn wider(types: &[SqlType], _: &[Option<Constant>]) -> SqlType {
    let scale = as_numeric(&types[0]).1.max(as_numeric(&types[1]).1);
    SqlType::Numeric(Some((NUMERIC_DIGITS, scale)))
}

/// `Err` with the scale in which it is kept for a numeric that shows no trailing zeros.
fn shown_scale(call: &Call<'_>) -> std::result::Result<i32, i8> {
    match call.types.arguments[0] {
        SqlType::Numeric(None) => Err(call.numeric(0).1),
        _ => Ok(call.numeric(0).1.max(0).into()),
    }
}

fn least_scale(value: i128, scale: i8) -> i32 {
    let (mut value, mut scale) = (value, i32::from(scale));
    while scale > 0 && value % 10 == 0 {
        value /= 10;
        scale -= 1;
    }
    scale.max(0)
}

fn ceiling(call: &Call<'_>) -> Result<ArrayRef> {
    to_scale(call, |a, b| a / b + i128::from(a % b > 0))
}

fn floor(call: &Call<'_>) -> Result<ArrayRef> {
    to_scale(call, i128::div_euclid)
}

/// Drops the digits behind the point by a division.
fn to_scale(call: &Call<'_>, divide: impl Fn(i128, i128) -> i128) -> Result<ArrayRef> {
    let (operand, scale) = (call.numbers::<Decimal128Type>(0), call.numeric(0).1);
    call.each::<Decimal128Type>(|row| match u32::try_from(scale) {
        Ok(digits) => Ok(divide(operand.at(row), ten_to(digits))),
        Err(_) => in_range(rescale(operand.at(row), scale, 0)),
    })
}

/// Keeps the digits behind the point that the second argument says, in the scale of the result.
fn to_digits(call: &Call<'_>, divide: impl Fn(i128, i128) -> i128) -> Result<ArrayRef> {
    let (operand, digits) = (call.numbers::<Decimal128Type>(0), call.numbers::<Int32Type>(1));
    let (from, to) = (call.numeric(0).1, result_scale(call));
    call.each::<Decimal128Type>(|row| {
        let dropped = i32::from(from).saturating_sub(digits.at(row));
        let kept = match u32::try_from(dropped) {
            Ok(dropped) if dropped > u32::from(NUMERIC_DIGITS) => 0,
            Ok(dropped) => divide(operand.at(row), ten_to(dropped)) * ten_to(dropped),
            Err(_) => operand.at(row),
        };
        in_range(rescale(kept, from, to))
    })
}

fn square_root(call: &Call<'_>) -> Result<ArrayRef> {
    let (operand, from, to) =
        (call.numbers::<Decimal128Type>(0), call.numeric(0).1, result_scale(call));
    let power = i256::from_i128(10)
        .checked_pow((2 * i32::from(to) - i32::from(from)).unsigned_abs())
        .ok_or_else(overflow)?;
    call.each::<Decimal128Type>(|row| {
        let value = operand.at(row);
        if value < 0 {
            return Err(error_of("2201F", "cannot take square root of a negative number"));
        }
        let radicand = i256::from_i128(value).checked_mul(power).ok_or_else(overflow)?;
        in_range(whole_root(radicand).to_i128())
    })
}

/// The root rounded to the nearest integer, by Newton's method from above.
pub(crate) fn whole_root(radicand: i256) -> i256 {
    if radicand == i256::ZERO {
        return radicand;
    }
    let two = i256::from_i128(2);
    let digits = radicand.to_string().len() as u32;
    let mut root = i256::from_i128(10).wrapping_pow(digits.div_ceil(2));
    loop {
        let next = root.wrapping_add(radicand.wrapping_div(root)).wrapping_div(two);
        if next >= root {
            break;
        }
        root = next;
    }
    let rest = radicand.wrapping_sub(root.wrapping_mul(root));
    if rest > root { root.wrapping_add(i256::ONE) } else { root }
}

fn in_double(call: &Call<'_>, function: impl Fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    let (operand, from, to) =
        (call.numbers::<Decimal128Type>(0), call.numeric(0).1, result_scale(call));
    call.each::<Decimal128Type>(|row| {
        from_double(function(numeric_to_double(operand.at(row), from))?, to)
    })
}

fn from_double(value: f64, scale: i8) -> Result<i128> {
    let numeric = if value.is_finite() { shortest_to_numeric(value, scale) } else { None };
    numeric.ok_or_else(overflow)
}

fn logarithm(a: f64, function: fn(f64) -> f64) -> Result<f64> {
    check_logarithm(a == 0.0, a < 0.0)?;
    Ok(function(a))
}

fn logarithm_to_base(call: &Call<'_>) -> Result<ArrayRef> {
    let (base, value) = (call.numbers::<Decimal128Type>(0), call.numbers::<Decimal128Type>(1));
    let (base_scale, scale, to) = (call.numeric(0).1, call.numeric(1).1, result_scale(call));
    call.each::<Decimal128Type>(|row| {
        let base = logarithm(numeric_to_double(base.at(row), base_scale), f64::ln)?;
        let value = logarithm(numeric_to_double(value.at(row), scale), f64::ln)?;
        if base == 0.0 {
            return Err(crate::functions::arithmetic::division_by_zero());
        }
        from_double(value / base, to)
    })
}

fn power(call: &Call<'_>) -> Result<ArrayRef> {
    let (base, exponent) = (call.numbers::<Decimal128Type>(0), call.numbers::<Decimal128Type>(1));
    let (base_scale, exponent_scale, to) =
        (call.numeric(0).1, call.numeric(1).1, result_scale(call));
    call.each::<Decimal128Type>(|row| {
        let (base, exponent) = (base.at(row), exponent.at(row));
        if base == 0 && exponent < 0 {
            return Err(zero_to_negative());
        }
        let whole = rescale(exponent, exponent_scale, 0)
            .filter(|whole| rescale(*whole, 0, exponent_scale) == Some(exponent));
        if whole.is_none() && base < 0 {
            return Err(complex_power());
        }
        let exact = whole.and_then(|whole| i32::try_from(whole).ok());
        if let Some(value) = exact.and_then(|n| exact_power(base, base_scale, n, to)) {
            return Ok(value);
        }
        let (base, exponent) =
            (numeric_to_double(base, base_scale), numeric_to_double(exponent, exponent_scale));
        from_double(base.powf(exponent), to)
    })
}

/// The power by repeated multiplication; `None` where its digits do not fit on the way.
fn exact_power(base: i128, base_scale: i8, exponent: i32, scale: i8) -> Option<i128> {
    let n = exponent.unsigned_abs();
    let result_scale = i8::try_from(i64::from(base_scale) * i64::from(n)).ok()?;
    let value = base.checked_pow(n)?;
    if exponent >= 0 {
        return in_range(rescale(value, result_scale, scale)).ok();
    }
    quotient(1, 0, value, result_scale, scale).ok()
}

/// Calls with both operands at the scale of the result.
fn each_aligned(
    call: &Call<'_>,
    operation: impl Fn(i128, i128) -> Option<i128>,
) -> Result<ArrayRef> {
    let (a, b) = (call.numbers::<Decimal128Type>(0), call.numbers::<Decimal128Type>(1));
    let (a_scale, b_scale, to) = (call.numeric(0).1, call.numeric(1).1, result_scale(call));
    call.each::<Decimal128Type>(|row| {
        let a = in_range(rescale(a.at(row), a_scale, to))?;
        let b = in_range(rescale(b.at(row), b_scale, to))?;
        in_range(operation(a, b))
    })
}

fn greatest_divisor(call: &Call<'_>) -> Result<ArrayRef> {
    each_aligned(call, |a, b| i128::try_from(common_divisor(a, b)).ok())
}

fn least_multiple(call: &Call<'_>) -> Result<ArrayRef> {
    each_aligned(call, |a, b| match i128::try_from(common_divisor(a, b)).ok()? {
        0 => Some(0),
        divisor => (a / divisor).checked_mul(b)?.checked_abs(),
    })
}

fn factorial(call: &Call<'_>) -> Result<ArrayRef> {
    let operand = call.numbers::<Int64Type>(0);
    call.each::<Decimal128Type>(|row| {
        let n = operand.at(row);
        if n < 0 {
            return Err(error_of("22003", "factorial of a negative number is undefined"));
        }
        // 34! has 39 digits.
        if n > 33 {
            return Err(overflow());
        }
        Ok((1..=i128::from(n)).product())
    })
}

fn width_bucket(call: &Call<'_>) -> Result<ArrayRef> {
    let operand = |at| (call.numbers::<Decimal128Type>(at), call.numeric(at).1);
    let operands = [operand(0), operand(1), operand(2)];
    let count = call.numbers::<Int32Type>(3);
    let scale = operands.iter().map(|(_, scale)| *scale).fold(0, i8::max);
    call.each::<Int32Type>(|row| {
        let mut values = [i256::ZERO; 3];
        for (value, (operand, from)) in values.iter_mut().zip(&operands) {
            *value = i256::from_i128(in_range(rescale(operand.at(row), *from, scale))?);
        }
        let [value, low, high] = values;
        let count = count.at(row);
        check_buckets(count, low == high)?;
        let (offset, width) = if low < high {
            (value.wrapping_sub(low), high.wrapping_sub(low))
        } else {
            (low.wrapping_sub(value), low.wrapping_sub(high))
        };
        if offset < i256::ZERO {
            return Ok(0);
        }
        if offset >= width {
            return count.checked_add(1).ok_or_else(overflow);
        }
        let bucket = offset.wrapping_mul(i256::from_i128(count.into())).wrapping_div(width);
        Ok(bucket.as_i128() as i32 + 1)
    })
}
