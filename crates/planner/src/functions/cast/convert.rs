//! Casts of whole arrays.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, ListArray, PrimitiveArray,
    StringViewBuilder,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use bytes::BytesMut;
use weir_connect::value::{ColumnBuilder, FormatSettings, ValueEncoder};
use weir_delta::schema::arrow_type;
use weir_types::limits::IDENTIFIER_BYTES_MAX;
use weir_types::{Error, Result, SqlState, SqlType};

use super::is_kept_as_text;
use crate::functions::arithmetic::numeric::{rescale, ten_to};
use crate::functions::arithmetic::{out_of_range, overflow, underflow};
use crate::functions::call::Call;
use crate::functions::coercion::{Context, as_numeric, element_of};
use crate::functions::datetime::calendar::{
    MICROS_PER_DAY, join, out_of_range as datetime_range, split, to_instant, to_local,
};
use crate::functions::number::{
    double_to_integer, double_to_numeric, numeric_to_double, numeric_to_real, real_to_numeric,
};
use crate::functions::{datetime, json};

/// The kernel of `CAST`.
pub(super) fn explicit(call: &Call<'_>) -> Result<ArrayRef> {
    of_call(call, Context::Explicit)
}

/// The kernel of the casts that a statement implies: a text that is too long is an error.
pub(super) fn implicit(call: &Call<'_>) -> Result<ArrayRef> {
    of_call(call, Context::Assignment)
}

fn of_call(call: &Call<'_>, context: Context) -> Result<ArrayRef> {
    let types = call.types;
    convert(&call.arguments[0].array, &types.arguments[0], &types.returns, context, call.settings)
}

/// True if some value of that type has no cast.
pub(super) fn can_fail(from: &SqlType, to: &SqlType, context: Context) -> bool {
    use SqlType as T;
    match (from, to) {
        (_, T::Text | T::Varchar(None) | T::Char(None) | T::Name)
        | (T::Bool | T::Int4, T::Int4 | T::Bool) => false,
        (_, T::Varchar(_) | T::Char(_)) => context != Context::Explicit,
        (T::Int8 | T::Numeric(_), T::Float4 | T::Float8) => false,
        _ => true,
    }
}

/// True if the session's settings decide on the result.
pub(super) fn uses_settings(from: &SqlType, to: &SqlType) -> bool {
    let is_dated = |t: &SqlType| {
        matches!(
            element_of(t).as_ref().unwrap_or(t),
            SqlType::Date | SqlType::Timestamp | SqlType::Timestamptz | SqlType::Interval
        )
    };
    let is_shaped = |t: &SqlType| {
        matches!(
            element_of(t).as_ref().unwrap_or(t),
            SqlType::Float4 | SqlType::Float8 | SqlType::Bytea
        )
    };
    is_dated(from) || is_dated(to) || (is_shaped(from) && is_kept_as_text(to))
}

/// The values of type `from` as values of type `to`.
///
/// # Errors
/// 22003, 22007, 22008, 22P02 and so on for a value that has no cast.
pub(crate) fn convert(
    array: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    context: Context,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    if from == to {
        return Ok(Arc::clone(array));
    }
    if let (Some(from), Some(to)) = (element_of(from), element_of(to)) {
        return elements(array, &from, &to, context, settings);
    }
    if let SqlType::Char(Some(n)) = from
        && (*to == SqlType::Char(None) || !is_kept_as_text(to))
    {
        return convert(&padded(array, *n), &SqlType::Char(None), to, context, settings);
    }
    if is_kept_as_text(to) {
        return to_text(array, from, to, context, settings);
    }
    if is_kept_as_text(from) {
        return from_text(array, to, settings);
    }
    use SqlType as T;
    match (from, to) {
        (T::Bool, T::Int4) => {
            let flags = array.as_boolean();
            primitive::<Int32Type>(array, to, |row| Ok(i32::from(flags.value(row))))
        }
        (T::Int4, T::Bool) => {
            let numbers = array.as_primitive::<Int32Type>();
            Ok(Arc::new(BooleanArray::from_unary(numbers, |number| number != 0)))
        }
        (T::Json, T::Jsonb) => json::canonical(array),
        (T::Jsonb, T::Bool) => json::to_bool(array),
        (T::Jsonb, _) => {
            let numbers = json::to_numeric_text(array, to)?;
            let exact = T::Numeric(None);
            match to {
                T::Float4 | T::Float8 | T::Numeric(_) => from_text(&numbers, to, settings),
                _ => {
                    convert(&from_text(&numbers, &exact, settings)?, &exact, to, context, settings)
                }
            }
        }
        (T::Numeric(_), T::Numeric(_)) => between_numerics(array, from, to),
        (T::Numeric(_), _) => from_numeric(array, from, to),
        (T::Float4 | T::Float8, _) => from_float(array, from, to),
        (T::Int2 | T::Int4 | T::Int8 | T::Oid | T::Reg(_), _) => from_integer(array, from, to),
        _ => datetimes(array, from, to, settings),
    }
}

