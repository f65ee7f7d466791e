//! Which rows of a batch are the same: numbers each distinct row.

use arrow::array::ArrayRef;
use hashbrown::HashTable;

use crate::equal::{Pair, Sameness, equal_rows};
use crate::hash::{hash_n_rows, narrow};

/// The distinct rows of a batch, numbered in order of their first row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// The group of each row.
    pub of_row: Vec<u32>,
    /// The first row of each group.
    pub first_row: Vec<u32>,
}

impl Groups {
    /// The groups of `n_rows` rows that are the same by `how` in the columns, which may be none.
    #[must_use]
    pub fn new(columns: &[ArrayRef], n_rows: usize, how: Sameness) -> Self {
        let hashes = hash_n_rows(columns, n_rows);
        Self::of_hashed(columns, &hashes, how)
    }

    /// As [`Groups::new`], with the hashes of the rows over the columns.
    #[must_use]
    pub(crate) fn of_hashed(columns: &[ArrayRef], hashes: &[u64], how: Sameness) -> Self {
        if hashes.len() == 1 {
            return Self { of_row: vec![0], first_row: vec![0] };
        }
        let mut grouping = Grouping {
            table: HashTable::with_capacity(hashes.len()),
            first_row: Vec::new(),
            of_row: Vec::with_capacity(hashes.len()),
            how,
        };
        grouping.assign_by_hash(hashes);
        grouping.correct_collisions(columns, hashes);
        Self { of_row: grouping.of_row, first_row: grouping.first_row }.in_order_of_rows()
    }

    /// Number of distinct rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.first_row.len()
    }

    /// True without rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first_row.is_empty()
    }

    /// A collision makes its group late; numbers follow first rows all the same.
    fn in_order_of_rows(mut self) -> Self {
        if self.first_row.is_sorted() {
            return self;
        }
        let mut order: Vec<u32> = (0..self.first_row.len() as u32).collect();
        order.sort_unstable_by_key(|group| self.first_row[*group as usize]);
        let mut number = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            number[*old as usize] = new as u32;
        }
        self.of_row.iter_mut().for_each(|group| *group = number[*group as usize]);
        self.first_row.sort_unstable();
        self
    }
}

/// A group as the table holds it.
struct Entry {
    hash: u64,
    group: u32,
}

struct Grouping {
    table: HashTable<Entry>,
    first_row: Vec<u32>,
    of_row: Vec<u32>,
    how: Sameness,
}

impl Grouping {
    fn add_group(&mut self, hash: u64, row: u32) -> u32 {
        let group = self.first_row.len() as u32;
        self.first_row.push(row);
        self.table.insert_unique(hash, Entry { hash, group }, |entry| entry.hash);
        group
    }

    /// Puts each row into the first group of its hash.
    fn assign_by_hash(&mut self, hashes: &[u64]) {
        for (row, hash) in hashes.iter().enumerate() {
            let hash = narrow(*hash);
            let found = self.table.find(hash, |entry| entry.hash == hash).map(|entry| entry.group);
            let group = found.unwrap_or_else(|| self.add_group(hash, row as u32));
            self.of_row.push(group);
        }
    }

    /// Compares each row with the first of its group, and moves those of equal hash and other
    /// values to groups of their own.
    fn correct_collisions(&mut self, columns: &[ArrayRef], hashes: &[u64]) {
        let pairs: Vec<Pair> = self
            .of_row
            .iter()
            .enumerate()
            .map(|(row, group)| (row as u32, self.first_row[*group as usize]))
            .filter(|(row, first)| row != first)
            .collect();
        let equal = equal_rows(columns, columns, &pairs, self.how);
        for ((row, _), _) in pairs.iter().zip(equal).filter(|(_, equal)| !equal) {
            let hash = narrow(hashes[*row as usize]);
            let candidates: Vec<u32> = self
                .table
                .iter_hash(hash)
                .filter(|entry| entry.hash == hash)
                .map(|entry| entry.group)
                .collect();
            let pairs: Vec<Pair> =
                candidates.iter().map(|group| (*row, self.first_row[*group as usize])).collect();
            let same =
                equal_rows(columns, columns, &pairs, self.how).into_iter().position(|equal| equal);
            let group = match same {
                Some(at) => candidates[at],
                None => self.add_group(hash, *row),
            };
            self.of_row[*row as usize] = group;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array};

    use super::{Groups, Sameness};

    #[test]
    fn same_rows_share_a_group_numbered_by_first_row() {
        let numbers: ArrayRef =
            Arc::new(Float64Array::from(vec![Some(0.0), None, Some(f64::NAN), Some(-0.0), None]));
        let groups = Groups::new(&[numbers], 5, Sameness::Equal);
        assert_eq!(groups, Groups { of_row: vec![0, 1, 2, 0, 1], first_row: vec![0, 1, 2] });
    }

    #[test]
    fn without_columns_all_rows_are_the_same() {
        assert_eq!(
            Groups::new(&[], 3, Sameness::Equal),
            Groups { of_row: vec![0, 0, 0], first_row: vec![0] }
        );
        assert!(Groups::new(&[], 0, Sameness::Equal).is_empty());
    }

    #[test]
    fn rows_of_equal_hash_and_other_values_are_told_apart() {
        let values = vec![7, 8, 7, 9, 8, 10, 9, 7];
        let column: ArrayRef = Arc::new(Int64Array::from(values));
        let groups = Groups::of_hashed(&[column], &[1, 1, 1, 1, 1, 2, 1, 1], Sameness::Equal);
        assert_eq!(groups.of_row, [0, 1, 0, 2, 1, 3, 2, 0]);
        assert_eq!(groups.first_row, [0, 1, 3, 5]);
    }
}
