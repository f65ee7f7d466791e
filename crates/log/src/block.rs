//! A block: the records that one commit appended to one partition in one piece, as they are stored.
//!
//! Little endian. The payload begins at a multiple of 16, which columns of numbers need to be read in
//! place.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | format, 1 |
//! | 1 | kind ([`BlockKind`]) |
//! | 2..4 | flags: 1 where parts of the payload are stored apart; a bit that this version does not know must not be ignored |
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
//! | 80..84 | bytes u32 of the whole payload |
//! | 84..88 | parts u32 that are stored apart |
//! | 88..96 | 0 |
//! | 96.. | for each of these, in order: id u32, begin and end u32 in the payload, CRC-32C of its stored bytes |
//! | | the payload without them, each stretch where it begins at the same remainder of 16 as in the payload |
//!
//! The key is part of the checksum, so that a block in the wrong place is found too.
//!
//! A part is stored from the multiple of 16 on at or before its begin, so that all of a payload can be read in
//! place.

use std::any::Any;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use weir_types::{Epoch, Error, Offset, PartitionId, Result, SqlState, Timestamp, TopicId};

use crate::encoding::Fields;
use crate::payload::{Part, Payload};

const FORMAT: u8 = 1;
/// Flag: parts of the payload are stored apart.
const HAS_PARTS: u8 = 1;
/// Bytes that tell of a part.
const PART_ENTRY_BYTES: usize = 16;
/// All of a payload begins, as seen from multiples of this, in memory as in the payload.
const ALIGNMENT: usize = 16;
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
    /// Stretches of the payload that are stored by themselves, for readers who want them alone: in order, without
    /// overlaps, none empty, each of another id.
    pub parts: Vec<Part>,
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
    /// The records, as far as they were read. Shares memory with the block that was read.
    pub payload: Payload,
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
    /// Bytes of the header and the whole payload: those that are stored, but for what parts take beside.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        (HEADER_BYTES + self.payload.n_bytes()) as u64
    }
}

/// A block as it is to be stored.
#[derive(Debug)]
pub(crate) struct Stored {
    /// What lies under its key.
    pub(crate) block: Bytes,
    /// What lies apart, by the ids of the parts.
    pub(crate) parts: Vec<(u32, Bytes)>,
    /// All of it, for those who have it from memory.
    pub(crate) payload: Payload,
}

/// A part that is stored apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartEntry {
    pub(crate) id: u32,
    /// Where it is in the payload.
    pub(crate) range: Range<usize>,
    /// CRC-32C of its stored bytes.
    pub(crate) crc: u32,
}

impl PartEntry {
    /// Where its stored bytes begin.
    pub(crate) fn begin(&self) -> usize {
        stored_range(&self.range).start
    }

    /// True where these are the bytes that were stored.
    pub(crate) fn is(&self, bytes: &[u8]) -> bool {
        bytes.len() == stored_range(&self.range).len() && crc32c::crc32c(bytes) == self.crc
    }
}

/// What is stored of a payload for a part of that range.
fn stored_range(range: &Range<usize>) -> Range<usize> {
    range.start - range.start % ALIGNMENT..range.end
}

/// Where the stretch of the payload that begins at `begin` is stored, at or after `at`.
fn aligned(at: usize, begin: usize) -> usize {
    at + (begin % ALIGNMENT + ALIGNMENT - at % ALIGNMENT) % ALIGNMENT
}

/// The stretches of a payload of so many bytes that no part has.
fn rest<'a>(
    n_bytes: usize,
    parts: impl Iterator<Item = &'a Range<usize>> + Clone,
) -> impl Iterator<Item = Range<usize>> {
    let begins = std::iter::once(0).chain(parts.clone().map(|range| range.end));
    let ends = parts.map(|range| range.start).chain(std::iter::once(n_bytes));
    begins.zip(ends).map(|(begin, end)| begin..end).filter(|range| !range.is_empty())
}

