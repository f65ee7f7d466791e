//! The data of COPY: text, CSV and binary, byte for byte as PostgreSQL 15 reads and writes it.
//!
//! [`CopyDecoder`] takes bytes cut anywhere and gives Arrow batches; [`CopyEncoder`] writes row by row.
//! Memory is bounded: a decoder keeps one incomplete row, and no field above
//! `weir_types::limits::VALUE_BYTES_MAX`.

mod binary;
mod csv;
mod decoder;
mod encoder;
mod options;
mod rows;
mod scan;
#[cfg(test)]
mod tests;
mod text;

pub use self::decoder::CopyDecoder;
pub use self::encoder::{CopyEncoder, CopyRows};
pub use self::options::{CopyFormat, CopyOptions};
