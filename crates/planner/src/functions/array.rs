//! Functions and operators of arrays. An array has one dimension, counted from 1.

mod change;
mod series;

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::SortOptions;
use arrow::datatypes::Int32Type;
use arrow::row::{RowConverter, Rows, SortField};
use weir_types::{Error, Result, SqlState, SqlType};

use super::call::{Argument, Call};
use super::comparison_key;
use super::overload::{Declaration, declare};

/// The functions of this module.
pub(crate) fn declarations() -> impl Iterator<Item = &'static Declaration> {
    READS.iter().chain(change::DECLARATIONS).chain(series::DECLARATIONS)
}

const READS: &[Declaration] = &[
    declare("array_length(anyarray, int4) -> int4", |call| length(call, true)).total(),
    declare("array_upper(anyarray, int4) -> int4", |call| length(call, true)).total(),
    declare("array_lower(anyarray, int4) -> int4", |call| length(call, false)).total(),
    declare("array_ndims(anyarray) -> int4", |call| {
        let lists = call.lists(0);
        call.each_maybe::<Int32Type>(|row| {
            Ok(lists.range(row).filter(|r| !r.is_empty()).map(|_| 1))
        })
    })
    .total(),
    declare("array_dims(anyarray) -> text", |call| {
        let lists = call.lists(0);
        call.each_maybe_text(|row, out| {
            let Some(range) = lists.range(row).filter(|range| !range.is_empty()) else {
                return Ok(false);
            };
            out.push_str(&format!("[1:{}]", range.len()));
            Ok(true)
        })
    })
    .total(),
    declare("cardinality(anyarray) -> int4", |call| {
        let lists = call.lists(0);
        call.each::<Int32Type>(|row| Ok(lists.range(row).map_or(0, |range| range.len() as i32)))
    })
    .total(),
    declare("array_subscript(anyarray, int4) -> anyelement", |call| subscript(call, 1)).total(),
    // These two count from 0.
    declare("array_subscript(int2vector, int4) -> int2", |call| subscript(call, 0)).total(),
    declare("array_subscript(oidvector, int4) -> oid", |call| subscript(call, 0)).total(),
    declare("array_position(anycompatiblearray, anycompatible) -> int4", position).takes_null(),
    declare("array_position(anycompatiblearray, anycompatible, int4) -> int4", position)
        .takes_null(),
    declare("array_positions(anycompatiblearray, anycompatible) -> int4[]", positions).takes_null(),
    declare("@>(anyarray, anyarray) -> bool", |call| containment(call, 0, 1)).total(),
    declare("<@(anyarray, anyarray) -> bool", |call| containment(call, 1, 0)).total(),
    declare("&&(anyarray, anyarray) -> bool", overlap).total(),
    // `x = ANY (array)` and so on, of a type that the operator chooses.
    declare("any =(anyelement, anyarray) -> bool", |call| any(call, Ordering::is_eq))
        .takes_null()
        .total(),
    declare("any <>(anyelement, anyarray) -> bool", |call| any(call, Ordering::is_ne))
        .takes_null()
        .total(),
    declare("any <(anyelement, anyarray) -> bool", |call| any(call, Ordering::is_lt))
        .takes_null()
        .total(),
    declare("any <=(anyelement, anyarray) -> bool", |call| any(call, Ordering::is_le))
        .takes_null()
        .total(),
    declare("any >(anyelement, anyarray) -> bool", |call| any(call, Ordering::is_gt))
        .takes_null()
        .total(),
    declare("any >=(anyelement, anyarray) -> bool", |call| any(call, Ordering::is_ge))
        .takes_null()
        .total(),
    declare("all =(anyelement, anyarray) -> bool", |call| all(call, Ordering::is_eq))
        .takes_null()
        .total(),
    declare("all <>(anyelement, anyarray) -> bool", |call| all(call, Ordering::is_ne))
        .takes_null()
        .total(),
    declare("all <(anyelement, anyarray) -> bool", |call| all(call, Ordering::is_lt))
        .takes_null()
        .total(),
    declare("all <=(anyelement, anyarray) -> bool", |call| all(call, Ordering::is_le))
        .takes_null()
        .total(),
    declare("all >(anyelement, anyarray) -> bool", |call| all(call, Ordering::is_gt))
        .takes_null()
        .total(),
    declare("all >=(anyelement, anyarray) -> bool", |call| all(call, Ordering::is_ge))
        .takes_null()
        .total(),
];

