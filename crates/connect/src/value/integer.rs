//! `smallint`, `integer`, `bigint`, `oid`, the `reg*` types and `pg_lsn`: numbers from text.

use weir_types::{RegKind, Result, SqlType};

use super::failure::{invalid_syntax, out_of_range};

/// An integer type: its name in messages and its range.
pub(super) struct IntegerType {
    name: &'static str,
    min: i64,
    max: i64,
}

pub(super) const INT2: IntegerType =
    IntegerType { name: "smallint", min: i16::MIN as i64, max: i16::MAX as i64 };
pub(super) const INT4: IntegerType =
    IntegerType { name: "integer", min: i32::MIN as i64, max: i32::MAX as i64 };
pub(super) const INT8: IntegerType = IntegerType { name: "bigint", min: i64::MIN, max: i64::MAX };

/// The text without the spaces that PostgreSQL allows around most values.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0B')
}

impl IntegerType {
    pub(super) fn parse(&self, text: &str) -> Result<i64> {
        let mut bytes = text.as_bytes();
        if bytes.first().is_none_or(|b| *b <= b' ') || bytes.last().is_none_or(|b| *b <= b' ') {
            bytes = trim(text).as_bytes();
        }
        let (is_negative, digits) = match bytes {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        // 18 digits cannot overflow.
        if (1..=18).contains(&digits.len()) {
            let mut value = 0_i64;
            for byte in digits {
                let digit = byte.wrapping_sub(b'0');
                if digit > 9 {
                    return self.parse_long(text, is_negative, digits);
                }
                value = value * 10 + i64::from(digit);
            }
            let value = if is_negative { -value } else { value };
            if value < self.min || value > self.max {
                return Err(out_of_range(self.name, text));
            }
            return Ok(value);
        }
        self.parse_long(text, is_negative, digits)
    }

    /// Any number of digits. Like PostgreSQL, a number of too large a magnitude is found before a
    /// letter behind it.
    fn parse_long(&self, text: &str, is_negative: bool, digits: &[u8]) -> Result<i64> {
        let mut value = 0_i128;
        for byte in digits {
            if !byte.is_ascii_digit() {
                return Err(invalid_syntax(self.name, text));
            }
            value = value * 10 - i128::from(byte - b'0');
            if value < i128::from(self.min) {
                return Err(out_of_range(self.name, text));
            }
        }
        if digits.is_empty() {
            return Err(invalid_syntax(self.name, text));
        }
        let value = if is_negative { value } else { -value };
        if value > i128::from(self.max) {
            return Err(out_of_range(self.name, text));
        }
        Ok(value as i64)
    }
}

/// Reads an oid; a negative number stands for its two's complement, as in PostgreSQL.
pub(super) fn parse_oid(text: &str, type_name: &str) -> Result<u32> {
    let number = trim(text);
    match number.parse::<i128>() {
        Ok(value) => u32::try_from(value)
            .or_else(|_| i32::try_from(value).map(|value| value as u32))
            .map_err(|_| out_of_range(type_name, text)),
        Err(_) => {
            let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
            if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
                Err(out_of_range(type_name, text))
            } else {
                Err(invalid_syntax(type_name, text))
            }
        }
    }
}

/// Reads the number of a `reg*` value, or `-` for 0. Names are looked up elsewhere.
pub(super) fn parse_reg(text: &str, kind: RegKind) -> Result<u32> {
    if text == "-" {
        return Ok(0);
    }
    parse_oid(text, &SqlType::Reg(kind).to_string())
}

/// Reads a `pg_lsn`: two numbers of up to eight hexadecimal digits.
pub(super) fn parse_lsn(text: &str) -> Result<u64> {
    let half = |digits: &str| {
        let is_hex = digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)
    };
    let (high, low) = text.split_once('/').ok_or_else(|| invalid_syntax("pg_lsn", text))?;
    match (half(high), half(low)) {
        (Some(high), Some(low)) => Ok(u64::from(high) << 32 | u64::from(low)),
        _ => Err(invalid_syntax("pg_lsn", text)),
    }
}
