//! Intervals: three parts (months, days, time) that do not convert into each other by themselves.

use arrow::array::ArrayRef;
use arrow::datatypes::{Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType};
use weir_types::{Error, Result, SqlState};

use super::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND, SECONDS_PER_DAY};
use crate::functions::arithmetic::division_by_zero;
use crate::functions::call::Call;
use crate::functions::overload::{Declaration, declare};

const DAYS_PER_MONTH: i64 = 30;

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("-(interval) -> interval", |call| unary(call, negate)),
    declare("+(interval, interval) -> interval", |call| binary(call, add)),
    declare("-(interval, interval) -> interval", |call| binary(call, |a, b| add(a, negate(b)?))),
    declare("*(interval, float8) -> interval", |call| scaled(call, 0, 1, multiply)),
    declare("*(float8, interval) -> interval", |call| scaled(call, 1, 0, multiply)),
    declare("/(interval, float8) -> interval", |call| scaled(call, 0, 1, divide)),
    declare("justify_days(interval) -> interval", |call| unary(call, justify_days)),
    declare("justify_hours(interval) -> interval", |call| unary(call, justify_hours)),
    declare("justify_interval(interval) -> interval", |call| unary(call, justify_interval)),
    declare("isfinite(interval) -> bool", |call| call.each_bool(|_| Ok(true))).total(),
    declare("isfinite(date) -> bool", |call| call.each_bool(|_| Ok(true))).total(),
    declare("isfinite(timestamp) -> bool", |call| call.each_bool(|_| Ok(true))).total(),
    declare("isfinite(timestamptz) -> bool", |call| call.each_bool(|_| Ok(true))).total(),
];

/// `interval out of range` (22008).
pub(crate) fn out_of_range() -> Error {
    Error::new(SqlState::DatetimeFieldOverflow, "interval out of range")
}

/// The time part in microseconds.
pub(crate) fn micros(interval: IntervalMonthDayNano) -> i64 {
    interval.nanoseconds / 1000
}

/// An interval of those parts.
pub(super) fn interval(months: i64, days: i64, micros: i64) -> Result<IntervalMonthDayNano> {
    let parts = (i32::try_from(months), i32::try_from(days), micros.checked_mul(1000));
    let (Ok(months), Ok(days), Some(nanos)) = parts else { return Err(out_of_range()) };
    Ok(IntervalMonthDayNano::new(months, days, nanos))
}

/// The length in microseconds, for comparisons: a month has 30 days, a day 24 hours.
pub(crate) fn key(interval: IntervalMonthDayNano) -> i128 {
    let days = i64::from(interval.months) * DAYS_PER_MONTH + i64::from(interval.days);
    i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(micros(interval))
}

fn unary(
    call: &Call<'_>,
    operation: impl Fn(IntervalMonthDayNano) -> Result<IntervalMonthDayNano>,
) -> Result<ArrayRef> {
    let operand = call.numbers::<IntervalMonthDayNanoType>(0);
    call.each::<IntervalMonthDayNanoType>(|row| operation(operand.at(row)))
}

fn binary(
    call: &Call<'_>,
    operation: impl Fn(IntervalMonthDayNano, IntervalMonthDayNano) -> Result<IntervalMonthDayNano>,
) -> Result<ArrayRef> {
    let left = call.numbers::<IntervalMonthDayNanoType>(0);
    let right = call.numbers::<IntervalMonthDayNanoType>(1);
    call.each::<IntervalMonthDayNanoType>(|row| operation(left.at(row), right.at(row)))
}

fn scaled(
    call: &Call<'_>,
    interval: usize,
    factor: usize,
    operation: impl Fn(IntervalMonthDayNano, f64) -> Result<IntervalMonthDayNano>,
) -> Result<ArrayRef> {
    let interval = call.numbers::<IntervalMonthDayNanoType>(interval);
    let factor = call.numbers::<Float64Type>(factor);
    call.each::<IntervalMonthDayNanoType>(|row| operation(interval.at(row), factor.at(row)))
}

pub(super) fn negate(a: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    interval(-i64::from(a.months), -i64::from(a.days), -micros(a))
}

