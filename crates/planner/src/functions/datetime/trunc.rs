//! `date_trunc` and `date_bin`.

use arrow::array::ArrayRef;
use arrow::datatypes::{IntervalMonthDayNano, IntervalMonthDayNanoType, TimestampMicrosecondType};
use weir_connect::value::TimeZone;
use weir_types::{Error, Result, SqlState, SqlType};

use super::arithmetic::zone_named;
use super::calendar::{
    Civil, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, iso_week,
    iso_week_monday, join, out_of_range, split, to_instant, to_local,
};
use super::extract::{Field, unknown, unsupported};
use super::interval::{interval, micros};
use crate::functions::call::Call;
use crate::functions::overload::{Declaration, declare};

type Stamp = TimestampMicrosecondType;
type Span = IntervalMonthDayNanoType;

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("date_trunc(text, timestamp) -> timestamp", |call| {
        let stamps = call.numbers::<Stamp>(1);
        call.each::<Stamp>(|row| truncated(unit(call, row)?, stamps.at(row)))
    }),
    declare("date_trunc(text, timestamptz) -> timestamptz", |call| {
        let (stamps, zone) = (call.numbers::<Stamp>(1), &call.settings.time_zone);
        call.each::<Stamp>(|row| truncated_in(unit(call, row)?, stamps.at(row), zone))
    })
    .uses_settings(),
    declare("date_trunc(text, timestamptz, text) -> timestamptz", |call| {
        let (stamps, zones) = (call.numbers::<Stamp>(1), call.texts(2));
        call.each::<Stamp>(|row| {
            truncated_in(unit(call, row)?, stamps.at(row), &zone_named(zones.at(row))?)
        })
    }),
    declare("date_trunc(text, interval) -> interval", |call| {
        let spans = call.numbers::<Span>(1);
        call.each::<Span>(|row| {
            truncated_interval(unit(call, row)?, spans.at(row), call.texts(0).at(row))
        })
    }),
    declare("date_bin(interval, timestamp, timestamp) -> timestamp", bin),
    declare("date_bin(interval, timestamptz, timestamptz) -> timestamptz", bin),
];

/// The unit that the first argument names, if it can be truncated to.
fn unit(call: &Call<'_>, row: usize) -> Result<Field> {
    let (name, t) = (call.texts(0).at(row), &call.types.arguments[1]);
    match Field::named(name).ok_or_else(|| unknown(name, t))? {
        Field::Dow
        | Field::IsoDow
        | Field::Doy
        | Field::IsoYear
        | Field::Julian
        | Field::Epoch
        | Field::Timezone
        | Field::TimezoneHour
        | Field::TimezoneMinute => Err(unsupported(name, t)),
        field => Ok(field),
    }
}

/// Length of a unit that days have a whole number of.
fn fixed_length(unit: Field) -> Option<i64> {
    Some(match unit {
        Field::Microsecond => 1,
        Field::Millisecond => 1000,
        Field::Second => MICROS_PER_SECOND,
        Field::Minute => MICROS_PER_MINUTE,
        Field::Hour => MICROS_PER_HOUR,
        Field::Day => MICROS_PER_DAY,
        _ => return None,
    })
}

fn truncated(unit: Field, stamp: i64) -> Result<i64> {
    let (days, time) = split(stamp);
    if let Some(length) = fixed_length(unit) {
        return join(days, time - time % length).ok_or_else(|| out_of_range("timestamp"));
    }
    let Civil { year, month, .. } = Civil::from_days(days);
    let first = |year, month| Civil { year, month, day: 1 }.days();
    let days = match unit {
        Field::Week => {
            let (year, week) = iso_week(days);
            iso_week_monday(year, week)
        }
        Field::Month => first(year, month),
        Field::Quarter => first(year, (month - 1) / 3 * 3 + 1),
        Field::Year => first(year, 1),
        Field::Decade => first(year.div_euclid(10) * 10, 1),
        // The first century and millennium begin with the year 1.
        Field::Century => first((year - 1).div_euclid(100) * 100 + 1, 1),
        _ => first((year - 1).div_euclid(1000) * 1000 + 1, 1),
    };
    join(days, 0).ok_or_else(|| out_of_range("timestamp"))
}

fn truncated_in(unit: Field, instant: i64, zone: &TimeZone) -> Result<i64> {
    let local = to_local(instant, zone)?;
    match fixed_length(unit) {
        // Where clocks change within an hour, the offset stays that of the instant.
        Some(length) if length < MICROS_PER_DAY => Ok(truncated(unit, local)? - (local - instant)),
        _ => to_instant(truncated(unit, local)?, zone),
    }
}

fn truncated_interval(
    unit: Field,
    span: IntervalMonthDayNano,
    name: &str,
) -> Result<IntervalMonthDayNano> {
    let (months, days, time) = (i64::from(span.months), i64::from(span.days), micros(span));
    let per = |n: i64| interval(months - months % n, 0, 0);
    match unit {
        Field::Day => interval(months, days, 0),
        Field::Month => per(1),
        Field::Quarter => per(3),
        Field::Year => per(12),
        Field::Decade => per(120),
        Field::Century => per(1200),
        Field::Millennium => per(12_000),
        Field::Week => Err(unsupported(name, &SqlType::Interval)
            .with_detail("Months usually have fractional weeks.")),
        _ => {
            let length = fixed_length(unit).ok_or_else(|| unknown(name, &SqlType::Interval))?;
            interval(months, days, time - time % length)
        }
    }
}

fn bin(call: &Call<'_>) -> Result<ArrayRef> {
    let (strides, stamps, origins) =
        (call.numbers::<Span>(0), call.numbers::<Stamp>(1), call.numbers::<Stamp>(2));
    call.each::<Stamp>(|row| {
        let stride = strides.at(row);
        if stride.months != 0 {
            return Err(Error::unsupported(
                "timestamps cannot be binned into intervals containing months or years",
            ));
        }
        let length = i64::from(stride.days)
            .checked_mul(MICROS_PER_DAY)
            .and_then(|days| days.checked_add(micros(stride)))
            .ok_or_else(|| out_of_range("interval"))?;
        if length <= 0 {
            return Err(Error::new(
                SqlState::DatetimeFieldOverflow,
                "stride must be greater than zero",
            ));
        }
        let (stamp, origin) = (i128::from(stamps.at(row)), i128::from(origins.at(row)));
        let start = stamp - (stamp - origin).rem_euclid(length.into());
        i64::try_from(start).map_err(|_| out_of_range("timestamp"))
    })
}
