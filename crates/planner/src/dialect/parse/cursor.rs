//! The tokens of one statement, with sqlparser's parser behind them.
//!
//! What Weir parses by hand asks for words and symbols here; queries, expressions and types are
//! sqlparser's. Both move the same cursor. Locations in what sqlparser returns are on line 1, with
//! the character within the statement's text as column, from 1.

use std::ops::Range;

use datafusion::sql::sqlparser::ast as sql;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};
use weir_types::{Error, Result, SqlState, limits};

use super::grammar::Grammar;
use super::query::{Refusal, Rules};
use super::words;
use crate::dialect::lex::Lexed;

/// Bound of sqlparser's own recursion; the guard has bounded it before, by the height of the tree.
const RECURSION_MAX: usize = 4 * limits::SQL_CHAIN_MAX;

/// A cursor over the tokens of one statement.
pub(super) struct Cursor<'a> {
    lexed: &'a Lexed<'a>,
    range: Range<usize>,
    grammar: &'a Grammar,
    parser: Parser<'a>,
}

impl<'a> Cursor<'a> {
    /// At the first of those lexemes, which are not none.
    pub(super) fn new(lexed: &'a Lexed<'a>, range: Range<usize>, grammar: &'a Grammar) -> Self {
        let base = lexed.lexemes[range.start].start_char;
        let location = |char_idx: usize| Location::new(1, (char_idx - base + 1) as u64);
        let tokens = lexed.lexemes[range.clone()]
            .iter()
            .map(|lexeme| TokenWithSpan {
                token: lexeme.token.clone(),
                span: Span::new(location(lexeme.start_char), location(lexeme.end_char)),
            })
            .collect();
        let parser = new_parser(grammar, tokens);
        Self { lexed, range, grammar, parser }
    }

    /// The lexeme that comes next; `end()` at the end.
    pub(super) fn index(&self) -> usize {
        (self.range.start + self.parser.index()).min(self.range.end)
    }

    /// After the last lexeme.
    pub(super) fn end(&self) -> usize {
        self.range.end
    }

    /// The tokens that this statement is a part of.
    pub(super) fn lexed(&self) -> &'a Lexed<'a> {
        self.lexed
    }

