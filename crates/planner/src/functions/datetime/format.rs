//! `to_char` of timestamps and intervals.

use std::fmt::Write;

use arrow::array::{ArrayRef, TimestampMicrosecondArray};
use arrow::datatypes::{IntervalMonthDayNano, IntervalMonthDayNanoType, TimestampMicrosecondType};
use bytes::BytesMut;
use weir_connect::value::{DateFormat, DateStyle, FormatSettings, ValueEncoder};
use weir_types::{Error, Result, SqlState, SqlType};

use super::calendar::{
    Civil, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, UNIX_EPOCH_JULIAN, iso_week,
    iso_week_monday, split, to_local, weekday,
};
use super::interval::micros;
use super::template::{self, Field, Key, MONTHS, Node, Ordinal, ROMAN_MONTHS, WEEKDAYS};
use crate::functions::call::Call;
use crate::functions::overload::{Declaration, declare};

type Stamp = TimestampMicrosecondType;

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("to_char(timestamp, text) -> text", |call| {
        let stamps = call.numbers::<Stamp>(0);
        each(call, |row| Ok(Some(stamps.at(row))), |_, local| Ok(Parts::of_timestamp(local)))
    }),
    declare("to_char(timestamptz, text) -> text", |call| {
        let (stamps, zone) = (call.numbers::<Stamp>(0), &call.settings.time_zone);
        let local = |row| to_local(stamps.at(row), zone).map(Some);
        each(call, local, |row, local| {
            let instant = stamps.at(row);
            let mut parts = Parts::of_timestamp(local);
            let east = zone.offset_at(instant.div_euclid(MICROS_PER_SECOND));
            parts.zone = Some(Zone { east: east.into(), instant });
            Ok(parts)
        })
    })
    .uses_settings(),
    declare("to_char(interval, text) -> text", |call| {
        let spans = call.numbers::<IntervalMonthDayNanoType>(0);
        each(call, |_| Ok(None), |row, _| Ok(Parts::of_interval(spans.at(row))))
    }),
];

/// The text of each row; rows of one time unit that the template does not look into have one text. `local` gives
/// the microseconds of a row in its local time, and none where that is not all that the text depends on.
fn each(
    call: &Call<'_>,
    local: impl Fn(usize) -> Result<Option<i64>>,
    parts: impl Fn(usize, i64) -> Result<Parts>,
) -> Result<ArrayRef> {
    let templates = call.texts(1);
    let mut parsed: Option<(&str, Vec<Node>, Option<i64>)> = None;
    // The number of the last unit, and its text.
    let mut last: Option<(i64, String)> = None;
    call.each_text(|row, out| {
        let template = templates.at(row);
        if parsed.as_ref().is_none_or(|(before, ..)| *before != template) {
            let nodes = template::parse(template).0;
            let unit = template::unit(&nodes);
            parsed = Some((template, nodes, unit));
            last = None;
        }
        let Some((_, nodes, unit)) = &parsed else { return Ok(()) };
        let local = local(row)?;
        let number = local.zip(*unit).map(|(local, unit)| local.div_euclid(unit));
        if let (Some(number), Some((known, text))) = (number, &last)
            && number == *known
        {
            out.push_str(text);
            return Ok(());
        }
        let parts = parts(row, local.unwrap_or_default())?;
        for node in nodes {
            match node {
                Node::Char(c, _) => out.push(*c),
                Node::Field(field) => parts.write(field, call.settings, out)?,
            }
        }
        last = number.map(|number| (number, out.clone()));
        Ok(())
    })
}

/// What a template can show.
struct Parts {
    year: i64,
    month: i64,
    day: i64,
    /// Days since 1970-01-01; `None` of an interval.
    date: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    zone: Option<Zone>,
}

/// Where a local time belongs.
struct Zone {
    /// Seconds east of UTC.
    east: i64,
    instant: i64,
}

impl Parts {
    fn of_timestamp(stamp: i64) -> Self {
        let (days, time) = split(stamp);
        let Civil { year, month, day } = Civil::from_days(days);
        Self { year, month, day, date: Some(days), ..Self::of_time(time) }
    }

    fn of_interval(span: IntervalMonthDayNano) -> Self {
        let months = i64::from(span.months);
        Self {
            year: months / 12,
            month: months % 12,
            day: span.days.into(),
            ..Self::of_time(micros(span))
        }
    }

    fn of_time(time: i64) -> Self {
        Self {
            year: 0,
            month: 0,
            day: 0,
            date: None,
            hour: time / MICROS_PER_HOUR,
            minute: time / MICROS_PER_MINUTE % 60,
            second: time / MICROS_PER_SECOND % 60,
            micros: time % MICROS_PER_SECOND,
            zone: None,
        }
    }

