//! When checkpoints are made: at intervals while rows come, and at the end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use weir_types::{Epoch, Error, Result};

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
            let made = make(&shared).and_then(|()| caught(|| upkeep::enforce_retention(&shared)));
            match made {
                Ok(()) => covered = changed,
                Err(error) => tracing::error!(%error, "no checkpoint could be made"),
            }
        }
    }
}

/// Makes a checkpoint. Where none comes about, by an error or a panic, the next one asks views for all of their
/// states.
///
/// # Errors
/// Of the disk; XX000 for a panic, which is a defect and ends no thread. The checkpoint before is in force then.
pub(crate) fn make(shared: &Shared) -> Result<()> {
    let made = caught(|| shared.checkpoints.make(shared));
    if made.is_err() {
        for (_, view) in shared.views.all() {
            view.freezing.end(false);
        }
    }
    made
}

/// What `act` gives; a panic as an error.
fn caught(act: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        let text = weir_env::panic_text(panic.as_ref());
        Err(Error::internal(format!("a checkpoint panicked: {text}")))
    })
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn a_panic_is_an_error() {
        caught(|| Ok(())).expect("nothing panics");
        let error = caught(|| panic!("byte array offset overflow")).expect_err("it panics");
        assert_eq!(error.state().code(), "XX000");
        assert_eq!(error.message(), "a checkpoint panicked: byte array offset overflow");
    }
}
