//! Keeps segments few and large, and drops row versions that no reader can see any more.
//!
//! Segments are in tiers by size, each [`FANOUT`] times the one below. The recent ones are kept in
//! falling order of tiers, fewer than [`FANOUT`] of each, as a log-structured merge tree does: a
//! row moves once for each tier, and a scan of a store of any age meets few small segments. That
//! much every apply sees to. What is left to compaction is what deletions do to full segments.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::BooleanArray;
use arrow::buffer::BooleanBuffer;
use weir_types::Epoch;

use super::Segments;
use super::list::List;
use super::segment::{Created, SEGMENT_SIZE, Segment};
use crate::rows;

/// Segments of a tier that make one of the next.
const FANOUT: usize = 8;
/// A segment of this size is merged only when it shrinks.
const FULL_SIZE: usize = SEGMENT_SIZE / 2;
/// Merging makes no larger segments, so that it never takes long.
const MERGED_SIZE_MAX: usize = 2 * SEGMENT_SIZE;
/// Segments that shrunk are merged when they were no larger together: what is left of them is
/// estimated, and may be most of their bytes.
const SHRUNKEN_SIZE_MAX: usize = 16 * SEGMENT_SIZE;
/// A segment spans fewer numbers.
const SPAN_MAX: u64 = u32::MAX as u64;
/// Compaction leaves this many small segments alone.
const SMALL_MAX: usize = 32;
/// Compaction merges no fewer segments that are merely small.
const SMALL_RUN_MIN: usize = 4;

fn tier(segment: &Segment) -> u32 {
    segment.size().max(1).ilog(FANOUT)
}

fn is_full(segment: &Segment) -> bool {
    segment.size() >= FULL_SIZE
}

impl Segments {
    /// No reader is at an earlier epoch.
    fn horizon(&self) -> Epoch {
        Epoch(self.horizon.load(Ordering::Relaxed))
    }

    /// Restores the order of tiers after a segment was added. Called by the writer.
    pub(super) fn merge_recent(&self) {
        loop {
            let sources = {
                let list = self.list.read();
                let recent: Vec<&Arc<Segment>> = list.recent().collect();
                let Some(run) = recent_run(&recent) else { return };
                recent[run].iter().copied().cloned().collect::<Vec<_>>()
            };
            let total: usize = sources.iter().map(|segment| segment.size()).sum();
            if total > MERGED_SIZE_MAX || span(&sources) >= SPAN_MAX {
                return;
            }
            self.put(&sources, self.merged(&sources));
        }
    }

    /// The rows of the segments that somebody may still see, with their deletions left out. The
    /// segments are one, or together small enough for Arrow's offsets.
    fn merged(&self, sources: &[Arc<Segment>]) -> Option<Segment> {
        let horizon = self.horizon();
        let mut batches = Vec::with_capacity(sources.len());
        let (mut numbers, mut created) = (Vec::new(), Vec::new());
        for source in sources {
            let is_kept = |row: usize| !source.is_gone(row, horizon);
            let kept = BooleanBuffer::collect_bool(source.len(), is_kept);
            for row in kept.set_indices() {
                numbers.push(source.number(row));
                created.push(source.created(row));
            }
            batches.push(if kept.has_false() {
                let mask = BooleanArray::new(kept, None);
                rows::filter(source.rows(), &mask).expect("a mask of the same length")
            } else {
                source.rows().clone()
            });
        }
        if numbers.is_empty() {
            return None;
        }
        let rows = rows::concat(&self.schema, &batches).and_then(|rows| rows::compact(&rows));
        let rows = rows.expect("small segments of one schema");
        Some(Segment::numbered(&numbers, rows, Created::new(created)))
    }

    /// Puts the merged segment in the place of its sources, with all that was deleted in them. The
    /// caller keeps the writer out.
    ///
    /// Nothing is done when the writer has merged one of the sources meanwhile.
    fn put(&self, sources: &[Arc<Segment>], merged: Option<Segment>) {
        if let Some(merged) = &merged {
            sources.iter().for_each(|source| merged.copy_deletions(source));
        }
        self.list.write().replace(sources, merged);
    }

    /// Drops row versions that no reader at `horizon` or later can see, and merges small segments,
    /// where enough is to be gained; else it returns at once. One call does a bounded amount of
    /// work (some milliseconds), most of it while readers and the writer go on; it gives true when
    /// there may be more to do. Snapshots taken before stay valid.
    ///
    /// The horizon holds for later merges too: no new reader may be at an earlier epoch.
    pub fn compact(&self, horizon: Epoch) -> bool {
        self.horizon.fetch_max(horizon.0, Ordering::Relaxed);
        let Some(_guard) = self.compacting.try_lock() else { return false };
        let horizon = self.horizon();
        let has_many_small = has_many_small(&self.list.read());
        if !has_many_small && !is_worth_a_look(&self.list.read()) {
            return false;
        }
        self.settle_epochs();
        let segments: Vec<Arc<Segment>> = self.list.read().iter().cloned().collect();
        if let Some(run) = dead_run(&segments, horizon) {
            let _writer = self.state.write();
            self.list.write().replace(&segments[run], None);
            return true;
        }
        let small = || if has_many_small { small_run(&segments) } else { None };
        let Some(run) = shrunken_run(&segments, horizon).or_else(small) else {
            return false;
        };
        let sources = &segments[run];
        let merged = self.merged(sources);
        let _writer = self.state.write();
        self.put(sources, merged);
        true
    }

