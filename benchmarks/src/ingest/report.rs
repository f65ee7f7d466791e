//! The results, for people and for programs.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::load::Rates;
use super::rows::Rows;
use super::visible::Visible;
use crate::Result;
use crate::disk::Disk;
use crate::machine::in_words;

/// All that was measured.
pub(crate) struct Report {
    rows: usize,
    row_bytes: f64,
    pub(crate) disk: Disk,
    pub(crate) rocksdb: Rates,
    pub(crate) postgres: Rates,
    pub(crate) weir: Rates,
    pub(crate) visible: Visible,
    /// What the medians are of: a turn with a stall shows here.
    pub(crate) visible_turns: Vec<Visible>,
}

/// A bar and whether it was met.
struct Bar {
    name: &'static str,
    value: f64,
    bar: String,
    is_met: bool,
}

impl Report {
    pub(crate) fn new(rows: &Rows) -> Self {
        Self {
            rows: rows.count,
            row_bytes: rows.bytes as f64 / rows.count as f64,
            disk: Disk::default(),
            rocksdb: Rates::default(),
            postgres: Rates::default(),
            weir: Rates::default(),
            visible: Visible::default(),
            visible_turns: Vec::new(),
        }
    }

    fn bars(&self) -> [Bar; 3] {
        let copy = self.weir.copy_rows / self.postgres.copy_rows;
        let inserts = self.weir.insert_many / self.postgres.insert_many;
        let visible = 10.0 + self.disk.fsync_p99_ms;
        [
            Bar {
                name: "COPY / PostgreSQL's",
                value: copy,
                bar: "1".to_owned(),
                is_met: copy >= 1.0,
            },
            Bar {
                name: "16 connections' INSERTs / PostgreSQL's",
                value: inserts,
                bar: "1".to_owned(),
                is_met: inserts >= 1.0,
            },
            Bar {
                name: "sent to visible, p99 in ms",
                value: self.visible.sent_p99_ms,
                bar: format!("under {visible:.1} (10 and an fsync)"),
                is_met: self.visible.sent_p99_ms < visible,
            },
        ]
    }

    /// Writes both files; gives their paths.
    pub(crate) fn write(&self, dir: &Path) -> Result<(PathBuf, PathBuf)> {
        std::fs::create_dir_all(dir)?;
        let (markdown, json) = (dir.join("ingest.md"), dir.join("ingest.json"));
        std::fs::write(&markdown, self.markdown()?)?;
        std::fs::write(&json, serde_json::to_string_pretty(&self.json())? + "\n")?;
        Ok((markdown, json))
    }

