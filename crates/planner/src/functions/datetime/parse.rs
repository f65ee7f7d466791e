//! `to_timestamp` and `to_date` of a text with a template.

use arrow::array::ArrayRef;
use arrow::datatypes::{Date32Type, TimestampMicrosecondType};
use weir_connect::value::TimeZone;
use weir_types::{Error, Result, SqlState};

use super::calendar::{
    Civil, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, UNIX_EPOCH_JULIAN, date,
    days_in_month, iso_week_monday, join, out_of_range, to_instant,
};
use super::template::{self, Field, Key, MONTHS, Node, ROMAN_MONTHS, WEEKDAYS};
use crate::functions::call::Call;
use crate::functions::overload::{Declaration, declare};

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("to_timestamp(text, text) -> timestamptz", |call| {
        let (texts, templates) = (call.texts(0), call.texts(1));
        let zone = &call.settings.time_zone;
        call.each::<TimestampMicrosecondType>(|row| {
            Found::read(texts.at(row), templates.at(row))?.instant(zone)
        })
    })
    .uses_settings(),
    declare("to_date(text, text) -> date", to_date),
];

fn to_date(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, templates) = (call.texts(0), call.texts(1));
    call.each::<Date32Type>(|row| {
        let days = Found::read(texts.at(row), templates.at(row))?.days(texts.at(row))?;
        date(days).ok_or_else(|| out_of_range("date"))
    })
}

/// The fields that were found in a text.
#[derive(Default)]
struct Found<'t> {
    text: &'t str,
    year: Option<i64>,
    iso_year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    week: Option<i64>,
    week_of_month: Option<i64>,
    iso_week: Option<i64>,
    iso_day: Option<i64>,
    julian: Option<i64>,
    century: Option<i64>,
    is_before_christ: bool,
    hour: i64,
    is_twelve_hour: bool,
    is_afternoon: Option<bool>,
    minute: i64,
    second: i64,
    micros: i64,
    second_of_day: Option<i64>,
    zone_hour: Option<i64>,
    zone_minute: i64,
}

impl<'t> Found<'t> {
    fn read(text: &'t str, template: &str) -> Result<Self> {
        let (nodes, is_exact) = template::parse(template);
        let mut found = Self { text, ..Self::default() };
        let mut rest = text;
        for (place, node) in nodes.iter().enumerate() {
            if rest.is_empty() {
                break;
            }
            match node {
                Node::Char(c, is_quoted) => rest = skip(rest, *c, *is_quoted, is_exact),
                Node::Field(field) => {
                    if !is_exact {
                        rest = rest.trim_start();
                    }
                    let is_last_digit = !matches!(
                        nodes.get(place + 1),
                        Some(Node::Field(next)) if is_number(next.key)
                    ) && !matches!(nodes.get(place + 1), Some(Node::Char(c, _)) if c.is_ascii_digit());
                    rest = found.field(field, rest, field.is_bare || is_last_digit)?;
                    if field.ordinal.is_some() {
                        rest = rest.get(2..).unwrap_or("");
                    }
                }
            }
        }
        Ok(found)
    }

