//! Keys of joins under names of their own: `ON abs(l.a) = r.a AND abs(l.a::bigint) = r.b`.
//!
//! DataFusion computes such keys as columns with the names of the expressions, which leave casts out but that of the
//! whole.

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, Join, LogicalPlan};

/// The plan with names for those keys that would have one that is there already. To run behind the optimizer.
pub(super) fn set_apart(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        Ok(match node {
            LogicalPlan::Join(join) if join.on.len() > 1 => of_join(join),
            other => Transformed::no(other),
        })
    })
    .data()
}

fn of_join(mut join: Join) -> Transformed<LogicalPlan> {
    let (mut lefts, mut rights): (Vec<Expr>, Vec<Expr>) = join.on.into_iter().unzip();
    let is_left = name_apart(&mut lefts, join.left.schema());
    let is_right = name_apart(&mut rights, join.right.schema());
    join.on = lefts.into_iter().zip(rights).collect();
    Transformed::new_transformed(LogicalPlan::Join(join), is_left || is_right)
}

/// True where a key got a name, which neither another key nor a column of the input has.
fn name_apart(keys: &mut [Expr], input: &DFSchema) -> bool {
    let mut is_changed = false;
    let mut numbers = 0..;
    for place in 1..keys.len() {
        let (before, key) = (&keys[..place], &keys[place]);
        let name = key.schema_name().to_string();
        let meets = |other: &Expr| other != key && other.schema_name().to_string() == name;
        if before.iter().any(meets) {
            let mut names = numbers.by_ref().map(|number| format!("__key_{number}"));
            let free = names.find(|name| !input.has_column_with_unqualified_name(name));
            keys[place] = key.clone().alias(free.expect("numbers do not end"));
            is_changed = true;
        }
    }
    is_changed
}
