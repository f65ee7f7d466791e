//! Columns of typed files (Parquet) as columns of the declared SQL types, value by value checked.
//!
//! Where Arrow and PostgreSQL agree the whole column is cast; everything else goes through the text
//! form of its values, as an assignment in SQL would.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, Decimal128Array, Decimal256Array,
    ListArray, PrimitiveArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Field, Float32Type, Float64Type, Int64Type, Time64MicrosecondType,
    TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::BytesMut;
use weir_delta::schema::{arrow_type, sql_type};
use weir_types::{Error, Result, SqlState, SqlType};

use crate::value::failure::utf8;
use crate::value::float::with_one_nan;
use crate::value::{ColumnBuilder, FormatSettings, ValueEncoder};

/// Rows of a batch that do not fit, with the first reason of each.
pub(super) type Misfits = BTreeMap<usize, Error>;

/// PostgreSQL's range of dates, in days since 1970: 4713 BC to 5874897.
const DATES: std::ops::RangeInclusive<i32> = -2_440_588..=2_145_042_905;
/// PostgreSQL's first timestamp (4713 BC) in microseconds since 1970; its last is beyond an i64.
const FIRST_INSTANT: i64 = -210_866_803_200_000_000;
const DAY_MICROS: i64 = 86_400_000_000;

/// How a column of a file becomes a column of the stream.
pub(super) struct Conversion {
    /// Type of the column in the file.
    from: Field,
    natural: SqlType,
    to: SqlType,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// A cast of the whole column; what it cannot cast is NULL afterwards.
    Cast,
    /// Timestamps of any unit.
    Instants,
    /// The text form of each value.
    Text,
    /// The JSON form of each value.
    Json,
    /// Bytes that are a text.
    TextBytes,
    /// Sixteen bytes that are a UUID.
    UuidBytes,
}

impl Conversion {
    /// The conversion between those types; `None` where there is none.
    pub(super) fn plan(from: &Field, to: &SqlType) -> Option<Self> {
        let natural = sql_type(from);
        let how = how(from.data_type(), &natural, to)?;
        Some(Self { from: from.clone(), natural, to: to.clone(), how })
    }

    /// The converted column. Rows that do not fit are NULL in it and noted in `misfits`.
    pub(super) fn apply(&self, array: &ArrayRef, misfits: &mut Misfits) -> Result<ArrayRef> {
        match self.how {
            How::Cast => {
                let converted = cast(array, &arrow_type(&self.to)).map_err(|e| self.broken(&e))?;
                let converted = in_range(&converted, &self.to);
                self.note_new_nulls(array, &converted, misfits)?;
                Ok(converted)
            }
            How::Instants => {
                let converted = self.instants(array)?;
                self.note_new_nulls(array, &converted, misfits)?;
                Ok(converted)
            }
            How::Text => self.through_text(array, misfits),
            How::Json => self.through_json(array, misfits),
            How::TextBytes | How::UuidBytes => self.through_bytes(array, misfits),
        }
    }

    /// Notes the rows that have a value in `from` and none in `converted`.
    fn note_new_nulls(
        &self,
        from: &ArrayRef,
        converted: &ArrayRef,
        misfits: &mut Misfits,
    ) -> Result<()> {
        let before = from.logical_nulls();
        if before.as_ref().map_or(0, |nulls| nulls.null_count()) == converted.null_count() {
            return Ok(());
        }
        let state = match self.to {
            SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::Timestamptz => {
                SqlState::DatetimeFieldOverflow
            }
            _ => SqlState::NumericValueOutOfRange,
        };
        let options = FormatOptions::default();
        let shown = ArrayFormatter::try_new(from, &options).map_err(|error| self.broken(&error))?;
        for row in 0..from.len() {
            let had_value = before.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            if had_value && converted.is_null(row) {
                let value = shown.value(row);
                let message = format!("value \"{value}\" is out of range for type {}", self.to);
                self.note(misfits, row, Error::new(state, message));
            }
        }
        Ok(())
    }

    fn note(&self, misfits: &mut Misfits, row: usize, error: Error) {
        let context = format!("column \"{}\"", self.from.name());
        misfits.entry(row).or_insert_with(|| error.with_context(context));
    }

    fn broken(&self, error: &ArrowError) -> Error {
        Error::new(
            SqlState::DataException,
            format!("column \"{}\" cannot be converted to type {}", self.from.name(), self.to),
        )
        .with_detail(format!("{error}."))
    }

