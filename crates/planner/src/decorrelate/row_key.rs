//! The values of a domain as one key that plain equality compares, NULLs included.
//!
//! DataFusion has joins for which NULL equals NULL, but its optimizer moves ordinary equalities into
//! them, which then match NULLs too.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::internal_err;
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

/// All that a NULL is in a key. Values begin with another byte. It is the same for all types, as DataFusion asks what a
/// condition is where its columns are NULLs of no type.
const NULL: u8 = 0;

fn function(name: &'static str) -> Arc<ScalarUDF> {
    let signature = Signature::variadic_any(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(RowKey { name, signature }))
}

/// The key of the expressions' values: equal for values that nothing tells apart.
pub(super) fn row_key(values: impl IntoIterator<Item = Expr>) -> Expr {
    ROW_BYTES.call(values.into_iter().collect())
}

/// The key of the expressions' values: equal for values that are not distinct.
pub(crate) fn key_of(values: Vec<Expr>) -> Expr {
    ROW_KEY.call(values)
}

/// The key of a value, from which it can be had again.
pub(crate) fn bytes_of(value: Expr) -> Expr {
    row_key([value])
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
                Encoded::of(if self.name == BYTES { values } else { equal_floats(&values) })
            })
            .collect::<Result<Vec<_>>>()?;
        let mut keys = BinaryBuilder::new();
        let mut key = Vec::new();
        for row in 0..args.number_rows {
            key.clear();
            for column in &columns {
                column.write(row, &mut key);
            }
            keys.append_value(&key);
        }
        Ok(ColumnarValue::Array(Arc::new(keys.finish())))
    }
}

/// The values of a column as parts of keys.
struct Encoded {
    rows: Rows,
    nulls: Option<NullBuffer>,
}

impl Encoded {
    fn of(values: ArrayRef) -> Result<Self> {
        let converter = RowConverter::new(vec![SortField::new(values.data_type().clone())])?;
        let nulls = values.logical_nulls();
        Ok(Self { rows: converter.convert_columns(&[values])?, nulls })
    }

    fn write(&self, row: usize, key: &mut Vec<u8>) {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            key.push(NULL);
        } else {
            key.extend_from_slice(self.rows.row(row).as_ref());
        }
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
        let values = match keys.as_binary_opt::<i32>() {
            Some(keys) => self.values(keys)?,
            None if *keys.data_type() == DataType::Null => {
                new_null_array(&self.data_type, keys.len())
            }
            None => return internal_err!("the key of a value is {}", keys.data_type()),
        };
        Ok(ColumnarValue::Array(values))
    }
}

impl RowValue {
    fn values(&self, keys: &BinaryArray) -> Result<ArrayRef> {
        let converter = RowConverter::new(vec![SortField::new(self.data_type.clone())])?;
        let null = converter.convert_columns(&[new_null_array(&self.data_type, 1)])?;
        let parser = converter.parser();
        let n_bytes = self.data_type.primitive_width().map(|width| width + 1);
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(key) = key.filter(|key| *key != [NULL]) else {
                rows.push(null.row(0));
                continue;
            };
            // The parser panics over bytes that are too few.
            if n_bytes.map_or(key.is_empty(), |n_bytes| key.len() != n_bytes) {
                return internal_err!("{} bytes are no {}", key.len(), self.data_type);
            }
            rows.push(parser.parse(key));
        }
        Ok(converter.convert_rows(rows)?.swap_remove(0))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, NullArray};
    use datafusion::config::ConfigOptions;
    use datafusion::logical_expr::col;

    use super::*;

    fn call(expr: &Expr, argument: ArrayRef, returns: DataType) -> Result<ArrayRef> {
        let Expr::ScalarFunction(call) = expr else { panic!("{expr} is no call") };
        let n_rows = argument.len();
        let args = ScalarFunctionArgs {
            arg_fields: vec![Arc::new(Field::new("a", argument.data_type().clone(), true))],
            args: vec![ColumnarValue::Array(argument)],
            number_rows: n_rows,
            return_field: Arc::new(Field::new("r", returns, true)),
            config_options: Arc::new(ConfigOptions::default()),
        };
        call.func.invoke_with_args(args)?.to_array(n_rows)
    }

    fn bytes(values: ArrayRef) -> ArrayRef {
        call(&bytes_of(col("a")), values, DataType::Binary).expect("every value has a key")
    }

    fn floats(bytes: ArrayRef) -> Result<ArrayRef> {
        let value = value_of(col("a"), DataType::Float64);
        call(&value, bytes, DataType::Float64)
    }

    #[test]
    fn a_value_is_had_again_from_its_bytes() {
        let values: ArrayRef = Arc::new(Float64Array::from(vec![Some(-0.0), None, Some(2.5)]));
        let again = floats(bytes(Arc::clone(&values))).expect("they are its bytes");
        assert_eq!(&again, &values);
    }

    #[test]
    fn a_null_of_no_type_is_the_null_of_every_type() {
        let nulls: ArrayRef = Arc::new(NullArray::new(2));
        let of_type = new_null_array(&DataType::Float64, 2);
        assert_eq!(&bytes(Arc::clone(&nulls)), &bytes(Arc::clone(&of_type)));
        assert_eq!(&floats(bytes(Arc::clone(&nulls))).expect("NULLs"), &of_type);
        assert_eq!(&floats(nulls).expect("NULLs"), &of_type);
    }

    #[test]
    fn bytes_of_another_type_are_an_error() {
        let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values([[1_u8, 1]]));
        assert!(floats(bytes).is_err());
    }
}
