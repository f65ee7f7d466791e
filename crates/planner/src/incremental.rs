//! A view's plan to its dataflow: linear operators and aggregations where the whole query is made of them,
//! else Recompute.

mod aggregation;
mod touched;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::NullHandling;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, TableScan, Unnest};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use weir_catalog::OperatorKind;
use weir_dataflow::{Graph, Origin, Pipeline, Step, Target as End, UnnestColumns};
use weir_types::{ColumnId, ObjectId, Result};

use crate::semantics;
use crate::source::{RelationSource, Target};
use aggregation::Planned;

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

/// What decides how a view is maintained, beside its plan.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    /// True for a relation of which no row is ever taken back.
    pub append_only: &'a dyn Fn(ObjectId) -> bool,
    /// Operators that are not to follow changes, though they could.
    pub recomputed: &'a BTreeSet<OperatorKind>,
}

/// How a view is maintained.
#[derive(Clone, Debug)]
pub enum Dataflow {
    /// The view's change follows from its inputs' changes, and from what its operators remember.
    Incremental {
        /// The pipelines and aggregations.
        graph: Graph,
        /// What they read.
        inputs: Vec<InputRelation>,
    },
    /// The query runs as a batch each tick.
    Recompute {
        /// The operators that are not incremental.
        because: Vec<String>,
        /// The optimized plan.
        plan: Box<LogicalPlan>,
        /// What the batch can be restricted to; `None` where it needs all rows.
        keys: Option<Keys>,
    },
}

impl Dataflow {
    /// True where operators remember what they have seen.
    #[must_use]
    pub fn is_stateful(&self) -> bool {
        matches!(self, Self::Incremental { graph, .. } if !graph.is_linear())
    }
}

/// Splits an optimized plan.
///
/// # Errors
/// Of making physical expressions, which an analyzed plan excludes.
pub fn split(plan: &LogicalPlan, choice: Choice<'_>) -> Result<Dataflow> {
    let mut because = Vec::new();
    note_others(plan, choice, &mut because);
    if !because.is_empty() {
        let keys = if because.iter().any(|reason| reason == CLOCK) { None } else { Keys::of(plan) };
        return Ok(Dataflow::Recompute { because, plan: Box::new(plan.clone()), keys });
    }
    let mut compiler = Compiler { choice, inputs: Vec::new(), graph: Graph::default() };
    for open in compiler.compile(plan)? {
        compiler.close(open, End::Content);
    }
    Ok(Dataflow::Incremental { graph: compiler.graph, inputs: compiler.inputs })
}

/// Collects the operators and expressions that are not incremental.
fn note_others(plan: &LogicalPlan, choice: Choice<'_>, because: &mut Vec<String>) {
    let mut note = |reason: &str| {
        if because.iter().all(|known| known != reason) {
            because.push(reason.to_owned());
        }
    };
    let may_follow = |kind| !choice.recomputed.contains(&kind);
    match plan {
        LogicalPlan::Projection(_) if !may_follow(OperatorKind::Projection) => note("Projection"),
        LogicalPlan::Filter(_) if !may_follow(OperatorKind::Filter) => note("Filter"),
        LogicalPlan::Unnest(_) if !may_follow(OperatorKind::Unnest) => note("Unnest"),
        LogicalPlan::Union(_) if !may_follow(OperatorKind::Union) => note("Union"),
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) => note_exprs(plan, &mut note),
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
        LogicalPlan::Aggregate(aggregate)
            if may_follow(OperatorKind::Aggregate)
                && aggregation::is_native(aggregate, is_append_only(&aggregate.input, choice)) =>
        {
            note_exprs(plan, &mut note);
        }
        LogicalPlan::Aggregate(_) => note("Aggregate"),
        LogicalPlan::Distinct(Distinct::All(_)) if may_follow(OperatorKind::Aggregate) => {}
        LogicalPlan::Join(_) => note("Join"),
        LogicalPlan::Window(_) => note("Window"),
        LogicalPlan::Distinct(_) => note("Distinct"),
        // A view has no order, and what depends on one has it told.
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => {}
        LogicalPlan::Sort(_) => note("Sort"),
        LogicalPlan::Limit(_) => note("Limit"),
        LogicalPlan::RecursiveQuery(_) => note("RecursiveQuery"),
        LogicalPlan::Values(_) => note("Values"),
        LogicalPlan::EmptyRelation(_) => note("Constant"),
        other => note(other.display().to_string().split(':').next().unwrap_or("Operator")),
    }
    for input in plan.inputs() {
        note_others(input, choice, because);
    }
}

fn note_exprs(plan: &LogicalPlan, note: &mut dyn FnMut(&str)) {
    for expr in plan.expressions() {
        if let Some(reason) = nonlinear_expr(&expr) {
            note(reason);
        }
    }
}

/// True where the plan never takes a row back.
fn is_append_only(plan: &LogicalPlan, choice: Choice<'_>) -> bool {
    match plan {
        LogicalPlan::TableScan(scan) => match source(scan).map(|source| &source.target) {
            Some(Target::Object(id)) => (choice.append_only)(*id),
            _ => false,
        },
        // Groups without calls, as of DISTINCT, do not change once they are there.
        LogicalPlan::Aggregate(aggregate)
            if !aggregate.aggr_expr.is_empty() || aggregate.group_expr.is_empty() =>
        {
            false
        }
        _ => plan.inputs().into_iter().all(|input| is_append_only(input, choice)),
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

/// A pipeline that does not end yet.
#[derive(Clone)]
struct Open {
    origin: Origin,
    steps: Vec<Step>,
}

/// Makes the pipelines and aggregations of a plan.
struct Compiler<'a> {
    choice: Choice<'a>,
    inputs: Vec<InputRelation>,
    graph: Graph,
}

impl Compiler<'_> {
    /// The pipelines of `plan`; each ends in its schema.
    fn compile(&mut self, plan: &LogicalPlan) -> Result<Vec<Open>> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let origin = Origin::Input(input_of(scan, &mut self.inputs));
                return Ok(vec![Open { origin, steps: Vec::new() }]);
            }
            LogicalPlan::Aggregate(aggregate) => {
                let append_only = is_append_only(&aggregate.input, self.choice);
                let planned = aggregation::planned(aggregate, append_only)?;
                return self.aggregations(planned, &aggregate.input);
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                return self.aggregations(vec![aggregation::distinct(input)?], input);
            }
            _ => {}
        }
        let mut open = Vec::new();
        for input in plan.inputs() {
            open.extend(self.compile(input)?);
        }
        if let Some(step) = step_of(plan)? {
            for pipeline in &mut open {
                pipeline.steps.push(step.clone());
            }
        }
        Ok(open)
    }

    /// The pipelines that begin behind aggregations of `input`.
    fn aggregations(&mut self, planned: Vec<Planned>, input: &LogicalPlan) -> Result<Vec<Open>> {
        let mut behind = Vec::with_capacity(planned.len());
        let open = self.compile(input)?;
        for Planned { project, aggregate } in planned {
            let number = self.graph.aggregations.len();
            self.graph.aggregations.push(Arc::new(aggregate));
            for mut pipeline in open.iter().cloned() {
                pipeline.steps.push(project.clone());
                self.close(pipeline, End::Aggregation(number));
            }
            behind.push(Open { origin: Origin::Aggregation(number), steps: Vec::new() });
        }
        Ok(behind)
    }

    fn close(&mut self, open: Open, target: End) {
        let Open { origin, steps } = open;
        self.graph.pipelines.push(Pipeline { origin, steps, target });
    }
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
