//! A column of keys by slot.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BinaryViewArray, BooleanArray,
    NullArray, PrimitiveArray, StringArray, StringViewArray, new_empty_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, concat};
use arrow::datatypes::DataType;
use arrow::downcast_primitive_array;

use crate::equal::{Pair, Sameness, and_equal};
use crate::value::Value;

/// Runs `$act` with `$value`, which gives the bytes of a row, once for each form of array.
macro_rules! with_bytes {
    ($array:expr, |$value:ident| $act:expr) => {{
        let array = $array;
        let nulls = array.nulls();
        let is_valid = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
        match array.data_type() {
            DataType::Utf8View => {
                let array = array.as_string_view();
                let $value = |row: usize| is_valid(row).then(|| array.value(row).as_bytes());
                $act
            }
            DataType::Utf8 => {
                let array = array.as_string::<i32>();
                let $value = |row: usize| is_valid(row).then(|| array.value(row).as_bytes());
                $act
            }
            DataType::BinaryView => {
                let array = array.as_binary_view();
                let $value = |row: usize| is_valid(row).then(|| array.value(row));
                $act
            }
            _ => {
                let array = array.as_binary::<i32>();
                let $value = |row: usize| is_valid(row).then(|| array.value(row));
                $act
            }
        }
    }};
}

/// Values by slot.
pub(super) enum KeyColumn {
    Fixed(Box<dyn Fixed>),
    Bytes(Bytes),
    /// Booleans, 2 for NULL.
    Boolean(Vec<u8>),
    Null,
    /// Each value in an array of its own: lists and the like are rare as keys.
    Nested(DataType, Vec<ArrayRef>),
}

impl KeyColumn {
    pub(super) fn new(data_type: &DataType) -> Self {
        let empty = &new_empty_array(data_type);
        downcast_primitive_array!(
            empty => Self::Fixed(fixed(empty)),
            DataType::Boolean => Self::Boolean(Vec::new()),
            DataType::Null => Self::Null,
            DataType::Utf8View | DataType::BinaryView | DataType::Utf8 | DataType::Binary => {
                Self::Bytes(Bytes::new(data_type.clone()))
            }
            _ => Self::Nested(data_type.clone(), Vec::new()),
        )
    }

    /// Puts the values of those rows into those slots, one for one.
    pub(super) fn put(&mut self, array: &ArrayRef, rows: &[u32], slots: &[u32]) {
        match self {
            Self::Fixed(values) => values.put(array, rows, slots),
            Self::Bytes(bytes) => bytes.put(array, rows, slots),
            Self::Boolean(values) => {
                let array = array.as_boolean();
                for (row, slot) in pairs(rows, slots) {
                    let value = if array.is_null(row) { 2 } else { u8::from(array.value(row)) };
                    *at(values, slot) = value;
                }
            }
            Self::Null => {}
            Self::Nested(data_type, values) => {
                for (row, slot) in pairs(rows, slots) {
                    let empty = || new_empty_array(data_type);
                    if values.len() <= slot {
                        values.resize_with(slot + 1, empty);
                    }
                    // A copy: the slice would keep the whole batch.
                    let value = concat(&[array.slice(row, 1).as_ref()]);
                    values[slot] = value.expect("one value is no more than its column");
                }
            }
        }
    }

    /// False where equal keys are the same in all they are.
    pub(super) fn has_equal_forms(&self) -> bool {
        matches!(self, Self::Fixed(_) | Self::Nested(..))
    }

    /// Sets `equal` to false for the pairs of row and slot whose values differ.
    pub(super) fn and_equal(&self, array: &ArrayRef, pairs: &[Pair], equal: &mut [bool]) {
        match self {
            Self::Fixed(values) => values.and_equal(array, pairs, equal),
            Self::Bytes(bytes) => bytes.and_equal(array, pairs, equal),
            Self::Boolean(values) => {
                let array = array.as_boolean();
                for ((row, slot), equal) in pairs.iter().zip(equal) {
                    let row = *row as usize;
                    let value = if array.is_null(row) { 2 } else { u8::from(array.value(row)) };
                    *equal &= values[*slot as usize] == value;
                }
            }
            Self::Null => {}
            Self::Nested(_, values) => {
                for (pair, equal) in pairs.iter().zip(equal).filter(|(_, equal)| **equal) {
                    let mut same = [true];
                    let held = &values[pair.1 as usize];
                    and_equal(array, held, &[(pair.0, 0)], &mut same, Sameness::Equal);
                    *equal = same[0];
                }
            }
        }
    }

