//! Writes blocks.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, GenericByteViewArray, OffsetSizeTrait, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{
    ArrowNativeType, BinaryViewType, ByteViewType, DataType, StringViewType, ToByteSlice,
};
use weir_types::{ColumnId, Error, Result, SqlState, planted};

use super::{FORMAT, Nulls, ROWS_MAX, Shape, aligned, bitmap_bytes, form};

/// Columns of fewer bytes are read along with others: a read of their own costs as much.
const LARGE_BYTES_MIN: usize = 16 << 10;

fn is_large(n_bytes: usize) -> bool {
    n_bytes >= if planted::is_small() { 1 } else { LARGE_BYTES_MIN }
}

/// A block, and where in it the large columns are.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The block.
    pub bytes: Vec<u8>,
    /// The place of each column of 16 KiB or more, in order: it is worth a read of its own. What is in none of
    /// them, any reader of the block needs. In a process that makes much of few rows, that of each column.
    pub columns: Vec<(ColumnId, Range<usize>)>,
}

/// The block of those rows. `ids` name the columns; `weights`, if any, are those of the rows.
///
/// # Errors
/// 54000 for more than [`ROWS_MAX`] rows, XX000 for an Arrow type that is not stored
/// ([`crate::schema::normalize`] brings every column to one that is).
///
/// # Panics
/// When there are not as many ids as columns, or weights as rows.
pub fn encode(rows: &RecordBatch, ids: &[ColumnId], weights: Option<&[i8]>) -> Result<Encoded> {
    assert_eq!(ids.len(), rows.num_columns(), "each column has an id");
    let n_rows = rows.num_rows();
    if n_rows > ROWS_MAX {
        return Err(Error::new(
            SqlState::ProgramLimitExceeded,
            format!("block of {n_rows} rows exceeds the limit of {ROWS_MAX}"),
        ));
    }
    let mut writer = Writer { out: vec![FORMAT] };
    if let Some(weights) = weights {
        assert_eq!(weights.len(), n_rows, "each row has a weight");
        writer.out.extend(weights.iter().map(|weight| weight.cast_unsigned()));
    }
    let mut directory = Writer { out: Vec::with_capacity(8 + 6 * ids.len()) };
    directory.varint(n_rows);
    directory.varint(ids.len() << 1 | usize::from(weights.is_some()));
    let mut columns = Vec::new();
    for (id, column) in ids.iter().zip(rows.columns()) {
        let start = writer.out.len();
        let form = writer.form_of(column)?;
        writer.node(column, form)?;
        directory.varint(id.0 as usize);
        directory.out.push(form);
        directory.varint(writer.out.len() - start);
        if is_large(writer.out.len() - start) {
            columns.push((*id, start..writer.out.len()));
        }
    }
    let directory_bytes = u32::try_from(directory.out.len()).expect("some bytes for each column");
    writer.out.extend_from_slice(&directory.out);
    writer.out.extend_from_slice(&directory_bytes.to_le_bytes());
    Ok(Encoded { bytes: writer.out, columns })
}

struct Writer {
    out: Vec<u8>,
}

impl Writer {
    fn varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// Makes ready for `n` values of that width.
    fn pad(&mut self, n: usize, width: usize) {
        self.out.resize(aligned(self.out.len(), n, width), 0);
    }

    fn bits(&mut self, bits: &BooleanBuffer) {
        let start = self.out.len();
        if bits.offset().is_multiple_of(8) {
            let first = bits.offset() / 8;
            let last = first + bitmap_bytes(bits.len());
            self.out.extend_from_slice(&bits.inner()[first..last]);
        } else {
            self.out.extend_from_slice(&bits.sliced()[..bitmap_bytes(bits.len())]);
        }
        let beyond = bits.len() % 8;
        if let Some(last) = self.out[start..].last_mut().filter(|_| beyond != 0) {
            *last &= (1 << beyond) - 1;
        }
    }

    fn form_of(&self, array: &ArrayRef) -> Result<u8> {
        let data_type = array.data_type();
        let shape = Shape::of(data_type).ok_or_else(|| {
            Error::internal(format!("a column of Arrow type {data_type} is stored"))
        })?;
        let nulls = match array.null_count() {
            0 => Nulls::No,
            all if all == array.len() && all <= ROWS_MAX => Nulls::All,
            _ => Nulls::Some,
        };
        Ok(form(shape, nulls))
    }

