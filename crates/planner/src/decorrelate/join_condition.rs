//! Subqueries in the conditions of joins.
//!
//! DataFusion plans scalar ones that are correlated with nothing. Others that refer to one side of the join are
//! evaluated there, before the join; those that an inner join must meet, behind it.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, lit};
use weir_types::Error;

use super::subquery::{plan_of, replace_subqueries};
use super::{FreshNames, has_column, outer_columns};

/// True where DataFusion cannot plan a subquery of the condition.
pub(super) fn needs_work(join: &Join) -> bool {
    join.filter.as_ref().is_some_and(|filter| is_taken(filter, join))
}

/// The join with such subqueries in its inputs, or behind it.
///
/// # Errors
/// 0A000 for a subquery of an outer join that refers to both sides.
pub(super) fn take_out(join: Join, names: &FreshNames) -> Result<LogicalPlan> {
    let shown: Vec<Expr> = join.schema.columns().into_iter().map(Expr::Column).collect();
    let filter = join.filter.clone().into_iter().flat_map(split_conjunction_owned);
    let (taken, mut kept): (Vec<Expr>, Vec<Expr>) =
        filter.partition(|condition| is_taken(condition, &join));
    let Join { left, right, on, join_type, .. } = join.clone();
    kept.extend(on.into_iter().map(|(left, right)| left.eq(right)));
    let mut inputs = Inputs {
        left: Side::new(Arc::unwrap_or_clone(left)),
        right: Side::new(Arc::unwrap_or_clone(right)),
        names,
    };
    let mut behind = Vec::new();
    for condition in taken {
        match (join_type, inputs.side_of(&condition)) {
            (JoinType::Inner, _) => behind.push(condition),
            // Rows of the side that is filled with NULLs join only where they meet it.
            (JoinType::Left, Some(Which::Right)) => inputs.right.conditions.push(condition),
            (JoinType::Right, Some(Which::Left)) => inputs.left.conditions.push(condition),
            _ => kept.push(inputs.evaluate(condition)?),
        }
    }
    if kept.is_empty() {
        kept.push(lit(true));
    }
    let left = inputs.left.into_plan(names)?;
    let right = inputs.right.into_plan(names)?;
    let joined = LogicalPlanBuilder::from(left).join_on(right, join_type, kept)?;
    let joined = match behind.into_iter().reduce(Expr::and) {
        Some(condition) => replace_subqueries(joined.filter(condition)?.build()?, names)?,
        None => joined.build()?,
    };
    LogicalPlanBuilder::from(joined).project(shown)?.build()
}

fn is_taken(condition: &Expr, join: &Join) -> bool {
    let is_taken = |expr: &Expr| Ok(is_evaluated(expr, &[&join.schema]));
    condition.exists(is_taken).expect("the visitor gives no error")
}

/// True for a subquery that DataFusion does not plan in a join of those columns.
fn is_evaluated(expr: &Expr, schemas: &[&DFSchema]) -> bool {
    let Some(plan) = plan_of(expr) else { return false };
    if !matches!(expr, Expr::ScalarSubquery(_)) {
        return true;
    }
    let is_of_join = |column| schemas.iter().any(|schema| has_column(schema, column));
    outer_columns(plan).iter().any(is_of_join)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Left,
    Right,
}

/// An input, with what is to be evaluated on its rows.
struct Side {
    plan: LogicalPlan,
    conditions: Vec<Expr>,
    /// Subqueries, and the names of the columns that have their values.
    values: Vec<(Expr, String)>,
}

impl Side {
    fn new(plan: LogicalPlan) -> Self {
        Self { plan, conditions: Vec::new(), values: Vec::new() }
    }

    fn into_plan(self, names: &FreshNames) -> Result<LogicalPlan> {
        let mut plan = self.plan;
        if let Some(condition) = self.conditions.into_iter().reduce(Expr::and) {
            plan = LogicalPlanBuilder::from(plan).filter(condition)?.build()?;
            plan = replace_subqueries(plan, names)?;
        }
        if !self.values.is_empty() {
            let columns = plan.schema().columns().into_iter().map(Expr::Column);
            let values = self.values.into_iter().map(|(value, name)| value.alias(name));
            let outputs: Vec<Expr> = columns.chain(values).collect();
            plan = LogicalPlanBuilder::from(plan).project(outputs)?.build()?;
            plan = replace_subqueries(plan, names)?;
        }
        Ok(plan)
    }
}

struct Inputs<'n> {
    left: Side,
    right: Side,
    names: &'n FreshNames,
}

impl Inputs<'_> {
    /// The side to which an expression refers; `None` for both and for neither.
    fn side_of(&self, expr: &Expr) -> Option<Which> {
        match self.sides_of(expr) {
            (true, false) => Some(Which::Left),
            (false, true) => Some(Which::Right),
            _ => None,
        }
    }

    /// Whether an expression refers to the left side, and whether to the right.
    fn sides_of(&self, expr: &Expr) -> (bool, bool) {
        let (mut is_left, mut is_right) = (false, false);
        let mut add = |columns: Vec<Column>| {
            is_left |= columns.iter().any(|c| has_column(self.left.plan.schema(), c));
            is_right |= columns.iter().any(|c| has_column(self.right.plan.schema(), c));
        };
        add(expr.column_refs().into_iter().cloned().collect());
        expr.apply(|expr| {
            add(plan_of(expr).map(outer_columns).unwrap_or_default());
            Ok(TreeNodeRecursion::Continue)
        })
        .expect("the visitor gives no error");
        (is_left, is_right)
    }

    /// The condition over columns that have the values of its subqueries.
    fn evaluate(&mut self, condition: Expr) -> Result<Expr> {
        let replaced = condition.transform_down(|expr| {
            let schemas = [self.left.plan.schema().as_ref(), self.right.plan.schema().as_ref()];
            if !is_evaluated(&expr, &schemas) {
                return Ok(Transformed::no(expr));
            }
            let (is_left, is_right) = self.sides_of(&expr);
            let side = match (is_left, is_right) {
                (true, true) => return Err(of_both_sides()),
                (false, true) => &mut self.right,
                (_, false) => &mut self.left,
            };
            let name = self.names.make();
            side.values.push((expr, name.clone()));
            let value = Expr::Column(Column::new_unqualified(name));
            Ok(Transformed::new(value, true, TreeNodeRecursion::Jump))
        })?;
        Ok(replaced.data)
    }
}

fn of_both_sides() -> DataFusionError {
    let error = Error::unsupported(
        "a subquery in the condition of an outer join that refers to both sides is not supported",
    );
    DataFusionError::External(Box::new(error.with_hint(
        "Let it refer to one side, or join the tables in a subquery in FROM first, and test there.",
    )))
}
