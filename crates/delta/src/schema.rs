//! SQL types and Arrow types: which Arrow type keeps which SQL type, and back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use weir_types::{Error, NUMERIC_SCALE_UNCONSTRAINED, Result, SqlState, SqlType};

/// Metadata key of a field whose SQL type its Arrow type does not tell; the value is JSON.
pub const TYPE_KEY: &str = "weir.type";

/// Digits of a `numeric` kept in 128 bits.
const DECIMAL128_DIGITS: u8 = 38;
/// Digits of a `numeric` kept in 256 bits.
const DECIMAL256_DIGITS: u8 = 76;

/// The Arrow type in which values of the SQL type are kept.
///
/// `record` has no type of its own, as the SQL type does not name its fields: it gives a struct
/// without fields, which no value fits.
#[must_use]
pub fn arrow_type(t: &SqlType) -> DataType {
    match t {
        SqlType::Bool => DataType::Boolean,
        SqlType::Int2 => DataType::Int16,
        SqlType::Int4 => DataType::Int32,
        SqlType::Int8 | SqlType::Oid | SqlType::Reg(_) | SqlType::PgLsn => DataType::Int64,
        SqlType::Float4 => DataType::Float32,
        SqlType::Float8 => DataType::Float64,
        SqlType::Numeric(None) => {
            DataType::Decimal128(DECIMAL128_DIGITS, NUMERIC_SCALE_UNCONSTRAINED)
        }
        SqlType::Numeric(Some((precision, scale))) => decimal_type(*precision, *scale),
        SqlType::Text
        | SqlType::Varchar(_)
        | SqlType::Char(_)
        | SqlType::Name
        | SqlType::Unknown
        | SqlType::Void
        | SqlType::InternalChar
        | SqlType::Json
        | SqlType::Jsonb
        | SqlType::Uuid => DataType::Utf8View,
        SqlType::Bytea => DataType::Binary,
        SqlType::Date => DataType::Date32,
        SqlType::Time => DataType::Time64(TimeUnit::Microsecond),
        SqlType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        SqlType::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        SqlType::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
        SqlType::Int2Vector => list_of(DataType::Int16),
        SqlType::OidVector => list_of(DataType::Int64),
        SqlType::Record => DataType::Struct(Fields::empty()),
        SqlType::Array(element) => list_of(arrow_type(element)),
    }
}

/// Arrow wants no more digits after the point than there are digits; PostgreSQL allows it.
fn decimal_type(precision: u8, scale: i8) -> DataType {
    let digits = precision.max(scale.max(1).unsigned_abs());
    if digits <= DECIMAL128_DIGITS {
        DataType::Decimal128(digits, scale)
    } else {
        DataType::Decimal256(digits.min(DECIMAL256_DIGITS), scale)
    }
}

fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(element, true)))
}

/// The Arrow field of a column. It carries the SQL type as JSON in its metadata (`weir.type`) when
/// the Arrow type alone does not say it.
#[must_use]
pub fn field(name: &str, t: &SqlType, nullable: bool) -> Field {
    let data_type = arrow_type(t);
    let told = plain_sql_type(&data_type) == *t;
    let field = Field::new(name, data_type, nullable);
    if told {
        return field;
    }
    let json = serde_json::to_string(t).expect("a SQL type has only string keys");
    field.with_metadata(HashMap::from([(TYPE_KEY.to_owned(), json)]))
}

/// The Arrow schema of columns given by name, type and whether they may be NULL.
pub fn schema_of<'a>(columns: impl IntoIterator<Item = (&'a str, &'a SqlType, bool)>) -> SchemaRef {
    let fields: Vec<Field> =
        columns.into_iter().map(|(name, t, nullable)| field(name, t, nullable)).collect();
    Arc::new(Schema::new(fields))
}

/// The SQL type of an Arrow field: from its metadata, else from its Arrow type.
///
/// An expression may hand on the metadata of its argument with another Arrow type; such metadata
/// is ignored.
#[must_use]
pub fn sql_type(f: &Field) -> SqlType {
    let plain = plain_sql_type(f.data_type());
    let named = f.metadata().get(TYPE_KEY).and_then(|json| serde_json::from_str(json).ok());
    match named {
        Some(named) if plain_sql_type(&arrow_type(&named)) == plain => named,
        _ => plain,
    }
}

