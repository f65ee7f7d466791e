//! Grouping and aggregation: the first operator with a state.
//!
//! A group has a slot in a [`GroupTable`]; what the aggregates know of it lies under that slot, aggregate by
//! aggregate. A tick counts rows in and out, and then tells for the groups that it touched what they gave
//! before and what they give now. What it changed is kept until [`Shard::commit`], so that a tick that fails
//! leaves the state as it was.
//!
//! Keys, arguments and filters are columns of the input: the step before computes them.
//!
//! | part | what it has |
//! |---|---|
//! | `states` | what an aggregate call must be able to do |
//! | `shard` | the groups of a range of hashes |
//! | `distinct` | the values that calls with DISTINCT have seen |
//! | `stored` | groups as rows, for checkpoints |

pub(crate) mod distinct;
pub(crate) mod shard;
pub(crate) mod states;
pub(crate) mod stored;

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, SchemaRef};
use weir_delta::group_table::GroupTable;
use weir_delta::hash::{SHARDS, shard};
use weir_delta::{Delta, Weights};

use states::GroupStates;

/// An aggregation, as planned.
#[derive(Clone)]
pub struct Aggregate {
    /// The columns of the input that are the key.
    pub keys: Vec<usize>,
    /// Their types.
    pub key_types: Vec<DataType>,
    /// The calls, in order of the output.
    pub calls: Vec<Call>,
    /// The columns of the input that are filters of calls.
    pub filters: Vec<usize>,
    /// What calls with DISTINCT see.
    pub distinct: Vec<DistinctArguments>,
    /// The key of the only group, in arrays of one row, where that is there without rows too: without GROUP
    /// BY, and for the grouping set of no columns.
    pub only_group: Option<Vec<ArrayRef>>,
    /// No row of the input is ever taken back.
    pub append_only: bool,
    /// The output: keys, then calls.
    pub schema: SchemaRef,
}

/// A call of an aggregate function.
#[derive(Clone)]
pub struct Call {
    /// Its name, for EXPLAIN.
    pub name: String,
    /// The columns of the input that are its arguments.
    pub arguments: Vec<usize>,
    /// Which of the filters says the rows that count.
    pub filter: Option<usize>,
    /// With DISTINCT: where it is in `distinct`, and which of the filters there is its own.
    pub distinct: Option<(usize, usize)>,
    /// States without groups.
    pub states: Arc<dyn GroupStates>,
}

/// Arguments of which each combination counts once, for all calls that have them.
#[derive(Clone, Debug)]
pub struct DistinctArguments {
    /// The columns of the input.
    pub arguments: Vec<usize>,
    /// Their types.
    pub types: Vec<DataType>,
    /// The different filters of the calls.
    pub filters: Vec<Option<usize>>,
}

impl std::fmt::Debug for Aggregate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let calls: Vec<&str> = self.calls.iter().map(|call| call.name.as_str()).collect();
        f.debug_struct("Aggregate").field("keys", &self.keys).field("calls", &calls).finish()
    }
}

/// A batch of the input, prepared for the shards.
pub(crate) struct Prepared<'a> {
    pub(crate) columns: &'a [ArrayRef],
    pub(crate) keys: Vec<ArrayRef>,
    pub(crate) hashes: Vec<u64>,
    pub(crate) filters: Vec<&'a BooleanArray>,
    /// For each of the distinct arguments: the columns, and the hash of each row.
    pub(crate) distinct: Vec<(Vec<ArrayRef>, Vec<u64>)>,
    pub(crate) weights: &'a Weights,
    /// The rows of each shard.
    pub(crate) rows: Vec<Vec<u32>>,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(aggregate: &Aggregate, delta: &'a Delta, n_shards: usize) -> Self {
        let columns = delta.rows().columns();
        let n_rows = delta.len();
        let pick = |places: &[usize]| -> Vec<ArrayRef> {
            places.iter().map(|column| Arc::clone(&columns[*column])).collect()
        };
        let keys = pick(&aggregate.keys);
        let hashes = GroupTable::hash(&keys, n_rows);
        let distinct = aggregate.distinct.iter().map(|set| {
            let arguments = pick(&set.arguments);
            let hashes = GroupTable::hash(&arguments, n_rows);
            (arguments, hashes)
        });
        let distinct = distinct.collect();
        let filters = aggregate.filters.iter().map(|column| columns[*column].as_boolean());
        let rows = partition(&hashes, n_shards);
        let filters = filters.collect();
        Self { columns, keys, hashes, filters, distinct, weights: delta.weights(), rows }
    }
}

/// True where the filter says true.
pub(crate) fn passes(filter: &BooleanArray, row: u32) -> bool {
    use arrow::array::Array as _;
    filter.is_valid(row as usize) && filter.value(row as usize)
}

/// The shard, of so many, of a key of that hash.
pub(crate) fn shard_of(hash: u64, n_shards: usize) -> usize {
    shard(hash) as usize * n_shards / SHARDS as usize
}

/// The rows of each shard.
fn partition(hashes: &[u64], n_shards: usize) -> Vec<Vec<u32>> {
    if n_shards == 1 {
        return vec![(0..hashes.len() as u32).collect()];
    }
    let of_shard = |_| Vec::with_capacity(hashes.len() / n_shards + 16);
    let mut rows: Vec<Vec<u32>> = (0..n_shards).map(of_shard).collect();
    for (row, hash) in hashes.iter().enumerate() {
        rows[shard_of(*hash, n_shards)].push(row as u32);
    }
    rows
}
