//! Topics and their partitions: what is stored of them, and what is known of them in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use weir_store::RetentionClass;
use weir_types::limits::PARTITIONS_MAX;
use weir_types::{Epoch, Error, Offset, PartitionId, Result, SqlState, Timestamp, TopicId};

use crate::block::Block;
use crate::encoding::Fields;

/// What a topic is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// Never given to another topic, not even after this one is dropped.
    pub id: TopicId,
    /// For messages only.
    pub name: String,
    /// Number of partitions, from 1 to [`PARTITIONS_MAX`].
    pub partitions: u32,
    /// Records older than this may go; `None` keeps them.
    pub retention_ms: Option<u64>,
    /// The oldest records of a partition may go while it has more bytes than this.
    pub retention_bytes: Option<u64>,
}

const FORMAT: u8 = 1;
const START_FORMAT: u8 = 1;

impl TopicConfig {
    /// Fails with 22023 where the topic cannot be made.
    pub(crate) fn check(&self) -> Result<()> {
        if (1..=PARTITIONS_MAX).contains(&self.partitions) {
            return Ok(());
        }
        Err(Error::new(
            SqlState::InvalidParameterValue,
            format!(
                "topic \"{}\" cannot have {} partitions, only 1 to {PARTITIONS_MAX}",
                self.name, self.partitions
            ),
        ))
    }
}

/// A topic with all that is known of it.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) config: TopicConfig,
    pub(crate) class: RetentionClass,
    partitions: Box<[Mutex<Partition>]>,
}

/// What is known of a partition.
#[derive(Debug)]
pub(crate) struct Partition {
    /// First offset that retention has left.
    pub(crate) start: Offset,
    /// Bytes of all blocks before the start's; `None` until somebody has looked.
    pub(crate) start_byte_pos: Option<u64>,
    pub(crate) tip: Tip,
    /// Base offset of the last block, which stays on the disk to tell the end.
    pub(crate) last_base: Offset,
    /// Ends after the last commits that appended, oldest first. Never empty.
    history: VecDeque<(Epoch, Offset)>,
}

/// Where the next append goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tip {
    pub(crate) end: Offset,
    /// Bytes of all blocks, ever.
    pub(crate) byte_pos: u64,
    pub(crate) running_max: Timestamp,
    /// Byte position of the last time index entry and blocks since, where one was written or needed.
    pub(crate) indexed: Option<(u64, u32)>,
}

/// Commits whose ends a partition remembers. Views ask for ends as of epochs a few commits back; older
/// ones are found in the blocks.
const HISTORY_MAX: usize = 1024;

impl Partition {
    fn empty() -> Self {
        let tip = Tip {
            end: Offset(0),
            byte_pos: 0,
            running_max: Timestamp(i64::MIN),
            indexed: Some((0, 0)),
        };
        let history = VecDeque::from([(Epoch::ZERO, Offset(0))]);
        Self { start: Offset(0), start_byte_pos: Some(0), tip, last_base: Offset(0), history }
    }

    /// A partition with that last block and start.
    pub(crate) fn recovered(start: Offset, last: Option<&Block>) -> Self {
        let Some(last) = last else {
            return Self::empty();
        };
        let header = &last.header;
        let tip = Tip {
            end: header.end_offset(),
            byte_pos: header.byte_pos + last.n_bytes(),
            running_max: header.running_max,
            indexed: None,
        };
        let history = VecDeque::from([(header.epoch, tip.end)]);
        let start_byte_pos = (start == Offset(0)).then_some(0);
        Self { start, start_byte_pos, tip, last_base: header.base_offset, history }
    }

    /// Takes in what a commit appended; its last block begins at `last_base`.
    pub(crate) fn advance(&mut self, epoch: Epoch, tip: Tip, last_base: Offset) {
        self.tip = tip;
        self.last_base = last_base;
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back((epoch, tip.end));
    }

    /// The end as of `epoch`; `None` where that is longer ago than remembered.
    pub(crate) fn end_at(&self, epoch: Epoch) -> Option<Offset> {
        let n_until = self.history.partition_point(|(known, _)| *known <= epoch);
        n_until.checked_sub(1).map(|entry_idx| self.history[entry_idx].1)
    }
}

impl Topic {
    /// A topic without records.
    pub(crate) fn new(config: TopicConfig) -> Self {
        let class = RetentionClass::for_retention(config.retention_ms, config.retention_bytes);
        let partitions = (0..config.partitions).map(|_| Partition::empty()).collect();
        Self::recovered(config, class, partitions)
    }

    pub(crate) fn recovered(
        config: TopicConfig,
        class: RetentionClass,
        partitions: Vec<Partition>,
    ) -> Self {
        let partitions = partitions.into_iter().map(Mutex::new).collect();
        Self { config, class, partitions }
    }

    /// The partition of that number.
    ///
    /// # Errors
    /// 42704 where there is none.
    pub(crate) fn partition(&self, partition: PartitionId) -> Result<&Mutex<Partition>> {
        self.partitions.get(partition.0 as usize).ok_or_else(|| {
            Error::new(
                SqlState::UndefinedObject,
                format!("topic \"{}\" has no partition {partition}", self.config.name),
            )
        })
    }