/// The SQL type that an Arrow type says by itself.
fn plain_sql_type(data_type: &DataType) -> SqlType {
    match data_type {
        DataType::Null => SqlType::Unknown,
        DataType::Boolean => SqlType::Bool,
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => SqlType::Int2,
        DataType::Int32 | DataType::UInt16 => SqlType::Int4,
        DataType::Int64 | DataType::UInt32 => SqlType::Int8,
        DataType::UInt64 => SqlType::Numeric(Some((20, 0))),
        DataType::Float16 | DataType::Float32 => SqlType::Float4,
        DataType::Float64 => SqlType::Float8,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => SqlType::Numeric(Some((*precision, *scale))),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SqlType::Text,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => SqlType::Bytea,
        DataType::Date32 => SqlType::Date,
        DataType::Date64 | DataType::Timestamp(_, None) => SqlType::Timestamp,
        DataType::Timestamp(_, Some(_)) => SqlType::Timestamptz,
        DataType::Time32(_) | DataType::Time64(_) => SqlType::Time,
        DataType::Duration(_) | DataType::Interval(_) => SqlType::Interval,
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::Map(element, _) => {
            SqlType::Array(Box::new(plain_sql_type(element.data_type())))
        }
        DataType::Dictionary(_, value) => plain_sql_type(value),
        DataType::RunEndEncoded(_, value) => plain_sql_type(value.data_type()),
        DataType::Struct(_) => SqlType::Record,
        DataType::Union(..) => SqlType::Text,
    }
}

