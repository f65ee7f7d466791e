//! UPDATE and DELETE: the rows that a condition finds, changed or taken out.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::FieldRef;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast as sql;
use weir_catalog::{Catalog, Object, ObjectBody, ObjectName};
use weir_delta::Delta;
use weir_delta::equal::Sameness;
use weir_delta::group::Groups;
use weir_delta::rows;
use weir_planner::bind::{BoundQuery, Targets};
use weir_planner::dialect::{Assignment, Statement};
use weir_types::{Error, ObjectId, Result, SqlState, SqlType};

use super::insert::{apply, assigned, column_position, quoted};
use super::insert::{cast_unknown, data_type};
use super::parameters::Parameters;
use super::returning::{Returning, WithOthers, Written, plan_with_others, take_out};
use super::{encode_change, query, row, scaffold};
use crate::commit::WriteSet;
use crate::pins::Pin;
use crate::session::{Execution, OutputColumn, Prepared, Session};

/// Tries of a single statement that loses races before it gives the error on.
const TRIES_MAX: usize = 100;

/// A planned UPDATE or DELETE.
pub(crate) struct ModifyPlan {
    table: ObjectId,
    /// Gives the old rows, all columns, then the new values.
    found: BoundQuery,
    /// Positions of the assigned columns; empty for DELETE.
    targets: Vec<usize>,
    /// Columns of other relations for RETURNING, which are the last that `found` gives.
    others: Vec<FieldRef>,
    is_update: bool,
    returning: Option<BoundQuery>,
    pub(crate) returning_columns: Option<Arc<[OutputColumn]>>,
    pub(crate) parameters: Vec<SqlType>,
}

/// The parts of both statements.
struct Parts<'a> {
    table: &'a ObjectName,
    alias: Option<&'a String>,
    assignments: &'a [Assignment],
    others: &'a [sql::TableWithJoins],
    filter: Option<&'a sql::Expr>,
    returning: &'a [sql::SelectItem],
    verb: &'static str,
}

/// Plans an UPDATE or DELETE.
pub(super) fn plan(
    session: &Session,
    catalog: &Arc<Catalog>,
    statement: &Statement,
    declared: &[Option<SqlType>],
) -> Result<ModifyPlan> {
    let parts = match statement {
        Statement::Update(update) => Parts {
            table: &update.table,
            alias: update.alias.as_ref(),
            assignments: &update.assignments,
            others: &update.from,
            filter: update.filter.as_ref(),
            returning: &update.returning,
            verb: "update",
        },
        Statement::Delete(delete) => Parts {
            table: &delete.table,
            alias: delete.alias.as_ref(),
            assignments: &[],
            others: &delete.using,
            filter: delete.filter.as_ref(),
            returning: &delete.returning,
            verb: "delete from",
        },
        _ => return Err(Error::internal("only UPDATE and DELETE are planned here")),
    };
    let object = catalog.resolve(parts.table, &session.search_path())?;
    check_target(object, parts.verb)?;
    let alias = parts.alias.cloned().unwrap_or_else(|| object.name.clone());
    let returned = match parts.others {
        [] => WithOthers { items: parts.returning.to_vec(), others: Vec::new() },
        _ => take_out(object, &alias, parts.returning)?,
    };
    let (select, targets) = select_of(catalog, object, &alias, &parts, &returned)?;
    let parsed = scaffold::query(select);
    let mut parameters = Parameters::declared(declared);
    let columns = object.columns();
    let mut assigned = vec![None; columns.len()];
    let new = targets.iter().map(|target| &columns[*target]);
    assigned.extend(new.map(|column| Some((column.name.as_str(), &column.sql_type))));
    assigned.extend(returned.others.iter().map(|_| None));
    let found = query::with_binder(session, catalog, |binder| {
        let binder = weir_planner::bind::Binder { show_hidden: Some(object.id), ..binder.clone() };
        binder.query_for(Targets::Each(&assigned), &parsed, parameters.known(), &[])
    })?;
    parameters.add(&found);
    let fields = found.plan.schema().fields();
    let given = fields[fields.len() - returned.others.len()..].iter();
    let others: Vec<FieldRef> = given
        .zip(&returned.others)
        .map(|(field, (_, name))| Arc::new(field.as_ref().clone().with_name(name)))
        .collect();
    let items = &returned.items;
    let returning =
        plan_with_others(session, catalog, object, &alias, items, &others, &mut parameters)?;
    Ok(ModifyPlan {
        table: object.id,
        parameters: parameters.into_types(),
        found,
        targets,
        others,
        is_update: parts.verb == "update",
        returning_columns: returning
            .as_ref()
            .map(|bound| query::output_columns(catalog, &bound.columns)),
        returning,
    })
}

