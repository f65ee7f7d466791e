//! DuckDB: the load of all tables into its file, and queries over them in batch.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::plan::{ALL_TABLES, Engine, Key, What};
use super::store::Measured;
use super::{Bench, Outcome, say};
use crate::Result;

/// Loads all tables into a new file.
pub(crate) fn load(bench: &Bench) -> Result<Measured> {
    let database = database(bench)?;
    let key = Key::new(Engine::DuckDb, What::Load, ALL_TABLES, 1);
    let mark = mark(&database);
    if mark.exists() {
        std::fs::remove_file(&mark)?;
    }
    let mut task = task(bench, "load", &database);
    task["rows"] = json!(bench.data.all_rows());
    let mut measured =
        bench.peers.run(Engine::DuckDb, &task, &bench.log(&key)?, bench.options.bound)?;
    if matches!(measured.outcome, Outcome::Finished(_)) {
        measured.details["bytes_on_disk"] = json!(std::fs::metadata(&database)?.len());
        std::fs::write(mark, identity(bench))?;
    }
    Ok(measured)
}

/// A file that says whose tables the database has.
fn mark(database: &Path) -> PathBuf {
    database.with_extension("loaded")
}

fn identity(bench: &Bench) -> String {
    format!("{} {}", bench.store.identity(Engine::DuckDb), bench.data.facts["generator"])
}

/// Runs a query over the loaded tables; its result is a temporary table.
pub(crate) fn query(bench: &Bench, key: &Key) -> Result<Measured> {
    let mut task = task(bench, "query", &loaded(bench)?);
    task["sql"] = json!(bench.sql.query(Engine::DuckDb, &key.query)?);
    bench.peers.run(Engine::DuckDb, &task, &bench.log(key)?, bench.options.bound)
}

/// What the query's result has to be, as a CSV file and a list of its columns.
pub(crate) struct Expected {
    pub(crate) rows: PathBuf,
    /// Name and DuckDB's type of each column.
    pub(crate) columns: Vec<(String, String)>,
}

/// The query's result; computed where it is not there.
pub(crate) fn expected(bench: &Bench, query: &str) -> Result<Expected> {
    let dir = bench.options.work.join("expected");
    std::fs::create_dir_all(&dir)?;
    let identity = identity(bench);
    let (rows, about) = (dir.join(format!("{query}.csv")), dir.join(format!("{query}.json")));
    let sql = bench.sql.query(Engine::DuckDb, query)?;
    if let Ok(text) = std::fs::read_to_string(&about) {
        let about: Value = serde_json::from_str(&text)?;
        if about["sql"] == json!(sql) && about["identity"] == json!(identity) {
            return Ok(Expected { rows, columns: columns(&about)? });
        }
    }
    let mut task = task(bench, "expect", &loaded(bench)?);
    task["sql"] = json!(sql);
    task["output"] = json!(rows);
    let key = Key::new(Engine::DuckDb, What::Check, query, 1);
    let measured =
        bench.peers.run(Engine::DuckDb, &task, &bench.log(&key)?, bench.options.bound)?;
    if !matches!(measured.outcome, Outcome::Finished(_)) {
        return Err(format!("DuckDB does not tell what {query} gives: {measured}").into());
    }
    let found = json!({
        "sql": sql,
        "identity": identity,
        "columns": measured.details["columns"],
    });
    std::fs::write(about, serde_json::to_string_pretty(&found)?)?;
    Ok(Expected { rows, columns: columns(&found)? })
}

fn columns(about: &Value) -> Result<Vec<(String, String)>> {
    let columns = about["columns"].as_array().ok_or("DuckDB's program names no columns")?;
    let pair = |column: &Value| {
        Some((column.get(0)?.as_str()?.to_owned(), column.get(1)?.as_str()?.to_owned()))
    };
    columns
        .iter()
        .map(|column| pair(column).ok_or("a column is a name and a type".into()))
        .collect()
}

fn database(bench: &Bench) -> Result<PathBuf> {
    let dir = bench.options.work.join("duckdb");
    std::fs::create_dir_all(&dir)?;
    Ok(dir.join("nexmark.db"))
}

/// The database with all tables in it; loads them, unmeasured, where they are not.
fn loaded(bench: &Bench) -> Result<PathBuf> {
    let database = database(bench)?;
    if std::fs::read_to_string(mark(&database)).unwrap_or_default() != identity(bench) {
        say("loading DuckDB's tables");
        let measured = load(bench)?;
        if !matches!(measured.outcome, Outcome::Finished(_)) {
            return Err(format!("DuckDB does not load: {measured}").into());
        }
    }
    Ok(database)
}

fn task(bench: &Bench, mode: &str, database: &Path) -> Value {
    json!({
        "mode": mode,
        "cores": bench.options.cores,
        "schema": bench.sql.schema_path,
        "data": bench.data.dir,
        "database": database,
    })
}
