//! Prepared statements, cursors, notifications.

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result, SqlState};

use super::cursor::Cursor;
use super::parse_range;
use crate::dialect::ast::{Parsed, Statement};

/// `PREPARE name [(types)] AS statement`
pub(super) fn prepare(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("prepare")?;
    if c.peek_word() == Some("transaction") && matches!(c.peek_nth(1), Token::SingleQuotedString(_))
    {
        return Err(c.unsupported("PREPARE TRANSACTION is not supported"));
    }
    let name = c.name()?;
    let types =
        if *c.peek() == Token::LParen { c.parenthesized(Cursor::type_name)? } else { Vec::new() };
    c.expect("as")?;
    let statement = inner(c, &["select", "values", "with", "insert", "update", "delete"])?;
    Ok(Statement::Prepare { name, types, statement })
}

/// The rest as a statement of its own, which begins with one of those words or a parenthesis.
fn inner(c: &mut Cursor<'_>, words: &[&str]) -> Result<Box<Parsed>> {
    let is_allowed =
        *c.peek() == Token::LParen || c.peek_word().is_some_and(|first| words.contains(&first));
    if !is_allowed {
        return Err(c.syntax_error());
    }
    let parsed = parse_range(c.lexed(), c.index()..c.end())?;
    c.skip_to_end();
    Ok(Box::new(parsed))
}

/// `EXECUTE name [(arguments)]`
pub(super) fn execute(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("execute")?;
    let name = c.name()?;
    let arguments =
        if *c.peek() == Token::LParen { c.parenthesized(Cursor::expr)? } else { Vec::new() };
    Ok(Statement::Execute { name, arguments })
}

/// `DEALLOCATE [PREPARE] name | ALL`
pub(super) fn deallocate(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("deallocate")?;
    c.accept("prepare");
    name_or_all(c).map(Statement::Deallocate)
}

/// `CLOSE name | ALL`
pub(super) fn close(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("close")?;
    name_or_all(c).map(Statement::Close)
}

fn name_or_all(c: &mut Cursor<'_>) -> Result<Option<String>> {
    if c.accept("all") { Ok(None) } else { c.name().map(Some) }
}

/// `DECLARE name .. CURSOR [WITH HOLD] FOR statement`
pub(super) fn declare(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("declare")?;
    let name = c.name()?;
    loop {
        if c.peek_word() == Some("binary") {
            return Err(c
                .unsupported("binary cursors are not supported")
                .with_hint("Ask for binary results in the protocol's Bind message."));
        }
        if c.peek_word() == Some("scroll") {
            return Err(c
                .unsupported("SCROLL cursors are not supported")
                .with_hint("A cursor moves forward; run the query again to begin anew."));
        }
        let is_option = c.accept_words(&["no", "scroll"])
            || c.accept_one(&["insensitive", "asensitive"]).is_some();
        if !is_option {
            break;
        }
    }
    c.expect("cursor")?;
    let hold = match c.accept_one(&["with", "without"]) {
        None => false,
        Some(word) => {
            c.expect("hold")?;
            word == "with"
        }
    };
    c.expect("for")?;
    let statement = inner(c, &["select", "values", "with", "subscribe"])?;
    Ok(Statement::Declare { name, hold, statement })
}

/// `FETCH [direction] [FROM | IN] name`, `MOVE ..`
pub(super) fn fetch(c: &mut Cursor<'_>) -> Result<Statement> {
    let is_move = c.peek_word() == Some("move");
    c.advance();
    let count = if is_name_last(c, 0) { Some(1) } else { direction(c)? };
    c.accept_one(&["from", "in"]);
    Ok(Statement::Fetch { name: c.name()?, count, is_move })
}

/// True where the cursor's name is all that is left, with `FROM` or `IN` before it or not.
fn is_name_last(c: &Cursor<'_>, ahead: usize) -> bool {
    let has_from = matches!(c.peek_nth_word(ahead), Some("from" | "in"));
    let name = ahead + usize::from(has_from);
    matches!(c.peek_nth(name), Token::Word(_)) && *c.peek_nth(name + 1) == Token::EOF
}

/// How many rows forward; `None` is ALL.
fn direction(c: &mut Cursor<'_>) -> Result<Option<u64>> {
    let start = c.index();
    let backward = |c: &Cursor<'_>| {
        Error::new(SqlState::ObjectNotInPrerequisiteState, "cursor can only scan forward")
            .with_hint("Use FETCH NEXT, FETCH n or FETCH ALL.")
            .with_position(c.position(start))
    };
    if c.accept("next") {
        return Ok(Some(1));
    }
    let is_forward = c.accept("forward");
    if is_forward && is_name_last(c, 0) {
        return Ok(Some(1));
    }
    if c.accept("all") {
        return Ok(None);
    }
    if matches!(c.peek(), Token::Number(..) | Token::Plus | Token::Minus) {
        let number = c.signed_number()?;
        return match number.parse::<i64>() {
            Ok(count @ 1..) => Ok(Some(count.unsigned_abs())),
            Ok(_) => Err(backward(c)),
            Err(_) => Err(c.syntax_error_at(start)),
        };
    }
    match c.peek_word() {
        Some("prior" | "first" | "last" | "absolute" | "relative" | "backward") => Err(backward(c)),
        _ => Err(c.syntax_error()),
    }
}

/// `LISTEN channel`, `UNLISTEN channel | *`, `NOTIFY channel [, 'payload']`
pub(super) fn notify(c: &mut Cursor<'_>) -> Result<Statement> {
    let verb = c.peek_word().unwrap_or_default().to_uppercase();
    c.advance();
    if verb != "UNLISTEN" || !c.accept_token(&Token::Mul) {
        c.name()?;
    }
    if verb == "NOTIFY" && c.accept_token(&Token::Comma) {
        c.string()?;
    }
    Ok(Statement::Notify(verb))
}
