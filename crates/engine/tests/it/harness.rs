//! An engine on a directory of its own, and clients whose results are text.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use tempfile::TempDir;
use weir_engine::copy::CopyEncoder;
use weir_engine::{
    Engine, EngineConfig, Execution, OutputColumn, RowStream, Session, SessionStartup, value,
};
use weir_types::Error;

/// Longest wait for something that must come: only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// An engine that can be restarted on its directory.
pub(crate) struct Db {
    dir: TempDir,
    engine: Engine,
}

/// What a statement answered: its tag, and its rows with `|` between the columns.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) tag: String,
    pub(crate) rows: Vec<String>,
}

fn try_open(dir: &TempDir, password: Option<&str>) -> Result<Engine, Error> {
    let config = EngineConfig {
        data_dir: dir.path().join("data"),
        workers: 2,
        memory_limit: 256 << 20,
        checkpoint_interval: Duration::from_secs(3600),
        password: password.map(str::to_owned),
    };
    Engine::open(config)
}

fn open(dir: &TempDir, password: Option<&str>) -> Engine {
    try_open(dir, password).expect("the engine opens")
}

impl Db {
    pub(crate) fn new() -> Self {
        Self::with_password(None)
    }

    pub(crate) fn with_password(password: Option<&str>) -> Self {
        let dir = TempDir::new().expect("a directory");
        let engine = open(&dir, password);
        Self { dir, engine }
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Stops the engine and opens its directory again.
    pub(crate) async fn restart(self, password: Option<&str>) -> Self {
        let Self { dir, engine } = self;
        engine.shutdown().await.expect("it stops");
        drop(engine);
        let engine = open(&dir, password);
        Self { dir, engine }
    }

    /// Stops the engine, and gives its directory.
    pub(crate) async fn stop(self) -> TempDir {
        self.engine.shutdown().await.expect("it stops");
        self.dir
    }

    /// An engine on a directory.
    pub(crate) fn open(dir: TempDir) -> Self {
        let engine = open(&dir, None);
        Self { dir, engine }
    }

    /// Why no engine can be opened on a directory.
    pub(crate) fn refusal(dir: &TempDir) -> Error {
        try_open(dir, None).err().expect("the directory is refused")
    }

    pub(crate) fn client(&self) -> Client {
        let startup = SessionStartup {
            user: "ada".to_owned(),
            database: "weir".to_owned(),
            peer: "test".to_owned(),
            settings: Vec::new(),
        };
        Client { session: self.engine.session(startup).expect("a session") }
    }
}

/// A client.
pub(crate) struct Client {
    pub(crate) session: Arc<Session>,
}

impl Client {
    /// Runs one statement, as the door does.
    pub(crate) async fn run(&self, sql: &str) -> Result<Answer, Error> {
        self.session.begin_statement();
        let outcome = self.answer(sql).await;
        if outcome.is_err() {
            self.session.fail();
        }
        self.session.end_statement();
        outcome
    }

    async fn answer(&self, sql: &str) -> Result<Answer, Error> {
        match self.execute(sql).await? {
            Execution::Rows { columns, mut rows, tag } => {
                let mut lines = Vec::new();
                while let Some(batch) = within(self.next(&mut rows)).await? {
                    lines.extend(text(&columns, &batch));
                }
                Ok(Answer { tag: tag.complete(lines.len() as u64), rows: lines })
            }
            Execution::Done { tag } => Ok(Answer { tag, rows: Vec::new() }),
            _ => panic!("{sql} copies"),
        }
    }

    /// The next batch of a result, or why it ends early.
    async fn next(&self, rows: &mut RowStream) -> Result<Option<RecordBatch>, Error> {
        tokio::select! {
            biased;
            error = self.session.interrupted() => Err(error),
            batch = rows.next() => batch.transpose(),
        }
    }

    async fn execute(&self, sql: &str) -> Result<Execution, Error> {
        let mut parsed = self.session.parse(sql)?;
        assert_eq!(parsed.len(), 1, "one statement: {sql}");
        let prepared = self.session.prepare(parsed.remove(0), Vec::new()).await?;
        within(self.session.execute(&prepared, Vec::new())).await
    }

