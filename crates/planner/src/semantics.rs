//! What the text of a query means: PostgreSQL's types, conversions, orders and errors, on top of
//! DataFusion's plans. The same for ad-hoc queries and for views.
//!
//! In this order:
//! 1. [`prepare`] rewrites what DataFusion's planner does not take, or takes for something else, in the
//!    parsed text.
//! 2. DataFusion plans it, with the functions of [`crate::functions::Registry`].
//! 3. [`apply`] gives the plan its types and its order.
//! 4. Before a plan runs, [`bind_now`] puts in the time of the statement; behind the optimizer,
//!    [`guard_filters`] keeps conditions that can fail behind those before them, and [`plain_window_keys`]
//!    takes names off that the optimizer gave. Last, [`window_keys_as_columns`] computes keys below windows.

mod equal_groups;
mod error;
mod expression;
mod filter;
mod group_keys;
mod in_lists;
mod null_equal;
mod order;
mod output_names;
mod prepare;
mod resolve;
mod row_keys;
mod set_operation;
mod settings;
mod short_circuit;
mod time;
mod typing;
mod window_keys;

#[cfg(test)]
mod tests;

use datafusion::common::NullEquality;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::analyzer::AnalyzerRule;
use datafusion::optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use weir_types::planted::{self, Bug};
use weir_types::{Result, SqlType};

use crate::functions::coercion::{Context, cast_context};
use crate::functions::huge_number;

pub(crate) use typing::PARAMETER_FIELD;

pub use error::to_error;
pub use filter::guard_filters;
pub use prepare::{Found, prepare, prepare_expr};
pub use settings::TextFormats;
pub use time::{bind_now, uses_now, volatility_problem};
pub use window_keys::{plain_window_keys, window_keys_as_columns};

/// The plan with its final meaning: every expression has its type, set operations are bag-correct, and
/// results that depend on an order have one order.
///
/// The session's time zone is `execution.time_zone` of `config`; other settings of text forms are taken
/// from [`TextFormats`], if it is there.
///
/// # Errors
/// Types that do not fit (42804, 42883), literals that are none of their type (22P02, 22007).
pub fn apply(plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
    let settings = settings::of(config)?;
    finish(resolve::resolve(plan, &settings)?, config)
}

/// As [`apply`], for a query whose rows are to be stored: its outputs are brought to the types of the
/// columns by assignment. Without a column an output stays as it is.
///
/// # Errors
/// As [`apply`]; 42804 for an output that does not fit its column, 42601 for another number of outputs.
pub fn apply_for_columns(
    plan: LogicalPlan,
    columns: &[Option<(&str, &SqlType)>],
    config: &ConfigOptions,
) -> Result<LogicalPlan> {
    let settings = settings::of(config)?;
    finish(resolve::resolve_for_columns(plan, columns, &settings)?, config)
}

/// True if a value of type `from` may be stored in a column of type `to`.
pub fn is_assignable(from: &SqlType, to: &SqlType) -> bool {
    cast_context(from, to).is_some_and(|needed| needed <= Context::Assignment)
}

fn finish(plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
    let settings = settings::of(config)?;
    huge_number::refuse(&plan).map_err(to_error)?;
    let plan = set_operation::rewrite(plan, &settings)?;
    let plan = order::make_canonical(plan)?;
    let plan = output_names::set_apart(plan)?;
    let plan = ResolveGroupingFunction::new().analyze(plan, config).map_err(to_error)?;
    let plan = TypeCoercion::new().analyze(plan, config).map_err(to_error)?;
    let plan = row_keys::spread(plan)?;
    let plan = equal_groups::rewrite(plan, &settings)?;
    let plan = null_equal::rewrite(plan).map_err(to_error)?;
    let plan = in_lists::set_apart(plan)?;
    let plan = group_keys::set_apart(plan)?;
    if planted::is(Bug::NullsJoin) { nulls_join(plan).map_err(to_error) } else { Ok(plan) }
}

/// The planted defect: NULL joins NULL.
fn nulls_join(plan: LogicalPlan) -> datafusion::error::Result<LogicalPlan> {
    plan.transform_up(|node| match node {
        LogicalPlan::Join(mut join) => {
            join.null_equality = NullEquality::NullEqualsNull;
            Ok(Transformed::yes(LogicalPlan::Join(join)))
        }
        other => Ok(Transformed::no(other)),
    })
    .data()
}
