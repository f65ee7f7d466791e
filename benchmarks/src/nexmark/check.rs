//! Compares the results of an engine with DuckDB's, row for row, as multisets.

use std::collections::HashMap;
use std::path::Path;

use serde_json::json;

use super::plan::{AGGREGATING, Engine, Key, What};
use super::rows::{self, Column, Form, Kind, Row};
use super::store::{Measured, Outcome, Taken, WRONG};
use super::{Bench, duckdb, streaming, weir};
use crate::Result;

/// Rows that are compared one by one at once: more are compared in parts.
const PART_ROWS: u64 = 5_000_000;
/// Averages that differ by less than this part are the same.
const FLOAT_PART: f64 = 1e-9;
/// Rows that differ and are told.
const SHOWN: usize = 3;

/// Lets the engine write its result, and compares it.
pub(crate) fn run(bench: &Bench, key: &Key) -> Result<Measured> {
    let expected = duckdb::expected(bench, &key.query)?;
    let output = tempfile::Builder::new().prefix("result-").tempdir_in(&bench.options.work)?;
    let (path, form) = match key.engine {
        Engine::Weir => (output.path().join("rows.csv"), Form::Csv),
        Engine::Flink => (output.path().join("rows"), Form::Changes),
        Engine::Spark | Engine::DuckDb => (output.path().join("rows"), Form::JsonLines),
    };
    let ran = match key.engine {
        Engine::Weir => weir::result(bench, key, &path)?,
        _ => streaming::result(bench, key, &path)?,
    };
    if !matches!(ran.outcome, Outcome::Finished(_)) {
        return Ok(ran);
    }
    let columns: Vec<Column> =
        expected.columns.iter().map(|(name, kind)| Column::new(name, kind)).collect();
    // Flink's average of integers is an integer.
    let averages = match key.engine {
        Engine::Flink => Averages::WithoutFraction,
        _ => Averages::Floats,
    };
    if columns.iter().all(|column| column.kind != Kind::Float) {
        let of_expected = Digest::of(&expected.rows, Form::Csv, &columns)?;
        if of_expected == Digest::of(&path, form, &columns)? {
            return Ok(the_same(of_expected.rows.unsigned_abs()));
        }
    }
    let parts = (bench.data.rows("bid").div_ceil(PART_ROWS)).max(1) as usize;
    let mut found = Compared::default();
    for part in 0..parts {
        let mut one = HashMap::new();
        gather(&mut one, &expected.rows, Form::Csv, &columns, (part, parts))?;
        let mut other = HashMap::new();
        gather(&mut other, &path, form, &columns, (part, parts))?;
        compare(one, other, averages, &mut found);
    }
    if found.differences > 0 {
        let told = found.shown.join("; ");
        let Compared { rows, differences, .. } = found;
        return Ok(Measured::failed(format!(
            "{WRONG}: {differences} differences in {rows} rows, such as {told}"
        )));
    }
    Ok(the_same(found.rows))
}

fn the_same(n_rows: u64) -> Measured {
    Measured {
        outcome: Outcome::Finished(Taken::default()),
        details: json!({ "rows_compared": n_rows }),
    }
}

/// Equal for equal multisets of rows: their number, and the sum of their hashes, 128 bits each.
#[derive(Debug, PartialEq, Eq)]
struct Digest {
    rows: i64,
    sum: u128,
}

impl Digest {
    fn of(path: &Path, form: Form, columns: &[Column]) -> Result<Self> {
        let (mut n_rows, mut sum) = (0_i64, 0_u128);
        rows::read(path, form, columns, |row, weight| {
            n_rows += weight;
            let hash = row.hash();
            sum = if weight > 0 { sum.wrapping_add(hash) } else { sum.wrapping_sub(hash) };
        })?;
        Ok(Self { rows: n_rows, sum })
    }
}

/// Rows that a sink must have taken, where it takes no changes; `None` where they are not known yet.
pub(crate) fn expected_rows(bench: &Bench, query: &str) -> Result<Option<u64>> {
    if AGGREGATING.contains(&query) {
        return Ok(None);
    }
    let known = bench.store.get(&Key::new(Engine::Weir, What::Check, query, 1))?;
    Ok(known.and_then(|known| known.details["rows_compared"].as_u64()))
}

/// What averages of this engine are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Averages {
    Floats,
    WithoutFraction,
}

/// Rows by their exact cells; the floats of each.
type Gathered = HashMap<String, Vec<(Vec<Option<f64>>, i64)>>;

#[derive(Default)]
struct Compared {
    rows: u64,
    differences: u64,
    shown: Vec<String>,
}

