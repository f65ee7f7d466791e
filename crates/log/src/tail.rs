//! The hot tail: the last blocks of all partitions in memory, so that readers who keep up never ask
//! RocksDB.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;
use weir_types::{Offset, PartitionId, TopicId};

use crate::block::Block;

/// What a block takes besides its stored bytes, about.
const ENTRY_BYTES: usize = 256;
/// The columns of a block of fewer rows cannot be read in place.
const SMALL_ROWS: u32 = 16;
/// What such a block takes, about, once its readers have decoded it.
const SMALL_BYTES: usize = 3 << 10;

/// A bounded set of the last blocks. **Invariant:** those of a partition are neighbours, up to its end.
#[derive(Debug)]
pub(crate) struct Tail {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    partitions: HashMap<(TopicId, PartitionId), VecDeque<Block>>,
    /// The partition of each block, in the order of their coming.
    order: VecDeque<(TopicId, PartitionId)>,
    n_bytes: usize,
}

impl Tail {
    /// A tail of at most `bytes_max` bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, inner: Mutex::default() }
    }

    /// Adds a block at the end of its partition; the oldest blocks of all make room.
    pub(crate) fn push(&self, block: Block) {
        let inner = &mut *self.inner.lock();
        let key = (block.topic, block.partition);
        inner.n_bytes += entry_bytes(&block);
        inner.partitions.entry(key).or_default().push_back(block);
        inner.order.push_back(key);
        while inner.n_bytes > self.bytes_max {
            let Some(key) = inner.order.pop_front() else { break };
            // Blocks leave a partition in the order in which they came, so the first one is meant.
            let Some(blocks) = inner.partitions.get_mut(&key) else { continue };
            if let Some(block) = blocks.pop_front() {
                inner.n_bytes -= entry_bytes(&block);
            }
            if blocks.is_empty() {
                inner.partitions.remove(&key);
            }
        }
    }

    /// Forgets the blocks of a topic.
    pub(crate) fn remove(&self, topic: TopicId) {
        let inner = &mut *self.inner.lock();
        inner.order.retain(|(known, _)| *known != topic);
        let n_bytes = &mut inner.n_bytes;
        inner.partitions.retain(|(known, _), blocks| {
            let kept = *known != topic;
            if !kept {
                *n_bytes -= blocks.iter().map(entry_bytes).sum::<usize>();
            }
            kept
        });
    }

    /// Blocks from the one on that contains `from`, with at most `bytes_max` bytes after the first;
    /// none where `from` is not in the tail.
    pub(crate) fn read(
        &self,
        topic: TopicId,
        partition: PartitionId,
        from: Offset,
        bytes_max: u64,
    ) -> Vec<Block> {
        let inner = self.inner.lock();
        let Some(blocks) = inner.partitions.get(&(topic, partition)) else {
            return Vec::new();
        };
        if blocks.front().is_none_or(|first| first.header.base_offset > from) {
            return Vec::new();
        }
        let begin = blocks.partition_point(|block| block.header.end_offset() <= from);
        let mut n_bytes = 0;
        blocks
            .range(begin..)
            .take_while(|block| {
                let first = n_bytes == 0;
                n_bytes += block.n_bytes();
                first || n_bytes <= bytes_max
            })
            .cloned()
            .collect()
    }
}

fn entry_bytes(block: &Block) -> usize {
    let decoded = if block.header.n_rows < SMALL_ROWS { SMALL_BYTES } else { 0 };
    ENTRY_BYTES + block.payload.n_bytes() + decoded
}

#[cfg(test)]
mod tests {
    use weir_types::{Epoch, Timestamp};

    use super::*;
    use crate::block::{BlockHeader, BlockKind, Memo};
    use crate::payload::Payload;

    fn block(topic: u32, base: u64, n_rows: u32) -> Block {
        let header = BlockHeader {
            kind: BlockKind::Rows,
            schema_version: 0,
            epoch: Epoch(1),
            base_offset: Offset(base),
            n_rows,
            min_timestamp: Timestamp(0),
            max_timestamp: Timestamp(0),
            running_max: Timestamp(0),
            byte_pos: 0,
            producer: None,
        };
        let payload = Payload::whole(vec![0; 1000].into());
        Block {
            header,
            topic: TopicId(topic),
            partition: PartitionId(0),
            payload,
            memo: Memo::default(),
        }
    }

    fn bases(tail: &Tail, topic: u32, from: u64, bytes_max: u64) -> Vec<u64> {
        let blocks = tail.read(TopicId(topic), PartitionId(0), Offset(from), bytes_max);
        blocks.iter().map(|block| block.header.base_offset.0).collect()
    }

    #[test]
    fn blocks_from_an_offset_in_pieces() {
        let tail = Tail::new(1 << 20);
        for base in [10, 20, 30] {
            tail.push(block(1, base, 10));
        }
        assert_eq!(bases(&tail, 1, 9, u64::MAX), [], "older than the tail");
        assert_eq!(bases(&tail, 1, 10, u64::MAX), [10, 20, 30]);
        assert_eq!(bases(&tail, 1, 29, u64::MAX), [20, 30]);
        assert_eq!(bases(&tail, 1, 29, 0), [20]);
        assert_eq!(bases(&tail, 1, 40, u64::MAX), [], "at the end");
        assert_eq!(bases(&tail, 2, 0, u64::MAX), []);
    }

    #[test]
    fn oldest_blocks_of_all_make_room_and_dropped_topics_free_it() {
        let entry = entry_bytes(&block(1, 0, 1));
        let tail = Tail::new(3 * entry);
        for (topic, base) in [(1, 0), (2, 0), (1, 1), (1, 2)] {
            tail.push(block(topic, base, 1));
        }
        assert_eq!(bases(&tail, 1, 0, u64::MAX), []);
        assert_eq!(bases(&tail, 1, 1, u64::MAX), [1, 2]);
        assert_eq!(bases(&tail, 2, 0, u64::MAX), [0]);
        tail.remove(TopicId(1));
        assert_eq!(tail.inner.lock().n_bytes, entry);
        assert_eq!(tail.inner.lock().order.len(), 1);
        for base in 1..=3 {
            tail.push(block(2, base, 1));
        }
        assert_eq!(bases(&tail, 2, 1, u64::MAX), [1, 2, 3]);
        assert_eq!(tail.inner.lock().n_bytes, 3 * entry);
    }
}
