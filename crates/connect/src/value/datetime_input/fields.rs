//! The parts of a date and time, put together from numbers whose meaning depends on which parts
//! are known already.

use super::Failure;
use crate::value::calendar::{
    Civil, MICROS_PER_SECOND, SECONDS_PER_DAY, UNIX_EPOCH_JULIAN, days_in_month,
};
use crate::value::settings::DateOrder;

/// A set of parts.
pub(super) type Parts = u16;

pub(super) const YEAR: Parts = 1;
pub(super) const MONTH: Parts = 1 << 1;
pub(super) const DAY: Parts = 1 << 2;
pub(super) const DAY_OF_YEAR: Parts = 1 << 3;
pub(super) const TIME: Parts = 1 << 4;
pub(super) const ZONE: Parts = 1 << 5;
pub(super) const SUMMER_TIME: Parts = 1 << 6;
pub(super) const MERIDIEM: Parts = 1 << 7;
pub(super) const ERA: Parts = 1 << 8;
pub(super) const WEEKDAY: Parts = 1 << 9;
pub(super) const SPECIAL: Parts = 1 << 10;
pub(super) const DATE: Parts = YEAR | MONTH | DAY;

/// The parts found so far.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) order: DateOrder,
    pub(super) year: i32,
    pub(super) month: i32,
    pub(super) day: i32,
    day_of_year: i32,
    pub(super) hour: i32,
    pub(super) minute: i32,
    pub(super) second: i32,
    pub(super) micros: i64,
    /// The year had one or two digits.
    is_short_year: bool,
    /// The date came as a Julian day, so the year is counted without a gap before 1 AD.
    is_julian: bool,
    pub(super) is_bc: bool,
    /// The month came as a word.
    pub(super) has_named_month: bool,
    /// Hours count to 12; true after noon.
    pub(super) is_afternoon: Option<bool>,
}

impl Fields {
    pub(super) fn new(order: DateOrder) -> Self {
        Self {
            order,
            year: 0,
            month: 0,
            day: 0,
            day_of_year: 0,
            hour: 0,
            minute: 0,
            second: 0,
            micros: 0,
            is_short_year: false,
            is_julian: false,
            is_bc: false,
            has_named_month: false,
            is_afternoon: None,
        }
    }

    /// Takes a plain number. `seen` are the parts known already; the parts it gave.
    pub(super) fn take_number(&mut self, text: &str, seen: Parts) -> Result<Parts, Failure> {
        let (digits, fraction) = split_fraction(text);
        if digits.is_empty() {
            return Err(Failure::Format);
        }
        let value: i32 = digits.parse().map_err(|_| Failure::Field)?;
        if let Some(fraction) = fraction {
            if digits.len() > 2 {
                return self.take_run(text, seen | DATE);
            }
            self.micros = fraction_micros(fraction)?;
        }
        if text.len() == 3 && seen & DATE == YEAR && (1..=366).contains(&value) {
            self.day_of_year = value;
            return Ok(DAY_OF_YEAR | MONTH | DAY);
        }
        let is_year = text.len() >= 3 || self.order == DateOrder::Ymd;
        let part = match seen & DATE {
            0 if is_year => YEAR,
            0 if self.order == DateOrder::Dmy => DAY,
            0 | YEAR | DAY => MONTH,
            MONTH if self.has_named_month && is_year => YEAR,
            MONTH => DAY,
            part if part == YEAR | MONTH => {
                if self.has_named_month && text.len() >= 3 && self.is_short_year {
                    // The first number was the day after all: 08-Jan-1999 where years come first.
                    self.day = self.year;
                    self.year = value;
                    self.is_short_year = false;
                    return Ok(DAY);
                }
                DAY
            }
            part if part == MONTH | DAY => YEAR,
            DATE => return self.take_run(text, seen),
            _ => return Err(Failure::Format),
        };
        match part {
            YEAR => {
                self.year = value;
                self.is_short_year = text.len() <= 2;
            }
            MONTH => self.month = value,
            _ => self.day = value,
        }
        Ok(part)
    }

