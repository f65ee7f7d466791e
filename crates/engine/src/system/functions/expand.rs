//! `_pg_expandarray`, over arrays of any type.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, ListArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use weir_types::{Error, SqlState};

use super::external;

/// Gives a list of (x, n), which the rewrite of the query unnests.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ExpandArray {
    signature: Signature,
}

impl ExpandArray {
    pub(super) fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

fn pair_fields(list: &DataType) -> DfResult<Fields> {
    let DataType::List(item) = list else {
        return Err(external(Error::new(
            SqlState::UndefinedFunction,
            format!("argument 1 of function _pg_expandarray must be an array, not {list}"),
        )));
    };
    let x = Field::new("x", item.data_type().clone(), true);
    Ok(Fields::from(vec![x, Field::new("n", DataType::Int32, true)]))
}

impl ScalarUDFImpl for ExpandArray {
    fn name(&self) -> &'static str {
        "_pg_expandarray"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> DfResult<DataType> {
        let fields = pair_fields(arguments.first().unwrap_or(&DataType::Null))?;
        Ok(DataType::new_list(DataType::Struct(fields), true))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let list = arrays[0].as_list::<i32>();
        let fields = pair_fields(list.data_type())?;
        let lengths: Vec<usize> = (0..list.len())
            .map(|row| if list.is_null(row) { 0 } else { list.value(row).len() })
            .collect();
        let parts: Vec<ArrayRef> =
            (0..list.len()).filter(|row| list.is_valid(*row)).map(|row| list.value(row)).collect();
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        let values = if parts.is_empty() {
            arrow::array::new_empty_array(fields[0].data_type())
        } else {
            arrow::compute::concat(&parts)?
        };
        let numbers = lengths.iter().flat_map(|length| 1..=i32::try_from(*length).unwrap_or(0));
        let numbers: Int32Array = numbers.collect();
        let pairs = StructArray::try_new(fields.clone(), vec![values, Arc::new(numbers)], None)?;
        let item = Arc::new(Field::new_list_field(DataType::Struct(fields), true));
        let offsets = OffsetBuffer::from_lengths(lengths);
        let expanded = ListArray::try_new(item, offsets, Arc::new(pairs), list.nulls().cloned())?;
        Ok(ColumnarValue::Array(Arc::new(expanded)))
    }
}
