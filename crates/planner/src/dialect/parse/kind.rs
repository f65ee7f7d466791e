//! Kinds of objects in CREATE, ALTER, DROP, COMMENT and SHOW.

use weir_types::{Error, Result};

use super::cursor::Cursor;
use crate::dialect::ast::RelationKind;

/// Kinds that PostgreSQL or another streaming database has and Weir does not.
const OTHER_KINDS: &[&str] = &[
    "access",
    "aggregate",
    "cast",
    "collation",
    "connection",
    "constraint",
    "conversion",
    "database",
    "default",
    "domain",
    "event",
    "extension",
    "foreign",
    "function",
    "group",
    "index",
    "language",
    "large",
    "operator",
    "policy",
    "procedure",
    "publication",
    "role",
    "routine",
    "rule",
    "secret",
    "sequence",
    "server",
    "source",
    "statistics",
    "subscription",
    "system",
    "tablespace",
    "text",
    "transform",
    "trigger",
    "type",
    "unique",
    "user",
];

/// Takes the kind that comes next; `None` where none of Weir's does.
pub(super) fn accept_kind(c: &mut Cursor<'_>) -> Option<RelationKind> {
    let kind = match c.peek_word()? {
        "schema" => RelationKind::Schema,
        "stream" => RelationKind::Stream,
        "table" => RelationKind::Table,
        "view" => RelationKind::View,
        "sink" => RelationKind::Sink,
        "materialized" if c.peek_nth_word(1) == Some("view") => {
            c.advance();
            RelationKind::MaterializedView
        }
        _ => return None,
    };
    c.advance();
    Some(kind)
}

/// Takes the kind that comes next; `verb` is for the message.
pub(super) fn expect_kind(c: &mut Cursor<'_>, verb: &str) -> Result<RelationKind> {
    accept_kind(c).ok_or_else(|| unsupported_kind(c, verb))
}

/// The error of a kind that Weir does not have: 0A000 where PostgreSQL has it, else 42601.
pub(super) fn unsupported_kind(c: &Cursor<'_>, verb: &str) -> Error {
    let Some(word) = c.peek_word().filter(|word| OTHER_KINDS.contains(word)) else {
        return c.syntax_error();
    };
    let error = c.unsupported(format!("{verb} {} is not supported", word.to_uppercase()));
    match word {
        "index" | "unique" => error.with_hint(
            "Rows of a table are found by its primary key; for other keys create a materialized \
             view.",
        ),
        "source" | "connection" => error.with_hint("Use CREATE STREAM .. WITH (connector = '..')."),
        "sequence" => error.with_hint(
            "Give values of your own, or leave the primary key out: a table without one has a \
             hidden row id.",
        ),
        "database" => error.with_hint("Weir has one database, \"weir\"; use schemas."),
        "trigger" | "rule" => error.with_hint("Use a materialized view or a sink."),
        _ => error,
    }
}
