//! The log in a data directory of this machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use weir_store::{Batch, DataDir, DurableMark, LogStore, LogStoreOptions, MetaKind};
use weir_types::{
    Epoch, Error, Offset, PartitionId, Result, SqlState, Timestamp, TopicId, planted,
};

use crate::block::Block;
use crate::commit::{Commit, record_key};
use crate::descriptor::Descriptor;
use crate::log::{BlockReader, Log};
use crate::notify::{EpochCallback, Listener, Subscription, Watch};
use crate::payload::Projection;
use crate::read::Shelf;
use crate::recover::{self, Recovered};
use crate::retention::{self, Reclaimable, Retained};
use crate::tail::Tail;
use crate::topic::{self, TopicConfig, Topics};

/// How to open an [`EmbeddedLog`].
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Memory for the last blocks of all partitions, for readers who keep up.
    pub tail_bytes_max: usize,
    /// Disk is freed when retention has removed this much of a class: freeing has a cost of its own.
    pub reclaim_bytes_min: u64,
    /// Start although acknowledged epochs are lost, and go on from what is left.
    pub accept_loss: bool,
}

impl Default for LogOptions {
    /// 256 MiB of tail, disk freed from 64 MiB on, no loss accepted. In a process that makes much of few rows,
    /// a tail of some blocks.
    fn default() -> Self {
        let tail_bytes_max = if planted::is_small() { 8 << 10 } else { 256 << 20 };
        Self { tail_bytes_max, reclaim_bytes_min: 64 << 20, accept_loss: false }
    }
}

/// The log in a data directory. It keeps the directory while it or one of its readers lives.
pub struct EmbeddedLog {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) topics: Arc<Topics>,
    pub(crate) options: LogOptions,
    /// One writer at a time: commits, and the batches of retention.
    pub(crate) writer: Mutex<()>,
    newest: Mutex<Newest>,
    durable: AtomicU64,
    mark: Mutex<DurableMark>,
    watch: Arc<Watch>,
    pub(crate) reclaimable: Reclaimable,
}

#[derive(Clone, Copy)]
struct Newest {
    epoch: Epoch,
    now: Timestamp,
}

const INSTANCE_FORMAT: u8 = 1;

impl EmbeddedLog {
    /// Opens the log of a data directory, and makes it where there is none yet. Costs a read of the
    /// write-ahead log and of the last block of each partition.
    ///
    /// # Errors
    /// XX001 where the log is damaged, has lost acknowledged epochs, or belongs to another directory;
    /// 53100, 58030 and the like.
    pub fn open(data: Arc<DataDir>, options: LogOptions) -> Result<Self> {
        let mark = match DurableMark::open(&data.mark_path()) {
            // A damaged mark says nothing; the log's own word is taken then.
            Err(e) if options.accept_loss && e.state() == SqlState::DataCorrupted => None,
            mark => mark?,
        };
        let acknowledged = mark.as_ref().map_or(Epoch::ZERO, DurableMark::epoch);
        let create = mark.is_none();
        let accept_loss = options.accept_loss;
        let store_options = LogStoreOptions { create, acknowledged, accept_loss };
        let store = LogStore::open(&data.log_dir(), &store_options)?;
        check_instance(&store, &data)?;
        let Recovered { topics, newest } = recover::recover(&store)?;
        let Descriptor { epoch, now, .. } = newest;
        // Everything found is made durable before anything is built on it, and the first record of
        // the new write-ahead log says so.
        store.write(store.batch(epoch))?;
        store.sync()?;
        let mark = recover_mark(mark, &data, epoch, accept_loss)?;
        let watch = Arc::new(Watch::default());
        watch.announce(epoch);
        let tail = Tail::new(options.tail_bytes_max);
        Ok(Self {
            shelf: Arc::new(Shelf { store, tail, _owned: Some(data) }),
            topics: Arc::new(topics),
            options,
            writer: Mutex::new(()),
            newest: Mutex::new(Newest { epoch, now }),
            durable: AtomicU64::new(epoch.0),
            mark: Mutex::new(mark),
            watch,
            reclaimable: Reclaimable::default(),
        })
    }

