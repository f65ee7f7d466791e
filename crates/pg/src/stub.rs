//! An engine that does what the text of a statement says, for the tests of the door. It has the
//! shape of `weir_engine` as far as the door uses it.
//!
//! | statement | effect |
//! |---|---|
//! | `SELECT rows N` | N rows (n int4, name text, NULL in every third) in batches of 1,000 |
//! | `SELECT stream N` | N rows one by one, then it waits until it is stopped |
//! | `SELECT broken N` | N rows, then 22012 |
//! | `SELECT echo $1 $2` | one row of its parameters, (int4, text) |
//! | `INSERT x` | notes `x` as committed at the end of its transaction |
//! | `BEGIN`, `COMMIT`, `ROLLBACK` | |
//! | `SET a b` | a parameter change |
//! | `NOTICE text` | a notice |
//! | `FAIL code` | an error with every field |
//! | `WAIT` | runs until it is cancelled |
//! | `PANIC` | |
//! | `CONFLICT` | lets the commit of the implicit block fail with 40001 |
//! | `COPY IN` | takes lines; one that is `bad` is refused |
//! | `COPY OUT N`, `COPY STREAM N` | N rows of text; the latter then waits until it is stopped |
//! | `COPY CSV N`, `COPY BINARY N` | N rows, with the names before them, or in binary |
//! | `DECLARE x N` | a cursor of N rows, until the session ends |
//! | `DEALLOCATE ALL` | |

#![allow(unreachable_pub, reason = "the shape of a crate")]

mod copy;
mod statement;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::sync::watch;
use tokio::time::timeout;
use weir_engine::copy::CopyEncoder;
use weir_engine::value::FormatSettings;
use weir_types::{Error, Notice, Result, SqlState, SqlType};

use statement::{Command, split};

/// After this a test hangs, and fails.
const HANGS: Duration = Duration::from_secs(20);

/// The engine.
#[derive(Clone, Default)]
pub struct Engine(Arc<Shared>);

#[derive(Default)]
struct Shared {
    verifier: Option<ScramVerifier>,
    next_pid: AtomicI32,
    interrupts: Mutex<HashMap<i32, watch::Sender<Option<SqlState>>>>,
    committed: Mutex<Vec<String>>,
    startups: Mutex<Vec<SessionStartup>>,
    open_streams: watch::Sender<usize>,
    open_sessions: watch::Sender<usize>,
    waiting: watch::Sender<usize>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

async fn become_n(count: &watch::Sender<usize>, n: usize) {
    let mut count = count.subscribe();
    let reached = timeout(HANGS, count.wait_for(|&found| found == n)).await;
    reached.expect("the count is never reached").expect("the engine lives");
}

/// Counts as long as it lives.
struct Counted(Arc<Shared>, fn(&Shared) -> &watch::Sender<usize>);

impl Counted {
    fn new(shared: &Arc<Shared>, count: fn(&Shared) -> &watch::Sender<usize>) -> Self {
        count(shared).send_modify(|n| *n += 1);
        Self(Arc::clone(shared), count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.1)(&self.0).send_modify(|n| *n -= 1);
    }
}

impl Engine {
    pub fn with_password(verifier: ScramVerifier) -> Self {
        Self(Arc::new(Shared { verifier: Some(verifier), ..Shared::default() }))
    }

    /// What INSERTs have committed.
    pub fn committed(&self) -> Vec<String> {
        lock(&self.0.committed).clone()
    }

    /// What clients gave at startup.
    pub fn startups(&self) -> Vec<SessionStartup> {
        lock(&self.0.startups).clone()
    }

    /// Waits until that many streams are open.
    pub async fn streams_become(&self, n: usize) {
        become_n(&self.0.open_streams, n).await;
    }

    /// Waits until that many sessions are open.
    pub async fn sessions_become(&self, n: usize) {
        become_n(&self.0.open_sessions, n).await;
    }

    /// Waits until that many WAITs are running.
    pub async fn waits_become(&self, n: usize) {
        become_n(&self.0.waiting, n).await;
    }

