//! The allocator of this build, under what ticks of views do: batches of different sizes that one thread
//! makes and another one frees, and small ones in between that stay.
//!
//! Decides which allocator the server is built with. A global allocator is chosen at build time, so each
//! build has a row of its own.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray, StringViewBuilder,
};

use crate::Result;
use crate::measure::{medians, memory_bytes, mixed};
use crate::report::Table;

pub(crate) const SYSTEM: &str = "system";

/// The allocator of this build.
pub(crate) const NAME: &str = if cfg!(feature = "jemalloc") {
    "jemalloc"
} else if cfg!(feature = "mimalloc") {
    "mimalloc"
} else {
    SYSTEM
};

/// Batches of each thread in a run.
const BATCHES: u64 = 100_000;
const RUNS: usize = 5;
/// Rows of batches, small ones more often, as in ticks.
const SIZES: [usize; 8] = [1, 4, 16, 64, 64, 512, 2048, 8192];
/// Batches of the other thread that a thread has at a time.
const LIVE: usize = 64;
const QUEUE: usize = 16;
/// One of so many batches leaves a small one that stays for long, as in a view's segments.
const STAYS_EVERY: u64 = 16;
const STAYING: usize = 4_000;
const TEXT: &str = "a text that does not lie in its view";

pub(crate) fn run() -> Result<Vec<Table>> {
    let title = format!(
        "Two threads; each makes {BATCHES} batches (bigint, double precision, text) of 1 to 8,192 rows, \
         and frees those of the other out of order. *Resident* is the process at the end, when only {} \
         small batches are left; *needed* is what these have in use.",
        2 * STAYING
    );
    let columns = ["ns/batch", "peak, MB", "resident, MB", "needed, MB"];
    let mut table = Table::new(&title, &columns);
    let (mut runs, mut staying) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let began = Instant::now();
        staying = work()?;
        runs.push([began.elapsed().as_nanos() as f64 / (2 * BATCHES) as f64]);
    }
    let [resident, peak] = memory_bytes()?;
    let needed: usize = staying.iter().map(RecordBatch::get_array_memory_size).sum();
    black_box(staying);
    let [ns] = medians(&runs);
    table.row(NAME, &[ns, peak / 1e6, resident / 1e6, needed as f64 / 1e6]);
    Ok(vec![table])
}

/// What stays of both threads.
fn work() -> Result<Vec<RecordBatch>> {
    let (to_first, from_second) = sync_channel(QUEUE);
    let (to_second, from_first) = sync_channel(QUEUE);
    std::thread::scope(|scope| {
        let first = scope.spawn(move || exchange(1, &to_second, &from_second));
        let second = scope.spawn(move || exchange(2, &to_first, &from_first));
        let mut staying = first.join().expect("the thread tells its errors")?;
        staying.extend(second.join().expect("the thread tells its errors")?);
        Ok(staying)
    })
}

fn exchange(
    thread: u64,
    to_other: &SyncSender<RecordBatch>,
    from_other: &Receiver<RecordBatch>,
) -> Result<Vec<RecordBatch>> {
    let mut live: Vec<RecordBatch> = Vec::with_capacity(LIVE);
    let mut staying = VecDeque::with_capacity(STAYING);
    for number in 0..BATCHES {
        let random = mixed(thread << 32 | number);
        let mut batch = make(SIZES[(random % 8) as usize])?;
        // Takes the other's while the queue to it is full: both could wait otherwise.
        while let Err(TrySendError::Full(back)) = to_other.try_send(batch) {
            batch = back;
            match from_other.try_recv() {
                Ok(received) => keep(&mut live, received, random),
                Err(_) => std::thread::yield_now(),
            }
        }
        if let Ok(received) = from_other.try_recv() {
            keep(&mut live, received, random);
        }
        if number % STAYS_EVERY == 0 {
            if staying.len() == STAYING {
                staying.pop_front();
            }
            staying.push_back(make(16)?);
        }
    }
    Ok(staying.into())
}

/// Keeps a batch in the place of another one, which is freed.
fn keep(live: &mut Vec<RecordBatch>, batch: RecordBatch, random: u64) {
    if live.len() < LIVE {
        live.push(batch);
    } else {
        live[(random >> 8) as usize % LIVE] = batch;
    }
}

/// A batch that costs little but its memory.
fn make(n_rows: usize) -> Result<RecordBatch> {
    let block = (n_rows * TEXT.len()) as u32;
    let mut texts = StringViewBuilder::with_capacity(n_rows).with_fixed_block_size(block);
    (0..n_rows).for_each(|_| texts.append_value(TEXT));
    let texts: StringViewArray = texts.finish();
    let columns: [(&str, ArrayRef); 3] = [
        ("number", Arc::new(Int64Array::from(vec![7; n_rows]))),
        ("amount", Arc::new(Float64Array::from(vec![0.5; n_rows]))),
        ("text", Arc::new(texts)),
    ];
    Ok(black_box(RecordBatch::try_from_iter(columns)?))
}
