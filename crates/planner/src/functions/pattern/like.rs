//! Escapes of `LIKE`, and `SIMILAR TO` as a regular expression.

use arrow::array::ArrayRef;
use weir_types::{Error, Result, SqlState};

use crate::functions::call::Call;
use crate::functions::number::error_of;
use crate::functions::overload::{Declaration, declare};

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("~~(text, text) -> bool", planned_natively).total(),
    declare("~~(name, text) -> bool", planned_natively).total(),
    declare("~~(bpchar, text) -> bool", planned_natively).total(),
    declare("!~~(text, text) -> bool", planned_natively).total(),
    declare("!~~(name, text) -> bool", planned_natively).total(),
    declare("!~~(bpchar, text) -> bool", planned_natively).total(),
    declare("~~*(text, text) -> bool", planned_natively).total(),
    declare("~~*(name, text) -> bool", planned_natively).total(),
    declare("~~*(bpchar, text) -> bool", planned_natively).total(),
    declare("!~~*(text, text) -> bool", planned_natively).total(),
    declare("!~~*(name, text) -> bool", planned_natively).total(),
    declare("!~~*(bpchar, text) -> bool", planned_natively).total(),
    declare("like_escape(text, text) -> text", |call| {
        let (patterns, escapes) = (call.texts(0), call.texts(1));
        call.each_text(|row, out| like_escape(patterns.at(row), escape_of(escapes.at(row))?, out))
    }),
    declare("similar_to_escape(text) -> text", |call| {
        let patterns = call.texts(0);
        call.each_text(|row, out| similar_to_escape(patterns.at(row), Some('\\'), out))
    }),
    declare("similar_to_escape(text, text) -> text", |call| {
        let (patterns, escapes) = (call.texts(0), call.texts(1));
        call.each_text(|row, out| {
            similar_to_escape(patterns.at(row), escape_of(escapes.at(row))?, out)
        })
    }),
];

fn planned_natively(call: &Call<'_>) -> Result<ArrayRef> {
    Err(Error::internal(format!("operator {} was not planned as LIKE", call.name)))
}

/// The escape character; an empty text is for none.
fn escape_of(text: &str) -> Result<Option<char>> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (escape, None) => Ok(escape),
        _ => Err(Error::new(SqlState::InvalidEscapeCharacter, "invalid escape string")
            .with_detail("Escape string must be empty or one character.")),
    }
}

/// The pattern with backslashes for escapes.
fn like_escape(pattern: &str, escape: Option<char>, out: &mut String) -> Result<()> {
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            let escaped = chars.next().ok_or_else(|| {
                error_of("22025", "LIKE pattern must not end with escape character")
            })?;
            out.push('\\');
            out.push(escaped);
        } else {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
        }
    }
    Ok(())
}

/// The regular expression of an SQL one. Between two escaped double quotes is the part that `substring`
/// gives, as the first group.
pub(super) fn similar_to_escape(
    pattern: &str,
    escape: Option<char>,
    out: &mut String,
) -> Result<()> {
    out.push_str("^(?:");
    let (mut in_bracket, mut n_quotes) = (false, 0);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if Some(c) == escape {
            match chars.next() {
                Some('"') if !in_bracket => {
                    n_quotes += 1;
                    out.push_str(match n_quotes {
                        1 => "){1,1}?(",
                        2 => ")(?:",
                        _ => {
                            return Err(error_of(
                                "2200C",
                                "SQL regular expression may not contain more than two escape-double-quote separators",
                            ));
                        }
                    });
                }
                Some(escaped) => {
                    out.push('\\');
                    out.push(escaped);
                }
                None => return Err(error_of("22025", "invalid escape sequence")),
            }
            continue;
        }
        if in_bracket {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
            in_bracket = c != ']';
            continue;
        }
        match c {
            '[' => {
                out.push('[');
                in_bracket = true;
            }
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            // Groups of the pattern itself are not to be given.
            '(' => out.push_str("(?:"),
            '\\' | '.' | '^' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push_str(")$");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{like_escape, similar_to_escape};

    #[test]
    fn sql_patterns_become_regular_expressions() {
        for (pattern, expected) in [
            ("a%_b", "^(?:a.*.b)$"),
            ("(a|b)+", "^(?:(?:a|b)+)$"),
            ("a.b\\%", "^(?:a\\.b\\%)$"),
            ("[a%]", "^(?:[a%])$"),
        ] {
            let mut out = String::new();
            similar_to_escape(pattern, Some('\\'), &mut out).expect("a pattern");
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn escapes_become_backslashes() {
        let mut out = String::new();
        like_escape("10#%\\", Some('#'), &mut out).expect("a pattern");
        assert_eq!(out, "10\\%\\\\");
        assert!(like_escape("a#", Some('#'), &mut String::new()).is_err());
    }
}
