//! The syncer: makes commits durable, then acknowledges them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use tokio::sync::oneshot;
use weir_log::Log;
use weir_types::{Epoch, Result};

use crate::epochs::DurableEpoch;

/// A written epoch and those who wait for it to be durable.
pub(super) struct Written {
    pub(super) epoch: Epoch,
    pub(super) replies: Vec<oneshot::Sender<Result<()>>>,
}

/// Fsyncs what was written, all that waits at once, until the committer ends. A failed fsync ends the
/// process: the kernel may have dropped the pages, and a second try would report success.
pub(super) fn run(
    log: &Arc<dyn Log>,
    written: &Receiver<Written>,
    durable: &DurableEpoch,
    marker: &SyncSender<()>,
) {
    while let Ok(first) = written.recv() {
        let mut batch = vec![first];
        batch.extend(written.try_iter());
        let synced = match log.sync() {
            Ok(epoch) => epoch,
            Err(error) => {
                tracing::error!(%error, "fsync of the log failed; the process ends");
                std::process::abort();
            }
        };
        durable.advance(synced);
        for Written { epoch, replies } in batch {
            debug_assert!(epoch <= synced, "a sync covers what was written before it began");
            for reply in replies {
                // A client that has gone away does not take its answer.
                let _ = reply.send(Ok(()));
            }
        }
        // Where the marker was asked already, it has yet to look: it sees this epoch, too.
        let _ = marker.try_send(());
    }
}
