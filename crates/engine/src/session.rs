//! A session: one client's settings, transaction and statements.

mod block;
mod interrupt;
mod prepared;
mod savepoint;
mod system;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use weir_catalog::{Catalog, SearchPath};
use weir_connect::copy::CopyEncoder;
use weir_types::{Error, Notice, Result, SqlState, SqlType, Timestamp};

use crate::connections::Connection;
use crate::settings::{Meaning, Settings};
use crate::shared::Shared;

pub(crate) use block::Block;
pub(crate) use interrupt::Interrupt;
pub use prepared::Prepared;
pub(crate) use prepared::{Work, rescues};
pub(crate) use system::StatementSystem;

/// What a client says of itself when it connects.
#[derive(Clone, Debug, Default)]
pub struct SessionStartup {
    /// The role.
    pub user: String,
    /// The database; `weir`, or empty.
    pub database: String,
    /// The client's address, for `sys.connections`.
    pub peer: String,
    /// Settings of the startup packet, `options=-c k=v` expanded.
    pub settings: Vec<(String, String)>,
}

/// A statement that was parsed and not yet planned.
#[derive(Clone, Debug)]
pub struct Parsed(pub(crate) weir_planner::dialect::Parsed);

impl Parsed {
    /// True for white space and comments only.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.0.statement, weir_planner::dialect::Statement::Empty)
    }
}

/// An output column on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// Oid of the relation it is a column of; 0 for none.
    pub table_oid: u32,
    /// Its number there, from 1; 0 for none.
    pub attribute: i16,
}

/// A parameter as it came over the wire.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// In PostgreSQL's binary form rather than text.
    pub binary: bool,
    /// `None` is NULL.
    pub value: Option<Bytes>,
}

/// Batches of rows; dropping the stream ends the query.
pub type RowStream = BoxStream<'static, Result<RecordBatch>>;

/// The command tag of a statement that returns rows.
#[derive(Clone, Debug)]
pub struct RowTag(pub(crate) &'static str);

impl RowTag {
    /// The tag for that many rows.
    #[must_use]
    pub fn complete(&self, n_rows: u64) -> String {
        match self.0 {
            "INSERT" => format!("INSERT 0 {n_rows}"),
            // PostgreSQL's tags of these have no count.
            verb @ ("SHOW" | "EXPLAIN") => verb.to_owned(),
            verb => format!("{verb} {n_rows}"),
        }
    }
}

/// What a statement gives.
pub enum Execution {
    /// Rows.
    Rows {
        /// Their columns.
        columns: Arc<[OutputColumn]>,
        /// The rows, in batches of those columns.
        rows: RowStream,
        /// The tag for the end.
        tag: RowTag,
    },
    /// No rows.
    Done {
        /// The command tag.
        tag: String,
    },
    /// Nothing was asked.
    Empty,
    /// Rows are to come.
    CopyIn {
        /// Number of columns.
        columns: usize,
        /// Binary format.
        binary: bool,
        /// Takes the data.
        copy: Box<dyn CopyIn>,
    },
    /// Rows go out as data.
    CopyOut {
        /// Writes them.
        encoder: Box<CopyEncoder>,
        /// The rows.
        rows: RowStream,
    },
}

/// Takes the data of COPY FROM STDIN.
#[async_trait]
pub trait CopyIn: Send {
    /// Takes a piece of data, cut anywhere.
    ///
    /// # Errors
    /// Of the data; what of the copy is committed then, the error tells.
    async fn data(&mut self, data: Bytes) -> Result<()>;

    /// Commits, or adds to the transaction. Gives the tag.
    ///
    /// # Errors
    /// Of the data, and of committing.
    async fn finish(self: Box<Self>) -> Result<String>;

    /// No more data comes, for that reason; the error to answer with.
    async fn abort(self: Box<Self>, reason: Error) -> Error;
}

/// Where a session is with transactions, as ReadyForQuery tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// No block.
    Idle,
    /// In a block.
    InBlock,
    /// In a block that failed.
    Failed,
}

