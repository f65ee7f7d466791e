//! ON CONFLICT: what happens to rows whose key is taken.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::sql::sqlparser::ast as sql;
use weir_catalog::{Catalog, Object, ObjectBody};
use weir_delta::equal::Sameness;
use weir_delta::group::Groups;
use weir_delta::rows;
use weir_planner::bind::{BoundQuery, Targets};
use weir_planner::dialect::{Assignment, ConflictAction, OnConflict};
use weir_types::planted::{self, Bug};
use weir_types::{Epoch, Error, Result, SqlState};

use super::{assigned, quoted};
use crate::pins::Pin;
use crate::read;
use crate::relation::{key_columns, table_of};
use crate::session::Session;
use crate::statement::modify::{target_of, value_of};
use crate::statement::parameters::Parameters;
use crate::statement::returning::{ROWS, Returning};
use crate::statement::{query, row, scaffold};
use crate::tables::duplicate_key;

/// Names a new row's place within the statement.
const PLACE: &str = "\u{1}place";

/// The name under which the proposed rows are local: subqueries have no relation `excluded`.
const EXCLUDED: &str = "\u{1}excluded";

/// A planned ON CONFLICT.
pub(super) struct Plan {
    /// `None` for DO NOTHING.
    update: Option<Update>,
}

/// A planned DO UPDATE.
struct Update {
    /// Positions of the assigned columns.
    targets: Vec<usize>,
    /// Gives the places of the pairs that pass the filter, and the assigned values.
    query: BoundQuery,
}

impl Plan {
    /// What gives the new values, of DO UPDATE.
    pub(super) fn query(&self) -> Option<&BoundQuery> {
        self.update.as_ref().map(|update| &update.query)
    }
}

/// Plans ON CONFLICT, and takes what it tells of the parameters.
///
/// # Errors
/// Those of an arbiter that is not the primary key, of the assignments and of planning.
pub(super) fn plan(
    session: &Session,
    catalog: &Arc<Catalog>,
    object: &Object,
    alias: &str,
    on_conflict: &OnConflict,
    parameters: &mut Parameters,
) -> Result<Plan> {
    check(object, on_conflict)?;
    let ConflictAction::Update { assignments, filter } = &on_conflict.action else {
        return Ok(Plan { update: None });
    };
    let targets = assignments
        .iter()
        .map(|assignment| target_of(object, assignment))
        .collect::<Result<Vec<_>>>()?;
    let parsed = update_of(object, alias, assignments, &targets, filter.as_deref())?;
    let rows = placed(&RecordBatch::new_empty(row::stored_schema(object)))?.schema();
    let locals = [(ROWS.to_owned(), Arc::clone(&rows)), (EXCLUDED.to_owned(), rows)];
    let columns = targets.iter().map(|target| &object.columns()[*target]);
    let columns = columns.map(|column| Some((column.name.as_str(), &column.sql_type)));
    // The place stands before the values.
    let assigned: Vec<_> = std::iter::once(None).chain(columns).collect();
    let query = query::with_binder(session, catalog, |binder| {
        binder.query_for(Targets::Each(&assigned), &parsed, parameters.known(), &locals)
    })?;
    parameters.add(&query);
    Ok(Plan { update: Some(Update { targets, query }) })
}

/// The SELECT over pairs of an existing and a proposed row: their place, then the assigned values.
fn update_of(
    object: &Object,
    alias: &str,
    assignments: &[Assignment],
    targets: &[usize],
    filter: Option<&sql::Expr>,
) -> Result<sql::Query> {
    let (alias, place) = (quoted(alias), quoted(PLACE));
    let mut select = scaffold::select(&format!(
        "SELECT {alias}.{place} AS \"p\" FROM {} AS {alias} JOIN {} AS excluded \
         ON {alias}.{place} = excluded.{place}",
        quoted(ROWS),
        quoted(EXCLUDED),
    ))?;
    for (value_idx, (assignment, target)) in assignments.iter().zip(targets).enumerate() {
        if targets[..value_idx].contains(target) {
            return Err(Error::syntax(format!(
                "multiple assignments to same column \"{}\"",
                assignment.column
            )));
        }
        let value = value_of(object, *target, assignment.value.as_ref())?;
        select.projection.push(scaffold::item(value, &format!("n{value_idx}")));
    }
    select.selection = filter.cloned();
    Ok(scaffold::query(select))
}

