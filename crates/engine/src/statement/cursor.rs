//! DECLARE, FETCH, MOVE, CLOSE: results that a transaction block takes in pieces.

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::StreamExt;
use tokio::sync::OwnedMutexGuard;
use weir_planner::dialect::{Parsed, Statement};
use weir_types::{Epoch, Error, Result, SqlState, Timestamp};

use super::query;
use crate::session::{Execution, OutputColumn, RowStream, RowTag, Session};
use crate::subscription::Subscription;
use crate::system::CursorRow;

/// A cursor of a transaction block.
pub(crate) struct Cursor {
    /// Its place among the block's cursors, from 1.
    pub(crate) number: u64,
    /// The text of its DECLARE.
    pub(crate) statement: String,
    pub(crate) declared: Timestamp,
    pub(crate) columns: Arc<[OutputColumn]>,
    position: Arc<tokio::sync::Mutex<Position>>,
}

/// What is left of a cursor's rows.
struct Position {
    source: Source,
    /// The rest of a batch that was handed out in part.
    rest: Option<RecordBatch>,
}

enum Source {
    Query(RowStream),
    Subscription(Box<Subscription>),
}

pub(super) async fn run(session: &Session, statement: &Statement) -> Result<Execution> {
    match statement {
        Statement::Declare { name, hold, statement: of } => declare(session, name, *hold, of).await,
        Statement::Fetch { name, count, is_move: false } => {
            let cursor = find(session, name)?;
            let rows = fetch(session, name, &cursor, *count)?;
            Ok(Execution::Rows { columns: Arc::clone(&cursor.columns), rows, tag: RowTag("FETCH") })
        }
        Statement::Fetch { name, count, is_move: true } => {
            let cursor = find(session, name)?;
            let mut rows = fetch(session, name, &cursor, *count)?;
            let mut n_rows = 0;
            let skip = async {
                while let Some(batch) = rows.next().await {
                    n_rows += batch?.num_rows();
                }
                Ok(())
            };
            session.interrupt.or(skip).await?;
            Ok(Execution::Done { tag: format!("MOVE {n_rows}") })
        }
        Statement::Close(Some(name)) => {
            let closed = session.with_block(|block| block.cursors.remove(name)).flatten();
            drop(closed.ok_or_else(|| unknown(name))?);
            Ok(Execution::Done { tag: "CLOSE CURSOR".to_owned() })
        }
        Statement::Close(None) => {
            session.with_block(|block| block.cursors.clear());
            Ok(Execution::Done { tag: "CLOSE CURSOR ALL".to_owned() })
        }
        _ => Err(Error::internal("not a statement on cursors")),
    }
}

/// The columns that FETCH gives.
///
/// # Errors
/// 34000.
pub(super) fn columns(session: &Session, name: &str) -> Result<Arc<[OutputColumn]>> {
    find(session, name).map(|cursor| Arc::clone(&cursor.columns))
}

