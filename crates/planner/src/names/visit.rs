//! What visitors of a query's text have in common.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::Ident;
use weir_types::{Error, Result};

/// The outcome of a step of a visitor, which ends at the first error.
pub(crate) fn to_flow(outcome: Result<()>) -> ControlFlow<Error> {
    match outcome {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

/// The outcome of a whole visit.
///
/// # Errors
/// The one that ended it.
pub(crate) fn of_flow(flow: ControlFlow<Error>) -> Result<()> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The error with the position of a name, where the text has the name.
pub(crate) fn at(name: &Ident, error: Error) -> Error {
    match name.span.start.column as usize {
        0 => error,
        position => error.with_position(position),
    }
}
