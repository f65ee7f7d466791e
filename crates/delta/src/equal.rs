//! Whether rows are the same, column by column over many pairs at once: as keys, by SQL's `IS NOT DISTINCT
//! FROM`, or as rows, of which a function could not tell one from the other.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::downcast_primitive_array;

use crate::hash::expanded;
use crate::value::Value;

/// A row of the left columns and a row of the right ones.
pub type Pair = (u32, u32);

/// What makes two values the same. NULL is NULL, and NaN is NaN, to both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// SQL's equality: -0.0 is 0.0. For keys.
    Equal,
    /// No function tells them apart: -0.0 is not 0.0. For rows that come and go.
    Identical,
}

/// For each pair, whether its rows are the same by `how` in all columns; true where there are no columns.
///
/// # Panics
/// When the sides have not equally many columns, or columns of kinds that cannot be compared.
#[must_use]
pub fn equal_rows(
    left: &[ArrayRef],
    right: &[ArrayRef],
    pairs: &[Pair],
    how: Sameness,
) -> Vec<bool> {
    assert_eq!(left.len(), right.len(), "both sides have the same columns");
    let mut equal = vec![true; pairs.len()];
    for (left, right) in left.iter().zip(right) {
        and_equal(left, right, pairs, &mut equal, how);
    }
    equal
}

/// Sets `equal` to false for the pairs that differ in this column.
pub(crate) fn and_equal(
    left: &ArrayRef,
    right: &ArrayRef,
    pairs: &[Pair],
    equal: &mut [bool],
    how: Sameness,
) {
    if let Some(values) = expanded(left) {
        return and_equal(&values, right, pairs, equal, how);
    }
    if let Some(values) = expanded(right) {
        return and_equal(left, &values, pairs, equal, how);
    }
    let right = &in_form_of(left, right);
    downcast_primitive_array!(
        left => and_primitive(left, right.as_primitive(), pairs, equal, how),
        DataType::Null => {}
        DataType::Boolean => {
            let (l, r) = (left.as_boolean(), right.as_boolean());
            and_valid(left, right, pairs, equal, |a, b| l.value(a) == r.value(b));
        }
        DataType::Utf8View => {
            let (l, r) = (left.as_string_view(), right.as_string_view());
            and_valid(left, right, pairs, equal, |a, b| l.value(a) == r.value(b));
        }
        DataType::BinaryView => {
            let (l, r) = (left.as_binary_view(), right.as_binary_view());
            and_valid(left, right, pairs, equal, |a, b| l.value(a) == r.value(b));
        }
        DataType::Utf8 => {
            let (l, r) = (left.as_string::<i32>(), right.as_string::<i32>());
            and_valid(left, right, pairs, equal, |a, b| l.value(a) == r.value(b));
        }
        DataType::LargeUtf8 => {
            let (l, r) = (left.as_string::<i64>(), right.as_string::<i64>());
            and_valid(left, right, pairs, equal, |a, b| l.value(a) == r.value(b));
        }
        DataType::Binary => {
            let (l, r) = (left.as_binary::<i32>(), right.as_binary::<i32>());
            and_valid(left, right, pairs, equal, |a, b| l.value(a) == r.value(b));
        }
        DataType::LargeBinary => {
            let (l, r) = (left.as_binary::<i64>(), right.as_binary::<i64>());
            and_valid(left, right, pairs, equal, |a, b| l.value(a) == r.value(b));
        }
        DataType::FixedSizeBinary(_) => {
            let (l, r) = (left.as_fixed_size_binary(), right.as_fixed_size_binary());
            and_valid(left, right, pairs, equal, |a, b| l.value(a) == r.value(b));
        }
        _ => and_nested(left, right, pairs, equal, how)
    );
}

