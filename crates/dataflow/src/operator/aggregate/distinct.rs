//! What calls with DISTINCT have seen: a row of their arguments counts when it is the first of its group,
//! and counts no more when the last of its like goes. Calls with the same arguments share a table.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, UInt32Array};
use arrow::datatypes::{DataType, Int64Type, UInt32Type};
use weir_delta::Weights;
use weir_delta::group_table::GroupTable;
use weir_delta::hash::combine;
use weir_types::planted::{self, Bug};

use super::{DistinctArguments, passes};

/// The rows of a batch that begin to count, and those that cease to, for one filter.
#[derive(Default)]
pub(crate) struct Turned {
    pub(crate) begin: (Vec<u32>, Vec<u32>),
    pub(crate) cease: (Vec<u32>, Vec<u32>),
}

/// Combinations of arguments by group.
pub(crate) struct DistinctTable {
    /// The key: the slot of the group, then the arguments.
    table: GroupTable,
    n_filters: usize,
    /// How often each combination is there, for each filter.
    counts: Vec<i64>,
    keeps_undo: bool,
    /// Changes of this tick: which of `counts`, and by how much.
    undo: Vec<(usize, i64)>,
    /// Combinations that this tick made new, and such that it may have taken out.
    created: Vec<u32>,
    emptied: Vec<u32>,
    /// Combinations that changed since the last checkpoint; `None` before the first one.
    pub(super) dirty: Option<Dirty>,
}

/// Slots that changed, each once.
#[derive(Default)]
pub(super) struct Dirty {
    slots: Vec<u32>,
    is_in: Vec<bool>,
}

impl Dirty {
    pub(super) fn add(&mut self, slot: u32) {
        if self.is_in.len() <= slot as usize {
            self.is_in.resize(slot as usize + 1, false);
        }
        if !std::mem::replace(&mut self.is_in[slot as usize], true) {
            self.slots.push(slot);
        }
    }

    /// The slots, which are then clean.
    pub(super) fn take(&mut self) -> Vec<u32> {
        let slots = std::mem::take(&mut self.slots);
        slots.iter().for_each(|slot| self.is_in[*slot as usize] = false);
        slots
    }
}

impl DistinctTable {
    pub(crate) fn new(arguments: &DistinctArguments) -> Self {
        let mut types = vec![DataType::UInt32];
        types.extend(arguments.types.iter().cloned());
        Self {
            table: GroupTable::new(&types),
            n_filters: arguments.filters.len(),
            counts: Vec::new(),
            keeps_undo: false,
            undo: Vec::new(),
            created: Vec::new(),
            emptied: Vec::new(),
            dirty: None,
        }
    }

