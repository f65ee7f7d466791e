//! All tests over the whole product, in one binary: linking it is what takes long.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod bad_input;
mod driver;
mod equality;
mod kill;
mod pipeline;
mod planted;
mod psql;
mod slt;
