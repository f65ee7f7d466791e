//! Tests of the engine through `Engine` and `Session`, as a door uses them.

mod block;
mod checkpoint;
mod columns;
mod concurrency;
mod copy;
mod cursor;
mod dead_rows;
mod defaults;
mod dump;
mod harness;
mod metrics;
mod password;
mod positions;
mod savepoint;
mod session;
mod show_create;
mod sources_and_sinks;
mod subscribe;
mod table_as;
mod views;
