//! From acknowledged to visible: rows go in at a steady rate, and another connection looks for them in a
//! stateless view.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::load::Target;
use crate::Result;
use crate::times::percentiles;

/// Rows a second.
const RATE: u32 = 1_000;
/// Rows in all.
const ROWS: i64 = 10_000;
/// Connections that they come over.
const WRITERS: usize = 8;
/// What a reader looks at: with so few connections no row is longer under way.
const NEWEST: &str = "SELECT id FROM seen ORDER BY id DESC LIMIT 500";

/// Times in milliseconds.
#[derive(Default)]
pub(crate) struct Visible {
    /// From the acknowledgement until a reader that does not wait sees the row.
    pub(crate) newest_p50_ms: f64,
    pub(crate) newest_p99_ms: f64,
    /// From sending the INSERT until then: an fsync is in it.
    pub(crate) sent_p50_ms: f64,
    pub(crate) sent_p99_ms: f64,
    /// A strict read that begins at the acknowledgement.
    pub(crate) strict_p50_ms: f64,
    pub(crate) strict_p99_ms: f64,
}

pub(crate) async fn measure(target: &Target) -> Result<Visible> {
    let client = target.client().await?;
    client
        .batch_execute(
            "CREATE STREAM ticks (id bigint, amount double precision);
             CREATE MATERIALIZED VIEW seen AS SELECT id, amount * 2 AS twice FROM ticks WHERE amount >= 0",
        )
        .await?;
    let (acknowledged, mut to_find) = mpsc::unbounded_channel::<(i64, Instant, Instant)>();
    let (to_read, mut due) = mpsc::channel::<Instant>(1);
    let writer = tokio::spawn(write(target.clone(), acknowledged, to_read));

    let strict = target.client().await?;
    let strict = tokio::spawn(async move {
        let read = strict.prepare("SELECT max(id) FROM seen").await?;
        let mut times = Vec::new();
        while let Some(at) = due.recv().await {
            strict.query_one(&read, &[]).await?;
            times.push(at.elapsed());
        }
        Ok::<_, tokio_postgres::Error>(times)
    });

    let reader = target.client().await?;
    reader.batch_execute("SET weir.read = 'newest'").await?;
    let read = reader.prepare(NEWEST).await?;
    let (mut from_acknowledged, mut from_sent) = (Vec::new(), Vec::new());
    let mut waiting = Vec::new();
    loop {
        let seen: HashSet<i64> =
            reader.query(&read, &[]).await?.iter().map(|row| row.get(0)).collect();
        let now = Instant::now();
        while let Ok(row) = to_find.try_recv() {
            waiting.push(row);
        }
        for (_, sent, at) in waiting.extract_if(.., |(id, ..)| seen.contains(id)) {
            from_sent.push(now - sent);
            // Seen before its acknowledgement came: 0.
            from_acknowledged.push(now.saturating_duration_since(at));
        }
        if waiting.is_empty() && writer.is_finished() && to_find.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    writer.await??;
    let mut strict = strict.await??;
    if from_acknowledged.len() != ROWS as usize {
        return Err(format!("{} of {ROWS} rows were seen", from_acknowledged.len()).into());
    }
    let [newest_p50_ms, newest_p99_ms] = percentiles(&mut from_acknowledged, [50.0, 99.0]);
    let [sent_p50_ms, sent_p99_ms] = percentiles(&mut from_sent, [50.0, 99.0]);
    let [strict_p50_ms, strict_p99_ms] = percentiles(&mut strict, [50.0, 99.0]);
    Ok(Visible {
        newest_p50_ms,
        newest_p99_ms,
        sent_p50_ms,
        sent_p99_ms,
        strict_p50_ms,
        strict_p99_ms,
    })
}

/// Sends a row a millisecond, over the connection that is free.
async fn write(
    target: Target,
    acknowledged: mpsc::UnboundedSender<(i64, Instant, Instant)>,
    to_read: mpsc::Sender<Instant>,
) -> Result<()> {
    let (due, rows) = mpsc::unbounded_channel::<(i64, Instant)>();
    let rows = Arc::new(Mutex::new(rows));
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let client = target.client().await?;
        let statement = client.prepare("INSERT INTO ticks VALUES ($1, $2)").await?;
        let (rows, acknowledged, to_read) =
            (Arc::clone(&rows), acknowledged.clone(), to_read.clone());
        writers.spawn(async move {
            loop {
                let row = rows.lock().await.recv().await;
                let Some((id, sent)) = row else { return Ok::<_, tokio_postgres::Error>(()) };
                client.execute(&statement, &[&id, &1.5_f64]).await?;
                let at = Instant::now();
                // The reader of the other side ends after this one.
                let _ = acknowledged.send((id, sent, at));
                // One strict read at a time: it takes the next row when it is free.
                let _ = to_read.try_send(at);
            }
        });
    }
    let mut pace = tokio::time::interval(Duration::from_secs(1) / RATE);
    for id in 0..ROWS {
        pace.tick().await;
        // From the moment that it is due: a server that lags does not slow the clock down.
        due.send((id, Instant::now()))?;
    }
    drop(due);
    while let Some(done) = writers.join_next().await {
        done??;
    }
    Ok(())
}