/// The stored form of a block, whose header fits the payload. These parts are stored apart.
pub(crate) fn encode(
    header: &BlockHeader,
    topic: TopicId,
    partition: PartitionId,
    mut payload: Vec<u8>,
    parts: &[Part],
) -> Stored {
    let n_apart: usize = parts.iter().map(|part| part.range.len()).sum();
    let n_entries = (PART_ENTRY_BYTES + ALIGNMENT) * parts.len();
    let mut bytes = Vec::with_capacity(HEADER_BYTES + n_entries + payload.len() - n_apart);
    encode_header(&mut bytes, header, payload.len(), parts.len());
    if parts.is_empty() {
        bytes.extend_from_slice(&payload);
        let block = sealed(bytes, topic, partition, header.last_offset());
        let payload = Payload::whole(block.slice(HEADER_BYTES..));
        return Stored { block, parts: Vec::new(), payload };
    }
    // The log's memory counts its bytes.
    payload.shrink_to_fit();
    let payload = Bytes::from(payload);
    let mut apart = Vec::with_capacity(parts.len());
    for part in parts {
        let stored = payload.slice(stored_range(&part.range));
        let (begin, end) = (part.range.start as u32, part.range.end as u32);
        for number in [part.id, begin, end, crc32c::crc32c(&stored)] {
            bytes.extend(number.to_le_bytes());
        }
        apart.push((part.id, stored));
    }
    for range in rest(payload.len(), parts.iter().map(|part| &part.range)) {
        bytes.resize(aligned(bytes.len(), range.start), 0);
        bytes.extend_from_slice(&payload[range]);
    }
    let block = sealed(bytes, topic, partition, header.last_offset());
    Stored { block, parts: apart, payload: Payload::whole(payload) }
}

/// The bytes with their checksum.
fn sealed(mut bytes: Vec<u8>, topic: TopicId, partition: PartitionId, last: Offset) -> Bytes {
    let crc = checksum(&bytes, topic, partition, last);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes.into()
}

fn encode_header(bytes: &mut Vec<u8>, header: &BlockHeader, n_payload: usize, n_parts: usize) {
    let producer = header.producer.unwrap_or(Producer { id: -1, epoch: -1, base_sequence: -1 });
    let n_payload = u32::try_from(n_payload).expect("a payload is below its limit");
    let flags = if n_parts > 0 { HAS_PARTS } else { 0 };
    bytes.extend([FORMAT, header.kind as u8, flags, 0, 0, 0, 0, 0]);
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
    bytes.extend((n_parts as u32).to_le_bytes());
    bytes.extend([0; 8]);
    debug_assert_eq!(bytes.len(), HEADER_BYTES);
}

/// The block that is stored under `last`, checked, and the parts that it lacks. `topic_name` is for messages.
///
/// # Errors
/// XX001 for any damage, 0A000 for a format or flags of a newer version.
pub(crate) fn decode(
    topic_name: &str,
    topic: TopicId,
    partition: PartitionId,
    last: Offset,
    bytes: &Bytes,
) -> Result<(Block, Vec<PartEntry>)> {
    let damaged = |reason: &str| damaged(topic_name, partition, last, reason);
    if bytes.len() < HEADER_BYTES {
        return Err(damaged("it is too short"));
    }
    let stored = u32::from_le_bytes(bytes[4..8].try_into().expect("4 bytes"));
    if stored != checksum(bytes, topic, partition, last) {
        return Err(damaged("its checksum is wrong"));
    }
    if bytes[0] != FORMAT || bytes[2] & !HAS_PARTS != 0 || bytes[3] != 0 {
        return Err(newer(topic_name, partition, last, bytes[0]));
    }
    let (header, n_payload, n_parts) =
        header(bytes).ok_or_else(|| damaged("its header makes no sense"))?;
    let (payload, parts) = payload(bytes, n_payload, n_parts)
        .ok_or_else(|| damaged("what follows its header makes no sense"))?;
    if header.base_offset.0.checked_add(u64::from(header.n_rows) - 1) != Some(last.0) {
        return Err(damaged("its offsets do not fit its place"));
    }
    Ok((Block { header, topic, partition, payload, memo: Memo::default() }, parts))
}

