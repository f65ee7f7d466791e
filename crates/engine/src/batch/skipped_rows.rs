//! `LIMIT n OFFSET m` as two limits: the first `m + n` rows, and of these all but the first `m`.
//!
//! Where an order is wanted above a limit, DataFusion's physical rules put the sort below it and let that keep as
//! many rows as the limit gives: `n`, of which the limit then skips `m`. Of two limits the lower one skips nothing.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::error::Result;
use datafusion::logical_expr::{FetchType, Limit, LogicalPlan, SkipType, lit};

/// The plan with its limits split, those of subqueries included. To run behind the rules that make one limit of two.
pub(super) fn split_limits(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Limit(limit) = &node else { return Ok(Transformed::no(node)) };
        let (SkipType::Literal(skip @ 1..), FetchType::Literal(Some(fetch))) =
            (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return Ok(Transformed::no(node));
        };
        let n_rows = skip.saturating_add(fetch) as i64;
        let kept = Limit {
            skip: None,
            fetch: Some(Box::new(lit(n_rows))),
            input: Arc::clone(&limit.input),
        };
        let kept = Arc::new(LogicalPlan::Limit(kept));
        let rest = Limit { skip: limit.skip.clone(), fetch: None, input: kept };
        Ok(Transformed::yes(LogicalPlan::Limit(rest)))
    })
    .data()
}
