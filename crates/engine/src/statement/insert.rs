//! INSERT: values or a query into a table or stream.

mod conflict;
mod values;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use weir_catalog::{Catalog, Object, ObjectBody};
use weir_connect::value::FormatSettings;
use weir_delta::{Delta, rows};
use weir_planner::bind::BoundQuery;
use weir_planner::dialect::{Insert, OnConflict};
use weir_types::{Epoch, Error, ObjectId, Result, SqlState, SqlType};

use super::returning::{Returning, Written, plan_returning};
use super::{assign, encode_append, encode_change, query, row};
use crate::commit::{Submitted, WriteSet};
use crate::relation::{Overlay, TableData};
use crate::session::{Execution, OutputColumn, Prepared, Session};
use crate::tables::{duplicate_key, lost_race};
use values::Source;
pub(super) use values::{cast_unknown, data_type};

/// A planned INSERT.
pub(crate) struct InsertPlan {
    /// The table or stream.
    table: ObjectId,
    /// Positions of the named columns.
    targets: Vec<usize>,
    /// Of its stored columns.
    schema: SchemaRef,
    source: Source,
    on_conflict: Option<OnConflict>,
    returning: Option<BoundQuery>,
    /// The name under which RETURNING and ON CONFLICT know the table.
    alias: String,
    pub(crate) returning_columns: Option<Arc<[OutputColumn]>>,
    pub(crate) parameters: Vec<SqlType>,
}

/// Plans an INSERT.
pub(super) fn plan(
    session: &Session,
    catalog: &Arc<Catalog>,
    insert: &Insert,
    declared: &[Option<SqlType>],
) -> Result<InsertPlan> {
    let object = catalog.resolve(&insert.table, &session.search_path())?;
    check_target(object, insert)?;
    let targets = target_columns(object, &insert.columns)?;
    let (source, parameters) = values::plan(session, catalog, object, insert, &targets, declared)?;
    let alias = insert.alias.clone().unwrap_or_else(|| object.name.clone());
    let returning = plan_returning(session, catalog, object, &alias, &insert.returning)?;
    if let Some(on_conflict) = &insert.on_conflict {
        conflict::check(object, on_conflict)?;
    }
    Ok(InsertPlan {
        table: object.id,
        schema: row::stored_schema(object),
        targets: if insert.columns.is_empty() { source.first_columns(&targets) } else { targets },
        source,
        on_conflict: insert.on_conflict.clone(),
        returning_columns: returning
            .as_ref()
            .map(|bound| query::output_columns(catalog, &bound.columns)),
        returning,
        alias,
        parameters,
    })
}

fn check_target(object: &Object, insert: &Insert) -> Result<()> {
    match &object.body {
        ObjectBody::Table(_) => Ok(()),
        ObjectBody::Stream(_) if insert.on_conflict.is_some() => Err(Error::new(
            SqlState::WrongObjectType,
            format!("ON CONFLICT cannot be used with stream \"{}\"", object.name),
        )
        .with_detail("A stream is append-only and has no key.")),
        ObjectBody::Stream(_) => Ok(()),
        _ => Err(Error::new(
            SqlState::WrongObjectType,
            format!("cannot insert into {} \"{}\"", object.kind(), object.name),
        )
        .with_hint("Insert into the streams and tables it reads.")),
    }
}

