//! Reading the blocks of a partition between two offsets.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use parking_lot::Mutex;
use weir_store::{DataDir, LogStore, MetaKind};
use weir_types::{Error, Offset, PartitionId, Result, SqlState};

use crate::block::{self, Block, PartEntry};
use crate::log::BlockReader;
use crate::payload::Projection;
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
        projection: &Projection,
    ) -> Result<BlockReader> {
        let mut readers = self.read_side_by_side(topic, partition, from, upto, projection, 1)?;
        Ok(readers.pop().expect("one was asked for"))
    }

    /// The same from several readers, as [`crate::Log::read_side_by_side`] gives them.
    pub(crate) fn read_side_by_side(
        self: &Arc<Self>,
        topic: &Arc<Topic>,
        partition: PartitionId,
        from: Offset,
        upto: Offset,
        projection: &Projection,
        n_readers: usize,
    ) -> Result<Vec<BlockReader>> {
        let (start, end) = {
            let partition = topic.partition(partition)?.lock();
            (partition.start, partition.tip.end)
        };
        if from < start {
            return Err(below_start(topic, partition, from, start));
        }
        let upto = upto.min(end);
        let n_records = upto.0.saturating_sub(from.0);
        let n_readers = (n_readers as u64).clamp(1, n_records.max(1));
        let seams = Arc::new(Seams::new(from, n_readers as usize));
        let cut = |reader_idx: u64| {
            let before = u128::from(n_records) * u128::from(reader_idx) / u128::from(n_readers);
            Offset(from.0 + before as u64)
        };
        let reader = |reader_idx: u64| -> BlockReader {
            let is_last = reader_idx + 1 == n_readers;
            Box::new(RangeReader {
                shelf: Arc::clone(self),
                topic: Arc::clone(topic),
                partition,
                projection: projection.clone(),
                next: cut(reader_idx),
                upto: if is_last { upto } else { cut(reader_idx + 1) },
                is_last,
                begun: None,
                chunk: VecDeque::new(),
                seam: Some((Arc::clone(&seams), reader_idx as usize)),
            })
        };
        Ok((0..n_readers).map(reader).collect())
    }

    /// Blocks of a partition from the one on that contains `from`, from memory or from disk, without
    /// gaps; with `before`, as long as they end before that. At least one where there is one.
    fn chunk(
        &self,
        topic: &Topic,
        partition: PartitionId,
        from: Offset,
        before: Option<Offset>,
        projection: &Projection,
    ) -> Result<Vec<Block>> {
        let mut tail = self.tail.read(topic.config.id, partition, from, CHUNK_BYTES);
        if !tail.is_empty() {
            tail.retain(|block| before.is_none_or(|before| block.header.end_offset() <= before));
            return Ok(tail);
        }
        let mut blocks = Vec::new();
        let mut n_bytes = 0;
        for block in self.stored(topic, partition, from, before, projection)? {
            let block = match block {
                // The good ones first; the next chunk begins with this one.
                Err(_) if !blocks.is_empty() => break,
                block => block?,
            };
            n_bytes += block.payload.n_bytes_read() as u64;
            blocks.push(block);
            if n_bytes >= CHUNK_BYTES || blocks.len() >= CHUNK_BLOCKS {
                break;
            }
        }
        Ok(blocks)
    }

    /// The block that contains `offset`, or the one after it, from disk, without its parts.
    pub(crate) fn block_at(
        &self,
        topic: &Topic,
        partition: PartitionId,
        offset: Offset,
    ) -> Result<Option<Block>> {
        self.stored(topic, partition, offset, None, &Projection::none())?.next().transpose()
    }

    /// The blocks from the one on that contains `from`, or follows it, from disk; with `before`, as long as
    /// they end before that. Those parts of them are read.
    fn stored<'a>(
        &'a self,
        topic: &'a Topic,
        partition: PartitionId,
        from: Offset,
        before: Option<Offset>,
        projection: &'a Projection,
    ) -> Result<impl Iterator<Item = Result<Block>> + 'a> {
        let config = &topic.config;
        let blocks = self.store.blocks(topic.class, config.id, partition, from, before)?;
        Ok(blocks.map(move |stored| {
            let (last, bytes) = stored.map_err(|e| unreadable(topic, partition, from, &e))?;
            let (mut block, mut parts) =
                block::decode(&config.name, config.id, partition, last, &bytes)?;
            parts.retain(|part| projection.has(part.id));
            self.read_parts(topic, &mut block, parts)?;
            Ok(block)
        }))
    }

    /// Adds those parts to a block from disk.
    pub(crate) fn read_parts(
        &self,
        topic: &Topic,
        block: &mut Block,
        mut parts: Vec<PartEntry>,
    ) -> Result<()> {
        if parts.is_empty() {
            return Ok(());
        }
        parts.sort_unstable_by_key(|part| part.id);
        let ids: Vec<u32> = parts.iter().map(|part| part.id).collect();
        let (partition, last) = (block.partition, block.header.last_offset());
        let found = self
            .store
            .block_parts(topic.class, topic.config.id, partition, last, &ids)
            .map_err(|e| unreadable(topic, partition, last, &e))?;
        for (part, bytes) in parts.into_iter().zip(found) {
            let bytes = bytes.ok_or_else(|| {
                missing(topic, partition, last, &format!("its part {} is missing", part.id))
            })?;
            if !part.is(&bytes) {
                let reason = format!("the checksum of its part {} is wrong", part.id);
                return Err(block::damaged(&topic.config.name, partition, last, &reason));
            }
            block.payload.add(part.begin(), bytes);
        }
        Ok(())
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

/// The blocks of a partition in a range of offsets; those that end there, where another reader goes on behind
/// it. Ends after the first error.
struct RangeReader {
    shelf: Arc<Shelf>,
    topic: Arc<Topic>,
    partition: PartitionId,
    projection: Projection,
    next: Offset,
    upto: Offset,
    is_last: bool,
    /// Where the first block begins: only that one may do so before the offset asked for.
    begun: Option<Offset>,
    chunk: VecDeque<Block>,
    /// Its place among the readers of a range, until it ends.
    seam: Option<(Arc<Seams>, usize)>,
}

/// What the readers of a range have read: no reader can see whether the next one begins where it ends.
struct Seams {
    from: Offset,
    read: Mutex<Vec<Seam>>,
}

/// A reader's blocks.
#[derive(Clone)]
enum Seam {
    Reading,
    /// None where one block goes from before its begin to behind its end.
    Read(Option<Range<Offset>>),
}

impl Seams {
    fn new(from: Offset, n_readers: usize) -> Self {
        Self { from, read: Mutex::new(vec![Seam::Reading; n_readers]) }
    }

    /// A reader has ended. Gives the offset of the first record that is missing between the readers, where
    /// it was the last one to end.
    fn ended(&self, reader_idx: usize, read: Option<Range<Offset>>) -> Option<Offset> {
        let mut seams = self.read.lock();
        seams[reader_idx] = Seam::Read(read);
        let mut next = self.from;
        let mut is_first = true;
        for seam in seams.iter() {
            match seam {
                Seam::Reading => return None,
                Seam::Read(None) => {}
                Seam::Read(Some(read)) => {
                    let fits = read.start == next || (is_first && read.start < next);
                    if !fits {
                        return Some(next);
                    }
                    (next, is_first) = (read.end, false);
                }
            }
        }
        None
    }
}

impl RangeReader {
    /// The next block; `None` where the next one is another reader's.
    fn advance(&mut self) -> Result<Option<Block>> {
        if self.chunk.is_empty() {
            let before = (!self.is_last).then_some(self.upto);
            let (topic, projection) = (&self.topic, &self.projection);
            let chunk = self.shelf.chunk(topic, self.partition, self.next, before, projection)?;
            self.chunk = chunk.into();
            if self.chunk.is_empty() && !self.is_last {
                return Ok(None);
            }
        }
        let fits = |block: &Block| {
            let base = block.header.base_offset;
            base == self.next || (self.begun.is_none() && base < self.next)
        };
        let block = self.chunk.pop_front().filter(fits);
        let block = block.ok_or_else(|| self.gap(self.next))?;
        self.begun.get_or_insert(block.header.base_offset);
        self.next = block.header.end_offset();
        Ok(Some(block))
    }

    /// Nothing more comes, or the error that only all readers together can find.
    fn end(&mut self) -> Option<Result<Block>> {
        let (seams, reader_idx) = self.seam.take()?;
        let read = self.begun.map(|begun| begun..self.next);
        seams.ended(reader_idx, read).map(|missing| Err(self.gap(missing)))
    }

    fn gap(&self, offset: Offset) -> Error {
        missing(&self.topic, self.partition, offset, "it is missing")
    }
}

impl Iterator for RangeReader {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Result<Block>> {
        if self.next >= self.upto {
            return self.end();
        }
        match self.advance() {
            Ok(Some(block)) => Some(Ok(block)),
            Ok(None) => {
                self.upto = self.next;
                self.end()
            }
            Err(error) => {
                (self.upto, self.seam) = (self.next, None);
                Some(Err(error))
            }
        }
    }
}

/// The error for records that are not there: retention has taken them, or they are lost.
fn missing(topic: &Topic, partition: PartitionId, offset: Offset, reason: &str) -> Error {
    match topic.partition(partition).map(|partition| partition.lock().start) {
        Ok(start) if start > offset => below_start(topic, partition, offset, start),
        _ => block::damaged(&topic.config.name, partition, offset, reason),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What the readers, which end in that order, tell at last.
    fn missing(from: u64, ends: &[(usize, Option<Range<u64>>)]) -> Vec<Option<u64>> {
        let seams = Seams::new(Offset(from), ends.len());
        let ended = ends.iter().map(|(reader_idx, read)| {
            let read = read.clone().map(|read| Offset(read.start)..Offset(read.end));
            seams.ended(*reader_idx, read).map(|missing| missing.0)
        });
        ended.collect()
    }

    #[test]
    fn what_is_missing_between_readers_is_found_by_the_last_of_them() {
        let whole = [(2, Some(20..30)), (0, Some(0..9)), (1, Some(9..20))];
        assert_eq!(missing(0, &whole), [None, None, None]);
        assert_eq!(missing(3, &whole), [None, None, None], "the first block begins before");
        let gap = [(2, Some(20..30)), (0, Some(0..9)), (1, Some(10..20))];
        assert_eq!(missing(0, &gap), [None, None, Some(9)]);
        assert_eq!(missing(0, &[(1, Some(5..9)), (0, None)]), [None, Some(0)]);
        assert_eq!(missing(6, &[(1, Some(5..9)), (0, None)]), [None, None], "one block for both");
    }
}
