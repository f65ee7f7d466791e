//! The statements of the stub: what their text means, and what they do.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use futures::{StreamExt, stream};
use weir_engine::copy::{CopyEncoder, CopyFormat, CopyOptions};
use weir_engine::value::FormatSettings;
use weir_types::{Error, Notice, Result, SqlState, SqlType};

use super::copy::Lines;
use super::{
    BlockKind, Counted, Execution, OutputColumn, Parameter, Prepared, RowTag, Session, lock,
};

/// Rows of one batch of `SELECT rows`.
const BATCH_ROWS: usize = 1_000;

#[derive(Clone)]
pub(super) enum Command {
    Begin,
    Broken(usize),
    Commit,
    Conflict,
    CopyIn,
    CopyOut { form: CopyForm, n_rows: usize },
    Deallocate,
    Declare(String, usize),
    Echo,
    Fail(SqlState),
    Insert(String),
    Notice(String),
    Panic,
    Rollback,
    Rows(usize),
    Set(String, String),
    Stream(usize),
    Wait,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum CopyForm {
    Text,
    /// Text, without an end.
    Stream,
    Csv,
    Binary,
}

/// The statements of a text, trimmed.
pub(super) fn split(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(';').map(str::trim)
}

fn command(text: &str) -> Result<Command> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |word: &str| {
        word.parse().map_err(|_| Error::syntax(format!("syntax error at or near \"{word}\"")))
    };
    Ok(match words.as_slice() {
        ["BEGIN"] | ["START", "TRANSACTION"] => Command::Begin,
        ["COMMIT"] => Command::Commit,
        ["ROLLBACK"] => Command::Rollback,
        ["CONFLICT"] => Command::Conflict,
        ["COPY", "IN"] => Command::CopyIn,
        ["COPY", "OUT", n] => Command::CopyOut { form: CopyForm::Text, n_rows: number(n)? },
        ["COPY", "STREAM", n] => Command::CopyOut { form: CopyForm::Stream, n_rows: number(n)? },
        ["COPY", "CSV", n] => Command::CopyOut { form: CopyForm::Csv, n_rows: number(n)? },
        ["COPY", "BINARY", n] => Command::CopyOut { form: CopyForm::Binary, n_rows: number(n)? },
        ["DECLARE", name, n] => Command::Declare((*name).to_owned(), number(n)?),
        ["DEALLOCATE", "ALL"] => Command::Deallocate,
        ["FAIL", code] => Command::Fail(SqlState::from_code(code).expect("a known code")),
        ["INSERT", row] => Command::Insert((*row).to_owned()),
        ["NOTICE", rest @ ..] => Command::Notice(rest.join(" ")),
        ["PANIC"] => Command::Panic,
        ["SELECT", "rows", n] => Command::Rows(number(n)?),
        ["SELECT", "stream", n] => Command::Stream(number(n)?),
        ["SELECT", "broken", n] => Command::Broken(number(n)?),
        ["SELECT", "echo", "$1", "$2"] => Command::Echo,
        ["SET", name, value] => Command::Set((*name).to_owned(), (*value).to_owned()),
        ["WAIT"] => Command::Wait,
        _ => return Err(Error::syntax(format!("syntax error at or near \"{text}\""))),
    })
}

pub(super) fn prepare(text: &str, types: Vec<Option<SqlType>>) -> Result<Arc<Prepared>> {
    let command = command(text)?;
    let parameters = match command {
        Command::Echo => {
            let declared = |n: usize, default| types.get(n).cloned().flatten().unwrap_or(default);
            vec![declared(0, SqlType::Int4), declared(1, SqlType::Unknown)]
        }
        _ => Vec::new(),
    };
    let columns = matches!(
        command,
        Command::Echo | Command::Rows(_) | Command::Stream(_) | Command::Broken(_)
    )
    .then(columns);
    Ok(Arc::new(Prepared { command, parameters, columns }))
}

pub(super) fn columns() -> Arc<[OutputColumn]> {
    let column = |name: &str, sql_type, attribute| OutputColumn {
        name: name.to_owned(),
        sql_type,
        table_oid: 16_384,
        attribute,
    };
    Arc::new([column("n", SqlType::Int4, 1), column("name", SqlType::Varchar(Some(20)), 2)])
}

