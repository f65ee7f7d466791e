//! Parts of a JSON text that is known to be valid, without building a tree.

use std::borrow::Cow;

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Number,
    Boolean,
    Null,
}

impl Kind {
    pub(super) fn of(value: &str) -> Self {
        match value.trim_start().as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::String,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'n') => Self::Null,
            _ => Self::Number,
        }
    }

    /// As `json_typeof` has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Null => "null",
        }
    }

    pub(super) fn is_scalar(self) -> bool {
        !matches!(self, Self::Object | Self::Array)
    }
}

/// The end of the value that begins at `start`.
fn value_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    match bytes.get(start) {
        Some(b'"') => string_end(bytes, start),
        Some(b'{' | b'[') => {
            let (mut depth, mut at) = (0_usize, start);
            while at < bytes.len() {
                match bytes[at] {
                    b'"' => {
                        at = string_end(bytes, at);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return at + 1;
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
            bytes.len()
        }
        _ => {
            let is_end =
                |byte: &u8| matches!(byte, b',' | b'}' | b']' | b':') || byte.is_ascii_whitespace();
            bytes[start..].iter().position(is_end).map_or(bytes.len(), |length| start + length)
        }
    }
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn skip_blanks(text: &str, at: usize) -> usize {
    let blanks = text.as_bytes()[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    at + blanks
}

/// The values between brackets and commas.
struct Parts<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parts<'a> {
    /// Of an object or array: behind its first bracket.
    fn of(text: &'a str) -> Self {
        let text = text.trim_end();
        Self { text, at: (skip_blanks(text, 0) + 1).min(text.len()) }
    }

    /// The next value, and the text behind it is passed over up to the next one.
    fn take(&mut self) -> Option<&'a str> {
        self.at = skip_blanks(self.text, self.at);
        if matches!(self.text.as_bytes().get(self.at), None | Some(b'}' | b']')) {
            return None;
        }
        let end = value_end(self.text, self.at);
        let value = &self.text[self.at..end];
        self.at = skip_blanks(self.text, end);
        if matches!(self.text.as_bytes().get(self.at), Some(b',' | b':')) {
            self.at += 1;
        }
        Some(value)
    }
}

/// The elements of an array.
pub(super) fn elements(array: &str) -> impl Iterator<Item = &str> {
    let mut parts = Parts::of(array);
    std::iter::from_fn(move || parts.take())
}

/// The members of an object: the key as written, with its quotes, and the value.
pub(super) fn members(object: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut parts = Parts::of(object);
    std::iter::from_fn(move || Some((parts.take()?, parts.take()?)))
}

/// The value of a member; the last of several, as in PostgreSQL.
pub(super) fn member<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    if Kind::of(object) != Kind::Object {
        return None;
    }
    members(object).filter(|(written, _)| unquote(written) == key).map(|(_, value)| value).last()
}

/// The element at an index, which counts from the end where it is negative.
pub(super) fn element(array: &str, index: i64) -> Option<&str> {
    if Kind::of(array) != Kind::Array {
        return None;
    }
    let index = if index < 0 {
        let length = elements(array).count() as i64;
        length + index
    } else {
        index
    };
    elements(array).nth(usize::try_from(index).ok()?)
}

/// The text of a JSON string.
pub(super) fn unquote(string: &str) -> Cow<'_, str> {
    let inner = string.trim();
    let inner = inner.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(inner);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let mut unit = || {
                    let digits: String = chars.by_ref().take(4).collect();
                    u32::from_str_radix(&digits, 16).unwrap_or(0)
                };
                let first = unit();
                let code = if (0xD800..0xDC00).contains(&first) {
                    // The other half of a pair follows as `\uhhhh`.
                    let _escape: String = chars.by_ref().take(2).collect();
                    let digits: String = chars.by_ref().take(4).collect();
                    let second = u32::from_str_radix(&digits, 16).unwrap_or(0xDC00);
                    0x10000 + ((first - 0xD800) << 10) + second.saturating_sub(0xDC00)
                } else {
                    first
                };
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    Cow::Owned(out)
}

/// The text that `->>` gives of a value; `None` for null.
pub(super) fn as_text(value: &str) -> Option<Cow<'_, str>> {
    match Kind::of(value) {
        Kind::Null => None,
        Kind::String => Some(unquote(value)),
        _ => Some(Cow::Borrowed(value)),
    }
}

/// True if both canonical values are equal; numbers by value.
pub(super) fn is_equal(a: &str, b: &str) -> bool {
    a == b || (Kind::of(a) == Kind::Number && Kind::of(b) == Kind::Number && plain(a) == plain(b))
}

/// A canonical number without zeros at its end.
fn plain(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// `jsonb`'s `@>`.
pub(super) fn contains(whole: &str, part: &str) -> bool {
    match (Kind::of(whole), Kind::of(part)) {
        (Kind::Object, Kind::Object) => members(part).all(|(key, value)| {
            member(whole, &unquote(key))
                .is_some_and(|found| Kind::of(found) == Kind::of(value) && contains(found, value))
        }),
        (Kind::Array, Kind::Array) => elements(part).all(|wanted| {
            elements(whole)
                .any(|found| Kind::of(found) == Kind::of(wanted) && contains(found, wanted))
        }),
        // An array contains a scalar that is one of its elements.
        (Kind::Array, kind) if kind.is_scalar() => {
            elements(whole).any(|found| is_equal(found, part))
        }
        _ => is_equal(whole, part),
    }
}

#[cfg(test)]
mod tests {
    use super::{contains, element, elements, member, members, unquote};

    #[test]
    fn parts_are_found_whatever_the_blanks() {
        let object = r#" { "a" : [1, {"b": "}]"}], "c\u00e9" :null,"a":2 } "#;
        let found: Vec<_> = members(object).collect();
        assert_eq!(
            found,
            [("\"a\"", r#"[1, {"b": "}]"}]"#), ("\"c\\u00e9\"", "null"), ("\"a\"", "2")]
        );
        assert_eq!(member(object, "a"), Some("2"));
        assert_eq!(member(object, "cé"), Some("null"));
        assert_eq!(elements("[ ]").count(), 0);
        assert_eq!(element("[1,2 , 3]", -1), Some("3"));
        assert_eq!(element("[1,2]", 2), None);
        assert_eq!(element("{}", 0), None);
    }

    #[test]
    fn strings_are_decoded() {
        assert_eq!(unquote(r#""a\"b\n\ud83d\ude00""#), "a\"b\n\u{1F600}");
    }

    #[test]
    fn containment_is_that_of_jsonb() {
        for (whole, part, expected) in [
            (r#"{"a": 1, "b": {"c": 2}}"#, r#"{"b": {}}"#, true),
            (r#"[1, 2, 3]"#, "[3, 1, 1]", true),
            (r#"[1, 2]"#, "1", true),
            ("1", "[1]", false),
            (r#"{"a": [1]}"#, r#"{"a": 1}"#, false),
            ("1.0", "1", true),
            ("[[1, 2]]", "[1]", false),
        ] {
            assert_eq!(contains(whole, part), expected, "{whole} @> {part}");
        }
    }
}
