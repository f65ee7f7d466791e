//! A run of row versions: their rows, numbers, and epochs of creation and deletion.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use weir_types::Epoch;

use crate::rows;

/// Rows, or units of [`BYTES_OF_UNIT`], of a segment that is merged no further.
pub(super) const SEGMENT_SIZE: usize = 65_536;
/// Wide rows make a segment large as well: this many bytes count as a row.
const BYTES_OF_UNIT: usize = 512;

/// Epochs of creation.
#[derive(Clone)]
pub(super) enum Created {
    All(Epoch),
    Each { epochs: Arc<[Epoch]>, min: Epoch, max: Epoch },
}

impl Created {
    /// The short form, where all are the same.
    pub(super) fn new(epochs: Vec<Epoch>) -> Self {
        let min = epochs.iter().min().copied().unwrap_or_default();
        let max = epochs.iter().max().copied().unwrap_or_default();
        if min == max { Self::All(max) } else { Self::Each { epochs: epochs.into(), min, max } }
    }

    pub(super) fn min(&self) -> Epoch {
        match self {
            Self::All(epoch) | Self::Each { min: epoch, .. } => *epoch,
        }
    }

    pub(super) fn max(&self) -> Epoch {
        match self {
            Self::All(epoch) | Self::Each { max: epoch, .. } => *epoch,
        }
    }
}

/// The numbers of the rows, as distances from the first.
#[derive(Clone)]
enum Numbers {
    Dense,
    Sparse(Arc<[u32]>),
}

/// Epochs of deletion. The writer fills them in while readers read: a reader at an earlier epoch
/// sees the row either way, and a reader at a later one began after the writer was done.
struct Deletions {
    /// [`Epoch::MAX`] for a live row; made at the first deletion.
    epochs: OnceLock<Box<[AtomicU64]>>,
    n: AtomicUsize,
    first: AtomicU64,
    last: AtomicU64,
    /// The epoch at which more than half of the rows were deleted, once it is known.
    most: OnceLock<Epoch>,
}

/// A run of row versions, in order of their numbers.
#[derive(Clone)]
pub(super) struct Segment {
    base: u64,
    numbers: Numbers,
    rows: RecordBatch,
    created: Created,
    deletions: Arc<Deletions>,
    row_bytes: usize,
}

impl Segment {
    /// Live rows that are numbered from `base` on.
    pub(super) fn dense(base: u64, rows: RecordBatch, created: Epoch) -> Self {
        Self::assemble(base, Numbers::Dense, rows, Created::All(created))
    }

    /// Live rows with those numbers, which rise and span less than 2^32.
    pub(super) fn numbered(numbers: &[u64], rows: RecordBatch, created: Created) -> Self {
        let base = numbers[0];
        let span = numbers[numbers.len() - 1] - base;
        let numbers = if span == numbers.len() as u64 - 1 {
            Numbers::Dense
        } else {
            let distance = |number: &u64| {
                u32::try_from(number - base).expect("a segment spans less than 2^32 numbers")
            };
            Numbers::Sparse(numbers.iter().map(distance).collect())
        };
        Self::assemble(base, numbers, rows, created)
    }

    fn assemble(base: u64, numbers: Numbers, rows: RecordBatch, created: Created) -> Self {
        let deletions = Arc::new(Deletions {
            epochs: OnceLock::new(),
            n: AtomicUsize::new(0),
            first: AtomicU64::new(Epoch::MAX.0),
            last: AtomicU64::new(0),
            most: OnceLock::new(),
        });
        let row_bytes = rows::bytes_used(&rows);
        Self { base, numbers, rows, created, deletions, row_bytes }
    }

    /// The same rows, with epochs of creation taken together.
    pub(super) fn with_created(&self, created: Created) -> Self {
        Self { created, ..self.clone() }
    }

    /// The number of the first row.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// The number of the last row.
    pub(super) fn last_number(&self) -> u64 {
        self.number(self.len() - 1)
    }

