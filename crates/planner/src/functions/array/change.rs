//! Arrays from elements and other arrays.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Int32Type};
use weir_delta::schema::arrow_type;
use weir_types::{Error, Result, SqlState};

use super::{Keys, indexes, one_dimension, value_index, values};
use crate::functions::call::Call;
use crate::functions::coercion::element_of;
use crate::functions::number::{error_of, invalid_parameter};
use crate::functions::overload::{Declaration, declare};

pub(super) const DECLARATIONS: &[Declaration] = &[
    declare("array(variadic anycompatible) -> anycompatiblearray", literal).takes_null(),
    declare("array() -> text[]", literal).takes_null(),
    declare("array_append(anycompatiblearray, anycompatible) -> anycompatiblearray", append)
        .takes_null(),
    declare("array_prepend(anycompatible, anycompatiblearray) -> anycompatiblearray", prepend)
        .takes_null(),
    declare("array_cat(anycompatiblearray, anycompatiblearray) -> anycompatiblearray", cat)
        .takes_null(),
    declare("||(anycompatiblearray, anycompatible) -> anycompatiblearray", append).takes_null(),
    declare("||(anycompatible, anycompatiblearray) -> anycompatiblearray", prepend).takes_null(),
    declare("||(anycompatiblearray, anycompatiblearray) -> anycompatiblearray", cat).takes_null(),
    declare("array_remove(anycompatiblearray, anycompatible) -> anycompatiblearray", remove)
        .takes_null(),
    declare(
        "array_replace(anycompatiblearray, anycompatible, anycompatible) -> anycompatiblearray",
        replace,
    )
    .takes_null(),
    declare("array_slice(anyarray, int4, int4) -> anyarray", slice),
    declare("trim_array(anyarray, int4) -> anyarray", trim),
    declare("array_fill(anyelement, int4[]) -> anyarray", fill).takes_null(),
];

/// Builds lists from the values of several arrays.
struct Builder<'a> {
    sources: Vec<&'a ArrayRef>,
    /// The source and index of each element.
    taken: Vec<(usize, usize)>,
    ends: Vec<usize>,
    valid: Vec<bool>,
}

impl<'a> Builder<'a> {
    fn new(sources: Vec<&'a ArrayRef>) -> Self {
        Self { sources, taken: Vec::new(), ends: Vec::new(), valid: Vec::new() }
    }

    fn push(&mut self, source: usize, indexes: Range<usize>) {
        self.taken.extend(indexes.map(|index| (source, index)));
    }

    fn end(&mut self, is_valid: bool) {
        self.ends.push(self.taken.len());
        self.valid.push(is_valid);
    }

    fn finish(self, call: &Call<'_>) -> Result<ArrayRef> {
        let DataType::List(field) = arrow_type(&call.types.returns) else {
            return Err(Error::internal("an array is not kept as a list"));
        };
        let internal = |error| Error::internal(format!("{}: {error}", call.name));
        let values = if self.taken.is_empty() {
            arrow::array::new_empty_array(field.data_type())
        } else {
            let sources: Vec<&dyn Array> =
                self.sources.iter().map(|array| array.as_ref()).collect();
            interleave(&sources, &self.taken).map_err(internal)?
        };
        let mut previous = 0;
        let lengths = self.ends.iter().map(|end| end - std::mem::replace(&mut previous, *end));
        let offsets = OffsetBuffer::from_lengths(lengths);
        let list = ListArray::try_new(field, offsets, values, Some(NullBuffer::from(self.valid)));
        Ok(Arc::new(list.map_err(internal)?))
    }
}

fn literal(call: &Call<'_>) -> Result<ArrayRef> {
    if element_of(&call.types.returns).is_some_and(|element| element_of(&element).is_some()) {
        return Err(one_dimension());
    }
    let mut lists = Builder::new(call.arguments.iter().map(|argument| &argument.array).collect());
    for row in 0..call.n_rows {
        for (source, argument) in call.arguments.iter().enumerate() {
            let index = value_index(argument, row);
            lists.push(source, index..index + 1);
        }
        lists.end(true);
    }
    lists.finish(call)
}

fn append(call: &Call<'_>) -> Result<ArrayRef> {
    let mut lists = Builder::new(vec![values(&call.arguments[0]), &call.arguments[1].array]);
    for row in 0..call.n_rows {
        lists.push(0, indexes(call, 0, row).unwrap_or(0..0));
        let index = value_index(&call.arguments[1], row);
        lists.push(1, index..index + 1);
        lists.end(true);
    }
    lists.finish(call)
}

fn prepend(call: &Call<'_>) -> Result<ArrayRef> {
    let mut lists = Builder::new(vec![&call.arguments[0].array, values(&call.arguments[1])]);
    for row in 0..call.n_rows {
        let index = value_index(&call.arguments[0], row);
        lists.push(0, index..index + 1);
        lists.push(1, indexes(call, 1, row).unwrap_or(0..0));
        lists.end(true);
    }
    lists.finish(call)
}

