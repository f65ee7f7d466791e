//! Reads RocksDB's write-ahead log files, as far as it takes to tell whole records from damage.
//!
//! A file is a run of pages of 32 KiB. A record is one fragment, or several in following pages; no
//! fragment crosses a page, and fewer than 7 bytes at the end of a page stay empty. Little endian:
//!
//! | bytes of a fragment | what |
//! |---|---|
//! | 0..4 | masked CRC-32C of kind and payload |
//! | 4..6 | payload bytes |
//! | 6 | kind: 1 whole record, 2 first, 3 middle, 4 last fragment of one, 9, 10 and 130 about the file |
//! | 7.. | payload |
//!
//! Kind 130 comes before all records: number u64 and bytes u64 of the file before. RocksDB writes it
//! when it goes on to the next file. The first file after a start has none: all that the files before
//! it hold is in tables by then.
//!
//! A record is a write batch: sequence number u64 of its first entry, number of entries u32, entries.
//! Batches of [`crate::LogStore`] begin with a log-data entry, which RocksDB keeps in the WAL only:
//!
//! | bytes of a record | what |
//! |---|---|
//! | 12, 13 | entry kind 3, its bytes 18 |
//! | 14..16 | `WE` |
//! | 16..24 | epoch u64 of the batch |
//! | 24..32 | an epoch u64 that was durable when the batch was written |

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use weir_types::{Epoch, Error, Result};

const PAGE_BYTES: u64 = 32 << 10;
const HEADER_BYTES: usize = 7;
const HEAD_BYTES: usize = 32;
const STAMP_TAG: [u8; 4] = [3, STAMP_BYTES as u8, b'W', b'E'];
const STAMP_BYTES: usize = 18;

const WHOLE: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;
const PREDECESSOR: u8 = 130;
/// Compression and timestamp sizes, which are not in use, and the predecessor.
const ABOUT_THE_FILE: [u8; 3] = [9, 10, PREDECESSOR];

/// What each batch of the log store says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Epoch of the batch.
    pub(crate) epoch: Epoch,
    /// An epoch that was durable when the batch was written.
    pub(crate) durable: Epoch,
}

impl Stamp {
    /// As log data of a write batch.
    pub(crate) fn encode(self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        bytes[..2].copy_from_slice(&STAMP_TAG[2..]);
        bytes[2..10].copy_from_slice(&self.epoch.0.to_le_bytes());
        bytes[10..].copy_from_slice(&self.durable.0.to_le_bytes());
        bytes
    }
}

/// A whole record with right checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Position of its first fragment.
    pub(super) begin: u64,
    /// Position after its last fragment.
    pub(super) end: u64,
    /// Sequence number of its first entry.
    pub(super) sequence: u64,
    /// Sequence number of the record that follows.
    pub(super) next_sequence: u64,
    /// `None` where the batch is not of the log store.
    pub(super) stamp: Option<Stamp>,
}

/// What is at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Record(Record),
    /// The file ends here.
    End,
    /// Bytes that are no record: an incomplete one, zeros, or damage.
    Broken,
}

enum Fragment {
    Whole { kind: u8, payload: std::ops::Range<usize>, end: u64 },
    End,
    Broken,
}

/// The file before another one, as it was when that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Predecessor {
    pub(super) number: u64,
    pub(super) n_bytes: u64,
}

/// One file of the write-ahead log.
#[derive(Debug)]
pub(super) struct WalFile {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    /// What it says of the file before; known once its first record was asked for.
    pub(super) predecessor: Option<Predecessor>,
    pub(super) n_bytes: u64,
    file: File,
    page: Vec<u8>,
    page_idx: Option<u64>,
}

impl WalFile {
    pub(super) fn open(number: u64, path: &Path) -> Result<Self> {
        let failed = |e: std::io::Error| read_error(path, &e);
        let file = File::open(path).map_err(failed)?;
        let n_bytes = file.metadata().map_err(failed)?.len();
        Ok(Self {
            number,
            path: path.to_owned(),
            predecessor: None,
            n_bytes,
            file,
            page: Vec::new(),
            page_idx: None,
        })
    }

