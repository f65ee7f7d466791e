//! The catalog: objects, names and dependencies, as immutable snapshots.
//!
//! A [`Catalog`] is a value. DDL takes one and makes the next; readers keep the one they began with.
//! The engine stores each changed object as a record in the same commit as everything else of the
//! statement, so that a catalog change has an epoch like a row has.

mod catalog;
mod column;
mod dependency;
mod name;
mod object;
mod record;

pub use catalog::Catalog;
pub use column::Column;
pub use name::{ObjectName, SearchPath};
pub use object::{
    Check, Durability, MaterializedView, Object, ObjectBody, ObjectKind, OnError, OperatorKind,
    Schema, Sink, SourceDefinition, StoredQuery, StoredRelation, Stream, StreamOptions, Table,
    View,
};
pub use record::{decode_object, encode_object};

use weir_types::ObjectId;

/// Schema `pg_catalog`; not stored.
pub const PG_CATALOG_ID: ObjectId = ObjectId(11);
/// Schema `public`.
pub const PUBLIC_ID: ObjectId = ObjectId(2200);
/// Schema `information_schema`; not stored.
pub const INFORMATION_SCHEMA_ID: ObjectId = ObjectId(13_000);
/// Schema `sys`: Weir's own system relations; not stored.
pub const SYS_ID: ObjectId = ObjectId(13_001);
/// Schema `dlq`: one stream of undecodable rows for each stream with a connector.
pub const DLQ_ID: ObjectId = ObjectId(13_002);
/// Schema `late`: one stream of late rows for each stream with a watermark.
pub const LATE_ID: ObjectId = ObjectId(13_003);
/// First id given to a user's object, as in PostgreSQL.
pub const FIRST_USER_ID: ObjectId = ObjectId(16_384);
