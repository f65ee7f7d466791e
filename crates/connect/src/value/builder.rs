//! PostgreSQL's text and binary forms to Arrow values.

mod list;

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Decimal256Builder,
    Float32Builder, Float64Builder, Int16Builder, Int32Builder, Int64Builder,
    IntervalMonthDayNanoBuilder, StringViewBuilder, StructArray, Time64MicrosecondBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, IntervalMonthDayNano};
use bytes::Buf;
use weir_delta::schema;
use weir_types::{Error, RegKind, Result, SqlState, SqlType};

use self::list::ListBuilder;
use super::calendar::{
    DATE_MAX, DATE_MIN, MICROS_PER_DAY, POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS, TIMESTAMP_MIN,
};
use super::failure::{bad_binary, datetime_range, no_such_value, too_short, utf8};
use super::integer::{INT2, INT4, INT8};
use super::interval::Interval;
use super::numeric::NumericType;
use super::settings::FormatSettings;
use super::{
    JSONB_VERSION, boolean, bytea, datetime_input, float, integer, interval_input, json, string,
    uuid,
};

/// Reads values of one SQL type into an Arrow array of `weir_delta::schema::arrow_type`.
///
/// A value that is refused leaves the builder as it was.
pub struct ColumnBuilder {
    values: Values,
    settings: FormatSettings,
    /// Decoded bytes of a `bytea`.
    bytes: Vec<u8>,
}

enum Values {
    Bool(BooleanBuilder),
    Int2(Int16Builder),
    Int4(Int32Builder),
    Int8(Int64Builder),
    Oid(Int64Builder),
    Reg(Int64Builder, RegKind),
    Lsn(Int64Builder),
    Float4(Float32Builder),
    Float8(Float64Builder),
    Numeric(Decimal128Builder, NumericType),
    WideNumeric(Decimal256Builder, NumericType),
    Text(StringViewBuilder, TextRule),
    Bytea(BinaryBuilder),
    Date(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Timestamptz(TimestampMicrosecondBuilder),
    Interval(IntervalMonthDayNanoBuilder),
    List(Box<ListBuilder>),
    /// The number of NULLs; nothing else can be read.
    Record(usize),
}

/// What the types that are kept as text check and change.
#[derive(Clone, Copy)]
enum TextRule {
    Any,
    Varchar(u32),
    Char(u32),
    Name,
    InternalChar,
    Json,
    Jsonb,
    Uuid,
    Void,
}

impl ColumnBuilder {
    /// An empty builder of that type. It takes memory only as values come.
    #[must_use]
    pub fn new(sql_type: &SqlType, settings: &FormatSettings) -> Self {
        let text = |rule| Values::Text(StringViewBuilder::with_capacity(0), rule);
        let values = match sql_type {
            SqlType::Bool => Values::Bool(BooleanBuilder::with_capacity(0)),
            SqlType::Int2 => Values::Int2(Int16Builder::with_capacity(0)),
            SqlType::Int4 => Values::Int4(Int32Builder::with_capacity(0)),
            SqlType::Int8 => Values::Int8(Int64Builder::with_capacity(0)),
            SqlType::Oid => Values::Oid(Int64Builder::with_capacity(0)),
            SqlType::Reg(kind) => Values::Reg(Int64Builder::with_capacity(0), *kind),
            SqlType::PgLsn => Values::Lsn(Int64Builder::with_capacity(0)),
            SqlType::Float4 => Values::Float4(Float32Builder::with_capacity(0)),
            SqlType::Float8 => Values::Float8(Float64Builder::with_capacity(0)),
            SqlType::Numeric(declared) => match schema::arrow_type(sql_type) {
                wide @ DataType::Decimal256(digits, _) => Values::WideNumeric(
                    Decimal256Builder::with_capacity(0).with_data_type(wide),
                    NumericType::new(*declared, digits),
                ),
                DataType::Decimal128(digits, scale) => Values::Numeric(
                    Decimal128Builder::with_capacity(0)
                        .with_data_type(DataType::Decimal128(digits, scale)),
                    NumericType::new(*declared, digits),
                ),
                other => unreachable!("numeric is kept in a decimal, not in {other}"),
            },
            SqlType::Text | SqlType::Varchar(None) | SqlType::Char(None) | SqlType::Unknown => {
                text(TextRule::Any)
            }
            SqlType::Varchar(Some(n)) => text(TextRule::Varchar(*n)),
            SqlType::Char(Some(n)) => text(TextRule::Char(*n)),
            SqlType::Name => text(TextRule::Name),
            SqlType::InternalChar => text(TextRule::InternalChar),
            SqlType::Json => text(TextRule::Json),
            SqlType::Jsonb => text(TextRule::Jsonb),
            SqlType::Uuid => text(TextRule::Uuid),
            SqlType::Void => text(TextRule::Void),
            SqlType::Bytea => Values::Bytea(BinaryBuilder::with_capacity(0, 0)),
            SqlType::Date => Values::Date(Date32Builder::with_capacity(0)),
            SqlType::Time => Values::Time(Time64MicrosecondBuilder::with_capacity(0)),
            SqlType::Timestamp => Values::Timestamp(TimestampMicrosecondBuilder::with_capacity(0)),
            SqlType::Timestamptz => Values::Timestamptz(
                TimestampMicrosecondBuilder::with_capacity(0)
                    .with_data_type(schema::arrow_type(sql_type)),
            ),
            SqlType::Interval => Values::Interval(IntervalMonthDayNanoBuilder::with_capacity(0)),
            SqlType::Int2Vector | SqlType::OidVector | SqlType::Array(_) => {
                Values::List(Box::new(ListBuilder::new(sql_type, settings)))
            }
            SqlType::Record => Values::Record(0),
        };
        Self { values, settings: settings.clone(), bytes: Vec::new() }
    }

