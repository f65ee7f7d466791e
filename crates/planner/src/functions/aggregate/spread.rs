//! Variances of exact numbers: exact until the result, which has 16 digits behind the point or those of
//! the argument.

use arrow::array::ArrayRef;
use arrow::datatypes::{Decimal128Type, i256};
use weir_types::Result;

use super::exact::{Big, ExactSum, Reader};
use super::floats::{kind, spread};
use super::rows::{Input, State};
use super::sums::results;
use crate::functions::arithmetic::numeric::{in_range, overflow};
use crate::functions::coercion::as_numeric;
use crate::functions::math::whole_root;
use crate::functions::overload::CallTypes;

/// The exponent of the largest power of ten that 64 bits hold.
const ONE_STEP: i32 = 19;

/// The sums of unscaled values and of their squares.
#[derive(Clone, Debug, Default)]
pub(super) struct NumericVariance<const KIND: u8> {
    sum: ExactSum,
    squares: ExactSum,
    count: i64,
}

impl<const KIND: u8> NumericVariance<KIND> {
    fn result(&self, from: i8, to: i8) -> Result<Option<i128>> {
        let is_sample = matches!(KIND, kind::VAR_SAMP | kind::STDDEV_SAMP);
        let second = if is_sample { self.count - 1 } else { self.count };
        if self.count < 1 || second < 1 {
            return Ok(None);
        }
        let sum = self.sum.total();
        let spread = spread(self.count, &self.squares.total(), &sum, &sum);
        let is_root = matches!(KIND, kind::STDDEV_POP | kind::STDDEV_SAMP);
        // The root halves the digits behind the point.
        let scale = if is_root { 2 * i32::from(to) } else { i32::from(to) };
        let twice = divided(&spread, self.count, second, scale - 2 * i32::from(from));
        let limbs = twice.to_limbs().filter(|limbs| limbs[3] >> 63 == 0).ok_or_else(overflow)?;
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(limbs) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        // Twice the value was rounded down: a half is still there to be rounded up.
        let one = i256::ONE;
        let value = i256::from_le_bytes(bytes).wrapping_add(one).wrapping_div(i256::from_i128(2));
        let value = if is_root { whole_root(value) } else { value };
        in_range(value.to_i128()).map(Some)
    }
}

/// Twice a whole number times 10 to that power, divided by both counts, rounded down.
fn divided(number: &Big, first: i64, second: i64, power: i32) -> Big {
    let mut value = number.times(&Big::from_integer(2));
    let mut power = power;
    while power > 0 {
        let step = power.min(ONE_STEP);
        value = value.times(&Big::from_integer(10_u128.pow(step.unsigned_abs())));
        power -= step;
    }
    while power < 0 {
        let step = power.max(-ONE_STEP);
        value = value.whole_quotient(10_u64.pow(step.unsigned_abs()));
        power -= step;
    }
    for count in [first, second] {
        value = value.whole_quotient(count.unsigned_abs());
    }
    value
}

impl<const KIND: u8> State for NumericVariance<KIND> {
    const HEAP_BYTES: usize = 128;

    fn add(&mut self, input: &Input<'_>, row: usize, takes: bool) -> Result<()> {
        let value = input.integer(0, row);
        self.sum.add_integer(value, takes);
        self.squares.add_square(value, takes);
        self.count += if takes { -1 } else { 1 };
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        self.count += other.count;
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.count.to_le_bytes());
        self.sum.write(out);
        self.squares.write(out);
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            count: i64::from_le_bytes(bytes.take()?),
            sum: ExactSum::read(bytes)?,
            squares: ExactSum::read(bytes)?,
        })
    }

    fn finish(states: &[Self], types: &CallTypes) -> Result<ArrayRef> {
        let from = as_numeric(&types.arguments[0]).1;
        let to = as_numeric(&types.returns).1;
        results::<Decimal128Type>(types, states.iter().map(|state| state.result(from, to)))
    }
}