/// The header, the bytes of the whole payload, and the number of parts that are stored apart.
fn header(bytes: &[u8]) -> Option<(BlockHeader, usize, usize)> {
    let mut fields = Fields::new(&bytes[..HEADER_BYTES]);
    fields.u8()?;
    let kind = match fields.u8()? {
        1 => BlockKind::Rows,
        2 => BlockKind::RecordSet,
        _ => return None,
    };
    let has_parts = fields.u8()? & HAS_PARTS != 0;
    fields.bytes(5)?;
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
    let n_parts = fields.u32()? as usize;
    fields.bytes(8)?;
    fields.end()?;
    if has_parts != (n_parts > 0) {
        return None;
    }
    let producer = (id >= 0).then_some(Producer { id, epoch: producer_epoch, base_sequence });
    let header = BlockHeader {
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
    };
    Some((header, n_payload, n_parts))
}

/// What lies with the header, and the parts that lie apart.
fn payload(bytes: &Bytes, n_payload: usize, n_parts: usize) -> Option<(Payload, Vec<PartEntry>)> {
    if n_parts == 0 {
        let whole = bytes.slice(HEADER_BYTES..);
        return (whole.len() == n_payload).then(|| (Payload::whole(whole), Vec::new()));
    }
    let n_entries = n_parts.checked_mul(PART_ENTRY_BYTES)?;
    let (entries, _) = bytes[HEADER_BYTES..].split_at_checked(n_entries)?;
    let mut parts = Vec::with_capacity(n_parts);
    let mut end = 0;
    for entry in entries.chunks_exact(PART_ENTRY_BYTES) {
        let mut fields = Fields::new(entry);
        let id = fields.u32()?;
        let range = fields.u32()? as usize..fields.u32()? as usize;
        if range.start < end || range.is_empty() || range.end > n_payload {
            return None;
        }
        end = range.end;
        parts.push(PartEntry { id, range, crc: fields.u32()? });
    }
    let mut at = HEADER_BYTES + n_entries;
    let mut pieces = Vec::with_capacity(2 * n_parts + 1);
    for range in rest(n_payload, parts.iter().map(|part| &part.range)) {
        let begin = aligned(at, range.start);
        let end = begin + range.len();
        if end > bytes.len() {
            return None;
        }
        pieces.push((range.start, bytes.slice(begin..end)));
        at = end;
    }
    (at == bytes.len()).then(|| (Payload::of_pieces(n_payload, pieces), parts))
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

    fn read(bytes: &Bytes) -> Result<(Block, Vec<PartEntry>)> {
        decode("orders", TOPIC, PARTITION, Offset(1_004), bytes)
    }

    fn stored(producer: Option<Producer>) -> Bytes {
        encode(&sample(producer), TOPIC, PARTITION, b"payload".to_vec(), &[]).block
    }

    /// A payload with the first two of three parts apart.
    fn in_parts() -> (Vec<u8>, Stored) {
        let payload: Vec<u8> = (0..200).collect();
        let parts = [(7, 5..48), (2, 50..121)].map(|(id, range)| Part { id, range });
        let stored = encode(&sample(None), TOPIC, PARTITION, payload.clone(), &parts);
        (payload, stored)
    }

    #[test]
    fn parts_are_stored_apart_and_the_rest_reads_back() {
        let (payload, stored) = in_parts();
        assert_eq!(stored.payload.pieces(), [(0, payload.clone().into())]);
        let apart =
            [(7, Bytes::from(payload[0..48].to_vec())), (2, payload[48..121].to_vec().into())];
        assert_eq!(stored.parts, apart, "from a multiple of 16 on");
        let (mut block, parts) = read(&stored.block).expect("decoded");
        assert_eq!(block.n_bytes(), 96 + 200);
        assert_eq!(parts.iter().map(|part| part.id).collect::<Vec<_>>(), [7, 2]);
        let pieces = |block: &Block| -> Vec<(usize, usize)> {
            let pieces = block.payload.pieces();
            for (begin, bytes) in pieces {
                assert_eq!(bytes, &payload[*begin..begin + bytes.len()]);
            }
            pieces.iter().map(|(begin, bytes)| (*begin, bytes.len())).collect()
        };
        assert_eq!(pieces(&block), [(0, 5), (48, 2), (121, 79)]);
        let address = |bytes: &Bytes| bytes.as_ptr() as usize - stored.block.as_ptr() as usize;
        for (begin, bytes) in block.payload.pieces() {
            assert_eq!(address(bytes) % 16, begin % 16, "the stretch from {begin} on");
        }
        let (last, bytes) = (&parts[1], &stored.parts[1].1);
        assert!(last.is(bytes) && !parts[0].is(bytes) && !last.is(&bytes[1..]));
        block.payload.add(last.begin(), bytes.clone());
        assert_eq!(pieces(&block), [(0, 5), (48, 73), (48, 2), (121, 79)]);
        assert_eq!(block.payload.n_bytes_read(), 159);
    }

    #[test]
    fn block_reads_back_and_shares_its_payload() {
        let producer = Producer { id: 5, epoch: 1, base_sequence: i32::MAX };
        for producer in [None, Some(producer)] {
            let bytes = stored(producer);
            let (block, parts) = read(&bytes).expect("decoded");
            assert_eq!((block.header, parts), (sample(producer), Vec::new()));
            let [(0, payload)] = block.payload.pieces() else { panic!("one piece") };
            assert_eq!(payload, &b"payload"[..]);
            assert_eq!(payload.as_ptr(), bytes[HEADER_BYTES..].as_ptr());
            assert_eq!(block.n_bytes(), bytes.len() as u64);
            assert_eq!(block.header.end_offset(), Offset(1_005));
        }
    }

    #[test]
    fn what_one_reader_made_serves_all_who_have_the_block() {
        let bytes = stored(None);
        let (block, _) = read(&bytes).expect("decoded");
        let again = block.clone();
        assert!(block.memo.get_or_make(|| Err::<u32, _>(Error::internal("no"))).is_err());
        assert_eq!(*block.memo.get_or_make(|| Ok(1)).expect("made"), 1);
        assert_eq!(*again.memo.get_or_make(|| Ok(2)).expect("known"), 1);
        assert_eq!(
            *again.memo.get_or_make(|| Ok("of another type")).expect("made"),
            "of another type"
        );
        assert_eq!(*read(&bytes).expect("decoded").0.memo.get_or_make(|| Ok(3)).expect("made"), 3);
    }

    #[test]
    fn any_flipped_bit_and_any_cut_are_found_and_named() {
        for bytes in [stored(None), in_parts().1.block] {
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
    }

    #[test]
    fn block_in_another_place_is_damaged() {
        let bytes = stored(None);
        let places = [(8, 3, 1_004), (7, 4, 1_004), (7, 3, 1_005)];
        for (topic, partition, last) in places {
            let place = (TopicId(topic), PartitionId(partition), Offset(last));
            assert!(decode("orders", place.0, place.1, place.2, &bytes).is_err(), "{place:?}");
        }
    }

    #[test]
    fn newer_format_and_unknown_flags_are_refused_as_such() {
        for (at, value) in [(0, 2), (2, 2), (3, 1)] {
            let error = read_changed(stored(None), &[(at, value)]).expect_err("newer");
            assert_eq!(error.state(), SqlState::FeatureNotSupported);
        }
    }

    /// Reads the block with those bytes in place and a checksum that fits them.
    fn read_changed(block: Bytes, changes: &[(usize, u8)]) -> Result<(Block, Vec<PartEntry>)> {
        let mut bytes = block.to_vec();
        for (at, value) in changes {
            bytes[*at] = *value;
        }
        read(&sealed(bytes, TOPIC, PARTITION, Offset(1_004)))
    }

    #[test]
    fn parts_that_make_no_sense_are_damage() {
        let (_, stored) = in_parts();
        let changes = [
            &[(2, 0)][..],
            &[(84, 1)],
            &[(84, 200)],
            &[(87, 255)],
            &[(80, 199)],
            &[(80, 120)],
            // The first part's end, beyond the second's begin, and before its own.
            &[(96 + 8, 51)],
            &[(96 + 8, 4)],
            // Another end of a part, so that the rest is longer or shorter than it is.
            &[(96 + 8, 30)],
            &[(112 + 8, 137)],
        ];
        for changed in changes {
            let error = read_changed(stored.block.clone(), changed).expect_err("damaged");
            assert_eq!(error.state(), SqlState::DataCorrupted, "{changed:?}: {error}");
        }
        let flagged = read_changed(self::stored(None), &[(2, 1)]).expect_err("no parts");
        assert_eq!(flagged.state(), SqlState::DataCorrupted);
    }
}
