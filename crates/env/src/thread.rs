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

/// What a caught panic said; empty where it was no text.
#[must_use]
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// Runs `run` with each number below `n`, one of them on this thread and the others on threads of that name,
/// and gives what they gave in order.
///
/// # Panics
/// As [`spawn_thread`], and where `run` panics.
pub fn run_side_by_side<T: Send>(
    name: &str,
    n: usize,
    run: &(impl Fn(usize) -> T + Sync),
) -> Vec<T> {
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..n)
            .map(|idx| {
                std::thread::Builder::new()
                    .name(format!("{name}-{idx}"))
                    .spawn_scoped(scope, move || run(idx))
                    .expect("the system can start a thread")
            })
            .collect();
        let first = (n > 0).then(|| run(0));
        let others = others.into_iter().map(|thread| match thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        first.into_iter().chain(others.collect::<Vec<_>>()).collect()
    })
}
