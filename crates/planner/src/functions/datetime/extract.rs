//! `extract` and `date_part`: one field of a date, time or interval.

use arrow::array::ArrayRef;
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use weir_connect::value::FormatSettings;
use weir_types::{Error, Result, SqlState, SqlType};

use super::calendar::{
    Civil, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, SECONDS_PER_DAY,
    UNIX_EPOCH_JULIAN, iso_week, split, to_local, weekday,
};
use super::interval::micros;
use crate::functions::arithmetic::numeric::{in_range, numeric_of, rescale, result_scale};
use crate::functions::call::Call;
use crate::functions::number::numeric_to_double;
use crate::functions::overload::{Constant, Declaration, declare};

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("extract(text, date) -> numeric", exact).returns(field_type),
    declare("extract(text, time) -> numeric", exact).returns(field_type),
    declare("extract(text, timestamp) -> numeric", exact).returns(field_type),
    declare("extract(text, timestamptz) -> numeric", exact).returns(field_type).uses_settings(),
    declare("extract(text, interval) -> numeric", exact).returns(field_type),
    declare("date_part(text, date) -> float8", double),
    declare("date_part(text, time) -> float8", double),
    declare("date_part(text, timestamp) -> float8", double),
    declare("date_part(text, timestamptz) -> float8", double).uses_settings(),
    declare("date_part(text, interval) -> float8", double),
];

/// A unit of time, or something else that can be asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    Dow,
    IsoDow,
    Doy,
    IsoYear,
    Julian,
    Epoch,
    Timezone,
    TimezoneHour,
    TimezoneMinute,
}

impl Field {
    /// The field of one of PostgreSQL's names, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name.trim().to_ascii_lowercase().as_str() {
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds"
            | "microsecon" => Self::Microsecond,
            "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds"
            | "millisecon" => Self::Millisecond,
            "s" | "sec" | "secs" | "second" | "seconds" => Self::Second,
            "m" | "min" | "mins" | "minute" | "minutes" => Self::Minute,
            "h" | "hr" | "hrs" | "hour" | "hours" => Self::Hour,
            "d" | "day" | "days" => Self::Day,
            "w" | "week" | "weeks" => Self::Week,
            "mon" | "mons" | "month" | "months" => Self::Month,
            "qtr" | "quarter" => Self::Quarter,
            "y" | "yr" | "yrs" | "year" | "years" => Self::Year,
            "dec" | "decs" | "decade" | "decades" => Self::Decade,
            "c" | "cent" | "century" | "centuries" => Self::Century,
            "mil" | "mils" | "millennia" | "millennium" => Self::Millennium,
            "dow" => Self::Dow,
            "isodow" => Self::IsoDow,
            "doy" => Self::Doy,
            "isoyear" => Self::IsoYear,
            "j" | "jd" | "julian" => Self::Julian,
            "epoch" => Self::Epoch,
            "timezone" => Self::Timezone,
            "timezone_h" | "timezone_hour" => Self::TimezoneHour,
            "timezone_m" | "timezone_minute" => Self::TimezoneMinute,
            _ => return None,
        })
    }

    /// Digits behind the point of the value.
    fn scale(self) -> i8 {
        match self {
            Self::Second | Self::Epoch => 6,
            Self::Millisecond => 3,
            Self::Julian => 16,
            _ => 0,
        }
    }
}

/// The error of a unit that there is not (22023).
pub(super) fn unknown(name: &str, t: &SqlType) -> Error {
    Error::new(
        SqlState::InvalidParameterValue,
        format!("unit \"{}\" not recognized for type {t}", name.to_lowercase()),
    )
}

/// The error of a unit that the type does not have (0A000).
pub(super) fn unsupported(name: &str, t: &SqlType) -> Error {
    Error::unsupported(format!("unit \"{}\" not supported for type {t}", name.to_lowercase()))
}

fn field_type(types: &[SqlType], constants: &[Option<Constant>]) -> SqlType {
    let Some(Some(Constant::Text(name))) = constants.first() else { return SqlType::Numeric(None) };
    match Field::named(name) {
        // A date is a whole day.
        Some(Field::Julian | Field::Epoch) if types[1] == SqlType::Date => numeric_of(20, 0),
        Some(field) => numeric_of(20, field.scale()),
        None => SqlType::Numeric(None),
    }
}

fn exact(call: &Call<'_>) -> Result<ArrayRef> {
    let to = result_scale(call);
    let value = values(call)?;
    call.each::<Decimal128Type>(|row| {
        let (value, scale) = value(row)?;
        in_range(rescale(value, scale, to))
    })
}

fn double(call: &Call<'_>) -> Result<ArrayRef> {
    let value = values(call)?;
    call.each::<Float64Type>(|row| {
        let (value, scale) = value(row)?;
        Ok(numeric_to_double(value, scale))
    })
}

/// A value and its digits behind the point, for a row.
type Values<'a> = Box<dyn Fn(usize) -> Result<(i128, i8)> + 'a>;

