//! Where the rows of an INSERT come from: plain values without a plan, or a query.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::sql::sqlparser::ast::{self as sql, Expr, SetExpr, UnaryOperator, Value};
use weir_catalog::{Catalog, Column, Object};
use weir_connect::value::{ColumnBuilder, FormatSettings};
use weir_planner::bind::{BoundQuery, Targets};
use weir_planner::dialect::{self, Insert};
use weir_types::{Error, Result, SqlState, SqlType};

use super::{assigned, generated};
use crate::pins::Pin;
use crate::session::{Prepared, Session};
use crate::statement::parameters::Parameters;
use crate::statement::{assign, query, row, scaffold};

/// One value of a VALUES list.
pub(super) enum Cell {
    /// `$n`, from 0.
    Parameter(usize),
    /// A string, for the column's input function.
    Text(String),
    /// A number, which is assigned to the column.
    Number(String),
    /// NULL.
    Null,
    /// The word DEFAULT.
    Default,
}

/// Where the rows come from.
pub(super) enum Source {
    /// `DEFAULT VALUES`
    Defaults,
    /// Constants and parameters only.
    Cells(Vec<Vec<Cell>>),
    /// A query.
    Query(Box<BoundQuery>),
}

/// Plans the source, and takes what it tells of the parameters.
pub(super) fn plan(
    session: &Session,
    catalog: &Arc<Catalog>,
    object: &Object,
    insert: &Insert,
    targets: &[usize],
    parameters: &mut Parameters,
) -> Result<Source> {
    let Some(source) = &insert.source else { return Ok(Source::Defaults) };
    let named = !insert.columns.is_empty();
    if let SetExpr::Values(values) = source.body.as_ref() {
        check_lists(values, targets.len(), named)?;
    }
    let columns: Vec<&Column> = targets.iter().map(|target| &object.columns()[*target]).collect();
    let types: Vec<&SqlType> = columns.iter().map(|column| &column.sql_type).collect();
    if let Some(rows) = cells(source, &types) {
        add_cell_parameters(&columns, &rows, parameters)?;
        return Ok(Source::Cells(rows));
    }
    let query = with_casts(object, source, targets)?;
    let assigned: Vec<_> =
        columns.iter().map(|column| Some((column.name.as_str(), &column.sql_type))).collect();
    let assigned = if named { Targets::Each(&assigned) } else { Targets::First(&assigned) };
    let bound = query::bind_for(session, catalog, assigned, &query, parameters.known())?;
    parameters.add(&bound);
    Ok(Source::Query(Box::new(bound)))
}

/// Refuses lists of which one has another number of values than the first, or than can be taken.
fn check_lists(values: &sql::Values, n_targets: usize, named: bool) -> Result<()> {
    let n_values = values.rows.first().map_or(0, |row| row.len());
    if values.rows.iter().any(|row| row.len() != n_values) {
        return Err(Error::syntax("VALUES lists must all be the same length"));
    }
    check_width(n_values, n_targets, named)
}

fn check_width(n_values: usize, n_targets: usize, named: bool) -> Result<()> {
    if n_values > n_targets {
        return Err(Error::syntax("INSERT has more expressions than target columns"));
    }
    if n_values < n_targets && named {
        return Err(Error::syntax("INSERT has more target columns than expressions"));
    }
    Ok(())
}

/// The cells of a VALUES list of constants and parameters that their columns read as they stand; `None` for
/// anything else.
fn cells(query: &sql::Query, types: &[&SqlType]) -> Option<Vec<Vec<Cell>>> {
    let plain = query.with.is_none()
        && query.order_by.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none();
    let SetExpr::Values(values) = query.body.as_ref() else { return None };
    if !plain {
        return None;
    }
    let cells = |row: &[Expr]| {
        row.iter().enumerate().map(|(idx, expr)| cell(expr, types.get(idx).copied())).collect()
    };
    values.rows.iter().map(|row| cells(row)).collect()
}

/// A number or truth value has a type of its own: it stands for itself only in a column of such a type, and
/// in one of text where the cast to text does not change it.
fn cell(expr: &Expr, to: Option<&SqlType>) -> Option<Cell> {
    let is_text = matches!(to, Some(SqlType::Text | SqlType::Varchar(_)));
    let takes_number = |text: &str| match to {
        Some(to) if !is_text => {
            to.is_integer() || matches!(to, SqlType::Float4 | SqlType::Float8 | SqlType::Numeric(_))
        }
        Some(_) => is_plain(text),
        None => true,
    };
    match expr {
        Expr::Nested(inner) => cell(inner, to),
        Expr::Identifier(ident) if is_default(ident) => Some(Cell::Default),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::Number(text, _) if takes_number(text) => {
                    Some(Cell::Number(format!("-{text}")))
                }
                _ => None,
            },
            _ => None,
        },
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) if takes_number(text) => Some(Cell::Number(text.clone())),
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::UnicodeStringLiteral(text) => Some(Cell::Text(text.clone())),
            Value::DollarQuotedString(text) => Some(Cell::Text(text.value.clone())),
            Value::Boolean(value) if is_text || to.is_none_or(|to| *to == SqlType::Bool) => {
                Some(Cell::Text(value.to_string()))
            }
            Value::Null => Some(Cell::Null),
            Value::Placeholder(name) => {
                let number: usize = name.strip_prefix('$')?.parse().ok()?;
                // A number that no parameter can have is refused where the query is planned.
                u16::try_from(number).ok()?;
                Some(Cell::Parameter(number.checked_sub(1)?))
            }
            _ => None,
        },
        _ => None,
    }
}

