//! Arrays, the two vector types and records, whose parts are values again.

use std::ops::Range;

use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::DataType;
use bytes::{BufMut, BytesMut};
use weir_delta::schema;
use weir_types::{Error, Result, SqlState, SqlType};

use super::{Column, ValueEncoder, no_form, with_length};
use crate::value::array_text::{quote_element, quote_field};
use crate::value::{DIMENSIONS_MAX, FormatSettings, is_vector};

/// The values of an array of arrays.
pub(super) struct List<'a> {
    spans: Spans<'a>,
    elements: ValueEncoder<'a>,
    element_type: SqlType,
    /// `int2vector` or `oidvector`.
    is_vector: bool,
    /// Elements may have characters that must be quoted.
    may_need_quotes: bool,
}

/// Where the elements of each value are.
enum Spans<'a> {
    Small(&'a [i32]),
    Large(&'a [i64]),
    Fixed(usize),
    View(&'a [i32], &'a [i32]),
    LargeView(&'a [i64], &'a [i64]),
}

impl Spans<'_> {
    fn span(&self, row: usize) -> Range<usize> {
        match self {
            Self::Small(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Self::Large(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Self::Fixed(length) => row * length..(row + 1) * length,
            Self::View(offsets, sizes) => {
                let start = offsets[row] as usize;
                start..start + sizes[row] as usize
            }
            Self::LargeView(offsets, sizes) => {
                let start = offsets[row] as usize;
                start..start + sizes[row] as usize
            }
        }
    }
}

impl<'a> List<'a> {
    /// `None` if the Arrow type is none of lists.
    pub(super) fn new(
        array: &'a dyn Array,
        sql_type: &SqlType,
        settings: &FormatSettings,
    ) -> Result<Option<Self>> {
        let (spans, values): (_, &'a dyn Array) = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                (Spans::Small(list.value_offsets()), list.values().as_ref())
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                (Spans::Large(list.value_offsets()), list.values().as_ref())
            }
            DataType::FixedSizeList(_, length) => {
                let values = array.as_fixed_size_list().values();
                (Spans::Fixed(usize::try_from(*length).unwrap_or(0)), values.as_ref())
            }
            DataType::ListView(_) => {
                let list = array.as_list_view::<i32>();
                (Spans::View(list.value_offsets(), list.value_sizes()), list.values().as_ref())
            }
            DataType::LargeListView(_) => {
                let list = array.as_list_view::<i64>();
                (Spans::LargeView(list.value_offsets(), list.value_sizes()), list.values().as_ref())
            }
            DataType::Map(..) => {
                let map = array.as_map();
                (Spans::Small(map.value_offsets()), map.entries())
            }
            _ => return Ok(None),
        };
        let element_type = match sql_type {
            SqlType::Array(element) => element.as_ref().clone(),
            SqlType::Int2Vector => SqlType::Int2,
            SqlType::OidVector => SqlType::Oid,
            _ => return Ok(None),
        };
        let elements = ValueEncoder::new(values, &element_type, settings)?;
        if matches!(element_type, SqlType::Array(_))
            && !matches!(elements.column, Column::List(_) | Column::Nulls)
        {
            return Err(no_form(array.data_type(), sql_type));
        }
        let may_need_quotes = !matches!(
            element_type,
            SqlType::Bool
                | SqlType::Int2
                | SqlType::Int4
                | SqlType::Int8
                | SqlType::Float4
                | SqlType::Float8
                | SqlType::Numeric(_)
                | SqlType::Oid
                | SqlType::Uuid
                | SqlType::PgLsn
                | SqlType::Array(_)
        );
        let is_vector = is_vector(sql_type);
        Ok(Some(Self { spans, elements, element_type, is_vector, may_need_quotes }))
    }

    pub(super) fn write_text(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        if self.is_vector {
            for (n, at) in self.spans.span(row).enumerate() {
                if n > 0 {
                    out.put_u8(b' ');
                }
                self.elements.write_text(at, out)?;
            }
            return Ok(());
        }
        out.put_u8(b'{');
        for (n, at) in self.spans.span(row).enumerate() {
            if n > 0 {
                out.put_u8(b',');
            }
            if self.elements.is_null(at) {
                out.put_slice(b"NULL");
                continue;
            }
            let start = out.len();
            self.elements.write_text(at, out)?;
            if self.may_need_quotes {
                quote_element(out, start);
            }
        }
        out.put_u8(b'}');
        Ok(())
    }

    pub(super) fn write_binary(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        let mut shape = Vec::with_capacity(1);
        let mut has_null = false;
        self.measure(row, 0, &mut shape, &mut has_null)?;
        if shape.contains(&0) && !self.is_vector {
            shape.clear();
        }
        out.put_u32(shape.len() as u32);
        out.put_u32(u32::from(has_null));
        out.put_u32(self.leaf_type().oid());
        for length in &shape {
            out.put_u32(*length);
            out.put_u32(u32::from(!self.is_vector));
        }
        if shape.is_empty() { Ok(()) } else { self.write_elements(row, out) }
    }

    /// The next dimension.
    fn inner(&self) -> Option<&List<'a>> {
        match &self.elements.column {
            Column::List(inner) if !inner.is_vector => Some(inner),
            _ => None,
        }
    }

    fn leaf_type(&self) -> &SqlType {
        let mut leaf = &self.element_type;
        while let SqlType::Array(element) = leaf {
            leaf = element;
        }
        leaf
    }

    /// The length of each dimension: PostgreSQL's arrays are rectangular.
    fn measure(
        &self,
        row: usize,
        depth: usize,
        shape: &mut Vec<u32>,
        has_null: &mut bool,
    ) -> Result<()> {
        let span = self.spans.span(row);
        let length = u32::try_from(span.len()).map_err(|_| {
            Error::new(SqlState::ProgramLimitExceeded, "array of too many elements cannot be sent")
        })?;
        match shape.get(depth) {
            None if depth == DIMENSIONS_MAX => {
                let message = format!(
                    "number of array dimensions exceeds the maximum allowed ({DIMENSIONS_MAX})"
                );
                return Err(Error::new(SqlState::ProgramLimitExceeded, message));
            }
            None => shape.push(length),
            Some(known) if *known == length => {}
            Some(_) => return Err(ragged()),
        }
        for at in span {
            if self.elements.is_null(at) {
                if matches!(self.element_type, SqlType::Array(_)) {
                    return Err(ragged());
                }
                *has_null = true;
            } else if let Some(inner) = self.inner() {
                inner.measure(at, depth + 1, shape, has_null)?;
            }
        }
        Ok(())
    }

    fn write_elements(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        for at in self.spans.span(row) {
            if let Some(inner) = self.inner() {
                inner.write_elements(at, out)?;
            } else if self.elements.is_null(at) {
                out.put_i32(-1);
            } else {
                with_length(out, |out| self.elements.write_binary(at, out))?;
            }
        }
        Ok(())
    }
}

