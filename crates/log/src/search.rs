//! Finding offsets: as of an epoch, at a time, at a distance in bytes from the end.

use std::sync::Arc;

use weir_types::{Epoch, Offset, PartitionId, Result, Timestamp};

use crate::block;
use crate::payload::Projection;
use crate::read::Shelf;
use crate::topic::Topic;

impl Shelf {
    /// The end of a partition as of `epoch`, but at least its start.
    pub(crate) fn end_at(
        &self,
        topic: &Topic,
        partition: PartitionId,
        epoch: Epoch,
    ) -> Result<Offset> {
        let (start, end) = {
            let state = topic.partition(partition)?.lock();
            if let Some(end) = state.end_at(epoch) {
                return Ok(end.max(state.start));
            }
            (state.start, state.tip.end)
        };
        // Epochs of blocks never fall: all below `lower` are of `epoch` or before, none from `upper` on.
        let (mut lower, mut upper) = (start, end);
        while lower < upper {
            let middle = Offset(lower.0 + (upper.0 - lower.0) / 2);
            let block = self
                .block_at(topic, partition, middle)?
                .filter(|block| block.header.base_offset <= middle)
                .ok_or_else(|| {
                    block::damaged(&topic.config.name, partition, middle, "it is missing")
                })?;
            if block.header.epoch <= epoch {
                lower = block.header.end_offset();
            } else {
                upper = block.header.base_offset.max(lower);
            }
        }
        Ok(lower)
    }

    /// As [`crate::Log::offset_for_timestamp`].
    pub(crate) fn offset_for_timestamp(
        self: &Arc<Self>,
        topic: &Arc<Topic>,
        partition: PartitionId,
        timestamp: Timestamp,
    ) -> Result<Offset> {
        let (start, end) = bounds(topic, partition)?;
        let entry = self.store.time_index_before(topic.config.id, partition, timestamp)?;
        let from = entry.map_or(start, |entry| entry.base_offset.max(start));
        for block in self.read(topic, partition, from, end, &Projection::none())? {
            let header = block?.header;
            if header.max_timestamp >= timestamp {
                return Ok(header.base_offset.max(start));
            }
        }
        Ok(end)
    }

    /// The base offset of the first block that does not lie wholly before byte position `byte_pos` of
    /// its partition.
    pub(crate) fn offset_for_byte_pos(
        self: &Arc<Self>,
        topic: &Arc<Topic>,
        partition: PartitionId,
        byte_pos: u64,
    ) -> Result<Offset> {
        let (start, end) = bounds(topic, partition)?;
        let mut from = start;
        self.store.walk_time_index(topic.config.id, partition, |entry| {
            let before = entry.byte_pos <= byte_pos;
            if before {
                from = from.max(entry.base_offset);
            }
            before
        })?;
        for block in self.read(topic, partition, from, end, &Projection::none())? {
            let block = block?;
            if block.header.byte_pos + block.n_bytes() > byte_pos {
                return Ok(block.header.base_offset.max(start));
            }
        }
        Ok(end)
    }
}

fn bounds(topic: &Topic, partition: PartitionId) -> Result<(Offset, Offset)> {
    let state = topic.partition(partition)?.lock();
    Ok((state.start, state.tip.end))
}
