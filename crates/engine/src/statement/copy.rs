//! COPY: rows in and out in bulk.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;
use weir_catalog::{Object, ObjectBody};
use weir_connect::copy::{self as format, CopyDecoder, CopyEncoder};
use weir_planner::dialect::{Copy, CopyFormat, CopyOptions, CopyTarget};
use weir_types::{Epoch, Error, Result, SqlState, SqlType};

use super::insert::{self, column_position, generated, quoted};
use super::{query, row};
use crate::commit::Submitted;
use crate::session::{CopyIn, Execution, RowStream, Session};
use crate::subscription::Subscription;

/// Rows gathered before they are written, outside a block.
const ROWS_MIN: usize = 65_536;
/// Commits under way while the next rows are decoded: the disk and the processor work at the same time.
const COMMITS_MAX: usize = 2;

pub(super) async fn run(session: &Session, copy: &Copy) -> Result<Execution> {
    if copy.from { from_stdin(session, copy) } else { to_stdout(session, copy).await }
}

fn options(options: &CopyOptions, names: &[String]) -> Result<format::CopyOptions> {
    let quoted = |name: &String| options.force_quote_all || options.force_quote.contains(name);
    let format = match options.format {
        CopyFormat::Text => format::CopyFormat::Text,
        CopyFormat::Csv => format::CopyFormat::Csv,
        CopyFormat::Binary => format::CopyFormat::Binary,
    };
    let options = format::CopyOptions {
        format,
        delimiter: options.delimiter,
        null: options.null.clone(),
        header: options.header,
        quote: options.quote,
        escape: options.escape,
        force_quote: names.iter().map(quoted).collect(),
    };
    options.check()?;
    Ok(options)
}

fn from_stdin(session: &Session, copy: &Copy) -> Result<Execution> {
    session.check_writable("COPY FROM")?;
    let CopyTarget::Relation { name, columns } = &copy.target else {
        return Err(Error::syntax("COPY FROM needs the name of a table or stream"));
    };
    let catalog = session.catalog();
    let object = Arc::clone(catalog.resolve(name, &session.search_path())?);
    if !matches!(object.body, ObjectBody::Table(_) | ObjectBody::Stream(_)) {
        return Err(Error::new(
            SqlState::WrongObjectType,
            format!("cannot copy to {} \"{}\"", object.kind(), object.name),
        ));
    }
    let targets = targets(&object, columns)?;
    let typed: Vec<(String, SqlType)> = targets
        .iter()
        .map(|target| &object.columns()[*target])
        .map(|column| (column.name.clone(), column.sql_type.clone()))
        .collect();
    let names: Vec<String> = typed.iter().map(|(name, _)| name.clone()).collect();
    let options = options(&copy.options, &names)?;
    let decoder = CopyDecoder::new(&options, typed, &session.format_settings(), &object.name)?;
    let in_block = session.with_block(|_| ()).is_some();
    let session = session
        .this
        .upgrade()
        .ok_or_else(|| Error::internal("the session of a statement has ended"))?;
    Ok(Execution::CopyIn {
        columns: targets.len(),
        binary: copy.options.format == CopyFormat::Binary,
        copy: Box::new(IntoRelation {
            session,
            object,
            targets,
            decoder,
            in_block,
            commits: VecDeque::new(),
            n_committed: 0,
            n_rows: 0,
        }),
    })
}

fn targets(object: &Object, names: &[String]) -> Result<Vec<usize>> {
    if names.is_empty() {
        let writable = object.columns().iter().enumerate();
        return Ok(writable
            .filter(|(_, column)| !column.hidden && column.generated.is_none())
            .map(|(column_idx, _)| column_idx)
            .collect());
    }
    names
        .iter()
        .map(|name| {
            let target = column_position(object, name)?;
            match object.columns()[target].generated {
                Some(_) => Err(generated(name)),
                None => Ok(target),
            }
        })
        .collect()
}

/// COPY FROM STDIN into a relation. Outside a block it commits in chunks.
struct IntoRelation {
    session: Arc<Session>,
    object: Arc<Object>,
    targets: Vec<usize>,
    decoder: CopyDecoder,
    /// In a transaction block, which commits all rows or none.
    in_block: bool,
    /// Those of a stream that were begun, the oldest first, with their number of rows.
    commits: VecDeque<(Submitted, u64)>,
    n_committed: u64,
    n_rows: u64,
}

