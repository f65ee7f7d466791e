//! When checkpoints are made: at intervals while rows come, and at the end.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use weir_types::Epoch;

use crate::shared::Shared;
use crate::upkeep;

/// The thread that makes them.
pub(crate) struct Checkpointer {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Checkpointer {
    pub(crate) fn start(shared: &Arc<Shared>, interval: Duration) -> Self {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (shared, signal) = (Arc::downgrade(shared), Arc::clone(&stop));
        let run = move || run(&shared, interval, &signal);
        let thread = weir_env::spawn_thread("weir-checkpoint", run);
        Self { stop, thread: Some(thread) }
    }

    /// Ends the thread after the round that it is in.
    pub(crate) fn stop(&mut self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there was logged; stopping goes on.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Weak<Shared>, interval: Duration, stop: &(Mutex<bool>, Condvar)) {
    let mut covered = Epoch::ZERO;
    loop {
        {
            let mut stopped = stop.0.lock();
            if !*stopped {
                stop.1.wait_for(&mut stopped, interval);
            }
            if *stopped {
                return;
            }
        }
        let Some(shared) = shared.upgrade() else { return };
        let changed = shared.changed();
        if changed > covered {
            // What the checkpoint has, the log need not keep.
            let made =
                shared.checkpoints.make(&shared).and_then(|()| upkeep::enforce_retention(&shared));
            match made {
                Ok(()) => covered = changed,
                Err(error) => tracing::error!(%error, "no checkpoint could be made"),
            }
        }
    }
}
