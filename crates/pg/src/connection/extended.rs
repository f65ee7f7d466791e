//! The extended protocol: statements are parsed, bound, described and run by messages of their own.
//!
//! What runs up to a Sync is one transaction. A statement that the Sync follows right away needs no block
//! for that: this is what drivers send for each single statement.

use std::sync::Arc;

use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    BindComplete, CloseComplete, ParseComplete, PortalSuspended,
};
use weir_types::{Error, Result, SqlState, SqlType};

use super::portal::{
    Portal, PortalState, Statement, check_new_portal, check_new_statement, cursor_exists,
};
use super::rows::{Fetched, Format, Rows, row_description, wire_type};
use super::{Completion, Connection};
use crate::engine::{Execution, OutputColumn, Parameter, Prepared, TransactionStatus};
use crate::failure::Failure;
use crate::message::{Bind, Target};

impl Connection {
    /// Prepares a statement. The unnamed one is replaced.
    pub(super) async fn parse(
        &mut self,
        name: String,
        sql: &str,
        parameter_oids: &[u32],
    ) -> Result<(), Failure> {
        self.statements.remove("");
        check_new_statement(&self.statements, &name, sql.len())?;
        let types =
            parameter_oids.iter().map(|&oid| parameter_type(oid)).collect::<Result<Vec<_>>>()?;
        let session = Arc::clone(&self.session);
        let mut parsed = session.parse(sql)?;
        parsed.retain(|statement| !statement.is_empty());
        if parsed.len() > 1 {
            return Err(
                Error::syntax("cannot insert multiple commands into a prepared statement").into()
            );
        }
        let prepared = match parsed.pop() {
            Some(parsed) => Some(self.finish(session.prepare(parsed, types)).await?),
            None => None,
        };
        let statement = Statement { prepared, sql_bytes: sql.len() };
        self.refuse_in_failed_block(&statement)?;
        self.statements.insert(name, statement);
        self.outbox.put(&ParseComplete::new());
        Ok(())
    }

    /// Makes a portal. The unnamed one is replaced.
    pub(super) fn bind(&mut self, bind: Bind) -> Result<()> {
        let Bind { portal: name, statement, parameter_formats, parameters, result_formats } = bind;
        let found = self.find_statement(&statement)?.clone();
        check_parameters(&statement, &found, &parameter_formats, parameters.len())?;
        self.refuse_in_failed_block(&found)?;
        let parameter_formats = expand_formats(&parameter_formats, parameters.len())?;
        let parameters = parameters
            .into_iter()
            .zip(parameter_formats)
            .map(|(value, format)| Parameter { binary: format == Format::Binary, value })
            .collect();
        let n_columns = found.columns().map_or(0, |columns| columns.len());
        let formats = result_column_formats(&result_formats, n_columns)?;
        let portal = Portal { statement: found, formats, state: PortalState::Bound(parameters) };
        self.portals.remove("");
        if !name.is_empty() && self.session.cursor_columns(&name).is_some() {
            return Err(cursor_exists(&name));
        }
        check_new_portal(&self.portals, &name, &portal)?;
        self.portals.insert(name, portal);
        self.outbox.put(&BindComplete::new());
        Ok(())
    }

    /// Tells the parameters of a statement, and the columns of a statement or a portal.
    pub(super) fn describe(&mut self, target: &Target) -> Result<()> {
        match target {
            Target::Statement(name) => self.describe_statement(name),
            Target::Portal(name) => self.describe_portal(name),
        }
    }

    /// Drops a statement or a portal, if there is one of that name.
    pub(super) fn close(&mut self, target: &Target) {
        match target {
            Target::Statement(name) => drop(self.statements.remove(name)),
            Target::Portal(name) => match self.portals.remove(name) {
                Some(portal) => drop(portal),
                None => self.session.close_cursor(name),
            },
        }
        self.outbox.put(&CloseComplete::new());
    }

    /// Runs a portal up to `max_rows` rows, or to its end when that is not positive.
    pub(super) async fn execute(&mut self, name: String, max_rows: i32) -> Result<(), Failure> {
        let limit = u64::try_from(max_rows).ok().filter(|&limit| limit > 0);
        // Out of the map while it runs: an error leaves no portal behind.
        let Some(mut portal) = self.portals.remove(&name) else {
            return Box::pin(self.execute_cursor(&name, limit)).await;
        };
        self.refuse_in_failed_block(&portal.statement)?;
        let was_in_block = self.session.transaction_status() != TransactionStatus::Idle;
        let session = Arc::clone(&self.session);
        if portal.statement.begins_block() && !self.inbox.sync_is_next() {
            session.begin_implicit_block();
        }
        match self.run_portal(&name, &mut portal, limit).await? {
            Some(completion) => {
                if self.inbox.sync_is_next() {
                    // So that the last tag waits for the commit.
                    self.finish(session.end_implicit_block()).await?;
                }
                self.complete(completion);
            }
            None => self.outbox.put(&PortalSuspended::new()),
        }
        if was_in_block && self.session.transaction_status() == TransactionStatus::Idle {
            self.portals.clear();
        } else {
            self.portals.insert(name, portal);
        }
        Ok(())
    }

