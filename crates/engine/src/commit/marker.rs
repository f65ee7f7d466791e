//! The marker: notes which epoch is durable, in nobody's way.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use weir_log::Log;

/// Least time between two marks: how much of the log's end may be lost without being missed.
const INTERVAL: Duration = Duration::from_millis(50);

/// Marks what is durable by then each time it is asked, until the syncer ends. A mark that cannot be written
/// ends the process, as a failed fsync of the log does.
pub(super) fn run(log: &Arc<dyn Log>, asked: &Receiver<()>) {
    while asked.recv().is_ok() {
        if let Err(error) = log.mark() {
            tracing::error!(%error, "the durable mark cannot be written; the process ends");
            std::process::abort();
        }
        std::thread::sleep(INTERVAL);
    }
}
