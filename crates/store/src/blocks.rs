//! Reading blocks, forward and back, and their parts.

use bytes::Bytes;
use rocksdb::DBRawIterator;
use weir_types::{Error, Offset, PartitionId, Result, TopicId};

use crate::class::RetentionClass;
use crate::key;
use crate::log_store::LogStore;

/// Blocks of a partition with their last offsets, as of the moment the iterator was made.
///
/// Ends after the first error. While it lives, files that it may read stay on the disk: do not keep it.
///
/// No read-ahead is asked for: pointers are read in large pages as it is, and each blob with one read,
/// which the kernel follows up.
pub struct Blocks<'a> {
    store: &'a LogStore,
    iterator: DBRawIterator<'a>,
    topic: TopicId,
    partition: PartitionId,
    forward: bool,
    started: bool,
    ended: bool,
}

impl LogStore {
    /// The blocks of a partition from the one on that contains `from`, or follows it; with `before`, as long
    /// as they end before that offset.
    ///
    /// # Errors
    /// Those of a poisoned store. The iterator gives XX001 for a damaged block, and 58030.
    pub fn blocks(
        &self,
        class: RetentionClass,
        topic: TopicId,
        partition: PartitionId,
        from: Offset,
        before: Option<Offset>,
    ) -> Result<Blocks<'_>> {
        self.poison.check()?;
        let begin = key::partition_key(topic, partition, from.0);
        // A block's key is that of its last offset.
        let end = match before {
            Some(before) => key::partition_key(topic, partition, before.0).to_vec(),
            None => key::partition_end(topic, partition),
        };
        let mut iterator = self.iterate(class.column_family(), &begin, end);
        iterator.seek_to_first();
        Ok(Blocks::new(self, iterator, topic, partition, true))
    }

    /// The blocks of a partition, the last one first.
    ///
    /// # Errors
    /// As [`Self::blocks`].
    pub fn blocks_rev(
        &self,
        class: RetentionClass,
        topic: TopicId,
        partition: PartitionId,
    ) -> Result<Blocks<'_>> {
        self.poison.check()?;
        let begin = key::partition_key(topic, partition, 0);
        let end = key::partition_end(topic, partition);
        let mut iterator = self.iterate(class.column_family(), &begin, end);
        iterator.seek_to_last();
        Ok(Blocks::new(self, iterator, topic, partition, false))
    }

    /// Parts of the block whose last record is at `last`, each where it is there. `parts` ascend.
    ///
    /// # Errors
    /// Those of a poisoned store, XX001 for a damaged part, 58030.
    pub fn block_parts(
        &self,
        class: RetentionClass,
        topic: TopicId,
        partition: PartitionId,
        last: Offset,
        parts: &[u32],
    ) -> Result<Vec<Option<Bytes>>> {
        self.poison.check()?;
        let keys: Vec<_> =
            parts.iter().map(|part| key::part_key(topic, partition, last, *part)).collect();
        let family = self.family(class.column_family());
        // Unlike a walk, with the cache: the pointers of many parts lie in one page of a table.
        let found = self.db.batched_multi_get_cf(family, &keys, true);
        let read = found.into_iter().map(|part| match part {
            Ok(part) => Ok(part.map(|bytes| Bytes::copy_from_slice(&bytes))),
            Err(e) => Err(self.block_error(topic, partition, &e)),
        });
        read.collect()
    }

    /// The last block of a partition.
    ///
    /// # Errors
    /// As [`Self::blocks`], with those of its iterator.
    pub fn last_block(
        &self,
        class: RetentionClass,
        topic: TopicId,
        partition: PartitionId,
    ) -> Result<Option<(Offset, Bytes)>> {
        self.blocks_rev(class, topic, partition)?.next().transpose()
    }

    fn block_error(
        &self,
        topic: TopicId,
        partition: PartitionId,
        source: &rocksdb::Error,
    ) -> Error {
        self.read_error(&format!("blocks of topic {topic} partition {partition}"), source)
    }
}

impl<'a> Blocks<'a> {
    fn new(
        store: &'a LogStore,
        iterator: DBRawIterator<'a>,
        topic: TopicId,
        partition: PartitionId,
        forward: bool,
    ) -> Self {
        Self { store, iterator, topic, partition, forward, started: false, ended: false }
    }

    fn block(&mut self) -> Result<Option<(Offset, Bytes)>> {
        match (self.started, self.forward) {
            (false, _) => self.started = true,
            (true, true) => self.iterator.next(),
            (true, false) => self.iterator.prev(),
        }
        if let Some((key, block)) = self.iterator.item() {
            return Ok(Some((key::last_offset(key)?, Bytes::copy_from_slice(block))));
        }
        let status = self.iterator.status().map(|()| None);
        status.map_err(|e| self.store.block_error(self.topic, self.partition, &e))
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<(Offset, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let block = self.block().transpose();
        self.ended = !matches!(block, Some(Ok(_)));
        block
    }
}
