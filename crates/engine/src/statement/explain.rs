//! EXPLAIN: the batch plan of a query, the incremental plan of a view.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use datafusion::sql::sqlparser::ast as sql;
use weir_catalog::{Catalog, ObjectBody, ObjectName, OperatorKind};
use weir_dataflow::{Aggregate, Counted, Counter, Graph, GraphState, Metrics, Origin, Target};
use weir_planner::bind::{BoundColumn, BoundQuery};
use weir_planner::dialect::Statement;
use weir_planner::incremental::{Dataflow, InputRelation, Keys};
use weir_planner::semantics;
use weir_types::{Error, Result, SqlState};

use super::ddl::force_recompute;
use super::insert::quoted;
use super::{query, show};
use crate::read::EpochRows;
use crate::session::{Execution, OutputColumn, Session, StatementSystem};
use crate::views;

/// How long EXPLAIN ANALYZE waits for a view's operators.
const STATE_WAIT_MAX: Duration = Duration::from_millis(100);

/// The one column of EXPLAIN.
pub(super) fn columns() -> Arc<[OutputColumn]> {
    show::text_columns(vec!["QUERY PLAN".to_owned()])
}

pub(super) async fn run(session: &Session, statement: &Statement) -> Result<Execution> {
    let lines = match statement {
        Statement::Explain { analyze, statement, .. } => {
            explained(session, statement, *analyze).await?
        }
        Statement::ExplainView(name) => running_view(session, name)?,
        _ => return Err(Error::internal("not an EXPLAIN")),
    };
    let rows = lines.into_iter().map(|line| vec![Some(line)]).collect();
    show::text_rows(&columns(), rows, "EXPLAIN")
}

async fn explained(session: &Session, statement: &Statement, analyze: bool) -> Result<Vec<String>> {
    let refuse = |what: &str| {
        Err(Error::unsupported(format!("EXPLAIN ANALYZE of {what} is not supported"))
            .with_hint("EXPLAIN without ANALYZE shows the plan."))
    };
    match statement {
        Statement::Query(query) => batch_plan(session, query, analyze).await,
        Statement::Declare { statement, .. } => {
            Box::pin(explained(session, &statement.statement, analyze)).await
        }
        Statement::CreateView(_) if analyze => refuse("CREATE MATERIALIZED VIEW"),
        Statement::CreateView(view) if view.materialized => incremental_plan(
            session,
            &view.query,
            "Materialize: rows of the view, state O(view)",
            &force_recompute(view.options.get("force_recompute").map(String::as_str))?,
        ),
        Statement::Subscribe(_) if analyze => refuse("SUBSCRIBE"),
        Statement::Subscribe(subscribe) => {
            let head = "Subscribe: changes leave as they are made, no state";
            incremental_plan(session, &subscribe.query, head, &views::with_state())
        }
        Statement::CreateTable(_) if analyze => refuse("CREATE TABLE AS"),
        Statement::CreateTable(table) => match &table.query {
            Some(query) => batch_plan(session, query, false).await,
            None => Err(unsupported()),
        },
        _ if analyze => refuse("a statement that writes"),
        Statement::Insert(insert) => {
            // A VALUES list may hold DEFAULT, which is no query's.
            let is_values = |query: &sql::Query| matches!(*query.body, sql::SetExpr::Values(_));
            let query = insert.source.as_deref().filter(|query| !is_values(query)).cloned();
            change_plan(session, "Insert", &insert.table, query).await
        }
        Statement::Update(update) => {
            let rows = Rows::new(&update.table, &update.alias, &update.from, &update.filter);
            change_plan(session, "Update", &update.table, Some(rows.query()?)).await
        }
        Statement::Delete(delete) => {
            let rows = Rows::new(&delete.table, &delete.alias, &delete.using, &delete.filter);
            change_plan(session, "Delete", &delete.table, Some(rows.query()?)).await
        }
        _ => Err(unsupported()),
    }
}

fn unsupported() -> Error {
    Error::unsupported("EXPLAIN of this statement is not supported")
}

/// The rows that UPDATE and DELETE look for.
struct Rows<'a> {
    table: &'a ObjectName,
    alias: &'a Option<String>,
    others: &'a [sql::TableWithJoins],
    filter: &'a Option<sql::Expr>,
}

impl<'a> Rows<'a> {
    fn new(
        table: &'a ObjectName,
        alias: &'a Option<String>,
        others: &'a [sql::TableWithJoins],
        filter: &'a Option<sql::Expr>,
    ) -> Self {
        Self { table, alias, others, filter }
    }

    /// The query that finds them.
    fn query(&self) -> Result<sql::Query> {
        let schema = self.table.schema.iter().map(|schema| format!("{}.", quoted(schema)));
        let mut from = format!("{}{}", schema.collect::<String>(), quoted(&self.table.name));
        if let Some(alias) = self.alias {
            from += &format!(" AS {}", quoted(alias));
        }
        for other in self.others {
            from += &format!(", {other}");
        }
        let filter = self.filter.iter().map(|filter| format!(" WHERE {filter}"));
        let text = format!("SELECT * FROM {from}{}", filter.collect::<String>());
        weir_planner::dialect::parse_query(&text).map(|query| *query)
    }
}

