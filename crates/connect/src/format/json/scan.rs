//! One pass over a JSON object: checks the whole syntax, reports the members of the object itself
//! and steps over what is nested in them.

use weir_types::{Error, SqlState};

/// Deepest nesting of values, as in serde_json; guards the stack.
const DEPTH_MAX: usize = 128;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    Number,
    /// A string whose text is as it stands between the quotes.
    Plain,
    /// A string with escapes.
    Escaped,
    Object,
    Array,
}

/// Where a value stands in the record; a string without its quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    /// The text of the value.
    pub(super) fn text<'a>(&self, record: &'a str) -> &'a str {
        &record[self.start..self.end]
    }

    /// The text of the value, a string with its quotes.
    pub(super) fn source<'a>(&self, record: &'a str) -> &'a str {
        match self.kind {
            Kind::Plain | Kind::Escaped => &record[self.start - 1..self.end + 1],
            _ => self.text(record),
        }
    }
}

/// Scans a record that holds one object; `on_member` gets key and value of each member.
pub(super) fn scan_object(
    record: &str,
    mut on_member: impl FnMut(Token, Token),
) -> Result<(), Error> {
    let mut scanner = Scanner { bytes: record.as_bytes(), at: 0 };
    let scanned = scanner.object(&mut on_member);
    scanned.map_err(|problem| scanner.error(record, problem))
}

/// Scans an array; `on_element` gets each element. The text must have been scanned before.
pub(super) fn scan_array(text: &str, mut on_element: impl FnMut(Token)) -> Result<(), Error> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    let scanned = scanner.array(&mut on_element);
    scanned.map_err(|problem| scanner.error(text, problem))
}

enum Problem {
    /// Not what the grammar allows here.
    Syntax(&'static str),
    /// A JSON value that is not an object.
    NotAnObject,
    Depth,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn object(&mut self, on_member: &mut impl FnMut(Token, Token)) -> Result<(), Problem> {
        self.skip_space();
        if self.peek() != Some(b'{') {
            let start = self.at;
            self.value(0)?;
            self.at = start;
            return Err(Problem::NotAnObject);
        }
        self.members(0, on_member)?;
        self.end_of_input()
    }

    fn array(&mut self, on_element: &mut impl FnMut(Token)) -> Result<(), Problem> {
        self.skip_space();
        self.elements(0, on_element)?;
        self.end_of_input()
    }

    fn end_of_input(&mut self) -> Result<(), Problem> {
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Problem::Syntax("end of input")),
        }
    }

    /// From `{` to after `}`.
    fn members(
        &mut self,
        depth: usize,
        on_member: &mut impl FnMut(Token, Token),
    ) -> Result<(), Problem> {
        self.at += 1;
        self.skip_space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            if !self.take(b'"') {
                return Err(Problem::Syntax("string or \"}\""));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(Problem::Syntax("\":\""));
            }
            self.skip_space();
            let value = self.value(depth + 1)?;
            on_member(key, value);
            self.skip_space();
            if self.take(b',') {
                self.skip_space();
            } else if self.take(b'}') {
                return Ok(());
            } else {
                return Err(Problem::Syntax("\",\" or \"}\""));
            }
        }
    }

    /// From `[` to after `]`.
    fn elements(
        &mut self,
        depth: usize,
        on_element: &mut impl FnMut(Token),
    ) -> Result<(), Problem> {
        if !self.take(b'[') {
            return Err(Problem::Syntax("\"[\""));
        }
        self.skip_space();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            let element = self.value(depth + 1)?;
            on_element(element);
            self.skip_space();
            if self.take(b',') {
                self.skip_space();
            } else if self.take(b']') {
                return Ok(());
            } else {
                return Err(Problem::Syntax("\",\" or \"]\""));
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Token, Problem> {
        if depth > DEPTH_MAX {
            return Err(Problem::Depth);
        }
        let start = self.at;
        let kind = match self.peek() {
            Some(b'"') => {
                self.at += 1;
                return self.string();
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'{') => {
                self.members(depth, &mut |_, _| ())?;
                Kind::Object
            }
            Some(b'[') => {
                self.elements(depth, &mut |_| ())?;
                Kind::Array
            }
            Some(b't') => self.word(b"true", Kind::True)?,
            Some(b'f') => self.word(b"false", Kind::False)?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            _ => return Err(Problem::Syntax("JSON value")),
        };
        Ok(Token { kind, start, end: self.at })
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, Problem> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Problem::Syntax("JSON value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    fn number(&mut self) -> Result<Kind, Problem> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Kind::Number)
    }

    fn digits(&mut self) -> Result<(), Problem> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(Problem::Syntax("digit")) } else { Ok(()) }
    }

    /// From after the opening quote to after the closing one.
    fn string(&mut self) -> Result<Token, Problem> {
        let start = self.at;
        let mut kind = Kind::Plain;
        loop {
            self.at += plain_run(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Token { kind, start, end: self.at - 1 });
                }
                Some(b'\\') => {
                    kind = Kind::Escaped;
                    self.escape()?;
                }
                Some(_) => return Err(Problem::Syntax("escaped control character")),
                None => return Err(Problem::Syntax("\"\"\"")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Problem> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 1..self.at + 5);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(Problem::Syntax("four hexadecimal digits"));
                }
                self.at += 5;
                Ok(())
            }
            _ => Err(Problem::Syntax("escape sequence")),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn error(&self, record: &str, problem: Problem) -> Error {
        let place = match record.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => format!("found \"{found}\" at byte {}", self.at + 1),
            None => "the input string ended unexpectedly".to_owned(),
        };
        match problem {
            Problem::Syntax(expected) => Error::new(
                SqlState::InvalidTextRepresentation,
                "invalid input syntax for type json",
            )
            .with_detail(format!("Expected {expected}, but {place}.")),
            Problem::NotAnObject => Error::new(
                SqlState::InvalidTextRepresentation,
                "a JSON value that is not an object cannot be a row",
            )
            .with_hint("Each line must hold one JSON object, from \"{\" to \"}\"."),
            Problem::Depth => Error::new(
                SqlState::StatementTooComplex,
                format!("JSON is nested deeper than {DEPTH_MAX} levels"),
            ),
        }
    }
}

