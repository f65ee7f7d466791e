//! Streams: rows of a topic, up to the end offsets of an epoch.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use parking_lot::Mutex;
use weir_catalog::{Object, ObjectBody, Stream};
use weir_delta::codec::Decoder;
use weir_log::{Block, BlockReader, Log, Projection};
use weir_planner::source::RecordColumn;
use weir_types::planted::{self, Bug};
use weir_types::{ColumnId, Epoch, Error, Offset, PartitionId, Result, TopicId};

use crate::pins::Starts;

use super::decoded::DecodedBlock;
use super::provider::{Batches, RowSource};
use super::stored::{self, StoredColumn};

/// A column of a stream's rows.
#[derive(Clone, Debug)]
enum StreamColumn {
    Stored(StoredColumn),
    Record(RecordColumn),
}

/// A stream's rows in a range of offsets for each partition.
#[derive(Clone)]
pub(crate) struct StreamRelation {
    log: Arc<dyn Log>,
    topic: TopicId,
    ranges: Arc<[Range<Offset>]>,
    columns: Arc<[StreamColumn]>,
    schema: SchemaRef,
}

impl std::fmt::Debug for StreamRelation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamRelation").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// The stream behind an object.
pub(crate) fn stream_of(object: &Object) -> Result<&Stream> {
    match &object.body {
        ObjectBody::Stream(stream) => Ok(stream),
        _ => Err(Error::internal(format!("\"{}\" is not a stream", object.name))),
    }
}

impl StreamRelation {
    /// Those columns of the stream's rows after `after`, up to and with `upto`. `schema` has the names
    /// that the reader knows.
    ///
    /// # Errors
    /// XX000 for a column that the stream does not have.
    pub(crate) fn new(
        log: Arc<dyn Log>,
        object: &Object,
        columns: &[ColumnId],
        schema: SchemaRef,
        after: Epoch,
        upto: Epoch,
    ) -> Result<Self> {
        let stream = stream_of(object)?;
        let mut ranges = Vec::with_capacity(stream.options.partitions as usize);
        for partition in (0..stream.options.partitions).map(PartitionId) {
            let begin = match after {
                Epoch::ZERO => log.start_offset(stream.topic, partition)?,
                after => log.end_offset_at(stream.topic, partition, after)?,
            };
            let begin = if planted::is(Bug::SkippedOffset) { Offset(begin.0 + 1) } else { begin };
            ranges.push(begin..log.end_offset_at(stream.topic, partition, upto)?);
        }
        if planted::is(Bug::IgnoredPartition) && ranges.len() > 1 {
            ranges.pop();
        }
        Self::in_ranges(log, object, columns, schema, ranges)
    }

    /// The range of each partition that a reader at `upto` has, who read the stream from `starts` on before.
    ///
    /// # Errors
    /// 42704 for a stream that was dropped.
    pub(crate) fn retained(
        log: &Arc<dyn Log>,
        object: &Object,
        upto: Epoch,
        starts: &Starts,
    ) -> Result<Vec<Range<Offset>>> {
        let stream = stream_of(object)?;
        let partitions = (0..stream.options.partitions).map(PartitionId);
        let known = starts.lock().get(&stream.topic).cloned();
        let begins = match known {
            Some(known) => known,
            None => {
                let begin = |partition| log.start_offset(stream.topic, partition);
                let begins = partitions.clone().map(begin).collect::<Result<Arc<[Offset]>>>()?;
                // Another read of the same statement may have been first.
                Arc::clone(starts.lock().entry(stream.topic).or_insert(begins))
            }
        };
        let range = |(partition, begin): (PartitionId, &Offset)| {
            Ok(*begin..log.end_offset_at(stream.topic, partition, upto)?)
        };
        partitions.zip(begins.iter()).map(range).collect()
    }

    /// Those columns of the stream's rows in a range of each partition.
    ///
    /// # Errors
    /// XX000 for a column that the stream does not have.
    pub(crate) fn in_ranges(
        log: Arc<dyn Log>,
        object: &Object,
        columns: &[ColumnId],
        schema: SchemaRef,
        ranges: Vec<Range<Offset>>,
    ) -> Result<Self> {
        let topic = stream_of(object)?.topic;
        let columns =
            columns.iter().map(|id| stream_column(object, *id)).collect::<Result<Vec<_>>>()?;
        Ok(Self { log, topic, ranges: ranges.into(), columns: columns.into(), schema })
    }

