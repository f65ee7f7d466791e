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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{RecordBatch, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use weir_types::{Epoch, SqlState, limits};

    use super::{Pop, Queue};

    fn batch(n_bytes: usize) -> Vec<RecordBatch> {
        let schema = Arc::new(Schema::new(vec![Field::new("v", DataType::Utf8, true)]));
        let value = StringArray::from(vec!["x".repeat(n_bytes)]);
        vec![RecordBatch::try_new(schema, vec![Arc::new(value)]).expect("a batch")]
    }

    #[test]
    fn a_client_that_is_too_far_behind_is_given_up() {
        let queue = Queue::new(Epoch(1));
        // One commit always fits.
        queue.push(Epoch(2), batch(limits::SUBSCRIPTION_BYTES_MAX + 1)).expect("it is the first");
        let error = queue.push(Epoch(3), batch(1)).expect_err("the client has not read");
        assert_eq!(error.state(), SqlState::OutOfMemory);
        queue.end(error);
        assert!(matches!(queue.pop(Epoch::MAX), Pop::Ended(error) if error.hint().is_some()));
    }

    #[test]
    fn reading_makes_room() {
        let queue = Queue::new(Epoch(1));
        let half = limits::SUBSCRIPTION_BYTES_MAX / 2;
        for epoch in 2..6 {
            queue.push(Epoch(epoch), batch(half + 1)).expect("it fits");
            assert!(matches!(queue.pop(Epoch::MAX), Pop::Batch(_)));
        }
    }

    #[test]
    fn what_is_later_than_asked_for_stays() {
        let queue = Queue::new(Epoch(1));
        assert!(matches!(queue.pop(Epoch(1)), Pop::Reached));
        assert!(matches!(queue.pop(Epoch(2)), Pop::Waiting));
        queue.push(Epoch(3), batch(1)).expect("it fits");
        assert!(matches!(queue.pop(Epoch(2)), Pop::Reached));
        queue.reach(Epoch(3));
        assert!(matches!(queue.pop(Epoch(3)), Pop::Batch(_)));
        assert!(matches!(queue.pop(Epoch(3)), Pop::Reached));
        assert!(matches!(queue.pop(Epoch(4)), Pop::Waiting));
    }
}