/// True for a number that a cast to text gives back as it is written.
fn is_plain(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    digits(whole) && digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}

fn is_default(ident: &sql::Ident) -> bool {
    ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default")
}

/// Each parameter has the type that the client declared, or that of its column.
fn add_cell_parameters(
    columns: &[&Column],
    rows: &[Vec<Cell>],
    parameters: &mut Parameters,
) -> Result<()> {
    for row in rows {
        for (cell, column) in row.iter().zip(columns) {
            if let Cell::Parameter(parameter) = cell {
                let sql_type = parameters.tell(*parameter, &column.sql_type);
                assign::check_type(sql_type, column)?;
            }
        }
    }
    Ok(())
}

/// The query with string constants and parameters cast to the columns they go to, where they stand alone:
/// as in PostgreSQL, they have no type of their own. Only what sorts, limits or compares rows gives them one before.
fn with_casts(object: &Object, query: &sql::Query, targets: &[usize]) -> Result<sql::Query> {
    let mut query = query.clone();
    let types = targets
        .iter()
        .map(|target| data_type(&object.columns()[*target].sql_type))
        .collect::<Result<Vec<_>>>()?;
    let is_plain =
        query.order_by.is_none() && query.limit_clause.is_none() && query.fetch.is_none();
    match query.body.as_mut() {
        SetExpr::Values(values) => {
            for row in &mut values.rows {
                for ((expr, data_type), target) in row.iter_mut().zip(&types).zip(targets) {
                    if matches!(expr, Expr::Identifier(ident) if is_default(ident)) {
                        *expr = default_of(object, *target)?;
                    }
                    if is_plain {
                        cast_unknown(expr, data_type);
                    }
                }
            }
        }
        SetExpr::Select(select) if select.distinct.is_none() => {
            for (item, data_type) in select.projection.iter_mut().zip(&types) {
                match item {
                    sql::SelectItem::UnnamedExpr(expr)
                    | sql::SelectItem::ExprWithAlias { expr, .. } => cast_unknown(expr, data_type),
                    _ => break,
                }
            }
        }
        _ => {}
    }
    Ok(query)
}

/// DEFAULT among values that need a plan.
fn default_of(object: &Object, target: usize) -> Result<Expr> {
    let column = &object.columns()[target];
    match &column.default {
        Some(text) => {
            let expr = scaffold::expr(&row::default_text(column, text)?)?;
            Ok(Expr::Nested(Box::new(expr)))
        }
        None => Ok(Expr::value(Value::Null)),
    }
}

pub(in crate::statement) fn cast_unknown(expr: &mut Expr, data_type: &sql::DataType) {
    let unknown = match expr {
        Expr::Value(value) => matches!(
            value.value,
            Value::SingleQuotedString(_)
                | Value::EscapedStringLiteral(_)
                | Value::DollarQuotedString(_)
                | Value::Placeholder(_)
                | Value::Null
        ),
        _ => false,
    };
    if unknown {
        let inner = std::mem::replace(expr, Expr::Tuple(Vec::new()));
        *expr = Expr::Cast {
            kind: sql::CastKind::Cast,
            expr: Box::new(inner),
            data_type: data_type.clone(),
            array: false,
            format: None,
        };
    }
}

/// The type as sqlparser has it, without length: that is checked at assignment.
pub(in crate::statement) fn data_type(sql_type: &SqlType) -> Result<sql::DataType> {
    let name = match sql_type {
        SqlType::Varchar(_) | SqlType::Char(_) => "text".to_owned(),
        SqlType::Numeric(_) => "numeric".to_owned(),
        other => other.to_string(),
    };
    match dialect::parse_expr(&format!("CAST(NULL AS {name})"))? {
        Expr::Cast { data_type, .. } => Ok(data_type),
        _ => Err(Error::internal(format!("\"{name}\" is not a type"))),
    }
}

impl Source {
    /// The targets that the values are for: as many as there are values.
    pub(super) fn first_columns(&self, targets: &[usize]) -> Vec<usize> {
        let n_values = match self {
            Self::Defaults => 0,
            Self::Cells(rows) => rows.first().map_or(0, Vec::len),
            Self::Query(bound) => bound.columns.len(),
        };
        targets[..n_values.min(targets.len())].to_vec()
    }