fn add(a: IntervalMonthDayNano, b: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    interval(
        i64::from(a.months) + i64::from(b.months),
        i64::from(a.days) + i64::from(b.days),
        micros(a).checked_add(micros(b)).ok_or_else(out_of_range)?,
    )
}

fn multiply(a: IntervalMonthDayNano, factor: f64) -> Result<IntervalMonthDayNano> {
    spread(f64::from(a.months) * factor, f64::from(a.days) * factor, |fraction| {
        (micros(a) as f64 * factor + fraction * MICROS_PER_SECOND as f64).round_ties_even()
    })
}

/// The interval divided by a number: what is left of a month becomes days, of a day time.
pub(crate) fn divide(a: IntervalMonthDayNano, divisor: f64) -> Result<IntervalMonthDayNano> {
    if divisor == 0.0 {
        return Err(division_by_zero());
    }
    spread(f64::from(a.months) / divisor, f64::from(a.days) / divisor, |fraction| {
        (micros(a) as f64 / divisor + fraction * MICROS_PER_SECOND as f64).round_ties_even()
    })
}

/// Whole months and days, with the fractions of them handed down. `time` gives the time part with the
/// seconds that are left of the days.
fn spread(months: f64, days: f64, time: impl Fn(f64) -> f64) -> Result<IntervalMonthDayNano> {
    let in_range = |value: f64| value.is_finite() && value.abs() <= f64::from(i32::MAX);
    if !in_range(months) || !in_range(days) {
        return Err(out_of_range());
    }
    let (whole_months, whole_days) = (months.trunc(), days.trunc());
    // Rounded to the microsecond, so that a third of a month is no 9.9999 days.
    let month_days = to_microseconds((months - whole_months) * DAYS_PER_MONTH as f64);
    let mut seconds = to_microseconds(
        (days - whole_days + month_days - month_days.trunc()) * SECONDS_PER_DAY as f64,
    );
    let mut total_days = whole_days + month_days.trunc();
    if seconds.abs() >= SECONDS_PER_DAY as f64 {
        let carried = (seconds / SECONDS_PER_DAY as f64).trunc();
        total_days += carried;
        seconds -= carried * SECONDS_PER_DAY as f64;
    }
    let micros = time(seconds);
    if !micros.is_finite() || micros.abs() >= i64::MAX as f64 {
        return Err(out_of_range());
    }
    interval(whole_months as i64, total_days as i64, micros as i64)
}

fn to_microseconds(value: f64) -> f64 {
    (value * 1_000_000.0).round_ties_even() / 1_000_000.0
}

fn justify_days(a: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let (mut months, mut days) = (i64::from(a.months), i64::from(a.days));
    months += days / DAYS_PER_MONTH;
    days %= DAYS_PER_MONTH;
    (months, days) = same_sign(months, days, DAYS_PER_MONTH);
    interval(months, days, micros(a))
}

fn justify_hours(a: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let time = micros(a);
    let days = i64::from(a.days) + time / MICROS_PER_DAY;
    let (days, time) = same_sign(days, time % MICROS_PER_DAY, MICROS_PER_DAY);
    interval(a.months.into(), days, time)
}

fn justify_interval(a: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    let time = micros(a);
    let mut days = i64::from(a.days) + time / MICROS_PER_DAY;
    let mut time = time % MICROS_PER_DAY;
    let mut months = i64::from(a.months) + days / DAYS_PER_MONTH;
    days %= DAYS_PER_MONTH;
    // The sign of the months decides, then that of the days.
    if months > 0 && (days < 0 || (days == 0 && time < 0)) {
        days += DAYS_PER_MONTH;
        months -= 1;
    } else if months < 0 && (days > 0 || (days == 0 && time > 0)) {
        days -= DAYS_PER_MONTH;
        months += 1;
    }
    (days, time) = same_sign(days, time, MICROS_PER_DAY);
    interval(months, days, time)
}

/// Moves one unit from the larger part to the smaller one where their signs differ.
fn same_sign(larger: i64, smaller: i64, unit: i64) -> (i64, i64) {
    if larger > 0 && smaller < 0 {
        (larger - 1, smaller + unit)
    } else if larger < 0 && smaller > 0 {
        (larger + 1, smaller - unit)
    } else {
        (larger, smaller)
    }
}
