//! One view's progress.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use weir_types::{Epoch, Error, ObjectId};

use super::{Maintained, TickClass, ViewInputs};

/// One view's progress.
pub(super) struct Entry {
    pub(super) inputs: ViewInputs,
    pub(super) downstream: Vec<ObjectId>,
    pub(super) view: Arc<dyn Maintained>,
    pub(super) class: TickClass,
    /// Content is exact here; `ZERO`: there is none.
    pub(super) processed: Epoch,
    /// Commits after `processed` that touched an input, ascending.
    pub(super) dirty: VecDeque<Epoch>,
    /// Epochs at which the view must stop, all after `processed`.
    pub(super) cuts: BTreeSet<Epoch>,
    /// The end of the tick that runs.
    pub(super) running: Option<Epoch>,
    pub(super) queued: bool,
    pub(super) removed: bool,
    /// The end of the tick that failed; it is tried again when an input changes.
    pub(super) failed: Option<(Epoch, Error)>,
}

impl Entry {
    pub(super) fn new(inputs: ViewInputs, processed: Epoch, view: Arc<dyn Maintained>) -> Self {
        let class = view.class();
        Self {
            inputs,
            downstream: Vec::new(),
            view,
            class,
            processed,
            dirty: VecDeque::new(),
            cuts: BTreeSet::new(),
            running: None,
            queued: false,
            removed: false,
            failed: None,
        }
    }

    pub(super) fn has_content(&self) -> bool {
        self.processed > Epoch::ZERO
    }

    /// A commit at `epoch` touched an input. A view that lags tells of its epochs when those of a stream are known:
    /// they do not come in order.
    pub(super) fn touch(&mut self, epoch: Epoch) {
        if epoch > self.processed
            && let Err(place) = self.dirty.binary_search(&epoch)
        {
            self.dirty.insert(place, epoch);
        }
    }

    /// True where no commit up to `epoch` waits to be taken in.
    pub(super) fn clean_at(&self, epoch: Epoch) -> bool {
        self.processed >= epoch
            || (self.has_content() && self.dirty.front().is_none_or(|first| *first > epoch))
    }

    /// The content is exact at `epoch`, which a tick reached or which nothing has touched.
    pub(super) fn advance(&mut self, epoch: Epoch) {
        if epoch > self.processed {
            self.processed = epoch;
        }
        while self.dirty.front().is_some_and(|first| *first <= self.processed) {
            self.dirty.pop_front();
        }
        self.cuts = self.cuts.split_off(&self.processed.next());
    }

    /// True where the last tick failed and nothing has changed since that could heal it.
    pub(super) fn stuck(&self) -> Option<&Error> {
        let (epoch, error) = self.failed.as_ref()?;
        let newer = self.dirty.back().is_some_and(|last| last > epoch);
        (!newer).then_some(error)
    }
}
