//! Which epoch is durable, and waiting for one.

use tokio::sync::watch;
use weir_types::{Epoch, Error, Result, SqlState};

/// The newest durable epoch, and the newest one acknowledged before its fsync.
#[derive(Debug)]
pub(crate) struct DurableEpoch {
    sender: watch::Sender<Epoch>,
}

impl DurableEpoch {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self { sender: watch::Sender::new(epoch) }
    }

    /// The newest epoch whose commit survives a crash.
    pub(crate) fn newest(&self) -> Epoch {
        *self.sender.borrow()
    }

    /// Tells that all commits up to `epoch` are durable.
    pub(crate) fn advance(&self, epoch: Epoch) {
        self.sender.send_if_modified(|current| {
            let newer = epoch > *current;
            if newer {
                *current = epoch;
            }
            newer
        });
    }

    /// A receiver that sees each newer epoch; it may skip some.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Epoch> {
        self.sender.subscribe()
    }

    /// Waits until all commits up to `epoch` are durable.
    pub(crate) async fn wait(&self, epoch: Epoch) -> Result<()> {
        let mut receiver = self.sender.subscribe();
        let closed = |_| Error::new(SqlState::AdminShutdown, "the server is shutting down");
        receiver.wait_for(|durable| *durable >= epoch).await.map_err(closed)?;
        Ok(())
    }
}
