//! Arithmetic of integers and floats. Results out of range and divisions by zero are errors, as in
//! PostgreSQL.

pub(crate) mod numeric;

use arrow::array::{ArrayRef, ArrowPrimitiveType};
use arrow::datatypes::{Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use weir_types::{Error, Result, SqlState, SqlType};

use super::call::{Call, Numbers};
use super::overload::{Declaration, declare};

/// The arithmetic operators of integers and floats.
pub(crate) const DECLARATIONS: &[Declaration] = &[
    declare("+(int2, int2) -> int2", add::<Int16Type>),
    declare("+(int4, int4) -> int4", add::<Int32Type>),
    declare("+(int8, int8) -> int8", add::<Int64Type>),
    declare("+(int2, int4) -> int4", add::<Int32Type>).widened(),
    declare("+(int4, int2) -> int4", add::<Int32Type>).widened(),
    declare("+(int2, int8) -> int8", add::<Int64Type>).widened(),
    declare("+(int8, int2) -> int8", add::<Int64Type>).widened(),
    declare("+(int4, int8) -> int8", add::<Int64Type>).widened(),
    declare("+(int8, int4) -> int8", add::<Int64Type>).widened(),
    declare("+(float4, float4) -> float4", add_float::<Float32Type>),
    declare("+(float8, float8) -> float8", add_float::<Float64Type>),
    declare("+(float4, float8) -> float8", add_float::<Float64Type>).widened(),
    declare("+(float8, float4) -> float8", add_float::<Float64Type>).widened(),
    declare("-(int2, int2) -> int2", subtract::<Int16Type>),
    declare("-(int4, int4) -> int4", subtract::<Int32Type>),
    declare("-(int8, int8) -> int8", subtract::<Int64Type>),
    declare("-(int2, int4) -> int4", subtract::<Int32Type>).widened(),
    declare("-(int4, int2) -> int4", subtract::<Int32Type>).widened(),
    declare("-(int2, int8) -> int8", subtract::<Int64Type>).widened(),
    declare("-(int8, int2) -> int8", subtract::<Int64Type>).widened(),
    declare("-(int4, int8) -> int8", subtract::<Int64Type>).widened(),
    declare("-(int8, int4) -> int8", subtract::<Int64Type>).widened(),
    declare("-(float4, float4) -> float4", subtract_float::<Float32Type>),
    declare("-(float8, float8) -> float8", subtract_float::<Float64Type>),
    declare("-(float4, float8) -> float8", subtract_float::<Float64Type>).widened(),
    declare("-(float8, float4) -> float8", subtract_float::<Float64Type>).widened(),
    declare("-(int2) -> int2", negate::<Int16Type>),
    declare("-(int4) -> int4", negate::<Int32Type>),
    declare("-(int8) -> int8", negate::<Int64Type>),
    declare("-(float4) -> float4", |call| call.each_float::<Float32Type>(|a| Ok(-a))).total(),
    declare("-(float8) -> float8", |call| call.each_float::<Float64Type>(|a| Ok(-a))).total(),
    declare("*(int2, int2) -> int2", multiply::<Int16Type>),
    declare("*(int4, int4) -> int4", multiply::<Int32Type>),
    declare("*(int8, int8) -> int8", multiply::<Int64Type>),
    declare("*(int2, int4) -> int4", multiply::<Int32Type>).widened(),
    declare("*(int4, int2) -> int4", multiply::<Int32Type>).widened(),
    declare("*(int2, int8) -> int8", multiply::<Int64Type>).widened(),
    declare("*(int8, int2) -> int8", multiply::<Int64Type>).widened(),
    declare("*(int4, int8) -> int8", multiply::<Int64Type>).widened(),
    declare("*(int8, int4) -> int8", multiply::<Int64Type>).widened(),
    declare("*(float4, float4) -> float4", multiply_float::<Float32Type>),
    declare("*(float8, float8) -> float8", multiply_float::<Float64Type>),
    declare("*(float4, float8) -> float8", multiply_float::<Float64Type>).widened(),
    declare("*(float8, float4) -> float8", multiply_float::<Float64Type>).widened(),
    declare("/(int2, int2) -> int2", divide::<Int16Type>),
    declare("/(int4, int4) -> int4", divide::<Int32Type>),
    declare("/(int8, int8) -> int8", divide::<Int64Type>),
    declare("/(int2, int4) -> int4", divide::<Int32Type>).widened(),
    declare("/(int4, int2) -> int4", divide::<Int32Type>).widened(),
    declare("/(int2, int8) -> int8", divide::<Int64Type>).widened(),
    declare("/(int8, int2) -> int8", divide::<Int64Type>).widened(),
    declare("/(int4, int8) -> int8", divide::<Int64Type>).widened(),
    declare("/(int8, int4) -> int8", divide::<Int64Type>).widened(),
    declare("/(float4, float4) -> float4", divide_float::<Float32Type>),
    declare("/(float8, float8) -> float8", divide_float::<Float64Type>),
    declare("/(float4, float8) -> float8", divide_float::<Float64Type>).widened(),
    declare("/(float8, float4) -> float8", divide_float::<Float64Type>).widened(),
    declare("%(int2, int2) -> int2", remainder::<Int16Type>),
    declare("%(int4, int4) -> int4", remainder::<Int32Type>),
    declare("%(int8, int8) -> int8", remainder::<Int64Type>),
    declare("mod(int2, int2) -> int2", remainder::<Int16Type>),
    declare("mod(int4, int4) -> int4", remainder::<Int32Type>),
    declare("mod(int8, int8) -> int8", remainder::<Int64Type>),
    declare("abs(int2) -> int2", absolute::<Int16Type>),
    declare("abs(int4) -> int4", absolute::<Int32Type>),
    declare("abs(int8) -> int8", absolute::<Int64Type>),
    declare("abs(float4) -> float4", |call| call.each_float::<Float32Type>(|a| Ok(a.abs())))
        .total(),
    declare("abs(float8) -> float8", |call| call.each_float::<Float64Type>(|a| Ok(a.abs())))
        .total(),
    declare("@(int2) -> int2", absolute::<Int16Type>),
    declare("@(int4) -> int4", absolute::<Int32Type>),
    declare("@(int8) -> int8", absolute::<Int64Type>),
    declare("@(float8) -> float8", |call| call.each_float::<Float64Type>(|a| Ok(a.abs()))).total(),
    declare("&(int2, int2) -> int2", |call| bitwise::<Int16Type>(call, |a, b| a & b)).total(),
    declare("&(int4, int4) -> int4", |call| bitwise::<Int32Type>(call, |a, b| a & b)).total(),
    declare("&(int8, int8) -> int8", |call| bitwise::<Int64Type>(call, |a, b| a & b)).total(),
    declare("|(int2, int2) -> int2", |call| bitwise::<Int16Type>(call, |a, b| a | b)).total(),
    declare("|(int4, int4) -> int4", |call| bitwise::<Int32Type>(call, |a, b| a | b)).total(),
    declare("|(int8, int8) -> int8", |call| bitwise::<Int64Type>(call, |a, b| a | b)).total(),
    declare("#(int2, int2) -> int2", |call| bitwise::<Int16Type>(call, |a, b| a ^ b)).total(),
    declare("#(int4, int4) -> int4", |call| bitwise::<Int32Type>(call, |a, b| a ^ b)).total(),
    declare("#(int8, int8) -> int8", |call| bitwise::<Int64Type>(call, |a, b| a ^ b)).total(),
    declare("~(int2) -> int2", |call| unary::<Int16Type>(call, |a| !a)).total(),
    declare("~(int4) -> int4", |call| unary::<Int32Type>(call, |a| !a)).total(),
    declare("~(int8) -> int8", |call| unary::<Int64Type>(call, |a| !a)).total(),
    declare("<<(int2, int4) -> int2", |call| {
        shift::<Int16Type>(call, |a, n| i32::from(a).wrapping_shl(n) as i16)
    })
    .total(),
    declare("<<(int4, int4) -> int4", |call| shift::<Int32Type>(call, i32::wrapping_shl)).total(),
    declare("<<(int8, int4) -> int8", |call| shift::<Int64Type>(call, i64::wrapping_shl)).total(),
    declare(">>(int2, int4) -> int2", |call| {
        shift::<Int16Type>(call, |a, n| i32::from(a).wrapping_shr(n) as i16)
    })
    .total(),
    declare(">>(int4, int4) -> int4", |call| shift::<Int32Type>(call, i32::wrapping_shr)).total(),
    declare(">>(int8, int4) -> int8", |call| shift::<Int64Type>(call, i64::wrapping_shr)).total(),
];

/// What the three integer types share.
pub(crate) trait Integer:
    Copy + Default + PartialEq + Send + Sync + std::fmt::Debug + 'static
{
    const ZERO: Self;
    fn add(self, other: Self) -> (Self, bool);
    fn subtract(self, other: Self) -> (Self, bool);
    fn multiply(self, other: Self) -> (Self, bool);
    fn divide(self, other: Self) -> Option<Self>;
    /// 0 for a divisor of -1, whose quotient may not fit.
    fn remainder(self, other: Self) -> Self;
    fn negate(self) -> (Self, bool);
    fn absolute(self) -> (Self, bool);
}

macro_rules! integer {
    ($($native:ty),*) => {$(
        impl Integer for $native {
            const ZERO: Self = 0;
            fn add(self, other: Self) -> (Self, bool) {
                self.overflowing_add(other)
            }
            fn subtract(self, other: Self) -> (Self, bool) {
                self.overflowing_sub(other)
            }
            fn multiply(self, other: Self) -> (Self, bool) {
                self.overflowing_mul(other)
            }
            fn divide(self, other: Self) -> Option<Self> {
                self.checked_div(other)
            }
            fn remainder(self, other: Self) -> Self {
                self.wrapping_rem(other)
            }
            fn negate(self) -> (Self, bool) {
                self.overflowing_neg()
            }
            fn absolute(self) -> (Self, bool) {
                self.overflowing_abs()
            }
        }
    )*};
}
integer!(i16, i32, i64);

/// `integer out of range` (22003).
pub(crate) fn out_of_range(t: &SqlType) -> Error {
    Error::new(SqlState::NumericValueOutOfRange, format!("{t} out of range"))
}

pub(crate) fn division_by_zero() -> Error {
    Error::new(SqlState::DivisionByZero, "division by zero")
}

pub(crate) fn overflow() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "value out of range: overflow")
}

