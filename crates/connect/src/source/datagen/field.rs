//! One generated column: what its options say, and the text of its value in a row.
//!
//! Options `fields.<column>.`
//! - `kind`: `sequence` (numbers, their text, dates, timestamps), `random` (every type), `now`
//!   (dates and timestamps, for which it is the default);
//! - `null_probability`: 0 to 1, share of NULLs;
//! - of a sequence: `start` (1, or 2024-01-01), `step` (1; a length of time for timestamps, days
//!   for dates), `end` (none): the stream ends with the row that reaches it;
//! - of random values: `min` and `max`, both included; `length` of texts and byte strings, most
//!   elements of arrays; `values`: a list with commas to choose from instead.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arrow::array::AsArray;
use arrow::datatypes::{Date32Type, Time64MicrosecondType, TimestampMicrosecondType};
use weir_types::{Error, Result, SqlState, SqlType};

use super::random::Random;
use crate::format::instant_text;
use crate::source::options::Options;
use crate::value::{ColumnBuilder, FormatSettings};

const DAY_MICROS: i64 = 86_400_000_000;
/// 2024-01-01 00:00:00 in microseconds since 1970: where made-up times begin.
const FIRST_INSTANT: i64 = 1_704_067_200_000_000;
const YEAR_MICROS: i64 = 366 * DAY_MICROS;
/// Longest text and byte string, most elements.
const LENGTH_MAX: usize = 1_000_000;

/// A generated column.
pub(super) struct Field {
    name: String,
    sql_type: SqlType,
    null_probability: f64,
    kind: Kind,
}

enum Kind {
    Sequence(Sequence),
    Random(Shape),
    Now,
}

struct Sequence {
    unit: Unit,
    start: i64,
    step: i64,
    end: Option<i64>,
}

/// What the numbers of a sequence count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    One,
    Day,
    Microsecond,
}

/// What random values look like.
enum Shape {
    Bool,
    /// An integer, the last `scale` digits of which come after a decimal point.
    Decimal {
        min: i128,
        max: i128,
        scale: usize,
    },
    Float {
        min: f64,
        max: f64,
    },
    Text {
        length: usize,
    },
    Bytes {
        length: usize,
    },
    Date {
        min: i64,
        max: i64,
    },
    Time {
        min: i64,
        max: i64,
    },
    Instant {
        min: i64,
        max: i64,
    },
    Interval {
        min: i64,
        max: i64,
    },
    Uuid,
    Json,
    Choice(Vec<String>),
    Array {
        element: Box<Shape>,
        length: usize,
    },
}

impl Field {
    /// Reads the options of a column.
    pub(super) fn new(options: &Options, name: &str, sql_type: &SqlType) -> Result<Self> {
        let reader = FieldOptions { options, name, sql_type };
        let is_time = matches!(sql_type, SqlType::Timestamp | SqlType::Timestamptz | SqlType::Date);
        let kind = match options.choice(&reader.key("kind"), &["sequence", "random", "now"])? {
            Some(0) => Kind::Sequence(reader.sequence()?),
            Some(2) if !is_time => {
                let hint = "now is for columns of type date, timestamp and timestamptz.";
                return Err(reader.invalid("kind", hint));
            }
            None if is_time && !reader.has_range() => Kind::Now,
            Some(2) => Kind::Now,
            _ => Kind::Random(reader.shape(sql_type, false)?),
        };
        let share = "a number from 0 to 1";
        let null_probability =
            options.parsed(&reader.key("null_probability"), share)?.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&null_probability) {
            return Err(reader.invalid("null_probability", "It must be a number from 0 to 1."));
        }
        Ok(Self { name: name.to_owned(), sql_type: sql_type.clone(), null_probability, kind })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn sql_type(&self) -> &SqlType {
        &self.sql_type
    }

    pub(super) fn gives_nulls(&self) -> bool {
        self.null_probability > 0.0
    }

    /// Rows until a sequence reaches its end.
    pub(super) fn rows(&self) -> Option<u64> {
        let Kind::Sequence(Sequence { start, step, end: Some(end), .. }) = self.kind else {
            return None;
        };
        let steps = (i128::from(end) - i128::from(start)) / i128::from(step);
        u64::try_from(steps + 1).ok()
    }

    /// Writes the text of the value in a row; false is NULL.
    ///
    /// # Errors
    /// A sequence that left its type.
    pub(super) fn write(&self, row: u64, random: &mut Random, out: &mut String) -> Result<bool> {
        if self.null_probability > 0.0 && random.fraction() < self.null_probability {
            return Ok(false);
        }
        match &self.kind {
            Kind::Sequence(sequence) => sequence.write(row, out)?,
            Kind::Random(shape) => shape.write(random, out)?,
            Kind::Now => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                write_instant(i64::try_from(since.as_micros()).unwrap_or(i64::MAX), out)?;
            }
        }
        Ok(true)
    }
}

