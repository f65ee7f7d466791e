//! What a text may cost, decided before anything recursive sees it (rule R7).
//!
//! sqlparser, DataFusion's planner, its optimizer and the drop of their trees recurse once per
//! level of nesting and once per operator of a chain, and a Rust stack overflow ends the process.
//! So the tokens are walked once, with an explicit stack, and an upper bound of the tree that they
//! can become is kept: [`limits::SQL_DEPTH_MAX`] levels of brackets, CASE and subqueries, and
//! [`limits::SQL_CHAIN_MAX`] for the height of the tree.

use std::ops::Range;

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result, SqlState, limits};

use super::lex::{Lexed, Lexeme, lex};
use super::split;

/// Longest dotted name: `database.schema.table.column`, and fields of a composite below it.
const NAME_PARTS_MAX: usize = 8;
/// Most operators in a row, as in `- - - a`: the planner's time grows with the cube of them.
const SIGNS_MAX: usize = 64;

/// Refuses a text that is too long, too deep or too large to be parsed and planned safely.
///
/// # Errors
/// 54000 for size (bytes, tokens, list items), 54001 for nesting and operator chains, 22021 for a
/// NUL, 42601 where the text has no tokens (an open string).
pub fn check_text(sql: &str) -> Result<()> {
    check(&lex(sql)?)
}

/// [`check_text`] of a text that has its tokens already.
pub(super) fn check(lexed: &Lexed<'_>) -> Result<()> {
    for range in split::statements(&lexed.lexemes) {
        if range.len() > limits::SQL_TOKENS_MAX {
            return Err(Error::new(
                SqlState::ProgramLimitExceeded,
                format!("statement has more than {} tokens", limits::SQL_TOKENS_MAX),
            )
            .with_hint("Split the statement, or load rows by COPY.")
            .with_position(lexed.position(range.start + limits::SQL_TOKENS_MAX)));
        }
        Walk::new(lexed, range).run()?;
    }
    Ok(())
}

/// What opened a level.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opener {
    Statement,
    Paren,
    Bracket,
    Case,
}

/// Which commas of a level make the plan deeper.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clause {
    /// Between common table expressions, of which each may read the one before it.
    With,
    /// Between relations, which are joined.
    From,
    Other,
}

/// One level of nesting.
struct Level {
    opener: Opener,
    clause: Clause,
    /// Operators of the expression at hand.
    n_operators: usize,
    /// Height of the highest child of the expression at hand.
    child: usize,
    /// Greatest height of the expressions before it.
    best: usize,
    /// Joins, set operations and common table expressions.
    n_relations: usize,
    /// Items of the list at hand.
    n_items: usize,
}

impl Level {
    fn new(opener: Opener) -> Self {
        Self {
            opener,
            clause: Clause::Other,
            n_operators: 0,
            child: 0,
            best: 0,
            n_relations: 0,
            n_items: 1,
        }
    }

    /// Whatever the precedences, an operand is below at most all operators of its expression, and
    /// every expression is below at most all relations of its level.
    fn height(&self) -> usize {
        self.best.max(self.n_operators + self.child) + self.n_relations
    }

    fn end_expression(&mut self) {
        self.best = self.best.max(self.n_operators + self.child);
        self.n_operators = 0;
        self.child = 0;
    }
}

/// The walk over one statement.
struct Walk<'a> {
    lexed: &'a Lexed<'a>,
    range: Range<usize>,
    levels: Vec<Level>,
    /// Parts of the dotted name that ends at the token before.
    n_name_parts: usize,
    /// Operators in a row, up to the last one seen.
    n_signs: usize,
    /// Where that is.
    last_operator: Option<usize>,
}

impl<'a> Walk<'a> {
    fn new(lexed: &'a Lexed<'a>, range: Range<usize>) -> Self {
        Self {
            lexed,
            range,
            levels: vec![Level::new(Opener::Statement)],
            n_name_parts: 0,
            n_signs: 0,
            last_operator: None,
        }
    }