    /// Forgets the epoch of creation of each row where nobody tells them apart any more.
    fn settle_epochs(&self) {
        let released = Epoch(self.released.load(Ordering::Relaxed));
        let settled = self.horizon().min(released);
        let is_settled = |segment: &&Arc<Segment>| {
            matches!(segment.creations(), Created::Each { .. })
                && segment.creations().max() <= settled
        };
        let segments: Vec<Arc<Segment>> =
            self.list.read().iter().filter(is_settled).cloned().collect();
        for segment in &segments {
            let _writer = self.state.write();
            let settled = segment.with_created(Created::All(segment.creations().max()));
            self.list.write().replace(std::slice::from_ref(segment), Some(settled));
        }
    }
}

/// The recent segments to merge next, the youngest among them.
fn recent_run(recent: &[&Arc<Segment>]) -> Option<Range<usize>> {
    let n = recent.len();
    let last = recent.last()?;
    let before = |end: usize, is_in: &dyn Fn(&Segment) -> bool| {
        end - recent[..end].iter().rev().take_while(|segment| is_in(segment)).count()
    };
    if is_full(last) {
        let start = before(n - 1, &|segment| !is_full(segment));
        return (n - 1 - start > 1).then_some(start..n - 1);
    }
    let smaller = before(n - 1, &|segment| tier(segment) < tier(last));
    if smaller < n - 1 {
        return Some(smaller..n);
    }
    let start = before(n, &|segment| tier(segment) == tier(last));
    let size: usize = recent[start..].iter().map(|segment| segment.size()).sum();
    let is_enough = n - start >= FANOUT || (size >= FULL_SIZE && n - start > 1);
    is_enough.then_some(start..n)
}

fn span(segments: &[Arc<Segment>]) -> u64 {
    match segments {
        [first, .., last] => last.last_number() - first.base(),
        _ => 0,
    }
}

fn has_many_small(list: &List) -> bool {
    list.recent().filter(|segment| !is_full(segment)).count() > SMALL_MAX
}

/// A cheap look at whether compaction may find something in full segments.
fn is_worth_a_look(list: &List) -> bool {
    list.n_dead() * 4 > list.n_rows() || list.n_mixed() > 0
}

/// Segments that follow each other and have no row that somebody may see.
fn dead_run(segments: &[Arc<Segment>], horizon: Epoch) -> Option<Range<usize>> {
    let start = segments.iter().position(|segment| segment.is_all_gone(horizon))?;
    let n = segments[start..].iter().take_while(|segment| segment.is_all_gone(horizon)).count();
    Some(start..start + n)
}

/// The size that the segment has without the rows that nobody can see.
fn size_left(segment: &Segment, horizon: Epoch) -> usize {
    let gone = segment.n_gone(horizon);
    segment.size() * (segment.len() - gone) / segment.len()
}

/// A segment more than half of whose rows nobody can see, with the small ones around it.
fn shrunken_run(segments: &[Arc<Segment>], horizon: Epoch) -> Option<Range<usize>> {
    let at = segments.iter().position(|segment| segment.is_mostly_gone(horizon))?;
    let (mut start, mut end) = (at, at + 1);
    let mut size = size_left(&segments[at], horizon);
    let fits = |run: Range<usize>, size: usize| {
        let before: usize = segments[run.clone()].iter().map(|segment| segment.size()).sum();
        size <= SEGMENT_SIZE && before <= SHRUNKEN_SIZE_MAX && span(&segments[run]) < SPAN_MAX
    };
    while end < segments.len() {
        let next = size_left(&segments[end], horizon);
        if next >= FULL_SIZE || !fits(start..end + 1, size + next) {
            break;
        }
        (end, size) = (end + 1, size + next);
    }
    while start > 0 {
        let next = size_left(&segments[start - 1], horizon);
        if next >= FULL_SIZE || !fits(start - 1..end, size + next) {
            break;
        }
        (start, size) = (start - 1, size + next);
    }
    Some(start..end)
}

/// Small segments that follow each other, none of them larger than the others together: the
/// segment of each row at least doubles, so that a row moves seldom.
fn small_run(segments: &[Arc<Segment>]) -> Option<Range<usize>> {
    let mut start = 0;
    while start < segments.len() {
        let (mut end, mut size) = (start, 0);
        while end < segments.len()
            && !is_full(&segments[end])
            && size + segments[end].size() <= SEGMENT_SIZE
            && span(&segments[start..=end]) < SPAN_MAX
        {
            size += segments[end].size();
            end += 1;
        }
        let largest = segments[start..end].iter().map(|segment| segment.size()).max();
        if end - start >= SMALL_RUN_MIN && largest.is_some_and(|largest| largest * 2 <= size) {
            return Some(start..end);
        }
        start += 1;
    }
    None
}
