//! The load on a server: COPY, and prepared INSERTs of one row each.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{SinkExt, stream};
use tokio_postgres::Client;

use super::rows::{COLUMNS, Row, Rows};
use crate::Result;
use crate::client::connect;
use crate::times::median;

/// How long INSERTs are measured.
pub(crate) const INSERT_TIME: Duration = Duration::from_secs(5);
/// COPY is measured so often; the best counts, for all servers.
const COPY_RUNS: usize = 3;

/// Where a server is, and what a relation is called there.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) connect: String,
    /// `STREAM` or `TABLE`.
    pub(crate) kind: &'static str,
}

/// Rates of one system.
#[derive(Default)]
pub(crate) struct Rates {
    pub(crate) copy_rows: f64,
    pub(crate) copy_mb: f64,
    /// Rows a second, each acknowledged after its fsync.
    pub(crate) insert_one: f64,
    pub(crate) insert_many: f64,
}

impl Target {
    pub(crate) async fn client(&self) -> Result<Client, tokio_postgres::Error> {
        connect(&self.connect).await
    }
}

impl Rates {
    /// The median of each rate.
    pub(crate) fn medians(turns: &[Self]) -> Self {
        let median = |rate: fn(&Self) -> f64| median(turns.iter().map(rate).collect());
        Self {
            copy_rows: median(|rates| rates.copy_rows),
            copy_mb: median(|rates| rates.copy_mb),
            insert_one: median(|rates| rates.insert_one),
            insert_many: median(|rates| rates.insert_many),
        }
    }
}

/// Measures a server without relations.
pub(crate) async fn measure(target: &Target, rows: &Rows, connections: usize) -> Result<Rates> {
    let mut seconds = f64::INFINITY;
    for run in 0..COPY_RUNS {
        seconds = seconds.min(copy(target, rows, run).await?);
    }
    Ok(Rates {
        copy_rows: rows.count as f64 / seconds,
        copy_mb: rows.bytes as f64 / 1e6 / seconds,
        insert_one: inserts(target, 1).await?,
        insert_many: inserts(target, connections).await?,
    })
}

/// Seconds of one COPY into a new relation.
async fn copy(target: &Target, rows: &Rows, run: usize) -> Result<f64> {
    let client = target.client().await?;
    client.batch_execute(&format!("CREATE {} copied_{run} ({COLUMNS})", target.kind)).await?;
    let began = Instant::now();
    let sql = format!("COPY copied_{run} FROM STDIN (FORMAT binary)");
    let mut sink = pin!(client.copy_in::<_, Bytes>(&sql).await?);
    sink.send_all(&mut stream::iter(rows.copy.iter().cloned().map(Ok))).await?;
    let copied = sink.finish().await?;
    let seconds = began.elapsed().as_secs_f64();
    if copied != rows.count as u64 {
        return Err(format!("COPY took {copied} of {} rows", rows.count).into());
    }
    Ok(seconds)
}

/// Rows a second from that many connections, each with one statement under way.
async fn inserts(target: &Target, connections: usize) -> Result<f64> {
    let name = format!("inserted_{connections}");
    let client = target.client().await?;
    client.batch_execute(&format!("CREATE {} {name} ({COLUMNS})", target.kind)).await?;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut clients = Vec::new();
    for _ in 0..connections {
        let client = target.client().await?;
        let sql = format!("INSERT INTO {name} VALUES ($1, $2, $3, $4, $5)");
        let statement = client.prepare(&sql).await?;
        clients.push((client, statement));
    }
    let began = Instant::now();
    let mut workers = Vec::new();
    for (number, (client, statement)) in (0_i64..).zip(clients) {
        let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
        workers.push(tokio::spawn(async move {
            let mut id = number << 40;
            while !stop.load(Ordering::Relaxed) {
                let Row { id: key, customer, amount, quantity, note } = Row::new(id);
                client.execute(&statement, &[&key, &customer, &amount, &quantity, &note]).await?;
                id += 1;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, tokio_postgres::Error>(())
        }));
    }
    tokio::time::sleep(INSERT_TIME).await;
    stop.store(true, Ordering::Relaxed);
    let rate = done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    for worker in workers {
        worker.await??;
    }
    let there: i64 = client.query_one(&format!("SELECT count(*) FROM {name}"), &[]).await?.get(0);
    if there != done.load(Ordering::Relaxed) as i64 {
        return Err(format!("{there} rows are there after {done:?} INSERTs").into());
    }
    Ok(rate)
}
