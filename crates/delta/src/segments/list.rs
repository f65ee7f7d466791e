//! The segments of a store, in order of row numbers.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use weir_types::Result;

use super::dropped;
use super::segment::{Created, SEGMENT_SIZE, Segment};
use crate::equal::{Pair, Sameness, equal_rows};
use crate::rows;

/// A segment under the number of its first row.
type Entry = (u64, Arc<Segment>);

/// Recent segments are this many at most: each snapshot clones them one by one.
const RECENT_MAX: usize = 128;

/// The segments in order: those that are seldom replaced, shared between snapshots, and the recent
/// ones.
#[derive(Clone, Default)]
pub(super) struct List {
    settled: Arc<Vec<Entry>>,
    recent: Vec<Entry>,
    n_rows: usize,
    n_live: usize,
    /// Number of full segments with an epoch of creation for each row.
    n_mixed: usize,
}

impl List {
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Segment>> {
        self.settled.iter().chain(&self.recent).map(|(_, segment)| segment)
    }

    /// Number of live rows.
    pub(super) fn n_live(&self) -> usize {
        self.n_live
    }

    /// Number of rows that were deleted and are still held.
    pub(super) fn n_dead(&self) -> usize {
        self.n_rows - self.n_live
    }

    /// Number of rows, deleted ones included.
    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of full segments that keep an epoch of creation for each row.
    pub(super) fn n_mixed(&self) -> usize {
        self.n_mixed
    }

    /// The recent segments: all that are small and were added last.
    pub(super) fn recent(
        &self,
    ) -> impl DoubleEndedIterator<Item = &Arc<Segment>> + ExactSizeIterator {
        self.recent.iter().map(|(_, segment)| segment)
    }

    /// The segment that has the number within its range, if any.
    fn segment_of(&self, number: u64) -> Option<&Arc<Segment>> {
        let part = match self.recent.first() {
            Some((base, _)) if *base <= number => &self.recent,
            _ => &*self.settled,
        };
        let after = part.partition_point(|(base, _)| *base <= number);
        after.checked_sub(1).map(|at| &part[at].1)
    }

    /// The segment and row of that number, unless it was dropped.
    pub(super) fn locate(&self, number: u64) -> Option<(&Arc<Segment>, usize)> {
        let segment = self.segment_of(number)?;
        Some((segment, segment.row_of(number)?))
    }

    /// The rows of those numbers, in that order.
    pub(super) fn gather(
        &self,
        schema: &SchemaRef,
        numbers: impl Iterator<Item = u64>,
    ) -> Result<RecordBatch> {
        let places: Option<Vec<(&Arc<Segment>, usize)>> =
            numbers.map(|number| self.locate(number)).collect();
        let places = places.ok_or_else(dropped)?;
        let mut bases: Vec<u64> = places.iter().map(|(segment, _)| segment.base()).collect();
        bases.sort_unstable();
        bases.dedup();
        let batches: Vec<&RecordBatch> = bases
            .iter()
            .map(|base| self.segment_of(*base).expect("it was just found").rows())
            .collect();
        let position = |(segment, row): &(&Arc<Segment>, usize)| {
            (bases.binary_search(&segment.base()).expect("it was just put in"), *row)
        };
        let positions: Vec<(usize, usize)> = places.iter().map(position).collect();
        rows::interleave(schema, &batches, &positions)
    }

    /// For each pair of a row of `probe` and the number of a row here, whether they are the same;
    /// `columns` are those here that `probe` has. All numbers are of rows that are held.
    pub(super) fn equal(
        &self,
        columns: &[usize],
        probe: &[ArrayRef],
        pairs: &[(u32, u64)],
        how: Sameness,
    ) -> Vec<bool> {
        let mut order: Vec<u32> = (0..pairs.len() as u32).collect();
        if !pairs.is_sorted_by_key(|(_, number)| *number) {
            order.sort_unstable_by_key(|at| pairs[*at as usize].1);
        }
        let mut equal = vec![false; pairs.len()];
        let mut rest = &order[..];
        let mut local: Vec<Pair> = Vec::with_capacity(pairs.len());
        while let Some(first) = rest.first() {
            let segment = self.segment_of(pairs[*first as usize].1).expect("a row that is held");
            let end = segment.last_number();
            let n = rest.partition_point(|at| pairs[*at as usize].1 <= end);
            let run;
            (run, rest) = rest.split_at(n);
            local.clear();
            local.extend(run.iter().map(|at| {
                let (row, number) = pairs[*at as usize];
                (row, segment.row_of(number).expect("a row that is held") as u32)
            }));
            let held: Vec<ArrayRef> =
                columns.iter().map(|at| Arc::clone(segment.rows().column(*at))).collect();
            for (at, same) in run.iter().zip(equal_rows(probe, &held, &local, how)) {
                equal[*at as usize] = same;
            }
        }
        equal
    }