/// An array of that type with a value for each row that is not NULL.
fn primitive<T: ArrowPrimitiveType>(
    source: &ArrayRef,
    to: &SqlType,
    mut value: impl FnMut(usize) -> Result<T::Native>,
) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(source.len());
    for row in 0..source.len() {
        values.push(if source.is_null(row) { T::Native::default() } else { value(row)? });
    }
    let array = PrimitiveArray::<T>::new(values.into(), source.nulls().cloned());
    Ok(Arc::new(array.with_data_type(arrow_type(to))))
}

fn elements(
    array: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    context: Context,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    let list = array.as_list::<i32>();
    let values = convert(list.values(), from, to, context, settings)?;
    let DataType::List(field) = arrow_type(&super::array_type(to)) else {
        return Err(Error::internal("an array is not kept as a list"));
    };
    let list = ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned());
    Ok(Arc::new(list.map_err(|error| Error::internal(format!("array cast: {error}")))?))
}

fn to_text(
    array: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    context: Context,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    let mut out = StringViewBuilder::with_capacity(array.len());
    if is_kept_as_text(from) || matches!(from, SqlType::Json | SqlType::Jsonb | SqlType::Uuid) {
        let texts = array.as_string_view();
        for row in 0..texts.len() {
            if texts.is_null(row) {
                out.append_null();
            } else {
                // To other types the blanks at the end of a char mean nothing.
                let text = match (from, to) {
                    (SqlType::Char(_), SqlType::Char(_)) => texts.value(row),
                    (SqlType::Char(_), _) => texts.value(row).trim_end_matches(' '),
                    _ => texts.value(row),
                };
                out.append_value(fitted(text, to, context)?);
            }
        }
        return Ok(Arc::new(out.finish()));
    }
    let encoder = ValueEncoder::new(array, from, settings)?;
    let mut buffer = BytesMut::new();
    for row in 0..array.len() {
        if encoder.is_null(row) {
            out.append_null();
            continue;
        }
        buffer.clear();
        encoder.write_text(row, &mut buffer)?;
        let text = match (from, buffer.as_ref()) {
            // Its output function says `t`, its cast `true`.
            (SqlType::Bool, b"t") => "true",
            (SqlType::Bool, _) => "false",
            (_, bytes) => std::str::from_utf8(bytes)
                .map_err(|_| Error::internal(format!("the text form of {from} is not UTF-8")))?,
        };
        out.append_value(fitted(text, to, context)?);
    }
    Ok(Arc::new(out.finish()))
}

/// The values of a `char(n)` with the blanks that it shows.
fn padded(array: &ArrayRef, n: u32) -> ArrayRef {
    let texts = array.as_string_view();
    let mut out = StringViewBuilder::with_capacity(texts.len());
    let mut value = String::new();
    for text in texts {
        match text {
            None => out.append_null(),
            Some(text) => {
                value.clear();
                value.push_str(text);
                let n_blanks = (n as usize).saturating_sub(text.chars().count());
                value.extend(std::iter::repeat_n(' ', n_blanks));
                out.append_value(&value);
            }
        }
    }
    Arc::new(out.finish())
}

/// The text as the type keeps it.
fn fitted<'t>(text: &'t str, to: &SqlType, context: Context) -> Result<&'t str> {
    let cut = |n: u32| match text.char_indices().nth(n as usize) {
        None => Ok(text),
        Some((end, _)) if context == Context::Explicit => Ok(&text[..end]),
        Some((end, _)) if text[end..].bytes().all(|byte| byte == b' ') => Ok(&text[..end]),
        Some(_) => Err(Error::new(
            SqlState::StringDataRightTruncation,
            format!("value too long for type {to}"),
        )),
    };
    match to {
        SqlType::Varchar(Some(n)) => cut(*n),
        SqlType::Char(Some(n)) => Ok(cut(*n)?.trim_end_matches(' ')),
        SqlType::Name => Ok(&text[..text.floor_char_boundary(IDENTIFIER_BYTES_MAX)]),
        SqlType::InternalChar => Ok(text.chars().next().map_or("", |c| &text[..c.len_utf8()])),
        _ => Ok(text),
    }
}