/// Where a session is with transactions.
#[derive(Default)]
pub(crate) enum Transaction {
    #[default]
    None,
    /// Several statements of one message, or up to one Sync.
    Implicit(Box<Block>),
    /// BEGIN.
    Explicit(Box<Block>),
    /// BEGIN, then an error. The block is kept where it has savepoints to go back to.
    Failed(Option<Box<Block>>),
}

/// One client's session. Dropping it ends it; an open transaction has no effect then.
pub struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) user: String,
    pub(crate) interrupt: Interrupt,
    pub(crate) connection: Connection,
    pub(crate) state: Mutex<State>,
    /// This session, for what outlives a statement.
    pub(crate) this: std::sync::Weak<Self>,
}

/// What statements change.
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) transaction: Transaction,
    pub(crate) statements: HashMap<String, Arc<Prepared>>,
    notices: Vec<Notice>,
    parameter_changes: Vec<(String, String)>,
    /// What SET LOCAL changed, to be brought back when the transaction ends: name and value.
    pub(crate) local: Vec<(String, Option<String>)>,
    /// The settings as the transaction began: ROLLBACK brings them back.
    pub(crate) before: Option<Box<Settings>>,
}

impl Session {
    /// A session on a running engine.
    ///
    /// # Errors
    /// 3D000 for an unknown database, 53300 with too many connections, 22023 for bad settings.
    pub(crate) fn new(shared: &Arc<Shared>, startup: SessionStartup) -> Result<Arc<Self>> {
        if !["", "weir", "postgres"].contains(&startup.database.as_str()) {
            return Err(Error::new(
                SqlState::InvalidCatalogName,
                format!("database \"{}\" does not exist", startup.database),
            )
            .with_hint("Weir has one database, named \"weir\"."));
        }
        let mut settings = Settings::new(&startup.user);
        for (name, value) in &startup.settings {
            settings.start(name, value)?;
        }
        let interrupt = Interrupt::default();
        let connection = shared.connections.add(&startup, interrupt.clone(), shared.clock.now())?;
        Ok(Arc::new_cyclic(|this| Self {
            shared: Arc::clone(shared),
            user: startup.user,
            interrupt,
            connection,
            this: this.clone(),
            state: Mutex::new(State {
                settings,
                transaction: Transaction::None,
                statements: HashMap::new(),
                notices: Vec::new(),
                parameter_changes: Vec::new(),
                local: Vec::new(),
                before: None,
            }),
        }))
    }

