//! The threads that run queries.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};
use weir_types::{Error, Result, SqlState};

/// Deep plans recurse deeply.
const STACK_BYTES: usize = 16 << 20;

/// Threads of queries of one kind, until they are ended.
pub(super) struct Threads {
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
}

impl Threads {
    /// Starts that many, of that name.
    ///
    /// # Errors
    /// Where the system has none to give.
    pub(super) fn start(name: &str, n_threads: usize) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(n_threads.max(1))
            .thread_name(name)
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()
            .map_err(|e| Error::io("cannot start query threads", &e))?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Mutex::new(Some(runtime)) })
    }

    /// Where tasks are spawned. After the end they are cancelled at once.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Cancels all tasks, and waits until they are gone, no longer than `patience`. For threads that may block.
    pub(super) fn end(&self, patience: Duration) {
        if let Some(runtime) = self.runtime.lock().take() {
            runtime.shutdown_timeout(patience);
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A runtime must not be waited for where async code runs.
        if let Some(runtime) = self.runtime.get_mut().take() {
            runtime.shutdown_background();
        }
    }
}

/// The error of a query whose task was cancelled by the end of its threads.
pub(super) fn ended() -> Error {
    Error::new(SqlState::AdminShutdown, "the server is shutting down")
}
