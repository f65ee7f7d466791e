//! Plays the steps of a round on a Weir and a PostgreSQL, and finds where they differ.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::coverage::Coverage;
use super::plan::Round;
use super::{Statement, Step, View};
use crate::answer::{Answer, Failure, Form, Outcome, difference};
use crate::postgres::{Postgres, PostgresClient};
use crate::weir::Weir;

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What kind it is: shrinking keeps the kind.
    pub kind: DifferenceKind,
    /// The step that showed it.
    pub step_idx: usize,
    /// What differs.
    pub text: String,
}

/// The kinds of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// A view is not its query.
    ViewAgainstBatch,
    /// Weir is not PostgreSQL in a query.
    WeirAgainstPostgres,
    /// Weir is not PostgreSQL in a change.
    Change,
    /// Weir does not start, or has a defect.
    Defect,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            DifferenceKind::ViewAgainstBatch => "a view (first) is not its query (second)",
            DifferenceKind::WeirAgainstPostgres => "Weir (first) is not PostgreSQL (second)",
            DifferenceKind::Change => "a change has another outcome than in PostgreSQL",
            DifferenceKind::Defect => "Weir failed",
        };
        write!(f, "{what}: {}", self.text)
    }
}

/// The databases of a round.
pub struct Players {
    weir: Weir,
    postgres: Option<PostgresClient>,
    schema: String,
    made: BTreeSet<String>,
    /// Views that PostgreSQL does not have, or not with the same rows.
    only_weir: BTreeSet<String>,
}

/// PostgreSQL's SQLSTATE for a statement that is over its time: it has no answer to compare with.
const TIMEOUT: &str = "57014";

/// Weir's SQLSTATE for a query that multiplies its rows beyond the memory of a round.
const OUT_OF_MEMORY: &str = "53200";

/// Of more rows only the number is compared: joins of what is there several times make millions, and their texts would
/// take all of a machine's memory.
const ROWS_MAX: u64 = 50_000;

/// SQLSTATEs of Weir that no statement of a round may meet.
fn is_defect(failure: &Failure) -> bool {
    ["XX", "58", "57"].iter().any(|class| failure.code.starts_with(class))
}

fn is_error(outcome: &Outcome, code: &str) -> bool {
    outcome.as_ref().is_err_and(|failure| failure.code == code)
}

/// Errors of values: when they come depends on the order in which conditions are looked at, which SQL leaves
/// open.
fn is_of_values(outcome: &Outcome) -> bool {
    outcome.as_ref().is_err_and(|failure| failure.code.starts_with("22"))
}

impl Players {
    /// Starts the databases of a round.
    ///
    /// # Errors
    /// Where PostgreSQL does not take part as it should.
    pub fn start(round: &Round, postgres: Option<&Arc<Postgres>>) -> Result<Self, Difference> {
        let fail = |text| Difference { kind: DifferenceKind::Defect, step_idx: 0, text };
        let client = postgres.map(|server| server.client()).transpose().map_err(fail)?;
        let schema = format!("round_{}_{}", round.seed, std::process::id());
        if let Some(client) = &client {
            let made = client.run(&format!(
                "SET client_min_messages = error; DROP SCHEMA IF EXISTS {schema} CASCADE; \
                 CREATE SCHEMA {schema}; SET search_path = {schema}; SET statement_timeout = '60s'"
            ));
            made.map_err(|failure| fail(format!("PostgreSQL: {failure}")))?;
        }
        Ok(Self {
            weir: Weir::start(round.workers),
            postgres: client,
            schema,
            made: BTreeSet::new(),
            only_weir: BTreeSet::new(),
        })
    }

    /// Plays the steps.
    ///
    /// # Errors
    /// The first difference.
    pub fn play(&mut self, steps: &[Step], coverage: &mut Coverage) -> Result<(), Difference> {
        coverage.rounds += 1;
        for (step_idx, step) in steps.iter().enumerate() {
            let outcome = match step {
                Step::Run(statement) => self.change(statement, coverage),
                Step::CreateView(view) => self.create(view, coverage),
                Step::Read(sql) => self.read(sql),
                Step::Restart(workers) => started("restart", self.weir.restart(*workers)),
                Step::PowerLoss(workers) => {
                    started("start after a loss of power", self.weir.lose_power(*workers))
                }
                Step::Compare(view) => self.compare(view, coverage),
            };
            outcome.map_err(|(kind, text)| Difference { kind, step_idx, text })?;
        }
        Ok(())
    }

