//! Dates, times and timestamps from text: ISO 8601 by a short way, and all else that PostgreSQL
//! reads by the long one (`datetime_input/decode.rs`).

mod decode;
mod fields;
mod tokens;

pub(super) use self::decode::is_core_word;
pub(super) use self::fields::Clock;
pub(super) use self::tokens::{Kind, Tokens};

use weir_types::{Error, Result, SqlState};

use self::decode::{Decoder, Special};
use super::calendar::{
    Civil, DATE_MAX, DATE_MIN, MICROS_PER_DAY, MICROS_PER_SECOND, TIMESTAMP_MIN, days_in_month,
};
use super::failure::{Shown, invalid_syntax, no_such_value};
use super::settings::FormatSettings;

/// Why a text is no date or time.
#[derive(Debug)]
pub(super) enum Failure {
    /// Not of any known form.
    Format,
    /// A field outside its range.
    Field,
    /// Month or day outside its range, maybe for another order of the fields.
    MonthOrDay,
    /// A zone too far from UTC.
    Displacement,
    /// A zone that does not exist.
    Zone(String),
    /// `now` and the like, whose value depends on when the text is read.
    Clock(String),
}

impl Failure {
    /// The error of a value of that type and text.
    pub(super) fn into_error(self, type_name: &str, text: &str) -> Error {
        let shown = Shown(text);
        match self {
            Self::Format => Error::new(
                SqlState::InvalidDatetimeFormat,
                invalid_syntax(type_name, text).message(),
            ),
            Self::Field => out_of_range(text),
            Self::MonthOrDay => {
                out_of_range(text).with_hint("Perhaps you need a different \"datestyle\" setting.")
            }
            Self::Displacement => Error::new(
                SqlState::InvalidTimeZone,
                format!("time zone displacement out of range: \"{shown}\""),
            ),
            Self::Zone(name) => Error::new(
                SqlState::InvalidParameterValue,
                format!("time zone \"{name}\" not recognized"),
            ),
            Self::Clock(word) => no_such_value(type_name, &word).with_hint(
                "Use now(), CURRENT_DATE or CURRENT_TIME, which say when they are read.",
            ),
        }
    }
}

fn out_of_range(text: &str) -> Error {
    Error::new(
        SqlState::DatetimeFieldOverflow,
        format!("date/time field value out of range: \"{}\"", Shown(text)),
    )
}

fn type_range(type_name: &str, text: &str) -> Error {
    Error::new(
        SqlState::DatetimeFieldOverflow,
        format!("{type_name} out of range: \"{}\"", Shown(text)),
    )
}

/// Reads a date: days since 1970-01-01.
pub(super) fn parse_date(text: &str, settings: &FormatSettings) -> Result<i32> {
    if let Some((days, b"")) = iso_day(text.as_bytes()) {
        return Ok(days);
    }
    let failed = |failure: Failure| failure.into_error("date", text);
    let mut decoder = Decoder::new(settings);
    match decoder.decode(text).map_err(failed)? {
        Some(Special::Epoch) => return Ok(0),
        Some(Special::Infinity(word)) => return Err(no_such_value("date", word)),
        None => {}
    }
    i32::try_from(decoder.days())
        .ok()
        .filter(|days| (DATE_MIN..=DATE_MAX).contains(days))
        .ok_or_else(|| type_range("date", text))
}

/// Reads a time of day: microseconds since midnight.
pub(super) fn parse_time(text: &str, settings: &FormatSettings) -> Result<i64> {
    if let Some((micros, b"")) = iso_clock(text.as_bytes()) {
        return Ok(micros);
    }
    let failed = |failure: Failure| failure.into_error("time", text);
    let mut decoder = Decoder::time_only(settings);
    decoder.decode(text).map_err(failed)?;
    Ok(decoder.time_of_day())
}

/// Reads a timestamp: microseconds since 1970-01-01 00:00:00. A zone in the text is ignored.
pub(super) fn parse_timestamp(text: &str, settings: &FormatSettings) -> Result<i64> {
    if let Some((micros, rest)) = iso_timestamp(text.as_bytes())
        && (rest.is_empty() || iso_offset(rest).is_some())
    {
        return Ok(micros);
    }
    parse_long("timestamp", text, settings, false)
}

