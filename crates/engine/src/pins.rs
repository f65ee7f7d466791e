//! Epochs that somebody reads at: versions that they can see stay.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use weir_types::{Epoch, Offset, TopicId};

/// The epochs in use, with how many use each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pins {
    used: Arc<Mutex<BTreeMap<Epoch, usize>>>,
}

/// Keeps an epoch readable until dropped. Not so what retention removes: who reads it again gets an error.
#[derive(Debug)]
pub(crate) struct Pin {
    epoch: Epoch,
    pins: Pins,
    starts: Arc<Starts>,
}

/// Where the partitions of streams began when they were first read: so they do for all reads that belong
/// together.
pub(crate) type Starts = Mutex<HashMap<TopicId, Arc<[Offset]>>>;

impl Pins {
    /// Keeps `epoch` readable. The caller must know that it still is, for example because it is the
    /// newest.
    pub(crate) fn pin(&self, epoch: Epoch) -> Pin {
        *self.used.lock().entry(epoch).or_default() += 1;
        Pin { epoch, pins: self.clone(), starts: Arc::default() }
    }

    /// The oldest epoch in use.
    pub(crate) fn oldest(&self) -> Option<Epoch> {
        self.used.lock().keys().next().copied()
    }
}

impl Pin {
    /// The epoch kept.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Where streams begin for its readers.
    pub(crate) fn starts(&self) -> &Arc<Starts> {
        &self.starts
    }
}

impl Clone for Pin {
    fn clone(&self) -> Self {
        let mut pin = self.pins.pin(self.epoch);
        pin.starts = Arc::clone(&self.starts);
        pin
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut used = self.pins.used.lock();
        if let Some(count) = used.get_mut(&self.epoch) {
            *count -= 1;
            if *count == 0 {
                used.remove(&self.epoch);
            }
        }
    }
}
