//! Statements, from tokens.
//!
//! Each statement has a file; [`Cursor`] holds the tokens. As in PostgreSQL, the whole text must
//! parse before any of it runs.

mod alter;
mod column;
mod copy;
mod create;
mod cursor;
mod dml;
mod explain;
mod grammar;
mod kind;
mod maintain;
mod names;
mod options;
mod query;
mod session;
mod setting;
mod subscribe;
mod table;
mod transaction;
mod types;
mod words;

use std::ops::Range;

use datafusion::sql::sqlparser::ast as sql;
use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result};

use self::cursor::Cursor;
use self::grammar::Grammar;
use super::ast::{Parsed, Statement};
use super::lex::{Lexed, lex};
use super::{guard, split};

pub use self::types::sql_type;

/// PostgreSQL's statements that Weir does not have, and what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("call", ""),
    ("cluster", ""),
    ("do", ""),
    ("grant", ""),
    ("import", ""),
    ("load", ""),
    ("lock", "Of two transactions that write one row, the second to commit gets SQLSTATE 40001."),
    ("merge", "Use INSERT .. ON CONFLICT DO UPDATE."),
    ("reassign", ""),
    ("refresh", "Materialized views are always maintained; FLUSH waits until they are up to date."),
    ("reindex", ""),
    ("revoke", ""),
    ("security", ""),
];

/// The statements of a text, each with its own text and where that begins.
///
/// A text without statements gives one [`Statement::Empty`]; empty statements between others are
/// left out. Locations in the syntax trees are on line 1, with the character within the statement's
/// text as column, from 1.
///
/// # Errors
/// Those of [`super::check_text`]; 42601 in PostgreSQL's words, with the position; 0A000 for what
/// PostgreSQL can say and Weir cannot do.
pub fn parse_sql(sql: &str) -> Result<Vec<Parsed>> {
    let lexed = guarded(sql)?;
    let ranges = split::statements(&lexed.lexemes);
    if ranges.is_empty() {
        let empty = Parsed { statement: Statement::Empty, text: String::new(), offset: 0 };
        return Ok(vec![empty]);
    }
    ranges.into_iter().map(|range| parse_range(&lexed, range)).collect()
}

/// One query, as stored with a view. Guarded as [`parse_sql`] is.
///
/// # Errors
/// As [`parse_sql`].
pub fn parse_query(sql: &str) -> Result<Box<sql::Query>> {
    parse_whole(sql, |cursor| cursor.query())
}

/// One expression, as stored for a default or a check. Guarded as [`parse_sql`] is.
///
/// # Errors
/// As [`parse_sql`].
pub fn parse_expr(sql: &str) -> Result<sql::Expr> {
    parse_whole(sql, |cursor| cursor.expr())
}

/// Lets all of a text be one thing.
fn parse_whole<T>(sql: &str, parse: impl FnOnce(&mut Cursor<'_>) -> Result<T>) -> Result<T> {
    let lexed = guarded(sql)?;
    let range = 0..lexed.lexemes.len();
    if range.is_empty() {
        return Err(lexed.syntax_error_at(0));
    }
    let grammar = Grammar::new(range.len());
    let mut cursor = Cursor::new(&lexed, range, &grammar);
    let found = parse(&mut cursor)?;
    cursor.expect_end()?;
    Ok(found)
}

/// The tokens of a text that is safe to parse.
fn guarded(sql: &str) -> Result<Lexed<'_>> {
    let mut lexed = lex(sql)?;
    guard::check(&lexed)?;
    table::spell_out(&mut lexed);
    Ok(lexed)
}

/// The statement of those lexemes, which are not none.
fn parse_range(lexed: &Lexed<'_>, range: Range<usize>) -> Result<Parsed> {
    let grammar = Grammar::new(range.len());
    let mut cursor = Cursor::new(lexed, range.clone(), &grammar);
    let statement = statement(&mut cursor)?;
    cursor.expect_end()?;
    Ok(Parsed {
        statement,
        text: lexed.slice(range.start, range.end).to_owned(),
        offset: lexed.lexemes[range.start].start_char,
    })
}

fn statement(c: &mut Cursor<'_>) -> Result<Statement> {
    if *c.peek() == Token::LParen {
        return Ok(Statement::Query(c.query()?));
    }
    let Some(word) = c.peek_word() else { return Err(c.syntax_error()) };
    match word {
        "select" | "values" => Ok(Statement::Query(c.query()?)),
        "with" => dml::with(c),
        "insert" => dml::insert(c, None),
        "update" => dml::update(c),
        "delete" => dml::delete(c),
        "truncate" => dml::truncate(c),
        "copy" => copy::copy(c),
        "create" => create::create(c),
        "alter" => alter::alter(c),
        "drop" => alter::drop(c),
        "comment" => alter::comment(c),
        "explain" => explain::explain(c),
        "analyze" | "analyse" => maintain::analyze(c),
        "vacuum" => maintain::vacuum(c),
        "show" => setting::show(c),
        "describe" | "desc" => setting::describe(c),
        "set" => setting::set(c),
        "reset" => setting::reset(c),
        "discard" => setting::discard(c),
        "begin" | "start" => transaction::begin(c),
        "commit" | "end" => transaction::commit(c),
        "rollback" | "abort" => transaction::rollback(c),
        "savepoint" => transaction::savepoint(c),
        "release" => transaction::release(c),
        "prepare" => session::prepare(c),
        "execute" => session::execute(c),
        "deallocate" => session::deallocate(c),
        "declare" => session::declare(c),
        "fetch" | "move" => session::fetch(c),
        "close" => session::close(c),
        "listen" | "unlisten" | "notify" => session::notify(c),
        "subscribe" => Ok(Statement::Subscribe(Box::new(subscribe::subscribe(c)?))),
        "flush" => bare(c, Statement::Flush),
        "checkpoint" => bare(c, Statement::Checkpoint),
        _ => Err(unknown(c)),
    }
}

/// A statement of one word.
fn bare(c: &mut Cursor<'_>, statement: Statement) -> Result<Statement> {
    c.advance();
    Ok(statement)
}

/// The error of a first word that begins no statement of Weir's.
fn unknown(c: &Cursor<'_>) -> Error {
    let word = c.peek_word().unwrap_or_default();
    match UNSUPPORTED.iter().find(|(unsupported, _)| *unsupported == word) {
        Some((_, hint)) => {
            let error = c.unsupported(format!("{} is not supported", word.to_uppercase()));
            if hint.is_empty() { error } else { error.with_hint(*hint) }
        }
        None => c.syntax_error(),
    }
}

#[cfg(test)]
mod tests;
