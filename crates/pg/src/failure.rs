//! Why the handling of a message stopped, and what of the connection is left then.

use weir_types::{Error, SqlState};

/// Why a handler stopped early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The statement failed. The client is told, and the connection goes on.
    Statement(Error),
    /// The connection ends with this as its last message.
    Fatal(Error),
    /// The client has left or the socket is broken: nothing can be sent any more.
    Gone,
}

impl Failure {
    /// A breach of the protocol after which frames cannot be told apart (FATAL 08P01).
    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::Fatal(Error::new(SqlState::ProtocolViolation, message))
    }

    /// The server is stopping (FATAL 57P01).
    pub(crate) fn shutdown() -> Self {
        Self::Fatal(Error::new(
            SqlState::AdminShutdown,
            "terminating connection due to administrator command",
        ))
    }
}

/// 57P01 and 25P03 end the connection, every other error only its statement.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.state() {
            SqlState::AdminShutdown | SqlState::IdleInTransactionSessionTimeout => {
                Self::Fatal(error)
            }
            _ => Self::Statement(error),
        }
    }
}

/// Whatever the reason, a socket that failed once carries nothing more.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        tracing::debug!(%error, "connection broken");
        Self::Gone
    }
}
