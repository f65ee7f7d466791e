//! JSON values as the texts and numbers that column builders read.

use base64::Engine;
use weir_types::{Error, Result, SqlState};

use super::scan::{Kind, Token, scan_array};
use super::{JsonOptions, Target, TimestampFormat};
use crate::format::instant_text;
use crate::value::ColumnBuilder;

/// Microseconds from 1970-01-01 to 2000-01-01, where PostgreSQL's binary timestamps begin.
const POSTGRES_EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Appends the text that an escaped JSON string stands for. The escapes must have been scanned.
pub(super) fn unescape(escaped: &str, out: &mut String) -> Result<()> {
    let mut rest = escaped;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let letter = rest.as_bytes()[at + 1];
        rest = &rest[at + 2..];
        out.push(match letter {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let (letter, used) = unicode_escape(rest)?;
                rest = &rest[used..];
                letter
            }
            other => char::from(other),
        });
    }
    out.push_str(rest);
    Ok(())
}

/// The character of the four digits after `\u`, or of a surrogate pair, and the bytes they take.
fn unicode_escape(rest: &str) -> Result<(char, usize)> {
    let unit = |at: usize| {
        let digits = rest.get(at..at + 4)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = unit(0).ok_or_else(|| Error::internal("a JSON escape was not scanned"))?;
    match first {
        0 => Err(Error::new(
            SqlState::CharacterNotInRepertoire,
            "unsupported Unicode escape sequence",
        )
        .with_detail("\\u0000 cannot be converted to text.")),
        0xD800..0xDC00 => {
            let second = rest[4..].starts_with("\\u").then(|| unit(6)).flatten();
            match second {
                Some(second @ 0xDC00..0xE000) => {
                    let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                    Ok((char::from_u32(code).expect("a surrogate pair is a character"), 10))
                }
                _ => Err(bad_surrogate("Unicode low surrogate must follow a high surrogate.")),
            }
        }
        code => match char::from_u32(code) {
            Some(letter) => Ok((letter, 4)),
            None => Err(bad_surrogate("Unicode low surrogate must follow a high surrogate.")),
        },
    }
}

fn bad_surrogate(detail: &str) -> Error {
    Error::new(SqlState::InvalidTextRepresentation, "invalid input syntax for type json")
        .with_detail(detail)
}

/// Microseconds since 1970 of a number in the unit of the format.
pub(super) fn epoch_micros(number: &str, format: TimestampFormat) -> Result<i64> {
    let factor = match format {
        TimestampFormat::Seconds => 1_000_000,
        TimestampFormat::Iso | TimestampFormat::Millis => 1_000,
        TimestampFormat::Micros => 1,
    };
    let out_of_range = || {
        Error::new(SqlState::DatetimeFieldOverflow, format!("timestamp out of range: \"{number}\""))
    };
    match number.parse::<i64>() {
        Ok(whole) => whole.checked_mul(factor).ok_or_else(out_of_range),
        Err(_) => {
            let value: f64 = number.parse().map_err(|_| {
                Error::new(
                    SqlState::InvalidDatetimeFormat,
                    format!("invalid input syntax for type timestamp: \"{number}\""),
                )
            })?;
            let micros = (value * factor as f64).round();
            // 2^63 is exact in a double; everything below it fits.
            if micros.abs() < 9_223_372_036_854_775_808.0 {
                Ok(micros as i64)
            } else {
                Err(out_of_range())
            }
        }
    }
}

/// Pushes an instant to a timestamp column.
pub(super) fn push_instant(builder: &mut ColumnBuilder, micros: i64) -> Result<()> {
    match micros.checked_sub(POSTGRES_EPOCH_MICROS) {
        Some(since_2000) => builder.push_binary(&since_2000.to_be_bytes()),
        None => Err(Error::new(SqlState::DatetimeFieldOverflow, "timestamp out of range")),
    }
}

/// The bytes of a base64 text, padded or not.
pub(super) fn base64_bytes(text: &str) -> Result<Vec<u8>> {
    let padding = base64::engine::DecodePaddingMode::Indifferent;
    let config = base64::engine::GeneralPurposeConfig::new().with_decode_padding_mode(padding);
    let alphabet = &base64::alphabet::STANDARD;
    base64::engine::GeneralPurpose::new(alphabet, config).decode(text).map_err(|error| {
        Error::new(SqlState::InvalidTextRepresentation, "invalid base64 text for type bytea")
            .with_detail(format!("{error}."))
    })
}

/// Appends PostgreSQL's array literal of a JSON array.
pub(super) fn array_literal(
    array: &str,
    element: &Target,
    options: JsonOptions,
    out: &mut String,
) -> Result<()> {
    out.push('{');
    let mut first = true;
    let mut failed = None;
    scan_array(array, |token| {
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        if failed.is_none() {
            failed = element_literal(array, token, element, options, out).err();
        }
    })?;
    out.push('}');
    failed.map_or(Ok(()), Err)
}

fn element_literal(
    array: &str,
    token: Token,
    target: &Target,
    options: JsonOptions,
    out: &mut String,
) -> Result<()> {
    match (target, token.kind) {
        (_, Kind::Null) => out.push_str("NULL"),
        (Target::Json, _) => quote(token.source(array), out),
        (Target::Array(inner), Kind::Array) => {
            array_literal(token.text(array), inner, options, out)?;
        }
        (Target::Instant, Kind::Number) => {
            quote(&instant_text(epoch_micros(token.text(array), options.timestamps)?)?, out);
        }
        (Target::Base64, Kind::Plain | Kind::Escaped) => {
            let mut text = String::new();
            unescape(token.text(array), &mut text)?;
            let hex: String =
                base64_bytes(&text)?.iter().map(|byte| format!("{byte:02x}")).collect();
            quote(&format!("\\x{hex}"), out);
        }
        (_, Kind::Escaped) => {
            let mut text = String::new();
            unescape(token.text(array), &mut text)?;
            quote(&text, out);
        }
        _ => quote(token.text(array), out),
    }
    Ok(())
}

/// Appends an element of an array literal in quotes.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(escaped: &str) -> Result<String> {
        let mut out = String::new();
        unescape(escaped, &mut out).map(|()| out)
    }

    #[test]
    fn escapes_stand_for_their_characters() {
        assert_eq!(
            plain(r#"a\"b\\c\/d\n\t\u00e9"#).expect("the value is of that form"),
            "a\"b\\c/d\n\t\u{e9}"
        );
        assert_eq!(plain(r"\ud83d\ude00!").expect("the value is of that form"), "\u{1f600}!");
        assert_eq!(plain(r"x\u0000").unwrap_err().state().code(), "22021");
        for bad in [r"\ud83d", r"\ud83dx", r"\ud83d\u0041", r"\ude00", r"\ud83d\ud83d"] {
            assert_eq!(plain(bad).unwrap_err().state().code(), "22P02", "{bad}");
        }
    }

    #[test]
    fn numbers_are_instants_in_their_unit() {
        let micros =
            |number, format| epoch_micros(number, format).expect("the value is of that form");
        assert_eq!(micros("1690000000123", TimestampFormat::Iso), 1_690_000_000_123_000);
        assert_eq!(micros("-1", TimestampFormat::Millis), -1_000);
        assert_eq!(micros("1690000000.123456", TimestampFormat::Seconds), 1_690_000_000_123_456);
        assert_eq!(micros("1.69e9", TimestampFormat::Seconds), 1_690_000_000_000_000);
        assert_eq!(micros("7", TimestampFormat::Micros), 7);
        for (bad, code) in [("9223372036854775807", "22008"), ("1e300", "22008"), ("x", "22007")] {
            let error = epoch_micros(bad, TimestampFormat::Seconds).unwrap_err();
            assert_eq!(error.state().code(), code, "{bad}");
        }
    }

    #[test]
    fn arrays_become_literals() {
        let literal = |array: &str, target: &Target| {
            let mut out = String::new();
            array_literal(array, target, JsonOptions::default(), &mut out).map(|()| out)
        };
        let text = r#"[1, null, "a\"b", "null", {"x":[1]}, true]"#;
        let expected = r#"{"1",NULL,"a\"b","null","{\"x\":[1]}","true"}"#;
        assert_eq!(literal(text, &Target::Text).expect("the value is of that form"), expected);
        assert_eq!(literal("[]", &Target::Text).expect("the value is of that form"), "{}");
        assert_eq!(
            literal("[1000]", &Target::Instant).expect("the value is of that form"),
            "{\"1970-01-01 00:00:01.000000+00\"}"
        );
        assert_eq!(
            literal(r#"["AQI="]"#, &Target::Base64).expect("the value is of that form"),
            r#"{"\\x0102"}"#
        );
        assert_eq!(literal(r#"["\ud800"]"#, &Target::Text).unwrap_err().state().code(), "22P02");
        assert_eq!(literal(r#"[1e300]"#, &Target::Instant).unwrap_err().state().code(), "22008");
    }

    #[test]
    fn base64_comes_with_padding_or_without() {
        assert_eq!(base64_bytes("AQI=").expect("the value is of that form"), [1, 2]);
        assert_eq!(base64_bytes("AQI").expect("the value is of that form"), [1, 2]);
        assert_eq!(base64_bytes("A!").unwrap_err().state().code(), "22P02");
    }
}
