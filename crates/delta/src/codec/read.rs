//! Reads blocks. Damaged bytes give an error (XX001), never a panic or a large allocation.

use std::ops::Range;

use arrow::array::{ArrayData, ArrayRef, make_array, new_null_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{DataType, FieldRef};
use arrow::error::ArrowError;
use bytes::Bytes;
use weir_types::{ColumnId, Error, Result};

use super::{FORMAT, Nulls, ROWS_MAX, Shape, TRAILER_BYTES, aligned, bitmap_bytes};

/// A block whose directory was read; its columns are read when asked for.
#[derive(Debug)]
pub struct Decoder {
    pieces: Vec<Piece>,
    n_rows: usize,
    weights: Option<Range<usize>>,
    columns: Vec<Entry>,
}

/// A column as the directory names it.
#[derive(Debug)]
struct Entry {
    id: ColumnId,
    form: u8,
    bytes: Range<usize>,
}

/// A stretch of the block that is in memory.
#[derive(Debug)]
struct Piece {
    begin: usize,
    bytes: Buffer,
}

impl Piece {
    fn has(&self, range: &Range<usize>) -> bool {
        self.begin <= range.start && range.end <= self.begin + self.bytes.len()
    }

    fn at(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes[range.start - self.begin..range.end - self.begin]
    }
}

fn damaged(what: &str) -> Error {
    Error::corrupt("stored block of rows is damaged").with_detail(format!("{what}."))
}

impl Decoder {
    /// Reads the directory of a block.
    ///
    /// # Errors
    /// XX001 when the bytes are not those of a block.
    pub fn new(block: Bytes) -> Result<Self> {
        Self::of_pieces(block.len(), [(0, block)])
    }

    /// Reads the directory of a block of `n_bytes` of which only these pieces are in memory, with the places
    /// where they begin; of the columns that they lack nothing else may be asked than whether they are there.
    ///
    /// # Errors
    /// XX001 when the pieces are not those of a block, or lack more than columns.
    pub fn of_pieces(
        n_bytes: usize,
        pieces: impl IntoIterator<Item = (usize, Bytes)>,
    ) -> Result<Self> {
        let pieces = pieces.into_iter();
        let pieces: Vec<Piece> =
            pieces.map(|(begin, bytes)| Piece { begin, bytes: Buffer::from(bytes) }).collect();
        if find(&pieces, &(0..1)).is_none_or(|piece| piece.at(&(0..1)) != [FORMAT]) {
            return Err(damaged("The format is unknown"));
        }
        let directory = directory_range(&pieces, n_bytes)?;
        let columns_end = directory.start;
        let mut cursor =
            Cursor::new(&pieces, &directory).ok_or_else(|| damaged("Its directory is missing"))?;
        let n_rows = cursor.varint()?;
        if n_rows > ROWS_MAX {
            return Err(damaged("It has too many rows"));
        }
        let counts = cursor.varint()?;
        let mut at = 1;
        let weights = (counts & 1 == 1).then(|| {
            at += n_rows;
            1..at
        });
        if weights.as_ref().is_some_and(|weights| find(&pieces, weights).is_none()) {
            return Err(damaged("The weights of its rows are missing"));
        }
        let mut columns = Vec::new();
        for _ in 0..counts >> 1 {
            let id =
                u32::try_from(cursor.varint()?).map_err(|_| damaged("A column id is too large"))?;
            let form = cursor.byte()?;
            let end = at.checked_add(cursor.varint()?);
            let end = end.ok_or_else(|| damaged("A column is too long"))?;
            // One without bytes may lie between two columns that were not read.
            let bytes = if at == end { 0..0 } else { at..end };
            columns.push(Entry { id: ColumnId(id), form, bytes });
            at = end;
        }
        if at != columns_end || cursor.at != cursor.end {
            return Err(damaged("The directory does not cover the block"));
        }
        let mut ids: Vec<ColumnId> = columns.iter().map(|entry| entry.id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(damaged("A column is there twice"));
        }
        Ok(Self { pieces, n_rows, weights, columns })
    }

    /// Where the columns are.
    #[cfg(test)]
    pub(super) fn places(&self) -> Vec<(ColumnId, Range<usize>)> {
        self.columns.iter().map(|entry| (entry.id, entry.bytes.clone())).collect()
    }

    /// Number of rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// True when the block has that column.
    #[must_use]
    pub fn has(&self, id: ColumnId) -> bool {
        self.columns.iter().any(|entry| entry.id == id)
    }

    /// The column, of the type under which it was stored. It shares the bytes of the block.
    ///
    /// # Errors
    /// XX001 when its bytes are not values of the type, XX000 when the block has no such column, or its bytes
    /// were not read.
    pub fn column(&self, id: ColumnId, data_type: &DataType) -> Result<ArrayRef> {
        let entry = self.columns.iter().find(|entry| entry.id == id);
        let entry =
            entry.ok_or_else(|| Error::internal(format!("column {id} is not in the block")))?;
        let mut cursor = Cursor::new(&self.pieces, &entry.bytes)
            .ok_or_else(|| Error::internal(format!("column {id} of the block was not read")))?;
        let data = cursor.node(data_type, entry.form, self.n_rows)?;
        if cursor.at != cursor.end {
            return Err(damaged("A column has bytes left over"));
        }
        Ok(make_array(data))
    }

    /// The weights of the rows, if the block has them.
    #[must_use]
    pub fn weights(&self) -> Option<Vec<i8>> {
        let range = self.weights.clone()?;
        let piece = find(&self.pieces, &range).expect("`of_pieces` has found them");
        Some(piece.at(&range).iter().map(|weight| weight.cast_signed()).collect())
    }
}

/// The piece that has all of the range.
fn find<'a>(pieces: &'a [Piece], range: &Range<usize>) -> Option<&'a Piece> {
    pieces.iter().find(|piece| piece.has(range))
}

