//! What the rows of a group become.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, StringViewArray, StringViewBuilder, UInt32Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::take;
use arrow::datatypes::DataType;
use weir_types::{Error, Result};

use super::sorted::Sorted;
use crate::functions::call::check_size;
use crate::functions::json;

/// What an aggregate makes of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Array,
    Text,
    JsonArray,
    JsonbArray,
    JsonObject,
    JsonbObject,
}

impl Form {
    /// The function that makes the text of a row from the arguments, where that text is what is collected.
    pub(crate) fn row_function(self) -> Option<&'static str> {
        match self {
            Self::Array | Self::Text => None,
            Self::JsonArray => Some("json_element"),
            Self::JsonbArray => Some("jsonb_element"),
            Self::JsonObject => Some("json_member"),
            Self::JsonbObject => Some("jsonb_member"),
        }
    }

    /// The arguments that a result is put together from. What DISTINCT goes by instead is behind them.
    pub(super) fn n_arguments(self) -> usize {
        if self == Self::Text { 2 } else { 1 }
    }

    /// The rows that count, where some do not.
    pub(super) fn counting(self, arguments: &[ArrayRef]) -> Option<NullBuffer> {
        match self {
            Self::Text => arguments[0].logical_nulls(),
            _ => None,
        }
    }

    /// A result of type `to` for each group; NULL for one without rows.
    pub(super) fn put_together(
        self,
        arguments: &[ArrayRef],
        sorted: &Sorted,
        to: &DataType,
    ) -> Result<ArrayRef> {
        match self {
            Self::Array => array(&arguments[0], sorted, to),
            Self::Text => text(arguments, sorted),
            Self::JsonArray | Self::JsonbArray | Self::JsonObject | Self::JsonbObject => {
                self.json(&arguments[0], sorted)
            }
        }
    }

    fn json(self, texts: &ArrayRef, sorted: &Sorted) -> Result<ArrayRef> {
        let (open, close) = match self {
            Self::JsonObject => ("{ ", " }"),
            Self::JsonbObject => ("{", "}"),
            _ => ("[", "]"),
        };
        let texts = texts.as_string_view();
        let of_group = |rows: &[u32], out: &mut String| {
            out.push_str(open);
            for (place, row) in rows.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { ", " });
                out.push_str(value_of(texts, *row).unwrap_or("null"));
                check_size("json aggregate", out.len())?;
            }
            out.push_str(close);
            if self == Self::JsonbObject {
                // Later members win, and members are sorted.
                *out = json::canonical_text(out)?;
            }
            Ok(())
        };
        texts_of_groups(sorted, of_group)
    }
}

fn array(values: &ArrayRef, sorted: &Sorted, to: &DataType) -> Result<ArrayRef> {
    let DataType::List(element) = to else {
        return Err(Error::internal(format!("an array is to be a {to}")));
    };
    let mut offsets = Vec::with_capacity(sorted.n_groups() + 1);
    offsets.push(0);
    for rows in sorted.groups() {
        let end = offsets[offsets.len() - 1] as usize + rows.len();
        // Offsets of lists have 31 bits.
        check_size("array_agg", end)?;
        offsets.push(i32::try_from(end).map_err(|_| Error::internal("a size within the limit"))?);
    }
    let rows = UInt32Array::new(ScalarBuffer::from(sorted.rows().to_vec()), None);
    let values = take(values, &rows, None).map_err(arrow_error)?;
    let nulls: NullBuffer = sorted.groups().map(|rows| !rows.is_empty()).collect();
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let list = ListArray::try_new(Arc::clone(element), offsets, values, Some(nulls));
    list.map(|list| Arc::new(list) as ArrayRef).map_err(arrow_error)
}

fn text(arguments: &[ArrayRef], sorted: &Sorted) -> Result<ArrayRef> {
    let (values, delimiters) = (arguments[0].as_string_view(), arguments[1].as_string_view());
    texts_of_groups(sorted, |rows, out| {
        for (place, row) in rows.iter().enumerate() {
            if place > 0 {
                out.push_str(value_of(delimiters, *row).unwrap_or_default());
            }
            out.push_str(value_of(values, *row).unwrap_or_default());
            check_size("string_agg", out.len())?;
        }
        Ok(())
    })
}

fn texts_of_groups(
    sorted: &Sorted,
    of_group: impl Fn(&[u32], &mut String) -> Result<()>,
) -> Result<ArrayRef> {
    let mut texts = StringViewBuilder::with_capacity(sorted.n_groups());
    let mut out = String::new();
    for rows in sorted.groups() {
        if rows.is_empty() {
            texts.append_null();
            continue;
        }
        out.clear();
        of_group(rows, &mut out)?;
        texts.append_value(&out);
    }
    Ok(Arc::new(texts.finish()))
}

fn value_of(texts: &StringViewArray, row: u32) -> Option<&str> {
    let row = row as usize;
    texts.is_valid(row).then(|| texts.value(row))
}

fn arrow_error(error: arrow::error::ArrowError) -> Error {
    Error::internal(format!("an array cannot be put together: {error}"))
}