fn check_target(object: &Object, verb: &str) -> Result<()> {
    match &object.body {
        ObjectBody::Table(_) => Ok(()),
        ObjectBody::Stream(_) => Err(Error::new(
            SqlState::WrongObjectType,
            format!("cannot {verb} stream \"{}\"", object.name),
        )
        .with_detail("A stream is append-only.")
        .with_hint("Use a table for rows that change.")),
        _ => Err(Error::new(
            SqlState::WrongObjectType,
            format!("cannot {verb} {} \"{}\"", object.kind(), object.name),
        )),
    }
}

/// The SELECT that gives old rows, new values and columns of others, and the assigned columns.
fn select_of(
    catalog: &Catalog,
    object: &Object,
    alias: &str,
    parts: &Parts<'_>,
    returned: &WithOthers,
) -> Result<(sql::Select, Vec<usize>)> {
    let schema = quoted(catalog.schema_name(object.schema));
    let name = quoted(&object.name);
    // Without an alias another relation of the name can stand beside it, of another schema.
    let (relation, alias) = match parts.alias {
        None if !parts.others.is_empty() => {
            (format!("{schema}.{name}"), format!("{schema}.{name}"))
        }
        _ => (format!("{schema}.{name} AS {}", quoted(alias)), quoted(alias)),
    };
    let old: Vec<String> = object
        .columns()
        .iter()
        .enumerate()
        .map(|(idx, column)| format!("{alias}.{} AS \"o{idx}\"", quoted(&column.name)))
        .collect();
    let mut select = scaffold::select(&format!("SELECT {} FROM {relation}", old.join(", ")))?;
    let mut targets = Vec::with_capacity(parts.assignments.len());
    for (value_idx, assignment) in parts.assignments.iter().enumerate() {
        let target = target_of(object, assignment)?;
        if targets.contains(&target) {
            return Err(Error::syntax(format!(
                "multiple assignments to same column \"{}\"",
                assignment.column
            )));
        }
        let value = value_of(object, target, assignment.value.as_ref())?;
        select.projection.push(scaffold::item(value, &format!("n{value_idx}")));
        targets.push(target);
    }
    for (place, (meaning, _)) in returned.others.iter().enumerate() {
        select.projection.push(scaffold::item(meaning.clone(), &format!("r{place}")));
    }
    select.from.extend_from_slice(parts.others);
    select.selection = parts.filter.cloned();
    Ok((select, targets))
}

/// The column of an assignment.
pub(super) fn target_of(object: &Object, assignment: &Assignment) -> Result<usize> {
    column_position(object, &assignment.column)
        .map_err(|error| error.with_position(assignment.position))
}

/// An assigned value; DEFAULT where there is none.
pub(super) fn value_of(
    object: &Object,
    target: usize,
    value: Option<&sql::Expr>,
) -> Result<sql::Expr> {
    let column = &object.columns()[target];
    let Some(value) = value else {
        let default = column.default.as_deref().unwrap_or("NULL");
        let default = scaffold::expr(&row::default_text(column, default)?)?;
        return Ok(sql::Expr::Nested(Box::new(default)));
    };
    if column.generated.is_some() {
        return Err(Error::new(
            SqlState::GeneratedAlways,
            format!("column \"{}\" can only be updated to DEFAULT", column.name),
        ));
    }
    let mut value = value.clone();
    cast_unknown(&mut value, &data_type(&column.sql_type)?);
    Ok(sql::Expr::Nested(Box::new(value)))
}

/// Runs a planned UPDATE or DELETE; a single statement that loses a race tries again.
pub(super) async fn run(
    session: &Session,
    plan: &ModifyPlan,
    prepared: &Arc<Prepared>,
    values: Vec<ArrayRef>,
) -> Result<Execution> {
    let verb = if plan.is_update { "UPDATE" } else { "DELETE" };
    session.check_writable(verb)?;
    let object = Arc::clone(prepared.catalog.require(plan.table)?);
    let returning = Returning {
        session,
        catalog: &prepared.catalog,
        object: &object,
        query: plan.returning.as_ref(),
        values: &values,
    };
    let written = retrying(session, || once(plan, &returning)).await?;
    Ok(match written.rows {
        None => Execution::Done { tag: format!("{verb} {}", written.n_rows) },
        Some(_) => returning.answer(written, verb),
    })
}