/// The comparison that `ANY` or `ALL` over an array makes with each element, where the function of that name is one.
pub(crate) fn quantified_symbol(function: &str) -> Option<&str> {
    function.strip_prefix("any ").or_else(|| function.strip_prefix("all "))
}

/// Values as bytes, whatever the type: they are equal and ordered as the values are, NULL behind all.
pub(super) struct Keys {
    rows: Rows,
}

impl Keys {
    /// The bytes of several arrays of one type, to be compared with each other.
    pub(super) fn of<const N: usize>(arrays: [&ArrayRef; N], of: &SqlType) -> Result<[Self; N]> {
        let keys = Self::of_all(arrays.into_iter(), of)?;
        keys.try_into().map_err(|_| Error::internal("as many keys as arrays"))
    }

    /// As [`Self::of`], of any number of arrays.
    pub(super) fn of_all<'a>(
        arrays: impl Iterator<Item = &'a ArrayRef>,
        of: &SqlType,
    ) -> Result<Vec<Self>> {
        let internal = |error| Error::internal(format!("values cannot be compared: {error}"));
        let arrays: Vec<ArrayRef> =
            arrays.map(|array| comparison_key::keys(array, of)).collect::<Result<_>>()?;
        let Some(first) = arrays.first() else { return Ok(Vec::new()) };
        let nulls_last = SortOptions { descending: false, nulls_first: false };
        let field = SortField::new_with_options(first.data_type().clone(), nulls_last);
        let converter = RowConverter::new(vec![field]).map_err(internal)?;
        let rows = |array| converter.convert_columns(&[array]).map_err(internal);
        arrays.into_iter().map(|array| Ok(Self { rows: rows(array)? })).collect()
    }

    pub(super) fn at(&self, index: usize) -> &[u8] {
        self.rows.row(index).data()
    }
}

fn length(call: &Call<'_>, is_upper: bool) -> Result<ArrayRef> {
    let (lists, dimensions) = (call.lists(0), call.numbers::<Int32Type>(1));
    call.each_maybe::<Int32Type>(|row| {
        let range = lists.range(row).filter(|range| !range.is_empty() && dimensions.at(row) == 1);
        Ok(range.map(|range| if is_upper { range.len() as i32 } else { 1 }))
    })
}

fn take(values: &ArrayRef, indexes: Vec<Option<u32>>) -> Result<ArrayRef> {
    arrow::compute::take(values, &UInt32Array::from(indexes), None)
        .map_err(|error| Error::internal(format!("array elements: {error}")))
}

fn subscript(call: &Call<'_>, first: i64) -> Result<ArrayRef> {
    let (lists, subscripts) = (call.lists(0), call.numbers::<Int32Type>(1));
    let indexes = (0..call.n_rows)
        .map(|row| {
            let range = if call.is_null(row) { None } else { lists.range(row) }?;
            let index = usize::try_from(i64::from(subscripts.at(row)) - first).ok()?;
            (index < range.len()).then(|| (range.start + index) as u32)
        })
        .collect();
    take(lists.elements(), indexes)
}

/// The place of an argument's value for a row.
pub(super) fn value_index(argument: &Argument, row: usize) -> usize {
    if argument.is_constant { 0 } else { row }
}

/// Places, from 0, at which the element of a row is in its array.
fn found<'a>(
    call: &'a Call<'_>,
    keys: &'a [Keys; 2],
    row: usize,
) -> Option<impl Iterator<Item = usize> + 'a> {
    let lists = call.lists(0);
    let range = lists.range(row)?;
    let wanted = value_index(&call.arguments[1], row);
    let start = range.start;
    let found = range.filter(move |index| keys[0].at(*index) == keys[1].at(wanted));
    Some(found.map(move |index| index - start))
}