    /// A node inside another one, which holds its form.
    fn child(&mut self, array: &ArrayRef) -> Result<()> {
        let form = self.form_of(array)?;
        self.out.push(form);
        self.node(array, form)
    }

    fn node(&mut self, array: &ArrayRef, form: u8) -> Result<()> {
        match Nulls::from_form(form) {
            Some(Nulls::All) => return Ok(()),
            Some(Nulls::Some) => {
                let nulls = array.nulls().expect("an array with NULLs has a bitmap");
                self.bits(nulls.inner());
            }
            _ => {}
        }
        match array.data_type() {
            DataType::Null => {}
            DataType::Boolean => self.bits(array.as_boolean().values()),
            DataType::FixedSizeBinary(_) => {
                let array = array.as_fixed_size_binary();
                (0..array.len()).for_each(|row| self.out.extend_from_slice(array.value(row)));
            }
            DataType::Utf8 | DataType::Binary => self.bytes::<i32>(array),
            DataType::LargeUtf8 | DataType::LargeBinary => self.bytes::<i64>(array),
            DataType::Utf8View => self.views(array.as_byte_view::<StringViewType>()),
            DataType::BinaryView => self.views(array.as_byte_view::<BinaryViewType>()),
            DataType::List(_) => self.list::<i32>(array)?,
            DataType::LargeList(_) => self.list::<i64>(array)?,
            DataType::FixedSizeList(..) => {
                let list = array.as_fixed_size_list();
                let size = list.value_length().as_usize();
                let first = list.value_offset(0).as_usize();
                self.child(&list.values().slice(first, size * list.len()))?;
            }
            DataType::Struct(_) => {
                for field in array.as_struct().columns() {
                    self.child(field)?;
                }
            }
            _ => self.fixed(array),
        }
        Ok(())
    }

    fn fixed(&mut self, array: &ArrayRef) {
        let width = array.data_type().primitive_width().expect("other shapes are handled before");
        let data = array.to_data();
        let start = data.offset() * width;
        self.pad(array.len(), width);
        self.out.extend_from_slice(&data.buffers()[0][start..start + array.len() * width]);
    }

    /// Writes the offsets so that the first is 0; gives the range that they span.
    fn offsets<O: OffsetSizeTrait>(&mut self, offsets: &[O]) -> std::ops::Range<usize> {
        let first = offsets[0];
        self.pad(offsets.len(), size_of::<O>());
        if first == O::zero() {
            self.out.extend_from_slice(offsets.to_byte_slice());
        } else {
            let moved: Vec<O> = offsets.iter().map(|offset| *offset - first).collect();
            self.out.extend_from_slice(moved.to_byte_slice());
        }
        first.as_usize()..offsets[offsets.len() - 1].as_usize()
    }

    fn bytes<O: OffsetSizeTrait>(&mut self, array: &ArrayRef) {
        let data = array.to_data();
        let start = data.offset();
        let offsets = &data.buffers()[0].typed_data::<O>()[start..=start + array.len()];
        let used = self.offsets(offsets);
        self.out.extend_from_slice(&data.buffers()[1][used]);
    }

    fn views<T: ByteViewType>(&mut self, array: &GenericByteViewArray<T>) {
        let held: usize = array.data_buffers().iter().map(|buffer| buffer.len()).sum();
        if held > array.total_buffer_bytes_used() {
            return self.views(&array.gc());
        }
        let buffers = array.data_buffers();
        self.varint(buffers.len());
        buffers.iter().for_each(|buffer| self.varint(buffer.len()));
        self.pad(array.len(), 16);
        self.out.extend_from_slice(array.views().to_byte_slice());
        buffers.iter().for_each(|buffer| self.out.extend_from_slice(buffer));
    }

    fn list<O: OffsetSizeTrait>(&mut self, array: &ArrayRef) -> Result<()> {
        let list = array.as_list::<O>();
        let used = self.offsets(list.value_offsets());
        self.child(&list.values().slice(used.start, used.len()))
    }
}
