//! What the client sends: bytes of the socket, cut into frames.
//!
//! The buffer grows only with bytes that came, whatever length a header claims. While a statement
//! runs the inbox reads ahead a bounded amount, which is how the end of the connection is noticed.

use std::future::pending;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, sleep_until, timeout};
use weir_types::{Error, SqlState};

use crate::failure::Failure;
use crate::message::{Frame, Kind};

/// Bytes of one read of a connection that says little.
const READ_BYTES_MIN: usize = 4 << 10;
/// Bytes of one read of a connection that pours in data.
const READ_BYTES_MAX: usize = 64 << 10;
/// Bytes that are read ahead while a statement runs.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// How long a statement may go on after the client has closed its side: a short one that was sent
/// with the goodbye right behind it still ends as it would have.
const CLOSED_GRACE: Duration = Duration::from_millis(500);
/// A type byte and a length.
const HEADER_BYTES: usize = 5;

/// The read side of a connection.
pub(crate) struct Inbox {
    source: Box<dyn AsyncRead + Send + Unpin>,
    buffer: BytesMut,
    read_bytes: usize,
    end: Option<End>,
}

/// How the read side ended.
enum End {
    Closed(Instant),
    Broken,
}

impl Inbox {
    /// The inbox over `source`, with the bytes that were already read from it.
    pub(crate) fn new(source: Box<dyn AsyncRead + Send + Unpin>, buffer: BytesMut) -> Self {
        Self { source, buffer, read_bytes: READ_BYTES_MIN, end: None }
    }

    /// The next frame. May be dropped at any time without loss.
    pub(crate) async fn next(&mut self) -> Result<Frame, Failure> {
        loop {
            if let Some(length) = self.frame_bytes()?
                && self.buffer.len() >= length
            {
                return Ok(self.take_frame(length));
            }
            self.read().await;
            if self.end.is_some() {
                return Err(Failure::Gone);
            }
        }
    }

    /// Resolves when the client has left, and reads ahead until then. May be dropped at any time
    /// without loss.
    pub(crate) async fn gone(&mut self) {
        loop {
            match self.end {
                Some(End::Broken) => return,
                Some(End::Closed(at)) => return sleep_until(at + CLOSED_GRACE).await,
                // A client that leaves after that much is noticed by the next write.
                None if self.buffer.len() >= READ_AHEAD_BYTES => pending().await,
                None => self.read().await,
            }
        }
    }

    /// True when `next` would not wait.
    pub(crate) fn has_frame(&self) -> bool {
        match self.frame_bytes() {
            Ok(length) => length.is_some_and(|length| self.buffer.len() >= length),
            Err(_) => true,
        }
    }

    /// True when a Sync is there, and nothing before it that could fail or have an effect.
    pub(crate) fn sync_is_next(&self) -> bool {
        let mut rest = &self.buffer[..];
        while let Some((&[kind, length @ ..], body)) = rest.split_first_chunk::<HEADER_BYTES>() {
            let length = u32::from_be_bytes(length) as usize;
            match Kind::from_byte(kind) {
                Some(Kind::Sync) => return length == 4,
                Some(Kind::Close | Kind::Flush) => {}
                _ => return false,
            }
            let Some(next) = length.checked_sub(4).and_then(|length| body.get(length..)) else {
                return false;
            };
            rest = next;
        }
        false
    }

    /// True when the next message is refused for its length.
    pub(crate) fn is_too_long(&self) -> bool {
        self.length().is_some_and(|(kind, body)| body > kind.body_bytes_max())
    }

    /// Reads and forgets the message that is refused for its length, unless nothing comes for `silence`.
    pub(crate) async fn discard_too_long(&mut self, silence: Duration) {
        let Some((_, body)) = self.length() else { return };
        let mut n_left = (HEADER_BYTES + body).saturating_sub(self.buffer.len());
        while n_left > 0 && self.end.is_none() {
            self.buffer.clear();
            if timeout(silence, self.read()).await.is_err() {
                return;
            }
            n_left = n_left.saturating_sub(self.buffer.len());
        }
    }

    /// Kind and length of the body of the first frame, if its header is there and can be one.
    fn length(&self) -> Option<(Kind, usize)> {
        let (header, _) = self.buffer.split_first_chunk::<HEADER_BYTES>()?;
        let body = (&header[1..]).get_i32().checked_sub(4)?;
        Some((Kind::from_byte(header[0])?, usize::try_from(body).ok()?))
    }

    /// Gives the memory back that a silent connection does not need.
    pub(crate) fn rest(&mut self) {
        // A connection that says little keeps its few bytes: it may well be about to say more.
        if self.buffer.is_empty() && self.read_bytes > READ_BYTES_MIN {
            self.buffer = BytesMut::new();
            self.read_bytes = READ_BYTES_MIN;
        }
    }

    /// Reads and forgets until the client has left.
    pub(crate) async fn discard(&mut self) {
        while self.end.is_none() {
            self.buffer.clear();
            self.read().await;
        }
    }

    /// Length of the first frame with its header; `None` while the header is not there.
    fn frame_bytes(&self) -> Result<Option<usize>, Failure> {
        let Some(&byte) = self.buffer.first() else { return Ok(None) };
        let kind = Kind::from_byte(byte)
            .ok_or_else(|| Failure::protocol(format!("invalid frontend message type {byte}")))?;
        if self.buffer.len() < HEADER_BYTES {
            return Ok(None);
        }
        let (_, body) = self.length().ok_or_else(|| Failure::protocol("invalid message length"))?;
        let limit = kind.body_bytes_max();
        if body > limit {
            return Err(Failure::Fatal(
                Error::new(SqlState::ProgramLimitExceeded, "message too long")
                    .with_detail(format!("It has {body} bytes; the limit is {limit}.")),
            ));
        }
        Ok(Some(HEADER_BYTES + body))
    }

