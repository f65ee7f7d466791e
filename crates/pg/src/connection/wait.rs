//! Waiting: for the engine, for a stream and for the socket, with an eye on what may end the wait.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt, poll};
use tokio::time::sleep;
use weir_types::Result;

use super::{Connection, Shutdown};
use crate::engine::Session;
use crate::failure::Failure;
use crate::inbox::Inbox;

/// How long a portal with a row limit waits for more rows once it has sent some. Shorter than the
/// second between two signs of life of a subscription, which else would never suspend.
const SUSPEND_AFTER: Duration = Duration::from_millis(500);

/// What came of the wait for a stream.
pub(super) enum Step<T> {
    Item(T),
    End,
    /// Nothing came for [`SUSPEND_AFTER`].
    Idle,
}

impl Connection {
    /// Awaits `work` to its end. It owns data, so that it is never dropped half way: a client that
    /// leaves and a shutdown that cannot wait cancel the statement, and the engine ends it.
    pub(super) async fn finish<T>(
        &mut self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T, Failure> {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            outcome = work.as_mut() => return outcome.map_err(Failure::from),
            () = self.inbox.gone() => {}
            () = self.shutdown.deadline.cancelled() => {}
        }
        self.engine.cancel(self.session.pid(), self.session.secret());
        work.await.map_err(Failure::from)
    }

    /// The next item of a running statement's stream. While none is ready, the output leaves.
    /// With `may_suspend` the wait is short.
    pub(super) async fn next_item<T>(
        &mut self,
        stream: &mut BoxStream<'static, Result<T>>,
        may_suspend: bool,
    ) -> Result<Step<T>, Failure> {
        let session = Arc::clone(&self.session);
        let inbox = &mut self.inbox;
        let shutdown = &self.shutdown;
        let mut step = pin!(async move {
            tokio::select! {
                biased;
                failure = stopped(&session, inbox, shutdown) => Err(failure),
                item = stream.next() => match item {
                    Some(item) => Ok(Step::Item(item?)),
                    None => Ok(Step::End),
                },
            }
        });
        if let Poll::Ready(step) = poll!(step.as_mut()) {
            return step;
        }
        tokio::select! {
            biased;
            step = step.as_mut() => return step,
            flushed = self.outbox.flush() => flushed?,
        }
        if !may_suspend {
            return step.await;
        }
        tokio::select! {
            biased;
            step = step => step,
            () = sleep(SUSPEND_AFTER) => Ok(Step::Idle),
        }
    }

    /// Writes the output of a running statement; the statement can be stopped while the client
    /// does not read.
    pub(super) async fn flush_running(&mut self) -> Result<(), Failure> {
        tokio::select! {
            biased;
            failure = stopped(&self.session, &mut self.inbox, &self.shutdown) => Err(failure),
            flushed = self.outbox.flush() => Ok(flushed?),
        }
    }

    /// Writes the output if there is much of it.
    pub(super) async fn flush_if_full(&mut self) -> Result<(), Failure> {
        if self.outbox.is_full() { self.flush().await } else { Ok(()) }
    }

    /// Writes the output, unless the client does not read it until the end of a shutdown.
    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        tokio::select! {
            biased;
            flushed = self.outbox.flush() => Ok(flushed?),
            () = self.shutdown.deadline.cancelled() => Err(Failure::shutdown()),
        }
    }
}

/// Resolves when the running statement must stop, with the reason.
async fn stopped(session: &Session, inbox: &mut Inbox, shutdown: &Shutdown) -> Failure {
    tokio::select! {
        biased;
        error = session.interrupted() => error.into(),
        () = shutdown.deadline.cancelled() => Failure::shutdown(),
        () = inbox.gone() => Failure::Gone,
    }
}
