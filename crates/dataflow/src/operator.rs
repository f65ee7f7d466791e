//! The operators. The stateless ones take one batch and give one, weights carried along.

pub(crate) mod aggregate;
pub(crate) mod filter;
pub(crate) mod project;
pub(crate) mod unnest;
