//! The scheduler: which view ticks next, and up to which epoch.
//!
//! Each view has its own progress. An idle view takes one commit as soon as it is there; a busy one takes
//! all that waited in one tick, or in a few where that is much. A strict read registers its epoch as a
//! *cut*: no view it needs ticks past it without stopping there, so that all relations of the read can be
//! seen at one moment. There is no global barrier: a view that lags delays only those who read it.
//!
//! **Invariant:** a view's content is exact at `processed`, and at every later epoch up to the next commit
//! that touches one of its inputs.

mod entry;
mod state;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use weir_types::{Epoch, Error, ObjectId, Result, TopicId};

use entry::Entry;
use state::State;

/// What a tick did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Where it ended: at the epoch that it was asked for, or at one before that.
    pub upto: Epoch,
    /// False where the content is as it was: views above need not run.
    pub changed: bool,
}

/// Which pool runs a view's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickClass {
    /// Linear operators: cost follows the change.
    Linear,
    /// Batch queries: cost follows the content. They have threads of their own, so that they never make a
    /// linear view wait.
    Batch,
}

/// A view as the scheduler runs it.
pub trait Maintained: Send + Sync {
    /// Takes the view's content from `from` to `upto`, or to an epoch between where that is much: the rest is asked
    /// for next. Blocks; runs on a worker. `from` of [`Epoch::ZERO`] means that there is no content yet.
    ///
    /// # Errors
    /// Of the view's query. The content must be as it was.
    fn tick(&self, from: Epoch, upto: Epoch) -> Result<Tick>;

    /// Which pool runs it.
    fn class(&self) -> TickClass;
}

/// What makes a view's content change.
#[derive(Clone, Debug, Default)]
pub struct ViewInputs {
    /// Topics of the streams and tables it reads.
    pub topics: BTreeSet<TopicId>,
    /// Materialized views it reads; they are added before it.
    pub views: Vec<ObjectId>,
    /// It reads the clock: a timer epoch is a change too.
    pub clock: bool,
}

/// A view's progress.
#[derive(Clone, Debug)]
pub struct ViewStatus {
    /// The epoch of its content; `ZERO` while it has none.
    pub processed: Epoch,
    /// Commits that touched its inputs and are not in its content.
    pub n_waiting: usize,
    /// A tick runs.
    pub running: bool,
    /// Why its content does not come any further: its last tick failed, or that of a view that it reads.
    pub failed: Option<Failure>,
}

/// Why views have no exact content.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The view whose tick failed; `None` where none did.
    pub view: Option<ObjectId>,
    /// The tick's error.
    pub error: Error,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { view: None, error }
    }
}

/// Called once with the outcome of a wait, from whatever thread brings it about.
pub type Waiter = Box<dyn FnOnce(Result<(), Failure>) + Send>;

