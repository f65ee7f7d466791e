//! The rows of `generate_series` and `generate_subscripts` as arrays, which the plan unnests.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Builder, Int32Builder, Int64Builder, ListBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{
    Decimal128Type, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    TimestampMicrosecondType,
};
use weir_delta::schema::arrow_type;
use weir_types::{Error, Result, SqlType};

use super::change::{ELEMENTS_MAX, too_many};
use crate::functions::arithmetic::numeric::{in_range, rescale};
use crate::functions::call::Call;
use crate::functions::coercion::{array_of, as_numeric, element_of, wider_numeric};
use crate::functions::datetime::{instant_after, interval, stamp_after};
use crate::functions::number::invalid_parameter;
use crate::functions::overload::{Constant, Declaration, declare};

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("generate_series_list(int4, int4) -> int4[]", integers),
    declare("generate_series_list(int4, int4, int4) -> int4[]", integers),
    declare("generate_series_list(int8, int8) -> int8[]", bigints),
    declare("generate_series_list(int8, int8, int8) -> int8[]", bigints),
    declare("generate_series_list(numeric, numeric) -> numeric[]", numerics).returns(numeric_list),
    declare("generate_series_list(numeric, numeric, numeric) -> numeric[]", numerics)
        .returns(numeric_list),
    declare("generate_series_list(timestamp, timestamp, interval) -> timestamp[]", |call| {
        stamps(call, stamp_after)
    }),
    declare("generate_series_list(timestamptz, timestamptz, interval) -> timestamptz[]", |call| {
        stamps(call, |stamp, step| instant_after(stamp, step, &call.settings.time_zone))
    })
    .uses_settings(),
    declare("generate_subscripts_list(anyarray, int4) -> int4[]", |call| subscripts(call, 1)),
    declare("generate_subscripts_list(anyarray, int4, bool) -> int4[]", |call| subscripts(call, 1)),
    // The vectors count from 0.
    declare("generate_subscripts_list(int2vector, int4) -> int4[]", |call| subscripts(call, 0)),
    declare("generate_subscripts_list(oidvector, int4) -> int4[]", |call| subscripts(call, 0)),
];

fn numeric_list(types: &[SqlType], _: &[Option<Constant>]) -> SqlType {
    let wide = types.iter().map(as_numeric).reduce(wider_numeric);
    array_of(SqlType::Numeric(wide))
}

fn check_step(is_zero: bool) -> Result<()> {
    if is_zero { Err(invalid_parameter("step size cannot equal zero")) } else { Ok(()) }
}

/// Calls with each number from `start` to `stop`.
fn walk(start: i128, stop: i128, step: i128, mut each: impl FnMut(i128)) -> Result<()> {
    check_step(step == 0)?;
    if (stop - start) / step >= ELEMENTS_MAX.into() {
        return Err(too_many());
    }
    let mut value = start;
    while (step > 0 && value <= stop) || (step < 0 && value >= stop) {
        each(value);
        value += step;
    }
    Ok(())
}

fn integers(call: &Call<'_>) -> Result<ArrayRef> {
    let number = |argument, row| i128::from(call.numbers::<Int32Type>(argument).at(row));
    let mut lists = ListBuilder::new(Int32Builder::new());
    for row in 0..call.n_rows {
        if !call.is_null(row) {
            let step = if call.arguments.len() > 2 { number(2, row) } else { 1 };
            walk(number(0, row), number(1, row), step, |value| {
                lists.values().append_value(value as i32)
            })?;
        }
        lists.append(!call.is_null(row));
    }
    Ok(Arc::new(lists.finish()))
}

fn bigints(call: &Call<'_>) -> Result<ArrayRef> {
    let number = |argument, row| i128::from(call.numbers::<Int64Type>(argument).at(row));
    let mut lists = ListBuilder::new(Int64Builder::new());
    for row in 0..call.n_rows {
        if !call.is_null(row) {
            let step = if call.arguments.len() > 2 { number(2, row) } else { 1 };
            walk(number(0, row), number(1, row), step, |value| {
                lists.values().append_value(value as i64)
            })?;
        }
        lists.append(!call.is_null(row));
    }
    Ok(Arc::new(lists.finish()))
}

/// The type of the elements of the result.
fn element_type(call: &Call<'_>) -> Result<SqlType> {
    element_of(&call.types.returns).ok_or_else(|| Error::internal("a series is an array"))
}

fn numerics(call: &Call<'_>) -> Result<ArrayRef> {
    let element = element_type(call)?;
    let to = as_numeric(&element).1;
    let number = |argument, row| {
        let value = call.numbers::<Decimal128Type>(argument).at(row);
        in_range(rescale(value, call.numeric(argument).1, to))
    };
    let one = in_range(rescale(1, 0, to))?;
    let values = Decimal128Builder::new().with_data_type(arrow_type(&element));
    let mut lists = ListBuilder::new(values);
    for row in 0..call.n_rows {
        if !call.is_null(row) {
            let step = if call.arguments.len() > 2 { number(2, row)? } else { one };
            let (start, stop) = (number(0, row)?, number(1, row)?);
            walk(start, stop, step, |value| lists.values().append_value(value))?;
        }
        lists.append(!call.is_null(row));
    }
    Ok(Arc::new(lists.finish()))
}

fn stamps(
    call: &Call<'_>,
    after: impl Fn(i64, IntervalMonthDayNano) -> Result<i64>,
) -> Result<ArrayRef> {
    let (starts, stops) =
        (call.numbers::<TimestampMicrosecondType>(0), call.numbers::<TimestampMicrosecondType>(1));
    let steps = call.numbers::<IntervalMonthDayNanoType>(2);
    let values =
        TimestampMicrosecondBuilder::new().with_data_type(arrow_type(&element_type(call)?));
    let mut lists = ListBuilder::new(values);
    for row in 0..call.n_rows {
        if !call.is_null(row) {
            let (mut stamp, stop, step) = (starts.at(row), stops.at(row), steps.at(row));
            let sign = interval::key(step);
            check_step(sign == 0)?;
            let mut n = 0;
            while (sign > 0 && stamp <= stop) || (sign < 0 && stamp >= stop) {
                lists.values().append_value(stamp);
                n += 1;
                if n > ELEMENTS_MAX {
                    return Err(too_many());
                }
                stamp = after(stamp, step)?;
            }
        }
        lists.append(!call.is_null(row));
    }
    Ok(Arc::new(lists.finish()))
}

fn subscripts(call: &Call<'_>, first: i32) -> Result<ArrayRef> {
    let (arrays, dimensions) = (call.lists(0), call.numbers::<Int32Type>(1));
    let reversed = (call.arguments.len() > 2).then(|| call.booleans(2));
    let mut lists = ListBuilder::new(Int32Builder::new());
    for row in 0..call.n_rows {
        let range = arrays.range(row).filter(|_| !call.is_null(row) && dimensions.at(row) == 1);
        let length = range.map_or(0, |range| range.len() as i32);
        let is_reversed =
            !call.is_null(row) && reversed.as_ref().is_some_and(|flags| flags.at(row));
        for place in 0..length {
            let place = if is_reversed { length - 1 - place } else { place };
            lists.values().append_value(first + place);
        }
        lists.append(!call.is_null(row));
    }
    Ok(Arc::new(lists.finish()))
}
