//! The HTTP door: health, readiness, metrics, and a status page.
//!
//! [`serve`] answers before the engine is open, so that whoever starts the server can tell a long
//! recovery from a dead process: `/healthz` says that the process lives, `/readyz` that it answers
//! queries.
//!
//! **Left out on purpose:** anything that reads rows or changes state. The door has no password.

mod exposition;
mod listener;
mod status;

pub use listener::serve;
