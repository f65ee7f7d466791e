//! The durable mark: an epoch that is known to have been fsynced, kept outside of the log.
//!
//! A log that ends before it has lost what was acknowledged; without it, a lost tail and a torn one
//! look the same. It always lies behind the log, so it costs no fsync in the way of a commit.
//!
//! The file has two slots, at byte 0 and at byte 4096, so that a torn write leaves one of them whole.
//! The valid slot with the greater generation counts. Little endian:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | `WMRK` |
//! | 4 | format, 1 |
//! | 5..8 | 0 |
//! | 8..16 | generation u64, one more with each write |
//! | 16..24 | epoch u64 |
//! | 24..28 | CRC-32C of bytes 0..24 |

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use weir_types::{Epoch, Error, Result, SqlState};

const MAGIC: &[u8; 4] = b"WMRK";
const FORMAT: u8 = 1;
const SLOT_BYTES: usize = 28;
/// A page of its own for each slot: no write touches both.
const SLOT_STRIDE: usize = 4096;

/// The durable mark of a data directory, open for writing.
#[derive(Debug)]
pub struct DurableMark {
    path: PathBuf,
    file: File,
    generation: u64,
    epoch: Epoch,
    /// The first failed write: it is not tried again.
    failure: Option<Error>,
}

impl DurableMark {
    /// The mark in the file `path`; `None` where there is no such file.
    ///
    /// # Errors
    /// XX001 where neither slot can be read, 0A000 for a newer format, 58030 and the like.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io_error("open", path, &e)),
        };
        let slots = [read_slot(&file, path, 0)?, read_slot(&file, path, 1)?];
        if let Some(format) = slots.iter().find_map(|slot| match slot {
            Slot::Newer(format) => Some(*format),
            _ => None,
        }) {
            return Err(newer(path, format));
        }
        let (generation, epoch) = slots
            .into_iter()
            .filter_map(|slot| match slot {
                Slot::Valid { generation, epoch } => Some((generation, epoch)),
                _ => None,
            })
            .max()
            .ok_or_else(|| damaged(path))?;
        Ok(Some(Self { path: path.to_owned(), file, generation, epoch, failure: None }))
    }

    /// A mark at `epoch` in the file `path`, in place of any that is there.
    ///
    /// # Errors
    /// 53100, 58030 and the like.
    pub fn create(path: &Path, epoch: Epoch) -> Result<Self> {
        let mut bytes = vec![0; SLOT_STRIDE + SLOT_BYTES];
        bytes[..SLOT_BYTES].copy_from_slice(&encode(0, epoch));
        bytes[SLOT_STRIDE..].copy_from_slice(&encode(1, epoch));
        weir_env::replace_file(path, &bytes)?;
        Self::open(path)?.ok_or_else(|| damaged(path))
    }

    /// The epoch of the mark.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Moves the mark to `epoch`, which must be durable in the log, and never back. One fdatasync.
    ///
    /// # Errors
    /// 53100, 58030 and the like. The mark on the disk is then this one or the last one, and each
    /// further call fails.
    pub fn advance(&mut self, epoch: Epoch) -> Result<()> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if epoch <= self.epoch {
            return Ok(());
        }
        self.write(epoch).inspect_err(|failure| self.failure = Some(failure.clone()))
    }

    fn write(&mut self, epoch: Epoch) -> Result<()> {
        let generation = self.generation + 1;
        // The slot of an odd generation is the second: the other one holds the mark that counts.
        let at = (generation % 2) * SLOT_STRIDE as u64;
        self.file
            .write_all_at(&encode(generation, epoch), at)
            .and_then(|()| self.file.sync_data())
            .map_err(|e| io_error("write", &self.path, &e))?;
        self.generation = generation;
        self.epoch = epoch;
        Ok(())
    }
}

enum Slot {
    Valid { generation: u64, epoch: Epoch },
    Newer(u8),
    Damaged,
}

fn encode(generation: u64, epoch: Epoch) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..4].copy_from_slice(MAGIC);
    slot[4] = FORMAT;
    slot[8..16].copy_from_slice(&generation.to_le_bytes());
    slot[16..24].copy_from_slice(&epoch.0.to_le_bytes());
    let crc = crc32c::crc32c(&slot[..24]);
    slot[24..].copy_from_slice(&crc.to_le_bytes());
    slot
}