    /// Adds a segment of younger rows, none of them deleted.
    pub(super) fn push(&mut self, segment: Segment) {
        self.count(&segment, true);
        self.n_live += segment.len();
        self.recent.push((segment.base(), Arc::new(segment)));
        if self.recent.len() > RECENT_MAX {
            let old = self.recent.drain(..RECENT_MAX / 2);
            Arc::make_mut(&mut self.settled).extend(old);
        }
    }

    /// Notes that so many rows were marked as deleted in their segments.
    pub(super) fn count_deleted(&mut self, n: usize) {
        self.n_live -= n;
    }

    fn count(&mut self, segment: &Segment, is_added: bool) {
        let is_mixed = matches!(segment.creations(), Created::Each { .. });
        let mixed = usize::from(is_mixed && segment.size() * 2 >= SEGMENT_SIZE);
        if is_added {
            self.n_rows += segment.len();
            self.n_mixed += mixed;
        } else {
            self.n_rows -= segment.len();
            self.n_mixed -= mixed;
        }
    }

    /// Puts `new` in the place of the segments `old`, which follow each other. False, and nothing
    /// done, when they are not all here any more.
    pub(super) fn replace(&mut self, old: &[Arc<Segment>], new: Option<Segment>) -> bool {
        let last = old[old.len() - 1].base();
        if self.recent.first().is_some_and(|(base, _)| old[0].base() < *base) {
            // They may begin among the settled ones and end among the recent ones.
            let n = self.recent.partition_point(|(base, _)| *base <= last);
            if n > 0 {
                Arc::make_mut(&mut self.settled).extend(self.recent.drain(..n));
            }
        }
        let in_recent = self.recent.first().is_some_and(|(base, _)| *base <= last);
        let part = if in_recent { &self.recent } else { &*self.settled };
        let start = part.partition_point(|(base, _)| *base < old[0].base());
        let end = start + old.len();
        let is_here = part.get(start..end).is_some_and(|here| {
            here.iter().zip(old).all(|((_, here), old)| Arc::ptr_eq(here, old))
        });
        if !is_here {
            return false;
        }
        old.iter().for_each(|segment| self.count(segment, false));
        if let Some(new) = &new {
            self.count(new, true);
        }
        let new = new.map(|new| (new.base(), Arc::new(new)));
        if in_recent {
            self.recent.splice(start..end, new);
        } else {
            Arc::make_mut(&mut self.settled).splice(start..end, new);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use weir_types::Epoch;

    use super::{List, RECENT_MAX, Segment};
    use crate::rows;

    /// A segment of ten rows.
    fn segment(base: u64) -> Segment {
        let rows = rows::batch(Arc::new(Schema::empty()), Vec::new(), 10).expect("a batch");
        Segment::dense(base, rows, Epoch(1))
    }

    #[test]
    fn numbers_are_located_among_settled_and_recent_segments() {
        let mut list = List::default();
        for n in 0..2 * RECENT_MAX as u64 {
            // Ten numbers after each segment are of no row.
            list.push(segment(n * 20));
        }
        assert!(!list.settled.is_empty() && list.recent.len() <= RECENT_MAX);
        for number in 0..40 * RECENT_MAX as u64 {
            let found = list.locate(number).map(|(segment, row)| (segment.base(), row));
            let (base, row) = (number / 20 * 20, (number % 20) as usize);
            assert_eq!(found, (row < 10).then_some((base, row)));
        }
    }

    #[test]
    fn only_segments_that_are_all_there_are_replaced() {
        for n_pushed in [4, 2 * RECENT_MAX as u64] {
            let mut list = List::default();
            (0..n_pushed).for_each(|n| list.push(segment(n * 10)));
            let old: Vec<Arc<Segment>> = list.iter().skip(1).take(2).cloned().collect();
            assert!(list.replace(&old[..1], Some(segment(10))));
            assert!(!list.replace(&old, None), "the first is another one now");
            assert_eq!(list.n_rows() as u64, n_pushed * 10);
            assert!(list.replace(&old[1..], None));
            assert_eq!(list.n_rows() as u64, n_pushed * 10 - 10);
            assert!(list.locate(15).is_some() && list.locate(25).is_none());
        }
    }

    #[test]
    fn segments_both_settled_and_recent_are_replaced() {
        let mut list = List::default();
        (0..2 * RECENT_MAX as u64).for_each(|n| list.push(segment(n * 10)));
        let all: Vec<Arc<Segment>> = list.iter().cloned().collect();
        let start = list.settled.len() - 2;
        assert!(list.replace(&all[start..start + 5], None));
        let left: Vec<u64> = list.iter().map(|segment| segment.base()).collect();
        let expected = (0..all.len()).filter(|at| !(start..start + 5).contains(at));
        assert_eq!(left, expected.map(|at| at as u64 * 10).collect::<Vec<_>>());
        assert_eq!(list.locate(10 * all.len() as u64 - 1).expect("a row").1, 9);
    }
}
