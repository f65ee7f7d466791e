//! `first_value`, `last_value` and `nth_value` over frames of whole peer groups.
//!
//! Which row is the first of a group of peers is open; it is to be the same one however often the query runs. A
//! further key of the order would split the group, and the frame with it. So the rows are numbered in their order
//! with all keys, and of the rows of a frame, in whatever order they come, the one in question is found by number.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};
use datafusion::scalar::ScalarValue;
use weir_types::Error;

use crate::functions::scalar::external;

/// Which row of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    First,
    Last,
    /// Counted from 1.
    Nth(usize),
}

/// The function of two arguments: the value, and the number of its row.
pub(crate) fn row_at(place: Place) -> AggregateUDF {
    AggregateUDF::new_from_impl(RowAt {
        place,
        signature: Signature::any(2, Volatility::Immutable),
    })
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RowAt {
    place: Place,
    signature: Signature,
}

impl AggregateUDFImpl for RowAt {
    fn name(&self) -> &str {
        match self.place {
            Place::First => "first_row_of_frame",
            Place::Last => "last_row_of_frame",
            Place::Nth(_) => "nth_row_of_frame",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> DfResult<DataType> {
        Ok(arguments[0].clone())
    }

    fn return_field(&self, arguments: &[FieldRef]) -> DfResult<FieldRef> {
        let value = arguments[0].as_ref().clone();
        Ok(Field::new(self.name(), value.data_type().clone(), true)
            .with_metadata(value.metadata().clone())
            .into())
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> DfResult<Box<dyn Accumulator>> {
        let null = ScalarValue::try_from(args.return_field.data_type())?;
        Ok(Box::new(Rows { place: self.place, null, rows: BTreeMap::new() }))
    }

    fn state_fields(&self, _args: StateFieldsArgs<'_>) -> DfResult<Vec<FieldRef>> {
        Err(only_in_windows())
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

fn only_in_windows() -> datafusion::error::DataFusionError {
    external(Error::internal("rows of a frame are asked for outside of a window"))
}

/// The rows of a frame by their numbers.
#[derive(Debug)]
struct Rows {
    place: Place,
    null: ScalarValue,
    rows: BTreeMap<i64, ScalarValue>,
}

impl Accumulator for Rows {
    fn update_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        let numbers = values[1].as_primitive::<Int64Type>();
        for row in 0..numbers.len() {
            let value = ScalarValue::try_from_array(&values[0], row)?;
            self.rows.insert(numbers.value(row), value);
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> DfResult<()> {
        for number in values[1].as_primitive::<Int64Type>().values() {
            self.rows.remove(number);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> DfResult<ScalarValue> {
        let found = match self.place {
            Place::First => self.rows.first_key_value(),
            Place::Last => self.rows.last_key_value(),
            Place::Nth(nth) => self.rows.iter().nth(nth - 1),
        };
        Ok(found.map_or_else(|| self.null.clone(), |(_, value)| value.clone()))
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.rows.values().map(ScalarValue::size).sum::<usize>()
    }

    fn state(&mut self) -> DfResult<Vec<ScalarValue>> {
        Err(only_in_windows())
    }

    fn merge_batch(&mut self, _states: &[ArrayRef]) -> DfResult<()> {
        Err(only_in_windows())
    }
}
