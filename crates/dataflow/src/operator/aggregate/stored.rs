//! A shard's groups as rows, for checkpoints.
//!
//! A table of groups has a row for each group: its key, its number of rows (0: the group is no more), and a
//! column of bytes for each call. A table of the values that calls with DISTINCT have seen has a row for
//! each: the key of the group, the value, and a count for each filter (all 0: it is no more). Rows name
//! groups by key, so that any number of shards can load them; a later row of a key replaces an earlier one.
//! They come in pieces of a bounded number of bytes, and of one row where that alone has more.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, UInt32Type};
use datafusion::error::{DataFusionError, Result};
use weir_delta::group_table::GroupTable;
use weir_types::Error;
use weir_types::planted::{self, Bug};

use super::distinct::{Dirty, DistinctTable};
use super::shard::Shard;
use super::states::StateBytes;
use super::{Aggregate, shard_of};

/// Bytes of keys and states of a piece: far from what a column of bytes can hold.
const PIECE_BYTES: usize = 16 << 20;
/// Rows of a piece.
const PIECE_ROWS: usize = 1 << 16;

/// What changed since the last checkpoint.
pub(crate) struct Since {
    pub(super) dirty: Dirty,
    /// The keys of groups that ended, each once.
    removed: GroupTable,
    /// For each of the distinct arguments, group keys and values that are no more.
    removed_values: Vec<GroupTable>,
}

impl Since {
    fn new(aggregate: &Aggregate) -> Self {
        let values = aggregate.distinct.iter().map(|set| {
            let types: Vec<DataType> =
                aggregate.key_types.iter().chain(&set.types).cloned().collect();
            GroupTable::new(&types)
        });
        Self {
            dirty: Dirty::default(),
            removed: GroupTable::new(&aggregate.key_types),
            removed_values: values.collect(),
        }
    }

    /// Notes groups that ended.
    pub(super) fn removed_groups(&mut self, keys: &[ArrayRef], n_groups: usize) {
        note(&mut self.removed, keys, n_groups);
    }

    /// Notes values that are no more; `keys` are the slots of their groups and the values.
    pub(super) fn removed_values(
        &mut self,
        set_idx: usize,
        groups: &GroupTable,
        mut keys: Vec<ArrayRef>,
    ) {
        let slots = keys.remove(0);
        let n_values = slots.len();
        if n_values == 0 {
            return;
        }
        let mut columns = groups.keys(slots.as_primitive::<UInt32Type>().values());
        columns.extend(keys);
        note(&mut self.removed_values[set_idx], &columns, n_values);
    }

    /// All of it is stored: tables that have something are made anew.
    fn clear(&mut self, aggregate: &Aggregate) {
        self.dirty.take();
        if !self.removed.is_empty() || self.removed_values.iter().any(|table| !table.is_empty()) {
            let dirty = std::mem::take(&mut self.dirty);
            *self = Self { dirty, ..Self::new(aggregate) };
        }
    }

    /// Bytes of memory in use, about.
    pub(super) fn n_bytes(&self) -> usize {
        let values: usize = self.removed_values.iter().map(GroupTable::n_bytes).sum();
        self.removed.n_bytes() + values
    }
}

fn note(removed: &mut GroupTable, keys: &[ArrayRef], n_rows: usize) {
    let rows: Vec<u32> = (0..n_rows as u32).collect();
    let hashes = GroupTable::hash(keys, n_rows);
    removed.assign(keys, &hashes, &rows, &mut Vec::new(), &mut Vec::new());
}

/// The keys of a table in pieces, with the number of each.
fn keys_in_pieces(table: &GroupTable) -> Vec<(usize, Vec<ArrayRef>)> {
    let mut keys = Vec::new();
    for slots in table.slots().chunks(piece_rows()) {
        for piece in pieces(slots.len(), |row| table.n_key_bytes(slots[row])) {
            keys.push((piece.len(), table.keys(&slots[piece])));
        }
    }
    keys
}

/// Rows of one of an aggregation's tables: 0 has the groups, the others the values of the distinct arguments.
pub(crate) struct TableRows {
    pub(crate) table: usize,
    pub(crate) rows: RecordBatch,
}

impl Shard {
    /// All of the shard, or what changed since it was last asked. From then on changes are noted. After an
    /// error what changed is not known: all is to be asked for.
    ///
    /// # Errors
    /// 54000 for a group whose state is larger than a column can be; XX000 on a defect of a kernel.
    pub(crate) fn stored(&mut self, all: bool) -> Result<Vec<TableRows>> {
        let since = self.since.take();
        let mut since = since.unwrap_or_else(|| Since::new(&self.aggregate));
        let tables = self.stored_since(&mut since, all);
        since.clear(&self.aggregate);
        self.since = Some(since);
        tables
    }

