//! `interval` from text: PostgreSQL's words, SQL's `1-2 3 04:05:06`, and ISO 8601's durations.

use weir_types::{Error, Result, SqlState};

use super::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
use super::datetime_input::{Clock, Failure, Kind, Tokens, is_core_word};
use super::failure::{Shown, datetime_range};
use super::interval::Interval;
use super::settings::IntervalStyle;

const DAYS_PER_MONTH: f64 = 30.0;
const MONTHS_PER_YEAR: i64 = 12;
/// Numbers of an ISO 8601 duration are refused beyond this, as in PostgreSQL.
const ISO_NUMBER_MAX: f64 = 1.0e15;

/// Reads an interval.
pub(super) fn parse(text: &str, style: IntervalStyle) -> Result<Interval> {
    let found = match Sum::from_fields(text, style) {
        Err(Failure::Format) => Sum::from_iso(text),
        found => found,
    };
    let sum = found.map_err(|failure| match failure {
        Failure::Field => Error::new(
            SqlState::DatetimeFieldOverflow,
            format!("interval field value out of range: \"{}\"", Shown(text)),
        ),
        other => other.into_error("interval", text),
    })?;
    let months = i64::from(sum.years) * MONTHS_PER_YEAR + i64::from(sum.months);
    let months = i32::try_from(months).map_err(|_| datetime_range("interval"))?;
    Ok(Interval { months, days: sum.days, micros: sum.micros })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Decade,
    Century,
    Millennium,
}

/// What a word of an interval means.
enum Word {
    Unit(Unit),
    Ago,
}

/// The word of the text; like PostgreSQL, only the first ten letters count.
fn word(text: &str) -> Option<Word> {
    let unit = match &text[..text.len().min(10)] {
        "ago" => return Some(Word::Ago),
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => Unit::Microsecond,
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" => Unit::Millisecond,
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "mil" | "mils" | "millennia" | "millennium" => Unit::Millennium,
        _ => return None,
    };
    Some(Word::Unit(unit))
}

/// The parts added up.
#[derive(Debug, Default)]
struct Sum {
    years: i32,
    months: i32,
    days: i32,
    micros: i64,
}

impl Sum {
    /// Reads PostgreSQL's and SQL's forms: right to left, because a unit stands behind its number.
    fn from_fields(text: &str, style: IntervalStyle) -> Result<Self, Failure> {
        let tokens = Tokens::split(text, is_core_word)?;
        let is_signed = |at: usize| tokens.text(at).starts_with(['-', '+']);
        // In SQL a leading minus counts for all fields, unless others have signs of their own.
        let is_negative = style == IntervalStyle::SqlStandard
            && tokens.len() > 0
            && tokens.text(0).starts_with('-')
            && !(1..tokens.len()).any(is_signed);
        let mut sum = Self::default();
        let mut seen = 0;
        let (mut unit, mut is_ago) = (Some(Unit::Second), false);
        for at in (0..tokens.len()).rev() {
            let field = tokens.text(at);
            let found = match tokens.kind(at).ok_or(Failure::Format)? {
                Kind::Time => {
                    unit = Some(Unit::Day);
                    sum.add_clock(field, is_negative)?
                }
                Kind::Signed if field.contains(':') && Clock::parse(&field[1..]).is_ok() => {
                    unit = Some(Unit::Day);
                    sum.add_clock(&field[1..], is_negative || field.starts_with('-'))?
                }
                Kind::Number | Kind::Date | Kind::Signed => {
                    let (found, next) = sum.add_number(field, unit, is_negative)?;
                    unit = Some(next);
                    found
                }
                Kind::Word | Kind::SignedWord => {
                    match word(field).ok_or(Failure::Format)? {
                        Word::Unit(named) => unit = Some(named),
                        Word::Ago => (unit, is_ago) = (None, true),
                    }
                    0
                }
            };
            if seen & found != 0 {
                return Err(Failure::Format);
            }
            seen |= found;
        }
        if seen == 0 {
            return Err(Failure::Format);
        }
        if is_ago { sum.negated() } else { Ok(sum) }
    }

    fn negated(self) -> Result<Self, Failure> {
        Ok(Self {
            years: self.years.checked_neg().ok_or(Failure::Field)?,
            months: self.months.checked_neg().ok_or(Failure::Field)?,
            days: self.days.checked_neg().ok_or(Failure::Field)?,
            micros: self.micros.checked_neg().ok_or(Failure::Field)?,
        })
    }

    fn add_clock(&mut self, text: &str, is_negative: bool) -> Result<u16, Failure> {
        let clock = Clock::parse(text)?;
        let seconds = i64::from(clock.minute) * 60 + i64::from(clock.second);
        let micros = clock
            .hour
            .checked_mul(3600)
            .and_then(|hours| hours.checked_add(seconds))
            .and_then(|seconds| seconds.checked_mul(MICROS_PER_SECOND))
            .and_then(|micros| micros.checked_add(clock.micros))
            .ok_or(Failure::Field)?;
        self.add_micros(if is_negative { -micros } else { micros })?;
        Ok(bit(Unit::Hour) | bit(Unit::Minute) | ALL_SECONDS)
    }

