//! What readers see: scans at an epoch, and the changes between two.

use std::collections::BTreeSet;
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

    /// What changed after the epoch `after`, up to `upto`: each distinct row once.
    ///
    /// # Errors
    /// 54000 when the changes do not fit into one batch.
    pub fn changes(&self, after: Epoch, upto: Epoch) -> Result<Delta> {
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
                let changed = rows::take(segment.rows(), &positions)?;
                deltas.push(Delta::new(changed, Weights::Mixed(weights)));
            }
        }
        Delta::concat(&self.schema, &deltas)?.consolidate()
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
