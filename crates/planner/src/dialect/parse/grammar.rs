//! sqlparser's PostgreSQL dialect, corrected where PostgreSQL differs, with a bound on its work.
//!
//! sqlparser tries one reading and then another in some places (nested brackets in FROM, a key word
//! that may be a function), which takes exponential time on some texts. It calls the dialect for
//! each expression, operator, select item and SELECT: here those calls are counted, and past the
//! budget of the statement each of them fails, so that the parser unwinds at once. The same calls
//! say how far it came, which is where a syntax error is, whatever reading it failed with last.

mod forms;

use std::any::TypeId;
use std::cell::Cell;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArguments, ObjectName, TypedString, UnaryOperator,
};
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::{types, words};

/// Calls allowed for each token, and for the statement; sensible texts take about two a token.
const STEPS_PER_TOKEN: usize = 20;
const STEPS_MIN: usize = 50_000;

/// `+x` and `-x` bind closer than everything but casts, subscripts and dots.
const SIGN_PRECEDENCE: u8 = 125;
/// Operators that PostgreSQL's grammar does not know by name.
const OTHER_OPERATOR_PRECEDENCE: u8 = 70;
/// `IS`, `ISNULL`.
const IS_PRECEDENCE: u8 = 40;

/// The dialect of one statement.
#[derive(Debug)]
pub(super) struct Grammar {
    inner: PostgreSqlDialect,
    steps_left: Cell<usize>,
    furthest: Cell<usize>,
}

impl Grammar {
    /// For a statement of that many tokens.
    pub(super) fn new(n_tokens: usize) -> Self {
        Self {
            inner: PostgreSqlDialect {},
            steps_left: Cell::new(STEPS_MIN + STEPS_PER_TOKEN * n_tokens),
            furthest: Cell::new(0),
        }
    }

    /// Index of the last token at which the parser expected an operand or an operator.
    pub(super) fn furthest(&self) -> usize {
        self.furthest.get()
    }

    fn step(&self, parser: &Parser<'_>) -> Result<(), ParserError> {
        self.furthest.set(self.furthest.get().max(parser.index()));
        self.count()
    }

    fn count(&self) -> Result<(), ParserError> {
        self.count_all(1)
    }

    /// Takes as many calls off what is left.
    fn count_all(&self, n_calls: usize) -> Result<(), ParserError> {
        match self.steps_left.get().checked_sub(n_calls) {
            Some(left) => {
                self.steps_left.set(left);
                Ok(())
            }
            None => Err(ParserError::RecursionLimitExceeded),
        }
    }

    /// An operand; `None` leaves it to sqlparser.
    fn operand(&self, parser: &mut Parser<'_>) -> Result<Option<Expr>, ParserError> {
        self.step(parser)?;
        let [first, second] = parser.peek_tokens_ref::<2>();
        if let Some((op, precedence)) = prefix_operator(&first.token) {
            return prefixed(parser, op, precedence).map(Some);
        }
        match &first.token {
            Token::Word(word) if word.quote_style.is_none() => {
                let is_call = second.token == Token::LParen;
                let is_default = word.value == "default" && is_row_item(parser);
                if words::is_reserved_in_expression(&word.value, is_call) && !is_default {
                    return parser.expected_ref("an expression", first);
                }
                word_operand(parser)
            }
            _ => Ok(None),
        }
    }
}

/// A symbol before its operand, and how close it binds.
fn prefix_operator(token: &Token) -> Option<(UnaryOperator, u8)> {
    Some(match token {
        Token::Minus => (UnaryOperator::Minus, SIGN_PRECEDENCE),
        Token::Plus => (UnaryOperator::Plus, SIGN_PRECEDENCE),
        Token::Tilde => (UnaryOperator::BitwiseNot, OTHER_OPERATOR_PRECEDENCE),
        Token::AtSign => (UnaryOperator::PGAbs, OTHER_OPERATOR_PRECEDENCE),
        Token::PGSquareRoot => (UnaryOperator::PGSquareRoot, OTHER_OPERATOR_PRECEDENCE),
        Token::PGCubeRoot => (UnaryOperator::PGCubeRoot, OTHER_OPERATOR_PRECEDENCE),
        _ => return None,
    })
}

/// A prefix operator and its operand, which is put in parentheses where it may begin with an
/// operator too: sqlparser prints no space between them, and `- -1` must not become a comment.
fn prefixed(
    parser: &mut Parser<'_>,
    op: UnaryOperator,
    precedence: u8,
) -> Result<Expr, ParserError> {
    parser.advance_token();
    let operand = Box::new(parser.parse_subexpr(precedence)?);
    let is_safe = matches!(
        *operand,
        Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::Value(_)
            | Expr::Nested(_)
            | Expr::Function(_)
            | Expr::Cast { .. }
    );
    let expr = if is_safe { operand } else { Box::new(Expr::Nested(operand)) };
    Ok(Expr::UnaryOp { op, expr })
}

/// DEFAULT as a whole item of a row.
fn is_row_item(parser: &Parser<'_>) -> bool {
    let before = parser.index().checked_sub(1).map(|idx| &parser.token_at(idx).token);
    let after = &parser.peek_nth_token_ref(1).token;
    matches!(before, Some(Token::LParen | Token::Comma))
        && matches!(after, Token::Comma | Token::RParen)
}

