//! Errors of DataFusion and Arrow as PostgreSQL would raise them.

use arrow::error::ArrowError;
use datafusion::common::{Diagnostic, SchemaError};
use datafusion::error::DataFusionError;
use weir_types::{Error, SqlState};

use crate::names::{wire_name, with_wire_names};

/// The error that a client sees.
///
/// Errors of Weir come through as they are, however they were wrapped on the way; others get the
/// SQLSTATE and the words that PostgreSQL has for them, and the position where DataFusion knows it.
#[must_use]
pub fn to_error(error: DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(error) => *error,
            Err(other) => match other.downcast::<DataFusionError>() {
                Ok(error) => to_error(*error),
                Err(other) => match other.downcast::<ArrowError>() {
                    Ok(error) => of_arrow(*error),
                    Err(other) => Error::internal(other.to_string()),
                },
            },
        },
        DataFusionError::ArrowError(error, _) => of_arrow(*error),
        DataFusionError::Context(_, inner) => to_error(*inner),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            with_diagnostic(&diagnostic, to_error(*inner))
        }
        DataFusionError::Shared(shared) => of_shared(&shared),
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => to_error(first),
            None => Error::internal("an error without a cause"),
        },
        DataFusionError::SchemaError(error, _) => of_schema(&error),
        DataFusionError::SQL(error, _) => Error::syntax(error.to_string()),
        DataFusionError::NotImplemented(message) => of_missing(&message),
        DataFusionError::ResourcesExhausted(message) => {
            Error::new(SqlState::OutOfMemory, "out of memory")
                .with_detail(sentence(&message))
                .with_hint("Raise the memory limit, or let the statement read less.")
        }
        DataFusionError::Plan(message) => of_plan(&with_wire_names(&message)),
        DataFusionError::Execution(message) => of_execution(&message),
        DataFusionError::IoError(error) => Error::io("read", &error),
        other => of_internal(&other.to_string()),
    }
}

/// An error that several readers share cannot be taken apart: what is told of it is.
fn of_shared(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::External(inner) => {
            if let Some(error) = inner.downcast_ref::<Error>() {
                return error.clone();
            }
            match inner.downcast_ref::<DataFusionError>() {
                Some(error) => of_shared(error),
                None => Error::internal(inner.to_string()),
            }
        }
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::ExternalError(inner) => match inner.downcast_ref::<Error>() {
                Some(error) => error.clone(),
                None => match inner.downcast_ref::<DataFusionError>() {
                    Some(error) => of_shared(error),
                    None => Error::internal(inner.to_string()),
                },
            },
            other => of_arrow_message(other),
        },
        DataFusionError::Context(_, inner) => of_shared(inner),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            with_diagnostic(diagnostic, of_shared(inner))
        }
        DataFusionError::Shared(inner) => of_shared(inner),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => of_shared(first),
            None => Error::internal("an error without a cause"),
        },
        DataFusionError::SchemaError(error, _) => of_schema(error),
        DataFusionError::NotImplemented(message) => of_missing(message),
        DataFusionError::ResourcesExhausted(message) => {
            Error::new(SqlState::OutOfMemory, "out of memory").with_detail(sentence(message))
        }
        DataFusionError::Plan(message) => of_plan(&with_wire_names(message)),
        DataFusionError::Execution(message) => of_execution(message),
        other => of_internal(&other.to_string()),
    }
}

fn of_arrow(error: ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(inner) => match inner.downcast::<Error>() {
            Ok(error) => *error,
            Err(other) => match other.downcast::<DataFusionError>() {
                Ok(error) => to_error(*error),
                Err(other) => Error::internal(other.to_string()),
            },
        },
        other => of_arrow_message(&other),
    }
}

fn of_arrow_message(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::new(SqlState::DivisionByZero, "division by zero"),
        ArrowError::ArithmeticOverflow(detail) => {
            Error::new(SqlState::NumericValueOutOfRange, "value out of range")
                .with_detail(sentence(detail))
        }
        ArrowError::CastError(message) => of_cast(message),
        ArrowError::ParseError(message) => {
            Error::new(SqlState::InvalidTextRepresentation, first_line(message))
        }
        ArrowError::NotYetImplemented(message) => Error::unsupported(first_line(message)),
        ArrowError::MemoryError(message) => {
            Error::new(SqlState::OutOfMemory, "out of memory").with_detail(sentence(message))
        }
        ArrowError::OffsetOverflowError(_) | ArrowError::DictionaryKeyOverflowError => Error::new(
            SqlState::ProgramLimitExceeded,
            "the texts of one batch exceed the limit of 2147483647 bytes",
        ),
        ArrowError::InvalidArgumentError(message)
            if message.contains("is too large to store in") =>
        {
            Error::new(SqlState::NumericValueOutOfRange, "numeric field overflow")
                .with_detail(sentence(message))
        }
        other => Error::internal(other.to_string()),
    }
}

