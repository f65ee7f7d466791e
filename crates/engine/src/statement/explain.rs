//! EXPLAIN: the batch plan of a query, the incremental plan of a view.

use std::sync::Arc;

use weir_planner::dialect::Statement;
use weir_planner::incremental::Dataflow;
use weir_planner::semantics;
use weir_types::{Error, Result};

use super::{query, show};
use crate::read::EpochRows;
use crate::session::{Execution, OutputColumn, Session, StatementSystem};

/// The one column of EXPLAIN.
pub(super) fn columns() -> Arc<[OutputColumn]> {
    show::text_columns(vec!["QUERY PLAN".to_owned()])
}

pub(super) async fn run(session: &Session, statement: &Statement) -> Result<Execution> {
    let Statement::Explain { analyze, statement, .. } = statement else {
        return Err(Error::internal("not an EXPLAIN"));
    };
    let lines = match statement.as_ref() {
        Statement::Query(query) => batch_plan(session, query, *analyze).await?,
        Statement::CreateView(view) if view.materialized => incremental_plan(session, &view.query)?,
        _ => {
            return Err(Error::unsupported(
                "EXPLAIN is implemented for queries and CREATE MATERIALIZED VIEW",
            ));
        }
    };
    let rows = lines.into_iter().map(|line| vec![Some(line)]).collect();
    show::text_rows(&columns(), rows, "EXPLAIN")
}

async fn batch_plan(
    session: &Session,
    ast: &datafusion::sql::sqlparser::ast::Query,
    analyze: bool,
) -> Result<Vec<String>> {
    let catalog = session.catalog();
    let bound = query::bind(session, &catalog, ast, &[])?;
    let relations = query::read_set(&catalog, &bound.relations);
    let pin = session.read_at(&catalog, &relations).await?;
    let system = StatementSystem::new(session, &catalog);
    let mut rows = EpochRows::at(&session.shared, Arc::clone(&catalog), pin.epoch());
    rows.system = &system;
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
    ast: &datafusion::sql::sqlparser::ast::Query,
) -> Result<Vec<String>> {
    let catalog = session.catalog();
    let bound = crate::stack::on_planner_stack(|| query::bind(session, &catalog, ast, &[]))?;
    let config = query::config(session);
    let plan = session.shared.batch.optimize(bound.plan, &config)?;
    let mut lines = Vec::new();
    match weir_planner::incremental::split(&plan)? {
        Dataflow::Linear { graph, inputs } => {
            lines.push("Materialize: rows of the view, state O(view)".to_owned());
            for pipeline in &graph.pipelines {
                for step in pipeline.steps.iter().rev() {
                    lines.push(format!("  -> {}", step_text(step)));
                }
                let input = &inputs[pipeline.input];
                let append_only = catalog.get(input.id).is_some_and(|object| {
                    matches!(object.body, weir_catalog::ObjectBody::Stream(_))
                });
                lines.push(format!(
                    "  -> Changes of {}: {}, cost O(change), no state",
                    catalog.full_name(input.id),
                    if append_only { "append-only" } else { "retracting" }
                ));
            }
        }
        Dataflow::Recompute { because } => {
            lines.push(format!(
                "Recompute: retracting, cost O(input) each tick, state O(view), because of {}",
                because.join(", ")
            ));
            let text = plan.display_indent().to_string();
            lines.extend(text.lines().map(|line| format!("  {line}")));
        }
    }
    Ok(lines)
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
