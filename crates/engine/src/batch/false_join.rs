//! Joins and filters whose condition is never met.
//!
//! DataFusion makes `ON false` a filter of one side, and pushes it and other conditions without a column below an
//! aggregate, where they empty the input: but an aggregate over no rows has a row for the grouping set `()`.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{EmptyRelation, Expr, Join, JoinType, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use datafusion::scalar::ScalarValue;

/// Takes out what a never met condition leaves without a match. To run before filters are pushed down.
#[derive(Debug)]
pub(super) struct EmptyFalseJoins;

impl OptimizerRule for EmptyFalseJoins {
    fn name(&self) -> &'static str {
        "empty_false_joins"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        Ok(match plan {
            LogicalPlan::Join(join) if join.filter.as_ref().is_some_and(is_never_met) => {
                emptied(join)
            }
            LogicalPlan::Filter(filter) if is_never_met(&filter.predicate) => {
                Transformed::yes(empty_like(&filter.input))
            }
            other => Transformed::no(other),
        })
    }
}

/// True where a part that must be met is false or NULL.
fn is_never_met(condition: &Expr) -> bool {
    split_conjunction(condition).into_iter().any(|part| match part {
        Expr::Literal(value, _) => value.is_null() || *value == ScalarValue::Boolean(Some(false)),
        _ => false,
    })
}

fn emptied(mut join: Join) -> Transformed<LogicalPlan> {
    match join.join_type {
        JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => {
            return Transformed::yes(LogicalPlan::EmptyRelation(EmptyRelation {
                produce_one_row: false,
                schema: join.schema,
            }));
        }
        JoinType::Left | JoinType::LeftAnti | JoinType::LeftMark => {
            join.right = Arc::new(empty_like(&join.right));
        }
        JoinType::Right | JoinType::RightAnti | JoinType::RightMark => {
            join.left = Arc::new(empty_like(&join.left));
        }
        // Both sides are kept, and the condition stays where it is.
        JoinType::Full => return Transformed::no(LogicalPlan::Join(join)),
    }
    join.filter = None;
    Transformed::yes(LogicalPlan::Join(join))
}

fn empty_like(plan: &LogicalPlan) -> LogicalPlan {
    LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: false,
        schema: Arc::clone(plan.schema()),
    })
}
