//! Reading the blocks of a partition between two offsets.

use std::collections::VecDeque;
use std::sync::Arc;

use weir_store::{DataDir, LogStore, MetaKind};
use weir_types::{Error, Offset, PartitionId, Result, SqlState};

use crate::block::{self, Block};
use crate::log::BlockReader;
use crate::tail::Tail;
use crate::topic::Topic;

/// Bytes and blocks that are read at a time. An iterator of RocksDB lives only that long: while it
/// lives, it keeps deleted files on the disk.
const CHUNK_BYTES: u64 = 4 << 20;
const CHUNK_BLOCKS: usize = 1024;

/// Where blocks are.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) store: LogStore,
    pub(crate) tail: Tail,
    /// Nobody else may have the directory while the store is open; the field drops after it.
    pub(crate) _owned: Option<Arc<DataDir>>,
}

impl Shelf {
    /// The blocks of a partition between two offsets, as [`crate::Log::read`] gives them.
    pub(crate) fn read(
        self: &Arc<Self>,
        topic: &Arc<Topic>,
        partition: PartitionId,
        from: Offset,
        upto: Offset,
    ) -> Result<BlockReader> {
        let (start, end) = {
            let partition = topic.partition(partition)?.lock();
            (partition.start, partition.tip.end)
        };
        if from < start {
            return Err(below_start(topic, partition, from, start));
        }
        Ok(Box::new(RangeReader {
            shelf: Arc::clone(self),
            topic: Arc::clone(topic),
            partition,
            next: from,
            upto: upto.min(end),
            first: true,
            chunk: VecDeque::new(),
        }))
    }

    /// Blocks of a partition from the one on that contains `from`, from memory or from disk, without
    /// gaps. At least one where there is one.
    fn chunk(&self, topic: &Topic, partition: PartitionId, from: Offset) -> Result<Vec<Block>> {
        let tail = self.tail.read(topic.config.id, partition, from, CHUNK_BYTES);
        if !tail.is_empty() {
            return Ok(tail);
        }
        let mut blocks = Vec::new();
        let mut n_bytes = 0;
        for block in self.stored(topic, partition, from)? {
            let block = match block {
                // The good ones first; the next chunk begins with this one.
                Err(_) if !blocks.is_empty() => break,
                block => block?,
            };
            n_bytes += block.n_bytes();
            blocks.push(block);
            if n_bytes >= CHUNK_BYTES || blocks.len() >= CHUNK_BLOCKS {
                break;
            }
        }
        Ok(blocks)
    }

    /// The block that contains `offset`, or the one after it, from disk.
    pub(crate) fn block_at(
        &self,
        topic: &Topic,
        partition: PartitionId,
        offset: Offset,
    ) -> Result<Option<Block>> {
        self.stored(topic, partition, offset)?.next().transpose()
    }

    /// The blocks from the one on that contains `from`, or follows it, from disk.
    pub(crate) fn stored<'a>(
        &'a self,
        topic: &'a Topic,
        partition: PartitionId,
        from: Offset,
    ) -> Result<impl Iterator<Item = Result<Block>> + 'a> {
        let config = &topic.config;
        let blocks = self.store.blocks(topic.class, config.id, partition, from)?;
        Ok(blocks.map(move |stored| {
            let (last, bytes) = stored.map_err(|e| unreadable(topic, partition, from, &e))?;
            block::decode(&config.name, config.id, partition, last, &bytes)
        }))
    }
}

/// All records of a space, by key.
pub(crate) fn scan_meta(store: &LogStore, space: u8) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let records = store.scan_meta(MetaKind::User, &[space])?;
    Ok(records.into_iter().map(|(key, value)| (key[1..].to_vec(), value)).collect())
}

/// A damaged block that RocksDB found before us, with the name of its place.
pub(crate) fn unreadable(
    topic: &Topic,
    partition: PartitionId,
    from: Offset,
    error: &Error,
) -> Error {
    if error.state() != SqlState::DataCorrupted {
        return error.clone();
    }
    let name = &topic.config.name;
    Error::corrupt(format!(
        "a block of topic \"{name}\" partition {partition} at or after offset {from} is damaged"
    ))
    .with_detail(error.message())
}

/// The blocks of a partition in a range of offsets. Ends after the first error.
struct RangeReader {
    shelf: Arc<Shelf>,
    topic: Arc<Topic>,
    partition: PartitionId,
    next: Offset,
    upto: Offset,
    /// Only the first block may begin before the offset asked for.
    first: bool,
    chunk: VecDeque<Block>,
}

impl RangeReader {
    fn advance(&mut self) -> Result<Block> {
        if self.chunk.is_empty() {
            self.chunk = self.shelf.chunk(&self.topic, self.partition, self.next)?.into();
        }
        let fits = |block: &Block| {
            let base = block.header.base_offset;
            base == self.next || (self.first && base < self.next)
        };
        let block = self.chunk.pop_front().filter(fits).ok_or_else(|| self.gap())?;
        self.first = false;
        self.next = block.header.end_offset();
        Ok(block)
    }

    fn gap(&self) -> Error {
        let name = &self.topic.config.name;
        let start = self.topic.partition(self.partition).map(|partition| partition.lock().start);
        match start {
            Ok(start) if start > self.next => {
                below_start(&self.topic, self.partition, self.next, start)
            }
            _ => block::damaged(name, self.partition, self.next, "it is missing"),
        }
    }
}

impl Iterator for RangeReader {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Result<Block>> {
        if self.next >= self.upto {
            return None;
        }
        let block = self.advance();
        if block.is_err() {
            self.next = self.upto;
        }
        Some(block)
    }
}

/// The error for records that retention has taken.
fn below_start(topic: &Topic, partition: PartitionId, offset: Offset, start: Offset) -> Error {
    Error::new(
        SqlState::ObjectNotInPrerequisiteState,
        format!(
            "offset {offset} of topic \"{}\" partition {partition} is before its start {start}",
            topic.config.name
        ),
    )
    .with_detail("Retention has removed the records before the start.")
}
