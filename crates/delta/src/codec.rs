//! Rows as bytes: a block of columns, each of which can be read without the others.
//!
//! A block says nothing of types but their width: the reader brings them from the catalog. Numbers
//! are little-endian; `varint` is LEB128. Values lie at a multiple of their width, up to 16, from
//! the start of the block, so that a block which starts at a multiple of 16 in memory is read
//! without a copy of its columns. Fewer than 16 values are not worth the padding.
//!
//! | part | bytes | what |
//! |---|---|---|
//! | format | 1 | 1 |
//! | weights | rows, or 0 | `i8` each, if the directory says so |
//! | columns | | a node each |
//! | directory | | varint: rows (at most 2^20) |
//! | | | varint: columns * 2, plus 1 if there are weights |
//! | | | per column: varint column id, form, varint bytes of the node |
//! | end | 4 | bytes of the directory |
//!
//! A form is a byte: `shape * 4`, plus 0 for no NULL, 1 for a bitmap of valid rows, 2 for only
//! NULLs (the node has no bytes then). A node of `n` values is that bitmap, if any, and
//!
//! | shape | types | after the bitmap |
//! |---|---|---|
//! | 0 | null | |
//! | 1 | boolean | bitmap |
//! | 2 to 7 | 1, 2, 4, 8, 16, 32 bytes wide | padding, `n` values |
//! | 8 | fixed-size binary | `n` values |
//! | 9, 10 | text and bytes with 4-, 8-byte offsets | padding, `n + 1` offsets from 0, bytes |
//! | 11 | text and byte views | varint buffers, varint bytes of each; padding, `n` views; the buffers |
//! | 12, 13 | lists with 4-, 8-byte offsets | padding, `n + 1` offsets from 0; form and node of the elements |
//! | 14 | fixed-size list | form and node of the elements |
//! | 15 | struct | form and node of each field |
//!
//! Bits of a bitmap count from the lowest of the first byte; those after the last row are 0.

mod read;
mod write;

use arrow::datatypes::DataType;

pub use read::Decoder;
pub use write::{Encoded, encode};

const _: () = assert!(cfg!(target_endian = "little"), "blocks are little-endian");

/// Most rows of a block: bounds what damaged bytes can make a reader allocate.
pub const ROWS_MAX: usize = 1 << 20;

const FORMAT: u8 = 1;
const TRAILER_BYTES: usize = 4;
/// Fewer values than these are not padded to their alignment.
const PADDED_MIN: usize = 16;

/// How the values of a node are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Null,
    Bits,
    /// Values of that width, which is also their alignment up to 16.
    Fixed(usize),
    /// Values of that width without alignment.
    FixedBytes(usize),
    /// Offsets of that width.
    Bytes(usize),
    Views,
    /// Offsets of that width.
    List(usize),
    FixedList(usize),
    Struct,
}

impl Shape {
    /// The shape of values of the type; `None` for types that are not stored.
    fn of(data_type: &DataType) -> Option<Self> {
        if let Some(width) = data_type.primitive_width() {
            return Some(Self::Fixed(width));
        }
        let shape = match data_type {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bits,
            DataType::FixedSizeBinary(width) => Self::FixedBytes(usize::try_from(*width).ok()?),
            DataType::Utf8 | DataType::Binary => Self::Bytes(4),
            DataType::LargeUtf8 | DataType::LargeBinary => Self::Bytes(8),
            DataType::Utf8View | DataType::BinaryView => Self::Views,
            DataType::List(_) => Self::List(4),
            DataType::LargeList(_) => Self::List(8),
            DataType::FixedSizeList(_, size) => Self::FixedList(usize::try_from(*size).ok()?),
            DataType::Struct(_) => Self::Struct,
            _ => return None,
        };
        Some(shape)
    }

    fn code(self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bits => 1,
            Self::Fixed(width) => 2 + width.trailing_zeros() as u8,
            Self::FixedBytes(_) => 8,
            Self::Bytes(4) => 9,
            Self::Bytes(_) => 10,
            Self::Views => 11,
            Self::List(4) => 12,
            Self::List(_) => 13,
            Self::FixedList(_) => 14,
            Self::Struct => 15,
        }
    }
}

/// Which values of a node are NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nulls {
    No,
    Some,
    All,
}

impl Nulls {
    fn code(self) -> u8 {
        match self {
            Self::No => 0,
            Self::Some => 1,
            Self::All => 2,
        }
    }

    fn from_form(form: u8) -> Option<Self> {
        match form & 3 {
            0 => Some(Self::No),
            1 => Some(Self::Some),
            2 => Some(Self::All),
            _ => None,
        }
    }
}

fn form(shape: Shape, nulls: Nulls) -> u8 {
    shape.code() << 2 | nulls.code()
}

/// Bytes of a bitmap.
fn bitmap_bytes(n: usize) -> usize {
    n.div_ceil(8)
}

/// Where a buffer of `n` values of that width starts, at or after a place in the block.
fn aligned(at: usize, n: usize, width: usize) -> usize {
    if n < PADDED_MIN { at } else { at.next_multiple_of(width.min(16)) }
}

#[cfg(test)]
mod tests;