    /// All that a commit changes.
    fn batch(&self, commit: &Commit) -> Batch<'_> {
        let mut batch = self.shelf.store.batch(commit.epoch());
        for (id, topic) in &commit.created {
            batch.put_meta(MetaKind::Topic, &topic::topic_key(*id), &topic.encode());
        }
        for new in &commit.blocks {
            let Block { header, topic, partition, .. } = new.block;
            let last = header.last_offset();
            let class = new.topic.class;
            batch.put_block(class, topic, partition, last, &new.stored);
            for (part, bytes) in &new.parts {
                batch.put_block_part(class, topic, partition, last, *part, bytes);
            }
            if let Some(entry) = &new.index {
                batch.put_time_index(topic, partition, entry);
            }
        }
        for (key, value) in &commit.records {
            match value {
                Some(value) => batch.put_meta(MetaKind::User, key, value),
                None => batch.delete_meta(MetaKind::User, key),
            }
        }
        for (id, topic) in &commit.dropped {
            batch.delete_meta(MetaKind::Topic, &topic::topic_key(*id));
            for key in topic::start_keys(topic) {
                batch.delete_meta(MetaKind::LogStart, &key);
            }
            batch.delete_topic(topic.class, *id);
        }
        let ends = commit.tips.iter();
        let descriptor = Descriptor {
            epoch: commit.epoch(),
            now: commit.now(),
            ends: ends.map(|((topic, partition), tip)| (*topic, *partition, tip.end)).collect(),
        };
        batch.put_meta(MetaKind::Epoch, &[], &descriptor.encode());
        batch
    }

    /// Brings memory in line with a commit that was written.
    fn apply(&self, commit: Commit) {
        let (epoch, now) = (commit.epoch(), commit.now());
        for topic in commit.created.into_values() {
            self.topics.insert(topic);
        }
        let mut last = BTreeMap::new();
        for new in commit.blocks {
            let Block { header, topic, partition, .. } = new.block;
            last.insert((topic, partition), (new.topic, header.base_offset));
            self.shelf.tail.push(new.block);
        }
        for ((topic, partition), (found, base_offset)) in last {
            let tip = commit.tips[&(topic, partition)];
            let partition = found.partition(partition).expect("the append found its partition");
            partition.lock().advance(epoch, tip, base_offset);
        }
        for (id, topic) in commit.dropped {
            self.topics.remove(id);
            self.shelf.tail.remove(id);
            self.reclaimable.add(topic.class, u64::MAX);
        }
        // Last, so that whoever sees the epoch sees its ends.
        *self.newest.lock() = Newest { epoch, now };
        self.watch.announce(epoch);
    }
}

/// The log must be that of this data directory; a fresh one becomes that.
fn check_instance(store: &LogStore, data: &DataDir) -> Result<()> {
    let mut value = vec![INSTANCE_FORMAT];
    value.extend(data.id());
    let dir = data.path().display();
    match store.get_meta(MetaKind::Instance, &[])? {
        Some(found) if found == value => Ok(()),
        Some(_) => Err(Error::corrupt(format!(
            "the log in data directory \"{dir}\" belongs to another data directory"
        ))
        .with_hint("Restore the data directory from one backup as a whole.")),
        None if store.get_meta(MetaKind::Epoch, &[])?.is_some() => Err(Error::corrupt(format!(
            "the log in data directory \"{dir}\" does not say which data directory it belongs to"
        ))),
        None => {
            let mut batch = store.batch(Epoch::ZERO);
            batch.put_meta(MetaKind::Instance, &[], &value);
            store.write(batch)
        }
    }
}

/// The mark of a log that ends at `newest`, which is durable.
fn recover_mark(
    mark: Option<DurableMark>,
    data: &DataDir,
    newest: Epoch,
    accept_loss: bool,
) -> Result<DurableMark> {
    let path = data.mark_path();
    match mark {
        Some(mut mark) if newest >= mark.epoch() => {
            mark.advance(newest)?;
            Ok(mark)
        }
        // The mark is made with the log, before its first epoch.
        None if newest == Epoch::ZERO => DurableMark::create(&path, newest),
        _ if accept_loss => {
            tracing::warn!(%newest, "starting without acknowledged epochs that may be lost");
            DurableMark::create(&path, newest)
        }
        Some(mark) => Err(recover::lost(newest, mark.epoch())),
        None => Err(Error::corrupt(format!(
            "durable mark \"{}\" is missing beside a log that ends at epoch {newest}",
            path.display()
        ))
        .with_detail("Without it nobody can tell whether acknowledged rows are lost.")
        .with_hint("Restore the data directory from a backup.")),
    }
}

impl Log for EmbeddedLog {
    fn begin(&self, epoch: Epoch, now: Timestamp) -> Commit {
        Commit::new(epoch, now, Arc::clone(&self.topics))
    }

