//! `+` and `-` of dates and times, `age`, and the change of time zones.

use arrow::array::ArrayRef;
use arrow::datatypes::{
    Date32Type, Int32Type, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use weir_connect::value::TimeZone;
use weir_types::{Error, Result, SqlState};

use super::calendar::{
    Civil, MICROS_PER_DAY, MICROS_PER_SECOND, date, days_in_month, join, out_of_range, split,
    to_instant, to_local,
};
use super::interval::{interval, micros, negate};
use crate::functions::call::Call;
use crate::functions::number::invalid_parameter;
use crate::functions::overload::{Declaration, declare};

type Stamp = TimestampMicrosecondType;
type Span = IntervalMonthDayNanoType;

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("+(date, int4) -> date", |call| plus_days(call, 0, 1, 1)),
    declare("+(int4, date) -> date", |call| plus_days(call, 1, 0, 1)),
    declare("-(date, int4) -> date", |call| plus_days(call, 0, 1, -1)),
    declare("-(date, date) -> int4", |call| {
        let (a, b) = (call.numbers::<Date32Type>(0), call.numbers::<Date32Type>(1));
        call.each::<Int32Type>(|row| {
            a.at(row).checked_sub(b.at(row)).ok_or_else(|| out_of_range("date"))
        })
    }),
    declare("+(date, interval) -> timestamp", |call| date_plus(call, 0, 1, Ok)),
    declare("+(interval, date) -> timestamp", |call| date_plus(call, 1, 0, Ok)),
    declare("-(date, interval) -> timestamp", |call| date_plus(call, 0, 1, negate)),
    declare("+(date, time) -> timestamp", |call| date_and_time(call, 0, 1)),
    declare("+(time, date) -> timestamp", |call| date_and_time(call, 1, 0)),
    declare("+(timestamp, interval) -> timestamp", |call| stamp_plus(call, 0, 1, Ok)),
    declare("+(interval, timestamp) -> timestamp", |call| stamp_plus(call, 1, 0, Ok)),
    declare("-(timestamp, interval) -> timestamp", |call| stamp_plus(call, 0, 1, negate)),
    declare("+(timestamptz, interval) -> timestamptz", |call| instant_plus(call, 0, 1, Ok))
        .uses_settings(),
    declare("+(interval, timestamptz) -> timestamptz", |call| instant_plus(call, 1, 0, Ok))
        .uses_settings(),
    declare("-(timestamptz, interval) -> timestamptz", |call| instant_plus(call, 0, 1, negate))
        .uses_settings(),
    declare("-(timestamp, timestamp) -> interval", difference),
    declare("-(timestamptz, timestamptz) -> interval", difference),
    declare("+(time, interval) -> time", |call| time_plus(call, 0, 1, 1)),
    declare("+(interval, time) -> time", |call| time_plus(call, 1, 0, 1)),
    declare("-(time, interval) -> time", |call| time_plus(call, 0, 1, -1)),
    declare("-(time, time) -> interval", |call| {
        let (a, b) =
            (call.numbers::<Time64MicrosecondType>(0), call.numbers::<Time64MicrosecondType>(1));
        call.each::<Span>(|row| interval(0, 0, a.at(row) - b.at(row)))
    }),
    declare("age(timestamp, timestamp) -> interval", |call| {
        let (a, b) = (call.numbers::<Stamp>(0), call.numbers::<Stamp>(1));
        call.each::<Span>(|row| age(a.at(row), b.at(row)))
    }),
    declare("age(timestamptz, timestamptz) -> interval", |call| {
        let (a, b) = (call.numbers::<Stamp>(0), call.numbers::<Stamp>(1));
        let zone = &call.settings.time_zone;
        call.each::<Span>(|row| age(to_local(a.at(row), zone)?, to_local(b.at(row), zone)?))
    })
    .uses_settings(),
    declare("timezone(text, timestamptz) -> timestamp", |call| in_zone(call, to_local)),
    declare("timezone(text, timestamp) -> timestamptz", |call| in_zone(call, to_instant)),
    declare("timezone(interval, timestamptz) -> timestamp", |call| at_offset(call, 1)),
    declare("timezone(interval, timestamp) -> timestamptz", |call| at_offset(call, -1)),
];

fn plus_days(call: &Call<'_>, day: usize, days: usize, sign: i64) -> Result<ArrayRef> {
    let (day, days) = (call.numbers::<Date32Type>(day), call.numbers::<Int32Type>(days));
    call.each::<Date32Type>(|row| {
        date(i64::from(day.at(row)) + sign * i64::from(days.at(row)))
            .ok_or_else(|| out_of_range("date"))
    })
}

fn midnight(day: i32) -> Result<i64> {
    join(day.into(), 0).ok_or_else(|| out_of_range("date"))
}

type Change = fn(IntervalMonthDayNano) -> Result<IntervalMonthDayNano>;

fn date_plus(call: &Call<'_>, day: usize, span: usize, change: Change) -> Result<ArrayRef> {
    let (day, span) = (call.numbers::<Date32Type>(day), call.numbers::<Span>(span));
    call.each::<Stamp>(|row| plus(midnight(day.at(row))?, change(span.at(row))?))
}

fn date_and_time(call: &Call<'_>, day: usize, time: usize) -> Result<ArrayRef> {
    let (day, time) =
        (call.numbers::<Date32Type>(day), call.numbers::<Time64MicrosecondType>(time));
    call.each::<Stamp>(|row| {
        join(day.at(row).into(), time.at(row)).ok_or_else(|| out_of_range("timestamp"))
    })
}