pub(crate) fn underflow() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "value out of range: underflow")
}

fn add<T: ArrowPrimitiveType<Native: Integer>>(call: &Call<'_>) -> Result<ArrayRef> {
    checked::<T>(call, T::Native::add)
}

fn subtract<T: ArrowPrimitiveType<Native: Integer>>(call: &Call<'_>) -> Result<ArrayRef> {
    checked::<T>(call, T::Native::subtract)
}

fn multiply<T: ArrowPrimitiveType<Native: Integer>>(call: &Call<'_>) -> Result<ArrayRef> {
    checked::<T>(call, T::Native::multiply)
}

/// An operation that tells if it overflowed. All rows are computed, NULL ones too, and only then one
/// test decides if any went wrong: the loop has no branch.
fn checked<T: ArrowPrimitiveType<Native: Integer>>(
    call: &Call<'_>,
    operation: impl Fn(T::Native, T::Native) -> (T::Native, bool),
) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<T>(0), call.numbers::<T>(1));
    let mut overflowed = false;
    let mut values = Vec::with_capacity(call.n_rows);
    pairs(left, right, call.n_rows, |a, b| {
        let (value, is_over) = operation(a, b);
        overflowed |= is_over;
        values.push(value);
    });
    if overflowed {
        let is_over = |row| !call.is_null(row) && operation(left.at(row), right.at(row)).1;
        if (0..call.n_rows).any(is_over) {
            return Err(out_of_range(&call.types.returns));
        }
    }
    Ok(call.primitive::<T>(values, call.nulls().cloned()))
}

