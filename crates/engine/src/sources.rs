//! Connectors that feed streams, the clock of views that read it, and retention: what runs by itself.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringViewArray};
use parking_lot::{Condvar, Mutex};
use weir_catalog::{Column, Object, OnError};
use weir_connect::source::{self, BadRow, Polled, Position};
use weir_types::{Error, ObjectId, Result, SqlType, Timestamp};

use crate::commit::WriteSet;
use crate::relation::stream_of;
use crate::shared::Shared;
use crate::statement::encode_append;
use crate::storage::{self, MetaSpace};

/// Most rows of one commit of a source.
const ROWS_MAX: usize = 65_536;
/// Rows of its first commit, doubled from one to the next: something is there to see at once, however long
/// the source takes for the most.
const ROWS_FIRST: usize = 1_024;

/// What runs by itself.
#[derive(Default)]
pub(crate) struct Sources {
    running: Mutex<HashMap<ObjectId, Arc<Running>>>,
    clock_users: Mutex<HashSet<ObjectId>>,
}

/// One stream's source.
pub(crate) struct Running {
    stopped: AtomicBool,
    wake: Condvar,
    sleep: Mutex<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Rows that went to the stream, and rows that could not be decoded.
    pub(crate) n_rows: AtomicU64,
    pub(crate) n_bad: AtomicU64,
    pub(crate) error: Mutex<Option<Error>>,
    pub(crate) finished: AtomicBool,
}

impl Sources {
    /// Starts the source of a stream, at its stored position.
    pub(crate) fn start(&self, shared: &Arc<Shared>, object: &Object) {
        if self.running.lock().contains_key(&object.id) {
            return;
        }
        let running = Arc::new(Running {
            stopped: AtomicBool::new(false),
            wake: Condvar::new(),
            sleep: Mutex::new(()),
            thread: Mutex::new(None),
            n_rows: AtomicU64::new(0),
            n_bad: AtomicU64::new(0),
            error: Mutex::new(None),
            finished: AtomicBool::new(false),
        });
        self.running.lock().insert(object.id, Arc::clone(&running));
        let mut pump =
            Pump { shared: Arc::clone(shared), id: object.id, running: Arc::clone(&running) };
        let thread = weir_env::spawn_thread("weir-source", move || pump.run());
        *running.thread.lock() = Some(thread);
    }

    pub(crate) fn stop(&self, id: ObjectId) {
        if let Some(running) = self.running.lock().remove(&id) {
            running.stop();
        }
    }

    /// Asks all sources to end; gives the threads that do.
    pub(crate) fn stop_all(&self) -> Vec<JoinHandle<()>> {
        let running: Vec<Arc<Running>> = self.running.lock().drain().map(|(_, r)| r).collect();
        running.iter().for_each(|running| running.stop());
        running.iter().filter_map(|running| running.thread.lock().take()).collect()
    }

    pub(crate) fn get(&self, id: ObjectId) -> Option<Arc<Running>> {
        self.running.lock().get(&id).cloned()
    }

    pub(crate) fn clock_used(&self, id: ObjectId) {
        self.clock_users.lock().insert(id);
    }

    pub(crate) fn clock_unused(&self, id: ObjectId) {
        self.clock_users.lock().remove(&id);
    }

    /// True while a view reads the clock.
    pub(crate) fn needs_clock(&self) -> bool {
        !self.clock_users.lock().is_empty()
    }
}

impl Running {
    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _guard = self.sleep.lock();
        self.wake.notify_all();
    }

    fn sleep(&self, time: Duration) {
        let mut guard = self.sleep.lock();
        if !self.stopped.load(Ordering::Relaxed) {
            self.wake.wait_for(&mut guard, time);
        }
    }
}

/// How far a source was fed.
enum Fed {
    /// To its end.
    All,
    /// It has to be opened again, at its committed position.
    Reopen,
}

/// Moves rows from a source to its stream.
struct Pump {
    shared: Arc<Shared>,
    id: ObjectId,
    running: Arc<Running>,
}

impl Pump {
    /// Runs until the source ends or is stopped. An error is shown, and tried again: a file may come back.
    fn run(&mut self) {
        let mut wait = Duration::from_millis(100);
        while !self.running.stopped.load(Ordering::Relaxed) {
            match self.feed() {
                Ok(Fed::All) => {
                    self.running.finished.store(true, Ordering::Relaxed);
                    return;
                }
                Ok(Fed::Reopen) => {}
                Err(error) => {
                    if self.running.stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    let stream = self.shared.catalog().full_name(self.id);
                    tracing::warn!(stream, error = error_text(&error), "a source failed");
                    *self.running.error.lock() = Some(error);
                    self.running.sleep(wait);
                    wait = (wait * 2).min(Duration::from_secs(10));
                }
            }
        }
    }

