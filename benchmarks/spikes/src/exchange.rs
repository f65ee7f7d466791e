//! Three ways to hand the rows of a batch to shards: lists of row numbers beside the whole batch, a batch
//! of its own for each shard (`take`), and one batch ordered by shard in slices.
//!
//! Decides what workers exchange. Lists copy nothing, but each consumer reads here and there in all
//! columns, on another processor than the one that wrote them; `take` moves every column, wanted or not.

use std::hash::BuildHasher;
use std::hint::black_box;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::Int64Type;
use hashbrown::DefaultHashBuilder;
use weir_delta::hash;

use crate::Result;
use crate::bids::{self, BATCH_ROWS};
use crate::measure::{cpu_ns, medians};
use crate::report::Table;

const SHARDS: [usize; 2] = [2, 8];
/// About 100 MB of bids: more than the caches hold.
const BATCHES: usize = 64;
const PASSES: usize = 16;
const RUNS: usize = 5;
/// Batches that may wait for a consumer.
const QUEUE: usize = 8;
/// Columns of a bid that a consumer reads.
const PRICE: usize = 2;
const URL: usize = 4;

/// One for all runs: a new one would have other keys.
static HASHER: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

pub(crate) fn run() -> Result<Vec<Table>> {
    let batches = bids::batches(BATCHES)?;
    let mut table = Table::new(
        "Bids (7 columns) in batches of 8,192 rows from one thread to one thread a shard, by the hash of \
         `auction`, which is known before; each sums `price` and hashes `url`. CPU time of all threads.",
        &["CPU, ns/row", "of it the sender's", "elapsed, ns/row"],
    );
    for n_shards in SHARDS {
        let places: Vec<Vec<u32>> =
            batches.iter().map(|batch| shards_of(batch, n_shards)).collect();
        let mut seen = Vec::new();
        for (name, hand) in WAYS {
            let mut runs = Vec::new();
            for _ in 0..RUNS {
                let (times, sums) = measure(&batches, &places, n_shards, hand)?;
                runs.push(times);
                seen.push(sums);
            }
            table.row(format!("{n_shards} shards, {name}"), &medians(&runs));
        }
        if seen.iter().any(|sums| *sums != seen[0]) {
            return Err("the consumers saw other rows in another way".into());
        }
    }
    Ok(vec![table])
}

/// Rows of a batch for one consumer: all, or those of the list.
struct Handed {
    batch: RecordBatch,
    rows: Option<Vec<u32>>,
}

/// Makes what each consumer gets of a batch, given the shard of each row.
type Hand = fn(&RecordBatch, &[u32], usize) -> Result<Vec<Handed>>;

const WAYS: [(&str, Hand); 3] =
    [("row lists", by_lists), ("take", by_take), ("order and slice", by_slices)];

fn by_lists(batch: &RecordBatch, shards: &[u32], n_shards: usize) -> Result<Vec<Handed>> {
    let lists = lists(shards, n_shards).into_iter();
    Ok(lists.map(|rows| Handed { batch: batch.clone(), rows: Some(rows) }).collect())
}

fn by_take(batch: &RecordBatch, shards: &[u32], n_shards: usize) -> Result<Vec<Handed>> {
    let taken = lists(shards, n_shards).into_iter().map(|rows| -> Result<Handed> {
        let batch = take_record_batch(batch, &UInt32Array::from(rows))?;
        Ok(Handed { batch, rows: None })
    });
    taken.collect()
}

fn by_slices(batch: &RecordBatch, shards: &[u32], n_shards: usize) -> Result<Vec<Handed>> {
    let lists = lists(shards, n_shards);
    let ordered = take_record_batch(batch, &UInt32Array::from(lists.concat()))?;
    let mut end = 0;
    let slices = lists.iter().map(|rows| {
        let begin = end;
        end += rows.len();
        Handed { batch: ordered.slice(begin, rows.len()), rows: None }
    });
    Ok(slices.collect())
}

/// The rows of each shard.
fn lists(shards: &[u32], n_shards: usize) -> Vec<Vec<u32>> {
    let mut lists = vec![Vec::with_capacity(2 * shards.len() / n_shards); n_shards];
    for (row, shard) in (0..).zip(shards) {
        lists[*shard as usize].push(row);
    }
    lists
}

fn shards_of(batch: &RecordBatch, n_shards: usize) -> Vec<u32> {
    let hashes = hash::hash_rows(&[Arc::clone(batch.column(0))]);
    hashes.into_iter().map(|hash| u32::from(hash::shard(hash)) % n_shards as u32).collect()
}

/// What consumers computed: the same whatever the way.
type Sums = (i64, u64);

fn measure(
    batches: &[RecordBatch],
    places: &[Vec<u32>],
    n_shards: usize,
    hand: Hand,
) -> Result<([f64; 3], Sums)> {
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..n_shards).map(|_| sync_channel::<Handed>(QUEUE)).unzip();
    std::thread::scope(|scope| {
        let consumers: Vec<_> = receivers
            .into_iter()
            .map(|receiver| scope.spawn(move || consume(&receiver, &HASHER)))
            .collect();
        let (began, began_cpu) = (Instant::now(), cpu_ns()?);
        for _ in 0..PASSES {
            for (batch, shards) in batches.iter().zip(places) {
                send(&senders, hand(batch, shards, n_shards)?)?;
            }
        }
        let sender_cpu = cpu_ns()? - began_cpu;
        drop(senders);
        let (mut cpu, mut sums) = (sender_cpu, (0_i64, 0_u64));
        for consumer in consumers {
            let (of_consumer, (sum, hash)) = consumer.join().expect("a consumer does not panic")?;
            cpu += of_consumer;
            sums = (sums.0.wrapping_add(sum), sums.1.wrapping_add(hash));
        }
        let elapsed = began.elapsed().as_nanos() as f64;
        let n_rows = (PASSES * batches.len() * BATCH_ROWS) as f64;
        Ok(([cpu / n_rows, sender_cpu / n_rows, elapsed / n_rows], sums))
    })
}

fn send(senders: &[SyncSender<Handed>], handed: Vec<Handed>) -> Result<()> {
    for (sender, handed) in senders.iter().zip(handed) {
        sender.send(handed).map_err(|_| "a consumer ended early")?;
    }
    Ok(())
}

/// CPU time of a consumer, and what it computed.
fn consume(batches: &Receiver<Handed>, hasher: &DefaultHashBuilder) -> Result<(f64, Sums)> {
    let began_cpu = cpu_ns()?;
    let (mut sum, mut hash) = (0_i64, 0_u64);
    for Handed { batch, rows } in batches {
        let prices = batch.column(PRICE).as_primitive::<Int64Type>().values();
        let urls = batch.column(URL).as_string_view();
        let mut add = |row: usize| {
            sum = sum.wrapping_add(prices[row]);
            hash = hash.wrapping_add(hasher.hash_one(urls.value(row).as_bytes()));
        };
        match rows {
            Some(rows) => rows.iter().for_each(|row| add(*row as usize)),
            None => (0..batch.num_rows()).for_each(add),
        }
    }
    Ok((cpu_ns()? - began_cpu, black_box((sum, hash))))
}