/// Calls with the operands of each row.
fn pairs<T: ArrowPrimitiveType>(
    left: Numbers<'_, T>,
    right: Numbers<'_, T>,
    n_rows: usize,
    mut each: impl FnMut(T::Native, T::Native),
) {
    match (left.is_constant, right.is_constant) {
        (false, false) => left.values.iter().zip(right.values).for_each(|(a, b)| each(*a, *b)),
        (false, true) => left.values.iter().for_each(|a| each(*a, right.values[0])),
        (true, false) => right.values.iter().for_each(|b| each(left.values[0], *b)),
        (true, true) => (0..n_rows).for_each(|_| each(left.values[0], right.values[0])),
    }
}

fn divide<T: ArrowPrimitiveType<Native: Integer>>(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<T>(0), call.numbers::<T>(1));
    call.each::<T>(|row| {
        let divisor = right.at(row);
        if divisor == T::Native::ZERO {
            return Err(division_by_zero());
        }
        left.at(row).divide(divisor).ok_or_else(|| out_of_range(&call.types.returns))
    })
}

fn remainder<T: ArrowPrimitiveType<Native: Integer>>(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.numbers::<T>(0), call.numbers::<T>(1));
    call.each::<T>(|row| {
        let divisor = right.at(row);
        if divisor == T::Native::ZERO {
            return Err(division_by_zero());
        }
        Ok(left.at(row).remainder(divisor))
    })
}

fn negate<T: ArrowPrimitiveType<Native: Integer>>(call: &Call<'_>) -> Result<ArrayRef> {
    checked_unary::<T>(call, T::Native::negate)
}

fn absolute<T: ArrowPrimitiveType<Native: Integer>>(call: &Call<'_>) -> Result<ArrayRef> {
    checked_unary::<T>(call, T::Native::absolute)
}

