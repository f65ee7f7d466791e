//! The groups of a range of hashes, and what a tick does to them.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat, take};
use datafusion::error::{DataFusionError, Result};
use weir_delta::equal::{Pair, Sameness, equal_rows};
use weir_delta::group_table::GroupTable;
use weir_delta::{Delta, Weights};
use weir_types::planted::{self, Bug};

use super::distinct::{DistinctTable, Turned};
use super::states::{GroupRows, GroupStates};
use super::stored::Since;
use super::{Aggregate, Prepared, passes, shard_of};

/// Groups of an aggregation.
pub(crate) struct Shard {
    pub(super) aggregate: Arc<Aggregate>,
    pub(super) groups: GroupTable,
    /// The number of rows of each group.
    pub(super) counts: Vec<i64>,
    pub(super) states: Vec<Box<dyn GroupStates>>,
    pub(super) distinct: Vec<DistinctTable>,
    /// What changed since the last checkpoint; `None` before the first one.
    pub(super) since: Option<Since>,
    /// False where rows only gather to be merged into another shard: then calls with DISTINCT have no
    /// states, because what counts is told there.
    is_final: bool,
    /// Groups that the tick has touched.
    is_touched: Vec<bool>,
    /// What the tick did so far.
    tick: Changes,
}

/// What a tick changed.
#[derive(Default)]
struct Changes {
    /// Groups that were there, as they were before their first change.
    saved: Vec<Saved>,
    /// Groups that were not.
    created: Vec<u32>,
}

struct Saved {
    slots: Vec<u32>,
    counts: Vec<i64>,
    states: Vec<Box<dyn GroupStates>>,
}

/// What an output is made of: slots in order, and a column of results for each call.
struct Outputs {
    slots: Vec<u32>,
    results: Vec<ArrayRef>,
}

impl Shard {
    /// A shard without groups; but the group that needs no rows is there at once, in its shard.
    pub(crate) fn new(aggregate: &Arc<Aggregate>, shard_idx: usize, n_shards: usize) -> Self {
        let mut shard = Self::gathering(aggregate);
        shard.is_final = true;
        if let Some(key) = &aggregate.only_group {
            let hashes = GroupTable::hash(key, 1);
            if shard_of(hashes[0], n_shards) == shard_idx {
                shard.assign(key, &hashes, &[0]);
            }
        }
        shard
    }

    /// A shard whose content is merged into others.
    pub(crate) fn gathering(aggregate: &Arc<Aggregate>) -> Self {
        Self {
            groups: GroupTable::new(&aggregate.key_types),
            counts: Vec::new(),
            states: aggregate.calls.iter().map(|call| call.states.empty()).collect(),
            distinct: aggregate.distinct.iter().map(DistinctTable::new).collect(),
            since: None,
            is_final: false,
            is_touched: Vec::new(),
            tick: Changes::default(),
            aggregate: Arc::clone(aggregate),
        }
    }

    /// Number of groups.
    pub(crate) fn n_groups(&self) -> usize {
        self.groups.len()
    }

    /// Number of groups that the tick has touched so far.
    pub(crate) fn n_touched(&self) -> usize {
        let saved: usize = self.tick.saved.iter().map(|saved| saved.slots.len()).sum();
        saved + self.tick.created.len()
    }

    /// Number of groups and of values that calls with DISTINCT have seen.
    pub(crate) fn n_gathered(&self) -> usize {
        self.groups.len() + self.distinct.iter().map(DistinctTable::len).sum::<usize>()
    }

    /// Bytes of memory in use, about.
    pub(crate) fn n_bytes(&self) -> usize {
        let states: usize = self.states.iter().map(|states| states.n_bytes()).sum();
        let distinct: usize = self.distinct.iter().map(DistinctTable::n_bytes).sum();
        let since = self.since.as_ref().map_or(0, Since::n_bytes);
        let counts = self.counts.capacity() * size_of::<i64>();
        self.groups.n_bytes() + counts + states + distinct + since
    }

