//! Readers, the writer and compaction at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::sum;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use weir_types::Epoch;

use crate::delta::{Delta, Weights};
use crate::rows;
use crate::segments::{Key, Segments};

const N_ACCOUNTS: i64 = 200;
const N_TRANSFERS: u64 = 3_000;

fn batch(rows: &[(i64, i64)]) -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![
        Field::new("account", DataType::Int64, false),
        Field::new("balance", DataType::Int64, false),
    ]));
    let accounts: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let balances: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1)));
    rows::batch(schema, vec![accounts, balances], rows.len()).expect("a batch")
}

/// Each epoch moves money from one account to another, so that every reader counts the same total.
struct Bank {
    store: Segments,
    newest: AtomicU64,
    is_done: AtomicBool,
    /// Held where a reader takes its epoch and snapshot, and where the horizon is taken: no reader
    /// takes a snapshot after the horizon has passed its epoch.
    pins: Mutex<()>,
}

/// Ends the other threads, also where the writer panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Bank {
    fn transfer(&self) {
        let _done = Done(&self.is_done);
        let mut random = SmallRng::seed_from_u64(3);
        let mut balances = vec![100; N_ACCOUNTS as usize];
        for epoch in 2..N_TRANSFERS + 2 {
            let (from, to) = (random.random_range(0..100), random.random_range(100..N_ACCOUNTS));
            let amount = random.random_range(-50..50);
            let balance = |account: i64| balances[account as usize];
            let (old_from, old_to) = (balance(from), balance(to));
            let rows = batch(&[
                (from, old_from),
                (to, old_to),
                (from, old_from - amount),
                (to, old_to + amount),
            ]);
            balances[from as usize] -= amount;
            balances[to as usize] += amount;
            let delta = Delta::new(rows, Weights::Mixed(vec![-1, -1, 1, 1]));
            self.store.apply(Epoch(epoch), &delta).expect("a valid delta");
            self.newest.store(epoch, Ordering::Release);
        }
    }

    fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Acquire)
    }

    fn compact(&self) {
        while !self.is_done() {
            let horizon = {
                let _pin = self.pins.lock();
                Epoch(self.newest.load(Ordering::Acquire))
            };
            self.store.release(horizon);
            while self.store.compact(horizon) {}
        }
    }

    fn read(&self) {
        while !self.is_done() {
            let (at, snapshot) = {
                let _pin = self.pins.lock();
                let at = self.newest.load(Ordering::Acquire);
                (Epoch(at), self.store.snapshot())
            };
            let batches: Vec<RecordBatch> = snapshot.scan(at, None).collect();
            let n_rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
            let balances = |batch: &RecordBatch| sum(batch.column(1).as_primitive::<Int64Type>());
            let total: i64 = batches.iter().filter_map(balances).sum();
            assert_eq!((n_rows as i64, total), (N_ACCOUNTS, 100 * N_ACCOUNTS), "at {at}");
            let keys: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(0..N_ACCOUNTS))];
            assert!(self.store.lookup(&keys).iter().all(Option::is_some));
        }
    }
}

#[test]
fn every_reader_counts_the_same_money() {
    let schema = batch(&[]).schema();
    let bank = Bank {
        store: Segments::new(schema, Key::Unique(vec![0])),
        newest: AtomicU64::new(1),
        is_done: AtomicBool::new(false),
        pins: Mutex::new(()),
    };
    let accounts: Vec<(i64, i64)> = (0..N_ACCOUNTS).map(|account| (account, 100)).collect();
    let opening = Delta::insertions(batch(&accounts));
    bank.store.apply(Epoch(1), &opening).expect("a valid delta");
    thread::scope(|scope| {
        scope.spawn(|| bank.compact());
        scope.spawn(|| bank.read());
        scope.spawn(|| bank.read());
        bank.transfer();
    });
    assert_eq!(bank.store.n_live() as i64, N_ACCOUNTS);
}
