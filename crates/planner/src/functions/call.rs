//! One call of a function over a batch: typed views of its arguments, and loops that build its result.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BinaryBuilder, BooleanArray,
    BooleanBufferBuilder, ListArray, PrimitiveArray, StringViewArray, StringViewBuilder,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use weir_connect::value::FormatSettings;
use weir_delta::schema::arrow_type;
use weir_types::limits::VALUE_BYTES_MAX;
use weir_types::{Error, Result, SqlState, SqlType};

use super::coercion::element_of;
use super::overload::CallTypes;

/// The body of a function: from a batch of arguments to as many results.
pub(crate) type Kernel = fn(&Call<'_>) -> Result<ArrayRef>;

/// One argument: a column, or one value for all rows.
pub(crate) struct Argument {
    pub(crate) array: ArrayRef,
    pub(crate) is_constant: bool,
}

impl Argument {
    fn index(&self, row: usize) -> usize {
        if self.is_constant { 0 } else { row }
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.array.is_null(self.index(row))
    }
}

/// A call over a batch. The arguments have just the Arrow types of `types.arguments`.
pub(crate) struct Call<'a> {
    pub(crate) name: &'a str,
    pub(crate) arguments: &'a [Argument],
    pub(crate) types: &'a CallTypes,
    pub(crate) n_rows: usize,
    pub(crate) settings: &'a FormatSettings,
    /// Rows without a result, as an argument of a strict function is NULL there.
    nulls: Option<NullBuffer>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        name: &'a str,
        arguments: &'a [Argument],
        types: &'a CallTypes,
        n_rows: usize,
        settings: &'a FormatSettings,
        is_strict: bool,
    ) -> Self {
        let nulls = if is_strict { null_rows(arguments, n_rows) } else { None };
        Self { name, arguments, types, n_rows, settings, nulls }
    }

    /// True if the row has no result because an argument is NULL.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    pub(crate) fn nulls(&self) -> Option<&NullBuffer> {
        self.nulls.as_ref()
    }

    pub(crate) fn texts(&self, argument: usize) -> Texts<'_> {
        let Argument { array, is_constant } = &self.arguments[argument];
        Texts { array: array.as_string_view(), is_constant: *is_constant }
    }

    pub(crate) fn bytes(&self, argument: usize) -> Bytes<'_> {
        let Argument { array, is_constant } = &self.arguments[argument];
        Bytes { array: array.as_binary(), is_constant: *is_constant }
    }

    pub(crate) fn booleans(&self, argument: usize) -> Booleans<'_> {
        let Argument { array, is_constant } = &self.arguments[argument];
        Booleans { array: array.as_boolean(), is_constant: *is_constant }
    }

    pub(crate) fn numbers<T: ArrowPrimitiveType>(&self, argument: usize) -> Numbers<'_, T> {
        let Argument { array, is_constant } = &self.arguments[argument];
        Numbers { values: array.as_primitive::<T>().values(), is_constant: *is_constant }
    }

    pub(crate) fn lists(&self, argument: usize) -> Lists<'_> {
        let Argument { array, is_constant } = &self.arguments[argument];
        Lists { array: array.as_list::<i32>(), is_constant: *is_constant }
    }

    /// The type of the elements of an array argument.
    pub(crate) fn element_type(&self, argument: usize) -> SqlType {
        element_of(&self.types.arguments[argument]).unwrap_or(SqlType::Unknown)
    }

    /// The precision and scale of a numeric argument.
    pub(crate) fn numeric(&self, argument: usize) -> (u8, i8) {
        super::coercion::as_numeric(&self.types.arguments[argument])
    }

    /// A text for each row that is not NULL: what `write` appends.
    pub(crate) fn each_text(
        &self,
        mut write: impl FnMut(usize, &mut String) -> Result<()>,
    ) -> Result<ArrayRef> {
        self.each_maybe_text(|row, out| write(row, out).map(|()| true))
    }

    /// As [`Self::each_text`], NULL where `write` says false.
    pub(crate) fn each_maybe_text(
        &self,
        mut write: impl FnMut(usize, &mut String) -> Result<bool>,
    ) -> Result<ArrayRef> {
        let mut builder = StringViewBuilder::with_capacity(self.n_rows);
        let mut text = String::new();
        for row in 0..self.n_rows {
            text.clear();
            if !self.is_null(row) && write(row, &mut text)? {
                check_size(self.name, text.len())?;
                builder.append_value(&text);
            } else {
                builder.append_null();
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// A text for each row that is not NULL, taken from what the call borrows.
    pub(crate) fn each_slice<'s>(
        &self,
        mut slice: impl FnMut(usize) -> Result<&'s str>,
    ) -> Result<ArrayRef> {
        let mut builder = StringViewBuilder::with_capacity(self.n_rows);
        for row in 0..self.n_rows {
            if self.is_null(row) {
                builder.append_null();
            } else {
                builder.append_value(slice(row)?);
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// Bytes for each row that is not NULL: what `write` appends.
    pub(crate) fn each_bytes(
        &self,
        mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<()>,
    ) -> Result<ArrayRef> {
        let mut builder = BinaryBuilder::with_capacity(self.n_rows, 0);
        let mut bytes = Vec::new();
        for row in 0..self.n_rows {
            bytes.clear();
            if self.is_null(row) {
                builder.append_null();
            } else {
                write(row, &mut bytes)?;
                check_size(self.name, bytes.len())?;
                builder.append_value(&bytes);
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// A value for each row that is not NULL.
    pub(crate) fn each<T: ArrowPrimitiveType>(
        &self,
        mut value: impl FnMut(usize) -> Result<T::Native>,
    ) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(self.n_rows);
        for row in 0..self.n_rows {
            values.push(if self.is_null(row) { T::Native::default() } else { value(row)? });
        }
        Ok(self.primitive::<T>(values, self.nulls.clone()))
    }

    /// A value for each row that is not NULL, NULL where there is none.
    pub(crate) fn each_maybe<T: ArrowPrimitiveType>(
        &self,
        mut value: impl FnMut(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(self.n_rows);
        let mut valid = BooleanBufferBuilder::new(self.n_rows);
        for row in 0..self.n_rows {
            let value = if self.is_null(row) { None } else { value(row)? };
            valid.append(value.is_some());
            values.push(value.unwrap_or_default());
        }
        Ok(self.primitive::<T>(values, Some(NullBuffer::new(valid.finish()))))
    }

    /// An array of the result's type.
    pub(crate) fn primitive<T: ArrowPrimitiveType>(
        &self,
        values: Vec<T::Native>,
        nulls: Option<NullBuffer>,
    ) -> ArrayRef {
        let array = PrimitiveArray::<T>::new(values.into(), nulls);
        Arc::new(array.with_data_type(arrow_type(&self.types.returns)))
    }

    pub(crate) fn each_bool(
        &self,
        mut value: impl FnMut(usize) -> Result<bool>,
    ) -> Result<ArrayRef> {
        let mut values = BooleanBufferBuilder::new(self.n_rows);
        for row in 0..self.n_rows {
            values.append(!self.is_null(row) && value(row)?);
        }
        Ok(Arc::new(BooleanArray::new(values.finish(), self.nulls.clone())))
    }

    pub(crate) fn each_maybe_bool(
        &self,
        mut value: impl FnMut(usize) -> Result<Option<bool>>,
    ) -> Result<ArrayRef> {
        let mut values = Vec::with_capacity(self.n_rows);
        for row in 0..self.n_rows {
            values.push(if self.is_null(row) { None } else { value(row)? });
        }
        Ok(Arc::new(BooleanArray::from(values)))
    }
}

/// Rows in which any argument is NULL.
fn null_rows(arguments: &[Argument], n_rows: usize) -> Option<NullBuffer> {
    let mut nulls: Option<NullBuffer> = None;
    for argument in arguments {
        let of_argument = if argument.is_constant {
            argument.is_null(0).then(|| NullBuffer::new_null(n_rows))
        } else {
            argument.array.logical_nulls()
        };
        nulls = NullBuffer::union(nulls.as_ref(), of_argument.as_ref());
    }
    nulls.filter(|nulls| nulls.null_count() > 0)
}

/// 54000 for a text or bytea that is larger than a value may be.
pub(crate) fn check_size(function: &str, bytes: usize) -> Result<()> {
    if bytes <= VALUE_BYTES_MAX {
        return Ok(());
    }
    Err(Error::new(
        SqlState::ProgramLimitExceeded,
        format!("result of function {function} is too large"),
    )
    .with_detail(format!("A value has at most {VALUE_BYTES_MAX} bytes.")))
}

/// A text argument.
#[derive(Clone, Copy)]
pub(crate) struct Texts<'a> {
    array: &'a StringViewArray,
    is_constant: bool,
}

impl<'a> Texts<'a> {
    pub(crate) fn at(&self, row: usize) -> &'a str {
        self.array.value(if self.is_constant { 0 } else { row })
    }

    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        let row = if self.is_constant { 0 } else { row };
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

/// A bytea argument.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a> {
    array: &'a BinaryArray,
    is_constant: bool,
}

impl<'a> Bytes<'a> {
    pub(crate) fn at(&self, row: usize) -> &'a [u8] {
        self.array.value(if self.is_constant { 0 } else { row })
    }
}

/// A boolean argument.
#[derive(Clone, Copy)]
pub(crate) struct Booleans<'a> {
    array: &'a BooleanArray,
    is_constant: bool,
}

impl Booleans<'_> {
    pub(crate) fn at(&self, row: usize) -> bool {
        self.array.value(if self.is_constant { 0 } else { row })
    }
}

/// An argument of numbers, dates or times.
pub(crate) struct Numbers<'a, T: ArrowPrimitiveType> {
    pub(crate) values: &'a ScalarBuffer<T::Native>,
    pub(crate) is_constant: bool,
}

impl<T: ArrowPrimitiveType> Clone for Numbers<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ArrowPrimitiveType> Copy for Numbers<'_, T> {}

impl<T: ArrowPrimitiveType> Numbers<'_, T> {
    pub(crate) fn at(&self, row: usize) -> T::Native {
        self.values[if self.is_constant { 0 } else { row }]
    }
}

/// An array argument.
#[derive(Clone, Copy)]
pub(crate) struct Lists<'a> {
    pub(crate) array: &'a ListArray,
    is_constant: bool,
}

impl Lists<'_> {
    fn index(&self, row: usize) -> usize {
        if self.is_constant { 0 } else { row }
    }

    /// Where the elements of a row are among all elements; `None` for NULL.
    pub(crate) fn range(&self, row: usize) -> Option<std::ops::Range<usize>> {
        let row = self.index(row);
        let offsets = self.array.value_offsets();
        self.array.is_valid(row).then(|| offsets[row] as usize..offsets[row + 1] as usize)
    }

    /// All elements.
    pub(crate) fn elements(&self) -> &ArrayRef {
        self.array.values()
    }
}