/// The right column in the physical form of the left one: texts have three, bytes have three.
fn in_form_of(left: &ArrayRef, right: &ArrayRef) -> ArrayRef {
    let (from, to) = (right.data_type(), left.data_type());
    let is_bytes = |t: &DataType| t.is_binary() && !matches!(t, DataType::FixedSizeBinary(_));
    if from == to {
        Arc::clone(right)
    } else if (from.is_string() && to.is_string()) || (is_bytes(from) && is_bytes(to)) {
        cast(right, to).expect("every text is a text")
    } else {
        assert_eq!(scale(from), scale(to), "decimals of one scale");
        Arc::clone(right)
    }
}

fn scale(data_type: &DataType) -> Option<i8> {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale)
        | DataType::Decimal256(_, scale) => Some(*scale),
        _ => None,
    }
}

/// Compares by `same` the pairs of values that are both valid; NULL is the same as NULL only.
#[inline]
fn and_valid(
    left: &dyn Array,
    right: &dyn Array,
    pairs: &[Pair],
    equal: &mut [bool],
    same: impl Fn(usize, usize) -> bool,
) {
    let pairs = pairs.iter().map(|(left, right)| (*left as usize, *right as usize));
    let pairs = equal.iter_mut().zip(pairs).filter(|(equal, _)| **equal);
    if left.nulls().is_none() && right.nulls().is_none() {
        pairs.for_each(|(equal, (a, b))| *equal = same(a, b));
    } else {
        pairs.for_each(|(equal, (a, b))| {
            *equal = match (left.is_valid(a), right.is_valid(b)) {
                (true, true) => same(a, b),
                (false, false) => true,
                _ => false,
            };
        });
    }
}

fn and_primitive<T: Value>(
    left: &PrimitiveArray<T>,
    right: &PrimitiveArray<T>,
    pairs: &[Pair],
    equal: &mut [bool],
    how: Sameness,
) {
    let (l, r) = (left.values(), right.values());
    match how {
        Sameness::Equal => and_valid(left, right, pairs, equal, |a, b| T::is_same(l[a], r[b])),
        Sameness::Identical => {
            and_valid(left, right, pairs, equal, |a, b| T::is_identical(l[a], r[b]));
        }
    }
}

fn and_nested(
    left: &ArrayRef,
    right: &ArrayRef,
    pairs: &[Pair],
    equal: &mut [bool],
    how: Sameness,
) {
    match left.data_type() {
        DataType::Struct(_) => and_struct(left, right, pairs, equal, how),
        DataType::List(_) => and_list::<i32>(left, right, pairs, equal, how),
        DataType::LargeList(_) => and_list::<i64>(left, right, pairs, equal, how),
        DataType::Map(..) => {
            let (l, r) = (left.as_map(), right.as_map());
            let (l_ends, r_ends) = (l.value_offsets(), r.value_offsets());
            let l_bounds = |row: usize| (l_ends[row] as usize, l_ends[row + 1] as usize);
            let r_bounds = |row: usize| (r_ends[row] as usize, r_ends[row + 1] as usize);
            let entries = |map: &arrow::array::MapArray| Arc::new(map.entries().clone());
            let l_list = List { array: left, values: &(entries(l) as ArrayRef), bounds: l_bounds };
            let r_list = List { array: right, values: &(entries(r) as ArrayRef), bounds: r_bounds };
            and_elements(&l_list, &r_list, pairs, equal, how);
        }
        DataType::FixedSizeList(_, size) => {
            let size = usize::try_from(*size).expect("a list size is not negative");
            let bounds = |row: usize| (row * size, (row + 1) * size);
            let l = List { array: left, values: left.as_fixed_size_list().values(), bounds };
            let r = List { array: right, values: right.as_fixed_size_list().values(), bounds };
            and_elements(&l, &r, pairs, equal, how);
        }
        DataType::ListView(_) => and_list_view::<i32>(left, right, pairs, equal, how),
        DataType::LargeListView(_) => and_list_view::<i64>(left, right, pairs, equal, how),
        other => panic!("rows of type {other} have no equality"),
    }
}

