//! The live row versions by the hash of their key.

use arrow::array::ArrayRef;
use hashbrown::HashTable;

use super::list::List;
use crate::equal::Sameness;
use crate::group::Groups;
use crate::hash::{hash_n_rows, narrow};
use crate::rows;

/// The index is split, so that growing moves one part of it at a time.
const TABLES: usize = 64;
/// A part shrinks when it has room for this many times its entries.
const SPARSE: usize = 8;

/// What a key stands for: one row version, or the stack of those of equal rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place(u64);

impl Place {
    const STACK: u64 = 1 << 63;

    fn of_row(number: u64) -> Self {
        Self(number)
    }

    fn of_stack(stack: usize) -> Self {
        Self(stack as u64 | Self::STACK)
    }

    fn stack(self) -> Option<usize> {
        (self.0 & Self::STACK != 0).then_some((self.0 & !Self::STACK) as usize)
    }
}

#[derive(Clone, Copy)]
struct Entry {
    hash: u64,
    place: Place,
}

/// The live row versions by the hash of their key.
pub(super) struct Index {
    tables: Vec<HashTable<Entry>>,
    /// Numbers of equal rows, at least two, the youngest last.
    stacks: Vec<Vec<u64>>,
    unused_stacks: Vec<usize>,
    /// What makes two rows the same.
    how: Sameness,
}

impl Index {
    pub(super) fn new(how: Sameness) -> Self {
        let tables = (0..TABLES).map(|_| HashTable::new()).collect();
        Self { tables, stacks: Vec::new(), unused_stacks: Vec::new(), how }
    }

    /// The index of all live rows of a bag.
    pub(super) fn of_bag(list: &List) -> Self {
        let mut index = Self::new(Sameness::Identical);
        for segment in list.iter() {
            let live = segment.live();
            let numbers: Vec<u64> =
                live.values().set_indices().map(|row| segment.number(row)).collect();
            let rows = rows::filter(segment.rows(), &live).expect("a mask of the same length");
            let hashes = hash_n_rows(rows.columns(), rows.num_rows());
            let groups = Groups::of_hashed(rows.columns(), &hashes, index.how);
            let columns: Vec<usize> = (0..rows.num_columns()).collect();
            let places = index.find(list, &columns, rows.columns(), &hashes, &groups.first_row);
            index.push_all(&hashes, &groups, places, numbers);
        }
        index
    }

    pub(super) fn n_bytes(&self) -> usize {
        let tables: usize = self.tables.iter().map(HashTable::allocation_size).sum();
        let stacks: usize =
            self.stacks.iter().map(|stack| stack.capacity() * size_of::<u64>()).sum();
        tables + stacks + self.stacks.capacity() * size_of::<Vec<u64>>()
    }

    fn table(&self, hash: u64) -> &HashTable<Entry> {
        &self.tables[table_of(hash)]
    }

    /// The number of the row, or of the youngest of equal rows.
    pub(super) fn top(&self, place: Place) -> u64 {
        match place.stack() {
            None => place.0,
            Some(stack) => *self.stacks[stack].last().expect("a stack has two rows"),
        }
    }

    /// The numbers of the youngest `n` of equal rows.
    pub(super) fn youngest(&self, place: Place, n: usize) -> Vec<u64> {
        match place.stack() {
            None => vec![place.0],
            Some(stack) => {
                let numbers = &self.stacks[stack];
                numbers[numbers.len() - n..].to_vec()
            }
        }
    }

    /// Number of equal rows.
    pub(super) fn count(&self, place: Place) -> usize {
        place.stack().map_or(1, |stack| self.stacks[stack].len())
    }

