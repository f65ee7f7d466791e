//! A table of groups by key: each distinct key has a slot, a small number under which others keep what
//! they know of the group.
//!
//! Keys lie in columns by slot; the hash table has hashes and slots only, so that it grows without a look
//! at a key, and rows of another hash are never compared.

mod column;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use hashbrown::HashTable;

use crate::equal::Pair;
use crate::hash::{hash_n_rows, narrow};
use column::KeyColumn;

/// A group as the hash table holds it.
#[derive(Clone, Copy)]
struct Entry {
    hash: u64,
    slot: u32,
}

/// Groups by key. Slots are below [`Self::n_slots`]; those of removed groups are given out again.
pub struct GroupTable {
    table: HashTable<Entry>,
    /// The hash of each slot's key.
    hashes: Vec<u64>,
    columns: Vec<KeyColumn>,
    free: Vec<u32>,
}

impl GroupTable {
    /// A table without groups, for keys of those types. Without any, all rows are one group.
    #[must_use]
    pub fn new(types: &[DataType]) -> Self {
        let columns = types.iter().map(KeyColumn::new).collect();
        Self { table: HashTable::new(), hashes: Vec::new(), columns, free: Vec::new() }
    }

    /// The hashes of keys as this table takes them, for [`Self::assign`].
    #[must_use]
    pub fn hash(columns: &[ArrayRef], n_rows: usize) -> Vec<u64> {
        hash_n_rows(columns, n_rows)
    }

    /// Number of slots that were ever given out.
    #[must_use]
    pub fn n_slots(&self) -> usize {
        self.hashes.len()
    }