    /// All partitions with their numbers.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = (PartitionId, &Mutex<Partition>)> {
        (0..self.config.partitions).map(PartitionId).zip(&self.partitions)
    }

    /// The stored form: format byte, class u8, partitions u32, retention in ms and in bytes (each a
    /// presence byte and u64), name.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT, self.class as u8];
        bytes.extend(self.config.partitions.to_le_bytes());
        for bound in [self.config.retention_ms, self.config.retention_bytes] {
            bytes.push(u8::from(bound.is_some()));
            bytes.extend(bound.unwrap_or(0).to_le_bytes());
        }
        bytes.extend(self.config.name.as_bytes());
        bytes
    }

    /// The configuration and class of a stored topic.
    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<(TopicConfig, RetentionClass)> {
        Self::parse(key, value).ok_or_else(|| {
            Error::corrupt(format!("the stored topic with key {key:02X?} is damaged"))
        })
    }

    fn parse(key: &[u8], value: &[u8]) -> Option<(TopicConfig, RetentionClass)> {
        let id = TopicId(u32::from_be_bytes(key.try_into().ok()?));
        let mut fields = Fields::new(value);
        fields.u8().filter(|format| *format == FORMAT)?;
        let class = RetentionClass::from_number(fields.u8()?)?;
        let partitions = fields.u32()?;
        let mut bound = || match (fields.u8()?, fields.u64()?) {
            (0, _) => Some(None),
            (1, bound) => Some(Some(bound)),
            _ => None,
        };
        let (retention_ms, retention_bytes) = (bound()?, bound()?);
        let name = String::from_utf8(value[24..].to_vec()).ok()?;
        let config = TopicConfig { id, name, partitions, retention_ms, retention_bytes };
        config.check().ok()?;
        Some((config, class))
    }
}

/// Key of a topic's meta record.
pub(crate) fn topic_key(topic: TopicId) -> [u8; 4] {
    topic.0.to_be_bytes()
}

/// Key of the meta record with the start of a partition.
pub(crate) fn start_key(topic: TopicId, partition: PartitionId) -> [u8; 8] {
    let mut key = [0; 8];
    key[..4].copy_from_slice(&topic.0.to_be_bytes());
    key[4..].copy_from_slice(&partition.0.to_be_bytes());
    key
}

/// Keys of the meta records with the starts of all partitions of a topic.
pub(crate) fn start_keys(topic: &Topic) -> impl Iterator<Item = [u8; 8]> {
    topic.partitions().map(|(partition, _)| start_key(topic.config.id, partition))
}

/// The stored start of a partition: format byte, offset u64.
pub(crate) fn encode_start(start: Offset) -> [u8; 9] {
    let mut value = [START_FORMAT; 9];
    value[1..].copy_from_slice(&start.0.to_le_bytes());
    value
}

pub(crate) fn decode_start(value: &[u8]) -> Option<Offset> {
    let mut fields = Fields::new(value);
    fields.u8().filter(|format| *format == START_FORMAT)?;
    let start = fields.u64()?;
    fields.end()?;
    Some(Offset(start))
}

/// All topics of a log.
#[derive(Debug, Default)]
pub(crate) struct Topics(RwLock<HashMap<TopicId, Arc<Topic>>>);

impl Topics {
    pub(crate) fn insert(&self, topic: Arc<Topic>) {
        self.0.write().insert(topic.config.id, topic);
    }

    pub(crate) fn remove(&self, topic: TopicId) {
        self.0.write().remove(&topic);
    }

    /// The topic of that id.
    ///
    /// # Errors
    /// 42704 where there is none.
    pub(crate) fn get(&self, topic: TopicId) -> Result<Arc<Topic>> {
        self.0.read().get(&topic).cloned().ok_or_else(|| undefined(topic))
    }

    /// All topics by id.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        let mut topics: Vec<_> = self.0.read().values().cloned().collect();
        topics.sort_by_key(|topic| topic.config.id);
        topics
    }
}

/// The error for a topic that is not there (42704).
pub(crate) fn undefined(topic: TopicId) -> Error {
    Error::new(SqlState::UndefinedObject, format!("topic with id {topic} does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(retention_ms: Option<u64>, retention_bytes: Option<u64>) -> TopicConfig {
        let name = "oders \u{e4}".to_owned();
        TopicConfig { id: TopicId(9), name, partitions: 3, retention_ms, retention_bytes }
    }

    #[test]
    fn topic_reads_back_and_cuts_are_found() {
        for bounds in [(None, None), (Some(0), None), (Some(u64::MAX), Some(7))] {
            let topic = Topic::new(config(bounds.0, bounds.1));
            let bytes = topic.encode();
            let (config, class) = Topic::decode(&topic_key(TopicId(9)), &bytes).expect("decoded");
            assert_eq!((&config, class), (&topic.config, topic.class));
            for n_bytes in 0..24 {
                assert!(Topic::decode(&topic_key(TopicId(9)), &bytes[..n_bytes]).is_err());
            }
            let mut newer = bytes.clone();
            newer[0] = 2;
            assert!(Topic::decode(&topic_key(TopicId(9)), &newer).is_err());
        }
    }

    #[test]
    fn history_answers_as_far_as_it_goes_back() {
        let mut partition = Partition::empty();
        assert_eq!(partition.end_at(Epoch::ZERO), Some(Offset(0)));
        for epoch in 1..=HISTORY_MAX as u64 + 1 {
            let tip = Tip { end: Offset(epoch * 10), ..partition.tip };
            partition.advance(Epoch(epoch * 2), tip, Offset(0));
        }
        assert_eq!(partition.end_at(Epoch(1)), None, "forgotten");
        assert_eq!(partition.end_at(Epoch(2)), None, "forgotten");
        assert_eq!(partition.end_at(Epoch(4)), Some(Offset(20)));
        assert_eq!(partition.end_at(Epoch(5)), Some(Offset(20)));
        assert_eq!(partition.end_at(Epoch::MAX), Some(Offset((HISTORY_MAX as u64 + 1) * 10)));
    }

    #[test]
    fn partitions_are_bounded() {
        for partitions in [0, PARTITIONS_MAX + 1] {
            let error =
                TopicConfig { partitions, ..config(None, None) }.check().expect_err("refused");
            assert_eq!(error.state(), SqlState::InvalidParameterValue);
        }
    }
}
