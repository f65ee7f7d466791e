//! A Weir in this process, on a directory of its own, that answers in text as over the wire.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arrow::record_batch::RecordBatch;
use bytes::BytesMut;
use futures::StreamExt;
use tokio::runtime::Runtime;
use weir_engine::value::ValueEncoder;
use weir_engine::{Engine, EngineConfig, Execution, OutputColumn, Session, SessionStartup};
use weir_types::{Error, Result, SqlState, SqlType};

use crate::answer::{Answer, Failure, Form, Outcome, Row};

/// Often, so that rounds of some seconds have some.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(300);
/// Bytes that the queries of a Weir may use.
const MEMORY_LIMIT: usize = 1 << 30;
/// Longer than the longest query of a round takes.
const STOP_PATIENCE: Duration = Duration::from_secs(300);

/// A running Weir.
pub struct Weir {
    runtime: Runtime,
    data_dir: PathBuf,
    running: Option<(Engine, Arc<Session>)>,
    /// Removed at the end.
    _dir: tempfile::TempDir,
}

/// A temporary directory, in memory where the machine has room for files there: what is fsynced need not
/// survive the test.
///
/// # Panics
/// Where the machine has no room for files at all.
#[must_use]
pub fn temporary_dir() -> tempfile::TempDir {
    let builder = || tempfile::Builder::new();
    builder()
        .prefix("weir-test-")
        .tempdir_in("/dev/shm")
        .or_else(|_| builder().prefix("weir-test-").tempdir())
        .expect("a temporary directory can be made")
}

/// Opens an engine. One that was stopped before it may hold the directory until a query ends that runs on: the
/// end of a process would be the end of the query, too.
fn open_when_free(config: &EngineConfig) -> Result<Engine> {
    let since = Instant::now();
    loop {
        match Engine::open(config.clone()) {
            Err(error)
                if error.state() == SqlState::ObjectInUse && since.elapsed() < STOP_PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            outcome => return outcome,
        }
    }
}

impl Weir {
    /// A new Weir with that many workers.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start(workers: usize) -> Self {
        let dir = temporary_dir();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime starts");
        let data_dir = dir.path().join("data");
        let mut weir = Self { runtime, data_dir, running: None, _dir: dir };
        weir.open(workers).expect("an empty directory opens");
        weir
    }

    /// Where its data is.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Stops it and starts it again on the same directory.
    ///
    /// # Errors
    /// Of stopping and starting.
    pub fn restart(&mut self, workers: usize) -> Result<()> {
        self.stop()?;
        self.open(workers)
    }

    /// Takes its power away, and starts it on what the disk has then: of each write-ahead log as much as was
    /// there when the last fsync began.
    ///
    /// # Errors
    /// Of starting.
    ///
    /// # Panics
    /// Where the files cannot be copied.
    pub fn lose_power(&mut self, workers: usize) -> Result<()> {
        let mut left = self.data_dir.clone().into_os_string();
        left.push("+");
        let left = PathBuf::from(left);
        while !copy_of_one_moment(&self.data_dir, &left).expect("the files can be copied") {
            let _ = std::fs::remove_dir_all(&left);
        }
        self.stop()?;
        std::fs::remove_dir_all(&self.data_dir).expect("a directory of the test's own goes");
        self.data_dir = left;
        self.open(workers)
    }

    fn stop(&mut self) -> Result<()> {
        let Some((engine, session)) = self.running.take() else { return Ok(()) };
        drop(session);
        self.runtime.block_on(engine.shutdown())
    }

    fn open(&mut self, workers: usize) -> Result<()> {
        let config = EngineConfig {
            data_dir: self.data_dir.clone(),
            workers,
            memory_limit: MEMORY_LIMIT,
            checkpoint_interval: CHECKPOINT_INTERVAL,
            password: None,
        };
        let _runtime = self.runtime.enter();
        let engine = open_when_free(&config)?;
        let startup = SessionStartup {
            user: "weir".to_owned(),
            database: "weir".to_owned(),
            peer: String::new(),
            settings: vec![("TimeZone".to_owned(), "UTC".to_owned())],
        };
        let session = engine.session(startup)?;
        self.running = Some((engine, session));
        Ok(())
    }

    /// Runs the statements of a text, as one message of the simple protocol; the last one's answer.
    pub fn run(&self, sql: &str) -> Outcome {
        let (_, session) = self.running.as_ref().expect("it runs between two restarts");
        self.runtime.block_on(async {
            let outcome = answer(session, sql).await;
            if outcome.is_err() {
                session.fail();
            }
            session.end_statement();
            outcome.map_err(|error| Failure {
                code: error.state().code().to_owned(),
                message: error.message().to_owned(),
            })
        })
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("a Weir did not stop cleanly: {error}");
        }
    }
}

