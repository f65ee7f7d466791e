//! The commit path: one thread that orders commits, one that makes them durable.
//!
//! The *committer* takes every request that waits, checks each against the rows as they are, applies those
//! that pass, and writes them as one epoch. The *syncer* then fsyncs and acknowledges. While it does, the
//! committer works on the next epoch: that is the group commit.
//!
//! **Invariant:** only the committer changes tables and the catalog, and it applies a change only together
//! with writing it. What it applies at an epoch is seen by readers when that epoch is durable.

mod request;
mod syncer;
mod thread;

pub(crate) use request::{
    Append, Change, DdlContext, DdlEffects, DdlStep, PartitionRows, WriteSet,
};
pub(crate) use thread::{Committer, Submitted, start};
