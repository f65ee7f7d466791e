//! What an aggregate call knows of each group.

use std::any::Any;
use std::ops::Range;

use arrow::array::{ArrayRef, BinaryArray};
use arrow::buffer::{Buffer, OffsetBuffer};
use datafusion::error::{DataFusionError, Result};
use weir_delta::Weights;
use weir_types::{Error, SqlState};

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
    fn write(&self, slots: &[u32]) -> StateBytes;

    /// Puts into each slot the state that `write` gave at that place.
    ///
    /// # Errors
    /// XX001 where the bytes are not of such a state.
    fn read(&mut self, slots: &[u32], bytes: &BinaryArray) -> Result<()>;

    /// Bytes of memory in use, about.
    fn n_bytes(&self) -> usize;
}

/// States as bytes, one behind the other: more of them than an array of Arrow can hold.
#[derive(Default)]
pub struct StateBytes {
    bytes: Vec<u8>,
    /// Where each state ends.
    ends: Vec<usize>,
}

impl StateBytes {
    /// Adds the state whose bytes `write` appends.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Number of bytes of the state at that place.
    #[must_use]
    pub fn n_bytes_of(&self, place: usize) -> usize {
        self.ends[place] - self.start_of(place)
    }

    /// The states of some places as an array.
    ///
    /// # Errors
    /// 54000 where they have more bytes than one can hold, 2 GiB.
    pub fn array(&self, places: Range<usize>) -> Result<BinaryArray> {
        let start = self.start_of(places.start);
        let ends = &self.ends[places];
        let end = ends.last().copied().unwrap_or(start);
        let mut offsets = Vec::with_capacity(ends.len() + 1);
        for end in std::iter::once(&start).chain(ends) {
            offsets.push(i32::try_from(end - start).map_err(|_| too_large())?);
        }
        let bytes = Buffer::from(&self.bytes[start..end]);
        Ok(BinaryArray::try_new(OffsetBuffer::new(offsets.into()), bytes, None)?)
    }

    /// All of them as an array.
    ///
    /// # Errors
    /// As of [`Self::array`].
    pub fn all(&self) -> Result<BinaryArray> {
        self.array(0..self.ends.len())
    }

    fn start_of(&self, place: usize) -> usize {
        place.checked_sub(1).map_or(0, |before| self.ends[before])
    }
}

fn too_large() -> DataFusionError {
    DataFusionError::External(Box::new(Error::new(
        SqlState::ProgramLimitExceeded,
        "what an aggregate remembers of its groups is larger than 2 GiB",
    )))
}

#[cfg(test)]
mod tests {
    use super::StateBytes;

    #[test]
    fn states_are_cut_out_by_place() {
        let mut states = StateBytes::default();
        for text in ["ab", "", "cde"] {
            states.push(|out| out.extend_from_slice(text.as_bytes()));
        }
        assert_eq!([0, 1, 2].map(|place| states.n_bytes_of(place)), [2, 0, 3]);
        let texts = |places| {
            let array = states.array(places).expect("a few bytes");
            array.iter().map(|value| value.expect("a state").to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(texts(0..3), [b"ab".to_vec(), vec![], b"cde".to_vec()]);
        assert_eq!(texts(1..3), [vec![], b"cde".to_vec()]);
        assert!(texts(2..2).is_empty() && texts(3..3).is_empty());
    }
}
