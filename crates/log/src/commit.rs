//! A commit: what one epoch writes, gathered before it is written.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use weir_store::TimeIndexEntry;
use weir_types::{Epoch, Error, Offset, PartitionId, Result, SqlState, Timestamp, TopicId};

use crate::block::{self, Append, Block, BlockHeader, Memo, PAYLOAD_BYTES_MAX, Stored};
use crate::payload::Part;
use crate::topic::{self, Tip, Topic, TopicConfig, Topics};

/// Bytes of blocks between two entries of the time index, and blocks between them: the walk that ends a
/// lookup reads no more than that.
const INDEX_BYTES: u64 = 1 << 20;
const INDEX_BLOCKS: u32 = 1024;

/// What one epoch writes. Made by [`crate::Log::begin`]; nothing of it is seen before
/// [`crate::Log::write`], and nothing is left of it if it is dropped.
///
/// One commit at a time: the offsets that [`Self::append`] gives rest on it.
#[derive(Debug)]
pub struct Commit {
    epoch: Epoch,
    now: Timestamp,
    pub(crate) topics: Arc<Topics>,
    pub(crate) created: BTreeMap<TopicId, Arc<Topic>>,
    pub(crate) dropped: BTreeMap<TopicId, Arc<Topic>>,
    pub(crate) tips: BTreeMap<(TopicId, PartitionId), Tip>,
    pub(crate) blocks: Vec<NewBlock>,
    /// Key (space and key) to value; `None` takes the record away.
    pub(crate) records: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// A block to be written.
#[derive(Debug)]
pub(crate) struct NewBlock {
    pub(crate) topic: Arc<Topic>,
    pub(crate) block: Block,
    /// What lies under its key, and apart from it.
    pub(crate) stored: Bytes,
    pub(crate) parts: Vec<(u32, Bytes)>,
    pub(crate) index: Option<TimeIndexEntry>,
}

impl Commit {
    pub(crate) fn new(epoch: Epoch, now: Timestamp, topics: Arc<Topics>) -> Self {
        Self {
            epoch,
            now,
            topics,
            created: BTreeMap::new(),
            dropped: BTreeMap::new(),
            tips: BTreeMap::new(),
            blocks: Vec::new(),
            records: BTreeMap::new(),
        }
    }

    /// The epoch of the commit.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The time of the commit.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Makes a topic. Its retention class is chosen here, for ever.
    ///
    /// # Errors
    /// 42710 where a topic of that id exists, 22023 for a bad number of partitions. The commit is as
    /// before.
    pub fn create_topic(&mut self, config: TopicConfig) -> Result<()> {
        config.check()?;
        let used = self.created.contains_key(&config.id) || self.topics.get(config.id).is_ok();
        if used {
            return Err(Error::new(
                SqlState::DuplicateObject,
                format!("topic with id {} of \"{}\" already exists", config.id, config.name),
            ));
        }
        self.created.insert(config.id, Arc::new(Topic::new(config)));
        Ok(())
    }

    /// Drops a topic with all its records, those of this commit too.
    ///
    /// # Errors
    /// 42704 where there is no such topic. The commit is as before.
    pub fn drop_topic(&mut self, topic: TopicId) -> Result<()> {
        let found = self.topic(topic)?;
        if self.created.remove(&topic).is_none() {
            self.dropped.insert(topic, found);
        }
        self.blocks.retain(|new| new.block.topic != topic);
        self.tips.retain(|(known, _), _| *known != topic);
        Ok(())
    }

