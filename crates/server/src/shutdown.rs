//! Signals: the first asks the server to stop, the second ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use weir_types::{Error, Result};

/// Exit codes of a process that a signal ended are 128 and the signal's number, as in shells.
const SIGNAL_EXIT_BASE: i32 = 128;

/// SIGTERM and SIGINT.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to catch them; from here on they do not end the process by themselves.
    ///
    /// # Errors
    /// 58030 where the system refuses.
    pub(crate) fn catch() -> Result<Self> {
        let catch = |kind| {
            signal(kind).map_err(|error| Error::io("could not install a signal handler", &error))
        };
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one and gives its number.
    pub(crate) async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
        }
    }

    /// From here on the next one ends the process. Acknowledged rows are on disk already.
    pub(crate) fn exit_on_next(mut self) {
        tokio::spawn(async move {
            let number = self.next().await;
            tracing::warn!(signal = number, "second signal: exiting at once");
            std::process::exit(SIGNAL_EXIT_BASE + number);
        });
    }
}
