//! The durable log: topics, partitions, offsets; bytes in, bytes out.
//!
//! A [`Commit`] is one *epoch*: appends to any partitions, topics that come and go, and records of the
//! layers above, written as a whole or not at all. [`Log::write`] hands it to the kernel, [`Log::sync`]
//! makes durable all that was written before it began; the two run on threads of their own, which is the
//! group commit. Readers ask for offsets as of an epoch and read blocks between two offsets.
//!
//! [`Log`] is the seam: [`EmbeddedLog`] keeps the log in a data directory, a Kafka cluster is to be the
//! other one.
//!
//! **Invariant:** offsets of a partition are without gaps, over restarts too, and each block is checked
//! when it is read (CRC, place, neighbours), each part of it when that is read (CRC). Nothing damaged is handed out.
//!
//! **Left out on purpose:** what a payload contains (`weir-delta`), consumer groups, producer state and
//! compaction (key kinds are kept for them in `weir-store`), and waiting for durability: callers publish
//! and acknowledge by the epoch that `sync` returns.

mod block;
mod commit;
mod descriptor;
mod dump;
mod embedded;
mod encoding;
mod log;
mod notify;
mod payload;
mod read;
mod recover;
mod retention;
mod search;
mod tail;
#[cfg(test)]
mod tests;
mod topic;

pub use block::{Append, Block, BlockHeader, BlockKind, Memo, Producer};
pub use commit::Commit;
pub use dump::LogDump;
pub use embedded::{EmbeddedLog, LogOptions};
pub use log::{BlockReader, Log};
pub use notify::{EpochCallback, Listener, Subscription};
pub use payload::{Part, Payload, Projection};
pub use retention::Retained;
pub use topic::TopicConfig;
