//! Runs queries in a session of an engine that has an object of every kind.

use std::sync::Arc;

use bytes::BytesMut;
use futures::TryStreamExt;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use weir_connect::value::ValueEncoder;
use weir_types::Result;

use crate::{Engine, EngineConfig, Execution, OutputColumn, Session, SessionStartup};

/// An engine with the objects of `sample.sql`, and a session.
pub(super) struct Sample {
    session: Arc<Session>,
    engine: Engine,
    runtime: Runtime,
    /// Removed when the engine is closed.
    _dir: TempDir,
}

/// The result of a query: its columns, and its rows as text, NULL as `None`.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) columns: Vec<OutputColumn>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

impl Sample {
    pub(super) fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let config = EngineConfig {
            data_dir: dir.path().join("data"),
            workers: 1,
            memory_limit: 256 << 20,
            checkpoint_interval: std::time::Duration::from_secs(3600),
            password: None,
        };
        let engine = Engine::open(config).expect("an engine");
        let startup = SessionStartup { user: "weir".to_owned(), ..SessionStartup::default() };
        let session = engine.session(startup).expect("a session");
        let sample = Self { session, engine, runtime, _dir: dir };
        sample.run(include_str!("sample.sql")).expect("the sample's statements");
        sample
    }

    /// Runs the statements of a text; the answer of the last.
    pub(super) fn run(&self, text: &str) -> Result<Answer> {
        self.runtime.block_on(async {
            let mut answer = Answer { columns: Vec::new(), rows: Vec::new() };
            for parsed in self.session.parse(text)? {
                self.session.begin_statement();
                let prepared = self.session.prepare(parsed, Vec::new()).await?;
                let execution = self.session.execute(&prepared, Vec::new()).await?;
                if let Execution::Rows { columns, rows, .. } = execution {
                    let batches: Vec<_> = rows.try_collect().await?;
                    answer = self.texts(&columns, &batches)?;
                }
                self.session.end_statement();
            }
            Ok(answer)
        })
    }

    fn texts(
        &self,
        columns: &[OutputColumn],
        batches: &[arrow::array::RecordBatch],
    ) -> Result<Answer> {
        let settings = self.session.format_settings();
        let mut rows = Vec::new();
        for batch in batches {
            let encoders: Vec<ValueEncoder<'_>> = batch
                .columns()
                .iter()
                .zip(columns)
                .map(|(array, column)| ValueEncoder::new(array, &column.sql_type, &settings))
                .collect::<Result<_>>()?;
            for row in 0..batch.num_rows() {
                rows.push(encoders.iter().map(|values| text(values, row)).collect::<Result<_>>()?);
            }
        }
        Ok(Answer { columns: columns.to_vec(), rows })
    }
}

fn text(values: &ValueEncoder<'_>, row: usize) -> Result<Option<String>> {
    if values.is_null(row) {
        return Ok(None);
    }
    let mut out = BytesMut::new();
    values.write_text(row, &mut out)?;
    Ok(Some(String::from_utf8(out.to_vec()).expect("text is UTF-8")))
}

impl Drop for Sample {
    fn drop(&mut self) {
        // An engine that cannot close is no reason to fail a test that has passed.
        let _ = self.runtime.block_on(self.engine.shutdown());
    }
}
