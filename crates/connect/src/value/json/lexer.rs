//! The tokens of JSON, and where in the text an error is.

use weir_types::{Error, Result, SqlState};

use crate::value::uuid::hex_digit;

/// Bytes of the line before an error that its context shows.
const CONTEXT_BYTES_MAX: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// One of `{}[],:`
    Punctuation(u8),
    String,
    Number,
    /// `null`, `true`, `false`
    Literal,
    End,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    /// Strings are decoded, and escapes that stand for no character are errors.
    decodes: bool,
    token: Token,
    token_start: usize,
    /// End of the token, or of what an error is about.
    position: usize,
    line: usize,
    line_start: usize,
    decoded: String,
    /// The first half of a character outside the basic plane (`\ud83d`).
    high_surrogate: Option<u32>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, decodes: bool) -> Self {
        Self {
            text,
            decodes,
            token: Token::Literal,
            token_start: 0,
            position: 0,
            line: 1,
            line_start: 0,
            decoded: String::new(),
            high_surrogate: None,
        }
    }

    pub(super) fn token_text(&self) -> &'a str {
        &self.text[self.token_start..self.position]
    }

    /// The characters of the last string, if strings are decoded.
    pub(super) fn decoded(&self) -> &str {
        &self.decoded
    }

    pub(super) fn next(&mut self) -> Result<Token> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.position) {
            if bytes[self.position] == b'\n' {
                self.line += 1;
                self.line_start = self.position + 1;
            }
            self.position += 1;
        }
        self.token_start = self.position;
        self.token = match bytes.get(self.position) {
            None => Token::End,
            Some(byte @ (b'{' | b'}' | b'[' | b']' | b',' | b':')) => {
                self.position += 1;
                Token::Punctuation(*byte)
            }
            Some(b'"') => {
                self.take_string()?;
                Token::String
            }
            Some(b'-' | b'0'..=b'9') => {
                self.take_number()?;
                Token::Number
            }
            Some(_) => {
                self.position += self.word_length();
                if self.position == self.token_start {
                    self.position += 1;
                }
                if !matches!(self.token_text(), "null" | "true" | "false") {
                    return Err(self.invalid_token());
                }
                Token::Literal
            }
        };
        Ok(self.token)
    }

    /// Bytes of letters and digits ahead.
    fn word_length(&self) -> usize {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
        self.text.as_bytes()[self.position..].iter().take_while(|byte| is_part(byte)).count()
    }

    fn take_number(&mut self) -> Result<()> {
        let bytes = self.text.as_bytes();
        let count = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut at = self.position + usize::from(bytes[self.position] == b'-');
        let n_integer = if bytes.get(at) == Some(&b'0') { 1 } else { count(at) };
        at += n_integer;
        let mut is_valid = n_integer > 0;
        if bytes.get(at) == Some(&b'.') {
            let n_fraction = count(at + 1);
            at += 1 + n_fraction;
            is_valid &= n_fraction > 0;
        }
        if let Some(b'e' | b'E') = bytes.get(at) {
            at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let n_exponent = count(at);
            at += n_exponent;
            is_valid &= n_exponent > 0;
        }
        self.position = at;
        let n_behind = self.word_length();
        self.position += n_behind;
        if n_behind > 0 || !is_valid { Err(self.invalid_token()) } else { Ok(()) }
    }

    fn take_string(&mut self) -> Result<()> {
        self.decoded.clear();
        self.high_surrogate = None;
        self.position += 1;
        loop {
            let rest = &self.text.as_bytes()[self.position..];
            let plain = rest
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1F))
                .unwrap_or(rest.len());
            if plain > 0 {
                self.check_pair(self.char_length())?;
                if self.decodes {
                    self.decoded.push_str(&self.text[self.position..self.position + plain]);
                }
                self.position += plain;
            }
            match rest.get(plain) {
                None => return Err(self.invalid_token()),
                Some(b'"') => {
                    self.check_pair(1)?;
                    self.position += 1;
                    return Ok(());
                }
                Some(b'\\') => self.take_escape()?,
                Some(byte) => {
                    return Err(
                        self.error(format!("Character with value 0x{byte:02x} must be escaped."))
                    );
                }
            }
        }
    }

    /// Bytes of the character ahead.
    fn char_length(&self) -> usize {
        self.text[self.position..].chars().next().map_or(0, char::len_utf8)
    }

    /// Fails if a high surrogate waits for its other half; the next `length` bytes are then not it.
    fn check_pair(&mut self, length: usize) -> Result<()> {
        if self.high_surrogate.is_none() {
            return Ok(());
        }
        self.position += length;
        Err(self.error("Unicode low surrogate must follow a high surrogate.".to_owned()))
    }

    fn take_escape(&mut self) -> Result<()> {
        self.position += 1;
        let character = match self.text.as_bytes().get(self.position) {
            None => return Err(self.invalid_token()),
            Some(b'u') => return self.take_unicode(),
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0C',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(_) => {
                self.token_start = self.position;
                self.position += self.char_length();
                let detail = format!("Escape sequence \"\\{}\" is invalid.", self.token_text());
                return Err(self.error(detail));
            }
        };
        self.check_pair(1)?;
        self.position += 1;
        if self.decodes {
            self.decoded.push(character);
        }
        Ok(())
    }

    /// Takes the `u` and four digits of an escape.
    fn take_unicode(&mut self) -> Result<()> {
        self.position += 1;
        let mut code = 0;
        for _ in 0..4 {
            let Some(byte) = self.text.as_bytes().get(self.position) else {
                return Err(self.invalid_token());
            };
            let Some(digit) = hex_digit(*byte) else {
                self.position += self.char_length();
                return Err(
                    self.error("\"\\u\" must be followed by four hexadecimal digits.".to_owned())
                );
            };
            code = code << 4 | u32::from(digit);
            self.position += 1;
        }
        if !self.decodes {
            return Ok(());
        }
        match (self.high_surrogate, code) {
            (None, 0xD800..=0xDBFF) => {
                self.high_surrogate = Some(code);
                return Ok(());
            }
            (Some(_), 0xD800..=0xDBFF) => {
                return Err(self
                    .error("Unicode high surrogate must not follow a high surrogate.".to_owned()));
            }
            (Some(high), 0xDC00..=0xDFFF) => {
                code = 0x10000 + ((high & 0x3FF) << 10) + (code & 0x3FF);
                self.high_surrogate = None;
            }
            (None, 0xDC00..=0xDFFF) | (Some(_), _) => {
                return Err(
                    self.error("Unicode low surrogate must follow a high surrogate.".to_owned())
                );
            }
            (None, 0) => {
                return Err(self.in_context(
                    Error::new(
                        SqlState::InvalidTextRepresentation,
                        "unsupported Unicode escape sequence",
                    )
                    .with_detail("\\u0000 cannot be converted to text."),
                ));
            }
            (None, _) => {}
        }
        self.decoded.push(char::from_u32(code).expect("surrogates were paired"));
        Ok(())
    }

    fn invalid_token(&self) -> Error {
        self.error(format!("Token \"{}\" is invalid.", self.token_text()))
    }

    /// The error of a text that is no JSON (22P02).
    pub(super) fn error(&self, detail: String) -> Error {
        let message = "invalid input syntax for type json";
        self.in_context(
            Error::new(SqlState::InvalidTextRepresentation, message).with_detail(detail),
        )
    }

    /// Adds the line up to the error, as far as it fits.
    fn in_context(&self, error: Error) -> Error {
        let mut start = self.line_start;
        if self.position - start >= CONTEXT_BYTES_MAX {
            start = self.text.ceil_char_boundary(self.position + 1 - CONTEXT_BYTES_MAX);
        }
        if start - self.line_start <= 3 {
            start = self.line_start;
        }
        let before = if start > self.line_start { "..." } else { "" };
        let is_cut = self.token != Token::End
            && !matches!(self.text.as_bytes().get(self.position), None | Some(b'\n' | b'\r'));
        let behind = if is_cut { "..." } else { "" };
        let shown = &self.text[start..self.position];
        error.with_context(format!("JSON data, line {}: {before}{shown}{behind}", self.line))
    }
}
