//! What it costs to evaluate an expression of DataFusion on batches of one row and of many: what is fixed
//! for a batch, and what each row adds.
//!
//! Decides how small a tick may be before evaluation is mostly overhead, and so whether small ticks need
//! expressions of our own.

use std::hint::black_box;

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, cast, col, lit, when};
use datafusion::physical_expr::create_physical_expr;

use crate::Result;
use crate::bids::{self, BATCH_ROWS};
use crate::measure::ns;
use crate::report::Table;

const SIZES: [usize; 4] = [1, 64, 1024, BATCH_ROWS];

pub(crate) fn run() -> Result<Vec<Table>> {
    let batch = bids::batch(&bids::bids(BATCH_ROWS))?;
    let schema = DFSchema::try_from(batch.schema().as_ref().clone())?;
    let mut table = Table::new(
        "`PhysicalExpr::evaluate` on bids, in one thread; the result is dropped each time.",
        &["ns/batch", "ns/row"],
    );
    for (name, expr) in expressions()? {
        let expr = create_physical_expr(
            &expr,
            &schema,
            &ExecutionProps::new(),
            &PhysicalPlanningContext::default(),
        )?;
        for n_rows in SIZES {
            let batch = batch.slice(0, n_rows);
            let ns_batch = ns(|| {
                black_box(expr.evaluate(black_box(&batch))?);
                Ok(())
            })?;
            let rows = if n_rows == 1 { "row" } else { "rows" };
            table.row(format!("`{name}`, {n_rows} {rows}"), &[ns_batch, ns_batch / n_rows as f64]);
        }
    }
    Ok(vec![table])
}

fn expressions() -> Result<[(&'static str, Expr); 4]> {
    let case = when(col("price").lt(lit(1_000_i64)), lit("low"))
        .when(col("price").lt(lit(100_000_i64)), lit("middle"))
        .otherwise(lit("high"))?;
    Ok([
        // A column alone: what the call costs.
        ("price", col("price")),
        ("price::double precision * 0.908", cast(col("price"), DataType::Float64) * lit(0.908)),
        ("auction % 123 = 0", (col("auction") % lit(123_i64)).eq(lit(0_i64))),
        ("CASE over price, 3 texts", case),
    ])
}
