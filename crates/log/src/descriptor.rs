//! The descriptor of an epoch, written with it: its number, its time, and how far it took partitions.
//!
//! Only the newest one is kept. Little endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0 | format, 1 |
//! | 1..9 | epoch u64 |
//! | 9..17 | now i64, in microseconds |
//! | 17..21 | number of partitions u32 |
//! | 16 for each | topic u32, partition u32, end offset u64 |
//! | last 4 | CRC-32C of all before |

use weir_types::{Epoch, Error, Offset, PartitionId, Result, Timestamp, TopicId};

use crate::encoding::Fields;

const FORMAT: u8 = 1;

/// What an epoch was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) epoch: Epoch,
    pub(crate) now: Timestamp,
    /// End offsets of the partitions that the epoch appended to.
    pub(crate) ends: Vec<(TopicId, PartitionId, Offset)>,
}

impl Descriptor {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let n_ends = u32::try_from(self.ends.len()).expect("partitions are counted in 32 bits");
        let mut bytes = vec![FORMAT];
        bytes.extend(self.epoch.0.to_le_bytes());
        bytes.extend(self.now.0.to_le_bytes());
        bytes.extend(n_ends.to_le_bytes());
        for (topic, partition, end) in &self.ends {
            bytes.extend(topic.0.to_le_bytes());
            bytes.extend(partition.0.to_le_bytes());
            bytes.extend(end.0.to_le_bytes());
        }
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes)
            .ok_or_else(|| Error::corrupt("the descriptor of the newest epoch is damaged"))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if u32::from_le_bytes(*crc) != crc32c::crc32c(body) {
            return None;
        }
        let mut fields = Fields::new(body);
        fields.u8().filter(|format| *format == FORMAT)?;
        let epoch = Epoch(fields.u64()?);
        let now = Timestamp(fields.i64()?);
        let n_ends = fields.u32()?;
        let mut ends = Vec::new();
        for _ in 0..n_ends {
            let (topic, partition) = (TopicId(fields.u32()?), PartitionId(fields.u32()?));
            ends.push((topic, partition, Offset(fields.u64()?)));
        }
        fields.end()?;
        Some(Self { epoch, now, ends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptor_reads_back_and_any_flipped_bit_is_found() {
        let descriptor = Descriptor {
            epoch: Epoch(5),
            now: Timestamp(-3),
            ends: vec![
                (TopicId(1), PartitionId(2), Offset(3)),
                (TopicId(4), PartitionId(0), Offset(9)),
            ],
        };
        let bytes = descriptor.encode();
        assert_eq!(Descriptor::decode(&bytes).expect("decoded"), descriptor);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Descriptor::decode(&flipped).is_err(), "bit {bit}");
        }
        for n_bytes in 0..bytes.len() {
            assert!(Descriptor::decode(&bytes[..n_bytes]).is_err(), "{n_bytes} bytes");
        }
    }
}
