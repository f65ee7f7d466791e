//! The payload of a block: whole, or the parts of it that a reader asked for.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

/// A stretch of a payload that somebody may want without the rest: a column of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Names it among the parts of a block.
    pub id: u32,
    /// Where it is in the payload.
    pub range: Range<usize>,
}

/// Which parts of blocks a reader needs. What lies in no part it gets always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Projection {
    /// All of them.
    All,
    /// Those of these ids, which ascend.
    Parts(Arc<[u32]>),
}

impl Projection {
    /// None of them: for readers of headers.
    #[must_use]
    pub fn none() -> Self {
        Self::Parts(Arc::default())
    }

    /// Those of these ids, in any order.
    #[must_use]
    pub fn parts(ids: impl IntoIterator<Item = u32>) -> Self {
        let mut ids: Vec<u32> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Self::Parts(ids.into())
    }

    /// True where the part is among them.
    #[must_use]
    pub fn has(&self, id: u32) -> bool {
        match self {
            Self::All => true,
            Self::Parts(ids) => ids.binary_search(&id).is_ok(),
        }
    }
}

/// The payload of a block as far as it was read.
#[derive(Clone, Debug)]
pub struct Payload {
    n_bytes: usize,
    /// By their places; they may overlap by some bytes. Small blocks have one.
    pieces: SmallVec<[(usize, Bytes); 1]>,
}

impl Payload {
    /// One that is whole.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self { n_bytes: bytes.len(), pieces: smallvec![(0, bytes)] }
    }

    pub(crate) fn of_pieces(n_bytes: usize, pieces: Vec<(usize, Bytes)>) -> Self {
        Self { n_bytes, pieces: pieces.into() }
    }

    pub(crate) fn add(&mut self, begin: usize, bytes: Bytes) {
        let at = self.pieces.partition_point(|(known, _)| *known < begin);
        self.pieces.insert(at, (begin, bytes));
    }

    /// Bytes of the whole payload, read or not.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// Bytes of it that are in memory.
    pub(crate) fn n_bytes_read(&self) -> usize {
        self.pieces.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// What was read of it, with the places where the pieces begin, in order. In memory they begin at the same
    /// remainders of 16.
    #[must_use]
    pub fn pieces(&self) -> &[(usize, Bytes)] {
        &self.pieces
    }
}
