//! The commit path: one committer that orders commits, a thread that makes them durable, one that notes it.
//!
//! The *committer* is a thread, or for a small commit the session that wants it, where nobody else commits: a lock
//! says whose turn it is. It takes every request that waits, checks each against the rows as they are, applies those
//! that pass, and writes them as one epoch. What came in meanwhile is the next epoch: that is the group commit.
//! A small epoch the committer fsyncs and acknowledges itself; for a large one the *syncer* does it, while the
//! committer works on the next. The *marker* moves the durable mark behind them, now and then: its fsync is of
//! another file and nobody waits for it.
//!
//! **Invariant:** only who holds that lock changes tables and the catalog, and it applies a change only together
//! with writing it. What it applies at an epoch is seen by readers when that epoch is durable.

mod marker;
mod request;
mod syncer;
mod thread;

pub(crate) use request::{
    Append, Change, DdlContext, DdlEffects, DdlStep, PartitionRows, WriteSet,
};
pub(crate) use thread::{Committer, Submitted, start};