    fn markdown(&self) -> Result<String> {
        let mut out = String::new();
        writeln!(out, "# Ingest\n")?;
        writeln!(
            out,
            "{} rows of {:.0} bytes; every acknowledgement after its fsync; medians of three turns; {}.\n",
            self.rows,
            self.row_bytes,
            in_words()
        )?;
        writeln!(
            out,
            "| | COPY binary, rows/s | MB/s | INSERTs/s, 1 connection | 16 connections |"
        )?;
        writeln!(out, "|---|---:|---:|---:|---:|")?;
        for (name, rates) in self.systems() {
            let Rates { copy_rows, copy_mb, insert_one, insert_many } = rates;
            writeln!(
                out,
                "| {name} | {copy_rows:.0} | {copy_mb:.1} | {insert_one:.0} | {insert_many:.0} |"
            )?;
        }
        for (name, other) in [("PostgreSQL", &self.postgres), ("RocksDB", &self.rocksdb)] {
            writeln!(
                out,
                "| Weir / {name} | {:.2} | {:.2} | {:.2} | {:.2} |",
                self.weir.copy_rows / other.copy_rows,
                self.weir.copy_mb / other.copy_mb,
                self.weir.insert_one / other.insert_one,
                self.weir.insert_many / other.insert_many
            )?;
        }
        let disk = &self.disk;
        writeln!(
            out,
            "\nThe disk alone: {:.0} MB/s in sequence (Weir's COPY is {:.2} of it), {:.0} fsyncs/s \
             (p50 {:.2} ms, p99 {:.2} ms; Weir's INSERTs of one connection are {:.2} of it).\n",
            disk.mb_per_second,
            self.weir.copy_mb / disk.mb_per_second,
            disk.fsyncs_per_second,
            disk.fsync_p50_ms,
            disk.fsync_p99_ms,
            self.weir.insert_one / disk.fsyncs_per_second
        )?;
        let visible = &self.visible;
        writeln!(out, "| visible in a stateless view, 1,000 rows/s | p50, ms | p99, ms |")?;
        writeln!(out, "|---|---:|---:|")?;
        for (name, p50, p99) in [
            ("acknowledged to seen by a newest read", visible.newest_p50_ms, visible.newest_p99_ms),
            ("sent to seen by a newest read", visible.sent_p50_ms, visible.sent_p99_ms),
            (
                "a strict read after the acknowledgement",
                visible.strict_p50_ms,
                visible.strict_p99_ms,
            ),
        ] {
            writeln!(out, "| {name} | {p50:.2} | {p99:.2} |")?;
        }
        writeln!(out, "\n| sent to seen, each turn | p50, ms | p99, ms | longest, ms |")?;
        writeln!(out, "|---|---:|---:|---:|")?;
        for (turn, times) in (1..).zip(&self.visible_turns) {
            let Visible { sent_p50_ms, sent_p99_ms, sent_max_ms, .. } = times;
            writeln!(out, "| {turn} | {sent_p50_ms:.2} | {sent_p99_ms:.2} | {sent_max_ms:.2} |")?;
        }
        writeln!(out, "\n| bar | measured | to be | met |\n|---|---:|---:|---|")?;
        for Bar { name, value, bar, is_met } in self.bars() {
            writeln!(
                out,
                "| {name} | {value:.2} | {bar} | {} |",
                if is_met { "yes" } else { "no" }
            )?;
        }
        Ok(out)
    }

    fn systems(&self) -> [(&'static str, &Rates); 3] {
        [("Weir", &self.weir), ("PostgreSQL", &self.postgres), ("bare RocksDB", &self.rocksdb)]
    }

    fn json(&self) -> Value {
        let rates = |rates: &Rates| {
            json!({
                "copy_rows_per_second": rates.copy_rows,
                "copy_mb_per_second": rates.copy_mb,
                "inserts_per_second_1_connection": rates.insert_one,
                "inserts_per_second_16_connections": rates.insert_many,
            })
        };
        json!({
            "machine": in_words(),
            "rows": self.rows,
            "row_bytes": self.row_bytes,
            "weir": rates(&self.weir),
            "postgres": rates(&self.postgres),
            "rocksdb": rates(&self.rocksdb),
            "disk": {
                "mb_per_second": self.disk.mb_per_second,
                "fsyncs_per_second": self.disk.fsyncs_per_second,
                "fsync_p50_ms": self.disk.fsync_p50_ms,
                "fsync_p99_ms": self.disk.fsync_p99_ms,
            },
            "sent_to_visible_ms_of_turns": self.visible_turns.iter().map(|turn| json!({
                "p50": turn.sent_p50_ms,
                "p99": turn.sent_p99_ms,
                "max": turn.sent_max_ms,
            })).collect::<Vec<_>>(),
            "visible_ms": {
                "newest_p50": self.visible.newest_p50_ms,
                "newest_p99": self.visible.newest_p99_ms,
                "sent_p50": self.visible.sent_p50_ms,
                "sent_p99": self.visible.sent_p99_ms,
                "strict_p50": self.visible.strict_p50_ms,
                "strict_p99": self.visible.strict_p99_ms,
            },
            "bars_met": self.bars().iter().map(|bar| bar.is_met).collect::<Vec<_>>(),
        })
    }
}