/// Casts an array of a plan's output to the Arrow type in which it is kept. An array that has that
/// type already is handed back as it is.
///
/// # Errors
/// 22003 for a number out of the range of the type, 22000 for another value that does not fit,
/// 42846 where no cast exists.
pub fn normalize(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let from = array.data_type();
    if from == to {
        return Ok(Arc::clone(array));
    }
    if !can_cast_types(from, to) {
        let (from, to) = (plain_sql_type(from), plain_sql_type(to));
        return Err(Error::new(SqlState::CannotCoerce, format!("cannot cast type {from} to {to}")));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(array, to, &options).map_err(|error| misfit(from, to, &error))
}

fn misfit(from: &DataType, to: &DataType, error: &ArrowError) -> Error {
    let number = |t: &DataType| t.is_numeric();
    let out_of_range = matches!(error, ArrowError::ArithmeticOverflow(_))
        || (number(innermost(from)) && number(innermost(to)));
    let (state, message) = if out_of_range {
        let to = plain_sql_type(to);
        (SqlState::NumericValueOutOfRange, format!("value out of range for type {to}"))
    } else {
        let (from, to) = (plain_sql_type(from), plain_sql_type(to));
        (SqlState::DataException, format!("value of type {from} does not fit type {to}"))
    };
    Error::new(state, message).with_detail(format!("{error}."))
}

/// The type of the values behind lists and dictionaries.
fn innermost(t: &DataType) -> &DataType {
    match t {
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::RunEndEncoded(_, element) => innermost(element.data_type()),
        DataType::Dictionary(_, value) => innermost(value),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, AsArray, Decimal128Array, DictionaryArray, DurationMicrosecondArray, Int32Array,
        Int64Array, LargeStringArray, ListArray, NullArray, StringArray, TimestampSecondArray,
    };
    use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimestampMicrosecondType};
    use weir_types::{RegKind, SqlState, SqlType};

    use super::{TYPE_KEY, arrow_type, field, normalize, schema_of, sql_type};

    fn all_types() -> Vec<SqlType> {
        use SqlType as T;
        let mut types = vec![
            T::Bool,
            T::Int2,
            T::Int4,
            T::Int8,
            T::Float4,
            T::Float8,
            T::Numeric(None),
            T::Numeric(Some((12, 2))),
            T::Numeric(Some((38, 10))),
            T::Numeric(Some((3, 5))),
            T::Numeric(Some((5, -2))),
            T::Numeric(Some((50, 4))),
            T::Text,
            T::Varchar(None),
            T::Varchar(Some(9)),
            T::Char(None),
            T::Char(Some(4)),
            T::Bytea,
            T::Date,
            T::Time,
            T::Timestamp,
            T::Timestamptz,
            T::Interval,
            T::Uuid,
            T::Json,
            T::Jsonb,
            T::Oid,
            T::Name,
            T::InternalChar,
            T::Reg(RegKind::Class),
            T::Int2Vector,
            T::OidVector,
            T::PgLsn,
            T::Unknown,
            T::Void,
            T::Record,
        ];
        let arrays: Vec<T> = types.iter().map(|t| T::Array(Box::new(t.clone()))).collect();
        types.extend(arrays);
        types
    }

    #[test]
    fn every_sql_type_reads_back_from_its_field() {
        for t in all_types() {
            for nullable in [false, true] {
                let field = field("c", &t, nullable);
                assert_eq!(sql_type(&field), t);
                assert_eq!(field.data_type(), &arrow_type(&t));
                assert_eq!(field.is_nullable(), nullable);
            }
        }
    }

    #[test]
    fn only_types_that_arrow_does_not_tell_have_metadata() {
        assert!(field("c", &SqlType::Int8, true).metadata().is_empty());
        assert!(field("c", &SqlType::Numeric(Some((38, 10))), true).metadata().is_empty());
        assert!(field("c", &SqlType::Numeric(None), true).metadata().contains_key(TYPE_KEY));
        assert!(field("c", &SqlType::Oid, true).metadata().contains_key(TYPE_KEY));
        assert!(field("c", &SqlType::Int2Vector, true).metadata().contains_key(TYPE_KEY));
    }

    #[test]
    fn metadata_of_another_arrow_type_is_ignored() {
        let stale = field("c", &SqlType::Varchar(Some(3)), true).with_data_type(DataType::Int32);
        assert_eq!(sql_type(&stale), SqlType::Int4);
        let text = field("c", &SqlType::Varchar(Some(3)), true).with_data_type(DataType::Utf8);
        assert_eq!(sql_type(&text), SqlType::Varchar(Some(3)));
        let broken = Field::new("c", DataType::Int64, true)
            .with_metadata([(TYPE_KEY.to_owned(), "{".to_owned())].into());
        assert_eq!(sql_type(&broken), SqlType::Int8);
    }

    #[test]
    fn schema_has_the_columns_in_order() {
        let schema = schema_of([("a", &SqlType::Int4, false), ("b", &SqlType::Uuid, true)]);
        let expected =
            Schema::new(vec![field("a", &SqlType::Int4, false), field("b", &SqlType::Uuid, true)]);
        assert_eq!(*schema, expected);
    }

    #[test]
    fn normalize_brings_plan_outputs_to_stored_types() {
        let dictionary: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
        let texts: [ArrayRef; 3] = [
            Arc::new(StringArray::from(vec!["a", "b", "a"])),
            Arc::new(LargeStringArray::from(vec!["a", "b", "a"])),
            Arc::new(dictionary),
        ];
        for text in texts {
            let view = normalize(&text, &DataType::Utf8View).expect("text fits text");
            assert_eq!(view.as_string_view().iter().flatten().collect::<Vec<_>>(), ["a", "b", "a"]);
        }
        let nulls: ArrayRef = Arc::new(NullArray::new(2));
        let nulls = normalize(&nulls, &arrow_type(&SqlType::Jsonb)).expect("NULL fits");
        assert_eq!((nulls.null_count(), nulls.len()), (2, 2));

        let seconds: ArrayRef =
            Arc::new(TimestampSecondArray::from(vec![7]).with_timezone("+02:00"));
        let micros = normalize(&seconds, &arrow_type(&SqlType::Timestamptz)).expect("fits");
        assert_eq!(micros.as_primitive::<TimestampMicrosecondType>().value(0), 7_000_000);

        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None])]);
        let list: ArrayRef = Arc::new(list);
        let wide = normalize(&list, &arrow_type(&SqlType::Array(Box::new(SqlType::Int8))));
        assert_eq!(
            wide.expect("fits").data_type(),
            &arrow_type(&SqlType::Array(Box::new(SqlType::Int8)))
        );

        let duration: ArrayRef = Arc::new(DurationMicrosecondArray::from(vec![5]));
        assert!(normalize(&duration, &arrow_type(&SqlType::Interval)).is_ok());
    }

    #[test]
    fn normalize_of_the_stored_type_is_free() {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let same = normalize(&array, &DataType::Int64).expect("identity");
        assert!(Arc::ptr_eq(&array, &same));
    }

    #[test]
    fn values_that_do_not_fit_are_errors_with_their_state() {
        let state = |array: ArrayRef, to: &SqlType| {
            normalize(&array, &arrow_type(to)).expect_err("does not fit").state()
        };
        let big: ArrayRef = Arc::new(Int64Array::from(vec![1 << 40]));
        assert_eq!(state(Arc::clone(&big), &SqlType::Int4), SqlState::NumericValueOutOfRange);
        let narrow = SqlType::Numeric(Some((4, 2)));
        assert_eq!(state(big, &narrow), SqlState::NumericValueOutOfRange);
        let decimal: ArrayRef = Arc::new(
            Decimal128Array::from(vec![123_456])
                .with_precision_and_scale(10, 2)
                .expect("a valid precision"),
        );
        assert_eq!(state(decimal, &narrow), SqlState::NumericValueOutOfRange);
        let late: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
        assert_eq!(state(late, &SqlType::Timestamp), SqlState::NumericValueOutOfRange);
        let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        assert_eq!(state(text, &SqlType::Date), SqlState::DataException);
        let number: ArrayRef = Arc::new(Int32Array::from(vec![1]));
        assert_eq!(state(number, &SqlType::Record), SqlState::CannotCoerce);
    }
}
