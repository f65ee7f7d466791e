//! When keys were deleted that may not be there any more.

use std::collections::VecDeque;

use hashbrown::HashMap;
use weir_types::Epoch;

/// The epoch of the last deletion of each key, by the 64-bit hash of the key, until it is released.
#[derive(Default)]
pub(super) struct Graves {
    epochs: HashMap<u64, Epoch>,
    /// In order of epochs.
    queue: VecDeque<(Epoch, u64)>,
}

impl Graves {
    /// Remembers a deletion. Epochs do not fall from call to call.
    pub(super) fn add(&mut self, hash: u64, epoch: Epoch) {
        if self.epochs.insert(hash, epoch) != Some(epoch) {
            self.queue.push_back((epoch, hash));
        }
    }

    pub(super) fn get(&self, hash: u64) -> Option<Epoch> {
        self.epochs.get(&hash).copied()
    }

    /// Forgets the deletions up to that epoch.
    pub(super) fn release(&mut self, horizon: Epoch) {
        while let Some((epoch, hash)) = self.queue.pop_front_if(|(epoch, _)| *epoch <= horizon) {
            if self.epochs.get(&hash) == Some(&epoch) {
                self.epochs.remove(&hash);
            }
        }
        if self.epochs.is_empty() {
            *self = Self::default();
        }
    }

    pub(super) fn n_bytes(&self) -> usize {
        self.epochs.allocation_size() + self.queue.capacity() * size_of::<(Epoch, u64)>()
    }
}
