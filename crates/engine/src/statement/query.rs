//! SELECT: plans, parameters, rows.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast as sql;
use weir_catalog::{Catalog, StoredRelation};
use weir_connect::value::ColumnBuilder;
use weir_planner::bind::{Binder, BoundColumn, BoundQuery, Origin, Targets};
use weir_planner::semantics;
use weir_types::{Error, ObjectId, Result, SqlState, SqlType};

use crate::batch::normalize;
use crate::pins::Pin;
use crate::read::{self, EpochRows};
use crate::session::{
    Execution, OutputColumn, Parameter, Prepared, RowStream, RowTag, Session, StatementSystem,
};
use crate::{sys, system};

/// Rows that a statement brings along, by name.
pub(crate) type Locals = HashMap<String, RecordBatch>;

/// Plans a query with the session's names, functions and zone.
///
/// # Errors
/// Of planning.
pub(crate) fn bind(
    session: &Session,
    catalog: &Arc<Catalog>,
    query: &sql::Query,
    parameters: &[Option<SqlType>],
) -> Result<BoundQuery> {
    with_binder(session, catalog, |binder| binder.query(query, parameters))
}

/// As [`bind`], of a query whose outputs are assigned to columns.
///
/// # Errors
/// Of planning; 42804 for an output of a type that its column does not take.
pub(crate) fn bind_for(
    session: &Session,
    catalog: &Arc<Catalog>,
    targets: Targets<'_>,
    query: &sql::Query,
    parameters: &[Option<SqlType>],
) -> Result<BoundQuery> {
    with_binder(session, catalog, |binder| binder.query_for(targets, query, parameters, &[]))
}

/// Runs `act` with a binder of the session.
///
/// # Errors
/// Of `act`.
pub(crate) fn with_binder<T>(
    session: &Session,
    catalog: &Arc<Catalog>,
    act: impl FnOnce(&Binder<'_>) -> Result<T>,
) -> Result<T> {
    let system = StatementSystem::new(session, catalog);
    let config = config(session);
    let path = session.search_path();
    act(&Binder {
        catalog,
        search_path: &path,
        functions: &system.functions(session),
        config: &config,
        system: &system,
        show_hidden: None,
    })
}

/// DataFusion's settings for the session.
pub(crate) fn config(session: &Session) -> ConfigOptions {
    let mut config = session.shared.batch.config();
    config.execution.time_zone = Some(session.meaning().time_zone().to_owned());
    config.extensions.insert(semantics::TextFormats(session.format_settings()));
    config
}

/// The columns as the wire tells them.
pub(crate) fn output_columns(catalog: &Catalog, columns: &[BoundColumn]) -> Arc<[OutputColumn]> {
    let column = |column: &BoundColumn| {
        let place = column.origin.as_ref().and_then(|origin| place(catalog, origin));
        let (table_oid, attribute) = place.unwrap_or((0, 0));
        OutputColumn {
            name: column.name.clone(),
            sql_type: column.sql_type.clone(),
            table_oid,
            attribute,
        }
    };
    columns.iter().map(column).collect()
}

/// The oid of the relation and the number of the column; `None` for a hidden column.
fn place(catalog: &Catalog, origin: &Origin) -> Option<(u32, i16)> {
    match origin {
        Origin::Object(id, column) => {
            let attribute = system::attribute_number(catalog.get(*id)?, *column);
            (attribute != 0).then_some((id.0, attribute))
        }
        Origin::System { schema, name, column } => {
            let relation = system::find(schema, name).or_else(|| sys::find(schema, name))?;
            let attribute = i16::try_from(relation.column_index(column)? + 1).ok()?;
            Some((relation.oid, attribute))
        }
    }
}

/// The values of a statement's parameters, one-row arrays.
///
/// # Errors
/// 08P01 for a wrong number, those of values of wrong form.
pub(crate) fn decode_parameters(
    session: &Session,
    prepared: &Prepared,
    parameters: Vec<Parameter>,
) -> Result<Vec<ArrayRef>> {
    if parameters.len() != prepared.parameters.len() {
        return Err(Error::new(
            SqlState::ProtocolViolation,
            format!(
                "bind message supplies {} parameters, but the statement requires {}",
                parameters.len(),
                prepared.parameters.len()
            ),
        ));
    }
    if parameters.is_empty() {
        return Ok(Vec::new());
    }
    let settings = session.format_settings();
    let decode = |(parameter, sql_type): (Parameter, &SqlType)| {
        let mut builder = ColumnBuilder::new(sql_type, &settings);
        match parameter.value {
            None => builder.push_null(),
            Some(bytes) if parameter.binary => builder.push_binary(&bytes)?,
            Some(bytes) => builder.push_text(text(&bytes)?)?,
        }
        builder.finish()
    };
    parameters.into_iter().zip(&prepared.parameters).map(decode).collect()
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| {
        Error::new(
            SqlState::CharacterNotInRepertoire,
            "invalid byte sequence for encoding \"UTF8\" in a parameter",
        )
    })
}

