//! Looks through the write-ahead log before RocksDB does, and decides what a broken end means.
//!
//! A crash may leave anything after the last fsync: half a record, zeros where a page was not written
//! while a later one was, or a later file without the end of the one before. None of it was
//! acknowledged, and the log must start without it. Damage to what was acknowledged must be refused
//! instead. RocksDB tells the two apart only in the plainest case: it takes an incomplete record at the
//! end of *any* file as harmless, skips zeros with all that was in their place, reads on behind a hole,
//! and refuses a torn page that a crash may well leave.
//!
//! Here, records must follow each other by sequence number, over all files. Where the run of records
//! breaks off, whatever can still be read behind the break says which epochs were durable when it was
//! written ([`Stamp`]); so does the durable mark. If one of them is lost, the start is refused (XX001)
//! with nothing changed. Otherwise the files are cut where the run ends.
//!
//! **Bound:** reads the files once, at most the WAL limit of `options.rs`, at the speed of the disk.

mod reader;
#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use weir_types::{Epoch, Error, Result};

use reader::{Found, WalFile};

pub(crate) use reader::Stamp;

/// Where the run of records ends although more follows.
#[derive(Clone, Copy, Debug)]
struct Break {
    file_idx: usize,
    at: u64,
}

/// What the run of records says.
struct Run {
    newest: Option<Epoch>,
    broken: Option<Break>,
}

/// Makes the write-ahead log in `dir` fit for RocksDB, or refuses.
///
/// `acknowledged` is an epoch that must be in it. With `accept_loss` nothing is refused.
///
/// # Errors
/// XX001, with file, position and epochs, where something acknowledged is lost; nothing was changed.
/// 58030 and the like.
pub(crate) fn repair(dir: &Path, acknowledged: Epoch, accept_loss: bool) -> Result<()> {
    let mut files = Vec::new();
    for (number, path) in list(dir)? {
        files.push(WalFile::open(number, &path)?);
    }
    let run = follow(&mut files)?;
    let Some(broken) = run.broken else {
        return match (run.newest, files.last()) {
            (Some(newest), Some(last)) if newest < acknowledged && !accept_loss => {
                Err(lost(&last.path, last.n_bytes, newest, acknowledged))
            }
            _ => Ok(()),
        };
    };
    // A run without a single record continues tables on the disk. They hold at least what the mark
    // says, or the mark finds out once RocksDB is open.
    let reached = run.newest.unwrap_or(acknowledged);
    let durable = acknowledged.max(durable_behind(&mut files, broken)?);
    if durable > reached && !accept_loss {
        return Err(lost(&files[broken.file_idx].path, broken.at, reached, durable));
    }
    cut(dir, &files, broken)
}

/// The files of the write-ahead log, oldest first.
fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let failed = |e| Error::io(format!("cannot read directory \"{}\"", dir.display()), &e);
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_suffix(".log")).map(str::parse::<u64>);
        if let Some(Ok(number)) = number {
            files.push((number, path));
        }
    }
    files.sort();
    Ok(files)
}

/// Follows the records as long as each continues the one before.
fn follow(files: &mut [WalFile]) -> Result<Run> {
    let mut expected = None;
    let mut newest = None;
    let mut torn = None;
    let mut before = None;
    for (file_idx, file) in files.iter_mut().enumerate() {
        let mut at = 0;
        let mut found = file.record(at)?;
        match (before, file.predecessor) {
            (Some((number, end)), Some(predecessor)) if predecessor.number == number => {
                let lost = Break { file_idx: file_idx - 1, at: end };
                let broken = (predecessor.n_bytes != end).then_some(lost);
                if broken.is_some() {
                    return Ok(Run { newest, broken });
                }
            }
            // Begun by a start, or behind files that were deleted in another order than that of their
            // numbers: tables have what the files before it hold. RocksDB finds out if not.
            _ if matches!(found, Found::Record(_)) => (expected, torn) = (None, None),
            _ => {}
        }
        loop {
            match found {
                Found::Record(record) if expected.is_some_and(|next| next != record.sequence) => {
                    let hole = Break { file_idx, at: record.begin };
                    return Ok(Run { newest, broken: Some(hole) });
                }
                Found::Record(record) => {
                    expected = Some(record.next_sequence);
                    newest = newest.max(record.stamp.map(|stamp| stamp.epoch));
                    at = record.end;
                }
                Found::End => {
                    at = file.n_bytes;
                    break;
                }
                Found::Broken => {
                    torn = torn.or(Some(Break { file_idx, at }));
                    break;
                }
            }
            found = file.record(at)?;
        }
        before = Some((file.number, at));
    }
    Ok(Run { newest, broken: torn })
}

/// The newest epoch that a record behind the break knows to have been durable.
fn durable_behind(files: &mut [WalFile], broken: Break) -> Result<Epoch> {
    let mut durable = Epoch::ZERO;
    let mut at = broken.at;
    for file in &mut files[broken.file_idx..] {
        while let Some(record) = file.resume(at)? {
            at = record.end;
            if let Some(stamp) = record.stamp {
                durable = durable.max(stamp.durable);
            }
        }
        at = 0;
    }
    Ok(durable)
}

/// Takes away what follows the break: nobody was told that it is durable.
fn cut(dir: &Path, files: &[WalFile], broken: Break) -> Result<()> {
    let file = &files[broken.file_idx];
    let failed = |path: &Path, e: &std::io::Error| {
        Error::io(format!("cannot cut write-ahead log file \"{}\"", path.display()), e)
    };
    tracing::warn!(
        file = %file.path.display(),
        byte_pos = broken.at,
        n_bytes = file.n_bytes - broken.at,
        n_later_files = files.len() - broken.file_idx - 1,
        "dropping the unfinished end of the write-ahead log"
    );
    // Later files go first: a crash in between must not leave them behind a shorter one.
    for later in files[broken.file_idx + 1..].iter().rev() {
        std::fs::remove_file(&later.path).map_err(|e| failed(&later.path, &e))?;
    }
    weir_env::sync_dir(dir)?;
    OpenOptions::new()
        .write(true)
        .open(&file.path)
        .and_then(|open| open.set_len(broken.at).and_then(|()| open.sync_all()))
        .map_err(|e| failed(&file.path, &e))
}

fn lost(path: &Path, at: u64, reached: Epoch, durable: Epoch) -> Error {
    Error::corrupt(format!(
        "the log ends at epoch {reached}, but epoch {durable} was acknowledged: write-ahead log file \
         \"{}\" is damaged at byte {at}",
        path.display()
    ))
    .with_detail(format!("What epochs {} to {durable} committed is lost.", reached.next()))
    .with_hint("Restore the data directory from a backup.")
}