/// Adds the rows of one part of a result; those that came and went are gone.
fn gather(
    into: &mut Gathered,
    path: &Path,
    form: Form,
    columns: &[Column],
    (part, parts): (usize, usize),
) -> Result<()> {
    rows::read(path, form, columns, |row, weight| {
        if parts > 1 && row.part(parts) != part {
            return;
        }
        let Row { exact, floats } = row;
        let same = into.entry(exact).or_default();
        match same.iter_mut().find(|(known, _)| *known == floats) {
            Some((_, total)) => *total += weight,
            None => same.push((floats, weight)),
        }
        // Most changes of an aggregate are taken back: only what is left is kept.
        same.retain(|(_, total)| *total != 0);
    })
}

fn compare(one: Gathered, mut other: Gathered, averages: Averages, found: &mut Compared) {
    let differs =
        |found: &mut Compared, side: &str, exact: &str, floats: &[Option<f64>], n: u64| {
            found.differences += n;
            if found.shown.len() < SHOWN {
                let row = Row { exact: exact.to_owned(), floats: floats.to_vec() };
                found.shown.push(format!("{side} {} ({n} times)", row.show()));
            }
        };
    for (exact, expected) in one {
        let mut given = other.remove(&exact).unwrap_or_default();
        for (floats, n) in expected {
            found.rows += n.unsigned_abs();
            let like = |(other, times): &(Vec<Option<f64>>, i64)| {
                *times == n && are_same(&floats, other, averages)
            };
            match given.iter().position(like) {
                Some(at) => drop(given.swap_remove(at)),
                None => differs(found, "missing", &exact, &floats, n.unsigned_abs()),
            }
        }
        for (floats, n) in given.into_iter().filter(|(_, n)| *n != 0) {
            differs(found, "not expected", &exact, &floats, n.unsigned_abs());
        }
    }
    for (exact, given) in other {
        for (floats, n) in given.into_iter().filter(|(_, n)| *n != 0) {
            differs(found, "not expected", &exact, &floats, n.unsigned_abs());
        }
    }
}

fn are_same(expected: &[Option<f64>], given: &[Option<f64>], averages: Averages) -> bool {
    expected.len() == given.len()
        && expected.iter().zip(given).all(|pair| match pair {
            (None, None) => true,
            (Some(expected), Some(given)) => {
                let expected = match averages {
                    Averages::Floats => *expected,
                    Averages::WithoutFraction => expected.trunc(),
                };
                (expected - given).abs() <= FLOAT_PART * expected.abs()
            }
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(rows: &[(&str, f64, i64)]) -> Gathered {
        let mut gathered = Gathered::new();
        for (exact, float, n) in rows {
            gathered.entry((*exact).to_owned()).or_default().push((vec![Some(*float)], *n));
        }
        gathered
    }

    fn differences(
        one: &[(&str, f64, i64)],
        other: &[(&str, f64, i64)],
        averages: Averages,
    ) -> u64 {
        let mut found = Compared::default();
        compare(gathered(one), gathered(other), averages, &mut found);
        found.differences
    }

    #[test]
    fn a_digest_is_that_of_a_multiset() {
        let dir = tempfile::tempdir().expect("a directory");
        let columns = [Column::new("a", "BIGINT"), Column::new("b", "VARCHAR")];
        let digest = |text: &str| {
            let path = dir.path().join("rows.csv");
            std::fs::write(&path, text).expect("written");
            Digest::of(&path, Form::Csv, &columns).expect("rows")
        };
        let one = digest("1,x\n2,y\n1,x\n");
        assert_eq!(one.rows, 3);
        assert_eq!(one, digest("2,y\n1,x\n1,x\n"));
        for other in ["1,x\n2,y\n2,y\n", "1,x\n2,y\n", "1,x\n2,y\n1,\\N\n", "1,y\n2,x\n1,x\n"] {
            assert_ne!(one, digest(other), "{other}");
        }
    }

    #[test]
    fn multisets_are_compared_and_averages_nearly() {
        let one = [("a", 1.5, 2), ("b", 2.0, 1)];
        assert_eq!(differences(&one, &one, Averages::Floats), 0);
        let near = [("b", 2.0, 1), ("a", 1.500_000_000_1, 2)];
        assert_eq!(differences(&one, &near, Averages::Floats), 0);
        assert_eq!(
            differences(&one, &[("a", 1.0, 2), ("b", 2.0, 1)], Averages::WithoutFraction),
            0
        );
        assert_eq!(differences(&one, &[("a", 1.0, 2), ("b", 2.0, 1)], Averages::Floats), 4);
        assert_eq!(differences(&one, &[("a", 1.5, 1), ("b", 2.0, 1)], Averages::Floats), 3);
        assert_eq!(differences(&one, &[("a", 1.5, 2)], Averages::Floats), 1);
        assert_eq!(
            differences(&one, &[("a", 1.5, 2), ("b", 2.0, 1), ("c", 0.0, 1)], Averages::Floats),
            1
        );
    }
}
