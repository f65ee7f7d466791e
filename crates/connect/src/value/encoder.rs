//! Arrow values to PostgreSQL's text and binary forms.
//!
//! An encoder is made once per column and batch. What the Arrow type and the SQL type ask for is
//! settled then, so that a value costs one branch and its digits.

mod nested;
mod source;

use arrow::array::{Array, AsArray, BooleanArray, FixedSizeBinaryArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, i256};
use bytes::{BufMut, BytesMut};
use weir_types::{Epoch, Error, RegKind, Result, SqlState, SqlType};

use self::nested::{List, Record};
use self::source::{Binaries, Strings};
use super::calendar::{
    DATE_MAX, DATE_MIN, MICROS_PER_DAY, POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS, TIMESTAMP_MIN,
};
use super::failure::datetime_range;
use super::interval::Interval;
use super::numeric::{self, Scale};
use super::object_names::NameSource;
use super::settings::{DateStyle, FormatSettings, IntervalStyle};
use super::zone::TimeZone;
use super::{bytea, datetime_output, digits, float, interval, string, uuid};

/// Writes the values of one array as PostgreSQL does.
pub struct ValueEncoder<'a> {
    column: Column<'a>,
    nulls: Option<NullBuffer>,
}

/// The values of an array, brought to the few forms that SQL types have.
enum Column<'a> {
    /// Every value is NULL.
    Nulls,
    Void,
    Bool(&'a BooleanArray),
    Int2(ScalarBuffer<i16>),
    Int4(ScalarBuffer<i32>),
    Int8(ScalarBuffer<i64>),
    Oid(ScalarBuffer<u32>),
    /// Oids of a `reg*` type.
    Reg(ScalarBuffer<u32>, RegKind, NameSource),
    Lsn(ScalarBuffer<i64>),
    /// With `extra_float_digits`.
    Float4(ScalarBuffer<f32>, i32),
    Float8(ScalarBuffer<f64>, i32),
    Numeric(ScalarBuffer<i128>, Scale),
    WideNumeric(ScalarBuffer<i256>, Scale),
    Text(Strings<'a>, TextForm),
    UuidBytes(&'a FixedSizeBinaryArray),
    /// True for the escape form.
    Bytea(Binaries<'a>, bool),
    Date(ScalarBuffer<i32>, DateStyle),
    Time(ScalarBuffer<i64>),
    Timestamp(ScalarBuffer<i64>, DateStyle),
    Timestamptz(ScalarBuffer<i64>, DateStyle, TimeZone),
    Interval(Vec<Interval>, IntervalStyle),
    List(Box<List<'a>>),
    Record(Box<Record<'a>>),
    /// A dictionary: the row of each value among the values.
    Indexed(Vec<usize>, Box<ValueEncoder<'a>>),
}

/// What the types that are kept as text ask for.
#[derive(Clone, Copy)]
enum TextForm {
    Plain,
    /// `char(n)`
    Padded(u32),
    Jsonb,
    Uuid,
    InternalChar,
}

impl<'a> ValueEncoder<'a> {
    /// An encoder of `array` as values of `sql_type`, which is that of its field
    /// (`weir_delta::schema::sql_type`). 0A000 for an Arrow type without a SQL form, 22003 and 22008
    /// for values outside the SQL type.
    pub fn new(
        array: &'a dyn Array,
        sql_type: &SqlType,
        settings: &FormatSettings,
    ) -> Result<Self> {
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(Self { column: Column::new(array, sql_type, settings)?, nulls })
    }

    /// True if the value is NULL, which has no form: the callers write NULL in their own way.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends PostgreSQL's text form of a value that is not NULL, without a length. 22008 for a
    /// date or time outside PostgreSQL's range.
    pub fn write_text(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        match &self.column {
            Column::Nulls | Column::Void => {}
            Column::Bool(values) => out.put_u8(if values.value(row) { b't' } else { b'f' }),
            Column::Int2(values) => digits::write_i64(i64::from(values[row]), out),
            Column::Int4(values) => digits::write_i64(i64::from(values[row]), out),
            Column::Int8(values) => digits::write_i64(values[row], out),
            Column::Oid(values) => digits::write_u64(u64::from(values[row]), out),
            Column::Reg(values, kind, names) => {
                out.put_slice(names.shown(*kind, values[row]).as_bytes());
            }
            Column::Lsn(values) => {
                out.put_slice(Epoch(values[row].cast_unsigned()).to_string().as_bytes());
            }
            Column::Float4(values, extra_digits) => float::write(values[row], *extra_digits, out),
            Column::Float8(values, extra_digits) => float::write(values[row], *extra_digits, out),
            Column::Numeric(values, scale) => numeric::write_text(values[row], *scale, out),
            Column::WideNumeric(values, scale) => numeric::write_text(values[row], *scale, out),
            Column::Text(values, form) => {
                let text = values.value(row);
                out.put_slice(text.as_bytes());
                if let TextForm::Padded(n) = form {
                    string::write_padding(text, *n, out);
                }
            }
            Column::UuidBytes(values) => {
                out.put_slice(&uuid::text(uuid::receive(values.value(row))?))
            }
            Column::Bytea(values, false) => bytea::write_hex(values.value(row), out),
            Column::Bytea(values, true) => bytea::write_escape(values.value(row), out),
            Column::Date(values, style) => datetime_output::write_date(values[row], *style, out)?,
            Column::Time(values) => datetime_output::write_time(values[row], out)?,
            Column::Timestamp(values, style) => {
                datetime_output::write_timestamp(values[row], *style, out)?;
            }
            Column::Timestamptz(values, style, zone) => {
                datetime_output::write_timestamptz(values[row], zone, *style, out)?;
            }
            Column::Interval(values, style) => interval::write(values[row], *style, out),
            Column::List(list) => list.write_text(row, out)?,
            Column::Record(record) => record.write_text(row, out)?,
            Column::Indexed(rows, values) => values.write_text(rows[row], out)?,
        }
        Ok(())
    }

    /// Appends PostgreSQL's binary form (that of its send functions) of a value that is not NULL,
    /// without a length. 22008 for a date or time outside PostgreSQL's range.
    pub fn write_binary(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        match &self.column {
            Column::Nulls | Column::Void => {}
            Column::Bool(values) => out.put_u8(u8::from(values.value(row))),
            Column::Int2(values) => out.put_i16(values[row]),
            Column::Int4(values) => out.put_i32(values[row]),
            Column::Int8(values) | Column::Lsn(values) => out.put_i64(values[row]),
            Column::Oid(values) | Column::Reg(values, ..) => out.put_u32(values[row]),
            Column::Float4(values, _) => out.put_f32(values[row]),
            Column::Float8(values, _) => out.put_f64(values[row]),
            Column::Numeric(values, scale) => numeric::write_binary(values[row], *scale, out),
            Column::WideNumeric(values, scale) => numeric::write_binary(values[row], *scale, out),
            Column::Text(values, form) => write_text_type(values.value(row), *form, out)?,
            Column::UuidBytes(values) => out.put_slice(values.value(row)),
            Column::Bytea(values, _) => out.put_slice(values.value(row)),
            Column::Date(values, _) => {
                let days = values[row];
                if !(DATE_MIN..=DATE_MAX).contains(&days) {
                    return Err(datetime_range("date"));
                }
                out.put_i32(days - POSTGRES_EPOCH_DAYS);
            }
            Column::Time(values) => {
                if !(0..=MICROS_PER_DAY).contains(&values[row]) {
                    return Err(datetime_range("time"));
                }
                out.put_i64(values[row]);
            }
            Column::Timestamp(values, _) | Column::Timestamptz(values, _, _) => {
                if values[row] < TIMESTAMP_MIN {
                    return Err(datetime_range("timestamp"));
                }
                out.put_i64(values[row] - POSTGRES_EPOCH_MICROS);
            }
            Column::Interval(values, _) => {
                let Interval { months, days, micros } = values[row];
                out.put_i64(micros);
                out.put_i32(days);
                out.put_i32(months);
            }
            Column::List(list) => list.write_binary(row, out)?,
            Column::Record(record) => record.write_binary(row, out)?,
            Column::Indexed(rows, values) => values.write_binary(rows[row], out)?,
        }
        Ok(())
    }
}

fn write_text_type(text: &str, form: TextForm, out: &mut BytesMut) -> Result<()> {
    match form {
        TextForm::Plain => out.put_slice(text.as_bytes()),
        TextForm::Padded(n) => {
            out.put_slice(text.as_bytes());
            string::write_padding(text, n, out);
        }
        TextForm::Jsonb => {
            out.put_u8(super::JSONB_VERSION);
            out.put_slice(text.as_bytes());
        }
        TextForm::Uuid => out.put_slice(&uuid::parse(text)?),
        TextForm::InternalChar => out.put_u8(string::internal_char(text)),
    }
    Ok(())
}

impl<'a> Column<'a> {
    fn new(array: &'a dyn Array, sql_type: &SqlType, settings: &FormatSettings) -> Result<Self> {
        match array.data_type() {
            DataType::Null => return Ok(Self::Nulls),
            DataType::Dictionary(..) | DataType::RunEndEncoded(..) => {
                let (rows, values) = source::indexed(array)?;
                let Some(values) = values else { return Ok(Self::Nulls) };
                let values = ValueEncoder::new(values, sql_type, settings)?;
                return Ok(Self::Indexed(rows, Box::new(values)));
            }
            _ => {}
        }
        let style = settings.date_style;
        let text = |form| source::strings(array).map(|values| Self::Text(values, form));
        let found = match sql_type {
            SqlType::Bool => array.as_boolean_opt().map(Self::Bool),
            SqlType::Int2 => source::integers::<Int16Type>(array, sql_type)?.map(Self::Int2),
            SqlType::Int4 => source::integers::<Int32Type>(array, sql_type)?.map(Self::Int4),
            SqlType::Int8 => source::integers::<Int64Type>(array, sql_type)?.map(Self::Int8),
            SqlType::Oid => source::oids(array, sql_type)?.map(Self::Oid),
            SqlType::Reg(kind) => source::oids(array, sql_type)?
                .map(|oids| Self::Reg(oids, *kind, settings.object_names.clone())),
            SqlType::PgLsn => source::integers::<Int64Type>(array, sql_type)?.map(Self::Lsn),
            SqlType::Float4 => source::floats::<Float32Type>(array)
                .map(|values| Self::Float4(values, settings.extra_float_digits)),
            SqlType::Float8 => source::floats::<Float64Type>(array)
                .map(|values| Self::Float8(values, settings.extra_float_digits)),
            SqlType::Numeric(declared) => Self::numeric(array, declared.is_none()),
            SqlType::Text
            | SqlType::Varchar(_)
            | SqlType::Char(None)
            | SqlType::Name
            | SqlType::Unknown
            | SqlType::Json => text(TextForm::Plain),
            SqlType::Char(Some(n)) => text(TextForm::Padded(*n)),
            SqlType::Jsonb => text(TextForm::Jsonb),
            SqlType::InternalChar => text(TextForm::InternalChar),
            SqlType::Uuid => match array.data_type() {
                DataType::FixedSizeBinary(16) => {
                    Some(Self::UuidBytes(array.as_fixed_size_binary()))
                }
                _ => text(TextForm::Uuid),
            },
            SqlType::Void => Some(Self::Void),
            SqlType::Bytea => {
                source::binaries(array).map(|values| Self::Bytea(values, settings.bytea_escape))
            }
            SqlType::Date => source::days(array).map(|values| Self::Date(values, style)),
            SqlType::Time => source::times(array).map(Self::Time),
            SqlType::Timestamp => {
                source::timestamps(array)?.map(|values| Self::Timestamp(values, style))
            }
            SqlType::Timestamptz => source::timestamps(array)?
                .map(|values| Self::Timestamptz(values, style, settings.time_zone.clone())),
            SqlType::Interval => source::intervals(array)?
                .map(|values| Self::Interval(values, settings.interval_style)),
            SqlType::Array(_) | SqlType::Int2Vector | SqlType::OidVector => {
                List::new(array, sql_type, settings)?.map(|list| Self::List(Box::new(list)))
            }
            SqlType::Record => array
                .as_struct_opt()
                .map(|records| Record::new(records, settings))
                .transpose()?
                .map(|record| Self::Record(Box::new(record))),
        };
        found.ok_or_else(|| no_form(array.data_type(), sql_type))
    }

    fn numeric(array: &dyn Array, trimmed: bool) -> Option<Self> {
        if let Some((values, digits)) = source::decimals(array) {
            return Some(Self::Numeric(values, Scale { digits, trimmed }));
        }
        let (values, digits) = source::wide_decimals(array)?;
        Some(Self::WideNumeric(values, Scale { digits, trimmed }))
    }
}

/// The error of an Arrow type that a SQL type is never kept in (0A000).
fn no_form(data_type: &DataType, sql_type: &SqlType) -> Error {
    Error::unsupported(format!("values of Arrow type {data_type} have no form as {sql_type}"))
}

/// Appends what `write` writes, with its length before it. 54000 beyond 2 GiB.
pub(crate) fn with_length(
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<()>,
) -> Result<()> {
    let at = out.len();
    out.put_i32(0);
    write(out)?;
    let length = i32::try_from(out.len() - at - 4).map_err(|_| {
        Error::new(SqlState::ProgramLimitExceeded, "value of more than 2 GiB cannot be sent")
    })?;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}
