//! `a IS NOT DISTINCT FROM b` of two columns, told as an equality.
//!
//! DataFusion makes joins of it for which NULL equals NULL, and then moves ordinary equalities into them, which match
//! NULLs, too.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};

use crate::decorrelate::key_of;

/// The plan in which no condition of a join, or of a filter that could become one, is such a comparison.
pub(super) fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(_) | LogicalPlan::Filter(_) => {
            node.map_expressions(|expr| expr.transform_up(as_equality))
        }
        other => Ok(Transformed::no(other)),
    })
    .data()
}

fn as_equality(expr: Expr) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::IsNotDistinctFrom, right })
            if left.any_column_refs() && right.any_column_refs() =>
        {
            Ok(Transformed::yes(key_of(vec![*left]).eq(key_of(vec![*right]))))
        }
        other => Ok(Transformed::no(other)),
    }
}
