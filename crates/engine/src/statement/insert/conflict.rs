//! ON CONFLICT: what happens to rows whose key is taken.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use weir_catalog::{Catalog, Object, ObjectBody};
use weir_delta::equal::Sameness;
use weir_delta::group::Groups;
use weir_delta::rows;
use weir_planner::dialect::{self, Assignment, ConflictAction, OnConflict};
use weir_types::planted::{self, Bug};
use weir_types::{Epoch, Error, Result, SqlState};

use super::{assigned, column_position, quoted};
use crate::relation::{TableData, key_columns, table_of};
use crate::session::Session;
use crate::statement::{query, row};
use crate::tables::duplicate_key;

/// Names a new row's place within the statement.
const PLACE: &str = "\u{1}place";

/// What an INSERT with ON CONFLICT does.
pub(super) struct Resolved {
    /// Rows that are replaced, as they were.
    pub(super) old: RecordBatch,
    /// Rows that are inserted, or replace an old one.
    pub(super) new: RecordBatch,
}

/// Checks that the arbiter is the primary key.
pub(super) fn check(object: &Object, on_conflict: &OnConflict) -> Result<()> {
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
/// out for good, so that row is durable then.
pub(super) async fn resolve(
    session: &Session,
    catalog: &Arc<Catalog>,
    object: &Object,
    alias: &str,
    on_conflict: &OnConflict,
    batch: &RecordBatch,
) -> Result<Resolved> {
    loop {
        let resolved = resolve_now(session, catalog, object, alias, on_conflict, batch).await?;
        match resolved {
            Some(resolved) => return Ok(resolved),
            None => session.interrupt.or(session.shared.settle()).await?,
        }
    }
}

/// As [`resolve`]; `None` where what is in the way is still being committed, and may be taken back.
async fn resolve_now(
    session: &Session,
    catalog: &Arc<Catalog>,
    object: &Object,
    alias: &str,
    on_conflict: &OnConflict,
    batch: &RecordBatch,
) -> Result<Option<Resolved>> {
    let key_idxs = key_columns(table_of(object)?);
    let key = key_of(&key_idxs, batch);
    let first = first_of_key(&key, batch.num_rows());
    let updates = matches!(on_conflict.action, ConflictAction::Update { .. });
    if updates && first.false_count() > 0 {
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
    let taken: Vec<bool> = (0..batch.num_rows()).map(|idx| place.contains(&(idx as i64))).collect();
    let free: BooleanArray = taken.iter().map(|taken| Some(!taken)).collect();
    let fresh = rows::filter(&batch, &free)?;
    let none = RecordBatch::new_empty(batch.schema());
    let resolved = match &on_conflict.action {
        ConflictAction::Update { assignments, filter }
            if existing.num_rows() > 0 && !planted::is(Bug::IgnoredUpsert) =>
        {
            let conflict = Conflict { session, catalog, object, alias };
            let excluded =
                rows::take(&batch, &place.iter().map(|p| *p as u32).collect::<Vec<_>>())?;
            let (old, new) =
                conflict.update(assignments, filter.as_deref(), &existing, &excluded).await?;
            let moved = conflict.moves_key(&key_idxs, assignments)?;
            if moved {
                conflict.check_moved(&key_idxs, &old, &new)?;
            }
            let new = rows::concat(&batch.schema(), [&fresh, &new])?;
            if moved {
                conflict.check_distinct(&key_idxs, &new)?;
            }
            Resolved { old, new }
        }
        _ => Resolved { old: none, new: fresh },
    };
    let leaves_out = resolved.old.num_rows() < existing.num_rows();
    Ok((!leaves_out || newest <= durable).then_some(resolved))
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
    let overlay = session.with_block(|block| block.overlays.get(&object.id).cloned()).flatten();
    let (mut parts, mut place, mut newest) = (Vec::new(), Vec::new(), Epoch::ZERO);
    if let Ok(table) = session.shared.tables.get(object.id) {
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
        parts.push(gather(&table, &refs, batch.schema())?);
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

fn gather(
    table: &TableData,
    refs: &[weir_delta::segments::RowRef],
    schema: SchemaRef,
) -> Result<RecordBatch> {
    rows::with_schema(&table.segments.gather(refs)?, &schema)
}

struct Conflict<'a> {
    session: &'a Session,
    catalog: &'a Arc<Catalog>,
    object: &'a Object,
    alias: &'a str,
}

impl Conflict<'_> {
    /// DO UPDATE for pairs of an existing and a proposed row: the old rows that pass the filter, and what
    /// they become.
    async fn update(
        &self,
        assignments: &[Assignment],
        filter: Option<&datafusion::sql::sqlparser::ast::Expr>,
        existing: &RecordBatch,
        excluded: &RecordBatch,
    ) -> Result<(RecordBatch, RecordBatch)> {
        let targets = assignments
            .iter()
            .map(|assignment| column_position(self.object, &assignment.column))
            .collect::<Result<Vec<_>>>()?;
        let locals = [
            (self.alias.to_owned(), placed(existing)?),
            ("excluded".to_owned(), placed(excluded)?),
        ];
        let bound = self.bind(assignments, &targets, filter, &locals)?;
        let schemas = locals.into_iter().collect::<HashMap<_, _>>();
        let pin = self.session.shared.pins.pin(self.session.shared.durable.newest());
        let schema = Arc::clone(bound.plan.schema().inner());
        let batches =
            query::collect_plan(self.session, self.catalog, bound.plan.clone(), &pin, schemas)
                .await?;
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
            let from = &bound.columns[value_idx + 1].sql_type;
            let value = values.column(value_idx + 1);
            given[*target] = Some(assigned(self.object, *target, value, from, &settings)?);
        }
        let new = row::finish(self.session, self.object, &old.schema(), given, old.num_rows())?;
        Ok((old, new))
    }

    /// True where rows may get another key.
    fn moves_key(&self, key_idxs: &[usize], assignments: &[Assignment]) -> Result<bool> {
        for assignment in assignments {
            if key_idxs.contains(&column_position(self.object, &assignment.column)?) {
                return Ok(true);
            }
        }
        Ok(false)
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

    fn bind(
        &self,
        assignments: &[Assignment],
        targets: &[usize],
        filter: Option<&datafusion::sql::sqlparser::ast::Expr>,
        locals: &[(String, RecordBatch)],
    ) -> Result<weir_planner::bind::BoundQuery> {
        let alias = quoted(self.alias);
        let mut items = vec![format!("{alias}.{} AS \"p\"", quoted(PLACE))];
        for (value_idx, (assignment, target)) in assignments.iter().zip(targets).enumerate() {
            let value = crate::statement::modify::value_text(
                self.object,
                *target,
                assignment.value.as_ref(),
            )?;
            items.push(format!("{value} AS \"n{value_idx}\""));
        }
        let condition = filter.map_or_else(String::new, |filter| format!(" WHERE {filter}"));
        let text = format!(
            "SELECT {} FROM {alias} JOIN excluded ON {alias}.{place} = excluded.{place}{condition}",
            items.join(", "),
            place = quoted(PLACE),
        );
        let parsed = dialect::parse_query(&text)?;
        let schemas: Vec<(String, SchemaRef)> =
            locals.iter().map(|(name, batch)| (name.clone(), batch.schema())).collect();
        query::with_binder(self.session, self.catalog, |binder| {
            binder.query_over(&parsed, &[], &schemas)
        })
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
