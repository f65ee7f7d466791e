//! Values by which others compare, where PostgreSQL's order is not that of their Arrow form: -0.0 is 0.0, any NaN is
//! NaN, a month is 30 days and a day 24 hours, a NULL in an array is greater than other elements, `jsonb` compares by
//! kind and size first, and the blanks at the end of a `bpchar` mean nothing.

mod json_key;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryBuilder, Decimal128Array, StringViewArray,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, IntervalMonthDayNanoType,
};
use weir_types::{Result, SqlType};

use super::arithmetic::Float;
use super::arithmetic::numeric::numeric_of;
use super::array::Keys;
use super::call::Call;
use super::datetime::interval;
use super::overload::{Declaration, declare};

/// The function that gives the key of a value.
pub(crate) const COMPARISON_KEY: &str = "comparison_key";

/// Digits of an interval's key.
const KEY_DIGITS: u8 = 38;

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("comparison_key(float4) -> float4", floats::<Float32Type>).total(),
    declare("comparison_key(float8) -> float8", floats::<Float64Type>).total(),
    declare("comparison_key(bpchar) -> text", |call| Ok(without_blanks(&call.arguments[0].array)))
        .total(),
    declare("comparison_key(interval) -> numeric", |call| {
        let operand = call.numbers::<IntervalMonthDayNanoType>(0);
        call.each::<Decimal128Type>(|row| Ok(interval::key(operand.at(row))))
    })
    .returns(|_, _| numeric_of(KEY_DIGITS.into(), 0))
    .total(),
    declare("comparison_key(jsonb) -> bytea", json).total(),
    declare("comparison_key(anyarray) -> bytea", array).total(),
];

/// True if values of the type compare by keys.
pub(crate) fn has_key(t: &SqlType) -> bool {
    matches!(
        t,
        SqlType::Float4
            | SqlType::Float8
            | SqlType::Char(None)
            | SqlType::Interval
            | SqlType::Jsonb
            | SqlType::Array(_)
    )
}

/// The keys of an array of that type: the array itself where values compare as they are.
///
/// # Errors
/// XX000 for elements that do not compare.
pub(super) fn keys(array: &ArrayRef, of: &SqlType) -> Result<ArrayRef> {
    Ok(match of {
        SqlType::Char(None) => without_blanks(array),
        SqlType::Interval => {
            let keys: Decimal128Array =
                array.as_primitive::<IntervalMonthDayNanoType>().unary(interval::key);
            Arc::new(keys.with_data_type(DataType::Decimal128(KEY_DIGITS, 0)))
        }
        SqlType::Jsonb => {
            let texts = array.as_string_view();
            bytes_of_each(texts.iter(), json_key::write)
        }
        SqlType::Array(element) => {
            let lists = array.as_list::<i32>();
            let [keys] = Keys::of([lists.values()], element)?;
            let bounds = lists.value_offsets().windows(2);
            let ranges = bounds.map(|bounds| bounds[0] as usize..bounds[1] as usize);
            let ranges =
                ranges.enumerate().map(|(row, range)| lists.is_valid(row).then_some(range));
            bytes_of_each(ranges, |elements, out| array_key(&keys, elements, out))
        }
        _ => equal_floats(array),
    })
}

/// The bytes that are written for each value.
fn bytes_of_each<T>(
    values: impl Iterator<Item = Option<T>>,
    write: impl Fn(T, &mut Vec<u8>),
) -> ArrayRef {
    let mut keys = BinaryBuilder::new();
    let mut key = Vec::new();
    for value in values {
        let Some(value) = value else {
            keys.append_null();
            continue;
        };
        key.clear();
        write(value, &mut key);
        keys.append_value(&key);
    }
    Arc::new(keys.finish())
}

/// The texts without the blanks at their ends.
fn without_blanks(array: &ArrayRef) -> ArrayRef {
    let texts = array.as_string_view();
    let trimmed = texts.iter().map(|text| text.map(|text| text.trim_end_matches(' ')));
    Arc::new(trimmed.collect::<StringViewArray>())
}

/// The array with one form for floats that are equal: there are two zeros, and many NaNs.
pub(crate) fn equal_floats(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float64 => {
            Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(float_key))
        }
        DataType::Float32 => {
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(float_key))
        }
        _ => Arc::clone(array),
    }
}

fn float_key<F: Float>(value: F) -> F {
    // 0.0 added to -0.0 is 0.0.
    (value + F::default()).with_one_nan()
}

fn floats<T>(call: &Call<'_>) -> Result<ArrayRef>
where
    T: ArrowPrimitiveType,
    T::Native: Float,
{
    let operand = call.numbers::<T>(0);
    call.each::<T>(|row| Ok(float_key(operand.at(row))))
}

fn json(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.texts(0);
    call.each_bytes(|row, out| {
        json_key::write(texts.at(row), out);
        Ok(())
    })
}

fn array(call: &Call<'_>) -> Result<ArrayRef> {
    let lists = call.lists(0);
    let [keys] = Keys::of([lists.elements()], &call.element_type(0))?;
    call.each_bytes(|row, out| {
        array_key(&keys, lists.range(row).unwrap_or_default(), out);
        Ok(())
    })
}

/// The keys of the elements, one behind the other, so that their bytes compare as the arrays do: a NULL is behind all
/// else, and of arrays with the same beginning the shorter one is less.
fn array_key(keys: &Keys, elements: Range<usize>, out: &mut Vec<u8>) {
    const ELEMENT: u8 = 1;
    const END: u8 = 0;
    for element in elements {
        out.push(ELEMENT);
        out.extend_from_slice(keys.at(element));
    }
    out.push(END);
}
