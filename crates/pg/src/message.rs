//! Messages of the client: their frames, and a strict decoder of their bodies.
//!
//! Counts are checked against the bytes at hand before anything is allocated; a body that is too
//! short, too long or not UTF-8 is an error of the message alone, because the frame still tells
//! where the next one begins.

use bytes::{Buf, Bytes};
use weir_types::{Error, Result, SqlState, limits};

/// Largest body of the messages that carry a name at most; PostgreSQL's limit for them.
const SMALL_BODY_BYTES_MAX: usize = 10_000;

/// The kind of a message, from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bind,
    Close,
    CopyData,
    CopyDone,
    CopyFail,
    Describe,
    Execute,
    Flush,
    FunctionCall,
    Parse,
    Query,
    Sync,
    Terminate,
}

impl Kind {
    /// The kind of that byte; `None` where a client may send no such message.
    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            b'B' => Self::Bind,
            b'C' => Self::Close,
            b'd' => Self::CopyData,
            b'c' => Self::CopyDone,
            b'f' => Self::CopyFail,
            b'D' => Self::Describe,
            b'E' => Self::Execute,
            b'H' => Self::Flush,
            b'F' => Self::FunctionCall,
            b'P' => Self::Parse,
            b'Q' => Self::Query,
            b'S' => Self::Sync,
            b'X' => Self::Terminate,
            _ => return None,
        })
    }

    /// Largest body, in bytes.
    pub(crate) fn body_bytes_max(self) -> usize {
        match self {
            Self::Bind | Self::CopyData | Self::FunctionCall | Self::Parse | Self::Query => {
                limits::PG_MESSAGE_BYTES_MAX
            }
            _ => SMALL_BODY_BYTES_MAX,
        }
    }

    /// True for the messages that make the engine work.
    pub(crate) fn is_statement(self) -> bool {
        matches!(self, Self::Bind | Self::Describe | Self::Execute | Self::Parse | Self::Query)
    }

    /// True for the messages after whose error everything up to the next Sync is skipped.
    pub(crate) fn is_extended(self) -> bool {
        matches!(
            self,
            Self::Bind | Self::Close | Self::Describe | Self::Execute | Self::Flush | Self::Parse
        )
    }
}

/// One message as it came: its kind and its whole body.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) body: Bytes,
}

/// A decoded message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Bind(Bind),
    Close(Target),
    CopyData(Bytes),
    CopyDone,
    CopyFail(String),
    Describe(Target),
    Execute { portal: String, max_rows: i32 },
    Flush,
    FunctionCall,
    Parse { name: String, sql: String, parameter_oids: Vec<u32> },
    Query(String),
    Sync,
    Terminate,
}

/// What Describe and Close are about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Statement(String),
    Portal(String),
}

/// A request to make a portal. Format codes are as the client sent them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) portal: String,
    pub(crate) statement: String,
    pub(crate) parameter_formats: Vec<i16>,
    pub(crate) parameters: Vec<Option<Bytes>>,
    pub(crate) result_formats: Vec<i16>,
}

impl Frame {
    /// The message of this frame; 08P01 for a body of the wrong form, 22021 for text that is not
    /// UTF-8.
    pub(crate) fn decode(self) -> Result<Message> {
        let mut body = Body(self.body);
        let message = match self.kind {
            Kind::Bind => Message::Bind(decode_bind(&mut body)?),
            Kind::Close => Message::Close(decode_target(&mut body)?),
            Kind::CopyData => Message::CopyData(body.rest()),
            Kind::CopyDone => Message::CopyDone,
            Kind::CopyFail => Message::CopyFail(body.string()?),
            Kind::Describe => Message::Describe(decode_target(&mut body)?),
            Kind::Execute => {
                Message::Execute { portal: body.string()?, max_rows: body.take(4)?.get_i32() }
            }
            Kind::Flush => Message::Flush,
            Kind::FunctionCall => {
                body.rest();
                Message::FunctionCall
            }
            Kind::Parse => Message::Parse {
                name: body.string()?,
                sql: body.string()?,
                parameter_oids: body.list(4, Buf::get_u32)?,
            },
            Kind::Query => Message::Query(body.string()?),
            Kind::Sync => Message::Sync,
            Kind::Terminate => Message::Terminate,
        };
        body.end()?;
        Ok(message)
    }
}

fn decode_target(body: &mut Body) -> Result<Target> {
    match body.take(1)?.get_u8() {
        b'S' => Ok(Target::Statement(body.string()?)),
        b'P' => Ok(Target::Portal(body.string()?)),
        other => Err(violation(format!("invalid message subtype {other}"))),
    }
}

fn decode_bind(body: &mut Body) -> Result<Bind> {
    let portal = body.string()?;
    let statement = body.string()?;
    let parameter_formats = body.list(2, Buf::get_i16)?;
    let n_parameters = body.count(4)?;
    let mut parameters = Vec::with_capacity(n_parameters);
    for _ in 0..n_parameters {
        parameters.push(match body.take(4)?.get_i32() {
            -1 => None,
            length => {
                let length = usize::try_from(length)
                    .map_err(|_| violation("invalid parameter length in Bind message"))?;
                Some(body.take(length)?)
            }
        });
    }
    let result_formats = body.list(2, Buf::get_i16)?;
    Ok(Bind { portal, statement, parameter_formats, parameters, result_formats })
}