    /// Appends records to a partition, after those of this commit. Returns the offset of the first one;
    /// the others follow without gaps.
    ///
    /// # Errors
    /// 42704 where there is no such topic or partition, 54000 for a payload over 1 GiB, XX000 for no
    /// rows, and for parts that are empty, out of order or not in the payload. The commit is as before.
    pub fn append(
        &mut self,
        topic: TopicId,
        partition: PartitionId,
        append: Append,
    ) -> Result<Offset> {
        let found = self.topic(topic)?;
        let mut tip = self.tip(&found, partition)?;
        check(&found, &append)?;
        let index = index_entry(&mut tip);
        let header = BlockHeader {
            kind: append.kind,
            schema_version: append.schema_version,
            epoch: self.epoch,
            base_offset: tip.end,
            n_rows: append.n_rows,
            min_timestamp: append.min_timestamp,
            max_timestamp: append.max_timestamp,
            running_max: tip.running_max.max(append.max_timestamp),
            byte_pos: tip.byte_pos,
            producer: append.producer,
        };
        let Stored { block: stored, parts, payload } =
            block::encode(&header, topic, partition, append.payload, &append.parts);
        let block = Block { header, topic, partition, payload, memo: Memo::default() };
        tip.end = header.end_offset();
        tip.byte_pos += block.n_bytes();
        tip.running_max = header.running_max;
        self.tips.insert((topic, partition), tip);
        self.blocks.push(NewBlock { topic: found, block, stored, parts, index });
        Ok(header.base_offset)
    }

    /// The end of a partition, with the appends of this commit.
    ///
    /// # Errors
    /// 42704 where there is no such topic or partition.
    pub fn end_offset(&self, topic: TopicId, partition: PartitionId) -> Result<Offset> {
        let found = self.topic(topic)?;
        Ok(self.tip(&found, partition)?.end)
    }

    /// Puts a record of the layers above in place. `space` keeps their kinds apart.
    pub fn put_meta(&mut self, space: u8, key: &[u8], value: Vec<u8>) {
        self.records.insert(record_key(space, key), Some(value));
    }

    /// Takes a record of the layers above away, if it is there.
    pub fn delete_meta(&mut self, space: u8, key: &[u8]) {
        self.records.insert(record_key(space, key), None);
    }

    /// The topic as this commit sees it.
    fn topic(&self, topic: TopicId) -> Result<Arc<Topic>> {
        match self.created.get(&topic) {
            Some(created) => Ok(Arc::clone(created)),
            None if self.dropped.contains_key(&topic) => Err(topic::undefined(topic)),
            None => self.topics.get(topic),
        }
    }

    fn tip(&self, topic: &Topic, partition: PartitionId) -> Result<Tip> {
        match self.tips.get(&(topic.config.id, partition)) {
            Some(tip) => Ok(*tip),
            None => Ok(topic.partition(partition)?.lock().tip),
        }
    }
}

fn check(topic: &Topic, append: &Append) -> Result<()> {
    if append.n_rows == 0 {
        let name = &topic.config.name;
        return Err(Error::internal(format!("an append to topic \"{name}\" has no rows")));
    }
    if append.payload.len() > PAYLOAD_BYTES_MAX {
        return Err(Error::new(
            SqlState::ProgramLimitExceeded,
            format!(
                "an append to topic \"{}\" has {} bytes, the limit is {PAYLOAD_BYTES_MAX}",
                topic.config.name,
                append.payload.len()
            ),
        )
        .with_hint("Write fewer rows at a time."));
    }
    let mut end = 0;
    let mut ids = HashSet::new();
    for Part { id, range } in &append.parts {
        let fits = end <= range.start && range.end <= append.payload.len();
        if !fits || range.is_empty() || !ids.insert(id) {
            return Err(bad_part(topic, *id));
        }
        end = range.end;
    }
    Ok(())
}

fn bad_part(topic: &Topic, id: u32) -> Error {
    let name = &topic.config.name;
    Error::internal(format!("part {id} of an append to topic \"{name}\" does not fit the others"))
}

/// The time index entry that goes with the next block, where one is due.
fn index_entry(tip: &mut Tip) -> Option<TimeIndexEntry> {
    let due = tip.indexed.is_none_or(|(byte_pos, n_blocks)| {
        tip.byte_pos - byte_pos >= INDEX_BYTES || n_blocks >= INDEX_BLOCKS
    });
    let (byte_pos, n_blocks) = tip.indexed.filter(|_| !due).unwrap_or((tip.byte_pos, 0));
    tip.indexed = Some((byte_pos, n_blocks + 1));
    due.then_some(TimeIndexEntry {
        running_max: tip.running_max,
        base_offset: tip.end,
        byte_pos: tip.byte_pos,
    })
}

/// Key of a record of the layers above.
pub(crate) fn record_key(space: u8, key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + key.len());
    bytes.push(space);
    bytes.extend_from_slice(key);
    bytes
}
