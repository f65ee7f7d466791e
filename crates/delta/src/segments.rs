//! The rows of a relation with their history: what tables and published views are kept in.
//!
//! Rows lie in immutable Arrow segments, in the order in which they came. Beside each row are the
//! epoch that created it and the one that deleted it; a reader at epoch `e` sees the rows with
//! `created <= e < deleted`. A row version has a number that it keeps for ever ([`RowRef`]);
//! segments are runs of such numbers, so that they can be merged, and dead versions dropped,
//! without touching the index from keys to row versions.
//!
//! One writer applies deltas. Readers take a [`Snapshot`], which clones two pointers and a short
//! list under a lock that nobody holds for longer than that.
//!
//! | part | what it does |
//! |---|---|
//! | `segment` | rows, their numbers, epochs of creation and deletion |
//! | `list` | the segments in order; finds a row version by number, and compares rows across segments |
//! | `index` | live row versions by hash of key |
//! | `graves` | when keys were deleted that are not there any more |
//! | `apply` | checks a delta, then carries it out |
//! | `merge` | keeps segments few and large, and drops versions that nobody can see |
//! | `snapshot` | scans and changes at an epoch |

mod apply;
mod graves;
mod index;
mod list;
mod merge;
mod segment;
mod snapshot;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use parking_lot::{Mutex, RwLock};
use weir_types::{Epoch, Error, Result};

use self::graves::Graves;
use self::index::Index;
use self::list::List;
use crate::equal::Sameness;
use crate::hash::hash_n_rows;
use crate::rows;

pub use self::snapshot::{History, Snapshot};

/// What tells the rows of a relation apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The columns at those positions: at most one row has the same values in them. No column at
    /// all means at most one row.
    Unique(Vec<usize>),
    /// The whole row, which may come several times.
    Bag,
}

/// A version of a row. Stays valid until the version is deleted and compaction has dropped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowRef(u64);

/// Why a delta was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyErrorKind {
    /// A retraction matches no live row.
    MissingRow,
    /// An insertion has the key of a live row.
    DuplicateKey,
    /// The rows do not fit the store: they have other types, a NULL where none may be, or are too
    /// many for a batch (over 2^32 rows, or 2 GiB of one `bytea` column).
    Unfit,
}

/// A delta that was not applied; the store is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplyError {
    /// What is wrong.
    pub kind: ApplyErrorKind,
    /// The row of the delta at which it was found.
    pub row: usize,
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ApplyErrorKind::MissingRow => "no live row matches the retraction",
            ApplyErrorKind::DuplicateKey => "a live row has the key of the insertion",
            ApplyErrorKind::Unfit => "the rows do not fit the store",
        };
        write!(f, "{what} at row {} of the delta", self.row)
    }
}

impl std::error::Error for ApplyError {}

/// The rows of a relation with their history. See the module for how they are kept.
pub struct Segments {
    schema: SchemaRef,
    key: Key,
    /// The key, or all columns of a bag.
    key_columns: Vec<usize>,
    /// The columns that are not in the key.
    payload_columns: Vec<usize>,
    state: RwLock<State>,
    /// Written only under a write lock of `state`, so that nobody holds it for long.
    list: RwLock<List>,
    /// Held while segments are merged outside of the other locks.
    compacting: Mutex<()>,
    /// No reader at an earlier epoch will come.
    horizon: AtomicU64,
    /// Nobody asks for changes of keys up to that epoch.
    released: AtomicU64,
}

/// What only the writer changes.
struct State {
    /// `None` until first needed: a bag that only grows does without.
    index: Option<Index>,
    graves: Graves,
    /// The number of the next row version.
    next_row: u64,
    /// The newest epoch applied.
    epoch: Epoch,
}

impl Segments {
    /// An empty store of rows of that schema.
    ///
    /// # Panics
    /// When the key names a column that the schema has not.
    #[must_use]
    pub fn new(schema: SchemaRef, key: Key) -> Self {
        let n_columns = schema.fields().len();
        let key_columns = match &key {
            Key::Unique(columns) => columns.clone(),
            Key::Bag => (0..n_columns).collect(),
        };
        assert!(key_columns.iter().all(|at| *at < n_columns), "the key is of columns");
        let payload_columns = (0..n_columns).filter(|at| !key_columns.contains(at)).collect();
        let index = matches!(key, Key::Unique(_)).then(|| Index::new(Sameness::Equal));
        Self {
            schema,
            key,
            key_columns,
            payload_columns,
            state: RwLock::new(State {
                index,
                graves: Graves::default(),
                next_row: 0,
                epoch: Epoch::ZERO,
            }),
            list: RwLock::new(List::default()),
            compacting: Mutex::new(()),
            horizon: AtomicU64::new(0),
            released: AtomicU64::new(0),
        }
    }

