//! Rows for which a view's query fails, where the view goes on without them (`on_error = 'skip'`).
//!
//! They are rows of `dlq.<view>`, a relation that is maintained as the view is: at each epoch it has the rows
//! of the inputs at that epoch for which an operator of the query fails, in the form in which they reach that
//! operator. So it can be checked against the inputs, and a row leaves it when its cause goes.
//!
//! In a batch plan a check goes below every operator that evaluates expressions over rows of one input. It
//! evaluates them too, which costs them twice, and lets only those rows pass for which they do not fail. What
//! an operator does with several rows or inputs, such as a sum that overflows or the condition of a join, is
//! not an error of a row, and still fails the query.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringViewArray};
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateInputMode};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::StreamExt;
use parking_lot::Mutex;
use weir_connect::value::display;
use weir_delta::{rows, schema};
use weir_planner::semantics;
use weir_types::{Error, Result, SqlType};

/// Columns of `dlq.<view>`: the row as a JSON object of texts, and why it failed.
pub(crate) fn columns() -> [(&'static str, SqlType); 3] {
    [("row", SqlType::Json), ("error", SqlType::Text), ("sqlstate", SqlType::Text)]
}

/// Gathers the rows that a run of a query leaves out.
#[derive(Debug)]
pub(crate) struct DeadRows {
    /// `None` where nobody asks for them.
    gathered: Option<Mutex<Vec<Dead>>>,
}

/// A row as JSON, and why it failed.
#[derive(Debug)]
struct Dead {
    row: String,
    error: Error,
}

impl DeadRows {
    /// Keeps them.
    pub(crate) fn gathering() -> Self {
        Self { gathered: Some(Mutex::default()) }
    }

    /// Only leaves them out: `dlq.<view>` finds them by itself.
    pub(crate) fn ignoring() -> Self {
        Self { gathered: None }
    }

    /// Takes note of a row, the only one of its batch.
    pub(crate) fn add(&self, row: &RecordBatch, error: Error) -> Result<()> {
        if let Some(gathered) = &self.gathered {
            let row = row_text(row)?;
            gathered.lock().push(Dead { row, error });
        }
        Ok(())
    }

    /// The rows since the last call, in the columns of [`columns`].
    pub(crate) fn take(&self, schema: &SchemaRef) -> Result<RecordBatch> {
        let gathered = self.gathered.as_ref().map(|gathered| std::mem::take(&mut *gathered.lock()));
        let dead = gathered.unwrap_or_default();
        let text = |of: &dyn Fn(&Dead) -> String| -> ArrayRef {
            Arc::new(dead.iter().map(|dead| Some(of(dead))).collect::<StringViewArray>())
        };
        let columns = vec![
            text(&|dead| dead.row.clone()),
            text(&|dead| dead.error.message().to_owned()),
            text(&|dead| dead.error.state().code().to_owned()),
        ];
        rows::batch(Arc::clone(schema), columns, dead.len())
    }
}

/// The first row of a batch as a JSON object of texts.
fn row_text(row: &RecordBatch) -> Result<String> {
    let quote = |text: &str| {
        serde_json::to_string(text)
            .map_err(|e| Error::internal(format!("cannot quote a text: {e}")))
    };
    let mut members = Vec::with_capacity(row.num_columns());
    for (column, field) in row.columns().iter().zip(row.schema_ref().fields()) {
        let value = if column.is_null(0) {
            "null".to_owned()
        } else {
            quote(&display(column.as_ref(), 0, &schema::sql_type(field)))?
        };
        members.push(format!("{}: {value}", quote(field.name())?));
    }
    Ok(format!("{{{}}}", members.join(", ")))
}

/// The plan with checks, which give what they leave out to `dead`.
///
/// # Errors
/// Of putting the plan together, which its equal schemas exclude.
pub(crate) fn checked(
    plan: Arc<dyn ExecutionPlan>,
    dead: &Arc<DeadRows>,
) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        let exprs = row_exprs(node.as_ref());
        let children = node.children();
        let [child] = children.as_slice() else { return Ok(Transformed::no(node)) };
        if exprs.is_empty() {
            return Ok(Transformed::no(node));
        }
        let check = Check { input: Arc::clone(child), exprs: exprs.into(), dead: Arc::clone(dead) };
        let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
        Ok(Transformed::yes(node.replace_children(vec![Arc::new(check)], options)?))
    })
    .data()
    .map_err(semantics::to_error)
}

