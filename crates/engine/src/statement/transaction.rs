//! BEGIN, COMMIT and their kin; PREPARE and EXECUTE; FLUSH.

use std::sync::Arc;

use arrow::array::ArrayRef;
use weir_planner::dialect::{SavepointAction, Statement};
use weir_types::planted::{self, Bug};
use weir_types::{Error, Notice, Result, SqlState};

use super::{assign, query};
use crate::session::{Block, Execution, Parsed, Prepared, Session, Transaction, Work};

fn done(tag: &str) -> Result<Execution> {
    Ok(Execution::Done { tag: tag.to_owned() })
}

pub(super) async fn run(session: &Session, statement: &Statement) -> Result<Execution> {
    match statement {
        Statement::Begin { read_only, verb } => begin(session, *read_only, verb),
        Statement::Commit => commit(session).await,
        Statement::Rollback if planted::is(Bug::KeptRollback) => commit(session).await,
        Statement::Rollback => {
            let idle = matches!(
                session.state.lock().transaction,
                Transaction::None | Transaction::Implicit(_)
            );
            if idle {
                session.notice(Notice::warning("25P01", "there is no transaction in progress"));
            }
            session.end_transaction(false);
            done("ROLLBACK")
        }
        Statement::Savepoint(SavepointAction::Define, name) => {
            session.define_savepoint(name)?;
            done("SAVEPOINT")
        }
        Statement::Savepoint(SavepointAction::Release, name) => {
            session.release_savepoint(name)?;
            done("RELEASE")
        }
        Statement::Savepoint(SavepointAction::RollbackTo, name) => {
            session.roll_back_to_savepoint(name)?;
            done("ROLLBACK")
        }
        Statement::SetTransaction { read_only } => {
            if let Some(read_only) = read_only {
                session.with_block(|block| block.read_only = *read_only);
            }
            done("SET")
        }
        Statement::Prepare { name, types, statement } => {
            if session.state.lock().statements.contains_key(name) {
                return Err(Error::new(
                    SqlState::DuplicatePreparedStatement,
                    format!("prepared statement \"{name}\" already exists"),
                ));
            }
            let declared = types.iter().cloned().map(Some).collect();
            let parsed = Parsed(statement.as_ref().clone());
            let prepared = Box::pin(session.prepare(parsed, declared)).await?;
            session.state.lock().statements.insert(name.clone(), prepared);
            done("PREPARE")
        }
        Statement::Execute { name, arguments } => {
            let prepared = session.refreshed(&prepared(session, name)?)?;
            let values = arguments_of(session, &prepared, arguments).await?;
            Box::pin(run_with(session, &prepared, values)).await
        }
        Statement::Deallocate(None) => {
            session.state.lock().statements.clear();
            done("DEALLOCATE ALL")
        }
        Statement::Deallocate(Some(name)) => {
            session.state.lock().statements.remove(name).ok_or_else(|| unknown(name))?;
            done("DEALLOCATE")
        }
        Statement::Notify(verb) => done(verb),
        _ => Err(Error::internal("not a statement on transactions")),
    }
}

fn begin(session: &Session, read_only: bool, verb: &'static str) -> Result<Execution> {
    let mut state = session.state.lock();
    let read_only = read_only || state.settings.meaning().read_only();
    state.transaction = match std::mem::take(&mut state.transaction) {
        Transaction::None => {
            state.before = Some(Box::new(state.settings.clone()));
            Transaction::Explicit(Box::new(Block::new(&session.shared, read_only)))
        }
        // What the message did before belongs to the block, as in PostgreSQL.
        Transaction::Implicit(mut block) => {
            block.read_only |= read_only;
            Transaction::Explicit(block)
        }
        other => {
            state.transaction = other;
            drop(state);
            session.notice(Notice::warning("25001", "there is already a transaction in progress"));
            return done(verb);
        }
    };
    done(verb)
}