/// Positions of the named columns; all visible ones where none is named.
fn target_columns(object: &Object, names: &[String]) -> Result<Vec<usize>> {
    let columns = object.columns();
    if names.is_empty() {
        let visible = columns.iter().enumerate().filter(|(_, column)| !column.hidden);
        return Ok(visible.map(|(column_idx, _)| column_idx).collect());
    }
    let mut targets = Vec::with_capacity(names.len());
    for name in names {
        let position = column_position(object, name)?;
        if targets.contains(&position) {
            return Err(Error::new(
                SqlState::DuplicateColumn,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        targets.push(position);
    }
    Ok(targets)
}

/// The position of a visible column.
pub(super) fn column_position(object: &Object, name: &str) -> Result<usize> {
    let columns = object.columns();
    columns.iter().position(|column| column.name == *name && !column.hidden).ok_or_else(|| {
        Error::new(
            SqlState::UndefinedColumn,
            format!("column \"{name}\" of relation \"{}\" does not exist", object.name),
        )
    })
}

/// A name as SQL text.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Runs a planned INSERT.
pub(super) async fn run(
    session: &Session,
    plan: &InsertPlan,
    prepared: &Arc<Prepared>,
    values: Vec<ArrayRef>,
) -> Result<Execution> {
    session.check_writable("INSERT")?;
    let object = Arc::clone(prepared.catalog.require(plan.table)?);
    let batch = gather(session, plan, prepared, &object, &values).await?;
    let catalog = &prepared.catalog;
    let returning = Returning {
        session,
        catalog,
        object: &object,
        alias: &plan.alias,
        query: plan.returning.as_ref(),
    };
    let written = match &object.body {
        ObjectBody::Stream(_) => {
            let written = returning.of(&batch).await?;
            append(session, &object, &batch).await?;
            written
        }
        _ => Box::pin(write(session, plan, &returning, &batch)).await?,
    };
    Ok(match written.rows {
        None => Execution::Done { tag: format!("INSERT 0 {}", written.n_rows) },
        Some(_) => returning.answer(written, "INSERT"),
    })
}

/// The new rows: all columns, checked.
async fn gather(
    session: &Session,
    plan: &InsertPlan,
    prepared: &Arc<Prepared>,
    object: &Object,
    values: &[ArrayRef],
) -> Result<RecordBatch> {
    let table = match &object.body {
        ObjectBody::Table(_) => Some(row::table_of(session, object)?),
        _ => None,
    };
    let catalog = &prepared.catalog;
    let (given, n_rows) =
        plan.source.rows(session, catalog, object, &plan.targets, prepared, values).await?;
    row::complete(session, object, &plan.schema, table.as_deref(), given, n_rows)
}

/// Appends rows to a stream, or to the open transaction.
pub(super) async fn append(session: &Session, object: &Object, batch: &RecordBatch) -> Result<()> {
    if let Some(commit) = begin_append(session, object, batch).await? {
        commit.committed().await?;
    }
    Ok(())
}

/// As [`append`], without waiting for the commit; `None` where there is none to wait for.
pub(super) async fn begin_append(
    session: &Session,
    object: &Object,
    batch: &RecordBatch,
) -> Result<Option<Submitted>> {
    if batch.num_rows() == 0 {
        return Ok(None);
    }
    let in_block = session.with_block(|block| {
        block.charge(rows::bytes_used(batch))?;
        Arc::make_mut(block.appended.entry(object.id).or_default()).push(batch.clone());
        Ok(())
    });
    if let Some(outcome) = in_block {
        return outcome.map(|()| None);
    }
    let append = encode_append(&session.shared, object, batch)?;
    let writes = WriteSet { appends: vec![append], ..WriteSet::default() };
    session.shared.committer()?.submit(writes).await.map(Some)
}

/// Writes rows to a table, conflicts resolved.
async fn write(
    session: &Session,
    plan: &InsertPlan,
    returning: &Returning<'_>,
    batch: &RecordBatch,
) -> Result<Written> {
    let (catalog, object) = (returning.catalog, returning.object);
    let Some(on_conflict) = plan.on_conflict.as_ref().filter(|_| batch.num_rows() > 0) else {
        let written = returning.of(batch).await?;
        let none = RecordBatch::new_empty(batch.schema());
        apply(session, object, &none, batch, Epoch::MAX).await?;
        return Ok(written);
    };
    session.with_block(|block| block.has_upserts = true);
    super::modify::retrying(session, || async {
        let read_epoch = session.shared.log.newest_epoch();
        let resolved =
            conflict::resolve(session, catalog, object, &plan.alias, on_conflict, batch).await?;
        let written = returning.of(&resolved.new).await?;
        match apply(session, object, &resolved.old, &resolved.new, read_epoch).await {
            // Another took the key meanwhile: there is a conflict now.
            Err(error) if error.state() == SqlState::UniqueViolation => Err(lost_race()),
            outcome => outcome.map(|()| written),
        }
    })
    .await
}

/// Takes `old` rows out of a table and puts `new` ones in: in the open transaction, or at once.
pub(super) async fn apply(
    session: &Session,
    object: &Object,
    old: &RecordBatch,
    new: &RecordBatch,
    read_epoch: Epoch,
) -> Result<()> {
    if old.num_rows() == 0 && new.num_rows() == 0 {
        return Ok(());
    }
    let in_block = session.with_block(|block| {
        block.charge(rows::bytes_used(old) + rows::bytes_used(new))?;
        let catalog = block.catalog.clone().unwrap_or_else(|| session.shared.catalog());
        let table = session.shared.tables.get(object.id).ok();
        let key = crate::relation::key_columns(crate::relation::table_of(object)?);
        // After an error the block has failed: nobody sees what it had done by then.
        let overlay = block.overlays.entry(object.id);
        let overlay = overlay.or_insert_with(|| Arc::new(Overlay::new(new.schema(), key)));
        let overlay = Arc::make_mut(overlay);
        overlay.remove(old)?;
        if let Some(table) = &table {
            let taken = key_in_table(overlay, table, new).or_else(|| overlay.taken_key(new));
            if let Some(row_idx) = taken {
                return Err(duplicate_key(&catalog, object, new, row_idx, table));
            }
        }
        overlay.add(new);
        Ok(())
    });
    if let Some(outcome) = in_block {
        return outcome;
    }
    let delta = Delta::concat(
        &new.schema(),
        [&Delta::retractions(old.clone()), &Delta::insertions(new.clone())],
    )?;
    let change = encode_change(object, delta)?;
    let writes = WriteSet { read_epoch, changes: vec![change], ..WriteSet::default() };
    session.shared.committer()?.commit(writes).await?;
    Ok(())
}

/// The first of the rows whose key the table has, and the transaction has not taken out.
fn key_in_table(overlay: &Overlay, table: &TableData, new: &RecordBatch) -> Option<usize> {
    let key = table.key_of(new);
    let removed = overlay.is_removed(&key);
    let mut found = table.segments.lookup(&key).into_iter().zip(removed);
    found.position(|(found, is_removed)| found.is_some() && !is_removed)
}

/// Values for a column from values of another type, with the type's own name for errors.
pub(super) fn assigned(
    object: &Object,
    target: usize,
    value: &ArrayRef,
    from: &SqlType,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    let column = &object.columns()[target];
    if column.generated.is_some() {
        return Err(generated(&column.name));
    }
    assign::assign(value, from, column, settings)
}

/// The error for a value given to a generated column.
pub(super) fn generated(name: &str) -> Error {
    Error::new(
        SqlState::GeneratedAlways,
        format!("cannot insert a non-DEFAULT value into column \"{name}\""),
    )
    .with_detail(format!("Column \"{name}\" is a generated column."))
}
