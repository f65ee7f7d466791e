//! The states of `min` and `max` in a view.
//!
//! Where no row is ever taken back a group keeps its best value; else all its values with their numbers, in
//! order, so that the next best is there when the best one goes.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, PrimitiveArray, StringViewArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, ToByteSlice, UInt32Type,
    UInt64Type,
};
use datafusion::error::Result as DfResult;
use weir_dataflow::{GroupRows, GroupStates, StateBytes};
use weir_delta::schema::arrow_type;
use weir_types::SqlType;

use super::group_states::{damaged, same_kind};
use crate::functions::arithmetic::Float;

/// Which value is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Smallest,
    Largest,
}

/// States without groups, for arguments of that type; `None` where its order is not that of its values.
pub(super) fn states(
    argument: &SqlType,
    side: Side,
    append_only: bool,
) -> Option<Arc<dyn GroupStates>> {
    let data_type = arrow_type(argument);
    macro_rules! of {
        ($kind:ty) => {
            if append_only {
                Some(Arc::new(Best::<$kind>::new(data_type, side)) as Arc<dyn GroupStates>)
            } else {
                Some(Arc::new(Ranked::<$kind>::new(data_type, side)) as Arc<dyn GroupStates>)
            }
        };
    }
    match data_type {
        DataType::Int16 => of!(Fixed<Int16Type>),
        DataType::Int32 => of!(Fixed<Int32Type>),
        DataType::Int64 => of!(Fixed<Int64Type>),
        DataType::UInt32 => of!(Fixed<UInt32Type>),
        DataType::UInt64 => of!(Fixed<UInt64Type>),
        DataType::Date32 => of!(Fixed<Date32Type>),
        DataType::Time64(TimeUnit::Microsecond) => of!(Fixed<Time64MicrosecondType>),
        DataType::Timestamp(TimeUnit::Microsecond, _) => of!(Fixed<TimestampMicrosecondType>),
        DataType::Decimal128(..) => of!(Fixed<Decimal128Type>),
        DataType::Float32 => of!(Floats<Float32Type>),
        DataType::Float64 => of!(Floats<Float64Type>),
        DataType::Utf8View => of!(Text),
        _ => None,
    }
}

/// A kind of values that have an order.
trait Kind: Send + Sync + 'static {
    type Value: Ord + Clone + Debug + Send + Sync;
    type Column<'a>;
    type Ref<'a>;

    fn column(array: &ArrayRef) -> Self::Column<'_>;
    fn get<'a>(column: &Self::Column<'a>, row: usize) -> Self::Ref<'a>;
    fn compare(a: &Self::Ref<'_>, b: &Self::Value) -> std::cmp::Ordering;
    fn own(value: Self::Ref<'_>) -> Self::Value;
    fn array(values: Vec<Option<Self::Value>>, data_type: &DataType) -> ArrayRef;
    fn write(value: &Self::Value, out: &mut Vec<u8>);
    fn read(bytes: &mut &[u8]) -> Option<Self::Value>;
    fn heap_bytes(value: &Self::Value) -> usize;
}

/// Numbers, dates and times.
struct Fixed<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Kind for Fixed<T>
where
    T: ArrowPrimitiveType,
    T::Native: Ord + Send + Sync,
{
    type Value = T::Native;
    type Column<'a> = &'a [T::Native];
    type Ref<'a> = T::Native;

    fn column(array: &ArrayRef) -> &[T::Native] {
        array.as_primitive::<T>().values()
    }

    fn get<'a>(column: &Self::Column<'a>, row: usize) -> Self::Ref<'a> {
        column[row]
    }

    fn compare(a: &T::Native, b: &T::Native) -> std::cmp::Ordering {
        a.cmp(b)
    }

    fn own(value: T::Native) -> T::Native {
        value
    }

    fn array(values: Vec<Option<T::Native>>, data_type: &DataType) -> ArrayRef {
        let array: PrimitiveArray<T> = values.into_iter().collect();
        Arc::new(array.with_data_type(data_type.clone()))
    }

    fn write(value: &T::Native, out: &mut Vec<u8>) {
        out.extend_from_slice(value.to_byte_slice());
    }

    fn read(bytes: &mut &[u8]) -> Option<T::Native> {
        let (value, rest) = bytes.split_at_checked(size_of::<T::Native>())?;
        *bytes = rest;
        let buffer = arrow::buffer::Buffer::from(value);
        buffer.typed_data::<T::Native>().first().copied()
    }

    fn heap_bytes(_value: &T::Native) -> usize {
        0
    }
}