    fn write(&self, commit: Commit) -> Result<()> {
        let _writer = self.writer.lock();
        let newest = self.newest_epoch();
        let fits = commit.epoch() == newest.next() && Arc::ptr_eq(&commit.topics, &self.topics);
        if !fits {
            let epoch = commit.epoch();
            return Err(Error::internal(format!(
                "the commit of epoch {epoch} does not follow epoch {newest} of this log"
            )));
        }
        self.shelf.store.write(self.batch(&commit))?;
        self.apply(commit);
        Ok(())
    }

    fn sync(&self) -> Result<Epoch> {
        // Not what the store says: a commit may be in it and not in the ends that readers ask for.
        let epoch = self.newest_epoch();
        self.shelf.store.sync()?;
        self.durable.fetch_max(epoch.0, Ordering::AcqRel);
        Ok(epoch)
    }

    fn mark(&self) -> Result<()> {
        self.mark.lock().advance(self.durable_epoch())
    }

    fn newest_epoch(&self) -> Epoch {
        self.newest.lock().epoch
    }

    fn newest_now(&self) -> Timestamp {
        self.newest.lock().now
    }

    fn durable_epoch(&self) -> Epoch {
        Epoch(self.durable.load(Ordering::Acquire))
    }

    fn topics(&self) -> Vec<TopicConfig> {
        self.topics.all().iter().map(|topic| topic.config.clone()).collect()
    }

    fn start_offset(&self, topic: TopicId, partition: PartitionId) -> Result<Offset> {
        Ok(self.topics.get(topic)?.partition(partition)?.lock().start)
    }

    fn end_offset(&self, topic: TopicId, partition: PartitionId) -> Result<Offset> {
        Ok(self.topics.get(topic)?.partition(partition)?.lock().tip.end)
    }

    fn n_bytes(&self, topic: TopicId, partition: PartitionId) -> Result<u64> {
        let topic = self.topics.get(topic)?;
        let state = topic.partition(partition)?;
        let (start, known, end) = {
            let state = state.lock();
            (state.start, state.start_byte_pos, state.tip.byte_pos)
        };
        let begin = match known {
            Some(begin) => begin,
            None => {
                let first = self.shelf.block_at(&topic, partition, start)?;
                let begin = first.map_or(end, |block| block.header.byte_pos);
                let mut state = state.lock();
                if state.start == start {
                    state.start_byte_pos = Some(begin);
                }
                begin
            }
        };
        Ok(end.saturating_sub(begin))
    }

    fn end_offset_at(
        &self,
        topic: TopicId,
        partition: PartitionId,
        epoch: Epoch,
    ) -> Result<Offset> {
        let topic = self.topics.get(topic)?;
        self.shelf.end_at(&topic, partition, epoch)
    }

    fn offset_for_timestamp(
        &self,
        topic: TopicId,
        partition: PartitionId,
        timestamp: Timestamp,
    ) -> Result<Offset> {
        self.shelf.offset_for_timestamp(&self.topics.get(topic)?, partition, timestamp)
    }

    fn read(
        &self,
        topic: TopicId,
        partition: PartitionId,
        from: Offset,
        upto: Offset,
        projection: &Projection,
    ) -> Result<BlockReader> {
        self.shelf.read(&self.topics.get(topic)?, partition, from, upto, projection)
    }

    fn read_side_by_side(
        &self,
        topic: TopicId,
        partition: PartitionId,
        from: Offset,
        upto: Offset,
        projection: &Projection,
        n_readers: usize,
    ) -> Result<Vec<BlockReader>> {
        let topic = self.topics.get(topic)?;
        self.shelf.read_side_by_side(&topic, partition, from, upto, projection, n_readers)
    }

    fn meta(&self, space: u8, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.shelf.store.get_meta(MetaKind::User, &record_key(space, key))
    }

    fn scan_meta(&self, space: u8) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        crate::read::scan_meta(&self.shelf.store, space)
    }

    fn subscribe(&self) -> Listener {
        self.watch.listen()
    }

    fn on_epoch(&self, callback: EpochCallback) -> Subscription {
        self.watch.register(callback)
    }

    fn enforce_retention(
        &self,
        now: Timestamp,
        holds: &dyn Fn(TopicId, PartitionId) -> Option<Offset>,
    ) -> Result<Retained> {
        retention::enforce(self, now, holds)
    }

    fn close(&self) -> Result<()> {
        self.sync()?;
        self.mark()?;
        self.watch.close();
        Ok(())
    }
}