impl Sequence {
    fn write(&self, row: u64, out: &mut String) -> Result<()> {
        let value = i128::from(self.start) + i128::from(self.step) * i128::from(row);
        let value = i64::try_from(value).map_err(|_| {
            Error::new(SqlState::NumericValueOutOfRange, "the sequence ran out of numbers")
        })?;
        match self.unit {
            Unit::One => {
                write_text(out, format_args!("{value}"));
                Ok(())
            }
            Unit::Day => write_instant(value.saturating_mul(DAY_MICROS), out),
            Unit::Microsecond => write_instant(value, out),
        }
    }
}

impl Shape {
    fn write(&self, random: &mut Random, out: &mut String) -> Result<()> {
        let mut between = |min: i64, max: i64| {
            // A number between two 64-bit numbers is one.
            random.between(i128::from(min), i128::from(max)) as i64
        };
        match self {
            Self::Bool => out.push(if random.below(2) == 0 { 'f' } else { 't' }),
            Self::Decimal { min, max, scale } => {
                write_decimal(random.between(*min, *max), *scale, out);
            }
            Self::Float { min, max } => {
                let value = min + random.fraction() * (max - min);
                write_text(out, format_args!("{value}"));
            }
            Self::Text { length } => write_letters(*length, random, out),
            Self::Bytes { length } => {
                out.push_str("\\x");
                for _ in 0..*length {
                    write_text(out, format_args!("{:02x}", random.below(256)));
                }
            }
            Self::Date { min, max } => {
                write_instant(between(*min, *max).saturating_mul(DAY_MICROS), out)?;
            }
            Self::Time { min, max } => {
                let time = between(*min, *max);
                let (seconds, micros) = (time / 1_000_000, time % 1_000_000);
                let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
                write_text(out, format_args!("{hour:02}:{minute:02}:{second:02}.{micros:06}"));
            }
            Self::Instant { min, max } => write_instant(between(*min, *max), out)?,
            Self::Interval { min, max } => {
                let time = between(*min, *max);
                write_text(out, format_args!("{} seconds", time as f64 / 1e6));
            }
            Self::Uuid => write_uuid(random, out),
            Self::Json => {
                write_text(
                    out,
                    format_args!("{{\"id\": {}, \"name\": \"", random.below(1_000_000)),
                );
                write_letters(10, random, out);
                out.push_str("\"}");
            }
            Self::Choice(values) => {
                out.push_str(&values[random.below(values.len() as u64) as usize])
            }
            Self::Array { element, length } => write_array(element, *length, random, out)?,
        }
        Ok(())
    }
}

fn write_array(
    element: &Shape,
    length: usize,
    random: &mut Random,
    out: &mut String,
) -> Result<()> {
    out.push('{');
    let mut text = String::new();
    for index in 0..random.below(length as u64 + 1) {
        text.clear();
        element.write(random, &mut text)?;
        out.push_str(if index == 0 { "\"" } else { ",\"" });
        for letter in text.chars() {
            if matches!(letter, '"' | '\\') {
                out.push('\\');
            }
            out.push(letter);
        }
        out.push('"');
    }
    out.push('}');
    Ok(())
}

fn write_letters(length: usize, random: &mut Random, out: &mut String) {
    out.extend((0..length).map(|_| char::from(b'a' + random.below(26) as u8)));
}

fn write_uuid(random: &mut Random, out: &mut String) {
    let bits = (u128::from(random.bits()) << 64) | u128::from(random.bits());
    // Version 4 (random), variant of RFC 4122.
    let bits = bits & !(0xF << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    write_text(out, format_args!("{a}-{b}-{c}-{d}-{e}"));
}

fn write_decimal(value: i128, scale: usize, out: &mut String) {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    let point = if scale == 0 { "" } else { "." };
    write_text(out, format_args!("{sign}{whole}{point}{fraction}"));
}

fn write_instant(micros: i64, out: &mut String) -> Result<()> {
    out.push_str(&instant_text(micros)?);
    Ok(())
}

fn write_text(out: &mut String, text: std::fmt::Arguments) {
    out.write_fmt(text).expect("writing to a String never fails");
}

/// The options of one column.
struct FieldOptions<'a> {
    options: &'a Options<'a>,
    name: &'a str,
    sql_type: &'a SqlType,
}

