//! States that count: of rows, of true and false, of bits.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::datatypes::{Int16Type, Int32Type, Int64Type};
use weir_types::{Result, SqlType};

use super::exact::Reader;
use super::rows::{Input, State};
use super::sums::results;
use crate::functions::overload::CallTypes;

fn sign(takes: bool) -> i64 {
    if takes { -1 } else { 1 }
}

/// `count`: of rows, or of those without NULL arguments.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count(i64);

impl State for Count {
    fn add(&mut self, _input: &Input<'_>, _row: usize, takes: bool) -> Result<()> {
        self.0 += sign(takes);
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.0 += other.0;
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        Some(Self(i64::from_le_bytes(bytes.take()?)))
    }

    fn finish(states: &[Self], _types: &CallTypes) -> Result<ArrayRef> {
        Ok(Arc::new(states.iter().map(|state| Some(state.0)).collect::<Int64Array>()))
    }
}

/// How many were true, and how many false.
#[derive(Clone, Copy, Debug, Default)]
struct Booleans {
    trues: i64,
    falses: i64,
}

impl Booleans {
    fn add(&mut self, input: &Input<'_>, row: usize, takes: bool) {
        let value = input.array(0).as_boolean().value(row);
        *(if value { &mut self.trues } else { &mut self.falses }) += sign(takes);
    }

    fn merge(&mut self, other: &Self) {
        self.trues += other.trues;
        self.falses += other.falses;
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.trues.to_le_bytes());
        out.extend_from_slice(&self.falses.to_le_bytes());
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        let trues = i64::from_le_bytes(bytes.take()?);
        Some(Self { trues, falses: i64::from_le_bytes(bytes.take()?) })
    }

    fn finish<'a>(
        states: impl Iterator<Item = &'a Self>,
        result: impl Fn(&Self) -> bool,
    ) -> ArrayRef {
        let results = states.map(|state| {
            let is_any = state.trues > 0 || state.falses > 0;
            is_any.then(|| result(state))
        });
        Arc::new(results.collect::<BooleanArray>())
    }
}

macro_rules! boolean {
    ($name:ident, $doc:literal, $result:expr) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct $name(Booleans);

        impl State for $name {
            fn add(&mut self, input: &Input<'_>, row: usize, takes: bool) -> Result<()> {
                self.0.add(input, row, takes);
                Ok(())
            }

            fn merge(&mut self, other: &Self) -> Result<()> {
                self.0.merge(&other.0);
                Ok(())
            }

            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }

            fn read(bytes: &mut Reader<'_>) -> Option<Self> {
                Booleans::read(bytes).map(Self)
            }

            fn finish(states: &[Self], _types: &CallTypes) -> Result<ArrayRef> {
                Ok(Booleans::finish(states.iter().map(|state| &state.0), $result))
            }
        }
    };
}

boolean!(BoolAnd, "`bool_and` and `every`.", |state| state.falses <= 0);
boolean!(BoolOr, "`bool_or`.", |state| state.trues > 0);

/// An array of the result's integer type.
fn integers(types: &CallTypes, values: impl Iterator<Item = Option<i64>>) -> Result<ArrayRef> {
    match types.returns {
        SqlType::Int2 => results::<Int16Type>(types, values.map(|v| Ok(v.map(|v| v as i16)))),
        SqlType::Int4 => results::<Int32Type>(types, values.map(|v| Ok(v.map(|v| v as i32)))),
        _ => results::<Int64Type>(types, values.map(Ok)),
    }
}

/// `bit_xor`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BitXor {
    bits: i64,
    count: i64,
}

impl State for BitXor {
    fn add(&mut self, input: &Input<'_>, row: usize, takes: bool) -> Result<()> {
        self.bits ^= input.integer(0, row) as i64;
        self.count += sign(takes);
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.bits ^= other.bits;
        self.count += other.count;
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bits.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        let bits = i64::from_le_bytes(bytes.take()?);
        Some(Self { bits, count: i64::from_le_bytes(bytes.take()?) })
    }

    fn finish(states: &[Self], types: &CallTypes) -> Result<ArrayRef> {
        integers(types, states.iter().map(|state| (state.count > 0).then_some(state.bits)))
    }
}

/// Number of bits of the widest integer.
const BITS: usize = 64;

/// `bit_and` and `bit_or`: how many values have each bit.
#[derive(Clone, Debug, Default)]
pub(super) struct BitAndOr<const AND: bool> {
    /// Empty before the first value.
    ones: Vec<i64>,
    count: i64,
}

impl<const AND: bool> BitAndOr<AND> {
    fn result(&self) -> Option<i64> {
        if self.count <= 0 {
            return None;
        }
        let is_set = |ones: i64| if AND { ones == self.count } else { ones > 0 };
        let bits = self.ones.iter().enumerate().filter(|(_, ones)| is_set(**ones));
        Some(bits.fold(0, |bits, (bit, _)| bits | 1 << bit))
    }
}

impl<const AND: bool> State for BitAndOr<AND> {
    const HEAP_BYTES: usize = BITS * size_of::<i64>();

    fn add(&mut self, input: &Input<'_>, row: usize, takes: bool) -> Result<()> {
        let value = input.integer(0, row) as i64;
        self.ones.resize(BITS, 0);
        for (bit, ones) in self.ones.iter_mut().enumerate() {
            *ones += sign(takes) * (value >> bit & 1);
        }
        self.count += sign(takes);
        Ok(())
    }

    fn merge(&mut self, other: &Self) -> Result<()> {
        self.ones.resize(BITS, 0);
        for (ones, other) in self.ones.iter_mut().zip(&other.ones) {
            *ones += other;
        }
        self.count += other.count;
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.count.to_le_bytes());
        self.ones.iter().for_each(|ones| out.extend_from_slice(&ones.to_le_bytes()));
    }

    fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        let count = i64::from_le_bytes(bytes.take()?);
        let mut ones = Vec::new();
        while let Some(bytes) = bytes.take() {
            ones.push(i64::from_le_bytes(bytes));
        }
        Some(Self { ones, count })
    }

    fn finish(states: &[Self], types: &CallTypes) -> Result<ArrayRef> {
        integers(types, states.iter().map(Self::result))
    }
}