    /// The user's text from that lexeme to the last one taken.
    pub(super) fn text_since(&self, from: usize) -> &'a str {
        self.lexed.slice(from, self.index())
    }

    /// The next token.
    pub(super) fn peek(&self) -> &Token {
        &self.parser.peek_token_ref().token
    }

    /// The token that many after the next one.
    pub(super) fn peek_nth(&self, ahead: usize) -> &Token {
        &self.parser.peek_nth_token_ref(ahead).token
    }

    /// The next token as an unquoted word.
    pub(super) fn peek_word(&self) -> Option<&str> {
        self.peek_nth_word(0)
    }

    /// The token that many after the next one, as an unquoted word.
    pub(super) fn peek_nth_word(&self, ahead: usize) -> Option<&str> {
        match self.peek_nth(ahead) {
            Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }

    /// True where those words come next.
    pub(super) fn at_words(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(idx, word)| self.peek_nth_word(idx) == Some(*word))
    }

    /// Takes the next token.
    pub(super) fn advance(&mut self) {
        self.parser.advance_token();
    }

    /// Takes that word if it comes next.
    pub(super) fn accept(&mut self, word: &str) -> bool {
        self.accept_words(&[word])
    }

    /// Takes those words if they all come next.
    pub(super) fn accept_words(&mut self, words: &[&str]) -> bool {
        let found = self.at_words(words);
        if found {
            words.iter().for_each(|_| self.advance());
        }
        found
    }

    /// Takes one of those words.
    pub(super) fn accept_one(&mut self, words: &[&'static str]) -> Option<&'static str> {
        let found = words.iter().copied().find(|word| self.peek_word() == Some(*word))?;
        self.advance();
        Some(found)
    }

    /// Takes that word, or fails.
    pub(super) fn expect(&mut self, word: &str) -> Result<()> {
        if self.accept(word) { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// Takes those words, or fails at the first that is not there.
    pub(super) fn expect_words(&mut self, words: &[&str]) -> Result<()> {
        words.iter().try_for_each(|word| self.expect(word))
    }

    /// Takes that symbol if it comes next.
    pub(super) fn accept_token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    /// Takes that symbol, or fails.
    pub(super) fn expect_token(&mut self, token: &Token) -> Result<()> {
        if self.accept_token(token) { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// Fails unless all tokens are taken.
    pub(super) fn expect_end(&self) -> Result<()> {
        if self.index() == self.end() { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// True where all tokens are taken.
    pub(super) fn is_at_end(&self) -> bool {
        self.index() == self.end()
    }

    /// Takes all tokens that are left.
    pub(super) fn skip_to_end(&mut self) {
        while !self.is_at_end() {
            self.advance();
        }
    }

    /// One item or more, with commas between them.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.accept_token(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// [`Cursor::list`] in parentheses.
    pub(super) fn parenthesized<T>(
        &mut self,
        item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.expect_token(&Token::LParen)?;
        let items = self.list(item)?;
        self.expect_token(&Token::RParen)?;
        Ok(items)
    }

    /// A string constant.
    pub(super) fn string(&mut self) -> Result<String> {
        match self.peek() {
            Token::SingleQuotedString(value) => {
                let value = value.clone();
                self.advance();
                Ok(value)
            }
            _ => Err(self.syntax_error()),
        }
    }

    /// `syntax error at or near` the next token.
    pub(super) fn syntax_error(&self) -> Error {
        self.syntax_error_at(self.index())
    }

    /// `syntax error at or near` that lexeme.
    pub(super) fn syntax_error_at(&self, idx: usize) -> Error {
        self.lexed.syntax_error_at(idx)
    }

    /// The position of that lexeme in the whole text.
    pub(super) fn position(&self, idx: usize) -> usize {
        self.lexed.position(idx)
    }

    /// The position of that lexeme in the statement.
    pub(super) fn place(&self, idx: usize) -> usize {
        self.position(idx) - self.lexed.lexemes[self.range.start].start_char
    }

    /// 0A000 at that lexeme.
    pub(super) fn unsupported_at(&self, idx: usize, message: impl Into<String>) -> Error {
        Error::unsupported(message).with_position(self.position(idx))
    }

    /// 0A000 at the next token.
    pub(super) fn unsupported(&self, message: impl Into<String>) -> Error {
        self.unsupported_at(self.index(), message)
    }

    /// A query by sqlparser, with the rules of [`Rules`] applied.
    pub(super) fn query(&mut self) -> Result<Box<sql::Query>> {
        let begins = *self.peek() == Token::LParen
            || matches!(self.peek_word(), Some("select" | "values" | "with"));
        if !begins {
            return Err(self.syntax_error());
        }
        let mut query = self.parse(Parser::parse_query)?;
        self.apply_rules(&mut *query)?;
        Ok(query)
    }

    /// An expression.
    pub(super) fn expr(&mut self) -> Result<sql::Expr> {
        let mut expr = self.parse(Parser::parse_expr)?;
        self.apply_rules(&mut expr)?;
        Ok(expr)
    }

    /// An expression in parentheses, and its text.
    pub(super) fn parenthesized_expr_text(&mut self) -> Result<String> {
        self.expect_token(&Token::LParen)?;
        let start = self.index();
        self.expr()?;
        let text = self.text_since(start).to_owned();
        self.expect_token(&Token::RParen)?;
        Ok(text)
    }

    /// Checks what sqlparser returned and makes PostgreSQL's forms DataFusion's.
    pub(super) fn apply_rules(&self, node: &mut impl sql::VisitMut) -> Result<()> {
        Rules::apply(node).map_err(|refusal| self.refusal_error(refusal))
    }

    /// What a rule refused, with its position in the whole text.
    pub(super) fn refusal_error(&self, refusal: Refusal) -> Error {
        match refusal {
            Refusal::At(column) => self.syntax_error_at(self.index_of_column(column)),
            Refusal::AtWord(word) => {
                let mut range = self.range.clone();
                let found = range.find(|idx| self.lexed.lexemes[*idx].word() == Some(word));
                self.syntax_error_at(found.unwrap_or(self.range.start))
            }
            Refusal::Because(error) => self.with_absolute_position(error),
        }
    }

    /// Makes a position within the statement one within the whole text.
    pub(super) fn with_absolute_position(&self, error: Error) -> Error {
        match error.position() {
            Some(position) => {
                let base = self.lexed.lexemes[self.range.start].start_char;
                error.with_position(base + position)
            }
            None => error,
        }
    }

    /// Lets sqlparser parse.
    pub(super) fn parse<T>(
        &mut self,
        parse: impl FnOnce(&mut Parser<'a>) -> Result<T, ParserError>,
    ) -> Result<T> {
        parse(&mut self.parser).map_err(|error| self.parser_error(&error))
    }

    /// sqlparser's error in PostgreSQL's words. The error is where the parser came furthest: it
    /// reports the reading that it tried last, which may have failed early.
    fn parser_error(&self, error: &ParserError) -> Error {
        let message = match error {
            ParserError::RecursionLimitExceeded => return too_complex(),
            ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        };
        let told = match message.rsplit_once(" at Line: 1, Column: ") {
            Some((_, column)) => column.parse().ok().map(|column| self.index_of_column(column)),
            None if message.ends_with("found: EOF") => Some(self.range.end),
            None => None,
        };
        let furthest = (self.range.start + self.grammar.furthest()).min(self.range.end);
        self.syntax_error_at(told.map_or(furthest, |told| told.max(furthest)))
    }

    /// The lexeme that begins at that character of the statement's text, from 1.
    fn index_of_column(&self, column: usize) -> usize {
        let base = self.lexed.lexemes[self.range.start].start_char;
        let lexemes = &self.lexed.lexemes[self.range.clone()];
        let idx = lexemes.partition_point(|lexeme| lexeme.start_char + 1 < base + column);
        self.range.start + idx
    }

    /// Parses as if the statement ended before that lexeme, which must then be reached.
    pub(super) fn up_to<T>(
        &mut self,
        end: usize,
        parse: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let whole_end = std::mem::replace(&mut self.range.end, end);
        let (mut tokens, taken) = self.take_tokens();
        let tail = tokens.split_off(end - self.range.start);
        self.set_tokens(tokens, taken);
        let result = parse(self)?;
        self.expect_end()?;
        let (mut tokens, taken) = self.take_tokens();
        tokens.extend(tail);
        self.range.end = whole_end;
        self.set_tokens(tokens, taken);
        Ok(result)
    }

    /// The parser's tokens and how many of them are taken.
    fn take_tokens(&mut self) -> (Vec<TokenWithSpan>, usize) {
        let taken = self.index() - self.range.start;
        let parser = std::mem::replace(&mut self.parser, new_parser(self.grammar, Vec::new()));
        (parser.into_tokens(), taken)
    }

    fn set_tokens(&mut self, tokens: Vec<TokenWithSpan>, taken: usize) {
        self.parser = new_parser(self.grammar, tokens);
        (0..taken).for_each(|_| self.parser.advance_token());
    }

    /// A name that can be a column's or a table's, folded.
    pub(super) fn name(&mut self) -> Result<String> {
        match self.peek() {
            Token::Word(word) if word.quote_style.is_some() || !words::is_reserved(&word.value) => {
                let name = word.value.clone();
                self.advance();
                Ok(name)
            }
            _ => Err(self.syntax_error()),
        }
    }

    /// A name where any word can be one.
    pub(super) fn label(&mut self) -> Result<String> {
        match self.peek() {
            Token::Word(word) => {
                let name = word.value.clone();
                self.advance();
                Ok(name)
            }
            _ => Err(self.syntax_error()),
        }
    }
}

fn new_parser(grammar: &Grammar, tokens: Vec<TokenWithSpan>) -> Parser<'_> {
    Parser::new(grammar).with_recursion_limit(RECURSION_MAX).with_tokens_with_locations(tokens)
}

fn too_complex() -> Error {
    Error::new(SqlState::StatementTooComplex, "statement is too complex to be parsed")
        .with_hint("Move inner parts into common table expressions or views.")
}
