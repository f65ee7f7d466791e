//! Conditions without a column above an aggregate that has a row where there is no input.
//!
//! DataFusion pushes a condition below an aggregate where all columns of it are grouped, and so one that has no column:
//! `SELECT 1 FROM (SELECT count(*) FROM t) WHERE now() < '2000-01-01'`, or `ON false` beside such a subquery. There it
//! empties the input, of which a total still makes a row.

use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Aggregate, Expr, Filter, GroupingSet, LogicalPlan};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// The rule of DataFusion of that name, which leaves such conditions where they are.
#[derive(Debug, Default)]
pub(super) struct PushDownColumnFilter(PushDownFilter);

impl OptimizerRule for PushDownColumnFilter {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        match &plan {
            LogicalPlan::Filter(filter) if is_kept(filter) => Ok(Transformed::no(plan)),
            _ => self.0.rewrite(plan, config),
        }
    }
}

/// True for the first of some filters above a total of which one has such a condition: the rule makes them one.
fn is_kept(filter: &Filter) -> bool {
    let mut filter = filter;
    let mut is_free = has_free_condition(filter);
    loop {
        match filter.input.as_ref() {
            LogicalPlan::Filter(below) => {
                filter = below;
                is_free |= has_free_condition(filter);
            }
            LogicalPlan::Aggregate(aggregate) => return is_free && has_total(aggregate),
            _ => return false,
        }
    }
}

fn has_free_condition(filter: &Filter) -> bool {
    split_conjunction(&filter.predicate).iter().any(|condition| !condition.any_column_refs())
}

/// True for an aggregate with a row for all of its input, be there any or not.
fn has_total(aggregate: &Aggregate) -> bool {
    let is_total = |key: &Expr| match key {
        Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => sets.iter().any(Vec::is_empty),
        Expr::GroupingSet(GroupingSet::Rollup(_) | GroupingSet::Cube(_)) => true,
        _ => false,
    };
    aggregate.group_expr.is_empty() || aggregate.group_expr.iter().any(is_total)
}