fn find(session: &Session, name: &str) -> Result<Arc<Cursor>> {
    let found = session.with_block(|block| block.cursors.get(name).cloned()).flatten();
    found.ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Error {
    Error::new(SqlState::InvalidCursorName, format!("cursor \"{name}\" does not exist"))
}

async fn declare(session: &Session, name: &str, hold: bool, of: &Parsed) -> Result<Execution> {
    if hold {
        return Err(Error::unsupported("cursors WITH HOLD are not supported")
            .with_hint("FETCH what is needed before COMMIT, or CREATE TABLE .. AS the query."));
    }
    let is_taken = session.with_block(|block| block.cursors.contains_key(name));
    match is_taken {
        None => {
            return Err(Error::new(
                SqlState::NoActiveSqlTransaction,
                "DECLARE CURSOR can only be used in transaction blocks",
            ));
        }
        Some(true) => {
            return Err(Error::new(
                SqlState::DuplicateCursor,
                format!("cursor \"{name}\" already exists"),
            ));
        }
        Some(false) => {}
    }
    let (columns, source) = open(session, of).await?;
    let declared = session.shared.clock.now();
    let position = Arc::new(tokio::sync::Mutex::new(Position { source, rest: None }));
    session.with_block(|block| {
        let number = block.next_cursor();
        let statement = of.text.clone();
        let cursor = Cursor { number, statement, declared, columns, position };
        block.cursors.insert(name.to_owned(), Arc::new(cursor));
    });
    Ok(Execution::Done { tag: "DECLARE CURSOR".to_owned() })
}

async fn open(session: &Session, of: &Parsed) -> Result<(Arc<[OutputColumn]>, Source)> {
    match &of.statement {
        Statement::Subscribe(subscribe) => {
            let subscription = Subscription::open(session, subscribe).await?;
            let columns = Arc::clone(&subscription.columns);
            Ok((columns, Source::Subscription(Box::new(subscription))))
        }
        Statement::Query(ast) => {
            let catalog = session.catalog();
            let bound =
                crate::stack::on_planner_stack(|| query::bind(session, &catalog, ast, &[]))?;
            if !bound.parameters.is_empty() {
                return Err(Error::unsupported("the query of a cursor cannot have parameters")
                    .with_hint("Write the values into the statement."));
            }
            let (rows, _) = query::stream(session, &catalog, &bound, &[]).await?;
            let columns = query::output_columns(&catalog, &bound.columns);
            Ok((columns, Source::Query(rows.fuse().boxed())))
        }
        _ => Err(Error::unsupported("a cursor is for a query or SUBSCRIBE")),
    }
}

/// A running FETCH. The cursor is its own until it ends.
struct Fetch {
    position: OwnedMutexGuard<Position>,
    /// Rows to go; `None` is ALL.
    left: Option<u64>,
    /// FETCH ALL from a subscription gives the changes up to here.
    until: Epoch,
    /// True once a row was given.
    gave: bool,
}

/// The next rows. From a subscription, a number of rows is waited for until one is there; ALL is all that
/// changed until now.
fn fetch(session: &Session, name: &str, cursor: &Cursor, count: Option<u64>) -> Result<RowStream> {
    let position = Arc::clone(&cursor.position).try_lock_owned().map_err(|_| {
        Error::new(SqlState::ObjectInUse, format!("cursor \"{name}\" is being fetched from"))
            .with_hint("End the other FETCH first.")
    })?;
    let until = session.shared.durable.newest();
    let fetch = Fetch { position, left: count, until, gave: false };
    let next = |fetch: Option<Fetch>| async move {
        let mut fetch = fetch?;
        match fetch.next().await {
            Ok(None) => None,
            Ok(Some(batch)) => Some((Ok(batch), Some(fetch))),
            Err(error) => Some((Err(error), None)),
        }
    };
    Ok(futures::stream::unfold(Some(fetch), next).boxed())
}

impl Session {
    /// The columns of an open cursor; `None` where there is none of that name. To the wire it is a portal.
    #[must_use]
    pub fn cursor_columns(&self, name: &str) -> Option<Arc<[OutputColumn]>> {
        columns(self, name).ok()
    }

    /// Gives the next rows of an open cursor, up to `count` of them, as a portal does.
    ///
    /// # Errors
    /// 34000 where there is none of that name, 55006 while it is being fetched from.
    pub fn fetch_cursor(&self, name: &str, count: Option<u64>) -> Result<Execution> {
        let cursor = find(self, name)?;
        let rows = fetch(self, name, &cursor, count)?;
        Ok(Execution::Rows { columns: Arc::clone(&cursor.columns), rows, tag: RowTag("SELECT") })
    }

    /// Closes a cursor, if there is one of that name.
    pub fn close_cursor(&self, name: &str) {
        drop(self.with_block(|block| block.cursors.remove(name)));
    }

    /// The open cursors, oldest first.
    pub(crate) fn cursors(&self) -> Vec<CursorRow> {
        let open = self.with_block(|block| block.cursors.clone()).unwrap_or_default();
        let mut open: Vec<_> = open.into_iter().collect();
        open.sort_by_key(|(_, cursor)| cursor.number);
        let row = |(name, cursor): (String, Arc<Cursor>)| CursorRow {
            name,
            statement: cursor.statement.clone(),
            declared: cursor.declared,
        };
        open.into_iter().map(row).collect()
    }
}

impl Fetch {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if self.left == Some(0) {
            return Ok(None);
        }
        let batch = loop {
            let batch = match self.position.rest.take() {
                Some(rest) => Some(rest),
                None => self.more().await?,
            };
            match batch {
                Some(batch) if batch.num_rows() == 0 => {}
                Some(batch) => break batch,
                None => return Ok(None),
            }
        };
        self.gave = true;
        let Some(left) = self.left else { return Ok(Some(batch)) };
        let n_rows = batch.num_rows().min(usize::try_from(left).unwrap_or(usize::MAX));
        if n_rows < batch.num_rows() {
            self.position.rest = Some(batch.slice(n_rows, batch.num_rows() - n_rows));
        }
        self.left = Some(left - n_rows as u64);
        Ok(Some(batch.slice(0, n_rows)))
    }

    async fn more(&mut self) -> Result<Option<RecordBatch>> {
        let is_all = self.left.is_none();
        match &mut self.position.source {
            Source::Query(rows) => rows.next().await.transpose(),
            Source::Subscription(rows) if is_all => rows.next_until(self.until).await,
            Source::Subscription(rows) if self.gave => rows.next_if_there().await,
            Source::Subscription(rows) => rows.next().await.map(Some),
        }
    }
}
