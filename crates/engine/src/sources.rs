//! Connectors that feed streams, the clock of views that read it, and retention: what runs by itself.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringViewArray};
use parking_lot::{Condvar, Mutex};
use weir_catalog::{Object, OnError};
use weir_connect::source::{self, BadRow, Polled, Position};
use weir_types::{Error, ObjectId, Result, SqlType, Timestamp};

use crate::commit::WriteSet;
use crate::relation::stream_of;
use crate::shared::Shared;
use crate::statement::encode_append;
use crate::storage::{self, MetaSpace};

/// Rows of one commit of a source.
const ROWS_MAX: usize = 65_536;

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
            n_rows: AtomicU64::new(0),
            n_bad: AtomicU64::new(0),
            error: Mutex::new(None),
            finished: AtomicBool::new(false),
        });
        self.running.lock().insert(object.id, Arc::clone(&running));
        let shared = Arc::clone(shared);
        let id = object.id;
        weir_env::spawn_thread("weir-source", move || {
            let mut pump = Pump { shared, id, running };
            pump.run();
        });
    }

    pub(crate) fn stop(&self, id: ObjectId) {
        if let Some(running) = self.running.lock().remove(&id) {
            running.stop();
        }
    }

    pub(crate) fn stop_all(&self) {
        for (_, running) in self.running.lock().drain() {
            running.stop();
        }
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
                Ok(()) => {
                    self.running.finished.store(true, Ordering::Relaxed);
                    return;
                }
                Err(error) => {
                    if self.running.stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    tracing::warn!(stream = %self.id, %error, "a source failed");
                    *self.running.error.lock() = Some(error);
                    self.running.sleep(wait);
                    wait = (wait * 2).min(Duration::from_secs(10));
                }
            }
        }
    }

    fn feed(&mut self) -> Result<()> {
        let (object, definition) = self.stream()?;
        let key = storage::id_key(self.id);
        let position: Position = match self.shared.log.meta(MetaSpace::Position as u8, &key)? {
            Some(bytes) => storage::decode_json(&bytes, "a source's position")?,
            None => Position::new(),
        };
        let columns: Vec<(String, SqlType)> = object
            .columns()
            .iter()
            .map(|column| (column.name.clone(), column.sql_type.clone()))
            .collect();
        let mut source =
            source::open(&definition.connector, &definition.options, &columns, position)?;
        while !self.running.stopped.load(Ordering::Relaxed) {
            match source.poll(ROWS_MAX)? {
                Polled::Finished => return Ok(()),
                Polled::Idle { retry_after } => self.running.sleep(retry_after),
                Polled::Rows { rows, bad, position } => {
                    self.commit(&rows, bad, &position)?;
                    *self.running.error.lock() = None;
                }
            }
        }
        Ok(())
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
        let (rows, null_rows) = self.fit(&object, rows)?;
        if rows.num_rows() > 0 {
            writes.appends.push(encode_append(&self.shared, &object, &rows)?);
        }
        let bad: Vec<BadRow> = bad.into_iter().chain(null_rows).collect();
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

    /// The rows with all columns of the stream; rows with NULL where none may be are bad.
    fn fit(&self, object: &Object, rows: &RecordBatch) -> Result<(RecordBatch, Vec<BadRow>)> {
        let schema = crate::statement::stored_schema(object)?;
        let arrays: Vec<ArrayRef> = schema
            .fields()
            .iter()
            .map(|field| match rows.column_by_name(field.name()) {
                Some(column) => weir_delta::schema::normalize(column, field.data_type()),
                None => Ok(arrow::array::new_null_array(field.data_type(), rows.num_rows())),
            })
            .collect::<Result<_>>()?;
        let mut keep = vec![true; rows.num_rows()];
        let mut bad = Vec::new();
        for (column, array) in object.columns().iter().zip(&arrays) {
            if column.nullable || array.null_count() == 0 {
                continue;
            }
            for (row_idx, keep) in keep.iter_mut().enumerate() {
                if *keep && array.is_null(row_idx) {
                    *keep = false;
                    bad.push(null_row(object, &column.name));
                }
            }
        }
        if bad.is_empty() {
            return Ok((weir_delta::rows::batch(schema, arrays, rows.num_rows())?, bad));
        }
        let nullable: Vec<_> =
            schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
        let loose = Arc::new(arrow::datatypes::Schema::new(nullable));
        let all = weir_delta::rows::batch(loose, arrays, rows.num_rows())?;
        let mask = keep.into_iter().map(Some).collect();
        let kept = weir_delta::rows::filter(&all, &mask)?;
        Ok((weir_delta::rows::with_schema(&kept, &schema)?, bad))
    }
}

fn null_row(object: &Object, column: &str) -> BadRow {
    BadRow {
        raw: Vec::new(),
        error: Error::new(
            weir_types::SqlState::NotNullViolation,
            format!(
                "null value in column \"{column}\" of relation \"{}\" violates not-null constraint",
                object.name
            ),
        ),
        origin: String::new(),
        place: 0,
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
        text(&|row| match row.error.context() {
            Some(context) => format!("{}: {context}", row.error.message()),
            None => row.error.message().to_owned(),
        }),
        text(&|row| row.error.state().code().to_owned()),
        text(&|row| row.origin.clone()),
        Arc::new(place),
        Arc::new(time),
    ];
    weir_delta::rows::batch(crate::statement::stored_schema(dlq)?, columns, bad.len())
}
