//! RocksDB and nothing else: what is stored under which key, one atomic write at a time.
//!
//! A data directory holds two RocksDB instances. [`LogStore`] keeps what cannot be made again: blocks
//! of records, topics, catalog. [`StateStore`] keeps what can: checkpoints of views and tables. Beside
//! them lie the [`DurableMark`], which knows what was acknowledged, and the manifest of the directory.
//!
//! | name | what |
//! |---|---|
//! | `FORMAT` | format version and id of the directory (`manifest.rs`) |
//! | `LOCK` | process id of the owner ([`weir_env::DirLock`]) |
//! | `MARK` | an epoch known to be durable (`mark.rs`) |
//! | `log/` | RocksDB of [`LogStore`]; keys in `key.rs` |
//! | `state/` | RocksDB of [`StateStore`] |
//!
//! **Invariant:** after a failed write or fsync a store is poisoned: each further call returns the same
//! error. It is not tried again, because after a failed fsync the kernel may drop the dirty pages, and a
//! second fsync would report success for rows that are gone. Whoever acknowledges writes ends the
//! process; the next start recovers what is on the disk.
//!
//! **Left out on purpose:** what a block or a meta value contains; `weir-log` and above know that.

mod batch;
mod blocks;
mod class;
mod data_dir;
mod failure;
mod key;
mod log_store;
mod manifest;
mod mark;
mod options;
#[cfg(feature = "planted-bugs")]
pub mod power;
mod reclaim;
mod state;
#[cfg(test)]
mod testing;
mod wal;

pub use batch::Batch;
pub use blocks::Blocks;
pub use class::RetentionClass;
pub use data_dir::DataDir;
pub use key::{MetaKind, TimeIndexEntry};
pub use log_store::{LogStore, LogStoreOptions};
pub use mark::DurableMark;
pub use state::{StateBatch, StateStore};