fn read_slot(file: &File, path: &Path, slot_idx: usize) -> Result<Slot> {
    let mut bytes = [0; SLOT_BYTES];
    match file.read_exact_at(&mut bytes, (slot_idx * SLOT_STRIDE) as u64) {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(Slot::Damaged),
        Err(e) => return Err(io_error("read", path, &e)),
    }
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    let crc = u32::from_le_bytes(bytes[24..].try_into().expect("4 bytes"));
    if bytes[..4] != *MAGIC || crc != crc32c::crc32c(&bytes[..24]) {
        return Ok(Slot::Damaged);
    }
    if bytes[4] > FORMAT {
        return Ok(Slot::Newer(bytes[4]));
    }
    Ok(Slot::Valid { generation: u64_at(8), epoch: Epoch(u64_at(16)) })
}

fn io_error(verb: &str, path: &Path, source: &std::io::Error) -> Error {
    Error::io(format!("cannot {verb} durable mark \"{}\"", path.display()), source)
}

fn damaged(path: &Path) -> Error {
    Error::corrupt(format!("durable mark \"{}\" is damaged in both slots", path.display()))
        .with_detail("Without it nobody can tell whether acknowledged rows are lost.")
        .with_hint("Restore the data directory from a backup.")
}

fn newer(path: &Path, format: u8) -> Error {
    Error::new(
        SqlState::FeatureNotSupported,
        format!(
            "durable mark \"{}\" has format {format}, this version reads format {FORMAT}",
            path.display()
        ),
    )
    .with_hint("Start the version of Weir that wrote it, or a newer one.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("made");
        let path = dir.path().join("MARK");
        (dir, path)
    }

    fn epoch_at(path: &Path) -> Epoch {
        DurableMark::open(path).expect("readable").expect("there").epoch()
    }

    fn damage(path: &Path, at: u64) {
        let file = OpenOptions::new().read(true).write(true).open(path).expect("opened");
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("read");
        file.write_all_at(&[byte[0] ^ 1], at).expect("written");
    }

    #[test]
    fn mark_reads_back_and_never_goes_back() {
        let (_dir, path) = file();
        assert!(DurableMark::open(&path).expect("no file").is_none());
        let mut mark = DurableMark::create(&path, Epoch(3)).expect("created");
        for epoch in [4, 9, 8] {
            mark.advance(Epoch(epoch)).expect("written");
        }
        assert_eq!((mark.epoch(), epoch_at(&path)), (Epoch(9), Epoch(9)));
        drop(mark);
        DurableMark::create(&path, Epoch(2)).expect("replaced");
        assert_eq!(epoch_at(&path), Epoch(2));
    }

    #[test]
    fn one_damaged_slot_leaves_the_other_and_two_are_refused() {
        let (_dir, path) = file();
        let mut mark = DurableMark::create(&path, Epoch(1)).expect("created");
        mark.advance(Epoch(2)).expect("written");
        mark.advance(Epoch(3)).expect("written");
        // Generation 3 is in the second slot, generation 2 in the first.
        damage(&path, SLOT_STRIDE as u64 + 17);
        assert_eq!(epoch_at(&path), Epoch(2));
        damage(&path, 20);
        let error = DurableMark::open(&path).expect_err("both are damaged");
        assert_eq!(error.state(), SqlState::DataCorrupted);
        assert!(error.message().contains(&path.display().to_string()), "{error}");
    }

    #[test]
    fn newer_format_is_refused_and_not_touched() {
        let (_dir, path) = file();
        DurableMark::create(&path, Epoch(1)).expect("created");
        let mut bytes = std::fs::read(&path).expect("read");
        bytes[4] = FORMAT + 1;
        let crc = crc32c::crc32c(&bytes[..24]);
        bytes[24..28].copy_from_slice(&crc.to_le_bytes());
        std::fs::write(&path, &bytes).expect("written");
        let error = DurableMark::open(&path).expect_err("newer");
        assert_eq!(error.state(), SqlState::FeatureNotSupported);
        assert_eq!(std::fs::read(&path).expect("read"), bytes);
    }
}