    /// The record at or after `at`, which must be a position where one may begin.
    pub(super) fn record(&mut self, mut at: u64) -> Result<Found> {
        let mut begin = None;
        let mut head = [0; HEAD_BYTES];
        let mut n_head = 0;
        loop {
            let (kind, payload, end) = match self.fragment(at)? {
                Fragment::Whole { kind, payload, end } => (kind, payload, end),
                Fragment::End if begin.is_none() => return Ok(Found::End),
                Fragment::End | Fragment::Broken => return Ok(Found::Broken),
            };
            match (kind, begin) {
                (WHOLE | FIRST, None) => begin = Some(end - (HEADER_BYTES + payload.len()) as u64),
                (MIDDLE | LAST, Some(_)) => {}
                (kind, None) if ABOUT_THE_FILE.contains(&kind) => {
                    if kind == PREDECESSOR {
                        self.predecessor = read_predecessor(&self.page[payload]);
                    }
                    at = end;
                    continue;
                }
                _ => return Ok(Found::Broken),
            }
            let payload = &self.page[payload];
            let n_copied = payload.len().min(HEAD_BYTES - n_head);
            head[n_head..n_head + n_copied].copy_from_slice(&payload[..n_copied]);
            n_head += n_copied;
            at = end;
            if let (WHOLE | LAST, Some(begin)) = (kind, begin) {
                return Ok(
                    read_head(&head[..n_head], begin, end).map_or(Found::Broken, Found::Record)
                );
            }
        }
    }

    /// The first record at any position from `at` on: what is left after damage.
    pub(super) fn resume(&mut self, at: u64) -> Result<Option<Record>> {
        for at in at..self.n_bytes {
            // Most positions are ruled out by the kind alone.
            let in_page = (at % PAGE_BYTES) as usize;
            self.load(at / PAGE_BYTES)?;
            let kind = self.page.get(in_page + HEADER_BYTES - 1);
            if !matches!(kind, Some(&(WHOLE | FIRST))) {
                continue;
            }
            if let Found::Record(record) = self.record(at)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn fragment(&mut self, mut at: u64) -> Result<Fragment> {
        let left = PAGE_BYTES - at % PAGE_BYTES;
        if left < HEADER_BYTES as u64 {
            at += left;
        }
        if at >= self.n_bytes {
            return Ok(Fragment::End);
        }
        self.load(at / PAGE_BYTES)?;
        let in_page = (at % PAGE_BYTES) as usize;
        let bytes = &self.page[in_page..];
        if bytes.len() < HEADER_BYTES {
            return Ok(Fragment::Broken);
        }
        let n_payload = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
        let kind = bytes[6];
        let n_bytes = HEADER_BYTES + n_payload;
        // Zeros would pass the length check; their checksum is never 0.
        if n_bytes > bytes.len() || masked_crc(&bytes[6..n_bytes]) != read_u32(bytes) {
            return Ok(Fragment::Broken);
        }
        let payload = in_page + HEADER_BYTES..in_page + n_bytes;
        Ok(Fragment::Whole { kind, payload, end: at + n_bytes as u64 })
    }

    fn load(&mut self, page_idx: u64) -> Result<()> {
        if self.page_idx == Some(page_idx) {
            return Ok(());
        }
        let at = page_idx * PAGE_BYTES;
        let n_bytes = self.n_bytes.saturating_sub(at).min(PAGE_BYTES) as usize;
        self.page.resize(n_bytes, 0);
        self.page_idx = None;
        self.file.read_exact_at(&mut self.page, at).map_err(|e| read_error(&self.path, &e))?;
        self.page_idx = Some(page_idx);
        Ok(())
    }
}

fn read_predecessor(info: &[u8]) -> Option<Predecessor> {
    let (number, rest) = info.split_at_checked(8)?;
    Some(Predecessor { number: read_u64(number), n_bytes: read_u64(rest.get(..8)?) })
}

fn read_head(head: &[u8], begin: u64, end: u64) -> Option<Record> {
    let sequence = read_u64(head.get(..8)?);
    let n_entries = read_u32(head.get(8..12)?);
    let stamp = (head.len() == HEAD_BYTES && head[12..16] == STAMP_TAG).then(|| Stamp {
        epoch: Epoch(read_u64(&head[16..])),
        durable: Epoch(read_u64(&head[24..])),
    });
    let next_sequence = sequence.checked_add(u64::from(n_entries))?;
    Some(Record { begin, end, sequence, next_sequence, stamp })
}

/// RocksDB stores checksums so that a checksum over stored checksums does not go wrong.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xA282_EAD8)
}

fn read_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().expect("the slice has 4 bytes"))
}

fn read_u64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().expect("the slice has 8 bytes"))
}

fn read_error(path: &Path, source: &std::io::Error) -> Error {
    Error::io(format!("cannot read write-ahead log file \"{}\"", path.display()), source)
}