/// Words that sqlparser reads otherwise than PostgreSQL.
fn word_operand(parser: &mut Parser<'_>) -> Result<Option<Expr>, ParserError> {
    let [first, second] = parser.peek_tokens_ref::<2>();
    let Token::Word(word) = &first.token else { return Ok(None) };
    let is_call = second.token == Token::LParen;
    let is_string = |token: &Token| matches!(token, Token::SingleQuotedString(_));
    match word.value.as_str() {
        // sqlparser loses the precision of `interval(3) '..'`, and reads `interval interval ..`.
        "interval" => {
            if is_string(&second.token) {
                return Ok(None);
            }
            let ident = word.to_ident(first.span);
            parser.advance_token();
            Ok(Some(Expr::Identifier(ident)))
        }
        "current_schema" | "current_role" if !is_call => {
            let name = ObjectName::from(vec![word.to_ident(first.span)]);
            parser.advance_token();
            Ok(Some(Expr::Function(Function {
                name,
                uses_odbc_syntax: false,
                parameters: FunctionArguments::None,
                args: FunctionArguments::None,
                null_treatment: None,
                filter: None,
                over: None,
                within_group: Vec::new(),
            })))
        }
        "trim" if is_call => forms::trim(parser).map(Some),
        // `pg_lsn '0/1'`: sqlparser knows only its own type names before a string.
        name if is_string(&second.token) && types::is_type_name(name) => {
            Ok(Some(Expr::TypedString(TypedString {
                data_type: parser.parse_data_type()?,
                value: parser.parse_value()?,
                uses_odbc_syntax: false,
            })))
        }
        _ => Ok(None),
    }
}

/// The unquoted word that the parser has just taken.
fn current_word<'p>(parser: &'p Parser<'_>) -> Option<&'p str> {
    match &parser.get_current_token().token {
        Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
        _ => None,
    }
}

/// Moves to the end, where every expectation fails.
fn skip_all(parser: &mut Parser<'_>) {
    while parser.peek_token_ref().token != Token::EOF {
        parser.advance_token();
    }
}

impl Dialect for Grammar {
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        self.operand(parser).transpose()
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        expr: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        use Keyword::{DISTINCT, FROM, IS, NOT};
        // sqlparser takes all that follows for the right side, AND and OR included.
        if parser.parse_keywords(&[IS, DISTINCT, FROM]) {
            let right = parser.parse_subexpr(IS_PRECEDENCE);
            return Some(
                right.map(|right| Expr::IsDistinctFrom(Box::new(expr.clone()), Box::new(right))),
            );
        }
        if parser.parse_keywords(&[IS, NOT, DISTINCT, FROM]) {
            let right = parser.parse_subexpr(IS_PRECEDENCE);
            return Some(
                right.map(|right| Expr::IsNotDistinctFrom(Box::new(expr.clone()), Box::new(right))),
            );
        }
        if is_word(&parser.peek_token_ref().token, "isnull") {
            parser.advance_token();
            return Some(Ok(Expr::IsNull(Box::new(expr.clone()))));
        }
        forms::infix(self, parser, expr).transpose()
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        if let Err(error) = self.step(parser) {
            return Some(Err(error));
        }
        match &parser.peek_token_ref().token {
            Token::Tilde
            | Token::TildeAsterisk
            | Token::ExclamationMarkTilde
            | Token::ExclamationMarkTildeAsterisk
            | Token::DoubleTilde
            | Token::DoubleTildeAsterisk
            | Token::ExclamationMarkDoubleTilde
            | Token::ExclamationMarkDoubleTildeAsterisk => Some(Ok(OTHER_OPERATOR_PRECEDENCE)),
            token if is_word(token, "operator") => Some(Ok(OTHER_OPERATOR_PRECEDENCE)),
            token if is_word(token, "isnull") => Some(Ok(IS_PRECEDENCE)),
            _ => self.inner.get_next_precedence(parser),
        }
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        self.inner.prec_value(precedence)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        words::is_reserved(&keyword.to_string().to_ascii_lowercase())
    }

    fn is_select_item_alias(&self, explicit: bool, _: &Keyword, parser: &mut Parser) -> bool {
        if self.step(parser).is_err() {
            skip_all(parser);
            return false;
        }
        explicit || current_word(parser).is_none_or(words::is_bare_label)
    }

    fn is_table_factor_alias(&self, explicit: bool, _: &Keyword, parser: &mut Parser) -> bool {
        current_word(parser).is_none_or(|word| {
            if explicit { !words::is_reserved(word) } else { words::is_bare_alias(word) }
        })
    }

    /// Asked once for each SELECT. Past the budget the select list is parsed in any case, and
    /// fails.
    fn supports_empty_projections(&self) -> bool {
        self.count().is_ok()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.inner.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.inner.is_identifier_part(ch)
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.inner.identifier_quote_style(identifier)
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn allow_extract_single_quotes(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn supports_array_typedef_with_brackets(&self) -> bool {
        true
    }

    fn supports_notnull_operator(&self) -> bool {
        true
    }

    fn supports_interval_options(&self) -> bool {
        true
    }

    fn supports_select_wildcard_with_alias(&self) -> bool {
        true
    }

    fn supports_comma_separated_trim(&self) -> bool {
        true
    }
}

fn is_word(token: &Token, text: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value == text)
}