    /// The number that a CancelRequest names.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.connection.pid()
    }

    /// The secret that a CancelRequest shows.
    #[must_use]
    pub fn secret(&self) -> i32 {
        self.connection.secret()
    }

    /// The statements of a text.
    ///
    /// # Errors
    /// 42601 where it cannot be parsed, 54000 and 54001 where it is too large or too deep.
    pub fn parse(&self, sql: &str) -> Result<Vec<Parsed>> {
        let parsed = crate::stack::on_planner_stack(|| weir_planner::dialect::parse_sql(sql))?;
        Ok(parsed.into_iter().map(Parsed).collect())
    }

    /// A statement of the client begins: its time counts, and an old cancel is forgotten.
    pub fn begin_statement(&self) {
        let timeout = self.meaning().statement_timeout_ms();
        self.interrupt.arm(timeout);
    }

    /// The statement is over.
    pub fn end_statement(&self) {
        let status = self.transaction_status();
        match status {
            TransactionStatus::Idle => self.interrupt.disarm(),
            TransactionStatus::InBlock | TransactionStatus::Failed => {
                let timeout = self.meaning().idle_in_transaction_timeout_ms();
                self.interrupt.arm_idle(timeout);
            }
        }
        self.connection.idle(self.shared.clock.now(), status);
    }

    /// Completes when the running statement is to end early, with the error to answer.
    pub async fn interrupted(&self) -> Error {
        self.interrupt.wait().await
    }

    /// Several statements of one message, or up to one Sync, follow: they are one transaction.
    pub fn begin_implicit_block(&self) {
        let mut state = self.state.lock();
        if matches!(state.transaction, Transaction::None) {
            let block = Block::new(&self.shared, state.settings.meaning().read_only());
            state.transaction = Transaction::Implicit(Box::new(block));
            state.before = Some(Box::new(state.settings.clone()));
        }
    }

    /// Ends what [`Self::begin_implicit_block`] began, unless a BEGIN took over.
    ///
    /// # Errors
    /// Of the commit; nothing has an effect then.
    pub async fn end_implicit_block(&self) -> Result<()> {
        let block = {
            let mut state = self.state.lock();
            match std::mem::take(&mut state.transaction) {
                Transaction::Implicit(block) => block,
                other => {
                    state.transaction = other;
                    return Ok(());
                }
            }
        };
        let outcome = self.commit_block(*block).await;
        self.end_transaction(outcome.is_ok());
        outcome
    }

    /// An error was answered: the transaction, if there is one, has failed.
    pub fn fail(&self) {
        let mut state = self.state.lock();
        if matches!(state.transaction, Transaction::Implicit(_)) {
            state.roll_back_settings();
        }
        state.transaction = match std::mem::take(&mut state.transaction) {
            Transaction::None | Transaction::Implicit(_) => Transaction::None,
            Transaction::Explicit(block) => Transaction::Failed(block.until_rolled_back()),
            failed @ Transaction::Failed(_) => failed,
        };
    }

    /// Where the session is with transactions.
    #[must_use]
    pub fn transaction_status(&self) -> TransactionStatus {
        match self.state.lock().transaction {
            Transaction::None | Transaction::Implicit(_) => TransactionStatus::Idle,
            Transaction::Explicit(_) => TransactionStatus::InBlock,
            Transaction::Failed(_) => TransactionStatus::Failed,
        }
    }

    /// Notices since the last call.
    #[must_use]
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.state.lock().notices)
    }

    /// Changes of reported settings since the last call.
    #[must_use]
    pub fn take_parameter_changes(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.state.lock().parameter_changes)
    }

    /// Reported settings, for a client that has just connected.
    #[must_use]
    pub fn reported_parameters(&self) -> Vec<(String, String)> {
        self.state.lock().settings.reported()
    }

    pub(crate) fn notice(&self, notice: Notice) {
        self.state.lock().notices.push(notice);
    }

    pub(crate) fn report(&self, change: impl IntoIterator<Item = (String, String)>) {
        self.state.lock().parameter_changes.extend(change);
    }

    /// What the settings mean now.
    pub(crate) fn meaning(&self) -> Arc<Meaning> {
        Arc::clone(self.state.lock().settings.meaning())
    }

    pub(crate) fn search_path(&self) -> Arc<SearchPath> {
        Arc::clone(self.meaning().search_path())
    }

    /// The objects as the session sees them: its own uncommitted DDL included.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        match &self.state.lock().transaction {
            Transaction::Implicit(block) | Transaction::Explicit(block) => {
                block.catalog.clone().unwrap_or_else(|| self.shared.catalog())
            }
            Transaction::None | Transaction::Failed(_) => self.shared.catalog(),
        }
    }

    /// The time that `now()` gives: that of the transaction's begin, or the moment.
    pub(crate) fn now(&self) -> Timestamp {
        match &self.state.lock().transaction {
            Transaction::Implicit(block) | Transaction::Explicit(block) => block.began,
            Transaction::None | Transaction::Failed(_) => self.shared.clock.now(),
        }
    }

    /// Runs `act` on the open block; `None` where there is none.
    pub(crate) fn with_block<T>(&self, act: impl FnOnce(&mut Block) -> T) -> Option<T> {
        match &mut self.state.lock().transaction {
            Transaction::Implicit(block) | Transaction::Explicit(block) => Some(act(block)),
            Transaction::None | Transaction::Failed(_) => None,
        }
    }

    /// Refuses a write in a read-only transaction.
    pub(crate) fn check_writable(&self, verb: &str) -> Result<()> {
        let read_only =
            self.with_block(|block| block.read_only).unwrap_or_else(|| self.meaning().read_only());
        if read_only {
            return Err(Error::new(
                SqlState::ReadOnlySqlTransaction,
                format!("cannot execute {verb} in a read-only transaction"),
            ));
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.interrupt.disarm();
        // A query that sleeps holds a thread.
        self.interrupt.terminate();
        self.shared.connections.remove(self.connection.pid());
    }
}