fn values<'a>(call: &'a Call<'_>) -> Result<Values<'a>> {
    let names = call.texts(0);
    let t = &call.types.arguments[1];
    let settings = call.settings;
    let field = move |row| {
        let name = names.at(row);
        Field::named(name).map(|field| (field, name)).ok_or_else(|| unknown(name, t))
    };
    let value: Values<'a> = match t {
        SqlType::Date => {
            let dates = call.numbers::<Date32Type>(1);
            Box::new(move |row| {
                let (field, name) = field(row)?;
                of_date(field, dates.at(row).into()).ok_or_else(|| unsupported(name, t))
            })
        }
        SqlType::Time => {
            let times = call.numbers::<Time64MicrosecondType>(1);
            Box::new(move |row| {
                let (field, name) = field(row)?;
                of_time(field, times.at(row)).ok_or_else(|| unsupported(name, t))
            })
        }
        SqlType::Interval => {
            let spans = call.numbers::<IntervalMonthDayNanoType>(1);
            Box::new(move |row| {
                let (field, name) = field(row)?;
                of_interval(field, spans.at(row)).ok_or_else(|| unsupported(name, t))
            })
        }
        _ => {
            let stamps = call.numbers::<TimestampMicrosecondType>(1);
            let is_instant = *t == SqlType::Timestamptz;
            Box::new(move |row| {
                let (field, name) = field(row)?;
                let value = if is_instant {
                    of_instant(field, stamps.at(row), settings)?
                } else {
                    of_timestamp(field, stamps.at(row))
                };
                value.ok_or_else(|| unsupported(name, t))
            })
        }
    };
    Ok(value)
}

fn whole(value: i64) -> Option<(i128, i8)> {
    Some((value.into(), 0))
}

/// The fields of a calendar day.
fn of_day(field: Field, days: i64) -> Option<i64> {
    let civil = Civil::from_days(days);
    // There is no year 0: 1 BC is -1.
    let shown_year = if civil.year > 0 { civil.year } else { civil.year - 1 };
    Some(match field {
        Field::Day => civil.day,
        Field::Week => iso_week(days).1,
        Field::Month => civil.month,
        Field::Quarter => (civil.month - 1) / 3 + 1,
        Field::Year => shown_year,
        Field::Decade => civil.year.div_euclid(10),
        Field::Century if civil.year > 0 => (civil.year + 99) / 100,
        Field::Century => -((99 - (civil.year - 1)) / 100),
        Field::Millennium if civil.year > 0 => (civil.year + 999) / 1000,
        Field::Millennium => -((999 - (civil.year - 1)) / 1000),
        Field::Dow => weekday(days),
        Field::IsoDow => (weekday(days) + 6) % 7 + 1,
        Field::Doy => days - Civil { month: 1, day: 1, ..civil }.days() + 1,
        Field::IsoYear => {
            let year = iso_week(days).0;
            if year > 0 { year } else { year - 1 }
        }
        _ => return None,
    })
}

/// The fields of a time of day, or of the time of an interval.
fn of_clock(field: Field, micros: i64) -> Option<(i128, i8)> {
    let second = micros % MICROS_PER_MINUTE;
    Some(match field {
        Field::Microsecond => (second.into(), 0),
        Field::Millisecond => (second.into(), 3),
        Field::Second => (second.into(), 6),
        Field::Minute => ((micros / MICROS_PER_MINUTE % 60).into(), 0),
        Field::Hour => ((micros / MICROS_PER_HOUR).into(), 0),
        _ => return None,
    })
}

fn of_date(field: Field, days: i64) -> Option<(i128, i8)> {
    match field {
        Field::Epoch => whole(days * SECONDS_PER_DAY),
        Field::Julian => whole(days + UNIX_EPOCH_JULIAN),
        _ => whole(of_day(field, days)?),
    }
}

fn of_time(field: Field, micros: i64) -> Option<(i128, i8)> {
    if field == Field::Epoch { Some((micros.into(), 6)) } else { of_clock(field, micros) }
}

fn of_timestamp(field: Field, stamp: i64) -> Option<(i128, i8)> {
    let (days, time) = split(stamp);
    match field {
        Field::Epoch => Some((stamp.into(), 6)),
        Field::Julian => {
            let fraction = i128::from(time) * 10_i128.pow(16) / i128::from(MICROS_PER_DAY);
            Some((i128::from(days + UNIX_EPOCH_JULIAN) * 10_i128.pow(16) + fraction, 16))
        }
        _ => of_clock(field, time).or_else(|| whole(of_day(field, days)?)),
    }
}

fn of_instant(field: Field, instant: i64, settings: &FormatSettings) -> Result<Option<(i128, i8)>> {
    let zone = &settings.time_zone;
    let east = i64::from(zone.offset_at(instant.div_euclid(MICROS_PER_SECOND)));
    Ok(match field {
        Field::Epoch => Some((instant.into(), 6)),
        Field::Timezone => whole(east),
        Field::TimezoneHour => whole(east / 3600),
        Field::TimezoneMinute => whole(east / 60 % 60),
        _ => of_timestamp(field, to_local(instant, zone)?),
    })
}

fn of_interval(field: Field, span: IntervalMonthDayNano) -> Option<(i128, i8)> {
    let (months, days, time) = (i64::from(span.months), i64::from(span.days), micros(span));
    let years = months / 12;
    match field {
        Field::Day => whole(days),
        Field::Month => whole(months % 12),
        Field::Quarter => whole(months % 12 / 3 + 1),
        Field::Year => whole(years),
        Field::Decade => whole(years / 10),
        Field::Century => whole(years / 100),
        Field::Millennium => whole(years / 1000),
        Field::Epoch => {
            // A year has 365.25 days, a month beside it 30.
            let seconds = i128::from(years) * 31_557_600
                + i128::from(months % 12) * 2_592_000
                + i128::from(days) * i128::from(SECONDS_PER_DAY);
            Some((seconds * i128::from(MICROS_PER_SECOND) + i128::from(time), 6))
        }
        _ => of_clock(field, time),
    }
}