/// The plan of the rows that a statement writes or changes, under the table's name.
async fn change_plan(
    session: &Session,
    verb: &str,
    table: &ObjectName,
    query: Option<sql::Query>,
) -> Result<Vec<String>> {
    let catalog = session.catalog();
    let object = catalog.resolve(table, &session.search_path())?;
    let mut lines = vec![format!("{verb} on {}", catalog.full_name(object.id))];
    if let Some(query) = query {
        let plan = batch_plan(session, &query, false).await?;
        lines.extend(plan.into_iter().map(|line| format!("  {line}")));
    }
    Ok(lines)
}

async fn batch_plan(session: &Session, ast: &sql::Query, analyze: bool) -> Result<Vec<String>> {
    let catalog = session.catalog();
    let bound = query::bind(session, &catalog, ast, &[])?;
    let relations = query::read_set(&catalog, &bound.relations);
    let pin = session.read_at(&catalog, &relations).await?;
    let system = StatementSystem::new(session, &catalog);
    let mut rows = EpochRows::at(&session.shared, Arc::clone(&catalog), pin.epoch());
    rows.system = &system;
    rows.starts = Arc::clone(pin.starts());
    let config = query::config(session);
    let plan = semantics::bind_now(bound.plan, session.now())?;
    let physical = session.shared.batch.plan(plan, &rows, &config).await?;
    if analyze {
        let stream = session.shared.batch.run(Arc::clone(&physical), &config);
        session.interrupt.or(crate::batch::collect(stream)).await?;
    }
    use datafusion::physical_plan::display::DisplayableExecutionPlan;
    let display = match analyze {
        true => DisplayableExecutionPlan::with_metrics(physical.as_ref()),
        false => DisplayableExecutionPlan::new(physical.as_ref()),
    };
    Ok(display.indent(false).to_string().lines().map(str::to_owned).collect())
}

fn incremental_plan(
    session: &Session,
    ast: &sql::Query,
    head: &str,
    recomputed: &BTreeSet<OperatorKind>,
) -> Result<Vec<String>> {
    let catalog = session.catalog();
    let bound = crate::stack::on_planner_stack(|| query::bind(session, &catalog, ast, &[]))?;
    let config = query::config(session);
    let BoundQuery { plan, columns, .. } = bound;
    let mut lines = Vec::new();
    match views::dataflow(&session.shared, &catalog, plan, &config, recomputed)? {
        Dataflow::Incremental { graph, inputs } => {
            lines.push(head.to_owned());
            let inputs: Vec<String> =
                inputs.iter().map(|input| input_text(&catalog, input)).collect();
            pipelines_into(&graph, Target::Content, &inputs, &NoNotes, 1, &mut lines);
        }
        Dataflow::Recompute { because, keys, plan } => {
            let of = match touched_columns(&columns, keys.as_ref()) {
                Some(columns) => format!(" for touched values of ({columns})"),
                None => String::new(),
            };
            lines.push(format!(
                "Recompute{of}: retracting, cost O(input) each tick, state O(view), because of {}",
                because.join(", ")
            ));
            let text = plan.display_indent().to_string();
            lines.extend(text.lines().map(|line| format!("  {line}")));
        }
    }
    Ok(lines)
}

/// What is told of the operators of a graph besides their names.
trait Notes {
    fn of_step(&self, pipeline: usize, step: usize) -> String;
    fn of_aggregation(&self, number: usize) -> String;
}

/// Plans that do not run.
struct NoNotes;

impl Notes for NoNotes {
    fn of_step(&self, _pipeline: usize, _step: usize) -> String {
        String::new()
    }

    fn of_aggregation(&self, _number: usize) -> String {
        String::new()
    }
}

/// The operators that end in `target`, the last one first.
fn pipelines_into(
    graph: &Graph,
    target: Target,
    inputs: &[String],
    notes: &dyn Notes,
    depth: usize,
    lines: &mut Vec<String>,
) {
    let indent = "  ".repeat(depth);
    let pipelines = graph.pipelines.iter().enumerate();
    for (number, pipeline) in pipelines.filter(|(_, pipeline)| pipeline.target == target) {
        for (step_idx, step) in pipeline.steps.iter().enumerate().rev() {
            let note = notes.of_step(number, step_idx);
            lines.push(format!("{indent}-> {}{note}", step_text(step)));
        }
        match pipeline.origin {
            Origin::Input(input) => lines.push(format!("{indent}-> {}", inputs[input])),
            Origin::Aggregation(number) => {
                let text = aggregate_text(&graph.aggregations[number]);
                lines.push(format!("{indent}-> {text}{}", notes.of_aggregation(number)));
                let target = Target::Aggregation(number);
                pipelines_into(graph, target, inputs, notes, depth + 1, lines);
            }
        }
    }
}

/// What the operators of a running view have done.
struct Measured<'a> {
    metrics: &'a Metrics,
    state: &'a GraphState,
}

