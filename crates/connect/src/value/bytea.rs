//! `bytea` as text: the hex form (`\x00ff`) and the escape form (`\000\377`).

use bytes::{BufMut, BytesMut};
use weir_types::{Error, Result, SqlState};

use super::uuid::{hex_digit, hex_pair};

pub(super) fn write_hex(bytes: &[u8], out: &mut BytesMut) {
    out.reserve(2 + 2 * bytes.len());
    out.put_slice(b"\\x");
    for byte in bytes {
        out.put_slice(&hex_pair(*byte));
    }
}

pub(super) fn write_escape(bytes: &[u8], out: &mut BytesMut) {
    for byte in bytes {
        match byte {
            b'\\' => out.put_slice(b"\\\\"),
            b' '..=b'~' => out.put_u8(*byte),
            _ => {
                let digit = |shift: u8| b'0' + (byte >> shift & 7);
                out.put_slice(&[b'\\', digit(6), digit(3), digit(0)]);
            }
        }
    }
}

/// Reads either form into `bytes`, which is emptied first.
pub(super) fn parse(text: &str, bytes: &mut Vec<u8>) -> Result<()> {
    bytes.clear();
    match text.strip_prefix("\\x") {
        Some(digits) => parse_hex(digits, bytes),
        None => parse_escape(text, bytes),
    }
}

fn parse_hex(digits: &str, bytes: &mut Vec<u8>) -> Result<()> {
    let invalid = |message: String| Error::new(SqlState::InvalidParameterValue, message);
    bytes.reserve(digits.len() / 2);
    let mut rest = digits.chars();
    while let Some(digit) = rest.next() {
        if matches!(digit, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let value = |digit: char| {
            u8::try_from(digit)
                .ok()
                .and_then(hex_digit)
                .ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{digit}\"")))
        };
        let high = value(digit)?;
        let low = match rest.next() {
            Some(digit) => value(digit)?,
            None => {
                return Err(invalid("invalid hexadecimal data: odd number of digits".to_owned()));
            }
        };
        bytes.push(high << 4 | low);
    }
    Ok(())
}

fn parse_escape(text: &str, bytes: &mut Vec<u8>) -> Result<()> {
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(()),
            [b'\\', b'\\', rest @ ..] => {
                bytes.push(b'\\');
                rest
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [b'\\', ..] => {
                return Err(Error::new(
                    SqlState::InvalidTextRepresentation,
                    "invalid input syntax for type bytea",
                ));
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        };
    }
}
