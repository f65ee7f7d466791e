//! Results of queries in one form, whoever wrote them: so that equal rows are equal texts.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Result;

/// How NULL is written in CSV files; no text of Nexmark is like it.
pub(crate) const NULL: &str = "\\N";
/// Between the cells of a row.
const BETWEEN: char = '\u{1f}';

/// In what form an engine wrote its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A CSV file without a header.
    Csv,
    /// A folder of files with one JSON object a line.
    JsonLines,
    /// As [`Form::JsonLines`], each a change as Debezium writes them: rows come and go.
    Changes,
}

/// What cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// A number that is exact: 1.50 is 1.5.
    Number,
    /// Compared to 9 digits: an average, which one engine computes in floats and another exactly.
    Float,
    Time,
}

/// A column of a result.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// A row: the exact cells in one text, and the floats.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) exact: String,
    pub(crate) floats: Vec<Option<f64>>,
}

impl Column {
    /// A column of DuckDB.
    pub(crate) fn new(name: &str, duckdb_type: &str) -> Self {
        let kind = match duckdb_type {
            "DOUBLE" | "FLOAT" => Kind::Float,
            "BIGINT" | "INTEGER" | "HUGEINT" => Kind::Number,
            _ if duckdb_type.starts_with("DECIMAL") => Kind::Number,
            _ if duckdb_type.starts_with("TIMESTAMP") => Kind::Time,
            _ => Kind::Text,
        };
        Self { name: name.to_owned(), kind }
    }
}

/// Gives every row with its weight, 1 or -1, to `take`.
///
/// # Errors
/// Where a file cannot be read, or a cell is not of its column's kind.
pub(crate) fn read(
    path: &Path,
    form: Form,
    columns: &[Column],
    mut take: impl FnMut(Row, i64),
) -> Result<()> {
    if form == Form::Csv {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(path)?;
        for record in reader.records() {
            let record = record?;
            let cells = record.iter().map(|cell| (cell != NULL).then_some(cell));
            take(row(columns, cells)?, 1);
        }
        return Ok(());
    }
    for file in files(path)? {
        for line in BufReader::new(File::open(&file)?).lines() {
            let value: Value = serde_json::from_str(&line?)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            if form == Form::JsonLines {
                take(object_row(columns, &value)?, 1);
                continue;
            }
            for (part, weight) in [("before", -1), ("after", 1)] {
                if value[part].is_object() {
                    take(object_row(columns, &value[part])?, weight);
                }
            }
        }
    }
    Ok(())
}

/// All files below a folder; those of a write under way, whose names begin with a dot, too.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !name.starts_with('_') && !name.ends_with(".crc") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn object_row(columns: &[Column], object: &Value) -> Result<Row> {
    let texts: Vec<Option<String>> = columns
        .iter()
        .map(|column| match &object[&column.name] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        })
        .collect();
    row(columns, texts.iter().map(Option::as_deref))
}

fn row<'a>(columns: &[Column], cells: impl Iterator<Item = Option<&'a str>>) -> Result<Row> {
    let mut row = Row { exact: String::new(), floats: Vec::new() };
    let mut n_cells = 0;
    for (column, cell) in columns.iter().zip(cells) {
        n_cells += 1;
        let bad = || format!("column {} has the value {:?}", column.name, cell.unwrap_or("NULL"));
        if column.kind == Kind::Float {
            let float = cell.map(str::parse).transpose().map_err(|_| bad())?;
            row.floats.push(float);
            continue;
        }
        match (column.kind, cell) {
            (_, None) => row.exact.push_str(NULL),
            (Kind::Number, Some(cell)) => push_number(&mut row.exact, cell).ok_or_else(bad)?,
            (Kind::Time, Some(cell)) => push_time(&mut row.exact, cell),
            (_, Some(cell)) => row.exact.push_str(cell),
        }
        row.exact.push(BETWEEN);
    }
    if n_cells != columns.len() {
        return Err(format!("a row has {n_cells} cells, not {}", columns.len()).into());
    }
    Ok(row)
}

/// Without zeros at the end of the fraction; `None` where it is no number.
fn push_number(out: &mut String, cell: &str) -> Option<()> {
    if cell.contains(['e', 'E']) {
        let number: f64 = cell.parse().ok()?;
        out.push_str(&number.to_string());
        return Some(());
    }
    let (whole, fraction) = cell.split_once('.').unwrap_or((cell, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    if digits.is_empty() || !(digits.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit()) {
        return None;
    }
    out.push_str(whole);
    push_fraction(out, fraction);
    Some(())
}

/// As `2015-07-15 00:00:00.1`.
fn push_time(out: &mut String, cell: &str) {
    let cell = cell.strip_suffix('Z').unwrap_or(cell);
    let (seconds, fraction) = cell.split_once('.').unwrap_or((cell, ""));
    out.push_str(&seconds.replacen('T', " ", 1));
    push_fraction(out, fraction);
}

fn push_fraction(out: &mut String, fraction: &str) {
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
}

impl Row {
    /// A hash of the exact cells.
    pub(crate) fn hash(&self) -> u128 {
        let half = |seed: u64| {
            let mut hasher = DefaultHasher::new();
            seed.hash(&mut hasher);
            self.exact.hash(&mut hasher);
            u128::from(hasher.finish())
        };
        half(0) << 64 | half(1)
    }

    /// Which of `n` parts of a result the row belongs to: equal rows to the same.
    pub(crate) fn part(&self, n: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        self.exact.hash(&mut hasher);
        (hasher.finish() % n as u64) as usize
    }

    /// For people.
    pub(crate) fn show(&self) -> String {
        format!("{} {:?}", self.exact.replace(BETWEEN, ", "), self.floats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> [Column; 4] {
        [
            Column::new("a", "DECIMAL(23,3)"),
            Column::new("b", "VARCHAR"),
            Column::new("c", "TIMESTAMP"),
            Column::new("d", "DOUBLE"),
        ]
    }

    #[test]
    fn rows_of_different_writers_are_equal_texts() {
        let one = [Some("1.500"), Some("x"), Some("2015-07-15T00:00:00.100Z"), Some("2")];
        let other = [Some("1.5"), Some("x"), Some("2015-07-15 00:00:00.1"), Some("2.0")];
        let [one, other] =
            [one, other].map(|cells| row(&columns(), cells.into_iter()).expect("the cells fit"));
        assert_eq!(one, other);
        let null = row(&columns(), [None; 4].into_iter()).expect("NULL fits everywhere");
        assert_ne!(one, null);
    }

    #[test]
    fn what_is_no_number_or_too_short_is_an_error() {
        let cells = [Some("1x"), Some("x"), Some("2015-07-15 00:00:00"), Some("2")];
        assert!(row(&columns(), cells.into_iter()).is_err());
        assert!(row(&columns(), [Some("1")].into_iter()).is_err());
    }
}