/// The plan with the values in the place of its parameters.
///
/// # Errors
/// Of types that do not fit, which binding excludes.
pub(crate) fn with_values(plan: LogicalPlan, values: &[ArrayRef]) -> Result<LogicalPlan> {
    if values.is_empty() {
        return Ok(plan);
    }
    let mut by_name = HashMap::with_capacity(values.len());
    for (value_idx, value) in values.iter().enumerate() {
        let scalar = ScalarValue::try_from_array(value, 0).map_err(semantics::to_error)?;
        by_name.insert((value_idx + 1).to_string(), scalar.into());
    }
    plan.with_param_values(ParamValues::Map(by_name)).map_err(semantics::to_error)
}

/// Runs a planned query.
pub(super) async fn run(
    session: &Session,
    bound: &BoundQuery,
    prepared: &Arc<Prepared>,
    values: Vec<ArrayRef>,
) -> Result<Execution> {
    let (rows, _) = stream(session, &prepared.catalog, bound, &values).await?;
    let columns = output_columns(&prepared.catalog, &bound.columns);
    Ok(Execution::Rows { columns, rows, tag: RowTag("SELECT") })
}

/// The rows of a query, and the epoch they are of.
///
/// # Errors
/// Of waiting for views, and of planning; those of execution come with the rows.
pub(crate) async fn stream(
    session: &Session,
    catalog: &Arc<Catalog>,
    bound: &BoundQuery,
    values: &[ArrayRef],
) -> Result<(RowStream, Pin)> {
    let relations = read_set(catalog, &bound.relations);
    let pin = session.read_at(catalog, &relations).await?;
    let plan = with_values(bound.plan.clone(), values)?;
    let rows = stream_plan(session, catalog, plan, &pin, HashMap::new()).await?;
    Ok((rows, pin))
}

/// The rows of an analyzed plan at an epoch, with the transaction's own writes.
///
/// # Errors
/// Of planning.
pub(crate) async fn stream_plan(
    session: &Session,
    catalog: &Arc<Catalog>,
    plan: LogicalPlan,
    pin: &Pin,
    locals: Locals,
) -> Result<RowStream> {
    let system = StatementSystem::new(session, catalog);
    let (overlays, appended, before_ddl) = session
        .with_block(|block| {
            (block.overlays.clone(), block.appended.clone(), block.before_ddl.clone())
        })
        .unwrap_or_default();
    let rows = EpochRows {
        shared: &session.shared,
        catalog: Arc::clone(catalog),
        epoch: pin.epoch(),
        overlays,
        before_ddl,
        appended,
        system: &system,
        starts: Arc::clone(pin.starts()),
        locals,
    };
    let config = config(session);
    let plan = semantics::bind_now(plan, session.now())?;
    let schema = Arc::clone(plan.schema().inner());
    let physical = session.interrupt.or(session.shared.batch.plan(plan, &rows, &config)).await?;
    let stream = session.shared.batch.run(physical, &config);
    // An optimized plan may give a column in another form of its type than was told.
    let stream = futures::StreamExt::map(stream, move |batch| normalize(&batch?, &schema));
    Ok(Box::pin(stream))
}

/// All rows of an analyzed plan, unless the statement is to end before.
///
/// # Errors
/// Of planning and execution.
pub(crate) async fn collect_plan(
    session: &Session,
    catalog: &Arc<Catalog>,
    plan: LogicalPlan,
    pin: &Pin,
    locals: Locals,
) -> Result<Vec<RecordBatch>> {
    let rows = stream_plan(session, catalog, plan, pin, locals).await?;
    session.interrupt.or(crate::batch::collect(rows)).await
}

/// The stored relations that reading these names reads.
pub(crate) fn read_set(catalog: &Catalog, relations: &[StoredRelation]) -> BTreeSet<ObjectId> {
    read::read_set(catalog, relations)
}

/// The stored relations that the parts of a statement read.
pub(crate) fn read_set_of<'a>(
    catalog: &Catalog,
    parts: impl IntoIterator<Item = &'a BoundQuery>,
) -> BTreeSet<ObjectId> {
    let relations = parts.into_iter().flat_map(|part| &part.relations).cloned();
    read_set(catalog, &relations.collect::<Vec<_>>())
}
