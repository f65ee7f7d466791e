//! The syncer: makes commits durable, then acknowledges them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender};

use tokio::sync::oneshot;
use weir_log::Log;
use weir_types::{Epoch, Error, Result};

use crate::epochs::DurableEpoch;

/// Most bytes of an epoch that the committer fsyncs by itself: writing them takes less time than the fsync,
/// so there is little that another thread could do meanwhile, and waking it would take longer.
pub(super) const AT_ONCE_BYTES_MAX: usize = 256 << 10;

/// Who waits for an epoch.
type Reply = oneshot::Sender<Result<()>>;

/// A written epoch and those who wait for it to be durable.
pub(super) struct Written {
    pub(super) epoch: Epoch,
    pub(super) n_bytes: usize,
    pub(super) replies: Vec<Reply>,
    /// Some of its commits do not wait for the fsync.
    pub(super) has_relaxed: bool,
}

/// Makes durable, and tells all who have to know.
#[derive(Clone)]
pub(super) struct Fsync {
    pub(super) log: Arc<dyn Log>,
    pub(super) durable: Arc<DurableEpoch>,
    pub(super) marker: SyncSender<()>,
}

impl Fsync {
    /// Makes all epochs up to `newest` durable, and answers. A failed fsync ends the process: the kernel may
    /// have dropped the pages, and a second try would report success.
    fn acknowledge(&self, newest: Epoch, replies: impl IntoIterator<Item = Reply>) {
        let synced = match self.log.sync() {
            Ok(epoch) => epoch,
            Err(error) => {
                tracing::error!(%error, "fsync of the log failed; the process ends");
                std::process::abort();
            }
        };
        debug_assert!(newest <= synced, "a sync covers what was written before it began");
        // No further, although the sync may cover a later epoch: of that one nobody has told the views yet.
        self.durable.advance(newest);
        for reply in replies {
            // A client that has gone away does not take its answer.
            let _ = reply.send(Ok(()));
        }
        // Where the marker was asked already, it has yet to look: it sees this epoch, too.
        let _ = self.marker.try_send(());
    }
}

/// Where the committer's epochs become durable.
pub(super) struct Syncer {
    fsync: Fsync,
    queue: Sender<Written>,
    /// Epochs that the thread has not acknowledged yet.
    n_queued: Arc<AtomicUsize>,
}

/// The thread's side.
pub(super) struct Queue {
    fsync: Fsync,
    written: Receiver<Written>,
    n_queued: Arc<AtomicUsize>,
}

impl Syncer {
    /// Both sides. The queue ends when the other one is dropped.
    pub(super) fn new(fsync: Fsync) -> (Self, Queue) {
        let (queue, written) = std::sync::mpsc::channel();
        let n_queued = Arc::new(AtomicUsize::new(0));
        let thread = Queue { fsync: fsync.clone(), written, n_queued: Arc::clone(&n_queued) };
        (Self { fsync, queue, n_queued }, thread)
    }

    /// True while the thread has epochs that it has not acknowledged.
    pub(super) fn is_busy(&self) -> bool {
        self.n_queued.load(Ordering::Acquire) > 0
    }

    /// Makes an epoch durable: a small one at once, where somebody waits for it and nothing else does; any
    /// other by the thread, so that the caller can write on.
    ///
    /// # Errors
    /// XX000 where the thread has ended.
    pub(super) fn take(&self, written: Written) -> Result<()> {
        let at_once = written.n_bytes <= AT_ONCE_BYTES_MAX
            && !written.replies.is_empty()
            && !written.has_relaxed
            && !self.is_busy();
        if at_once {
            self.fsync.acknowledge(written.epoch, written.replies);
            return Ok(());
        }
        self.n_queued.fetch_add(1, Ordering::Relaxed);
        self.queue.send(written).map_err(|_| Error::internal("the syncer ended"))
    }
}

