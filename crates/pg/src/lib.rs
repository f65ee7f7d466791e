//! The PostgreSQL wire: what psql, drivers and BI tools talk to.
//!
//! [`serve`] accepts connections; each is one task that owns its socket, its session and its
//! portals. Frames of the client are cut and decoded here, strictly: pgwire's own decoders panic on
//! a short body, read past the end of a message and replace bad UTF-8 without a word. Its types
//! write the answers, and its SCRAM checks the password. Rows are encoded from Arrow straight into
//! the output buffer and leave as they are made.

mod connection;
mod engine;
mod failure;
mod inbox;
mod listener;
mod message;
mod outbox;
mod report;
mod startup;
#[cfg(test)]
mod stub;
#[cfg(test)]
mod tests;

pub use listener::{PgOptions, serve};