/// What an INSERT with ON CONFLICT does.
pub(super) struct Resolved {
    /// Rows that are replaced, as they were.
    pub(super) old: RecordBatch,
    /// Rows that are inserted, or replace an old one.
    pub(super) new: RecordBatch,
}

/// Checks that the arbiter is the primary key.
fn check(object: &Object, on_conflict: &OnConflict) -> Result<()> {
    let ObjectBody::Table(table) = &object.body else {
        return Err(Error::internal("ON CONFLICT is for tables"));
    };
    let no_match = || {
        Error::new(
            SqlState::InvalidColumnReference,
            "there is no unique or exclusion constraint matching the ON CONFLICT specification",
        )
    };
    let mut key: Vec<&str> = key_columns(table)
        .into_iter()
        .map(|column_idx| &table.columns[column_idx])
        .filter(|column| !column.hidden)
        .map(|column| column.name.as_str())
        .collect();
    if let Some(name) = &on_conflict.constraint {
        return match table.primary_key_name.as_ref() == Some(name) {
            true => Ok(()),
            false => Err(Error::new(
                SqlState::UndefinedObject,
                format!("constraint \"{name}\" for table \"{}\" does not exist", object.name),
            )),
        };
    }
    let mut columns: Vec<&str> = on_conflict.columns.iter().map(String::as_str).collect();
    let updates = matches!(on_conflict.action, ConflictAction::Update { .. });
    if columns.is_empty() {
        return match updates {
            true => Err(Error::syntax(
                "ON CONFLICT DO UPDATE requires inference specification or constraint name",
            )),
            false => Ok(()),
        };
    }
    key.sort_unstable();
    columns.sort_unstable();
    if key == columns { Ok(()) } else { Err(no_match()) }
}

/// Finds taken keys and applies the action. Rows that stay as they are, because of a row in their way, are left
/// out for good, so that row is durable then. Subqueries see the relations at the pin.
pub(super) async fn resolve(
    returning: &Returning<'_>,
    on_conflict: &Plan,
    batch: &RecordBatch,
    pin: &Pin,
) -> Result<Resolved> {
    let Returning { session, catalog, object, values, .. } = *returning;
    let conflict = Conflict { session, catalog, object, values, pin };
    loop {
        match conflict.resolve_now(on_conflict, batch).await? {
            Some(resolved) => return Ok(resolved),
            None => session.interrupt.or(session.shared.settle()).await?,
        }
    }
}

fn key_of(key_idxs: &[usize], batch: &RecordBatch) -> Vec<ArrayRef> {
    key_idxs.iter().map(|idx| Arc::clone(batch.column(*idx))).collect()
}

/// True for the first row of each key.
fn first_of_key(key: &[ArrayRef], n_rows: usize) -> BooleanArray {
    let groups = Groups::new(key, n_rows, Sameness::Equal);
    (0..n_rows)
        .map(|row_idx| Some(groups.first_row[groups.of_row[row_idx] as usize] == row_idx as u32))
        .collect()
}

/// Rows that have keys of a batch.
struct Existing {
    rows: RecordBatch,
    /// Which row of the batch each is in the way of.
    place: Vec<i64>,
    /// The newest epoch that made one of them.
    newest: Epoch,
}

