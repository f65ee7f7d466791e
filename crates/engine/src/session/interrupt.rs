//! What ends a running statement early: a cancel request, its timeout, the server's end.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use weir_types::{Error, SqlState};

/// Why a statement is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Cancel,
    Timeout,
    Terminate,
    /// The session has idled in a transaction for too long.
    Idle,
}

impl Reason {
    fn ends_session(self) -> bool {
        matches!(self, Self::Terminate | Self::Idle)
    }
}

/// The signal to one session's statements. Clones are of the same session.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    sender: Arc<watch::Sender<Option<Reason>>>,
    timer: Arc<Mutex<Option<tokio::task::JoinHandle<()>>>>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(None)), timer: Arc::default() }
    }
}

impl Interrupt {
    /// A statement begins; it may take `timeout_ms`, 0 for any time.
    pub(crate) fn arm(&self, timeout_ms: u64) {
        // The end of the session stays; a cancel was for an earlier statement.
        self.sender.send_if_modified(|reason| {
            let old = reason.is_some_and(|reason| !reason.ends_session());
            if old {
                *reason = None;
            }
            old
        });
        self.set_timer(timeout_ms, Reason::Timeout);
    }

    /// A transaction is left open; the session ends where nothing comes within `timeout_ms`, 0 for any time.
    pub(crate) fn arm_idle(&self, timeout_ms: u64) {
        self.set_timer(timeout_ms, Reason::Idle);
    }

    /// The statement is over.
    pub(crate) fn disarm(&self) {
        if let Some(timer) = self.timer.lock().take() {
            timer.abort();
        }
    }

    fn set_timer(&self, timeout_ms: u64, why: Reason) {
        self.disarm();
        if timeout_ms == 0 {
            return;
        }
        let sender = Arc::clone(&self.sender);
        let timer = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(timeout_ms)).await;
            sender.send_if_modified(|reason| {
                let first =
                    reason.is_none_or(|reason| why.ends_session() && !reason.ends_session());
                if first {
                    *reason = Some(why);
                }
                first
            });
        });
        *self.timer.lock() = Some(timer);
    }

    /// A client asks that the statement ends.
    pub(crate) fn cancel(&self) {
        self.sender.send_if_modified(|reason| {
            let first = reason.is_none();
            reason.get_or_insert(Reason::Cancel);
            first
        });
    }

    /// The session is to end.
    pub(crate) fn terminate(&self) {
        self.sender.send_replace(Some(Reason::Terminate));
    }

    /// Completes when the statement is to end.
    pub(crate) async fn wait(&self) -> Error {
        let mut receiver = self.sender.subscribe();
        let reason = match receiver.wait_for(Option::is_some).await {
            Ok(reason) => *reason,
            // The sender is in `self`.
            Err(_) => None,
        };
        error(reason.unwrap_or(Reason::Terminate))
    }

    /// `future`, unless the statement is to end before. Only for futures that may be dropped anywhere.
    pub(crate) async fn or<T>(
        &self,
        future: impl Future<Output = weir_types::Result<T>>,
    ) -> weir_types::Result<T> {
        tokio::select! {
            biased;
            error = self.wait() => Err(error),
            outcome = future => outcome,
        }
    }
}

fn error(reason: Reason) -> Error {
    match reason {
        Reason::Cancel => {
            Error::new(SqlState::QueryCanceled, "canceling statement due to user request")
        }
        Reason::Timeout => {
            Error::new(SqlState::QueryCanceled, "canceling statement due to statement timeout")
        }
        Reason::Idle => Error::new(
            SqlState::IdleInTransactionSessionTimeout,
            "terminating connection due to idle-in-transaction timeout",
        ),
        Reason::Terminate => Error::new(
            SqlState::AdminShutdown,
            "terminating connection due to administrator command",
        ),
    }
}