pub(super) async fn execute(
    session: &Session,
    prepared: &Prepared,
    parameters: Vec<Parameter>,
) -> Result<Execution> {
    let tag = match &prepared.command {
        Command::Begin => {
            lock(&session.block).kind = BlockKind::Explicit;
            "BEGIN"
        }
        Command::Commit => session.end_block(true),
        Command::Rollback => session.end_block(false),
        Command::Conflict => {
            lock(&session.block).loses_race = true;
            "CONFLICT"
        }
        Command::Deallocate => "DEALLOCATE ALL",
        Command::Fail(state) => return Err(failure(*state)),
        Command::Insert(row) => {
            session.write(row);
            "INSERT 0 1"
        }
        Command::Notice(text) => {
            lock(&session.notices).push(Notice::new(text.clone()));
            "NOTICE"
        }
        Command::Panic => panic!("as the statement says"),
        Command::Set(name, value) => {
            lock(&session.changes).push((name.clone(), value.clone()));
            "SET"
        }
        Command::Wait => {
            let _waiting = Counted::new(&session.shared, |shared| &shared.waiting);
            return Err(session.interrupted().await);
        }
        Command::CopyIn => {
            let copy = Box::new(Lines::new(&session.shared));
            return Ok(Execution::CopyIn { columns: 2, binary: false, copy });
        }
        Command::CopyOut { form, n_rows } => return copy_out(session, *form, *n_rows),
        Command::Declare(name, n_rows) => {
            lock(&session.cursors).insert(name.clone(), (0, *n_rows));
            "DECLARE CURSOR"
        }
        Command::Echo => return Ok(rows(session, stream::iter([echo(&parameters)]), false)),
        Command::Rows(n) => return Ok(rows(session, batches(0..*n, BATCH_ROWS), false)),
        Command::Stream(n) => return Ok(rows(session, batches(0..*n, 1), true)),
        Command::Broken(n) => {
            let end = stream::iter([Err(failure(SqlState::DivisionByZero))]);
            return Ok(rows(session, batches(0..*n, BATCH_ROWS).chain(end), false));
        }
    };
    Ok(Execution::Done { tag: tag.to_owned() })
}

fn failure(state: SqlState) -> Error {
    Error::new(state, "it failed").with_detail("Because.").with_hint("Do not.").with_context("test")
}

/// A result of those batches; with `waits` it has no end.
fn rows(
    session: &Session,
    batches: impl futures::Stream<Item = Result<RecordBatch>> + Send + 'static,
    waits: bool,
) -> Execution {
    let open = Counted::new(&session.shared, |shared| &shared.open_streams);
    let rows = with_end(batches, waits)
        .map(move |batch| {
            let _open = &open;
            batch
        })
        .boxed();
    Execution::Rows { columns: columns(), rows, tag: RowTag("SELECT") }
}

fn with_end<T: Send + 'static>(
    items: impl futures::Stream<Item = T> + Send + 'static,
    waits: bool,
) -> stream::BoxStream<'static, T> {
    if waits { items.chain(stream::pending()).boxed() } else { items.boxed() }
}

/// Those rows.
pub(super) fn rows_of(session: &Session, numbers: Range<usize>) -> Execution {
    rows(session, batches(numbers, BATCH_ROWS), false)
}

fn batches(
    rows: Range<usize>,
    batch_rows: usize,
) -> impl futures::Stream<Item = Result<RecordBatch>> {
    stream::iter(rows.clone().step_by(batch_rows).map(move |first| {
        let numbers = first..rows.end.min(first + batch_rows);
        let names = numbers.clone().map(|n| (n % 3 != 2).then(|| format!("row {n}")));
        Ok(batch(
            Int32Array::from_iter_values(numbers.map(|n| n as i32)),
            names.collect::<StringViewArray>(),
        ))
    }))
}

fn batch(numbers: Int32Array, names: StringViewArray) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("n", DataType::Int32, true),
        Field::new("name", DataType::Utf8View, true),
    ]);
    let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(names)];
    RecordBatch::try_new(Arc::new(schema), columns).expect("the schema is that of the columns")
}

fn echo(parameters: &[Parameter]) -> Result<RecordBatch> {
    let [number, name] = parameters else {
        return Err(Error::internal(format!("{} parameters", parameters.len())));
    };
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).expect("a test sends UTF-8");
    let number = match &number.value {
        None => None,
        Some(bytes) if number.binary => Some(i32::from_be_bytes(
            bytes
                .as_ref()
                .try_into()
                .map_err(|_| failure(SqlState::InvalidBinaryRepresentation))?,
        )),
        Some(bytes) => {
            Some(text(bytes).parse().map_err(|_| failure(SqlState::InvalidTextRepresentation))?)
        }
    };
    let name = name.value.as_ref().map(text);
    Ok(batch(Int32Array::from(vec![number]), StringViewArray::from(vec![name])))
}

fn copy_out(session: &Session, form: CopyForm, n_rows: usize) -> Result<Execution> {
    let mut options = CopyOptions::new(match form {
        CopyForm::Text | CopyForm::Stream => CopyFormat::Text,
        CopyForm::Csv => CopyFormat::Csv,
        CopyForm::Binary => CopyFormat::Binary,
    });
    options.header = form == CopyForm::Csv;
    let names = columns().iter().map(|c| (c.name.clone(), c.sql_type.clone())).collect();
    let encoder = CopyEncoder::new(&options, names, &FormatSettings::default())?;
    let stream = batches(0..n_rows, BATCH_ROWS);
    let Execution::Rows { rows, .. } = rows(session, stream, form == CopyForm::Stream) else {
        return Err(Error::internal("rows are rows"));
    };
    Ok(Execution::CopyOut { encoder: Box::new(encoder), rows })
}
