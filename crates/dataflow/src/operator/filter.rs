//! Filter: keeps the rows for which the predicate is true.

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, prep_null_mask_filter};
use datafusion::common::cast::as_boolean_array;
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalExpr;
use weir_delta::{Delta, Weights};
use weir_types::planted::{self, Bug};

/// The rows of `delta` for which `predicate` is true, with their weights.
pub(crate) fn filter(delta: Delta, predicate: &dyn PhysicalExpr) -> Result<Delta> {
    let value = predicate.evaluate(delta.rows())?.into_array(delta.len())?;
    let mask = as_boolean_array(&value)?;
    if mask.null_count() == 0 && mask.true_count() == mask.len() {
        return Ok(delta);
    }
    let mask = if mask.null_count() == 0 { mask.clone() } else { without_nulls(mask) };
    let rows: RecordBatch = filter_record_batch(delta.rows(), &mask)?;
    let weights = match delta.weights() {
        Weights::Mixed(weights) => Weights::Mixed(kept(weights, &mask)),
        uniform => uniform.clone(),
    };
    Ok(Delta::new(rows, weights))
}

/// NULL is not true.
fn without_nulls(mask: &BooleanArray) -> BooleanArray {
    if planted::is(Bug::NullPasses) {
        return mask.iter().map(|value| Some(value.unwrap_or(true))).collect();
    }
    prep_null_mask_filter(mask)
}

fn kept(weights: &[i64], mask: &BooleanArray) -> Vec<i64> {
    mask.values().set_indices().map(|row_idx| weights[row_idx]).collect()
}
