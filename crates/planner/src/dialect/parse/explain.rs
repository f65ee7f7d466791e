//! `EXPLAIN`.

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result, SqlState};

use super::cursor::Cursor;
use super::subscribe::{boolean, subscribe};
use super::{create, dml, session};
use crate::dialect::ast::Statement;

/// `EXPLAIN [ANALYZE] [VERBOSE] [(options)] statement`, `EXPLAIN ANALYZE MATERIALIZED VIEW name`
pub(super) fn explain(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("explain")?;
    let mut analyze = false;
    let mut verbose = false;
    // A parenthesis may also begin the query.
    let has_options = *c.peek() == Token::LParen
        && !matches!(c.peek_nth_word(1), Some("select" | "with" | "values") | None);
    if has_options {
        c.advance();
        loop {
            option(c, &mut analyze, &mut verbose)?;
            if !c.accept_token(&Token::Comma) {
                break;
            }
        }
        c.expect_token(&Token::RParen)?;
    } else {
        analyze = c.accept_one(&["analyze", "analyse"]).is_some();
        verbose = c.accept("verbose");
    }
    if analyze && c.at_words(&["materialized", "view"]) {
        c.expect("materialized")?;
        c.expect("view")?;
        return c.object_name().map(Statement::ExplainView);
    }
    let statement = Box::new(explained(c)?);
    Ok(Statement::Explain { analyze, verbose, statement })
}

fn option(c: &mut Cursor<'_>, analyze: &mut bool, verbose: &mut bool) -> Result<()> {
    let start = c.index();
    let name = c.label()?;
    let value = if matches!(c.peek(), Token::Comma | Token::RParen) {
        "true".to_owned()
    } else {
        c.option_value()?
    };
    let flag = || {
        boolean(&value).ok_or_else(|| {
            Error::syntax(format!("{name} requires a Boolean value"))
                .with_position(c.position(start))
        })
    };
    match name.as_str() {
        "analyze" | "analyse" => *analyze = flag()?,
        "verbose" => *verbose = flag()?,
        "costs" | "settings" | "generic_plan" | "buffers" | "wal" | "timing" | "summary"
        | "memory" => {
            flag()?;
        }
        "format" if value == "text" => {}
        "format" => {
            return Err(c
                .unsupported_at(start, format!("EXPLAIN in format \"{value}\" is not supported"))
                .with_hint("Use FORMAT text."));
        }
        _ => {
            return Err(Error::new(
                SqlState::SyntaxError,
                format!("unrecognized EXPLAIN option \"{name}\""),
            )
            .with_position(c.position(start)));
        }
    }
    Ok(())
}

fn explained(c: &mut Cursor<'_>) -> Result<Statement> {
    match c.peek_word() {
        Some("select" | "values") => Ok(Statement::Query(c.query()?)),
        None if *c.peek() == Token::LParen => Ok(Statement::Query(c.query()?)),
        Some("with") => dml::with(c),
        Some("insert") => dml::insert(c, None),
        Some("update") => dml::update(c),
        Some("delete") => dml::delete(c),
        Some("create") if c.at_words(&["create", "materialized", "view"]) => create::create(c),
        Some("create") if c.at_words(&["create", "table"]) => {
            let start = c.index();
            match create::create(c)? {
                Statement::CreateTable(table) if table.query.is_none() => {
                    Err(unsupported(c, start))
                }
                statement => Ok(statement),
            }
        }
        Some("declare") => session::declare(c),
        Some("subscribe") => Ok(Statement::Subscribe(Box::new(subscribe(c)?))),
        Some("create" | "execute" | "copy" | "refresh" | "merge") => Err(unsupported(c, c.index())),
        _ => Err(c.syntax_error()),
    }
}

fn unsupported(c: &Cursor<'_>, at: usize) -> Error {
    c.unsupported_at(at, "EXPLAIN of this statement is not supported").with_hint(
        "Explain a query, INSERT, UPDATE, DELETE, DECLARE, SUBSCRIBE, CREATE TABLE AS, or \
         CREATE MATERIALIZED VIEW.",
    )
}
