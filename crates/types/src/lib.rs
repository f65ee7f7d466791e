//! The nouns of Weir: ids, logical time, SQL types, errors and limits.
//!
//! **Left out on purpose:** I/O, async, Arrow and RocksDB. Every other crate uses this one, so it
//! stays small and quick to build.

mod error;
mod id;
pub mod limits;
pub mod planted;
mod sql_type;
mod time;

pub use error::{Error, ErrorKind, Notice, Result, SqlState, Subject};
pub use id::{ColumnId, ObjectId, Offset, PartitionId, TopicId};
pub use sql_type::{NUMERIC_SCALE_UNCONSTRAINED, RegKind, SqlType};
pub use time::{Epoch, Timestamp};
