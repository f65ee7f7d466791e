//! `ALTER`, `DROP` and `COMMENT ON`.

use datafusion::sql::sqlparser::tokenizer::Token;
use weir_catalog::ObjectName;
use weir_types::Result;

use super::cursor::Cursor;
use super::kind::{accept_kind, expect_kind, unsupported_kind};
use crate::dialect::ast::{AlterAction, CommentTarget, RelationKind, Statement};

/// `ALTER kind [IF EXISTS] name action [, ..]`.
pub(super) fn alter(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("alter")?;
    let kind = expect_kind(c, "ALTER")?;
    let if_exists = c.accept_words(&["if", "exists"]);
    if kind == RelationKind::Table {
        c.accept("only");
    }
    let name = kind_name(c, kind)?;
    let first = action(c, kind, &name.name)?;
    let stands_alone = stands_alone(&first) || kind == RelationKind::Schema;
    let mut actions = vec![first];
    while !stands_alone && c.accept_token(&Token::Comma) {
        let start = c.index();
        let next = action(c, kind, &name.name)?;
        if self::stands_alone(&next) {
            return Err(c.syntax_error_at(start));
        }
        actions.push(next);
    }
    Ok(Statement::Alter { kind, name, if_exists, actions })
}

/// True for the actions that PostgreSQL takes by themselves only.
fn stands_alone(action: &AlterAction) -> bool {
    matches!(
        action,
        AlterAction::Rename(_) | AlterAction::RenameColumn { .. } | AlterAction::SetSchema(_)
    )
}

/// The name of an object of that kind.
fn kind_name(c: &mut Cursor<'_>, kind: RelationKind) -> Result<ObjectName> {
    if kind == RelationKind::Schema { c.schema_name() } else { c.object_name() }
}

fn action(c: &mut Cursor<'_>, kind: RelationKind, name: &str) -> Result<AlterAction> {
    match c.peek_word() {
        Some("rename") => rename(c),
        Some("set") => set(c),
        Some("owner") => {
            c.advance();
            c.expect("to")?;
            Ok(AlterAction::Owner(c.label()?))
        }
        Some("add") if matches!(kind, RelationKind::Stream | RelationKind::Table) => {
            add_column(c, name)
        }
        Some(
            "add" | "drop" | "alter" | "reset" | "enable" | "disable" | "attach" | "detach"
            | "inherit" | "no" | "of" | "not" | "cluster" | "validate" | "replica" | "force"
            | "depends" | "swap" | "refresh" | "apply",
        ) => {
            let word = c.peek_word().unwrap_or_default().to_uppercase();
            let what = match c.peek_nth_word(1) {
                Some(next @ ("column" | "constraint")) => format!("{word} {}", next.to_uppercase()),
                _ => word,
            };
            Err(c.unsupported(format!("ALTER .. {what} is not supported")).with_hint(
                "Supported are RENAME, SET SCHEMA, OWNER TO, SET (..), and ADD COLUMN of a stream \
                 or table.",
            ))
        }
        _ => Err(c.syntax_error()),
    }
}

/// `RENAME TO name`, `RENAME [COLUMN] a TO b`.
fn rename(c: &mut Cursor<'_>) -> Result<AlterAction> {
    c.expect("rename")?;
    if c.accept("to") {
        return Ok(AlterAction::Rename(c.name()?));
    }
    if c.peek_word() == Some("constraint") {
        return Err(c.unsupported("ALTER .. RENAME CONSTRAINT is not supported"));
    }
    c.accept("column");
    let from = c.name()?;
    c.expect("to")?;
    Ok(AlterAction::RenameColumn { from, to: c.name()? })
}

/// `SET SCHEMA name`, `SET (name = value, ..)`.
fn set(c: &mut Cursor<'_>) -> Result<AlterAction> {
    c.expect("set")?;
    if *c.peek() == Token::LParen {
        return Ok(AlterAction::SetOptions(c.options()?));
    }
    match c.peek_word() {
        Some("schema") => {
            c.advance();
            Ok(AlterAction::SetSchema(c.schema_name()?.name))
        }
        Some("tablespace" | "without" | "logged" | "unlogged" | "access") => {
            Err(c.unsupported("this form of ALTER .. SET is not supported"))
        }
        _ => Err(c.syntax_error()),
    }
}

/// `ADD [COLUMN] [IF NOT EXISTS] definition`.
fn add_column(c: &mut Cursor<'_>, relation: &str) -> Result<AlterAction> {
    c.expect("add")?;
    let is_column = c.accept("column");
    let is_constraint = matches!(
        c.peek_word(),
        Some("constraint" | "primary" | "unique" | "check" | "foreign" | "exclude")
    );
    if !is_column && is_constraint {
        return Err(c
            .unsupported("ALTER .. ADD CONSTRAINT is not supported")
            .with_hint("Constraints are part of CREATE TABLE."));
    }
    let if_not_exists = c.accept_words(&["if", "not", "exists"]);
    let name = c.name()?;
    let (column, _) = c.column_definition(relation, name)?;
    Ok(AlterAction::AddColumn { column, if_not_exists })
}

/// `DROP kind [IF EXISTS] a, b [CASCADE | RESTRICT]`.
pub(super) fn drop(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect("drop")?;
    let kind = expect_kind(c, "DROP")?;
    let if_exists = c.accept_words(&["if", "exists"]);
    let names = c.list(|c| kind_name(c, kind))?;
    let cascade = c.accept_one(&["cascade", "restrict"]) == Some("cascade");
    Ok(Statement::Drop { kind, names, if_exists, cascade })
}

/// `COMMENT ON kind name IS 'text' | NULL`.
pub(super) fn comment(c: &mut Cursor<'_>) -> Result<Statement> {
    c.expect_words(&["comment", "on"])?;
    let target = if c.accept("column") {
        let start = c.index();
        let mut parts = c.dotted_name()?;
        match parts.pop() {
            Some(column) if !parts.is_empty() => {
                CommentTarget::Column(c.resolve(parts, start)?, column)
            }
            _ => {
                return Err(weir_types::Error::syntax("column name must be qualified")
                    .with_position(c.position(start)));
            }
        }
    } else {
        match accept_kind(c) {
            Some(kind) => CommentTarget::Object(kind, kind_name(c, kind)?),
            None => return Err(unsupported_kind(c, "COMMENT ON")),
        }
    };
    c.expect("is")?;
    let text = if c.accept("null") { None } else { Some(c.string()?) };
    Ok(Statement::Comment { target, text })
}
