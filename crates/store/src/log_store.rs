//! The log's RocksDB instance: opening, writing, syncing, meta records and the time index.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rocksdb::{ColumnFamily, DB, DBRawIterator, ReadOptions};
use weir_types::{Epoch, Error, PartitionId, Result, Timestamp, TopicId};

use crate::batch::Batch;
use crate::failure::{Poison, rocksdb_error};
use crate::key::{self, META, MetaKind, TIME_INDEX, TimeIndexEntry};
use crate::options;
use crate::reclaim::DeletedRanges;
use crate::wal;

/// How to open a [`LogStore`] for writing.
#[derive(Clone, Copy, Debug)]
pub struct LogStoreOptions {
    /// Make the store where there is none. Otherwise a missing one is an error.
    pub create: bool,
    /// An epoch that was acknowledged, so must be there.
    pub acknowledged: Epoch,
    /// Start even where acknowledged epochs are lost.
    pub accept_loss: bool,
}

/// The durable store of the log. One at a time per directory, except for read-only ones.
#[derive(Debug)]
pub struct LogStore {
    pub(crate) db: DB,
    path: PathBuf,
    pub(crate) poison: Poison,
    /// One batch at a time: RocksDB would merge batches of several threads into one WAL record, whose
    /// first stamp then stands for all.
    writer: Mutex<()>,
    written: AtomicU64,
    durable: AtomicU64,
    pub(crate) deleted: Mutex<DeletedRanges>,
}

impl LogStore {
    /// Opens the store in the directory `path` for writing. Costs a read of the write-ahead log.
    ///
    /// # Errors
    /// XX001 where the store is damaged or has lost acknowledged epochs (see `wal.rs`) or is missing,
    /// 55006 where this process has it open already, 53100, 58030.
    pub fn open(path: &Path, options: &LogStoreOptions) -> Result<Self> {
        refuse_orphans(path)?;
        wal::repair(path, options.acknowledged, options.accept_loss)?;
        let instance = options::log_instance(options.create)?;
        let db = DB::open_cf_descriptors(&instance, path, options::log_families())
            .map_err(|e| open_error(path, &e))?;
        #[cfg(feature = "planted-bugs")]
        crate::power::is_durable(path);
        Ok(Self::new(db, path))
    }

