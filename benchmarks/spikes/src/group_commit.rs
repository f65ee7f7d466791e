//! Group commit: one thread takes all commits that wait, writes them as one batch, syncs once, and answers
//! all. How long a commit takes at a rate that does not wait for answers.
//!
//! Decides whether each commit can be durable when it is acknowledged, or has to wait for a timer. Measures
//! `weir_store::LogStore`, with the options and the write-ahead log of the product.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use weir_store::{LogStore, LogStoreOptions, MetaKind, RetentionClass};
use weir_types::{Epoch, Offset, PartitionId, TopicId};

use crate::measure::{medians, mixed};
use crate::report::Table;
use crate::times::percentiles;
use crate::{DIRECTORY, Result};

/// Commits a second that are offered.
const RATES: [u32; 3] = [1_000, 10_000, 50_000];
const RUNS: usize = 3;
const SECONDS: u32 = 6;
/// Of these, not counted.
const WARM_SECONDS: u32 = 1;
/// What a commit writes.
const ROW_BYTES: usize = 100;
/// The descriptor of an epoch, of one topic.
const DESCRIPTOR_BYTES: usize = 40;

pub(crate) fn run() -> Result<Vec<Table>> {
    let title = format!(
        "Commits of {ROW_BYTES} bytes, from when each was due to its answer, for {SECONDS} s; sent by one \
         thread, written and synced by one, answered to one. *Sync alone* is a batch of one row and its \
         fdatasync, one after the other."
    );
    let columns =
        ["achieved, commits/s", "commits a sync", "p50, ms", "p99, ms", "p99.9, ms", "longest, ms"];
    let mut table = Table::new(&title, &columns);
    let runs = (0..RUNS).map(|_| with_store(sync_alone)).collect::<Result<Vec<_>>>()?;
    table.row("sync alone", &medians(&runs));
    for rate in RATES {
        let runs = (0..RUNS)
            .map(|_| with_store(|store| at_rate(store, rate)))
            .collect::<Result<Vec<_>>>()?;
        table.row(format!("{rate} commits/s offered"), &medians(&runs));
    }
    Ok(vec![table])
}

fn with_store<T>(act: impl FnOnce(&LogStore) -> Result<T>) -> Result<T> {
    let dir = tempfile::tempdir_in(DIRECTORY)?;
    let options = LogStoreOptions { create: true, acknowledged: Epoch::ZERO, accept_loss: false };
    let store = LogStore::open(&Path::new(dir.path()).join("log"), &options)?;
    act(&store)
}

/// Writes commits `first..first + n` as one epoch, and syncs.
fn commit(store: &LogStore, epoch: u64, first: u64, n: usize) -> Result<()> {
    let mut batch = store.batch(Epoch(epoch));
    for number in first..first + n as u64 {
        let row = [mixed(number) as u8; ROW_BYTES];
        let class = RetentionClass::Forever;
        batch.put_block(class, TopicId(1), PartitionId(0), Offset(number), &row);
    }
    batch.put_meta(MetaKind::Epoch, &[], &[0; DESCRIPTOR_BYTES]);
    store.write(batch)?;
    store.sync()?;
    Ok(())
}

fn sync_alone(store: &LogStore) -> Result<[f64; 6]> {
    let mut times = Vec::new();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        let one = Instant::now();
        let number = times.len() as u64;
        commit(store, number + 1, number, 1)?;
        times.push(one.elapsed());
    }
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    let [p50, p99, p999, longest] = percentiles(&mut times, [50.0, 99.0, 99.9, 100.0]);
    Ok([rate, 1.0, p50, p99, p999, longest])
}

fn at_rate(store: &LogStore, rate: u32) -> Result<[f64; 6]> {
    let (to_commit, requests) = channel();
    let (to_client, answers) = channel();
    std::thread::scope(|scope| {
        let committer = scope.spawn(move || commit_groups(store, &requests, &to_client));
        let client = scope.spawn(move || latencies(&answers, rate * WARM_SECONDS));
        let began = Instant::now();
        for number in 0..rate * SECONDS {
            let due = began + Duration::from_secs(1) * number / rate;
            let ahead = due.saturating_duration_since(Instant::now());
            if !ahead.is_zero() {
                std::thread::sleep(ahead);
            }
            // It ended for an error, which is told below.
            if to_commit.send(due).is_err() {
                break;
            }
        }
        drop(to_commit);
        let n_syncs = committer.join().expect("the committer tells its errors")?;
        let mut times = client.join().expect("the client only reads");
        let achieved = f64::from(rate * SECONDS) / began.elapsed().as_secs_f64();
        let [p50, p99, p999, longest] = percentiles(&mut times, [50.0, 99.0, 99.9, 100.0]);
        Ok([achieved, f64::from(rate * SECONDS) / n_syncs as f64, p50, p99, p999, longest])
    })
}

/// Commits what waits, until nobody sends any more. Gives the number of syncs.
fn commit_groups(
    store: &LogStore,
    requests: &Receiver<Instant>,
    answers: &Sender<Instant>,
) -> Result<u64> {
    let (mut epoch, mut first) = (0, 0);
    let mut group = Vec::new();
    while let Ok(request) = requests.recv() {
        group.push(request);
        group.extend(requests.try_iter());
        epoch += 1;
        commit(store, epoch, first, group.len())?;
        first += group.len() as u64;
        for due in group.drain(..) {
            answers.send(due)?;
        }
    }
    Ok(epoch)
}

/// How long each commit took, but for the first ones.
fn latencies(answers: &Receiver<Instant>, n_warm: u32) -> Vec<Duration> {
    answers.iter().map(|due| due.elapsed()).skip(n_warm as usize).collect()
}
