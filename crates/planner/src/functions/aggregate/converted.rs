//! DataFusion's `string_agg` gives another type of text than all else.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::Accumulator;
use datafusion::scalar::ScalarValue;

/// True if the results of DataFusion's aggregate of that name are converted.
pub(super) fn is_needed(name: &str) -> bool {
    name == "string_agg"
}

/// The accumulator with results of that type.
pub(super) fn accumulator(
    name: &str,
    inner: Box<dyn Accumulator>,
    to: DataType,
) -> Box<dyn Accumulator> {
    if is_needed(name) { Box::new(Converted { inner, to }) } else { inner }
}

#[derive(Debug)]
struct Converted {
    inner: Box<dyn Accumulator>,
    to: DataType,
}

impl Accumulator for Converted {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.inner.update_batch(values)
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        self.inner.evaluate()?.cast_to(&self.to)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.inner.size()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.inner.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}