/// Floats, in PostgreSQL's order: NaN is the greatest, and there is one zero.
struct Floats<T>(std::marker::PhantomData<fn() -> T>);

impl<T> Kind for Floats<T>
where
    T: ArrowPrimitiveType,
    T::Native: Float + Into<f64>,
{
    /// The bits of a double in an order of integers.
    type Value = i64;
    type Column<'a> = &'a [T::Native];
    type Ref<'a> = i64;

    fn column(array: &ArrayRef) -> &[T::Native] {
        array.as_primitive::<T>().values()
    }

    fn get<'a>(column: &Self::Column<'a>, row: usize) -> Self::Ref<'a> {
        let wide: f64 = column[row].into();
        ordered(wide.with_one_nan().to_bits().cast_signed())
    }

    fn compare(a: &i64, b: &i64) -> std::cmp::Ordering {
        a.cmp(b)
    }

    fn own(value: i64) -> i64 {
        value
    }

    fn array(values: Vec<Option<i64>>, data_type: &DataType) -> ArrayRef {
        let doubles = values
            .into_iter()
            .map(|key| key.map(|key| f64::from_bits(ordered(key).cast_unsigned())));
        if *data_type == DataType::Float32 {
            let reals = doubles.map(|value| value.map(|value| value as f32));
            return Arc::new(reals.collect::<PrimitiveArray<Float32Type>>());
        }
        Arc::new(doubles.collect::<PrimitiveArray<Float64Type>>())
    }

    fn write(value: &i64, out: &mut Vec<u8>) {
        out.extend_from_slice(&value.to_le_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<i64> {
        let (value, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(i64::from_le_bytes(*value))
    }

    fn heap_bytes(_value: &i64) -> usize {
        0
    }
}

/// Of a negative number all bits but the sign are turned; this is its own inverse.
fn ordered(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// Texts, by their bytes.
struct Text;

impl Kind for Text {
    type Value = Box<str>;
    type Column<'a> = &'a StringViewArray;
    type Ref<'a> = &'a str;

    fn column(array: &ArrayRef) -> &StringViewArray {
        array.as_string_view()
    }

    fn get<'a>(column: &Self::Column<'a>, row: usize) -> &'a str {
        column.value(row)
    }

    fn compare(a: &&str, b: &Box<str>) -> std::cmp::Ordering {
        (*a).cmp(b.as_ref())
    }

    fn own(value: &str) -> Box<str> {
        value.into()
    }

    fn array(values: Vec<Option<Box<str>>>, _data_type: &DataType) -> ArrayRef {
        Arc::new(values.into_iter().collect::<StringViewArray>())
    }

    fn write(value: &Box<str>, out: &mut Vec<u8>) {
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
        out.extend_from_slice(value.as_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Box<str>> {
        let (len, rest) = bytes.split_first_chunk()?;
        let (text, rest) = rest.split_at_checked(u64::from_le_bytes(*len) as usize)?;
        *bytes = rest;
        std::str::from_utf8(text).ok().map(Into::into)
    }

    fn heap_bytes(value: &Box<str>) -> usize {
        value.len()
    }
}

/// The rows that count, with their slots and weights.
fn counted<'a>(
    rows: &'a GroupRows<'_>,
    argument: &'a ArrayRef,
) -> impl Iterator<Item = (usize, usize, i64)> + 'a {
    let rows_and_slots = rows.rows.iter().zip(rows.slots);
    let nulls = argument.nulls();
    rows_and_slots
        .map(|(row, slot)| (*row as usize, *slot as usize, rows.weights.get(*row as usize)))
        .filter(move |(row, _, _)| nulls.is_none_or(|nulls| nulls.is_valid(*row)))
}

/// The best value of each slot.
struct Best<K: Kind> {
    data_type: DataType,
    side: Side,
    values: Vec<Option<K::Value>>,
}

impl<K: Kind> Best<K> {
    fn new(data_type: DataType, side: Side) -> Self {
        Self { data_type, side, values: Vec::new() }
    }

    fn with(&self, values: Vec<Option<K::Value>>) -> Self {
        Self { data_type: self.data_type.clone(), side: self.side, values }
    }
}

fn is_better(side: Side, order: std::cmp::Ordering) -> bool {
    match side {
        Side::Smallest => order.is_lt(),
        Side::Largest => order.is_gt(),
    }
}

impl<K: Kind> GroupStates for Best<K> {
    fn empty(&self) -> Box<dyn GroupStates> {
        Box::new(self.with(Vec::new()))
    }

    fn grow(&mut self, n_slots: usize) {
        if self.values.len() < n_slots {
            self.values.resize(n_slots, None);
        }
    }

    fn update(&mut self, rows: &GroupRows<'_>) -> DfResult<()> {
        let argument = &rows.arguments[0];
        let column = K::column(argument);
        for (row, slot, _) in counted(rows, argument) {
            let value = K::get(&column, row);
            let best = &mut self.values[slot];
            if best.as_ref().is_none_or(|best| is_better(self.side, K::compare(&value, best))) {
                *best = Some(K::own(value));
            }
        }
        Ok(())
    }

    fn merge(&mut self, slots: &[u32], other: &dyn GroupStates) -> DfResult<()> {
        let other = same_kind::<Self>(other)?;
        for (slot, value) in slots.iter().zip(&other.values) {
            let Some(value) = value else { continue };
            let best = &mut self.values[*slot as usize];
            if best.as_ref().is_none_or(|best| is_better(self.side, value.cmp(best))) {
                *best = Some(value.clone());
            }
        }
        Ok(())
    }

    fn gather(&self, slots: &[u32]) -> Box<dyn GroupStates> {
        let values = slots.iter().map(|slot| self.values[*slot as usize].clone());
        Box::new(self.with(values.collect()))
    }

    fn scatter(&mut self, slots: &[u32], from: Box<dyn GroupStates>) {
        let from: Box<dyn Any> = from;
        let Ok(from) = from.downcast::<Self>() else { return };
        for (slot, value) in slots.iter().zip(from.values) {
            self.values[*slot as usize] = value;
        }
    }

    fn reset(&mut self, slots: &[u32]) {
        slots.iter().for_each(|slot| self.values[*slot as usize] = None);
    }

    fn results(&self) -> DfResult<ArrayRef> {
        Ok(K::array(self.values.clone(), &self.data_type))
    }

    fn write(&self, slots: &[u32]) -> StateBytes {
        let mut states = StateBytes::default();
        for slot in slots {
            states.push(|out| {
                if let Some(value) = &self.values[*slot as usize] {
                    K::write(value, out);
                }
            });
        }
        states
    }

    fn read(&mut self, slots: &[u32], bytes: &BinaryArray) -> DfResult<()> {
        for (row, slot) in slots.iter().enumerate() {
            let mut bytes = bytes.value(row);
            let is_some = !bytes.is_empty();
            let value = is_some.then(|| K::read(&mut bytes).ok_or_else(damaged)).transpose()?;
            self.values[*slot as usize] = value;
        }
        Ok(())
    }

    fn n_bytes(&self) -> usize {
        let heap: usize = self.values.iter().flatten().map(K::heap_bytes).sum();
        self.values.capacity() * size_of::<Option<K::Value>>() + heap
    }
}

/// All values of each slot, in order, with how often each is there.
struct Ranked<K: Kind> {
    data_type: DataType,
    side: Side,
    slots: Vec<BTreeMap<K::Value, i64>>,
    keeps_undo: bool,
    /// Changes of this tick.
    undo: Vec<(u32, K::Value, i64)>,
}

impl<K: Kind> Ranked<K> {
    fn new(data_type: DataType, side: Side) -> Self {
        Self { data_type, side, slots: Vec::new(), keeps_undo: false, undo: Vec::new() }
    }

    fn count(&mut self, slot: usize, value: K::Value, weight: i64) {
        if self.keeps_undo {
            self.undo.push((slot as u32, value.clone(), weight));
        }
        self.count_only(slot, value, weight);
    }

    fn count_only(&mut self, slot: usize, value: K::Value, weight: i64) {
        use std::collections::btree_map::Entry;
        match self.slots[slot].entry(value) {
            Entry::Vacant(entry) => {
                entry.insert(weight);
            }
            Entry::Occupied(mut entry) => {
                *entry.get_mut() += weight;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }

    fn best(&self, slot: u32) -> Option<K::Value> {
        let values = &self.slots[slot as usize];
        let mut there = values.iter().filter(|(_, count)| **count > 0).map(|(value, _)| value);
        match self.side {
            Side::Smallest => there.next().cloned(),
            Side::Largest => there.next_back().cloned(),
        }
    }
}

impl<K: Kind> GroupStates for Ranked<K> {
    fn empty(&self) -> Box<dyn GroupStates> {
        Box::new(Self::new(self.data_type.clone(), self.side))
    }

    fn begin(&mut self, keeps_undo: bool) {
        self.keeps_undo = keeps_undo;
    }

    fn grow(&mut self, n_slots: usize) {
        if self.slots.len() < n_slots {
            self.slots.resize_with(n_slots, BTreeMap::new);
        }
    }

    fn update(&mut self, rows: &GroupRows<'_>) -> DfResult<()> {
        let argument = &rows.arguments[0];
        let column = K::column(argument);
        for (row, slot, weight) in counted(rows, argument).filter(|(_, _, weight)| *weight != 0) {
            self.count(slot, K::own(K::get(&column, row)), weight);
        }
        Ok(())
    }

    fn merge(&mut self, slots: &[u32], other: &dyn GroupStates) -> DfResult<()> {
        let other = same_kind::<Self>(other)?;
        for (slot, values) in slots.iter().zip(&other.slots) {
            for (value, weight) in values {
                self.count(*slot as usize, value.clone(), *weight);
            }
        }
        Ok(())
    }

    /// Their best values: the others come back by undoing.
    fn gather(&self, slots: &[u32]) -> Box<dyn GroupStates> {
        let values = slots.iter().map(|slot| self.best(*slot)).collect();
        Box::new(Best::<K> { data_type: self.data_type.clone(), side: self.side, values })
    }

    fn scatter(&mut self, _slots: &[u32], _from: Box<dyn GroupStates>) {}

    fn commit(&mut self) {
        self.undo.clear();
    }

    fn rollback(&mut self) {
        for (slot, value, weight) in std::mem::take(&mut self.undo) {
            self.count_only(slot as usize, value, -weight);
        }
    }

    fn reset(&mut self, slots: &[u32]) {
        slots.iter().for_each(|slot| self.slots[*slot as usize].clear());
    }

    fn results(&self) -> DfResult<ArrayRef> {
        let values = (0..self.slots.len() as u32).map(|slot| self.best(slot)).collect();
        Ok(K::array(values, &self.data_type))
    }

    fn write(&self, slots: &[u32]) -> StateBytes {
        let mut states = StateBytes::default();
        for slot in slots {
            states.push(|out| {
                for (value, count) in &self.slots[*slot as usize] {
                    K::write(value, out);
                    out.extend_from_slice(&count.to_le_bytes());
                }
            });
        }
        states
    }

    fn read(&mut self, slots: &[u32], bytes: &BinaryArray) -> DfResult<()> {
        for (row, slot) in slots.iter().enumerate() {
            let mut bytes = bytes.value(row);
            let values = &mut self.slots[*slot as usize];
            values.clear();
            while !bytes.is_empty() {
                let value = K::read(&mut bytes).ok_or_else(damaged)?;
                let (count, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
                bytes = rest;
                values.insert(value, i64::from_le_bytes(*count));
            }
        }
        Ok(())
    }

    fn n_bytes(&self) -> usize {
        let entry = size_of::<K::Value>() + size_of::<i64>();
        let values: usize = self.slots.iter().map(|values| values.len() * entry).sum();
        self.slots.capacity() * size_of::<BTreeMap<K::Value, i64>>() + values
    }
}
