//! Changes of a relation: rows with weights.
//!
//! A row of weight `w > 0` comes `w` times more, one of weight `w < 0` comes `-w` times less.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use weir_types::{Error, Result, SqlState};

use crate::equal::Sameness;
use crate::group::Groups;
use crate::rows;

/// The weights of the rows of a [`Delta`]. Append-only data pays nothing for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Each row is inserted once.
    One,
    /// Each row is retracted once.
    Neg,
    /// A weight for each row.
    Mixed(Vec<i64>),
}

impl Weights {
    /// The weight of a row.
    #[must_use]
    pub fn get(&self, row: usize) -> i64 {
        match self {
            Self::One => 1,
            Self::Neg => -1,
            Self::Mixed(weights) => weights[row],
        }
    }

    /// The short form where all weights are 1 or all are -1.
    fn simplified(weights: Vec<i64>) -> Self {
        if weights.iter().all(|weight| *weight == 1) {
            Self::One
        } else if weights.iter().all(|weight| *weight == -1) {
            Self::Neg
        } else {
            Self::Mixed(weights)
        }
    }
}

/// Changes of a relation: rows with weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Delta {
    rows: RecordBatch,
    weights: Weights,
}

impl Delta {
    /// Rows with their weights.
    ///
    /// # Panics
    /// When there are not as many weights as rows.
    #[must_use]
    pub fn new(rows: RecordBatch, weights: Weights) -> Self {
        if let Weights::Mixed(weights) = &weights {
            assert_eq!(weights.len(), rows.num_rows(), "each row has a weight");
        }
        Self { rows, weights }
    }

    /// Each row comes once more.
    #[must_use]
    pub fn insertions(rows: RecordBatch) -> Self {
        Self { rows, weights: Weights::One }
    }

    /// Each row comes once less.
    #[must_use]
    pub fn retractions(rows: RecordBatch) -> Self {
        Self { rows, weights: Weights::Neg }
    }

    /// No change.
    #[must_use]
    pub fn empty(schema: SchemaRef) -> Self {
        Self::insertions(RecordBatch::new_empty(schema))
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// The weights of the rows.
    #[must_use]
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The weight of a row.
    #[must_use]
    pub fn weight(&self, row: usize) -> i64 {
        self.weights.get(row)
    }

    /// The rows and their weights.
    #[must_use]
    pub fn into_parts(self) -> (RecordBatch, Weights) {
        (self.rows, self.weights)
    }

    /// The schema of the rows.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    /// Number of rows, whatever their weights.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// True without rows. Rows that cancel each other still count.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.num_rows() == 0
    }

    /// All changes, one after the other.
    ///
    /// # Errors
    /// 54000 when the rows do not fit into one batch, XX000 when their types differ.
    pub fn concat<'a>(
        schema: &SchemaRef,
        deltas: impl IntoIterator<Item = &'a Self>,
    ) -> Result<Self> {
        let deltas: Vec<&Self> = deltas.into_iter().filter(|delta| !delta.is_empty()).collect();
        let rows = rows::concat(schema, deltas.iter().map(|delta| &delta.rows))?;
        let is_all = |weights: &Weights| deltas.iter().all(|delta| delta.weights == *weights);
        let weights = if is_all(&Weights::One) {
            Weights::One
        } else if is_all(&Weights::Neg) {
            Weights::Neg
        } else {
            let mut mixed = Vec::with_capacity(rows.num_rows());
            for delta in &deltas {
                mixed.extend((0..delta.len()).map(|row| delta.weight(row)));
            }
            Weights::Mixed(mixed)
        };
        Ok(Self { rows, weights })
    }

    /// The same change with each distinct row once, in order of first rows, and none of weight 0.
    ///
    /// # Errors
    /// 22003 when a weight leaves the range of `bigint`.
    pub fn consolidate(&self) -> Result<Self> {
        let groups = Groups::new(self.rows.columns(), self.len(), Sameness::Identical);
        let sums = self.sum_weights(&groups)?;
        if groups.len() == self.len() && sums.iter().all(|sum| *sum != 0) {
            return Ok(Self { rows: self.rows.clone(), weights: Weights::simplified(sums) });
        }
        let kept = || sums.iter().enumerate().filter(|(_, sum)| **sum != 0);
        let positions: Vec<u32> = kept().map(|(group, _)| groups.first_row[group]).collect();
        let weights = Weights::simplified(kept().map(|(_, sum)| *sum).collect());
        Ok(Self { rows: rows::take(&self.rows, &positions)?, weights })
    }

    fn sum_weights(&self, groups: &Groups) -> Result<Vec<i64>> {
        let mut sums = vec![0_i64; groups.len()];
        for (row, group) in groups.of_row.iter().enumerate() {
            let sum = &mut sums[*group as usize];
            *sum = sum.checked_add(self.weight(row)).ok_or_else(|| {
                Error::new(SqlState::NumericValueOutOfRange, "row multiplicity out of range")
            })?;
        }
        Ok(sums)
    }

    /// The rows of positive weight, and those of negative weight. Rows of weight 0 are in neither.
    ///
    /// # Errors
    /// XX000 on a defect of a kernel.
    pub fn split(&self) -> Result<(Self, Self)> {
        let none = || Self::empty(self.schema());
        let Weights::Mixed(weights) = &self.weights else {
            let all = self.clone();
            return Ok(if self.weights == Weights::One { (all, none()) } else { (none(), all) });
        };
        let part = |keep: fn(i64) -> bool| {
            let rows_kept = || (0..weights.len()).filter(|row| keep(weights[*row]));
            let positions: Vec<u32> = rows_kept().map(|row| row as u32).collect();
            let weights = Weights::simplified(rows_kept().map(|row| weights[row]).collect());
            rows::take(&self.rows, &positions).map(|rows| Self { rows, weights })
        };
        Ok((part(|weight| weight > 0)?, part(|weight| weight < 0)?))
    }

    /// The same change over those columns only.
    ///
    /// # Errors
    /// XX000 when there is no such column.
    pub fn project(&self, columns: &[usize]) -> Result<Self> {
        Ok(Self { rows: rows::project(&self.rows, columns)?, weights: self.weights.clone() })
    }
}

#[cfg(test)]
mod tests;