    fn run(mut self) -> Result<()> {
        for idx in self.range.clone() {
            self.count_name_parts(idx)?;
            match &self.lexed.lexemes[idx].token {
                Token::LParen => self.open(Opener::Paren, idx)?,
                Token::LBracket => {
                    // A chain of subscripts nests although its brackets do not.
                    self.top().n_operators += 1;
                    self.check_height(idx)?;
                    self.open(Opener::Bracket, idx)?;
                }
                Token::RParen => self.close(Opener::Paren, idx)?,
                Token::RBracket => self.close(Opener::Bracket, idx)?,
                Token::Comma => self.comma(idx)?,
                Token::Word(_) => self.word(idx)?,
                // A field of something that is not a name.
                Token::Period if !self.is_word(self.before(idx, 1)) => self.operator(idx)?,
                Token::Period
                | Token::SemiColon
                | Token::Colon
                | Token::Number(..)
                | Token::SingleQuotedString(_)
                | Token::Placeholder(_) => {}
                _ => self.operator(idx)?,
            }
        }
        Ok(())
    }

    fn top(&mut self) -> &mut Level {
        self.levels.last_mut().expect("the statement's level is never closed")
    }

    fn open(&mut self, opener: Opener, idx: usize) -> Result<()> {
        if self.levels.len() > limits::SQL_DEPTH_MAX {
            return Err(self
                .too_complex(
                    format!("statement is nested more than {} levels deep", limits::SQL_DEPTH_MAX),
                    idx,
                )
                .with_hint("Move inner parts into common table expressions or views."));
        }
        self.levels.push(Level::new(opener));
        Ok(())
    }

    /// Closes up to the innermost level of that opener; a closing bracket that nothing opened is
    /// left to the parser.
    fn close(&mut self, opener: Opener, idx: usize) -> Result<()> {
        if !self.levels.iter().any(|level| level.opener == opener) {
            return Ok(());
        }
        loop {
            let level = self.levels.pop().expect("a level of that opener is on the stack");
            let parent = self.top();
            parent.child = parent.child.max(level.height() + 1);
            self.check_height(idx)?;
            if level.opener == opener {
                return Ok(());
            }
        }
    }

    fn operator(&mut self, idx: usize) -> Result<()> {
        let in_a_row = self.last_operator.is_some_and(|last| last + 1 == idx);
        self.n_signs = if in_a_row { self.n_signs + 1 } else { 1 };
        self.last_operator = Some(idx);
        if self.n_signs > SIGNS_MAX {
            return Err(self
                .too_complex(format!("more than {SIGNS_MAX} operators in a row"), idx)
                .with_hint("Two of them cancel each other out."));
        }
        self.top().n_operators += 1;
        self.check_height(idx)
    }

    fn relation(&mut self, idx: usize) -> Result<()> {
        self.top().n_relations += 1;
        self.check_height(idx)
    }

    fn check_height(&mut self, idx: usize) -> Result<()> {
        if self.top().height() > limits::SQL_CHAIN_MAX {
            return Err(self
                .too_complex(
                    format!(
                        "statement has a chain of more than {} operators, joins or set operations",
                        limits::SQL_CHAIN_MAX
                    ),
                    idx,
                )
                .with_hint(
                    "Write a long OR as IN (..) or = ANY (ARRAY[..]), or join a VALUES list.",
                ));
        }
        Ok(())
    }

    fn comma(&mut self, idx: usize) -> Result<()> {
        self.top().end_expression();
        if self.top().clause != Clause::Other {
            self.relation(idx)?;
        }
        if self.is_between_rows(idx) {
            return Ok(());
        }
        self.top().n_items += 1;
        if self.top().n_items > limits::SQL_LIST_MAX {
            return Err(Error::new(
                SqlState::ProgramLimitExceeded,
                format!("list has more than {} items", limits::SQL_LIST_MAX),
            )
            .with_hint("Pass an array as a parameter, join a table, or load rows by COPY.")
            .with_position(self.lexed.position(idx)));
        }
        Ok(())
    }

    /// `), (`: rows of VALUES are bounded by the number of tokens alone.
    fn is_between_rows(&self, idx: usize) -> bool {
        let token_at = |idx: usize| self.lexed.lexemes.get(idx).map(|lexeme| &lexeme.token);
        idx > self.range.start
            && token_at(idx - 1) == Some(&Token::RParen)
            && token_at(idx + 1) == Some(&Token::LParen)
    }

