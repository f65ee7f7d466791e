//! Keys of groups under names of their own, above joins.
//!
//! DataFusion knows of a subquery with GROUP BY n or DISTINCT that n determines its columns. Behind a join, where n comes
//! several times, it takes n for what determines the groups of `GROUP BY n, k`, and so leaves k out of the groups and of
//! sorts, and joins out for which n would have one row. It finds n by its name.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, LogicalPlan, Projection};
use weir_types::Result;

use super::error::to_error;

/// The plan with such keys.
///
/// # Errors
/// XX000 on a defect.
pub(super) fn set_apart(plan: LogicalPlan) -> Result<LogicalPlan> {
    apart(plan).data().map_err(to_error)
}

/// What stands above such keys knows no more what DataFusion thought to be determined.
fn apart(plan: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    let below = plan.map_subqueries(apart)?.transform_data(|plan| plan.map_children(apart))?;
    let below = match below.transformed {
        true => below.map_data(LogicalPlan::recompute_schema)?,
        false => below,
    };
    below.transform_data(|node| {
        Ok(match node {
            LogicalPlan::Aggregate(aggregate)
                if has_several_keys(&aggregate.group_expr) && is_above_join(&aggregate.input)? =>
            {
                Transformed::yes(named_apart(aggregate)?)
            }
            LogicalPlan::Distinct(Distinct::All(input))
                if input.schema().fields().len() > 1 && is_above_join(&input)? =>
            {
                let keys = input.schema().columns().into_iter().map(Expr::Column).collect();
                Transformed::yes(named_apart(Aggregate::try_new(input, keys, Vec::new())?)?)
            }
            other => Transformed::no(other),
        })
    })
}

fn has_several_keys(keys: &[Expr]) -> bool {
    keys.len() > 1 && !keys.iter().any(|key| matches!(key, Expr::GroupingSet(_)))
}

/// True where rows of a part of the plan can come several times.
fn is_above_join(plan: &LogicalPlan) -> DfResult<bool> {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::Join(_) | LogicalPlan::Unnest(_))))
}

fn named_apart(aggregate: Aggregate) -> DfResult<LogicalPlan> {
    let Aggregate { input, group_expr, aggr_expr, schema, .. } = aggregate;
    let n_keys = group_expr.len();
    let name = |place: usize| format!("__group_{place}");
    let keys = group_expr.into_iter().enumerate();
    let keys = keys.map(|(place, key)| key.unalias().alias(name(place))).collect();
    let grouped = Aggregate::try_new(input, keys, aggr_expr)?;
    let outputs = schema.columns().into_iter().enumerate().map(|(place, column)| {
        if place < n_keys {
            let key = Expr::Column(Column::new_unqualified(name(place)));
            key.alias_qualified(column.relation, column.name)
        } else {
            Expr::Column(column)
        }
    });
    let grouped = Arc::new(LogicalPlan::Aggregate(grouped));
    Projection::try_new(outputs.collect(), grouped).map(LogicalPlan::Projection)
}
