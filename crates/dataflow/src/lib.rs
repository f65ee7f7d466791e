//! Incremental dataflow: the operators of a view, and the scheduler that runs their ticks.
//!
//! A *tick* takes a view from one epoch to a later one. What a view shows at an epoch depends on that epoch
//! only, never on where ticks were cut, on workers, or on restarts.
//!
//! **Left out on purpose:** SQL, RocksDB, the wall clock and async. Inputs come through [`Input`], batch
//! queries through [`BatchQuery`]; the engine implements both.

mod graph;
mod metrics;
mod operator;
mod recompute;
mod scheduler;
mod tick;

pub use graph::{Graph, Origin, Pipeline, RowError, Step, Target};
pub use metrics::{Counted, Counter, Metrics};
pub use operator::aggregate::states::{GroupRows, GroupStates, StateBytes};
pub use operator::aggregate::{Aggregate, Call, DistinctArguments};
pub use operator::unnest::UnnestColumns;
pub use recompute::{BatchQuery, recompute};
pub use scheduler::{
    Failure, Maintained, Scheduler, Tick, TickClass, ViewInputs, ViewStatus, Waiter,
};
pub use tick::{GraphState, Run, StoredRows};

use datafusion::error::Result;
use weir_delta::Delta;
use weir_types::Epoch;

/// A relation as a view's dataflow reads it.
pub trait Input: Send + Sync {
    /// The changes of the relation after `after`, up to and with `upto`, in parts that can be read side by
    /// side, each once. `after` of [`Epoch::ZERO`] gives the whole content at `upto`.
    ///
    /// # Errors
    /// Of reading.
    fn parts(&self, after: Epoch, upto: Epoch) -> Result<Vec<Box<dyn InputPart + '_>>>;
}

/// Some of the changes of an input. Threads that share a part get different changes of it.
pub trait InputPart: Send + Sync {
    /// Number of rows in it from the beginning, about.
    fn n_rows(&self) -> usize;

    /// A batch of changes that nobody has got yet; `None` where none is left, or after an error.
    ///
    /// # Errors
    /// Of reading.
    fn next(&self) -> Result<Option<Delta>>;
}
