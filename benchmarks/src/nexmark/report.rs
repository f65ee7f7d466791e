//! The results, for people and for programs.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::options::USUAL_EVENTS;
use super::plan::{ALL_TABLES, Engine, QUERIES, What};
use super::summary::{Cell, Summary};
use super::{Bench, facts, plot};
use crate::Result;

/// The columns of the tables: an engine's way of running.
pub(crate) const COLUMNS: [(Engine, What, &str); 7] = [
    (Engine::Weir, What::FromLogSink, "Weir, from log"),
    (Engine::Weir, What::FromLogOneWorker, "Weir, from log, one worker"),
    (Engine::Weir, What::FromLogView, "Weir, from log into a view"),
    (Engine::Weir, What::EndToEnd, "Weir, end to end"),
    (Engine::Flink, What::Query, "Flink"),
    (Engine::Spark, What::Query, "Spark"),
    (Engine::DuckDb, What::Query, "DuckDB, batch"),
];

/// Writes the report; gives the paths of Markdown, JSON and plot. What is smaller than the usual run, or lacks
/// results of it, is kept in the work directory: it is a trial.
pub(crate) fn write(bench: &Bench, summary: &Summary) -> Result<Vec<PathBuf>> {
    let options = &bench.options;
    let results = options.root.join("benchmarks/results");
    let (dir, name) = match options.events {
        _ if !summary.is_whole() => (options.work.clone(), "nexmark".to_owned()),
        USUAL_EVENTS => (results, "nexmark".to_owned()),
        more if more > USUAL_EVENTS => (results, format!("nexmark-{more}")),
        _ => (options.work.clone(), "nexmark".to_owned()),
    };
    std::fs::create_dir_all(&dir)?;
    let facts = facts::facts(bench, summary);
    let paths = ["md", "json", "svg"].map(|end| dir.join(format!("{name}.{end}")));
    let [markdown_path, json_path, plot_path] = &paths;
    std::fs::write(markdown_path, markdown(bench, summary, &facts, &format!("{name}.svg"))?)?;
    let json = json!({
        "facts": facts,
        "results": summary.json(),
        "bars": summary.bars().iter().map(|bar| json!({
            "name": bar.name,
            "measured": bar.measured,
            "wanted": bar.wanted,
            "is_met": bar.is_met,
        })).collect::<Vec<_>>(),
    });
    std::fs::write(json_path, serde_json::to_string_pretty(&json)? + "\n")?;
    std::fs::write(plot_path, plot::svg(summary)?)?;
    Ok(paths.to_vec())
}

fn markdown(bench: &Bench, summary: &Summary, facts: &Value, plot: &str) -> Result<String> {
    let mut out = String::new();
    heading(&mut out, bench, facts)?;
    bars(&mut out, summary)?;
    writeln!(
        out,
        "## Seconds\n\n![Seconds of each engine and query, on a logarithmic scale]({plot})\n"
    )?;
    table(&mut out, summary, |cell| match cell {
        Cell::Taken { median, .. } => in_seconds(median.seconds),
        other => in_words(other),
    })?;
    ratios(&mut out, summary)?;
    writeln!(out, "## CPU seconds, user and system\n")?;
    table(&mut out, summary, |cell| match cell {
        Cell::Taken { median, .. } => format!("{:.1}", median.cpu_seconds),
        other => in_words(other),
    })?;
    writeln!(out, "## Peak resident memory, MiB, the most of all turns\n")?;
    table(&mut out, summary, |cell| match cell.peak_bytes() {
        0 => in_words(cell),
        bytes => (bytes >> 20).to_string(),
    })?;
    load(&mut out, bench, summary)?;
    checks(&mut out, summary)?;
    reasons(&mut out, summary)?;
    notes(&mut out, bench)?;
    Ok(out)
}

fn heading(out: &mut String, bench: &Bench, facts: &Value) -> Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let (machine, versions) = (&facts["machine"], &facts["versions"]);
    let data_bytes: u64 = super::sql::TABLES.iter().map(|table| bench.data.bytes(table)).sum();
    writeln!(out, "# Nexmark\n")?;
    writeln!(
        out,
        "{} events ({} persons, {} auctions, {} bids) in {} MB of JSON lines; {} of {} cores of {}, \
         {} MiB of memory, {}, Linux {}, {}; medians of {} turns.\n",
        bench.options.events,
        bench.data.rows("person"),
        bench.data.rows("auction"),
        bench.data.rows("bid"),
        data_bytes / 1_000_000,
        bench.options.cores,
        machine["processors"],
        text(&machine["processor"]),
        machine["memory_bytes"].as_u64().unwrap_or_default() >> 20,
        text(&machine["system"]),
        text(&machine["kernel"]),
        text(&machine["file_system"]),
        bench.options.repeats,
    )?;
    let dates = facts["measured_between"].as_array();
    let dates: Vec<String> = dates.into_iter().flatten().map(text).collect();
    writeln!(
        out,
        "{} (binary {}), Flink {}, Spark {}, DuckDB {}, {}; measured between {} UTC.\n",
        text(&versions["weir"]),
        text(&versions["weir_binary"]),
        text(&versions["flink"]),
        text(&versions["spark"]),
        text(&versions["duckdb"]),
        text(&versions["java"]),
        dates.join(" and ")
    )?;
    Ok(())
}

