//! Kernels on whole batches: they work without columns too, and cut batches down to the bytes they
//! use.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, GenericByteViewArray, GenericListArray,
    OffsetSizeTrait, RecordBatch, RecordBatchOptions, StructArray, UInt32Array,
};
use arrow::compute;
use arrow::datatypes::{BinaryViewType, ByteViewType, DataType, SchemaRef, StringViewType};
use arrow::error::ArrowError;
use weir_types::{Error, Result, SqlState};

/// An array may keep this many bytes that it does not use before it is copied.
const SLACK_BYTES: usize = 1024;

/// A batch of those columns, which may be none.
///
/// # Errors
/// XX000 when the columns are not those of the schema.
pub fn batch(schema: SchemaRef, columns: Vec<ArrayRef>, n_rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(|e| kernel_error(&e))
}

/// The rows at those positions, in that order; a row may come more than once.
///
/// # Errors
/// 54000 when they do not fit into one batch (over 2 GiB of `bytea`).
pub fn take(rows: &RecordBatch, positions: &[u32]) -> Result<RecordBatch> {
    let indices = UInt32Array::from(positions.to_vec());
    let columns: Result<Vec<ArrayRef>, ArrowError> =
        rows.columns().iter().map(|column| compute::take(column, &indices, None)).collect();
    batch(rows.schema(), columns.map_err(|e| kernel_error(&e))?, positions.len())
}

/// The rows whose bit is set.
///
/// # Errors
/// XX000 when the mask has another length.
pub fn filter(rows: &RecordBatch, mask: &BooleanArray) -> Result<RecordBatch> {
    compute::filter_record_batch(rows, mask).map_err(|e| kernel_error(&e))
}

/// All rows of the batches, in order.
///
/// # Errors
/// 54000 when they do not fit into one batch (over 2 GiB of `bytea`), XX000 when their types
/// differ.
pub fn concat<'a>(
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = &'a RecordBatch>,
) -> Result<RecordBatch> {
    compute::concat_batches(schema, batches).map_err(|e| kernel_error(&e))
}

/// The rows named by (batch, position), in that order.
///
/// # Errors
/// As [`concat()`].
pub fn interleave(
    schema: &SchemaRef,
    batches: &[&RecordBatch],
    positions: &[(usize, usize)],
) -> Result<RecordBatch> {
    if positions.is_empty() {
        return Ok(RecordBatch::new_empty(Arc::clone(schema)));
    }
    let columns: Result<Vec<ArrayRef>, ArrowError> = (0..schema.fields().len())
        .map(|at| {
            let column: Vec<&dyn Array> = batches.iter().map(|b| b.column(at).as_ref()).collect();
            compute::interleave(&column, positions)
        })
        .collect();
    batch(Arc::clone(schema), columns.map_err(|e| kernel_error(&e))?, positions.len())
}

/// The batch under that schema, which has the same types.
///
/// # Errors
/// XX000 when the types differ, or a column that may not be NULL is.
pub fn with_schema(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if rows.schema_ref() == schema {
        return Ok(rows.clone());
    }
    batch(Arc::clone(schema), rows.columns().to_vec(), rows.num_rows())
}

/// The columns at those positions.
///
/// # Errors
/// XX000 when there is no such column.
pub fn project(rows: &RecordBatch, columns: &[usize]) -> Result<RecordBatch> {
    rows.project(columns).map_err(|e| kernel_error(&e))
}

/// Arrow's kernels fail on arrays too large for their offsets, and else only on misuse.
fn kernel_error(error: &ArrowError) -> Error {
    match error {
        ArrowError::OffsetOverflowError(_) => {
            Error::new(SqlState::ProgramLimitExceeded, "rows of over 2 GiB cannot be put together")
                .with_detail(format!("{error}."))
        }
        _ => Error::internal(error.to_string()),
    }
}

/// Bytes that the rows use, without what their buffers hold besides.
#[must_use]
pub fn bytes_used(rows: &RecordBatch) -> usize {
    rows.columns().iter().map(array_bytes).sum()
}