/// The rows that have the keys of `batch`.
fn existing_rows(
    session: &Session,
    object: &Object,
    key_idxs: &[usize],
    batch: &RecordBatch,
) -> Result<Existing> {
    let key = key_of(key_idxs, batch);
    let (overlay, before_ddl) = session
        .with_block(|block| (block.overlays.get(&object.id).cloned(), block.before_ddl.clone()))
        .unwrap_or_default();
    let (mut parts, mut place, mut newest) = (Vec::new(), Vec::new(), Epoch::ZERO);
    if let Some(table) = session.shared.tables.get(object.id) {
        read::check_added_once(before_ddl.as_deref(), object, table.columns.len())?;
        let removed = match &overlay {
            Some(overlay) => overlay.is_removed(&key),
            None => vec![false; batch.num_rows()],
        };
        let found = table.segments.lookup(&key).into_iter().enumerate();
        let found: Vec<_> = found
            .filter_map(|(row_idx, found)| Some((row_idx, found?)))
            .filter(|(row_idx, _)| !removed[*row_idx])
            .collect();
        let refs: Vec<_> = found.iter().map(|(_, row)| *row).collect();
        let gathered = table.segments.gather(&refs)?;
        parts.push(table.shaped(&gathered, table_of(object)?, &batch.schema())?);
        place.extend(found.iter().map(|(row_idx, _)| *row_idx as i64));
        for row in refs {
            newest = newest.max(table.segments.created(row)?);
        }
    }
    if let Some(overlay) = overlay {
        for row_idx in 0..batch.num_rows() {
            let one: Vec<ArrayRef> = key.iter().map(|column| column.slice(row_idx, 1)).collect();
            let own = overlay.own_rows(&one)?;
            if own.num_rows() > 0 {
                parts.push(own);
                place.push(row_idx as i64);
            }
        }
    }
    Ok(Existing { rows: rows::concat(&batch.schema(), &parts)?, place, newest })
}

struct Conflict<'a> {
    session: &'a Session,
    catalog: &'a Arc<Catalog>,
    object: &'a Object,
    /// Of the statement's parameters.
    values: &'a [ArrayRef],
    pin: &'a Pin,
}

