//! A block: the records that one commit appended to one partition in one piece, as they are stored.
//!
//! Little endian. The payload begins at a multiple of 16, which columns of numbers need to be read in
//! place.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | format, 1 |
//! | 1 | kind ([`BlockKind`]) |
//! | 2..4 | flags, 0: a bit that this version does not know must not be ignored |
//! | 4..8 | CRC-32C of the key (topic u32, partition u32, last offset u64), bytes 0..4, and 8 to the end |
//! | 8..16 | epoch u64 |
//! | 16..24 | base offset u64: that of the first record |
//! | 24..28 | rows u32, at least 1 |
//! | 28..32 | schema version u32 |
//! | 32..40 | least timestamp i64 of its records, in microseconds |
//! | 40..48 | greatest timestamp i64 |
//! | 48..56 | greatest timestamp i64 of the partition up to this block |
//! | 56..64 | bytes u64 of all blocks of the partition before this one, ever |
//! | 64..72 | producer id i64, -1 for none |
//! | 72..74 | producer epoch i16, -1 for none |
//! | 74..76 | 0 |
//! | 76..80 | first sequence number i32 of the producer, -1 for none |
//! | 80..84 | payload bytes u32 |
//! | 84..96 | 0 |
//! | 96.. | payload |
//!
//! The key is part of the checksum, so that a block in the wrong place is found too.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use weir_types::{Epoch, Error, Offset, PartitionId, Result, SqlState, Timestamp, TopicId};

use crate::encoding::Fields;

const FORMAT: u8 = 1;
/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 96;
/// Largest payload: RocksDB's limit for a value is 4 GiB, and a reader holds a whole block in memory.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// What the payload of a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BlockKind {
    /// Rows as columns, as SQL writes them.
    Rows = 1,
    /// A record set as a Kafka client sent it.
    RecordSet = 2,
}

/// Who sent a block, so that a repeated one can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Id of the producer, not negative.
    pub id: i64,
    /// Epoch of the producer, in Kafka's sense.
    pub epoch: i16,
    /// Sequence number of the first record.
    pub base_sequence: i32,
}

/// Records to append to one partition.
#[derive(Clone, Debug)]
pub struct Append {
    /// What the payload is.
    pub kind: BlockKind,
    /// Version of the schema that the payload was written with.
    pub schema_version: u32,
    /// Number of records, at least 1.
    pub n_rows: u32,
    /// Least timestamp of the records.
    pub min_timestamp: Timestamp,
    /// Greatest timestamp of the records.
    pub max_timestamp: Timestamp,
    /// The records.
    pub payload: Vec<u8>,
    /// Who sent them, for record sets of idempotent producers.
    pub producer: Option<Producer>,
}

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// What the payload is.
    pub kind: BlockKind,
    /// Version of the schema that the payload was written with.
    pub schema_version: u32,
    /// The commit that wrote it.
    pub epoch: Epoch,
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Number of records, at least 1.
    pub n_rows: u32,
    /// Least timestamp of its records.
    pub min_timestamp: Timestamp,
    /// Greatest timestamp of its records.
    pub max_timestamp: Timestamp,
    /// Greatest timestamp of the partition up to this block.
    pub running_max: Timestamp,
    /// Bytes of all blocks of the partition before this one, ever.
    pub byte_pos: u64,
    /// Who sent it.
    pub producer: Option<Producer>,
}

impl BlockHeader {
    /// Offset of the last record.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        self.base_offset.advance(u64::from(self.n_rows) - 1)
    }

    /// Offset after the last record.
    #[must_use]
    pub fn end_offset(&self) -> Offset {
        self.base_offset.advance(u64::from(self.n_rows))
    }
}

/// A block as it is read.
#[derive(Clone, Debug)]
pub struct Block {
    /// What it says of itself.
    pub header: BlockHeader,
    /// The topic it is of.
    pub topic: TopicId,
    /// The partition it is of.
    pub partition: PartitionId,
    /// The records. Shares memory with the block that was read.
    pub payload: Bytes,
    /// What readers have made of the records.
    pub memo: Memo,
}

/// What the first reader of a block has made of its payload, for all who have the block from memory: the log
/// does not know what that is.
#[derive(Clone, Default)]
pub struct Memo(Arc<OnceLock<Arc<dyn Any + Send + Sync>>>);

impl Memo {
    /// What was made of the block; the first reader makes it.
    ///
    /// # Errors
    /// Those of `make`; the next reader tries again.
    pub fn get_or_make<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let known = || self.0.get().cloned().and_then(|known| known.downcast::<T>().ok());
        if let Some(known) = known() {
            return Ok(known);
        }
        let made = Arc::new(make()?);
        let shared: Arc<dyn Any + Send + Sync> = Arc::<T>::clone(&made);
        // Another reader may have been faster: its work serves as well.
        let _ = self.0.set(shared);
        Ok(known().unwrap_or(made))
    }
}

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Memo").field(&self.0.get().is_some()).finish()
    }
}

