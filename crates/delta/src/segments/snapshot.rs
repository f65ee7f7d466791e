//! What readers see: scans at an epoch, and the changes between two.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use weir_types::limits::BATCH_ROWS;
use weir_types::{Epoch, Result};

use super::list::List;
use super::segment::Segment;
use crate::delta::{Delta, Weights};
use crate::rows;

/// The rows of a store as they were when it was taken. Good for the epochs from the horizon of
/// compaction up to the newest that was complete then.
#[derive(Clone)]
pub struct Snapshot {
    schema: SchemaRef,
    list: List,
}

impl Snapshot {
    pub(super) fn new(schema: SchemaRef, list: List) -> Self {
        Self { schema, list }
    }

    /// The schema of the rows.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows at that epoch in order of their creation, in batches of at most [`BATCH_ROWS`] and
    /// at least one row. With `projection`, only those columns. Batches share the memory of the
    /// store where all their rows are visible.
    ///
    /// # Panics
    /// When the projection names a column that the schema has not.
    pub fn scan(
        &self,
        at: Epoch,
        projection: Option<&[usize]>,
    ) -> impl Iterator<Item = RecordBatch> + Send + use<> {
        let projection = projection.map(<[usize]>::to_vec);
        let segments: Vec<Arc<Segment>> =
            self.list.iter().filter(|segment| segment.creations().min() <= at).cloned().collect();
        segments.into_iter().flat_map(move |segment| {
            let rows = match &projection {
                Some(columns) => rows::project(segment.rows(), columns),
                None => Ok(segment.rows().clone()),
            };
            let rows = rows.expect("columns of the schema");
            let starts = (0..rows.num_rows()).step_by(BATCH_ROWS);
            starts.filter_map(move |start| visible_part(&segment, &rows, start, at))
        })
    }

    /// What changed after the epoch `after`, up to `upto`: each distinct row once. With `projection`, of those columns
    /// alone: a row that changed only in others is not among them, and weights may be others than 1 and -1.
    ///
    /// # Errors
    /// 54000 when the changes do not fit into one batch.
    ///
    /// # Panics
    /// When the projection names a column that the schema has not.
    pub fn changes(
        &self,
        after: Epoch,
        upto: Epoch,
        projection: Option<&[usize]>,
    ) -> Result<Delta> {
        // Rows without columns are all the same: they are told apart here, and lose their columns at the end.
        let taken = projection.filter(|columns| !columns.is_empty());
        let schema = match taken {
            Some(columns) => Arc::new(self.schema.project(columns).expect("columns of the schema")),
            None => Arc::clone(&self.schema),
        };
        let mut deltas = Vec::new();
        for segment in self.list.iter() {
            let created = segment.creations();
            let is_untouched = created.max() <= after && segment.last_deletion() <= after;
            if is_untouched || created.min() > upto {
                continue;
            }
            let (mut positions, mut weights) = (Vec::new(), Vec::new());
            for row in 0..segment.len() {
                let was = segment.is_visible(row, after);
                let is = segment.is_visible(row, upto);
                if was != is {
                    positions.push(row as u32);
                    weights.push(if is { 1 } else { -1 });
                }
            }
            if !positions.is_empty() {
                let changed = match taken {
                    Some(columns) => {
                        rows::take(&rows::project(segment.rows(), columns)?, &positions)?
                    }
                    None => rows::take(segment.rows(), &positions)?,
                };
                deltas.push(Delta::new(changed, Weights::Mixed(weights)));
            }
        }
        let changes = Delta::concat(&schema, &deltas)?.consolidate()?;
        match projection {
            Some([]) => changes.project(&[]),
            _ => Ok(changes),
        }
    }