    /// Adds a number of that unit, or years and months (`1-2`). Gives its bits, and the unit of a
    /// number before it that has none of its own.
    fn add_number(
        &mut self,
        text: &str,
        unit: Option<Unit>,
        is_negative: bool,
    ) -> Result<(u16, Unit), Failure> {
        let (has_minus, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let (number, rest) = digits.split_at(end);
        let mut value: i64 =
            if number.is_empty() { 0 } else { number.parse().map_err(|_| Failure::Field)? };
        let (mut fraction, mut unit) = (0.0, unit.ok_or(Failure::Format));
        if let Some(months) = rest.strip_prefix('-') {
            let end = months.find(|c: char| !c.is_ascii_digit()).unwrap_or(months.len());
            let months_value = if end == 0 { 0 } else { months[..end].parse().unwrap_or(i64::MAX) };
            if months_value >= MONTHS_PER_YEAR {
                return Err(Failure::Field);
            }
            if end < months.len() {
                return Err(Failure::Format);
            }
            value = value
                .checked_mul(MONTHS_PER_YEAR)
                .and_then(|value| value.checked_add(months_value))
                .ok_or(Failure::Field)?;
            unit = Ok(Unit::Month);
        } else if let Some(digits) = rest.strip_prefix('.') {
            fraction = fraction_of(digits)?;
        } else if !rest.is_empty() {
            return Err(Failure::Format);
        }
        let unit = unit?;
        if has_minus || is_negative {
            (value, fraction) = (-value, -fraction);
        }
        self.add(unit, value, fraction)?;
        Ok(match unit {
            Unit::Second if fraction != 0.0 => (ALL_SECONDS, unit),
            Unit::Hour => (bit(unit), Unit::Day),
            unit => (bit(unit), unit),
        })
    }

    fn add(&mut self, unit: Unit, value: i64, fraction: f64) -> Result<(), Failure> {
        let micros = |unit| match unit {
            Unit::Microsecond => 1,
            Unit::Millisecond => 1000,
            Unit::Second => MICROS_PER_SECOND,
            Unit::Minute => 60 * MICROS_PER_SECOND,
            _ => 3600 * MICROS_PER_SECOND,
        };
        match unit {
            Unit::Microsecond | Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour => {
                let scale = micros(unit);
                self.add_micros(value.checked_mul(scale).ok_or(Failure::Field)?)?;
                self.add_fraction_micros(fraction, scale)
            }
            Unit::Day => {
                add_to(&mut self.days, value)?;
                self.add_fraction_micros(fraction, MICROS_PER_DAY)
            }
            Unit::Week => {
                add_to(&mut self.days, value.checked_mul(7).ok_or(Failure::Field)?)?;
                self.add_fraction_days(fraction * 7.0)
            }
            Unit::Month => {
                add_to(&mut self.months, value)?;
                self.add_fraction_days(fraction * DAYS_PER_MONTH)
            }
            Unit::Year => self.add_years(value, fraction, 1),
            Unit::Decade => self.add_years(value, fraction, 10),
            Unit::Century => self.add_years(value, fraction, 100),
            Unit::Millennium => self.add_years(value, fraction, 1000),
        }
    }

    fn add_micros(&mut self, micros: i64) -> Result<(), Failure> {
        self.micros = self.micros.checked_add(micros).ok_or(Failure::Field)?;
        Ok(())
    }

    fn add_fraction_micros(&mut self, fraction: f64, scale: i64) -> Result<(), Failure> {
        let exact = fraction * scale as f64;
        let whole = exact as i64;
        let rest = exact - whole as f64;
        let rounding = i64::from(rest > 0.5) - i64::from(rest < -0.5);
        self.add_micros(whole + rounding)
    }

    fn add_fraction_days(&mut self, days: f64) -> Result<(), Failure> {
        let whole = days as i64;
        add_to(&mut self.days, whole)?;
        self.add_fraction_micros(days - whole as f64, MICROS_PER_DAY)
    }

    fn add_years(&mut self, value: i64, fraction: f64, scale: i64) -> Result<(), Failure> {
        add_to(&mut self.years, value.checked_mul(scale).ok_or(Failure::Field)?)?;
        let months = (fraction * (scale * MONTHS_PER_YEAR) as f64).round_ties_even();
        add_to(&mut self.months, months as i64)
    }

    /// Reads a duration of ISO 8601: `P1Y2M3DT4H5M6.7S`, `P0001-02-03T04:05:06`, `P20240102T030405`.
    fn from_iso(text: &str) -> Result<Self, Failure> {
        let mut rest =
            text.strip_prefix('P').filter(|rest| !rest.is_empty()).ok_or(Failure::Format)?;
        let mut sum = Self::default();
        let (mut is_date, mut has_field) = (true, false);
        while !rest.is_empty() {
            if let Some(time) = rest.strip_prefix('T') {
                (is_date, has_field, rest) = (false, false, time);
                continue;
            }
            let field = IsoNumber::parse(rest)?;
            let unit = field.rest.chars().next();
            let named = match (is_date, unit) {
                (true, Some('Y')) => Some(Unit::Year),
                (true, Some('M')) => Some(Unit::Month),
                (true, Some('W')) => Some(Unit::Week),
                (true, Some('D')) => Some(Unit::Day),
                (false, Some('H')) => Some(Unit::Hour),
                (false, Some('M')) => Some(Unit::Minute),
                (false, Some('S')) => Some(Unit::Second),
                _ => None,
            };
            if let Some(named) = named {
                sum.add(named, field.value, field.fraction)?;
                (has_field, rest) = (true, &field.rest[1..]);
                continue;
            }
            if has_field {
                return Err(Failure::Format);
            }
            rest = if is_date { sum.add_iso_date(field)? } else { sum.add_iso_time(field)? };
            // Only the time may follow a date written so, and nothing may follow a time.
            if !(rest.is_empty() || is_date && rest.starts_with('T')) {
                return Err(Failure::Format);
            }
        }
        Ok(sum)
    }

    /// Adds `YYYYMMDD` or `YYYY-MM-DD`, whose end may be missing; the rest.
    fn add_iso_date<'a>(&mut self, year: IsoNumber<'a>) -> Result<&'a str, Failure> {
        if year.n_digits == 8 && !year.rest.starts_with('-') {
            self.add(Unit::Year, year.value / 10_000, 0.0)?;
            self.add(Unit::Month, year.value / 100 % 100, 0.0)?;
            self.add(Unit::Day, year.value % 100, year.fraction)?;
            return Ok(year.rest);
        }
        self.add_iso_list(year, '-', [Unit::Year, Unit::Month, Unit::Day])
    }

    /// Adds `hhmmss` or `hh:mm:ss`, whose end may be missing; the rest.
    fn add_iso_time<'a>(&mut self, hour: IsoNumber<'a>) -> Result<&'a str, Failure> {
        if hour.n_digits == 6 && hour.rest.is_empty() {
            self.add(Unit::Hour, hour.value / 10_000, 0.0)?;
            self.add(Unit::Minute, hour.value / 100 % 100, 0.0)?;
            self.add(Unit::Second, hour.value % 100, hour.fraction)?;
            return Ok(hour.rest);
        }
        self.add_iso_list(hour, ':', [Unit::Hour, Unit::Minute, Unit::Second])
    }

    fn add_iso_list<'a>(
        &mut self,
        first: IsoNumber<'a>,
        separator: char,
        units: [Unit; 3],
    ) -> Result<&'a str, Failure> {
        let mut field = first;
        for (at, unit) in units.into_iter().enumerate() {
            self.add(unit, field.value, field.fraction)?;
            match field.rest.strip_prefix(separator) {
                Some(rest) if at < 2 => field = IsoNumber::parse(rest)?,
                _ => break,
            }
        }
        Ok(field.rest)
    }
}

