//! `WITH (name = value, ..)`.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result, SqlState};

use super::cursor::Cursor;

impl Cursor<'_> {
    /// `[WITH (..)]`.
    pub(super) fn with_options(&mut self) -> Result<BTreeMap<String, String>> {
        if self.at_with_options() {
            self.advance();
            self.options()
        } else {
            Ok(BTreeMap::new())
        }
    }

    /// True where `WITH (` comes next.
    pub(super) fn at_with_options(&self) -> bool {
        self.peek_word() == Some("with") && *self.peek_nth(1) == Token::LParen
    }

    /// `(name = value, name, ..)`; a name without value means `true`.
    pub(super) fn options(&mut self) -> Result<BTreeMap<String, String>> {
        let mut options = BTreeMap::new();
        self.expect_token(&Token::LParen)?;
        loop {
            let start = self.index();
            let name = self.option_name()?;
            let value = if self.accept_token(&Token::Eq) {
                self.option_value()?
            } else {
                "true".to_owned()
            };
            if options.insert(name.clone(), value).is_some() {
                return Err(Error::new(
                    SqlState::DuplicateObject,
                    format!("option \"{name}\" specified more than once"),
                )
                .with_position(self.position(start)));
            }
            if !self.accept_token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(options)
    }

    /// A word, a dotted name or a string, in lower case.
    fn option_name(&mut self) -> Result<String> {
        if let Token::SingleQuotedString(name) = self.peek() {
            let name = name.to_lowercase();
            self.advance();
            return Ok(name);
        }
        let mut name = self.label()?;
        while self.accept_token(&Token::Period) {
            name = format!("{name}.{}", self.label()?);
        }
        Ok(name.to_lowercase())
    }

    /// A string, a number or a word, as text.
    pub(super) fn option_value(&mut self) -> Result<String> {
        let value = match self.peek() {
            Token::SingleQuotedString(value) => value.clone(),
            Token::Word(word) => word.value.clone(),
            Token::Number(..) | Token::Minus | Token::Plus => return self.signed_number(),
            _ => return Err(self.syntax_error()),
        };
        self.advance();
        Ok(value)
    }

    /// `[+ | -] number`, as text.
    pub(super) fn signed_number(&mut self) -> Result<String> {
        let sign = if self.accept_token(&Token::Minus) {
            "-"
        } else {
            self.accept_token(&Token::Plus);
            ""
        };
        match self.peek() {
            Token::Number(number, _) => {
                let number = format!("{sign}{number}");
                self.advance();
                Ok(number)
            }
            _ => Err(self.syntax_error()),
        }
    }
}