    /// Takes one field off the front of the text. `is_open` numbers have as many digits as there are.
    fn field<'r>(&mut self, field: &Field, rest: &'r str, is_open: bool) -> Result<&'r str> {
        let mut rest = rest;
        let mut number = |width: usize| take_number(&mut rest, field, width, is_open);
        match field.key {
            Key::Hour24 => self.hour = number(2)?.0,
            Key::Hour12 => {
                self.hour = number(2)?.0;
                self.is_twelve_hour = true;
            }
            Key::Minute => self.minute = number(2)?.0,
            Key::Second => self.second = number(2)?.0,
            Key::SecondOfDay => self.second_of_day = Some(number(5)?.0),
            Key::Millisecond => self.micros = fraction(number(3)?, 6),
            Key::Microsecond => self.micros = fraction(number(6)?, 6),
            Key::Fraction(digits) => self.micros = fraction(number(digits.into())?, 6),
            Key::Month => self.month = Some(number(2)?.0),
            Key::DayOfMonth => self.day = Some(number(2)?.0),
            Key::DayOfYear => self.day_of_year = Some(number(3)?.0),
            Key::DayOfWeek => _ = number(1)?,
            Key::IsoDayOfWeek => self.iso_day = Some(number(1)?.0),
            Key::IsoDayOfYear => self.day_of_year = Some(number(3)?.0),
            Key::WeekOfYear => self.week = Some(number(2)?.0),
            Key::WeekOfMonth => self.week_of_month = Some(number(1)?.0),
            Key::IsoWeek => self.iso_week = Some(number(2)?.0),
            Key::Quarter => _ = number(1)?,
            Key::Century => self.century = Some(number(2)?.0),
            Key::Julian => self.julian = Some(number(18)?.0),
            Key::Year(digits) => self.year = Some(full_year(number(digits.into())?, digits)),
            Key::IsoYear(digits) => self.iso_year = Some(full_year(number(digits.into())?, digits)),
            Key::YearWithComma => {
                let thousands = number(9)?.0;
                rest = rest.strip_prefix(',').unwrap_or(rest);
                self.year = Some(thousands * 1000 + take_number(&mut rest, field, 3, false)?.0);
            }
            Key::ZoneHour => {
                let negative = rest.starts_with('-');
                rest = rest.trim_start_matches(['+', '-']);
                let hour = take_number(&mut rest, field, 2, false)?.0;
                self.zone_hour = Some(if negative { -hour } else { hour });
            }
            Key::ZoneMinute => self.zone_minute = number(2)?.0,
            Key::ZoneName | Key::Offset => {
                return Err(Error::unsupported(format!(
                    "formatting field \"{}\" is only supported in to_char",
                    field.written
                )));
            }
            Key::Meridiem => {
                let names = ["a.m.", "p.m.", "am", "pm"];
                self.is_afternoon = Some(take_name(&mut rest, field, &names)? % 2 == 1);
                self.is_twelve_hour = true;
            }
            Key::Era => {
                let names = ["a.d.", "b.c.", "ad", "bc"];
                self.is_before_christ = take_name(&mut rest, field, &names)? % 2 == 1;
            }
            Key::MonthName => self.month = Some(1 + take_name(&mut rest, field, &MONTHS)?),
            Key::MonthAbbreviation => {
                let names = MONTHS.map(|name| &name[..3]);
                self.month = Some(1 + take_name(&mut rest, field, &names)?);
            }
            Key::Roman => {
                // The longest first: `VII` begins with `VI`.
                let mut names = ROMAN_MONTHS;
                names.reverse();
                self.month = Some(12 - take_name(&mut rest, field, &names)?);
            }
            Key::DayName => _ = take_name(&mut rest, field, &WEEKDAYS)?,
            Key::DayAbbreviation => {
                _ = take_name(&mut rest, field, &WEEKDAYS.map(|name| &name[..3]))?
            }
        }
        Ok(rest)
    }

    fn days(&self, text: &str) -> Result<i64> {
        let outside = || {
            Error::new(
                SqlState::DatetimeFieldOverflow,
                format!("date/time field value out of range: \"{text}\""),
            )
        };
        if let Some(julian) = self.julian {
            return Ok(julian - UNIX_EPOCH_JULIAN);
        }
        if self.iso_year.is_some() || self.iso_week.is_some() {
            let year = self.iso_year.or(self.year).unwrap_or(1);
            let monday = iso_week_monday(year, self.iso_week.unwrap_or(1));
            if let Some(day) = self.day_of_year.filter(|_| self.iso_week.is_none()) {
                return Ok(monday + day - 1);
            }
            return Ok(monday + self.iso_day.unwrap_or(1) - 1);
        }
        let mut year = match (self.year, self.century) {
            (Some(year), Some(century)) => (century - 1) * 100 + year % 100,
            (Some(year), None) => year,
            (None, Some(century)) => (century - 1) * 100 + 1,
            // Where no year is told it is 1 BC, as in PostgreSQL.
            (None, None) => 0,
        };
        if self.is_before_christ {
            year = 1 - year;
        }
        if let Some(day) = self.day_of_year {
            let length = 365 + days_in_month(year, 2) - 28;
            if !(1..=length).contains(&day) {
                return Err(outside());
            }
            return Ok(Civil { year, month: 1, day: 1 }.days() + day - 1);
        }
        if let Some(week) = self.week {
            return Ok(Civil { year, month: 1, day: 1 }.days() + (week - 1) * 7);
        }
        let month = self.month.unwrap_or(1);
        let day =
            self.day.unwrap_or_else(|| self.week_of_month.map_or(1, |week| (week - 1) * 7 + 1));
        if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
            return Err(outside());
        }
        Ok(Civil { year, month, day }.days())
    }

    fn instant(&self, zone: &TimeZone) -> Result<i64> {
        let mut hour = self.hour;
        if self.is_twelve_hour {
            if !(1..=12).contains(&hour) {
                return Err(Error::new(
                    SqlState::InvalidDatetimeFormat,
                    format!("hour \"{hour}\" is invalid for the 12-hour clock"),
                )
                .with_hint("Use the 24-hour clock, or give an hour between 1 and 12."));
            }
            hour %= 12;
            if self.is_afternoon == Some(true) {
                hour += 12;
            }
        }
        let fits = (0..=24).contains(&hour)
            && (0..60).contains(&self.minute)
            && (0..=60).contains(&self.second)
            && self.second_of_day.is_none_or(|second| (0..86_400).contains(&second));
        if !fits {
            return Err(Error::new(
                SqlState::DatetimeFieldOverflow,
                format!("date/time field value out of range: \"{}\"", self.text),
            ));
        }
        let time = match self.second_of_day {
            Some(second) => second * MICROS_PER_SECOND,
            None => {
                hour * MICROS_PER_HOUR
                    + self.minute * MICROS_PER_MINUTE
                    + self.second * MICROS_PER_SECOND
            }
        } + self.micros;
        let local = join(self.days(self.text)?, 0)
            .and_then(|day| day.checked_add(time))
            .ok_or_else(|| out_of_range("timestamp"))?;
        match self.zone_hour {
            Some(hour) => {
                let minutes = hour * 60 + hour.signum() * self.zone_minute;
                local
                    .checked_sub(minutes * MICROS_PER_MINUTE)
                    .ok_or_else(|| out_of_range("timestamp"))
            }
            None => to_instant(local, zone),
        }
    }
}

