//! A transaction's own writes on top of a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use weir_delta::equal::{Sameness, equal_rows};
use weir_delta::hash::hash_rows;
use weir_delta::{Delta, rows};
use weir_types::Result;

use super::provider::{Batches, RowSource};
use super::table::SnapshotRows;

/// What a transaction has written to one table and not committed: the net change against its snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Overlay {
    schema: SchemaRef,
    key: Vec<usize>,
    /// Rows of the snapshot that are gone or replaced, as they were.
    removed: Vec<RecordBatch>,
    removed_keys: KeySet,
    /// Rows that are there instead or in addition.
    added: Vec<RecordBatch>,
}

/// A set of keys, as rows of key columns.
#[derive(Clone, Debug, Default)]
struct KeySet {
    /// Hash to (batch, row).
    positions: HashMap<u64, Vec<(u32, u32)>>,
    batches: Vec<Vec<ArrayRef>>,
}

impl KeySet {
    fn insert(&mut self, key: Vec<ArrayRef>) {
        let batch_idx = self.batches.len() as u32;
        for (row_idx, hash) in hash_rows(&key).into_iter().enumerate() {
            self.positions.entry(hash).or_default().push((batch_idx, row_idx as u32));
        }
        self.batches.push(key);
    }

    /// For each row of `key`: whether it is in the set.
    fn contains(&self, key: &[ArrayRef]) -> Vec<bool> {
        let hashes = hash_rows(key);
        let found = hashes.iter().enumerate().map(|(row_idx, hash)| {
            let Some(candidates) = self.positions.get(hash) else { return false };
            candidates.iter().any(|(batch_idx, other)| {
                let pair = [(row_idx as u32, *other)];
                equal_rows(key, &self.batches[*batch_idx as usize], &pair, Sameness::Equal)[0]
            })
        });
        found.collect()
    }
}

impl Overlay {
    pub(crate) fn new(schema: SchemaRef, key: Vec<usize>) -> Self {
        Self {
            schema,
            key,
            removed: Vec::new(),
            removed_keys: KeySet::default(),
            added: Vec::new(),
        }
    }

    /// The net change against the snapshot.
    ///
    /// # Errors
    /// 54000 where it does not fit into one batch.
    pub(crate) fn change(&self) -> Result<Delta> {
        let removed = rows::concat(&self.schema, &self.removed)?;
        let added = rows::concat(&self.schema, &self.added)?;
        Delta::concat(&self.schema, [&Delta::retractions(removed), &Delta::insertions(added)])
    }

    /// The first of the rows whose key an own row of the transaction has, or one of the rows before it.
    pub(crate) fn taken_key(&self, new: &RecordBatch) -> Option<usize> {
        let key = self.key_of(new);
        let own = self.own_keys().contains(&key);
        let mut before: HashMap<u64, Vec<u32>> = HashMap::new();
        hash_rows(&key).into_iter().enumerate().position(|(row_idx, hash)| {
            let alike = before.entry(hash).or_default();
            let pairs: Vec<(u32, u32)> =
                alike.iter().map(|other| (row_idx as u32, *other)).collect();
            alike.push(row_idx as u32);
            own[row_idx] || equal_rows(&key, &key, &pairs, Sameness::Equal).contains(&true)
        })
    }

    /// Takes out rows as the transaction saw them, and puts others in whose keys are free.
    ///
    /// # Errors
    /// 54000 where they do not fit into one batch.
    pub(crate) fn write(&mut self, old: &RecordBatch, new: &RecordBatch) -> Result<()> {
        if old.num_rows() > 0 {
            self.remove(old)?;
        }
        if new.num_rows() > 0 {
            self.added.push(new.clone());
        }
        Ok(())
    }

    fn remove(&mut self, old: &RecordBatch) -> Result<()> {
        let mut gone = KeySet::default();
        gone.insert(self.key_of(old));
        let own = self.own_keys();
        // Own rows just vanish; the others are of the snapshot.
        let is_own = own.contains(&self.key_of(old));
        for batch in &mut self.added {
            let key: Vec<ArrayRef> =
                self.key.iter().map(|idx| Arc::clone(batch.column(*idx))).collect();
            let keep: BooleanArray =
                gone.contains(&key).into_iter().map(|is_gone| Some(!is_gone)).collect();
            *batch = rows::filter(batch, &keep)?;
        }
        let of_snapshot: BooleanArray = is_own.into_iter().map(|is_own| Some(!is_own)).collect();
        let removed = rows::filter(old, &of_snapshot)?;
        self.removed_keys.insert(self.key_of(&removed));
        self.removed.push(removed);
        Ok(())
    }

    fn own_keys(&self) -> KeySet {
        let mut own = KeySet::default();
        for batch in &self.added {
            own.insert(self.key_of(batch));
        }
        own
    }

    fn key_of(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.key.iter().map(|column_idx| Arc::clone(batch.column(*column_idx))).collect()
    }

    /// For each of the keys: true where the snapshot's row of that key is gone.
    pub(crate) fn is_removed(&self, key: &[ArrayRef]) -> Vec<bool> {
        self.removed_keys.contains(key)
    }

    /// The transaction's own rows of those keys, if any.
    pub(crate) fn own_rows(&self, key: &[ArrayRef]) -> Result<RecordBatch> {
        let mut wanted = KeySet::default();
        wanted.insert(key.to_vec());
        let mut found = Vec::new();
        for batch in &self.added {
            let mask: BooleanArray =
                wanted.contains(&self.key_of(batch)).into_iter().map(Some).collect();
            found.push(rows::filter(batch, &mask)?);
        }
        rows::concat(&self.schema, &found)
    }
}

/// A table as a transaction sees it: its snapshot, less what it removed, and what it added.
#[derive(Debug)]
pub(crate) struct OverlaidRows {
    pub(crate) base: SnapshotRows,
    pub(crate) overlay: Arc<Overlay>,
}

impl RowSource for OverlaidRows {
    fn schema(&self) -> SchemaRef {
        self.base.schema()
    }

    fn n_parts(&self) -> usize {
        1
    }

    fn read(&self, _part: usize, projection: &[usize]) -> Batches {
        let positions: Vec<usize> =
            projection.iter().map(|column_idx| self.base.positions[*column_idx]).collect();
        let overlay = Arc::clone(&self.overlay);
        let added = overlay.added.clone();
        let wanted = positions.clone();
        let base = self.base.snapshot.scan(self.base.epoch, None).map(move |batch| {
            let gone = overlay.is_removed(&overlay.key_of(&batch));
            let keep: BooleanArray = gone.into_iter().map(|is_gone| Some(!is_gone)).collect();
            rows::project(&rows::filter(&batch, &keep)?, &positions)
        });
        let added = added.into_iter().map(move |batch| rows::project(&batch, &wanted));
        Box::new(base.chain(added))
    }
}