fn cat(call: &Call<'_>) -> Result<ArrayRef> {
    let mut lists = Builder::new(vec![values(&call.arguments[0]), values(&call.arguments[1])]);
    for row in 0..call.n_rows {
        let (left, right) = (indexes(call, 0, row), indexes(call, 1, row));
        let is_valid = left.is_some() || right.is_some();
        lists.push(0, left.unwrap_or(0..0));
        lists.push(1, right.unwrap_or(0..0));
        lists.end(is_valid);
    }
    lists.finish(call)
}

fn remove(call: &Call<'_>) -> Result<ArrayRef> {
    let elements = values(&call.arguments[0]);
    let keys = Keys::of([elements, &call.arguments[1].array], &call.element_type(0))?;
    let mut lists = Builder::new(vec![elements]);
    for row in 0..call.n_rows {
        let range = indexes(call, 0, row);
        let is_valid = range.is_some();
        let unwanted = value_index(&call.arguments[1], row);
        for index in range.into_iter().flatten() {
            if keys[0].at(index) != keys[1].at(unwanted) {
                lists.push(0, index..index + 1);
            }
        }
        lists.end(is_valid);
    }
    lists.finish(call)
}

fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let elements = values(&call.arguments[0]);
    let keys = Keys::of([elements, &call.arguments[1].array], &call.element_type(0))?;
    let mut lists = Builder::new(vec![elements, &call.arguments[2].array]);
    for row in 0..call.n_rows {
        let range = indexes(call, 0, row);
        let is_valid = range.is_some();
        let (old, new) =
            (value_index(&call.arguments[1], row), value_index(&call.arguments[2], row));
        for index in range.into_iter().flatten() {
            if keys[0].at(index) == keys[1].at(old) {
                lists.push(1, new..new + 1);
            } else {
                lists.push(0, index..index + 1);
            }
        }
        lists.end(is_valid);
    }
    lists.finish(call)
}

fn slice(call: &Call<'_>) -> Result<ArrayRef> {
    let (from, to) = (call.numbers::<Int32Type>(1), call.numbers::<Int32Type>(2));
    let mut lists = Builder::new(vec![values(&call.arguments[0])]);
    for row in 0..call.n_rows {
        let range = if call.is_null(row) { None } else { indexes(call, 0, row) };
        if let Some(range) = &range {
            let length = range.len() as i64;
            let first = (i64::from(from.at(row)) - 1).clamp(0, length) as usize;
            let last = i64::from(to.at(row)).clamp(0, length) as usize;
            lists.push(0, range.start + first..range.start + last.max(first));
        }
        lists.end(range.is_some());
    }
    lists.finish(call)
}

fn trim(call: &Call<'_>) -> Result<ArrayRef> {
    let counts = call.numbers::<Int32Type>(1);
    let mut lists = Builder::new(vec![values(&call.arguments[0])]);
    for row in 0..call.n_rows {
        let range = if call.is_null(row) { None } else { indexes(call, 0, row) };
        if let Some(range) = &range {
            let count = usize::try_from(counts.at(row)).ok().filter(|count| *count <= range.len());
            let count = count.ok_or_else(|| {
                let most = range.len();
                error_of(
                    "2202E",
                    &format!("number of elements to trim must be between 0 and {most}"),
                )
            })?;
            lists.push(0, range.start..range.end - count);
        }
        lists.end(range.is_some());
    }
    lists.finish(call)
}

/// Most elements that an array is filled with.
pub(super) const ELEMENTS_MAX: i64 = 16 << 20;

/// The error of an array with too many elements (54000).
pub(super) fn too_many() -> Error {
    Error::new(
        SqlState::ProgramLimitExceeded,
        format!("array size exceeds the maximum allowed ({ELEMENTS_MAX})"),
    )
}

fn fill(call: &Call<'_>) -> Result<ArrayRef> {
    let sizes = values(&call.arguments[1]).as_primitive::<Int32Type>();
    let mut lists = Builder::new(vec![&call.arguments[0].array]);
    for row in 0..call.n_rows {
        let Some(range) = indexes(call, 1, row) else {
            return Err(Error::new(
                SqlState::NullValueNotAllowed,
                "dimension array or low bound array cannot be null",
            ));
        };
        if range.len() > 1 {
            return Err(one_dimension());
        }
        let size = range.clone().next().map_or(0, |index| i64::from(sizes.value(index)));
        if size < 0 {
            return Err(invalid_parameter("dimension values cannot be negative"));
        }
        if size > ELEMENTS_MAX {
            return Err(too_many());
        }
        let index = value_index(&call.arguments[0], row);
        (0..size).for_each(|_| lists.push(0, index..index + 1));
        lists.end(true);
    }
    lists.finish(call)
}