/// Casts by Arrow: of numbers out of range, of texts that are none of the type.
fn of_cast(message: &str) -> Error {
    let is_range = message.contains("Can't cast value")
        || message.contains("out of range")
        || message.contains("Overflow")
        || message.contains("overflow");
    let state = if is_range {
        SqlState::NumericValueOutOfRange
    } else {
        SqlState::InvalidTextRepresentation
    };
    Error::new(state, first_line(message))
}

fn of_schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let is_there = |relation| {
                valid_fields.iter().any(|known| known.relation.as_ref() == Some(relation))
            };
            let error = match &field.relation {
                Some(relation) if !is_there(relation) => Error::new(
                    SqlState::UndefinedTable,
                    format!(
                        "missing FROM-clause entry for table \"{}\"",
                        wire_name(relation.table())
                    ),
                ),
                _ => Error::new(
                    SqlState::UndefinedColumn,
                    match &field.relation {
                        Some(relation) => {
                            let relation = relation.to_string();
                            let (relation, name) = (wire_name(&relation), wire_name(&field.name));
                            format!("column {relation}.{name} does not exist")
                        }
                        None => format!("column \"{}\" does not exist", wire_name(&field.name)),
                    },
                ),
            };
            let position = field.spans().first().map(|span| span.start.column as usize);
            let error = match position.filter(|position| *position > 0) {
                Some(position) => error.with_position(position),
                None => error,
            };
            match alike(&field.name, valid_fields.iter().map(|column| column.name.as_str())) {
                Some(name) => error.with_hint(format!(
                    "Perhaps you meant to reference the column \"{}\".",
                    wire_name(name)
                )),
                None => error,
            }
        }
        SchemaError::AmbiguousReference { field } => Error::new(
            SqlState::AmbiguousColumn,
            format!("column reference \"{}\" is ambiguous", wire_name(&field.name)),
        ),
        SchemaError::DuplicateQualifiedField { qualifier, .. } => Error::new(
            SqlState::DuplicateAlias,
            format!(
                "table name \"{}\" specified more than once",
                wire_name(&qualifier.to_string())
            ),
        ),
        SchemaError::DuplicateUnqualifiedField { name } => Error::new(
            SqlState::DuplicateColumn,
            format!("column \"{}\" specified more than once", wire_name(name)),
        ),
    }
}

/// A name that differs from the wanted one in case or in one or two letters.
fn alike<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let distance =
        |name: &str| datafusion::common::utils::datafusion_strsim::levenshtein(wanted, name);
    names
        .map(|name| (distance(name), name))
        .filter(|(distance, name)| *distance <= 2 && *distance < name.len())
        .min()
        .map(|(_, name)| name)
}

/// The position that DataFusion knows of an error that does not know it itself.
fn with_diagnostic(diagnostic: &Diagnostic, error: Error) -> Error {
    let position = diagnostic.span.map(|span| span.start.column as usize);
    match position {
        Some(position) if position > 0 && error.position().is_none() => {
            error.with_position(position)
        }
        _ => error,
    }
}

/// The text between two marks.
fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    let rest = &text[text.find(start)? + start.len()..];
    Some(&rest[..rest.find(end)?])
}

/// The name of a column as DataFusion writes it, as PostgreSQL does.
fn column_text(written: &str) -> String {
    written.replace('"', "")
}

