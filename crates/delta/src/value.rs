//! When two values of a fixed-size type are the same, and the words they are hashed as.
//!
//! One trait holds both, so that values which are the same cannot hash differently.

use arrow::datatypes::*;

use crate::hash::fold;

/// PostgreSQL's days of a month and nanoseconds of a day, where intervals are compared.
const DAYS_OF_MONTH: i128 = 30;
const NANOS_OF_DAY: i128 = 86_400_000_000_000;

/// A type of fixed size.
pub(crate) trait Value: ArrowPrimitiveType {
    /// Mixes the value into the hash of its row.
    fn fold(hash: u64, value: Self::Native) -> u64;

    /// True when the two are equal to SQL: they are one key.
    fn is_same(left: Self::Native, right: Self::Native) -> bool;

    /// True when nothing tells the two apart: there are two zeros, which print differently.
    fn is_identical(left: Self::Native, right: Self::Native) -> bool {
        Self::is_same(left, right)
    }
}

/// An integer hashes by its number, whatever its width.
macro_rules! integer {
    ($($t:ty),* $(,)?) => {$(
        impl Value for $t {
            #[inline]
            fn fold(hash: u64, value: Self::Native) -> u64 {
                fold(hash, value as i64 as u64)
            }

            #[inline]
            fn is_same(left: Self::Native, right: Self::Native) -> bool {
                left == right
            }
        }
    )*};
}

integer! {
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    Date32Type, Date64Type, Time32SecondType, Time32MillisecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampSecondType, TimestampMillisecondType, TimestampMicrosecondType,
    TimestampNanosecondType, DurationSecondType, DurationMillisecondType, DurationMicrosecondType,
    DurationNanosecondType,
}

/// A float hashes by its bits as a double, with one NaN and one zero.
macro_rules! float {
    ($($t:ty),*) => {$(
        impl Value for $t {
            #[inline]
            fn fold(hash: u64, value: Self::Native) -> u64 {
                let wide = f64::from(value);
                fold(hash, if wide.is_nan() {
                    NAN_BITS
                } else if wide == 0.0 {
                    0
                } else {
                    wide.to_bits()
                })
            }

            #[inline]
            fn is_same(left: Self::Native, right: Self::Native) -> bool {
                left == right || (left.is_nan() && right.is_nan())
            }

            #[inline]
            fn is_identical(left: Self::Native, right: Self::Native) -> bool {
                left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan())
            }
        }
    )*};
}

float!(Float16Type, Float32Type, Float64Type);

const NAN_BITS: u64 = 0x7FF8_0000_0000_0000;

/// A value of 128 bits or fewer hashes as two words.
macro_rules! wide {
    ($($t:ty: $to_wide:expr),* $(,)?) => {$(
        impl Value for $t {
            #[inline]
            fn fold(hash: u64, value: Self::Native) -> u64 {
                let to_wide: fn(Self::Native) -> i128 = $to_wide;
                fold_wide(hash, to_wide(value))
            }

            #[inline]
            fn is_same(left: Self::Native, right: Self::Native) -> bool {
                left == right
            }
        }
    )*};
}

// Intervals that PostgreSQL calls equal hash alike ('1 mon', '30 days'), but are not the same
// value: they print differently, so that a retraction of one must not take the other.
wide! {
    Decimal32Type: i128::from,
    Decimal64Type: i128::from,
    Decimal128Type: |number| number,
    IntervalYearMonthType: |months| interval(months, 0, 0),
    IntervalDayTimeType: |v| interval(0, v.days, i64::from(v.milliseconds) * 1_000_000),
    IntervalMonthDayNanoType: |v| interval(v.months, v.days, v.nanoseconds),
}

fn interval(months: i32, days: i32, nanos: i64) -> i128 {
    let days = i128::from(months) * DAYS_OF_MONTH + i128::from(days);
    days * NANOS_OF_DAY + i128::from(nanos)
}

#[inline]
fn fold_wide(hash: u64, value: i128) -> u64 {
    fold(fold(hash, value as u64), (value >> 64) as u64)
}

impl Value for Decimal256Type {
    fn fold(hash: u64, value: i256) -> u64 {
        match value.to_i128() {
            Some(narrow) => fold_wide(hash, narrow),
            None => {
                let (low, high) = value.to_parts();
                fold_wide(fold_wide(hash, low as i128), high)
            }
        }
    }

    fn is_same(left: i256, right: i256) -> bool {
        left == right
    }
}
