//! Text to tokens by PostgreSQL's lexical rules, in one pass and without recursion.
//!
//! The tokens are sqlparser's, so that its parser takes them, but its tokenizer is not used: this
//! one follows PostgreSQL where the two differ (operators, dollar quotes, continued strings, number
//! forms), and what the guard counts is exactly what the parser sees. Comments and white space
//! leave no tokens, unquoted names are folded to lower case, and every kind of string constant
//! becomes a plain one with its escapes resolved.

mod number;
mod operator;
mod string;

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result, SqlState, limits};

/// Longest piece of the text that a message quotes.
const NEAR_CHARS_MAX: usize = 80;

/// A token and where it is.
#[derive(Clone, Debug)]
pub(super) struct Lexeme {
    /// The token.
    pub(super) token: Token,
    /// Byte where it begins.
    pub(super) start: usize,
    /// Byte after its end.
    pub(super) end: usize,
    /// Character where it begins, from 0.
    pub(super) start_char: usize,
    /// Character after its end.
    pub(super) end_char: usize,
}

impl Lexeme {
    /// The folded text of an unquoted word.
    pub(super) fn word(&self) -> Option<&str> {
        match &self.token {
            Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }
}

/// A text and its tokens.
#[derive(Debug)]
pub(super) struct Lexed<'a> {
    /// The text.
    pub(super) text: &'a str,
    /// Its tokens, in order.
    pub(super) lexemes: Vec<Lexeme>,
}

impl Lexed<'_> {
    /// The text of the lexemes `from..to`, with what is between them.
    pub(super) fn slice(&self, from: usize, to: usize) -> &str {
        match (self.lexemes.get(from), self.lexemes[..to].last()) {
            (Some(first), Some(last)) if from < to => &self.text[first.start..last.end],
            _ => "",
        }
    }

    /// `syntax error at or near ..` that lexeme, or at the end of the text.
    pub(super) fn syntax_error_at(&self, idx: usize) -> Error {
        match self.lexemes.get(idx) {
            Some(lexeme) => {
                let near = shorten(&self.text[lexeme.start..lexeme.end]);
                Error::syntax(format!("syntax error at or near \"{near}\""))
            }
            None => Error::syntax("syntax error at end of input"),
        }
        .with_position(self.position(idx))
    }

    /// The position of that lexeme, or of the end of the text: in characters, from 1.
    pub(super) fn position(&self, idx: usize) -> usize {
        match self.lexemes.get(idx) {
            Some(lexeme) => lexeme.start_char + 1,
            None => self.text.chars().count() + 1,
        }
    }
}

/// Cuts a text that is to be quoted in a message.
pub(super) fn shorten(text: &str) -> &str {
    match text.char_indices().nth(NEAR_CHARS_MAX) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// Turns a text into tokens.
///
/// 54000 where the text is over [`limits::SQL_TEXT_BYTES_MAX`], 22021 for a NUL, 42601 for an open
/// string or comment and for a malformed number, 42622 for a name that is too long.
pub(super) fn lex(text: &str) -> Result<Lexed<'_>> {
    if text.len() > limits::SQL_TEXT_BYTES_MAX {
        return Err(Error::new(
            SqlState::ProgramLimitExceeded,
            format!(
                "statement text of {} bytes exceeds the limit of {} bytes",
                text.len(),
                limits::SQL_TEXT_BYTES_MAX
            ),
        )
        .with_hint("Send large data by COPY or as parameters, or split the text."));
    }
    if let Some(at) = text.bytes().position(|byte| byte == 0) {
        return Err(Error::new(
            SqlState::CharacterNotInRepertoire,
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        )
        .with_position(text[..at].chars().count() + 1));
    }
    let mut lexer = Lexer { text, at: 0, counted: (0, 0) };
    let mut lexemes = Vec::new();
    while let Some(lexeme) = lexer.next()? {
        lexemes.push(lexeme);
    }
    Ok(Lexed { text, lexemes })
}

/// A cursor over the text.
struct Lexer<'a> {
    text: &'a str,
    /// The next byte to read.
    at: usize,
    /// A byte and how many characters are before it: counting goes on from there.
    counted: (usize, usize),
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Option<Lexeme>> {
        self.skip_blank()?;
        let start = self.at;
        let Some(first) = self.peek() else { return Ok(None) };
        let start_char = self.chars_before(start);
        let token = match first {
            b'\'' => Token::SingleQuotedString(self.plain_string(start)?),
            b'"' => self.quoted_name(start)?,
            b'$' => self.dollar(start)?,
            b'0'..=b'9' => self.number(start)?,
            b'.' if self.peek_at(1).is_some_and(|byte| byte.is_ascii_digit()) => {
                self.number(start)?
            }
            _ if is_name_start(first) => match self.prefixed_string(start)? {
                Some(token) => token,
                None => self.name(start)?,
            },
            _ => self.symbol(start),
        };
        let end = self.at;
        Ok(Some(Lexeme { token, start, end, start_char, end_char: self.chars_before(end) }))
    }

    fn peek(&self) -> Option<u8> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// How many characters are before that byte; the bytes asked for never go back.
    fn chars_before(&mut self, byte: usize) -> usize {
        let (from, n_chars) = self.counted;
        let n_chars = n_chars + self.text[from..byte].chars().count();
        self.counted = (byte, n_chars);
        n_chars
    }

    /// A syntax error that begins at that byte; `what` is completed by the text from there on.
    fn error(&self, what: &str, start: usize) -> Error {
        let near = shorten(&self.text[start..]);
        Error::syntax(format!("{what} at or near \"{near}\""))
            .with_position(self.position_of(start))
    }

    fn position_of(&self, byte: usize) -> usize {
        self.text[..byte].chars().count() + 1
    }

    /// Skips white space and comments.
    fn skip_blank(&mut self) -> Result<()> {
        loop {
            match (self.peek(), self.peek_at(1)) {
                (Some(byte), _) if is_space(byte) => self.at += 1,
                (Some(b'-'), Some(b'-')) => self.skip_line_comment(),
                (Some(b'/'), Some(b'*')) => self.skip_block_comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn skip_line_comment(&mut self) {
        let rest = self.rest();
        self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
    }

    /// Skips a comment in `/* .. */`, which may hold others.
    fn skip_block_comment(&mut self) -> Result<()> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match (self.peek(), self.peek_at(1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(self.error("unterminated /* comment", start)),
            }
        }
    }

    /// An unquoted name or key word.
    fn name(&mut self, start: usize) -> Result<Token> {
        while self.peek().is_some_and(is_name_part) {
            self.at += 1;
        }
        let name = self.text[start..self.at].to_ascii_lowercase();
        self.check_name(&name, start)?;
        Ok(Token::make_word(&name, None))
    }

    fn check_name(&self, name: &str, start: usize) -> Result<()> {
        if name.len() > limits::IDENTIFIER_BYTES_MAX {
            return Err(Error::new(
                SqlState::NameTooLong,
                format!("identifier \"{}\" is too long", shorten(name)),
            )
            .with_detail(format!(
                "An identifier has at most {} bytes; this one has {}.",
                limits::IDENTIFIER_BYTES_MAX,
                name.len()
            ))
            .with_position(self.position_of(start)));
        }
        Ok(())
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name_part(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

#[cfg(test)]
mod tests;