    /// Number of combinations.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn begin(&mut self, keeps_undo: bool) {
        self.keeps_undo = keeps_undo;
    }

    /// Counts the rows of a batch: `slots` are those of the groups of `rows`. For each filter, the rows that
    /// turned.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn update(
        &mut self,
        arguments: &[ArrayRef],
        hashes: &[u64],
        filters: &[Option<&BooleanArray>],
        weights: &Weights,
        rows: &[u32],
        slots: &[u32],
    ) -> Vec<Turned> {
        let is_counted = |row: u32| {
            arguments.iter().all(|array| array.is_valid(row as usize))
                && filters.iter().any(|filter| filter.is_none_or(|filter| passes(filter, row)))
        };
        let (mut counted, mut groups) =
            (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for (row, slot) in rows.iter().zip(slots) {
            if is_counted(*row) {
                counted.push(*row);
                groups.push(*slot);
            }
        }
        let entries = self.entries(arguments, hashes, &counted, &groups);
        let mut turned: Vec<Turned> = filters.iter().map(|_| Turned::default()).collect();
        for ((row, slot), entry) in counted.iter().zip(&groups).zip(entries) {
            for (at, filter) in filters.iter().enumerate() {
                if filter.is_none_or(|filter| passes(filter, *row)) {
                    let weight = weights.get(*row as usize);
                    self.count(entry, at, weight, *row, *slot, &mut turned[at]);
                }
            }
        }
        turned
    }

    /// Counts in all that another table has counted, whose groups have those slots here. Also gives the
    /// arguments of its combinations: the rows are places there.
    pub(crate) fn merge(&mut self, other: &Self, slots: &[u32]) -> (Vec<ArrayRef>, Vec<Turned>) {
        let mut theirs = other.table.slots();
        theirs.retain(|entry| !other.is_empty(*entry));
        let mut keys = other.table.keys(&theirs);
        let groups = keys.remove(0);
        let groups = groups.as_primitive::<UInt32Type>().values();
        let groups: Vec<u32> = groups.iter().map(|slot| slots[*slot as usize]).collect();
        let rows: Vec<u32> = (0..theirs.len() as u32).collect();
        let hashes = GroupTable::hash(&keys, rows.len());
        let entries = self.entries(&keys, &hashes, &rows, &groups);
        let mut turned: Vec<Turned> = (0..self.n_filters).map(|_| Turned::default()).collect();
        for ((row, slot), (entry, their)) in
            rows.iter().zip(&groups).zip(entries.into_iter().zip(&theirs))
        {
            for (at, turned) in turned.iter_mut().enumerate() {
                let weight = other.counts[*their as usize * self.n_filters + at];
                self.count(entry, at, weight, *row, *slot, turned);
            }
        }
        (keys, turned)
    }

    /// The places of combinations, made where they are new.
    fn entries(
        &mut self,
        arguments: &[ArrayRef],
        hashes: &[u64],
        rows: &[u32],
        slots: &[u32],
    ) -> Vec<u32> {
        let n_rows = hashes.len();
        let (mut groups, mut combined) = (vec![0_u32; n_rows], vec![0_u64; n_rows]);
        for (row, slot) in rows.iter().zip(slots) {
            groups[*row as usize] = *slot;
            combined[*row as usize] = combine(hashes[*row as usize], u64::from(*slot));
        }
        let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from(groups))];
        columns.extend(arguments.iter().cloned());
        let (mut entries, mut new) = (Vec::with_capacity(rows.len()), Vec::new());
        self.table.assign(&columns, &combined, rows, &mut entries, &mut new);
        self.counts.resize(self.table.n_slots() * self.n_filters, 0);
        if self.keeps_undo {
            self.created.extend(new);
        }
        entries
    }

    fn count(
        &mut self,
        entry: u32,
        filter: usize,
        weight: i64,
        row: u32,
        slot: u32,
        turned: &mut Turned,
    ) {
        if weight == 0 {
            return;
        }
        let place = entry as usize * self.n_filters + filter;
        let before = self.counts[place];
        let after = before + weight;
        self.counts[place] = after;
        if self.keeps_undo {
            self.undo.push((place, weight));
        }
        if let Some(dirty) = &mut self.dirty {
            dirty.add(entry);
        }
        match (before > 0 && !planted::is(Bug::DistinctAgain), after > 0) {
            (false, true) => {
                turned.begin.0.push(row);
                turned.begin.1.push(slot);
            }
            (true, false) => {
                turned.cease.0.push(row);
                turned.cease.1.push(slot);
            }
            _ => {}
        }
        if after == 0 {
            self.emptied.push(entry);
        }
    }

    fn is_empty(&self, entry: u32) -> bool {
        let first = entry as usize * self.n_filters;
        self.counts[first..first + self.n_filters].iter().all(|count| *count == 0)
    }

    /// The tick holds. Combinations that are there no more go; gives their keys, where these are wanted.
    pub(crate) fn commit(&mut self, wants_removed: bool) -> Option<Vec<ArrayRef>> {
        let emptied = std::mem::take(&mut self.emptied);
        let mut gone: Vec<u32> =
            emptied.into_iter().filter(|entry| self.is_empty(*entry)).collect();
        gone.sort_unstable();
        gone.dedup();
        let keys = wants_removed.then(|| self.table.keys(&gone));
        self.table.remove(&gone);
        self.undo.clear();
        self.created.clear();
        keys
    }

    /// From now on changes are noted.
    pub(super) fn note_changes(&mut self) {
        self.dirty = Some(Dirty::default());
    }

    /// All combinations, or those that changed, which are then clean.
    pub(super) fn take_entries(&mut self, all: bool) -> Vec<u32> {
        let mut changed = self.dirty.get_or_insert_default().take();
        if all {
            return self.table.slots();
        }
        changed.retain(|entry| self.table.is_live(*entry));
        changed
    }

    /// The slots of the groups of combinations.
    pub(super) fn groups_of(&self, entries: &[u32]) -> Vec<u32> {
        let groups = self.table.key_column(0, entries);
        groups.as_primitive::<UInt32Type>().values().to_vec()
    }

    /// Bytes of the arguments of a combination.
    pub(super) fn n_argument_bytes(&self, entry: u32) -> usize {
        self.table.n_key_bytes(entry)
    }

    /// The arguments of combinations, and their counts for each filter.
    pub(super) fn stored(&self, entries: &[u32]) -> Vec<ArrayRef> {
        let mut columns = self.table.keys(entries);
        columns.remove(0);
        columns.extend((0..self.n_filters).map(|filter| {
            let count = |entry: &u32| self.counts[*entry as usize * self.n_filters + filter];
            Arc::new(entries.iter().map(count).collect::<Int64Array>()) as ArrayRef
        }));
        columns
    }

    /// Puts combinations in that `stored` gave; those that count nothing go with the next commit.
    pub(super) fn load(&mut self, slots: &[u32], arguments: &[ArrayRef], counts: &[ArrayRef]) {
        let rows: Vec<u32> = (0..slots.len() as u32).collect();
        let hashes = GroupTable::hash(arguments, rows.len());
        let entries = self.entries(arguments, &hashes, &rows, slots);
        for (filter, counts) in counts.iter().enumerate() {
            let counts = counts.as_primitive::<Int64Type>().values();
            for (entry, count) in entries.iter().zip(counts) {
                self.counts[*entry as usize * self.n_filters + filter] = *count;
            }
        }
        let mut emptied = entries;
        emptied.retain(|entry| self.is_empty(*entry));
        self.emptied.extend(emptied);
    }

    pub(crate) fn rollback(&mut self) {
        for (place, weight) in std::mem::take(&mut self.undo) {
            self.counts[place] -= weight;
        }
        let created = std::mem::take(&mut self.created);
        self.table.remove(&created);
        self.emptied.clear();
    }

    pub(crate) fn n_bytes(&self) -> usize {
        self.table.n_bytes() + self.counts.capacity() * size_of::<i64>()
    }
}
