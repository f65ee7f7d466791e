//! Aggregates that keep the rows of a group, and put them together in an order at the end: `array_agg`, `string_agg`
//! and the JSON ones.
//!
//! Rows are kept in the batches in which they came, with the number of their group beside: DataFusion's `array_agg`
//! with an order keeps some hundred bytes for each value.

mod form;
mod sorted;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, StringViewArray, StructArray, UInt32Array,
    new_empty_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{SortOptions, concat, filter, take};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;
use weir_types::Error;

pub(crate) use self::form::Form;
use self::sorted::{Keys, Sorted};
use super::rows;
use crate::functions::call::check_size;
use crate::functions::scalar::external;

/// The accumulator of all groups of an aggregation.
pub(super) fn groups_accumulator(
    form: Form,
    args: &AccumulatorArgs<'_>,
) -> DfResult<Box<dyn GroupsAccumulator>> {
    Ok(Box::new(Collected::new(Call::new(form, args)?, 0)))
}

/// The accumulator of one group, or of a frame.
pub(super) fn accumulator(
    form: Form,
    args: &AccumulatorArgs<'_>,
) -> DfResult<Box<dyn Accumulator>> {
    Ok(Box::new(OneGroup { rows: Collected::new(Call::new(form, args)?, 1) }))
}

/// A list of the rows: the arguments, and the keys of the order.
pub(super) fn state_fields(args: &StateFieldsArgs<'_>) -> Vec<FieldRef> {
    let columns = args.input_fields.iter().chain(args.ordering_fields);
    let row = DataType::Struct(row_fields(columns.map(|field| field.data_type())));
    let name = format_state_name(args.name, "rows");
    vec![Arc::new(Field::new_list(name, Field::new_list_field(row, false), false))]
}

fn row_fields<'a>(columns: impl Iterator<Item = &'a DataType>) -> Fields {
    let field = |(column, data_type): (usize, &DataType)| {
        Field::new(format!("c{column}"), data_type.clone(), true)
    };
    columns.enumerate().map(field).collect()
}

/// Some rows, with the group of each.
#[derive(Debug)]
struct Rows {
    /// The arguments, and the keys of the order.
    columns: Vec<ArrayRef>,
    groups: Vec<u32>,
}

impl Rows {
    fn taken(&self, rows: &UInt32Array, groups: Vec<u32>) -> DfResult<Self> {
        let columns = self.columns.iter().map(|column| Ok(take(column, rows, None)?));
        Ok(Self { columns: columns.collect::<DfResult<_>>()?, groups })
    }

    fn n_bytes(&self) -> usize {
        let of_columns: usize = self.columns.iter().map(bytes_of).sum();
        of_columns + self.groups.capacity() * size_of::<u32>()
    }
}

/// What is collected, and what becomes of it.
#[derive(Clone, Debug)]
struct Call {
    form: Form,
    to: DataType,
    /// Of the arguments, and of the keys of the order.
    types: Vec<DataType>,
    n_arguments: usize,
    order: Vec<SortOptions>,
    is_distinct: bool,
    skips_null: bool,
}

impl Call {
    fn new(form: Form, args: &AccumulatorArgs<'_>) -> DfResult<Self> {
        let mut types: Vec<DataType> =
            args.expr_fields.iter().map(|field| field.data_type().clone()).collect();
        for key in args.order_bys {
            types.push(key.expr.data_type(args.schema)?);
        }
        Ok(Self {
            form,
            to: args.return_field.data_type().clone(),
            types,
            n_arguments: args.exprs.len(),
            order: args.order_bys.iter().map(|key| key.options).collect(),
            is_distinct: args.is_distinct,
            skips_null: args.ignore_nulls,
        })
    }