fn ragged() -> Error {
    Error::unsupported(
        "multidimensional arrays must have array expressions with matching dimensions",
    )
    .with_hint("Ask for the text form, or unnest the array.")
}

/// The values of an array of structs.
pub(super) struct Record<'a> {
    fields: Vec<(u32, ValueEncoder<'a>)>,
}

impl<'a> Record<'a> {
    pub(super) fn new(records: &'a StructArray, settings: &FormatSettings) -> Result<Self> {
        let fields = records.fields().iter().zip(records.columns());
        let encoder =
            |(field, values): (&arrow::datatypes::FieldRef, &'a arrow::array::ArrayRef)| {
                let sql_type = schema::sql_type(field);
                Ok((sql_type.oid(), ValueEncoder::new(values.as_ref(), &sql_type, settings)?))
            };
        Ok(Self { fields: fields.map(encoder).collect::<Result<_>>()? })
    }

    pub(super) fn write_text(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        out.put_u8(b'(');
        for (n, (_, values)) in self.fields.iter().enumerate() {
            if n > 0 {
                out.put_u8(b',');
            }
            if !values.is_null(row) {
                let start = out.len();
                values.write_text(row, out)?;
                quote_field(out, start);
            }
        }
        out.put_u8(b')');
        Ok(())
    }

    pub(super) fn write_binary(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        out.put_u32(self.fields.len() as u32);
        for (oid, values) in &self.fields {
            out.put_u32(*oid);
            if values.is_null(row) {
                out.put_i32(-1);
            } else {
                with_length(out, |out| values.write_binary(row, out))?;
            }
        }
        Ok(())
    }
}
