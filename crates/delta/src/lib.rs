//! Weighted Arrow batches, their hashing, comparison and storage in memory.
//!
//! `schema` and `codec` say what SQL types look like in Arrow and in bytes; `hash` and `equal` say
//! when two rows are the same; `delta` and `diff` are changes of relations; `segments` keeps the
//! rows of a relation with their history.
//! `group_table` gives each distinct key a slot.
//!
//! Two rows are the same when no column tells them apart under SQL's `IS NOT DISTINCT FROM`: NULL
//! is NULL, and NaN is NaN. As keys -0.0 and 0.0 are the same, as rows that come and go they are not: a function
//! tells them apart (`equal::Sameness`).
//!
//! **Left out on purpose:** disk, async, DataFusion.

pub mod codec;
pub mod delta;
pub mod diff;
pub mod equal;
pub mod group;
pub mod group_table;
pub mod hash;
pub mod rows;
pub mod schema;
pub mod segments;
mod value;

pub use delta::{Delta, Weights};
