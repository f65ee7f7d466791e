//! `cargo xtask bench latency`: from acknowledged to visible, in twelve views at once, while rows come in at a
//! steady rate; alone, and with a thousand idle views beside.

mod report;
mod subscriber;
mod views;
mod writer;

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Result;
use crate::client::connect;
use crate::disk;
use crate::usage::Watch;
use crate::weir::Weir;
use report::{Measured, Report, Times};
use subscriber::Seen;
use writer::Sent;

/// Connections that write.
const WRITERS: usize = 4;
/// Rows of one INSERT.
const ROWS: usize = 25;
/// INSERTs of one connection in a second: all of them together bring 10,000 rows.
const STATEMENTS_PER_SECOND: u32 = 100;
/// Measured seconds if nothing else is said.
const SECONDS: u64 = 120;
/// Before anything is counted.
const WARM_UP: Duration = Duration::from_secs(10);
/// Views that nothing flows into.
const IDLE_VIEWS: usize = 1_000;

/// Measures and writes the report.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let (binary, dir, results, seconds) = match words {
        [binary, dir, results] => (binary, dir, results, SECONDS),
        [binary, dir, results, seconds] => (binary, dir, results, seconds.parse()?),
        _ => return Err("usage: latency WEIR_BINARY DIRECTORY RESULTS_DIRECTORY [SECONDS]".into()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let dir = tempfile::Builder::new().prefix("weir-bench-").tempdir_in(dir)?;
    eprintln!("benchmark: the disk alone");
    let disk = disk::measure(dir.path())?;
    let time = Duration::from_secs(seconds);
    let mut measured = Vec::new();
    for n_idle in [0, IDLE_VIEWS] {
        eprintln!("benchmark: {} views, {n_idle} idle ones beside", views::VIEWS.len());
        let weir =
            Weir::start(Path::new(binary), &dir.path().join(format!("{n_idle}")), &[], None)?;
        measured.push(runtime.block_on(measure(&weir, n_idle, time))?);
        weir.stop()?;
    }
    let report = Report { disk, seconds, measured };
    let (markdown, json) = report.write(Path::new(results))?;
    println!("\n{}", std::fs::read_to_string(&markdown)?);
    println!("written to {} and {}", markdown.display(), json.display());
    Ok(())
}

async fn measure(weir: &Weir, n_idle: usize, time: Duration) -> Result<Measured> {
    let line = weir.connect_line();
    let client = connect(&line).await?;
    let began = Instant::now();
    views::create_idle(&client, n_idle).await?;
    let idle_seconds = began.elapsed().as_secs_f64();
    views::create(&client).await?;

    let n_statements = (WARM_UP + time).as_secs() as usize * STATEMENTS_PER_SECOND as usize;
    let mut subscribers = JoinSet::new();
    for (view_idx, view) in views::VIEWS.iter().enumerate() {
        let client = connect(&line).await?;
        subscribers.spawn(async move {
            subscriber::follow(client, view.name, n_statements).await.map(|seen| (view_idx, seen))
        });
    }
    let start = tokio::time::Instant::now() + Duration::from_secs(1);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let client = connect(&line).await?;
        writers.spawn(writer::write(client, writer, n_statements, start));
    }
    let watch = Watch::new(weir.pid());
    let (began, cpu_before) = (Instant::now(), watch.cpu_seconds());
    let mut sent: Vec<Vec<Sent>> = vec![Vec::new(); WRITERS];
    while let Some(done) = writers.join_next().await {
        let (writer, statements) = done??;
        sent[writer] = statements;
    }
    let (elapsed, cpu_seconds) = (began.elapsed(), watch.cpu_seconds() - cpu_before);
    let mut seen: Vec<Seen> = vec![Seen::default(); views::VIEWS.len()];
    while let Some(done) = subscribers.join_next().await {
        let (view_idx, of_view) = done??;
        seen[view_idx] = of_view;
    }
    let n_warm = WARM_UP.as_secs() as usize * STATEMENTS_PER_SECOND as usize;
    Ok(Measured {
        n_idle,
        idle_seconds,
        cores: cpu_seconds / elapsed.as_secs_f64(),
        peak_bytes: watch.peak_bytes(),
        times: Times::of(n_warm, &sent, &seen)?,
    })
}
