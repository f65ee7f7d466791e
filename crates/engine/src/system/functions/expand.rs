//! Functions over arrays of any type: `_pg_expandarray`, and what `ARRAY(SELECT ..)` needs.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, ListArray, StringViewArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
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

/// The array, or one without elements for NULL: `ARRAY(SELECT ..)` over no rows, and
/// `coalesce(array, '{}')`. A text gets `{}` for NULL, as the literal is one beside texts.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ArrayOrEmpty {
    signature: Signature,
}

impl ArrayOrEmpty {
    pub(super) fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ArrayOrEmpty {
    fn name(&self) -> &'static str {
        "array_or_empty"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> DfResult<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        Ok(Arc::new(args.arg_fields[0].as_ref().clone().with_name(self.name())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(list) = arrays[0].as_list_opt::<i32>() else {
            let Some(texts) = arrays[0].as_string_view_opt() else {
                return Ok(ColumnarValue::Array(Arc::clone(&arrays[0])));
            };
            let filled: StringViewArray = texts.iter().map(|text| text.or(Some("{}"))).collect();
            return Ok(ColumnarValue::Array(Arc::new(filled)));
        };
        // A NULL list may have elements behind it: count them out.
        let lengths = (0..list.len()).map(|row| {
            if list.is_null(row) { 0 } else { list.value_length(row).unsigned_abs() as usize }
        });
        let offsets = OffsetBuffer::from_lengths(lengths);
        let kept = (0..list.len()).filter(|row| list.is_valid(*row)).map(|row| list.value(row));
        let kept: Vec<ArrayRef> = kept.collect();
        let kept: Vec<&dyn Array> = kept.iter().map(AsRef::as_ref).collect();
        let DataType::List(item) = list.data_type() else {
            return Ok(ColumnarValue::Array(Arc::clone(&arrays[0])));
        };
        let values = if kept.is_empty() {
            arrow::array::new_empty_array(item.data_type())
        } else {
            arrow::compute::concat(&kept)?
        };
        let filled = ListArray::try_new(Arc::clone(item), offsets, values, None)?;
        Ok(ColumnarValue::Array(Arc::new(filled)))
    }
}