    fn date(&self) -> Result<i64> {
        self.date.ok_or_else(|| {
            Error::new(
                SqlState::InvalidDatetimeFormat,
                "invalid format specification for an interval value",
            )
            .with_hint("Intervals are not tied to specific calendar dates.")
        })
    }

    /// The year counted from 1 in both eras.
    fn shown_year(&self, year: i64) -> i64 {
        if self.date.is_some() && year <= 0 { 1 - year } else { year }
    }

    fn write(&self, field: &Field, settings: &FormatSettings, out: &mut String) -> Result<()> {
        let start = out.len();
        match field.key {
            Key::Meridiem
            | Key::Era
            | Key::Offset
            | Key::ZoneHour
            | Key::ZoneMinute
            | Key::ZoneName => {
                self.write_word(field, settings, out)?;
                return Ok(());
            }
            Key::MonthName
            | Key::MonthAbbreviation
            | Key::DayName
            | Key::DayAbbreviation
            | Key::Roman => {
                self.write_name(field, out)?;
                return Ok(());
            }
            _ => self.write_number(field, out)?,
        }
        if let Some(ordinal) = field.ordinal {
            let ending = template::ordinal_ending(&out[start..]);
            match ordinal {
                Ordinal::Upper => out.push_str(&ending.to_uppercase()),
                Ordinal::Lower => out.push_str(ending),
            }
        }
        Ok(())
    }

    fn write_number(&self, field: &Field, out: &mut String) -> Result<()> {
        let (value, width) = match field.key {
            Key::Hour24 => (self.hour, 2),
            Key::Hour12 => (if self.hour % 12 == 0 { 12 } else { self.hour % 12 }, 2),
            Key::Minute => (self.minute, 2),
            Key::Second => (self.second, 2),
            Key::Fraction(digits) => {
                let width = usize::from(digits);
                (self.micros / 10_i64.pow(6 - u32::from(digits)), width)
            }
            Key::Millisecond => (self.micros / 1000, 3),
            Key::Microsecond => (self.micros, 6),
            Key::SecondOfDay => (self.hour * 3600 + self.minute * 60 + self.second, 1),
            Key::Month => (self.month, 2),
            Key::DayOfMonth => (self.day, 2),
            Key::DayOfYear => {
                let first = Civil { year: self.year, month: 1, day: 1 }.days();
                (self.date.map_or(self.day, |date| date - first + 1), 3)
            }
            Key::DayOfWeek => (weekday(self.date()?) + 1, 1),
            Key::IsoDayOfWeek => ((weekday(self.date()?) + 6) % 7 + 1, 1),
            Key::WeekOfYear => {
                let first = Civil { year: self.year, month: 1, day: 1 }.days();
                (self.date.map_or(self.day, |date| date - first + 1).saturating_sub(1) / 7 + 1, 2)
            }
            Key::WeekOfMonth => ((self.day - 1) / 7 + 1, 1),
            Key::IsoWeek => (iso_week(self.date()?).1, 2),
            Key::IsoDayOfYear => {
                let date = self.date()?;
                (date - iso_week_monday(iso_week(date).0, 1) + 1, 3)
            }
            Key::Julian => (self.date()? + UNIX_EPOCH_JULIAN, 1),
            Key::Quarter if self.month == 0 => return Ok(()),
            Key::Quarter => ((self.month - 1) / 3 + 1, 1),
            Key::Century => (self.century(), 2),
            _ => return self.write_year(field, out),
        };
        let width = if field.is_bare && !is_fraction(field.key) { 1 } else { width };
        padded(value, width, out);
        Ok(())
    }

    fn century(&self) -> i64 {
        match (self.date, self.year) {
            (None, year) => year / 100,
            (Some(_), year @ 1..) => (year - 1) / 100 + 1,
            (Some(_), year) => year / 100 - 1,
        }
    }

    fn write_year(&self, field: &Field, out: &mut String) -> Result<()> {
        let (year, digits) = match field.key {
            Key::YearWithComma => {
                let year = self.shown_year(self.year);
                write!(out, "{},{:03}", year / 1000, year % 1000).map_err(no_text)?;
                return Ok(());
            }
            Key::Year(digits) => (self.shown_year(self.year), digits),
            Key::IsoYear(digits) => (self.shown_year(iso_week(self.date()?).0), digits),
            other => return Err(Error::internal(format!("{other:?} is no number"))),
        };
        let shown = if digits < 4 { year % 10_i64.pow(digits.into()) } else { year };
        padded(shown, if field.is_bare { 1 } else { usize::from(digits) }, out);
        Ok(())
    }

