//! Every bound of the product, named, with its reason.

/// Longest SQL text; guards the parser (R7). A COPY's data does not count.
pub const SQL_TEXT_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of parentheses and operators: DataFusion recurses, and a Rust stack overflow
/// cannot be caught.
pub const SQL_DEPTH_MAX: usize = 128;
/// Most tokens of one statement.
pub const SQL_TOKENS_MAX: usize = 100_000;
/// Most items of an IN list or a function call, and most chained operators (`a OR b OR ..`).
pub const SQL_LIST_MAX: usize = 10_000;
/// Longest chain of binary operators at one level: each is one more recursion of the planner.
pub const SQL_CHAIN_MAX: usize = 1_000;
/// Stack of the threads that parse and plan.
pub const PLANNER_STACK_BYTES: usize = 64 << 20;
/// Largest frontend message of the PostgreSQL wire; buffers grow only with received bytes.
pub const PG_MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Largest single text or bytea value.
pub const VALUE_BYTES_MAX: usize = 64 << 20;
/// Most bytes that a transaction keeps before COMMIT (54000 beyond).
pub const TRANSACTION_BYTES_MAX: usize = 256 << 20;
/// Most bytes that one commit writes (54000 beyond): each of its blocks is one value of the log, and a reader
/// holds it in memory.
pub const COMMIT_BYTES_MAX: usize = 1 << 30;
/// Most bytes of changes that wait for the client of a SUBSCRIBE (53200 beyond): it must not keep a
/// server's memory by reading slowly. One commit's changes always fit.
pub const SUBSCRIPTION_BYTES_MAX: usize = 64 << 20;
/// Most partitions of a stream: each has an entry in memory and in each epoch descriptor that
/// touches it.
pub const PARTITIONS_MAX: u32 = 1024;
/// PostgreSQL's limit for an identifier (63 bytes and a NUL).
pub const IDENTIFIER_BYTES_MAX: usize = 63;
/// PostgreSQL's limit for columns of a relation.
pub const COLUMNS_MAX: usize = 1600;
/// Rows of one log block when a large write is cut: what a reader does with a block, from the checksum to the
/// last operator, should find it in the processor's cache.
pub const BLOCK_ROWS_MAX: usize = 8_192;
/// Bytes of one log block when a large write is cut, about: as many rows that are much wider than usual.
pub const BLOCK_BYTES_MAX: usize = 16 << 20;
/// Rows of one Arrow batch handed to operators and readers.
pub const BATCH_ROWS: usize = 8_192;
