//! Prepared statements and portals of the wire, and how much of them one connection may keep.

use std::collections::HashMap;
use std::sync::Arc;

use weir_types::{Error, Result, SqlState};

use super::rows::{Format, Rows};
use crate::engine::{OutputColumn, Parameter, Prepared, RowTag};

/// Longest name of a prepared statement or portal.
const NAME_BYTES_MAX: usize = 1024;
/// Most prepared statements of one connection.
const STATEMENTS_MAX: usize = 10_000;
/// Most bytes of SQL text that they come from.
const STATEMENT_BYTES_MAX: usize = 64 << 20;
/// Most open portals of one connection.
const PORTALS_MAX: usize = 1_000;
/// Most bytes of parameters that they keep.
const PORTAL_BYTES_MAX: usize = 256 << 20;

/// A prepared statement.
#[derive(Clone)]
pub(super) struct Statement {
    /// `None` for an empty text.
    pub(super) prepared: Option<Arc<Prepared>>,
    /// Length of its text.
    pub(super) sql_bytes: usize,
}

/// A statement with its parameters, and how far it has run.
pub(super) struct Portal {
    pub(super) statement: Statement,
    /// Of each result column.
    pub(super) formats: Vec<Format>,
    pub(super) state: PortalState,
}

/// How far a portal has run.
pub(super) enum PortalState {
    Bound(Vec<Parameter>),
    Running(Rows),
    /// All rows are sent; to execute it once more gives none.
    Drained(RowTag),
    /// A command without rows has run.
    Done,
}

impl Statement {
    /// The columns that it returns; `None` without rows.
    pub(super) fn columns(&self) -> Option<&Arc<[OutputColumn]>> {
        self.prepared.as_ref().and_then(|prepared| prepared.columns())
    }

    /// True where it makes one transaction of itself and what follows.
    pub(super) fn begins_block(&self) -> bool {
        self.prepared.as_ref().is_some_and(|prepared| prepared.begins_block())
    }
}

impl Portal {
    /// True while rows of it can still come.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, PortalState::Running(_))
    }

    fn parameter_bytes(&self) -> usize {
        let PortalState::Bound(parameters) = &self.state else { return 0 };
        parameters.iter().filter_map(|parameter| parameter.value.as_ref()).map(|v| v.len()).sum()
    }
}

/// Refuses a statement of that name and length that is one too many (42P05, 53400, 53200).
pub(super) fn check_new_statement(
    statements: &HashMap<String, Statement>,
    name: &str,
    sql_bytes: usize,
) -> Result<()> {
    check_name(name)?;
    if statements.contains_key(name) {
        return Err(Error::new(
            SqlState::DuplicatePreparedStatement,
            format!("prepared statement \"{name}\" already exists"),
        ));
    }
    if statements.len() >= STATEMENTS_MAX {
        return Err(too_many("prepared statements", STATEMENTS_MAX));
    }
    let kept: usize = statements.values().map(|statement| statement.sql_bytes).sum();
    if kept + sql_bytes > STATEMENT_BYTES_MAX {
        return Err(too_large("prepared statements", STATEMENT_BYTES_MAX));
    }
    Ok(())
}

/// Refuses a portal that is one too many (42P03, 53400, 53200).
pub(super) fn check_new_portal(
    portals: &HashMap<String, Portal>,
    name: &str,
    portal: &Portal,
) -> Result<()> {
    check_name(name)?;
    if portals.contains_key(name) {
        return Err(cursor_exists(name));
    }
    if portals.len() >= PORTALS_MAX {
        return Err(too_many("portals", PORTALS_MAX));
    }
    let kept: usize = portals.values().map(Portal::parameter_bytes).sum();
    if kept + portal.parameter_bytes() > PORTAL_BYTES_MAX {
        return Err(too_large("parameters of open portals", PORTAL_BYTES_MAX));
    }
    Ok(())
}

/// The error for a portal whose name another has (42P03).
pub(super) fn cursor_exists(name: &str) -> Error {
    Error::new(SqlState::DuplicateCursor, format!("cursor \"{name}\" already exists"))
}

fn check_name(name: &str) -> Result<()> {
    if name.len() <= NAME_BYTES_MAX {
        return Ok(());
    }
    Err(Error::new(SqlState::NameTooLong, "name of a prepared statement or portal too long")
        .with_detail(format!("It has {} bytes; the limit is {NAME_BYTES_MAX}.", name.len())))
}

fn too_many(what: &str, most: usize) -> Error {
    Error::new(SqlState::ConfigurationLimitExceeded, format!("too many {what}"))
        .with_detail(format!("One connection may keep {most}."))
        .with_hint("Close those that are no longer used.")
}

fn too_large(what: &str, most: usize) -> Error {
    Error::new(SqlState::OutOfMemory, format!("{what} take too much memory"))
        .with_detail(format!("One connection may keep {most} bytes of them."))
        .with_hint("Close those that are no longer used.")
}