impl Block {
    /// Bytes of the block as it is stored.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        (HEADER_BYTES + self.payload.len()) as u64
    }
}

/// The stored form of a block, whose header fits the payload.
pub(crate) fn encode(
    header: &BlockHeader,
    topic: TopicId,
    partition: PartitionId,
    payload: &[u8],
) -> Bytes {
    let producer = header.producer.unwrap_or(Producer { id: -1, epoch: -1, base_sequence: -1 });
    let n_payload = u32::try_from(payload.len()).expect("a payload is below its limit");
    let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
    bytes.extend([FORMAT, header.kind as u8, 0, 0, 0, 0, 0, 0]);
    bytes.extend(header.epoch.0.to_le_bytes());
    bytes.extend(header.base_offset.0.to_le_bytes());
    bytes.extend(header.n_rows.to_le_bytes());
    bytes.extend(header.schema_version.to_le_bytes());
    bytes.extend(header.min_timestamp.0.to_le_bytes());
    bytes.extend(header.max_timestamp.0.to_le_bytes());
    bytes.extend(header.running_max.0.to_le_bytes());
    bytes.extend(header.byte_pos.to_le_bytes());
    bytes.extend(producer.id.to_le_bytes());
    bytes.extend(producer.epoch.to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(producer.base_sequence.to_le_bytes());
    bytes.extend(n_payload.to_le_bytes());
    bytes.extend([0; 12]);
    debug_assert_eq!(bytes.len(), HEADER_BYTES);
    bytes.extend_from_slice(payload);
    let crc = checksum(&bytes, topic, partition, header.last_offset());
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes.into()
}

/// The block that is stored under `last`, checked. `topic_name` is for messages.
///
/// # Errors
/// XX001 for any damage, 0A000 for a format or flags of a newer version.
pub(crate) fn decode(
    topic_name: &str,
    topic: TopicId,
    partition: PartitionId,
    last: Offset,
    bytes: &Bytes,
) -> Result<Block> {
    let damaged = |reason: &str| damaged(topic_name, partition, last, reason);
    if bytes.len() < HEADER_BYTES {
        return Err(damaged("it is too short"));
    }
    let stored = u32::from_le_bytes(bytes[4..8].try_into().expect("4 bytes"));
    if stored != checksum(bytes, topic, partition, last) {
        return Err(damaged("its checksum is wrong"));
    }
    if bytes[0] != FORMAT || bytes[2..4] != [0, 0] {
        return Err(newer(topic_name, partition, last, bytes[0]));
    }
    let header = header(bytes).ok_or_else(|| damaged("its header makes no sense"))?;
    if header.base_offset.0.checked_add(u64::from(header.n_rows) - 1) != Some(last.0) {
        return Err(damaged("its offsets do not fit its place"));
    }
    Ok(Block {
        header,
        topic,
        partition,
        payload: bytes.slice(HEADER_BYTES..),
        memo: Memo::default(),
    })
}

fn header(bytes: &[u8]) -> Option<BlockHeader> {
    let mut fields = Fields::new(bytes);
    fields.u8()?;
    let kind = match fields.u8()? {
        1 => BlockKind::Rows,
        2 => BlockKind::RecordSet,
        _ => return None,
    };
    fields.bytes(6)?;
    let epoch = Epoch(fields.u64()?);
    let base_offset = Offset(fields.u64()?);
    let n_rows = fields.u32().filter(|n_rows| *n_rows > 0)?;
    let schema_version = fields.u32()?;
    let min_timestamp = Timestamp(fields.i64()?);
    let max_timestamp = Timestamp(fields.i64()?);
    let running_max = Timestamp(fields.i64()?);
    let byte_pos = fields.u64()?;
    let id = fields.i64()?;
    let producer_epoch = fields.u16()?.cast_signed();
    fields.bytes(2)?;
    let base_sequence = fields.u32()?.cast_signed();
    let n_payload = fields.u32()? as usize;
    fields.bytes(12)?;
    fields.bytes(n_payload)?;
    fields.end()?;
    let producer = (id >= 0).then_some(Producer { id, epoch: producer_epoch, base_sequence });
    Some(BlockHeader {
        kind,
        schema_version,
        epoch,
        base_offset,
        n_rows,
        min_timestamp,
        max_timestamp,
        running_max,
        byte_pos,
        producer,
    })
}

fn checksum(bytes: &[u8], topic: TopicId, partition: PartitionId, last: Offset) -> u32 {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&topic.0.to_le_bytes());
    key[4..8].copy_from_slice(&partition.0.to_le_bytes());
    key[8..].copy_from_slice(&last.0.to_le_bytes());
    let crc = crc32c::crc32c(&key);
    let crc = crc32c::crc32c_append(crc, &bytes[..4]);
    crc32c::crc32c_append(crc, &bytes[8..])
}

