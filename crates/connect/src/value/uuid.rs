//! `uuid`: the text forms that PostgreSQL reads, and the canonical one.

use weir_types::Result;

use super::failure::{bad_binary, invalid_syntax, too_short};

/// Digits of a uuid.
const N_DIGITS: usize = 32;

/// Reads a uuid: 32 digits, in braces or not, with a hyphen behind any group of four.
pub(super) fn parse(text: &str) -> Result<[u8; 16]> {
    let inner = match text.strip_prefix('{') {
        Some(inner) => inner.strip_suffix('}').ok_or_else(|| invalid_syntax("uuid", text))?,
        None => text,
    };
    let mut uuid = [0; 16];
    let mut n_digits = 0;
    let mut may_be_hyphen = false;
    for byte in inner.bytes() {
        if byte == b'-' && may_be_hyphen {
            may_be_hyphen = false;
            continue;
        }
        let digit = hex_digit(byte).filter(|_| n_digits < N_DIGITS);
        let digit = digit.ok_or_else(|| invalid_syntax("uuid", text))?;
        uuid[n_digits / 2] = uuid[n_digits / 2] << 4 | digit;
        n_digits += 1;
        may_be_hyphen = n_digits % 4 == 0 && n_digits < N_DIGITS;
    }
    if n_digits < N_DIGITS {
        return Err(invalid_syntax("uuid", text));
    }
    Ok(uuid)
}

/// The canonical text: lower case, hyphens behind 8, 12, 16 and 20 digits.
pub(super) fn text(uuid: [u8; 16]) -> [u8; 36] {
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (n, byte) in uuid.into_iter().enumerate() {
        at += usize::from(matches!(n, 4 | 6 | 8 | 10));
        text[at..at + 2].copy_from_slice(&hex_pair(byte));
        at += 2;
    }
    text
}

pub(super) fn receive(bytes: &[u8]) -> Result<[u8; 16]> {
    bytes.try_into().map_err(|_| if bytes.len() < 16 { too_short() } else { bad_binary() })
}

/// The two digits of a byte, in lower case.
pub(super) fn hex_pair(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// The value of a hexadecimal digit.
pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
