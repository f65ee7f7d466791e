//! Rows that go into a relation: defaults, generated columns, NOT NULL, CHECK.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use weir_catalog::{Column, Object, ObjectBody};
use weir_connect::value::display;
use weir_planner::{dialect, semantics};
use weir_types::{Error, Result, SqlState, Subject};

use super::{assign, query};
use crate::relation::TableData;
use crate::session::Session;
use crate::tables::subject;

/// Values for columns, by their position; `None` where none are given.
pub(crate) type Given = Vec<Option<ArrayRef>>;

/// Name of the row in a CHECK, DEFAULT or GENERATED expression's plan.
const ROW: &str = "row";

/// The schema of an object's stored columns, hidden ones included.
pub(crate) fn stored_schema(object: &Object) -> SchemaRef {
    let field = |column: &Column| {
        Arc::new(weir_delta::schema::field(&column.name, &column.sql_type, column.nullable))
    };
    Arc::new(Schema::new(object.columns().iter().map(field).collect::<Vec<_>>()))
}

/// The rows of a table, for the row ids of new ones. A table that the open block itself has made has its rows
/// nowhere else yet.
///
/// # Errors
/// XX001 where the catalog's definition cannot be read.
pub(super) fn table_of(session: &Session, object: &Object) -> Result<Arc<TableData>> {
    if let Some(table) = session.shared.tables.get(object.id) {
        return Ok(table);
    }
    let definition = crate::relation::table_of(object)?;
    let in_block = session.with_block(|block| match block.new_tables.get(&object.id) {
        Some(table) => Ok(Arc::clone(table)),
        None => {
            let table = Arc::new(TableData::new(definition)?);
            block.new_tables.insert(object.id, Arc::clone(&table));
            Ok(table)
        }
    });
    in_block.unwrap_or_else(|| TableData::new(definition).map(Arc::new))
}

/// Expressions over the row that they stand in.
struct RowExpressions {
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    types: Vec<weir_types::SqlType>,
}

impl RowExpressions {
    /// # Errors
    /// Of planning; 0A000 for a subquery.
    fn new(session: &Session, texts: &[String], row: &SchemaRef) -> Result<Self> {
        let items: Vec<String> =
            texts.iter().enumerate().map(|(idx, text)| format!("({text}) AS \"e{idx}\"")).collect();
        let text = format!("SELECT {} FROM \"{ROW}\"", items.join(", "));
        let parsed = dialect::parse_query(&text)?;
        let catalog = session.shared.catalog();
        let locals = [(ROW.to_owned(), Arc::clone(row))];
        let bound = query::with_binder(session, &catalog, |binder| {
            binder.query_over(&parsed, &[], &locals)
        })?;
        let types = bound.columns.iter().map(|column| column.sql_type.clone()).collect();
        let plan = semantics::bind_now(bound.plan, session.now())?;
        let LogicalPlan::Projection(projection) = &plan else {
            return Err(Error::unsupported("cannot use aggregates in a column's expression"));
        };
        if !matches!(projection.input.as_ref(), LogicalPlan::TableScan(_)) {
            return Err(Error::unsupported("cannot use a subquery in a column's expression"));
        }
        let exprs = projection
            .expr
            .iter()
            .map(|expr| {
                create_physical_expr(
                    expr,
                    projection.input.schema(),
                    &ExecutionProps::new(),
                    &PhysicalPlanningContext::default(),
                )
            })
            .collect::<Result<_, _>>()
            .map_err(semantics::to_error)?;
        Ok(Self { exprs, types })
    }

    fn evaluate(&self, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let evaluate = |expr: &Arc<dyn PhysicalExpr>| {
            expr.evaluate(rows).and_then(|value| value.into_array(rows.num_rows()))
        };
        self.exprs.iter().map(|expr| evaluate(expr).map_err(semantics::to_error)).collect()
    }
}

/// A constant that a DEFAULT consists of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Constant {
    /// In quotes: without a type of its own.
    Quoted,
    Null,
}

fn constant(text: &str) -> Result<Option<Constant>> {
    use datafusion::sql::sqlparser::ast::{Expr, Value};
    let mut expr = dialect::parse_expr(text)?;
    while let Expr::Nested(inner) = expr {
        expr = *inner;
    }
    Ok(match expr {
        Expr::Value(value) => match value.value {
            Value::SingleQuotedString(_) => Some(Constant::Quoted),
            Value::Null => Some(Constant::Null),
            _ => None,
        },
        _ => None,
    })
}

/// The text of a column's default, in which a constant in quotes is of the column's type.
pub(super) fn default_text(column: &Column, text: &str) -> Result<String> {
    use weir_types::SqlType::{Char, Name, Text, Varchar};
    let is_text = matches!(column.sql_type, Text | Varchar(_) | Char(_) | Name);
    Ok(match constant(text)? {
        // Their lengths are checked, which a cast would not do.
        Some(Constant::Quoted) if !is_text => format!("CAST({text} AS {})", column.sql_type),
        _ => text.to_owned(),
    })
}

