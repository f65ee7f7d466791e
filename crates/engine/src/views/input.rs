//! What an incremental view reads: changes of a stream, a table or another view.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::error::{DataFusionError, Result as DfResult};
use weir_catalog::{Object, ObjectBody};
use weir_dataflow::{Input, InputPart};
use weir_delta::segments::Snapshot;
use weir_delta::{Delta, Weights, rows};
use weir_planner::incremental::InputRelation;
use weir_types::planted;
use weir_types::{Epoch, Error, Offset, Result};

use crate::relation::StreamRelation;
use crate::shared::Shared;

/// Records of a part of a stream: the blocks at its ends may be read twice, by this part and by the next.
const PART_RECORDS: u64 = 1 << 16;

fn part_records() -> u64 {
    if planted::is_small() { 3 } else { PART_RECORDS }
}

/// Changes of one relation of a view.
pub(super) struct RelationInput<'a> {
    pub(super) shared: &'a Shared,
    pub(super) relation: &'a InputRelation,
    /// Counts the rows handed out.
    pub(super) n_rows: &'a AtomicU64,
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl Input for RelationInput<'_> {
    fn parts(&self, after: Epoch, upto: Epoch) -> DfResult<Vec<Box<dyn InputPart + '_>>> {
        let catalog = self.shared.catalog();
        let object = catalog.require(self.relation.id).map_err(external)?;
        match &object.body {
            ObjectBody::Stream(_) => self.of_stream(object, after, upto).map_err(external),
            ObjectBody::Table(_) => {
                let table = self.shared.tables.get(object.id).map_err(external)?;
                self.of_versions(object, table.segments.snapshot(), after, upto).map_err(external)
            }
            ObjectBody::MaterializedView(_) => {
                let view = self.shared.views.get(object.id).map_err(external)?;
                self.of_versions(object, view.segments.snapshot(), after, upto).map_err(external)
            }
            _ => Err(external(Error::internal(format!("\"{}\" has no changes", object.name)))),
        }
    }
}

impl<'a> RelationInput<'a> {
    fn of_stream(
        &self,
        object: &Object,
        after: Epoch,
        upto: Epoch,
    ) -> Result<Vec<Box<dyn InputPart + 'a>>> {
        let rows = Arc::new(self.stream(object, after, upto)?);
        let n_rows = self.n_rows;
        let mut parts: Vec<Box<dyn InputPart + 'a>> = Vec::new();
        for (partition, range) in rows.ranges().iter().enumerate() {
            let n_records = part_records();
            for start in (range.start.0..range.end.0).step_by(n_records as usize) {
                let range = Offset(start)..Offset((start + n_records).min(range.end.0));
                let rows = Arc::clone(&rows);
                parts.push(Box::new(StreamPart { rows, partition, range, n_rows }));
            }
        }
        Ok(parts)
    }

    fn of_versions(
        &self,
        object: &Object,
        snapshot: Snapshot,
        after: Epoch,
        upto: Epoch,
    ) -> Result<Vec<Box<dyn InputPart + 'a>>> {
        let position = |id| object.columns().iter().position(|column| column.id == id);
        let positions: Vec<usize> = self
            .relation
            .columns
            .iter()
            .map(|id| position(*id))
            .collect::<Option<_>>()
            .ok_or_else(|| Error::internal("a relation lost a column"))?;
        let content = if after == Epoch::ZERO {
            Content::All(snapshot, upto)
        } else {
            let changes = snapshot.changes(after, upto)?;
            if changes.is_empty() {
                return Ok(Vec::new());
            }
            Content::Changes(changes)
        };
        let (relation, n_rows) = (self.relation, self.n_rows);
        Ok(vec![Box::new(VersionsPart { relation, positions, content, n_rows })])
    }

    fn stream(&self, object: &Object, after: Epoch, upto: Epoch) -> Result<StreamRelation> {
        StreamRelation::new(
            Arc::clone(&self.shared.log),
            object,
            &self.relation.columns,
            Arc::clone(&self.relation.schema),
            after,
            upto,
        )
    }

    /// Number of rows that a backfill up to `upto` has to take in.
    pub(super) fn n_rows_at(&self, upto: Epoch) -> Result<u64> {
        let catalog = self.shared.catalog();
        let object = catalog.require(self.relation.id)?;
        Ok(match &object.body {
            ObjectBody::Stream(_) => self.stream(object, Epoch::ZERO, upto)?.n_rows(),
            ObjectBody::Table(_) => {
                self.shared.tables.get(object.id)?.segments.snapshot().n_rows(upto) as u64
            }
            ObjectBody::MaterializedView(_) => {
                self.shared.views.get(object.id)?.segments.snapshot().n_rows(upto) as u64
            }
            _ => 0,
        })
    }
}

/// Records of a partition.
struct StreamPart<'a> {
    rows: Arc<StreamRelation>,
    partition: usize,
    range: Range<Offset>,
    n_rows: &'a AtomicU64,
}

impl InputPart for StreamPart<'_> {
    fn n_rows(&self) -> usize {
        (self.range.end.0 - self.range.start.0) as usize
    }

    fn read(&self, each: &mut dyn FnMut(Delta) -> DfResult<()>) -> DfResult<()> {
        for rows in self.rows.read_range(self.partition, self.range.clone()) {
            let rows = rows.map_err(external)?;
            self.n_rows.fetch_add(rows.num_rows() as u64, Ordering::Relaxed);
            each(Delta::insertions(rows))?;
        }
        Ok(())
    }
}

enum Content {
    /// All rows at an epoch.
    All(Snapshot, Epoch),
    Changes(Delta),
}

/// Rows of a table or of a view.
struct VersionsPart<'a> {
    relation: &'a InputRelation,
    positions: Vec<usize>,
    content: Content,
    n_rows: &'a AtomicU64,
}

impl InputPart for VersionsPart<'_> {
    fn n_rows(&self) -> usize {
        match &self.content {
            Content::All(snapshot, upto) => snapshot.n_rows(*upto),
            Content::Changes(changes) => changes.len(),
        }
    }

    fn read(&self, each: &mut dyn FnMut(Delta) -> DfResult<()>) -> DfResult<()> {
        let mut hand_out = |batch: arrow::array::RecordBatch, weights: Weights| {
            let batch = rows::with_schema(&batch, &self.relation.schema).map_err(external)?;
            self.n_rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            each(Delta::new(batch, weights))
        };
        match &self.content {
            Content::All(snapshot, upto) => {
                for batch in snapshot.scan(*upto, Some(&self.positions)) {
                    hand_out(batch, Weights::One)?;
                }
            }
            Content::Changes(changes) => {
                let batch = rows::project(changes.rows(), &self.positions).map_err(external)?;
                hand_out(batch, changes.weights().clone())?;
            }
        }
        Ok(())
    }
}
