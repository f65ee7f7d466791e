//! Telling readers of new epochs, so that nobody polls.

use std::sync::{Arc, Weak};

use parking_lot::{Condvar, Mutex};
use weir_types::Epoch;

/// Is called with each newest epoch, on the thread that wrote it: must be quick and must not write.
pub type EpochCallback = Box<dyn Fn(Epoch) + Send + Sync>;

/// Who waits for epochs.
#[derive(Default)]
pub(crate) struct Watch {
    state: Mutex<State>,
    changed: Condvar,
    callbacks: Mutex<Callbacks>,
}

#[derive(Default)]
struct State {
    newest: Epoch,
    closed: bool,
}

#[derive(Default)]
struct Callbacks {
    next_id: u64,
    known: Vec<(u64, Arc<EpochCallback>)>,
}

impl Watch {
    /// Tells all that `epoch` was written.
    pub(crate) fn announce(&self, epoch: Epoch) {
        self.state.lock().newest = epoch;
        self.changed.notify_all();
        // Called without the lock: a callback may subscribe or end a subscription.
        let known: Vec<_> =
            self.callbacks.lock().known.iter().map(|(_, callback)| Arc::clone(callback)).collect();
        for callback in known {
            callback(epoch);
        }
    }

    /// Ends all waiting.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    pub(crate) fn listen(self: &Arc<Self>) -> Listener {
        Listener { watch: Arc::clone(self) }
    }

    pub(crate) fn register(self: &Arc<Self>, callback: EpochCallback) -> Subscription {
        let callbacks = &mut *self.callbacks.lock();
        let id = callbacks.next_id;
        callbacks.next_id += 1;
        callbacks.known.push((id, Arc::new(callback)));
        Subscription { watch: Arc::downgrade(self), id }
    }
}

/// Waits for new epochs.
pub struct Listener {
    watch: Arc<Watch>,
}

impl Listener {
    /// Blocks until an epoch after `last_seen` is written and returns the newest one; `None` once the
    /// log is closed and nothing newer comes.
    #[must_use]
    pub fn wait(&self, last_seen: Epoch) -> Option<Epoch> {
        let mut state = self.watch.state.lock();
        loop {
            if state.newest > last_seen {
                return Some(state.newest);
            }
            if state.closed {
                return None;
            }
            self.watch.changed.wait(&mut state);
        }
    }
}

/// A registered callback; ends when dropped. A call that has begun may still end after that.
pub struct Subscription {
    watch: Weak<Watch>,
    id: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.upgrade() {
            watch.callbacks.lock().known.retain(|(id, _)| *id != self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn waiting_ends_with_a_newer_epoch_or_with_the_log() {
        let watch = Arc::new(Watch::default());
        let listener = watch.listen();
        let thread = weir_env::spawn_thread("wait", move || {
            (listener.wait(Epoch(1)), listener.wait(Epoch(5)))
        });
        watch.announce(Epoch(1));
        watch.announce(Epoch(5));
        watch.close();
        assert_eq!(thread.join().expect("ends"), (Some(Epoch(5)), None));
    }

    #[test]
    fn callback_is_called_until_its_subscription_ends() {
        let watch = Arc::new(Watch::default());
        let seen = Arc::new(AtomicU64::new(0));
        let saw = Arc::clone(&seen);
        let callback = Box::new(move |epoch: Epoch| saw.store(epoch.0, Ordering::SeqCst));
        let subscription = watch.register(callback);
        watch.announce(Epoch(3));
        assert_eq!(seen.load(Ordering::SeqCst), 3);
        drop(subscription);
        watch.announce(Epoch(4));
        assert_eq!(seen.load(Ordering::SeqCst), 3);
    }
}