    /// A word that may be a key word. Reserved words end an expression: the parser takes none of
    /// them for an operand (the grammar sees to it), so that no chain can hide behind them.
    fn word(&mut self, idx: usize) -> Result<()> {
        let Some(word) = self.keyword(idx) else { return Ok(()) };
        match word {
            "case" => {
                self.open(Opener::Case, idx)?;
            }
            "end" if self.top().opener == Opener::Case => self.close(Opener::Case, idx)?,
            "and" | "or" | "not" | "is" | "in" | "between" | "like" | "ilike" | "similar"
            | "isnull" | "notnull" | "at" | "collate" | "overlaps" | "operator" | "xor" | "div"
            | "rlike" | "regexp" | "match" | "member" => self.operator(idx)?,
            "when" | "then" | "else" | "having" | "on" => self.top().end_expression(),
            "where" | "group" | "order" | "limit" | "offset" | "fetch" | "window" | "for"
            | "returning" | "into" => {
                self.top().end_expression();
                self.top().clause = Clause::Other;
            }
            "select" => {
                self.top().end_expression();
                self.top().clause = Clause::Other;
                self.top().n_items = 1;
            }
            "from" if !self.is_distinct_from(idx) => {
                self.top().end_expression();
                self.top().clause = Clause::From;
            }
            // `DELETE .. USING a, b` joins; `JOIN .. USING (a, b)` does not.
            "using" => {
                self.top().end_expression();
                if self.after_word(idx).is_some() {
                    self.top().clause = Clause::From;
                    self.relation(idx)?;
                }
            }
            "with" if !matches!(self.after_word(idx), None | Some("time" | "ordinality")) => {
                self.top().clause = Clause::With;
                self.relation(idx)?;
            }
            "join" => {
                self.top().end_expression();
                self.relation(idx)?;
            }
            "union" | "except" | "intersect" | "minus" => {
                self.top().end_expression();
                self.top().clause = Clause::Other;
                self.relation(idx)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The word there, unless it can only be a name: after a dot, as a type after `::`, or the
    /// labels `AS case` and `AS end`.
    fn keyword(&self, idx: usize) -> Option<&'a str> {
        let word = self.lexed.lexemes[idx].word()?;
        let before = self.before(idx, 1);
        let is_name = match before.map(|lexeme| &lexeme.token) {
            Some(Token::Period | Token::DoubleColon) => true,
            _ => {
                matches!(word, "case" | "end")
                    && before.and_then(Lexeme::word).is_some_and(|word| word == "as")
            }
        };
        (!is_name).then_some(word)
    }

    /// The lexeme that many back in the statement.
    fn before(&self, idx: usize, back: usize) -> Option<&'a Lexeme> {
        let at = idx.checked_sub(back).filter(|at| *at >= self.range.start)?;
        Some(&self.lexed.lexemes[at])
    }

    /// The word that follows in the statement; a quoted name counts as one.
    fn after_word(&self, idx: usize) -> Option<&'a str> {
        let lexeme = self.lexed.lexemes[..self.range.end].get(idx + 1)?;
        match &lexeme.token {
            Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
            Token::Word(_) => Some(""),
            _ => None,
        }
    }

    fn is_word(&self, lexeme: Option<&Lexeme>) -> bool {
        lexeme.is_some_and(|lexeme| matches!(lexeme.token, Token::Word(_)))
    }

    /// `IS [NOT] DISTINCT FROM`, whose FROM begins no clause.
    fn is_distinct_from(&self, idx: usize) -> bool {
        let word = |back: usize| self.before(idx, back).and_then(Lexeme::word);
        word(1) == Some("distinct") && matches!(word(2), Some("is" | "not"))
    }

    /// The parser recurses along a dotted name.
    fn count_name_parts(&mut self, idx: usize) -> Result<()> {
        let follows_dot = self.before(idx, 1).is_some_and(|lexeme| lexeme.token == Token::Period);
        match &self.lexed.lexemes[idx].token {
            Token::Word(_) if follows_dot => self.n_name_parts += 1,
            Token::Word(_) => self.n_name_parts = 1,
            Token::Period => {}
            _ => self.n_name_parts = 0,
        }
        if self.n_name_parts > NAME_PARTS_MAX {
            return Err(Error::syntax("improper qualified name (too many dotted names)")
                .with_position(self.lexed.position(idx)));
        }
        Ok(())
    }

    fn too_complex(&self, message: String, idx: usize) -> Error {
        Error::new(SqlState::StatementTooComplex, message).with_position(self.lexed.position(idx))
    }
}

#[cfg(test)]
mod tests;
