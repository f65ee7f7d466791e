//! Keys of joins that take columns of several relations.
//!
//! DataFusion's rule `eliminate_cross_join` makes a list of the relations of nested inner joins, and joins them anew by
//! those keys of which each side is of one relation or of those joined before it. A key that never is so would be
//! lost: `FROM a CROSS JOIN b JOIN c ON a.x + b.y = c.z WHERE a.u = c.v`.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan, Projection};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// Makes such a key a column of its side, which so is one relation. To run before `eliminate_cross_join`.
#[derive(Debug)]
pub(super) struct ComputeSharedKeys;

impl OptimizerRule for ComputeSharedKeys {
    fn name(&self) -> &'static str {
        "compute_shared_keys"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Join(join) = plan else { return Ok(Transformed::no(plan)) };
        let is_shared = join.join_type == JoinType::Inner
            && join.on.iter().any(|(left, right)| {
                is_of_several(left, &join.left) || is_of_several(right, &join.right)
            });
        if is_shared {
            computed(join).map(Transformed::yes)
        } else {
            Ok(Transformed::no(LogicalPlan::Join(join)))
        }
    }
}

/// True for an expression of columns of several relations that are joined in the plan.
fn is_of_several(expr: &Expr, plan: &LogicalPlan) -> bool {
    let columns = expr.column_refs();
    let mut relations = Vec::new();
    relations_of(plan, &mut relations);
    let uses =
        |relation: &&LogicalPlan| columns.iter().any(|column| relation.schema().has_column(column));
    relations.into_iter().filter(uses).count() > 1
}

/// The relations that nested inner joins join.
fn relations_of<'a>(plan: &'a LogicalPlan, relations: &mut Vec<&'a LogicalPlan>) {
    match plan {
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            relations_of(&join.left, relations);
            relations_of(&join.right, relations);
        }
        other => relations.push(other),
    }
}

fn computed(join: Join) -> Result<LogicalPlan> {
    let Join { left, right, on, filter, join_type, join_constraint, schema, .. } = join;
    let (mut lefts, mut rights): (Vec<Expr>, Vec<Expr>) = on.into_iter().unzip();
    let left = with_columns(left, &mut lefts, "left")?;
    let right = with_columns(right, &mut rights, "right")?;
    let on = lefts.into_iter().zip(rights).collect();
    let (by_null, null_aware) = (join.null_equality, join.null_aware);
    let joined =
        Join::try_new(left, right, on, filter, join_type, join_constraint, by_null, null_aware)?;
    let joined = Arc::new(LogicalPlan::Join(joined));
    Ok(LogicalPlan::Projection(Projection::new_from_schema(joined, schema)))
}

/// The plan with a column for each key of several relations, which takes the key's place.
fn with_columns(plan: Arc<LogicalPlan>, keys: &mut [Expr], side: &str) -> Result<Arc<LogicalPlan>> {
    let mut shown: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
    let n_columns = shown.len();
    for (number, key) in keys.iter_mut().enumerate() {
        if is_of_several(key, &plan) {
            let name = format!("__{side}_key_{n_columns}_{number}");
            let column = Expr::Column(Column::new_unqualified(&name));
            shown.push(std::mem::replace(key, column).alias(name));
        }
    }
    if shown.len() == n_columns {
        return Ok(plan);
    }
    Projection::try_new(shown, plan).map(LogicalPlan::Projection).map(Arc::new)
}
