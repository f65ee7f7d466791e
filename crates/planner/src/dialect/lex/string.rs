//! String constants and quoted names.

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result, SqlState};

use super::{Lexer, is_name_start, is_space};

/// Highest number of a parameter: the wire protocol counts them in 16 bits.
const PARAMETER_MAX: u32 = u16::MAX as u32;

impl Lexer<'_> {
    /// `'..'` at the cursor, continued over line ends as PostgreSQL does; `start` is where the
    /// token begins.
    pub(super) fn plain_string(&mut self, start: usize) -> Result<String> {
        let mut value = String::new();
        loop {
            self.read_quoted('\'', &mut value, start)?;
            if !self.string_continues() {
                return Ok(value);
            }
        }
    }

    /// `".."`: a name with its case kept.
    pub(super) fn quoted_name(&mut self, start: usize) -> Result<Token> {
        let mut name = String::new();
        self.read_quoted('"', &mut name, start)?;
        self.name_token(&name, start)
    }

    fn name_token(&mut self, name: &str, start: usize) -> Result<Token> {
        if name.is_empty() {
            let end = self.at;
            let near = &self.text[start..end];
            return Err(Error::syntax(format!(
                "zero-length delimited identifier at or near \"{near}\""
            ))
            .with_position(self.position_of(start)));
        }
        self.check_name(name, start)?;
        Ok(Token::make_word(name, Some('"')))
    }

    /// `E'..'`, `N'..'`, `U&'..'`, `U&".."`; `None` where a plain name begins here.
    pub(super) fn prefixed_string(&mut self, start: usize) -> Result<Option<Token>> {
        let token = match (self.peek(), self.peek_at(1), self.peek_at(2)) {
            (Some(b'e' | b'E'), Some(b'\''), _) => {
                self.at += 1;
                Token::SingleQuotedString(self.escape_string(start)?)
            }
            (Some(b'n' | b'N'), Some(b'\''), _) => {
                self.at += 1;
                Token::SingleQuotedString(self.plain_string(start)?)
            }
            (Some(b'u' | b'U'), Some(b'&'), Some(b'\'')) => {
                self.at += 2;
                let raw = self.plain_string(start)?;
                Token::SingleQuotedString(self.decode_unicode(&raw, start)?)
            }
            (Some(b'u' | b'U'), Some(b'&'), Some(b'"')) => {
                self.at += 2;
                let mut raw = String::new();
                self.read_quoted('"', &mut raw, start)?;
                let name = self.decode_unicode(&raw, start)?;
                self.name_token(&name, start)?
            }
            (Some(b'b' | b'B' | b'x' | b'X'), Some(b'\''), _) => {
                return Err(Error::unsupported("bit string constants are not supported")
                    .with_hint("Write bytes as '\\xDEADBEEF'::bytea.")
                    .with_position(self.position_of(start)));
            }
            _ => return Ok(None),
        };
        Ok(Some(token))
    }

    /// `$1`, `$$..$$`, `$tag$..$tag$`, or a lone dollar sign.
    pub(super) fn dollar(&mut self, start: usize) -> Result<Token> {
        let rest = self.rest();
        let after = &rest[1..];
        let n_digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if n_digits > 0 {
            self.at += 1 + n_digits;
            return self.parameter(start);
        }
        let tag_len = dollar_tag_len(after);
        if after.as_bytes().get(tag_len) != Some(&b'$') {
            self.at += 1;
            return Ok(Token::Char('$'));
        }
        let delimiter_len = tag_len + 2;
        let (delimiter, body) = rest.split_at(delimiter_len);
        let Some(len) = body.find(delimiter) else {
            return Err(self.error("unterminated dollar-quoted string", start));
        };
        let value = body[..len].to_owned();
        self.at += delimiter_len + len + delimiter_len;
        Ok(Token::SingleQuotedString(value))
    }

    fn parameter(&mut self, start: usize) -> Result<Token> {
        if self.peek().is_some_and(is_name_start) {
            return Err(self.junk("trailing junk after parameter", start));
        }
        let text = &self.text[start..self.at];
        match text[1..].parse::<u32>() {
            Ok(1..=PARAMETER_MAX) => Ok(Token::Placeholder(text.to_owned())),
            _ => Err(Error::new(
                SqlState::UndefinedParameter,
                format!("there is no parameter {text}"),
            )
            .with_position(self.position_of(start))),
        }
    }

    /// Reads from an opening quote to past the closing one; a doubled quote stands for itself.
    fn read_quoted(&mut self, quote: char, value: &mut String, start: usize) -> Result<()> {
        self.at += 1;
        loop {
            let Some(len) = self.rest().find(quote) else {
                let what = if quote == '"' {
                    "unterminated quoted identifier"
                } else {
                    "unterminated quoted string"
                };
                return Err(self.error(what, start));
            };
            value.push_str(&self.text[self.at..self.at + len]);
            self.at += len + 1;
            if self.peek() != Some(quote as u8) {
                return Ok(());
            }
            value.push(quote);
            self.at += 1;
        }
    }

    /// After a closing quote: moves to the next opening one where only white space with a line end
    /// and comments are between them.
    fn string_continues(&mut self) -> bool {
        let end = self.at;
        let mut has_line_end = false;
        loop {
            match (self.peek(), self.peek_at(1)) {
                (Some(byte), _) if is_space(byte) => {
                    has_line_end |= byte == b'\n' || byte == b'\r';
                    self.at += 1;
                }
                (Some(b'-'), Some(b'-')) => self.skip_line_comment(),
                (Some(b'\''), _) if has_line_end => return true,
                _ => {
                    self.at = end;
                    return false;
                }
            }
        }
    }

    /// The body of `E'..'`, the cursor being at its quote.
    fn escape_string(&mut self, start: usize) -> Result<String> {
        let mut value = Vec::new();
        loop {
            self.at += 1;
            loop {
                match (self.peek(), self.peek_at(1)) {
                    (None, _) => return Err(self.error("unterminated quoted string", start)),
                    (Some(b'\''), Some(b'\'')) => {
                        value.push(b'\'');
                        self.at += 2;
                    }
                    (Some(b'\''), _) => {
                        self.at += 1;
                        break;
                    }
                    (Some(b'\\'), Some(_)) => self.escape(&mut value)?,
                    (Some(byte), _) => {
                        value.push(byte);
                        self.at += 1;
                    }
                }
            }
            if !self.string_continues() {
                break;
            }
        }
        self.check_encoding(value, start)
    }

    /// One backslash escape of `E'..'`, at the cursor.
    fn escape(&mut self, value: &mut Vec<u8>) -> Result<()> {
        let start = self.at;
        let kind = self.peek_at(1).expect("the caller saw a byte after the backslash");
        self.at += 2;
        match kind {
            b'b' => value.push(8),
            b'f' => value.push(12),
            b'n' => value.push(b'\n'),
            b'r' => value.push(b'\r'),
            b't' => value.push(b'\t'),
            b'0'..=b'7' => {
                self.at -= 1;
                value.push((self.digits(8, 3) & 0xff) as u8);
            }
            b'x' if self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) => {
                value.push(self.digits(16, 2) as u8);
            }
            b'u' | b'U' => {
                let mut code = self.unicode_digits(kind, start)?;
                if (0xD800..0xDC00).contains(&code)
                    && self.peek() == Some(b'\\')
                    && matches!(self.peek_at(1), Some(b'u' | b'U'))
                {
                    let kind = self.peek_at(1).expect("matched above");
                    self.at += 2;
                    let low = self.unicode_digits(kind, start)?;
                    code = join_surrogates(code, low);
                }
                let Some(c) = char::from_u32(code) else {
                    return Err(self.unicode_error("invalid Unicode escape value", start));
                };
                value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            // Any other character stands for itself; the rest of its bytes follow as plain ones.
            other => value.push(other),
        }
        Ok(())
    }

    /// Up to that many digits of that radix at the cursor.
    fn digits(&mut self, radix: u32, n_max: usize) -> u32 {
        let mut number = 0;
        for _ in 0..n_max {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(radix)) else {
                break;
            };
            number = number * radix + digit;
            self.at += 1;
        }
        number
    }

    fn unicode_digits(&mut self, kind: u8, start: usize) -> Result<u32> {
        let n_digits = if kind == b'u' { 4 } else { 8 };
        let digits = self.text.as_bytes().get(self.at..self.at + n_digits);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(self.unicode_error("invalid Unicode escape", start).with_hint(
                "A Unicode escape is \\u and four hexadecimal digits, or \\U and eight.",
            ));
        }
        Ok(self.digits(16, n_digits))
    }

    fn unicode_error(&self, message: &str, start: usize) -> Error {
        Error::syntax(message).with_position(self.position_of(start))
    }

    /// Bytes made by escapes, which must be UTF-8 without NUL.
    fn check_encoding(&self, value: Vec<u8>, start: usize) -> Result<String> {
        let bad = |bytes: &[u8]| {
            let shown: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
            Error::new(
                SqlState::CharacterNotInRepertoire,
                format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
            )
            .with_position(self.position_of(start))
        };
        if value.contains(&0) {
            return Err(bad(&[0]));
        }
        String::from_utf8(value).map_err(|error| {
            let from = error.utf8_error().valid_up_to();
            let len = error.utf8_error().error_len().unwrap_or(1);
            bad(&error.as_bytes()[from..from + len])
        })
    }

    /// Resolves the escapes of `U&'..'`: `\hhhh`, `\+hhhhhh` (hexadecimal digits), `\\`.
    fn decode_unicode(&self, raw: &str, start: usize) -> Result<String> {
        let mut value = String::new();
        let mut rest = raw;
        while let Some(at) = rest.find('\\') {
            value.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('\\') {
                value.push('\\');
                rest = after;
                continue;
            }
            let escape = unicode_escape(rest).and_then(|(code, after)| {
                let low = after.strip_prefix('\\').and_then(unicode_escape);
                match low {
                    Some((low, after)) if (0xD800..0xDC00).contains(&code) => {
                        Some((char::from_u32(join_surrogates(code, low))?, after))
                    }
                    _ => Some((char::from_u32(code)?, after)),
                }
            });
            let Some((c, after)) = escape.filter(|(c, _)| *c != '\0') else {
                return Err(self.unicode_error("invalid Unicode escape", start).with_hint(
                    "A Unicode escape is \\ and four hexadecimal digits, or \\+ and six.",
                ));
            };
            value.push(c);
            rest = after;
        }
        value.push_str(rest);
        Ok(value)
    }
}

/// `hhhh` or `+hhhhhh` (hexadecimal digits) and what follows it.
fn unicode_escape(text: &str) -> Option<(u32, &str)> {
    let (digits, after) = match text.strip_prefix('+') {
        Some(long) => (long.get(..6)?, &long[6..]),
        None => (text.get(..4)?, &text[4..]),
    };
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten().map(|code| (code, after))
}

/// The code point of a surrogate pair; a value that is no character where `low` is no low
/// surrogate.
fn join_surrogates(high: u32, low: u32) -> u32 {
    if (0xDC00..0xE000).contains(&low) {
        0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
    } else {
        high
    }
}

/// Length of the tag at the beginning of a text: a name without dollar signs.
fn dollar_tag_len(text: &str) -> usize {
    match text.bytes().next() {
        Some(first) if is_name_start(first) => {
            text.bytes().take_while(|byte| is_name_start(*byte) || byte.is_ascii_digit()).count()
        }
        _ => 0,
    }
}