/// Reads an instant: microseconds since 1970-01-01 00:00:00 UTC. A text without a zone is a time of
/// the session's zone.
pub(super) fn parse_timestamptz(text: &str, settings: &FormatSettings) -> Result<i64> {
    if let Some((local, rest)) = iso_timestamp(text.as_bytes()) {
        let east = if rest.is_empty() {
            Some(settings.time_zone.offset_of_local(local.div_euclid(MICROS_PER_SECOND)))
        } else {
            iso_offset(rest)
        };
        if let Some(east) = east {
            return Ok(local - i64::from(east) * MICROS_PER_SECOND);
        }
    }
    parse_long("timestamp with time zone", text, settings, true)
}

fn parse_long(
    type_name: &str,
    text: &str,
    settings: &FormatSettings,
    with_zone: bool,
) -> Result<i64> {
    let failed = |failure: Failure| failure.into_error(type_name, text);
    let mut decoder = Decoder::new(settings);
    match decoder.decode(text).map_err(failed)? {
        Some(Special::Epoch) => return Ok(0),
        Some(Special::Infinity(word)) => return Err(no_such_value(type_name, word)),
        None => {}
    }
    let seconds = decoder.local_seconds();
    let east = if with_zone { decoder.offset(seconds, &settings.time_zone) } else { 0 };
    let micros = i128::from(seconds - i64::from(east)) * i128::from(MICROS_PER_SECOND)
        + i128::from(decoder.micros());
    i64::try_from(micros)
        .ok()
        .filter(|micros| *micros >= TIMESTAMP_MIN)
        .ok_or_else(|| type_range("timestamp", text))
}

/// The number of two digits at the start.
fn two(bytes: &[u8]) -> Option<u32> {
    match bytes {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', ..] => {
            Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
        }
        _ => None,
    }
}

/// A day of the form `2024-01-02` at the start of the text, and the rest.
fn iso_day(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (day, rest) = bytes.split_at_checked(10)?;
    if day[4] != b'-' || day[7] != b'-' {
        return None;
    }
    let year = (two(day)? * 100 + two(&day[2..])?) as i32;
    let (month, day) = (two(&day[5..])?, two(&day[8..])?);
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    Some((Civil { year, month, day }.days() as i32, rest))
}

/// A time of the form `03:04:05.678` (at most six digits behind the point) at the start of the
/// text, and the rest.
fn iso_clock(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (clock, mut rest) = bytes.split_at_checked(8)?;
    if clock[2] != b':' || clock[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (two(clock)?, two(&clock[3..])?, two(&clock[6..])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut micros = i64::from(hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND;
    if let [b'.', fraction @ ..] = rest {
        let n_digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if n_digits > 6 {
            return None;
        }
        let (digits, behind) = fraction.split_at(n_digits);
        let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        micros += value * 10_i64.pow(6 - n_digits as u32);
        rest = behind;
    }
    Some((micros, rest))
}

fn iso_timestamp(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (days, rest) = iso_day(bytes)?;
    let [b' ' | b'T', clock @ ..] = rest else { return None };
    let (micros, rest) = iso_clock(clock)?;
    Some((i64::from(days) * MICROS_PER_DAY + micros, rest))
}

/// Seconds east of UTC of `Z`, `+02`, `+0530` or `+05:30`, when that is all the text.
fn iso_offset(bytes: &[u8]) -> Option<i32> {
    let (sign, digits) = match bytes {
        [b'Z'] => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let minutes = match digits.len() {
        2 => 0,
        4 => two(&digits[2..])?,
        5 if digits[2] == b':' => two(&digits[3..])?,
        _ => return None,
    };
    let hours = two(digits)?;
    if hours > 15 || minutes > 59 {
        return None;
    }
    Some(sign * (hours * 3600 + minutes * 60) as i32)
}
