//! From single measurements to medians, ratios and bars.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Bench;
use super::plan::{AGGREGATING, ALL_TABLES, Engine, Key, QUERIES, What};
use super::store::{Measured, Outcome, Taken, WRONG};
use crate::Result;
use crate::times::median;

/// What the issue asks for: see the table of bars in the report.
const FLINK_RATIO_EACH: f64 = 4.0;
const FLINK_RATIO_MEAN: f64 = 8.0;
const DUCKDB_RATIO: f64 = 3.0;
const DUCKDB_LOAD_RATIO: f64 = 1.5;
/// How many times as fast two workers are as one.
const WORKERS_RATIO: f64 = 1.7;
const PEAK_BYTES: u64 = 2 << 30;
/// Turns of a whole run.
const USUAL_TURNS: usize = 3;

/// The measurements of one engine, one way and one query.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// Medians, each of its own; of memory the most.
    Taken {
        median: Taken,
        turns: Vec<f64>,
    },
    Unfinished {
        seconds: u64,
        peak_bytes: u64,
    },
    Refused(String),
    Failed(String),
    Missing,
}

/// A bar and whether it was met; `None` where what it compares was not measured.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) measured: String,
    pub(crate) wanted: String,
    pub(crate) is_met: Option<bool>,
}

/// All results that there are.
pub(crate) struct Summary {
    cells: BTreeMap<(Engine, What, &'static str), Cell>,
    details: BTreeMap<(Engine, What, &'static str), Value>,
    /// When the first and the last were measured.
    pub(crate) dates: Option<(String, String)>,
}

impl Summary {
    /// Gathers the results of all engines and queries, also of those that this run left out.
    pub(crate) fn new(bench: &Bench) -> Result<Self> {
        let mut summary = Self { cells: BTreeMap::new(), details: BTreeMap::new(), dates: None };
        for engine in Engine::ALL {
            for query in QUERIES {
                for what in engine.whats().iter().chain(&[What::Check]) {
                    summary.gather(bench, engine, *what, query)?;
                }
            }
        }
        for engine in [Engine::Weir, Engine::DuckDb] {
            summary.gather(bench, engine, What::Load, ALL_TABLES)?;
        }
        Ok(summary)
    }

    fn gather(
        &mut self,
        bench: &Bench,
        engine: Engine,
        what: What,
        query: &'static str,
    ) -> Result<()> {
        let repeats = if what == What::Check { 1 } else { bench.options.repeats };
        let mut all: Vec<Measured> = Vec::new();
        for repeat in 1..=repeats {
            all.extend(bench.store.get(&Key::new(engine, what, query, repeat))?);
        }
        for measured in &all {
            let date = measured.details["measured_at"].as_str().unwrap_or_default().to_owned();
            self.dates = Some(match self.dates.take() {
                None => (date.clone(), date),
                Some((first, last)) => (first.min(date.clone()), last.max(date)),
            });
        }
        if let Some(last) = all.last() {
            self.details.insert((engine, what, query), last.details.clone());
        }
        self.cells.insert((engine, what, query), cell(&all));
        Ok(())
    }

    pub(crate) fn cell(&self, engine: Engine, what: What, query: &str) -> &Cell {
        let found = self.cells.iter().find(|((e, w, q), _)| (*e, *w, *q) == (engine, what, query));
        found.map_or(&Cell::Missing, |(_, cell)| cell)
    }

    pub(crate) fn details(&self, engine: Engine, what: What, query: &str) -> &Value {
        let mut all = self.details.iter();
        let found = all.find(|((e, w, q), _)| (*e, *w, *q) == (engine, what, query));
        found.map_or(&Value::Null, |(_, details)| details)
    }

    /// The version that a peer's program told.
    pub(crate) fn version(&self, engine: Engine) -> Option<&str> {
        let mut of_engine = self.details.iter().filter(|((one, ..), _)| *one == engine);
        of_engine.find_map(|(_, details)| details[engine.name()].as_str())
    }

    /// How many times as long one takes as another.
    pub(crate) fn ratio(&self, of: (Engine, What), to: (Engine, What), query: &str) -> Option<f64> {
        Some(self.cell(of.0, of.1, query).seconds()? / self.cell(to.0, to.1, query).seconds()?)
    }

    /// The geometric mean of the queries' ratios; `None` unless all are there.
    pub(crate) fn mean_ratio(&self, of: (Engine, What), to: (Engine, What)) -> Option<f64> {
        let logs: Option<Vec<f64>> =
            QUERIES.iter().map(|query| Some(self.ratio(of, to, query)?.ln())).collect();
        let logs = logs?;
        Some((logs.iter().sum::<f64>() / logs.len() as f64).exp())
    }

    /// The most memory that Weir took in any turn of those ways of running.
    fn weir_peak_bytes(&self, whats: &[What]) -> u64 {
        let weir = self
            .cells
            .iter()
            .filter(|((engine, what, _), _)| *engine == Engine::Weir && whats.contains(what));
        weir.map(|(_, cell)| cell.peak_bytes()).max().unwrap_or_default()
    }

    /// True where there is a result for all that is measured usually.
    pub(crate) fn is_whole(&self) -> bool {
        self.cells.iter().all(|((engine, what, _), cell)| match (what, cell) {
            // The others are compared with it.
            (What::Check, _) if *engine == Engine::DuckDb => true,
            (_, Cell::Missing) => false,
            (What::Check, _) => true,
            (_, Cell::Taken { turns, .. }) => turns.len() >= USUAL_TURNS,
            _ => true,
        })
    }

    /// What the issue asks for, and what was measured.
    pub(crate) fn bars(&self) -> Vec<Bar> {
        let flink = (Engine::Flink, What::Query);
        let weir = (Engine::Weir, What::FromLogSink);
        let mut bars = Vec::new();
        for query in QUERIES {
            bars.push(self.ratio_bar(query, flink, weir, |r| r >= FLINK_RATIO_EACH));
        }
        let mean = self.mean_ratio(flink, weir);
        bars.push(Bar {
            name: "Flink / Weir from log, geometric mean".to_owned(),
            measured: mean.map_or("-".to_owned(), |mean| format!("{mean:.2}")),
            wanted: format!("at least {FLINK_RATIO_MEAN}"),
            is_met: self.is_met(mean.map(|mean| mean >= FLINK_RATIO_MEAN), &QUERIES, flink, weir),
        });
        let one_worker = (Engine::Weir, What::FromLogOneWorker);
        let mean = self.mean_ratio(one_worker, weir);
        bars.push(Bar {
            name: "Weir from log with one worker / with all, geometric mean".to_owned(),
            measured: mean.map_or("-".to_owned(), |mean| format!("{mean:.2}")),
            wanted: format!("at least {WORKERS_RATIO}"),
            is_met: self.is_met(mean.map(|mean| mean >= WORKERS_RATIO), &QUERIES, one_worker, weir),
        });
        for query in AGGREGATING {
            let duckdb = (Engine::DuckDb, What::Query);
            bars.push(self.ratio_bar(query, weir, duckdb, |r| r <= DUCKDB_RATIO));
        }
        let (weir, duckdb) = ((Engine::Weir, What::Load), (Engine::DuckDb, What::Load));
        bars.push(self.ratio_bar(ALL_TABLES, weir, duckdb, |r| r <= DUCKDB_LOAD_RATIO));
        let sinks = [What::FromLogSink, What::FromLogOneWorker, What::EndToEnd];
        let peak = self.weir_peak_bytes(&sinks);
        bars.push(Bar {
            name: "Weir's peak memory with the blackhole sink, of all turns".to_owned(),
            measured: format!("{} MiB", peak >> 20),
            wanted: format!("at most {} MiB", PEAK_BYTES >> 20),
            is_met: (peak > 0).then_some(peak <= PEAK_BYTES),
        });
        bars
    }

    fn ratio_bar(
        &self,
        query: &str,
        of: (Engine, What),
        to: (Engine, What),
        holds: impl Fn(f64) -> bool,
    ) -> Bar {
        let ratio = self.ratio(of, to, query);
        let names = [of, to].map(|(engine, what)| format!("{}{}", engine.label(), suffix(what)));
        let wanted = match (of.0, to.1) {
            (Engine::Flink, _) => format!("at least {FLINK_RATIO_EACH}"),
            (_, What::Load) => format!("at most {DUCKDB_LOAD_RATIO}"),
            _ => format!("at most {DUCKDB_RATIO}"),
        };
        let query_name = if query == ALL_TABLES { String::new() } else { format!(", {query}") };
        Bar {
            name: format!("{}{query_name}", names.join(" / ")),
            measured: match ratio {
                Some(ratio) => format!("{ratio:.2}"),
                None => self.why_not(query, of, to),
            },
            wanted,
            is_met: self.is_met(ratio.map(holds), &[query], of, to),
        }
    }

    /// A bar is not met either where Weir did not finish what the other did, or its result is not known to be right;
    /// and there is no bar against a peer whose result is not known to be right.
    fn is_met(
        &self,
        holds: Option<bool>,
        queries: &[&str],
        of: (Engine, What),
        to: (Engine, What),
    ) -> Option<bool> {
        let is_unchecked = |engine: Engine| {
            let is_right =
                |query: &&str| matches!(self.cell(engine, What::Check, query), Cell::Taken { .. });
            !queries.iter().all(is_right)
        };
        let are_queries = queries != [ALL_TABLES];
        if are_queries && is_unchecked(Engine::Weir) {
            return Some(false);
        }
        // All are compared with DuckDB's.
        let is_compared = |engine: &Engine| !matches!(engine, Engine::Weir | Engine::DuckDb);
        if are_queries && [of.0, to.0].into_iter().filter(is_compared).any(is_unchecked) {
            return None;
        }
        let weir = if of.0 == Engine::Weir { of } else { to };
        let is_missing = |query: &&str| {
            let cell = self.cell(weir.0, weir.1, query);
            matches!(cell, Cell::Unfinished { .. } | Cell::Refused(_) | Cell::Failed(_))
        };
        holds.or_else(|| queries.iter().any(is_missing).then_some(false))
    }

    fn why_not(&self, query: &str, of: (Engine, What), to: (Engine, What)) -> String {
        let reasons = [of, to].map(|(engine, what)| match self.cell(engine, what, query) {
            Cell::Taken { .. } => None,
            Cell::Unfinished { seconds, .. } => {
                Some(format!("{} not finished in {seconds} s", engine.label()))
            }
            Cell::Refused(_) => Some(format!("{} refused", engine.label())),
            Cell::Failed(_) => Some(format!("{} failed", engine.label())),
            Cell::Missing => Some(format!("{} not measured", engine.label())),
        });
        reasons.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// How many results are not what DuckDB gives.
    pub(crate) fn n_wrong(&self) -> usize {
        self.cells.values().filter(|cell| cell.is_wrong()).count()
    }

    /// How many measurements of Weir, and comparisons of results, could not be made.
    pub(crate) fn n_failed(&self) -> usize {
        let failed = self.cells.iter().filter(|((engine, what, _), cell)| {
            (*engine == Engine::Weir || *what == What::Check) && matches!(cell, Cell::Failed(_))
        });
        failed.count()
    }

    /// Everything, for programs.
    pub(crate) fn json(&self) -> Value {
        let cells = self.cells.iter().filter(|(_, cell)| !matches!(cell, Cell::Missing));
        let cells = cells.map(|((engine, what, query), cell)| {
            let mut value = cell.json();
            value["engine"] = json!(engine.name());
            value["what"] = json!(what.name());
            value["query"] = json!(query);
            value["details"] = self.details(*engine, *what, query).clone();
            value
        });
        json!(cells.collect::<Vec<_>>())
    }
}

fn suffix(what: What) -> &'static str {
    match what {
        What::Load => ", load",
        What::FromLogSink => " from log",
        _ => "",
    }
}

/// The medians, and the most memory; anything that is not finished or failed tells for all turns.
fn cell(all: &[Measured]) -> Cell {
    let mut taken = Vec::new();
    for measured in all {
        match &measured.outcome {
            Outcome::Finished(one) => taken.push(*one),
            Outcome::Unfinished { seconds, peak_bytes } => {
                return Cell::Unfinished { seconds: *seconds, peak_bytes: *peak_bytes };
            }
            Outcome::Refused(reason) => return Cell::Refused(reason.clone()),
            Outcome::Failed(reason) => return Cell::Failed(reason.clone()),
        }
    }
    if taken.is_empty() {
        return Cell::Missing;
    }
    let turns: Vec<f64> = taken.iter().map(|one| one.seconds).collect();
    let median = Taken {
        seconds: median(turns.clone()),
        cpu_seconds: median(taken.iter().map(|one| one.cpu_seconds).collect()),
        peak_bytes: taken.iter().map(|one| one.peak_bytes).max().unwrap_or_default(),
    };
    Cell::Taken { median, turns }
}

impl Cell {
    pub(crate) fn is_wrong(&self) -> bool {
        matches!(self, Self::Failed(reason) if reason.starts_with(WRONG))
    }

    pub(crate) fn seconds(&self) -> Option<f64> {
        match self {
            Self::Taken { median, .. } => Some(median.seconds),
            _ => None,
        }
    }

    pub(crate) fn peak_bytes(&self) -> u64 {
        match self {
            Self::Taken { median, .. } => median.peak_bytes,
            Self::Unfinished { peak_bytes, .. } => *peak_bytes,
            _ => 0,
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Taken { median, turns } => json!({
                "seconds": median.seconds,
                "seconds_of_turns": turns,
                "cpu_seconds": median.cpu_seconds,
                "peak_bytes": median.peak_bytes,
            }),
            Self::Unfinished { seconds, peak_bytes } => {
                json!({ "unfinished_after_seconds": seconds, "peak_bytes": peak_bytes })
            }
            Self::Refused(reason) => json!({ "refused": reason }),
            Self::Failed(reason) => json!({ "failed": reason }),
            Self::Missing => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn one_unfinished_turn_tells_for_all() {
        let finished = Measured {
            outcome: Outcome::Finished(Taken { seconds: 1.0, ..Taken::default() }),
            details: json!({}),
        };
        let unfinished = Measured {
            outcome: Outcome::Unfinished { seconds: 9, peak_bytes: 0 },
            details: json!({}),
        };
        assert!(matches!(
            cell(&[finished.clone(), unfinished]),
            Cell::Unfinished { seconds: 9, .. }
        ));
        assert_eq!(cell(&[finished]).seconds(), Some(1.0));
        assert!(matches!(cell(&[]), Cell::Missing));
    }
}