/// Fsyncs what was written, all that waits at once, until the committer ends.
pub(super) fn run(queue: &Queue) {
    while let Ok(first) = queue.written.recv() {
        let mut batch = vec![first];
        batch.extend(queue.written.try_iter());
        let n_written = batch.len();
        let newest = batch.iter().map(|written| written.epoch).max().unwrap_or_default();
        queue.fsync.acknowledge(newest, batch.into_iter().flat_map(|written| written.replies));
        queue.n_queued.fetch_sub(n_written, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use weir_env::Rng;
    use weir_log::{EmbeddedLog, LogOptions};
    use weir_store::DataDir;
    use weir_types::Timestamp;

    use super::*;

    type Answer = oneshot::Receiver<Result<()>>;

    fn syncer(dir: &std::path::Path) -> (Arc<dyn Log>, Syncer, Queue) {
        let data = DataDir::open(dir, &mut Rng::from_seed(1)).expect("a new directory");
        let log = EmbeddedLog::open(Arc::new(data), LogOptions::default()).expect("a new log");
        let log: Arc<dyn Log> = Arc::new(log);
        let durable = Arc::new(DurableEpoch::new(Epoch::ZERO));
        let (marker, _) = std::sync::mpsc::sync_channel(1);
        let (syncer, queue) = Syncer::new(Fsync { log: Arc::clone(&log), durable, marker });
        (log, syncer, queue)
    }

    /// The next epoch of a log, which one waits for.
    fn written(log: &Arc<dyn Log>, n_bytes: usize) -> (Written, Answer) {
        let epoch = log.newest_epoch().next();
        log.write(log.begin(epoch, Timestamp(epoch.0 as i64))).expect("written");
        let (reply, waits) = oneshot::channel();
        (Written { epoch, n_bytes, replies: vec![reply], has_relaxed: false }, waits)
    }

    #[test]
    fn a_small_epoch_is_durable_at_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let (log, syncer, queue) = syncer(dir.path());
        let (small, mut reply) = written(&log, AT_ONCE_BYTES_MAX);
        let epoch = small.epoch;
        syncer.take(small).expect("taken");
        assert!(matches!(reply.try_recv(), Ok(Ok(()))));
        assert_eq!(syncer.fsync.durable.newest(), epoch);
        assert!(queue.written.try_recv().is_err());
    }

    #[test]
    fn the_thread_has_epochs_that_are_large_or_relaxed_or_that_nobody_waits_for() {
        let changes: [fn(&mut Written); 3] = [
            |written| written.n_bytes += 1,
            |written| written.has_relaxed = true,
            |written| written.replies.clear(),
        ];
        for change in changes {
            let dir = tempfile::tempdir().expect("a directory");
            let (log, syncer, queue) = syncer(dir.path());
            let (mut epoch, _reply) = written(&log, AT_ONCE_BYTES_MAX);
            change(&mut epoch);
            syncer.take(epoch).expect("taken");
            assert_eq!(syncer.fsync.durable.newest(), Epoch::ZERO);
            assert!(queue.written.try_recv().is_ok());
        }
    }

    #[test]
    fn a_small_epoch_comes_after_what_the_thread_has() {
        let dir = tempfile::tempdir().expect("a directory");
        let (log, syncer, queue) = syncer(dir.path());
        let (large, mut first) = written(&log, AT_ONCE_BYTES_MAX + 1);
        let (small, mut second) = written(&log, 1);
        let newest = small.epoch;
        syncer.take(large).expect("taken");
        syncer.take(small).expect("taken");
        assert!(first.try_recv().is_err() && second.try_recv().is_err());

        let fsync = syncer.fsync.clone();
        drop(syncer);
        run(&queue);
        assert!(matches!(first.try_recv(), Ok(Ok(()))));
        assert!(matches!(second.try_recv(), Ok(Ok(()))));
        assert_eq!(fsync.durable.newest(), newest);
        assert_eq!(queue.n_queued.load(Ordering::Relaxed), 0);
    }
}
