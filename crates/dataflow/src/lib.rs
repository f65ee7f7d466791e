//! Incremental dataflow: the operators of a view, and the scheduler that runs their ticks.
//!
//! A *tick* takes a view from one epoch to a later one. What a view shows at an epoch depends on that epoch
//! only, never on where ticks were cut, on workers, or on restarts.
//!
//! **Left out on purpose:** SQL, RocksDB, the wall clock and async. Inputs come through [`Input`], batch
//! queries through [`BatchQuery`]; the engine implements both.

mod graph;
mod operator;
mod recompute;
mod scheduler;

pub use graph::{Graph, Pipeline, RowError, Step};
pub use operator::unnest::UnnestColumns;
pub use recompute::{BatchQuery, recompute};
pub use scheduler::{Maintained, Scheduler, Tick, TickClass, ViewInputs, ViewStatus, Waiter};

use datafusion::error::Result;
use weir_delta::Delta;
use weir_types::Epoch;

/// A relation as a view's dataflow reads it.
pub trait Input: Send + Sync {
    /// Hands the changes of the relation after `after`, up to and with `upto`, to `each`, in batches.
    /// `after` of [`Epoch::ZERO`] gives the whole content at `upto`.
    ///
    /// # Errors
    /// Of reading, or those that `each` returns.
    fn changes(
        &self,
        after: Epoch,
        upto: Epoch,
        each: &mut dyn FnMut(Delta) -> Result<()>,
    ) -> Result<()>;
}
