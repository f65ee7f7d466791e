//! Blocks as columns, decoded once for all who read them while the log has them in memory.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use parking_lot::Mutex;
use weir_delta::codec::Decoder;
use weir_log::{Block, Payload};
use weir_types::{ColumnId, Result};

use super::stored::StoredColumn;

/// The columns of a block's payload, as far as it was read.
///
/// # Errors
/// XX001 for a block that cannot be read.
pub(crate) fn decoder(payload: &Payload) -> Result<Decoder> {
    Decoder::of_pieces(payload.n_bytes(), payload.pieces().iter().cloned())
}

/// A block whose columns are decoded when the first reader asks for them.
pub(super) struct DecodedBlock {
    pub(super) decoder: Decoder,
    /// A type is not kept beside: a column's never changes.
    columns: Mutex<Vec<(ColumnId, ArrayRef)>>,
}

impl DecodedBlock {
    /// The columns of a block.
    ///
    /// # Errors
    /// XX001 for a block that cannot be read.
    pub(super) fn of(block: &Block) -> Result<Arc<Self>> {
        block.memo.get_or_make(|| {
            Ok(Self { decoder: decoder(&block.payload)?, columns: Mutex::default() })
        })
    }

    /// A column; what its rows read where the block is older than it.
    ///
    /// # Errors
    /// XX001 for a block that cannot be read.
    pub(super) fn column(&self, column: &StoredColumn) -> Result<ArrayRef> {
        if !self.decoder.has(column.id) {
            return column.filled(self.decoder.n_rows());
        }
        let mut columns = self.columns.lock();
        if let Some((_, known)) = columns.iter().find(|(id, _)| *id == column.id) {
            return Ok(Arc::clone(known));
        }
        let array = column.read(&self.decoder)?;
        // A column of NULLs alone takes next to nothing in the block and much here: sparse rows would fill the
        // memory. It is made again as quickly.
        if array.null_count() < array.len() {
            columns.push((column.id, Arc::clone(&array)));
        }
        Ok(array)
    }
}