    fn change(&mut self, statement: &Statement, coverage: &mut Coverage) -> Played {
        let weir = self.weir.run(&statement.weir);
        no_defect(&weir, &statement.weir)?;
        coverage.changes += 1;
        let Some(postgres) = &self.postgres else { return Ok(()) };
        let postgres = postgres.run(&statement.postgres);
        let same = match (&weir, &postgres) {
            (Ok(weir), Ok(postgres)) => same_count(weir, postgres),
            // Of several rows that are wrong, each of them names one.
            (Err(weir), Err(postgres)) => {
                weir.code == postgres.code || is_of_rows(&weir.code) && is_of_rows(&postgres.code)
            }
            _ => false,
        };
        if same {
            coverage.failed_changes += u64::from(weir.is_err());
            return Ok(());
        }
        let show = |outcome: &Outcome| match outcome {
            Ok(answer) => format!("ok, {}", answer.tag),
            Err(failure) => failure.to_string(),
        };
        Err((
            DifferenceKind::Change,
            format!(
                "{}\n  Weir: {}\n  PostgreSQL: {}",
                statement.weir,
                show(&weir),
                show(&postgres)
            ),
        ))
    }

    fn create(&mut self, view: &View, coverage: &mut Coverage) -> Played {
        let statement = view.create();
        let weir = self.weir.run(&statement.weir);
        no_defect(&weir, &statement.weir)?;
        let postgres = self.postgres.as_ref().map(|postgres| postgres.run(&statement.postgres));
        coverage.queries += 1;
        if !view.query.common || !matches!(postgres, Some(Ok(_))) {
            self.only_weir.insert(view.name.clone());
        }
        if let (Some(Err(failure)), true) = (&postgres, view.query.common) {
            // A query over a view that PostgreSQL does not have is no fault of the query.
            let known =
                self.only_weir.iter().any(|name| failure.message.contains(&format!("\"{name}\"")));
            coverage.refused_by_postgres(failure, &statement.postgres, known);
        }
        match weir {
            Ok(_) => {
                self.made.insert(view.name.clone());
                coverage.uses(&view.query.kinds);
            }
            Err(failure) => coverage.refused(&failure, &statement.weir),
        }
        Ok(())
    }

    fn read(&mut self, sql: &str) -> Played {
        no_defect(&self.weir.run(sql), sql)
    }

    /// The number of rows of a view, and that of its query.
    fn compare_numbers(
        &mut self,
        view: &View,
        of_view: &Outcome,
        coverage: &mut Coverage,
    ) -> Played {
        let sql = &view.query.sql;
        let of_query = self.weir.run(&count_of(&format!("({sql}) AS query")));
        coverage.comparisons += 1;
        if is_error(&of_query, OUT_OF_MEMORY) {
            coverage.over_memory += 1;
            return Ok(());
        }
        coverage.over_rows += 1;
        agree(of_view, &of_query).map_err(|text| {
            (DifferenceKind::ViewAgainstBatch, format!("{}, rows of {sql}\n  {text}", view.name))
        })
    }

