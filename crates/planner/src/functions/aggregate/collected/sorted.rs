//! The order of the rows of each group.

use std::cmp::Ordering;

use arrow::array::{ArrayRef, DynComparator, make_comparator};
use arrow::compute::SortOptions;
use datafusion::error::Result as DfResult;

/// The numbers of the rows of each group, group after group.
pub(super) struct Sorted {
    rows: Vec<u32>,
    /// Where each group begins, and where the last one ends.
    bounds: Vec<usize>,
}

impl Sorted {
    /// The rows of each group as they came; `groups` has the group of each row.
    pub(super) fn by_group(groups: &[u32], n_groups: usize) -> Self {
        let mut bounds = vec![0; n_groups + 1];
        for group in groups {
            bounds[*group as usize + 1] += 1;
        }
        for group in 0..n_groups {
            bounds[group + 1] += bounds[group];
        }
        let mut next = bounds.clone();
        let mut rows = vec![0; groups.len()];
        for (row, group) in (0..).zip(groups) {
            let place = &mut next[*group as usize];
            rows[*place] = row;
            *place += 1;
        }
        Self { rows, bounds }
    }

    pub(super) fn n_groups(&self) -> usize {
        self.bounds.len() - 1
    }

    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The rows of each group.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[u32]> {
        self.bounds.windows(2).map(|bounds| &self.rows[bounds[0]..bounds[1]])
    }

    /// Sorts the rows of each group; equal ones stay as they are.
    pub(super) fn sort(&mut self, keys: &Keys) {
        for bounds in self.bounds.windows(2) {
            self.rows[bounds[0]..bounds[1]].sort_by(|left, right| keys.compare(*left, *right));
        }
    }

    /// Leaves the first of rows that are equal; equal ones stand side by side.
    pub(super) fn dedup(&mut self, keys: &Keys) {
        let mut kept = Vec::with_capacity(self.rows.len());
        let mut bounds = Vec::with_capacity(self.bounds.len());
        for rows in self.groups() {
            bounds.push(kept.len());
            for (place, row) in rows.iter().enumerate() {
                if place == 0 || keys.compare(rows[place - 1], *row).is_ne() {
                    kept.push(*row);
                }
            }
        }
        bounds.push(kept.len());
        *self = Self { rows: kept, bounds };
    }
}

/// Columns that rows are compared by.
pub(super) struct Keys(Vec<DynComparator>);

impl Keys {
    /// # Errors
    /// XX000 for values without an order.
    pub(super) fn new<'a>(
        columns: impl Iterator<Item = (&'a ArrayRef, SortOptions)>,
    ) -> DfResult<Self> {
        let comparators =
            columns.map(|(column, options)| Ok(make_comparator(column, column, options)?));
        comparators.collect::<DfResult<_>>().map(Self)
    }

    fn compare(&self, left: u32, right: u32) -> Ordering {
        let in_column = |compare: &DynComparator| compare(left as usize, right as usize);
        self.0.iter().map(in_column).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}