impl FieldOptions<'_> {
    fn key(&self, option: &str) -> String {
        format!("fields.{}.{option}", self.name)
    }

    fn text(&self, option: &str) -> Option<&str> {
        self.options.text(&self.key(option))
    }

    fn invalid(&self, option: &str, hint: &str) -> Error {
        let value = self.text(option).unwrap_or_default();
        self.options.invalid(&self.key(option), value, hint)
    }

    /// True where an option of random values is given.
    fn has_range(&self) -> bool {
        ["min", "max", "values"].iter().any(|option| self.text(option).is_some())
    }

    fn sequence(&self) -> Result<Sequence> {
        let unit = match self.sql_type {
            SqlType::Timestamp | SqlType::Timestamptz => Unit::Microsecond,
            SqlType::Date => Unit::Day,
            SqlType::Numeric(_) | SqlType::Float4 | SqlType::Float8 => Unit::One,
            t if t.is_integer() || t.is_text_like() => Unit::One,
            _ => {
                let hint = "A sequence is for numbers, texts, dates and timestamps.";
                return Err(self.invalid("kind", hint));
            }
        };
        let default_start = match unit {
            Unit::One => 1,
            Unit::Day => FIRST_INSTANT / DAY_MICROS,
            Unit::Microsecond => FIRST_INSTANT,
        };
        let start = self.point("start")?.unwrap_or(default_start);
        let end = self.point("end")?;
        let step = match unit {
            Unit::Microsecond => {
                let step = self.options.duration(&self.key("step"))?;
                let step = step.unwrap_or(Duration::from_secs(1)).as_micros();
                i64::try_from(step).unwrap_or(i64::MAX)
            }
            Unit::One | Unit::Day => {
                self.options.parsed(&self.key("step"), "a whole number other than 0")?.unwrap_or(1)
            }
        };
        if step == 0 {
            return Err(self.invalid("step", "It must be other than 0."));
        }
        if end.is_some_and(|end| end != start && (end > start) != (step > 0)) {
            return Err(self.invalid("end", "The steps from start must lead to it."));
        }
        Ok(Sequence { unit, start, step, end })
    }

    /// The value of an option as a number of the column's type: of microseconds, days or ones.
    fn point(&self, option: &str) -> Result<Option<i64>> {
        let Some(text) = self.text(option) else { return Ok(None) };
        let hint = format!("It must be a whole number or time that type {} has.", self.sql_type);
        let whole_only = !matches!(
            self.sql_type,
            SqlType::Timestamp | SqlType::Timestamptz | SqlType::Date | SqlType::Time
        );
        let array = self.parsed_value(text).map_err(|_| self.invalid(option, &hint))?;
        if whole_only {
            return text.trim().parse().map(Some).map_err(|_| self.invalid(option, &hint));
        }
        Ok(Some(match self.sql_type {
            SqlType::Date => i64::from(array.as_primitive::<Date32Type>().value(0)),
            SqlType::Time => array.as_primitive::<Time64MicrosecondType>().value(0),
            _ => array.as_primitive::<TimestampMicrosecondType>().value(0),
        }))
    }

    /// A text as an array of one value of the column's type: PostgreSQL's input form.
    fn parsed_value(&self, text: &str) -> Result<arrow::array::ArrayRef> {
        let mut builder = ColumnBuilder::new(self.sql_type, &FormatSettings::default());
        builder.push_text(text)?;
        builder.finish()
    }

    /// The shape of random values of a type, which is the column's or that of its elements.
    fn shape(&self, sql_type: &SqlType, is_element: bool) -> Result<Shape> {
        if !is_element && let Some(values) = self.text("values") {
            return self.choice(values);
        }
        Ok(match sql_type {
            SqlType::Bool => Shape::Bool,
            SqlType::Int2 => self.decimals(i16::MIN.into(), i16::MAX.into(), 0)?,
            SqlType::Int4 => self.decimals(i32::MIN.into(), i32::MAX.into(), 0)?,
            SqlType::Int8 => self.decimals(i64::MIN.into(), i64::MAX.into(), 0)?,
            SqlType::Numeric(Some((precision, scale))) => {
                // Digits beyond those of 128 bits are never made.
                let most = 10_i128.pow(u32::from(*precision).min(37)) - 1;
                self.decimals(-most, most, usize::try_from(*scale).unwrap_or(0).min(37))?
            }
            SqlType::Numeric(None) => {
                let most = 10_i128.pow(30);
                self.decimals(-most, most, 2)?
            }
            SqlType::Float4 | SqlType::Float8 => {
                let (min, max) = self.range("a number", 0.0, 1.0)?;
                if !f64::is_finite(max - min) {
                    return Err(self.invalid("max", "It must be a finite number."));
                }
                Shape::Float { min, max }
            }
            SqlType::Text | SqlType::Name => {
                Shape::Text { length: self.length(is_element, 10, LENGTH_MAX)? }
            }
            SqlType::Varchar(most) | SqlType::Char(most) => {
                let most = most.map_or(LENGTH_MAX, |most| most as usize);
                Shape::Text { length: self.length(is_element, 10.min(most), most)? }
            }
            SqlType::Bytea => Shape::Bytes { length: self.length(is_element, 10, LENGTH_MAX)? },
            SqlType::Date => {
                let first = FIRST_INSTANT / DAY_MICROS;
                let (min, max) = self.points(is_element, first, first + 365)?;
                Shape::Date { min, max }
            }
            SqlType::Time => {
                let (min, max) = self.points(is_element, 0, DAY_MICROS - 1)?;
                Shape::Time { min, max }
            }
            SqlType::Timestamp | SqlType::Timestamptz => {
                let last = FIRST_INSTANT + YEAR_MICROS - 1;
                let (min, max) = self.points(is_element, FIRST_INSTANT, last)?;
                Shape::Instant { min, max }
            }
            SqlType::Interval => self.intervals()?,
            SqlType::Uuid => Shape::Uuid,
            SqlType::Json | SqlType::Jsonb => Shape::Json,
            SqlType::Array(element) if !is_element => Shape::Array {
                length: self.length(false, 3, LENGTH_MAX)?,
                element: Box::new(self.shape(element, true)?),
            },
            _ => {
                return Err(Error::new(
                    SqlState::DatatypeMismatch,
                    format!(
                        "connector \"datagen\" cannot make column \"{}\" of type {}",
                        self.name, self.sql_type
                    ),
                ));
            }
        })
    }

    fn choice(&self, values: &str) -> Result<Shape> {
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        for value in &values {
            self.parsed_value(value).map_err(|error| {
                let hint = format!("Each must be a value of type {}: {error}.", self.sql_type);
                self.invalid("values", &hint)
            })?;
        }
        Ok(Shape::Choice(values))
    }

    /// Integers of a type from `least` to `most`, or decimals in units of their last digit.
    fn decimals(&self, least: i128, most: i128, scale: usize) -> Result<Shape> {
        let unit = 10_i128.pow(scale as u32);
        let limit = |option: &str, default: i128| {
            let Some(text) = self.text(option) else { return Ok(default.min(most)) };
            let value = parse_decimal(text, scale).filter(|value| (least..=most).contains(value));
            let hint = format!("It must be a number that type {} has.", self.sql_type);
            value.ok_or_else(|| self.invalid(option, &hint))
        };
        let min = limit("min", 0)?;
        let default_max = if scale == 0 { 1_000_000 } else { unit.saturating_mul(1_000) };
        let max = limit("max", default_max.max(min))?;
        if min > max {
            return Err(self.invalid("min", "It must not be above max."));
        }
        Ok(Shape::Decimal { min, max, scale })
    }

    fn range<T>(&self, what: &str, min: T, max: T) -> Result<(T, T)>
    where
        T: std::str::FromStr + PartialOrd + Copy,
    {
        let min = self.options.parsed(&self.key("min"), what)?.unwrap_or(min);
        let given_max = self.options.parsed(&self.key("max"), what)?;
        let max = given_max.unwrap_or(if max < min { min } else { max });
        if min <= max {
            Ok((min, max))
        } else {
            Err(self.invalid("min", "It must not be above max."))
        }
    }

    /// `min` and `max` of a column of dates or times; elements of arrays take the defaults.
    fn points(&self, is_element: bool, min: i64, max: i64) -> Result<(i64, i64)> {
        if is_element {
            return Ok((min, max));
        }
        let min = self.point("min")?.unwrap_or(min);
        let max = self.point("max")?.unwrap_or(max.max(min));
        if min <= max {
            Ok((min, max))
        } else {
            Err(self.invalid("min", "It must not be above max."))
        }
    }

    fn intervals(&self) -> Result<Shape> {
        let micros = |option: &str, default: i64| {
            let time = self.options.duration(&self.key(option))?;
            Ok(time.map_or(default, |time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX)))
        };
        let (min, max) = (micros("min", 0)?, micros("max", DAY_MICROS)?);
        if min > max {
            return Err(self.invalid("min", "It must not be above max."));
        }
        Ok(Shape::Interval { min, max })
    }

    fn length(&self, is_element: bool, default: usize, most: usize) -> Result<usize> {
        if is_element {
            return Ok(default);
        }
        let length = self.options.parsed(&self.key("length"), "a whole number, 0 or more")?;
        let length = length.unwrap_or(default);
        if length > most {
            return Err(self.invalid("length", &format!("It must be at most {most}.")));
        }
        Ok(length)
    }
}

/// A decimal number in units of its digit number `scale` after the point.
fn parse_decimal(text: &str, scale: usize) -> Option<i128> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if fraction.len() > scale || whole.is_empty() || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<scale$}").parse::<i128>().ok().map(|value| sign * value)
}