fn is_number(key: Key) -> bool {
    !matches!(
        key,
        Key::Meridiem
            | Key::Era
            | Key::MonthName
            | Key::MonthAbbreviation
            | Key::DayName
            | Key::DayAbbreviation
            | Key::Roman
            | Key::ZoneName
            | Key::Offset
    )
}

/// Passes over what stands for a character of the template.
fn skip(rest: &str, c: char, is_quoted: bool, is_exact: bool) -> &str {
    let mut chars = rest.chars();
    let Some(first) = chars.next() else { return rest };
    if is_quoted || is_exact || c.is_alphanumeric() {
        return chars.as_str();
    }
    // A separator stands for any run of blanks and one other separator.
    let rest = rest.trim_start();
    let mut chars = rest.chars();
    match chars.next() {
        Some(next) if !next.is_alphanumeric() && !first.is_whitespace() && !"+-".contains(next) => {
            chars.as_str()
        }
        Some(next) if next == c => chars.as_str(),
        _ => rest,
    }
}

/// A number and how many digits it had.
fn take_number(
    rest: &mut &str,
    field: &Field,
    width: usize,
    is_open: bool,
) -> Result<(i64, usize)> {
    let text = *rest;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(after) => (true, after),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let most = if is_open { 18 } else { width };
    let end = digits.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let value: i64 = digits[..end].parse().map_err(|_| {
        let shown: String = text.chars().take(width).collect();
        Error::new(
            SqlState::InvalidDatetimeFormat,
            format!("invalid value \"{shown}\" for \"{}\"", field.written),
        )
        .with_detail("Value must be an integer.")
    })?;
    *rest = &digits[end..];
    Ok((if negative { -value } else { value }, end))
}

/// Digits behind the point as a number with `scale` of them.
fn fraction((value, digits): (i64, usize), scale: u32) -> i64 {
    let digits = digits as u32;
    if digits <= scale {
        value * 10_i64.pow(scale - digits)
    } else {
        value / 10_i64.pow(digits - scale)
    }
}

/// A year of less than four digits is one near the present.
fn full_year((year, n_digits): (i64, usize), key_digits: u8) -> i64 {
    if key_digits >= 4 || n_digits >= 4 {
        return year;
    }
    match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        100..520 => year + 2000,
        520..1000 => year + 1000,
        _ => year,
    }
}

/// The index of the first name that the text begins with, in any case.
fn take_name(rest: &mut &str, field: &Field, names: &[&str]) -> Result<i64> {
    let found = names.iter().position(|name| {
        rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
    });
    let Some(index) = found else {
        let shown: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '.').collect();
        return Err(Error::new(
            SqlState::InvalidDatetimeFormat,
            format!("invalid value \"{shown}\" for \"{}\"", field.written),
        )
        .with_detail("The given value did not match any of the allowed values for this field."));
    };
    *rest = &rest[names[index].len()..];
    Ok(index as i64)
}
