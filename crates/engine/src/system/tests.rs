//! Clients' own queries, in a session of an engine with an object of every kind.

mod corpus;
mod harness;
