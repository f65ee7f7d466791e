//! What the client is sent: messages gathered in one buffer, and written when it is full or when
//! there is nothing else to do.

use bytes::{BufMut, BytesMut};
use pgwire::messages::Message;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use weir_types::{Error, Result, SqlState};

/// Bytes from which the buffer is written before anything is added.
pub(crate) const FULL_BYTES: usize = 64 << 10;

/// Bytes that a silent connection keeps.
const KEPT_BYTES: usize = 4 << 10;

/// The write side of a connection.
pub(crate) struct Outbox {
    sink: Box<dyn AsyncWrite + Send + Unpin>,
    buffer: BytesMut,
    /// Up to here the buffer holds whole messages.
    whole: usize,
}

impl Outbox {
    /// The outbox over `sink`.
    pub(crate) fn new(sink: Box<dyn AsyncWrite + Send + Unpin>) -> Self {
        Self { sink, buffer: BytesMut::new(), whole: 0 }
    }

    /// Adds a message. Callers keep variable parts within pgwire's bounds.
    pub(crate) fn put(&mut self, message: &impl Message) {
        message.encode(&mut self.buffer).expect("the door sends no message over pgwire's bounds");
        self.whole = self.buffer.len();
    }

    /// Adds one CopyData; 54000 for more than the protocol can frame.
    pub(crate) fn put_copy_data(&mut self, data: &[u8]) -> Result<()> {
        let length = i32::try_from(data.len() + 4)
            .map_err(|_| Error::new(SqlState::ProgramLimitExceeded, "COPY data too long"))?;
        self.buffer.put_u8(b'd');
        self.buffer.put_i32(length);
        self.buffer.put_slice(data);
        self.whole = self.buffer.len();
        Ok(())
    }

    /// Lets `write` add messages, of which it must leave whole ones only.
    pub(crate) fn put_with<T>(&mut self, write: impl FnOnce(&mut BytesMut) -> T) -> T {
        let written = write(&mut self.buffer);
        self.whole = self.buffer.len();
        written
    }

    /// True when the buffer should be written before more is added.
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() >= FULL_BYTES
    }

    /// Writes everything. May be dropped at any time: what is not written yet stays.
    pub(crate) async fn flush(&mut self) -> std::io::Result<()> {
        while !self.buffer.is_empty() {
            let n = self.sink.write_buf(&mut self.buffer).await?;
            if n == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            self.whole = self.whole.saturating_sub(n);
        }
        self.sink.flush().await
    }

    /// Gives the memory back that a silent connection does not need.
    pub(crate) fn rest(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BYTES {
            self.buffer = BytesMut::new();
        }
    }

    /// Forgets the message that a panic left unfinished.
    pub(crate) fn drop_unfinished(&mut self) {
        self.buffer.truncate(self.whole);
    }

    /// Writes everything and closes the write side.
    pub(crate) async fn close(&mut self) -> std::io::Result<()> {
        self.flush().await?;
        self.sink.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use pgwire::messages::copy::CopyDone;
    use tokio::io::AsyncReadExt;

    use super::Outbox;

    #[tokio::test]
    async fn an_unfinished_message_does_not_leave() {
        let (client, mut server) = tokio::io::duplex(64);
        let mut outbox = Outbox::new(Box::new(client));
        outbox.put(&CopyDone::new());
        outbox.buffer.put_slice(b"half a mess");
        outbox.drop_unfinished();
        outbox.put_copy_data(b"hi").expect("short");
        outbox.close().await.expect("room");
        let mut found = Vec::new();
        server.read_to_end(&mut found).await.expect("open");
        assert_eq!(found, b"c\0\0\0\x04d\0\0\0\x06hi");
    }
}