    /// A tick begins. Without undo it cannot be rolled back; the shard is given up where it fails.
    pub(crate) fn begin(&mut self, keeps_undo: bool) {
        self.distinct.iter_mut().for_each(|table| table.begin(keeps_undo));
        self.states.iter_mut().for_each(|states| states.begin(keeps_undo));
    }

    /// Counts those rows of a batch.
    ///
    /// # Errors
    /// XX000 on a defect.
    pub(crate) fn update(&mut self, batch: &Prepared<'_>, rows: &[u32]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let slots = self.assign(&batch.keys, &batch.hashes, rows);
        for (row, slot) in rows.iter().zip(&slots) {
            self.counts[*slot as usize] += batch.weights.get(*row as usize);
        }
        let filtered: Vec<(Vec<u32>, Vec<u32>)> = batch
            .filters
            .iter()
            .map(|filter| {
                let kept = rows.iter().zip(&slots).filter(|(row, _)| passes(filter, **row));
                kept.map(|(row, slot)| (*row, *slot)).unzip()
            })
            .collect();
        let aggregate = Arc::clone(&self.aggregate);
        for (call, states) in aggregate.calls.iter().zip(&mut self.states) {
            if call.distinct.is_some() {
                continue;
            }
            let (rows, slots) = match call.filter {
                None => (rows, slots.as_slice()),
                Some(filter) => (filtered[filter].0.as_slice(), filtered[filter].1.as_slice()),
            };
            let arguments: Vec<ArrayRef> =
                call.arguments.iter().map(|column| Arc::clone(&batch.columns[*column])).collect();
            let weights = batch.weights;
            states.update(&GroupRows { arguments: &arguments, rows, slots, weights })?;
        }
        for (set_idx, set) in aggregate.distinct.iter().enumerate() {
            let (arguments, hashes) = &batch.distinct[set_idx];
            let filters: Vec<_> = set
                .filters
                .iter()
                .map(|filter| filter.map(|filter| batch.filters[filter]))
                .collect();
            let table = &mut self.distinct[set_idx];
            let turned = table.update(arguments, hashes, &filters, batch.weights, rows, &slots);
            self.turn(set_idx, arguments, &turned)?;
        }
        Ok(())
    }

    /// Hands the rows that turned to the calls with these distinct arguments.
    fn turn(&mut self, set_idx: usize, arguments: &[ArrayRef], turned: &[Turned]) -> Result<()> {
        if !self.is_final {
            return Ok(());
        }
        for (call, states) in self.aggregate.calls.iter().zip(&mut self.states) {
            let Some((_, filter)) = call.distinct.filter(|(set, _)| *set == set_idx) else {
                continue;
            };
            let Turned { begin, cease } = &turned[filter];
            for ((rows, slots), weights) in [(begin, Weights::One), (cease, Weights::Neg)] {
                states.update(&GroupRows { arguments, rows, slots, weights: &weights })?;
            }
        }
        Ok(())
    }

