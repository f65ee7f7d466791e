//! A view's plan to its dataflow: linear operators where the whole query is linear, else Recompute.

mod touched;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::NullHandling;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan, Unnest};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use weir_dataflow::{Graph, Pipeline, Step, UnnestColumns};
use weir_types::{ColumnId, ObjectId, Result};

use crate::semantics;
use crate::source::{RelationSource, Target};

pub(crate) use touched::IsTouched;
pub use touched::{Keys, Touched};

/// The reason of a query that changes with time alone.
const CLOCK: &str = "Clock";

/// A relation that a view's dataflow reads.
#[derive(Clone, Debug)]
pub struct InputRelation {
    /// The stream, table or materialized view.
    pub id: ObjectId,
    /// The columns read, in order.
    pub columns: Vec<ColumnId>,
    /// Their schema.
    pub schema: SchemaRef,
}

/// How a view is maintained.
#[derive(Clone, Debug)]
pub enum Dataflow {
    /// Every operator is linear: the view's change follows from its inputs' changes alone.
    Linear {
        /// The pipelines, each of one of `inputs`.
        graph: Graph,
        /// What they read.
        inputs: Vec<InputRelation>,
    },
    /// The query runs as a batch each tick.
    Recompute {
        /// Why it is not linear: the operators that are not.
        because: Vec<String>,
        /// The optimized plan.
        plan: Box<LogicalPlan>,
        /// What the batch can be restricted to; `None` where it needs all rows.
        keys: Option<Keys>,
    },
}

/// Splits an optimized plan.
///
/// # Errors
/// Of making physical expressions, which an analyzed plan excludes.
pub fn split(plan: &LogicalPlan) -> Result<Dataflow> {
    let mut because = Vec::new();
    note_nonlinear(plan, &mut because);
    if !because.is_empty() {
        let keys = if because.iter().any(|reason| reason == CLOCK) { None } else { Keys::of(plan) };
        return Ok(Dataflow::Recompute { because, plan: Box::new(plan.clone()), keys });
    }
    let mut inputs = Vec::new();
    let mut pipelines = Vec::new();
    compile(plan, &mut inputs, &mut pipelines)?;
    Ok(Dataflow::Linear { graph: Graph { pipelines }, inputs })
}

/// Collects the operators and expressions that are not linear.
fn note_nonlinear(plan: &LogicalPlan, because: &mut Vec<String>) {
    let mut note = |reason: &str| {
        if because.iter().all(|known| known != reason) {
            because.push(reason.to_owned());
        }
    };
    match plan {
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) => {
            for expr in plan.expressions() {
                if let Some(reason) = nonlinear_expr(&expr) {
                    note(reason);
                }
            }
        }
        LogicalPlan::SubqueryAlias(_) | LogicalPlan::Union(_) => {}
        LogicalPlan::Unnest(unnest) => {
            let nested = unnest.list_type_columns.iter().any(|(_, list)| list.depth != 1);
            if nested || !unnest.struct_type_columns.is_empty() {
                note("Unnest of nested values");
            }
        }
        LogicalPlan::TableScan(scan) => {
            if !scan.filters.is_empty() || scan.fetch.is_some() || source(scan).is_none() {
                note("TableFunction");
            }
        }
        LogicalPlan::EmptyRelation(empty) if !empty.produce_one_row => {}
        LogicalPlan::Aggregate(_) => note("Aggregate"),
        LogicalPlan::Join(_) => note("Join"),
        LogicalPlan::Window(_) => note("Window"),
        LogicalPlan::Distinct(_) => note("Distinct"),
        LogicalPlan::Sort(_) => note("Sort"),
        LogicalPlan::Limit(_) => note("Limit"),
        LogicalPlan::RecursiveQuery(_) => note("RecursiveQuery"),
        LogicalPlan::Values(_) => note("Values"),
        LogicalPlan::EmptyRelation(_) => note("Constant"),
        other => note(other.display().to_string().split(':').next().unwrap_or("Operator")),
    }
    for input in plan.inputs() {
        note_nonlinear(input, because);
    }
}