fn of_plan(message: &str) -> Error {
    // An error of ours in DataFusion's words around it.
    if let Some(own) = between(
        message,
        "user-defined coercion failed with: External error: ",
        " No function matches",
    ) {
        return Error::new(SqlState::UndefinedFunction, own.trim_end_matches('.'));
    }
    if message.contains("must appear in the GROUP BY clause") {
        let column = between(message, "column \"", "\" must")
            .or_else(|| between(message, "references: ", " must"))
            .map_or_else(|| "?".to_owned(), column_text);
        return Error::new(
            SqlState::GroupingError,
            format!(
                "column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function"
            ),
        );
    }
    if message.contains("Aggregate functions are not allowed in the WHERE clause") {
        return Error::new(SqlState::GroupingError, "aggregate functions are not allowed in WHERE");
    }
    if message.to_lowercase().contains("aggregate function calls cannot be nested") {
        return Error::new(SqlState::GroupingError, "aggregate function calls cannot be nested");
    }
    if message.contains("Aggregate function calls cannot contain window function calls") {
        return Error::new(
            SqlState::GroupingError,
            "aggregate function calls cannot contain window function calls",
        );
    }
    if let Some(name) = between(message, "Invalid function '", "'") {
        if window_names().contains(name) {
            return Error::new(
                SqlState::WrongObjectType,
                format!("window function {name} requires an OVER clause"),
            );
        }
        return Error::new(SqlState::UndefinedFunction, format!("function {name} does not exist"))
            .with_hint("No function matches the given name and argument types.");
    }
    if let Some(operation) = set_operation(message) {
        return Error::new(
            SqlState::SyntaxError,
            format!("each {operation} query must have the same number of columns"),
        );
    }
    if message.contains("Inconsistent data length across values list") {
        return Error::new(SqlState::SyntaxError, "VALUES lists must all be the same length");
    }
    if message.contains("Inconsistent data type across values list") {
        return Error::new(SqlState::DatatypeMismatch, "VALUES types cannot be matched")
            .with_detail(sentence(message));
    }
    if let Some(window) = between(message, "The window ", " is not defined") {
        return Error::new(
            SqlState::UndefinedObject,
            format!("window \"{window}\" does not exist"),
        );
    }
    if message.starts_with("LIMIT must be >= 0") {
        return Error::new(SqlState::InvalidRowCountInLimit, "LIMIT must not be negative");
    }
    if message.starts_with("OFFSET must be >=") {
        return Error::new(SqlState::InvalidRowCountInOffset, "OFFSET must not be negative");
    }
    if let Some(position) = between(message, "Order by column out of bounds, specified: ", ",") {
        return Error::new(
            SqlState::InvalidColumnReference,
            format!("ORDER BY position {position} is not in select list"),
        );
    }
    if message.contains("ORDER BY expressions") && message.contains("must appear in select list") {
        return Error::new(
            SqlState::InvalidColumnReference,
            "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
        );
    }
    if let Some(name) = between(message, "WITH query name \"", "\" specified more than once") {
        return Error::new(
            SqlState::DuplicateAlias,
            format!("WITH query name \"{name}\" specified more than once"),
        );
    }
    if let (Some(available), Some(given)) = (
        between(message, "Source table contains ", " columns but only "),
        between(message, " columns but only ", " names given as column alias"),
    ) {
        return Error::new(
            SqlState::InvalidColumnReference,
            format!("{available} columns are available, and {given} column names specified"),
        );
    }
    of_plan_types(message)
}

fn of_missing(message: &str) -> Error {
    if message.starts_with("Decimal ") && message.contains(" exceeds the ") {
        return Error::new(SqlState::NumericValueOutOfRange, "value overflows numeric format");
    }
    if message.contains("does not support logical expression AggregateFunction") {
        return Error::new(SqlState::GroupingError, "aggregate functions are not allowed here");
    }
    for clause in ["LIMIT", "OFFSET"] {
        if message.starts_with(&format!("Unsupported {clause} expression")) {
            return Error::unsupported(format!("{clause} takes a constant or a parameter here"));
        }
    }
    Error::unsupported(first_line(message))
}

fn set_operation(message: &str) -> Option<&'static str> {
    let is_about_columns = message.contains("different number of columns")
        || message.contains("must have the same number of columns");
    ["UNION", "INTERSECT", "EXCEPT"]
        .into_iter()
        .find(|operation| is_about_columns && message.contains(operation))
}

/// Functions that only work over a window.
fn window_names() -> &'static std::collections::BTreeSet<String> {
    static NAMES: std::sync::LazyLock<std::collections::BTreeSet<String>> =
        std::sync::LazyLock::new(|| crate::functions::window_names().collect());
    &NAMES
}

/// Errors of types and of forms, whose words are DataFusion's.
fn of_plan_types(message: &str) -> Error {
    let state = if message.contains("Too many columns")
        || message.contains("must return exactly one column")
    {
        return Error::new(SqlState::SyntaxError, "subquery must return only one column");
    } else if ["non-boolean predicate", "requires a boolean", "coerce", "Cannot infer common"]
        .iter()
        .any(|words| message.contains(words))
    {
        SqlState::DatatypeMismatch
    } else if message.contains("No function matches") || message.contains("Failed to coerce") {
        SqlState::UndefinedFunction
    } else if message.contains("not found") && message.contains("table") {
        SqlState::UndefinedTable
    } else if message.contains("Placeholder") || message.contains("placeholder") {
        SqlState::UndefinedParameter
    } else if message.contains("GROUP BY position")
        || message.contains("ORDER BY position")
        || message.contains("Cannot find column with position")
        || message.contains("SELECT DISTINCT ON expressions must match")
    {
        SqlState::InvalidColumnReference
    } else if message.contains("window frame") || message.contains("RANGE requires exactly one") {
        SqlState::WindowingError
    } else if message.contains("unnest() can only be applied to") {
        SqlState::UndefinedFunction
    } else if message.contains("Percentile value must be between") {
        SqlState::NumericValueOutOfRange
    } else if message.contains("not supported") || message.contains("Unsupported") {
        SqlState::FeatureNotSupported
    } else {
        SqlState::SyntaxError
    };
    Error::new(state, first_line(message))
}

