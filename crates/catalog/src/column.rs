//! A column of a relation.

use serde::{Deserialize, Serialize};
use weir_types::{ColumnId, SqlType};

/// A column of a relation, in the order users see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Stays the same through renames; names the column in stored blocks.
    pub id: ColumnId,
    /// As users write it.
    pub name: String,
    /// The SQL type, type modifier included.
    pub sql_type: SqlType,
    /// False for NOT NULL.
    pub nullable: bool,
    /// SQL text of `DEFAULT`, evaluated at INSERT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// SQL text of `GENERATED ALWAYS AS (..) STORED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<String>,
    /// SQL text of the constant that rows stored before ADD COLUMN read; `None` reads NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// Schema version of the relation that added the column: older blocks lack it.
    #[serde(default)]
    pub added_in: u32,
    /// True for `_rowid` of a table without primary key, and the like: not in `*`, not in `\d`.
    #[serde(default)]
    pub hidden: bool,
    /// `COMMENT ON COLUMN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl Column {
    /// A visible, nullable column without default.
    pub fn new(id: ColumnId, name: impl Into<String>, sql_type: SqlType) -> Self {
        Self {
            id,
            name: name.into(),
            sql_type,
            nullable: true,
            default: None,
            generated: None,
            missing: None,
            added_in: 0,
            hidden: false,
            comment: None,
        }
    }
}
