//! Comparisons with constants in one form: `ON 1 = l.a AND l.a = 1` is no contradiction.
//!
//! DataFusion brings them into it, but not those of a join's condition, of which sides matter to it. Its rule that pushes
//! conditions down then has both forms of a comparison, and takes them for two that no row meets.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, binary_expr};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// Puts constants to the right in conditions of joins, and of filters that were some. To run before the rule that pushes
/// conditions down.
#[derive(Debug)]
pub(super) struct ConstantsLast;

impl OptimizerRule for ConstantsLast {
    fn name(&self) -> &'static str {
        "constants_last"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Join(_) | LogicalPlan::Filter(_) => plan.map_expressions(constants_last),
            other => Ok(Transformed::no(other)),
        }
    }
}

fn constants_last(condition: Expr) -> Result<Transformed<Expr>> {
    condition.transform_up(|expr| match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if matches!(left.as_ref(), Expr::Literal(..))
                && !matches!(right.as_ref(), Expr::Literal(..)) =>
        {
            Ok(match op.swap() {
                Some(swapped) => Transformed::yes(binary_expr(*right, swapped, *left)),
                None => Transformed::no(binary_expr(*left, op, *right)),
            })
        }
        other => Ok(Transformed::no(other)),
    })
}
