//! One process a directory.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use weir_types::{Error, Result, SqlState};

/// Keeps other processes out of a directory until dropped, also after a crash of this one.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Locks `dir` by its file `LOCK`, which names the process.
    ///
    /// # Errors
    /// 55006 naming the process that has it.
    pub fn acquire(dir: &Path) -> Result<Self> {
        let path = dir.join("LOCK");
        let fail = |e: std::io::Error| Error::io(format!("cannot lock \"{}\"", path.display()), &e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fail)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            // Only for the message: a half-written number is no reason to fail otherwise.
            let _ = file.read_to_string(&mut holder);
            return Err(Error::new(
                SqlState::ObjectInUse,
                format!(
                    "data directory \"{}\" is in use by process {}",
                    dir.display(),
                    holder.trim()
                ),
            )
            .with_hint("Stop that process, or use another data directory."));
        }
        file.set_len(0).map_err(fail)?;
        file.rewind().map_err(fail)?;
        writeln!(file, "{}", std::process::id()).map_err(fail)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_process_that_has_the_first() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let first = DirLock::acquire(dir.path()).expect("free");
        let error = DirLock::acquire(dir.path()).expect_err("taken");
        assert_eq!(error.state(), SqlState::ObjectInUse);
        assert!(error.message().contains(&std::process::id().to_string()), "{error}");
        drop(first);
        DirLock::acquire(dir.path()).expect("free again");
    }
}
