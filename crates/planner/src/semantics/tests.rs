//! SQL text end to end: parsed, planned, given its meaning, run, and compared to PostgreSQL 15's answers.

mod expressions;
mod queries;
mod rules;

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use bytes::BytesMut;
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::TableReference;
use datafusion::config::ConfigOptions;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as DfResult;
use datafusion::execution::context::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::physical_plan::collect;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::Statement;
use weir_connect::value::{FormatSettings, TimeZone, ValueEncoder};
use weir_delta::schema;
use weir_types::{Error, Result, SqlState, SqlType, Timestamp};

use super::{apply, bind_now, guard_filters, prepare, to_error};
use crate::functions::{Registry, scalar};

const ZONE: &str = "America/New_York";

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(16 << 20)
        .build()
        .expect("threads can be started")
});

/// The registry alone: no relations.
struct Provider {
    config: ConfigOptions,
}

impl ContextProvider for Provider {
    fn get_table_source(&self, name: TableReference) -> DfResult<Arc<dyn TableSource>> {
        Err(scalar::external(Error::new(
            SqlState::UndefinedTable,
            format!("relation \"{name}\" does not exist"),
        )))
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> DfResult<Arc<dyn TableSource>> {
        REGISTRY.table_function(name, args)
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: SchemaRef,
    ) -> DfResult<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        REGISTRY.expr_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(REGISTRY.type_planner())
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        REGISTRY.scalar(name)
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        REGISTRY.higher_order(name)
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        REGISTRY.aggregate(name)
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        REGISTRY.window(name)
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.config
    }

    fn udf_names(&self) -> Vec<String> {
        REGISTRY.scalar_names()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        REGISTRY.higher_order_names()
    }

    fn udaf_names(&self) -> Vec<String> {
        REGISTRY.aggregate_names()
    }

    fn udwf_names(&self) -> Vec<String> {
        REGISTRY.window_names()
    }
}

fn config() -> ConfigOptions {
    let mut config = ConfigOptions::new();
    config.execution.time_zone = Some(ZONE.to_owned());
    config.execution.target_partitions = 2;
    config
}

fn state() -> SessionState {
    SessionStateBuilder::new()
        .with_config(SessionConfig::from(config()))
        .with_default_features()
        .build()
}

/// The plan of a query with its meaning.
fn plan(sql: &str) -> Result<LogicalPlan> {
    apply(planned(sql)?, &config())
}

/// The plan of a query as DataFusion makes it.
fn planned(sql: &str) -> Result<LogicalPlan> {
    let mut query = crate::dialect::parse_query(sql)?;
    crate::names::name_outputs(&mut query)?;
    prepare(&mut query)?;
    let provider = Provider { config: config() };
    let options = ParserOptions::new()
        .with_parse_float_as_decimal(true)
        .with_map_string_types_to_utf8view(true)
        .with_collect_spans(true);
    SqlToRel::new_with_options(&provider, options)
        .sql_statement_to_plan_with_context(Statement::Query(query), &mut PlannerContext::new())
        .and_then(crate::decorrelate::decorrelate)
        .map_err(to_error)
}

/// A result: the types of its columns, and its rows as text.
struct Answer {
    types: Vec<SqlType>,
    rows: Vec<Vec<Option<String>>>,
}

fn run(sql: &str) -> Result<Answer> {
    let plan = plan(sql)?;
    // What is resolved stays as it is when it is resolved again, as plans of views are.
    let again = apply(plan.clone(), &config())?;
    assert_eq!(plan.schema(), again.schema(), "{sql}");
    execute(again)
}

fn execute(plan: LogicalPlan) -> Result<Answer> {
    let types: Vec<SqlType> =
        plan.schema().fields().iter().map(|field| schema::sql_type(field)).collect();
    let plan = bind_now(plan, Timestamp(1_720_000_000_000_000))?;
    let state = state();
    let batches = RUNTIME.block_on(async {
        let plan = state.optimize(&plan).map_err(to_error)?;
        let plan = guard_filters(plan)?;
        let plan = DefaultPhysicalPlanner::default()
            .create_physical_plan(&plan, &state)
            .await
            .map_err(to_error)?;
        collect(plan, state.task_ctx()).await.map_err(to_error)
    })?;
    let rows = rows_of(&batches, &types)?;
    Ok(Answer { types, rows })
}

fn rows_of(batches: &[RecordBatch], types: &[SqlType]) -> Result<Vec<Vec<Option<String>>>> {
    let settings =
        FormatSettings { time_zone: TimeZone::parse(ZONE)?, ..FormatSettings::default() };
    let mut rows = Vec::new();
    for batch in batches {
        let encoders = batch
            .columns()
            .iter()
            .zip(types)
            .map(|(column, t)| ValueEncoder::new(column, t, &settings))
            .collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let mut texts = Vec::with_capacity(encoders.len());
            for (encoder, t) in encoders.iter().zip(types) {
                if encoder.is_null(row) {
                    texts.push(None);
                    continue;
                }
                let mut text = BytesMut::new();
                encoder.write_text(row, &mut text)?;
                let text = String::from_utf8(text.to_vec()).expect("texts are UTF-8");
                texts.push(Some(named(text, t)));
            }
            rows.push(texts);
        }
    }
    Ok(rows)
}

/// The wire shows types by name, which it looks up in the catalog.
fn named(text: String, t: &SqlType) -> String {
    match (t, text.parse()) {
        (SqlType::Reg(weir_types::RegKind::Type), Ok(oid)) => {
            SqlType::from_oid(oid).map_or(text, |t| t.to_string())
        }
        _ => text,
    }
}

/// Numerics agree in the digits that PostgreSQL shows, floats in all but the last, which it does not
/// round right in aggregates.
fn agrees(found: &str, wanted: &str, wanted_type: &str) -> bool {
    if found == wanted {
        return true;
    }
    match wanted_type {
        "numeric" => rounded(found, wanted) == wanted,
        "_numeric" => {
            let items =
                |text: &str| text.split([',', '{', '}']).map(str::to_owned).collect::<Vec<_>>();
            let (found, wanted) = (items(found), items(wanted));
            found.len() == wanted.len()
                && found.iter().zip(&wanted).all(|(f, w)| rounded(f, w) == *w)
        }
        "float8" => match (found.parse::<f64>(), wanted.parse::<f64>()) {
            (Ok(found), Ok(wanted)) => (found - wanted).abs() <= 1e-14 * wanted.abs(),
            _ => false,
        },
        _ => false,
    }
}

/// The digits of `found`, rounded to as many behind the point as `wanted` has.
fn rounded(found: &str, wanted: &str) -> String {
    let digits = |text: &str| text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let (found_digits, wanted_digits) = (digits(found), digits(wanted));
    let Ok(value) = found.replace('.', "").parse::<i128>() else { return found.to_owned() };
    let negative = found.starts_with('-');
    let mut value = value.abs();
    if found_digits > wanted_digits {
        let power = 10_i128.pow((found_digits - wanted_digits) as u32);
        value = (value + power / 2) / power;
    } else {
        value *= 10_i128.pow((wanted_digits - found_digits) as u32);
    }
    let text = format!("{value:0>width$}", width = wanted_digits + 1);
    let (whole, fraction) = text.split_at(text.len() - wanted_digits);
    let point = if wanted_digits > 0 { "." } else { "" };
    format!("{}{whole}{point}{fraction}", if negative && value != 0 { "-" } else { "" })
}