fn and_struct(
    left: &ArrayRef,
    right: &ArrayRef,
    pairs: &[Pair],
    equal: &mut [bool],
    how: Sameness,
) {
    let (l, r) = (left.as_struct(), right.as_struct());
    and_valid(left, right, pairs, equal, |_, _| true);
    let both_valid: Vec<usize> =
        (0..pairs.len()).filter(|at| equal[*at] && left.is_valid(pairs[*at].0 as usize)).collect();
    let valid_pairs: Vec<Pair> = both_valid.iter().map(|at| pairs[*at]).collect();
    let same = equal_rows(l.columns(), r.columns(), &valid_pairs, how);
    for (at, same) in both_valid.into_iter().zip(same) {
        equal[at] = same;
    }
}

/// One side of a comparison of lists: the elements of a row are those between its bounds.
struct List<'a, F: Fn(usize) -> (usize, usize)> {
    array: &'a ArrayRef,
    values: &'a ArrayRef,
    bounds: F,
}

fn and_list<O: OffsetSizeTrait>(
    left: &ArrayRef,
    right: &ArrayRef,
    pairs: &[Pair],
    equal: &mut [bool],
    how: Sameness,
) {
    let (l, r) = (left.as_list::<O>(), right.as_list::<O>());
    let (l_ends, r_ends) = (l.value_offsets(), r.value_offsets());
    let l_bounds = |row: usize| (l_ends[row].as_usize(), l_ends[row + 1].as_usize());
    let r_bounds = |row: usize| (r_ends[row].as_usize(), r_ends[row + 1].as_usize());
    let l_list = List { array: left, values: l.values(), bounds: l_bounds };
    let r_list = List { array: right, values: r.values(), bounds: r_bounds };
    and_elements(&l_list, &r_list, pairs, equal, how);
}

fn and_list_view<O: OffsetSizeTrait>(
    left: &ArrayRef,
    right: &ArrayRef,
    pairs: &[Pair],
    equal: &mut [bool],
    how: Sameness,
) {
    let (l, r) = (left.as_list_view::<O>(), right.as_list_view::<O>());
    let bounds = |offsets: &[O], sizes: &[O], row: usize| {
        let start = offsets[row].as_usize();
        (start, start + sizes[row].as_usize())
    };
    let l_bounds = |row: usize| bounds(l.value_offsets(), l.value_sizes(), row);
    let r_bounds = |row: usize| bounds(r.value_offsets(), r.value_sizes(), row);
    let l_list = List { array: left, values: l.values(), bounds: l_bounds };
    let r_list = List { array: right, values: r.values(), bounds: r_bounds };
    and_elements(&l_list, &r_list, pairs, equal, how);
}

fn and_elements<L, R>(
    left: &List<'_, L>,
    right: &List<'_, R>,
    pairs: &[Pair],
    equal: &mut [bool],
    how: Sameness,
) where
    L: Fn(usize) -> (usize, usize),
    R: Fn(usize) -> (usize, usize),
{
    let length = |(start, end): (usize, usize)| end - start;
    and_valid(left.array, right.array, pairs, equal, |a, b| {
        length((left.bounds)(a)) == length((right.bounds)(b))
    });
    let mut element_pairs = Vec::new();
    let mut pair_of_element = Vec::new();
    for (at, (a, b)) in pairs.iter().enumerate() {
        if !equal[at] || left.array.is_null(*a as usize) {
            continue;
        }
        let (l_start, l_end) = (left.bounds)(*a as usize);
        let (r_start, _) = (right.bounds)(*b as usize);
        for element in 0..l_end - l_start {
            element_pairs.push(((l_start + element) as u32, (r_start + element) as u32));
            pair_of_element.push(at);
        }
    }
    let mut same = vec![true; element_pairs.len()];
    and_equal(left.values, right.values, &element_pairs, &mut same, how);
    for (at, same) in pair_of_element.into_iter().zip(same) {
        equal[at] &= same;
    }
}

#[cfg(test)]
mod tests;