/// The timestamp after the months, then the days, then the time of the interval.
pub(crate) fn plus(stamp: i64, span: IntervalMonthDayNano) -> Result<i64> {
    let (days, time) = split(stamp);
    let day = Civil::from_days(days).plus_months(span.months.into());
    let days = day.days() + i64::from(span.days);
    join(days, time)
        .and_then(|stamp| stamp.checked_add(micros(span)))
        .and_then(|stamp| join(0, stamp))
        .ok_or_else(|| out_of_range("timestamp"))
}

fn stamp_plus(call: &Call<'_>, stamp: usize, span: usize, change: Change) -> Result<ArrayRef> {
    let (stamp, span) = (call.numbers::<Stamp>(stamp), call.numbers::<Span>(span));
    call.each::<Stamp>(|row| plus(stamp.at(row), change(span.at(row))?))
}

/// As [`plus`], with months and days counted on the clock of the zone.
pub(crate) fn instant_after(
    instant: i64,
    span: IntervalMonthDayNano,
    zone: &TimeZone,
) -> Result<i64> {
    let mut instant = instant;
    if span.months != 0 || span.days != 0 {
        let calendar = IntervalMonthDayNano::new(span.months, span.days, 0);
        instant = to_instant(plus(to_local(instant, zone)?, calendar)?, zone)?;
    }
    instant
        .checked_add(micros(span))
        .and_then(|instant| join(0, instant))
        .ok_or_else(|| out_of_range("timestamp"))
}

fn instant_plus(call: &Call<'_>, stamp: usize, span: usize, change: Change) -> Result<ArrayRef> {
    let (stamp, span) = (call.numbers::<Stamp>(stamp), call.numbers::<Span>(span));
    let zone = &call.settings.time_zone;
    call.each::<Stamp>(|row| instant_after(stamp.at(row), change(span.at(row))?, zone))
}

/// Whole days and time, no months.
fn difference(call: &Call<'_>) -> Result<ArrayRef> {
    let (a, b) = (call.numbers::<Stamp>(0), call.numbers::<Stamp>(1));
    call.each::<Span>(|row| {
        let micros = a.at(row).checked_sub(b.at(row)).ok_or_else(|| out_of_range("interval"))?;
        interval(0, micros / MICROS_PER_DAY, micros % MICROS_PER_DAY)
    })
}

fn time_plus(call: &Call<'_>, time: usize, span: usize, sign: i64) -> Result<ArrayRef> {
    let (time, span) = (call.numbers::<Time64MicrosecondType>(time), call.numbers::<Span>(span));
    call.each::<Time64MicrosecondType>(|row| {
        let moved = time.at(row) + sign * (micros(span.at(row)) % MICROS_PER_DAY);
        Ok(moved.rem_euclid(MICROS_PER_DAY))
    })
}

/// Years, months, days and time from `b` to `a`, field by field.
fn age(a: i64, b: i64) -> Result<IntervalMonthDayNano> {
    let negative = a < b;
    let (later, earlier) = if negative { (b, a) } else { (a, b) };
    let ((later_days, later_time), (earlier_days, earlier_time)) = (split(later), split(earlier));
    let (later, earlier) = (Civil::from_days(later_days), Civil::from_days(earlier_days));
    let mut time = later_time - earlier_time;
    let mut days = later.day - earlier.day;
    let mut months = (later.year - earlier.year) * 12 + later.month - earlier.month;
    if time < 0 {
        time += MICROS_PER_DAY;
        days -= 1;
    }
    if days < 0 {
        days += days_in_month(earlier.year, earlier.month);
        months -= 1;
    }
    let span = interval(months, days, time)?;
    if negative { negate(span) } else { Ok(span) }
}

fn in_zone(call: &Call<'_>, change: fn(i64, &TimeZone) -> Result<i64>) -> Result<ArrayRef> {
    let (name, stamp) = (call.texts(0), call.numbers::<Stamp>(1));
    let mut known: Option<(&str, TimeZone)> = None;
    call.each::<Stamp>(|row| {
        let name = name.at(row);
        if known.as_ref().is_none_or(|(before, _)| *before != name) {
            known = Some((name, zone_named(name)?));
        }
        match &known {
            Some((_, zone)) => change(stamp.at(row), zone),
            None => Err(Error::internal("a zone was just looked up")),
        }
    })
}

/// The zone of that name.
///
/// # Errors
/// 22023 for an unknown one.
pub(super) fn zone_named(name: &str) -> Result<TimeZone> {
    // POSIX's, where a sign means "west of": SET takes a bare number for hours east.
    let found = match name.starts_with(['+', '-']) {
        true => TimeZone::lookup(name),
        false => TimeZone::parse(name).ok(),
    };
    found.ok_or_else(|| invalid_parameter(format!("time zone \"{name}\" not recognized")))
}

fn at_offset(call: &Call<'_>, sign: i64) -> Result<ArrayRef> {
    let (span, stamp) = (call.numbers::<Span>(0), call.numbers::<Stamp>(1));
    call.each::<Stamp>(|row| {
        let span = span.at(row);
        if span.months != 0 || span.days != 0 {
            return Err(Error::new(
                SqlState::InvalidParameterValue,
                "interval time zone must not include months or days",
            ));
        }
        let seconds = micros(span) / MICROS_PER_SECOND;
        stamp
            .at(row)
            .checked_add(sign * seconds * MICROS_PER_SECOND)
            .and_then(|stamp| join(0, stamp))
            .ok_or_else(|| out_of_range("timestamp"))
    })
}
