//! Directories as tests need them.

use std::path::{Path, PathBuf};

/// Copies the files of a directory: what another process would find after this one was killed.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for path in paths(from) {
        std::fs::copy(&path, to.join(path.file_name().expect("a file"))).expect("copied");
    }
}

/// The files of a directory with what is in them.
pub(crate) fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    paths(dir).into_iter().map(|path| (path.clone(), std::fs::read(&path).expect("read"))).collect()
}

fn paths(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("listed");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("listed").path()).collect();
    paths.sort();
    paths
}
