//! What the catalog holds: one [`Object`] for each named thing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use weir_types::{ColumnId, Epoch, ObjectId, SqlType, TopicId};

use crate::column::Column;

/// A named thing of the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Stays the same for ever; PostgreSQL clients see it as oid.
    pub id: ObjectId,
    /// The schema it is in; a schema names itself.
    pub schema: ObjectId,
    /// Last part of the name.
    pub name: String,
    /// Role that owns it.
    pub owner: String,
    /// `COMMENT ON`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Epoch of the commit that created it.
    pub created: Epoch,
    /// Object that this one belongs to and goes with (`dlq.s` belongs to `s`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<ObjectId>,
    /// What it is.
    pub body: ObjectBody,
}

/// What an object is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectBody {
    /// A schema.
    Schema(Schema),
    /// An append-only relation bound to a topic.
    Stream(Stream),
    /// A relation with rows that change.
    Table(Table),
    /// A named query.
    View(View),
    /// A named query whose result is maintained.
    MaterializedView(MaterializedView),
    /// A query whose changes leave Weir.
    Sink(Sink),
}

/// The kind of an object, for messages and checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// `schema`
    Schema,
    /// `stream`
    Stream,
    /// `table`
    Table,
    /// `view`
    View,
    /// `materialized view`
    MaterializedView,
    /// `sink`
    Sink,
}

impl ObjectKind {
    /// Lower case, as in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Stream => "stream",
            Self::Table => "table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Sink => "sink",
        }
    }
}

impl std::fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Object {
    /// What kind of object it is.
    #[must_use]
    pub fn kind(&self) -> ObjectKind {
        match &self.body {
            ObjectBody::Schema(_) => ObjectKind::Schema,
            ObjectBody::Stream(_) => ObjectKind::Stream,
            ObjectBody::Table(_) => ObjectKind::Table,
            ObjectBody::View(_) => ObjectKind::View,
            ObjectBody::MaterializedView(_) => ObjectKind::MaterializedView,
            ObjectBody::Sink(_) => ObjectKind::Sink,
        }
    }

    /// Its columns, hidden ones included; empty for a schema.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        match &self.body {
            ObjectBody::Stream(stream) => &stream.columns,
            ObjectBody::Table(table) => &table.columns,
            ObjectBody::View(view) => &view.columns,
            ObjectBody::MaterializedView(view) => &view.columns,
            ObjectBody::Sink(sink) => &sink.columns,
            ObjectBody::Schema(_) => &[],
        }
    }

    /// Its columns for a change; `None` for a schema and a sink.
    pub fn columns_mut(&mut self) -> Option<&mut Vec<Column>> {
        match &mut self.body {
            ObjectBody::Stream(stream) => Some(&mut stream.columns),
            ObjectBody::Table(table) => Some(&mut table.columns),
            ObjectBody::View(view) => Some(&mut view.columns),
            ObjectBody::MaterializedView(view) => Some(&mut view.columns),
            ObjectBody::Schema(_) | ObjectBody::Sink(_) => None,
        }
    }

    /// The query behind it, for a view, a materialized view and a sink.
    #[must_use]
    pub fn query(&self) -> Option<&StoredQuery> {
        match &self.body {
            ObjectBody::View(view) => Some(&view.query),
            ObjectBody::MaterializedView(view) => Some(&view.query),
            ObjectBody::Sink(sink) => Some(&sink.query),
            _ => None,
        }
    }

    /// The topic behind it, for a stream and a table.
    #[must_use]
    pub fn topic(&self) -> Option<TopicId> {
        match &self.body {
            ObjectBody::Stream(stream) => Some(stream.topic),
            ObjectBody::Table(table) => Some(table.topic),
            _ => None,
        }
    }
}

/// A schema; its objects name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {}

/// An append-only relation bound to a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Its topic.
    pub topic: TopicId,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Goes up with each ADD COLUMN; blocks name theirs.
    pub schema_version: u32,
    /// Columns whose hash picks the partition; empty spreads batches evenly.
    pub partition_by: Vec<ColumnId>,
    /// `WITH (..)`.
    pub options: StreamOptions,
    /// Where rows come from besides INSERT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceDefinition>,
}

