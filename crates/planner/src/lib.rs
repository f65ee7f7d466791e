//! SQL text to plans: parsing, PostgreSQL's meaning of names, types and functions, and the split of a
//! view's query into incremental operators.
//!
//! **Left out on purpose:** I/O and async. DataFusion's physical planning is async and happens in the
//! engine; this crate ends at logical plans and physical expressions.

pub mod bind;
mod decorrelate;
pub mod definition;
pub mod dialect;
pub mod functions;
pub mod incremental;
mod names;
pub mod semantics;
pub mod source;
