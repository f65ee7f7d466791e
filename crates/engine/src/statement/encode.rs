//! Rows as the log holds them: encoded once, by the session that writes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::{ArrayRef, RecordBatch};
use weir_catalog::{Durability, Object, Stream};
use weir_delta::hash::{hash_rows, shard};
use weir_delta::{Delta, Weights, codec, rows};
use weir_types::{ColumnId, Error, PartitionId, Result, SqlState, limits};

use crate::commit::{Append, Change, PartitionRows};
use crate::relation::{stream_of, table_of};
use crate::shared::Shared;

/// Shards that partitions are ranges of.
const SHARDS: u32 = 1024;

/// Spreads batches without key over partitions.
static NEXT_PARTITION: AtomicU32 = AtomicU32::new(0);

/// Rows of a stream, all columns in order, as an append.
///
/// # Errors
/// XX000 for rows that are not the stream's.
pub(crate) fn encode_append(
    _shared: &Arc<Shared>,
    object: &Object,
    batch: &RecordBatch,
) -> Result<Append> {
    let stream = stream_of(object)?;
    // A column that was added after the rows were made is missing from them: they are read with its default.
    let n_columns = batch.num_columns();
    let ids: Vec<ColumnId> =
        stream.columns.iter().map(|column| column.id).take(n_columns).collect();
    let mut partitions = Vec::new();
    let row_bytes = rows::bytes_used(batch) / batch.num_rows().max(1);
    let rows_max = (limits::BLOCK_BYTES_MAX / row_bytes.max(1)).clamp(1, limits::BLOCK_ROWS_MAX);
    for (partition, batch) in partition(stream, batch)? {
        let mut begin = 0;
        while begin < batch.num_rows() {
            let n_rows = (batch.num_rows() - begin).min(rows_max);
            let part = batch.slice(begin, n_rows);
            let payload = codec::encode(&part, &ids, None)?;
            partitions.push(PartitionRows { partition, n_rows: n_rows as u32, payload });
            begin += n_rows;
        }
    }
    Ok(Append {
        stream: object.id,
        name: object.name.clone(),
        topic: stream.topic,
        schema_version: stream.schema_version,
        partitions,
        relaxed: stream.options.durability == Durability::Os,
    })
}

/// The rows of each partition.
fn partition(stream: &Stream, batch: &RecordBatch) -> Result<Vec<(PartitionId, RecordBatch)>> {
    let n_partitions = stream.options.partitions.max(1);
    if n_partitions == 1 {
        return Ok(vec![(PartitionId(0), batch.clone())]);
    }
    if stream.partition_by.is_empty() {
        let partition = NEXT_PARTITION.fetch_add(1, Ordering::Relaxed) % n_partitions;
        return Ok(vec![(PartitionId(partition), batch.clone())]);
    }
    let mut keys: Vec<ArrayRef> = Vec::with_capacity(stream.partition_by.len());
    for id in &stream.partition_by {
        let position = stream.columns.iter().position(|column| column.id == *id);
        let position = position.ok_or_else(|| Error::internal("a partition key is gone"))?;
        keys.push(Arc::clone(batch.column(position)));
    }
    let mut positions: Vec<Vec<u32>> = vec![Vec::new(); n_partitions as usize];
    for (row_idx, hash) in hash_rows(&keys).into_iter().enumerate() {
        let partition = u32::from(shard(hash)) * n_partitions / SHARDS;
        positions[partition as usize].push(row_idx as u32);
    }
    let parts = positions.iter().enumerate().filter(|(_, positions)| !positions.is_empty());
    parts
        .map(|(partition, positions)| {
            Ok((PartitionId(partition as u32), rows::take(batch, positions)?))
        })
        .collect()
}

/// The error of a change whose table got other columns after it was made.
pub(crate) fn columns_changed() -> Error {
    Error::new(
        SqlState::SerializationFailure,
        "could not serialize access: the table's columns were changed meanwhile",
    )
    .with_hint("Retry the transaction.")
}

/// A change of a table, all columns in order.
///
/// # Errors
/// 40001 for a change of other columns, 54000 for one that takes a row in or out too often.
pub(crate) fn encode_change(object: &Object, delta: Delta) -> Result<Change> {
    let table = table_of(object)?;
    let ids: Vec<ColumnId> = table.columns.iter().map(|column| column.id).collect();
    if ids.len() != delta.rows().num_columns() {
        return Err(columns_changed());
    }
    let weights = match delta.weights() {
        Weights::One => None,
        weights => Some(
            (0..delta.len())
                .map(|row_idx| {
                    i8::try_from(weights.get(row_idx)).map_err(|_| {
                        Error::new(SqlState::ProgramLimitExceeded, "row multiplicity out of range")
                    })
                })
                .collect::<Result<Vec<i8>>>()?,
        ),
    };
    let payload = codec::encode(delta.rows(), &ids, weights.as_deref())?.bytes;
    Ok(Change {
        table: object.id,
        name: object.name.clone(),
        topic: table.topic,
        schema_version: table.schema_version,
        delta,
        payload,
    })
}
