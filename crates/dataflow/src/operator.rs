//! The stateless operators: one batch in, one batch out, weights carried along.

pub(crate) mod filter;
pub(crate) mod project;
pub(crate) mod unnest;
