//! From acknowledged to visible: rows go in at a steady rate, and another connection looks for them in a
//! stateless view.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::load::Target;
use crate::Result;
use crate::times::{median, percentiles};

/// Rows a second.
const RATE: u32 = 1_000;
/// Rows in all.
const ROWS: i64 = 10_000;
/// Connections that they come over.
const WRITERS: usize = 8;
/// A row that is not seen by then, although all were sent, never will be.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);
/// What a reader looks at: the rows from the first one on that it has not seen.
const NEWEST: &str = "SELECT id FROM seen WHERE id >= $1";

/// Times in milliseconds.
#[derive(Default)]
pub(crate) struct Visible {
    /// From the acknowledgement until a reader that does not wait sees the row.
    pub(crate) newest_p50_ms: f64,
    pub(crate) newest_p99_ms: f64,
    /// From sending the INSERT until then: an fsync is in it.
    pub(crate) sent_p50_ms: f64,
    pub(crate) sent_p99_ms: f64,
    /// The row that took longest.
    pub(crate) sent_max_ms: f64,
    /// A strict read that begins at the acknowledgement.
    pub(crate) strict_p50_ms: f64,
    pub(crate) strict_p99_ms: f64,
}

impl Visible {
    /// The median of each time.
    pub(crate) fn medians(turns: &[Self]) -> Self {
        let median = |time: fn(&Self) -> f64| median(turns.iter().map(time).collect());
        Self {
            newest_p50_ms: median(|times| times.newest_p50_ms),
            newest_p99_ms: median(|times| times.newest_p99_ms),
            sent_p50_ms: median(|times| times.sent_p50_ms),
            sent_p99_ms: median(|times| times.sent_p99_ms),
            sent_max_ms: median(|times| times.sent_max_ms),
            strict_p50_ms: median(|times| times.strict_p50_ms),
            strict_p99_ms: median(|times| times.strict_p99_ms),
        }
    }
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
    let mut seen_at: HashMap<i64, Instant> = HashMap::new();
    let mut first_unseen = 0;
    let mut last_seen = Instant::now();
    while first_unseen < ROWS && !(writer.is_finished() && last_seen.elapsed() > GIVE_UP_AFTER) {
        let rows = reader.query(&read, &[&first_unseen]).await?;
        let now = Instant::now();
        for row in rows {
            seen_at.entry(row.get(0)).or_insert(now);
        }
        while seen_at.contains_key(&first_unseen) {
            first_unseen += 1;
            last_seen = now;
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    writer.await??;
    let mut strict = strict.await??;
    if first_unseen < ROWS {
        return Err(format!("row {first_unseen} of {ROWS} was not seen").into());
    }
    let (mut from_acknowledged, mut from_sent) = (Vec::new(), Vec::new());
    while let Ok((id, sent, at)) = to_find.try_recv() {
        from_sent.push(seen_at[&id] - sent);
        // Seen before its acknowledgement came: 0.
        from_acknowledged.push(seen_at[&id].saturating_duration_since(at));
    }
    let [newest_p50_ms, newest_p99_ms] = percentiles(&mut from_acknowledged, [50.0, 99.0]);
    let [sent_p50_ms, sent_p99_ms, sent_max_ms] = percentiles(&mut from_sent, [50.0, 99.0, 100.0]);
    let [strict_p50_ms, strict_p99_ms] = percentiles(&mut strict, [50.0, 99.0]);
    Ok(Visible {
        newest_p50_ms,
        newest_p99_ms,
        sent_p50_ms,
        sent_p99_ms,
        sent_max_ms,
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