    /// Takes digits that run together: `20240102`, `240102`, `030405`, `0304`.
    pub(super) fn take_run(&mut self, text: &str, seen: Parts) -> Result<Parts, Failure> {
        let (digits, fraction) = split_fraction(text);
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Failure::Format);
        }
        let number = |digits: &str| digits.parse::<i32>().map_err(|_| Failure::Field);
        if let Some(fraction) = fraction {
            self.micros = fraction_micros(fraction)?;
        } else if seen & DATE != DATE && digits.len() >= 6 {
            let (rest, day) = digits.split_at(digits.len() - 2);
            let (year, month) = rest.split_at(rest.len() - 2);
            self.day = number(day)?;
            self.month = number(month)?;
            self.year = number(year)?;
            self.is_short_year |= year.len() == 2;
            return Ok(DATE);
        }
        if seen & TIME != 0 || !matches!(digits.len(), 4 | 6) {
            return Err(Failure::Format);
        }
        self.hour = number(&digits[..2])?;
        self.minute = number(&digits[2..4])?;
        self.second = if digits.len() == 6 { number(&digits[4..])? } else { 0 };
        Ok(TIME)
    }

    /// Takes a date whose parts are joined: `2024-01-02`, `2-Jan-2024`, `2.1.2024`.
    pub(super) fn take_date(
        &mut self,
        text: &str,
        seen: Parts,
        month_of: impl Fn(&str) -> Option<i32>,
    ) -> Result<Parts, Failure> {
        let (mut seen, mut found) = (seen, 0);
        let has_named_month = self.has_named_month;
        self.has_named_month = false;
        if !text.ends_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(Failure::Format);
        }
        // A month's name settles what the numbers are, so it goes first.
        for is_number in [false, true] {
            for part in Runs(text) {
                let starts_with_digit = part.starts_with(|c: char| c.is_ascii_digit());
                if starts_with_digit != is_number {
                    continue;
                }
                let new = if is_number {
                    self.take_number(part, seen)?
                } else {
                    self.month = month_of(part).ok_or(Failure::Format)?;
                    self.has_named_month = true;
                    MONTH
                };
                if seen & new != 0 {
                    return Err(Failure::Format);
                }
                seen |= new;
                found |= new;
            }
        }
        self.has_named_month = has_named_month;
        if seen & !(DAY_OF_YEAR | ZONE) != DATE {
            return Err(Failure::Format);
        }
        Ok(found)
    }

    /// Takes a Julian day, with a fraction or without.
    pub(super) fn take_julian(&mut self, text: &str) -> Result<Parts, Failure> {
        let (digits, fraction) = split_fraction(text);
        let day: i32 = digits.parse().map_err(|_| Failure::Field)?;
        let civil = Civil::from_days(i64::from(day) - UNIX_EPOCH_JULIAN);
        (self.year, self.month, self.day) = (civil.year, civil.month as i32, civil.day as i32);
        self.is_julian = true;
        let Some(fraction) = fraction else { return Ok(DATE) };
        let day_fraction: f64 = format!("0.{fraction}").parse().map_err(|_| Failure::Format)?;
        let micros = (day_fraction * (SECONDS_PER_DAY * MICROS_PER_SECOND) as f64) as i64;
        let seconds = (micros / MICROS_PER_SECOND) as i32;
        (self.hour, self.minute, self.second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        self.micros = micros % MICROS_PER_SECOND;
        Ok(DATE | TIME)
    }

    /// Takes a time with colons: `03:04`, `03:04:05.678`; `04:05.678` is minutes and seconds.
    pub(super) fn take_time(&mut self, text: &str) -> Result<Parts, Failure> {
        let clock = Clock::parse(text)?;
        let hour = i32::try_from(clock.hour).map_err(|_| Failure::Field)?;
        (self.hour, self.minute, self.second) = (hour, clock.minute, clock.second);
        self.micros = clock.micros;
        Ok(TIME)
    }

    /// Checks the parts of the date, and turns two-digit years, eras and days of the year into what
    /// they mean.
    pub(super) fn complete_date(&mut self, seen: Parts) -> Result<(), Failure> {
        if seen & YEAR != 0 && !self.is_julian {
            if self.is_bc {
                if self.year <= 0 {
                    return Err(Failure::Field);
                }
                self.year = 1 - self.year;
            } else if self.is_short_year {
                self.year += match self.year {
                    0..70 => 2000,
                    70..100 => 1900,
                    _ => 0,
                };
            } else if self.year <= 0 {
                return Err(Failure::Field);
            }
        }
        if seen & DAY_OF_YEAR != 0 {
            let new_year = Civil { year: self.year, month: 1, day: 1 }.days();
            let civil = Civil::from_days(new_year + i64::from(self.day_of_year) - 1);
            (self.year, self.month, self.day) = (civil.year, civil.month as i32, civil.day as i32);
        }
        if (seen & MONTH != 0 && !(1..=12).contains(&self.month))
            || (seen & DAY != 0 && !(1..=31).contains(&self.day))
        {
            return Err(Failure::MonthOrDay);
        }
        if seen & DATE == DATE && self.day as u32 > days_in_month(self.year, self.month as u32) {
            return Err(Failure::Field);
        }
        Ok(())
    }

    /// Checks the time of day and applies AM and PM.
    pub(super) fn complete_time(&mut self) -> Result<(), Failure> {
        if let Some(is_afternoon) = self.is_afternoon {
            if self.hour > 12 {
                return Err(Failure::Field);
            }
            self.hour = self.hour % 12 + if is_afternoon { 12 } else { 0 };
        }
        Ok(())
    }

    /// Checks that the time is one of a day: up to 24:00:00, with a leap second.
    pub(super) fn check_time(&self) -> Result<(), Failure> {
        let is_past_midnight =
            self.hour == 24 && (self.minute > 0 || self.second > 0 || self.micros > 0);
        if self.hour > 24 || self.minute > 59 || self.second > 60 || is_past_midnight {
            return Err(Failure::Field);
        }
        Ok(())
    }

    /// Seconds since midnight, without the fraction.
    pub(super) fn seconds_of_day(&self) -> i64 {
        i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }
}

