//! A stack that parsing and planning cannot overflow.

use weir_types::{Error, Result, limits};

/// Runs `act` with [`limits::PLANNER_STACK_BYTES`] of stack: the parser and DataFusion recurse, and what the
/// guard lets through fits in there. A panic becomes an error of the statement.
pub(crate) fn on_planner_stack<T>(act: impl FnOnce() -> Result<T>) -> Result<T> {
    let guarded = std::panic::AssertUnwindSafe(act);
    stacker::maybe_grow(limits::PLANNER_STACK_BYTES / 2, limits::PLANNER_STACK_BYTES, || {
        std::panic::catch_unwind(guarded)
    })
    .unwrap_or_else(|_| {
        Err(Error::internal("planning the statement panicked")
            .with_hint("Please report the statement."))
    })
}
