//! The Arrow types that a plan may put out, brought to the ones in which SQL types are kept.

use arrow::array::{
    Array, ArrowPrimitiveType, AsArray, BinaryArray, BinaryViewArray, FixedSizeBinaryArray,
    LargeBinaryArray, LargeStringArray, PrimitiveArray, RunArray, StringArray, StringViewArray,
};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTimeType,
    IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType, RunEndIndexType,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
};
use weir_types::{Error, Result, SqlState, SqlType};

use super::no_form;
use crate::value::failure::datetime_range;
use crate::value::interval::Interval;

/// Text of any Arrow type.
pub(super) enum Strings<'a> {
    View(&'a StringViewArray),
    Small(&'a StringArray),
    Large(&'a LargeStringArray),
}

impl<'a> Strings<'a> {
    pub(super) fn value(&self, row: usize) -> &'a str {
        match self {
            Self::View(values) => values.value(row),
            Self::Small(values) => values.value(row),
            Self::Large(values) => values.value(row),
        }
    }
}

pub(super) fn strings(array: &dyn Array) -> Option<Strings<'_>> {
    match array.data_type() {
        DataType::Utf8View => Some(Strings::View(array.as_string_view())),
        DataType::Utf8 => Some(Strings::Small(array.as_string())),
        DataType::LargeUtf8 => Some(Strings::Large(array.as_string())),
        _ => None,
    }
}

