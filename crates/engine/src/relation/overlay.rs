//! A transaction's own writes on top of a snapshot.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use weir_delta::equal::{Sameness, equal_rows};
use weir_delta::hash::hash_rows;
use weir_delta::{Delta, rows};
use weir_types::Result;

use super::provider::{Batches, RowSource};
use super::stored::{self, StoredColumn};
use super::table::{SnapshotRows, picked};

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
    /// Their keys. A batch of keys is of the batch of rows in the same place.
    added_keys: KeySet,
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
        self.find(key).map(|found| found.is_some()).collect()
    }

    /// Takes keys out. For each row of `key`: the batch that it was in.
    fn remove(&mut self, key: &[ArrayRef]) -> Vec<Option<usize>> {
        let found: Vec<_> = self.find(key).collect();
        let taken = found.into_iter().map(|found| {
            let (hash, position) = found?;
            if let Some(positions) = self.positions.get_mut(&hash) {
                positions.retain(|other| *other != position);
            }
            Some(position.0 as usize)
        });
        taken.collect()
    }

    /// For each row of `key`: its hash and its place in the set.
    fn find<'a>(
        &'a self,
        key: &'a [ArrayRef],
    ) -> impl Iterator<Item = Option<(u64, (u32, u32))>> + 'a {
        hash_rows(key).into_iter().enumerate().map(move |(row_idx, hash)| {
            let mut candidates = self.positions.get(&hash)?.iter();
            let found = candidates.find(|(batch_idx, other)| {
                let pair = [(row_idx as u32, *other)];
                equal_rows(key, &self.batches[*batch_idx as usize], &pair, Sameness::Equal)[0]
            });
            found.map(|position| (hash, *position))
        })
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
            added_keys: KeySet::default(),
        }
    }

    /// Number of columns of its rows.
    pub(crate) fn n_columns(&self) -> usize {
        self.schema.fields().len()
    }

    /// Bytes that its rows use.
    pub(crate) fn n_bytes(&self) -> usize {
        self.removed.iter().chain(&self.added).map(rows::bytes_used).sum()
    }

    /// The same change with the columns that ADD COLUMN brought; `columns` are all.
    ///
    /// # Errors
    /// XX000 for columns that are not the table's.
    pub(crate) fn widened(&self, columns: &[StoredColumn]) -> Result<Self> {
        let schema = stored::schema(columns);
        let widen = |batches: &[RecordBatch]| {
            let widen = |rows: &RecordBatch| stored::widened(rows, columns, &schema);
            batches.iter().map(widen).collect::<Result<Vec<_>>>()
        };
        Ok(Self {
            key: self.key.clone(),
            removed: widen(&self.removed)?,
            removed_keys: self.removed_keys.clone(),
            added: widen(&self.added)?,
            added_keys: self.added_keys.clone(),
            schema,
        })
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
        let own = self.added_keys.contains(&key);
        let mut before: HashMap<u64, Vec<u32>> = HashMap::new();
        hash_rows(&key).into_iter().enumerate().position(|(row_idx, hash)| {
            let alike = before.entry(hash).or_default();
            let pairs: Vec<(u32, u32)> =
                alike.iter().map(|other| (row_idx as u32, *other)).collect();
            alike.push(row_idx as u32);
            own[row_idx] || equal_rows(&key, &key, &pairs, Sameness::Equal).contains(&true)
        })
    }

    /// Puts rows in, whose keys are free.
    pub(crate) fn add(&mut self, new: &RecordBatch) {
        if new.num_rows() > 0 {
            self.added_keys.insert(self.key_of(new));
            self.added.push(new.clone());
        }
    }

    /// Takes out rows as the transaction saw them.
    ///
    /// # Errors
    /// XX000 for rows of other columns.
    pub(crate) fn remove(&mut self, old: &RecordBatch) -> Result<()> {
        if old.num_rows() == 0 {
            return Ok(());
        }
        let key = self.key_of(old);
        // Own rows just vanish; the others are of the snapshot.
        let own = self.added_keys.remove(&key);
        let of_snapshot: BooleanArray = own.iter().map(|batch| Some(batch.is_none())).collect();
        let removed = rows::filter(old, &of_snapshot)?;
        let mut gone = KeySet::default();
        gone.insert(key);
        for batch_idx in BTreeSet::from_iter(own.into_iter().flatten()) {
            let batch = &self.added[batch_idx];
            let is_gone = gone.contains(&self.key_of(batch));
            let keep: BooleanArray = is_gone.into_iter().map(|is_gone| Some(!is_gone)).collect();
            self.added[batch_idx] = rows::filter(batch, &keep)?;
        }
        if removed.num_rows() > 0 {
            self.removed_keys.insert(self.key_of(&removed));
            self.removed.push(removed);
        }
        Ok(())
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
        let places = self.added_keys.find(key).flatten().map(|(_, (batch_idx, _))| batch_idx);
        let mut found = Vec::new();
        for batch_idx in BTreeSet::from_iter(places) {
            let batch = &self.added[batch_idx as usize];
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
    /// For each column of the base: its position in the overlay's rows.
    pub(crate) own: Vec<usize>,
}

impl RowSource for OverlaidRows {
    fn schema(&self) -> SchemaRef {
        self.base.schema()
    }

    fn n_parts(&self) -> usize {
        1
    }

    fn read(&self, _part: usize, projection: &[usize]) -> Batches {
        let (columns, schema) = match self.base.projected(projection) {
            Ok(projected) => projected,
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        let overlay = Arc::clone(&self.overlay);
        let added = overlay.added.clone();
        let own: Vec<usize> = projection.iter().map(|column_idx| self.own[*column_idx]).collect();
        let base = self.base.snapshot.scan(self.base.epoch, None).map(move |batch| {
            let gone = overlay.is_removed(&overlay.key_of(&batch));
            let keep: BooleanArray = gone.into_iter().map(|is_gone| Some(!is_gone)).collect();
            picked(&rows::filter(&batch, &keep)?, &columns, &schema)
        });
        let added = added.into_iter().map(move |batch| rows::project(&batch, &own));
        Box::new(base.chain(added))
    }
}