    /// The schema of the rows.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What tells rows apart.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The live version of the row of each key, one key a row of `keys`; of a bag, that of the
    /// youngest copy of the row. A store with a key of no columns has one key.
    #[must_use]
    pub fn lookup(&self, keys: &[ArrayRef]) -> Vec<Option<RowRef>> {
        self.build_index();
        let state = self.state.read();
        let found = self.find(&state, &self.list.read(), keys, &hash_keys(keys));
        found.into_iter().map(|number| number.map(RowRef)).collect()
    }

    /// The number of the live row of each key.
    fn find(
        &self,
        state: &State,
        list: &List,
        keys: &[ArrayRef],
        hashes: &[u64],
    ) -> Vec<Option<u64>> {
        let index = state.index.as_ref().expect("the index was built");
        let rows: Vec<u32> = (0..hashes.len() as u32).collect();
        let places = index.find(list, &self.key_columns, keys, hashes, &rows);
        places.into_iter().map(|place| place.map(|place| index.top(place))).collect()
    }

    /// The rows of those versions, in that order.
    ///
    /// # Errors
    /// 54000 when they do not fit into one batch, XX000 for a version that was dropped.
    pub fn gather(&self, refs: &[RowRef]) -> Result<RecordBatch> {
        let list = self.list.read().clone();
        rows::compact(&list.gather(&self.schema, refs.iter().map(|row| row.0))?)
    }

    /// The epoch that created the version; a later one, up to the released horizon, where that has
    /// passed both.
    ///
    /// # Errors
    /// XX000 for a version that was dropped.
    pub fn created(&self, row: RowRef) -> Result<Epoch> {
        let list = self.list.read();
        let (segment, at) = list.locate(row.0).ok_or_else(dropped)?;
        Ok(segment.created(at))
    }

    /// The epoch of the last insertion or deletion of each key, one key a row of `keys`. `None`
    /// where there is no live row and no deletion after the released horizon is known; a bag
    /// remembers no deletions. It may name a key of the same 64-bit hash instead: a conflict too
    /// many, never one too few.
    #[must_use]
    pub fn last_change(&self, keys: &[ArrayRef]) -> Vec<Option<Epoch>> {
        self.build_index();
        let (state, hashes) = (self.state.read(), hash_keys(keys));
        let list = self.list.read();
        let created = |number| {
            let (segment, row) = list.locate(number).expect("a live row is held");
            segment.created(row)
        };
        let live = self.find(&state, &list, keys, &hashes);
        let change =
            |(live, hash): (Option<u64>, &u64)| live.map(created).max(state.graves.get(*hash));
        live.into_iter().zip(&hashes).map(change).collect()
    }

    /// Forgets the deletions up to that epoch, and lets creations up to it be taken for later ones
    /// up to it: no transaction that reads at an earlier epoch will ask for them.
    pub fn release(&self, horizon: Epoch) {
        self.released.fetch_max(horizon.0, Ordering::Relaxed);
        self.state.write().graves.release(horizon);
    }

    /// The rows as they are now, for readers. Later changes do not show in it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(Arc::clone(&self.schema), self.list.read().clone())
    }

    /// Number of live rows.
    #[must_use]
    pub fn n_live(&self) -> usize {
        self.list.read().n_live()
    }

    /// Bytes of memory, roughly.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        let list = self.list.read().clone();
        let segments: usize = list.iter().map(|segment| segment.n_bytes()).sum();
        let state = self.state.read();
        segments + state.index.as_ref().map_or(0, Index::n_bytes) + state.graves.n_bytes()
    }

    /// Indexes the live rows, if that was not done yet.
    fn build_index(&self) {
        if self.state.read().index.is_some() {
            return;
        }
        let mut state = self.state.write();
        if state.index.is_none() {
            state.index = Some(Index::of_bag(&self.list.read()));
        }
    }
}

/// The hash of each key; a key of no columns is one key.
fn hash_keys(keys: &[ArrayRef]) -> Vec<u64> {
    hash_n_rows(keys, keys.first().map_or(1, |column| column.len()))
}

fn dropped() -> Error {
    Error::internal("row version was dropped from its store")
}

#[cfg(test)]
mod tests;
