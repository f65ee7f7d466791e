//! The values of a domain as one key that plain equality compares, NULLs included.
//!
//! DataFusion has joins for which NULL equals NULL, but its optimizer moves ordinary equalities into
//! them, which then match NULLs too.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, BinaryArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::Column;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::functions::comparison_key::equal_floats;

static ROW_KEY: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::variadic_any(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(RowKey { signature }))
});

/// The key of the columns' values: equal for values that are not distinct.
pub(super) fn row_key(columns: &[Column]) -> Expr {
    key_of(columns.iter().cloned().map(Expr::Column).collect())
}

/// The key of the expressions' values: equal for values that are not distinct.
pub(crate) fn key_of(values: Vec<Expr>) -> Expr {
    ROW_KEY.call(values)
}

/// True for the function that makes such keys.
pub(crate) fn is_row_key(function: &ScalarUDF) -> bool {
    function.inner().is::<RowKey>()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowKey {
    signature: Signature,
}

impl ScalarUDFImpl for RowKey {
    fn name(&self) -> &'static str {
        "row_key"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), DataType::Binary, false)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = args
            .args
            .iter()
            .map(|value| Ok(equal_floats(&value.to_array(args.number_rows)?)))
            .collect::<Result<Vec<_>>>()?;
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone()));
        let converter = RowConverter::new(fields.collect())?;
        let rows = converter.convert_columns(&columns)?;
        let keys = BinaryArray::from_iter_values(rows.iter());
        Ok(ColumnarValue::Array(Arc::new(keys)))
    }
}
