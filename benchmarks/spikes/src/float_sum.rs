//! Weir's exact sum of floats, which is the same in any order and can be undone, beside a plain sum and
//! Kahan's.
//!
//! Decides whether views can afford sums that equal their query to the last bit, or need another promise
//! for floats.

use std::hint::black_box;
use std::time::Instant;

use exact::ExactSum;

use crate::Result;
use crate::bids::BATCH_ROWS;
use crate::measure::{median, memory_bytes, mixed};
use crate::report::Table;

// By its file: it is private, and its crate takes many times as long to build as all else here.
#[path = "../../../crates/planner/src/functions/aggregate/exact.rs"]
#[allow(dead_code, reason = "only sums of floats are measured")]
mod exact;

const VALUES: usize = 2_000_000;
const GROUPS: [usize; 2] = [1, 100_000];
/// Groups and values of each, for the memory.
const MANY_GROUPS: usize = 1_000_000;
const VALUES_EACH: usize = 4;
const RUNS: usize = 5;

pub(crate) fn run() -> Result<Vec<Table>> {
    let ways: [(&str, Make); 3] = [
        ("plain", || Box::<Vec<Plain>>::default()),
        ("Kahan", || Box::<Vec<Kahan>>::default()),
        ("exact", || Box::<Vec<Exact>>::default()),
    ];
    let title = format!(
        "{VALUES} amounts with two decimals in batches of 8,192, in one thread, each with the index of its \
         group. *Memory* is what {MANY_GROUPS} groups of {VALUES_EACH} values add to the process. *Differ* \
         counts groups, of 100,000, whose sum is another when the values come in reverse."
    );
    let columns =
        ["1 group, ns/value", "100,000 groups, ns/value", "memory, bytes/group", "differ"];
    let mut table = Table::new(&title, &columns);
    // Memory first, and the most at the end: what was freed would be used again.
    let memory = ways.iter().map(|(_, make)| n_bytes(*make)).collect::<Result<Vec<_>>>()?;
    for ((name, make), memory) in ways.into_iter().zip(memory) {
        let [one, many] = GROUPS.map(|n_groups| ns_a_value(make, n_groups));
        table.row(name, &[one, many, memory, n_differ(make, GROUPS[1]) as f64]);
    }
    Ok(vec![table])
}

/// The sum of a group.
trait Sum: Clone + Default {
    fn add(&mut self, value: f64);
    fn result(&self) -> f64;
}

#[derive(Clone, Default)]
struct Plain(f64);

impl Sum for Plain {
    fn add(&mut self, value: f64) {
        self.0 += value;
    }

    fn result(&self) -> f64 {
        self.0
    }
}

/// A sum, and what rounding took from it.
#[derive(Clone, Default)]
struct Kahan {
    sum: f64,
    lost: f64,
}

impl Sum for Kahan {
    fn add(&mut self, value: f64) {
        let mended = value - self.lost;
        let next = self.sum + mended;
        self.lost = (next - self.sum) - mended;
        self.sum = next;
    }

    fn result(&self) -> f64 {
        self.sum
    }
}

/// With the counters that `sum` keeps beside it: rows, and values that no sum holds.
#[derive(Clone, Default)]
struct Exact {
    sum: ExactSum,
    not_finite: [i64; 3],
    count: i64,
}

impl Sum for Exact {
    fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.sum.add_float(value, false);
        } else {
            self.not_finite[0] += 1;
        }
        self.count += 1;
    }

    fn result(&self) -> f64 {
        match (self.count, self.not_finite) {
            (1.., [0, 0, 0]) => self.sum.total().to_double(),
            _ => f64::NAN,
        }
    }
}

/// The sums of all groups.
trait Sums {
    fn add(&mut self, batch: &Batch, n_groups: usize);
    fn results(&self) -> Vec<f64>;
}

impl<S: Sum> Sums for Vec<S> {
    fn add(&mut self, (values, groups): &Batch, n_groups: usize) {
        self.resize(n_groups, S::default());
        for (value, group) in values.iter().zip(groups) {
            self[*group].add(*value);
        }
    }

    fn results(&self) -> Vec<f64> {
        self.iter().map(S::result).collect()
    }
}

type Make = fn() -> Box<dyn Sums>;
/// Values, and the group of each.
type Batch = (Vec<f64>, Vec<usize>);

fn batches(n_values: usize, n_groups: usize) -> Vec<Batch> {
    let numbers: Vec<u64> = (0..n_values as u64).collect();
    let value = |n: &u64| (mixed(*n) >> 40) as f64 / 100.0;
    let group = |n: &u64| (mixed(!n) % n_groups as u64) as usize;
    let batch =
        |n: &[u64]| -> Batch { (n.iter().map(value).collect(), n.iter().map(group).collect()) };
    numbers.chunks(BATCH_ROWS).map(batch).collect()
}

fn ns_a_value(make: Make, n_groups: usize) -> f64 {
    let batches = batches(VALUES, n_groups);
    let run = |_| {
        let mut sums = make();
        let began = Instant::now();
        batches.iter().for_each(|batch| sums.add(batch, n_groups));
        let took = began.elapsed();
        black_box(sums.results());
        took.as_nanos() as f64 / VALUES as f64
    };
    median((0..RUNS).map(run).collect())
}

fn n_bytes(make: Make) -> Result<f64> {
    let mut sums = make();
    let [before, _] = memory_bytes()?;
    for first in (0..MANY_GROUPS * VALUES_EACH).step_by(BATCH_ROWS) {
        let groups = (first..first + BATCH_ROWS).map(|n| n % MANY_GROUPS).collect();
        sums.add(&(vec![1234.56; BATCH_ROWS], groups), MANY_GROUPS);
    }
    let [after, _] = memory_bytes()?;
    black_box(sums);
    Ok((after - before) / MANY_GROUPS as f64)
}

/// Groups whose sum depends on the order of the values.
fn n_differ(make: Make, n_groups: usize) -> usize {
    let sum = |batches: &[Batch]| {
        let mut sums = make();
        batches.iter().for_each(|batch| sums.add(batch, n_groups));
        sums.results()
    };
    let mut batches = batches(VALUES, n_groups);
    let forward = sum(&batches);
    batches.reverse();
    for (values, groups) in &mut batches {
        values.reverse();
        groups.reverse();
    }
    let backward = sum(&batches);
    forward.iter().zip(backward).filter(|(a, b)| a.to_bits() != b.to_bits()).count()
}
