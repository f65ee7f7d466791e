//! Literals of known type from literals of unknown type.

use arrow::array::{Array, ArrayRef};
use datafusion::common::metadata::FieldMetadata;
use datafusion::logical_expr::Expr;
use datafusion::scalar::ScalarValue;
use weir_connect::value::{ColumnBuilder, FormatSettings};
use weir_delta::schema;
use weir_types::{Error, Result, SqlType};

use super::{convert, numeric_of_text};
use crate::functions::coercion::Context;

/// The literal of type `to` that a text means, or NULL; and its type, which for a `numeric` has the
/// digits of the text.
///
/// # Errors
/// Those of the type's input function.
pub(crate) fn literal_of(
    text: Option<&str>,
    to: &SqlType,
    context: Context,
    settings: &FormatSettings,
) -> Result<(Expr, SqlType)> {
    let Some(text) = text else { return Ok((null_literal(to)?, to.clone())) };
    let (read_as, to) = match to {
        // As a value of its column has the column's digits.
        SqlType::Numeric(None) if context != Context::Assignment => {
            let exact = numeric_of_text(text).unwrap_or(SqlType::Numeric(None));
            (exact.clone(), exact)
        }
        // An explicit cast cuts the text, where reading it as that type would fail.
        SqlType::Varchar(Some(_)) | SqlType::Char(Some(_)) if context == Context::Explicit => {
            (SqlType::Text, to.clone())
        }
        _ => (to.clone(), to.clone()),
    };
    let mut builder = ColumnBuilder::new(&read_as, settings);
    builder.push_text(text)?;
    let mut array = builder.finish()?;
    if read_as != to {
        array = convert(&array, &read_as, &to, context, settings)?;
    }
    Ok((literal_from(&array, &to)?, to))
}

/// NULL of that type.
pub(crate) fn null_literal(to: &SqlType) -> Result<Expr> {
    let array = arrow::array::new_null_array(&schema::arrow_type(to), 1);
    literal_from(&array, to)
}

/// The first value of an array as a literal.
fn literal_from(array: &ArrayRef, to: &SqlType) -> Result<Expr> {
    debug_assert_eq!(array.len(), 1);
    let value = ScalarValue::try_from_array(array, 0).map_err(|error| {
        Error::internal(format!("a literal of type {to} has no scalar: {error}"))
    })?;
    let field = schema::field("literal", to, true);
    let is_told = !field.metadata().is_empty() || is_integer_sized(&value);
    let metadata = is_told.then(|| FieldMetadata::from(field.metadata()));
    Ok(Expr::Literal(value, metadata))
}

/// True for a `bigint` that an `integer` can be. A bare number of that size is an `integer` wherever a plan is typed,
/// and that of a view is typed again within each query over it: metadata, if without an entry, tells the two apart.
fn is_integer_sized(value: &ScalarValue) -> bool {
    matches!(value, ScalarValue::Int64(Some(number)) if i32::try_from(*number).is_ok())
}
