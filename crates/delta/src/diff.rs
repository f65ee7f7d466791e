//! The difference of two multisets of rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use hashbrown::HashTable;
use weir_types::Result;
use weir_types::planted::{self, Bug};

use crate::delta::{Delta, Weights};
use crate::equal::{Pair, Sameness, equal_rows};
use crate::group::Groups;
use crate::hash::{hash_n_rows, narrow};
use crate::rows;

/// What turns the rows of `old` into those of `new`: first the rows to retract, then those to
/// insert, each as often as it is to come more or less. A row that is in both is in neither part.
///
/// All batches have the same column types. The result has the schema of the first batch of `new`,
/// else of `old`, else no columns.
///
/// # Errors
/// 54000 when the difference does not fit into one batch, XX000 when types differ.
pub fn difference(old: &[RecordBatch], new: &[RecordBatch]) -> Result<Delta> {
    let schema = new.iter().chain(old).map(RecordBatch::schema).next();
    let schema = schema.unwrap_or_else(|| Arc::new(Schema::empty()));
    let mut held = Held::new(old);
    let mut insertions = Vec::new();
    for (chunk, batch) in new.iter().enumerate() {
        for row in held.take_out(batch) {
            insertions.push((old.len() + chunk, row));
        }
    }
    let mut positions = held.left_over();
    let n_retracted = positions.len();
    positions.extend(insertions);
    let weights = if n_retracted == 0 {
        Weights::One
    } else if n_retracted == positions.len() {
        Weights::Neg
    } else {
        let inserted = positions.len() - n_retracted;
        Weights::Mixed([vec![-1; n_retracted], vec![1; inserted]].concat())
    };
    let batches: Vec<&RecordBatch> = old.iter().chain(new).collect();
    Ok(Delta::new(rows::interleave(&schema, &batches, &positions)?, weights))
}

/// A row: its batch and its place there.
#[derive(Clone, Copy)]
struct Place {
    chunk: u32,
    row: u32,
}

/// A distinct row and how often it has still to be found.
struct Group {
    hash: u64,
    first: Place,
    count: u64,
}

/// The rows of the old side, by hash.
struct Held<'a> {
    batches: &'a [RecordBatch],
    table: HashTable<u32>,
    groups: Vec<Group>,
    /// The group of each row, batch by batch.
    of_row: Vec<Vec<u32>>,
}

impl<'a> Held<'a> {
    fn new(batches: &'a [RecordBatch]) -> Self {
        let n_rows = batches.iter().map(RecordBatch::num_rows).sum();
        let table = HashTable::with_capacity(n_rows);
        let mut held = Self { batches, table, groups: Vec::new(), of_row: Vec::new() };
        for (chunk, batch) in batches.iter().enumerate() {
            held.add(chunk as u32, batch);
        }
        held
    }

    fn add(&mut self, chunk: u32, batch: &RecordBatch) {
        let hashes = hash_n_rows(batch.columns(), batch.num_rows());
        let local = Groups::of_hashed(batch.columns(), &hashes, Sameness::Identical);
        let found = self.find(batch, &hashes, &local.first_row);
        let numbers: Vec<u32> = local
            .first_row
            .iter()
            .zip(found)
            .map(|(row, found)| {
                let hash = narrow(hashes[*row as usize]);
                found.unwrap_or_else(|| self.add_group(hash, Place { chunk, row: *row }))
            })
            .collect();
        let of_row: Vec<u32> = local.of_row.iter().map(|group| numbers[*group as usize]).collect();
        of_row.iter().for_each(|group| self.groups[*group as usize].count += 1);
        self.of_row.push(of_row);
    }

    fn add_group(&mut self, hash: u64, first: Place) -> u32 {
        let number = self.groups.len() as u32;
        self.groups.push(Group { hash, first, count: 0 });
        let Self { table, groups, .. } = self;
        table.insert_unique(hash, number, |group| groups[*group as usize].hash);
        number
    }

    /// The groups of a hash.
    fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let has_hash = move |group: &u32| self.groups[*group as usize].hash == hash;
        self.table.iter_hash(hash).copied().filter(has_hash)
    }

    /// The group, if any, of each of those rows of the batch.
    fn find(&self, batch: &RecordBatch, hashes: &[u64], rows: &[u32]) -> Vec<Option<u32>> {
        let mut candidates: Vec<(usize, u32)> = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let hash = narrow(hashes[*row as usize]);
            candidates.extend(self.candidates(hash).map(|group| (at, group)));
        }
        let first = |group: u32| self.groups[group as usize].first;
        candidates.sort_by_key(|(_, group)| first(*group).chunk);
        let mut found = vec![None; rows.len()];
        for run in candidates.chunk_by(|(_, a), (_, b)| first(*a).chunk == first(*b).chunk) {
            let pairs: Vec<Pair> =
                run.iter().map(|(at, group)| (rows[*at], first(*group).row)).collect();
            let held = self.batches[first(run[0].1).chunk as usize].columns();
            let equal = equal_rows(batch.columns(), held, &pairs, Sameness::Identical);
            for ((at, group), _) in run.iter().zip(equal).filter(|(_, equal)| *equal) {
                found[*at] = Some(*group);
            }
        }
        found
    }

    /// Finds each row of the batch once among those held; gives the rows that are not.
    fn take_out(&mut self, batch: &RecordBatch) -> Vec<usize> {
        let hashes = hash_n_rows(batch.columns(), batch.num_rows());
        let rows: Vec<u32> = (0..batch.num_rows() as u32).collect();
        let found = self.find(batch, &hashes, &rows);
        let is_new = |found: &Option<u32>| match found {
            Some(group) if self.groups[*group as usize].count > 0 => {
                if !planted::is(Bug::SetDifference) {
                    self.groups[*group as usize].count -= 1;
                }
                false
            }
            _ => true,
        };
        let is_new: Vec<bool> = found.iter().map(is_new).collect();
        (0..batch.num_rows()).filter(|row| is_new[*row]).collect()
    }

    /// The (batch, row) of the rows that were not taken out, in order.
    fn left_over(mut self) -> Vec<(usize, usize)> {
        let mut places = Vec::new();
        for (chunk, of_row) in self.of_row.iter().enumerate() {
            for (row, group) in of_row.iter().enumerate() {
                let group = &mut self.groups[*group as usize];
                if group.count > 0 {
                    group.count -= 1;
                    places.push((chunk, row));
                }
            }
        }
        places
    }
}

#[cfg(test)]
mod tests;
