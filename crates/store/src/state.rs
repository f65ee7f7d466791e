//! The state's RocksDB instance: checkpoints, which can be made again from the log.

use std::path::{Path, PathBuf};

use rocksdb::{DB, ReadOptions, WriteBatch, WriteOptions};
use weir_types::{Error, Result};

use crate::failure::{Poison, rocksdb_error};
use crate::key;
use crate::options;

/// The store of checkpoints: one space of keys and values.
#[derive(Debug)]
pub struct StateStore {
    db: DB,
    path: PathBuf,
    poison: Poison,
}

/// Changes for [`StateStore::write_atomic`]. Later ones win over earlier ones.
#[derive(Default)]
pub struct StateBatch(WriteBatch);

impl StateBatch {
    /// Puts a value in place.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.put(key, value);
    }

    /// Takes a value away, if it is there.
    pub fn delete(&mut self, key: &[u8]) {
        self.0.delete(key);
    }

    /// Takes away all values with keys from `begin` to before `end`.
    pub fn delete_range(&mut self, begin: &[u8], end: &[u8]) {
        self.0.delete_range(begin, end);
    }

    /// Bytes of the batch, to know when to write it.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.0.size_in_bytes()
    }
}

impl StateStore {
    /// Opens the store in the directory `path`, and makes it where there is none.
    ///
    /// # Errors
    /// XX001 where it is damaged: it may be deleted then and computed again. 55006 where this process
    /// has it open already, 53100, 58030.
    pub fn open(path: &Path) -> Result<Self> {
        let mut instance = options::state_instance()?;
        instance.create_missing_column_families(true);
        let family = rocksdb::ColumnFamilyDescriptor::new("default", options::state_family());
        let db = DB::open_cf_descriptors(&instance, path, [family]).map_err(|e| {
            rocksdb_error(format!("cannot open the state store at \"{}\"", path.display()), &e)
        })?;
        Ok(Self { db, path: path.to_owned(), poison: Poison::default() })
    }

    /// Writes a batch as a whole or not at all; it is durable on return. One fdatasync.
    ///
    /// # Errors
    /// 53100, 58030 and the like. A restart may find the batch or not. The store is poisoned.
    pub fn write_atomic(&self, batch: StateBatch) -> Result<()> {
        self.poison.check()?;
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db
            .write_opt(batch.0, &options)
            .map_err(|e| self.poison.set(self.error("write to", &e)))
    }

    /// The value of a key.
    ///
    /// # Errors
    /// XX001 where it is damaged, 58030.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.poison.check()?;
        self.db.get(key).map_err(|e| self.error("read", &e))
    }

    /// Calls `visit` with each key that begins with `prefix` and its value, in order of keys.
    ///
    /// # Errors
    /// XX001 where a value is damaged, 58030, and those of `visit`, which end the scan.
    pub fn scan(
        &self,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.poison.check()?;
        let mut read = ReadOptions::default();
        read.set_iterate_lower_bound(prefix);
        if let Some(end) = key::after(prefix) {
            read.set_iterate_upper_bound(end);
        }
        read.fill_cache(false);
        let mut iterator = self.db.raw_iterator_opt(read);
        iterator.seek_to_first();
        while let Some((key, value)) = iterator.item() {
            visit(key, value)?;
            iterator.next();
        }
        iterator.status().map_err(|e| self.error("read", &e))
    }

    fn error(&self, verb: &str, source: &rocksdb::Error) -> Error {
        let path = self.path.display();
        rocksdb_error(format!("cannot {verb} the state store at \"{path}\""), source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(store: &StateStore, prefix: &[u8]) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        store
            .scan(prefix, |key, _| {
                keys.push(key.to_vec());
                Ok(())
            })
            .expect("read");
        keys
    }

    #[test]
    fn batch_is_there_after_reopening_and_scans_keep_to_their_prefix() {
        let dir = tempfile::tempdir().expect("made");
        let store = StateStore::open(dir.path()).expect("made");
        let large = vec![7; 100_000];
        let mut batch = StateBatch::default();
        for key in [b"a1", b"a2", b"b1", b"\xFFz"] {
            batch.put(key, &large);
        }
        assert!(batch.n_bytes() > 4 * large.len());
        store.write_atomic(batch).expect("written");
        let mut batch = StateBatch::default();
        batch.delete(b"a1");
        batch.delete_range(b"b", b"c");
        store.write_atomic(batch).expect("written");
        drop(store);
        let store = StateStore::open(dir.path()).expect("opened");
        assert_eq!(store.get(b"a2").expect("read"), Some(large));
        assert_eq!(store.get(b"a1").expect("read"), None);
        assert_eq!(keys(&store, b"a"), [b"a2"]);
        assert_eq!(keys(&store, b""), [b"a2".to_vec(), b"\xFFz".to_vec()]);
        assert_eq!(keys(&store, b"\xFF"), [b"\xFFz"]);
    }

    #[test]
    fn scan_ends_with_the_error_of_its_visitor() {
        let dir = tempfile::tempdir().expect("made");
        let store = StateStore::open(dir.path()).expect("made");
        let mut batch = StateBatch::default();
        batch.put(b"a", b"1");
        store.write_atomic(batch).expect("written");
        let error = store.scan(b"", |_, _| Err(Error::internal("enough"))).expect_err("ended");
        assert_eq!(error.message(), "enough");
    }
}
