//! What an incremental view reads: changes of a stream, a table or another view.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result as DfResult};
use parking_lot::Mutex;
use weir_catalog::{Object, ObjectBody};
use weir_dataflow::{Input, InputPart};
use weir_delta::segments::Snapshot;
use weir_delta::{Delta, Weights, rows};
use weir_log::{Log, Projection};
use weir_planner::incremental::InputRelation;
use weir_types::planted;
use weir_types::{Epoch, Error, Offset, PartitionId, Result, TopicId};

use crate::relation::{RowSource, SharedRows, StreamRelation};
use crate::shared::Shared;

/// Records of a stream that are worth a part of their own.
const PART_RECORDS: u64 = 1 << 16;
/// Parts of a stream for each worker: more of them are read to their ends at about the same time.
const PARTS_OF_WORKER: u64 = 4;

fn part_records() -> u64 {
    if planted::is_small() { 3 } else { PART_RECORDS }
}

/// Changes of one relation of a view.
pub(super) struct RelationInput<'a> {
    pub(super) shared: &'a Shared,
    pub(super) relation: &'a InputRelation,
    /// Changes that the columns of the relation do not show are none.
    pub(super) is_net: bool,
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
                let table = self.shared.tables.of(object).map_err(external)?;
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
        let stream = self.stream(object, after, upto)?;
        // Also of a stream with one partition each thread should have parts to read that no other is at.
        let n_parts_max = PARTS_OF_WORKER * self.shared.n_workers as u64;
        let n_parts = (stream.n_rows() / part_records()).clamp(1, n_parts_max);
        let n_parts = (n_parts as usize).div_ceil(stream.n_parts());
        let n_rows = self.n_rows;
        let mut parts: Vec<Box<dyn InputPart + 'a>> = Vec::new();
        for partition in 0..stream.n_parts() {
            for rows in stream.share(partition, n_parts)? {
                parts.push(Box::new(StreamPart { rows, n_rows }));
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
        let schema = Arc::clone(&self.relation.schema);
        let part = if after == Epoch::ZERO {
            let rows = snapshot.scan(upto, Some(&positions));
            let deltas = rows.map(move |rows| of_schema(rows, Weights::One, &schema));
            let len = snapshot.n_rows(upto);
            VersionsPart { len, deltas: Mutex::new(Box::new(deltas)), n_rows: self.n_rows }
        } else {
            let changes = if self.is_net {
                snapshot.changes(after, upto, Some(&positions))?
            } else {
                snapshot.changes(after, upto, None)?.project(&positions)?
            };
            if changes.is_empty() {
                return Ok(Vec::new());
            }
            let delta = of_schema(changes.rows().clone(), changes.weights().clone(), &schema);
            let deltas = Mutex::new(Box::new(std::iter::once(delta)) as Deltas);
            VersionsPart { len: changes.len(), deltas, n_rows: self.n_rows }
        };
        Ok(vec![Box::new(part)])
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

    /// The rows between the epochs, by partition, where the relation is a stream; none where it is not.
    pub(super) fn waiting(&self, after: Epoch, upto: Epoch) -> Result<Vec<Waiting>> {
        let catalog = self.shared.catalog();
        let ObjectBody::Stream(stream) = &catalog.require(self.relation.id)?.body else {
            return Ok(Vec::new());
        };
        let end_at =
            |partition, epoch| self.shared.log.end_offset_at(stream.topic, partition, epoch);
        let waiting = (0..stream.options.partitions).map(|partition| {
            let partition = PartitionId(partition);
            let (begin, end) = (end_at(partition, after)?, end_at(partition, upto)?);
            Ok(Waiting { topic: stream.topic, partition, begin, end })
        });
        waiting.collect()
    }

    /// Number of rows that a backfill up to `upto` has to take in.
    pub(super) fn n_rows_at(&self, upto: Epoch) -> Result<u64> {
        let catalog = self.shared.catalog();
        let object = catalog.require(self.relation.id)?;
        Ok(match &object.body {
            ObjectBody::Stream(_) => self.stream(object, Epoch::ZERO, upto)?.n_rows(),
            ObjectBody::Table(_) => {
                self.shared.tables.of(object)?.segments.snapshot().n_rows(upto) as u64
            }
            ObjectBody::MaterializedView(_) => {
                self.shared.views.get(object.id)?.segments.snapshot().n_rows(upto) as u64
            }
            _ => 0,
        })
    }
}

/// Records of a partition that are not taken in yet.
pub(super) struct Waiting {
    topic: TopicId,
    partition: PartitionId,
    begin: Offset,
    end: Offset,
}

impl Waiting {
    pub(super) fn n_rows(&self) -> u64 {
        self.end.0.saturating_sub(self.begin.0)
    }

    /// The epoch of the record before which there are so many; `None` where there are no more.
    pub(super) fn epoch_of(&self, log: &dyn Log, n_before: u64) -> Result<Option<Epoch>> {
        if n_before >= self.n_rows() {
            return Ok(None);
        }
        let at = Offset(self.begin.0 + n_before);
        let upto = Offset(at.0 + 1);
        let headers = Projection::none();
        let first = log.read(self.topic, self.partition, at, upto, &headers)?.next();
        Ok(first.transpose()?.map(|block| block.header.epoch))
    }
}

/// Records of a partition.
struct StreamPart<'a> {
    rows: SharedRows,
    n_rows: &'a AtomicU64,
}

impl InputPart for StreamPart<'_> {
    fn n_rows(&self) -> usize {
        self.rows.n_rows() as usize
    }

    fn next(&self) -> DfResult<Option<Delta>> {
        let Some(rows) = self.rows.next().map_err(external)? else { return Ok(None) };
        self.n_rows.fetch_add(rows.num_rows() as u64, Ordering::Relaxed);
        Ok(Some(Delta::insertions(rows)))
    }
}

type Deltas = Box<dyn Iterator<Item = Result<Delta>> + Send>;

/// Rows of a table or of a view.
struct VersionsPart<'a> {
    len: usize,
    deltas: Mutex<Deltas>,
    n_rows: &'a AtomicU64,
}

impl InputPart for VersionsPart<'_> {
    fn n_rows(&self) -> usize {
        self.len
    }

    fn next(&self) -> DfResult<Option<Delta>> {
        let Some(delta) = self.deltas.lock().next() else { return Ok(None) };
        let delta = delta.map_err(external)?;
        self.n_rows.fetch_add(delta.len() as u64, Ordering::Relaxed);
        Ok(Some(delta))
    }
}

/// Rows as the reader knows them.
fn of_schema(rows: RecordBatch, weights: Weights, schema: &SchemaRef) -> Result<Delta> {
    Ok(Delta::new(rows::with_schema(&rows, schema)?, weights))
}
