//! The hash of rows. **Version 1. It must never change.**
//!
//! It picks the partition of a stored record and the shard of stored state: another result for the
//! same row would look for it in the wrong place, in data that was written years ago. A better hash
//! is a new function beside this one, chosen by name where a topic is created.
//!
//! A row starts as `SEED`. Each of its columns, in order, is folded in, and the result is mixed
//! once more:
//!
//! | value | folded as |
//! |---|---|
//! | NULL | a constant of its own |
//! | boolean | one word, 0 or 1 |
//! | integers, dates, times, durations | one word: the number, sign-extended; `5::smallint` is `5::bigint` |
//! | floats | one word: the bits of the double; one NaN, one zero |
//! | decimals | the number without its point, in two words of 64 bits, low first (four, if it has more than 128 bits) |
//! | intervals | nanoseconds in two words, a month of 30 days of 24 hours |
//! | text, bytes | wyhash of the bytes under the hash so far |
//! | lists | their length, then the row hash of each element |
//! | structs | their fields, as columns |
//! | dictionaries, runs | the values they stand for |

mod wyhash;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, OffsetSizeTrait, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::downcast_primitive_array;

use weir_types::planted;

use self::wyhash::{SECRET, mix, wyhash};
use crate::value::Value;

/// Number of shards: the range of [`shard`].
pub const SHARDS: u16 = 1 << SHARD_BITS;
const SHARD_BITS: u32 = 10;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes one word into the hash of a row.
#[inline]
pub(crate) fn fold(hash: u64, word: u64) -> u64 {
    mix(hash ^ word, SECRET[1])
}

#[inline]
fn fold_null(hash: u64) -> u64 {
    mix(hash ^ SECRET[3], SECRET[2])
}

/// The hash of each row over the columns; empty when there are no columns.
///
/// # Panics
/// For a union, which [`crate::schema::normalize`] never gives.
#[must_use]
pub fn hash_rows(columns: &[ArrayRef]) -> Vec<u64> {
    hash_n_rows(columns, columns.first().map_or(0, |column| column.len()))
}

/// As [`hash_rows`], of `n_rows` rows, which may have no columns.
pub(crate) fn hash_n_rows(columns: &[ArrayRef], n_rows: usize) -> Vec<u64> {
    let mut hashes = vec![SEED; n_rows];
    for column in columns {
        fold_column(column, &mut hashes);
    }
    for hash in &mut hashes {
        *hash = mix(*hash ^ SECRET[2], SECRET[3]);
    }
    hashes
}

/// The hash of a row and one more word, for tables in memory.
#[must_use]
#[inline]
pub fn combine(hash: u64, word: u64) -> u64 {
    mix(fold(hash, word) ^ SECRET[2], SECRET[3])
}

/// The shard of a row of that hash.
#[must_use]
pub fn shard(hash: u64) -> u16 {
    (hash >> (u64::BITS - SHARD_BITS)) as u16
}

/// What a table in memory keeps of a row's hash: all of it, or 4 bits in tests that are to meet
/// collisions. Never for stored data.
#[must_use]
pub(crate) fn narrow(hash: u64) -> u64 {
    if planted::is_small() { hash & 0xF } else { hash }
}

fn fold_column(array: &ArrayRef, hashes: &mut [u64]) {
    assert_eq!(array.len(), hashes.len(), "columns have one length");
    if let Some(values) = expanded(array) {
        return fold_column(&values, hashes);
    }
    downcast_primitive_array!(
        array => fold_primitive(array, hashes),
        DataType::Null => hashes.iter_mut().for_each(|hash| *hash = fold_null(*hash)),
        DataType::Boolean => fold_boolean(array.as_boolean(), hashes),
        DataType::Utf8View => {
            let array = array.as_string_view();
            fold_bytes(array.nulls(), |row| array.value(row).as_bytes(), hashes);
        }
        DataType::BinaryView => {
            let array = array.as_binary_view();
            fold_bytes(array.nulls(), |row| array.value(row), hashes);
        }
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            fold_bytes(array.nulls(), |row| array.value(row).as_bytes(), hashes);
        }
        DataType::LargeUtf8 => {
            let array = array.as_string::<i64>();
            fold_bytes(array.nulls(), |row| array.value(row).as_bytes(), hashes);
        }
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            fold_bytes(array.nulls(), |row| array.value(row), hashes);
        }
        DataType::LargeBinary => {
            let array = array.as_binary::<i64>();
            fold_bytes(array.nulls(), |row| array.value(row), hashes);
        }
        DataType::FixedSizeBinary(_) => {
            let array = array.as_fixed_size_binary();
            fold_bytes(array.nulls(), |row| array.value(row), hashes);
        }
        _ => fold_nested(array, hashes)
    )
}

