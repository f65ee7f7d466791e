//! Mathematical functions.

mod numeric;

pub(crate) use numeric::whole_root;

use arrow::array::ArrayRef;
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use weir_types::{Error, Result, SqlState};

use super::arithmetic::{out_of_range, overflow, underflow};
use super::call::Call;
use super::number::error_of;
use super::overload::{Declaration, declare};

/// The functions of this module, and those of numeric.
pub(crate) fn declarations() -> impl Iterator<Item = &'static Declaration> {
    FLOATS.iter().chain(INTEGERS).chain(numeric::DECLARATIONS)
}

const FLOATS: &[Declaration] = &[
    declare("pi() -> float8", |call| call.each::<Float64Type>(|_| Ok(std::f64::consts::PI)))
        .total(),
    declare("random() -> float8", |call| call.each::<Float64Type>(|_| Ok(rand::random::<f64>())))
        .volatile()
        .total(),
    declare("ceil(float8) -> float8", |call| total(call, f64::ceil)).total(),
    declare("ceiling(float8) -> float8", |call| total(call, f64::ceil)).total(),
    declare("floor(float8) -> float8", |call| total(call, f64::floor)).total(),
    declare("round(float8) -> float8", |call| total(call, f64::round_ties_even)).total(),
    declare("trunc(float8) -> float8", |call| total(call, f64::trunc)).total(),
    declare("sign(float8) -> float8", |call| total(call, sign)).total(),
    declare("sqrt(float8) -> float8", |call| call.each_float::<Float64Type>(square_root)),
    declare("|/(float8) -> float8", |call| call.each_float::<Float64Type>(square_root)),
    declare("cbrt(float8) -> float8", |call| total(call, f64::cbrt)).total(),
    declare("||/(float8) -> float8", |call| total(call, f64::cbrt)).total(),
    declare("exp(float8) -> float8", |call| call.each_float::<Float64Type>(exponential)),
    declare("ln(float8) -> float8", |call| {
        call.each_float::<Float64Type>(|a| logarithm(a, f64::ln))
    }),
    declare("log(float8) -> float8", |call| {
        call.each_float::<Float64Type>(|a| logarithm(a, f64::log10))
    }),
    declare("log10(float8) -> float8", |call| {
        call.each_float::<Float64Type>(|a| logarithm(a, f64::log10))
    }),
    declare("power(float8, float8) -> float8", |call| call.each_float_pair::<Float64Type>(power)),
    declare("pow(float8, float8) -> float8", |call| call.each_float_pair::<Float64Type>(power)),
    declare("^(float8, float8) -> float8", |call| call.each_float_pair::<Float64Type>(power)),
    declare("sin(float8) -> float8", |call| {
        call.each_float::<Float64Type>(|a| periodic(a, f64::sin))
    }),
    declare("cos(float8) -> float8", |call| {
        call.each_float::<Float64Type>(|a| periodic(a, f64::cos))
    }),
    declare("tan(float8) -> float8", |call| {
        call.each_float::<Float64Type>(|a| periodic(a, f64::tan))
    }),
    declare("cot(float8) -> float8", |call| {
        call.each_float::<Float64Type>(|a| periodic(a, |a| 1.0 / a.tan()))
    }),
    declare("asin(float8) -> float8", |call| {
        call.each_float::<Float64Type>(|a| within(a, -1.0, 1.0, f64::asin))
    }),
    declare("acos(float8) -> float8", |call| {
        call.each_float::<Float64Type>(|a| within(a, -1.0, 1.0, f64::acos))
    }),
    declare("atan(float8) -> float8", |call| total(call, f64::atan)).total(),
    declare("atan2(float8, float8) -> float8", |call| {
        call.each_float_pair::<Float64Type>(|a, b| Ok(a.atan2(b)))
    })
    .total(),
    declare("sinh(float8) -> float8", |call| total(call, f64::sinh)).total(),
    declare("cosh(float8) -> float8", |call| total(call, f64::cosh)).total(),
    declare("tanh(float8) -> float8", |call| total(call, f64::tanh)).total(),
    declare("asinh(float8) -> float8", |call| total(call, f64::asinh)).total(),
    declare("acosh(float8) -> float8", |call| {
        call.each_float::<Float64Type>(|a| within(a, 1.0, f64::INFINITY, f64::acosh))
    }),
    declare("atanh(float8) -> float8", |call| {
        call.each_float::<Float64Type>(|a| within(a, -1.0, 1.0, f64::atanh))
    }),
    // Divided as PostgreSQL does, not multiplied by the inverse: the last digit tells.
    declare("degrees(float8) -> float8", |call| {
        call.each_float::<Float64Type>(|a| no_overflow(a / RADIANS_PER_DEGREE, a))
    }),
    declare("radians(float8) -> float8", |call| total(call, |a| a * RADIANS_PER_DEGREE)).total(),
    declare("width_bucket(float8, float8, float8, int4) -> int4", width_bucket),
];