/// The expressions that the operator evaluates over rows of its input.
fn row_exprs(node: &dyn ExecutionPlan) -> Vec<Arc<dyn PhysicalExpr>> {
    let node: &dyn Any = node;
    let mut exprs: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
    if let Some(filter) = node.downcast_ref::<FilterExec>() {
        exprs.push(Arc::clone(filter.predicate()));
    } else if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
        exprs.extend(projection.expr().iter().map(|output| Arc::clone(&output.expr)));
    } else if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        if aggregate.mode().input_mode() == AggregateInputMode::Raw {
            exprs.extend(aggregate.group_expr().expr().iter().map(|(expr, _)| Arc::clone(expr)));
            exprs.extend(aggregate.aggr_expr().iter().flat_map(|call| call.expressions()));
            exprs.extend(aggregate.filter_expr().iter().flatten().cloned());
        }
    } else if let Some(window) = node.downcast_ref::<WindowAggExec>() {
        exprs.extend(window.window_expr().iter().flat_map(|call| call.expressions()));
    } else if let Some(window) = node.downcast_ref::<BoundedWindowAggExec>() {
        exprs.extend(window.window_expr().iter().flat_map(|call| call.expressions()));
    }
    let is_column = |expr: &Arc<dyn PhysicalExpr>| {
        let expr: &dyn Any = expr.as_ref();
        expr.is::<datafusion::physical_expr::expressions::Column>()
    };
    exprs.retain(|expr| !is_column(expr));
    exprs
}

/// Lets the rows pass for which no expression fails.
#[derive(Debug)]
struct Check {
    input: Arc<dyn ExecutionPlan>,
    exprs: Arc<[Arc<dyn PhysicalExpr>]>,
    dead: Arc<DeadRows>,
}

impl DisplayAs for Check {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exprs: Vec<String> = self.exprs.iter().map(ToString::to_string).collect();
        write!(f, "Check: {}", exprs.join(", "))
    }
}

impl ExecutionPlan for Check {
    fn name(&self) -> &'static str {
        "Check"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        for expr in self.exprs.iter() {
            if f(expr)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let input = children.pop().ok_or_else(|| {
            DataFusionError::External(Box::new(Error::internal("a check has lost its input")))
        })?;
        let (exprs, dead) = (Arc::clone(&self.exprs), Arc::clone(&self.dead));
        Ok(Arc::new(Self { input, exprs, dead }))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> DfResult<SendableRecordBatchStream> {
        let (exprs, dead) = (Arc::clone(&self.exprs), Arc::clone(&self.dead));
        let batches = self.input.execute(partition, context)?;
        let passed = batches.map(move |batch| passing(batch?, &exprs, &dead));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), passed)))
    }
}

/// The rows of the batch that pass. Finds the others by halving, so that a batch with few of them costs
/// little more.
fn passing(
    batch: RecordBatch,
    exprs: &[Arc<dyn PhysicalExpr>],
    dead: &DeadRows,
) -> DfResult<RecordBatch> {
    let mut keep = vec![true; batch.num_rows()];
    let mut stack = vec![(0, batch.num_rows())];
    while let Some((begin, n_rows)) = stack.pop() {
        let part = batch.slice(begin, n_rows);
        let failed = exprs
            .iter()
            .find_map(|expr| expr.evaluate(&part).and_then(|value| value.into_array(n_rows)).err());
        match failed {
            None => {}
            Some(error) if n_rows == 1 => {
                keep[begin] = false;
                dead.add(&part, semantics::to_error(error)).map_err(external)?;
            }
            Some(_) => {
                let half = n_rows / 2;
                stack.push((begin + half, n_rows - half));
                stack.push((begin, half));
            }
        }
    }
    if keep.iter().all(|keep| *keep) {
        return Ok(batch);
    }
    rows::filter(&batch, &BooleanArray::from(keep)).map_err(external)
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