fn check_default(session: &Session, column: &Column, text: &str) -> Result<()> {
    let constant = constant(text)?;
    let texts = [default_text(column, text)?];
    let empty = Arc::new(arrow::datatypes::Schema::empty());
    let default = RowExpressions::new(session, &texts, &empty)?;
    if constant != Some(Constant::Null) {
        assign::check_type(&default.types[0], column)?;
    }
    if constant == Some(Constant::Quoted) {
        default.evaluate(&crate::relation::batch(empty, Vec::new(), 1)?)?;
    }
    Ok(())
}

/// A generated column may depend on columns that are given, not on generated ones.
fn check_generated(
    session: &Session,
    object: &Object,
    column: &Column,
    text: &String,
    row: &SchemaRef,
) -> Result<()> {
    RowExpressions::new(session, std::slice::from_ref(text), row)?;
    let given = row.fields().iter().zip(object.columns());
    let given = given.filter(|(_, column)| column.generated.is_none());
    let given: Vec<_> = given.map(|(field, _)| Arc::clone(field)).collect();
    let given = Arc::new(arrow::datatypes::Schema::new(given));
    RowExpressions::new(session, std::slice::from_ref(text), &given).map(|_| ()).map_err(|_| {
        Error::new(
            SqlState::InvalidObjectDefinition,
            format!(
                "the expression of generated column \"{}\" uses a generated column",
                column.name
            ),
        )
        .with_hint("Write out what the other column is made of.")
    })
}

/// Checks the expressions of a definition: they can be planned over its rows, and fit their columns.
///
/// # Errors
/// Of planning; 42804 for a CHECK that is not boolean.
pub(crate) fn check_definition(session: &Session, object: &Object) -> Result<()> {
    let row = stored_schema(object);
    for column in object.columns() {
        if let Some(text) = column.default.as_ref() {
            check_default(session, column, text)?;
        }
        if let Some(text) = column.generated.as_ref() {
            check_generated(session, object, column, text, &row)?;
        }
    }
    if let ObjectBody::Table(table) = &object.body {
        for check in &table.checks {
            let expr = RowExpressions::new(session, std::slice::from_ref(&check.expr), &row)?;
            if expr.types[0] != weir_types::SqlType::Bool {
                return Err(Error::new(
                    SqlState::DatatypeMismatch,
                    format!("argument of CHECK must be type boolean, not type {}", expr.types[0]),
                ));
            }
        }
    }
    Ok(())
}

/// Whole rows of `object` (`schema`: its [`stored_schema`]) from values for some of its columns: the others get their default, their generated
/// value, a row id or NULL; then NOT NULL and CHECK are checked.
///
/// # Errors
/// 23502, 23514, and those of evaluating.
pub(crate) fn complete(
    session: &Session,
    object: &Object,
    schema: &SchemaRef,
    table: Option<&TableData>,
    mut given: Given,
    n_rows: usize,
) -> Result<RecordBatch> {
    let columns = object.columns();
    add_defaults(session, columns, &mut given, n_rows)?;
    if let Some(table) = table {
        for (column_idx, column) in columns.iter().enumerate() {
            if column.hidden && given[column_idx].is_none() {
                let ids: Int64Array = table.allocate_row_ids(n_rows).collect();
                given[column_idx] = Some(Arc::new(ids));
            }
        }
    }
    finish(session, object, schema, given, n_rows)
}

/// Whole rows from values for all columns that are not generated; those are computed, then all is checked.
///
/// # Errors
/// 23502, 23514, and those of evaluating.
pub(crate) fn finish(
    session: &Session,
    object: &Object,
    schema: &SchemaRef,
    mut given: Given,
    n_rows: usize,
) -> Result<RecordBatch> {
    let columns = object.columns();
    add_generated(session, object, schema, &mut given, n_rows)?;
    let null = |column: &Column| {
        arrow::array::new_null_array(&weir_delta::schema::arrow_type(&column.sql_type), n_rows)
    };
    let arrays: Vec<ArrayRef> = columns
        .iter()
        .zip(given)
        .map(|(column, value)| value.unwrap_or_else(|| null(column)))
        .collect();
    check_not_null(session, object, &arrays)?;
    let rows = crate::relation::batch(Arc::clone(schema), arrays, n_rows)?;
    check_checks(session, object, &rows)?;
    Ok(rows)
}

fn add_defaults(
    session: &Session,
    columns: &[Column],
    given: &mut Given,
    n_rows: usize,
) -> Result<()> {
    let missing: Vec<(usize, String)> = columns
        .iter()
        .enumerate()
        .filter(|(column_idx, _)| given[*column_idx].is_none())
        .filter_map(|(column_idx, column)| Some((column_idx, column.default.clone()?)))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let texts = missing.iter().map(|(column_idx, text)| default_text(&columns[*column_idx], text));
    let texts = texts.collect::<Result<Vec<_>>>()?;
    let empty = Arc::new(arrow::datatypes::Schema::empty());
    let defaults = RowExpressions::new(session, &texts, &empty)?;
    let rows = crate::relation::batch(empty, Vec::new(), n_rows)?;
    let settings = session.format_settings();
    for ((column_idx, _), (value, sql_type)) in
        missing.iter().zip(defaults.evaluate(&rows)?.iter().zip(&defaults.types))
    {
        let value = assign::assign(value, sql_type, &columns[*column_idx], &settings)?;
        given[*column_idx] = Some(value);
    }
    Ok(())
}

