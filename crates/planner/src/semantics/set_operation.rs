//! `INTERSECT ALL` and `EXCEPT ALL` on bags.
//!
//! DataFusion plans them as semi and anti joins, which keep every copy of a row or none. Numbered, the
//! copies are different rows: the n-th copy on one side matches the n-th copy on the other.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, NullEquality};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Distinct, Expr, Join, LogicalPlan, LogicalPlanBuilder, WindowFrame, WindowFunctionDefinition,
};
use weir_types::Result;

use super::error::to_error;
use super::resolve::is_set_operation;
use crate::functions::row_number;

/// The number of a copy, under a name that cannot be typed.
const LEFT_NUMBER: &str = "\u{1}left copy";
const RIGHT_NUMBER: &str = "\u{1}right copy";

/// The plan with its set operations on bags.
pub(super) fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if is_on_bags(&join) => Ok(Transformed::yes(numbered(join)?)),
        other => Ok(Transformed::no(other)),
    })
    .data()
    .map_err(to_error)
}

/// Without ALL, the left side is made distinct first: copies do not matter then.
fn is_on_bags(join: &Join) -> bool {
    is_set_operation(join)
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(Distinct::All(_)))
        && !join.left.schema().has_column_with_unqualified_name(LEFT_NUMBER)
}

fn numbered(join: Join) -> DfResult<LogicalPlan> {
    let columns = join.left.schema().columns();
    let left = with_number(Arc::unwrap_or_clone(join.left), LEFT_NUMBER)?;
    let right = with_number(Arc::unwrap_or_clone(join.right), RIGHT_NUMBER)?;
    let keys = (left.schema().columns(), right.schema().columns());
    LogicalPlanBuilder::from(left)
        .join_detailed(right, join.join_type, keys, None, NullEquality::NullEqualsNull)?
        .project(columns.into_iter().map(Expr::Column))?
        .build()
}

/// The rows with each copy's number among its equals.
fn with_number(plan: LogicalPlan, name: &str) -> DfResult<LogicalPlan> {
    let columns: Vec<Column> = plan.schema().columns();
    let number = Expr::from(WindowFunction {
        fun: WindowFunctionDefinition::WindowUDF(row_number()),
        params: WindowFunctionParams {
            args: Vec::new(),
            partition_by: columns.iter().cloned().map(Expr::Column).collect(),
            order_by: Vec::new(),
            window_frame: WindowFrame::new(None),
            filter: None,
            null_treatment: None,
            distinct: false,
        },
    });
    let written = Expr::Column(Column::from_name(number.schema_name().to_string()));
    let outputs = columns.into_iter().map(Expr::Column).chain([written.alias(name)]);
    LogicalPlanBuilder::from(plan).window([number])?.project(outputs)?.build()
}