    /// The values of those slots.
    pub(super) fn gather(&self, slots: &[u32]) -> ArrayRef {
        match self {
            Self::Fixed(values) => values.gather(slots),
            Self::Bytes(bytes) => bytes.gather(slots),
            Self::Boolean(values) => {
                let value = |slot: &u32| match values[*slot as usize] {
                    2 => None,
                    value => Some(value == 1),
                };
                Arc::new(slots.iter().map(value).collect::<BooleanArray>())
            }
            Self::Null => Arc::new(NullArray::new(slots.len())),
            Self::Nested(data_type, _) if slots.is_empty() => new_empty_array(data_type),
            Self::Nested(_, values) => {
                let arrays: Vec<&dyn Array> =
                    slots.iter().map(|slot| values[*slot as usize].as_ref()).collect();
                concat(&arrays).expect("keys of one type, which were in batches before")
            }
        }
    }

    /// Bytes of the value of a slot, beside those that each value has.
    pub(super) fn n_bytes_of(&self, slot: u32) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.value(slot).map_or(0, <[u8]>::len),
            Self::Nested(_, values) => values[slot as usize].get_array_memory_size(),
            Self::Fixed(_) | Self::Boolean(_) | Self::Null => 0,
        }
    }

    pub(super) fn n_bytes(&self) -> usize {
        match self {
            Self::Fixed(values) => values.n_bytes(),
            Self::Bytes(bytes) => bytes.n_bytes(),
            Self::Boolean(values) => values.capacity(),
            Self::Null => 0,
            Self::Nested(_, values) => values.iter().map(|v| v.get_array_memory_size()).sum(),
        }
    }
}

fn pairs<'a>(rows: &'a [u32], slots: &'a [u32]) -> impl Iterator<Item = (usize, usize)> + 'a {
    rows.iter().zip(slots).map(|(row, slot)| (*row as usize, *slot as usize))
}

/// The place of a slot, made where it is new.
fn at<T: Default + Clone>(values: &mut Vec<T>, slot: usize) -> &mut T {
    if values.len() <= slot {
        values.resize(slot + 1, T::default());
    }
    &mut values[slot]
}

fn fixed<T: Value>(empty: &PrimitiveArray<T>) -> Box<dyn Fixed> {
    Box::new(Values::<T>::new(empty.data_type().clone()))
}

/// Values of a type of fixed size.
pub(super) trait Fixed: Send + Sync {
    fn put(&mut self, array: &ArrayRef, rows: &[u32], slots: &[u32]);
    fn and_equal(&self, array: &ArrayRef, pairs: &[Pair], equal: &mut [bool]);
    fn gather(&self, slots: &[u32]) -> ArrayRef;
    fn n_bytes(&self) -> usize;
}

struct Values<T: ArrowPrimitiveType> {
    data_type: DataType,
    values: Vec<T::Native>,
    valid: Vec<bool>,
}

impl<T: ArrowPrimitiveType> Values<T> {
    fn new(data_type: DataType) -> Self {
        Self { data_type, values: Vec::new(), valid: Vec::new() }
    }
}

impl<T: Value> Fixed for Values<T> {
    fn put(&mut self, array: &ArrayRef, rows: &[u32], slots: &[u32]) {
        let array = array.as_primitive::<T>();
        for (row, slot) in pairs(rows, slots) {
            *at(&mut self.values, slot) = array.value(row);
            *at(&mut self.valid, slot) = array.is_valid(row);
        }
    }

    fn and_equal(&self, array: &ArrayRef, pairs: &[Pair], equal: &mut [bool]) {
        let array = array.as_primitive::<T>();
        let values = array.values();
        if array.null_count() == 0 {
            for ((row, slot), equal) in pairs.iter().zip(equal) {
                let slot = *slot as usize;
                *equal &= self.valid[slot] && T::is_same(values[*row as usize], self.values[slot]);
            }
            return;
        }
        for ((row, slot), equal) in pairs.iter().zip(equal) {
            let (row, slot) = (*row as usize, *slot as usize);
            *equal &= match (array.is_valid(row), self.valid[slot]) {
                (true, true) => T::is_same(values[row], self.values[slot]),
                (false, false) => true,
                _ => false,
            };
        }
    }