    /// The rows of a part with the epochs of their commits, which ascend.
    pub(crate) fn by_epoch(
        &self,
        part: usize,
    ) -> Box<dyn Iterator<Item = Result<(Epoch, RecordBatch)>> + Send> {
        let range = self.ranges[part].clone();
        self.blocks(part, range, self.columns.to_vec(), Arc::clone(&self.schema))
    }

    /// The rows of a part, in as many parts of their own.
    ///
    /// # Errors
    /// As of [`Log::read`].
    pub(crate) fn share(&self, part: usize, n_parts: usize) -> Result<Vec<SharedRows>> {
        let (partition, range) = (PartitionId(part as u32), &self.ranges[part]);
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let (from, upto) = (range.start, range.end);
        let needed = projection(&self.columns);
        let readers =
            self.log.read_side_by_side(self.topic, partition, from, upto, &needed, n_parts)?;
        let n_rows = (upto.0 - from.0) / readers.len() as u64;
        let shared = readers.into_iter().map(|blocks| SharedRows {
            blocks: Mutex::new(blocks),
            n_rows,
            partition,
            range: range.clone(),
            columns: Arc::clone(&self.columns),
            schema: Arc::clone(&self.schema),
        });
        Ok(shared.collect())
    }

    /// Those columns of a part's blocks, as far as they are in that range.
    fn blocks(
        &self,
        part: usize,
        range: Range<Offset>,
        columns: Vec<StreamColumn>,
        schema: SchemaRef,
    ) -> Box<dyn Iterator<Item = Result<(Epoch, RecordBatch)>> + Send> {
        if range.start >= range.end {
            return Box::new(std::iter::empty());
        }
        let partition = PartitionId(part as u32);
        let needed = projection(&columns);
        let blocks = match self.log.read(self.topic, partition, range.start, range.end, &needed) {
            Ok(blocks) => blocks,
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        Box::new(blocks.map(move |block| {
            let block = block?;
            let rows = rows_within(&block, partition, &range, &columns, &schema)?;
            Ok((block.header.epoch, rows))
        }))
    }

    /// Number of rows in all ranges.
    pub(crate) fn n_rows(&self) -> u64 {
        self.ranges.iter().map(|range| range.end.0.saturating_sub(range.start.0)).sum()
    }
}

/// The parts of blocks that hold those columns.
fn projection(columns: &[StreamColumn]) -> Projection {
    Projection::parts(columns.iter().map(|column| match column {
        StreamColumn::Stored(column) => column.id.0,
        StreamColumn::Record(column) => column.id().0,
    }))
}

fn stream_column(object: &Object, id: ColumnId) -> Result<StreamColumn> {
    if let Some(column) = RecordColumn::from_id(id) {
        return Ok(StreamColumn::Record(column));
    }
    let column =
        object.columns().iter().find(|column| column.id == id).ok_or_else(|| {
            Error::internal(format!("\"{}\" has no column of id {id}", object.name))
        })?;
    Ok(StreamColumn::Stored(StoredColumn::new(column)?))
}

impl RowSource for StreamRelation {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn n_parts(&self) -> usize {
        self.ranges.len()
    }

