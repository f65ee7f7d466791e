//! Transaction statements.

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_types::Result;

use super::cursor::Cursor;
use crate::dialect::ast::{SavepointAction, Statement};

/// Modes of a transaction, as far as they are told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Modes {
    /// `READ ONLY` or `READ WRITE`.
    pub(super) read_only: Option<bool>,
    /// `ISOLATION LEVEL ..`, in lower case.
    pub(super) isolation: Option<&'static str>,
}

/// `BEGIN [WORK | TRANSACTION] modes`, `START TRANSACTION modes`.
pub(super) fn begin(c: &mut Cursor<'_>) -> Result<Statement> {
    let verb = if c.accept("start") {
        c.expect("transaction")?;
        "START TRANSACTION"
    } else {
        c.expect("begin")?;
        c.accept_one(&["work", "transaction"]);
        "BEGIN"
    };
    let modes = modes(c)?;
    Ok(Statement::Begin { read_only: modes.read_only.unwrap_or(false), verb })
}

/// `ISOLATION LEVEL .. | READ ONLY | READ WRITE | [NOT] DEFERRABLE`, with or without commas.
pub(super) fn modes(c: &mut Cursor<'_>) -> Result<Modes> {
    let mut modes = Modes::default();
    loop {
        if c.accept_words(&["isolation", "level"]) {
            modes.isolation = Some(isolation(c)?);
        } else if c.accept("read") {
            modes.read_only = Some(match c.accept_one(&["only", "write"]) {
                Some(word) => word == "only",
                None => return Err(c.syntax_error()),
            });
        } else if !c.accept("deferrable") && !c.accept_words(&["not", "deferrable"]) {
            return Ok(modes);
        }
        if c.accept_token(&Token::Comma) && c.is_at_end() {
            return Err(c.syntax_error());
        }
    }
}

fn isolation(c: &mut Cursor<'_>) -> Result<&'static str> {
    let levels: [(&[&str], &str); 4] = [
        (&["serializable"], "serializable"),
        (&["repeatable", "read"], "repeatable read"),
        (&["read", "committed"], "read committed"),
        (&["read", "uncommitted"], "read uncommitted"),
    ];
    levels
        .into_iter()
        .find_map(|(words, name)| c.accept_words(words).then_some(name))
        .ok_or_else(|| c.syntax_error())
}

/// `COMMIT`, `END`.
pub(super) fn commit(c: &mut Cursor<'_>) -> Result<Statement> {
    c.advance();
    two_phase(c, "COMMIT PREPARED")?;
    end_of_block(c)?;
    Ok(Statement::Commit)
}

/// `ROLLBACK`, `ABORT`, `ROLLBACK TO [SAVEPOINT] name`.
pub(super) fn rollback(c: &mut Cursor<'_>) -> Result<Statement> {
    let is_abort = c.peek_word() == Some("abort");
    c.advance();
    two_phase(c, "ROLLBACK PREPARED")?;
    let words = usize::from(matches!(c.peek_word(), Some("work" | "transaction")));
    if !is_abort && c.peek_nth_word(words) == Some("to") {
        (0..=words).for_each(|_| c.advance());
        c.accept("savepoint");
        return Ok(Statement::Savepoint(SavepointAction::RollbackTo, c.name()?));
    }
    end_of_block(c)?;
    Ok(Statement::Rollback)
}

fn two_phase(c: &Cursor<'_>, what: &str) -> Result<()> {
    if c.peek_word() == Some("prepared") {
        return Err(c.unsupported(format!("{what} is not supported")));
    }
    Ok(())
}

/// `[WORK | TRANSACTION] [AND [NO] CHAIN]`
fn end_of_block(c: &mut Cursor<'_>) -> Result<()> {
    c.accept_one(&["work", "transaction"]);
    if c.at_words(&["and", "chain"]) {
        return Err(c
            .unsupported("AND CHAIN is not supported")
            .with_hint("Give BEGIN as the next statement."));
    }
    c.accept_words(&["and", "no", "chain"]);
    Ok(())
}

/// `SAVEPOINT name`.
pub(super) fn savepoint(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("savepoint")?;
    Ok(Statement::Savepoint(SavepointAction::Define, c.name()?))
}

/// `RELEASE [SAVEPOINT] name`.
pub(super) fn release(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("release")?;
    c.accept("savepoint");
    Ok(Statement::Savepoint(SavepointAction::Release, c.name()?))
}
