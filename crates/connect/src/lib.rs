//! The outside of Weir: text and binary forms of values, formats of records, and connectors.
//!
//! `value` writes and reads single values as PostgreSQL does, `copy` the data of COPY.
//! `format` decodes records of JSON, CSV and Parquet, `source` reads files and generators.
//!
//! **Left out on purpose:** streams and epochs; the engine commits what a source gives.

pub mod copy;
pub mod format;
pub mod source;
pub mod value;
