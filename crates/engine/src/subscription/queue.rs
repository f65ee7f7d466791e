//! What a subscription's client has not taken yet: bounded, so that a slow client costs a known amount of
//! memory.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use parking_lot::Mutex;
use tokio::sync::Notify;
use weir_types::{Epoch, Error, Result, SqlState, limits};

/// Below that many bytes, a producer that can wait makes more.
const BYTES_LOW: usize = limits::SUBSCRIPTION_BYTES_MAX / 8;

/// Batches between a producer and its client.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
    room: Notify,
}

struct State {
    batches: VecDeque<(Epoch, RecordBatch, usize)>,
    n_bytes: usize,
    /// All changes up to that epoch were put in.
    reached: Epoch,
    ended: Option<Error>,
}

/// What the queue has for the client.
pub(super) enum Pop {
    Batch(RecordBatch),
    /// Nothing now; the epoch asked for is not reached.
    Waiting,
    /// Nothing more up to the epoch asked for.
    Reached,
    Ended(Error),
}

impl Queue {
    pub(super) fn new(reached: Epoch) -> Self {
        let state = State { batches: VecDeque::new(), n_bytes: 0, reached, ended: None };
        Self { state: Mutex::new(state), changed: Notify::new(), room: Notify::new() }
    }

    /// Puts the changes of one epoch in.
    ///
    /// # Errors
    /// 53200 where the client is too far behind; what waited for it is dropped then.
    pub(super) fn push(&self, epoch: Epoch, batches: Vec<RecordBatch>) -> Result<()> {
        let sizes: Vec<usize> = batches.iter().map(weir_delta::rows::bytes_used).collect();
        let n_bytes: usize = sizes.iter().sum();
        let mut state = self.state.lock();
        if state.n_bytes > 0 && state.n_bytes + n_bytes > limits::SUBSCRIPTION_BYTES_MAX {
            state.batches.clear();
            state.n_bytes = 0;
            return Err(Error::new(
                SqlState::OutOfMemory,
                format!(
                    "the client of SUBSCRIBE is behind by more than {} MiB of changes",
                    limits::SUBSCRIPTION_BYTES_MAX >> 20
                ),
            )
            .with_hint("SUBSCRIBE again: the snapshot has what was missed. Read faster."));
        }
        state.n_bytes += n_bytes;
        let sized = batches.into_iter().zip(sizes);
        state.batches.extend(sized.map(|(batch, n_bytes)| (epoch, batch, n_bytes)));
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// All changes up to that epoch are in.
    pub(super) fn reach(&self, epoch: Epoch) {
        self.state.lock().reached = epoch;
        self.changed.notify_one();
    }

    /// Nothing more will come, for that reason.
    pub(super) fn end(&self, error: Error) {
        self.state.lock().ended = Some(error);
        self.changed.notify_one();
    }

    /// Waits until little is left.
    pub(super) async fn room(&self) {
        while self.state.lock().n_bytes >= BYTES_LOW {
            self.room.notified().await;
        }
    }

    /// The next batch up to that epoch.
    pub(super) fn pop(&self, upto: Epoch) -> Pop {
        let mut state = self.state.lock();
        match state.batches.front() {
            Some((epoch, ..)) if *epoch > upto => return Pop::Reached,
            Some(_) => {}
            None => {
                return match &state.ended {
                    Some(error) => Pop::Ended(error.clone()),
                    None if state.reached >= upto => Pop::Reached,
                    None => Pop::Waiting,
                };
            }
        }
        let (_, batch, n_bytes) = state.batches.pop_front().expect("there is a first one");
        state.n_bytes -= n_bytes;
        drop(state);
        self.room.notify_one();
        Pop::Batch(batch)
    }

    /// Completes after something was put in or reached.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}
