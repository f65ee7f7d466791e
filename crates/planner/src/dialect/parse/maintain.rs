//! `ANALYZE` and `VACUUM`, which tools send: Weir does by itself what they ask for.

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::{Error, Result, SqlState};

use super::cursor::Cursor;
use super::subscribe::boolean;
use crate::dialect::ast::{Maintain, Maintenance, Statement};

/// The options of ANALYZE.
const ANALYZE: &[&str] = &["verbose", "skip_locked"];
/// Those of VACUUM, where each can be on or off.
const VACUUM: &[&str] = &[
    "full",
    "freeze",
    "verbose",
    "analyze",
    "analyse",
    "disable_page_skipping",
    "skip_locked",
    "process_toast",
    "truncate",
];
/// Those with another value.
const VACUUM_VALUES: &[&str] = &["index_cleanup", "parallel"];

/// `ANALYZE [(options)] [VERBOSE] [table [(columns)], ..]`
pub(super) fn analyze(c: &mut Cursor<'_>) -> Result<Statement> {
    c.advance();
    if *c.peek() == Token::LParen {
        options(c, "ANALYZE", ANALYZE, &[])?;
    } else {
        c.accept("verbose");
    }
    let relations = relations(c)?;
    Ok(Statement::Maintain(Maintain { what: Maintenance::Analyze, relations }))
}

/// `VACUUM [(options)] [FULL] [FREEZE] [VERBOSE] [ANALYZE] [table [(columns)], ..]`
pub(super) fn vacuum(c: &mut Cursor<'_>) -> Result<Statement> {
    c.advance();
    let analyzes = if *c.peek() == Token::LParen {
        options(c, "VACUUM", VACUUM, VACUUM_VALUES)?
    } else {
        c.accept("full");
        c.accept("freeze");
        c.accept("verbose");
        c.accept_one(&["analyze", "analyse"]).is_some()
    };
    let relations = relations(c)?;
    if !analyzes && relations.iter().any(|(_, columns)| !columns.is_empty()) {
        return Err(Error::unsupported(
            "ANALYZE option must be specified when a column list is provided",
        ));
    }
    Ok(Statement::Maintain(Maintain { what: Maintenance::Vacuum, relations }))
}

/// Takes the options, which change nothing here; true where one of them is ANALYZE.
fn options(c: &mut Cursor<'_>, verb: &str, flags: &[&str], others: &[&str]) -> Result<bool> {
    let mut analyzes = false;
    c.parenthesized(|c| {
        let start = c.index();
        let name = c.label()?;
        let has_value = !matches!(c.peek(), Token::Comma | Token::RParen);
        let value = if has_value { c.option_value()? } else { "true".to_owned() };
        let refused = if others.contains(&name.as_str()) {
            None
        } else if !flags.contains(&name.as_str()) {
            Some(format!("unrecognized {verb} option \"{name}\""))
        } else {
            match boolean(&value) {
                Some(is_on) => {
                    analyzes |= is_on && matches!(name.as_str(), "analyze" | "analyse");
                    None
                }
                None => Some(format!("{name} requires a Boolean value")),
            }
        };
        match refused {
            None => Ok(()),
            Some(message) => {
                Err(Error::new(SqlState::SyntaxError, message).with_position(c.position(start)))
            }
        }
    })?;
    Ok(analyzes)
}

fn relations(c: &mut Cursor<'_>) -> Result<Vec<(weir_catalog::ObjectName, Vec<String>)>> {
    if c.is_at_end() {
        return Ok(Vec::new());
    }
    c.list(|c| {
        let name = c.object_name()?;
        let has_columns = *c.peek() == Token::LParen;
        let columns = if has_columns { c.parenthesized(Cursor::name)? } else { Vec::new() };
        Ok((name, columns))
    })
}