/// The values that a dictionary or runs stand for; `None` for every other array.
pub(crate) fn expanded(array: &ArrayRef) -> Option<ArrayRef> {
    let values = match array.data_type() {
        DataType::Dictionary(_, values) => values,
        DataType::RunEndEncoded(_, values) => values.data_type(),
        _ => return None,
    };
    Some(cast(array, values).expect("a dictionary casts to its own values"))
}

fn fold_primitive<T: Value>(array: &PrimitiveArray<T>, hashes: &mut [u64]) {
    let values = hashes.iter_mut().zip(array.values());
    match array.nulls() {
        None => values.for_each(|(hash, value)| *hash = T::fold(*hash, *value)),
        Some(nulls) => values.zip(nulls).for_each(|((hash, value), valid)| {
            *hash = if valid { T::fold(*hash, *value) } else { fold_null(*hash) };
        }),
    }
}

fn fold_boolean(array: &BooleanArray, hashes: &mut [u64]) {
    for (hash, value) in hashes.iter_mut().zip(array) {
        *hash = value.map_or_else(|| fold_null(*hash), |value| fold(*hash, u64::from(value)));
    }
}

fn fold_bytes<'a>(
    nulls: Option<&NullBuffer>,
    value: impl Fn(usize) -> &'a [u8],
    hashes: &mut [u64],
) {
    for (row, hash) in hashes.iter_mut().enumerate() {
        let valid = nulls.is_none_or(|nulls| nulls.is_valid(row));
        *hash = if valid { wyhash(value(row), *hash) } else { fold_null(*hash) };
    }
}

fn fold_nested(array: &ArrayRef, hashes: &mut [u64]) {
    match array.data_type() {
        DataType::Struct(_) => fold_struct(array, hashes),
        DataType::List(_) => fold_list::<i32>(array, hashes),
        DataType::LargeList(_) => fold_list::<i64>(array, hashes),
        DataType::Map(..) => {
            let map = array.as_map();
            let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
            let ends = map.value_offsets();
            let bounds = |row: usize| (ends[row] as usize, ends[row + 1] as usize);
            fold_elements(map.nulls(), &entries, bounds, hashes);
        }
        DataType::FixedSizeList(_, size) => {
            let list = array.as_fixed_size_list();
            let size = usize::try_from(*size).expect("a list size is not negative");
            let bounds = |row: usize| (row * size, (row + 1) * size);
            fold_elements(list.nulls(), list.values(), bounds, hashes);
        }
        DataType::ListView(_) => fold_list_view::<i32>(array, hashes),
        DataType::LargeListView(_) => fold_list_view::<i64>(array, hashes),
        other => panic!("a row of type {other} has no hash"),
    }
}

fn fold_struct(array: &ArrayRef, hashes: &mut [u64]) {
    let array = array.as_struct();
    let before = array.nulls().map(|nulls| (nulls, hashes.to_vec()));
    for field in array.columns() {
        fold_column(field, hashes);
    }
    if let Some((nulls, before)) = before {
        for ((hash, before), valid) in hashes.iter_mut().zip(before).zip(nulls) {
            if !valid {
                *hash = fold_null(before);
            }
        }
    }
}

fn fold_list<O: OffsetSizeTrait>(array: &ArrayRef, hashes: &mut [u64]) {
    let list = array.as_list::<O>();
    let ends = list.value_offsets();
    let bounds = |row: usize| (ends[row].as_usize(), ends[row + 1].as_usize());
    fold_elements(list.nulls(), list.values(), bounds, hashes);
}

fn fold_list_view<O: OffsetSizeTrait>(array: &ArrayRef, hashes: &mut [u64]) {
    let list = array.as_list_view::<O>();
    let (offsets, sizes) = (list.value_offsets(), list.value_sizes());
    let bounds = |row: usize| {
        let start = offsets[row].as_usize();
        (start, start + sizes[row].as_usize())
    };
    fold_elements(list.nulls(), list.values(), bounds, hashes);
}

/// Folds in, for each row, the elements of `values` between the row's bounds.
fn fold_elements(
    nulls: Option<&NullBuffer>,
    values: &ArrayRef,
    bounds: impl Fn(usize) -> (usize, usize),
    hashes: &mut [u64],
) {
    let rows = 0..hashes.len();
    let (start, end) = rows.fold((usize::MAX, 0), |(start, end), row| {
        let (first, last) = bounds(row);
        (start.min(first), end.max(last))
    });
    let elements =
        if start < end { hash_rows(&[values.slice(start, end - start)]) } else { Vec::new() };
    for (row, hash) in hashes.iter_mut().enumerate() {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            *hash = fold_null(*hash);
            continue;
        }
        let (first, last) = bounds(row);
        *hash = fold(*hash, (last - first) as u64);
        if first < last {
            for element in &elements[first - start..last - start] {
                *hash = fold(*hash, *element);
            }
        }
    }
}

#[cfg(test)]
mod tests;
