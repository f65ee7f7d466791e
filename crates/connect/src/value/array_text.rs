//! Arrays and records as text: `{1,NULL,"a b"}`, `(1,,"a b")`, and the quoting in them.

use bytes::{BufMut, BytesMut};
use weir_types::{Error, Result, SqlState};

use super::failure::Shown;

/// An element of an array's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// Where it is in the text, without its quotes.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: ElementKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementKind {
    Null,
    /// As it stands.
    Plain,
    /// With backslashes to take out.
    Escaped,
}

/// Splits an array of one dimension into its elements, which replace those in `elements`. 22P02 for
/// text that is no array, 0A000 for arrays that Weir has not: of more dimensions, or not counted
/// from 1.
pub(super) fn split(text: &str, elements: &mut Vec<Element>) -> Result<()> {
    elements.clear();
    let mut splitter = Splitter { text, at: 0 };
    splitter.skip_spaces();
    let n_declared = splitter.dimensions()?;
    if splitter.peek() != Some(b'{') {
        return Err(splitter.malformed(if n_declared.is_some() {
            "Array contents must start with \"{\"."
        } else {
            "Array value must start with \"{\" or dimension information."
        }));
    }
    splitter.at += 1;
    splitter.skip_spaces();
    if splitter.peek() == Some(b'}') {
        splitter.at += 1;
    } else {
        if splitter.peek() == Some(b'{') {
            return Err(Error::unsupported("multidimensional arrays are not supported"));
        }
        loop {
            elements.push(splitter.element()?);
            splitter.at += 1;
            if splitter.text.as_bytes()[splitter.at - 1] == b'}' {
                break;
            }
        }
    }
    splitter.skip_spaces();
    if splitter.at < text.len() {
        return Err(splitter.malformed("Junk after closing right brace."));
    }
    if n_declared.is_some_and(|n_declared| n_declared != elements.len() as i64) {
        return Err(splitter.malformed("Specified array dimensions do not match array contents."));
    }
    Ok(())
}

struct Splitter<'a> {
    text: &'a str,
    at: usize,
}

impl Splitter<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn malformed(&self, detail: &str) -> Error {
        Error::new(
            SqlState::InvalidTextRepresentation,
            format!("malformed array literal: \"{}\"", Shown(self.text)),
        )
        .with_detail(detail)
    }

    /// Takes `[1:3]=` and tells how many elements it declares.
    fn dimensions(&mut self) -> Result<Option<i64>> {
        if self.peek() != Some(b'[') {
            return Ok(None);
        }
        self.at += 1;
        let first = self.bound("\"[\" must introduce explicitly-specified array dimensions.")?;
        let (low, high) = if self.peek() == Some(b':') {
            self.at += 1;
            (first, self.bound("Missing array dimension value.")?)
        } else {
            (1, first)
        };
        if self.peek() != Some(b']') {
            return Err(self.malformed("Missing \"]\" after array dimensions."));
        }
        self.at += 1;
        self.skip_spaces();
        if self.peek() == Some(b'[') {
            return Err(Error::unsupported("multidimensional arrays are not supported"));
        }
        if self.peek() != Some(b'=') {
            return Err(self.malformed("Missing \"=\" after array dimensions."));
        }
        self.at += 1;
        self.skip_spaces();
        if low != 1 {
            return Err(lower_bound());
        }
        Ok(Some(high))
    }

    fn bound(&mut self, missing: &str) -> Result<i64> {
        let rest = &self.text[self.at..];
        let digits = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let n_digits = digits.bytes().take_while(u8::is_ascii_digit).count();
        let length = rest.len() - digits.len() + n_digits;
        if n_digits == 0 {
            return Err(self.malformed(missing));
        }
        self.at += length;
        rest[..length].parse::<i32>().map(i64::from).map_err(|_| {
            Error::new(SqlState::ProgramLimitExceeded, "array bound is out of integer range")
        })
    }

    /// Takes an element up to the `,` or `}` behind it.
    fn element(&mut self) -> Result<Element> {
        self.skip_spaces();
        if self.peek() == Some(b'"') {
            return self.quoted();
        }
        let start = self.at;
        let (mut end, mut kind) = (start, ElementKind::Plain);
        loop {
            match self.peek() {
                None => return Err(self.malformed("Unexpected end of input.")),
                Some(byte @ (b',' | b'}')) if end == start => {
                    let found = if byte == b',' { "," } else { "}" };
                    return Err(self.malformed(&format!("Unexpected \"{found}\" character.")));
                }
                Some(b',' | b'}') => break,
                Some(b'{') => return Err(self.malformed("Unexpected \"{\" character.")),
                Some(b'"') => return Err(self.malformed("Unexpected array element.")),
                Some(b'\\') => {
                    kind = ElementKind::Escaped;
                    self.skip_escape()?;
                    end = self.at;
                }
                Some(byte) => {
                    self.at += 1;
                    if !is_space(byte) {
                        end = self.at;
                    }
                }
            }
        }
        if kind == ElementKind::Plain && self.text[start..end].eq_ignore_ascii_case("null") {
            kind = ElementKind::Null;
        }
        Ok(Element { start, end, kind })
    }

    fn quoted(&mut self) -> Result<Element> {
        self.at += 1;
        let (start, mut kind) = (self.at, ElementKind::Plain);
        loop {
            match self.peek() {
                None => return Err(self.malformed("Unexpected end of input.")),
                Some(b'"') => break,
                Some(b'\\') => {
                    kind = ElementKind::Escaped;
                    self.skip_escape()?;
                }
                Some(_) => self.at += 1,
            }
        }
        let end = self.at;
        self.at += 1;
        self.skip_spaces();
        match self.peek() {
            None => Err(self.malformed("Unexpected end of input.")),
            Some(b',' | b'}') => Ok(Element { start, end, kind }),
            Some(b'{') => Err(self.malformed("Unexpected \"{\" character.")),
            Some(b'\\') => Err(self.malformed("Unexpected \"\\\" character.")),
            Some(_) => Err(self.malformed("Unexpected array element.")),
        }
    }

    /// Skips a backslash and the character behind it.
    fn skip_escape(&mut self) -> Result<()> {
        match self.text[self.at + 1..].chars().next() {
            None => Err(self.malformed("Unexpected end of input.")),
            Some(character) => {
                self.at += 1 + character.len_utf8();
                Ok(())
            }
        }
    }
}

