//! A batch: all that one atomic write changes in the log store.

use rocksdb::WriteBatch;
use weir_types::{Epoch, Offset, PartitionId, Result, TopicId};

use crate::class::RetentionClass;
use crate::key::{self, META, MetaKind, TIME_INDEX, TimeIndexEntry};
use crate::log_store::LogStore;
use crate::wal::Stamp;

/// A range of keys of blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyRange {
    pub(crate) class: RetentionClass,
    pub(crate) begin: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

/// Changes for [`LogStore::write`], made by [`LogStore::batch`]. Later ones win over earlier ones.
pub struct Batch<'a> {
    store: &'a LogStore,
    inner: WriteBatch,
    epoch: Epoch,
    deleted: Vec<KeyRange>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(store: &'a LogStore, epoch: Epoch, durable: Epoch) -> Self {
        let mut inner = WriteBatch::default();
        // First of all, because `wal.rs` looks for it at a fixed place.
        inner.put_log_data(Stamp { epoch, durable }.encode());
        Self { store, inner, epoch, deleted: Vec::new() }
    }

    /// Adds the block whose last record is at `last`. `class` is that of the topic, for ever.
    pub fn put_block(
        &mut self,
        class: RetentionClass,
        topic: TopicId,
        partition: PartitionId,
        last: Offset,
        block: &[u8],
    ) {
        let family = self.store.family(class.column_family());
        self.inner.put_cf(family, key::partition_key(topic, partition, last.0), block);
    }

    /// Adds a part of the block whose last record is at `last`.
    pub fn put_block_part(
        &mut self,
        class: RetentionClass,
        topic: TopicId,
        partition: PartitionId,
        last: Offset,
        part: u32,
        bytes: &[u8],
    ) {
        let family = self.store.family(class.column_family());
        self.inner.put_cf(family, key::part_key(topic, partition, last, part), bytes);
    }

    /// Adds an entry to the time index of a partition.
    pub fn put_time_index(
        &mut self,
        topic: TopicId,
        partition: PartitionId,
        entry: &TimeIndexEntry,
    ) {
        let key = key::time_key(topic, partition, entry.running_max);
        self.inner.put_cf(self.store.family(TIME_INDEX), key, entry.encode());
    }

    /// Puts a meta record in place.
    pub fn put_meta(&mut self, kind: MetaKind, key: &[u8], value: &[u8]) {
        self.inner.put_cf(self.store.family(META), key::meta_key(kind, key), value);
    }

    /// Takes a meta record away, if it is there.
    pub fn delete_meta(&mut self, kind: MetaKind, key: &[u8]) {
        self.inner.delete_cf(self.store.family(META), key::meta_key(kind, key));
    }

    /// Takes away the blocks of a partition that lie wholly below `offset`, with their parts. Disk is freed
    /// by [`LogStore::reclaim`].
    pub fn delete_blocks_below(
        &mut self,
        class: RetentionClass,
        topic: TopicId,
        partition: PartitionId,
        offset: Offset,
    ) {
        for partition in [partition, key::parts_of(partition)] {
            let begin = key::partition_key(topic, partition, 0).to_vec();
            let end = key::partition_key(topic, partition, offset.0).to_vec();
            self.delete_blocks(KeyRange { class, begin, end });
        }
    }

    /// Takes away the time index entries that a lookup at or after `offset` does not need. Costs a
    /// read of them.
    ///
    /// # Errors
    /// XX001 where the index is damaged, 58030.
    pub fn delete_time_index_below(
        &mut self,
        topic: TopicId,
        partition: PartitionId,
        offset: Offset,
    ) -> Result<()> {
        let mut last_below = None;
        self.store.walk_time_index(topic, partition, |entry| {
            let below = entry.base_offset <= offset;
            if below {
                last_below = Some(entry.running_max);
            }
            below
        })?;
        if let Some(running_max) = last_below {
            let begin = key::partition_key(topic, partition, 0);
            let end = key::time_key(topic, partition, running_max);
            self.inner.delete_range_cf(self.store.family(TIME_INDEX), begin, end);
        }
        Ok(())
    }

    /// Takes away all blocks and the time index of a topic.
    pub fn delete_topic(&mut self, class: RetentionClass, topic: TopicId) {
        let begin = key::partition_key(topic, PartitionId(0), 0).to_vec();
        let end = key::topic_end(topic);
        self.inner.delete_range_cf(self.store.family(TIME_INDEX), &begin, &end);
        self.delete_blocks(KeyRange { class, begin, end });
    }

    fn delete_blocks(&mut self, range: KeyRange) {
        let family = self.store.family(range.class.column_family());
        self.inner.delete_range_cf(family, &range.begin, &range.end);
        self.deleted.push(range);
    }

    pub(crate) fn into_parts(self) -> (WriteBatch, Epoch, Vec<KeyRange>) {
        (self.inner, self.epoch, self.deleted)
    }
}
