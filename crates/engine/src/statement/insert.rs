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
use weir_planner::dialect::Insert;
use weir_types::{Epoch, Error, ObjectId, Result, SqlState, SqlType};

use super::parameters::Parameters;
use super::returning::{Returning, Written, plan_returning};
use super::{assign, columns_changed, encode_append, encode_change, query, row};
use crate::commit::{Submitted, WriteSet};
use crate::pins::Pin;
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
    on_conflict: Option<conflict::Plan>,
    returning: Option<BoundQuery>,
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
    let mut parameters = Parameters::declared(declared);
    let source = values::plan(session, catalog, object, insert, &targets, &mut parameters)?;
    let alias = insert.alias.as_deref().unwrap_or(&object.name);
    let on_conflict = match &insert.on_conflict {
        None => None,
        Some(on_conflict) => {
            Some(conflict::plan(session, catalog, object, alias, on_conflict, &mut parameters)?)
        }
    };
    let returning =
        plan_returning(session, catalog, object, alias, &insert.returning, &mut parameters)?;
    Ok(InsertPlan {
        table: object.id,
        schema: row::stored_schema(object),
        targets: if insert.columns.is_empty() { source.first_columns(&targets) } else { targets },
        source,
        on_conflict,
        returning_columns: returning
            .as_ref()
            .map(|bound| query::output_columns(catalog, &bound.columns)),
        returning,
        parameters: parameters.into_types(),
    })
}

impl InsertPlan {
    /// The moment of its reads: the session's, where it reads anything but the rows that it writes.
    async fn pin(&self, session: &Session, catalog: &Arc<Catalog>) -> Result<Pin> {
        let source = match &self.source {
            Source::Query(bound) => Some(bound.as_ref()),
            Source::Defaults | Source::Cells(_) => None,
        };
        let conflict = self.on_conflict.as_ref().and_then(conflict::Plan::query);
        let parts = source.into_iter().chain(conflict).chain(&self.returning);
        let relations = query::read_set_of(catalog, parts);
        if source.is_none() && relations.is_empty() {
            return Ok(session.shared.pins.pin(session.shared.durable.newest()));
        }
        Box::pin(session.read_at(catalog, &relations)).await
    }
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
    let returning = Returning {
        session,
        catalog: &prepared.catalog,
        object: &object,
        query: plan.returning.as_ref(),
        values: &values,
    };
    let written = match &plan.on_conflict {
        None => once(plan, prepared, &returning).await?,
        Some(_) => {
            super::modify::retrying(session, || Box::pin(once(plan, prepared, &returning))).await?
        }
    };
    Ok(match written.rows {
        None => Execution::Done { tag: format!("INSERT 0 {}", written.n_rows) },
        Some(_) => returning.answer(written, "INSERT"),
    })
}

/// One try. All of the statement sees one moment, but the rows whose keys are taken: those are the newest.
async fn once(
    plan: &InsertPlan,
    prepared: &Arc<Prepared>,
    returning: &Returning<'_>,
) -> Result<Written> {
    let Returning { session, object, .. } = *returning;
    let pin = plan.pin(session, &prepared.catalog).await?;
    let batch = gather(plan, prepared, returning, &pin).await?;
    match (&object.body, &plan.on_conflict) {
        (ObjectBody::Stream(_), _) => {
            let written = returning.of(&batch, &pin).await?;
            append(session, object, &batch).await?;
            Ok(written)
        }
        (_, Some(on_conflict)) if batch.num_rows() > 0 => {
            Box::pin(upsert(on_conflict, returning, &batch, &pin)).await
        }
        _ => {
            let written = returning.of(&batch, &pin).await?;
            let none = RecordBatch::new_empty(batch.schema());
            apply(session, object, &none, &batch, Epoch::MAX).await?;
            Ok(written)
        }
    }
}

/// The new rows: all columns, checked.
async fn gather(
    plan: &InsertPlan,
    prepared: &Arc<Prepared>,
    returning: &Returning<'_>,
    pin: &Pin,
) -> Result<RecordBatch> {
    let Returning { session, object, values, .. } = *returning;
    let table = match &object.body {
        ObjectBody::Table(_) => Some(row::table_of(session, object)?),
        _ => None,
    };
    let (given, n_rows) =
        plan.source.rows(session, object, &plan.targets, prepared, values, pin).await?;
    row::complete(session, object, &plan.schema, table.as_deref(), given, n_rows)
}

/// Appends rows to a stream, or to the open transaction.
pub(super) async fn append(session: &Session, object: &Object, batch: &RecordBatch) -> Result<()> {
    match append_writes(session, object, batch)? {
        Some(writes) => session.shared.committer()?.commit(writes).await,
        None => Ok(()),
    }
}

/// As [`append`], without waiting for the commit; `None` where there is none to wait for.
pub(super) async fn begin_append(
    session: &Session,
    object: &Object,
    batch: &RecordBatch,
) -> Result<Option<Submitted>> {
    match append_writes(session, object, batch)? {
        Some(writes) => session.shared.committer()?.submit(writes).await.map(Some),
        None => Ok(None),
    }
}

/// What commits rows of a stream; `None` where there are none, or the open transaction has taken them.
fn append_writes(
    session: &Session,
    object: &Object,
    batch: &RecordBatch,
) -> Result<Option<WriteSet>> {
    if batch.num_rows() == 0 {
        return Ok(None);
    }
    let in_block = session.with_block(|block| {
        block.charge(rows::bytes_used(batch))?;
        block.writes_to(object);
        Arc::make_mut(block.appended.entry(object.id).or_default()).push(batch.clone());
        Ok(())
    });
    if let Some(outcome) = in_block {
        return outcome.map(|()| None);
    }
    let append = encode_append(&session.shared, object, batch)?;
    Ok(Some(WriteSet { appends: vec![append], ..WriteSet::default() }))
}

/// Writes rows to a table, conflicts resolved.
async fn upsert(
    on_conflict: &conflict::Plan,
    returning: &Returning<'_>,
    batch: &RecordBatch,
    pin: &Pin,
) -> Result<Written> {
    let Returning { session, object, .. } = *returning;
    session.with_block(|block| block.has_upserts = true);
    // What was read for the new values must still be so for the rows that get them.
    let read_epoch = match on_conflict.query().is_some_and(|query| !query.relations.is_empty()) {
        true => pin.epoch(),
        false => session.shared.log.newest_epoch(),
    };
    let resolved = conflict::resolve(returning, on_conflict, batch, pin).await?;
    let written = returning.of(&resolved.new, pin).await?;
    match apply(session, object, &resolved.old, &resolved.new, read_epoch).await {
        // Another took the key meanwhile: there is a conflict now.
        Err(error) if error.state() == SqlState::UniqueViolation => Err(lost_race()),
        outcome => outcome.map(|()| written),
    }
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
        block.writes_to(object);
        let catalog = block.catalog.clone().unwrap_or_else(|| session.shared.catalog());
        let table = session.shared.tables.get(object.id);
        let table = table.or_else(|| block.new_tables.get(&object.id).cloned());
        let key = crate::relation::key_columns(crate::relation::table_of(object)?);
        // After an error the block has failed: nobody sees what it had done by then.
        let overlay = block.overlays.entry(object.id);
        let overlay = overlay.or_insert_with(|| Arc::new(Overlay::new(new.schema(), key)));
        if overlay.n_columns() != new.num_columns() {
            return Err(columns_changed());
        }
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
