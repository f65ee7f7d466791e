//! Text and binary forms of SQL values, as PostgreSQL 15 writes and reads them.
//!
//! [`ValueEncoder`] writes the values of an Arrow array, [`ColumnBuilder`] reads values into one.
//! Both are made for a SQL type; which Arrow type keeps it is said by `weir_delta::schema`.
//!
//! **What differs from PostgreSQL:** `infinity` of dates and `NaN` of numeric do not exist;
//! `numeric` without precision keeps 10 digits behind the point; timestamps end in the year 294247;
//! the time of an interval is below 293 years; arrays have one dimension, counted from 1; `now` and
//! `today` are no literals; labelled dates (`y2024m01d02`) and hexadecimal floats are not read.
//! `char(n)` is kept without the spaces at its end, which are no part of its value, and written
//! with them.

mod abbreviation;
mod array_text;
mod boolean;
mod builder;
mod bytea;
mod calendar;
mod datetime_input;
mod datetime_output;
mod digits;
pub(crate) mod encoder;
pub(crate) mod failure;
pub(crate) mod float;
mod integer;
mod interval;
mod interval_input;
mod json;
mod numeric;
mod object_names;
mod settings;
pub(crate) mod string;
#[cfg(test)]
pub(crate) mod tests;
mod uuid;
mod zone;

use arrow::array::Array;
use bytes::BytesMut;
use weir_types::SqlType;

pub use self::builder::ColumnBuilder;
pub use self::encoder::ValueEncoder;
pub use self::object_names::{NameSource, ObjectNames};
pub use self::settings::{DateFormat, DateOrder, DateStyle, FormatSettings, IntervalStyle};
pub use self::zone::TimeZone;

/// First byte of `jsonb`'s binary form.
const JSONB_VERSION: u8 = 1;
/// PostgreSQL's limit for the dimensions of an array.
const DIMENSIONS_MAX: usize = 6;

/// True for the types that are arrays in binary and lists of numbers in text.
fn is_vector(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Int2Vector | SqlType::OidVector)
}

/// One value as text with default settings, for messages: `NULL` for NULL, and the error in angle
/// brackets for a value that has no text.
#[must_use]
pub fn display(array: &dyn Array, row: usize, sql_type: &SqlType) -> String {
    let text = ValueEncoder::new(array, sql_type, &FormatSettings::default()).and_then(|encoder| {
        let mut out = BytesMut::new();
        if encoder.is_null(row) {
            out.extend_from_slice(b"NULL");
        } else {
            encoder.write_text(row, &mut out)?;
        }
        Ok(String::from_utf8_lossy(&out).into_owned())
    });
    text.unwrap_or_else(|error| format!("<{error}>"))
}