fn from_text(array: &ArrayRef, to: &SqlType, settings: &FormatSettings) -> Result<ArrayRef> {
    let texts = array.as_string_view();
    let mut builder = ColumnBuilder::new(to, settings);
    for row in 0..texts.len() {
        if texts.is_null(row) {
            builder.push_null();
        } else {
            builder.push_text(texts.value(row))?;
        }
    }
    builder.finish()
}

/// The error of a number that has too many digits for its column (22003).
fn field_overflow(precision: u8, scale: i8) -> Error {
    let exponent = i16::from(precision) - i16::from(scale);
    let bound = if exponent == 0 { "1".to_owned() } else { format!("10^{exponent}") };
    Error::new(SqlState::NumericValueOutOfRange, "numeric field overflow").with_detail(format!(
        "A field with precision {precision}, scale {scale} must round to an absolute value less than {bound}."
    ))
}

/// The unscaled value, if the numeric has room for it.
fn fit(value: Option<i128>, (precision, scale): (u8, i8)) -> Result<i128> {
    value
        .filter(|value| value.unsigned_abs() < ten_to(precision.into()).unsigned_abs())
        .ok_or_else(|| field_overflow(precision, scale))
}

fn between_numerics(array: &ArrayRef, from: &SqlType, to: &SqlType) -> Result<ArrayRef> {
    let (source, target) = (as_numeric(from), as_numeric(to));
    let values = array.as_primitive::<Decimal128Type>();
    primitive::<Decimal128Type>(array, to, |row| {
        fit(rescale(values.value(row), source.1, target.1), target)
    })
}

fn from_numeric(array: &ArrayRef, from: &SqlType, to: &SqlType) -> Result<ArrayRef> {
    let scale = as_numeric(from).1;
    let values = array.as_primitive::<Decimal128Type>();
    let integer = |row| rescale(values.value(row), scale, 0);
    let range = || out_of_range(to);
    match to {
        SqlType::Int2 => primitive::<Int16Type>(array, to, |row| {
            integer(row).and_then(|value| value.try_into().ok()).ok_or_else(range)
        }),
        SqlType::Int4 => primitive::<Int32Type>(array, to, |row| {
            integer(row).and_then(|value| value.try_into().ok()).ok_or_else(range)
        }),
        SqlType::Int8 => primitive::<Int64Type>(array, to, |row| {
            integer(row).and_then(|value| value.try_into().ok()).ok_or_else(range)
        }),
        SqlType::Float4 => {
            primitive::<Float32Type>(array, to, |row| Ok(numeric_to_real(values.value(row), scale)))
        }
        SqlType::Float8 => primitive::<Float64Type>(array, to, |row| {
            Ok(numeric_to_double(values.value(row), scale))
        }),
        _ => Err(no_cast(from, to)),
    }
}

fn from_float(array: &ArrayRef, from: &SqlType, to: &SqlType) -> Result<ArrayRef> {
    let is_real = *from == SqlType::Float4;
    let value = |row| {
        if is_real {
            f64::from(array.as_primitive::<Float32Type>().value(row))
        } else {
            array.as_primitive::<Float64Type>().value(row)
        }
    };
    let integer = |row, min: i64, max: i64| {
        double_to_integer(value(row), min, max).ok_or_else(|| out_of_range(to))
    };
    match to {
        SqlType::Int2 => primitive::<Int16Type>(array, to, |row| {
            Ok(integer(row, i16::MIN.into(), i16::MAX.into())? as i16)
        }),
        SqlType::Int4 => primitive::<Int32Type>(array, to, |row| {
            Ok(integer(row, i32::MIN.into(), i32::MAX.into())? as i32)
        }),
        SqlType::Int8 => primitive::<Int64Type>(array, to, |row| integer(row, i64::MIN, i64::MAX)),
        SqlType::Float4 => primitive::<Float32Type>(array, to, |row| to_real(value(row))),
        SqlType::Numeric(_) => {
            let target = as_numeric(to);
            primitive::<Decimal128Type>(array, to, |row| {
                let value = value(row);
                if !value.is_finite() {
                    return Err(Error::unsupported(format!(
                        "numeric \"{value}\" is not supported"
                    )));
                }
                let numeric = if is_real {
                    real_to_numeric(value as f32, target.1)
                } else {
                    double_to_numeric(value, target.1)
                };
                fit(numeric, target)
            })
        }
        _ => Err(no_cast(from, to)),
    }
}