    fn feed(&mut self) -> Result<Fed> {
        let (object, definition) = self.stream()?;
        let version = stream_of(&object)?.schema_version;
        let key = storage::id_key(self.id);
        let position: Position = match self.shared.log.meta(MetaSpace::Position as u8, &key)? {
            Some(bytes) => storage::decode_json(&bytes, "a source's position")?,
            None => Position::new(),
        };
        let columns = columns(object.columns());
        let mut source =
            source::open(&definition.connector, &definition.options, &columns, position)?;
        let mut n_rows = ROWS_FIRST;
        while !self.running.stopped.load(Ordering::Relaxed) {
            match source.poll(n_rows)? {
                Polled::Finished => return Ok(Fed::All),
                Polled::Idle { retry_after } => self.running.sleep(retry_after),
                Polled::Rows { rows, bad, position } => {
                    self.commit(&rows, bad, &position)?;
                    n_rows = (n_rows * 2).min(ROWS_MAX);
                    *self.running.error.lock() = None;
                }
            }
            // A column was added: the source reads it from here on.
            if stream_of(&self.stream()?.0)?.schema_version != version {
                break;
            }
        }
        Ok(Fed::Reopen)
    }

    fn stream(&self) -> Result<(Arc<Object>, weir_catalog::SourceDefinition)> {
        let catalog = self.shared.catalog();
        let object = Arc::clone(catalog.require(self.id)?);
        let definition = stream_of(&object)?.source.clone();
        let definition =
            definition.ok_or_else(|| Error::internal("a stream without connector has a source"))?;
        Ok((object, definition))
    }

    /// Commits rows, bad rows and position as one epoch.
    fn commit(&self, rows: &RecordBatch, bad: Vec<BadRow>, position: &Position) -> Result<()> {
        // The definition of the moment: columns may have been added.
        let (object, _) = self.stream()?;
        let stream = stream_of(&object)?;
        let mut writes = WriteSet::default();
        let rows = fit(&object, rows)?;
        if rows.num_rows() > 0 {
            writes.appends.push(encode_append(&self.shared, &object, &rows)?);
        }
        if let Some(first) = bad.first()
            && stream.options.on_error == OnError::Fail
        {
            return Err(first.error.clone());
        }
        let n_bad = bad.len();
        if n_bad > 0 && stream.options.on_error == OnError::Dlq {
            let catalog = self.shared.catalog();
            let dlq = catalog.objects().find(|other| {
                other.part_of == Some(self.id) && other.schema == weir_catalog::DLQ_ID
            });
            let dlq = dlq.ok_or_else(|| Error::internal("a stream has no dead letter stream"))?;
            let letters = dead_letters(dlq, &bad, self.shared.clock.now())?;
            writes.appends.push(encode_append(&self.shared, dlq, &letters)?);
        }
        writes.positions.push((self.id, storage::encode_json(position)?));
        let committer = self.shared.committer()?;
        committer.commit_blocking(writes)?;
        self.running.n_rows.fetch_add(rows.num_rows() as u64, Ordering::Relaxed);
        self.running.n_bad.fetch_add(n_bad as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// The columns that a source has to give.
pub(crate) fn columns(columns: &[Column]) -> Vec<source::Column> {
    let column = |column: &Column| source::Column {
        name: column.name.clone(),
        sql_type: column.sql_type.clone(),
        required: !column.nullable,
    };
    columns.iter().map(column).collect()
}

/// The rows with all columns of the stream: one that was added since the source was opened is NULL.
fn fit(object: &Object, rows: &RecordBatch) -> Result<RecordBatch> {
    let schema = crate::statement::stored_schema(object);
    let arrays: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| match rows.column_by_name(field.name()) {
            Some(column) => weir_delta::schema::normalize(column, field.data_type()),
            None => Ok(arrow::array::new_null_array(field.data_type(), rows.num_rows())),
        })
        .collect::<Result<_>>()?;
    weir_delta::rows::batch(schema, arrays, rows.num_rows())
}

/// An error in one line, with its place.
pub(crate) fn error_text(error: &Error) -> String {
    match error.context() {
        Some(context) => format!("{}: {context}", error.message()),
        None => error.message().to_owned(),
    }
}

/// Columns of a dead letter stream, in order.
pub(crate) fn dead_letter_columns() -> [(&'static str, SqlType); 6] {
    [
        ("raw", SqlType::Bytea),
        ("error", SqlType::Text),
        ("sqlstate", SqlType::Text),
        ("origin", SqlType::Text),
        ("place", SqlType::Int8),
        ("failed_at", SqlType::Timestamptz),
    ]
}

fn dead_letters(dlq: &Object, bad: &[BadRow], now: Timestamp) -> Result<RecordBatch> {
    let raw: BinaryArray = bad.iter().map(|row| Some(row.raw.as_slice())).collect();
    let text = |of: &dyn Fn(&BadRow) -> String| -> ArrayRef {
        Arc::new(bad.iter().map(|row| Some(of(row))).collect::<StringViewArray>())
    };
    let place: Int64Array = bad.iter().map(|row| Some(row.place)).collect();
    let time =
        arrow::array::TimestampMicrosecondArray::from(vec![now.0; bad.len()]).with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(raw),
        text(&|row| error_text(&row.error)),
        text(&|row| row.error.state().code().to_owned()),
        text(&|row| row.origin.clone()),
        Arc::new(place),
        Arc::new(time),
    ];
    weir_delta::rows::batch(crate::statement::stored_schema(dlq), columns, bad.len())
}
