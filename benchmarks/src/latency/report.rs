//! The results, for people and for programs.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::subscriber::Seen;
use super::turns::Turns;
use super::views::VIEWS;
use super::writer::Sent;
use super::{ROWS, STATEMENTS_PER_SECOND, WRITERS};
use crate::Result;
use crate::disk::Disk;
use crate::machine::in_words;
use crate::times::percentiles;

/// How much worse "no worse" may be.
const SPREAD: f64 = 1.1;

/// All that was measured.
pub(crate) struct Report {
    pub(crate) disk: Disk,
    pub(crate) turns: Turns,
    /// Without idle views, and with.
    pub(crate) measured: Vec<Measured>,
}

/// One run.
pub(crate) struct Measured {
    pub(crate) n_idle: usize,
    /// What it took to create the idle views.
    pub(crate) idle_seconds: f64,
    /// Processors that the server kept busy.
    pub(crate) cores: f64,
    pub(crate) peak_bytes: u64,
    pub(crate) times: Times,
}

/// Times in milliseconds: p50, p99, p99.9, and the longest.
pub(crate) struct Times {
    acknowledged: [f64; 4],
    /// From acknowledged to visible, of each view and of all.
    of_views: Vec<[f64; 4]>,
    visible: [f64; 4],
    /// From due to visible, of all views.
    from_due: [f64; 4],
}

const PERCENTS: [f64; 4] = [50.0, 99.0, 99.9, 100.0];

impl Times {
    /// Matches what was sent with what was seen.
    pub(crate) fn of(turns: Turns, sent: &[Vec<Sent>], seen: &[Seen]) -> Result<Self> {
        let counted = sent.iter().flat_map(|of_writer| {
            of_writer.iter().enumerate().filter(|(statement_idx, _)| turns.counts(*statement_idx))
        });
        let mut acknowledged: Vec<Duration> =
            counted.map(|(_, one)| one.acknowledged.saturating_duration_since(one.due)).collect();
        let (mut of_views, mut visible, mut from_due) = (Vec::new(), Vec::new(), Vec::new());
        for of_view in seen {
            let mut times = Vec::new();
            for (sent, seen) in sent.iter().zip(of_view) {
                let mut arrivals = seen.iter().peekable();
                for (statement_idx, one) in sent.iter().enumerate() {
                    let last = (statement_idx * ROWS + ROWS - 1) as i64;
                    // Of several INSERTs that one tick took in, an aggregation tells the last alone.
                    while arrivals.next_if(|(seq, _)| *seq < last).is_some() {}
                    let (_, at) = arrivals.peek().ok_or("a row was never seen")?;
                    if turns.counts(statement_idx) {
                        // Seen before its acknowledgement came: 0.
                        times.push(at.saturating_duration_since(one.acknowledged));
                        from_due.push(at.saturating_duration_since(one.due));
                    }
                }
            }
            of_views.push(percentiles(&mut times, PERCENTS));
            visible.append(&mut times);
        }
        Ok(Self {
            acknowledged: percentiles(&mut acknowledged, PERCENTS),
            of_views,
            visible: percentiles(&mut visible, PERCENTS),
            from_due: percentiles(&mut from_due, PERCENTS),
        })
    }
}

impl Report {
    /// Writes both files; gives their paths.
    pub(crate) fn write(&self, dir: &Path) -> Result<(PathBuf, PathBuf)> {
        std::fs::create_dir_all(dir)?;
        let (markdown, json) = (dir.join("latency.md"), dir.join("latency.json"));
        std::fs::write(&markdown, self.markdown()?)?;
        std::fs::write(&json, serde_json::to_string_pretty(&self.json())? + "\n")?;
        Ok((markdown, json))
    }

    /// The bars: name, measured, to be below.
    fn bars(&self) -> Vec<(String, f64, f64)> {
        let p99 = |measured: &Measured| measured.times.visible[1];
        let alone = self.measured.iter().find(|measured| measured.n_idle == 0).map(p99);
        let mut bars = Vec::new();
        for measured in &self.measured {
            let name = match measured.n_idle {
                0 => "p99 in ms: 10 and an fsync".to_owned(),
                n_idle => {
                    format!("p99 in ms with {n_idle} idle views: no worse, but for {SPREAD} times")
                }
            };
            let bar = match (measured.n_idle, alone) {
                (1.., Some(alone)) => alone * SPREAD,
                _ => 10.0 + self.disk.fsync_p99_ms,
            };
            bars.push((name, p99(measured), bar));
        }
        bars
    }