    fn read(&self, part: usize, projection: &[usize]) -> Batches {
        let columns: Vec<StreamColumn> =
            projection.iter().map(|column_idx| self.columns[*column_idx].clone()).collect();
        let schema = match self.schema.project(projection) {
            Ok(schema) => Arc::new(schema),
            Err(e) => return Box::new(std::iter::once(Err(Error::internal(e.to_string())))),
        };
        let range = self.ranges[part].clone();
        Box::new(self.blocks(part, range, columns, schema).map(|block| block.map(|(_, rows)| rows)))
    }
}

/// Rows of a partition in a range, of which several threads take. Only one at a time reads; they decode side
/// by side.
pub(crate) struct SharedRows {
    blocks: Mutex<BlockReader>,
    n_rows: u64,
    partition: PartitionId,
    range: Range<Offset>,
    columns: Arc<[StreamColumn]>,
    schema: SchemaRef,
}

impl SharedRows {
    /// Number of rows from the beginning, about.
    pub(crate) fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// The rows of a block that nobody has got yet; `None` where none is left, or after an error.
    ///
    /// # Errors
    /// XX001, 58030, and 55000 where retention overtakes the reader.
    pub(crate) fn next(&self) -> Result<Option<RecordBatch>> {
        let Some(block) = self.blocks.lock().next() else { return Ok(None) };
        rows_within(&block?, self.partition, &self.range, &self.columns, &self.schema).map(Some)
    }
}

/// Those columns of a block's rows that are in the range.
fn rows_within(
    block: &Block,
    partition: PartitionId,
    range: &Range<Offset>,
    columns: &[StreamColumn],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let batch = decode(block, partition, columns, Arc::clone(schema))?;
    let base = block.header.base_offset.0;
    let end = batch.num_rows().min((range.end.0 - base) as usize);
    let begin = (range.start.0.saturating_sub(base) as usize).min(end);
    Ok(batch.slice(begin, end - begin))
}

/// The rows of a stream's or table's blocks, whoever reads these.
pub(crate) struct BlockRows {
    columns: Vec<StreamColumn>,
    schema: SchemaRef,
}

impl BlockRows {
    /// Rows of those columns; those of [`RecordColumn`] are there for tables, too, named without `_`.
    ///
    /// # Errors
    /// XX000 for a column that the object does not have.
    pub(crate) fn new(object: &Object, columns: &[ColumnId]) -> Result<Self> {
        let columns =
            columns.iter().map(|id| stream_column(object, *id)).collect::<Result<Vec<_>>>()?;
        let field = |column: &StreamColumn| match column {
            StreamColumn::Stored(column) => Arc::clone(&column.field),
            StreamColumn::Record(column) => {
                let name = column.name().trim_start_matches('_');
                Arc::new(weir_delta::schema::field(name, &column.sql_type(), true))
            }
        };
        let fields: Vec<Arc<Field>> = columns.iter().map(field).collect();
        Ok(Self { columns, schema: Arc::new(Schema::new(fields)) })
    }

    /// The rows of a block, and for the changes of a table whether each is an addition.
    ///
    /// # Errors
    /// XX001 for a block that cannot be read.
    pub(crate) fn read(
        &self,
        block: &Block,
        partition: PartitionId,
    ) -> Result<(RecordBatch, Option<Vec<bool>>)> {
        let rows = decode(block, partition, &self.columns, Arc::clone(&self.schema))?;
        let weights = DecodedBlock::of(block)?.decoder.weights();
        Ok((rows, weights.map(|weights| weights.into_iter().map(|weight| weight > 0).collect())))
    }
}

/// Those columns of a block.
fn decode(
    block: &Block,
    partition: PartitionId,
    columns: &[StreamColumn],
    schema: SchemaRef,
) -> Result<RecordBatch> {
    let decoded = DecodedBlock::of(block)?;
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    for column in columns {
        arrays.push(match column {
            StreamColumn::Stored(column) => decoded.column(column)?,
            StreamColumn::Record(column) => {
                record_column(*column, block, partition, &decoded.decoder)?
            }
        });
    }
    stored::batch(schema, arrays, decoded.decoder.n_rows())
}

fn record_column(
    column: RecordColumn,
    block: &Block,
    partition: PartitionId,
    decoder: &Decoder,
) -> Result<ArrayRef> {
    let n_rows = decoder.n_rows();
    let data_type = weir_delta::schema::arrow_type(&column.sql_type());
    Ok(match column {
        RecordColumn::Partition => Arc::new(Int32Array::from(vec![partition.0 as i32; n_rows])),
        RecordColumn::Offset => {
            let base = block.header.base_offset.0 as i64;
            Arc::new((base..base + n_rows as i64).collect::<Int64Array>())
        }
        // Records of one commit share its time; a block with times of their own stores them.
        RecordColumn::Timestamp if !decoder.has(column.id()) => Arc::new(
            TimestampMicrosecondArray::from(vec![block.header.min_timestamp.0; n_rows])
                .with_timezone("UTC"),
        ),
        _ if decoder.has(column.id()) => decoder.column(column.id(), &data_type)?,
        _ => arrow::array::new_null_array(&data_type, n_rows),
    })
}
