//! Reading and writing the files.

use std::fmt::Write;

/// What a record expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// That it succeeds.
    Ok,
    /// That it fails with that SQLSTATE.
    Error(String),
    /// Rows.
    Rows {
        /// The types of the columns, one letter each, as the format has them.
        types: String,
        /// The order does not count.
        sorted: bool,
        /// The rows.
        rows: Vec<String>,
    },
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Comments and blank lines before it, as they are.
    pub before: Vec<String>,
    /// Its line in the file, from 1.
    pub line: usize,
    /// Only for those players.
    pub only: Vec<String>,
    /// Not for those.
    pub skip: Vec<String>,
    /// The SQL.
    pub sql: String,
    /// What it expects.
    pub expected: Expected,
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Its records.
    pub records: Vec<Record>,
}

impl Record {
    /// True where that player plays it.
    #[must_use]
    pub fn is_for(&self, player: &str) -> bool {
        let named = |names: &[String]| names.iter().any(|name| name == player);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }
}

impl File {
    /// Reads a file's text.
    ///
    /// # Errors
    /// The line that is none of the format.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines: Vec<&str> = text.lines().collect();
        let mut records = Vec::new();
        let (mut before, mut only, mut skip) = (Vec::new(), Vec::new(), Vec::new());
        let mut at = 0;
        while at < lines.len() {
            let words: Vec<&str> = lines[at].split_whitespace().collect();
            match words.as_slice() {
                [] => before.push(lines[at].to_owned()),
                [first, ..] if first.starts_with('#') => before.push(lines[at].to_owned()),
                ["onlyif", player] => only.push((*player).to_owned()),
                ["skipif", player] => skip.push((*player).to_owned()),
                ["statement" | "query", ..] => {
                    let line = at + 1;
                    let end = (at + 1..lines.len()).find(|n| lines[*n].is_empty());
                    let end = end.unwrap_or(lines.len());
                    let (sql, expected) = body(&words, &lines[at + 1..end])
                        .ok_or_else(|| format!("line {line} is no record"))?;
                    let (before, only, skip) = (
                        std::mem::take(&mut before),
                        std::mem::take(&mut only),
                        std::mem::take(&mut skip),
                    );
                    records.push(Record { before, line, only, skip, sql, expected });
                    at = end;
                    continue;
                }
                _ => return Err(format!("line {}: {}", at + 1, lines[at])),
            }
            at += 1;
        }
        Ok(Self { records })
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for record in &self.records {
            for line in &record.before {
                let _ = writeln!(out, "{line}");
            }
            for player in &record.only {
                let _ = writeln!(out, "onlyif {player}");
            }
            for player in &record.skip {
                let _ = writeln!(out, "skipif {player}");
            }
            let _ = match &record.expected {
                Expected::Ok => writeln!(out, "statement ok\n{}", record.sql),
                Expected::Error(code) => writeln!(out, "statement error {code}\n{}", record.sql),
                Expected::Rows { types, sorted, rows } => {
                    let sort = if *sorted { " rowsort" } else { "" };
                    let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
                    write!(out, "query {types}{sort}\n{}\n----\n{rows}", record.sql)
                }
            };
        }
        out
    }
}

fn body(words: &[&str], lines: &[&str]) -> Option<(String, Expected)> {
    let divider = lines.iter().position(|line| *line == "----");
    let sql = lines[..divider.unwrap_or(lines.len())].join("\n");
    let expected = match (words, divider) {
        (["statement", "ok"], None) => Expected::Ok,
        (["statement", "error", code], None) => Expected::Error((*code).to_owned()),
        (["query", types, rest @ ..], Some(divider)) => Expected::Rows {
            types: (*types).to_owned(),
            sorted: rest == ["rowsort"],
            rows: lines[divider + 1..].iter().map(|row| (*row).to_owned()).collect(),
        },
        _ => return None,
    };
    (!sql.is_empty()).then_some((sql, expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# types\n\nonlyif weir\nstatement ok\nCREATE STREAM s (a int)\n\nstatement error 22012\n\
                        SELECT\n1 / 0\n\nskipif views\nquery IT rowsort\nSELECT 1, 'b'\n----\n1 b\n";

    #[test]
    fn a_file_is_read_and_written_as_it_was() {
        let file = File::parse(TEXT).unwrap();
        assert_eq!(file.records.len(), 3);
        assert_eq!(file.records[1].sql, "SELECT\n1 / 0");
        assert!(!file.records[0].is_for("postgres") && !file.records[2].is_for("views"));
        assert_eq!(file.text(), TEXT);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for text in
            ["statement maybe\nSELECT 1\n", "query I\nSELECT 1\n", "nonsense\n", "statement ok\n"]
        {
            assert!(File::parse(text).is_err(), "{text}");
        }
    }
}
