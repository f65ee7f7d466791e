//! Threads.

use std::thread::JoinHandle;

/// Starts a named thread.
///
/// # Panics
/// Where the system has no more threads to give: nothing of Weir works then.
pub fn spawn_thread<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .expect("the system can start a thread")
}