    fn instants(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let raw = cast(array, &DataType::Int64).map_err(|error| self.broken(&error))?;
        let unit = match array.data_type() {
            DataType::Timestamp(unit, _) => *unit,
            // Date64 counts milliseconds.
            _ => TimeUnit::Millisecond,
        };
        let micros: PrimitiveArray<TimestampMicrosecondType> =
            raw.as_primitive::<Int64Type>().unary_opt(|value| {
                let micros = match unit {
                    TimeUnit::Second => value.checked_mul(1_000_000)?,
                    TimeUnit::Millisecond => value.checked_mul(1_000)?,
                    TimeUnit::Microsecond => value,
                    TimeUnit::Nanosecond => value.div_euclid(1_000),
                };
                (micros >= FIRST_INSTANT).then_some(micros)
            });
        Ok(match self.to {
            SqlType::Timestamptz => Arc::new(micros.with_timezone("UTC")),
            _ => Arc::new(micros),
        })
    }

    fn through_text(&self, array: &ArrayRef, misfits: &mut Misfits) -> Result<ArrayRef> {
        let settings = FormatSettings::default();
        let normal = cast(array, &arrow_type(&self.natural)).map_err(|e| self.broken(&e))?;
        self.note_new_nulls(array, &normal, misfits)?;
        let mut builder = ColumnBuilder::new(&self.to, &settings);
        if let Some(texts) = normal.as_string_view_opt() {
            for (row, text) in texts.iter().enumerate() {
                self.push(&mut builder, row, misfits, |builder| match text {
                    Some(text) => builder.push_text(text),
                    None => Ok(()),
                });
            }
            return builder.finish();
        }
        let encoder = ValueEncoder::new(&normal, &self.natural, &settings)?;
        let mut text = BytesMut::new();
        for row in 0..normal.len() {
            text.clear();
            self.push(&mut builder, row, misfits, |builder| {
                if encoder.is_null(row) {
                    return Ok(());
                }
                encoder.write_text(row, &mut text)?;
                builder.push_text(utf8(&text)?)
            });
        }
        builder.finish()
    }

    fn through_json(&self, array: &ArrayRef, misfits: &mut Misfits) -> Result<ArrayRef> {
        let mut builder = ColumnBuilder::new(&self.to, &FormatSettings::default());
        let (field, options) = (Arc::new(self.from.clone()), EncoderOptions::default());
        let mut encoder =
            make_encoder(&field, array, &options).map_err(|error| self.broken(&error))?;
        let mut text = Vec::new();
        for row in 0..array.len() {
            text.clear();
            self.push(&mut builder, row, misfits, |builder| {
                if encoder.is_null(row) {
                    return Ok(());
                }
                encoder.encode(row, &mut text);
                builder.push_text(utf8(&text)?)
            });
        }
        builder.finish()
    }

    fn through_bytes(&self, array: &ArrayRef, misfits: &mut Misfits) -> Result<ArrayRef> {
        let mut builder = ColumnBuilder::new(&self.to, &FormatSettings::default());
        let normal = cast(array, &DataType::Binary).map_err(|error| self.broken(&error))?;
        let bytes: &BinaryArray = normal.as_binary();
        for (row, value) in bytes.iter().enumerate() {
            self.push(&mut builder, row, misfits, |builder| match (value, self.how) {
                (None, _) => Ok(()),
                (Some(value), How::UuidBytes) => builder.push_binary(value),
                (Some(value), _) => builder.push_text(utf8(value)?),
            });
        }
        builder.finish()
    }

    /// Pushes the value of a row. A row for which nothing is pushed is NULL, and so is one whose
    /// value does not fit; that is noted.
    fn push(
        &self,
        builder: &mut ColumnBuilder,
        row: usize,
        misfits: &mut Misfits,
        push_value: impl FnOnce(&mut ColumnBuilder) -> Result<()>,
    ) {
        if let Err(error) = push_value(builder) {
            self.note(misfits, row, error);
        }
        if builder.len() == row {
            builder.push_null();
        }
    }
}

