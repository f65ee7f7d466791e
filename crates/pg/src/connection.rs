//! One connection after startup: reads a message, answers it, and decides what an error means.

mod copy;
mod extended;
mod portal;
mod rows;
mod simple;
mod wait;

use std::collections::HashMap;
use std::sync::Arc;

use pgwire::messages::response::{CommandComplete, EmptyQueryResponse, ReadyForQuery};
use pgwire::messages::startup::ParameterStatus;
use tokio_util::sync::CancellationToken;
use weir_types::Error;

use crate::engine::{Engine, Session, TransactionStatus};
use crate::failure::Failure;
use crate::inbox::Inbox;
use crate::message::{Frame, Kind, Message};
use crate::outbox::Outbox;
use crate::report::{Severity, error_response, notice_response, without_nul};

use portal::{Portal, Statement};

/// Longest value of a ParameterStatus: clients give up on long messages of this kind.
const PARAMETER_BYTES_MAX: usize = 8 << 10;

/// The two moments of a shutdown.
#[derive(Clone)]
pub(crate) struct Shutdown {
    /// No new statement begins.
    pub(crate) begun: CancellationToken,
    /// Statements that still run are cancelled.
    pub(crate) deadline: CancellationToken,
}

/// The state of a connection after startup.
pub(crate) struct Connection {
    engine: Engine,
    session: Arc<Session>,
    inbox: Inbox,
    outbox: Outbox,
    shutdown: Shutdown,
    statements: HashMap<String, Statement>,
    portals: HashMap<String, Portal>,
    /// After an error in the extended protocol nothing counts until the client says Sync.
    skips_to_sync: bool,
}

/// What ends a statement's answer.
enum Completion {
    /// CommandComplete with this tag.
    Tag(String),
    /// EmptyQueryResponse.
    Empty,
}

impl Connection {
    /// A connection whose client is let in.
    pub(crate) fn new(
        engine: Engine,
        session: Arc<Session>,
        inbox: Inbox,
        outbox: Outbox,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            engine,
            session,
            inbox,
            outbox,
            shutdown,
            statements: HashMap::new(),
            portals: HashMap::new(),
            skips_to_sync: false,
        }
    }

    /// Serves the client until the connection must end; never `Failure::Statement`.
    pub(crate) async fn run(&mut self) -> Failure {
        let Err(end) = self.serve().await;
        end
    }

    /// Ends the session, with all its streams, and leaves the two sides of the socket.
    pub(crate) fn into_wire(self) -> (Inbox, Outbox) {
        (self.inbox, self.outbox)
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, Failure> {
        self.ready().await?;
        loop {
            let frame = self.next_frame().await?;
            let kind = frame.kind;
            if kind == Kind::Sync {
                self.skips_to_sync = false;
            } else if kind == Kind::Terminate {
                return Err(Failure::Gone);
            } else if self.skips_to_sync {
                continue;
            }
            // In a box, so that a silent connection does not carry the room that statements need. It is copied
            // there: what few statements need has boxes of its own.
            match Box::pin(self.answer(frame)).await {
                Ok(()) => {}
                Err(Failure::Statement(error)) => {
                    self.report(&error)?;
                    self.skips_to_sync = kind.is_extended();
                }
                Err(end) => return Err(end),
            }
            if matches!(kind, Kind::Query | Kind::FunctionCall | Kind::Sync) {
                self.ready().await?;
            } else {
                self.flush_if_full().await?;
            }
        }
    }

    /// The next frame. Output leaves before the wait for it, and memory is given back.
    async fn next_frame(&mut self) -> Result<Frame, Failure> {
        if !self.inbox.has_frame() {
            self.flush().await?;
            self.outbox.rest();
            self.inbox.rest();
        }
        let mut may_be_terminated = true;
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.begun.cancelled() => return Err(Failure::shutdown()),
                error = self.session.interrupted(), if may_be_terminated => {
                    if let fatal @ Failure::Fatal(_) = error.into() {
                        return Err(fatal);
                    }
                    // A cancel that came too late for its statement.
                    may_be_terminated = false;
                }
                frame = self.inbox.next() => return frame,
            }
        }
    }

    async fn answer(&mut self, frame: Frame) -> Result<(), Failure> {
        if !frame.kind.is_statement() {
            return self.handle(frame.decode()?).await;
        }
        let message = frame.decode()?;
        self.session.begin_statement();
        let outcome = self.handle(message).await;
        self.session.end_statement();
        outcome
    }

    async fn handle(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Query(sql) => Box::pin(self.query(&sql)).await,
            Message::Parse { name, sql, parameter_oids } => {
                Box::pin(self.parse(name, &sql, &parameter_oids)).await
            }
            Message::Bind(bind) => Ok(self.bind(bind)?),
            Message::Describe(target) => Ok(self.describe(&target)?),
            Message::Execute { portal, max_rows } => self.execute(portal, max_rows).await,
            Message::Close(target) => {
                self.close(&target);
                Ok(())
            }
            Message::Flush => self.flush().await,
            Message::FunctionCall => {
                Err(Error::unsupported("the function call protocol is not supported")
                    .with_hint("Call the function in a SELECT.")
                    .into())
            }
            Message::Sync => {
                let session = Arc::clone(&self.session);
                self.finish(session.end_implicit_block()).await
            }
            // The data are leftovers of a COPY that failed: PostgreSQL ignores them, too.
            Message::CopyData(_)
            | Message::CopyDone
            | Message::CopyFail(_)
            | Message::Terminate => Ok(()),
        }
    }

    /// Tells the client of a failed statement, and the engine that it is told.
    fn report(&mut self, error: &Error) -> Result<(), Failure> {
        self.session.fail();
        self.portals.retain(|_, portal| !portal.is_running());
        if self.shutdown.deadline.is_cancelled() {
            return Err(Failure::shutdown());
        }
        self.put_notices();
        self.outbox.put(&error_response(Severity::Error, error));
        Ok(())
    }

    /// Ends the answer of one statement.
    fn complete(&mut self, completion: Completion) {
        self.put_notices();
        self.put_parameters();
        match completion {
            Completion::Tag(tag) => self.outbox.put(&CommandComplete::new(without_nul(&tag))),
            Completion::Empty => self.outbox.put(&EmptyQueryResponse::new()),
        }
    }

    /// Tells the client that it may go on, at the end of a transaction without its portals.
    async fn ready(&mut self) -> Result<(), Failure> {
        use pgwire::messages::response::TransactionStatus as Status;

        let status = match self.session.transaction_status() {
            TransactionStatus::Idle => Status::Idle,
            TransactionStatus::InBlock => Status::Transaction,
            TransactionStatus::Failed => Status::Error,
        };
        if status == Status::Idle {
            self.portals.clear();
        }
        self.put_parameters();
        self.outbox.put(&ReadyForQuery::new(status));
        self.flush().await
    }

    fn put_notices(&mut self) {
        for notice in self.session.take_notices() {
            self.outbox.put(&notice_response(&notice));
        }
    }

    fn put_parameters(&mut self) {
        for (name, value) in self.session.take_parameter_changes() {
            self.outbox.put(&parameter_status(&name, &value));
        }
    }
}