    pub fn session(&self, startup: SessionStartup) -> Result<Arc<Session>> {
        if startup.database == "nowhere" {
            let message = "database \"nowhere\" does not exist";
            return Err(Error::new(SqlState::InvalidCatalogName, message));
        }
        lock(&self.0.startups).push(startup);
        let pid = self.0.next_pid.fetch_add(1, Ordering::Relaxed) + 1;
        let interrupt = watch::Sender::new(None);
        lock(&self.0.interrupts).insert(pid, interrupt.clone());
        Ok(Arc::new(Session {
            pid,
            interrupt,
            block: Mutex::default(),
            cursors: Mutex::default(),
            notices: Mutex::default(),
            changes: Mutex::default(),
            _open: Counted::new(&self.0, |shared| &shared.open_sessions),
            shared: Arc::clone(&self.0),
        }))
    }

    pub fn password_verifier(&self) -> Option<ScramVerifier> {
        self.0.verifier.clone()
    }

    pub fn cancel(&self, pid: i32, secret: i32) {
        if secret == secret_of(pid) {
            self.interrupt(pid, SqlState::QueryCanceled);
        }
    }

    /// Ends the session with that error (57P01) or its statement (57014).
    pub fn interrupt(&self, pid: i32, state: SqlState) {
        if let Some(interrupt) = lock(&self.0.interrupts).get(&pid) {
            interrupt.send_replace(Some(state));
        }
    }
}

fn secret_of(pid: i32) -> i32 {
    pid.wrapping_mul(7919) ^ 0x5EED
}

#[derive(Clone)]
pub struct SessionStartup {
    pub user: String,
    pub database: String,
    pub peer: String,
    pub settings: Vec<(String, String)>,
}

#[derive(Clone)]
pub struct ScramVerifier {
    pub salt: Vec<u8>,
    pub iterations: u32,
    pub stored_key: Vec<u8>,
    pub server_key: Vec<u8>,
}

pub struct Session {
    pid: i32,
    interrupt: watch::Sender<Option<SqlState>>,
    block: Mutex<Block>,
    /// How many rows of each were given, and how many there are.
    cursors: Mutex<HashMap<String, (usize, usize)>>,
    notices: Mutex<Vec<Notice>>,
    changes: Mutex<Vec<(String, String)>>,
    _open: Counted,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Block {
    kind: BlockKind,
    writes: Vec<String>,
    loses_race: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum BlockKind {
    #[default]
    None,
    Implicit,
    Explicit,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    Idle,
    InBlock,
    Failed,
}

pub struct Parsed(String);

impl Parsed {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

pub struct Parameter {
    pub binary: bool,
    pub value: Option<Bytes>,
}

pub struct Prepared {
    command: Command,
    parameters: Vec<SqlType>,
    columns: Option<Arc<[OutputColumn]>>,
}

impl Prepared {
    pub fn parameters(&self) -> &[SqlType] {
        &self.parameters
    }

    pub fn columns(&self) -> Option<&Arc<[OutputColumn]>> {
        self.columns.as_ref()
    }

    pub fn begins_block(&self) -> bool {
        self.columns.is_none() && !matches!(self.command, Command::CopyIn | Command::CopyOut { .. })
    }

    pub fn is_allowed_in_failed_block(&self) -> bool {
        matches!(self.command, Command::Commit | Command::Rollback)
    }
}

#[derive(Clone, Debug)]
pub struct OutputColumn {
    pub name: String,
    pub sql_type: SqlType,
    pub table_oid: u32,
    pub attribute: i16,
}

pub enum Execution {
    Rows {
        columns: Arc<[OutputColumn]>,
        rows: RowStream,
        tag: RowTag,
    },
    Done {
        tag: String,
    },
    #[allow(dead_code, reason = "the stub knows an empty statement before it runs")]
    Empty,
    CopyIn {
        columns: usize,
        binary: bool,
        copy: Box<dyn CopyIn>,
    },
    CopyOut {
        encoder: Box<CopyEncoder>,
        rows: RowStream,
    },
}

pub type RowStream = BoxStream<'static, Result<RecordBatch>>;

pub struct RowTag(&'static str);

impl RowTag {
    pub fn complete(&self, n_rows: u64) -> String {
        format!("{} {n_rows}", self.0)
    }
}

#[async_trait]
pub trait CopyIn: Send {
    async fn data(&mut self, data: Bytes) -> Result<()>;
    async fn finish(self: Box<Self>) -> Result<String>;
    async fn abort(self: Box<Self>, reason: Error) -> Error;
}

impl Session {
    pub fn pid(&self) -> i32 {
        self.pid
    }

    pub fn secret(&self) -> i32 {
        secret_of(self.pid)
    }

    pub fn parse(&self, sql: &str) -> Result<Vec<Parsed>> {
        if sql.contains("SYNTAX") {
            return Err(Error::syntax("syntax error at or near \"SYNTAX\"").with_position(1));
        }
        Ok(split(sql).map(|text| Parsed(text.to_owned())).collect())
    }

    pub fn begin_statement(&self) {
        self.interrupt.send_replace(None);
    }

    pub fn end_statement(&self) {}

    pub async fn prepare(
        &self,
        parsed: Parsed,
        parameter_types: Vec<Option<SqlType>>,
    ) -> Result<Arc<Prepared>> {
        statement::prepare(&parsed.0, parameter_types)
    }

    pub async fn execute(
        &self,
        prepared: &Arc<Prepared>,
        parameters: Vec<Parameter>,
    ) -> Result<Execution> {
        if self.transaction_status() == TransactionStatus::Failed
            && !prepared.is_allowed_in_failed_block()
        {
            return Err(Error::new(SqlState::InFailedSqlTransaction, "the block has failed"));
        }
        statement::execute(self, prepared, parameters).await
    }

    pub fn cursor_columns(&self, name: &str) -> Option<Arc<[OutputColumn]>> {
        lock(&self.cursors).contains_key(name).then(statement::columns)
    }

    pub fn fetch_cursor(&self, name: &str, count: Option<u64>) -> Result<Execution> {
        let mut cursors = lock(&self.cursors);
        let (given, n_rows) = cursors.get_mut(name).expect("the door has asked for it");
        let first = *given;
        *given = count.map_or(*n_rows, |count| (first + count as usize).min(*n_rows));
        Ok(statement::rows_of(self, first..*given))
    }

    pub fn close_cursor(&self, name: &str) {
        lock(&self.cursors).remove(name);
    }

    pub async fn interrupted(&self) -> Error {
        let mut interrupt = self.interrupt.subscribe();
        let state = *interrupt.wait_for(Option::is_some).await.expect("the session lives");
        let message = match state {
            Some(SqlState::QueryCanceled) => "canceling statement due to user request",
            _ => "terminating connection due to administrator command",
        };
        Error::new(state.expect("waited for"), message)
    }

    pub fn begin_implicit_block(&self) {
        let mut block = lock(&self.block);
        if block.kind == BlockKind::None {
            block.kind = BlockKind::Implicit;
        }
    }

    pub async fn end_implicit_block(&self) -> Result<()> {
        let block = {
            let mut block = lock(&self.block);
            if block.kind != BlockKind::Implicit {
                return Ok(());
            }
            std::mem::take(&mut *block)
        };
        if block.loses_race {
            return Err(Error::new(SqlState::SerializationFailure, "could not serialize access"));
        }
        lock(&self.shared.committed).extend(block.writes);
        Ok(())
    }

    pub fn fail(&self) {
        let mut block = lock(&self.block);
        *block = Block {
            kind: match block.kind {
                BlockKind::None | BlockKind::Implicit => BlockKind::None,
                BlockKind::Explicit | BlockKind::Failed => BlockKind::Failed,
            },
            ..Block::default()
        };
    }

    pub fn transaction_status(&self) -> TransactionStatus {
        match lock(&self.block).kind {
            BlockKind::None | BlockKind::Implicit => TransactionStatus::Idle,
            BlockKind::Explicit => TransactionStatus::InBlock,
            BlockKind::Failed => TransactionStatus::Failed,
        }
    }

    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut lock(&self.notices))
    }

    pub fn take_parameter_changes(&self) -> Vec<(String, String)> {
        std::mem::take(&mut lock(&self.changes))
    }

    pub fn reported_parameters(&self) -> Vec<(String, String)> {
        let pairs = [("server_version", "15.0 (Weir test)"), ("client_encoding", "UTF8")];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    pub fn format_settings(&self) -> FormatSettings {
        FormatSettings::default()
    }

    fn write(&self, row: &str) {
        let mut block = lock(&self.block);
        if block.kind == BlockKind::None {
            lock(&self.shared.committed).push(row.to_owned());
        } else {
            block.writes.push(row.to_owned());
        }
    }

    /// Ends an explicit block.
    fn end_block(&self, commits: bool) -> &'static str {
        let block = std::mem::take(&mut *lock(&self.block));
        if !commits || block.kind == BlockKind::Failed {
            return "ROLLBACK";
        }
        lock(&self.shared.committed).extend(block.writes);
        "COMMIT"
    }
}
