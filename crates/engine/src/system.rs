//! The system relations that PostgreSQL's clients read: `pg_catalog`, `information_schema`, and the
//! functions over them.
//!
//! Every relation of PostgreSQL 15 is there with its oid and its columns; those for which Weir has
//! nothing to say are empty. Rows are computed on demand from a catalog snapshot and the statement's
//! [`SystemContext`]. [`rewrite`] turns the forms of SQL in which clients ask for them into forms that
//! can be planned.
//!
//! **Left out on purpose:** `sys.*`, Weir's own relations; the engine hands their definitions in by
//! [`SystemContext::extra`] so that they are listed.

mod definition;
mod describe;
mod functions;
mod information_schema;
mod objects;
mod privileges;
mod resolve;
pub mod rewrite;
mod row;
mod server;
mod static_rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use arrow::record_batch::RecordBatch;
use weir_catalog::{Catalog, SearchPath};
use weir_types::{ObjectId, Result, Timestamp};

pub use definition::{SystemRelation, find, find_oid, relations};
pub use functions::{FunctionContext, functions};
pub use objects::attribute_number;
pub use resolve::reg_name;

/// Oid of the only database.
pub const DATABASE_OID: u32 = 5;

/// What system relations show, at one moment.
#[derive(Debug)]
pub struct SystemContext<'a> {
    /// All objects.
    pub catalog: &'a Catalog,
    /// Settings as name, value, description, in the order of their names.
    pub settings: Vec<(String, String, String)>,
    /// The session's user.
    pub user: String,
    /// Name of the database.
    pub database: String,
    /// The session's search path.
    pub search_path: SearchPath,
    /// All connections.
    pub connections: Vec<ConnectionRow>,
    /// The session's open cursors.
    pub cursors: Vec<CursorRow>,
    /// Number of rows, where it is known.
    pub row_counts: BTreeMap<ObjectId, i64>,
    /// Materialized views that have no content yet: reading them waits for their backfill.
    pub unpopulated: Vec<ObjectId>,
    /// Definitions of `sys.*`, to be listed like other system relations.
    pub extra: &'a [SystemRelation],
}

/// A connection, for `pg_stat_activity`.
#[derive(Clone, Debug, Default)]
pub struct ConnectionRow {
    /// Number of the connection.
    pub pid: i32,
    /// Its user.
    pub user: String,
    /// `application_name`.
    pub application_name: String,
    /// The client's address without port; `None` for a local socket.
    pub client_address: Option<String>,
    /// The client's port; -1 for a local socket.
    pub client_port: i32,
    /// When it began.
    pub backend_start: Timestamp,
    /// When its transaction began.
    pub transaction_start: Option<Timestamp>,
    /// When its newest statement began.
    pub query_start: Option<Timestamp>,
    /// When its state changed.
    pub state_change: Option<Timestamp>,
    /// `active`, `idle`, `idle in transaction`, `idle in transaction (aborted)`.
    pub state: String,
    /// Its newest statement.
    pub query: String,
}

/// An open cursor, for `pg_cursors`.
#[derive(Clone, Debug)]
pub struct CursorRow {
    /// Its name.
    pub name: String,
    /// The text of its query.
    pub statement: String,
    /// When it was declared.
    pub declared: Timestamp,
}

/// The rows of a system relation. A relation without content in Weir has none.
///
/// # Errors
/// XX000 where a row does not fit its relation, which is a defect.
pub fn rows(relation: &SystemRelation, context: &SystemContext<'_>) -> Result<RecordBatch> {
    let mut rows = row::Rows::new(relation);
    match relation.schema {
        "pg_catalog" => {
            static_rows::push(&mut rows)?;
            objects::push(&mut rows, context)?;
            server::push(&mut rows, context)?;
        }
        "information_schema" => {
            information_schema::push(&mut rows, context)?;
            privileges::push(&mut rows, context)?;
        }
        _ => {}
    }
    rows.finish()
}