fn to_real(value: f64) -> Result<f32> {
    let real = value as f32;
    if real.is_infinite() && value.is_finite() {
        return Err(overflow());
    }
    if real == 0.0 && value != 0.0 {
        return Err(underflow());
    }
    Ok(real)
}

fn from_integer(array: &ArrayRef, from: &SqlType, to: &SqlType) -> Result<ArrayRef> {
    let value = |row| match from {
        SqlType::Int2 => i64::from(array.as_primitive::<Int16Type>().value(row)),
        SqlType::Int4 => i64::from(array.as_primitive::<Int32Type>().value(row)),
        _ => array.as_primitive::<Int64Type>().value(row),
    };
    let range = || out_of_range(to);
    match to {
        SqlType::Int2 => {
            primitive::<Int16Type>(array, to, |row| value(row).try_into().map_err(|_| range()))
        }
        SqlType::Int4 if matches!(from, SqlType::Oid | SqlType::Reg(_)) => {
            // The same 32 bits, signed.
            primitive::<Int32Type>(array, to, |row| Ok(value(row) as i32))
        }
        SqlType::Int4 => {
            primitive::<Int32Type>(array, to, |row| value(row).try_into().map_err(|_| range()))
        }
        SqlType::Oid | SqlType::Reg(_) if *from == SqlType::Int8 => {
            primitive::<Int64Type>(array, to, |row| match u32::try_from(value(row)) {
                Ok(oid) => Ok(oid.into()),
                Err(_) => Err(Error::new(SqlState::NumericValueOutOfRange, "OID out of range")),
            })
        }
        SqlType::Oid | SqlType::Reg(_) => {
            primitive::<Int64Type>(array, to, |row| Ok((value(row) as u32).into()))
        }
        SqlType::Int8 => primitive::<Int64Type>(array, to, |row| Ok(value(row))),
        SqlType::Float4 => primitive::<Float32Type>(array, to, |row| Ok(value(row) as f32)),
        SqlType::Float8 => primitive::<Float64Type>(array, to, |row| Ok(value(row) as f64)),
        SqlType::Numeric(_) => {
            let target = as_numeric(to);
            primitive::<Decimal128Type>(array, to, |row| {
                fit(rescale(value(row).into(), 0, target.1), target)
            })
        }
        _ => Err(no_cast(from, to)),
    }
}

fn datetimes(
    array: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    use SqlType as T;
    let zone = &settings.time_zone;
    let micros = |row| array.as_primitive::<TimestampMicrosecondType>().value(row);
    let midnight = |row| {
        let days = array.as_primitive::<Date32Type>().value(row);
        join(days.into(), 0).ok_or_else(|| datetime_range("date"))
    };
    let local =
        |row| if *from == T::Timestamptz { to_local(micros(row), zone) } else { Ok(micros(row)) };
    match (from, to) {
        (T::Date, T::Timestamp) => primitive::<TimestampMicrosecondType>(array, to, midnight),
        (T::Date, T::Timestamptz) => {
            primitive::<TimestampMicrosecondType>(array, to, |row| to_instant(midnight(row)?, zone))
        }
        (T::Timestamp, T::Timestamptz) => {
            primitive::<TimestampMicrosecondType>(array, to, |row| to_instant(micros(row), zone))
        }
        (T::Timestamptz, T::Timestamp) => primitive::<TimestampMicrosecondType>(array, to, local),
        (T::Timestamp | T::Timestamptz, T::Date) => {
            primitive::<Date32Type>(array, to, |row| Ok(split(local(row)?).0 as i32))
        }
        (T::Timestamp | T::Timestamptz, T::Time) => {
            primitive::<Time64MicrosecondType>(array, to, |row| Ok(split(local(row)?).1))
        }
        (T::Time, T::Interval) => primitive::<IntervalMonthDayNanoType>(array, to, |row| {
            let micros = array.as_primitive::<Time64MicrosecondType>().value(row);
            Ok(IntervalMonthDayNano::new(0, 0, micros * 1000))
        }),
        (T::Interval, T::Time) => primitive::<Time64MicrosecondType>(array, to, |row| {
            let interval = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            Ok(datetime::interval::micros(interval).rem_euclid(MICROS_PER_DAY))
        }),
        _ => Err(no_cast(from, to)),
    }
}

fn no_cast(from: &SqlType, to: &SqlType) -> Error {
    Error::internal(format!("no cast from {from} to {to} was to be planned"))
}