    /// The number of a row.
    pub(super) fn number(&self, row: usize) -> u64 {
        match &self.numbers {
            Numbers::Dense => self.base + row as u64,
            Numbers::Sparse(distances) => self.base + u64::from(distances[row]),
        }
    }

    /// The row of that number, if it is there.
    pub(super) fn row_of(&self, number: u64) -> Option<usize> {
        let distance = number.checked_sub(self.base)?;
        match &self.numbers {
            Numbers::Dense => usize::try_from(distance).ok().filter(|row| *row < self.len()),
            Numbers::Sparse(distances) => {
                distances.binary_search(&u32::try_from(distance).ok()?).ok()
            }
        }
    }

    pub(super) fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    pub(super) fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Rows, or units of bytes when those are more.
    pub(super) fn size(&self) -> usize {
        self.len().max(self.row_bytes / BYTES_OF_UNIT)
    }

    pub(super) fn n_bytes(&self) -> usize {
        let epoch = size_of::<Epoch>();
        let created = match &self.created {
            Created::All(_) => 0,
            Created::Each { epochs, .. } => epochs.len() * epoch,
        };
        let deleted = self.deletions.epochs.get().map_or(0, |epochs| epochs.len() * epoch);
        let numbers = match &self.numbers {
            Numbers::Dense => 0,
            Numbers::Sparse(distances) => size_of_val(&distances[..]),
        };
        size_of::<Self>() + self.row_bytes + created + deleted + numbers
    }

    pub(super) fn creations(&self) -> &Created {
        &self.created
    }

    pub(super) fn created(&self, row: usize) -> Epoch {
        match &self.created {
            Created::All(epoch) => *epoch,
            Created::Each { epochs, .. } => epochs[row],
        }
    }

    /// The epoch that deleted the row, [`Epoch::MAX`] if it is live.
    pub(super) fn deleted(&self, row: usize) -> Epoch {
        let epochs = self.deletions.epochs.get();
        epochs.map_or(Epoch::MAX, |epochs| Epoch(epochs[row].load(Ordering::Relaxed)))
    }

    /// Marks a live row as deleted.
    pub(super) fn delete(&self, row: usize, epoch: Epoch) {
        let live = || (0..self.len()).map(|_| AtomicU64::new(Epoch::MAX.0)).collect();
        let epochs = self.deletions.epochs.get_or_init(live);
        epochs[row].store(epoch.0, Ordering::Relaxed);
        self.deletions.last.fetch_max(epoch.0, Ordering::Relaxed);
        self.deletions.first.fetch_min(epoch.0, Ordering::Release);
        // Last, so that who counts the row knows the rest of it.
        self.deletions.n.fetch_add(1, Ordering::Release);
    }

    /// Marks as deleted the rows that are so in `source`, which has rows of the same numbers.
    pub(super) fn copy_deletions(&self, source: &Self) {
        if source.n_deleted() == 0 {
            return;
        }
        for row in 0..source.len() {
            let epoch = source.deleted(row);
            if epoch != Epoch::MAX
                && let Some(own) = self.row_of(source.number(row))
            {
                self.delete(own, epoch);
            }
        }
    }

    /// Number of deleted rows.
    pub(super) fn n_deleted(&self) -> usize {
        self.deletions.n.load(Ordering::Acquire)
    }

    /// True when all rows were deleted at `horizon` or before.
    pub(super) fn is_all_gone(&self, horizon: Epoch) -> bool {
        self.n_deleted() == self.len() && self.last_deletion() <= horizon
    }

    /// True when more than half of the rows were deleted at `horizon` or before.
    pub(super) fn is_mostly_gone(&self, horizon: Epoch) -> bool {
        if self.n_deleted() * 2 <= self.len() {
            return false;
        }
        // Epochs of deletion only rise, so that it stays what it is when more rows are deleted.
        let most = self.deletions.most.get_or_init(|| {
            let mut epochs: Vec<Epoch> = (0..self.len()).map(|row| self.deleted(row)).collect();
            *epochs.select_nth_unstable(self.len() / 2).1
        });
        *most <= horizon
    }