/// The ParameterStatus of a setting.
pub(crate) fn parameter_status(name: &str, value: &str) -> ParameterStatus {
    let mut value = without_nul(value);
    value.truncate(value.floor_char_boundary(PARAMETER_BYTES_MAX));
    ParameterStatus::new(name.to_owned(), value)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use tokio::io::AsyncReadExt;
    use tokio_util::sync::CancellationToken;

    use super::{Connection, Shutdown};
    use crate::engine::{Engine, SessionStartup};
    use crate::inbox::Inbox;
    use crate::outbox::{FULL_BYTES, Outbox};
    use crate::tests::client::{describe, parse};

    fn connection(input: &[u8], output: tokio::io::DuplexStream) -> Connection {
        let engine = Engine::default();
        let text = String::from;
        let startup = SessionStartup {
            user: text("ada"),
            database: text("weir"),
            peer: text("test"),
            settings: Vec::new(),
        };
        let session = engine.session(startup).expect("a session");
        let token = CancellationToken::new;
        let shutdown = Shutdown { begun: token(), deadline: token() };
        let inbox = Inbox::new(Box::new(tokio::io::empty()), BytesMut::from(input));
        Connection::new(engine, session, inbox, Outbox::new(Box::new(output)), shutdown)
    }

    #[tokio::test]
    async fn answers_that_nobody_reads_do_not_pile_up() {
        let describes = describe('S', "s").repeat(100_000);
        let input = [parse("s", "SELECT rows 1", &[]), describes].concat();
        let (output, mut reader) = tokio::io::duplex(100);
        let mut connection = connection(&input, output);
        assert!(futures::poll!(std::pin::pin!(connection.run())).is_pending());
        let (_, mut outbox) = connection.into_wire();
        let mut answers = Vec::new();
        let (closed, read) = tokio::join!(outbox.close(), reader.read_to_end(&mut answers));
        closed.expect("it reads");
        read.expect("it is open");
        assert!(answers.len() > FULL_BYTES, "{}", answers.len());
        assert!(answers.len() < FULL_BYTES + 1000, "{}", answers.len());
    }

    #[tokio::test]
    async fn a_silent_connection_is_small() {
        let (output, _reader) = tokio::io::duplex(100);
        let mut connection = connection(b"", output);
        assert!(size_of_val(&connection) < 1 << 10, "{}", size_of_val(&connection));
        let future = connection.run();
        assert!(size_of_val(&future) < 4 << 10, "{}", size_of_val(&future));
    }
}