/// Length of the run of bytes up to the first quote, backslash or control character.
fn plain_run(bytes: &[u8]) -> usize {
    let mut done = 0;
    while let Some(chunk) = bytes.get(done..done + 8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("a chunk of eight bytes"));
        let special = zero_bytes(word ^ QUOTES) | zero_bytes(word ^ BACKSLASHES) | control(word);
        if special != 0 {
            return done + (special.trailing_zeros() / 8) as usize;
        }
        done += 8;
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    done + bytes[done..].iter().position(special).unwrap_or(bytes.len() - done)
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH_BITS: u64 = ONES << 7;
const QUOTES: u64 = ONES * b'"' as u64;
const BACKSLASHES: u64 = ONES * b'\\' as u64;

/// Sets the high bit of each zero byte. The lowest bit set is exact, those above may be wrong.
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH_BITS
}

/// Sets the high bit of each byte below 0x20, as exact as [`zero_bytes`].
fn control(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(record: &str) -> Result<Vec<(String, Kind, String)>, Error> {
        let mut found = Vec::new();
        scan_object(record, |key, value| {
            found.push((key.text(record).to_owned(), value.kind, value.source(record).to_owned()));
        })?;
        Ok(found)
    }

    #[test]
    fn members_are_found_and_nested_ones_stepped_over() {
        let record = r#" { "a" : -1.5e+3 , "b":{"a":[1,{"a":2}]},"c":[ ],"d":"x\n\u00e9","e":true,"f":null} "#;
        let found = members(record).expect("the value is of that form");
        let expected = [
            ("a", Kind::Number, "-1.5e+3"),
            ("b", Kind::Object, r#"{"a":[1,{"a":2}]}"#),
            ("c", Kind::Array, "[ ]"),
            ("d", Kind::Escaped, r#""x\n\u00e9""#),
            ("e", Kind::True, "true"),
            ("f", Kind::Null, "null"),
        ];
        let found: Vec<_> = found.iter().map(|(a, b, c)| (a.as_str(), *b, c.as_str())).collect();
        assert_eq!(found, expected);
        assert_eq!(members("{}").expect("the value is of that form"), []);
    }

    #[test]
    fn all_that_is_not_json_is_refused() {
        for bad in [
            "",
            "{",
            "}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\":2}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":+1}",
            "{\"a\":1e}",
            "{\"a\":-}",
            "{\"a\":\"x}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"\t\"}",
            "{\"a\":tru}",
            "{\"a\":nul}",
            "{\"a\":[1,]}",
            "{\"a\":[1 2]}",
            "{\"a\":1}x",
            "[1]",
            "1",
            "{\"a\":NaN}",
            "{\"a\":'x'}",
        ] {
            assert_eq!(members(bad).unwrap_err().state().code(), "22P02", "{bad}");
        }
    }

    #[test]
    fn the_error_says_what_was_expected_and_where() {
        let error = members("{\"a\":1 \"b\":2}").unwrap_err();
        let detail = "Expected \",\" or \"}\", but found \"\"\" at byte 8.";
        assert_eq!(error.detail(), Some(detail));
        let error = members("{\"a\":").unwrap_err();
        let detail = "Expected JSON value, but the input string ended unexpectedly.";
        assert_eq!(error.detail(), Some(detail));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(members(&deep(DEPTH_MAX)).is_ok());
        assert_eq!(members(&deep(DEPTH_MAX + 1)).unwrap_err().state().code(), "54001");
        assert_eq!(members(&"[".repeat(1_000_000)).unwrap_err().state().code(), "54001");
    }

    #[test]
    fn plain_runs_end_at_every_special_byte_and_place() {
        for special in (0..0x20).chain([b'"', b'\\']) {
            for place in 0..20 {
                let mut bytes = vec![b'z'; 20];
                bytes[place] = special;
                assert_eq!(plain_run(&bytes), place, "{special} at {place}");
            }
        }
        let others: Vec<u8> = (0x20..=0xff).filter(|byte| !matches!(byte, b'"' | b'\\')).collect();
        assert_eq!(plain_run(&others), others.len());
    }
}