    /// The rows that count, where some do not.
    fn counting(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Option<NullBuffer> {
        let arguments = &values[..self.n_arguments];
        let of_form = self.form.counting(arguments);
        let valid = self.skips_null.then(|| arguments[0].logical_nulls()).flatten();
        let counting = NullBuffer::union(of_form.as_ref(), valid.as_ref());
        NullBuffer::union(counting.as_ref(), filter.map(rows::chosen).as_ref())
            .filter(|counting| counting.null_count() > 0)
    }

    fn result(&self, rows: &Rows, n_groups: usize) -> DfResult<ArrayRef> {
        let (arguments, keys) = rows.columns.split_at(self.n_arguments);
        let mut sorted = Sorted::by_group(&rows.groups, n_groups);
        if self.is_distinct {
            let nulls_last = SortOptions { descending: false, nulls_first: false };
            let ascending = |columns| {
                let columns: &[ArrayRef] = columns;
                Keys::new(columns.iter().map(|column| (column, nulls_last)))
            };
            let (shown, keys) = arguments.split_at(self.form.n_arguments());
            if !keys.is_empty() {
                // Which of equal values is left must not depend on the order of the rows.
                sorted.sort(&ascending(shown)?);
            }
            let keys = ascending(if keys.is_empty() { shown } else { keys })?;
            sorted.sort(&keys);
            sorted.dedup(&keys);
        }
        if !self.order.is_empty() {
            sorted.sort(&Keys::new(keys.iter().zip(self.order.iter().copied()))?);
        }
        self.form.put_together(arguments, &sorted, &self.to).map_err(external)
    }

    /// The rows of each group as a list.
    fn lists(&self, rows: &Rows, n_groups: usize) -> DfResult<ArrayRef> {
        let sorted = Sorted::by_group(&rows.groups, n_groups);
        let numbers = UInt32Array::new(ScalarBuffer::from(sorted.rows().to_vec()), None);
        let rows = rows.taken(&numbers, Vec::new())?;
        let structs = StructArray::try_new(row_fields(self.types.iter()), rows.columns, None)?;
        let offsets = OffsetBuffer::from_lengths(sorted.groups().map(<[u32]>::len));
        let field = Arc::new(Field::new_list_field(structs.data_type().clone(), false));
        Ok(Arc::new(ListArray::try_new(field, offsets, Arc::new(structs), None)?))
    }
}

/// The rows of all groups.
#[derive(Debug)]
struct Collected {
    call: Call,
    batches: Vec<Rows>,
    n_groups: usize,
    n_bytes: usize,
}

impl Collected {
    fn new(call: Call, n_groups: usize) -> Self {
        Self { call, batches: Vec::new(), n_groups, n_bytes: 0 }
    }

    fn add(
        &mut self,
        values: &[ArrayRef],
        groups: impl Iterator<Item = u32>,
        chosen: Option<&BooleanArray>,
    ) -> DfResult<()> {
        let Some(counting) = self.call.counting(values, chosen) else {
            self.push(values.to_vec(), groups.collect());
            return Ok(());
        };
        let groups = groups.zip(counting.iter()).filter(|(_, counts)| *counts);
        let groups: Vec<u32> = groups.map(|(group, _)| group).collect();
        let counting = BooleanArray::new(counting.into_inner(), None);
        let columns = values.iter().map(|column| Ok(filter(column, &counting)?));
        self.push(columns.collect::<DfResult<_>>()?, groups);
        Ok(())
    }

    fn push(&mut self, columns: Vec<ArrayRef>, groups: Vec<u32>) {
        if groups.is_empty() {
            return;
        }
        let rows = Rows { columns: columns.into_iter().map(compacted).collect(), groups };
        self.n_bytes += rows.n_bytes();
        self.batches.push(rows);
    }

    /// All rows in one batch, which stays.
    fn joined(&mut self) -> DfResult<&Rows> {
        if self.batches.len() != 1 {
            let mut batches = std::mem::take(&mut self.batches);
            let n_rows = batches.iter().map(|rows| rows.groups.len()).sum();
            // Rows are told by numbers of 32 bits.
            check_size("aggregate", n_rows).map_err(external)?;
            let mut columns = Vec::with_capacity(self.call.types.len());
            for data_type in self.call.types.iter().rev() {
                // Each column is given up before the next one is copied.
                let parts: Vec<ArrayRef> =
                    batches.iter_mut().filter_map(|rows| rows.columns.pop()).collect();
                let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                columns.push(match parts.is_empty() {
                    true => new_empty_array(data_type),
                    false => concat(&parts)?,
                });
            }
            columns.reverse();
            let groups = batches.into_iter().flat_map(|rows| rows.groups).collect();
            self.replace(Rows { columns, groups });
        }
        Ok(&self.batches[0])
    }

    fn replace(&mut self, rows: Rows) {
        self.n_bytes = rows.n_bytes();
        self.batches = vec![rows];
    }

    /// Takes the rows of the groups to emit out, in one batch; the groups that stay move up.
    fn taken(&mut self, emit_to: EmitTo) -> DfResult<(Rows, usize)> {
        self.joined()?;
        let Some(all) = self.batches.pop() else {
            return Err(external(Error::internal("joined rows are one batch")));
        };
        let n_emitted = match emit_to {
            EmitTo::All => self.n_groups,
            EmitTo::First(n_groups) => n_groups,
        };
        self.n_groups -= n_emitted;
        self.n_bytes = 0;
        if self.n_groups == 0 {
            return Ok((all, n_emitted));
        }
        let is_emitted = |row: &u32| (all.groups[*row as usize] as usize) < n_emitted;
        let (emitted, kept): (Vec<u32>, Vec<u32>) =
            (0..all.groups.len() as u32).partition(is_emitted);
        let group_of = |row: &u32| all.groups[*row as usize];
        let groups = kept.iter().map(|row| group_of(row) - n_emitted as u32).collect();
        let kept = all.taken(&UInt32Array::from(kept), groups)?;
        self.replace(kept);
        let groups = emitted.iter().map(group_of).collect();
        Ok((all.taken(&UInt32Array::from(emitted), groups)?, n_emitted))
    }