fn array_bytes(array: &ArrayRef) -> usize {
    let nulls = array.nulls().map_or(0, |_| array.len().div_ceil(8));
    let values = match array.data_type() {
        DataType::Utf8View => view_bytes(array.as_byte_view::<StringViewType>()),
        DataType::BinaryView => view_bytes(array.as_byte_view::<BinaryViewType>()),
        DataType::List(_) => list_bytes(array.as_list::<i32>()),
        DataType::LargeList(_) => list_bytes(array.as_list::<i64>()),
        DataType::Struct(_) => array.as_struct().columns().iter().map(array_bytes).sum(),
        data_type => match data_type.primitive_width() {
            Some(width) => width * array.len(),
            None => {
                let data = array.to_data();
                let used = data.get_slice_memory_size();
                return used.unwrap_or_else(|_| data.get_buffer_memory_size());
            }
        },
    };
    nulls + values
}

/// Values may share their bytes.
fn view_bytes<T: ByteViewType>(array: &GenericByteViewArray<T>) -> usize {
    let held: usize = array.data_buffers().iter().map(|buffer| buffer.len()).sum();
    size_of_val(&array.views()[..]) + held.min(array.total_buffer_bytes_used())
}

fn list_bytes<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> usize {
    let ends = list.value_offsets();
    let (first, last) = (ends[0].as_usize(), ends[list.len()].as_usize());
    size_of_val(ends) + array_bytes(&list.values().slice(first, last - first))
}

/// The rows in buffers of their own where the shared ones hold more than twice the bytes in use.
///
/// # Errors
/// XX000 on a defect of a kernel.
pub fn compact(rows: &RecordBatch) -> Result<RecordBatch> {
    let columns: Result<Vec<ArrayRef>, ArrowError> =
        rows.columns().iter().map(compact_array).collect();
    batch(rows.schema(), columns.map_err(|e| kernel_error(&e))?, rows.num_rows())
}

fn compact_array(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Utf8View => compact_view::<StringViewType>(array),
        DataType::BinaryView => compact_view::<BinaryViewType>(array),
        DataType::List(_) => compact_list::<i32>(array),
        DataType::LargeList(_) => compact_list::<i64>(array),
        DataType::Struct(fields) => {
            let array = array.as_struct();
            let columns: Result<Vec<ArrayRef>, ArrowError> =
                array.columns().iter().map(compact_array).collect();
            let nulls = array.nulls().cloned();
            let length = array.len();
            let compact =
                StructArray::try_new_with_length(fields.clone(), columns?, nulls, length)?;
            Ok(Arc::new(compact))
        }
        _ => compact_flat(array),
    }
}

fn is_wasteful(used: usize, held: usize) -> bool {
    held > 2 * used + SLACK_BYTES
}

fn compact_flat(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if is_wasteful(array_bytes(array), array.get_buffer_memory_size()) {
        copied(array)
    } else {
        Ok(Arc::clone(array))
    }
}

fn copied(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let n_rows = u32::try_from(array.len())
        .map_err(|_| ArrowError::InvalidArgumentError("over 2^32 rows".to_owned()))?;
    compute::take(array, &UInt32Array::from_iter_values(0..n_rows), None)
}

fn compact_view<T: ByteViewType>(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let words = array.as_byte_view::<T>().views();
    let array = if is_wasteful(size_of_val(&words[..]), words.inner().capacity()) {
        copied(array)?
    } else {
        Arc::clone(array)
    };
    Ok(Arc::new(own_bytes(array.as_byte_view::<T>())))
}

/// The views over no more than twice the bytes that they use, in few buffers.
fn own_bytes<T: ByteViewType>(views: &GenericByteViewArray<T>) -> GenericByteViewArray<T> {
    let held: usize = views.data_buffers().iter().map(|buffer| buffer.capacity()).sum();
    if held == 0 {
        return views.clone();
    }
    let used = views.total_buffer_bytes_used();
    if is_wasteful(used, held) || (views.data_buffers().len() > 4 && used <= held) {
        views.gc()
    } else {
        views.clone()
    }
}