/// A time with colons, of a day or of an interval.
pub(in crate::value) struct Clock {
    pub(in crate::value) hour: i64,
    pub(in crate::value) minute: i32,
    pub(in crate::value) second: i32,
    pub(in crate::value) micros: i64,
}

impl Clock {
    /// Reads `03:04`, `03:04:05`, `03:04:05.678` or `04:05.678`. Digits may be missing, as in
    /// PostgreSQL: `3::5`.
    pub(in crate::value) fn parse(text: &str) -> Result<Self, Failure> {
        let (hour, rest) = leading_number(text)?;
        let (minute, rest) = leading_number(rest.strip_prefix(':').ok_or(Failure::Format)?)?;
        let (hour, minute, second, micros) = if rest.is_empty() {
            (hour, minute, 0, 0)
        } else if let Some(fraction) = rest.strip_prefix('.') {
            (0, hour, minute, fraction_micros(fraction)?)
        } else {
            let (second, rest) = leading_number(rest.strip_prefix(':').ok_or(Failure::Format)?)?;
            let micros = match rest.strip_prefix('.') {
                Some(fraction) => fraction_micros(fraction)?,
                None if rest.is_empty() => 0,
                None => return Err(Failure::Format),
            };
            (hour, minute, second, micros)
        };
        if minute > 59 || second > 60 {
            return Err(Failure::Field);
        }
        Ok(Self { hour, minute: minute as i32, second: second as i32, micros })
    }
}

/// The number of the digits at the start, 0 for none, and the rest.
fn leading_number(text: &str) -> Result<(i64, &str), Failure> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let value = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| Failure::Field)? };
    Ok((value, rest))
}

/// What is before the point and behind it.
fn split_fraction(text: &str) -> (&str, Option<&str>) {
    match text.split_once('.') {
        Some((digits, fraction)) => (digits, Some(fraction)),
        None => (text, None),
    }
}

/// Microseconds of the digits behind a point: rounded through a double, as in PostgreSQL.
fn fraction_micros(digits: &str) -> Result<i64, Failure> {
    if digits.is_empty() {
        return Ok(0);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Failure::Format);
    }
    let fraction: f64 = format!("0.{digits}").parse().map_err(|_| Failure::Format)?;
    Ok((fraction * MICROS_PER_SECOND as f64).round_ties_even() as i64)
}

/// The runs of digits and of letters in a text.
struct Runs<'a>(&'a str);

impl<'a> Iterator for Runs<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_digit = text.chars().next()?.is_ascii_digit();
        let end = text
            .find(|c: char| !c.is_ascii_alphanumeric() || c.is_ascii_digit() != is_digit)
            .unwrap_or(text.len());
        let (run, rest) = text.split_at(end);
        // Like PostgreSQL, drop one character behind a run, whatever it is.
        self.0 = rest.get(1..).unwrap_or("");
        Some(run)
    }
}
