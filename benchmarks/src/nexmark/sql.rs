//! The queries and the schema, from `sql/nexmark`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::plan::{Engine, QUERIES};
use crate::Result;

/// The three tables.
pub(crate) const TABLES: [&str; 3] = ["person", "auction", "bid"];

/// All SQL of the benchmark.
pub(crate) struct Sql {
    /// For the peers' programs.
    pub(crate) schema_path: PathBuf,
    /// The text of the schema's file: part of what results depend on.
    pub(crate) schema_text: String,
    columns: BTreeMap<String, Vec<(String, String)>>,
    queries: BTreeMap<(&'static str, &'static str), String>,
}

impl Sql {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let dir = root.join("sql/nexmark");
        let schema_path = dir.join("schema.json");
        let schema_text = text(&schema_path)?;
        let schema: Value = serde_json::from_str(&schema_text)?;
        let mut columns = BTreeMap::new();
        for table in TABLES {
            columns.insert(table.to_owned(), columns_of(&schema, table)?);
        }
        let mut queries = BTreeMap::new();
        for engine in Engine::ALL {
            for query in QUERIES {
                let query_text = text(&dir.join(engine.name()).join(format!("{query}.sql")))?;
                queries.insert((engine.name(), query), query_text.trim().to_owned());
            }
        }
        Ok(Self { schema_path, schema_text, columns, queries })
    }

    /// A SELECT without a semicolon.
    pub(crate) fn query(&self, engine: Engine, query: &str) -> Result<&str> {
        let found = self.queries.iter().find(|((e, q), _)| *e == engine.name() && *q == query);
        found
            .map(|(_, text)| text.as_str())
            .ok_or_else(|| format!("there is no query {query} for {}", engine.name()).into())
    }

    /// The columns of a table in Weir's SQL.
    pub(crate) fn weir_columns(&self, table: &str) -> String {
        let columns = self.columns[table].iter().map(|(name, kind)| {
            let sql_type = if kind == "integer" { "bigint" } else { kind };
            format!("{name} {sql_type}")
        });
        columns.collect::<Vec<_>>().join(", ")
    }
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("could not read {}: {error}", path.display()).into())
}

fn columns_of(schema: &Value, table: &str) -> Result<Vec<(String, String)>> {
    let columns = schema[table].as_array().ok_or_else(|| bad_schema(table))?;
    let pair = |column: &Value| {
        Some((column.get(0)?.as_str()?.to_owned(), column.get(1)?.as_str()?.to_owned()))
    };
    let pairs: Option<Vec<_>> = columns.iter().map(pair).collect();
    pairs.ok_or_else(|| bad_schema(table).into())
}

fn bad_schema(table: &str) -> String {
    format!("sql/nexmark/schema.json: table {table} must be a list of [name, type]")
}