fn directory_range(pieces: &[Piece], n_bytes: usize) -> Result<Range<usize>> {
    let end = n_bytes.checked_sub(TRAILER_BYTES).filter(|end| *end >= 1);
    let end = end.ok_or_else(|| damaged("It is too short"))?;
    let trailer = end..n_bytes;
    let piece = find(pieces, &trailer).ok_or_else(|| damaged("Its end is missing"))?;
    let length = piece.at(&trailer).try_into().expect("four bytes");
    let start = end.checked_sub(u32::from_le_bytes(length) as usize).filter(|start| *start >= 1);
    Ok(start.ok_or_else(|| damaged("Its directory is longer than the block"))?..end)
}

/// A place in the block, and where the part that is being read ends. The piece has all of that part.
struct Cursor<'a> {
    piece: &'a Piece,
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor over the range; `None` where it was not read.
    fn new(pieces: &'a [Piece], range: &Range<usize>) -> Option<Self> {
        find(pieces, range).map(|piece| Self { piece, at: range.start, end: range.end })
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn varint(&mut self) -> Result<usize> {
        let mut value = 0_usize;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(damaged("A number is too long"))
    }

    /// The next bytes, which the result shares.
    fn take(&mut self, length: usize) -> Result<Buffer> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.end);
        let end = end.ok_or_else(|| damaged("A part ends after its column"))?;
        let bytes = self.piece.bytes.slice_with_length(self.at - self.piece.begin, length);
        self.at = end;
        Ok(bytes)
    }

    /// The next values of that width, after their padding.
    fn take_values(&mut self, n: usize, width: usize) -> Result<Buffer> {
        self.at = aligned(self.at, n, width);
        let length = n.checked_mul(width).ok_or_else(|| damaged("A part is too long"))?;
        let values = self.take(length)?;
        let is_aligned = values.as_ptr().align_offset(width.min(16)) == 0;
        Ok(if is_aligned { values } else { Buffer::from_slice_ref(values.as_slice()) })
    }

    fn node(&mut self, data_type: &DataType, form: u8, n: usize) -> Result<ArrayData> {
        let shape = Shape::of(data_type).ok_or_else(|| {
            Error::internal(format!("a column of Arrow type {data_type} is read"))
        })?;
        let nulls = Nulls::from_form(form).filter(|_| form >> 2 == shape.code());
        let nulls = nulls.ok_or_else(|| damaged("A column is of another type"))?;
        if nulls == Nulls::All {
            if n > ROWS_MAX {
                return Err(damaged("It has too many NULLs"));
            }
            return Ok(new_null_array(data_type, n).to_data());
        }
        let valid = match nulls {
            Nulls::Some => Some(self.bits(n)?),
            _ => None,
        };
        let mut buffers = Vec::new();
        let mut children = Vec::new();
        match shape {
            Shape::Null => {}
            Shape::Bits => buffers.push(self.take(bitmap_bytes(n))?),
            Shape::Fixed(width) => buffers.push(self.take_values(n, width)?),
            Shape::FixedBytes(width) => {
                let length = n.checked_mul(width).ok_or_else(|| damaged("A part is too long"))?;
                buffers.push(self.take(length)?);
            }
            Shape::Bytes(width) => {
                let (offsets, length) = self.offsets(n, width)?;
                buffers.extend([offsets, self.take(length)?]);
            }
            Shape::Views => buffers = self.views(n)?,
            Shape::List(width) => {
                let (offsets, length) = self.offsets(n, width)?;
                buffers.push(offsets);
                children.push(self.child(element(data_type), length)?);
            }
            Shape::FixedList(size) => {
                let length = n.checked_mul(size).ok_or_else(|| damaged("A part is too long"))?;
                children.push(self.child(element(data_type), length)?);
            }
            Shape::Struct => {
                if let DataType::Struct(fields) = data_type {
                    for field in fields {
                        children.push(self.child(field, n)?);
                    }
                }
            }
        }
        let built: Result<ArrayData, ArrowError> = ArrayData::builder(data_type.clone())
            .len(n)
            .nulls(valid.map(NullBuffer::new))
            .buffers(buffers)
            .child_data(children)
            .align_buffers(true)
            .build();
        built.map_err(|error| damaged(&error.to_string()))
    }

    fn child(&mut self, field: &FieldRef, n: usize) -> Result<ArrayData> {
        let form = self.byte()?;
        self.node(field.data_type(), form, n)
    }

    fn bits(&mut self, n: usize) -> Result<BooleanBuffer> {
        Ok(BooleanBuffer::new(self.take(bitmap_bytes(n))?, 0, n))
    }

    /// Offsets of that width, and the last of them.
    fn offsets(&mut self, n: usize, width: usize) -> Result<(Buffer, usize)> {
        let offsets = self.take_values(n + 1, width)?;
        let last = match width {
            4 => i64::from(offsets.typed_data::<i32>()[n]),
            _ => offsets.typed_data::<i64>()[n],
        };
        let last = usize::try_from(last).map_err(|_| damaged("An offset is negative"))?;
        Ok((offsets, last))
    }

    fn views(&mut self, n: usize) -> Result<Vec<Buffer>> {
        let n_buffers = self.varint()?;
        let mut lengths = Vec::new();
        for _ in 0..n_buffers {
            lengths.push(self.varint()?);
        }
        let mut buffers = vec![self.take_values(n, 16)?];
        for length in lengths {
            buffers.push(self.take(length)?);
        }
        Ok(buffers)
    }
}

/// The field of the elements of a list.
fn element(data_type: &DataType) -> &FieldRef {
    match data_type {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            field
        }
        other => unreachable!("{other} has no elements"),
    }
}
