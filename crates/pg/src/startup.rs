//! From the first byte of a client to its session: encryption requests, the startup packet,
//! the password, and what the server tells of itself.

mod packet;
mod scram;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::response::{GssEncResponse, SslResponse};
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, SecretKey,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_types::{Error, Result, SqlState};

use crate::connection::parameter_status;
use crate::engine::{Engine, Session, SessionStartup};
use crate::failure::Failure;

use packet::{Request, StartupPacket};

/// Longest startup packet, with its length; PostgreSQL's limit.
const PACKET_BYTES_MAX: usize = 10_000;
/// Shortest: a length and a code.
const PACKET_BYTES_MIN: usize = 8;
/// Longest message of the password exchange; PostgreSQL's limit.
const SASL_BYTES_MAX: usize = 1024;
/// Room for one read.
const READ_BYTES: usize = 1024;
/// The newest protocol version that is spoken: 3.2.
const PROTOCOL_NEWEST: i32 = 3 << 16 | 2;

/// A client that is not let in yet. It costs a few KiB at most, whatever it sends.
pub(crate) struct Caller {
    stream: TcpStream,
    buffer: BytesMut,
    peer: String,
}

impl Caller {
    /// The client behind a new socket.
    pub(crate) fn new(stream: TcpStream, peer: String) -> Self {
        Self { stream, buffer: BytesMut::new(), peer }
    }

    /// The socket, and what was read from it and not used.
    pub(crate) fn into_parts(self) -> (TcpStream, BytesMut) {
        (self.stream, self.buffer)
    }

    /// Talks until the client has a session. `None` when it wanted none: it has cancelled a
    /// statement of another connection.
    ///
    /// `failure_delay` is waited before a failed authentication is answered.
    pub(crate) async fn let_in(
        &mut self,
        engine: &Engine,
        failure_delay: Duration,
    ) -> Result<Option<Arc<Session>>, Failure> {
        let Some(packet) = self.read_startup(engine).await? else { return Ok(None) };
        self.negotiate(&packet).await?;
        let startup = packet.into_session_startup(self.peer.clone())?;
        if let Some(verifier) = engine.password_verifier() {
            scram::authenticate(self, &startup.user, verifier, failure_delay).await?;
        }
        self.open_session(engine, startup).await.map(Some)
    }

    /// Reads packets up to one that is no question for encryption, of which each kind may come
    /// once. `None` when it was a cancel request, which is done then.
    async fn read_startup(&mut self, engine: &Engine) -> Result<Option<StartupPacket>, Failure> {
        let (mut may_ask_ssl, mut may_ask_gss) = (true, true);
        loop {
            match packet::decode(self.read_packet().await?)? {
                // TLS goes here: accept, wrap `stream` and go on with an empty buffer.
                Request::Ssl if may_ask_ssl => {
                    may_ask_ssl = false;
                    self.send(&[&SslResponse::Refuse]).await?;
                }
                Request::GssEncryption if may_ask_gss => {
                    may_ask_gss = false;
                    self.send(&[&GssEncResponse::Refuse]).await?;
                }
                Request::Ssl | Request::GssEncryption => {
                    return Err(Failure::protocol("encryption was asked for twice"));
                }
                Request::Cancel { pid, secret } => {
                    engine.cancel(pid, secret);
                    return Ok(None);
                }
                Request::Startup(packet) => return Ok(Some(packet)),
            }
            if !self.buffer.is_empty() {
                return Err(Error::new(
                    SqlState::ProtocolViolation,
                    "received unencrypted data after SSL request",
                )
                .with_detail(
                    "This could be either a client-software bug or evidence of an attempted \
                     man-in-the-middle attack.",
                )
                .into());
            }
        }
    }

    /// Reads one packet without a type byte. Returns what follows the length.
    async fn read_packet(&mut self) -> Result<Bytes, Failure> {
        self.fill(4).await?;
        let length = usize::try_from((&self.buffer[..]).get_i32())
            .ok()
            .filter(|length| (PACKET_BYTES_MIN..=PACKET_BYTES_MAX).contains(length))
            .ok_or_else(|| Failure::protocol("invalid length of startup packet"))?;
        self.fill(length).await?;
        let mut packet = self.buffer.split_to(length);
        packet.advance(4);
        Ok(packet.freeze())
    }

    /// Reads one message of the password exchange. Returns its body.
    async fn read_sasl(&mut self) -> Result<Bytes, Failure> {
        self.fill(5).await?;
        let kind = self.buffer[0];
        if kind != b'p' {
            return Err(Failure::protocol(format!(
                "expected SASL response, got message type {kind}"
            )));
        }
        let length = usize::try_from((&self.buffer[1..]).get_i32())
            .ok()
            .filter(|length| (4..=SASL_BYTES_MAX).contains(length))
            .ok_or_else(|| Failure::protocol("invalid message length"))?;
        self.fill(1 + length).await?;
        let mut message = self.buffer.split_to(1 + length);
        message.advance(5);
        Ok(message.freeze())
    }

    /// Reads until `length` bytes are there.
    async fn fill(&mut self, length: usize) -> Result<(), Failure> {
        while self.buffer.len() < length {
            self.buffer.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(Failure::Gone);
            }
        }
        Ok(())
    }

    async fn send(&mut self, messages: &[&dyn Encode]) -> Result<(), Failure> {
        let mut out = BytesMut::new();
        for message in messages {
            message.encode_to(&mut out);
        }
        self.stream.write_all_buf(&mut out).await?;
        Ok(())
    }

    /// Names the newest version, and the protocol options that are not known, to a client that
    /// asks for more.
    async fn negotiate(&mut self, packet: &StartupPacket) -> Result<(), Failure> {
        if packet.version() <= PROTOCOL_NEWEST && packet.protocol_options.is_empty() {
            return Ok(());
        }
        let version = packet.version().min(PROTOCOL_NEWEST);
        self.send(&[&NegotiateProtocolVersion::new(version, packet.protocol_options.clone())]).await
    }

    async fn open_session(
        &mut self,
        engine: &Engine,
        startup: SessionStartup,
    ) -> Result<Arc<Session>, Failure> {
        let session = engine.session(startup)?;
        let settings: Vec<_> = session
            .reported_parameters()
            .iter()
            .map(|(name, value)| parameter_status(name, value))
            .collect();
        let key = BackendKeyData::new(session.pid(), SecretKey::I32(session.secret()));
        let mut messages: Vec<&dyn Encode> = vec![&Authentication::Ok];
        messages.extend(settings.iter().map(|setting| setting as &dyn Encode));
        messages.push(&key);
        self.send(&messages).await?;
        Ok(session)
    }
}

/// A message of any type.
trait Encode: Sync {
    fn encode_to(&self, out: &mut BytesMut);
}

impl<M: Message + Sync> Encode for M {
    fn encode_to(&self, out: &mut BytesMut) {
        self.encode(out).expect("messages of the startup are short");
    }
}