    /// Names of months and days, filled up with blanks.
    fn write_name(&self, field: &Field, out: &mut String) -> Result<()> {
        let (name, width) = match field.key {
            // The months of an interval have no name where there are none.
            Key::MonthName | Key::MonthAbbreviation | Key::Roman if self.month == 0 => {
                return Ok(());
            }
            Key::MonthName => (MONTHS[self.month_index()], 9),
            Key::MonthAbbreviation => (&MONTHS[self.month_index()][..3], 3),
            Key::Roman => (ROMAN_MONTHS[self.month_index()], 4),
            Key::DayName => (WEEKDAYS[weekday(self.date()?) as usize], 9),
            _ => (&WEEKDAYS[weekday(self.date()?) as usize][..3], 3),
        };
        let mut second = field.written.chars().skip(1);
        let name = if field.written.starts_with(|c: char| c.is_ascii_lowercase()) {
            name.to_lowercase()
        } else if second.next().is_some_and(|c| c.is_ascii_uppercase()) {
            name.to_uppercase()
        } else {
            name.to_owned()
        };
        if field.is_bare {
            out.push_str(&name);
        } else {
            write!(out, "{name:width$}").map_err(no_text)?;
        }
        Ok(())
    }

    /// From 0; negative months of an interval count from the end of the year.
    fn month_index(&self) -> usize {
        (self.month - 1).rem_euclid(12) as usize
    }

    fn write_word(&self, field: &Field, settings: &FormatSettings, out: &mut String) -> Result<()> {
        match field.key {
            Key::Meridiem => {
                let letter = if self.hour.rem_euclid(24) >= 12 { "P" } else { "A" };
                out.push_str(&in_form(letter, "M", field.written));
            }
            Key::Era => {
                self.date()?;
                let letters = if self.year <= 0 { ("B", "C") } else { ("A", "D") };
                out.push_str(&in_form(letters.0, letters.1, field.written));
            }
            _ => {
                let Some(Zone { east, instant }) = &self.zone else {
                    // A timestamp without zone is shown as if at UTC, without a name.
                    match field.key {
                        Key::Offset | Key::ZoneHour => out.push_str("+00"),
                        Key::ZoneMinute => out.push_str("00"),
                        _ => {}
                    }
                    return Ok(());
                };
                let sign = if *east >= 0 { '+' } else { '-' };
                let (hours, minutes) = (east.abs() / 3600, east.abs() / 60 % 60);
                match field.key {
                    Key::Offset => {
                        write!(out, "{sign}{hours:02}").map_err(no_text)?;
                        if minutes != 0 {
                            write!(out, ":{minutes:02}").map_err(no_text)?;
                        }
                    }
                    Key::ZoneHour => write!(out, "{sign}{hours:02}").map_err(no_text)?,
                    Key::ZoneMinute => write!(out, "{minutes:02}").map_err(no_text)?,
                    _ => {
                        let name = abbreviation(*instant, settings)?;
                        let is_lower = field.written == "tz";
                        out.push_str(&if is_lower {
                            name.to_lowercase()
                        } else {
                            name.to_uppercase()
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

/// What the zone calls itself at an instant: the last word of the verbose form of the instant.
fn abbreviation(instant: i64, settings: &FormatSettings) -> Result<String> {
    let style = DateStyle { format: DateFormat::Postgres, ..settings.date_style };
    let verbose = FormatSettings { date_style: style, ..settings.clone() };
    let array = TimestampMicrosecondArray::from(vec![instant]).with_timezone("UTC");
    let mut text = BytesMut::new();
    ValueEncoder::new(&array, &SqlType::Timestamptz, &verbose)?.write_text(0, &mut text)?;
    let text = String::from_utf8_lossy(&text);
    let words = text.strip_suffix(" BC").unwrap_or(&text);
    Ok(words.rsplit(' ').next().unwrap_or("").to_owned())
}

fn is_fraction(key: Key) -> bool {
    matches!(key, Key::Fraction(_) | Key::Millisecond | Key::Microsecond)
}

/// With zeros in front; a minus does not count for the width.
fn padded(value: i64, width: usize, out: &mut String) {
    if value < 0 {
        out.push('-');
    }
    let digits = value.unsigned_abs().to_string();
    out.extend(std::iter::repeat_n('0', width.saturating_sub(digits.len())));
    out.push_str(&digits);
}

/// Two letters in the case and with the points of the template.
fn in_form(first: &str, second: &str, written: &str) -> String {
    let text = if written.contains('.') {
        format!("{first}.{second}.")
    } else {
        format!("{first}{second}")
    };
    if written.starts_with(|c: char| c.is_ascii_lowercase()) { text.to_lowercase() } else { text }
}

fn no_text(_: std::fmt::Error) -> Error {
    Error::internal("a String takes any text")
}