/// Bytes of any Arrow type.
pub(super) enum Binaries<'a> {
    View(&'a BinaryViewArray),
    Small(&'a BinaryArray),
    Large(&'a LargeBinaryArray),
    Fixed(&'a FixedSizeBinaryArray),
}

impl<'a> Binaries<'a> {
    pub(super) fn value(&self, row: usize) -> &'a [u8] {
        match self {
            Self::View(values) => values.value(row),
            Self::Small(values) => values.value(row),
            Self::Large(values) => values.value(row),
            Self::Fixed(values) => values.value(row),
        }
    }
}

pub(super) fn binaries(array: &dyn Array) -> Option<Binaries<'_>> {
    match array.data_type() {
        DataType::BinaryView => Some(Binaries::View(array.as_binary_view())),
        DataType::Binary => Some(Binaries::Small(array.as_binary())),
        DataType::LargeBinary => Some(Binaries::Large(array.as_binary())),
        DataType::FixedSizeBinary(_) => Some(Binaries::Fixed(array.as_fixed_size_binary())),
        _ => None,
    }
}

/// The values of an array through `convert`, which is not asked for those that are NULL.
fn map<S: ArrowPrimitiveType, T: Copy + Default>(
    array: &dyn Array,
    convert: impl Fn(S::Native) -> Result<T>,
) -> Result<Vec<T>> {
    let array: &PrimitiveArray<S> = array.as_primitive();
    let value = |(row, value): (usize, &S::Native)| {
        if array.is_null(row) { Ok(T::default()) } else { convert(*value) }
    };
    array.values().iter().enumerate().map(value).collect()
}

/// Integers of any width. 22003 for one outside `P`.
pub(super) fn integers<P>(
    array: &dyn Array,
    sql_type: &SqlType,
) -> Result<Option<ScalarBuffer<P::Native>>>
where
    P: ArrowPrimitiveType,
    P::Native: TryFrom<i128> + Default,
{
    if let Some(values) = array.as_primitive_opt::<P>() {
        return Ok(Some(values.values().clone()));
    }
    let values = whole_numbers(array, |value| {
        P::Native::try_from(value).map_err(|_| {
            let message = format!("value \"{value}\" is out of range for type {sql_type}");
            Error::new(SqlState::NumericValueOutOfRange, message)
        })
    });
    Ok(values.transpose()?.map(ScalarBuffer::from))
}

/// Oids, kept in 64 bits. 22003 for one beyond 32 bits.
pub(super) fn oids(array: &dyn Array, sql_type: &SqlType) -> Result<Option<ScalarBuffer<u32>>> {
    integers::<UInt32Type>(array, sql_type)
}

/// The integers of an array through `convert`; `None` if it has none.
fn whole_numbers<T: Copy + Default>(
    array: &dyn Array,
    convert: impl Fn(i128) -> Result<T>,
) -> Option<Result<Vec<T>>> {
    Some(match array.data_type() {
        DataType::Int8 => map::<Int8Type, T>(array, |value| convert(value.into())),
        DataType::Int16 => map::<Int16Type, T>(array, |value| convert(value.into())),
        DataType::Int32 => map::<Int32Type, T>(array, |value| convert(value.into())),
        DataType::Int64 => map::<Int64Type, T>(array, |value| convert(value.into())),
        DataType::UInt8 => map::<UInt8Type, T>(array, |value| convert(value.into())),
        DataType::UInt16 => map::<UInt16Type, T>(array, |value| convert(value.into())),
        DataType::UInt32 => map::<UInt32Type, T>(array, |value| convert(value.into())),
        DataType::UInt64 => map::<UInt64Type, T>(array, |value| convert(value.into())),
        _ => return None,
    })
}

/// Floats of any width that `P` holds.
pub(super) fn floats<P>(array: &dyn Array) -> Option<ScalarBuffer<P::Native>>
where
    P: ArrowPrimitiveType,
    P::Native: From<f32>,
{
    if let Some(values) = array.as_primitive_opt::<P>() {
        return Some(values.values().clone());
    }
    match array.data_type() {
        DataType::Float16 => {
            let values = array.as_primitive::<Float16Type>().values().iter();
            Some(values.map(|value| P::Native::from(value.to_f32())).collect())
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().values().iter();
            Some(values.map(|value| P::Native::from(*value)).collect())
        }
        _ => None,
    }
}

/// Decimals of up to 128 bits, or integers: unscaled values and scale.
pub(super) fn decimals(array: &dyn Array) -> Option<(ScalarBuffer<i128>, i8)> {
    match array.data_type() {
        DataType::Decimal128(_, scale) => {
            Some((array.as_primitive::<Decimal128Type>().values().clone(), *scale))
        }
        DataType::Decimal64(_, scale) => {
            let values = array.as_primitive::<Decimal64Type>().values().iter();
            Some((values.map(|value| i128::from(*value)).collect(), *scale))
        }
        DataType::Decimal32(_, scale) => {
            let values = array.as_primitive::<Decimal32Type>().values().iter();
            Some((values.map(|value| i128::from(*value)).collect(), *scale))
        }
        _ => {
            let values = whole_numbers(array, Ok)?.ok()?;
            Some((values.into(), 0))
        }
    }
}

/// Decimals of 256 bits: unscaled values and scale.
pub(super) fn wide_decimals(array: &dyn Array) -> Option<(ScalarBuffer<i256>, i8)> {
    match array.data_type() {
        DataType::Decimal256(_, scale) => {
            Some((array.as_primitive::<Decimal256Type>().values().clone(), *scale))
        }
        _ => None,
    }
}

/// Days since 1970-01-01.
pub(super) fn days(array: &dyn Array) -> Option<ScalarBuffer<i32>> {
    match array.data_type() {
        DataType::Date32 => Some(array.as_primitive::<Date32Type>().values().clone()),
        DataType::Date64 => {
            let values = array.as_primitive::<Date64Type>().values().iter();
            // A day beyond 32 bits is beyond PostgreSQL's range too, and refused when it is written.
            Some(
                values
                    .map(|ms| i32::try_from(ms.div_euclid(86_400_000)).unwrap_or(i32::MAX))
                    .collect(),
            )
        }
        _ => None,
    }
}

/// Microseconds since midnight.
pub(super) fn times(array: &dyn Array) -> Option<ScalarBuffer<i64>> {
    Some(match array.data_type() {
        DataType::Time32(TimeUnit::Second) => {
            let values = array.as_primitive::<Time32SecondType>().values().iter();
            values.map(|value| i64::from(*value) * 1_000_000).collect()
        }
        DataType::Time32(_) => {
            let values = array.as_primitive::<Time32MillisecondType>().values().iter();
            values.map(|value| i64::from(*value) * 1000).collect()
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            let values = array.as_primitive::<Time64NanosecondType>().values().iter();
            values.map(|value| value.div_euclid(1000)).collect()
        }
        DataType::Time64(_) => array.as_primitive::<Time64MicrosecondType>().values().clone(),
        _ => return None,
    })
}

/// Microseconds since 1970-01-01 00:00:00. 22008 for a value beyond 64 bits of them.
pub(super) fn timestamps(array: &dyn Array) -> Result<Option<ScalarBuffer<i64>>> {
    let scaled = |factor: i64| {
        move |value: i64| value.checked_mul(factor).ok_or_else(|| datetime_range("timestamp"))
    };
    let values = match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            return Ok(Some(array.as_primitive::<TimestampMicrosecondType>().values().clone()));
        }
        DataType::Timestamp(TimeUnit::Second, _) => {
            map::<TimestampSecondType, i64>(array, scaled(1_000_000))?
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            map::<TimestampMillisecondType, i64>(array, scaled(1000))?
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            map::<TimestampNanosecondType, i64>(array, |value| Ok(value.div_euclid(1000)))?
        }
        DataType::Date64 => map::<Date64Type, i64>(array, scaled(1000))?,
        _ => return Ok(None),
    };
    Ok(Some(values.into()))
}

