//! Rows as chunks of a checkpoint, and back.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use weir_catalog::Object;
use weir_delta::codec::{self, Decoder};
use weir_delta::segments::Segments;
use weir_delta::{Delta, Weights, rows};
use weir_types::limits::BLOCK_ROWS_MAX;
use weir_types::{ColumnId, Epoch, Error, Result};

use crate::relation::{StoredColumn, batch, schema};

/// The chunks of a change; each distinct row may count more often than a chunk's weight can say.
///
/// # Errors
/// XX000 for rows that cannot be stored.
pub(super) fn of_change(delta: &Delta, ids: &[ColumnId]) -> Result<Vec<Vec<u8>>> {
    let (mut positions, mut weights) = (Vec::new(), Vec::new());
    // What goes comes first, so that a key is free before a later chunk takes it.
    let (out, new): (Vec<usize>, Vec<usize>) =
        (0..delta.len()).partition(|row| delta.weight(*row) < 0);
    for row in out.into_iter().chain(new) {
        let mut left = delta.weight(row);
        while left != 0 {
            let part = left.clamp(i64::from(i8::MIN), i64::from(i8::MAX));
            positions.push(row as u32);
            weights.push(part as i8);
            left -= part;
        }
    }
    let mut chunks = Vec::new();
    for start in (0..positions.len()).step_by(BLOCK_ROWS_MAX) {
        let part = start..(start + BLOCK_ROWS_MAX).min(positions.len());
        let rows = rows::take(delta.rows(), &positions[part.clone()])?;
        chunks.push(codec::encode(&rows, ids, Some(&weights[part]))?.bytes);
    }
    Ok(chunks)
}

/// The chunk of rows that are all new.
///
/// # Errors
/// XX000 for rows that cannot be stored.
pub(super) fn of_rows(rows: &RecordBatch, ids: &[ColumnId]) -> Result<Vec<u8>> {
    Ok(codec::encode(rows, ids, None)?.bytes)
}

/// Puts chunks into segments.
pub(super) struct Reader<'a> {
    object: &'a Object,
    columns: Vec<StoredColumn>,
    schema: SchemaRef,
    epoch: Epoch,
}

impl<'a> Reader<'a> {
    /// For chunks of that object, whose rows came at `epoch`.
    ///
    /// # Errors
    /// XX001 where the definition of a column cannot be read.
    pub(super) fn new(object: &'a Object, epoch: Epoch) -> Result<Self> {
        let columns = object.columns().iter().map(StoredColumn::new).collect::<Result<Vec<_>>>()?;
        let schema = schema(&columns);
        Ok(Self { object, columns, schema, epoch })
    }

    /// Applies a chunk.
    ///
    /// # Errors
    /// XX001 where it is damaged or does not fit what came before it.
    pub(super) fn read(&self, chunk: &[u8], segments: &Segments) -> Result<()> {
        let decoder = Decoder::new(bytes::Bytes::copy_from_slice(chunk))?;
        let arrays: Vec<ArrayRef> =
            self.columns.iter().map(|column| column.read(&decoder)).collect::<Result<_>>()?;
        let rows = batch(self.schema.clone(), arrays, decoder.n_rows())?;
        let weights = match decoder.weights() {
            None => Weights::One,
            Some(weights) => Weights::Mixed(weights.into_iter().map(i64::from).collect()),
        };
        segments.apply(self.epoch, &Delta::new(rows, weights)).map_err(|error| {
            Error::corrupt(format!("checkpoint of \"{}\" is damaged: {error}", self.object.name))
        })
    }
}
