//! Finding out, at start, what the log holds, and refusing to start where it has lost something.

use weir_store::{LogStore, MetaKind};
use weir_types::{Epoch, Error, Offset, PartitionId, Result};

use crate::block;
use crate::descriptor::Descriptor;
use crate::read::unreadable;
use crate::topic::{self, Partition, Topic, Topics};

/// What a store holds.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) topics: Topics,
    /// That of the newest epoch; of epoch 0 where nothing was written yet.
    pub(crate) newest: Descriptor,
}

/// Reads topics, ends and the newest epoch. Costs a read of the last block of each partition.
///
/// # Errors
/// XX001 where they do not fit each other or are damaged, 58030.
pub(crate) fn recover(store: &LogStore) -> Result<Recovered> {
    let newest = match store.get_meta(MetaKind::Epoch, &[])? {
        Some(bytes) => Descriptor::decode(&bytes)?,
        None => Descriptor::default(),
    };
    let topics = Topics::default();
    for (key, value) in store.scan_meta(MetaKind::Topic, &[])? {
        topics.insert(recover_topic(store, &key, &value, newest.epoch)?.into());
    }
    for (topic, partition, end) in &newest.ends {
        let topic = topics.get(*topic).map_err(|_| {
            Error::corrupt(format!("topic with id {topic} of the newest epoch is missing"))
        })?;
        let found = topic.partition(*partition)?.lock().tip.end;
        if found != *end {
            return Err(wrong_end(&topic, *partition, found, *end, newest.epoch));
        }
    }
    Ok(Recovered { topics, newest })
}

fn recover_topic(store: &LogStore, key: &[u8], value: &[u8], newest: Epoch) -> Result<Topic> {
    let (config, class) = Topic::decode(key, value)?;
    let mut starts = vec![Offset(0); config.partitions as usize];
    for (key, value) in store.scan_meta(MetaKind::LogStart, &topic::topic_key(config.id))? {
        let start = read_start(&key, &value, &mut starts);
        start.ok_or_else(|| {
            Error::corrupt(format!("a stored start offset of topic \"{}\" is damaged", config.name))
        })?;
    }
    let topic = Topic::recovered(config, class, Vec::new());
    let mut partitions = Vec::with_capacity(starts.len());
    for (partition, start) in (0..topic.config.partitions).map(PartitionId).zip(starts) {
        partitions.push(recover_partition(store, &topic, partition, start, newest)?);
    }
    Ok(Topic::recovered(topic.config, class, partitions))
}

fn read_start(key: &[u8], value: &[u8], starts: &mut [Offset]) -> Option<()> {
    let partition = u32::from_be_bytes(key.get(4..)?.try_into().ok()?);
    *starts.get_mut(partition as usize)? = topic::decode_start(value)?;
    Some(())
}

fn recover_partition(
    store: &LogStore,
    topic: &Topic,
    partition: PartitionId,
    start: Offset,
    newest: Epoch,
) -> Result<Partition> {
    let config = &topic.config;
    let last = store
        .last_block(topic.class, config.id, partition)
        .map_err(|e| unreadable(topic, partition, start, &e))?
        .map(|(last, bytes)| block::decode(&config.name, config.id, partition, last, &bytes))
        .transpose()?
        .map(|(block, _)| block);
    let end = last.as_ref().map_or(Offset(0), |block| block.header.end_offset());
    if end < start {
        return Err(block::damaged(&config.name, partition, start, "it is missing"));
    }
    if let Some(ahead) = last.as_ref().map(|block| block.header.epoch).filter(|e| *e > newest) {
        return Err(Error::corrupt(format!(
            "the log ends at epoch {newest}, but topic \"{}\" partition {partition} has a block of \
             epoch {ahead}",
            config.name
        ))
        .with_hint("Restore the data directory from a backup."));
    }
    Ok(Partition::recovered(start, last.as_ref()))
}

fn wrong_end(
    topic: &Topic,
    partition: PartitionId,
    found: Offset,
    end: Offset,
    epoch: Epoch,
) -> Error {
    Error::corrupt(format!(
        "topic \"{}\" partition {partition} ends at offset {found}, but epoch {epoch} ended it at {end}",
        topic.config.name
    ))
    .with_hint("Restore the data directory from a backup.")
}

/// The error for a log that ends before what was acknowledged.
pub(crate) fn lost(newest: Epoch, mark: Epoch) -> Error {
    Error::corrupt(format!("the log ends at epoch {newest}, but epoch {mark} was acknowledged"))
        .with_detail(format!("What epochs {} to {mark} committed is lost.", newest.next()))
        .with_hint("Restore the data directory from a backup.")
}