    /// The number of values read since the last `finish`.
    #[must_use]
    pub fn len(&self) -> usize {
        use arrow::array::ArrayBuilder as _;
        match &self.values {
            Values::Bool(values) => values.len(),
            Values::Int2(values) => values.len(),
            Values::Int4(values) => values.len(),
            Values::Int8(values)
            | Values::Oid(values)
            | Values::Reg(values, _)
            | Values::Lsn(values) => values.len(),
            Values::Float4(values) => values.len(),
            Values::Float8(values) => values.len(),
            Values::Numeric(values, _) => values.len(),
            Values::WideNumeric(values, _) => values.len(),
            Values::Text(values, _) => values.len(),
            Values::Bytea(values) => values.len(),
            Values::Date(values) => values.len(),
            Values::Time(values) => values.len(),
            Values::Timestamp(values) | Values::Timestamptz(values) => values.len(),
            Values::Interval(values) => values.len(),
            Values::List(values) => values.len(),
            Values::Record(n_nulls) => *n_nulls,
        }
    }

    /// True if no value was read since the last `finish`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds NULL.
    pub fn push_null(&mut self) {
        match &mut self.values {
            Values::Bool(values) => values.append_null(),
            Values::Int2(values) => values.append_null(),
            Values::Int4(values) => values.append_null(),
            Values::Int8(values)
            | Values::Oid(values)
            | Values::Reg(values, _)
            | Values::Lsn(values) => values.append_null(),
            Values::Float4(values) => values.append_null(),
            Values::Float8(values) => values.append_null(),
            Values::Numeric(values, _) => values.append_null(),
            Values::WideNumeric(values, _) => values.append_null(),
            Values::Text(values, _) => values.append_null(),
            Values::Bytea(values) => values.append_null(),
            Values::Date(values) => values.append_null(),
            Values::Time(values) => values.append_null(),
            Values::Timestamp(values) | Values::Timestamptz(values) => values.append_null(),
            Values::Interval(values) => values.append_null(),
            Values::List(values) => values.push_null(),
            Values::Record(n_nulls) => *n_nulls += 1,
        }
    }

