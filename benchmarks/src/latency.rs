//! `cargo xtask bench latency`: from acknowledged to visible, in twelve views at once, while rows come in at a
//! steady rate; alone, and with a thousand idle views beside.
//!
//! The two are measured in turns, so that a disk's good and bad minutes fall on both. Whose turn it is not is
//! stopped as a process, so that nothing of it runs.

mod report;
mod subscriber;
mod turns;
mod views;
mod writer;

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tokio_postgres::Client;

use crate::Result;
use crate::client::connect;
use crate::disk;
use crate::usage::Watch;
use crate::weir::Weir;
use report::{Measured, Report, Times};
use subscriber::Seen;
use turns::Turns;
use writer::Sent;

/// Connections that write.
const WRITERS: usize = 4;
/// Rows of one INSERT.
const ROWS: usize = 25;
/// INSERTs of one connection in a second: all of them together bring 10,000 rows.
const STATEMENTS_PER_SECOND: u32 = 100;
/// Measured seconds if nothing else is said.
const SECONDS: u64 = 120;
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
    let dir_of = |n_idle: usize| dir.path().join(n_idle.to_string());
    let start = |n_idle| Weir::start(Path::new(binary), &dir_of(n_idle), &[], None);
    let servers = [start(0)?, start(IDLE_VIEWS)?];
    let turns = Turns::of(seconds);
    let measured = runtime.block_on(in_turns(&servers, turns))?;
    for weir in servers {
        weir.stop()?;
    }
    let report = Report { disk, turns, measured };
    let (markdown, json) = report.write(Path::new(results))?;
    println!("\n{}", std::fs::read_to_string(&markdown)?);
    println!("written to {} and {}", markdown.display(), json.display());
    Ok(())
}

/// Measures the server without idle views and the one with them.
async fn in_turns(servers: &[Weir; 2], turns: Turns) -> Result<Vec<Measured>> {
    let [alone, beside] = servers;
    let prepared = [prepare(alone, 0, turns).await?, prepare(beside, IDLE_VIEWS, turns).await?];
    let start = tokio::time::Instant::now() + Duration::from_secs(1);
    let mut runs = JoinSet::new();
    for (place, prepared) in prepared.into_iter().enumerate() {
        let starts = turns.starts(start, place, servers.len());
        runs.spawn(async move { (place, measure(prepared, turns, starts).await) });
    }
    for turn in 0..turns.count * servers.len() {
        let on_turn = &servers[turn % servers.len()];
        for weir in servers {
            if !std::ptr::eq(weir, on_turn) {
                weir.pause()?;
            }
        }
        on_turn.go_on()?;
        let end = start + turns.length() * (turn as u32 + 1);
        eprintln!("benchmark: turn {} of {}", turn + 1, turns.count * servers.len());
        sleep_until(end).await;
    }
    for weir in servers {
        weir.go_on()?;
    }
    let mut measured = Vec::new();
    while let Some(done) = runs.join_next().await {
        let (place, of_server) = done?;
        measured.push((place, of_server?));
    }
    measured.sort_by_key(|(place, _)| *place);
    Ok(measured.into_iter().map(|(_, of_server)| of_server).collect())
}

/// A server with its views, and those who follow them and are about to write.
struct Prepared {
    n_idle: usize,
    idle_seconds: f64,
    watch: Watch,
    subscribers: JoinSet<Result<(usize, Seen), tokio_postgres::Error>>,
    writers: Vec<Client>,
}

async fn prepare(weir: &Weir, n_idle: usize, turns: Turns) -> Result<Prepared> {
    eprintln!("benchmark: {} views, {n_idle} idle ones beside", views::VIEWS.len());
    let line = weir.connect_line();
    let client = connect(&line).await?;
    let began = Instant::now();
    views::create_idle(&client, n_idle).await?;
    let idle_seconds = began.elapsed().as_secs_f64();
    views::create(&client).await?;
    let mut subscribers = JoinSet::new();
    for (view_idx, view) in views::VIEWS.iter().enumerate() {
        let client = connect(&line).await?;
        let n_statements = turns.n_statements();
        subscribers.spawn(async move {
            subscriber::follow(client, view.name, n_statements).await.map(|seen| (view_idx, seen))
        });
    }
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        writers.push(connect(&line).await?);
    }
    let watch = Watch::new(weir.pid());
    Ok(Prepared { n_idle, idle_seconds, watch, subscribers, writers })
}

/// Writes in the turns that begin at `starts`.
async fn measure(
    prepared: Prepared,
    turns: Turns,
    starts: Vec<tokio::time::Instant>,
) -> Result<Measured> {
    let Prepared { n_idle, idle_seconds, watch, mut subscribers, writers } = prepared;
    let cpu_before = watch.cpu_seconds();
    let mut running = JoinSet::new();
    for (writer, client) in writers.into_iter().enumerate() {
        running.spawn(writer::write(client, writer, turns, starts.clone()));
    }
    let mut sent: Vec<Vec<Sent>> = vec![Vec::new(); WRITERS];
    while let Some(done) = running.join_next().await {
        let (writer, statements) = done??;
        sent[writer] = statements;
    }
    let mut seen: Vec<Seen> = vec![Seen::default(); views::VIEWS.len()];
    while let Some(done) = subscribers.join_next().await {
        let (view_idx, of_view) = done??;
        seen[view_idx] = of_view;
    }
    let cpu_seconds = watch.cpu_seconds() - cpu_before;
    Ok(Measured {
        n_idle,
        idle_seconds,
        cores: cpu_seconds / turns.seconds_of_writing(),
        peak_bytes: watch.peak_bytes(),
        times: Times::of(turns, &sent, &seen)?,
    })
}
