//! Keys and key kinds of the log store: the only list of its kind.
//!
//! Integers in keys are big endian, so that bytes sort as numbers do.
//!
//! | column family | key | value |
//! |---|---|---|
//! | `blocks_*` | topic u32, partition u32, last offset u64 | a block of records |
//! | `blocks_*` | topic u32, partition u32 with its highest bit set, last offset u64, part u32 | a part of that block |
//! | `time_index` | topic u32, partition u32, running max timestamp i64 with its sign bit flipped | format byte 1, base offset u64, byte position u64, little endian |
//! | `meta` | kind u8 ([`MetaKind`]), key of that kind | format byte, then what the kind says |
//!
//! A block is keyed by its *last* offset: a seek to an offset finds the block that contains it or the
//! one after it, and "all blocks wholly below" is one range. Parts of blocks lie apart from them, so that a
//! walk over blocks meets none.

use weir_types::{Error, Offset, PartitionId, Result, Timestamp, TopicId};

pub(crate) const META: &str = "meta";
pub(crate) const TIME_INDEX: &str = "time_index";

/// What a meta record is about: the first byte of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MetaKind {
    /// The data directory that this store belongs to. No key.
    Instance = 1,
    /// Descriptor of the newest epoch. No key.
    Epoch = 2,
    /// A topic. Key: topic u32.
    Topic = 3,
    /// First offset of a partition that retention has left. Key: topic u32, partition u32.
    LogStart = 4,
    /// A record of the layers above. Key: space u8, then theirs.
    User = 5,
    // 16 to 31 are kept for the Kafka wire: 16 producer state (topic, partition, producer id),
    // 17 group offsets (group, 0, topic, partition), 18 transactions, 19 aborted ranges.
}

/// From which offset on to look for a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeIndexEntry {
    /// No record before `base_offset` has a later timestamp.
    pub running_max: Timestamp,
    /// First offset of a block.
    pub base_offset: Offset,
    /// Bytes of all blocks of the partition before that one, ever.
    pub byte_pos: u64,
}

const TIME_INDEX_FORMAT: u8 = 1;

impl TimeIndexEntry {
    pub(crate) fn encode(&self) -> [u8; 17] {
        let mut value = [TIME_INDEX_FORMAT; 17];
        value[1..9].copy_from_slice(&self.base_offset.0.to_le_bytes());
        value[9..].copy_from_slice(&self.byte_pos.to_le_bytes());
        value
    }

    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Self> {
        let damaged = || Error::corrupt(format!("time index entry {key:02X?} is damaged"));
        let key: &[u8; 16] = key.try_into().map_err(|_| damaged())?;
        let value: &[u8; 17] = value.try_into().map_err(|_| damaged())?;
        if value[0] != TIME_INDEX_FORMAT {
            return Err(damaged());
        }
        Ok(Self {
            running_max: Timestamp((read_u64_be(&key[8..]) ^ SIGN) as i64),
            base_offset: Offset(read_u64_le(&value[1..])),
            byte_pos: read_u64_le(&value[9..]),
        })
    }
}

/// Flipped in a signed number, so that negative ones sort first.
const SIGN: u64 = 1 << 63;

fn read_u64_be(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes[..8].try_into().expect("the slice has 8 bytes"))
}

fn read_u64_le(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("the slice has 8 bytes"))
}

pub(crate) fn partition_key(topic: TopicId, partition: PartitionId, position: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&topic.0.to_be_bytes());
    key[4..8].copy_from_slice(&partition.0.to_be_bytes());
    key[8..].copy_from_slice(&position.to_be_bytes());
    key
}

/// Set in the partition of a part's key; no partition has such a number.
const PARTS: u32 = 1 << 31;

/// The partition under which the parts of a partition's blocks lie.
pub(crate) fn parts_of(partition: PartitionId) -> PartitionId {
    PartitionId(partition.0 | PARTS)
}

pub(crate) fn part_key(
    topic: TopicId,
    partition: PartitionId,
    last: Offset,
    part: u32,
) -> [u8; 20] {
    let mut key = [0; 20];
    key[..16].copy_from_slice(&partition_key(topic, parts_of(partition), last.0));
    key[16..].copy_from_slice(&part.to_be_bytes());
    key
}