    /// Opens the store for reading, also where another process is writing it: what that process has
    /// written until now is seen, fsynced or not; what it writes later is not. Files that it deletes
    /// later can make reads fail (58030); open again then.
    ///
    /// # Errors
    /// XX001 where the store is damaged, 58030.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        // The other process may delete files between their listing and their reading.
        const ATTEMPTS: u32 = 5;
        let instance = options::read_only_instance()?;
        let mut attempt = 1;
        loop {
            let families = options::log_families();
            match DB::open_cf_descriptors_read_only(&instance, path, families, false) {
                Ok(db) => return Ok(Self::new(db, path)),
                Err(e) if attempt == ATTEMPTS => return Err(open_error(path, &e)),
                Err(_) => attempt += 1,
            }
        }
    }

    fn new(db: DB, path: &Path) -> Self {
        Self {
            db,
            path: path.to_owned(),
            poison: Poison::default(),
            writer: Mutex::new(()),
            written: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            deleted: Mutex::default(),
        }
    }

    /// An empty batch. `epoch` is that of the commit, or the newest one where the batch is none.
    #[must_use]
    pub fn batch(&self, epoch: Epoch) -> Batch<'_> {
        Batch::new(self, epoch, Epoch(self.durable.load(Ordering::Acquire)))
    }

    /// Writes a batch as a whole or not at all. It is then in the kernel, so it survives the end of the
    /// process; [`Self::sync`] makes it survive that of the machine.
    ///
    /// # Errors
    /// 53100, 58030 and the like. A restart may find the batch or not. The store is poisoned.
    pub fn write(&self, batch: Batch<'_>) -> Result<()> {
        self.poison.check()?;
        let (batch, epoch, deleted) = batch.into_parts();
        let _writer = self.writer.lock();
        self.db.write(batch).map_err(|e| self.poisoned("write to", &e))?;
        self.written.fetch_max(epoch.0, Ordering::AcqRel);
        self.deleted.lock().add(deleted);
        Ok(())
    }

    /// Makes durable all that was written before the call, while other threads write on. Returns the
    /// newest epoch that it covers. One fdatasync.
    ///
    /// # Errors
    /// 53100, 58030 and the like. What is durable then is unknown, and stays so: the store is poisoned,
    /// and a caller that acknowledges writes must end the process.
    pub fn sync(&self) -> Result<Epoch> {
        self.poison.check()?;
        let epoch = self.written.load(Ordering::Acquire);
        #[cfg(feature = "planted-bugs")]
        if weir_types::planted::is(weir_types::planted::Bug::SkippedFsync) {
            return Ok(Epoch(epoch));
        }
        #[cfg(feature = "planted-bugs")]
        crate::power::is_durable(&self.path);
        self.db.flush_wal(true).map_err(|e| self.poisoned("fsync", &e))?;
        self.durable.fetch_max(epoch, Ordering::AcqRel);
        Ok(Epoch(epoch))
    }

    /// The value of a meta record.
    ///
    /// # Errors
    /// XX001 where it is damaged, 58030.
    pub fn get_meta(&self, kind: MetaKind, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.poison.check()?;
        self.db
            .get_cf(self.family(META), key::meta_key(kind, key))
            .map_err(|e| self.read_error("meta records", &e))
    }

    /// All meta records of a kind whose keys begin with `prefix`, by key. Keys come without the kind
    /// and with the prefix.
    ///
    /// # Errors
    /// XX001 where one is damaged, 58030.
    pub fn scan_meta(&self, kind: MetaKind, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.poison.check()?;
        let begin = key::meta_key(kind, prefix);
        let mut records = Vec::new();
        let end = key::after(&begin).expect("the number of a kind is below 255");
        let mut iterator = self.iterate(META, &begin, end);
        iterator.seek_to_first();
        while let Some((key, value)) = iterator.item() {
            records.push((key[1..].to_vec(), value.to_vec()));
            iterator.next();
        }
        iterator.status().map_err(|e| self.read_error("meta records", &e))?;
        Ok(records)
    }

    /// The last entry whose running maximum is before `timestamp`: no record before its offset is at
    /// or after `timestamp`.
    ///
    /// # Errors
    /// XX001 where the index is damaged, 58030.
    pub fn time_index_before(
        &self,
        topic: TopicId,
        partition: PartitionId,
        timestamp: Timestamp,
    ) -> Result<Option<TimeIndexEntry>> {
        self.poison.check()?;
        let begin = key::partition_key(topic, partition, 0);
        let end = key::time_key(topic, partition, timestamp);
        let mut iterator = self.iterate(TIME_INDEX, &begin, end.to_vec());
        iterator.seek_to_last();
        let entry = iterator.item().map(|(key, value)| TimeIndexEntry::decode(key, value));
        iterator.status().map_err(|e| self.read_error("the time index", &e))?;
        entry.transpose()
    }

    /// The entries of a partition in order, as long as `proceed` says so.
    ///
    /// # Errors
    /// XX001 where the index is damaged, 58030.
    pub fn walk_time_index(
        &self,
        topic: TopicId,
        partition: PartitionId,
        mut proceed: impl FnMut(TimeIndexEntry) -> bool,
    ) -> Result<()> {
        self.poison.check()?;
        let begin = key::partition_key(topic, partition, 0);
        let mut iterator = self.iterate(TIME_INDEX, &begin, key::partition_end(topic, partition));
        iterator.seek_to_first();
        while let Some((key, value)) = iterator.item() {
            if !proceed(TimeIndexEntry::decode(key, value)?) {
                return Ok(());
            }
            iterator.next();
        }
        iterator.status().map_err(|e| self.read_error("the time index", &e))
    }

    /// An iterator over the keys of `[begin, end)`, to be put somewhere by a seek.
    pub(crate) fn iterate(&self, family: &str, begin: &[u8], end: Vec<u8>) -> DBRawIterator<'_> {
        let mut read = ReadOptions::default();
        read.set_iterate_lower_bound(begin);
        read.set_iterate_upper_bound(end);
        // A scan must not push out what point reads need.
        read.fill_cache(false);
        self.db.raw_iterator_cf_opt(self.family(family), read)
    }

    pub(crate) fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("the store was opened with all its column families")
    }

    pub(crate) fn poisoned(&self, verb: &str, source: &rocksdb::Error) -> Error {
        let doing = format!("cannot {verb} the log store at \"{}\"", self.path.display());
        self.poison.set(rocksdb_error(doing, source))
    }

    pub(crate) fn read_error(&self, what: &str, source: &rocksdb::Error) -> Error {
        let path = self.path.display();
        rocksdb_error(format!("cannot read {what} of the log store at \"{path}\""), source)
    }
}

/// RocksDB takes a directory without `CURRENT` for a new one, and deletes the tables in it.
fn refuse_orphans(path: &Path) -> Result<()> {
    let failed = |e| Error::io(format!("cannot read directory \"{}\"", path.display()), &e);
    let entries = match std::fs::read_dir(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    let (mut current, mut orphan) = (false, None);
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        current |= name == "CURRENT";
        let name = Path::new(&name);
        if name.extension().is_some_and(|extension| extension == "sst" || extension == "blob") {
            orphan = Some(name.display().to_string());
        }
    }
    match orphan {
        Some(orphan) if !current => Err(Error::corrupt(format!(
            "the log store at \"{}\" has \"{orphan}\" but no file \"CURRENT\"",
            path.display()
        ))
        .with_hint("Restore the data directory from a backup.")),
        _ => Ok(()),
    }
}

fn open_error(path: &Path, source: &rocksdb::Error) -> Error {
    rocksdb_error(format!("cannot open the log store at \"{}\"", path.display()), source)
}

#[cfg(test)]
mod tests;
