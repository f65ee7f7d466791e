//! The engine: one process's databases of streams, tables and views. [`Engine`] and [`Session`] are the
//! product's API; doors know nothing below them.

mod auth;
mod batch;
mod checkpoint;
mod commit;
mod config;
mod connections;
mod dump;
mod engine;
mod epochs;
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

/// Text and binary forms of values.
pub mod value {
    pub use weir_connect::value::*;
}

/// Writes are refused with less room than this on the disk of the data directory.
const SPACE_BYTES_MIN: u64 = 64 << 20;
