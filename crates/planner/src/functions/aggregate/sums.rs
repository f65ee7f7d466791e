//! Sums and averages of exact numbers and of intervals.

use std::sync::Arc;

use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{
    Decimal128Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, i256,
};
use weir_delta::schema::arrow_type;
use weir_types::{Result, SqlType};

use super::exact::Reader;
use super::rows::{Input, State};
use crate::functions::arithmetic::numeric::{in_range, wide_quotient};
use crate::functions::arithmetic::out_of_range;
use crate::functions::coercion::as_numeric;
use crate::functions::datetime::interval;
use crate::functions::overload::CallTypes;

/// An array of the result's type; `None` is NULL.
pub(super) fn results<T: ArrowPrimitiveType>(
    types: &CallTypes,
    values: impl Iterator<Item = Result<Option<T::Native>>>,
) -> Result<ArrayRef> {
    let values = values.collect::<Result<Vec<_>>>()?;
    let array: PrimitiveArray<T> = values.into_iter().collect();
    Ok(Arc::new(array.with_data_type(arrow_type(&types.returns))))
}

/// The sum of integers or of numerics of one scale, and how many there were.
///
/// The sum of 38-digit numbers needs more than 128 bits after a few of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    sum: i256,
    count: i64,
}

impl Default for Sum {
    fn default() -> Self {
        Self { sum: i256::ZERO, count: 0 }
    }
}

impl Sum {
    fn exact(&self) -> Result<i128> {
        in_range(self.sum.to_i128())
    }
}

impl State for Sum {
    fn add(&mut self, input: &Input<'_>, row: usize, takes: bool) -> Result<()> {
        let value = i256::from_i128(input.integer(0, row));
        if takes {
            self.sum = self.sum.wrapping_sub(value);
            self.count -= 1;
        } else {
            self.sum = self.sum.wrapping_add(value);
            self.count += 1;
        }
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.sum = self.sum.wrapping_add(other.sum);
        self.count += other.count;
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.sum.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        let sum = i256::from_le_bytes(bytes.take()?);
        Some(Self { sum, count: i64::from_le_bytes(bytes.take()?) })
    }

    fn finish(states: &[Self], types: &CallTypes) -> Result<ArrayRef> {
        let counted = states.iter().map(|state| (state.count > 0).then_some(state));
        match types.returns {
            SqlType::Int8 => results::<Int64Type>(
                types,
                counted.map(|state| {
                    let fit = |state: &Self| {
                        let sum = state.sum.to_i128().and_then(|sum| i64::try_from(sum).ok());
                        sum.ok_or_else(|| out_of_range(&types.returns))
                    };
                    state.map(fit).transpose()
                }),
            ),
            _ => results::<Decimal128Type>(
                types,
                counted.map(|state| state.map(Self::exact).transpose()),
            ),
        }
    }
}

/// As [`Sum`], for an average.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Average(Sum);

impl State for Average {
    fn add(&mut self, input: &Input<'_>, row: usize, takes: bool) -> Result<()> {
        self.0.add(input, row, takes)
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.0.merge(&other.0)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        Sum::read(bytes).map(Self)
    }

    fn finish(states: &[Self], types: &CallTypes) -> Result<ArrayRef> {
        let from = as_numeric(&types.arguments[0]).1;
        let to = as_numeric(&types.returns).1;
        let average = |state: &Sum| wide_quotient(state.sum, from, state.count.into(), to);
        results::<Decimal128Type>(
            types,
            states.iter().map(|Self(state)| (state.count > 0).then(|| average(state)).transpose()),
        )
    }
}

/// Sum and number of intervals: the three parts do not convert into each other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IntervalSum {
    months: i64,
    days: i64,
    nanos: i128,
    count: i64,
}

impl IntervalSum {
    fn total(&self) -> Result<IntervalMonthDayNano> {
        let parts = (self.months.try_into(), self.days.try_into(), self.nanos.try_into());
        let (Ok(months), Ok(days), Ok(nanos)) = parts else { return Err(interval::out_of_range()) };
        Ok(IntervalMonthDayNano::new(months, days, nanos))
    }
}