/// The part of a body that is not decoded yet.
pub(crate) struct Body(pub(crate) Bytes);

impl Body {
    /// The next `length` bytes.
    pub(crate) fn take(&mut self, length: usize) -> Result<Bytes> {
        if self.0.len() < length {
            return Err(violation("insufficient data left in message"));
        }
        Ok(self.0.split_to(length))
    }

    /// The text up to the next NUL.
    pub(crate) fn string(&mut self) -> Result<String> {
        let length = self
            .0
            .iter()
            .position(|&byte| byte == 0)
            .ok_or_else(|| violation("invalid string in message"))?;
        let text = utf8(&self.0[..length])?.to_owned();
        self.0.advance(length + 1);
        Ok(text)
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    /// A count of items that take at least `item_bytes` each.
    fn count(&mut self, item_bytes: usize) -> Result<usize> {
        let count = usize::from(self.take(2)?.get_u16());
        if count * item_bytes > self.0.len() {
            return Err(violation("insufficient data left in message"));
        }
        Ok(count)
    }

    /// A counted list of items of `item_bytes` each.
    fn list<T>(&mut self, item_bytes: usize, read: fn(&mut Bytes) -> T) -> Result<Vec<T>> {
        let count = self.count(item_bytes)?;
        Ok((0..count).map(|_| read(&mut self.0)).collect())
    }

    /// Checks that nothing is left.
    pub(crate) fn end(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(violation("invalid message format")) }
    }
}

/// The bytes as text; 22021 with the first offending ones.
fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let bad = &bytes[error.valid_up_to()..];
        let shown = &bad[..error.error_len().unwrap_or(bad.len())];
        let shown: Vec<_> = shown.iter().map(|byte| format!("0x{byte:02x}")).collect();
        Error::new(
            SqlState::CharacterNotInRepertoire,
            format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
        )
    })
}

fn violation(message: impl Into<String>) -> Error {
    Error::new(SqlState::ProtocolViolation, message)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Bind, Frame, Kind, Message, Target};

    fn decode(kind: Kind, body: &[u8]) -> Result<Message, String> {
        let frame = Frame { kind, body: Bytes::copy_from_slice(body) };
        frame.decode().map_err(|error| error.state().code().to_owned())
    }

    #[test]
    fn well_formed_bodies_are_read_whole() {
        assert_eq!(decode(Kind::Query, b"SELECT 1\0"), Ok(Message::Query("SELECT 1".into())));
        assert_eq!(
            decode(Kind::Parse, b"s\0SELECT $1\0\0\x01\0\0\0\x17"),
            Ok(Message::Parse {
                name: "s".into(),
                sql: "SELECT $1".into(),
                parameter_oids: vec![23]
            })
        );
        assert_eq!(
            decode(Kind::Bind, b"p\0s\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x02hi\0\x01\0\x01"),
            Ok(Message::Bind(Bind {
                portal: "p".into(),
                statement: "s".into(),
                parameter_formats: vec![1],
                parameters: vec![None, Some(Bytes::from_static(b"hi"))],
                result_formats: vec![1],
            }))
        );
        assert_eq!(
            decode(Kind::Describe, b"Pp\0"),
            Ok(Message::Describe(Target::Portal("p".into())))
        );
        assert_eq!(
            decode(Kind::Execute, b"\0\0\0\0\x05"),
            Ok(Message::Execute { portal: String::new(), max_rows: 5 })
        );
    }

    #[test]
    fn every_cut_and_every_surplus_is_refused() {
        let whole: [(Kind, &[u8]); 6] = [
            (Kind::Query, b"SELECT 1\0"),
            (Kind::Parse, b"s\0SELECT $1\0\0\x01\0\0\0\x17"),
            (Kind::Bind, b"p\0s\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x02hi\0\x01\0\x01"),
            (Kind::Describe, b"Pp\0"),
            (Kind::Execute, b"\0\0\0\0\x05"),
            (Kind::CopyFail, b"why\0"),
        ];
        for (kind, body) in whole {
            for length in 0..body.len() {
                assert_eq!(decode(kind, &body[..length]), Err("08P01".into()), "{kind:?} {length}");
            }
            let surplus = [body, b"\0"].concat();
            assert_eq!(decode(kind, &surplus), Err("08P01".into()), "{kind:?}");
        }
        for kind in [Kind::Sync, Kind::Flush, Kind::CopyDone, Kind::Terminate] {
            assert_eq!(decode(kind, b"x"), Err("08P01".into()));
        }
    }

    #[test]
    fn lying_counts_allocate_nothing() {
        assert_eq!(decode(Kind::Parse, b"\0\0\xff\xff"), Err("08P01".into()));
        assert_eq!(decode(Kind::Bind, b"\0\0\0\0\xff\xff"), Err("08P01".into()));
        assert_eq!(decode(Kind::Bind, b"\0\0\0\0\0\x01\x7f\xff\xff\xff"), Err("08P01".into()));
        assert_eq!(decode(Kind::Bind, b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"), Err("08P01".into()));
    }

    #[test]
    fn text_that_is_not_utf8_is_named_with_its_bytes() {
        let frame = Frame { kind: Kind::Query, body: Bytes::from_static(b"SELECT '\xc3('\0") };
        let error = frame.decode().expect_err("not UTF-8");
        assert_eq!(error.state().code(), "22021");
        assert_eq!(error.message(), "invalid byte sequence for encoding \"UTF8\": 0xc3");
    }
}
