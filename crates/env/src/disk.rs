//! Files: replaced whole or not at all, and room on the disk.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use weir_types::{Error, Result};

/// Makes the names in a directory durable.
///
/// # Errors
/// Of the system.
pub fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|e| Error::io(format!("cannot sync directory \"{}\"", dir.display()), &e))
}

/// Writes `bytes` as the file `path`: after a crash the file is the old or the new one.
///
/// # Errors
/// Of the system.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let fail = |e: std::io::Error| Error::io(format!("cannot write \"{}\"", path.display()), &e);
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary).map_err(fail)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fail)?;
    std::fs::rename(&temporary, path).map_err(fail)?;
    match path.parent() {
        Some(dir) => sync_dir(dir),
        None => Ok(()),
    }
}

/// Bytes that an unprivileged process can still write on the disk of `path`.
///
/// # Errors
/// Of the system.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let stat = rustix::fs::statvfs(path).map_err(|e| {
        Error::io(format!("cannot tell the room on the disk of \"{}\"", path.display()), &e.into())
    })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_has_the_new_bytes_only() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        replace_file(&path, b"first and longer").expect("writable");
        replace_file(&path, b"second").expect("writable");
        assert_eq!(std::fs::read(&path).expect("readable"), b"second");
        assert!(free_bytes(dir.path()).expect("a disk") > 0);
        let missing = dir.path().join("none/file");
        assert_eq!(replace_file(&missing, b"").expect_err("no directory").state().code(), "58P01");
    }
}