    /// Adds a value of PostgreSQL's text form. The errors are those of PostgreSQL's input functions:
    /// 22P02 for text that is none of the type, 22003 and 22008 outside its range, 22007 for a date
    /// or time of no known form, 22001 for text that is too long; and 54000 for a value of more than
    /// 64 MiB.
    pub fn push_text(&mut self, text: &str) -> Result<()> {
        let settings = &self.settings;
        match &mut self.values {
            Values::Bool(values) => values.append_value(boolean::parse(text)?),
            Values::Int2(values) => values.append_value(INT2.parse(text)? as i16),
            Values::Int4(values) => values.append_value(INT4.parse(text)? as i32),
            Values::Int8(values) => values.append_value(INT8.parse(text)?),
            Values::Oid(values) => values.append_value(integer::parse_oid(text, "oid")?.into()),
            Values::Reg(values, kind) => {
                values.append_value(integer::parse_reg(text, *kind)?.into())
            }
            Values::Lsn(values) => values.append_value(integer::parse_lsn(text)?.cast_signed()),
            Values::Float4(values) => values.append_value(float::parse(text)?),
            Values::Float8(values) => values.append_value(float::parse(text)?),
            Values::Numeric(values, numeric) => values.append_value(numeric.parse(text)?),
            Values::WideNumeric(values, numeric) => values.append_value(numeric.parse(text)?),
            Values::Text(values, rule) => push_string(values, *rule, text)?,
            Values::Bytea(values) => {
                bytea::parse(text, &mut self.bytes)?;
                push_bytes(values, &self.bytes)?;
            }
            Values::Date(values) => {
                values.append_value(datetime_input::parse_date(text, settings)?);
            }
            Values::Time(values) => {
                values.append_value(datetime_input::parse_time(text, settings)?);
            }
            Values::Timestamp(values) => {
                values.append_value(datetime_input::parse_timestamp(text, settings)?);
            }
            Values::Timestamptz(values) => {
                values.append_value(datetime_input::parse_timestamptz(text, settings)?);
            }
            Values::Interval(values) => {
                let interval = interval_input::parse(text, settings.interval_style)?;
                values.append_value(kept_interval(interval)?);
            }
            Values::List(values) => values.push_text(text)?,
            Values::Record(_) => return Err(no_record_input()),
        }
        Ok(())
    }

    /// Adds a value of PostgreSQL's binary form (that of its receive functions). 22P03 for bytes
    /// that are none; other errors as of [`Self::push_text`].
    pub fn push_binary(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.values {
            Values::Bool(values) => values.append_value(boolean::receive(bytes)?),
            Values::Int2(values) => values.append_value(i16::from_be_bytes(fixed(bytes)?)),
            Values::Int4(values) => values.append_value(i32::from_be_bytes(fixed(bytes)?)),
            Values::Int8(values) | Values::Lsn(values) => {
                values.append_value(i64::from_be_bytes(fixed(bytes)?));
            }
            Values::Oid(values) | Values::Reg(values, _) => {
                values.append_value(u32::from_be_bytes(fixed(bytes)?).into());
            }
            Values::Float4(values) => {
                values.append_value(float::with_one_nan(f32::from_be_bytes(fixed(bytes)?)));
            }
            Values::Float8(values) => {
                values.append_value(float::with_one_nan(f64::from_be_bytes(fixed(bytes)?)));
            }
            Values::Numeric(values, numeric) => values.append_value(numeric.receive(bytes)?),
            Values::WideNumeric(values, numeric) => values.append_value(numeric.receive(bytes)?),
            Values::Text(values, rule) => push_received_string(values, *rule, bytes)?,
            Values::Bytea(values) => push_bytes(values, bytes)?,
            Values::Date(values) => {
                values.append_value(received_date(i32::from_be_bytes(fixed(bytes)?))?);
            }
            Values::Time(values) => {
                let micros = i64::from_be_bytes(fixed(bytes)?);
                if !(0..=MICROS_PER_DAY).contains(&micros) {
                    return Err(datetime_range("time"));
                }
                values.append_value(micros);
            }
            Values::Timestamp(values) | Values::Timestamptz(values) => {
                values.append_value(received_timestamp(i64::from_be_bytes(fixed(bytes)?))?);
            }
            Values::Interval(values) => {
                let mut bytes: &[u8] = &fixed::<16>(bytes)?;
                let (micros, days, months) = (bytes.get_i64(), bytes.get_i32(), bytes.get_i32());
                values.append_value(kept_interval(Interval { months, days, micros })?);
            }
            Values::List(values) => values.push_binary(bytes)?,
            Values::Record(_) => return Err(no_record_input()),
        }
        Ok(())
    }

    /// The values read since the last `finish`, as one array; the builder is empty then. 54000 where
    /// an array column holds more than 2^31 elements in all.
    pub fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match &mut self.values {
            Values::Bool(values) => Arc::new(values.finish()),
            Values::Int2(values) => Arc::new(values.finish()),
            Values::Int4(values) => Arc::new(values.finish()),
            Values::Int8(values)
            | Values::Oid(values)
            | Values::Reg(values, _)
            | Values::Lsn(values) => Arc::new(values.finish()),
            Values::Float4(values) => Arc::new(values.finish()),
            Values::Float8(values) => Arc::new(values.finish()),
            Values::Numeric(values, _) => Arc::new(values.finish()),
            Values::WideNumeric(values, _) => Arc::new(values.finish()),
            Values::Text(values, _) => Arc::new(values.finish()),
            Values::Bytea(values) => Arc::new(values.finish()),
            Values::Date(values) => Arc::new(values.finish()),
            Values::Time(values) => Arc::new(values.finish()),
            Values::Timestamp(values) | Values::Timestamptz(values) => Arc::new(values.finish()),
            Values::Interval(values) => Arc::new(values.finish()),
            Values::List(values) => Arc::new(values.finish()?),
            Values::Record(n_nulls) => {
                let n_nulls = std::mem::take(n_nulls);
                let nulls = Some(NullBuffer::new_null(n_nulls));
                Arc::new(StructArray::new_empty_fields(n_nulls, nulls))
            }
        })
    }
}

