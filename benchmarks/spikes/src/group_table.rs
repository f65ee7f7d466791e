//! `weir_delta::GroupTable` beside DataFusion's `GroupValues`: rows to slots of their keys.
//!
//! Decides whether a table of our own, which can forget groups and keeps hashes by slot, costs time where
//! rows meet it; and how long the one batch takes in which a large table grows.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Int64Array, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use weir_delta::group_table::GroupTable;

use crate::Result;
use crate::bids::BATCH_ROWS;
use crate::measure::{medians, mixed, ms};
use crate::report::Table;

const GROUPS: [u64; 3] = [1_000, 100_000, 4_000_000];
/// Rows that look for a key that is there.
const PROBES: u64 = 2_000_000;
const RUNS: usize = 5;

pub(crate) fn run() -> Result<Vec<Table>> {
    let mut table = Table::new(
        "Batches of 8,192 rows: first each key once, then keys that are there, at random. *Longest* is the \
         longest batch of new keys, in which a table grows. Texts have 20 bytes. Hashing counts.",
        &["insert, ns/row", "probe, ns/row", "longest, ms", "bytes/group"],
    );
    let forms = [
        ("bigint", vec![DataType::Int64]),
        ("(bigint, text)", vec![DataType::Int64, DataType::Utf8View]),
    ];
    for (form, types) in &forms {
        for n_groups in GROUPS {
            let numbers: Vec<u64> = (0..n_groups).collect();
            let inserts = batches(types, &numbers);
            let numbers: Vec<u64> = (0..PROBES).map(|n| mixed(n) % n_groups).collect();
            let probes = batches(types, &numbers);
            for name in ["GroupTable", "GroupValues"] {
                let mut runs = Vec::new();
                for _ in 0..RUNS {
                    let groups: Box<dyn Groups> = match name {
                        "GroupTable" => Box::new(Own::new(types)),
                        _ => Box::new(Theirs::new(types)?),
                    };
                    runs.push(measure(groups, &inserts, &probes)?);
                }
                table.row(format!("{form}, {n_groups} groups, {name}"), &medians(&runs));
            }
        }
    }
    Ok(vec![table])
}

/// Keys in batches. The number of a key is mixed, so that keys do not come in order.
fn batches(types: &[DataType], numbers: &[u64]) -> Vec<Vec<ArrayRef>> {
    let column = |data_type: &DataType, numbers: &[u64]| -> ArrayRef {
        let keys = numbers.iter().map(|number| mixed(*number));
        match data_type {
            DataType::Int64 => Arc::new(Int64Array::from_iter_values(keys.map(|key| key as i64))),
            _ => Arc::new(StringViewArray::from_iter_values(keys.map(|key| format!("{key:020}")))),
        }
    };
    let columns = |numbers: &[u64]| -> Vec<ArrayRef> {
        types.iter().map(|data_type| column(data_type, numbers)).collect()
    };
    numbers.chunks(BATCH_ROWS).map(columns).collect()
}

fn measure(
    mut groups: Box<dyn Groups>,
    inserts: &[Vec<ArrayRef>],
    probes: &[Vec<ArrayRef>],
) -> Result<[f64; 4]> {
    let (mut insert, mut longest, mut probe) = (0.0, 0.0_f64, 0.0);
    for batch in inserts {
        let began = Instant::now();
        groups.assign(batch)?;
        let took = ms(began);
        insert += took;
        longest = longest.max(took);
    }
    let n_groups = groups.len();
    let bytes = groups.n_bytes() as f64 / n_groups as f64;
    for batch in probes {
        let began = Instant::now();
        groups.assign(batch)?;
        probe += ms(began);
    }
    let n_rows: usize = inserts.iter().map(|batch| batch[0].len()).sum();
    if n_groups != n_rows || groups.len() != n_rows {
        return Err(format!("{n_rows} keys made {n_groups}, then {} groups", groups.len()).into());
    }
    Ok([insert * 1e6 / n_rows as f64, probe * 1e6 / PROBES as f64, longest, bytes])
}

/// A table of groups.
trait Groups {
    /// Gives each row its slot.
    fn assign(&mut self, columns: &[ArrayRef]) -> Result<()>;
    fn len(&self) -> usize;
    fn n_bytes(&self) -> usize;
}

struct Own {
    table: GroupTable,
    rows: Vec<u32>,
    slots: Vec<u32>,
    new: Vec<u32>,
}

impl Own {
    fn new(types: &[DataType]) -> Self {
        let rows = (0..BATCH_ROWS as u32).collect();
        Self { table: GroupTable::new(types), rows, slots: Vec::new(), new: Vec::new() }
    }
}

impl Groups for Own {
    fn assign(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let n_rows = columns[0].len();
        self.slots.clear();
        self.new.clear();
        let hashes = GroupTable::hash(columns, n_rows);
        self.table.assign(columns, &hashes, &self.rows[..n_rows], &mut self.slots, &mut self.new);
        Ok(())
    }

    fn len(&self) -> usize {
        self.table.len()
    }

    fn n_bytes(&self) -> usize {
        self.table.n_bytes()
    }
}

struct Theirs {
    values: Box<dyn GroupValues>,
    groups: Vec<usize>,
}

impl Theirs {
    fn new(types: &[DataType]) -> Result<Self> {
        let fields = types.iter().enumerate();
        let fields =
            fields.map(|(n, data_type)| Field::new(format!("c{n}"), data_type.clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let values = new_group_values(schema, &GroupOrdering::None)?;
        Ok(Self { values, groups: Vec::new() })
    }
}

impl Groups for Theirs {
    fn assign(&mut self, columns: &[ArrayRef]) -> Result<()> {
        Ok(self.values.intern(columns, &mut self.groups)?)
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    fn n_bytes(&self) -> usize {
        self.values.size()
    }
}