    /// The view and its query at one epoch, and PostgreSQL's answer.
    fn compare(&mut self, view: &View, coverage: &mut Coverage) -> Played {
        if !self.made.contains(&view.name) {
            return Ok(());
        }
        let sql = &view.query.sql;
        let number = self.weir.run(&count_of(&view.name));
        if n_rows(&number).is_some_and(|n_rows| n_rows > ROWS_MAX) {
            return self.compare_numbers(view, &number, coverage);
        }
        let content = format!("SELECT * FROM {}", view.name);
        let begun = self.weir.run("BEGIN");
        no_defect(&begun, "BEGIN")?;
        let maintained = self.weir.run(&content);
        if maintained.is_err() {
            // An error ends the block; nobody writes meanwhile, so the next statement sees the same epoch.
            no_defect(&self.weir.run("ROLLBACK"), "ROLLBACK")?;
        }
        let batch = self.weir.run(sql);
        if maintained.is_ok() {
            no_defect(&self.weir.run("ROLLBACK"), "ROLLBACK")?;
        }
        no_defect(&maintained, &content)?;
        no_defect(&batch, sql)?;
        if is_error(&maintained, OUT_OF_MEMORY) || is_error(&batch, OUT_OF_MEMORY) {
            coverage.comparisons += 1;
            coverage.over_memory += 1;
            return Ok(());
        }
        let empty = batch.as_ref().is_ok_and(|answer| answer.rows.is_empty());
        coverage.compared(empty, batch.is_err());
        agree(&exact(&maintained), &exact(&batch)).map_err(|text| {
            (DifferenceKind::ViewAgainstBatch, format!("{} = {sql}\n  {text}", view.name))
        })?;
        let Some(postgres) = &self.postgres else { return Ok(()) };
        if self.only_weir.contains(&view.name) {
            return Ok(());
        }
        let postgres = postgres.run(&content);
        if is_error(&postgres, TIMEOUT) {
            coverage.over_time += 1;
            return Ok(());
        }
        if is_of_values(&batch) != is_of_values(&postgres) {
            coverage.open_errors += 1;
            return Ok(());
        }
        coverage.compared_with_postgres += 1;
        agree(&batch, &postgres).map_err(|text| {
            (DifferenceKind::WeirAgainstPostgres, format!("{} = {sql}\n  {text}", view.name))
        })
    }
}

impl Drop for Players {
    fn drop(&mut self) {
        if let Some(postgres) = &self.postgres
            && let Err(failure) =
                postgres.run(&format!("ROLLBACK; DROP SCHEMA {} CASCADE", self.schema))
        {
            eprintln!("a round's schema stays in PostgreSQL: {failure}");
        }
    }
}

fn started(what: &str, outcome: weir_types::Result<()>) -> Played {
    outcome.map_err(|error| (DifferenceKind::Defect, format!("the {what} failed: {error}")))
}

type Played = Result<(), (DifferenceKind, String)>;

fn no_defect(outcome: &Outcome, sql: &str) -> Played {
    match outcome {
        Err(failure) if is_defect(failure) => {
            Err((DifferenceKind::Defect, format!("{sql}\n  {failure}")))
        }
        _ => Ok(()),
    }
}

fn count_of(item: &str) -> String {
    format!("SELECT count(*) FROM {item}")
}

/// The number that a count gave.
fn n_rows(count: &Outcome) -> Option<u64> {
    count.as_ref().ok()?.rows.first()?.first()?.as_ref()?.parse().ok()
}

/// The outcome to compare as it is: what a view and its query print is the same to the last character.
fn exact(outcome: &Outcome) -> Outcome {
    let exact = |mut answer: Answer| {
        answer.columns.fill(Form::Exact);
        answer
    };
    outcome.clone().map(exact)
}

fn agree(left: &Outcome, right: &Outcome) -> Result<(), String> {
    match (left, right) {
        (Ok(left), Ok(right)) => match difference(&left.columns, left, right) {
            Some(text) => Err(text),
            None => Ok(()),
        },
        // Of several rows that fail, it is open which one tells.
        (Err(one), Err(other))
            if one.code == other.code || is_of_values(left) && is_of_values(right) =>
        {
            Ok(())
        }
        (left, right) => {
            let show = |outcome: &Outcome| match outcome {
                Ok(answer) => format!("{} rows", answer.rows.len()),
                Err(failure) => failure.to_string(),
            };
            Err(format!("{} against {}", show(left), show(right)))
        }
    }
}

/// True where both touched the same number of rows. PostgreSQL's client tells the number alone.
fn same_count(weir: &Answer, postgres: &Answer) -> bool {
    let n_rows = weir.tag.rsplit(' ').next().and_then(|word| word.parse::<u64>().ok());
    n_rows.is_none_or(|n_rows| postgres.tag == n_rows.to_string())
}

/// True for a SQLSTATE that says what is wrong with a row.
fn is_of_rows(code: &str) -> bool {
    ["21", "22", "23"].iter().any(|class| code.starts_with(class))
}