impl Notes for Measured<'_> {
    fn of_step(&self, pipeline: usize, step: usize) -> String {
        format!(" ({})", counted_text(&self.metrics.pipelines[pipeline][step]))
    }

    fn of_aggregation(&self, number: usize) -> String {
        let (n_groups, n_bytes) = self.state.size_of(number);
        let counted = counted_text(&self.metrics.aggregations[number]);
        format!(" ({counted}; state: {n_groups} groups, {n_bytes} bytes)")
    }
}

fn counted_text(workers: &[Counter]) -> String {
    let counted: Vec<Counted> = workers.iter().map(Counter::get).collect();
    let sum = |part: fn(&Counted) -> u64| counted.iter().map(part).sum::<u64>();
    let millis = |counted: &Counted| format!("{:.3}", counted.time.as_secs_f64() * 1e3);
    let times: Vec<String> = counted.iter().map(millis).collect();
    format!(
        "rows in {}, out {}; ms by worker: {}",
        sum(|counted| counted.rows_in),
        sum(|counted| counted.rows_out),
        times.join(" ")
    )
}

/// EXPLAIN ANALYZE MATERIALIZED VIEW: the plan of a running view with what its operators did since it began
/// to run here.
fn running_view(session: &Session, name: &ObjectName) -> Result<Vec<String>> {
    let catalog = session.catalog();
    let object = catalog.resolve(name, &session.search_path())?;
    if !matches!(object.body, ObjectBody::MaterializedView(_)) {
        return Err(Error::new(
            SqlState::WrongObjectType,
            format!("\"{}\" is not a materialized view", object.name),
        ));
    }
    let view = session.shared.views.get(object.id)?;
    let (n_ticks, time) = view.ticks();
    let mut lines = vec![format!(
        "Materialize {}: {} rows, {} bytes, {n_ticks} ticks in {:.3} ms",
        catalog.full_name(object.id),
        view.segments.n_live(),
        view.segments.n_bytes(),
        time.as_secs_f64() * 1e3
    )];
    match &view.dataflow {
        Dataflow::Incremental { graph, inputs } => {
            let inputs: Vec<String> =
                inputs.iter().map(|input| input_text(&catalog, input)).collect();
            // A tick holds the state to its end, which may be long: this thread has others to serve.
            let Some(state) = view.state.try_lock_for(STATE_WAIT_MAX) else {
                lines.push(
                    "  A tick is running: operators are shown only between ticks.".to_owned(),
                );
                return Ok(lines);
            };
            let notes = Measured { metrics: &view.metrics, state: &state };
            pipelines_into(graph, Target::Content, &inputs, &notes, 1, &mut lines);
        }
        Dataflow::Recompute { because, plan, .. } => {
            lines.push(format!("  Recompute because of {}", because.join(", ")));
            let text = plan.display_indent().to_string();
            lines.extend(text.lines().map(|line| format!("    {line}")));
        }
    }
    Ok(lines)
}

fn input_text(catalog: &Catalog, input: &InputRelation) -> String {
    let append_only = catalog
        .get(input.id)
        .is_some_and(|object| matches!(object.body, weir_catalog::ObjectBody::Stream(_)));
    format!(
        "Changes of {}: {}, cost O(change), no state",
        catalog.full_name(input.id),
        if append_only { "append-only" } else { "retracting" }
    )
}

fn aggregate_text(aggregate: &Aggregate) -> String {
    let keys = &aggregate.schema.fields()[..aggregate.keys.len()];
    let keys: Vec<&str> = keys.iter().map(|field| field.name().as_str()).collect();
    let calls: Vec<String> = aggregate
        .calls
        .iter()
        .map(|call| {
            let distinct = if call.distinct.is_some() { "DISTINCT" } else { "" };
            let filter = if call.filter.is_some() { " FILTER" } else { "" };
            format!("{}({distinct}){filter}", call.name)
        })
        .collect();
    let by = if keys.is_empty() { String::new() } else { format!(" by ({})", keys.join(", ")) };
    let of = if calls.is_empty() { String::new() } else { format!(" of {}", calls.join(", ")) };
    let state =
        if aggregate.distinct.is_empty() { "O(groups)" } else { "O(groups + distinct arguments)" };
    let from = if aggregate.append_only { "append-only" } else { "retracting" };
    format!("Aggregate{by}{of}: from {from} rows, retracting, cost O(change), state {state}")
}

/// The names of the outputs whose touched values a tick is restricted to.
pub(super) fn touched_columns(columns: &[BoundColumn], keys: Option<&Keys>) -> Option<String> {
    let names = keys?.outputs.iter().map(|output| columns[*output].name.as_str());
    Some(names.collect::<Vec<_>>().join(", "))
}

fn step_text(step: &weir_dataflow::Step) -> String {
    use weir_dataflow::Step;
    match step {
        Step::Filter(predicate) => format!("Filter: {predicate}, cost O(change), no state"),
        Step::Project(exprs, _) => {
            let exprs: Vec<String> = exprs.iter().map(ToString::to_string).collect();
            format!("Project: {}, cost O(change), no state", exprs.join(", "))
        }
        Step::Unnest(_) => "Unnest, cost O(change), no state".to_owned(),
    }
}