/// The way from a type of a file, which is naturally the SQL type `natural`, to a declared type.
fn how(from: &DataType, natural: &SqlType, to: &SqlType) -> Option<How> {
    use SqlType as T;
    let to_text = to.is_text_like();
    let to_json = matches!(to, T::Json | T::Jsonb);
    Some(match (natural, to) {
        (_, T::Record | T::Void) => return None,
        (T::Record, _) => return (to_json || to_text).then_some(How::Json),
        (T::Array(_), T::Json | T::Jsonb) => How::Json,
        (T::Array(element), T::Array(to_element)) => {
            if is_nested(element) {
                return None;
            }
            match how(&arrow_type(element), element, to_element)? {
                How::Cast if element == to_element && is_plain(element) => How::Cast,
                _ => How::Text,
            }
        }
        (T::Array(element), _) => return (to_text && !is_nested(element)).then_some(How::Text),
        (T::Unknown | T::Json | T::Jsonb | T::Uuid | T::InternalChar, _) => How::Text,
        (text, _) if text.is_text_like() => How::Text,
        (T::Bytea, T::Bytea) => How::Cast,
        (T::Bytea, T::Uuid) if *from == DataType::FixedSizeBinary(16) => How::UuidBytes,
        (T::Bytea, _) => return (to_text || to_json).then_some(How::TextBytes),
        // `true`, as a cast in SQL gives it; the text form of a value is `t`.
        (T::Bool, _) if to_text => How::Json,
        (_, _) if to_text => How::Text,
        (_, T::Int2 | T::Int4 | T::Int8) if from.is_integer() => How::Cast,
        (T::Int2 | T::Int4 | T::Int8, T::Float4 | T::Float8 | T::Numeric(_)) => How::Cast,
        (T::Float4, T::Float4) | (T::Float4 | T::Float8, T::Float8) => How::Cast,
        (T::Numeric(_), T::Numeric(_) | T::Float4 | T::Float8) => How::Cast,
        (number, _) if is_number(number) => {
            return (is_number(to) || to_json).then_some(How::Text);
        }
        (T::Bool, T::Bool) | (T::Date, T::Date) | (T::Time, T::Time) => How::Cast,
        (T::Interval, T::Interval) => How::Cast,
        (T::Timestamp | T::Timestamptz, T::Timestamp | T::Timestamptz) => How::Instants,
        (T::Date, T::Timestamp | T::Timestamptz) => How::Text,
        _ => return None,
    })
}

/// True where an array of the type, cast as a whole, needs no check of its elements.
fn is_plain(element: &SqlType) -> bool {
    use SqlType as T;
    matches!(element, T::Bool | T::Int2 | T::Int4 | T::Int8 | T::Float4 | T::Float8)
}

fn is_number(sql_type: &SqlType) -> bool {
    use SqlType as T;
    sql_type.is_integer() || matches!(sql_type, T::Float4 | T::Float8 | T::Numeric(_))
}

fn is_nested(element: &SqlType) -> bool {
    matches!(element, SqlType::Record | SqlType::Array(_))
}

/// The column with NULL for the values that its Arrow type holds and the SQL type does not, and with one NaN for all.
fn in_range(array: &ArrayRef, to: &SqlType) -> ArrayRef {
    match (to, array.data_type()) {
        (SqlType::Date, _) => within::<Date32Type>(array, |day| DATES.contains(&day)),
        (SqlType::Time, _) => {
            within::<Time64MicrosecondType>(array, |time| (0..=DAY_MICROS).contains(&time))
        }
        (_, DataType::Decimal128(precision, scale)) => {
            let decimals: &Decimal128Array = array.as_primitive();
            let checked = decimals.null_if_overflow_precision(*precision);
            Arc::new(checked.with_data_type(DataType::Decimal128(*precision, *scale)))
        }
        (_, DataType::Decimal256(precision, scale)) => {
            let decimals: &Decimal256Array = array.as_primitive();
            let checked = decimals.null_if_overflow_precision(*precision);
            Arc::new(checked.with_data_type(DataType::Decimal256(*precision, *scale)))
        }
        (_, DataType::Float32) => {
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(with_one_nan))
        }
        (_, DataType::Float64) => {
            Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(with_one_nan))
        }
        (SqlType::Array(element), DataType::List(_)) => {
            let (field, offsets, elements, nulls) = array.as_list::<i32>().clone().into_parts();
            let elements = in_range(&elements, element);
            Arc::new(ListArray::new(field, offsets, elements, nulls))
        }
        _ => array.clone(),
    }
}

