//! Clients' own queries, planned and run over a sample catalog.

mod corpus;
mod harness;
mod sample;
mod shared;
