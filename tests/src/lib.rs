//! Proof of the promises, over the whole product: what the tests of one crate cannot see.
//!
//! The harnesses are here, their cases are data beside them, and `tests/it/` runs them in one binary.

pub mod answer;
pub mod dice;
pub mod equality;
pub mod kill;
pub mod postgres;
pub mod process;
pub mod slt;
pub mod weir;