async fn commit(session: &Session) -> Result<Execution> {
    let transaction = std::mem::take(&mut session.state.lock().transaction);
    match transaction {
        Transaction::Explicit(block) => {
            let outcome = session.commit_block(*block).await;
            session.end_transaction(outcome.is_ok());
            outcome?;
            done("COMMIT")
        }
        Transaction::Failed(_) => {
            session.end_transaction(false);
            done("ROLLBACK")
        }
        Transaction::Implicit(block) => {
            let outcome = session.commit_block(*block).await;
            session.end_transaction(outcome.is_ok());
            session.notice(Notice::warning("25P01", "there is no transaction in progress"));
            outcome?;
            done("COMMIT")
        }
        Transaction::None => {
            session.notice(Notice::warning("25P01", "there is no transaction in progress"));
            done("COMMIT")
        }
    }
}

fn unknown(name: &str) -> Error {
    Error::new(
        SqlState::InvalidSqlStatementName,
        format!("prepared statement \"{name}\" does not exist"),
    )
}

/// The statement that PREPARE made.
pub(super) fn prepared(session: &Session, name: &str) -> Result<Arc<Prepared>> {
    session.state.lock().statements.get(name).cloned().ok_or_else(|| unknown(name))
}

/// The values of EXECUTE's arguments, in the types of the parameters.
async fn arguments_of(
    session: &Session,
    prepared: &Prepared,
    arguments: &[datafusion::sql::sqlparser::ast::Expr],
) -> Result<Vec<ArrayRef>> {
    if arguments.len() != prepared.parameters.len() {
        return Err(Error::syntax("wrong number of parameters for prepared statement")
            .with_detail(format!(
                "Expected {} parameters but got {}.",
                prepared.parameters.len(),
                arguments.len()
            )));
    }
    if arguments.is_empty() {
        return Ok(Vec::new());
    }
    let items: Vec<String> = arguments
        .iter()
        .zip(&prepared.parameters)
        .map(|(argument, sql_type)| format!("CAST({argument} AS {sql_type})"))
        .collect();
    let parsed = weir_planner::dialect::parse_query(&format!("SELECT {}", items.join(", ")))?;
    let catalog = session.catalog();
    let bound = query::bind(session, &catalog, &parsed, &[])?;
    let pin = session.shared.pins.pin(session.shared.durable.newest());
    let schema = Arc::clone(bound.plan.schema().inner());
    let rows = query::collect_plan(session, &catalog, bound.plan, &pin, Default::default()).await?;
    let rows = weir_delta::rows::concat(&schema, &rows)?;
    let settings = session.format_settings();
    let values = rows.columns().iter().zip(&bound.columns).zip(&prepared.parameters);
    values
        .map(|((value, column), to)| {
            // A constant can have a narrower type than the one that it is cast to.
            let value = assign::as_type(value, &column.sql_type, to, &settings)?;
            value.ok_or_else(|| Error::internal(format!("a value of {to} has another type")))
        })
        .collect()
}

async fn run_with(
    session: &Session,
    prepared: &Arc<Prepared>,
    values: Vec<ArrayRef>,
) -> Result<Execution> {
    match &prepared.work {
        Work::Query(bound) => query::run(session, bound, prepared, values).await,
        Work::Insert(plan) => super::insert::run(session, plan, prepared, values).await,
        Work::Modify(plan) => super::modify::run(session, plan, prepared, values).await,
        Work::Utility => session.utility(prepared).await,
    }
}

/// Waits until every healthy view has reached the newest epoch.
pub(super) async fn flush(session: &Session) -> Result<Execution> {
    let catalog = session.catalog();
    let views: std::collections::BTreeSet<_> =
        session.shared.views.healthy(&session.shared).into_iter().collect();
    let strict = crate::read::ReadMode::Strict;
    let wait = crate::read::choose_epoch(&session.shared, &catalog, &views, None, strict);
    match session.interrupt.or(wait).await {
        // A view that fails meanwhile is not healthy.
        Ok(_) => done("FLUSH"),
        Err(error) if error.state() == SqlState::QueryCanceled => Err(error),
        Err(_) => done("FLUSH"),
    }
}
