//! Qualified names and the search path.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name as the user wrote it, after case folding: `[schema.]name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectName {
    /// `None` means: along the search path.
    pub schema: Option<String>,
    /// The last part.
    pub name: String,
}

impl ObjectName {
    /// A name without schema.
    pub fn bare(name: impl Into<String>) -> Self {
        Self { schema: None, name: name.into() }
    }

    /// A name with schema.
    pub fn qualified(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: Some(schema.into()), name: name.into() }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Schemas in which an unqualified name is looked up, in order; `pg_catalog` comes before them
/// unless it is listed, as in PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchPath(pub Vec<String>);

impl Default for SearchPath {
    fn default() -> Self {
        Self(vec!["public".to_owned()])
    }
}

impl SearchPath {
    /// All schemas to look in, `pg_catalog` included.
    pub fn effective(&self) -> impl Iterator<Item = &str> {
        let implicit = !self.0.iter().any(|schema| schema == "pg_catalog");
        implicit.then_some("pg_catalog").into_iter().chain(self.0.iter().map(String::as_str))
    }
}
