//! `json` and `jsonb` from text: the grammar, with PostgreSQL's errors, and what `jsonb` keeps.

mod canonical;
mod lexer;

use weir_types::{Error, Result, SqlState};

pub(super) use self::canonical::canonical;
use self::lexer::{Lexer, Token};

/// Deepest nesting that is read: the parser recurses, and a stack overflow cannot be caught.
const DEPTH_MAX: usize = 1000;

/// Checks that the text is JSON (22P02).
pub(super) fn validate(text: &str) -> Result<()> {
    Parser::new(text, Nothing).document()
}

/// What is told of each part of a document, in order.
trait Sink {
    /// Strings are to be decoded; else only their form is checked.
    const DECODES: bool;
    /// What is remembered of an object until it ends.
    type Object;

    fn string(&mut self, decoded: &str);
    /// `null`, `true`, `false`
    fn literal(&mut self, text: &str);
    fn number(&mut self, text: &str) -> Result<()>;
    fn begin_array(&mut self);
    /// Before each element but the first.
    fn next_element(&mut self);
    fn end_array(&mut self);
    fn begin_object(&mut self) -> Self::Object;
    /// Before the value of that key.
    fn key(&mut self, object: &mut Self::Object, decoded: &str);
    fn end_object(&mut self, object: Self::Object);
}

/// Keeps nothing.
struct Nothing;

impl Sink for Nothing {
    const DECODES: bool = false;
    type Object = ();

    fn string(&mut self, _: &str) {}
    fn literal(&mut self, _: &str) {}
    fn number(&mut self, _: &str) -> Result<()> {
        Ok(())
    }
    fn begin_array(&mut self) {}
    fn next_element(&mut self) {}
    fn end_array(&mut self) {}
    fn begin_object(&mut self) {}
    fn key(&mut self, (): &mut (), _: &str) {}
    fn end_object(&mut self, (): ()) {}
}

struct Parser<'a, S> {
    lexer: Lexer<'a>,
    token: Token,
    depth: usize,
    sink: S,
}

impl<'a, S: Sink> Parser<'a, S> {
    fn new(text: &'a str, sink: S) -> Self {
        Self { lexer: Lexer::new(text, S::DECODES), token: Token::End, depth: 0, sink }
    }

    fn document(&mut self) -> Result<()> {
        self.advance()?;
        self.value()?;
        if self.token != Token::End {
            return Err(self.expected("end of input"));
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<()> {
        self.token = self.lexer.next()?;
        Ok(())
    }

    fn expected(&self, what: &str) -> Error {
        if self.token == Token::End {
            return self.lexer.error("The input string ended unexpectedly.".to_owned());
        }
        self.lexer.error(format!("Expected {what}, but found \"{}\".", self.lexer.token_text()))
    }

    fn value(&mut self) -> Result<()> {
        match self.token {
            Token::String => self.sink.string(self.lexer.decoded()),
            Token::Number => self.sink.number(self.lexer.token_text())?,
            Token::Literal => self.sink.literal(self.lexer.token_text()),
            Token::Punctuation(b'{') => return self.nested(Self::object),
            Token::Punctuation(b'[') => return self.nested(Self::array),
            _ => return Err(self.expected("JSON value")),
        }
        self.advance()
    }

    fn nested(&mut self, parse: fn(&mut Self) -> Result<()>) -> Result<()> {
        if self.depth == DEPTH_MAX {
            return Err(Error::new(
                SqlState::StatementTooComplex,
                format!("JSON is nested deeper than {DEPTH_MAX} levels"),
            ));
        }
        self.depth += 1;
        self.advance()?;
        parse(self)?;
        self.depth -= 1;
        self.advance()
    }

    /// The elements up to the closing bracket.
    fn array(&mut self) -> Result<()> {
        self.sink.begin_array();
        if self.token != Token::Punctuation(b']') {
            self.value()?;
            while self.token == Token::Punctuation(b',') {
                self.sink.next_element();
                self.advance()?;
                self.value()?;
            }
            if self.token != Token::Punctuation(b']') {
                return Err(self.expected("\",\" or \"]\""));
            }
        }
        self.sink.end_array();
        Ok(())
    }

    /// The members up to the closing brace.
    fn object(&mut self) -> Result<()> {
        let mut object = self.sink.begin_object();
        if self.token == Token::Punctuation(b'}') {
            self.sink.end_object(object);
            return Ok(());
        }
        let mut wanted = "string or \"}\"";
        loop {
            if self.token != Token::String {
                return Err(self.expected(wanted));
            }
            self.sink.key(&mut object, self.lexer.decoded());
            self.advance()?;
            if self.token != Token::Punctuation(b':') {
                return Err(self.expected("\":\""));
            }
            self.advance()?;
            self.value()?;
            match self.token {
                Token::Punctuation(b',') => self.advance()?,
                Token::Punctuation(b'}') => break,
                _ => return Err(self.expected("\",\" or \"}\"")),
            }
            wanted = "string";
        }
        self.sink.end_object(object);
        Ok(())
    }
}