    fn add_lists(&mut self, states: &[ArrayRef], groups: &[usize]) -> DfResult<()> {
        let lists = states.first().and_then(|lists| lists.as_list_opt::<i32>());
        let Some(lists) = lists else {
            return Err(external(Error::internal("partial rows are kept in lists")));
        };
        let offsets = lists.value_offsets();
        let (begin, end) = (offsets[0] as usize, offsets[lists.len()] as usize);
        let rows = lists.values().slice(begin, end - begin);
        let lengths = offsets.windows(2).map(|bounds| (bounds[1] - bounds[0]) as usize);
        let groups = groups.iter().zip(lengths);
        let groups = groups.flat_map(|(group, n)| std::iter::repeat_n(*group as u32, n)).collect();
        self.push(rows.as_struct().columns().to_vec(), groups);
        Ok(())
    }
}

/// Text without what its buffers hold beside it, where that is most of them.
fn compacted(column: ArrayRef) -> ArrayRef {
    let Some(texts) = column.as_string_view_opt() else { return column };
    if held(texts) <= 2 * texts.total_buffer_bytes_used() { column } else { Arc::new(texts.gc()) }
}

fn held(texts: &StringViewArray) -> usize {
    texts.data_buffers().iter().map(|buffer| buffer.len()).sum()
}

/// The memory of a column, about: buffers are shared with other columns, and within a column.
fn bytes_of(column: &ArrayRef) -> usize {
    match column.as_string_view_opt() {
        Some(texts) => {
            texts.len() * size_of::<u128>() + held(texts).min(texts.total_buffer_bytes_used())
        }
        None => column
            .to_data()
            .get_slice_memory_size()
            .unwrap_or_else(|_| column.get_array_memory_size()),
    }
}

impl GroupsAccumulator for Collected {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> DfResult<()> {
        self.n_groups = total_num_groups;
        self.add(values, group_indices.iter().map(|group| *group as u32), opt_filter)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> DfResult<ArrayRef> {
        let (rows, n_groups) = self.taken(emit_to)?;
        self.call.result(&rows, n_groups)
    }

    fn state(&mut self, emit_to: EmitTo) -> DfResult<Vec<ArrayRef>> {
        let (rows, n_groups) = self.taken(emit_to)?;
        Ok(vec![self.call.lists(&rows, n_groups)?])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> DfResult<()> {
        self.n_groups = total_num_groups;
        self.add_lists(values, group_indices)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> DfResult<Vec<ArrayRef>> {
        let n_rows = values.first().map_or(0, |array| array.len());
        let mut each = Self::new(self.call.clone(), n_rows);
        each.add(values, 0..n_rows as u32, opt_filter)?;
        let lists = self.call.lists(each.joined()?, n_rows)?;
        Ok(vec![lists])
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.n_bytes
    }
}

#[derive(Debug)]
struct OneGroup {
    rows: Collected,
}

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let n_rows = values.first().map_or(0, |array| array.len());
        self.rows.add(values, std::iter::repeat_n(0, n_rows), None)
    }

    /// Rows leave a frame in the order in which they came.
    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let n_values = values.first().map_or(0, |array| array.len());
        let n_skipped = self.rows.call.counting(values, None).map_or(0, |nulls| nulls.null_count());
        let n_gone = n_values - n_skipped;
        let all = self.rows.joined()?;
        let n_left = all.groups.len() - n_gone;
        let columns = all.columns.iter().map(|column| column.slice(n_gone, n_left)).collect();
        self.rows.replace(Rows { columns, groups: vec![0; n_left] });
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        self.rows.call.order.is_empty()
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        self.rows.joined()?;
        let result = self.rows.call.result(&self.rows.batches[0], 1)?;
        ScalarValue::try_from_array(&result, 0)
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.rows.joined()?;
        let lists = self.rows.call.lists(&self.rows.batches[0], 1)?;
        Ok(vec![ScalarValue::try_from_array(&lists, 0)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        let n_states = states.first().map_or(0, |array| array.len());
        self.rows.add_lists(states, &vec![0; n_states])
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.rows.n_bytes
    }
}

#[cfg(test)]
mod tests;