/// Intervals and durations. 22008 for a duration beyond 64 bits of microseconds.
pub(super) fn intervals(array: &dyn Array) -> Result<Option<Vec<Interval>>> {
    let scaled = |factor: i64| {
        move |value: i64| {
            let micros = value.checked_mul(factor).ok_or_else(|| datetime_range("interval"))?;
            Ok(Interval { months: 0, days: 0, micros })
        }
    };
    let values = match array.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            map::<IntervalMonthDayNanoType, Interval>(array, |value| {
                let (months, days) = (value.months, value.days);
                Ok(Interval { months, days, micros: value.nanoseconds / 1000 })
            })
        }
        DataType::Interval(IntervalUnit::DayTime) => {
            map::<IntervalDayTimeType, Interval>(array, |value| {
                let micros = i64::from(value.milliseconds) * 1000;
                Ok(Interval { months: 0, days: value.days, micros })
            })
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            map::<IntervalYearMonthType, Interval>(array, |months| {
                Ok(Interval { months, days: 0, micros: 0 })
            })
        }
        DataType::Duration(TimeUnit::Second) => {
            map::<DurationSecondType, Interval>(array, scaled(1_000_000))
        }
        DataType::Duration(TimeUnit::Millisecond) => {
            map::<DurationMillisecondType, Interval>(array, scaled(1000))
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            map::<DurationMicrosecondType, Interval>(array, scaled(1))
        }
        DataType::Duration(TimeUnit::Nanosecond) => {
            map::<DurationNanosecondType, Interval>(array, |value| {
                Ok(Interval { months: 0, days: 0, micros: value / 1000 })
            })
        }
        _ => return Ok(None),
    };
    values.map(Some)
}

/// The distinct values of a dictionary or of runs, and the place of each row among them; no values
/// if there are none.
pub(super) fn indexed(array: &dyn Array) -> Result<(Vec<usize>, Option<&dyn Array>)> {
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        if dictionary.values().is_empty() {
            return Ok((Vec::new(), None));
        }
        return Ok((dictionary.normalized_keys(), Some(dictionary.values().as_ref())));
    }
    runs::<Int16Type>(array)
        .or_else(|| runs::<Int32Type>(array))
        .or_else(|| runs::<Int64Type>(array))
        .ok_or_else(|| no_form(array.data_type(), &SqlType::Unknown))
}

fn runs<R: RunEndIndexType>(array: &dyn Array) -> Option<(Vec<usize>, Option<&dyn Array>)> {
    let runs: &RunArray<R> = array.as_run_opt::<R>()?;
    let rows = (0..runs.len()).map(|row| runs.get_physical_index(row)).collect();
    Some((rows, Some(runs.values().as_ref())))
}
