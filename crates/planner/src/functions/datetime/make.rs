//! Dates, times and intervals from numbers.

use arrow::array::ArrayRef;
use arrow::datatypes::{
    Date32Type, Float64Type, Int32Type, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use weir_types::{Error, Result, SqlState};

use super::arithmetic::zone_named;
use super::calendar::{
    Civil, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, date, days_in_month, join,
    out_of_range, to_instant,
};
use super::interval::interval;
use crate::functions::call::Call;
use crate::functions::overload::{Declaration, declare};

type Stamp = TimestampMicrosecondType;

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("make_date(int4, int4, int4) -> date", |call| {
        call.each::<Date32Type>(|row| date(day(call, row)?).ok_or_else(|| out_of_range("date")))
    }),
    declare("make_time(int4, int4, float8) -> time", |call| {
        call.each::<Time64MicrosecondType>(|row| time(call, 0, row))
    }),
    declare("make_timestamp(int4, int4, int4, int4, int4, float8) -> timestamp", |call| {
        call.each::<Stamp>(|row| stamp(call, row))
    }),
    declare("make_timestamptz(int4, int4, int4, int4, int4, float8) -> timestamptz", |call| {
        call.each::<Stamp>(|row| to_instant(stamp(call, row)?, &call.settings.time_zone))
    })
    .uses_settings(),
    declare(
        "make_timestamptz(int4, int4, int4, int4, int4, float8, text) -> timestamptz",
        |call| {
            let zones = call.texts(6);
            call.each::<Stamp>(|row| to_instant(stamp(call, row)?, &zone_named(zones.at(row))?))
        },
    ),
    declare("make_interval() -> interval", make_interval),
    declare("make_interval(int4) -> interval", make_interval),
    declare("make_interval(int4, int4) -> interval", make_interval),
    declare("make_interval(int4, int4, int4) -> interval", make_interval),
    declare("make_interval(int4, int4, int4, int4) -> interval", make_interval),
    declare("make_interval(int4, int4, int4, int4, int4) -> interval", make_interval),
    declare("make_interval(int4, int4, int4, int4, int4, int4) -> interval", make_interval),
    declare("make_interval(int4, int4, int4, int4, int4, int4, float8) -> interval", make_interval),
    declare("to_timestamp(float8) -> timestamptz", |call| {
        let seconds = call.numbers::<Float64Type>(0);
        call.each::<Stamp>(|row| {
            let seconds = seconds.at(row);
            let micros = (seconds * MICROS_PER_SECOND as f64).round_ties_even();
            if !micros.is_finite() || micros.abs() >= i64::MAX as f64 {
                return Err(Error::new(
                    SqlState::DatetimeFieldOverflow,
                    format!("timestamp out of range: \"{seconds}\""),
                ));
            }
            join(0, micros as i64).ok_or_else(|| out_of_range("timestamp"))
        })
    }),
];

fn day(call: &Call<'_>, row: usize) -> Result<i64> {
    let part = |argument| i64::from(call.numbers::<Int32Type>(argument).at(row));
    let (year, month, day) = (part(0), part(1), part(2));
    let outside = || {
        Error::new(
            SqlState::DatetimeFieldOverflow,
            format!("date field value out of range: {year}-{month:02}-{day:02}"),
        )
    };
    if year == 0 {
        return Err(outside());
    }
    // -1 is 1 BC.
    let civil = Civil { year: if year < 0 { year + 1 } else { year }, month, day };
    if !(1..=12).contains(&month) || !(1..=days_in_month(civil.year, month)).contains(&day) {
        return Err(outside());
    }
    Ok(civil.days())
}

fn time(call: &Call<'_>, first: usize, row: usize) -> Result<i64> {
    let hour = i64::from(call.numbers::<Int32Type>(first).at(row));
    let minute = i64::from(call.numbers::<Int32Type>(first + 1).at(row));
    let second = call.numbers::<Float64Type>(first + 2).at(row);
    let micros = (second * MICROS_PER_SECOND as f64).round_ties_even();
    let fits = (0..=24).contains(&hour)
        && (0..60).contains(&minute)
        && (0.0..=60.0).contains(&second)
        && (hour < 24 || (minute == 0 && micros == 0.0));
    if !fits {
        return Err(Error::new(
            SqlState::DatetimeFieldOverflow,
            format!("time field value out of range: {hour}:{minute:02}:{second:02}"),
        ));
    }
    Ok(hour * MICROS_PER_HOUR + minute * MICROS_PER_MINUTE + micros as i64)
}

fn stamp(call: &Call<'_>, row: usize) -> Result<i64> {
    join(day(call, row)?, time(call, 3, row)?).ok_or_else(|| out_of_range("timestamp"))
}

fn make_interval(call: &Call<'_>) -> Result<ArrayRef> {
    let part = |argument: usize, row| {
        if argument < call.arguments.len() {
            i64::from(call.numbers::<Int32Type>(argument).at(row))
        } else {
            0
        }
    };
    call.each::<IntervalMonthDayNanoType>(|row| {
        let seconds =
            if call.arguments.len() > 6 { call.numbers::<Float64Type>(6).at(row) } else { 0.0 };
        let micros = (seconds * MICROS_PER_SECOND as f64).round_ties_even();
        if !micros.is_finite() || micros.abs() >= i64::MAX as f64 {
            return Err(super::interval::out_of_range());
        }
        let time =
            part(4, row) * MICROS_PER_HOUR + part(5, row) * MICROS_PER_MINUTE + micros as i64;
        interval(part(0, row) * 12 + part(1, row), part(2, row) * 7 + part(3, row), time)
    })
}