/// The error for a block that cannot be what was written.
pub(crate) fn damaged(
    topic_name: &str,
    partition: PartitionId,
    offset: Offset,
    reason: &str,
) -> Error {
    Error::corrupt(format!(
        "block of topic \"{topic_name}\" partition {partition} at offset {offset} is damaged: {reason}"
    ))
}

fn newer(topic_name: &str, partition: PartitionId, last: Offset, format: u8) -> Error {
    Error::new(
        SqlState::FeatureNotSupported,
        format!(
            "block of topic \"{topic_name}\" partition {partition} at offset {last} has format \
             {format} or flags that this version does not read"
        ),
    )
    .with_hint("Start the version of Weir that wrote it, or a newer one.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: TopicId = TopicId(7);
    const PARTITION: PartitionId = PartitionId(3);

    fn sample(producer: Option<Producer>) -> BlockHeader {
        BlockHeader {
            kind: BlockKind::Rows,
            schema_version: 4,
            epoch: Epoch(99),
            base_offset: Offset(1_000),
            n_rows: 5,
            min_timestamp: Timestamp(-1),
            max_timestamp: Timestamp(8),
            running_max: Timestamp(9),
            byte_pos: 1 << 33,
            producer,
        }
    }

    fn read(bytes: &Bytes) -> Result<Block> {
        decode("orders", TOPIC, PARTITION, Offset(1_004), bytes)
    }

    #[test]
    fn block_reads_back_and_shares_its_payload() {
        let producer = Producer { id: 5, epoch: 1, base_sequence: i32::MAX };
        for producer in [None, Some(producer)] {
            let header = sample(producer);
            let bytes = encode(&header, TOPIC, PARTITION, b"payload");
            let block = read(&bytes).expect("decoded");
            assert_eq!(block.header, header);
            assert_eq!(block.payload, &b"payload"[..]);
            assert_eq!(block.payload.as_ptr(), bytes[HEADER_BYTES..].as_ptr());
            assert_eq!(block.n_bytes(), bytes.len() as u64);
            assert_eq!(block.header.end_offset(), Offset(1_005));
        }
    }

    #[test]
    fn what_one_reader_made_serves_all_who_have_the_block() {
        let bytes = encode(&sample(None), TOPIC, PARTITION, b"payload");
        let block = read(&bytes).expect("decoded");
        let again = block.clone();
        assert!(block.memo.get_or_make(|| Err::<u32, _>(Error::internal("no"))).is_err());
        assert_eq!(*block.memo.get_or_make(|| Ok(1)).expect("made"), 1);
        assert_eq!(*again.memo.get_or_make(|| Ok(2)).expect("known"), 1);
        assert_eq!(
            *again.memo.get_or_make(|| Ok("of another type")).expect("made"),
            "of another type"
        );
        assert_eq!(*read(&bytes).expect("decoded").memo.get_or_make(|| Ok(3)).expect("made"), 3);
    }

    #[test]
    fn any_flipped_bit_and_any_cut_are_found_and_named() {
        let bytes = encode(&sample(None), TOPIC, PARTITION, b"payload");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = read(&flipped.into()).expect_err("damaged");
            assert_eq!(error.state(), SqlState::DataCorrupted, "bit {bit}: {error}");
            assert!(error.message().contains("topic \"orders\" partition 3 at offset 1004"));
        }
        for n_bytes in 0..bytes.len() {
            assert!(read(&bytes.slice(..n_bytes)).is_err(), "{n_bytes} bytes");
        }
    }

    #[test]
    fn block_in_another_place_is_damaged() {
        let bytes = encode(&sample(None), TOPIC, PARTITION, b"payload");
        let places = [(8, 3, 1_004), (7, 4, 1_004), (7, 3, 1_005)];
        for (topic, partition, last) in places {
            let place = (TopicId(topic), PartitionId(partition), Offset(last));
            assert!(decode("orders", place.0, place.1, place.2, &bytes).is_err(), "{place:?}");
        }
    }

    #[test]
    fn newer_format_and_unknown_flags_are_refused_as_such() {
        for (at, value) in [(0, 2), (2, 1)] {
            let mut bytes = encode(&sample(None), TOPIC, PARTITION, b"payload").to_vec();
            bytes[at] = value;
            let crc = checksum(&bytes, TOPIC, PARTITION, Offset(1_004));
            bytes[4..8].copy_from_slice(&crc.to_le_bytes());
            let error = read(&bytes.into()).expect_err("newer");
            assert_eq!(error.state(), SqlState::FeatureNotSupported);
        }
    }
}
