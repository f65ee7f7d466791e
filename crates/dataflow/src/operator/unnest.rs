//! Unnest: one output row for each element of a row's list.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::error::{DataFusionError, Result};
use weir_delta::{Delta, Weights};
use weir_types::planted::{self, Bug};

/// What an unnest does with its input's columns.
#[derive(Clone, Debug)]
pub struct UnnestColumns {
    /// For each output column: the input column it comes from.
    pub inputs: Vec<usize>,
    /// For each output column: true where it is the elements of the input's list.
    pub unnested: Vec<bool>,
    /// A NULL list counts as one NULL element.
    pub keep_null: bool,
    /// An empty list counts as one NULL element.
    pub keep_empty: bool,
    /// The output.
    pub schema: SchemaRef,
}

/// The unnested rows, with the weights of the rows they come from. Several lists of a row are walked
/// together; the shorter ones give NULL at their end.
pub(crate) fn unnest(delta: &Delta, spec: &UnnestColumns) -> Result<Delta> {
    let rows = delta.rows();
    let mut lists: Vec<Option<Lists>> = Vec::with_capacity(spec.inputs.len());
    for (input, unnested) in spec.inputs.iter().zip(&spec.unnested) {
        lists.push(if *unnested { Some(Lists::new(rows.column(*input), spec)?) } else { None });
    }
    let (row_idxs, position_idxs) = positions(&lists, rows.num_rows());
    let parents = UInt32Array::from(row_idxs.clone());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(lists.len());
    for (column_idx, list) in lists.iter().enumerate() {
        columns.push(match list {
            Some(list) => list.elements(&row_idxs, &position_idxs)?,
            None => take(rows.column(spec.inputs[column_idx]), &parents, None)?,
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(row_idxs.len()));
    let out = RecordBatch::try_new_with_options(Arc::clone(&spec.schema), columns, &options)?;
    let weights = match delta.weights() {
        Weights::Mixed(weights) => {
            Weights::Mixed(row_idxs.iter().map(|row_idx| weights[*row_idx as usize]).collect())
        }
        uniform => uniform.clone(),
    };
    Ok(Delta::new(out, weights))
}

/// For each output row: its input row, and the position within that row's lists.
fn positions(lists: &[Option<Lists>], n_rows: usize) -> (Vec<u32>, Vec<u32>) {
    let mut row_idxs = Vec::with_capacity(n_rows);
    let mut position_idxs = Vec::with_capacity(n_rows);
    for row_idx in 0..n_rows {
        let longest = lists.iter().flatten().map(|list| list.n_out(row_idx)).max().unwrap_or(0);
        for position in 0..longest {
            row_idxs.push(row_idx as u32);
            position_idxs.push(position);
        }
    }
    (row_idxs, position_idxs)
}

/// A list column as offsets into its elements.
struct Lists {
    elements: ArrayRef,
    /// Begin, number of elements, and number of rows they become, for each row.
    ranges: Vec<(u32, u32, u32)>,
}

impl Lists {
    fn new(column: &ArrayRef, spec: &UnnestColumns) -> Result<Self> {
        let list = match column.data_type() {
            DataType::List(_) => Arc::clone(column),
            DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
                cast(column, &DataType::List(Arc::clone(field)))?
            }
            other => {
                return Err(DataFusionError::Execution(format!(
                    "cannot unnest a value of {other}"
                )));
            }
        };
        let list = datafusion::common::cast::as_list_array(&list)?;
        let offsets = list.value_offsets();
        let ranges = (0..list.len())
            .map(|row_idx| {
                let begin = offsets[row_idx] as u32;
                let mut n_elements = offsets[row_idx + 1] as u32 - begin;
                if planted::is(Bug::LostElement) {
                    n_elements = n_elements.saturating_sub(1);
                }
                if list.is_null(row_idx) {
                    (begin, 0, u32::from(spec.keep_null))
                } else {
                    (begin, n_elements, n_elements.max(u32::from(spec.keep_empty)))
                }
            })
            .collect();
        Ok(Self { elements: Arc::clone(list.values()), ranges })
    }

    fn n_out(&self, row_idx: usize) -> u32 {
        self.ranges[row_idx].2
    }

    fn elements(&self, row_idxs: &[u32], position_idxs: &[u32]) -> Result<ArrayRef> {
        let indices: UInt32Array = row_idxs
            .iter()
            .zip(position_idxs)
            .map(|(row_idx, position)| {
                let (begin, n_elements, _) = self.ranges[*row_idx as usize];
                (*position < n_elements).then_some(begin + position)
            })
            .collect();
        if self.elements.is_empty() && !indices.is_empty() {
            return Ok(new_null_array(self.elements.data_type(), indices.len()));
        }
        Ok(take(&self.elements, &indices, None)?)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, ListArray};
    use arrow::datatypes::{Field, Int32Type, Schema};

    use super::*;

    #[test]
    fn each_element_becomes_a_row_with_the_weight_of_its_list() {
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
            Some(vec![Some(4)]),
        ]));
        let id: ArrayRef = Arc::new(Int32Array::from(vec![10, 20, 30, 40]));
        let rows = RecordBatch::try_from_iter([("id", id), ("xs", list)]).expect("equal lengths");
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int32, true),
            Field::new("x", DataType::Int32, true),
        ]));
        let spec = UnnestColumns {
            inputs: vec![0, 1],
            unnested: vec![false, true],
            keep_null: false,
            keep_empty: false,
            schema,
        };
        let delta = Delta::new(rows, Weights::Mixed(vec![1, 2, 3, -4]));
        let out = unnest(&delta, &spec).expect("lists");
        let id = Int32Array::from(vec![10, 10, 40]);
        let x = Int32Array::from(vec![Some(1), None, Some(4)]);
        assert_eq!(out.rows().column(0).as_ref(), &id as &dyn Array);
        assert_eq!(out.rows().column(1).as_ref(), &x as &dyn Array);
        assert!(matches!(out.weights(), Weights::Mixed(w) if *w == [1, 1, -4]));
        let kept =
            unnest(&delta, &UnnestColumns { keep_null: true, ..spec.clone() }).expect("lists");
        assert_eq!(kept.len(), 4);
        let kept = unnest(&delta, &UnnestColumns { keep_empty: true, ..spec }).expect("lists");
        assert_eq!(kept.len(), 4);
    }
}
