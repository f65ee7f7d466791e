//! The rows of all tables, and the committer's checks on them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use parking_lot::RwLock;
use weir_catalog::{Catalog, Object, ObjectBody, ObjectKind};
use weir_connect::value::display;
use weir_delta::Delta;
use weir_delta::segments::ApplyErrorKind;
use weir_types::{Epoch, Error, ObjectId, Result, SqlState, Subject};

use crate::commit::{Change, DdlEffects};
use crate::relation::TableData;
use crate::statement::columns_changed;

/// The rows of all tables.
#[derive(Default)]
pub(crate) struct Tables {
    tables: RwLock<HashMap<ObjectId, Arc<TableData>>>,
}

/// Tables that a catalog change made or widened, as they were before.
pub(crate) struct Replaced(Vec<(ObjectId, Option<Arc<TableData>>)>);

impl Tables {
    /// The rows of that table; `None` where it was dropped, or is not committed yet.
    pub(crate) fn get(&self, id: ObjectId) -> Option<Arc<TableData>> {
        self.tables.read().get(&id).cloned()
    }

    /// The rows of a table.
    ///
    /// # Errors
    /// 40001 where it was dropped.
    pub(crate) fn of(&self, table: &Object) -> Result<Arc<TableData>> {
        self.get(table.id).ok_or_else(|| dropped_meanwhile(table.kind(), &table.name))
    }

    /// All tables.
    pub(crate) fn all(&self) -> Vec<(ObjectId, Arc<TableData>)> {
        self.tables.read().iter().map(|(id, table)| (*id, Arc::clone(table))).collect()
    }

    /// Puts a table's rows in place.
    pub(crate) fn insert(&self, id: ObjectId, table: Arc<TableData>) {
        self.tables.write().insert(id, table);
    }

    /// Forgets a table's rows.
    pub(crate) fn remove(&self, id: ObjectId) {
        self.tables.write().remove(&id);
    }

    /// Makes empty rows for the tables that a catalog change created, and takes in added columns. Gives what
    /// was there before, for [`Self::restore`].
    pub(crate) fn create(&self, catalog: &Catalog, effects: &DdlEffects) -> Result<Replaced> {
        let mut made = Vec::new();
        for id in BTreeSet::from_iter(&effects.put) {
            let Some(object) = catalog.get(*id) else { continue };
            let ObjectBody::Table(table) = &object.body else { continue };
            let known = self.tables.read().get(id).cloned();
            match known {
                None => made.push((*id, Arc::new(TableData::new(table)?))),
                Some(known) if known.columns.len() != table.columns.len() => {
                    made.push((*id, Arc::new(known.widened(table)?)));
                }
                Some(_) => {}
            }
        }
        let mut tables = self.tables.write();
        Ok(Replaced(made.into_iter().map(|(id, new)| (id, tables.insert(id, new))).collect()))
    }

    /// Takes a [`Self::create`] back, where nothing came to be of the catalog change.
    pub(crate) fn restore(&self, replaced: Replaced) {
        let mut tables = self.tables.write();
        for (id, before) in replaced.0 {
            match before {
                Some(before) => tables.insert(id, before),
                None => tables.remove(&id),
            };
        }
    }

    /// Applies a change at `epoch`, where nothing it rests on changed after `read_epoch`. The catalog is
    /// for messages.
    ///
    /// # Errors
    /// 40001 where a row it changes was changed meanwhile, or the table; 23505 where a key is taken.
    pub(crate) fn apply(
        &self,
        catalog: &Catalog,
        change: &Change,
        read_epoch: Epoch,
        epoch: Epoch,
    ) -> Result<()> {
        let table = self.get(change.table);
        let table = table.ok_or_else(|| dropped_meanwhile(ObjectKind::Table, &change.name))?;
        if change.delta.schema().fields().len() != table.columns.len() {
            return Err(columns_changed());
        }
        let (inserted, retracted) = change.delta.split()?;
        if !retracted.is_empty() {
            let key = table.key_of(retracted.rows());
            let changed = table.segments.last_change(&key);
            if changed.into_iter().flatten().any(|changed| changed > read_epoch) {
                return Err(lost_race());
            }
        }
        // A transaction that made the table gave its rows their ids itself.
        table.saw_rows(inserted.rows());
        table.segments.apply(epoch, &change.delta).map_err(|error| match error.kind {
            ApplyErrorKind::DuplicateKey => match catalog.get(change.table) {
                Some(object) => {
                    duplicate_key(catalog, object, change.delta.rows(), error.row, &table)
                }
                None => Error::new(SqlState::UniqueViolation, "duplicate key value"),
            },
            ApplyErrorKind::MissingRow => lost_race(),
            _ => Error::internal(format!("a change does not fit its table: {error}")),
        })
    }

    /// Takes an applied change back, within its epoch.
    pub(crate) fn undo(&self, change: &Change, epoch: Epoch) {
        let inverse = invert(&change.delta);
        let table = self.get(change.table);
        let table = table.ok_or_else(|| dropped_meanwhile(ObjectKind::Table, &change.name));
        let outcome = table.and_then(|table| {
            table
                .segments
                .apply(epoch, &inverse)
                .map_err(|error| Error::internal(format!("cannot undo a change: {error}")))
        });
        if let Err(error) = outcome {
            // Memory would differ from the log: only a restart brings them together.
            tracing::error!(%error, "the process ends");
            std::process::abort();
        }
    }
}

/// The table, as an error is about it.
pub(crate) fn subject(catalog: &Catalog, object: &Object) -> Subject {
    Subject {
        schema: Some(catalog.schema_name(object.schema).to_owned()),
        table: Some(object.name.clone()),
        ..Subject::default()
    }
}

/// The error for a taken key, as PostgreSQL words it.
pub(crate) fn duplicate_key(
    catalog: &Catalog,
    object: &Object,
    rows: &RecordBatch,
    row_idx: usize,
    table: &TableData,
) -> Error {
    let constraint = match &object.body {
        ObjectBody::Table(table) => table.primary_key_name.clone().unwrap_or_default(),
        _ => String::new(),
    };
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for column_idx in &table.key {
        let column = &object.columns()[*column_idx];
        columns.push(column.name.clone());
        let array = rows.column(*column_idx);
        values.push(match array.is_null(row_idx) {
            true => "null".to_owned(),
            false => display(array.as_ref(), row_idx, &column.sql_type),
        });
    }
    Error::new(
        SqlState::UniqueViolation,
        format!("duplicate key value violates unique constraint \"{constraint}\""),
    )
    .with_detail(format!("Key ({})=({}) already exists.", columns.join(", "), values.join(", ")))
    .with_subject(Subject { constraint: Some(constraint), ..subject(catalog, object) })
    .with_row(row_idx)
}

/// The error of a change that came too late.
pub(crate) fn lost_race() -> Error {
    Error::new(
        SqlState::SerializationFailure,
        "could not serialize access due to concurrent update",
    )
    .with_hint("Retry the transaction.")
}

/// The error of a change that rests on something that another transaction dropped.
pub(crate) fn dropped_meanwhile(kind: ObjectKind, name: &str) -> Error {
    Error::new(
        SqlState::SerializationFailure,
        format!("could not serialize access: {kind} \"{name}\" was dropped meanwhile"),
    )
    .with_hint("Retry the transaction.")
}

/// The change that takes `delta` back.
fn invert(delta: &Delta) -> Delta {
    let weights = (0..delta.len()).map(|row_idx| -delta.weight(row_idx)).collect();
    Delta::new(delta.rows().clone(), weir_delta::Weights::Mixed(weights))
}