fn add_generated(
    session: &Session,
    object: &Object,
    schema: &SchemaRef,
    given: &mut Given,
    n_rows: usize,
) -> Result<()> {
    let columns = object.columns();
    let generated: Vec<(usize, String)> = columns
        .iter()
        .enumerate()
        .filter_map(|(column_idx, column)| Some((column_idx, column.generated.clone()?)))
        .collect();
    if generated.is_empty() {
        return Ok(());
    }
    // NOT NULL is checked later: here every column may be NULL.
    let fields: Vec<_> =
        schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let row = Arc::new(Schema::new(fields));
    let arrays: Vec<ArrayRef> = row
        .fields()
        .iter()
        .enumerate()
        .map(|(column_idx, field)| match &given[column_idx] {
            Some(array) => Arc::clone(array),
            None => arrow::array::new_null_array(field.data_type(), n_rows),
        })
        .collect();
    let rows = crate::relation::batch(Arc::clone(&row), arrays, n_rows)?;
    let texts: Vec<String> = generated.iter().map(|(_, text)| text.clone()).collect();
    let exprs = RowExpressions::new(session, &texts, &row)?;
    let settings = session.format_settings();
    for ((column_idx, _), (value, sql_type)) in
        generated.iter().zip(exprs.evaluate(&rows)?.iter().zip(&exprs.types))
    {
        let value = assign::assign(value, sql_type, &columns[*column_idx], &settings)?;
        given[*column_idx] = Some(value);
    }
    Ok(())
}

fn check_not_null(session: &Session, object: &Object, arrays: &[ArrayRef]) -> Result<()> {
    for (column, array) in object.columns().iter().zip(arrays) {
        if column.nullable || array.null_count() == 0 {
            continue;
        }
        let row_idx = (0..array.len()).find(|row_idx| array.is_null(*row_idx)).unwrap_or(0);
        return Err(Error::new(
            SqlState::NotNullViolation,
            format!(
                "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                column.name, object.name
            ),
        )
        .with_detail(format!("Failing row contains ({}).", row_text(object, arrays, row_idx)))
        .with_subject(Subject {
            column: Some(column.name.clone()),
            ..subject(&session.catalog(), object)
        })
        .with_row(row_idx));
    }
    Ok(())
}

fn check_checks(session: &Session, object: &Object, rows: &RecordBatch) -> Result<()> {
    let ObjectBody::Table(table) = &object.body else { return Ok(()) };
    if table.checks.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = table.checks.iter().map(|check| check.expr.clone()).collect();
    let exprs = RowExpressions::new(session, &texts, &rows.schema())?;
    for (check, value) in table.checks.iter().zip(exprs.evaluate(rows)?) {
        let value = value.as_boolean_opt().ok_or_else(|| {
            Error::internal(format!("check \"{}\" is not a condition", check.name))
        })?;
        let failed = value.iter().position(|holds| holds == Some(false));
        if let Some(row_idx) = failed {
            return Err(Error::new(
                SqlState::CheckViolation,
                format!(
                    "new row for relation \"{}\" violates check constraint \"{}\"",
                    object.name, check.name
                ),
            )
            .with_detail(format!(
                "Failing row contains ({}).",
                row_text(object, rows.columns(), row_idx)
            ))
            .with_subject(Subject {
                constraint: Some(check.name.clone()),
                ..subject(&session.catalog(), object)
            })
            .with_row(row_idx));
        }
    }
    Ok(())
}

/// A row as PostgreSQL shows a failing one.
fn row_text(object: &Object, arrays: &[ArrayRef], row_idx: usize) -> String {
    let values = object.columns().iter().zip(arrays).filter(|(column, _)| !column.hidden);
    let values: Vec<String> = values
        .map(|(column, array)| match array.is_null(row_idx) {
            true => "null".to_owned(),
            false => display(array.as_ref(), row_idx, &column.sql_type),
        })
        .collect();
    values.join(", ")
}

/// One value: the column's default, NULL without one.
///
/// # Errors
/// Of evaluating.
pub(super) fn default_value(session: &Session, column: &Column) -> Result<ArrayRef> {
    let mut given = vec![None];
    add_defaults(session, std::slice::from_ref(column), &mut given, 1)?;
    let data_type = weir_delta::schema::arrow_type(&column.sql_type);
    let value = given.pop().flatten();
    Ok(value.unwrap_or_else(|| arrow::array::new_null_array(&data_type, 1)))
}