/// One try.
async fn once(plan: &ModifyPlan, returning: &Returning<'_>) -> Result<Written> {
    let Returning { session, catalog, object, values, .. } = *returning;
    let parts = std::iter::once(&plan.found).chain(&plan.returning);
    let pin = session.read_at(catalog, &query::read_set_of(catalog, parts)).await?;
    let logical = query::with_values(plan.found.plan.clone(), values)?;
    let found = first_matches(object, &rows_of(session, catalog, logical, &pin).await?)?;
    let old = old_rows(object, &found)?;
    let stored = old.schema();
    let n_columns = object.columns().len();
    let others = found.columns()[n_columns + plan.targets.len()..].to_vec();
    if !plan.is_update {
        let written = returning.of_with_others(&old, &plan.others, others, &pin).await?;
        let none = RecordBatch::new_empty(stored);
        apply(session, object, &old, &none, pin.epoch()).await?;
        return Ok(written);
    }
    let mut given: row::Given = vec![None; object.columns().len()];
    for (column_idx, column) in object.columns().iter().enumerate() {
        if column.generated.is_none() {
            given[column_idx] = Some(Arc::clone(old.column(column_idx)));
        }
    }
    let settings = session.format_settings();
    for (value_idx, target) in plan.targets.iter().enumerate() {
        let value = found.column(n_columns + value_idx);
        let from = &plan.found.columns[n_columns + value_idx].sql_type;
        if object.columns()[*target].generated.is_none() {
            given[*target] = Some(assigned(object, *target, value, from, &settings)?);
        }
    }
    let new = row::finish(session, object, &stored, given, old.num_rows())?;
    let written = returning.of_with_others(&new, &plan.others, others, &pin).await?;
    apply(session, object, &old, &new, pin.epoch()).await?;
    Ok(written)
}

async fn rows_of(
    session: &Session,
    catalog: &Arc<Catalog>,
    plan: LogicalPlan,
    pin: &Pin,
) -> Result<RecordBatch> {
    let schema = Arc::clone(plan.schema().inner());
    let batches = query::collect_plan(session, catalog, plan, pin, HashMap::new()).await?;
    rows::concat(&schema, &batches)
}

/// The rows of the table among what the query of a plan found.
fn old_rows(object: &Object, found: &RecordBatch) -> Result<RecordBatch> {
    let columns: Vec<usize> = (0..object.columns().len()).collect();
    rows::with_schema(&rows::project(found, &columns)?, &row::stored_schema(object))
}

/// Takes the rows that several DELETEs without parameters find out of their tables, in one commit.
///
/// # Errors
/// Of reading, and of the commit: 40001 for a lost race.
pub(super) async fn delete_at_once(
    session: &Session,
    catalog: &Arc<Catalog>,
    plans: &[ModifyPlan],
) -> Result<()> {
    let relations = plans.iter().flat_map(|plan| &plan.found.relations).cloned();
    let relations = query::read_set(catalog, &relations.collect::<Vec<_>>());
    let pin = session.read_at(catalog, &relations).await?;
    let mut writes = WriteSet { read_epoch: pin.epoch(), ..WriteSet::default() };
    let mut seen = BTreeSet::new();
    for plan in plans.iter().filter(|plan| seen.insert(plan.table)) {
        let object = catalog.require(plan.table)?;
        let found = rows_of(session, catalog, plan.found.plan.clone(), &pin).await?;
        let old = Delta::retractions(old_rows(object, &found)?);
        if !old.is_empty() {
            writes.changes.push(encode_change(object, old)?);
        }
    }
    if writes.is_empty() {
        return Ok(());
    }
    session.shared.committer()?.commit(writes).await?;
    Ok(())
}

/// A row that the other tables match several times is changed once, by the first match.
fn first_matches(object: &Object, found: &RecordBatch) -> Result<RecordBatch> {
    let key = crate::relation::key_columns(crate::relation::table_of(object)?);
    let key: Vec<ArrayRef> = key.iter().map(|idx| Arc::clone(found.column(*idx))).collect();
    let groups = Groups::new(&key, found.num_rows(), Sameness::Equal);
    if groups.len() == found.num_rows() {
        return Ok(found.clone());
    }
    let first: BooleanArray = (0..found.num_rows())
        .map(|idx| Some(groups.first_row[groups.of_row[idx] as usize] == idx as u32))
        .collect();
    rows::filter(found, &first)
}

/// Runs `attempt` again while it loses races, unless a transaction is open: its reads are fixed.
pub(super) async fn retrying<T, F>(session: &Session, attempt: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let single = session.with_block(|_| ()).is_none();
    let mut tries = 0;
    loop {
        tries += 1;
        match attempt().await {
            Err(error)
                if single
                    && tries < TRIES_MAX
                    && error.state() == SqlState::SerializationFailure => {}
            outcome => return outcome,
        }
    }
}
