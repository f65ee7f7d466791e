//! The results, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Result, SPIKES, machine};

/// What a spike measured.
#[derive(Serialize, Deserialize)]
pub(crate) struct Table {
    /// What was done, and under which conditions.
    title: String,
    /// With their units.
    columns: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
struct Row {
    case: String,
    /// `None` where a case has no such number.
    values: Vec<Option<f64>>,
}

impl Table {
    pub(crate) fn new(title: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Self { title: title.to_owned(), columns, rows: Vec::new() }
    }

    /// Adds a row; not a number is none.
    pub(crate) fn row(&mut self, case: impl Into<String>, values: &[f64]) {
        assert_eq!(values.len(), self.columns.len(), "a row has a value for each column");
        let values = values.iter().map(|value| Some(*value).filter(|value| !value.is_nan()));
        self.rows.push(Row { case: case.into(), values: values.collect() });
    }
}

/// All results of this machine up to now.
#[derive(Serialize, Deserialize)]
pub(crate) struct Results {
    machine: Value,
    spikes: BTreeMap<String, Vec<Table>>,
}

impl Results {
    /// What is stored in `dir`; without results where they are of another machine.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let machine = machine::facts(Path::new(crate::DIRECTORY));
        let path = dir.join("results.json");
        if path.exists() {
            let stored: Self = serde_json::from_slice(&std::fs::read(&path)?)?;
            if stored.machine == machine {
                return Ok(stored);
            }
        }
        Ok(Self { machine, spikes: BTreeMap::new() })
    }

    /// Puts the tables of a spike in the place of older ones. Of `allocator`, rows of other builds stay.
    pub(crate) fn put(&mut self, spike: &str, mut tables: Vec<Table>) {
        let older = self.spikes.remove(spike).filter(|_| spike == "allocator");
        for (table, old) in tables.iter_mut().zip(older.into_iter().flatten()) {
            let is_other = |row: &Row| table.rows.iter().all(|newer| newer.case != row.case);
            let others: Vec<Row> = old.rows.into_iter().filter(is_other).collect();
            table.rows.extend(others);
            table.rows.sort_by(|a, b| a.case.cmp(&b.case));
        }
        self.spikes.insert(spike.to_owned(), tables);
    }

    /// Writes both files.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        std::fs::write(dir.join("results.json"), serde_json::to_string_pretty(self)? + "\n")?;
        std::fs::write(dir.join("results.md"), self.markdown()?)?;
        Ok(())
    }

    pub(crate) fn markdown(&self) -> Result<String> {
        let mut out = String::new();
        let fact = |name: &str| self.machine[name].as_str().unwrap_or_default();
        let gib = self.machine["memory_bytes"].as_u64().unwrap_or_default() >> 30;
        writeln!(out, "# Spikes\n")?;
        writeln!(
            out,
            "{}, {gib} GiB, {}, Linux {}, {}. Medians of several runs.",
            machine::in_words(),
            fact("file_system"),
            fact("kernel"),
            fact("system")
        )?;
        for (name, _) in SPIKES {
            let Some(tables) = self.spikes.get(name) else { continue };
            writeln!(out, "\n## {name}")?;
            for table in tables {
                writeln!(out, "\n{}\n", table.title)?;
                writeln!(out, "| | {} |", table.columns.join(" | "))?;
                writeln!(out, "|---|{}", "---:|".repeat(table.columns.len()))?;
                for row in &table.rows {
                    let values: Vec<String> = row.values.iter().copied().map(in_short).collect();
                    writeln!(out, "| {} | {} |", row.case, values.join(" | "))?;
                }
            }
        }
        Ok(out)
    }
}

/// Three digits that count, and no digit of a whole number less.
fn in_short(value: Option<f64>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    if value.fract() == 0.0 {
        return format!("{value:.0}");
    }
    let whole_digits = value.abs().log10().floor() as i32 + 1;
    let decimals = usize::try_from(3 - whole_digits).unwrap_or(0).min(6);
    format!("{value:.decimals$}")
}