/// False if the copy is of no use, because something was written meanwhile: the engine's threads go on, and the log
/// would be older or newer than the checkpoint beside it.
fn copy_of_one_moment(from: &Path, to: &Path) -> std::io::Result<bool> {
    let copy = || -> std::io::Result<bool> {
        let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
        list(from, &mut before)?;
        copy_what_is_left(from, to)?;
        list(from, &mut after)?;
        Ok(before == after)
    };
    match copy() {
        // A file went between its listing and its copying.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        other => other,
    }
}

/// Adds the files of a directory, each with its length and the time of its last change.
fn list(dir: &Path, files: &mut BTreeMap<PathBuf, (u64, SystemTime)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.insert(entry.path(), (metadata.len(), metadata.modified()?));
        }
    }
    Ok(())
}

fn copy_what_is_left(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_what_is_left(&source, &target)?;
            continue;
        }
        std::fs::copy(&source, &target)?;
        if let Some(length) = weir_store::power::length_after_loss(&source) {
            let file = std::fs::File::options().write(true).open(&target)?;
            // What was written meanwhile is lost; nothing is made up.
            file.set_len(length.min(file.metadata()?.len()))?;
        }
    }
    Ok(())
}

async fn answer(session: &Arc<Session>, sql: &str) -> Result<Answer> {
    session.begin_statement();
    let mut last = Answer { columns: Vec::new(), rows: Vec::new(), tag: String::new() };
    let mut statements = session.parse(sql)?;
    statements.retain(|statement| !statement.is_empty());
    let in_block = statements.len() > 1;
    if in_block {
        session.begin_implicit_block();
    }
    for statement in statements {
        let prepared = session.prepare(statement, Vec::new()).await?;
        last = match session.execute(&prepared, Vec::new()).await? {
            Execution::Rows { columns, mut rows, tag } => {
                let mut texts = Vec::new();
                while let Some(batch) = rows.next().await {
                    texts.extend(text_rows(session, &columns, &batch?)?);
                }
                let tag = tag.complete(texts.len() as u64);
                let columns = columns.iter().map(|column| form(&column.sql_type)).collect();
                Answer { columns, rows: texts, tag }
            }
            Execution::Done { tag } => Answer { columns: Vec::new(), rows: Vec::new(), tag },
            Execution::Empty => continue,
            Execution::CopyIn { .. } | Execution::CopyOut { .. } => {
                return Err(Error::unsupported("COPY needs a wire"));
            }
        };
    }
    if in_block {
        session.end_implicit_block().await?;
    }
    Ok(last)
}

fn text_rows(session: &Session, columns: &[OutputColumn], batch: &RecordBatch) -> Result<Vec<Row>> {
    let settings = session.format_settings();
    let mut rows: Vec<Row> = vec![Vec::with_capacity(columns.len()); batch.num_rows()];
    for (column, array) in columns.iter().zip(batch.columns()) {
        let encoder = ValueEncoder::new(array.as_ref(), &column.sql_type, &settings)?;
        for (row_idx, row) in rows.iter_mut().enumerate() {
            if encoder.is_null(row_idx) {
                row.push(None);
                continue;
            }
            let mut text = BytesMut::new();
            encoder.write_text(row_idx, &mut text)?;
            row.push(Some(String::from_utf8_lossy(&text).into_owned()));
        }
    }
    Ok(rows)
}

fn form(sql_type: &SqlType) -> Form {
    match sql_type {
        SqlType::Numeric(_) => Form::Numeric,
        SqlType::Float4 | SqlType::Float8 => Form::Float,
        _ => Form::Exact,
    }
}
