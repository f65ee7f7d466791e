//! The types kept as text: lengths of `varchar(n)` and `char(n)`, `name`, and `"char"`.

use bytes::{BufMut, BytesMut};
use weir_types::limits::{IDENTIFIER_BYTES_MAX, VALUE_BYTES_MAX};
use weir_types::{Error, Result, SqlState, SqlType};

use super::failure::invalid_utf8;

/// Fails for a value that is too large to keep (54000), and for a NUL (22021).
pub(super) fn check(text: &str) -> Result<()> {
    check_size(text.len())?;
    if text.as_bytes().contains(&0) {
        return Err(invalid_utf8(&[0]));
    }
    Ok(())
}

/// Fails for a value that is too large to keep (54000).
pub(crate) fn check_size(n_bytes: usize) -> Result<()> {
    if n_bytes > VALUE_BYTES_MAX {
        return Err(Error::new(
            SqlState::ProgramLimitExceeded,
            format!("value of {n_bytes} bytes exceeds the limit of {VALUE_BYTES_MAX} bytes"),
        ));
    }
    Ok(())
}

/// The text as `varchar(n)` keeps it: only spaces may be cut off (22001).
pub(super) fn varchar(text: &str, n: u32) -> Result<&str> {
    fit(text, n, || SqlType::Varchar(Some(n)))
}

/// The text as `char(n)` keeps it: without the spaces at its end, which are not part of the value
/// and are shown up to the length.
pub(super) fn blank_padded(text: &str, n: u32) -> Result<&str> {
    Ok(fit(text, n, || SqlType::Char(Some(n)))?.trim_end_matches(' '))
}

fn fit(text: &str, n: u32, sql_type: impl Fn() -> SqlType) -> Result<&str> {
    let n = n as usize;
    if text.len() <= n {
        return Ok(text);
    }
    let Some((end, _)) = text.char_indices().nth(n) else { return Ok(text) };
    if text[end..].bytes().any(|byte| byte != b' ') {
        return Err(Error::new(
            SqlState::StringDataRightTruncation,
            format!("value too long for type {}", sql_type()),
        ));
    }
    Ok(&text[..end])
}

/// Adds the spaces that `char(n)` shows behind the text.
pub(super) fn write_padding(text: &str, n: u32, out: &mut BytesMut) {
    let n = n as usize;
    // A character has four bytes at most, so a longer text needs no count.
    if text.len() < 4 * n {
        out.put_bytes(b' ', n.saturating_sub(text.chars().count()));
    }
}

/// The text as `name` keeps it: silently cut, as in PostgreSQL.
pub(super) fn name(text: &str) -> &str {
    &text[..text.floor_char_boundary(IDENTIFIER_BYTES_MAX)]
}

/// The byte of a `"char"` in its text form, where a byte above 127 is `\ooo`.
pub(super) fn internal_char(text: &str) -> u8 {
    match text.as_bytes() {
        // Like PostgreSQL, cut a number above 377 to eight bits.
        [b'\\', a @ b'0'..=b'7', b @ b'0'..=b'7', c @ b'0'..=b'7'] => {
            (a & 3) << 6 | (b - b'0') << 3 | (c - b'0')
        }
        bytes => bytes.first().copied().unwrap_or(0),
    }
}

/// The text form of the byte of a `"char"`.
pub(super) fn internal_char_text(byte: u8) -> String {
    match byte {
        0 => String::new(),
        1..=127 => char::from(byte).to_string(),
        _ => format!("\\{byte:03o}"),
    }
}