pub(crate) fn time_key(topic: TopicId, partition: PartitionId, running_max: Timestamp) -> [u8; 16] {
    partition_key(topic, partition, running_max.0 as u64 ^ SIGN)
}

/// The offset in a block's key.
pub(crate) fn last_offset(key: &[u8]) -> Result<Offset> {
    match key.len() {
        16 => Ok(Offset(read_u64_be(&key[8..]))),
        _ => Err(Error::corrupt(format!("block key {key:02X?} is damaged"))),
    }
}

/// A key after all of a partition's, for exclusive bounds.
pub(crate) fn partition_end(topic: TopicId, partition: PartitionId) -> Vec<u8> {
    after(&partition_key(topic, partition, 0)[..8]).unwrap_or_else(greatest)
}

/// A key after all of a topic's, for exclusive bounds.
pub(crate) fn topic_end(topic: TopicId) -> Vec<u8> {
    after(&topic.0.to_be_bytes()).unwrap_or_else(greatest)
}

/// Longer than any key of a partition or a part, so after all of them.
fn greatest() -> Vec<u8> {
    vec![u8::MAX; 21]
}

pub(crate) fn meta_key(kind: MetaKind, key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + key.len());
    bytes.push(kind as u8);
    bytes.extend_from_slice(key);
    bytes
}

/// The least key that is greater than every key with that prefix; `None` where every greater key has it.
pub(crate) fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let position = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=position].to_vec();
    end[position] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_numbers_do() {
        let key = |topic, partition, offset| {
            partition_key(TopicId(topic), PartitionId(partition), offset)
        };
        let sorted = [key(1, 0, 256), key(1, 1, 0), key(1, 1, 255), key(1, 1, 256), key(256, 0, 0)];
        assert!(sorted.is_sorted());
        let time = |ts| time_key(TopicId(1), PartitionId(1), Timestamp(ts));
        assert!([time(i64::MIN), time(-1), time(0), time(1), time(i64::MAX)].is_sorted());
    }

    #[test]
    fn keys_of_parts_sort_by_block_behind_all_blocks_of_their_topic() {
        let topic = TopicId(7);
        let block = |partition, last| partition_key(topic, PartitionId(partition), last).to_vec();
        let part = |partition, last, id| {
            part_key(topic, PartitionId(partition), Offset(last), id).to_vec()
        };
        let sorted = [
            block(0, 0),
            block(i32::MAX as u32, u64::MAX),
            partition_end(topic, PartitionId(i32::MAX as u32)),
            part(0, 0, 0),
            part(0, 0, u32::MAX),
            block(parts_of(PartitionId(0)).0, 1),
            part(0, 1, 0),
            part(1, 0, 0),
            part(i32::MAX as u32, u64::MAX, u32::MAX),
            topic_end(topic),
        ];
        assert!(sorted.is_sorted());
        let last = part_key(TopicId(u32::MAX), PartitionId(u32::MAX), Offset(u64::MAX), u32::MAX);
        assert!(topic_end(TopicId(u32::MAX)).as_slice() > last.as_slice());
    }

    #[test]
    fn ends_are_after_their_last_key_and_before_the_next() {
        for (topic, partition) in [(1, 1), (1, u32::MAX), (u32::MAX, u32::MAX)] {
            let (topic, partition) = (TopicId(topic), PartitionId(partition));
            let end = partition_end(topic, partition);
            assert!(end.as_slice() > partition_key(topic, partition, u64::MAX).as_slice());
            assert!(topic_end(topic) >= end);
        }
        let next = partition_key(TopicId(1), PartitionId(2), 0);
        assert!(partition_end(TopicId(1), PartitionId(1)).as_slice() <= next.as_slice());
        assert_eq!(after(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(after(&[255, 255]), None);
    }

    #[test]
    fn time_index_entry_reads_back_and_damage_is_told() {
        let entry = TimeIndexEntry {
            running_max: Timestamp(-5),
            base_offset: Offset(7),
            byte_pos: 1 << 40,
        };
        let key = time_key(TopicId(1), PartitionId(2), entry.running_max);
        let mut value = entry.encode();
        assert_eq!(TimeIndexEntry::decode(&key, &value).expect("decoded"), entry);
        value[0] = 9;
        assert!(TimeIndexEntry::decode(&key, &value).is_err());
        assert!(TimeIndexEntry::decode(&key[1..], &entry.encode()).is_err());
    }
}
