//! Tests as data: files in sqllogictest's format, each played in several ways.
//!
//! A record is `statement ok`, `statement error <SQLSTATE>` or `query <types> [rowsort]`, its SQL, and for a
//! query `----` and the rows: cells joined by a space, NULL as `NULL`, the empty text as `(empty)`. Before it may
//! stand `onlyif <player>` or `skipif <player>`; players are `weir`, `postgres`, and `views` for the ways in which
//! queries become views.

mod file;
mod play;

pub use file::{Expected, File, Record};
pub use play::{Way, play, write_from_postgres};
