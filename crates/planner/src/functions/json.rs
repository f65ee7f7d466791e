//! Functions and operators of `json` and `jsonb`. Both are kept as text: `json` as it was written,
//! `jsonb` in its canonical form.

mod access;
mod build;
mod change;
mod scan;

pub use build::JsonRows;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewBuilder};
use weir_connect::value::{ColumnBuilder, FormatSettings};
use weir_types::{Error, Result, SqlState, SqlType};

use self::scan::Kind;
use super::overload::Declaration;

/// The functions of this module.
pub(crate) fn declarations() -> impl Iterator<Item = &'static Declaration> {
    access::DECLARATIONS.iter().chain(build::DECLARATIONS).chain(change::DECLARATIONS)
}

/// JSON texts in the form of `jsonb`.
pub(crate) fn canonical(array: &ArrayRef) -> Result<ArrayRef> {
    let texts = array.as_string_view();
    let mut builder = ColumnBuilder::new(&SqlType::Jsonb, &FormatSettings::default());
    for row in 0..texts.len() {
        if texts.is_null(row) {
            builder.push_null();
        } else {
            builder.push_text(texts.value(row))?;
        }
    }
    builder.finish()
}

/// A JSON text in the form of `jsonb`.
pub(crate) fn canonical_text(text: &str) -> Result<String> {
    let mut builder = ColumnBuilder::new(&SqlType::Jsonb, &FormatSettings::default());
    builder.push_text(text)?;
    Ok(builder.finish()?.as_string_view().value(0).to_owned())
}

fn no_cast(kind: Kind, to: &SqlType) -> Error {
    Error::new(
        SqlState::InvalidParameterValue,
        format!("cannot cast jsonb {} to type {to}", kind.name()),
    )
}

/// The booleans that jsonb values are.
///
/// # Errors
/// 22023 for another value.
pub(crate) fn to_bool(array: &ArrayRef) -> Result<ArrayRef> {
    let texts = array.as_string_view();
    let mut values = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        values.push(match texts.is_valid(row).then(|| texts.value(row)) {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(other) => return Err(no_cast(Kind::of(other), &SqlType::Bool)),
        });
    }
    Ok(Arc::new(BooleanArray::from(values)))
}

/// The texts of the numbers that jsonb values are.
///
/// # Errors
/// 22023 for another value.
pub(crate) fn to_numeric_text(array: &ArrayRef, to: &SqlType) -> Result<ArrayRef> {
    let texts = array.as_string_view();
    for text in texts.iter().flatten() {
        if Kind::of(text) != Kind::Number {
            return Err(no_cast(Kind::of(text), to));
        }
    }
    Ok(Arc::clone(array))
}

/// A text as a JSON string.
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A builder of arrays of JSON texts.
fn lists() -> arrow::array::ListBuilder<StringViewBuilder> {
    super::text::list::text_lists()
}