    fn stored_since(&mut self, since: &mut Since, all: bool) -> Result<Vec<TableRows>> {
        let mut tables = Vec::new();
        if !all {
            for (n_groups, keys) in keys_in_pieces(&since.removed) {
                tables.push(TableRows { table: 0, rows: self.ended_groups(keys, n_groups)? });
            }
        }
        let slots = if all { self.groups.slots() } else { self.live(since.dirty.take()) };
        let is_lost = !all && planted::is(Bug::LostState);
        if !slots.is_empty() && !is_lost {
            self.groups_as_rows(&slots, &mut tables)?;
        }
        for (set_idx, removed) in since.removed_values.iter().enumerate().filter(|_| !all) {
            let n_filters = self.aggregate.distinct[set_idx].filters.len();
            for (n_values, mut columns) in keys_in_pieces(removed) {
                let zeros: ArrayRef = Arc::new(Int64Array::from(vec![0; n_values]));
                columns.extend(std::iter::repeat_n(zeros, n_filters));
                tables.push(TableRows { table: set_idx + 1, rows: as_rows(columns)? });
            }
        }
        for set_idx in 0..self.distinct.len() {
            let entries = self.distinct[set_idx].take_entries(all);
            self.values_as_rows(set_idx, &entries, &mut tables)?;
        }
        Ok(tables)
    }

    /// From now on changes are noted.
    pub(crate) fn note_changes(&mut self) {
        self.since = Some(Since::new(&self.aggregate));
        self.distinct.iter_mut().for_each(DistinctTable::note_changes);
    }

    fn live(&self, slots: Vec<u32>) -> Vec<u32> {
        slots.into_iter().filter(|slot| self.groups.is_live(*slot)).collect()
    }

    fn groups_as_rows(&self, slots: &[u32], tables: &mut Vec<TableRows>) -> Result<()> {
        for slots in slots.chunks(piece_rows()) {
            let written: Vec<StateBytes> =
                self.states.iter().map(|states| states.write(slots)).collect();
            let n_bytes = |row: usize| {
                let states: usize = written.iter().map(|states| states.n_bytes_of(row)).sum();
                self.groups.n_key_bytes(slots[row]) + states
            };
            for piece in pieces(slots.len(), n_bytes) {
                let slots = &slots[piece.clone()];
                let mut columns = self.groups.keys(slots);
                let counts = slots.iter().map(|slot| self.counts[*slot as usize]);
                columns.push(Arc::new(counts.collect::<Int64Array>()));
                for states in &written {
                    columns.push(Arc::new(states.array(piece.clone())?));
                }
                tables.push(TableRows { table: 0, rows: as_rows(columns)? });
            }
        }
        Ok(())
    }

    fn values_as_rows(
        &self,
        set_idx: usize,
        entries: &[u32],
        tables: &mut Vec<TableRows>,
    ) -> Result<()> {
        let distinct = &self.distinct[set_idx];
        for entries in entries.chunks(piece_rows()) {
            let slots = distinct.groups_of(entries);
            let n_bytes = |row: usize| {
                self.groups.n_key_bytes(slots[row]) + distinct.n_argument_bytes(entries[row])
            };
            for piece in pieces(entries.len(), n_bytes) {
                let mut columns = self.groups.keys(&slots[piece.clone()]);
                columns.extend(distinct.stored(&entries[piece]));
                tables.push(TableRows { table: set_idx + 1, rows: as_rows(columns)? });
            }
        }
        Ok(())
    }

    fn ended_groups(&self, mut columns: Vec<ArrayRef>, n_groups: usize) -> Result<RecordBatch> {
        columns.push(Arc::new(Int64Array::from(vec![0; n_groups])));
        for _ in &self.states {
            columns.push(new_null_array(&DataType::Binary, n_groups));
        }
        as_rows(columns)
    }