    /// Number of groups.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len() - self.free.len()
    }

    /// True without groups.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slots of all groups, ascending.
    #[must_use]
    pub fn slots(&self) -> Vec<u32> {
        let mut slots: Vec<u32> = self.table.iter().map(|entry| entry.slot).collect();
        slots.sort_unstable();
        slots
    }

    /// True where a group has that slot.
    #[must_use]
    pub fn is_live(&self, slot: u32) -> bool {
        let hash = self.hashes[slot as usize];
        self.table.find(hash, |entry| entry.slot == slot).is_some()
    }

    /// The hash of a slot's key.
    #[must_use]
    pub fn hash_of(&self, slot: u32) -> u64 {
        self.hashes[slot as usize]
    }

    /// Appends the slot of each of those rows to `slots`; keys that are new get one, and it is appended to
    /// `new`. `hashes` are those of all rows of `columns`.
    pub fn assign(
        &mut self,
        columns: &[ArrayRef],
        hashes: &[u64],
        rows: &[u32],
        slots: &mut Vec<u32>,
        new: &mut Vec<u32>,
    ) {
        let first = slots.len();
        let first_new = new.len();
        slots.reserve(rows.len());
        // Rows of one hash are taken for one key at first; the keys are compared all at once after.
        let mut pairs: Vec<Pair> = Vec::with_capacity(rows.len());
        let mut places: Vec<u32> = Vec::with_capacity(rows.len());
        let mut new_rows: Vec<u32> = Vec::new();
        for row in rows {
            let hash = narrow(hashes[*row as usize]);
            match self.table.find(hash, |entry| entry.hash == hash) {
                Some(entry) => {
                    pairs.push((*row, entry.slot));
                    places.push(slots.len() as u32);
                    slots.push(entry.slot);
                }
                None => {
                    let slot = self.insert(hash);
                    new_rows.push(*row);
                    new.push(slot);
                    slots.push(slot);
                }
            }
        }
        for (column, array) in self.columns.iter_mut().zip(columns) {
            column.put(array, &new_rows, &new[first_new..]);
        }
        let equal = self.equal(columns, &pairs);
        for ((at, (row, _)), _) in
            places.iter().zip(&pairs).zip(&equal).filter(|(_, equal)| !**equal)
        {
            debug_assert!(*at as usize >= first);
            slots[*at as usize] = self.assign_collided(columns, hashes, *row, new);
        }
    }

    /// The slot of a row whose hash belongs to another key too.
    fn assign_collided(
        &mut self,
        columns: &[ArrayRef],
        hashes: &[u64],
        row: u32,
        new: &mut Vec<u32>,
    ) -> u32 {
        let hash = narrow(hashes[row as usize]);
        let candidates = self.table.iter_hash(hash).filter(|entry| entry.hash == hash);
        let pairs: Vec<Pair> = candidates.map(|entry| (row, entry.slot)).collect();
        let equal = self.equal(columns, &pairs);
        if let Some(found) = equal.iter().position(|equal| *equal) {
            return pairs[found].1;
        }
        let slot = self.insert(hash);
        for (column, array) in self.columns.iter_mut().zip(columns) {
            column.put(array, &[row], &[slot]);
        }
        new.push(slot);
        slot
    }

    fn insert(&mut self, hash: u64) -> u32 {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.hashes[slot as usize] = hash;
                slot
            }
            None => {
                self.hashes.push(hash);
                u32::try_from(self.hashes.len() - 1).expect("fewer than 2^32 groups fit in memory")
            }
        };
        self.table.insert_unique(hash, Entry { hash, slot }, |entry| entry.hash);
        slot
    }

    /// For each pair of a row and a slot, whether they have the same key.
    fn equal(&self, columns: &[ArrayRef], pairs: &[Pair]) -> Vec<bool> {
        let mut equal = vec![true; pairs.len()];
        for (column, array) in self.columns.iter().zip(columns) {
            column.and_equal(array, pairs, &mut equal);
        }
        equal
    }

    /// The keys of those slots.
    #[must_use]
    pub fn keys(&self, slots: &[u32]) -> Vec<ArrayRef> {
        self.columns.iter().map(|column| column.gather(slots)).collect()
    }

    /// The column of the keys of those slots at that place.
    #[must_use]
    pub fn key_column(&self, place: usize, slots: &[u32]) -> ArrayRef {
        self.columns[place].gather(slots)
    }

    /// Bytes of a slot's key, beside those that each key has.
    #[must_use]
    pub fn n_key_bytes(&self, slot: u32) -> usize {
        self.columns.iter().map(|column| column.n_bytes_of(slot)).sum()
    }

    /// Puts keys in the place of those of slots: equal ones, of which more can be told than that they are equal.
    /// Of a slot that is there several times the last row counts.
    pub fn replace_keys(&mut self, columns: &[ArrayRef], rows: &[u32], slots: &[u32]) {
        for (column, array) in self.columns.iter_mut().zip(columns) {
            if column.has_equal_forms() {
                column.put(array, rows, slots);
            }
        }
    }

    /// Ends the groups of those slots.
    pub fn remove(&mut self, slots: &[u32]) {
        for slot in slots {
            let hash = self.hashes[*slot as usize];
            if let Ok(entry) = self.table.find_entry(hash, |entry| entry.slot == *slot) {
                entry.remove();
                self.free.push(*slot);
            }
        }
    }

    /// Bytes of memory in use, about.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(KeyColumn::n_bytes).sum();
        self.table.capacity() * (size_of::<Entry>() + 1) + self.hashes.capacity() * 8 + columns
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, StringViewArray};
    use arrow::datatypes::{DataType, Float64Type, Int64Type};

    use super::GroupTable;

    fn assign(table: &mut GroupTable, columns: &[ArrayRef]) -> (Vec<u32>, Vec<u32>) {
        let n_rows = columns[0].len();
        let hashes = GroupTable::hash(columns, n_rows);
        let rows: Vec<u32> = (0..n_rows as u32).collect();
        let (mut slots, mut new) = (Vec::new(), Vec::new());
        table.assign(columns, &hashes, &rows, &mut slots, &mut new);
        (slots, new)
    }

    fn numbers(values: &[Option<i64>]) -> ArrayRef {
        Arc::new(Int64Array::from(values.to_vec()))
    }

    fn texts(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringViewArray::from(values.to_vec()))
    }

    #[test]
    fn keys_keep_their_slots() {
        let mut table = GroupTable::new(&[DataType::Int64, DataType::Utf8View]);
        let first = [numbers(&[Some(1), None, Some(1)]), texts(&[Some("a"), None, Some("a")])];
        assert_eq!(assign(&mut table, &first), (vec![0, 1, 0], vec![0, 1]));
        let long = "longer than what a view holds inline";
        let second = [numbers(&[None, Some(1), Some(1)]), texts(&[None, Some(long), Some("a")])];
        assert_eq!(assign(&mut table, &second), (vec![1, 2, 0], vec![2]));
        let keys = table.keys(&[2, 1]);
        assert_eq!(keys[0].as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(1), None]));
        assert_eq!(keys[1].as_string_view(), &StringViewArray::from(vec![Some(long), None]));
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn slots_of_removed_groups_are_given_out_again() {
        let mut table = GroupTable::new(&[DataType::Utf8View]);
        let texts =
            |values: &[&str]| -> ArrayRef { Arc::new(StringViewArray::from(values.to_vec())) };
        assign(&mut table, &[texts(&["first key of some length", "second key of some length"])]);
        table.remove(&[0]);
        assert_eq!(table.slots(), [1]);
        let again = [texts(&["first key of some length", "third key of some length"])];
        assert_eq!(assign(&mut table, &again), (vec![0, 2], vec![0, 2]));
        assert_eq!(table.keys(&[2])[0].as_string_view().value(0), "third key of some length");
    }

    #[test]
    fn all_nans_are_one_key_and_zeros_too() {
        let mut table = GroupTable::new(&[DataType::Float64]);
        let other_nan = f64::from_bits(f64::NAN.to_bits() | 1);
        let floats = Float64Array::from(vec![f64::NAN, 0.0, -0.0, other_nan]);
        assert_eq!(assign(&mut table, &[Arc::new(floats)]).0, [0, 1, 1, 0]);
    }

    #[test]
    fn an_equal_key_takes_the_place_of_one() {
        let mut table = GroupTable::new(&[DataType::Float64]);
        assert_eq!(assign(&mut table, &[Arc::new(Float64Array::from(vec![-0.0, 1.0]))]).0, [0, 1]);
        let zero: ArrayRef = Arc::new(Float64Array::from(vec![2.0, 0.0]));
        table.replace_keys(&[zero], &[1], &[0]);
        let keys = table.keys(&[0, 1]);
        let bits: Vec<u64> =
            keys[0].as_primitive::<Float64Type>().values().iter().map(|v| v.to_bits()).collect();
        assert_eq!(bits, [0.0_f64.to_bits(), 1.0_f64.to_bits()]);
    }

    #[test]
    fn without_columns_there_is_one_group() {
        let mut table = GroupTable::new(&[]);
        let (mut slots, mut new) = (Vec::new(), Vec::new());
        let hashes = GroupTable::hash(&[], 3);
        table.assign(&[], &hashes, &[0, 1, 2], &mut slots, &mut new);
        assert_eq!((slots, new), (vec![0, 0, 0], vec![0]));
    }

    #[test]
    fn keys_of_equal_hash_are_told_apart() {
        let mut table = GroupTable::new(&[DataType::Int64]);
        let column = numbers(&[Some(7), Some(8), Some(7), None, Some(8), Some(9), None]);
        let (mut slots, mut new) = (Vec::new(), Vec::new());
        table.assign(&[column], &[1; 7], &[0, 1, 2, 3, 4, 5, 6], &mut slots, &mut new);
        assert_eq!(slots, [0, 1, 0, 2, 1, 3, 2]);
        assert_eq!(new, [0, 1, 2, 3]);
    }
}