    fn gather(&self, slots: &[u32]) -> ArrayRef {
        let values: Vec<T::Native> = slots.iter().map(|slot| self.values[*slot as usize]).collect();
        let valid: NullBuffer = slots.iter().map(|slot| self.valid[*slot as usize]).collect();
        let nulls = Some(valid).filter(|valid| valid.null_count() > 0);
        let array = PrimitiveArray::<T>::new(values.into(), nulls);
        Arc::new(array.with_data_type(self.data_type.clone()))
    }

    fn n_bytes(&self) -> usize {
        self.values.capacity() * size_of::<T::Native>() + self.valid.capacity()
    }
}

/// Where a value's bytes are.
#[derive(Clone, Copy, Default)]
struct Span {
    start: u64,
    /// One more than the number of bytes; 0 is NULL.
    len_and_one: u32,
}

/// Texts or bytes, one after the other. Those of slots that are used again leave holes, which go when
/// they are half of all.
pub(super) struct Bytes {
    data_type: DataType,
    spans: Vec<Span>,
    bytes: Vec<u8>,
    n_dead: usize,
}

/// Holes below this many bytes are not worth the work.
const DEAD_MIN: usize = 1 << 16;

impl Bytes {
    fn new(data_type: DataType) -> Self {
        Self { data_type, spans: Vec::new(), bytes: Vec::new(), n_dead: 0 }
    }

    fn value(&self, slot: u32) -> Option<&[u8]> {
        let Span { start, len_and_one } = self.spans[slot as usize];
        let len = len_and_one.checked_sub(1)? as usize;
        Some(&self.bytes[start as usize..start as usize + len])
    }

    fn put(&mut self, array: &ArrayRef, rows: &[u32], slots: &[u32]) {
        let array = &self.in_own_form(array);
        with_bytes!(array, |value| for (row, slot) in pairs(rows, slots) {
            self.set(slot, value(row));
        });
        if self.n_dead > DEAD_MIN.max(self.bytes.len() / 2) {
            self.compact();
        }
    }

    fn set(&mut self, slot: usize, value: Option<&[u8]>) {
        let span = *at(&mut self.spans, slot);
        self.n_dead += span.len_and_one.saturating_sub(1) as usize;
        self.spans[slot] = match value {
            None => Span::default(),
            Some(bytes) => {
                let start = self.bytes.len() as u64;
                self.bytes.extend_from_slice(bytes);
                Span { start, len_and_one: bytes.len() as u32 + 1 }
            }
        };
    }

    fn compact(&mut self) {
        let mut bytes = Vec::with_capacity(self.bytes.len() - self.n_dead);
        for slot in 0..self.spans.len() as u32 {
            let start = bytes.len() as u64;
            if let Some(value) = self.value(slot) {
                bytes.extend_from_slice(value);
            }
            self.spans[slot as usize].start = start;
        }
        self.bytes = bytes;
        self.n_dead = 0;
    }

    fn and_equal(&self, array: &ArrayRef, pairs: &[Pair], equal: &mut [bool]) {
        let array = &self.in_own_form(array);
        with_bytes!(array, |value| for ((row, slot), equal) in pairs.iter().zip(equal) {
            *equal = *equal && value(*row as usize) == self.value(*slot);
        });
    }

    fn in_own_form(&self, array: &ArrayRef) -> ArrayRef {
        if *array.data_type() == self.data_type {
            return Arc::clone(array);
        }
        cast(array, &self.data_type).expect("keys are texts, or bytes, in one of their forms")
    }

    fn gather(&self, slots: &[u32]) -> ArrayRef {
        let values = slots.iter().map(|slot| self.value(*slot));
        let texts = || {
            values.clone().map(|value| {
                value.map(|bytes| std::str::from_utf8(bytes).expect("only text was put in"))
            })
        };
        match self.data_type {
            DataType::Utf8View => Arc::new(texts().collect::<StringViewArray>()),
            DataType::Utf8 => Arc::new(texts().collect::<StringArray>()),
            DataType::BinaryView => Arc::new(values.collect::<BinaryViewArray>()),
            _ => Arc::new(values.collect::<BinaryArray>()),
        }
    }

    fn n_bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Span>() + self.bytes.capacity()
    }
}