fn compact_list<O: OffsetSizeTrait>(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let list = array.as_list::<O>();
    let ends = list.value_offsets();
    let (first, last) = (ends[0].as_usize(), ends[list.len()].as_usize());
    let list = if is_wasteful(last - first, list.values().len()) {
        copied(array)?
    } else {
        Arc::clone(array)
    };
    let list = list.as_list::<O>();
    let (field, offsets, values, nulls) = list.clone().into_parts();
    let values = compact_array(&values)?;
    Ok(Arc::new(GenericListArray::<O>::try_new(field, offsets, values, nulls)?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StringViewArray};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::{batch, compact, concat, interleave, project, take};

    fn wide() -> (Arc<Schema>, Vec<ArrayRef>) {
        let numbers = Int64Array::from_iter_values(0..10_000);
        let texts = StringViewArray::from_iter_values(
            (0..10_000).map(|n| format!("a text of more than twelve bytes {n}")),
        );
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(
            (0..10_000).map(|n| Some(vec![Some(n), None])),
        );
        let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(texts), Arc::new(lists)];
        let fields: Vec<Field> = columns
            .iter()
            .enumerate()
            .map(|(at, column)| Field::new(format!("c{at}"), column.data_type().clone(), true))
            .collect();
        (Arc::new(Schema::new(fields)), columns)
    }

    #[test]
    fn compact_lets_go_of_large_buffers_and_keeps_the_rows() {
        let (schema, columns) = wide();
        let whole = batch(schema, columns, 10_000).expect("a batch");
        let slice = whole.slice(5_000, 3);
        let small = compact(&slice).expect("compacts");
        assert_eq!(small, slice);
        let bytes = |of: &ArrayRef| of.to_data().get_buffer_memory_size();
        for (small, slice) in small.columns().iter().zip(slice.columns()) {
            assert!(bytes(slice) > 50_000);
            assert!(bytes(small) < 5_000, "{}", small.data_type());
        }
        let same = compact(&whole).expect("compacts");
        let pointer = |of: &ArrayRef| of.as_primitive::<Int64Type>().values().as_ptr();
        assert_eq!(pointer(same.column(0)), pointer(whole.column(0)));
    }

    #[test]
    fn batches_without_columns_keep_their_row_counts() {
        let schema = Arc::new(Schema::empty());
        let rows = batch(Arc::clone(&schema), Vec::new(), 5).expect("a batch");
        assert_eq!(take(&rows, &[0, 0, 4]).expect("takes").num_rows(), 3);
        assert_eq!(concat(&schema, [&rows, &rows]).expect("concatenates").num_rows(), 10);
        let interleaved = interleave(&schema, &[&rows, &rows], &[(0, 1), (1, 1)]);
        assert_eq!(interleaved.expect("interleaves").num_rows(), 2);
        assert_eq!(compact(&rows).expect("compacts").num_rows(), 5);
        let (schema, columns) = wide();
        let wide = batch(schema, columns, 10_000).expect("a batch");
        assert_eq!(project(&wide, &[]).expect("projects").num_rows(), 10_000);
    }

    #[test]
    fn interleave_takes_rows_across_batches() {
        let schema = Arc::new(Schema::new(vec![Field::new("c", DataType::Int64, true)]));
        let of = |numbers: Vec<i64>| {
            let n_rows = numbers.len();
            let column: ArrayRef = Arc::new(Int64Array::from(numbers));
            batch(Arc::clone(&schema), vec![column], n_rows).expect("a batch")
        };
        let rows = interleave(&schema, &[&of(vec![1, 2]), &of(vec![3])], &[(1, 0), (0, 1)]);
        assert_eq!(rows.expect("interleaves"), of(vec![3, 2]));
    }
}
