//! `COPY`.

mod options;

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result};

use super::cursor::Cursor;
use super::subscribe::subscribe;
use crate::dialect::ast::{Copy, CopyTarget, Statement};

/// `COPY target FROM STDIN | TO STDOUT [[WITH] options]`.
pub(super) fn copy(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("copy")?;
    // The form before PostgreSQL 7.3, which some tools still write.
    let is_binary = c.peek_word() == Some("binary") && matches!(c.peek_nth(1), Token::Word(_));
    if is_binary {
        c.advance();
    }
    let target = target(c)?;
    let start = c.index();
    let from = match c.accept_one(&["from", "to"]) {
        Some(direction) => direction == "from",
        None => return Err(c.syntax_error()),
    };
    if from && !matches!(target, CopyTarget::Relation { .. }) {
        return Err(c.syntax_error_at(start));
    }
    channel(c, from)?;
    let options = options::options(c, from, is_binary)?;
    if c.peek_word() == Some("where") {
        return Err(c
            .unsupported("COPY .. FROM .. WHERE is not supported")
            .with_hint("Copy into a table of its own and INSERT from there."));
    }
    Ok(Statement::Copy(Box::new(Copy { target, from, options })))
}

fn target(c: &mut Cursor<'_>) -> Result<CopyTarget> {
    if !c.accept_token(&Token::LParen) {
        let name = c.object_name()?;
        let columns = if *c.peek() == Token::LParen { c.column_names()? } else { Vec::new() };
        return Ok(CopyTarget::Relation { name, columns });
    }
    let target = match c.peek_word() {
        Some("subscribe") => CopyTarget::Subscribe(Box::new(subscribe(c)?)),
        Some("insert" | "update" | "delete" | "merge") => {
            return Err(c
                .unsupported("COPY of a data-modifying statement is not supported")
                .with_hint("Run the statement with RETURNING instead."));
        }
        _ => CopyTarget::Query(c.query()?),
    };
    c.expect_token(&Token::RParen)?;
    Ok(target)
}

/// STDIN or STDOUT, which PostgreSQL takes for each other.
fn channel(c: &mut Cursor<'_>, from: bool) -> Result<()> {
    if c.accept_one(&["stdin", "stdout"]).is_some() {
        return Ok(());
    }
    let is_program = c.peek_word() == Some("program");
    let is_file = matches!(c.peek(), Token::SingleQuotedString(_));
    if !is_program && !is_file {
        return Err(c.syntax_error());
    }
    let (direction, standard) = if from { ("from", "FROM STDIN") } else { ("to", "TO STDOUT") };
    let what = if is_program { "a program" } else { "a file" };
    Err(file_error(c, &format!("COPY {direction} {what} on the server is not supported"), standard))
}

fn file_error(c: &Cursor<'_>, message: &str, standard: &str) -> Error {
    c.unsupported(message).with_hint(format!(
        "Use psql's \\copy, which reads and writes on the client, or COPY .. {standard}."
    ))
}