    /// Takes rows from a cursor that DECLARE made: to the wire it is a portal with rows in text.
    async fn execute_cursor(&mut self, name: &str, limit: Option<u64>) -> Result<(), Failure> {
        if self.session.cursor_columns(name).is_none() {
            return Err(no_portal(name).into());
        }
        let Execution::Rows { columns, rows, tag } = self.session.fetch_cursor(name, limit)? else {
            return Err(cannot_be_run(name).into());
        };
        let formats = vec![Format::Text; columns.len()];
        match self.send_rows(&mut Rows::new(columns, formats, rows, tag), limit).await? {
            Fetched::All(tag) => self.complete(Completion::Tag(tag)),
            Fetched::Some => self.outbox.put(&PortalSuspended::new()),
        }
        Ok(())
    }

    fn describe_statement(&mut self, name: &str) -> Result<()> {
        let statement = self.find_statement(name)?.clone();
        self.refuse_rows_in_failed_block(&statement)?;
        let oids = parameter_types(&statement).iter().map(|t| wire_type(t).oid()).collect();
        self.outbox.put(&ParameterDescription::new(oids));
        let columns = statement.columns();
        let formats = vec![Format::Text; columns.map_or(0, |columns| columns.len())];
        self.put_description(columns, &formats);
        Ok(())
    }

    fn describe_portal(&mut self, name: &str) -> Result<()> {
        let Some(portal) = self.portals.get(name) else {
            let columns = self.session.cursor_columns(name).ok_or_else(|| no_portal(name))?;
            self.put_description(Some(&columns), &vec![Format::Text; columns.len()]);
            return Ok(());
        };
        let (statement, formats) = (portal.statement.clone(), portal.formats.clone());
        self.refuse_rows_in_failed_block(&statement)?;
        self.put_description(statement.columns(), &formats);
        Ok(())
    }

    fn put_description(&mut self, columns: Option<&Arc<[OutputColumn]>>, formats: &[Format]) {
        match columns {
            Some(columns) => self.outbox.put(&row_description(columns, formats)),
            None => self.outbox.put(&NoData::new()),
        }
    }

    /// Runs the portal up to `limit` rows; `None` when rows may be left.
    async fn run_portal(
        &mut self,
        name: &str,
        portal: &mut Portal,
        limit: Option<u64>,
    ) -> Result<Option<Completion>, Failure> {
        let Some(prepared) = portal.statement.prepared.clone() else {
            return Ok(Some(Completion::Empty));
        };
        match std::mem::replace(&mut portal.state, PortalState::Done) {
            PortalState::Bound(parameters) => {
                let session = Arc::clone(&self.session);
                let execution = self.finish(session.execute(&prepared, parameters)).await?;
                self.start_portal(&prepared, portal, execution, limit).await
            }
            PortalState::Running(rows) => self.fetch(portal, rows, limit).await,
            PortalState::Drained(tag) => {
                let completion = Completion::Tag(tag.complete(0));
                portal.state = PortalState::Drained(tag);
                Ok(Some(completion))
            }
            PortalState::Done => Err(cannot_be_run(name).into()),
        }
    }

    async fn start_portal(
        &mut self,
        prepared: &Prepared,
        portal: &mut Portal,
        execution: Execution,
        limit: Option<u64>,
    ) -> Result<Option<Completion>, Failure> {
        let tag = match execution {
            Execution::Rows { columns, rows, tag } => {
                check_columns(prepared.columns(), &columns)?;
                let rows = Rows::new(columns, portal.formats.clone(), rows, tag);
                return self.fetch(portal, rows, limit).await;
            }
            Execution::Done { tag } => {
                self.forget_after(&tag);
                tag
            }
            Execution::Empty => return Ok(Some(Completion::Empty)),
            Execution::CopyIn { columns, binary, copy } => {
                Box::pin(self.copy_in(columns, binary, copy)).await?
            }
            Execution::CopyOut { encoder, rows } => Box::pin(self.copy_out(&encoder, rows)).await?,
        };
        Ok(Some(Completion::Tag(tag)))
    }