fn within<T: ArrowPrimitiveType>(array: &ArrayRef, fits: impl Fn(T::Native) -> bool) -> ArrayRef {
    Arc::new(array.as_primitive::<T>().unary_opt::<_, T>(|value| fits(value).then_some(value)))
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, Date32Array, Date64Array, DictionaryArray, FixedSizeBinaryArray,
        Float32Array, Float64Array, Int8Array, Int32Array, Int64Array, ListArray, NullArray,
        RecordBatch, StringArray, StructArray, Time32SecondArray, Time64MicrosecondArray,
        TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
    };
    use arrow::datatypes::Int32Type;
    use weir_delta::schema::schema_of;

    use super::*;
    use crate::format::testing::{columns, texts};

    /// Converts an array to the type; gives the texts of the rows and the states of the misfits.
    fn convert(array: ArrayRef, to: &str) -> (Vec<String>, Vec<(usize, &'static str)>) {
        let to = columns(&format!("a {to}")).remove(0).1;
        let from = Field::new("a", array.data_type().clone(), true);
        let conversion = Conversion::plan(&from, &to).expect("there is a way");
        let mut misfits = Misfits::new();
        let converted = conversion.apply(&array, &mut misfits).expect("the value is of that form");
        let batch = RecordBatch::try_new(schema_of([("a", &to, true)]), vec![converted])
            .expect("columns of one length make a batch");
        let misfits = misfits.iter().map(|(row, error)| (*row, error.state().code())).collect();
        (texts(&batch), misfits)
    }

    #[test]
    fn there_is_one_nan() {
        let other = |bits: u64| f64::from_bits(f64::NAN.to_bits() | 1 << 63 | bits);
        let to = columns("a double[]").remove(0).1;
        let array: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([
            Some(vec![Some(other(1)), None, Some(1.5)]),
            Some(vec![Some(other(2))]),
        ]));
        let from = Field::new("a", array.data_type().clone(), true);
        let conversion = Conversion::plan(&from, &to).expect("there is a way");
        let converted = conversion.apply(&array, &mut Misfits::new()).expect("the values fit");
        let values = converted.as_list::<i32>().values().as_primitive::<Float64Type>().clone();
        assert_eq!(values.value(0).to_bits(), f64::NAN.to_bits());
        assert_eq!(values.value(3).to_bits(), f64::NAN.to_bits());
        assert_eq!((values.is_null(1), values.value(2)), (true, 1.5));
    }

    fn fits(array: impl Array + 'static, to: &str, expected: &[&str]) {
        let (rows, misfits) = convert(Arc::new(array), to);
        assert_eq!(
            (rows.as_slice(), misfits.as_slice()),
            (&*to_strings(expected), &[][..]),
            "{to}"
        );
    }

    /// Of two values the second one does not fit.
    fn second_does_not_fit(array: impl Array + 'static, to: &str, first: &str, code: &'static str) {
        let (rows, misfits) = convert(Arc::new(array), to);
        assert_eq!(rows, [first, "NULL"], "{to}");
        assert_eq!(misfits, [(1, code)], "{to}");
    }

    fn to_strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn values_of_every_kind_convert() {
        fits(BooleanArray::from(vec![Some(true), None]), "boolean", &["t", "NULL"]);
        fits(BooleanArray::from(vec![true]), "text", &["true"]);
        fits(Int8Array::from(vec![-5]), "smallint", &["-5"]);
        fits(Int64Array::from(vec![Some(5), None]), "integer", &["5", "NULL"]);
        fits(Int32Array::from(vec![5]), "double", &["5"]);
        fits(Int32Array::from(vec![5]), "numeric(6,2)", &["5.00"]);
        fits(Int32Array::from(vec![5]), "text", &["5"]);
        fits(UInt64Array::from(vec![u64::MAX]), "numeric", &["18446744073709551615"]);
        fits(Float32Array::from(vec![0.5]), "double", &["0.5"]);
        fits(Float64Array::from(vec![3.0, 0.1]), "numeric", &["3", "0.1"]);
        fits(Float64Array::from(vec![3.0]), "integer", &["3"]);
        fits(StringArray::from(vec!["12"]), "integer", &["12"]);
        fits(StringArray::from(vec!["{\"b\":1}"]), "jsonb", &["{\"b\": 1}"]);
        fits(BinaryArray::from(vec![&b"a\xc3\xa9"[..]]), "text", &["a\u{e9}"]);
        fits(BinaryArray::from(vec![&b"\x01"[..]]), "bytea", &["\\x01"]);
        fits(Date32Array::from(vec![19_782]), "date", &["2024-02-29"]);
        fits(Date32Array::from(vec![19_782]), "timestamp", &["2024-02-29 00:00:00"]);
        fits(Date64Array::from(vec![1_709_208_000_123]), "timestamp", &["2024-02-29 12:00:00.123"]);
        fits(Time32SecondArray::from(vec![61]), "time", &["00:01:01"]);
        fits(TimestampSecondArray::from(vec![0]), "timestamptz", &["1970-01-01 00:00:00+00"]);
        fits(
            TimestampNanosecondArray::from(vec![-1]),
            "timestamp",
            &["1969-12-31 23:59:59.999999"],
        );
        let with_zone = TimestampSecondArray::from(vec![0]).with_timezone("+02:00");
        fits(with_zone, "timestamp", &["1970-01-01 00:00:00"]);
        let dictionary: DictionaryArray<Int32Type> =
            vec![Some("x"), None, Some("x")].into_iter().collect();
        fits(dictionary, "text", &["x", "NULL", "x"]);
        let uuid = FixedSizeBinaryArray::try_from_iter([[0xA0_u8; 16]].iter())
            .expect("columns of one length make a batch");
        fits(uuid, "uuid", &["a0a0a0a0-a0a0-a0a0-a0a0-a0a0a0a0a0a0"]);
        fits(NullArray::new(1), "integer", &["NULL"]);
    }

    #[test]
    fn lists_and_structs_convert() {
        let list =
            || ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
        fits(list(), "integer[]", &["{1,NULL}", "NULL"]);
        fits(list(), "bigint[]", &["{1,NULL}", "NULL"]);
        fits(list(), "text[]", &["{1,NULL}", "NULL"]);
        fits(list(), "json", &["[1,null]", "NULL"]);
        let a: ArrayRef = Arc::new(Int32Array::from(vec![7]));
        let b: ArrayRef = Arc::new(StringArray::from(vec!["x\"y"]));
        let fields =
            [Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8, true)];
        let rows = || StructArray::new(fields.to_vec().into(), vec![a.clone(), b.clone()], None);
        fits(rows(), "jsonb", &["{\"a\": 7, \"b\": \"x\\\"y\"}"]);
        fits(rows(), "text", &["{\"a\":7,\"b\":\"x\\\"y\"}"]);
    }

    #[test]
    fn values_that_do_not_fit_are_noted_one_by_one() {
        second_does_not_fit(Int64Array::from(vec![1, 40_000]), "smallint", "1", "22003");
        second_does_not_fit(Int32Array::from(vec![1, 10_000]), "numeric(6,2)", "1.00", "22003");
        second_does_not_fit(Float64Array::from(vec![1.0, 1.5]), "integer", "1", "22P02");
        second_does_not_fit(Float64Array::from(vec![1.0, 1e300]), "real", "1", "22003");
        second_does_not_fit(UInt64Array::from(vec![1, u64::MAX]), "bigint", "1", "22003");
        second_does_not_fit(StringArray::from(vec!["1", "x"]), "integer", "1", "22P02");
        second_does_not_fit(StringArray::from(vec!["abc", "abcd"]), "varchar(3)", "abc", "22001");
        second_does_not_fit(BinaryArray::from(vec![&b"a"[..], b"\xff"]), "text", "a", "22021");
        second_does_not_fit(Date32Array::from(vec![0, i32::MIN]), "date", "1970-01-01", "22008");
        let times = Time64MicrosecondArray::from(vec![0, -1]);
        second_does_not_fit(times, "time", "00:00:00", "22008");
        let instants = TimestampSecondArray::from(vec![0, i64::MAX]);
        second_does_not_fit(instants, "timestamp", "1970-01-01 00:00:00", "22008");
    }

    #[test]
    fn a_misfit_names_column_and_value() {
        let from = Field::new("a", DataType::Int64, true);
        let conversion =
            Conversion::plan(&from, &SqlType::Int2).expect("the value is of that form");
        let mut misfits = Misfits::new();
        let array: ArrayRef = Arc::new(Int64Array::from(vec![40_000]));
        conversion.apply(&array, &mut misfits).expect("the value is of that form");
        assert_eq!(misfits[&0].message(), "value \"40000\" is out of range for type smallint");
        assert_eq!(misfits[&0].context(), Some("column \"a\""));
    }

    #[test]
    fn types_without_a_way_are_refused() {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, None);
        for (from, to) in [
            (DataType::Boolean, SqlType::Int4),
            (DataType::Int32, SqlType::Timestamp),
            (DataType::Int32, SqlType::Bool),
            (DataType::Binary, SqlType::Uuid),
            (DataType::Date32, SqlType::Time),
            (instant, SqlType::Date),
            (DataType::Struct(arrow::datatypes::Fields::empty()), SqlType::Int4),
            (DataType::Utf8, SqlType::Record),
        ] {
            assert!(
                Conversion::plan(&Field::new("a", from.clone(), true), &to).is_none(),
                "{from}"
            );
        }
    }
}
