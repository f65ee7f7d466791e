//! Assignment: bringing the value of an expression to the type of the column that it goes to.

use arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use arrow::datatypes::DataType;
use weir_catalog::Column;
use weir_connect::value::{ColumnBuilder, FormatSettings, display};
use weir_planner::semantics::is_assignable;
use weir_types::{Error, Result, SqlState, SqlType};

/// `values` of type `from` as values of `column`.
///
/// # Errors
/// 42804 where the types do not fit, 22003, 22001 and the like where a value does not.
pub(crate) fn assign(
    values: &ArrayRef,
    from: &SqlType,
    column: &Column,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    as_type(values, from, &column.sql_type, settings)?.ok_or_else(|| mismatch(from, column))
}

/// `values` of type `from` as those of `to`; `None` where the types do not fit.
///
/// # Errors
/// 22003, 22001 and the like where a value does not fit.
pub(crate) fn as_type(
    values: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    settings: &FormatSettings,
) -> Result<Option<ArrayRef>> {
    if from == to {
        return Ok(Some(std::sync::Arc::clone(values)));
    }
    if values.null_count() == values.len() {
        let data_type = weir_delta::schema::arrow_type(to);
        return Ok(Some(arrow::array::new_null_array(&data_type, values.len())));
    }
    let converted = match (class(from), class(to)) {
        (Class::Text, Class::Text) => text(values, from, to, settings),
        (Class::Number, Class::Number) | (Class::Moment, Class::Moment) => {
            by_text_where_needed(values, from, to, settings)
        }
        // Unknown literals become what they are needed as.
        (Class::Unknown, _) | (_, Class::Text) => by_text(values, from, to, settings),
        (Class::Json, Class::Json) => by_text(values, from, to, settings),
        (Class::Array, Class::Array) => by_text(values, from, to, settings),
        (Class::Other, Class::Other) if same_arrow(from, to) => {
            weir_delta::schema::normalize(values, &weir_delta::schema::arrow_type(to))
        }
        _ => return Ok(None),
    };
    converted.map(Some)
}

/// Refuses a type whose values the column never takes.
///
/// # Errors
/// 42804.
pub(crate) fn check_type(from: &SqlType, column: &Column) -> Result<()> {
    if is_assignable(from, &column.sql_type) { Ok(()) } else { Err(mismatch(from, column)) }
}

fn mismatch(from: &SqlType, column: &Column) -> Error {
    let to = &column.sql_type;
    Error::new(
        SqlState::DatatypeMismatch,
        format!("column \"{}\" is of type {to} but expression is of type {from}", column.name),
    )
    .with_hint("You will need to rewrite or cast the expression.")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Unknown,
    Text,
    Number,
    Moment,
    Json,
    Array,
    Other,
}

fn class(sql_type: &SqlType) -> Class {
    match sql_type {
        SqlType::Unknown => Class::Unknown,
        SqlType::Text | SqlType::Varchar(_) | SqlType::Char(_) | SqlType::Name => Class::Text,
        SqlType::Int2
        | SqlType::Int4
        | SqlType::Int8
        | SqlType::Float4
        | SqlType::Float8
        | SqlType::Oid
        | SqlType::Numeric(_) => Class::Number,
        SqlType::Date | SqlType::Timestamp | SqlType::Timestamptz => Class::Moment,
        SqlType::Json | SqlType::Jsonb => Class::Json,
        SqlType::Array(_) => Class::Array,
        _ => Class::Other,
    }
}

fn same_arrow(from: &SqlType, to: &SqlType) -> bool {
    weir_delta::schema::arrow_type(from) == weir_delta::schema::arrow_type(to)
}

/// Text to text: lengths are checked. The blanks at the end of a char are added for a `bpchar` without length, and
/// mean nothing to other types.
fn text(
    values: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    if matches!((from, to), (SqlType::Char(Some(_)), SqlType::Char(None))) {
        return by_text(values, from, to, settings);
    }
    let views = weir_delta::schema::normalize(values, &DataType::Utf8View)?;
    let views: ArrayRef = match (from, to) {
        (SqlType::Char(None), SqlType::Char(_)) => views,
        (SqlType::Char(None), _) => {
            let texts = views.as_string_view().iter();
            let trimmed = texts.map(|text| text.map(|text| text.trim_end_matches(' ')));
            std::sync::Arc::new(trimmed.collect::<StringViewArray>())
        }
        _ => views,
    };
    let (SqlType::Varchar(Some(longest)) | SqlType::Char(Some(longest))) = to else {
        return Ok(views);
    };
    let longest = *longest as usize;
    let array = views.as_string_view();
    let fits = !matches!(to, SqlType::Char(_))
        && array.iter().flatten().all(|value| value.len() <= longest);
    if fits {
        return Ok(views);
    }
    let mut builder = ColumnBuilder::new(to, &FormatSettings::default());
    for value in array {
        match value {
            None => builder.push_null(),
            Some(value) => builder.push_text(value)?,
        }
    }
    builder.finish()
}

/// Casts whose values Arrow converts as PostgreSQL does are done by Arrow, the others through text.
fn by_text_where_needed(
    values: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    let exact = (from.is_integer() && (to.is_integer() || matches!(to, SqlType::Float8)))
        || matches!((from, to), (SqlType::Float4, SqlType::Float8));
    if exact {
        return weir_delta::schema::normalize(values, &weir_delta::schema::arrow_type(to));
    }
    if to.is_integer() {
        return to_integer(values, from, to, settings);
    }
    by_text(values, from, to, settings)
}

/// Fractions round as PostgreSQL's assignment does: numeric half away from zero, floats half to even.
fn to_integer(
    values: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    let rounded: ArrayRef = match from {
        SqlType::Float4 | SqlType::Float8 => {
            let floats = weir_delta::schema::normalize(values, &DataType::Float64)?;
            let floats = floats.as_primitive::<arrow::datatypes::Float64Type>();
            std::sync::Arc::new(
                floats.unary::<_, arrow::datatypes::Float64Type>(f64::round_ties_even),
            )
        }
        SqlType::Numeric(_) => {
            let whole = SqlType::Numeric(Some((38, 0)));
            return by_text(&by_text(values, from, &whole, settings)?, &whole, to, settings);
        }
        _ => std::sync::Arc::clone(values),
    };
    let range_error =
        |_| Error::new(SqlState::NumericValueOutOfRange, format!("{to} out of range"));
    let options = arrow::compute::CastOptions { safe: false, ..Default::default() };
    let data_type = weir_delta::schema::arrow_type(to);
    arrow::compute::cast_with_options(&rounded, &data_type, &options).map_err(range_error)
}

/// A value's text, read as the other type: PostgreSQL's own way for casts without one of their own.
fn by_text(
    values: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    settings: &FormatSettings,
) -> Result<ArrayRef> {
    let mut builder = ColumnBuilder::new(to, settings);
    for row_idx in 0..values.len() {
        if values.is_null(row_idx) {
            builder.push_null();
        } else if let Some(truths) = values.as_boolean_opt() {
            // The cast's words, not the output form's letters.
            builder.push_text(if truths.value(row_idx) { "true" } else { "false" })?;
        } else {
            builder.push_text(&display(values.as_ref(), row_idx, from))?;
        }
    }
    builder.finish()
}
