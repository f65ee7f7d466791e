//! Statements: planned by [`prepare`], run by [`execute`]. One file a verb.

mod assign;
mod copy;
mod cursor;
mod ddl;
mod encode;
mod explain;
mod insert;
mod maintain;
mod modify;
mod parameters;
pub(crate) mod query;
mod returning;
mod row;
mod scaffold;
mod setting;
mod show;
mod transaction;
mod truncate;

use std::sync::Arc;

use weir_planner::dialect::Statement;
use weir_types::{Error, Result, SqlState, SqlType};

use crate::session::{
    Execution, OutputColumn, Parameter, Parsed, Prepared, RowTag, Session, Work, rescues,
};

use crate::subscription::Subscription;

pub(crate) use cursor::Cursor;
pub(crate) use ddl::bind_stored;
pub(crate) use encode::{columns_changed, encode_append, encode_change};
pub(crate) use insert::{InsertPlan, quoted};
pub(crate) use modify::ModifyPlan;
pub(crate) use row::stored_schema;
pub(crate) use show::view_text;

impl Session {
    /// Plans a statement.
    ///
    /// # Errors
    /// Unknown names, types that do not fit, and the like, with position.
    pub async fn prepare(
        &self,
        parsed: Parsed,
        parameter_types: Vec<Option<SqlType>>,
    ) -> Result<Arc<Prepared>> {
        self.connection.active(&parsed.0.text, self.shared.clock.now());
        self.check_not_failed(&parsed.0.statement)?;
        let offset = parsed.0.offset;
        crate::stack::on_planner_stack(|| self.plan(parsed.0, parameter_types))
            .map(Arc::new)
            .map_err(|error| at_offset(error, offset))
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// Of the statement. The door tells [`Session::fail`] of them.
    pub async fn execute(
        &self,
        prepared: &Arc<Prepared>,
        parameters: Vec<Parameter>,
    ) -> Result<Execution> {
        self.connection.active(&prepared.parsed.text, self.shared.clock.now());
        self.check_not_failed(&prepared.parsed.statement)?;
        let mut prepared = self.refreshed(prepared)?;
        let values = query::decode_parameters(self, &prepared, parameters)?;
        let outcome = loop {
            let outcome = match &prepared.work {
                // Each in the room that it needs.
                Work::Query(bound) => {
                    Box::pin(query::run(self, bound, &prepared, values.clone())).await
                }
                Work::Insert(plan) => insert::run(self, plan, &prepared, values.clone()).await,
                Work::Modify(plan) => {
                    Box::pin(modify::run(self, plan, &prepared, values.clone())).await
                }
                Work::Utility => Box::pin(self.utility(&prepared)).await,
            };
            match outcome {
                // The table was changed between planning and commit: the statement is planned again.
                Err(error)
                    if error.state() == SqlState::SerializationFailure
                        && matches!(prepared.work, Work::Insert(_) | Work::Modify(_))
                        && self.with_block(|_| ()).is_none()
                        && !Arc::ptr_eq(&prepared.catalog, &self.catalog()) =>
                {
                    prepared = self.refreshed(&prepared)?;
                }
                outcome => break outcome,
            }
        };
        outcome.map_err(|error| at_offset(error, prepared.parsed.offset))
    }

    fn check_not_failed(&self, statement: &Statement) -> Result<()> {
        use crate::session::TransactionStatus;
        if self.transaction_status() == TransactionStatus::Failed && !rescues(statement) {
            return Err(Error::new(
                SqlState::InFailedSqlTransaction,
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        Ok(())
    }

    /// Plans a statement against the catalog of the moment.
    pub(crate) fn plan(
        &self,
        parsed: weir_planner::dialect::Parsed,
        declared: Vec<Option<SqlType>>,
    ) -> Result<Prepared> {
        let catalog = self.catalog();
        let meaning = self.meaning();
        let mut prepared = Prepared {
            parsed,
            work: Work::Utility,
            parameters: Vec::new(),
            declared,
            columns: None,
            catalog,
            meaning,
        };
        match &prepared.parsed.statement {
            Statement::Query(query) => {
                let bound = query::bind(self, &prepared.catalog, query, &prepared.declared)?;
                prepared.columns = Some(query::output_columns(&prepared.catalog, &bound.columns));
                prepared.parameters.clone_from(&bound.parameters);
                prepared.work = Work::Query(Box::new(bound));
            }
            Statement::Insert(insert) => {
                let plan = insert::plan(self, &prepared.catalog, insert, &prepared.declared)?;
                prepared.columns.clone_from(&plan.returning_columns);
                prepared.parameters.clone_from(&plan.parameters);
                prepared.work = Work::Insert(Box::new(plan));
            }
            Statement::Update(_) | Statement::Delete(_) => {
                let plan = modify::plan(
                    self,
                    &prepared.catalog,
                    &prepared.parsed.statement,
                    &prepared.declared,
                )?;
                prepared.columns.clone_from(&plan.returning_columns);
                prepared.parameters.clone_from(&plan.parameters);
                prepared.work = Work::Modify(Box::new(plan));
            }
            statement => prepared.columns = self.utility_columns(statement)?,
        }
        Ok(prepared)
    }

    /// The statement, planned again where names may mean something else by now.
    pub(crate) fn refreshed(&self, prepared: &Arc<Prepared>) -> Result<Arc<Prepared>> {
        if matches!(prepared.work, Work::Utility) {
            return Ok(Arc::clone(prepared));
        }
        let same = Arc::ptr_eq(&prepared.catalog, &self.catalog())
            && prepared.meaning.plans_like(&self.meaning());
        if same {
            return Ok(Arc::clone(prepared));
        }
        let again = crate::stack::on_planner_stack(|| {
            self.plan(prepared.parsed.clone(), prepared.declared.clone())
        })?;
        if !gives_the_same(&again, prepared) {
            return Err(Error::unsupported("cached plan must not change result type")
                .with_hint("Prepare the statement again."));
        }
        Ok(Arc::new(again))
    }

    /// The output columns of a statement that is not planned before it runs.
    fn utility_columns(&self, statement: &Statement) -> Result<Option<Arc<[OutputColumn]>>> {
        Ok(match statement {
            Statement::Show(_)
            | Statement::ShowObjects(_)
            | Statement::ShowCreate(_)
            | Statement::Describe(_) => Some(show::columns(self, statement)?),
            Statement::Explain { .. } | Statement::ExplainView(_) => Some(explain::columns()),
            Statement::Fetch { name, is_move: false, .. } => Some(cursor::columns(self, name)?),
            Statement::Subscribe(subscribe) => Some(crate::stack::on_planner_stack(|| {
                crate::subscription::columns(self, subscribe)
            })?),
            Statement::Execute { name, .. } => transaction::prepared(self, name)?.columns.clone(),
            _ => None,
        })
    }

    async fn utility(&self, prepared: &Arc<Prepared>) -> Result<Execution> {
        let statement = &prepared.parsed.statement;
        match statement {
            Statement::Empty => Ok(Execution::Empty),
            Statement::Begin { .. }
            | Statement::Commit
            | Statement::Rollback
            | Statement::Savepoint(..)
            | Statement::SetTransaction { .. }
            | Statement::Prepare { .. }
            | Statement::Execute { .. }
            | Statement::Deallocate(_)
            | Statement::Notify(_) => transaction::run(self, statement).await,
            Statement::Set { .. } | Statement::Reset(_) | Statement::Discard(_) => {
                setting::run(self, statement)
            }
            Statement::Show(_)
            | Statement::ShowObjects(_)
            | Statement::ShowCreate(_)
            | Statement::Describe(_) => show::run(self, statement, &prepared.columns),
            Statement::Explain { .. } | Statement::ExplainView(_) => {
                explain::run(self, statement).await
            }
            Statement::Declare { .. } | Statement::Fetch { .. } | Statement::Close(_) => {
                cursor::run(self, statement).await
            }
            Statement::Copy(copy) => copy::run(self, copy).await,
            Statement::Subscribe(subscribe) => {
                let subscription = Subscription::open(self, subscribe).await?;
                let columns = Arc::clone(&subscription.columns);
                let rows = subscription.into_stream();
                Ok(Execution::Rows { columns, rows, tag: RowTag("SUBSCRIBE") })
            }
            Statement::Flush => transaction::flush(self).await,
            Statement::Maintain(statement) => maintain::run(self, statement),
            Statement::Checkpoint => Err(Error::unsupported("CHECKPOINT is not implemented")),
            Statement::Query(_)
            | Statement::Insert(_)
            | Statement::Update(_)
            | Statement::Delete(_) => {
                Err(Error::internal("a planned statement was run as a utility"))
            }
            _ => {
                let done = ddl::run(self, statement).await?;
                // What it found there, and left as it was, is durable too.
                self.shared.durable.wait(self.shared.log.newest_epoch()).await?;
                Ok(done)
            }
        }
    }
}

/// True if the client was told of such columns; which relations they are of may have changed.
fn gives_the_same(again: &Prepared, before: &Prepared) -> bool {
    let shape = |prepared: &Prepared| {
        let columns = prepared.columns.as_ref()?;
        let of_column = |column: &OutputColumn| (column.name.clone(), column.sql_type.clone());
        Some(columns.iter().map(of_column).collect::<Vec<_>>())
    };
    shape(again) == shape(before)
}

/// The error with its position counted from the begin of the whole text.
fn at_offset(error: Error, offset: usize) -> Error {
    match error.position() {
        Some(position) if offset > 0 => error.with_position(position + offset),
        _ => error,
    }
}
