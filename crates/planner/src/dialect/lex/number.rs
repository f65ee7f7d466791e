//! Numeric constants.

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result, SqlState};

use super::{Lexer, is_name_part, is_name_start};

impl Lexer<'_> {
    /// A number at the cursor: `1`, `1.5`, `.5`, `1.`, `1e10`, `1_000`, `0x1F`, `0o17`, `0b11`.
    pub(super) fn number(&mut self, start: usize) -> Result<Token> {
        let radix = match (self.peek(), self.peek_at(1)) {
            (Some(b'0'), Some(b'x' | b'X')) => 16,
            (Some(b'0'), Some(b'o' | b'O')) => 8,
            (Some(b'0'), Some(b'b' | b'B')) => 2,
            _ => 10,
        };
        let digit = 2 + usize::from(self.peek_at(2) == Some(b'_'));
        let is_digit = |byte: u8| char::from(byte).is_digit(radix);
        if radix != 10 && self.peek_at(digit).is_some_and(is_digit) {
            return self.radix_integer(radix, start);
        }
        self.digit_run(10);
        // `1..2` is a range of two integers.
        if self.peek() == Some(b'.') && self.peek_at(1) != Some(b'.') {
            self.at += 1;
            self.digit_run(10);
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.peek_at(1), Some(b'+' | b'-')));
            if self.peek_at(1 + sign).is_some_and(|byte| byte.is_ascii_digit()) {
                self.at += 1 + sign;
                self.digit_run(10);
            }
        }
        self.end_number(start)?;
        Ok(Token::Number(self.text[start..self.at].replace('_', ""), false))
    }

    fn radix_integer(&mut self, radix: u32, start: usize) -> Result<Token> {
        self.at += 2;
        self.digit_run(radix);
        self.end_number(start)?;
        let digits = self.text[start + 2..self.at].replace('_', "");
        match u128::from_str_radix(&digits, radix) {
            Ok(number) => Ok(Token::Number(number.to_string(), false)),
            Err(_) => Err(Error::new(
                SqlState::NumericValueOutOfRange,
                format!("number \"{}\" is out of range", &self.text[start..self.at]),
            )
            .with_position(self.position_of(start))),
        }
    }

    /// Skips digits with single underscores between them.
    fn digit_run(&mut self, radix: u32) {
        let is_digit = |byte: Option<u8>| byte.is_some_and(|byte| char::from(byte).is_digit(radix));
        while is_digit(self.peek()) || (self.peek() == Some(b'_') && is_digit(self.peek_at(1))) {
            self.at += 1;
        }
    }

    fn end_number(&mut self, start: usize) -> Result<()> {
        if self.peek().is_some_and(is_name_start) {
            return Err(self.junk("trailing junk after numeric literal", start));
        }
        Ok(())
    }

    /// The error of a name that begins right where a number ends.
    pub(super) fn junk(&mut self, what: &str, start: usize) -> Error {
        while self.peek().is_some_and(is_name_part) {
            self.at += 1;
        }
        let near = super::shorten(&self.text[start..self.at]);
        Error::syntax(format!("{what} at or near \"{near}\""))
            .with_position(self.position_of(start))
    }
}
