//! What a relation name in a plan stands for.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::logical_expr::{LogicalPlan, TableSource, TableType};
use weir_catalog::Column;
use weir_types::{ColumnId, ObjectId, SqlType};

/// A column of a stream that is in each of its records rather than in its definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordColumn {
    /// `_partition`
    Partition,
    /// `_offset`
    Offset,
    /// `_timestamp`
    Timestamp,
    /// `_key`
    Key,
    /// `_headers`
    Headers,
}

impl RecordColumn {
    /// All of them, in the order in which a relation shows them.
    pub const ALL: [Self; 5] =
        [Self::Partition, Self::Offset, Self::Timestamp, Self::Key, Self::Headers];

    /// The name in SQL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Partition => "_partition",
            Self::Offset => "_offset",
            Self::Timestamp => "_timestamp",
            Self::Key => "_key",
            Self::Headers => "_headers",
        }
    }

    /// The type in SQL.
    #[must_use]
    pub fn sql_type(self) -> SqlType {
        match self {
            Self::Partition => SqlType::Int4,
            Self::Offset => SqlType::Int8,
            Self::Timestamp => SqlType::Timestamptz,
            Self::Key => SqlType::Bytea,
            Self::Headers => SqlType::Jsonb,
        }
    }

    /// The id, above those of defined columns.
    #[must_use]
    pub fn id(self) -> ColumnId {
        ColumnId(0xFFFF_FF00 + self as u32)
    }

    /// The record column of that id.
    #[must_use]
    pub fn from_id(id: ColumnId) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.id() == id)
    }
}

/// What a relation name in a plan stands for.
#[derive(Clone, Debug)]
pub enum Target {
    /// A stream, table or materialized view.
    Object(ObjectId),
    /// A relation of `pg_catalog`, `information_schema` or `sys`.
    System {
        /// Its schema.
        schema: String,
        /// Its name.
        name: String,
    },
    /// A plain view, looked through.
    View(ObjectId),
    /// Rows that one statement brings along, by name.
    Local(String),
}

/// A relation in a logical plan: what it is and which of its columns the plan can see. The engine
/// puts rows behind it before the plan runs.
#[derive(Clone, Debug)]
pub struct RelationSource {
    /// What it is.
    pub target: Target,
    /// The ids of the schema's columns, in order; empty for a system relation.
    pub columns: Vec<ColumnId>,
    schema: SchemaRef,
    plan: Option<LogicalPlan>,
}

impl RelationSource {
    /// A relation with rows of its own.
    #[must_use]
    pub fn new(target: Target, columns: Vec<ColumnId>, schema: SchemaRef) -> Self {
        Self { target, columns, schema, plan: None }
    }

    /// The name of the column at that position.
    #[must_use]
    pub fn column_name(&self, position: usize) -> Option<String> {
        self.schema.fields().get(position).map(|field| field.name().clone())
    }

    /// A plain view: reading it is reading its plan.
    #[must_use]
    pub fn view(id: ObjectId, plan: LogicalPlan) -> Self {
        let schema = Arc::clone(plan.schema().inner());
        Self { target: Target::View(id), columns: Vec::new(), schema, plan: Some(plan) }
    }
}

impl TableSource for RelationSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        if self.plan.is_some() { TableType::View } else { TableType::Base }
    }

    fn get_logical_plan(&'_ self) -> Option<Cow<'_, LogicalPlan>> {
        self.plan.as_ref().map(Cow::Borrowed)
    }
}

/// The Arrow schema of those columns. NOT NULL is not told to DataFusion's optimizer for streams'
/// record columns, which exist for every row but may be NULL.
#[must_use]
pub fn schema_of<'a>(columns: impl IntoIterator<Item = &'a Column>) -> SchemaRef {
    let fields: Vec<Field> = columns
        .into_iter()
        .map(|column| weir_delta::schema::field(&column.name, &column.sql_type, column.nullable))
        .collect();
    Arc::new(Schema::new(fields))
}