fn of_execution(message: &str) -> Error {
    if message.contains("Scalar subquery returned more than one row") {
        return Error::new(
            SqlState::CardinalityViolation,
            "more than one row returned by a subquery used as an expression",
        );
    }
    if message.contains("Divide by zero") {
        return Error::new(SqlState::DivisionByZero, "division by zero");
    }
    if message.contains("NTILE requires a positive integer") {
        return Error::new(
            SqlState::InvalidArgumentForNtile,
            "argument of ntile must be greater than zero",
        );
    }
    if message.contains("was not provided a value for execution") {
        return Error::new(SqlState::UndefinedParameter, first_line(message));
    }
    if message.to_lowercase().contains("overflow") {
        return Error::new(SqlState::NumericValueOutOfRange, first_line(message));
    }
    Error::new(SqlState::DataException, first_line(message))
}

/// DataFusion's internal errors: some are wrong queries that it does not check for.
fn of_internal(message: &str) -> Error {
    if message.contains("Correlated scalar subquery must be aggregated") {
        return Error::unsupported(
            "a subquery that refers to the outer query must be aggregated to one row",
        );
    }
    if message.contains("No functions registered with this context") {
        return Error::new(SqlState::UndefinedFunction, "function does not exist");
    }
    let lines: Vec<&str> = message.lines().map(str::trim).collect();
    Error::internal(lines.join(" "))
}

/// The first line without DataFusion's prefixes, which begins in lower case.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or("").trim();
    let line = line.trim_end_matches('.');
    let line = line.strip_prefix("Error during planning: ").unwrap_or(line);
    let mut chars = line.chars();
    match (chars.next(), chars.next()) {
        // An abbreviation stays as it is.
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(line.chars().skip(1)).collect()
        }
        _ => line.to_owned(),
    }
}

/// As a sentence of a detail.
fn sentence(message: &str) -> String {
    let text = message.trim().trim_end_matches('.');
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::error::ArrowError;
    use datafusion::error::DataFusionError;
    use weir_types::{Error, SqlState};

    use super::to_error;

    fn ours() -> Error {
        Error::new(SqlState::DivisionByZero, "division by zero").with_position(7)
    }

    #[test]
    fn our_errors_come_through_every_wrapping() {
        let external = || DataFusionError::External(Box::new(ours()));
        let wrapped = [
            external(),
            DataFusionError::Context("projection".to_owned(), Box::new(external())),
            DataFusionError::Shared(Arc::new(external())),
            DataFusionError::Shared(Arc::new(DataFusionError::Shared(Arc::new(external())))),
            DataFusionError::External(Box::new(external())),
            DataFusionError::ArrowError(
                Box::new(ArrowError::ExternalError(Box::new(external()))),
                None,
            ),
            DataFusionError::ArrowError(
                Box::new(ArrowError::ExternalError(Box::new(ours()))),
                None,
            ),
            DataFusionError::Shared(Arc::new(DataFusionError::ArrowError(
                Box::new(ArrowError::ExternalError(Box::new(external()))),
                None,
            ))),
        ];
        for error in wrapped {
            let error = to_error(error);
            assert_eq!((error.state(), error.position()), (SqlState::DivisionByZero, Some(7)));
        }
    }

    #[test]
    fn others_get_their_state() {
        let arrow = |error| DataFusionError::ArrowError(Box::new(error), None);
        for (error, code) in [
            (arrow(ArrowError::DivideByZero), "22012"),
            (arrow(ArrowError::ArithmeticOverflow("1 + 1".to_owned())), "22003"),
            (DataFusionError::NotImplemented("Foo".to_owned()), "0A000"),
            (DataFusionError::ResourcesExhausted("no room".to_owned()), "53200"),
            (
                DataFusionError::Execution("Scalar subquery returned more than one row".to_owned()),
                "21000",
            ),
            (DataFusionError::Internal("a bug".to_owned()), "XX000"),
            (DataFusionError::Plan("LIMIT must be >= 0, '-1' was provided.".to_owned()), "2201W"),
        ] {
            assert_eq!(to_error(error).state().code(), code);
        }
    }
}