fn checked_unary<T: ArrowPrimitiveType<Native: Integer>>(
    call: &Call<'_>,
    operation: impl Fn(T::Native) -> (T::Native, bool),
) -> Result<ArrayRef> {
    let operand = call.numbers::<T>(0);
    call.each::<T>(|row| {
        let (value, is_over) = operation(operand.at(row));
        if is_over { Err(out_of_range(&call.types.returns)) } else { Ok(value) }
    })
}

fn unary<T: ArrowPrimitiveType>(
    call: &Call<'_>,
    operation: impl Fn(T::Native) -> T::Native,
) -> Result<ArrayRef> {
    let operand = call.numbers::<T>(0);
    call.each::<T>(|row| Ok(operation(operand.at(row))))
}

fn bitwise<T: ArrowPrimitiveType>(
    call: &Call<'_>,
    operation: impl Fn(T::Native, T::Native) -> T::Native,
) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(call.n_rows);
    pairs(call.numbers::<T>(0), call.numbers::<T>(1), call.n_rows, |a, b| {
        values.push(operation(a, b))
    });
    Ok(call.primitive::<T>(values, call.nulls().cloned()))
}

/// A shift by a number of bits, of which those count that the processor looks at, as in PostgreSQL: a `smallint` is
/// shifted as an `integer`.
fn shift<T: ArrowPrimitiveType>(
    call: &Call<'_>,
    operation: fn(T::Native, u32) -> T::Native,
) -> Result<ArrayRef> {
    let (value, bits) = (call.numbers::<T>(0), call.numbers::<Int32Type>(1));
    call.each::<T>(|row| Ok(operation(value.at(row), bits.at(row) as u32)))
}

/// What the two float types share.
pub(crate) trait Float:
    Copy
    + Default
    + PartialEq
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
{
    fn is_infinite(self) -> bool;
    fn is_nan(self) -> bool;
    fn is_zero(self) -> bool;
    /// There is one NaN to SQL: comparisons tell those apart that the processor makes.
    fn with_one_nan(self) -> Self;
}

macro_rules! float {
    ($($native:ty),*) => {$(
        impl Float for $native {
            fn is_infinite(self) -> bool {
                self.is_infinite()
            }
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            fn is_zero(self) -> bool {
                self == 0.0
            }
            fn with_one_nan(self) -> Self {
                if self.is_nan() { <$native>::NAN } else { self }
            }
        }
    )*};
}
float!(f32, f64);

fn add_float<T: ArrowPrimitiveType<Native: Float>>(call: &Call<'_>) -> Result<ArrayRef> {
    call.each_float_pair::<T>(|a, b| finite(a + b, a, b))
}

fn subtract_float<T: ArrowPrimitiveType<Native: Float>>(call: &Call<'_>) -> Result<ArrayRef> {
    call.each_float_pair::<T>(|a, b| finite(a - b, a, b))
}

/// `overflow` where finite operands gave an infinite result.
fn finite<F: Float>(result: F, a: F, b: F) -> Result<F> {
    if result.is_infinite() && !a.is_infinite() && !b.is_infinite() {
        return Err(overflow());
    }
    Ok(result)
}

fn multiply_float<T: ArrowPrimitiveType<Native: Float>>(call: &Call<'_>) -> Result<ArrayRef> {
    call.each_float_pair::<T>(|a, b| {
        let result = a * b;
        if result.is_zero() && !a.is_zero() && !b.is_zero() {
            return Err(underflow());
        }
        finite(result, a, b)
    })
}

fn divide_float<T: ArrowPrimitiveType<Native: Float>>(call: &Call<'_>) -> Result<ArrayRef> {
    call.each_float_pair::<T>(|a, b| {
        if b.is_zero() && !a.is_nan() {
            return Err(division_by_zero());
        }
        let result = a / b;
        if result.is_infinite() && !a.is_infinite() {
            return Err(overflow());
        }
        if result.is_zero() && !a.is_zero() && !b.is_infinite() {
            return Err(underflow());
        }
        Ok(result)
    })
}

impl Call<'_> {
    /// A float for each row from one float.
    pub(crate) fn each_float<T: ArrowPrimitiveType<Native: Float>>(
        &self,
        mut value: impl FnMut(T::Native) -> Result<T::Native>,
    ) -> Result<ArrayRef> {
        let operand = self.numbers::<T>(0);
        self.each::<T>(|row| value(operand.at(row)).map(Float::with_one_nan))
    }

    /// A float for each row from two floats.
    pub(crate) fn each_float_pair<T: ArrowPrimitiveType<Native: Float>>(
        &self,
        mut value: impl FnMut(T::Native, T::Native) -> Result<T::Native>,
    ) -> Result<ArrayRef> {
        let (left, right) = (self.numbers::<T>(0), self.numbers::<T>(1));
        self.each::<T>(|row| value(left.at(row), right.at(row)).map(Float::with_one_nan))
    }
}
