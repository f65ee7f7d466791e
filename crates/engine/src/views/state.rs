//! How a checkpoint takes what a view's operators remember.
//!
//! A checkpoint needs the state as of its epoch, at which the view stops but does not wait. The epoch is told
//! before any view can pass it; the first tick that goes past it takes the state before it changes anything,
//! or the checkpoint does where no tick came.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use weir_dataflow::GraphState;
use weir_planner::semantics;
use weir_types::{Epoch, Result};

use super::ViewData;
use crate::checkpoint::Frozen;

/// A view's part in the checkpoint that is being made.
#[derive(Default)]
pub(crate) struct Freezing {
    /// Its epoch; 0 while none is made.
    at: AtomicU64,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    frozen: Option<Frozen>,
    /// Only what changed since the last checkpoint is to be taken.
    has_base: bool,
}

impl Freezing {
    /// A checkpoint of that epoch begins.
    pub(crate) fn begin(&self, epoch: Epoch) {
        self.at.store(epoch.0, Ordering::SeqCst);
    }

    /// The checkpoint is over. `has_base`: the next one needs only what changed since.
    pub(crate) fn end(&self, has_base: bool) {
        self.at.store(0, Ordering::SeqCst);
        *self.taken.lock() = Taken { frozen: None, has_base };
    }

    /// Takes the state where a tick up to `upto` would change it too early. A view that nothing touches
    /// before the epoch passes it in one tick, which began before.
    ///
    /// # Errors
    /// XX000 on a defect of a kernel.
    pub(super) fn before_tick(&self, state: &GraphState, upto: Epoch) -> Result<()> {
        let epoch = Epoch(self.at.load(Ordering::SeqCst));
        if epoch == Epoch::ZERO || upto <= epoch {
            return Ok(());
        }
        self.take(state, &mut self.taken.lock())
    }

    fn take(&self, state: &GraphState, taken: &mut Taken) -> Result<()> {
        if taken.frozen.is_none() {
            let all = !taken.has_base;
            // Taken for good: what comes after is noted anew.
            taken.has_base = false;
            let rows = state.stored(all).map_err(semantics::to_error)?;
            taken.frozen = Some(Frozen { all, rows });
        }
        Ok(())
    }
}

impl ViewData {
    /// The state as of the checkpoint's epoch, at which the view is, or was when its next tick began; `None`
    /// where it has none.
    ///
    /// # Errors
    /// XX000 on a defect of a kernel.
    pub(crate) fn take_frozen(&self) -> Result<Option<Frozen>> {
        if !self.dataflow.is_stateful() {
            return Ok(None);
        }
        let state = self.state.lock();
        let mut taken = self.freezing.taken.lock();
        self.freezing.take(&state, &mut taken)?;
        Ok(taken.frozen.take())
    }
}
