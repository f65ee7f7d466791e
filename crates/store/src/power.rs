//! What a loss of power would leave of a store's write-ahead log, for tests: of each file as much as was there when
//! the last fsync began.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

static LENGTHS: Mutex<Option<HashMap<PathBuf, u64>>> = Mutex::new(None);

/// An fsync of the store in that directory begins, or it was just opened: what is there stays.
pub(crate) fn is_durable(store: &Path) {
    let Ok(entries) = std::fs::read_dir(store) else { return };
    let mut lengths = LENGTHS.lock();
    for entry in entries.flatten().filter(|entry| is_wal(&entry.path())) {
        if let Ok(metadata) = entry.metadata() {
            lengths.get_or_insert_default().insert(entry.path(), metadata.len());
        }
    }
}

/// How much of a file a loss of power would leave; `None` for all of it. Files of stores that are no log are
/// taken to be whole.
#[must_use]
pub fn length_after_loss(file: &Path) -> Option<u64> {
    let lengths = LENGTHS.lock();
    let lengths = lengths.as_ref()?;
    let is_known = is_wal(file) && lengths.keys().any(|known| known.parent() == file.parent());
    is_known.then(|| lengths.get(file).copied().unwrap_or(0))
}

fn is_wal(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "log")
}