fn bars(out: &mut String, summary: &Summary) -> Result<()> {
    writeln!(out, "## Bars\n\n| bar | measured | wanted | met |\n|---|---:|---:|---|")?;
    for bar in summary.bars() {
        let is_met = match bar.is_met {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not measured",
        };
        writeln!(out, "| {} | {} | {} | {is_met} |", bar.name, bar.measured, bar.wanted)?;
    }
    writeln!(out)?;
    Ok(())
}

/// A row for each query, a column for each way of running.
fn table(out: &mut String, summary: &Summary, show: impl Fn(&Cell) -> String) -> Result<()> {
    let names = COLUMNS.map(|(_, _, name)| name);
    writeln!(out, "| | {} |", names.join(" | "))?;
    writeln!(out, "|---{}|", "|---:".repeat(names.len()))?;
    for query in QUERIES {
        let cells = COLUMNS.map(|(engine, what, _)| show(summary.cell(engine, what, query)));
        writeln!(out, "| {query} | {} |", cells.join(" | "))?;
    }
    writeln!(out)?;
    Ok(())
}

/// With three digits that say something.
pub(crate) fn in_seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{seconds:.3}") } else { format!("{seconds:.2}") }
}

fn in_words(cell: &Cell) -> String {
    match cell {
        Cell::Taken { .. } => String::new(),
        Cell::Unfinished { seconds, .. } => format!("not finished in {seconds} s"),
        Cell::Refused(_) => "refused".to_owned(),
        Cell::Failed(_) if cell.is_wrong() => "WRONG".to_owned(),
        Cell::Failed(_) => "failed".to_owned(),
        Cell::Missing => "-".to_owned(),
    }
}

fn ratios(out: &mut String, summary: &Summary) -> Result<()> {
    let from_log = (Engine::Weir, What::FromLogSink);
    let end_to_end = (Engine::Weir, What::EndToEnd);
    let view = (Engine::Weir, What::FromLogView);
    let [flink, spark, duckdb] =
        [Engine::Flink, Engine::Spark, Engine::DuckDb].map(|engine| (engine, What::Query));
    let one_worker = (Engine::Weir, What::FromLogOneWorker);
    let columns = [
        ("Flink / Weir from log", flink, from_log),
        ("Flink / Weir end to end", flink, end_to_end),
        ("Spark / Weir from log", spark, from_log),
        ("Spark / Weir end to end", spark, end_to_end),
        ("Weir from log / DuckDB", from_log, duckdb),
        ("Weir view / DuckDB", view, duckdb),
        ("Weir with one worker / all", one_worker, from_log),
    ];
    writeln!(out, "## Ratios\n")?;
    writeln!(out, "| | {} |", columns.map(|(name, ..)| name).join(" | "))?;
    writeln!(out, "|---{}|", "|---:".repeat(columns.len()))?;
    let show = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    for query in QUERIES {
        let cells = columns.map(|(_, of, to)| show(summary.ratio(of, to, query)));
        writeln!(out, "| {query} | {} |", cells.join(" | "))?;
    }
    let means = columns.map(|(_, of, to)| show(summary.mean_ratio(of, to)));
    writeln!(out, "| geometric mean | {} |\n", means.join(" | "))?;
    Ok(())
}

fn load(out: &mut String, bench: &Bench, summary: &Summary) -> Result<()> {
    writeln!(out, "## Load of all three tables\n")?;
    writeln!(
        out,
        "| | seconds | rows/s | CPU seconds | peak memory, MiB |\n|---|---:|---:|---:|---:|"
    )?;
    for engine in [Engine::Weir, Engine::DuckDb] {
        match summary.cell(engine, What::Load, ALL_TABLES) {
            Cell::Taken { median, .. } => writeln!(
                out,
                "| {} | {:.2} | {:.0} | {:.1} | {} |",
                engine.label(),
                median.seconds,
                bench.data.all_rows() as f64 / median.seconds,
                median.cpu_seconds,
                median.peak_bytes >> 20
            )?,
            other => writeln!(out, "| {} | {} | - | - | - |", engine.label(), in_words(other))?,
        }
    }
    let on_disk = |engine| {
        let details = summary.details(engine, What::Load, ALL_TABLES);
        details["bytes_on_disk"].as_u64().map(|bytes| bytes / 1_000_000)
    };
    if let (Some(weir), Some(duckdb)) = (on_disk(Engine::Weir), on_disk(Engine::DuckDb)) {
        writeln!(out, "\nAfter it Weir's directory has {weir} MB, and DuckDB's file {duckdb} MB.")?;
    }
    writeln!(out)?;
    Ok(())
}