fn position(call: &Call<'_>) -> Result<ArrayRef> {
    let keys =
        Keys::of([call.lists(0).elements(), &call.arguments[1].array], &call.element_type(0))?;
    let starts = (call.arguments.len() > 2).then(|| call.numbers::<Int32Type>(2));
    call.each_maybe::<Int32Type>(|row| {
        let start = match &starts {
            Some(_) if call.arguments[2].is_null(row) => {
                return Err(Error::new(
                    SqlState::NullValueNotAllowed,
                    "initial position must not be null",
                ));
            }
            Some(starts) => starts.at(row),
            None => 1,
        };
        let from = usize::try_from(start - 1).unwrap_or(0);
        let place =
            found(call, &keys, row).and_then(|mut places| places.find(|place| *place >= from));
        Ok(place.map(|place| place as i32 + 1))
    })
}

fn positions(call: &Call<'_>) -> Result<ArrayRef> {
    let keys =
        Keys::of([call.lists(0).elements(), &call.arguments[1].array], &call.element_type(0))?;
    let mut lists = arrow::array::ListBuilder::new(arrow::array::Int32Builder::new());
    for row in 0..call.n_rows {
        let places = found(call, &keys, row);
        let is_valid = places.is_some();
        for place in places.into_iter().flatten() {
            lists.values().append_value(place as i32 + 1);
        }
        lists.append(is_valid);
    }
    Ok(Arc::new(lists.finish()))
}

fn containment(call: &Call<'_>, whole: usize, part: usize) -> Result<ArrayRef> {
    let (whole, part) = (call.lists(whole), call.lists(part));
    let keys = Keys::of([whole.elements(), part.elements()], &call.element_type(0))?;
    call.each_bool(|row| {
        let (Some(whole), Some(mut wanted)) = (whole.range(row), part.range(row)) else {
            return Ok(false);
        };
        // NULL is in no array.
        Ok(wanted.all(|wanted| {
            part.elements().is_valid(wanted)
                && whole.clone().any(|index| keys[0].at(index) == keys[1].at(wanted))
        }))
    })
}

fn overlap(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.lists(0), call.lists(1));
    let keys = Keys::of([left.elements(), right.elements()], &call.element_type(0))?;
    call.each_bool(|row| {
        let (Some(mut a), Some(b)) = (left.range(row), right.range(row)) else { return Ok(false) };
        Ok(a.any(|index| {
            left.elements().is_valid(index)
                && b.clone().any(|other| keys[0].at(index) == keys[1].at(other))
        }))
    })
}

fn any(call: &Call<'_>, holds: fn(Ordering) -> bool) -> Result<ArrayRef> {
    quantified(call, holds, true)
}

fn all(call: &Call<'_>, holds: fn(Ordering) -> bool) -> Result<ArrayRef> {
    quantified(call, holds, false)
}

/// A comparison with each element: the first that says `decisive` decides; else NULL if an element is
/// NULL, else the opposite. A NULL compares so with each element, too, and there may be none.
fn quantified(call: &Call<'_>, holds: fn(Ordering) -> bool, decisive: bool) -> Result<ArrayRef> {
    let lists = call.lists(1);
    let keys = Keys::of([&call.arguments[0].array, lists.elements()], &call.element_type(1))?;
    call.each_maybe_bool(|row| {
        let Some(range) = lists.range(row) else { return Ok(None) };
        if call.arguments[0].is_null(row) {
            return Ok(range.is_empty().then_some(!decisive));
        }
        let value = keys[0].at(value_index(&call.arguments[0], row));
        let mut has_null = false;
        for index in range {
            if lists.elements().is_null(index) {
                has_null = true;
            } else if holds(value.cmp(keys[1].at(index))) == decisive {
                return Ok(Some(decisive));
            }
        }
        Ok((!has_null).then_some(!decisive))
    })
}

/// The elements of a list argument of a row, by their indexes among all elements.
fn indexes(call: &Call<'_>, argument: usize, row: usize) -> Option<std::ops::Range<usize>> {
    call.lists(argument).range(row)
}

/// All elements of a list argument.
fn values(argument: &Argument) -> &ArrayRef {
    argument.array.as_list::<i32>().values()
}

/// The error of an array that would have more than one dimension (0A000).
fn one_dimension() -> Error {
    Error::unsupported("arrays of more than one dimension are not supported")
}