    /// The rows of a statement that must pass.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<String> {
        self.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).rows
    }

    /// The tag of a statement that must pass.
    pub(crate) async fn ok(&self, sql: &str) -> String {
        self.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).tag
    }

    /// SQLSTATE and message of a statement that must fail.
    pub(crate) async fn error(&self, sql: &str) -> String {
        let error = self.run(sql).await.expect_err(sql);
        format!("{} {}", error.state().code(), error.message())
    }

    /// Texts of the notices since the last call.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.session.take_notices().into_iter().map(|notice| notice.message).collect()
    }

    /// A running SUBSCRIBE.
    pub(crate) async fn follow(&self, sql: &str) -> Following<'_> {
        self.session.begin_statement();
        let execution = self.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let Execution::Rows { columns, rows, .. } = execution else { panic!("{sql}: no rows") };
        Following { client: self, columns, rows, taken: Vec::new() }
    }

    /// The running rows of a COPY TO, and what writes them.
    pub(crate) async fn copy_out(&self, sql: &str) -> (Box<CopyEncoder>, RowStream) {
        let execution = self.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let Execution::CopyOut { encoder, rows } = execution else { panic!("{sql}: no COPY") };
        (encoder, rows)
    }

    /// Copies data in, in pieces of a mebibyte. Gives the tag.
    pub(crate) async fn copy_in(&self, sql: &str, data: String) -> Result<String, Error> {
        self.session.begin_statement();
        let outcome = self.take_in(sql, data.into()).await;
        if outcome.is_err() {
            self.session.fail();
        }
        self.session.end_statement();
        outcome
    }

    async fn take_in(&self, sql: &str, mut data: Bytes) -> Result<String, Error> {
        let Execution::CopyIn { mut copy, .. } = self.execute(sql).await? else {
            panic!("{sql}: no COPY")
        };
        while !data.is_empty() {
            copy.data(data.split_to(data.len().min(1 << 20))).await?;
        }
        copy.finish().await
    }
}

/// The rows of a SUBSCRIBE, taken as they come.
pub(crate) struct Following<'a> {
    client: &'a Client,
    columns: Arc<[OutputColumn]>,
    rows: RowStream,
    taken: Vec<String>,
}

impl Following<'_> {
    /// The next `n` rows, `diff` first and without their epochs, which must not go back.
    pub(crate) async fn take(&mut self, n: usize) -> Vec<String> {
        let rows = self.take_with_epochs(n).await;
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// The next `n` rows with their epochs.
    pub(crate) async fn take_with_epochs(&mut self, n: usize) -> Vec<(u64, String)> {
        while self.taken.len() < n {
            let batch = within(self.client.next(&mut self.rows)).await.expect("rows");
            self.taken.extend(text(&self.columns, &batch.expect("it goes on")));
        }
        let rows: Vec<String> = self.taken.drain(..n).collect();
        let split = |row: String| {
            let (epoch, rest) = row.split_once('|').expect("epoch and rest");
            let (high, low) = epoch.split_once('/').expect("the form of pg_lsn");
            let part = |text| u64::from_str_radix(text, 16).expect("a hexadecimal number");
            (part(high) << 32 | part(low), rest.to_owned())
        };
        rows.into_iter().map(split).collect()
    }

    /// The next row, or the error that ends it.
    pub(crate) async fn next_row(&mut self) -> Result<String, String> {
        while self.taken.is_empty() {
            match within(self.client.next(&mut self.rows)).await {
                Ok(Some(batch)) => self.taken.extend(text(&self.columns, &batch)),
                Ok(None) => panic!("it ended without an error"),
                Err(error) => return Err(format!("{} {}", error.state().code(), error.message())),
            }
        }
        Ok(self.taken.remove(0))
    }

    /// The error that ends it.
    pub(crate) async fn end(mut self) -> String {
        match self.next_row().await {
            Ok(row) => panic!("it goes on with {row}"),
            Err(error) => error,
        }
    }

    /// True where rows are there now.
    pub(crate) fn has_more(&mut self) -> bool {
        match self.rows.next().now_or_never() {
            None => !self.taken.is_empty(),
            Some(batch) => {
                let batch = batch.expect("it goes on").expect("rows");
                self.taken.extend(text(&self.columns, &batch));
                true
            }
        }
    }
}

/// What must come, comes soon.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it comes within the test's patience")
}

fn text(columns: &[OutputColumn], batch: &RecordBatch) -> Vec<String> {
    let cell = |row: usize, column: usize| {
        value::display(batch.column(column).as_ref(), row, &columns[column].sql_type)
    };
    let line = |row: usize| {
        let cells: Vec<String> = (0..batch.num_columns()).map(|column| cell(row, column)).collect();
        cells.join("|")
    };
    (0..batch.num_rows()).map(line).collect()
}