    fn markdown(&self) -> Result<String> {
        let mut out = String::new();
        writeln!(out, "# Latency\n")?;
        writeln!(
            out,
            "{} rows/s for {} turns of {} s from {WRITERS} connections, in INSERTs of {ROWS} rows, each acknowledged \
             after its fsync; {} views, each followed by a SUBSCRIBE of its own; clients on the same machine; {}. \
             Two servers take turns, the other one is stopped meanwhile.\n",
            WRITERS * ROWS * STATEMENTS_PER_SECOND as usize,
            self.turns.count,
            self.turns.counted,
            VIEWS.len(),
            in_words()
        )?;
        writeln!(
            out,
            "The disk alone: an fsync takes {:.2} ms (p50), {:.2} ms (p99), {:.0} of them a second; {:.0} MB/s in sequence.\n",
            self.disk.fsync_p50_ms,
            self.disk.fsync_p99_ms,
            self.disk.fsyncs_per_second,
            self.disk.mb_per_second
        )?;
        for measured in &self.measured {
            let Measured { n_idle, idle_seconds, cores, peak_bytes, times } = measured;
            match n_idle {
                0 => writeln!(out, "## {} views\n", VIEWS.len())?,
                n_idle => writeln!(
                    out,
                    "## {} views, and {n_idle} idle ones\n\nThe idle ones were created in {idle_seconds:.1} s.",
                    VIEWS.len()
                )?,
            }
            writeln!(
                out,
                "The server kept {cores:.2} processors busy, and took {} MiB at most.\n",
                peak_bytes >> 20
            )?;
            writeln!(out, "| in ms | p50 | p99 | p99.9 | longest |\n|---|---:|---:|---:|---:|")?;
            let mut row = |name: &str, [p50, p99, p999, max]: [f64; 4]| {
                writeln!(out, "| {name} | {p50:.2} | {p99:.2} | {p999:.2} | {max:.2} |")
            };
            row("an INSERT, from due to acknowledged", times.acknowledged)?;
            row("all views, from acknowledged to visible", times.visible)?;
            row("all views, from due to visible", times.from_due)?;
            for (view, of_view) in VIEWS.iter().zip(&times.of_views) {
                row(&format!("{}: `{}`", view.kind, view.name), *of_view)?;
            }
            writeln!(out)?;
        }
        writeln!(out, "| bar | measured | below | met |\n|---|---:|---:|---|")?;
        for (name, value, bar) in self.bars() {
            let met = if value < bar { "yes" } else { "no" };
            writeln!(out, "| {name} | {value:.2} | {bar:.2} | {met} |")?;
        }
        Ok(out)
    }

    fn json(&self) -> Value {
        let times = |[p50, p99, p999, max]: [f64; 4]| json!({ "p50": p50, "p99": p99, "p99.9": p999, "max": max });
        let run = |measured: &Measured| {
            let views: serde_json::Map<String, Value> = VIEWS
                .iter()
                .zip(&measured.times.of_views)
                .map(|(view, of_view)| (view.name.to_owned(), times(*of_view)))
                .collect();
            json!({
                "idle_views": measured.n_idle,
                "idle_views_created_seconds": measured.idle_seconds,
                "server_cores": measured.cores,
                "server_peak_bytes": measured.peak_bytes,
                "acknowledged_ms": times(measured.times.acknowledged),
                "visible_ms": times(measured.times.visible),
                "due_to_visible_ms": times(measured.times.from_due),
                "views_visible_ms": views,
            })
        };
        json!({
            "machine": in_words(),
            "turns": self.turns.count,
            "seconds_of_turn": self.turns.counted,
            "rows_per_second": WRITERS * ROWS * STATEMENTS_PER_SECOND as usize,
            "connections": WRITERS,
            "rows_per_insert": ROWS,
            "fsync_ms": { "p50": self.disk.fsync_p50_ms, "p99": self.disk.fsync_p99_ms },
            "runs": self.measured.iter().map(run).collect::<Vec<_>>(),
            "bars_met": self.bars().iter().map(|(_, value, bar)| value < bar).collect::<Vec<_>>(),
        })
    }
}
