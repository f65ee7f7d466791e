//! Project: computes the output columns from each row.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use weir_delta::Delta;

/// `exprs` over the rows of `delta`, as columns of `schema`, with the same weights.
pub(crate) fn project(
    delta: &Delta,
    exprs: &[Arc<dyn PhysicalExpr>],
    schema: &SchemaRef,
) -> Result<Delta> {
    let n_rows = delta.len();
    let mut columns = Vec::with_capacity(exprs.len());
    for (expr, field) in exprs.iter().zip(schema.fields()) {
        let column = expr.evaluate(delta.rows())?.into_array(n_rows)?;
        columns.push(if column.data_type() == field.data_type() {
            column
        } else {
            arrow::compute::cast(&column, field.data_type())?
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    let rows = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?;
    Ok(Delta::new(rows, delta.weights().clone()))
}