/// `WITH (..)` of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamOptions {
    /// Number of partitions.
    pub partitions: u32,
    /// Keep records at least that long; `None` keeps them for ever.
    pub retention_ms: Option<u64>,
    /// Keep at most about that many bytes; `None` is without limit.
    pub retention_bytes: Option<u64>,
    /// When an append is acknowledged.
    pub durability: Durability,
    /// What happens to a row that cannot be decoded.
    pub on_error: OnError,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            partitions: 1,
            retention_ms: None,
            retention_bytes: None,
            durability: Durability::Fsync,
            on_error: OnError::Dlq,
        }
    }
}

/// When an append is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// After the fsync.
    Fsync,
    /// After the operating system has it; rows are visible only after the fsync.
    Os,
}

/// What happens to a row that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It becomes a row of `dlq.<object>`.
    Dlq,
    /// It is counted and left out.
    Skip,
    /// The source, or the view, stops.
    Fail,
}

/// A connector that feeds a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDefinition {
    /// `file`, `datagen`, `nexmark`.
    pub connector: String,
    /// `WITH (..)` options that belong to the connector, by lower-case name.
    pub options: BTreeMap<String, String>,
}

/// A relation with rows that change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its topic, of one partition: old and new images of each change.
    pub topic: TopicId,
    /// Its columns; without primary key there is a hidden `_rowid`.
    pub columns: Vec<Column>,
    /// Goes up with each ADD COLUMN; blocks name theirs.
    pub schema_version: u32,
    /// The key, never empty: `_rowid` where the user gave none.
    pub primary_key: Vec<ColumnId>,
    /// Name of the primary key's index (`t_pkey`); `None` for a hidden `_rowid`.
    pub primary_key_name: Option<String>,
    /// Oid of the primary key's index; `None` for a hidden `_rowid`.
    pub primary_key_id: Option<ObjectId>,
    /// CHECK constraints.
    pub checks: Vec<Check>,
}

/// A CHECK constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// SQL text of the condition, over column names at creation.
    pub expr: String,
}

/// A named query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The query.
    pub query: StoredQuery,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// A named query whose result is maintained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaterializedView {
    /// The query.
    pub query: StoredQuery,
    /// Its columns.
    pub columns: Vec<Column>,
    /// What happens to a row for which the query fails; `Fail` keeps the last good content and
    /// makes reads raise the error.
    pub on_error: OnError,
    /// Operators that are not to follow changes: with one of them the query runs again instead. To find the operator
    /// that is to blame for a wrong row, or for a slow one.
    #[serde(default)]
    pub force_recompute: BTreeSet<OperatorKind>,
}

/// A kind of operators that can follow changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorKind {
    /// `WHERE`, `HAVING`.
    Filter,
    /// Computed columns.
    Projection,
    /// `unnest`.
    Unnest,
    /// `UNION ALL`.
    Union,
    /// `GROUP BY`, `DISTINCT` and aggregates.
    Aggregate,
}

impl OperatorKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Filter, Self::Projection, Self::Unnest, Self::Union, Self::Aggregate];

    /// Its name in SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Projection => "projection",
            Self::Unnest => "unnest",
            Self::Union => "union",
            Self::Aggregate => "aggregate",
        }
    }
}

/// A query whose changes leave Weir.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sink {
    /// The query.
    pub query: StoredQuery,
    /// Its outputs.
    pub columns: Vec<Column>,
    /// `blackhole`.
    pub connector: String,
    /// `WITH (..)`.
    pub options: BTreeMap<String, String>,
}

/// A query as stored: its text, and all that the text means, pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredQuery {
    /// The query's text, as the user wrote it.
    pub sql: String,
    /// TimeZone of the session that created it.
    pub time_zone: String,
    /// What each relation name in the text means.
    pub relations: Vec<StoredRelation>,
}

/// What a relation name in a stored query's text means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRelation {
    /// The name in the text, after case folding.
    pub schema: Option<String>,
    /// The name in the text, after case folding.
    pub name: String,
    /// The object it meant.
    pub id: ObjectId,
    /// The columns that object had then, in order, under the names they had: this is what `*` means.
    pub columns: Vec<(ColumnId, String, SqlType)>,
}
