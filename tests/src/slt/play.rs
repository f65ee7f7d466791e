//! Playing a file.

use std::collections::BTreeMap;

use super::file::{Expected, File, Record};
use crate::answer::{Answer, Outcome};
use crate::dice::Dice;
use crate::postgres::PostgresClient;
use crate::weir::Weir;

/// A way to play a file on Weir.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Each query runs where it stands.
    Batch,
    /// Each query is a materialized view from as early on as its relations are as it needs them, and is read
    /// where it stands; other reads cut the ticks at random.
    Views,
    /// As views, and Weir is stopped and started in the middle.
    Restart,
}

/// Plays a file on a new Weir.
///
/// # Errors
/// The records that do not hold.
pub fn play(file: &File, way: Way, seed: u64) -> Result<(), String> {
    let mut player = Player {
        weir: Weir::start(2),
        dice: Dice::new(seed),
        views: BTreeMap::new(),
        in_block: false,
    };
    let records: Vec<&Record> =
        file.records.iter().filter(|record| record.is_for("weir")).collect();
    let middle = records.len() / 2;
    let mut restarted = way != Way::Restart;
    let mut wrong = Vec::new();
    for (at, record) in records.iter().enumerate() {
        if !restarted && at >= middle && !player.in_block {
            player.weir.restart(2).map_err(|error| format!("the restart failed: {error}"))?;
            restarted = true;
        }
        let held = player.record(record, at, way);
        wrong
            .extend(held.err().map(|text| format!("line {}: {}\n{text}", record.line, record.sql)));
        if way != Way::Batch && !player.in_block && changes_objects(&record.sql) {
            wrong.extend(player.create_views(&records, at));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n\n")) }
}

struct Player {
    weir: Weir,
    dice: Dice,
    /// The view of the record at that place.
    views: BTreeMap<usize, String>,
    in_block: bool,
}

impl Player {
    fn record(&mut self, record: &Record, at: usize, way: Way) -> Result<(), String> {
        if way != Way::Batch && !self.in_block && self.dice.percent(40) {
            let names: Vec<&String> = self.views.values().collect();
            if !names.is_empty() {
                // Its own outcome is looked at where its record stands.
                let _ = self.weir.run(&format!("SELECT count(*) FROM {}", self.dice.pick(&names)));
            }
        }
        let view = self.views.remove(&at).filter(|_| !self.in_block);
        let (sql, as_view) = match &view {
            Some(name) => (format!("SELECT * FROM {name}"), true),
            None => (record.sql.clone(), false),
        };
        let outcome = self.weir.run(&sql);
        self.follow_block(&record.sql, &outcome);
        let held = check(record, &outcome, as_view);
        if let Some(name) = view {
            let dropped = self.weir.run(&format!("DROP MATERIALIZED VIEW {name}"));
            dropped.map_err(|failure| format!("its view cannot be dropped: {failure}"))?;
        }
        held
    }

    fn follow_block(&mut self, sql: &str, outcome: &Outcome) {
        match first_word(sql).as_str() {
            "begin" | "start" => self.in_block |= outcome.is_ok(),
            "commit" | "rollback" | "end" if !sql.to_lowercase().contains(" to ") => {
                self.in_block = false;
            }
            _ => {}
        }
    }

    /// Makes views of the queries that come before objects change again.
    fn create_views(&mut self, records: &[&Record], after: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        for (at, record) in records.iter().enumerate().skip(after + 1) {
            if changes_objects(&record.sql) {
                break;
            }
            let is_query = matches!(record.expected, Expected::Rows { .. } | Expected::Error(_));
            let reads =
                matches!(first_word(&record.sql).as_str(), "select" | "with" | "values" | "(");
            if !is_query || !reads || !record.is_for("views") {
                continue;
            }
            let name = format!("slt_{at}");
            let sql = format!("CREATE MATERIALIZED VIEW {name} AS {}", record.sql);
            match (self.weir.run(&sql), &record.expected) {
                (Ok(_), _) => {
                    self.views.insert(at, name);
                }
                // A query that cannot be planned is refused where it stands, too.
                (Err(_), Expected::Error(_)) => {}
                (Err(failure), _) => {
                    wrong.push(format!("line {}: {sql}\n  {failure}", record.line))
                }
            }
        }
        wrong
    }
}

fn first_word(sql: &str) -> String {
    let start = sql.trim_start();
    if start.starts_with('(') {
        return "(".to_owned();
    }
    start.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_lowercase()
}

fn changes_objects(sql: &str) -> bool {
    matches!(first_word(sql).as_str(), "create" | "drop" | "alter" | "comment" | "set")
}

/// What is wrong with the outcome, if anything.
fn check(record: &Record, outcome: &Outcome, as_view: bool) -> Result<(), String> {
    match (&record.expected, outcome) {
        (Expected::Ok, Ok(_)) => Ok(()),
        (Expected::Error(code), Err(failure)) if failure.code == *code => Ok(()),
        (Expected::Error(code), outcome) => {
            Err(format!("  expected {code}, got {}", shown(outcome)))
        }
        (_, Err(failure)) => Err(format!("  {failure}")),
        (Expected::Rows { rows, sorted, .. }, Ok(answer)) => {
            let (mut expected, mut got) = (rows.clone(), lines(answer));
            if *sorted || as_view {
                expected.sort();
                got.sort();
            }
            if expected == got {
                return Ok(());
            }
            Err(format!("  expected:\n{}  got:\n{}", indented(&expected), indented(&got)))
        }
    }
}

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Ok(answer) => format!("{} rows", answer.rows.len()),
        Err(failure) => failure.to_string(),
    }
}

fn indented(rows: &[String]) -> String {
    rows.iter().map(|row| format!("    {row}\n")).collect()
}

fn lines(answer: &Answer) -> Vec<String> {
    let cell = |cell: &Option<String>| match cell.as_deref() {
        None => "NULL".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(text) => text.replace('\n', "\\n"),
    };
    let line = |row: &Vec<Option<String>>| row.iter().map(cell).collect::<Vec<_>>().join(" ");
    answer.rows.iter().map(line).collect()
}

/// What PostgreSQL answers to a file: the file with its rows and errors, for all records that it plays.
///
/// # Errors
/// Where PostgreSQL refuses what is expected to succeed.
pub fn write_from_postgres(file: &File, postgres: &PostgresClient) -> Result<File, String> {
    let mut written = file.clone();
    for record in written.records.iter_mut().filter(|record| record.is_for("postgres")) {
        let outcome = postgres.run(&record.sql);
        let new = match (&record.expected, outcome) {
            (Expected::Error(_), Err(failure)) => Expected::Error(failure.code),
            (Expected::Ok, Ok(_)) => Expected::Ok,
            (Expected::Rows { types, sorted, .. }, Ok(answer)) => {
                let mut rows = lines(&answer);
                if *sorted {
                    rows.sort();
                }
                Expected::Rows { types: types.clone(), sorted: *sorted, rows }
            }
            (_, outcome) => {
                return Err(format!("line {}: {}: {}", record.line, record.sql, shown(&outcome)));
            }
        };
        record.expected = new;
    }
    Ok(written)
}