    /// Counts all that a gathering shard has counted.
    ///
    /// # Errors
    /// XX000 on a defect.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<()> {
        let n_theirs = other.groups.n_slots();
        if n_theirs == 0 {
            return Ok(());
        }
        // Nothing is removed from a gathering shard: its slots are all in use.
        let theirs: Vec<u32> = (0..n_theirs as u32).collect();
        let keys = other.groups.keys(&theirs);
        let hashes = GroupTable::hash(&keys, n_theirs);
        let slots = self.assign(&keys, &hashes, &theirs);
        for (slot, count) in slots.iter().zip(&other.counts) {
            self.counts[*slot as usize] += count;
        }
        let aggregate = Arc::clone(&self.aggregate);
        let calls = aggregate.calls.iter().zip(self.states.iter_mut().zip(&other.states));
        for (_, (states, theirs)) in calls.filter(|(call, _)| call.distinct.is_none()) {
            states.merge(&slots, theirs.as_ref())?;
        }
        for set_idx in 0..aggregate.distinct.len() {
            let (arguments, turned) =
                self.distinct[set_idx].merge(&other.distinct[set_idx], &slots);
            self.turn(set_idx, &arguments, &turned)?;
        }
        Ok(())
    }

    /// The slots of those rows, made where they are new. What is there is kept before it changes.
    pub(super) fn assign(&mut self, keys: &[ArrayRef], hashes: &[u64], rows: &[u32]) -> Vec<u32> {
        let (mut slots, mut new) = (Vec::with_capacity(rows.len()), Vec::new());
        self.groups.assign(keys, hashes, rows, &mut slots, &mut new);
        let n_slots = self.groups.n_slots();
        self.counts.resize(n_slots, 0);
        self.states.iter_mut().for_each(|states| states.grow(n_slots));
        if !self.is_final {
            return slots;
        }
        self.is_touched.resize(n_slots, false);
        new.iter().for_each(|slot| self.is_touched[*slot as usize] = true);
        self.tick.created.extend(new);
        let mut first = Vec::new();
        for slot in &slots {
            if !std::mem::replace(&mut self.is_touched[*slot as usize], true) {
                first.push(*slot);
            }
        }
        if !first.is_empty() {
            let counts = first.iter().map(|slot| self.counts[*slot as usize]).collect();
            let states = self.states.iter().map(|states| states.gather(&first)).collect();
            self.tick.saved.push(Saved { slots: first, counts, states });
        }
        slots
    }

    /// What the tick changed: the outputs to take back, then those to give.
    ///
    /// # Errors
    /// 22003 where a result has no place in its type.
    pub(crate) fn changes(&self) -> Result<Vec<Delta>> {
        if self.tick.saved.is_empty() && self.tick.created.is_empty() {
            return Ok(Vec::new());
        }
        let old = self.outputs_before()?;
        let new = self.outputs_now()?;
        let pairs = self.outputs_of_both();
        let equal = equal_rows(&new.results, &old.results, &pairs, Sameness::Identical);
        let (mut keeps_old, mut keeps_new) =
            (vec![true; old.slots.len()], vec![true; new.slots.len()]);
        for ((new_place, old_place), _) in pairs.iter().zip(equal).filter(|(_, equal)| *equal) {
            keeps_old[*old_place as usize] = false;
            keeps_new[*new_place as usize] = false;
        }
        let retractions = self.delta(&old, &keeps_old, Weights::Neg)?;
        let insertions = self.delta(&new, &keeps_new, Weights::One)?;
        Ok([retractions, insertions].into_iter().filter(|delta| !delta.is_empty()).collect())
    }

    /// The places, now and before, of the outputs of groups that were there and are. Both are in order of
    /// the saved groups; created ones come after.
    fn outputs_of_both(&self) -> Vec<Pair> {
        let mut pairs = Vec::new();
        let (mut old_place, mut new_place) = (0, 0);
        for saved in &self.tick.saved {
            for (slot, count) in saved.slots.iter().zip(&saved.counts) {
                let was = self.exists(*count);
                let is = self.exists(self.counts[*slot as usize]);
                if was && is {
                    pairs.push((new_place, old_place));
                }
                old_place += u32::from(was);
                new_place += u32::from(is);
            }
        }
        pairs
    }

    fn exists(&self, count: i64) -> bool {
        count > 0 || self.aggregate.only_group.is_some() || planted::is(Bug::KeptGroup)
    }

    fn outputs_before(&self) -> Result<Outputs> {
        let mut slots = Vec::new();
        let mut columns: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.states.len()];
        for saved in &self.tick.saved {
            let places: Vec<u32> = (0..saved.slots.len() as u32)
                .filter(|place| self.exists(saved.counts[*place as usize]))
                .collect();
            if places.is_empty() {
                continue;
            }
            slots.extend(places.iter().map(|place| saved.slots[*place as usize]));
            for (column, states) in columns.iter_mut().zip(&saved.states) {
                column.push(states.gather(&places).results()?);
            }
        }
        if slots.is_empty() {
            return Ok(Outputs { slots, results: self.no_results()? });
        }
        let results = columns.iter().map(|arrays| {
            let arrays: Vec<_> = arrays.iter().map(|array| array.as_ref()).collect();
            Ok(concat(&arrays)?)
        });
        Ok(Outputs { slots, results: results.collect::<Result<_>>()? })
    }

    fn outputs_now(&self) -> Result<Outputs> {
        let saved = self.tick.saved.iter().flat_map(|saved| &saved.slots);
        let slots: Vec<u32> = saved
            .chain(&self.tick.created)
            .copied()
            .filter(|slot| self.exists(self.counts[*slot as usize]))
            .collect();
        let results = self.states.iter().map(|states| states.gather(&slots).results());
        let results = results.collect::<Result<_>>()?;
        Ok(Outputs { slots, results })
    }

    fn no_results(&self) -> Result<Vec<ArrayRef>> {
        self.states.iter().map(|states| states.gather(&[]).results()).collect()
    }

    fn delta(&self, outputs: &Outputs, keeps: &[bool], weights: Weights) -> Result<Delta> {
        let places: Vec<u32> =
            (0..keeps.len() as u32).filter(|place| keeps[*place as usize]).collect();
        let slots: Vec<u32> = places.iter().map(|place| outputs.slots[*place as usize]).collect();
        let n_rows = slots.len();
        let mut columns = self.groups.keys(&slots);
        if n_rows == outputs.slots.len() {
            columns.extend(outputs.results.iter().cloned());
        } else {
            let places = UInt32Array::from(places);
            for results in &outputs.results {
                columns.push(take(results, &places, None)?);
            }
        }
        let schema = Arc::clone(&self.aggregate.schema);
        let rows = weir_delta::rows::batch(schema, columns, n_rows)
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let rows: RecordBatch = rows;
        Ok(Delta::new(rows, weights))
    }

    /// The tick holds: groups without rows go.
    pub(crate) fn commit(&mut self) {
        let tick = std::mem::take(&mut self.tick);
        let mut gone = Vec::new();
        let mut n_ended = 0;
        let saved = tick.saved.iter().flat_map(|saved| &saved.slots);
        for (slot, was_there) in
            saved.map(|slot| (slot, true)).chain(tick.created.iter().map(|slot| (slot, false)))
        {
            self.is_touched[*slot as usize] = false;
            if !self.exists(self.counts[*slot as usize]) {
                gone.push(*slot);
                n_ended += usize::from(was_there);
            } else if let Some(since) = &mut self.since {
                since.dirty.add(*slot);
            }
        }
        self.states.iter_mut().for_each(|states| states.commit());
        for set_idx in 0..self.distinct.len() {
            let removed = self.distinct[set_idx].commit(self.since.is_some());
            if let (Some(since), Some(keys)) = (&mut self.since, removed) {
                since.removed_values(set_idx, &self.groups, keys);
            }
        }
        // Those that the tick has made as well are not stored: they come last.
        if let Some(since) = &mut self.since
            && n_ended > 0
        {
            since.removed_groups(&self.groups.keys(&gone[..n_ended]), n_ended);
        }
        self.end_groups(&gone);
    }

    /// The tick did not happen.
    pub(crate) fn rollback(&mut self) {
        let tick = std::mem::take(&mut self.tick);
        for saved in tick.saved {
            for (slot, count) in saved.slots.iter().zip(saved.counts) {
                self.counts[*slot as usize] = count;
                self.is_touched[*slot as usize] = false;
            }
            for (states, before) in self.states.iter_mut().zip(saved.states) {
                states.scatter(&saved.slots, before);
            }
        }
        tick.created.iter().for_each(|slot| self.is_touched[*slot as usize] = false);
        self.states.iter_mut().for_each(|states| states.rollback());
        self.distinct.iter_mut().for_each(DistinctTable::rollback);
        self.end_groups(&tick.created);
    }

    fn end_groups(&mut self, slots: &[u32]) {
        self.states.iter_mut().for_each(|states| states.reset(slots));
        slots.iter().for_each(|slot| self.counts[*slot as usize] = 0);
        self.groups.remove(slots);
    }
}
