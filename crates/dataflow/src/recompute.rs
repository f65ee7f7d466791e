//! Recompute: the operator that makes every query legal in a view.
//!
//! It runs the query as a batch at the new epoch and emits the difference to the content before. It is the
//! fallback for queries without a faster operator, and the reference that those are checked against.
//! Cost: the whole query, each tick.

use arrow::array::RecordBatch;
use datafusion::error::Result;
use weir_delta::Delta;
use weir_delta::diff::difference;
use weir_types::Epoch;

/// A query that the engine can run over its relations as of an epoch.
pub trait BatchQuery: Send + Sync {
    /// All rows of the query at that epoch, in the view's schema. Blocks.
    ///
    /// # Errors
    /// Of the query; the view then keeps what it had.
    fn run(&self, at: Epoch) -> Result<Vec<RecordBatch>>;
}

/// What has to be retracted from and inserted into `before` so that it equals the query at `upto`.
///
/// # Errors
/// Of the query.
pub fn recompute(query: &dyn BatchQuery, before: &[RecordBatch], upto: Epoch) -> Result<Delta> {
    let after = query.run(upto)?;
    difference(before, &after)
        .map_err(|error| datafusion::error::DataFusionError::External(Box::new(error)))
}