/// An array that is not counted from 1 (0A000).
pub(super) fn lower_bound() -> Error {
    Error::unsupported("arrays with a lower bound other than 1 are not supported")
}

/// The element without its backslashes.
pub(super) fn unescape(text: &str, out: &mut String) {
    out.clear();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        out.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Puts the element that `out` ends with, from `start` on, into quotes where an array needs them.
pub(super) fn quote_element(out: &mut BytesMut, start: usize) {
    let element = &out[start..];
    let is_special =
        |byte: &u8| matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',') || is_space(*byte);
    if element.is_empty() || element.iter().any(is_special) || element.eq_ignore_ascii_case(b"null")
    {
        quote(out, start, |byte| if matches!(byte, b'"' | b'\\') { Some(b'\\') } else { None });
    }
}

/// Puts the field that `out` ends with, from `start` on, into quotes where a record needs them.
pub(super) fn quote_field(out: &mut BytesMut, start: usize) {
    let field = &out[start..];
    let is_special =
        |byte: &u8| matches!(byte, b'"' | b'\\' | b'(' | b')' | b',') || is_space(*byte);
    if field.is_empty() || field.iter().any(is_special) {
        quote(out, start, |byte| if matches!(byte, b'"' | b'\\') { Some(byte) } else { None });
    }
}

/// Puts quotes around the end of `out`, and before each byte what `escape` says.
fn quote(out: &mut BytesMut, start: usize, escape: impl Fn(u8) -> Option<u8>) {
    let plain = out.split_off(start);
    out.reserve(plain.len() + 2);
    out.put_u8(b'"');
    for byte in plain {
        if let Some(escape) = escape(byte) {
            out.put_u8(escape);
        }
        out.put_u8(byte);
    }
    out.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use super::{ElementKind, split, unescape};

    fn elements(text: &str) -> Result<Vec<Option<String>>, String> {
        let mut elements = Vec::new();
        split(text, &mut elements)
            .map_err(|error| error.detail().unwrap_or(error.message()).to_owned())?;
        Ok(elements
            .iter()
            .map(|element| {
                let mut plain = String::new();
                unescape(&text[element.start..element.end], &mut plain);
                (element.kind != ElementKind::Null).then_some(plain)
            })
            .collect())
    }

    #[test]
    fn elements_lose_quotes_spaces_and_backslashes() {
        let found = elements(
            "{ 1 , null , \"a b\" , a\\,b , \"\" , NULLx , a b  , \"NULL\", NU\\LL, a\\ }",
        );
        let expected = ["1", "", "a b", "a,b", "", "NULLx", "a b", "NULL", "NULL", "a "];
        let found = found.expect("an array");
        assert_eq!(found[1], None);
        let texts: Vec<_> = found.iter().map(|text| text.as_deref().unwrap_or("")).collect();
        assert_eq!(texts, expected);
        assert_eq!(elements(" { } "), Ok(vec![]));
        assert_eq!(elements("[1:2]={1,2}").map(|found| found.len()), Ok(2));
        assert_eq!(elements("[2]={1,2}").map(|found| found.len()), Ok(2));
    }

    #[test]
    fn malformed_texts_say_why() {
        for (text, detail) in [
            ("{1,}", "Unexpected \"}\" character."),
            ("{,1}", "Unexpected \",\" character."),
            ("{a,,b}", "Unexpected \",\" character."),
            ("{1}x", "Junk after closing right brace."),
            ("{}}", "Junk after closing right brace."),
            ("1", "Array value must start with \"{\" or dimension information."),
            ("{", "Unexpected end of input."),
            ("{\"a", "Unexpected end of input."),
            ("{a\\", "Unexpected end of input."),
            ("{a\"b}", "Unexpected array element."),
            ("{\"a\" b}", "Unexpected array element."),
            ("{a{b}", "Unexpected \"{\" character."),
            ("{1,{2}}", "Unexpected \"{\" character."),
            ("[1:]={1}", "Missing array dimension value."),
            ("[:1]={1}", "\"[\" must introduce explicitly-specified array dimensions."),
            ("[1:1]{1}", "Missing \"=\" after array dimensions."),
            ("[1:1]=1", "Array contents must start with \"{\"."),
            ("[1:3]={1}", "Specified array dimensions do not match array contents."),
            ("[0:0]={1}", "arrays with a lower bound other than 1 are not supported"),
            ("{{1}}", "multidimensional arrays are not supported"),
        ] {
            assert_eq!(elements(text), Err(detail.to_owned()), "{text}");
        }
    }
}
