//! The values of a domain as one key that plain equality compares, NULLs included.
//!
//! DataFusion has joins for which NULL equals NULL, but its optimizer moves ordinary equalities into
//! them, which then match NULLs too.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray, BinaryArray, new_null_array};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::Column;
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::functions::comparison_key::equal_floats;

static ROW_KEY: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function("row_key"));
static ROW_BYTES: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| function(BYTES));

/// The name of the function whose keys tell all values apart.
const BYTES: &str = "row_bytes";

fn function(name: &'static str) -> Arc<ScalarUDF> {
    let signature = Signature::variadic_any(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(RowKey { name, signature }))
}

/// The key of the columns' values: equal for values that nothing tells apart.
pub(super) fn row_key(columns: &[Column]) -> Expr {
    ROW_BYTES.call(columns.iter().cloned().map(Expr::Column).collect())
}

/// The key of the expressions' values: equal for values that are not distinct.
pub(crate) fn key_of(values: Vec<Expr>) -> Expr {
    ROW_KEY.call(values)
}

/// The key of a value, from which it can be had again.
pub(crate) fn bytes_of(value: Expr) -> Expr {
    ROW_BYTES.call(vec![value])
}

/// The value of that type whose [`bytes_of`] these are.
pub(crate) fn value_of(bytes: Expr, data_type: DataType) -> Expr {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::new_from_impl(RowValue { data_type, signature }).call(vec![bytes])
}

/// True for the function that makes such keys.
pub(crate) fn is_row_key(function: &ScalarUDF) -> bool {
    function.inner().is::<RowKey>()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RowKey {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for RowKey {
    fn name(&self) -> &'static str {
        self.name
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
            .map(|value| {
                let values = value.to_array(args.number_rows)?;
                Ok(if self.name == BYTES { values } else { equal_floats(&values) })
            })
            .collect::<Result<Vec<_>>>()?;
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone()));
        let converter = RowConverter::new(fields.collect())?;
        let rows = converter.convert_columns(&columns)?;
        let keys = BinaryArray::from_iter_values(rows.iter());
        Ok(ColumnarValue::Array(Arc::new(keys)))
    }
}

/// The way back from the bytes of a value.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RowValue {
    data_type: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for RowValue {
    fn name(&self) -> &'static str {
        "row_value"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let keys = args.args[0].to_array(args.number_rows)?;
        let converter = RowConverter::new(vec![SortField::new(self.data_type.clone())])?;
        let null = converter.convert_columns(&[new_null_array(&self.data_type, 1)])?;
        let parser = converter.parser();
        let keys = keys.as_binary::<i32>();
        let rows = keys.iter().map(|key| key.map_or_else(|| null.row(0), |key| parser.parse(key)));
        let values = converter.convert_rows(rows)?.swap_remove(0);
        Ok(ColumnarValue::Array(values))
    }
}
