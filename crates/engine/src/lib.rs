//! The engine: one process's databases of streams, tables and views. [`Engine`] and [`Session`] are the
//! product's API; doors know nothing below them.

mod auth;
mod batch;
mod checkpoint;
mod commit;
mod config;
mod connections;
mod dead_rows;
mod dump;
mod engine;
mod epochs;
mod metrics;
mod pins;
mod read;
mod recover;
mod relation;
mod session;
mod settings;
mod shared;
mod sources;
mod stack;
mod statement;
mod storage;
mod subscription;
mod sys;
pub mod system;
mod tables;
mod upkeep;
mod views;

pub use auth::ScramVerifier;
pub use config::{EngineConfig, Metric, MetricKind};
pub use dump::dump_log;
pub use engine::Engine;
pub use session::{
    CopyIn, Execution, OutputColumn, Parameter, Parsed, Prepared, RowStream, RowTag, Session,
    SessionStartup, TransactionStatus,
};

/// The data of COPY.
pub mod copy {
    pub use weir_connect::copy::{CopyEncoder, CopyFormat, CopyOptions};
}

/// Text and binary forms of values.
pub mod value {
    pub use weir_connect::value::*;
}

/// Writes are refused with less room than this on the disk of the data directory: what the log's memtables
/// hold when the last write is let in (`BUFFERS_BYTES_MAX` in `store`), and some more, has yet to be flushed.
const SPACE_BYTES_MIN: u64 = 320 << 20;
