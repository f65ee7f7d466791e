//! Marks an item of VALUES, so that DataFusion's planner leaves its type alone.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use weir_types::Error;

use super::scalar::external;

/// A name that cannot be typed.
pub(crate) const LIST_ITEM: &str = "\u{1}item";

pub(super) fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(ListItem {
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

/// The marker: its argument is of open type until the semantics take the marker off.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ListItem {
    signature: Signature,
}

impl ScalarUDFImpl for ListItem {
    fn name(&self) -> &str {
        LIST_ITEM
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DfResult<DataType> {
        Ok(DataType::Null)
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        Ok(Arc::new(Field::new(LIST_ITEM, DataType::Null, true)))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        Err(external(Error::internal("an item of VALUES was evaluated with its marker")))
    }
}
