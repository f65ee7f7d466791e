//! The data directory: who may write in it, and whether this version can read it.

use std::path::{Path, PathBuf};

use weir_env::{DirLock, Rng};
use weir_types::{Error, Result, SqlState};

use crate::manifest::Manifest;

const FORMAT: &str = "FORMAT";
const MARK: &str = "MARK";
const LOG: &str = "log";
const STATE: &str = "state";

/// A data directory that this process owns until the value is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    manifest: Manifest,
    _lock: DirLock,
}

impl DataDir {
    /// Takes the directory, and makes one where nothing is yet.
    ///
    /// # Errors
    /// 55006 where another process has it, 0A000 for another format, XX001 where data is there
    /// without its manifest or the manifest is damaged, 55000 where the directory holds something
    /// else, 58030 and the like. Nothing is changed then, unless the directory was empty.
    pub fn open(path: &Path, rng: &mut Rng) -> Result<Self> {
        std::fs::create_dir_all(path).map_err(|e| {
            Error::io(format!("cannot create data directory \"{}\"", path.display()), &e)
        })?;
        // Before the lock is taken, because taking it writes a file.
        if Self::manifest(path)?.is_none() {
            refuse_contents(path)?;
        }
        let lock = DirLock::acquire(path)?;
        let manifest = match Self::manifest(path)? {
            Some(manifest) => manifest,
            None => {
                refuse_contents(path)?;
                let manifest = Manifest::generate(rng);
                manifest.write(&path.join(FORMAT))?;
                manifest
            }
        };
        Ok(Self { path: path.to_owned(), manifest, _lock: lock })
    }

    /// Where the log of a directory is that another process may own, for reading.
    ///
    /// # Errors
    /// As [`Self::open`]; 58P01 where there is no data directory.
    pub fn log_dir_of(path: &Path) -> Result<PathBuf> {
        if Self::manifest(path)?.is_none() {
            refuse_contents(path)?;
            return Err(Error::new(
                SqlState::UndefinedFile,
                format!("\"{}\" is not a data directory", path.display()),
            ));
        }
        Ok(path.join(LOG))
    }

    fn manifest(path: &Path) -> Result<Option<Manifest>> {
        Manifest::read(&path.join(FORMAT))
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells this directory from all others.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.manifest.id
    }

    /// Directory of [`crate::LogStore`].
    #[must_use]
    pub fn log_dir(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// Directory of [`crate::StateStore`].
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.path.join(STATE)
    }

    /// File of [`crate::DurableMark`].
    #[must_use]
    pub fn mark_path(&self) -> PathBuf {
        self.path.join(MARK)
    }
}

/// A directory without a manifest must be empty: data without one is never "a fresh start".
fn refuse_contents(path: &Path) -> Result<()> {
    let failed = |e| Error::io(format!("cannot read data directory \"{}\"", path.display()), &e);
    let mut stranger = None;
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        match name.to_str() {
            Some(LOG | STATE | MARK) => {
                return Err(Error::corrupt(format!(
                    "data directory \"{}\" has \"{}\" but no manifest \"{FORMAT}\"",
                    path.display(),
                    name.display()
                ))
                .with_hint("Restore the file from a backup of the data directory."));
            }
            // The lock and the manifest's own temporary come before the manifest.
            Some("LOCK" | "FORMAT.new" | "lost+found") => {}
            _ => stranger = Some(name),
        }
    }
    stranger.map_or(Ok(()), |name| {
        Err(Error::new(
            SqlState::ObjectNotInPrerequisiteState,
            format!(
                "directory \"{}\" is not a data directory and not empty: it has \"{}\"",
                path.display(),
                name.display()
            ),
        )
        .with_hint("Choose an empty directory."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path) -> Result<DataDir> {
        DataDir::open(path, &mut Rng::from_seed(1))
    }

    fn contents(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = std::fs::read_dir(path)
            .expect("listed")
            .map(|entry| entry.expect("listed").path())
            .map(|path| (path.clone(), std::fs::read(&path).unwrap_or_default()))
            .collect();
        files.sort();
        files
    }

    #[test]
    fn directory_keeps_its_id_and_has_one_owner() {
        let dir = tempfile::tempdir().expect("made");
        let path = dir.path().join("a/b");
        let first = open(&path).expect("made");
        assert_eq!(open(&path).expect_err("owned").state(), SqlState::ObjectInUse);
        let id = first.id();
        drop(first);
        let again = DataDir::open(&path, &mut Rng::from_seed(2)).expect("free");
        assert_eq!(again.id(), id);
    }

    #[test]
    fn data_without_manifest_is_refused() {
        for name in [LOG, STATE, MARK] {
            let dir = tempfile::tempdir().expect("made");
            drop(open(dir.path()).expect("made"));
            std::fs::write(dir.path().join(name), "").expect("written");
            std::fs::remove_file(dir.path().join(FORMAT)).expect("removed");
            let before = contents(dir.path());
            let error = open(dir.path()).expect_err("no manifest");
            assert_eq!(error.state(), SqlState::DataCorrupted);
            assert!(error.message().contains(name), "{error}");
            assert_eq!(contents(dir.path()), before);
        }
    }

    #[test]
    fn newer_format_is_refused_and_nothing_touched() {
        let dir = tempfile::tempdir().expect("made");
        drop(open(dir.path()).expect("made"));
        let mut text = "weir data directory\nformat 2\nwho knows what\n".to_owned();
        text.push_str(&format!("crc {:08x}\n", crc32c::crc32c(text.as_bytes())));
        std::fs::write(dir.path().join(FORMAT), text).expect("written");
        std::fs::write(dir.path().join("LOCK"), "7\n").expect("written");
        let before = contents(dir.path());
        let error = open(dir.path()).expect_err("newer");
        assert_eq!(error.state(), SqlState::FeatureNotSupported);
        assert!(error.message().contains("format 2"), "{error}");
        assert_eq!(contents(dir.path()), before);
    }

    #[test]
    fn directory_of_something_else_is_refused() {
        let dir = tempfile::tempdir().expect("made");
        std::fs::write(dir.path().join("thesis.txt"), "").expect("written");
        let error = open(dir.path()).expect_err("not ours");
        assert_eq!(error.state(), SqlState::ObjectNotInPrerequisiteState);
        assert!(error.message().contains("thesis.txt"), "{error}");
        assert_eq!(contents(dir.path()).len(), 1);
    }
}
