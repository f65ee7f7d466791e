//! `min` and `max` of floats: NaN is the greatest value, as it is to every other comparison. DataFusion's compare it as
//! the processor does, for which it is neither greater nor less, so that their answer depends on the order of the rows.
//!
//! The values become integers of the same order, whose extremes DataFusion finds.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type, Int32Type, Int64Type};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDF, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;

use crate::functions::arithmetic::Float;

/// The integer type of the same width.
fn key_type(float: &DataType) -> DataType {
    if *float == DataType::Float32 { DataType::Int32 } else { DataType::Int64 }
}

/// Integers in the order of the floats; they are their own inverse in the bits of a float.
fn to_keys(floats: &ArrayRef) -> ArrayRef {
    match floats.data_type() {
        DataType::Float32 => {
            Arc::new(floats.as_primitive::<Float32Type>().unary::<_, Int32Type>(|value| {
                narrow(value.with_one_nan().to_bits().cast_signed())
            }))
        }
        _ => Arc::new(
            floats
                .as_primitive::<Float64Type>()
                .unary::<_, Int64Type>(|value| wide(value.with_one_nan().to_bits().cast_signed())),
        ),
    }
}

fn from_keys(keys: &ArrayRef) -> ArrayRef {
    match keys.data_type() {
        DataType::Int32 => Arc::new(
            keys.as_primitive::<Int32Type>()
                .unary::<_, Float32Type>(|key| f32::from_bits(narrow(key).cast_unsigned())),
        ),
        _ => Arc::new(
            keys.as_primitive::<Int64Type>()
                .unary::<_, Float64Type>(|key| f64::from_bits(wide(key).cast_unsigned())),
        ),
    }
}

/// Of a negative number all bits but the sign are turned.
fn narrow(bits: i32) -> i32 {
    bits ^ ((bits >> 31).cast_unsigned() >> 1).cast_signed()
}

fn wide(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

fn keyed(args: AccumulatorArgs<'_>) -> AccumulatorArgs<'_> {
    let data_type = key_type(args.return_field.data_type());
    let return_field = Arc::new(Field::new("key", data_type, true));
    AccumulatorArgs { return_field, ..args }
}

pub(super) fn accumulator(
    inner: &AggregateUDF,
    args: AccumulatorArgs<'_>,
) -> DfResult<Box<dyn Accumulator>> {
    Ok(Box::new(Extreme { inner: inner.accumulator(keyed(args))? }))
}

pub(super) fn sliding_accumulator(
    inner: &AggregateUDF,
    args: AccumulatorArgs<'_>,
) -> DfResult<Box<dyn Accumulator>> {
    Ok(Box::new(Extreme { inner: inner.create_sliding_accumulator(keyed(args))? }))
}

pub(super) fn groups_accumulator(
    inner: &AggregateUDF,
    args: AccumulatorArgs<'_>,
) -> DfResult<Box<dyn GroupsAccumulator>> {
    Ok(Box::new(Extremes { inner: inner.create_groups_accumulator(keyed(args))? }))
}

pub(super) fn state_fields(args: &StateFieldsArgs<'_>) -> Vec<FieldRef> {
    let name = format_state_name(args.name, "value");
    vec![Arc::new(Field::new(name, key_type(args.return_field.data_type()), true))]
}

#[derive(Debug)]
struct Extreme {
    inner: Box<dyn Accumulator>,
}

impl Accumulator for Extreme {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.inner.update_batch(&[to_keys(&values[0])])
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let key = self.inner.evaluate()?.to_array()?;
        ScalarValue::try_from_array(&from_keys(&key), 0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.inner.size()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> DfResult<()> {
        self.inner.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        self.inner.retract_batch(&[to_keys(&values[0])])
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}

struct Extremes {
    inner: Box<dyn GroupsAccumulator>,
}

impl GroupsAccumulator for Extremes {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> DfResult<()> {
        let keys = [to_keys(&values[0])];
        self.inner.update_batch(&keys, group_indices, opt_filter, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> DfResult<ArrayRef> {
        Ok(from_keys(&self.inner.evaluate(emit_to)?))
    }

    fn state(&mut self, emit_to: EmitTo) -> DfResult<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> DfResult<()> {
        self.inner.merge_batch(values, group_indices, total_num_groups)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> DfResult<Vec<ArrayRef>> {
        self.inner.convert_to_state(&[to_keys(&values[0])], opt_filter)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.inner.size()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Float64Array;

    use super::*;

    #[test]
    fn keys_have_the_order_of_the_floats_and_lead_back() {
        let values =
            [f64::NEG_INFINITY, -2.5, -5e-324, -0.0, 0.0, 5e-324, 1.0, f64::INFINITY, f64::NAN];
        let floats: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
        let keys = to_keys(&floats);
        assert!(keys.as_primitive::<Int64Type>().values().is_sorted());
        let back = from_keys(&keys);
        let bits = |value: &f64| value.to_bits();
        let back: Vec<u64> = back.as_primitive::<Float64Type>().values().iter().map(bits).collect();
        assert_eq!(back, values.iter().map(bits).collect::<Vec<_>>());
    }
}