/// A number of an ISO 8601 duration and what follows it.
struct IsoNumber<'a> {
    value: i64,
    fraction: f64,
    /// Digits before the point.
    n_digits: usize,
    rest: &'a str,
}

impl<'a> IsoNumber<'a> {
    fn parse(text: &'a str) -> Result<Self, Failure> {
        let magnitude = text.strip_prefix('-').unwrap_or(text);
        let n_digits = magnitude.bytes().take_while(u8::is_ascii_digit).count();
        let mut end = text.len() - magnitude.len() + n_digits;
        if text[end..].starts_with('.') {
            end += 1 + text[end + 1..].bytes().take_while(u8::is_ascii_digit).count();
        }
        let number: f64 = text[..end].parse().map_err(|_| Failure::Format)?;
        if number.abs() > ISO_NUMBER_MAX {
            return Err(Failure::Field);
        }
        let value = number.trunc();
        Ok(Self { value: value as i64, fraction: number - value, n_digits, rest: &text[end..] })
    }
}

/// The bits that seconds with a fraction take.
const ALL_SECONDS: u16 = bit(Unit::Second) | bit(Unit::Millisecond) | bit(Unit::Microsecond);

/// The bit of a unit in a set.
const fn bit(unit: Unit) -> u16 {
    1 << unit as u16
}

fn add_to(part: &mut i32, value: i64) -> Result<(), Failure> {
    *part = i32::try_from(value)
        .ok()
        .and_then(|value| part.checked_add(value))
        .ok_or(Failure::Field)?;
    Ok(())
}

/// The number of the digits behind a point.
fn fraction_of(digits: &str) -> Result<f64, Failure> {
    if digits.is_empty() {
        return Ok(0.0);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Failure::Format);
    }
    format!("0.{digits}").parse().map_err(|_| Failure::Format)
}