fn nonlinear_expr(expr: &Expr) -> Option<&'static str> {
    let mut reason = None;
    let _ = expr.apply(|expr| {
        reason = match expr {
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => Some("Subquery"),
            Expr::ScalarFunction(call) if call.func.name() == crate::functions::clock::NOW => {
                Some(CLOCK)
            }
            _ => None,
        };
        Ok(if reason.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    reason
}

fn source(scan: &TableScan) -> Option<&RelationSource> {
    let source: &dyn std::any::Any = scan.source.as_ref();
    let source = source.downcast_ref::<RelationSource>()?;
    matches!(source.target, Target::Object(_)).then_some(source)
}

/// Appends the pipelines of `plan`; each ends in the schema of `plan`.
fn compile(
    plan: &LogicalPlan,
    inputs: &mut Vec<InputRelation>,
    pipelines: &mut Vec<Pipeline>,
) -> Result<()> {
    let first = pipelines.len();
    match plan {
        LogicalPlan::TableScan(scan) => {
            let input = input_of(scan, inputs);
            pipelines.push(Pipeline { input, steps: Vec::new() });
        }
        LogicalPlan::EmptyRelation(_) => {}
        _ => {
            for input in plan.inputs() {
                compile(input, inputs, pipelines)?;
            }
        }
    }
    if let Some(step) = step_of(plan)? {
        for pipeline in &mut pipelines[first..] {
            pipeline.steps.push(step.clone());
        }
    }
    Ok(())
}

/// The operator of this node alone; `None` where it only renames or joins pipelines.
fn step_of(plan: &LogicalPlan) -> Result<Option<Step>> {
    Ok(match plan {
        LogicalPlan::Filter(filter) => {
            Some(Step::Filter(physical(&filter.predicate, &filter.input)?))
        }
        LogicalPlan::Projection(projection) => {
            let exprs = projection
                .expr
                .iter()
                .map(|expr| physical(expr, &projection.input))
                .collect::<Result<Vec<_>>>()?;
            Some(Step::Project(exprs, Arc::clone(projection.schema.inner())))
        }
        LogicalPlan::Unnest(unnest) => Some(Step::Unnest(unnest_columns(unnest))),
        _ => None,
    })
}

fn physical(expr: &Expr, input: &LogicalPlan) -> Result<Arc<dyn PhysicalExpr>> {
    create_physical_expr(
        expr,
        input.schema(),
        &ExecutionProps::new(),
        &PhysicalPlanningContext::default(),
    )
    .map_err(semantics::to_error)
}

fn unnest_columns(unnest: &Unnest) -> UnnestColumns {
    let lists: Vec<usize> = unnest.list_type_columns.iter().map(|(input, _)| *input).collect();
    let output_names: Vec<&str> =
        unnest.list_type_columns.iter().map(|(_, list)| list.output_column.name()).collect();
    let unnested = unnest
        .dependency_indices
        .iter()
        .zip(unnest.schema.fields())
        .map(|(input, field)| {
            lists.contains(input) && output_names.contains(&field.name().as_str())
        })
        .collect();
    UnnestColumns {
        inputs: unnest.dependency_indices.clone(),
        unnested,
        keep_null: unnest.options.null_handling != NullHandling::Drop,
        keep_empty: unnest.options.null_handling == NullHandling::PreserveAndExpandEmpty,
        schema: Arc::clone(unnest.schema.inner()),
    }
}

/// The position of the scan's relation and columns among the inputs, added where it is new.
fn input_of(scan: &TableScan, inputs: &mut Vec<InputRelation>) -> usize {
    let all: Vec<usize> = (0..scan.projected_schema.fields().len()).collect();
    let new = input_relation(scan, &all);
    let known = inputs.iter().position(|input| input.id == new.id && input.columns == new.columns);
    known.unwrap_or_else(|| {
        inputs.push(new);
        inputs.len() - 1
    })
}

/// The relation of a scan, with those of the columns that it gives.
fn input_relation(scan: &TableScan, positions: &[usize]) -> InputRelation {
    let source = source(scan).expect("only scans of objects are compiled");
    let Target::Object(id) = source.target else { unreachable!("checked by `source`") };
    let fields = scan.projected_schema.fields();
    let fields: Vec<Field> = positions.iter().map(|at| fields[*at].as_ref().clone()).collect();
    let columns = positions
        .iter()
        .map(|at| scan.projection.as_ref().map_or(*at, |projection| projection[*at]))
        .map(|column_idx| source.columns[column_idx])
        .collect();
    InputRelation { id, columns, schema: Arc::new(Schema::new(fields)) }
}