    /// The values, by column position, and the number of rows.
    pub(super) async fn rows(
        &self,
        session: &Session,
        object: &Object,
        targets: &[usize],
        prepared: &Prepared,
        values: &[ArrayRef],
        pin: &Pin,
    ) -> Result<(row::Given, usize)> {
        match self {
            Self::Defaults => Ok((nothing(object), 1)),
            Self::Cells(rows) => {
                let given = cell_columns(session, object, rows, targets, prepared, values)?;
                Ok((given, rows.len()))
            }
            Self::Query(bound) => {
                let plan = query::with_values(bound.plan.clone(), values)?;
                let schema = Arc::clone(plan.schema().inner());
                let rows =
                    query::collect_plan(session, &prepared.catalog, plan, pin, HashMap::new());
                let batches = Box::pin(rows).await?;
                let all = weir_delta::rows::concat(&schema, &batches)?;
                let settings = session.format_settings();
                let mut given = nothing(object);
                for (column_idx, target) in targets.iter().enumerate() {
                    let from = &bound.columns[column_idx].sql_type;
                    let value = all.column(column_idx);
                    given[*target] = Some(assigned(object, *target, value, from, &settings)?);
                }
                Ok((given, all.num_rows()))
            }
        }
    }
}

/// No values for any column.
fn nothing(object: &Object) -> row::Given {
    vec![None; object.columns().len()]
}

fn cell_columns(
    session: &Session,
    object: &Object,
    rows: &[Vec<Cell>],
    targets: &[usize],
    prepared: &Prepared,
    values: &[ArrayRef],
) -> Result<row::Given> {
    let settings = session.format_settings();
    let mut given = nothing(object);
    for (cell_idx, target) in targets.iter().enumerate() {
        let is_default = |row: &Vec<Cell>| matches!(row[cell_idx], Cell::Default);
        let n_defaults = rows.iter().filter(|row| is_default(row)).count();
        if n_defaults == rows.len() {
            continue;
        }
        let column = &object.columns()[*target];
        if column.generated.is_some() {
            return Err(generated(&column.name));
        }
        let array = if let [row] = rows
            && let Cell::Parameter(parameter) = row[cell_idx]
        {
            let from = &prepared.parameters[parameter];
            assigned(object, *target, &values[parameter], from, &settings)?
        } else {
            let place = (cell_idx, *target);
            mixed_column(session, object, rows, place, prepared, values, &settings)?
        };
        given[*target] = Some(array);
    }
    Ok(given)
}

/// A column of constants, parameters and defaults, row by row.
fn mixed_column(
    session: &Session,
    object: &Object,
    rows: &[Vec<Cell>],
    (cell_idx, target): (usize, usize),
    prepared: &Prepared,
    values: &[ArrayRef],
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    let column = &object.columns()[target];
    let mut parts: Vec<ArrayRef> = Vec::new();
    let mut builder = ColumnBuilder::new(&column.sql_type, settings);
    for row in rows {
        match &row[cell_idx] {
            Cell::Null => builder.push_null(),
            Cell::Text(text) => builder.push_text(text)?,
            Cell::Number(text) => push_number(&mut builder, text, &column.sql_type)?,
            Cell::Parameter(parameter) => {
                if !builder.is_empty() {
                    parts.push(builder.finish()?);
                }
                let from = &prepared.parameters[*parameter];
                parts.push(assigned(object, target, &values[*parameter], from, settings)?);
            }
            Cell::Default => {
                if !builder.is_empty() {
                    parts.push(builder.finish()?);
                }
                parts.push(crate::statement::row::default_value(session, column)?);
            }
        }
    }
    if !builder.is_empty() || parts.is_empty() {
        parts.push(builder.finish()?);
    }
    let parts: Vec<&dyn arrow::array::Array> = parts.iter().map(AsRef::as_ref).collect();
    arrow::compute::concat(&parts)
        .map_err(|e| Error::new(SqlState::ProgramLimitExceeded, format!("too many values: {e}")))
}

/// A number with a fraction rounds in an integer column, as an assignment cast does.
fn push_number(builder: &mut ColumnBuilder, text: &str, to: &SqlType) -> Result<()> {
    if to.is_integer() && text.contains(['.', 'e', 'E']) && text.parse::<f64>().is_ok() {
        let whole = SqlType::Numeric(Some((38, 0)));
        let mut rounded = ColumnBuilder::new(&whole, &Default::default());
        rounded.push_text(text)?;
        let rounded = rounded.finish()?;
        return builder.push_text(&weir_connect::value::display(rounded.as_ref(), 0, &whole));
    }
    builder.push_text(text)
}
