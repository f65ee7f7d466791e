//! What an aggregate call knows of each group.

use std::any::Any;

use arrow::array::{ArrayRef, BinaryArray};
use datafusion::error::Result;
use weir_delta::Weights;

/// Rows to count in or out.
pub struct GroupRows<'a> {
    /// The arguments of the call, for all rows of a batch.
    pub arguments: &'a [ArrayRef],
    /// The rows of the batch that count.
    pub rows: &'a [u32],
    /// The slot of the group of each of `rows`.
    pub slots: &'a [u32],
    /// The weights of all rows of the batch.
    pub weights: &'a Weights,
}

/// The states of one aggregate call, by slot.
///
/// What a state gives depends on the rows that it has counted, not on their order.
pub trait GroupStates: Send + Sync + Any {
    /// States of the same call for no group.
    fn empty(&self) -> Box<dyn GroupStates>;

    /// A tick begins. With undo, what it changes can be taken back.
    fn begin(&mut self, _keeps_undo: bool) {}

    /// Makes room: slots below `n_slots` that are new have counted nothing.
    fn grow(&mut self, n_slots: usize);

    /// Counts rows, those of negative weight out.
    ///
    /// # Errors
    /// XX000 on a defect.
    fn update(&mut self, rows: &GroupRows<'_>) -> Result<()>;

    /// Counts in, for each slot, all that the state of that place in `other` has counted.
    ///
    /// # Errors
    /// XX000 on a defect.
    fn merge(&mut self, slots: &[u32], other: &dyn GroupStates) -> Result<()>;

    /// The states of those slots, in that order, as far as [`Self::results`] and [`Self::scatter`] need
    /// them.
    fn gather(&self, slots: &[u32]) -> Box<dyn GroupStates>;

    /// Puts states back that `gather` gave for those slots.
    fn scatter(&mut self, slots: &[u32], from: Box<dyn GroupStates>);

    /// The tick holds.
    fn commit(&mut self) {}

    /// The tick, which kept undo, did not happen: for states that `scatter` alone does not bring back.
    fn rollback(&mut self) {}

    /// Those slots have counted nothing again.
    fn reset(&mut self, slots: &[u32]);

    /// What each state gives.
    ///
    /// # Errors
    /// 22003 where a result has no place in its type.
    fn results(&self) -> Result<ArrayRef>;

    /// The states of those slots as bytes, for [`Self::read`].
    fn write(&self, slots: &[u32]) -> BinaryArray;

    /// Puts into each slot the state that `write` gave at that place.
    ///
    /// # Errors
    /// XX001 where the bytes are not of such a state.
    fn read(&mut self, slots: &[u32], bytes: &BinaryArray) -> Result<()>;

    /// Bytes of memory in use, about.
    fn n_bytes(&self) -> usize;
}
