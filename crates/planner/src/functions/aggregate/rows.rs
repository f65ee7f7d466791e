//! Accumulators made of a state per group that takes one row after the other.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;
use weir_dataflow::StateBytes;
use weir_types::{Error, Result};

use super::exact::Reader;
use crate::functions::overload::CallTypes;
use crate::functions::scalar::external;

/// What an aggregate remembers of a group. What it gives does not depend on the order of the rows.
pub(super) trait State: Default + Clone + Debug + Send + Sync + 'static {
    /// Rows in which an argument is NULL do not count.
    const SKIPS_NULL: bool = true;

    /// Rows can be counted out again.
    const CAN_TAKE: bool = true;

    /// Counts a row in, or a row that was counted in out again.
    fn add(&mut self, input: &Input<'_>, row: usize, takes: bool) -> Result<()>;

    /// Counts in all that another state counted.
    fn merge(&mut self, other: &Self) -> Result<()>;

    fn write(&self, out: &mut Vec<u8>);

    fn read(bytes: &mut Reader<'_>) -> Option<Self>;

    /// A result for each state.
    fn finish(states: &[Self], types: &CallTypes) -> Result<ArrayRef>;

    /// Bytes of memory that a state has beside itself, about.
    const HEAP_BYTES: usize = 0;
}

/// The arguments of a batch.
pub(super) struct Input<'a> {
    columns: Vec<Column<'a>>,
}

enum Column<'a> {
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Numeric(&'a [i128]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Other(&'a ArrayRef),
}

impl<'a> Input<'a> {
    pub(super) fn new(values: &'a [ArrayRef]) -> Self {
        let columns = values
            .iter()
            .map(|array| match array.data_type() {
                DataType::Int16 => Column::Int16(array.as_primitive::<Int16Type>().values()),
                DataType::Int32 => Column::Int32(array.as_primitive::<Int32Type>().values()),
                DataType::Int64 => Column::Int64(array.as_primitive::<Int64Type>().values()),
                DataType::Decimal128(..) => {
                    Column::Numeric(array.as_primitive::<Decimal128Type>().values())
                }
                DataType::Float32 => Column::Float32(array.as_primitive::<Float32Type>().values()),
                DataType::Float64 => Column::Float64(array.as_primitive::<Float64Type>().values()),
                _ => Column::Other(array),
            })
            .collect();
        Self { columns }
    }

    /// The integer, or the unscaled numeric, of a row.
    pub(super) fn integer(&self, column: usize, row: usize) -> i128 {
        match &self.columns[column] {
            Column::Int16(values) => values[row].into(),
            Column::Int32(values) => values[row].into(),
            Column::Int64(values) => values[row].into(),
            Column::Numeric(values) => values[row],
            Column::Float32(_) | Column::Float64(_) | Column::Other(_) => {
                unreachable!("the aggregate is declared for exact numbers")
            }
        }
    }

    /// The float of a row.
    pub(super) fn float(&self, column: usize, row: usize) -> f64 {
        match &self.columns[column] {
            Column::Float32(values) => values[row].into(),
            Column::Float64(values) => values[row],
            _ => unreachable!("the aggregate is declared for floats"),
        }
    }

    /// The values of an argument of another type.
    pub(super) fn array(&self, column: usize) -> &ArrayRef {
        match &self.columns[column] {
            Column::Other(array) => array,
            _ => unreachable!("the aggregate is declared for other types"),
        }
    }
}

/// Rows that count: no argument is NULL, and the filter says true.
pub(super) fn counting_rows<S: State>(
    values: &[ArrayRef],
    filter: Option<&BooleanArray>,
) -> Option<NullBuffer> {
    let mut valid: Option<NullBuffer> = None;
    if S::SKIPS_NULL {
        for array in values {
            valid = NullBuffer::union(valid.as_ref(), array.logical_nulls().as_ref());
        }
    }
    NullBuffer::union(valid.as_ref(), filter.map(chosen).as_ref())
}

/// The rows of which a filter says true.
pub(super) fn chosen(filter: &BooleanArray) -> NullBuffer {
    let values = NullBuffer::new(filter.values().clone());
    NullBuffer::union(Some(&values), filter.nulls()).unwrap_or(values)
}

pub(super) fn counts(valid: Option<&NullBuffer>, row: usize) -> bool {
    valid.is_none_or(|valid| valid.is_valid(row))
}

