//! Errors of RocksDB as errors of Weir, and the poison that a failed write leaves.

use std::fmt;
use std::sync::OnceLock;

use rocksdb::ErrorKind;
use weir_types::{Error, Result, SqlState};

/// `doing` says what failed and where (`cannot open the log store at "/d/log"`).
pub(crate) fn rocksdb_error(doing: impl fmt::Display, source: &rocksdb::Error) -> Error {
    let text = source.as_ref();
    let state = match source.kind() {
        // RocksDB calls a missing instance an invalid argument; its directory was there before.
        ErrorKind::Corruption | ErrorKind::InvalidArgument => SqlState::DataCorrupted,
        ErrorKind::IOError if text.contains("No space left on device") => SqlState::DiskFull,
        ErrorKind::IOError if is_locked(text) => SqlState::ObjectInUse,
        ErrorKind::IOError => SqlState::IoError,
        _ => SqlState::InternalError,
    };
    Error::new(state, format!("{doing}: {text}"))
}

/// RocksDB locks its directory too: against another process, and within this one.
fn is_locked(text: &str) -> bool {
    text.contains("While lock file") || text.contains("lock hold by current process")
}

/// The first failed write of a store, which every later call gets too.
#[derive(Debug, Default)]
pub(crate) struct Poison(OnceLock<Error>);

impl Poison {
    /// Fails where a write has failed before.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Notes a failed write; the error to return is that of the first one.
    pub(crate) fn set(&self, error: Error) -> Error {
        self.0.get_or_init(|| error).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_error_stays() {
        let poison = Poison::default();
        assert!(poison.check().is_ok());
        poison.set(Error::internal("first"));
        assert_eq!(poison.set(Error::internal("second")).message(), "first");
        assert_eq!(poison.check().expect_err("poisoned").message(), "first");
    }
}