    /// What changed at each epoch after `after`, up to `upto`, in their order: each distinct row of an
    /// epoch once, and no epoch without a change. Good where `after` is not before the horizon of
    /// compaction.
    #[must_use]
    pub fn history(&self, after: Epoch, upto: Epoch) -> History {
        let mut epochs: BTreeMap<Epoch, Vec<Versions>> = BTreeMap::new();
        let is_between = |epoch: Epoch| epoch > after && epoch <= upto;
        for segment in self.list.iter() {
            let created = segment.creations();
            let is_untouched = created.max() <= after && segment.last_deletion() <= after;
            if is_untouched || created.min() > upto {
                continue;
            }
            let mut note = |epoch: Epoch, row: usize, weight: i64| {
                let of_epoch = epochs.entry(epoch).or_default();
                if !of_epoch.last().is_some_and(|last| Arc::ptr_eq(&last.segment, segment)) {
                    let segment = Arc::clone(segment);
                    of_epoch.push(Versions { segment, rows: Vec::new(), weights: Vec::new() });
                }
                let last = of_epoch.last_mut().expect("pushed above");
                last.rows.push(row as u32);
                last.weights.push(weight);
            };
            for row in 0..segment.len() {
                let (created, deleted) = (segment.created(row), segment.deleted(row));
                if created == deleted {
                    continue;
                }
                if is_between(created) {
                    note(created, row, 1);
                }
                if is_between(deleted) {
                    note(deleted, row, -1);
                }
            }
        }
        History { schema: Arc::clone(&self.schema), epochs: epochs.into_iter() }
    }

    /// Every epoch at which a row that is still known came or went, ascending: applying
    /// [`Self::changes`] from each to the next gives the rows with their history.
    #[must_use]
    pub fn epochs(&self) -> Vec<Epoch> {
        let mut epochs = BTreeSet::new();
        for segment in self.list.iter() {
            for row in 0..segment.len() {
                epochs.insert(segment.created(row));
                epochs.insert(segment.deleted(row));
            }
        }
        epochs.remove(&Epoch::MAX);
        epochs.into_iter().collect()
    }

    /// Number of rows at that epoch.
    #[must_use]
    pub fn n_rows(&self, at: Epoch) -> usize {
        let visible = |segment: &Arc<Segment>| {
            if segment.are_all_visible(at) {
                segment.len()
            } else {
                (0..segment.len()).filter(|row| segment.is_visible(*row, at)).count()
            }
        };
        self.list.iter().map(visible).sum()
    }
}

/// Row versions of one segment that came or went at one epoch.
struct Versions {
    segment: Arc<Segment>,
    rows: Vec<u32>,
    weights: Vec<i64>,
}

/// The changes of each epoch, made as they are asked for. See [`Snapshot::history`].
pub struct History {
    schema: SchemaRef,
    epochs: btree_map::IntoIter<Epoch, Vec<Versions>>,
}

impl History {
    fn delta(&self, versions: Vec<Versions>) -> Result<Delta> {
        let mut deltas = Vec::with_capacity(versions.len());
        for Versions { segment, rows, weights } in versions {
            let changed = rows::take(segment.rows(), &rows)?;
            deltas.push(Delta::new(changed, Weights::Mixed(weights)));
        }
        Delta::concat(&self.schema, &deltas)?.consolidate()
    }
}

impl Iterator for History {
    type Item = Result<(Epoch, Delta)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (epoch, versions) = self.epochs.next()?;
            match self.delta(versions) {
                Ok(delta) if delta.is_empty() => {}
                outcome => return Some(outcome.map(|delta| (epoch, delta))),
            }
        }
    }
}

/// The visible ones of the rows from `start` on that make a batch; `None` if there are none.
fn visible_part(
    segment: &Segment,
    rows: &RecordBatch,
    start: usize,
    at: Epoch,
) -> Option<RecordBatch> {
    let n_rows = BATCH_ROWS.min(rows.num_rows() - start);
    let part = rows.slice(start, n_rows);
    if segment.are_all_visible(at) {
        return Some(part);
    }
    let visible = segment.visible(start, n_rows, at);
    match visible.true_count() {
        0 => None,
        all if all == n_rows => Some(part),
        _ => Some(rows::filter(&part, &visible).expect("a mask of the same length")),
    }
}