impl IntoRelation {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut given = vec![None; self.object.columns().len()];
        for (target, column) in self.targets.iter().zip(batch.columns()) {
            given[*target] = Some(Arc::clone(column));
        }
        let n_rows = batch.num_rows();
        let session = &self.session;
        let schema = row::stored_schema(&self.object);
        match &self.object.body {
            ObjectBody::Table(_) => {
                let table = row::table_of(session, &self.object)?;
                let rows =
                    row::complete(session, &self.object, &schema, Some(&table), given, n_rows)?;
                let none = RecordBatch::new_empty(rows.schema());
                insert::apply(session, &self.object, &none, &rows, Epoch::MAX).await?;
                self.n_committed += if self.in_block { 0 } else { n_rows as u64 };
            }
            _ => {
                let rows = row::complete(session, &self.object, &schema, None, given, n_rows)?;
                let commit = insert::begin_append(session, &self.object, &rows).await?;
                self.commits.extend(commit.map(|commit| (commit, n_rows as u64)));
                self.wait(COMMITS_MAX).await?;
            }
        }
        self.n_rows += n_rows as u64;
        Ok(())
    }

    async fn take(&mut self, data: &Bytes) -> Result<()> {
        self.decoder.push(data)?;
        while let Some(batch) = self.decoder.take_batch(ROWS_MIN)? {
            self.write(&batch).await.map_err(|error| self.at_row(error))?;
        }
        Ok(())
    }

    async fn take_rest(&mut self) -> Result<()> {
        if let Some(batch) = self.decoder.finish()? {
            self.write(&batch).await.map_err(|error| self.at_row(error))?;
        }
        self.wait(0).await.map_err(|error| self.at_row(error))
    }

    /// The error with the line of the row that it is about, or else of the last row.
    fn at_row(&self, error: Error) -> Error {
        let line = match error.row() {
            Some(row) => self.decoder.line_of(row),
            None => self.decoder.line(),
        };
        let place = format!("COPY {}, line {line}", self.object.name);
        let context = match error.context() {
            Some(inner) => format!("{inner}\n{place}"),
            None => place,
        };
        error.with_context(context)
    }

    /// The error that ends it, when nothing is under way any more: it tells what stays.
    async fn failed(&mut self, error: Error) -> Error {
        // This error is the one to tell, not those of the commits.
        while let Some((commit, n_rows)) = self.commits.pop_front() {
            self.n_committed += if commit.committed().await.is_ok() { n_rows } else { 0 };
        }
        if self.n_committed == 0 {
            return error;
        }
        let detail = format!("{} rows before were committed and stay.", self.n_committed);
        let detail = match error.detail() {
            Some(inner) => format!("{inner}\n{detail}"),
            None => detail,
        };
        let hint = "COPY outside a transaction block commits in chunks; between BEGIN and COMMIT it \
                    takes all rows or none.";
        let hint = match error.hint() {
            Some(inner) => format!("{inner}\n{hint}"),
            None => hint.to_owned(),
        };
        error.with_detail(detail).with_hint(hint)
    }

    /// Waits until at most `n_left` commits are under way.
    async fn wait(&mut self, n_left: usize) -> Result<()> {
        while self.commits.len() > n_left
            && let Some((oldest, n_rows)) = self.commits.pop_front()
        {
            oldest.committed().await?;
            self.n_committed += n_rows;
        }
        Ok(())
    }
}

#[async_trait]
impl CopyIn for IntoRelation {
    async fn data(&mut self, data: Bytes) -> Result<()> {
        match self.take(&data).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed(error).await),
        }
    }

    async fn finish(mut self: Box<Self>) -> Result<String> {
        match self.take_rest().await {
            Ok(()) => Ok(format!("COPY {}", self.n_rows)),
            Err(error) => Err(self.failed(error).await),
        }
    }

    async fn abort(mut self: Box<Self>, reason: Error) -> Error {
        let error = self.at_row(reason);
        self.failed(error).await
    }
}

async fn to_stdout(session: &Session, copy: &Copy) -> Result<Execution> {
    let catalog = session.catalog();
    let parsed = match &copy.target {
        CopyTarget::Query(query) => query.clone(),
        CopyTarget::Relation { name, columns } => {
            let object = catalog.resolve(name, &session.search_path())?;
            let targets = targets(object, columns)?;
            let list: Vec<String> =
                targets.iter().map(|target| quoted(&object.columns()[*target].name)).collect();
            let schema = quoted(catalog.schema_name(object.schema));
            let text = format!("SELECT {} FROM {schema}.{}", list.join(", "), quoted(&object.name));
            weir_planner::dialect::parse_query(&text)?
        }
        CopyTarget::Subscribe(subscribe) => {
            let subscription = Subscription::open(session, subscribe).await?;
            let columns = &subscription.columns;
            let typed = columns.iter().map(|c| (c.name.clone(), c.sql_type.clone())).collect();
            return send(session, copy, typed, subscription.into_stream());
        }
    };
    let bound = crate::stack::on_planner_stack(|| query::bind(session, &catalog, &parsed, &[]))?;
    let typed: Vec<(String, SqlType)> =
        bound.columns.iter().map(|column| (column.name.clone(), column.sql_type.clone())).collect();
    let (stream, _pin) = query::stream(session, &catalog, &bound, &[]).await?;
    send(session, copy, typed, stream)
}

/// Rows that go out as data.
fn send(
    session: &Session,
    copy: &Copy,
    typed: Vec<(String, SqlType)>,
    rows: RowStream,
) -> Result<Execution> {
    let names: Vec<String> = typed.iter().map(|(name, _)| name.clone()).collect();
    let options = options(&copy.options, &names)?;
    let encoder = CopyEncoder::new(&options, typed, &session.format_settings())?;
    Ok(Execution::CopyOut { encoder: Box::new(encoder), rows })
}