fn stored<S: State>(states: &[S]) -> DfResult<ArrayRef> {
    Ok(Arc::new(stored_bytes(states.iter()).all()?))
}

/// Each state as bytes.
pub(super) fn stored_bytes<'a, S: State>(states: impl Iterator<Item = &'a S>) -> StateBytes {
    let mut stored = StateBytes::default();
    for state in states {
        stored.push(|out| state.write(out));
    }
    stored
}

fn read<S: State>(stored: &BinaryArray, row: usize) -> Result<S> {
    S::read(&mut Reader(stored.value(row)))
        .ok_or_else(|| Error::internal("a partial aggregate cannot be read"))
}

fn stored_column(states: &[ArrayRef]) -> Result<&BinaryArray> {
    states
        .first()
        .and_then(|array| array.as_binary_opt::<i32>())
        .ok_or_else(|| Error::internal("a partial aggregate is not kept in bytes"))
}

/// The accumulator of one group.
#[derive(Debug)]
pub(super) struct Single<S> {
    state: S,
    types: CallTypes,
}

impl<S: State> Single<S> {
    pub(super) fn new(types: CallTypes) -> Self {
        Self { state: S::default(), types }
    }

    fn add_all(&mut self, values: &[ArrayRef], takes: bool) -> Result<()> {
        let n_rows = values.first().map_or(0, |array| array.len());
        let valid = counting_rows::<S>(values, None);
        let input = Input::new(values);
        for row in (0..n_rows).filter(|row| counts(valid.as_ref(), *row)) {
            self.state.add(&input, row, takes)?;
        }
        Ok(())
    }
}

impl<S: State> Accumulator for Single<S> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.add_all(values, false).map_err(external)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.add_all(values, true).map_err(external)
    }

    fn supports_retract_batch(&self) -> bool {
        S::CAN_TAKE
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let result = S::finish(std::slice::from_ref(&self.state), &self.types).map_err(external)?;
        ScalarValue::try_from_array(&result, 0)
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        let stored = stored(std::slice::from_ref(&self.state))?;
        Ok(vec![ScalarValue::try_from_array(&stored, 0)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        let stored = stored_column(states).map_err(external)?;
        for row in (0..stored.len()).filter(|row| stored.is_valid(*row)) {
            let other = read::<S>(stored, row).map_err(external)?;
            self.state.merge(&other).map_err(external)?;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of::<Self>() + S::HEAP_BYTES
    }
}

/// The accumulator of all groups of an aggregation.
#[derive(Debug)]
pub(super) struct Groups<S> {
    states: Vec<S>,
    types: CallTypes,
}

impl<S: State> Groups<S> {
    pub(super) fn new(types: CallTypes) -> Self {
        Self { states: Vec::new(), types }
    }

    fn add_all(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let valid = counting_rows::<S>(values, filter);
        let input = Input::new(values);
        for (row, group) in groups.iter().enumerate() {
            if counts(valid.as_ref(), row) {
                self.states[*group].add(&input, row, false)?;
            }
        }
        Ok(())
    }
}

impl<S: State> GroupsAccumulator for Groups<S> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> DfResult<()> {
        self.states.resize(total_num_groups, S::default());
        self.add_all(values, group_indices, opt_filter).map_err(external)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> DfResult<ArrayRef> {
        let states = emit_to.take_needed(&mut self.states);
        S::finish(&states, &self.types).map_err(external)
    }

    fn state(&mut self, emit_to: EmitTo) -> DfResult<Vec<ArrayRef>> {
        Ok(vec![stored(&emit_to.take_needed(&mut self.states))?])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> DfResult<()> {
        self.states.resize(total_num_groups, S::default());
        let stored = stored_column(values).map_err(external)?;
        for (row, group) in group_indices.iter().enumerate() {
            if stored.is_valid(row) {
                let other = read::<S>(stored, row).map_err(external)?;
                self.states[*group].merge(&other).map_err(external)?;
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> DfResult<Vec<ArrayRef>> {
        let n_rows = values.first().map_or(0, |array| array.len());
        let groups: Vec<usize> = (0..n_rows).collect();
        let mut each = Self { states: vec![S::default(); n_rows], types: self.types.clone() };
        each.add_all(values, &groups, opt_filter).map_err(external)?;
        Ok(vec![stored(&each.states)?])
    }

    fn size(&self) -> usize {
        self.states.capacity() * size_of::<S>() + self.states.len() * S::HEAP_BYTES
    }
}
