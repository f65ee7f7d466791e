//! Arrays and the two vector types: lists of values that are built like a column.

use std::sync::Arc;

use arrow::array::{Int32Array, ListArray, NullBufferBuilder};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, FieldRef};
use bytes::Buf;
use weir_delta::schema;
use weir_types::{Error, Result, SqlState, SqlType};

use super::ColumnBuilder;
use crate::value::array_text::{self, Element, ElementKind};
use crate::value::failure::{bad_binary, too_short};
use crate::value::settings::FormatSettings;
use crate::value::{DIMENSIONS_MAX, is_vector};

pub(super) struct ListBuilder {
    elements: ColumnBuilder,
    element_type: SqlType,
    is_vector: bool,
    field: FieldRef,
    /// Start and end of each value among the elements. Elements between two values are those of a
    /// value that was refused.
    spans: Vec<(usize, usize)>,
    nulls: NullBufferBuilder,
    split: Vec<Element>,
    unescaped: String,
}

impl ListBuilder {
    pub(super) fn new(sql_type: &SqlType, settings: &FormatSettings) -> Self {
        let element_type = match sql_type {
            SqlType::Int2Vector => SqlType::Int2,
            SqlType::OidVector => SqlType::Oid,
            SqlType::Array(element) => element.as_ref().clone(),
            other => unreachable!("{other} is not kept as a list"),
        };
        let DataType::List(field) = schema::arrow_type(sql_type) else {
            unreachable!("{sql_type} is kept as a list")
        };
        Self {
            elements: ColumnBuilder::new(&element_type, settings),
            element_type,
            is_vector: is_vector(sql_type),
            field,
            spans: Vec::new(),
            nulls: NullBufferBuilder::new(0),
            split: Vec::new(),
            unescaped: String::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn push_null(&mut self) {
        let end = self.elements.len();
        self.spans.push((end, end));
        self.nulls.append_null();
    }

    /// Adds the elements from `start` on as one value.
    fn close(&mut self, start: usize) {
        self.spans.push((start, self.elements.len()));
        self.nulls.append_non_null();
    }

    pub(super) fn push_text(&mut self, text: &str) -> Result<()> {
        let start = self.elements.len();
        if self.is_vector {
            for number in text.split_ascii_whitespace() {
                self.elements.push_text(number)?;
            }
        } else {
            self.check_element_type()?;
            array_text::split(text, &mut self.split)?;
            for element in &self.split {
                let raw = &text[element.start..element.end];
                match element.kind {
                    ElementKind::Null => self.elements.push_null(),
                    ElementKind::Plain => self.elements.push_text(raw)?,
                    ElementKind::Escaped => {
                        array_text::unescape(raw, &mut self.unescaped);
                        self.elements.push_text(&self.unescaped)?;
                    }
                }
            }
        }
        self.close(start);
        Ok(())
    }

    /// Arrays of arrays come out of queries, but are no type of a column.
    fn check_element_type(&self) -> Result<()> {
        match self.element_type {
            SqlType::Array(_) => {
                Err(Error::unsupported("multidimensional arrays are not supported"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn push_binary(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.check_element_type()?;
        let n_elements = self.receive_header(&mut bytes)?;
        let start = self.elements.len();
        for _ in 0..n_elements {
            let length = bytes.try_get_i32().map_err(|_| too_short())?;
            if length == -1 && !self.is_vector {
                self.elements.push_null();
                continue;
            }
            let length = usize::try_from(length).map_err(|_| bad_binary())?;
            let value = bytes.split_off(..length).ok_or_else(too_short)?;
            self.elements.push_binary(value)?;
        }
        if !bytes.is_empty() {
            return Err(bad_binary());
        }
        self.close(start);
        Ok(())
    }

    /// Takes the header off an array's binary form; the number of elements.
    fn receive_header(&self, bytes: &mut &[u8]) -> Result<usize> {
        let invalid = |message: String| Error::new(SqlState::InvalidBinaryRepresentation, message);
        if bytes.len() < 12 {
            return Err(too_short());
        }
        let (n_dimensions, flags, oid) = (bytes.get_i32(), bytes.get_i32(), bytes.get_u32());
        match usize::try_from(n_dimensions) {
            Ok(n) if n <= DIMENSIONS_MAX => {}
            _ => return Err(invalid(format!("invalid number of dimensions: {n_dimensions}"))),
        }
        if !matches!(flags, 0 | 1) {
            return Err(invalid("invalid array flags".to_owned()));
        }
        if oid != self.element_type.oid() {
            let message = format!(
                "binary data has array element type {oid} instead of expected {} ({})",
                self.element_type.oid(),
                self.element_type
            );
            return Err(Error::new(SqlState::DatatypeMismatch, message));
        }
        if n_dimensions == 0 {
            return Ok(0);
        }
        if n_dimensions > 1 {
            return Err(Error::unsupported("multidimensional arrays are not supported"));
        }
        if bytes.len() < 8 {
            return Err(too_short());
        }
        let (length, lower_bound) = (bytes.get_i32(), bytes.get_i32());
        if lower_bound != i32::from(!self.is_vector) && length > 0 {
            return Err(array_text::lower_bound());
        }
        usize::try_from(length).map_err(|_| invalid(format!("invalid array length: {length}")))
    }

    pub(super) fn finish(&mut self) -> Result<ListArray> {
        let n_elements: usize = self.spans.iter().map(|(start, end)| end - start).sum();
        let last = i32::try_from(self.elements.len().max(n_elements)).map_err(|_| {
            Error::new(
                SqlState::ProgramLimitExceeded,
                "arrays of one batch exceed the limit of 2147483647 elements",
            )
        })?;
        let mut elements = self.elements.finish()?;
        let spans = std::mem::take(&mut self.spans);
        if n_elements < last as usize {
            let kept = spans.iter().flat_map(|(start, end)| *start as i32..*end as i32);
            elements =
                take(&elements, &Int32Array::from_iter_values(kept), None).map_err(|error| {
                    Error::internal(format!(
                        "elements of refused arrays cannot be left out: {error}"
                    ))
                })?;
        }
        let lengths = spans.iter().map(|(start, end)| end - start);
        let offsets = OffsetBuffer::<i32>::from_lengths(lengths);
        let nulls = self.nulls.finish();
        ListArray::try_new(Arc::clone(&self.field), offsets, elements, nulls)
            .map_err(|error| Error::internal(format!("a list does not fit its type: {error}")))
    }
}
