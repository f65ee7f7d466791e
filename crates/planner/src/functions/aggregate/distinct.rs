//! `DISTINCT` in an aggregate: each combination of arguments counts once.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::utils::format_state_name;
use datafusion::scalar::ScalarValue;
use weir_types::Error;

use crate::functions::scalar::external;

/// Hands each distinct row to another accumulator, when asked for the result.
#[derive(Debug)]
pub(super) struct Distinct {
    seen: HashSet<Vec<ScalarValue>>,
    types: Vec<DataType>,
    inner: Box<dyn Accumulator>,
}

/// One list for each argument.
pub(super) fn state_fields(name: &str, types: &[DataType]) -> Vec<FieldRef> {
    types
        .iter()
        .enumerate()
        .map(|(argument, data_type)| {
            let name = format_state_name(name, &format!("distinct {argument}"));
            let element = Field::new_list_field(data_type.clone(), true);
            Arc::new(Field::new_list(name, element, true))
        })
        .collect()
}

impl Distinct {
    pub(super) fn new(inner: Box<dyn Accumulator>, types: Vec<DataType>) -> Self {
        Self { seen: HashSet::new(), types, inner }
    }

    fn see(&mut self, values: &[ArrayRef], rows: std::ops::Range<usize>) -> DfResult<()> {
        for row in rows {
            if values.iter().any(|array| array.is_null(row)) {
                continue;
            }
            let row = values
                .iter()
                .map(|array| ScalarValue::try_from_array(array, row))
                .collect::<DfResult<Vec<_>>>()?;
            self.seen.insert(row);
        }
        Ok(())
    }

    /// The distinct values of each argument.
    fn columns(&self) -> DfResult<Vec<ArrayRef>> {
        (0..self.types.len())
            .map(|argument| {
                if self.seen.is_empty() {
                    return Ok(arrow::array::new_empty_array(&self.types[argument]));
                }
                ScalarValue::iter_to_array(self.seen.iter().map(|row| row[argument].clone()))
            })
            .collect()
    }
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let n_rows = values.first().map_or(0, |array| array.len());
        self.see(values, 0..n_rows)
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let columns = self.columns()?;
        self.inner.update_batch(&columns)?;
        self.inner.evaluate()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        let columns = self.columns()?;
        Ok(columns
            .into_iter()
            .map(|column| {
                let list = datafusion::common::utils::SingleRowListArrayBuilder::new(column);
                ScalarValue::List(Arc::new(list.build_list_array()))
            })
            .collect())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        let mut lists = Vec::with_capacity(states.len());
        for state in states {
            lists.push(state.as_list_opt::<i32>().ok_or_else(|| {
                external(Error::internal("a partial DISTINCT aggregate is not kept in lists"))
            })?);
        }
        let n_states = lists.first().map_or(0, |list| list.len());
        for state in (0..n_states).filter(|state| lists.iter().all(|list| list.is_valid(*state))) {
            let columns: Vec<ArrayRef> = lists.iter().map(|list| list.value(state)).collect();
            let n_rows = columns.first().map_or(0, |column| column.len());
            self.see(&columns, 0..n_rows)?;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        let rows: usize =
            self.seen.iter().map(|row| row.iter().map(ScalarValue::size).sum::<usize>()).sum();
        size_of::<Self>() + rows + self.inner.size()
    }
}