/// Runs views on worker threads. Cheap to clone; [`Self::stop`] ends the threads.
#[derive(Clone)]
pub struct Scheduler {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Woken when a queue has work, one for each class.
    work: [Condvar; 2],
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl TickClass {
    fn queue(self) -> usize {
        match self {
            Self::Linear => 0,
            Self::Batch => 1,
        }
    }
}

impl Scheduler {
    /// A scheduler with `n_workers` threads for each class, at that newest epoch.
    #[must_use]
    pub fn start(n_workers: usize, newest: Epoch) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(newest)),
            work: [Condvar::new(), Condvar::new()],
            workers: Mutex::default(),
        });
        let workers = (0..n_workers.max(1)).flat_map(|worker_idx| {
            [TickClass::Linear, TickClass::Batch]
                .map(|class| worker::spawn(&shared, class, worker_idx))
        });
        *shared.workers.lock() = workers.collect();
        Self { shared }
    }

    /// Adds a view whose content is exact at `processed` (`ZERO`: it has none and must be filled).
    /// Every commit after `processed` that may touch its inputs is assumed to have done so.
    pub fn add(
        &self,
        id: ObjectId,
        inputs: ViewInputs,
        processed: Epoch,
        view: Arc<dyn Maintained>,
    ) {
        self.with_state(|state| state.add(id, Entry::new(inputs, processed, view)));
    }

    /// Takes a view out; its waiters get an error. Returns once no tick of it runs.
    pub fn remove(&self, id: ObjectId) {
        loop {
            let running = self.with_state(|state| state.remove(id));
            if !running {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Tells of a commit: its epoch, the topics it touched, whether it was a timer's.
    pub fn committed(&self, epoch: Epoch, topics: &BTreeSet<TopicId>, timer: bool) {
        self.with_state(|state| state.committed(epoch, topics, timer));
    }

    /// Runs `take` with the newest epoch, and calls `waiter` when every one of `views` has exact content
    /// at that epoch, or one of them cannot get there. Returns that epoch. The views of `others` stop at that
    /// epoch too, without being waited for. All of it is one step: no view can pass the epoch in between.
    pub fn wait_at_newest(&self, views: &[ObjectId], others: &[ObjectId], waiter: Waiter) -> Epoch {
        let mut ready = None;
        let epoch = self.with_state(|state| {
            let epoch = state.newest();
            for id in others {
                state.cut(*id, epoch);
            }
            ready = state.wait(views, epoch, waiter);
            epoch
        });
        if let Some((waiter, outcome)) = ready {
            waiter(outcome);
        }
        epoch
    }

    /// As [`Self::wait_at_newest`] for each of `views` by itself, with a waiter from `waiter`. Calls `note` with the
    /// epoch before any of them can pass it.
    pub fn wait_for_each_at_newest(
        &self,
        views: &[ObjectId],
        note: impl FnOnce(Epoch),
        waiter: impl Fn(ObjectId) -> Waiter,
    ) -> Epoch {
        // Most views are there already where most are idle: their waiters are made outside the lock.
        let mut ready = Vec::with_capacity(views.len());
        let epoch = self.with_state(|state| {
            let epoch = state.newest();
            note(epoch);
            for id in views {
                match state.outcome(&[*id], epoch) {
                    Some(outcome) => ready.push((*id, outcome)),
                    None => state.begin_wait(&[*id], epoch, waiter(*id)),
                }
            }
            epoch
        });
        for (id, outcome) in ready {
            waiter(id)(outcome);
        }
        epoch
    }

    /// As [`Self::wait_at_newest`], for an epoch that it returned and at which `views` stop.
    pub fn wait_at(&self, epoch: Epoch, views: &[ObjectId], waiter: Waiter) {
        let ready = self.with_state(|state| state.wait(views, epoch, waiter));
        if let Some((waiter, outcome)) = ready {
            waiter(outcome);
        }
    }

    /// The newest epoch at which all of `views` have exact content without waiting; `None` where one has
    /// no content yet.
    #[must_use]
    pub fn newest_common(&self, views: &[ObjectId]) -> Option<Epoch> {
        self.with_state(|state| state.newest_common(views))
    }

    /// The oldest of the newest epochs that views without a failure can be read at; `None` without such views.
    #[must_use]
    pub fn oldest_exact(&self) -> Option<Epoch> {
        self.with_state(|state| state.oldest_exact())
    }

    /// Tries a failed view again, as after `ALTER MATERIALIZED VIEW`.
    pub fn retry(&self, id: ObjectId) {
        self.with_state(|state| state.retry(id));
    }

    /// The newest epoch told by [`Self::committed`].
    #[must_use]
    pub fn newest(&self) -> Epoch {
        self.with_state(|state| state.newest())
    }

    /// The progress of a view.
    #[must_use]
    pub fn status(&self, id: ObjectId) -> Option<ViewStatus> {
        self.with_state(|state| state.status(id))
    }

    /// For each view: the epoch from which on its inputs' history is needed.
    #[must_use]
    pub fn processed(&self) -> Vec<(ObjectId, Epoch)> {
        self.with_state(|state| state.processed())
    }

    /// Ends the workers after their running ticks; waiters get an error. Returns the threads that end.
    pub fn stop(&self) -> Vec<JoinHandle<()>> {
        let waiters = self.with_state(State::stop);
        for waiter in waiters {
            let error =
                Error::new(weir_types::SqlState::AdminShutdown, "the server is shutting down");
            waiter(Err(error.into()));
        }
        for condvar in &self.shared.work {
            condvar.notify_all();
        }
        std::mem::take(&mut *self.shared.workers.lock())
    }

    /// Runs `act` on the state, then wakes workers and calls the waiters that it made ready, outside the
    /// lock.
    fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        self.shared.with_state(act)
    }
}

impl Shared {
    fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let (result, done, queued) = {
            let mut state = self.state.lock();
            let result = act(&mut state);
            (result, state.take_done(), state.take_queued())
        };
        for (class_idx, n_queued) in queued.into_iter().enumerate() {
            for _ in 0..n_queued {
                self.work[class_idx].notify_one();
            }
        }
        for (waiter, outcome) in done {
            waiter(outcome);
        }
        result
    }
}