    /// For each of those rows of `probe`, the place of the same row; `columns` are those of the
    /// segments that `probe` has, and `hashes` those of its rows.
    pub(super) fn find(
        &self,
        list: &List,
        columns: &[usize],
        probe: &[ArrayRef],
        hashes: &[u64],
        rows: &[u32],
    ) -> Vec<Option<Place>> {
        let mut candidates: Vec<(usize, Place)> = Vec::with_capacity(rows.len());
        let mut pairs: Vec<(u32, u64)> = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let hash = narrow(hashes[*row as usize]);
            for entry in self.table(hash).iter_hash(hash).filter(|entry| entry.hash == hash) {
                candidates.push((at, entry.place));
                pairs.push((*row, self.top(entry.place)));
            }
        }
        let mut found = vec![None; rows.len()];
        let equal = list.equal(columns, probe, &pairs, self.how);
        for ((at, place), _) in candidates.into_iter().zip(equal).filter(|(_, equal)| *equal) {
            found[at] = Some(place);
        }
        found
    }

    fn remove(&mut self, hash: u64, place: Place) {
        let table = &mut self.tables[table_of(hash)];
        match table.find_entry(hash, |entry| entry.place == place) {
            Ok(entry) => entry.remove(),
            Err(_) => panic!("a live row is indexed"),
        };
        if table.len() * SPARSE < table.capacity() {
            table.shrink_to(table.len() * 2, |entry| entry.hash);
        }
    }

    fn replace(&mut self, hash: u64, old: Place, new: Place) {
        let table = &mut self.tables[table_of(hash)];
        let entry = table.find_mut(hash, |entry| entry.place == old);
        entry.expect("a live row is indexed").place = new;
    }

    /// Adds a live row: on top of those at `place`, which are the same, if there are any. Gives
    /// the place of them all.
    pub(super) fn push(&mut self, hash: u64, place: Option<Place>, number: u64) -> Place {
        let hash = narrow(hash);
        let Some(place) = place else {
            let place = Place::of_row(number);
            let table = &mut self.tables[table_of(hash)];
            table.insert_unique(hash, Entry { hash, place }, |entry| entry.hash);
            return place;
        };
        if let Some(stack) = place.stack() {
            self.stacks[stack].push(number);
            return place;
        }
        let stack = self.add_stack(vec![place.0, number]);
        self.replace(hash, place, stack);
        stack
    }

    /// Adds live rows by their groups; `places` are those of the same rows, if there are any.
    pub(super) fn push_all(
        &mut self,
        hashes: &[u64],
        groups: &Groups,
        mut places: Vec<Option<Place>>,
        numbers: impl IntoIterator<Item = u64>,
    ) {
        for ((number, hash), group) in numbers.into_iter().zip(hashes).zip(&groups.of_row) {
            let place = &mut places[*group as usize];
            *place = Some(self.push(*hash, *place, number));
        }
    }

    fn add_stack(&mut self, numbers: Vec<u64>) -> Place {
        let stack = self.unused_stacks.pop().unwrap_or(self.stacks.len());
        if stack == self.stacks.len() {
            self.stacks.push(numbers);
        } else {
            self.stacks[stack] = numbers;
        }
        Place::of_stack(stack)
    }

    /// Takes the youngest `n` of the equal rows at `place` out; gives the place of those left.
    pub(super) fn pop(&mut self, hash: u64, place: Place, n: usize) -> Option<Place> {
        let hash = narrow(hash);
        let Some(stack) = place.stack() else {
            self.remove(hash, place);
            return None;
        };
        let numbers = &mut self.stacks[stack];
        numbers.truncate(numbers.len() - n);
        if numbers.len() > 1 {
            return Some(place);
        }
        let left = std::mem::take(numbers).pop().map(Place::of_row);
        self.unused_stacks.push(stack);
        match left {
            Some(left) => self.replace(hash, place, left),
            None => self.remove(hash, place),
        }
        left
    }

    /// Puts another version of the row of a unique key in the place of the one there.
    pub(super) fn renumber(&mut self, hash: u64, place: Place, number: u64) {
        self.replace(narrow(hash), place, Place::of_row(number));
    }
}

/// The tables use the lowest and highest bits of the hash.
fn table_of(hash: u64) -> usize {
    (hash >> 40) as usize % TABLES
}
