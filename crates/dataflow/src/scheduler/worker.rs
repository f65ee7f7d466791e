//! A worker thread: takes a tick, runs it, hands in what it did.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use weir_types::{Error, Result};

use super::{Shared, Tick, TickClass};

/// Starts a worker of that class; it ends when the scheduler stops.
pub(super) fn spawn(shared: &Arc<Shared>, class: TickClass, worker_idx: usize) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    let name = match class {
        TickClass::Linear => format!("weir-worker-{worker_idx}"),
        TickClass::Batch => format!("weir-batch-{worker_idx}"),
    };
    weir_env::spawn_thread(&name, move || run(&shared, class))
}

fn run(shared: &Shared, class: TickClass) {
    loop {
        let job = {
            let mut state = shared.state.lock();
            loop {
                if state.stopped() {
                    return;
                }
                if let Some(job) = state.next_job(class) {
                    break job;
                }
                shared.work[class.queue()].wait(&mut state);
            }
        };
        // A panic in an operator is a defect that must not take the other views along.
        let outcome: Result<Tick> =
            catch_unwind(AssertUnwindSafe(|| job.view.tick(job.from, job.upto))).unwrap_or_else(
                |panic| {
                    let text = weir_env::panic_text(panic.as_ref());
                    Err(Error::internal(format!("an operator panicked: {text}")))
                },
            );
        drop(job.view);
        shared.with_state(|state| state.finished(job.id, job.upto, outcome));
    }
}