    /// Cuts off the first frame, which is there in full.
    fn take_frame(&mut self, length: usize) -> Frame {
        let mut bytes = self.buffer.split_to(length);
        let kind = Kind::from_byte(bytes[0]).expect("frame_bytes has checked the kind");
        bytes.advance(HEADER_BYTES);
        Frame { kind, body: bytes.freeze() }
    }

    /// Reads once, and notes the end. May be dropped at any time without loss.
    async fn read(&mut self) {
        // A frame that is under way makes the buffer at most twice as large as what has come.
        let room = self.buffer.len().max(self.read_bytes);
        let wanted = match self.frame_bytes() {
            Ok(Some(length)) if length > self.buffer.len() => length - self.buffer.len(),
            _ => self.read_bytes,
        };
        self.buffer.reserve(wanted.clamp(self.read_bytes, room));
        match self.source.read_buf(&mut self.buffer).await {
            Ok(0) => self.end = Some(End::Closed(Instant::now())),
            Ok(n) if n >= self.read_bytes => {
                self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "connection broken");
                self.end = Some(End::Broken);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use tokio::io::AsyncWriteExt;

    use super::{Inbox, READ_AHEAD_BYTES, READ_BYTES_MAX};
    use crate::failure::Failure;
    use crate::message::Kind;

    #[tokio::test]
    async fn frames_are_the_same_for_every_segmentation() {
        let bytes = b"Q\0\0\0\x08abc\0S\0\0\0\x04d\0\0\0\x06hi";
        for cut in 0..=bytes.len() {
            let (mut client, server) = tokio::io::duplex(1024);
            let mut inbox = Inbox::new(Box::new(server), BytesMut::from(&bytes[..cut]));
            client.write_all(&bytes[cut..]).await.expect("room");
            let mut found = Vec::new();
            for _ in 0..3 {
                let frame = inbox.next().await.expect("a frame");
                found.push((frame.kind, frame.body.to_vec()));
            }
            assert_eq!(
                found,
                [
                    (Kind::Query, b"abc\0".to_vec()),
                    (Kind::Sync, vec![]),
                    (Kind::CopyData, b"hi".to_vec())
                ]
            );
        }
    }

    #[tokio::test]
    async fn a_claimed_length_allocates_nothing() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut inbox = Inbox::new(Box::new(server), BytesMut::new());
        client.write_all(b"d\x03\xff\xff\xff").await.expect("room");
        client.write_all(&[0; 100]).await.expect("room");
        drop(client);
        assert!(matches!(inbox.next().await, Err(Failure::Gone)));
        assert!(inbox.buffer.capacity() <= READ_BYTES_MAX, "{}", inbox.buffer.capacity());
    }

    #[tokio::test]
    async fn reading_ahead_is_bounded_and_loses_nothing() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut inbox = Inbox::new(Box::new(server), BytesMut::new());
        let body = vec![b'x'; 300_000];
        let mut frame = vec![b'd'];
        frame.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        frame.extend_from_slice(&body);
        client.write_all(&frame).await.expect("room");
        let outcome = futures::poll!(std::pin::pin!(inbox.gone()));
        assert!(outcome.is_pending());
        assert!(inbox.buffer.len() <= READ_AHEAD_BYTES + READ_BYTES_MAX, "{}", inbox.buffer.len());
        assert_eq!(inbox.next().await.expect("a frame").body, body);
    }

    #[tokio::test]
    async fn impossible_frames_are_fatal() {
        for (bytes, code) in [
            (&b"Q\0\0\0\x03"[..], "08P01"),
            (b"Q\xff\xff\xff\xff", "08P01"),
            (b"Q\x7f\xff\xff\xff", "54000"),
            (b"S\0\x01\0\0", "54000"),
            (b"\0\0\0\x08", "08P01"),
            (b"p\0\0\0\x08", "08P01"),
        ] {
            let (_client, server) = tokio::io::duplex(64);
            let mut inbox = Inbox::new(Box::new(server), BytesMut::from(bytes));
            match inbox.next().await {
                Err(Failure::Fatal(error)) => assert_eq!(error.state().code(), code),
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_sync_is_next_behind_what_cannot_fail() {
        let sync = b"S\0\0\0\x04";
        let close = b"C\0\0\0\x07Pp\0";
        for (bytes, expected) in [
            (&sync[..], true),
            (&[&close[..], b"H\0\0\0\x04", sync].concat(), true),
            (b"", false),
            (&sync[..4], false),
            (&close[..], false),
            (&[&close[..7], sync].concat(), false),
            (&[&b"S\0\0\0\x05"[..], sync].concat(), false),
            (&[&b"E\0\0\0\x09\0\0\0\0\0"[..], sync].concat(), false),
        ] {
            let inbox = Inbox::new(Box::new(tokio::io::empty()), BytesMut::from(bytes));
            assert_eq!(inbox.sync_is_next(), expected, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_message_that_is_too_long_is_read_to_its_end() {
        let (mut client, server) = tokio::io::duplex(1 << 10);
        let mut inbox = Inbox::new(Box::new(server), BytesMut::from(&b"S\0\0\x80\0abc"[..]));
        assert!(inbox.is_too_long());
        let send = async {
            client.write_all(&[0; 0x7FFC - 3]).await.expect("it is read");
            client.write_all(b"Q").await.expect("room");
        };
        tokio::join!(inbox.discard_too_long(std::time::Duration::from_secs(60)), send);
        inbox.buffer.clear();
        assert!(!inbox.is_too_long());
    }
}