    /// The earliest epoch of deletion, [`Epoch::MAX`] without one.
    pub(super) fn first_deletion(&self) -> Epoch {
        Epoch(self.deletions.first.load(Ordering::Acquire))
    }

    /// The latest epoch of deletion, [`Epoch::ZERO`] without one.
    pub(super) fn last_deletion(&self) -> Epoch {
        Epoch(self.deletions.last.load(Ordering::Relaxed))
    }

    /// True when no reader at `horizon` or later can see the row.
    pub(super) fn is_gone(&self, row: usize, horizon: Epoch) -> bool {
        let deleted = self.deleted(row);
        deleted <= horizon || deleted <= self.created(row)
    }

    /// Number of rows deleted at `horizon` or before.
    pub(super) fn n_gone(&self, horizon: Epoch) -> usize {
        if self.first_deletion() > horizon {
            0
        } else if self.last_deletion() <= horizon {
            self.n_deleted()
        } else {
            (0..self.len()).filter(|row| self.deleted(*row) <= horizon).count()
        }
    }

    pub(super) fn is_visible(&self, row: usize, at: Epoch) -> bool {
        self.created(row) <= at && at < self.deleted(row)
    }

    pub(super) fn are_all_visible(&self, at: Epoch) -> bool {
        self.created.max() <= at && at < self.first_deletion()
    }

    /// Which rows are live.
    pub(super) fn live(&self) -> BooleanArray {
        let is_live = |row| self.deleted(row) == Epoch::MAX;
        BooleanArray::new(BooleanBuffer::collect_bool(self.len(), is_live), None)
    }

    /// Which of the rows from `start` on a reader at `at` sees.
    pub(super) fn visible(&self, start: usize, n_rows: usize, at: Epoch) -> BooleanArray {
        let bits = BooleanBuffer::collect_bool(n_rows, |row| self.is_visible(start + row, at));
        BooleanArray::new(bits, None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use weir_types::Epoch;

    use super::{Created, Segment};
    use crate::rows;

    fn rows(n_rows: usize) -> arrow::array::RecordBatch {
        rows::batch(Arc::new(Schema::empty()), Vec::new(), n_rows).expect("a batch")
    }

    #[test]
    fn a_segment_is_mostly_gone_when_more_than_half_of_it_is_below_the_horizon() {
        let segment = Segment::dense(0, rows(5), Epoch(1));
        for (row, epoch) in [(4, 2), (0, 3)] {
            segment.delete(row, Epoch(epoch));
        }
        assert!(!segment.is_mostly_gone(Epoch(9)), "two of five");
        segment.delete(2, Epoch(5));
        assert_eq!([4, 5].map(|epoch| segment.is_mostly_gone(Epoch(epoch))), [false, true]);
        assert_eq!([1, 2, 4, 5].map(|epoch| segment.n_gone(Epoch(epoch))), [0, 1, 2, 3]);
        segment.delete(1, Epoch(7));
        segment.delete(3, Epoch(8));
        assert_eq!([4, 5].map(|epoch| segment.is_mostly_gone(Epoch(epoch))), [false, true]);
        assert_eq!([7, 8].map(|epoch| segment.is_all_gone(Epoch(epoch))), [false, true]);
    }

    #[test]
    fn sparse_numbers_are_found_and_those_between_them_are_not() {
        let created = Created::new(vec![Epoch(1), Epoch(1), Epoch(2)]);
        let segment = Segment::numbered(&[10, 12, 19], rows(3), created);
        let found: Vec<u64> = (0..30).filter(|number| segment.row_of(*number).is_some()).collect();
        assert_eq!(found, [10, 12, 19]);
        assert_eq!([0, 1, 2].map(|row| segment.number(row)), [10, 12, 19]);
        assert_eq!((segment.base(), segment.last_number()), (10, 19));
        assert_eq!(segment.created(2), Epoch(2));
    }
}
