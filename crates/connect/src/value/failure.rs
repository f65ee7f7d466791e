//! The errors that most input functions share, in PostgreSQL's words.

use std::fmt;

use weir_types::{Error, SqlState};

/// Bytes of a value that an error message repeats; PostgreSQL repeats all, however many.
const SHOWN_BYTES_MAX: usize = 1000;

/// A value as an error message repeats it: cut where it is long.
pub(super) struct Shown<'a>(pub(super) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= SHOWN_BYTES_MAX {
            return f.write_str(self.0);
        }
        f.write_str(&self.0[..self.0.floor_char_boundary(SHOWN_BYTES_MAX)])?;
        f.write_str("...")
    }
}

/// The text is none of that type (22P02).
pub(super) fn invalid_syntax(type_name: &str, text: &str) -> Error {
    Error::new(
        SqlState::InvalidTextRepresentation,
        format!("invalid input syntax for type {type_name}: \"{}\"", Shown(text)),
    )
}

/// An integer outside its type (22003).
pub(super) fn out_of_range(type_name: &str, text: &str) -> Error {
    Error::new(
        SqlState::NumericValueOutOfRange,
        format!("value \"{}\" is out of range for type {type_name}", Shown(text)),
    )
}

/// The binary form ends too early (22P03).
pub(super) fn too_short() -> Error {
    Error::new(SqlState::InvalidBinaryRepresentation, "insufficient data left in message")
}

/// The binary form has bytes left over, or not the form of its type (22P03).
pub(super) fn bad_binary() -> Error {
    Error::new(SqlState::InvalidBinaryRepresentation, "incorrect binary data format")
}

/// A date or time outside its type (22008), without its text.
pub(super) fn datetime_range(type_name: &str) -> Error {
    Error::new(SqlState::DatetimeFieldOverflow, format!("{type_name} out of range"))
}

/// A value that PostgreSQL has and Weir has not, such as `infinity` (0A000).
pub(super) fn no_such_value(type_name: &str, value: &str) -> Error {
    Error::unsupported(format!("{type_name} \"{value}\" is not supported"))
}

/// Bytes that are not UTF-8, or a NUL (22021). `bytes` begins at the bad sequence.
pub(crate) fn invalid_utf8(bytes: &[u8]) -> Error {
    let length = match bytes.first() {
        Some(0xC0..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF7) => 4,
        _ => 1,
    };
    let mut message = String::from("invalid byte sequence for encoding \"UTF8\":");
    for byte in bytes.iter().take(length) {
        message.push_str(&format!(" 0x{byte:02x}"));
    }
    Error::new(SqlState::CharacterNotInRepertoire, message)
}

/// The bytes as text; 22021 where they are none.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|error| invalid_utf8(&bytes[error.valid_up_to()..]))
}
