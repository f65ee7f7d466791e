//! Retention: removing the oldest records, by time and by size, and giving their disk back.
//!
//! Whole blocks go. The last block of a partition stays on the disk even where all its records are gone
//! for readers: at start it tells where the partition ends.

use std::sync::Arc;

use parking_lot::Mutex;
use weir_store::{MetaKind, RetentionClass};
use weir_types::{Offset, PartitionId, Result, Timestamp, TopicId};

use crate::embedded::EmbeddedLog;
use crate::log::Log;
use crate::topic::{self, Topic};

/// What retention did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Partitions that lost records, with their new starts.
    pub starts: Vec<(TopicId, PartitionId, Offset)>,
    /// Bytes of disk given back; what is still too little to be worth it follows later.
    pub bytes_freed: u64,
}

/// Bytes that were removed from each class, or a dropped topic had, and still take disk.
#[derive(Debug, Default)]
pub(crate) struct Reclaimable(Mutex<[u64; RetentionClass::ALL.len()]>);

impl Reclaimable {
    pub(crate) fn add(&self, class: RetentionClass, n_bytes: u64) {
        let removed = &mut self.0.lock()[class.idx()];
        *removed = removed.saturating_add(n_bytes);
    }

    /// The classes with at least so much, which then count as freed.
    fn take(&self, bytes_min: u64) -> Vec<RetentionClass> {
        let mut removed = self.0.lock();
        let due = RetentionClass::ALL.into_iter().filter(|class| {
            let removed = &mut removed[class.idx()];
            let due = *removed > 0 && *removed >= bytes_min;
            if due {
                *removed = 0;
            }
            due
        });
        due.collect()
    }
}

/// As [`Log::enforce_retention`]. A partition that cannot be read does not keep the others.
pub(crate) fn enforce(
    log: &EmbeddedLog,
    now: Timestamp,
    holds: &dyn Fn(TopicId, PartitionId) -> Option<Offset>,
) -> Result<Retained> {
    let mut retained = Retained::default();
    let mut failure = None;
    for topic in log.topics.all() {
        let mut removals = Vec::new();
        for partition in (0..topic.config.partitions).map(PartitionId) {
            match removal(log, &topic, partition, now, holds(topic.config.id, partition)) {
                Ok(removal) => removals.extend(removal),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if !removals.is_empty() {
            let removed = remove(log, &topic, removals)?;
            let start = |removal: &Removal| (topic.config.id, removal.partition, removal.start);
            retained.starts.extend(removed.iter().map(start));
        }
    }
    // The new starts must be durable before the blocks are gone.
    log.sync()?;
    for class in log.reclaimable.take(log.options.reclaim_bytes_min) {
        retained.bytes_freed += log.shelf.store.reclaim(class)?;
    }
    failure.map_or(Ok(retained), Err)
}

/// The records that a partition loses.
struct Removal {
    partition: PartitionId,
    /// The new start.
    start: Offset,
    /// Bytes of all blocks before it.
    byte_pos: u64,
    n_bytes: u64,
}

fn removal(
    log: &EmbeddedLog,
    topic: &Arc<Topic>,
    partition: PartitionId,
    now: Timestamp,
    hold: Option<Offset>,
) -> Result<Option<Removal>> {
    let (start, end, byte_end) = {
        let state = topic.partition(partition)?.lock();
        (state.start, state.tip.end, state.tip.byte_pos)
    };
    let hold = hold.unwrap_or(end);
    if hold <= start {
        return Ok(None);
    }
    let mut low = start;
    if let Some(ms) = topic.config.retention_ms {
        let kept_us = i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1000);
        let oldest = Timestamp(now.0.saturating_sub(kept_us));
        low = low.max(log.shelf.offset_for_timestamp(topic, partition, oldest)?);
    }
    if let Some(bytes_max) = topic.config.retention_bytes {
        let excess = byte_end.saturating_sub(bytes_max);
        low = low.max(log.shelf.offset_for_byte_pos(topic, partition, excess)?);
    }
    low = low.min(hold).min(end);
    if low <= start {
        return Ok(None);
    }
    let byte_pos = |offset: Offset| -> Result<u64> {
        let block = log.shelf.block_at(topic, partition, offset)?;
        Ok(block.map_or(byte_end, |block| block.header.byte_pos))
    };
    let low_byte_pos = byte_pos(low)?;
    let n_bytes = low_byte_pos.saturating_sub(byte_pos(start)?);
    Ok(Some(Removal { partition, start: low, byte_pos: low_byte_pos, n_bytes }))
}

/// Removes them, and gives them; but not where the topic was dropped meanwhile, or another has removed as much.
fn remove(log: &EmbeddedLog, topic: &Topic, mut removals: Vec<Removal>) -> Result<Vec<Removal>> {
    let _writer = log.writer.lock();
    let id = topic.config.id;
    let is_there = log.topics.get(id).is_ok();
    let start = |partition| topic.partition(partition).map(|state| state.lock().start);
    removals.retain(|new| is_there && start(new.partition).is_ok_and(|start| start < new.start));
    if removals.is_empty() {
        return Ok(removals);
    }
    let mut batch = log.shelf.store.batch(log.newest_epoch());
    for Removal { partition, start, .. } in &removals {
        let last_base = topic.partition(*partition)?.lock().last_base;
        let key = topic::start_key(id, *partition);
        batch.put_meta(MetaKind::LogStart, &key, &topic::encode_start(*start));
        batch.delete_blocks_below(topic.class, id, *partition, last_base.min(*start));
        batch.delete_time_index_below(id, *partition, *start)?;
    }
    for Removal { partition, start, byte_pos, n_bytes } in &removals {
        // Before the blocks go, so that a reader who misses one learns why.
        let mut state = topic.partition(*partition)?.lock();
        let before = state.start_byte_pos.replace(*byte_pos);
        state.start = *start;
        drop(state);
        let n_bytes = before.map_or(*n_bytes, |before| byte_pos.saturating_sub(before));
        log.reclaimable.add(topic.class, n_bytes);
    }
    log.shelf.store.write(batch)?;
    Ok(removals)
}