impl State for IntervalSum {
    fn add(&mut self, input: &Input<'_>, row: usize, takes: bool) -> Result<()> {
        let value = input.array(0).as_primitive::<IntervalMonthDayNanoType>().value(row);
        let sign = if takes { -1 } else { 1 };
        self.months += sign * i64::from(value.months);
        self.days += sign * i64::from(value.days);
        self.nanos += i128::from(sign) * i128::from(value.nanoseconds);
        self.count += sign;
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.months += other.months;
        self.days += other.days;
        self.nanos += other.nanos;
        self.count += other.count;
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.months.to_le_bytes());
        out.extend_from_slice(&self.days.to_le_bytes());
        out.extend_from_slice(&self.nanos.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            months: i64::from_le_bytes(bytes.take()?),
            days: i64::from_le_bytes(bytes.take()?),
            nanos: i128::from_le_bytes(bytes.take()?),
            count: i64::from_le_bytes(bytes.take()?),
        })
    }

    fn finish(states: &[Self], types: &CallTypes) -> Result<ArrayRef> {
        results::<IntervalMonthDayNanoType>(
            types,
            states.iter().map(|state| (state.count > 0).then(|| state.total()).transpose()),
        )
    }
}

/// As [`IntervalSum`], for an average.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IntervalAverage(IntervalSum);

impl State for IntervalAverage {
    fn add(&mut self, input: &Input<'_>, row: usize, takes: bool) -> Result<()> {
        self.0.add(input, row, takes)
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.0.merge(&other.0)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        IntervalSum::read(bytes).map(Self)
    }

    fn finish(states: &[Self], types: &CallTypes) -> Result<ArrayRef> {
        let average = |state: &IntervalSum| interval::divide(state.total()?, state.count as f64);
        results::<IntervalMonthDayNanoType>(
            types,
            states.iter().map(|Self(state)| (state.count > 0).then(|| average(state)).transpose()),
        )
    }
}

/// The smallest or largest interval, by the order of PostgreSQL, in which a month has 30 days.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IntervalExtreme<const LARGEST: bool>(Option<IntervalMonthDayNano>);

impl<const LARGEST: bool> IntervalExtreme<LARGEST> {
    fn offer(&mut self, value: IntervalMonthDayNano) {
        // Among equals the one with the least parts, whatever came first.
        let rank = |value: IntervalMonthDayNano| {
            let key = interval::key(value);
            (if LARGEST { -key } else { key }, value.months, value.days)
        };
        if self.0.is_none_or(|best| rank(value) < rank(best)) {
            self.0 = Some(value);
        }
    }
}

impl<const LARGEST: bool> State for IntervalExtreme<LARGEST> {
    const CAN_TAKE: bool = false;

    fn add(&mut self, input: &Input<'_>, row: usize, _takes: bool) -> Result<()> {
        self.offer(input.array(0).as_primitive::<IntervalMonthDayNanoType>().value(row));
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        if let Some(value) = other.0 {
            self.offer(value);
        }
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.0.is_some()));
        let value = self.0.unwrap_or_default();
        out.extend_from_slice(&value.months.to_le_bytes());
        out.extend_from_slice(&value.days.to_le_bytes());
        out.extend_from_slice(&value.nanoseconds.to_le_bytes());
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        let [is_some] = bytes.take()?;
        let months = i32::from_le_bytes(bytes.take()?);
        let days = i32::from_le_bytes(bytes.take()?);
        let nanos = i64::from_le_bytes(bytes.take()?);
        Some(Self((is_some == 1).then(|| IntervalMonthDayNano::new(months, days, nanos))))
    }

    fn finish(states: &[Self], types: &CallTypes) -> Result<ArrayRef> {
        results::<IntervalMonthDayNanoType>(types, states.iter().map(|state| Ok(state.0)))
    }
}
