//! The changes of what a subscription reads, epoch by epoch.

use std::sync::Arc;

use arrow::array::RecordBatch;
use weir_catalog::{Catalog, ObjectBody};
use weir_delta::segments::{Segments, Snapshot};
use weir_delta::{Delta, rows};
use weir_planner::incremental::InputRelation;
use weir_types::{Epoch, Error, Offset, PartitionId, Result, SqlState, TopicId};

use crate::relation::{StreamRelation, stream_of};
use crate::shared::Shared;

/// Changes with their epochs, in order, made as they are asked for.
pub(super) type Changes = Box<dyn Iterator<Item = Result<(Epoch, Delta)>> + Send>;

/// Something whose changes are followed.
pub(super) enum Source {
    /// A stream, from those offsets on.
    Stream { relation: InputRelation, topic: TopicId, offsets: Vec<Offset> },
    /// A table or a materialized view.
    Versions(InputRelation),
    /// The rows of a view without a name.
    Hidden(Arc<Segments>),
}

impl Source {
    /// The changes of a relation after `after`.
    ///
    /// # Errors
    /// Of looking up offsets.
    pub(super) fn new(
        shared: &Shared,
        catalog: &Catalog,
        relation: InputRelation,
        after: Epoch,
    ) -> Result<Self> {
        let object = catalog.require(relation.id)?;
        if !matches!(object.body, ObjectBody::Stream(_)) {
            return Ok(Self::Versions(relation));
        }
        let stream = stream_of(object)?;
        let partitions = (0..stream.options.partitions).map(PartitionId);
        let offset = |partition| shared.log.end_offset_at(stream.topic, partition, after);
        let offsets = partitions.map(offset).collect::<Result<_>>()?;
        Ok(Self::Stream { relation, topic: stream.topic, offsets })
    }

    /// True where the changes are on disk: they can wait for the client there.
    pub(super) fn is_log(&self) -> bool {
        matches!(self, Self::Stream { .. })
    }

    /// What changed after `after`, which was `upto` of the call before, up to `upto`.
    ///
    /// # Errors
    /// 55000 where retention has removed records that were not read.
    pub(super) fn changes(
        &mut self,
        shared: &Shared,
        catalog: &Catalog,
        after: Epoch,
        upto: Epoch,
    ) -> Result<Vec<Changes>> {
        match self {
            Self::Hidden(segments) => Ok(vec![Box::new(segments.snapshot().history(after, upto))]),
            Self::Versions(relation) => {
                let object = catalog.require(relation.id)?;
                let snapshot = match &object.body {
                    ObjectBody::Table(_) => shared.tables.of(object)?.segments.snapshot(),
                    _ => shared.views.get(object.id)?.segments.snapshot(),
                };
                Ok(vec![versions(object, relation, &snapshot, after, upto)?])
            }
            Self::Stream { relation, topic, offsets } => {
                let object = catalog.require(relation.id)?;
                let mut ranges = Vec::with_capacity(offsets.len());
                for (partition, begin) in offsets.iter_mut().enumerate() {
                    let partition = PartitionId(partition as u32);
                    if shared.log.start_offset(*topic, partition)? > *begin {
                        return Err(overtaken(&object.name));
                    }
                    let end = shared.log.end_offset_at(*topic, partition, upto)?.max(*begin);
                    ranges.push(std::mem::replace(begin, end)..end);
                }
                let (columns, schema) = (&relation.columns, Arc::clone(&relation.schema));
                let log = Arc::clone(&shared.log);
                let rows = StreamRelation::in_ranges(log, object, columns, schema, ranges)?;
                let partitions = 0..offsets.len();
                Ok(partitions.map(|partition| of_stream(&rows, partition)).collect())
            }
        }
    }
}

/// The rows of one partition: they only come.
fn of_stream(rows: &StreamRelation, partition: usize) -> Changes {
    let insertions = |(epoch, batch): (Epoch, RecordBatch)| (epoch, Delta::insertions(batch));
    Box::new(rows.by_epoch(partition).map(move |block| block.map(insertions)))
}

/// The columns that are read of versioned rows.
fn versions(
    object: &weir_catalog::Object,
    relation: &InputRelation,
    snapshot: &Snapshot,
    after: Epoch,
    upto: Epoch,
) -> Result<Changes> {
    let position = |id| object.columns().iter().position(|column| column.id == id);
    let positions: Vec<usize> = relation
        .columns
        .iter()
        .map(|id| position(*id))
        .collect::<Option<_>>()
        .ok_or_else(|| Error::internal("a relation lost a column"))?;
    let schema = Arc::clone(&relation.schema);
    Ok(Box::new(snapshot.history(after, upto).map(move |of_epoch| {
        let (epoch, delta) = of_epoch?;
        let (batch, weights) = delta.into_parts();
        let batch = rows::with_schema(&rows::project(&batch, &positions)?, &schema)?;
        Ok((epoch, Delta::new(batch, weights)))
    })))
}

fn overtaken(name: &str) -> Error {
    Error::new(
        SqlState::ObjectNotInPrerequisiteState,
        format!("retention of stream \"{name}\" has removed records that SUBSCRIBE had not read"),
    )
    .with_hint("Read faster, or raise the stream's retention; SUBSCRIBE again to go on from now.")
}