    /// Sends rows of a running portal.
    async fn fetch(
        &mut self,
        portal: &mut Portal,
        mut rows: Rows,
        limit: Option<u64>,
    ) -> Result<Option<Completion>, Failure> {
        match self.send_rows(&mut rows, limit).await? {
            Fetched::All(tag) => {
                portal.state = PortalState::Drained(rows.into_tag());
                Ok(Some(Completion::Tag(tag)))
            }
            Fetched::Some => {
                portal.state = PortalState::Running(rows);
                Ok(None)
            }
        }
    }

    fn find_statement(&self, name: &str) -> Result<&Statement> {
        self.statements.get(name).ok_or_else(|| {
            let message = if name.is_empty() {
                "unnamed prepared statement does not exist".to_owned()
            } else {
                format!("prepared statement \"{name}\" does not exist")
            };
            Error::new(SqlState::InvalidSqlStatementName, message)
        })
    }

    /// 25P02 in a failed block, except for what ends it.
    fn refuse_in_failed_block(&self, statement: &Statement) -> Result<()> {
        let is_allowed = statement
            .prepared
            .as_ref()
            .is_none_or(|prepared| prepared.is_allowed_in_failed_block());
        if is_allowed || self.session.transaction_status() != TransactionStatus::Failed {
            return Ok(());
        }
        Err(Error::new(
            SqlState::InFailedSqlTransaction,
            "current transaction is aborted, commands ignored until end of transaction block",
        ))
    }

    /// 25P02 in a failed block for the description of a statement that returns rows.
    fn refuse_rows_in_failed_block(&self, statement: &Statement) -> Result<()> {
        if statement.columns().is_some() { self.refuse_in_failed_block(statement) } else { Ok(()) }
    }
}

/// The type that a client declared for a parameter; `None` leaves it to inference.
fn parameter_type(oid: u32) -> Result<Option<SqlType>> {
    if oid == 0 || oid == SqlType::Unknown.oid() {
        return Ok(None);
    }
    SqlType::from_oid(oid).map(Some).ok_or_else(|| {
        Error::new(SqlState::UndefinedObject, format!("type with OID {oid} does not exist"))
    })
}

fn parameter_types(statement: &Statement) -> &[SqlType] {
    statement.prepared.as_ref().map_or(&[], |prepared| prepared.parameters())
}

/// 08P01 unless the counts fit the statement and each other.
fn check_parameters(
    name: &str,
    statement: &Statement,
    formats: &[i16],
    n_parameters: usize,
) -> Result<()> {
    let n_formats = formats.len();
    if n_formats > 1 && n_formats != n_parameters {
        return Err(violation(format!(
            "bind message has {n_formats} parameter formats but {n_parameters} parameters"
        )));
    }
    let n_wanted = parameter_types(statement).len();
    if n_wanted != n_parameters {
        return Err(violation(format!(
            "bind message supplies {n_parameters} parameters, but prepared statement \"{name}\" \
             requires {n_wanted}"
        )));
    }
    Ok(())
}

fn result_column_formats(codes: &[i16], n_columns: usize) -> Result<Vec<Format>> {
    if codes.len() > 1 && codes.len() != n_columns {
        return Err(violation(format!(
            "bind message has {} result formats but query has {n_columns} columns",
            codes.len()
        )));
    }
    expand_formats(codes, n_columns)
}

/// One format for each of `n` values: the codes are none (all text), one for all, or `n`.
fn expand_formats(codes: &[i16], n: usize) -> Result<Vec<Format>> {
    let formats = codes
        .iter()
        .map(|code| match code {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            other => Err(Error::new(
                SqlState::InvalidParameterValue,
                format!("unsupported format code: {other}"),
            )),
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(match formats.as_slice() {
        [] => vec![Format::Text; n],
        [format] => vec![*format; n],
        _ => formats,
    })
}

/// 0A000 when the result is no longer what Describe and Bind were told.
fn check_columns(told: Option<&Arc<[OutputColumn]>>, found: &[OutputColumn]) -> Result<()> {
    let is_same = told.is_some_and(|told| {
        told.iter().map(|column| &column.sql_type).eq(found.iter().map(|column| &column.sql_type))
    });
    if is_same {
        return Ok(());
    }
    Err(Error::unsupported("cached plan must not change result type")
        .with_hint("Prepare the statement again."))
}

fn no_portal(name: &str) -> Error {
    Error::new(SqlState::InvalidCursorName, format!("portal \"{name}\" does not exist"))
}

fn cannot_be_run(name: &str) -> Error {
    Error::new(SqlState::ObjectNotInPrerequisiteState, format!("portal \"{name}\" cannot be run"))
        .with_hint("It has run already; bind the statement again.")
}

fn violation(message: String) -> Error {
    Error::new(SqlState::ProtocolViolation, message)
}