impl Conflict<'_> {
    /// As [`resolve`]; `None` where what is in the way is still being committed, and may be taken back.
    async fn resolve_now(
        &self,
        on_conflict: &Plan,
        batch: &RecordBatch,
    ) -> Result<Option<Resolved>> {
        let Self { session, object, .. } = *self;
        let key_idxs = key_columns(table_of(object)?);
        let key = key_of(&key_idxs, batch);
        let first = first_of_key(&key, batch.num_rows());
        if on_conflict.update.is_some() && first.false_count() > 0 {
            return Err(Error::new(
                SqlState::CardinalityViolation,
                "ON CONFLICT DO UPDATE command cannot affect row a second time",
            )
            .with_hint(
                "Ensure that no rows proposed for insertion within the same command have duplicate \
                 constrained values.",
            ));
        }
        let batch = rows::filter(batch, &first)?;
        let durable = session.shared.durable.newest();
        // Versions that are found stay until they are read.
        let _pin = session.shared.pins.pin(durable);
        let Existing { rows: existing, place, newest } =
            existing_rows(session, object, &key_idxs, &batch)?;
        let taken: Vec<bool> =
            (0..batch.num_rows()).map(|idx| place.contains(&(idx as i64))).collect();
        let free: BooleanArray = taken.iter().map(|taken| Some(!taken)).collect();
        let fresh = rows::filter(&batch, &free)?;
        let none = RecordBatch::new_empty(batch.schema());
        let resolved = match &on_conflict.update {
            Some(update) if existing.num_rows() > 0 && !planted::is(Bug::IgnoredUpsert) => {
                let excluded =
                    rows::take(&batch, &place.iter().map(|p| *p as u32).collect::<Vec<_>>())?;
                let (old, new) = self.update(update, &existing, &excluded).await?;
                let moved = key_idxs.iter().any(|idx| update.targets.contains(idx));
                if moved {
                    self.check_moved(&key_idxs, &old, &new)?;
                }
                let new = rows::concat(&batch.schema(), [&fresh, &new])?;
                if moved {
                    self.check_distinct(&key_idxs, &new)?;
                }
                Resolved { old, new }
            }
            _ => Resolved { old: none, new: fresh },
        };
        let leaves_out = resolved.old.num_rows() < existing.num_rows();
        Ok((!leaves_out || newest <= durable).then_some(resolved))
    }

    /// DO UPDATE for pairs of an existing and a proposed row: the old rows that pass the filter, and what
    /// they become.
    async fn update(
        &self,
        Update { targets, query }: &Update,
        existing: &RecordBatch,
        excluded: &RecordBatch,
    ) -> Result<(RecordBatch, RecordBatch)> {
        let locals = HashMap::from([
            (ROWS.to_owned(), placed(existing)?),
            (EXCLUDED.to_owned(), placed(excluded)?),
        ]);
        let plan = query::with_values(query.plan.clone(), self.values)?;
        let schema = Arc::clone(plan.schema().inner());
        let batches =
            query::collect_plan(self.session, self.catalog, plan, self.pin, locals).await?;
        let values = rows::concat(&schema, &batches)?;
        let places = arrow::compute::cast(values.column(0), &DataType::UInt32)
            .map_err(|e| Error::internal(e.to_string()))?;
        let places = arrow::array::AsArray::as_primitive::<arrow::datatypes::UInt32Type>(&places);
        let old = rows::take(existing, places.values())?;
        let mut given: row::Given = vec![None; self.object.columns().len()];
        for (column_idx, column) in self.object.columns().iter().enumerate() {
            if column.generated.is_none() {
                given[column_idx] = Some(Arc::clone(old.column(column_idx)));
            }
        }
        let settings = self.session.format_settings();
        for (value_idx, target) in targets.iter().enumerate() {
            let from = &query.columns[value_idx + 1].sql_type;
            let value = values.column(value_idx + 1);
            given[*target] = Some(assigned(self.object, *target, value, from, &settings)?);
        }
        let new = row::finish(self.session, self.object, &old.schema(), given, old.num_rows())?;
        Ok((old, new))
    }

    /// Refuses a row that an assignment moved to the key of one that stays.
    fn check_moved(&self, key_idxs: &[usize], old: &RecordBatch, new: &RecordBatch) -> Result<()> {
        let Existing { rows: existing, place, .. } =
            existing_rows(self.session, self.object, key_idxs, new)?;
        let both = rows::concat(&new.schema(), [old, &existing])?;
        let groups = Groups::new(&key_of(key_idxs, &both), both.num_rows(), Sameness::Equal);
        let n_old = old.num_rows();
        let stays =
            |idx: &usize| groups.first_row[groups.of_row[n_old + idx] as usize] as usize >= n_old;
        match (0..existing.num_rows()).find(stays) {
            Some(idx) => Err(self.duplicate(new, place[idx] as usize)?),
            None => Ok(()),
        }
    }

    /// Refuses two rows with one key: an assignment moved one of them there.
    fn check_distinct(&self, key_idxs: &[usize], new: &RecordBatch) -> Result<()> {
        let first = first_of_key(&key_of(key_idxs, new), new.num_rows());
        match (0..new.num_rows()).find(|row_idx| !first.value(*row_idx)) {
            Some(row_idx) => Err(self.duplicate(new, row_idx)?),
            None => Ok(()),
        }
    }

    fn duplicate(&self, rows: &RecordBatch, row_idx: usize) -> Result<Error> {
        let table = row::table_of(self.session, self.object)?;
        Ok(duplicate_key(self.catalog, self.object, rows, row_idx, &table))
    }
}

/// The rows with their place as a last column.
fn placed(batch: &RecordBatch) -> Result<RecordBatch> {
    let mut fields: Vec<Arc<Field>> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(PLACE, DataType::Int64, false)));
    let mut columns = batch.columns().to_vec();
    let places: Int64Array = (0..batch.num_rows() as i64).collect();
    columns.push(Arc::new(places) as ArrayRef);
    debug_assert!(columns.iter().all(|column| column.len() == batch.num_rows()));
    rows::batch(Arc::new(Schema::new(fields)), columns, batch.num_rows())
}
