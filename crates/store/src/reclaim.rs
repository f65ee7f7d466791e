//! Giving disk back after blocks were deleted.
//!
//! A deleted range is a marker at first. The pointers under it go when their tables are compacted, and a
//! blob file goes when no pointer into it is left. Pointers are small, so compacting the ranges that
//! were deleted is cheap; blobs are not read for it.

use rocksdb::{BottommostLevelCompaction, CompactOptions};
use weir_types::Result;

use crate::batch::KeyRange;
use crate::class::RetentionClass;
use crate::log_store::LogStore;

/// More ranges than this are compacted as one, from the least key to the greatest: each compaction has
/// a cost of its own. A partition has two, one of its blocks and one of their parts.
const RANGES_MAX: usize = 32;

/// Ranges deleted since they were last reclaimed, by class. Those from before a restart are not among
/// them; RocksDB's own compaction takes them in time.
#[derive(Debug, Default)]
pub(crate) struct DeletedRanges([Vec<KeyRange>; RetentionClass::ALL.len()]);

impl DeletedRanges {
    pub(crate) fn add(&mut self, ranges: Vec<KeyRange>) {
        for range in ranges {
            let deleted = &mut self.0[range.class.idx()];
            // Retention deletes from the start of a partition, again and again.
            match deleted.iter_mut().find(|known| known.begin == range.begin) {
                Some(known) => known.end = range.end.max(std::mem::take(&mut known.end)),
                None => deleted.push(range),
            }
        }
    }

    fn take(&mut self, class: RetentionClass) -> Vec<KeyRange> {
        let ranges = std::mem::take(&mut self.0[class.idx()]);
        if ranges.len() <= RANGES_MAX {
            return ranges;
        }
        let begin = ranges.iter().map(|range| &range.begin).min().cloned();
        let end = ranges.iter().map(|range| &range.end).max().cloned();
        begin.zip(end).map(|(begin, end)| KeyRange { class, begin, end }).into_iter().collect()
    }
}

impl LogStore {
    /// Frees the disk of blocks that were deleted in a class since the last call, and returns the bytes
    /// freed: none where the files still hold other blocks. Takes long: flushes the class and compacts
    /// the pointers of the deleted ranges. Writes go on meanwhile.
    ///
    /// # Errors
    /// 53100, 58030 and the like. A failed flush is a failed write: the store is poisoned.
    pub fn reclaim(&self, class: RetentionClass) -> Result<u64> {
        self.poison.check()?;
        let ranges = self.deleted.lock().take(class);
        if ranges.is_empty() {
            return Ok(0);
        }
        let family = self.family(class.column_family());
        self.db.flush_cf(family).map_err(|e| self.poisoned("flush", &e))?;
        let before = self.stored_bytes(class)?;
        let mut options = CompactOptions::default();
        // Tables of the last level are compacted too, each once: dead pointers lie there as well.
        options.set_bottommost_level_compaction(BottommostLevelCompaction::ForceOptimized);
        // Other compactions of the class need not wait for this one.
        options.set_exclusive_manual_compaction(false);
        for range in &ranges {
            self.db.compact_range_cf_opt(family, Some(&range.begin), Some(&range.end), &options);
        }
        Ok(before.saturating_sub(self.stored_bytes(class)?))
    }

    /// Bytes of the tables and blob files of a class on the disk.
    ///
    /// # Errors
    /// 58030.
    pub fn stored_bytes(&self, class: RetentionClass) -> Result<u64> {
        self.poison.check()?;
        let family = self.family(class.column_family());
        let mut n_bytes = 0;
        for property in ["rocksdb.live-sst-files-size", "rocksdb.live-blob-file-size"] {
            let value = self
                .db
                .property_int_value_cf(family, property)
                .map_err(|e| self.read_error("file sizes", &e))?;
            n_bytes += value.unwrap_or(0);
        }
        Ok(n_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(begin: u8, end: u8) -> KeyRange {
        KeyRange { class: RetentionClass::Days, begin: vec![begin], end: vec![end] }
    }

    #[test]
    fn ranges_with_one_start_are_one_and_many_become_their_hull() {
        let mut deleted = DeletedRanges::default();
        deleted.add(vec![range(1, 5), range(7, 8)]);
        deleted.add(vec![range(1, 3)]);
        assert_eq!(deleted.take(RetentionClass::Hours), []);
        assert_eq!(deleted.take(RetentionClass::Days), [range(1, 5), range(7, 8)]);
        assert_eq!(deleted.take(RetentionClass::Days), []);
        deleted.add((10..50).rev().map(|begin| range(begin, begin + 1)).collect());
        assert_eq!(deleted.take(RetentionClass::Days), [range(10, 50)]);
    }
}
