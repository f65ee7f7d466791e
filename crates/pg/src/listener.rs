//! Accepting: one task for each connection, kept apart from all others, and an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use weir_types::{Error, Result, SqlState};

use crate::connection::{Connection, Shutdown};
use crate::engine::Engine;
use crate::failure::Failure;
use crate::inbox::Inbox;
use crate::outbox::Outbox;
use crate::report::{Severity, error_response};
use crate::startup::Caller;

/// Pause after a failed accept, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long cancelled connections get to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long a client may go on sending a message that is too long.
const TOO_LONG: Duration = Duration::from_secs(60);
/// A peer that answers nothing for about a minute is dead.
const PEER_SILENT: Duration = Duration::from_secs(30);
const PEER_PROBE: Duration = Duration::from_secs(10);
const PEER_PROBES: u32 = 3;

/// How connections are served.
#[derive(Clone, Debug)]
pub struct PgOptions {
    /// How long statements may go on running after the shutdown has begun.
    pub drain: Duration,
    /// How long a client may take until it is let in.
    pub authentication_timeout: Duration,
    /// How long the answer to a wrong password is held back.
    pub failed_authentication_delay: Duration,
}

impl Default for PgOptions {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(3),
            authentication_timeout: Duration::from_secs(10),
            failed_authentication_delay: Duration::from_millis(500),
        }
    }
}

/// Serves PostgreSQL clients on `listener` until `shutdown` is cancelled.
///
/// From then on nothing is accepted and idle connections are closed with 57P01; statements that
/// run have `options.drain` to end, before they are cancelled and their connections closed.
/// Returns when all are closed, or a second after the cancelling.
///
/// # Errors
/// When the listener is not usable. Failures of connections are theirs alone.
pub async fn serve(
    engine: Engine,
    listener: TcpListener,
    options: PgOptions,
    shutdown: CancellationToken,
) -> Result<()> {
    let address = listener
        .local_addr()
        .map_err(|error| Error::io("could not read the listening address", &error))?;
    tracing::debug!(%address, "accepting PostgreSQL connections");
    let shutdown = Shutdown { begun: shutdown, deadline: CancellationToken::new() };
    // Every connection holds a sender; when `recv` ends, all are closed.
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
    while let Some((stream, peer)) = accept(&listener, &shutdown).await {
        let connection = converse(engine.clone(), stream, peer, options.clone(), shutdown.clone());
        let open = open.clone();
        tokio::spawn(async move {
            contained(connection, peer).await;
            drop(open);
        });
    }
    drop(listener);
    drop(open);
    if timeout(options.drain, all_closed.recv()).await.is_err() {
        shutdown.deadline.cancel();
        if timeout(GOODBYE, all_closed.recv()).await.is_err() {
            tracing::warn!("PostgreSQL connections are still open at the end of the shutdown");
        }
    }
    Ok(())
}

/// The next connection; `None` when the shutdown has begun.
async fn accept(listener: &TcpListener, shutdown: &Shutdown) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.begun.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(connection) => return Some(connection),
            Err(error) => {
                tracing::warn!(%error, "could not accept a PostgreSQL connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Runs `work`; a panic in it is logged and goes no further. True when it has ended by itself.
async fn contained(work: impl Future<Output = ()>, peer: SocketAddr) -> bool {
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    if let Err(panic) = &outcome {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("without a message");
        tracing::error!(%peer, "a PostgreSQL connection panicked: {message}");
    }
    outcome.is_ok()
}

/// Serves one client from its first byte to its last.
async fn converse(
    engine: Engine,
    stream: TcpStream,
    peer: SocketAddr,
    options: PgOptions,
    shutdown: Shutdown,
) {
    if let Err(error) = tune(&stream) {
        tracing::debug!(%peer, %error, "could not tune the socket");
    }
    let mut caller = Caller::new(stream, peer.to_string());
    let greeting = caller.let_in(&engine, options.failed_authentication_delay);
    let outcome = tokio::select! {
        biased;
        () = shutdown.begun.cancelled() => Err(shutting_down().into()),
        // As in PostgreSQL a client that takes too long is told nothing.
        outcome = timeout(options.authentication_timeout, greeting) => {
            outcome.unwrap_or(Err(Failure::Gone))
        }
    };
    let (session, last_words) = match outcome {
        Ok(Some(session)) => (Some(session), None),
        Err(Failure::Statement(error) | Failure::Fatal(error)) => (None, Some(error)),
        Ok(None) | Err(Failure::Gone) => return,
    };
    let (stream, buffer) = caller.into_parts();
    let (source, sink) = stream.into_split();
    let inbox = Inbox::new(Box::new(source), buffer);
    let outbox = Outbox::new(Box::new(sink));
    match session {
        Some(session) => {
            tracing::debug!(%peer, pid = session.pid(), "PostgreSQL connection opened");
            let connection = Connection::new(engine, session, inbox, outbox, shutdown.clone());
            serve_session(connection, peer, &shutdown).await;
            tracing::debug!(%peer, "PostgreSQL connection closed");
        }
        None => hang_up(inbox, outbox, last_words, &shutdown).await,
    }
}

/// Serves a client that is let in, and closes its connection.
async fn serve_session(mut connection: Connection, peer: SocketAddr, shutdown: &Shutdown) {
    let mut end = None;
    let has_ended = contained(async { end = Some(connection.run().await) }, peer).await;
    let last_words = match end {
        Some(Failure::Statement(error) | Failure::Fatal(error)) => Some(error),
        Some(Failure::Gone) => None,
        None => Some(Error::internal("the connection met a defect of the server and is closed")),
    };
    let (inbox, mut outbox) = connection.into_wire();
    if !has_ended {
        outbox.drop_unfinished();
    }
    hang_up(inbox, outbox, last_words, shutdown).await;
}

/// Closes a connection so that the client gets the last words: with unread input a plain close
/// would reset the connection and take them away. A client listens when it has sent its whole message, and
/// takes an end before that for a broken connection.
async fn hang_up(
    mut inbox: Inbox,
    mut outbox: Outbox,
    last_words: Option<Error>,
    shutdown: &Shutdown,
) {
    let Some(error) = last_words else { return };
    tracing::debug!(%error, "closing a PostgreSQL connection");
    outbox.put(&error_response(Severity::Fatal, &error));
    if inbox.is_too_long() {
        tokio::select! {
            biased;
            () = shutdown.begun.cancelled() => {}
            _ = timeout(TOO_LONG, async {
                tokio::join!(outbox.flush(), inbox.discard_too_long(GOODBYE))
            }) => {}
        }
    }
    let goodbye = async {
        outbox.close().await?;
        inbox.discard().await;
        Ok::<_, std::io::Error>(())
    };
    match timeout(GOODBYE, goodbye).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the client did not wait for the last message"),
        Err(_) => tracing::debug!("the client did not take the last message in time"),
    }
}

/// Sends without delay, and notices a peer that has vanished.
fn tune(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(PEER_SILENT)
        .with_interval(PEER_PROBE)
        .with_retries(PEER_PROBES);
    // Not TCP_USER_TIMEOUT: it would also cut a client that is alive and pauses its reading.
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

fn shutting_down() -> Error {
    Error::new(SqlState::CannotConnectNow, "the database system is shutting down")
}