const INTEGERS: &[Declaration] = &[
    declare("gcd(int4, int4) -> int4", |call| {
        let (a, b) = (call.numbers::<Int32Type>(0), call.numbers::<Int32Type>(1));
        call.each::<Int32Type>(|row| {
            let divisor = common_divisor(a.at(row).into(), b.at(row).into());
            i32::try_from(divisor).map_err(|_| out_of_range(&call.types.returns))
        })
    }),
    declare("gcd(int8, int8) -> int8", |call| {
        let (a, b) = (call.numbers::<Int64Type>(0), call.numbers::<Int64Type>(1));
        call.each::<Int64Type>(|row| {
            let divisor = common_divisor(a.at(row).into(), b.at(row).into());
            i64::try_from(divisor).map_err(|_| out_of_range(&call.types.returns))
        })
    }),
    declare("lcm(int4, int4) -> int4", |call| {
        let (a, b) = (call.numbers::<Int32Type>(0), call.numbers::<Int32Type>(1));
        call.each::<Int32Type>(|row| {
            let multiple = common_multiple(a.at(row).into(), b.at(row).into());
            i32::try_from(multiple).map_err(|_| out_of_range(&call.types.returns))
        })
    }),
    declare("lcm(int8, int8) -> int8", |call| {
        let (a, b) = (call.numbers::<Int64Type>(0), call.numbers::<Int64Type>(1));
        call.each::<Int64Type>(|row| {
            let multiple = common_multiple(a.at(row).into(), b.at(row).into());
            i64::try_from(multiple).map_err(|_| out_of_range(&call.types.returns))
        })
    }),
];

const RADIANS_PER_DEGREE: f64 = 0.017_453_292_519_943_295;

fn total(call: &Call<'_>, function: fn(f64) -> f64) -> Result<ArrayRef> {
    call.each_float::<Float64Type>(|a| Ok(function(a)))
}

fn sign(a: f64) -> f64 {
    if a > 0.0 {
        1.0
    } else if a < 0.0 {
        -1.0
    } else {
        // 0, also for NaN.
        0.0
    }
}

fn square_root(a: f64) -> Result<f64> {
    if a < 0.0 {
        return Err(error_of("2201F", "cannot take square root of a negative number"));
    }
    Ok(a.sqrt())
}

fn exponential(a: f64) -> Result<f64> {
    let result = a.exp();
    if result == 0.0 && a.is_finite() {
        return Err(underflow());
    }
    no_overflow(result, a)
}

fn no_overflow(result: f64, a: f64) -> Result<f64> {
    if result.is_infinite() && !a.is_infinite() { Err(overflow()) } else { Ok(result) }
}

pub(super) fn logarithm(a: f64, function: fn(f64) -> f64) -> Result<f64> {
    check_logarithm(a == 0.0, a < 0.0)?;
    Ok(function(a))
}

pub(super) fn check_logarithm(is_zero: bool, is_negative: bool) -> Result<()> {
    if is_zero {
        return Err(error_of("2201E", "cannot take logarithm of zero"));
    }
    if is_negative {
        return Err(error_of("2201E", "cannot take logarithm of a negative number"));
    }
    Ok(())
}

fn power(base: f64, exponent: f64) -> Result<f64> {
    if base == 0.0 && exponent < 0.0 {
        return Err(zero_to_negative());
    }
    if base < 0.0 && exponent.is_finite() && exponent.fract() != 0.0 {
        return Err(complex_power());
    }
    let result = base.powf(exponent);
    if base.is_infinite() || exponent.is_infinite() {
        return Ok(result);
    }
    if result.is_infinite() {
        return Err(overflow());
    }
    if result == 0.0 && base != 0.0 {
        return Err(underflow());
    }
    Ok(result)
}

pub(super) fn zero_to_negative() -> Error {
    error_of("2201F", "zero raised to a negative power is undefined")
}

pub(super) fn complex_power() -> Error {
    error_of("2201F", "a negative number raised to a non-integer power yields a complex result")
}

fn periodic(a: f64, function: fn(f64) -> f64) -> Result<f64> {
    if a.is_infinite() { Err(out_of_domain()) } else { Ok(function(a)) }
}

fn within(a: f64, low: f64, high: f64, function: fn(f64) -> f64) -> Result<f64> {
    if a < low || a > high { Err(out_of_domain()) } else { Ok(function(a)) }
}

fn out_of_domain() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "input is out of range")
}

fn width_bucket(call: &Call<'_>) -> Result<ArrayRef> {
    let operand = |at| call.numbers::<Float64Type>(at);
    let (value, low, high) = (operand(0), operand(1), operand(2));
    let count = call.numbers::<Int32Type>(3);
    call.each::<Int32Type>(|row| {
        let (value, low, high, count) = (value.at(row), low.at(row), high.at(row), count.at(row));
        check_buckets(count, low == high)?;
        if value.is_nan() || low.is_nan() || high.is_nan() {
            return Err(bucket_error("operand, lower bound, and upper bound cannot be NaN"));
        }
        if low.is_infinite() || high.is_infinite() {
            return Err(bucket_error("lower and upper bounds must be finite"));
        }
        let (before, beyond) =
            if low < high { (value < low, value >= high) } else { (value > low, value <= high) };
        if before {
            return Ok(0);
        }
        if beyond {
            return count.checked_add(1).ok_or_else(|| out_of_range(&call.types.returns));
        }
        let share =
            if low < high { (value - low) / (high - low) } else { (low - value) / (low - high) };
        Ok(((f64::from(count) * share) as i32).min(count - 1) + 1)
    })
}

pub(super) fn check_buckets(count: i32, is_empty: bool) -> Result<()> {
    if count <= 0 {
        return Err(bucket_error("count must be greater than zero"));
    }
    if is_empty {
        return Err(bucket_error("lower bound cannot equal upper bound"));
    }
    Ok(())
}

fn bucket_error(message: &str) -> Error {
    error_of("2201G", message)
}

pub(super) fn common_divisor(a: i128, b: i128) -> u128 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Of two numbers below 2^64, so that the product fits.
fn common_multiple(a: i128, b: i128) -> u128 {
    match common_divisor(a, b) {
        0 => 0,
        divisor => a.unsigned_abs() / divisor * b.unsigned_abs(),
    }
}