    /// Puts rows of a table in, those of this shard.
    ///
    /// # Errors
    /// XX001 where they are not rows of such a table.
    pub(crate) fn load(
        &mut self,
        table: usize,
        rows: &RecordBatch,
        shard_idx: usize,
        n_shards: usize,
    ) -> Result<()> {
        let aggregate = Arc::clone(&self.aggregate);
        let columns = rows.columns();
        if columns.len() != n_columns(&aggregate, table) {
            return Err(damaged());
        }
        let (keys, rest) = columns.split_at(aggregate.keys.len());
        let hashes = GroupTable::hash(keys, rows.num_rows());
        let own: Vec<u32> = (0..rows.num_rows() as u32)
            .filter(|row| shard_of(hashes[*row as usize], n_shards) == shard_idx)
            .collect();
        if own.is_empty() {
            return Ok(());
        }
        let slots = self.assign(keys, &hashes, &own);
        if table == 0 {
            // A group that ended and came back shows the key with which it did: of equal ones, that of the later
            // row, since what it shows is what it takes back.
            self.groups.replace_keys(keys, &own, &slots);
        }
        let own = arrow::array::UInt32Array::from(own);
        let rest = rest.iter().map(|column| Ok(arrow::compute::take(column, &own, None)?));
        let rest = rest.collect::<Result<Vec<ArrayRef>>>()?;
        if let Some(set_idx) = table.checked_sub(1) {
            let n_arguments = aggregate.distinct[set_idx].arguments.len();
            let (arguments, counts) = rest.split_at(n_arguments);
            self.distinct[set_idx].load(&slots, arguments, counts);
            return Ok(());
        }
        let counts = rest[0].as_primitive_opt::<Int64Type>().ok_or_else(damaged)?;
        for (slot, count) in slots.iter().zip(counts.values()) {
            self.counts[*slot as usize] = *count;
        }
        // An ended group has no states.
        let live: Vec<u32> = (0..slots.len() as u32)
            .filter(|row| counts.value(*row as usize) != 0 || aggregate.only_group.is_some())
            .collect();
        let slots: Vec<u32> = live.iter().map(|row| slots[*row as usize]).collect();
        let live = arrow::array::UInt32Array::from(live);
        for (states, bytes) in self.states.iter_mut().zip(&rest[1..]) {
            let bytes = arrow::compute::take(bytes, &live, None)?;
            let bytes: &BinaryArray = bytes.as_binary_opt::<i32>().ok_or_else(damaged)?;
            states.read(&slots, bytes)?;
        }
        Ok(())
    }
}

/// So many rows in pieces of [`PIECE_BYTES`]; a row that has more is a piece of its own.
fn pieces(n_rows: usize, n_bytes: impl Fn(usize) -> usize) -> Vec<Range<usize>> {
    let max = if planted::is_small() { 64 } else { PIECE_BYTES };
    let mut pieces = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for row in 0..n_rows {
        let of_row = n_bytes(row);
        if row > start && sum + of_row > max {
            pieces.push(start..row);
            (start, sum) = (row, 0);
        }
        sum += of_row;
    }
    if start < n_rows {
        pieces.push(start..n_rows);
    }
    pieces
}

fn piece_rows() -> usize {
    if planted::is_small() { 4 } else { PIECE_ROWS }
}

fn n_columns(aggregate: &Aggregate, table: usize) -> usize {
    let own = match table.checked_sub(1) {
        None => 1 + aggregate.calls.len(),
        Some(set_idx) => match aggregate.distinct.get(set_idx) {
            Some(set) => set.arguments.len() + set.filters.len(),
            None => return usize::MAX,
        },
    };
    aggregate.keys.len() + own
}

fn as_rows(columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(place, column)| Field::new(format!("c{place}"), column.data_type().clone(), true))
        .collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

fn damaged() -> DataFusionError {
    DataFusionError::External(Box::new(Error::corrupt(
        "the stored state of an aggregation is damaged",
    )))
}

#[cfg(test)]
mod tests {
    use super::{PIECE_BYTES, pieces};

    #[test]
    fn a_piece_ends_before_it_is_too_large() {
        let half = PIECE_BYTES / 2;
        let ends = |n_bytes: &[usize]| -> Vec<usize> {
            let pieces = pieces(n_bytes.len(), |row| n_bytes[row]);
            let starts = pieces.iter().map(|piece| piece.start);
            assert!(
                starts.eq([0].into_iter().chain(pieces.iter().map(|p| p.end)).take(pieces.len()))
            );
            pieces.iter().map(|piece| piece.end).collect()
        };
        assert_eq!(ends(&[half, half, 1, 3 * half, 0, 1]), [2, 3, 4, 6]);
        assert_eq!(ends(&[3 * half]), [1]);
        assert_eq!(ends(&[0, 0]), [2]);
        assert!(ends(&[]).is_empty());
    }
}