fn checks(out: &mut String, summary: &Summary) -> Result<()> {
    writeln!(out, "## Results compared with DuckDB's, row for row\n")?;
    let engines = [Engine::Weir, Engine::Flink, Engine::Spark];
    writeln!(
        out,
        "| | {} |",
        engines.map(|engine| format!("{}, rows", engine.label())).join(" | ")
    )?;
    writeln!(out, "|---{}|", "|---:".repeat(engines.len()))?;
    for query in QUERIES {
        let cells = engines.map(|engine| match summary.cell(engine, What::Check, query) {
            Cell::Taken { .. } => {
                let details = summary.details(engine, What::Check, query);
                format!("{} the same", details["rows_compared"])
            }
            other => in_words(other),
        });
        writeln!(out, "| {query} | {} |", cells.join(" | "))?;
    }
    writeln!(out)?;
    Ok(())
}

/// What was refused or failed, with the engine's words.
fn reasons(out: &mut String, summary: &Summary) -> Result<()> {
    let whats = [What::Load, What::Check];
    let columns = COLUMNS.iter().map(|(engine, what, _)| (*engine, *what));
    let mut told = Vec::new();
    for (engine, what) in columns.chain(Engine::ALL.into_iter().flat_map(|e| whats.map(|w| (e, w))))
    {
        for query in QUERIES.iter().chain(&[ALL_TABLES]) {
            let cell = summary.cell(engine, what, query);
            if let Cell::Refused(reason) | Cell::Failed(reason) = cell {
                let line = reason.replace(['\n', '|'], " ");
                told.push(format!("- {} {} {query}: {line}", engine.label(), what.name()));
            }
        }
    }
    if !told.is_empty() {
        writeln!(out, "## Refused or failed\n\n{}\n", told.join("\n"))?;
    }
    Ok(())
}

fn notes(out: &mut String, bench: &Bench) -> Result<()> {
    let bids = &bench.data.facts["bids"];
    let share = |name: &str| bids[name].as_f64().unwrap_or_default() * 100.0;
    write!(
        out,
        "\
## How to read it

- Every number is of a process of its own; engines take turns. The numbers hold for a machine that does nothing else.
- *From log* reads typed rows from Weir's durable log; Flink and Spark read JSON files, as *end to end* does. The bars compare Flink with *from log*, because Weir decodes a row once for all views; *end to end* is the comparison of like with like.
- *From log* and *end to end* without a view write into a sink that drops rows (`blackhole`), as Flink does; Spark's is `noop`. DuckDB makes a temporary table of the result, so *Weir, from log into a view* is what compares with it.
- *End to end* stores and fsyncs every row before a query sees it; the other engines keep nothing.
- Flink's seconds are the job's own, without the start of the JVM and of the cluster; Spark's begin with a session that is up; Weir's with a server that is up. CPU seconds are taken over the same time, and of Flink include the start of the cluster.
- A job of Flink or Spark has a JVM of its own, so its first seconds run code that is not compiled yet; Nexmark's guide measures after a warm-up of 150 M events. Flink makes a checkpoint every 10 s; Weir would, too, and its queries from the log are over before.
- DuckDB has its settings as they come, but for the number of threads. Its load writes its final form; Weir's ends when all is in the write-ahead log, fsynced, and is written to tables later, as log-structured stores do.
- Compared with DuckDB's are the rows of Weir's view over the log. Of sinks the number of rows is compared, where the query has no aggregates.
- All events lie within one day, in the hour after midnight: of the branches of q14 only one is taken.
- Peak memory is that of all processes of the engine since their start, and grows with the heap that a JVM may take: {} MiB here. Weir's memory with a view is that of the view, too.
- Flink runs with the settings of Nexmark's guide ([run_flink.py](../peers/run_flink.py)): mini-batches of 2 s and 50,000 rows, split distinct aggregates, object reuse, exactly-once checkpoints every 10 s, and state in the heap, which is faster than the guide's RocksDB for state that fits.
- Files and databases are read once before anything is measured, so they are in the page cache.
- A measurement that takes longer than {} s is ended, and told as not finished.
- The crate `nexmark` makes the events, not the Java generator of Nexmark. By their sources both put half of the bids on four hot channels and half on 10,000 others, and build URLs alike; what they draw differs, because the crate begins its random numbers anew with each event and each channel. So values that are independent in Java are not here: of the {} distinct URLs without a `channel_id` {:.0} % have a first folder of 3 letters, of the others {:.0} %; in Java both are 50 %. The four hot channels have the paths of `channel-0` to `channel-3`. A `bidder` is counted from 1000, in Java from 2000; `extra` is drawn for every bid, where Java cuts it out of one text. In this data {:.1} % of the bids are on the hot channels, {:.1} % have a `channel_id`, and there are {} channels. Results are to be compared with results on the same data only.
- An average is a numeric in Weir, a double in DuckDB and Spark, and an integer in Flink; they are compared to 9 digits, Flink's without the fraction.
",
        bench.peers.heap_mib,
        bench.options.bound.as_secs(),
        bids["urls_without_channel_id"],
        share("share_of_them_with_a_first_folder_of_3_letters"),
        share("share_of_the_others"),
        share("share_of_the_four_hot_channels"),
        share("share_with_channel_id"),
        bids["distinct_channels"],
    )?;
    Ok(())
}