fn push_string(values: &mut StringViewBuilder, rule: TextRule, text: &str) -> Result<()> {
    string::check(text)?;
    match rule {
        TextRule::Any => values.append_value(text),
        TextRule::Varchar(n) => values.append_value(string::varchar(text, n)?),
        TextRule::Char(n) => values.append_value(string::blank_padded(text, n)?),
        TextRule::Name => values.append_value(string::name(text)),
        TextRule::InternalChar => {
            values.append_value(string::internal_char_text(string::internal_char(text)));
        }
        TextRule::Json => {
            json::validate(text)?;
            values.append_value(text);
        }
        TextRule::Jsonb => {
            let canonical = json::canonical(text)?;
            string::check_size(canonical.len())?;
            values.append_value(canonical);
        }
        TextRule::Uuid => {
            let canonical = uuid::text(uuid::parse(text)?);
            values.append_value(utf8(&canonical)?);
        }
        TextRule::Void => values.append_value(""),
    }
    Ok(())
}

fn push_received_string(
    values: &mut StringViewBuilder,
    rule: TextRule,
    bytes: &[u8],
) -> Result<()> {
    match rule {
        TextRule::Jsonb => match bytes {
            [] => Err(too_short()),
            [JSONB_VERSION, text @ ..] => push_string(values, rule, utf8(text)?),
            [version, ..] => Err(Error::new(
                SqlState::InvalidBinaryRepresentation,
                format!("unsupported jsonb version number {version}"),
            )),
        },
        TextRule::Uuid => {
            let canonical = uuid::text(uuid::receive(bytes)?);
            values.append_value(utf8(&canonical)?);
            Ok(())
        }
        TextRule::InternalChar => {
            let [byte] = fixed(bytes)?;
            values.append_value(string::internal_char_text(byte));
            Ok(())
        }
        _ => push_string(values, rule, utf8(bytes)?),
    }
}

fn push_bytes(values: &mut BinaryBuilder, bytes: &[u8]) -> Result<()> {
    string::check_size(bytes.len())?;
    if i32::try_from(values.values_slice().len() + bytes.len()).is_err() {
        return Err(Error::new(
            SqlState::ProgramLimitExceeded,
            "bytea values of one batch exceed the limit of 2147483647 bytes",
        ));
    }
    values.append_value(bytes);
    Ok(())
}

/// The bytes of a fixed-size type.
fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| if bytes.len() < N { too_short() } else { bad_binary() })
}

fn received_date(days: i32) -> Result<i32> {
    match days {
        i32::MAX => Err(no_such_value("date", "infinity")),
        i32::MIN => Err(no_such_value("date", "-infinity")),
        _ => days
            .checked_add(POSTGRES_EPOCH_DAYS)
            .filter(|days| (DATE_MIN..=DATE_MAX).contains(days))
            .ok_or_else(|| datetime_range("date")),
    }
}

fn received_timestamp(micros: i64) -> Result<i64> {
    match micros {
        i64::MAX => Err(no_such_value("timestamp", "infinity")),
        i64::MIN => Err(no_such_value("timestamp", "-infinity")),
        _ => micros
            .checked_add(POSTGRES_EPOCH_MICROS)
            .filter(|micros| *micros >= TIMESTAMP_MIN)
            .ok_or_else(|| datetime_range("timestamp")),
    }
}

/// The interval in nanoseconds, as Arrow keeps it; 22008 from some 292 years of time on.
fn kept_interval(interval: Interval) -> Result<IntervalMonthDayNano> {
    let nanos = interval.micros.checked_mul(1000).ok_or_else(|| datetime_range("interval"))?;
    Ok(IntervalMonthDayNano::new(interval.months, interval.days, nanos))
}

fn no_record_input() -> Error {
    Error::unsupported("input of anonymous composite types is not implemented")
}
