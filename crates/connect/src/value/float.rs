//! `real` and `double precision` as text: the shortest digits that read back, in PostgreSQL's form.

use std::fmt::{LowerExp, Write as _};
use std::str::FromStr;

use bytes::BytesMut;
use weir_types::{Error, Result, SqlState};

use super::digits::{Line, write_i64};
use super::failure::{Shown, invalid_syntax};
use super::integer::trim;

/// What differs between the two widths.
pub(crate) trait Float: Copy + LowerExp + FromStr + PartialEq + Into<f64> {
    /// Its name in messages.
    const NAME: &'static str;
    /// Digits that every text of so many digits keeps through the type (C's `FLT_DIG`).
    const DIGITS: i32;
    /// Digits that tell any two values apart.
    const DIGITS_MAX: usize;
    /// First power of ten that the shortest form writes with an exponent.
    const EXPONENT_FROM: i32;
    /// Integer mantissa and power of two of a finite value's magnitude.
    fn decode(self) -> (u64, i32);
    /// Bits of a normal mantissa.
    const MANTISSA_BITS: u32;
    /// The only NaN that a column holds: to SQL there is one, and comparisons tell the others apart.
    const NAN: Self;
}

/// The value, with the one NaN for any.
pub(crate) fn with_one_nan<T: Float>(value: T) -> T {
    if value.into().is_nan() { T::NAN } else { value }
}

impl Float for f64 {
    const NAME: &'static str = "double precision";
    const DIGITS: i32 = 15;
    const DIGITS_MAX: usize = 17;
    const EXPONENT_FROM: i32 = 15;
    const MANTISSA_BITS: u32 = 53;
    const NAN: Self = Self::NAN;

    fn decode(self) -> (u64, i32) {
        let bits = self.to_bits();
        let exponent = (bits >> 52 & 0x7FF) as i32;
        let fraction = bits & ((1 << 52) - 1);
        if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) }
    }
}

impl Float for f32 {
    const NAME: &'static str = "real";
    const DIGITS: i32 = 6;
    const DIGITS_MAX: usize = 9;
    const EXPONENT_FROM: i32 = 6;
    const MANTISSA_BITS: u32 = 24;
    const NAN: Self = Self::NAN;

    fn decode(self) -> (u64, i32) {
        let bits = self.to_bits();
        let exponent = (bits >> 23 & 0xFF) as i32;
        let fraction = u64::from(bits & ((1 << 23) - 1));
        if exponent == 0 { (fraction, -149) } else { (fraction | 1 << 23, exponent - 150) }
    }
}

/// Writes the value; `extra_float_digits` as in [`super::FormatSettings`].
pub(super) fn write<T: Float>(value: T, extra_float_digits: i32, out: &mut BytesMut) {
    let wide: f64 = value.into();
    if !wide.is_finite() {
        out.extend_from_slice(match (wide.is_nan(), wide > 0.0) {
            (true, _) => b"NaN",
            (false, true) => b"Infinity",
            (false, false) => b"-Infinity",
        });
    } else if wide == 0.0 {
        out.extend_from_slice(if wide.is_sign_negative() { b"-0" } else { b"0" });
    } else if extra_float_digits > 0 {
        if wide.trunc() == wide && wide.abs() < 10_f64.powi(T::EXPONENT_FROM) {
            write_i64(wide as i64, out);
        } else {
            write_shortest(value, out);
        }
    } else {
        let n_digits = (T::DIGITS + extra_float_digits).max(1);
        layout(Scientific::rounded(value, n_digits as usize), n_digits, out);
    }
}

fn write_shortest<T: Float>(value: T, out: &mut BytesMut) {
    let mut text = Scientific::shortest(value);
    if text.is_halfway(value) {
        // Rust takes digits that lie exactly between two values where they read back as the even
        // one; PostgreSQL never does, for readers that round otherwise.
        text = (text.n_digits + 1..=T::DIGITS_MAX)
            .map(|n_digits| Scientific::rounded(value, n_digits))
            .find(|longer| longer.reads_back(value) && !longer.is_halfway(value))
            .expect("DIGITS_MAX digits tell any two values apart");
    } else if text.is_tie(value) && text.digits[text.n_digits - 1] % 2 == 1 {
        // Of two texts that are as near, Rust takes the larger one and PostgreSQL the even one.
        let mut even = text.clone();
        even.digits[text.n_digits - 1] -= 1;
        if even.reads_back(value) {
            text = even;
        }
    }
    layout(text, T::EXPONENT_FROM, out);
}

/// A number as Rust writes it with `{:e}`, taken apart.
#[derive(Clone)]
struct Scientific {
    is_negative: bool,
    /// The digits without the point.
    digits: [u8; 24],
    /// Without trailing zeros.
    n_digits: usize,
    exponent: i32,
}

impl Scientific {
    fn shortest<T: Float>(value: T) -> Self {
        let mut line = Line::new();
        write!(line, "{value:e}").expect("at most 17 digits, a sign, a point and an exponent");
        Self::take_apart(&line)
    }

    /// `n_digits` digits at most, correctly rounded.
    fn rounded<T: Float>(value: T, n_digits: usize) -> Self {
        let mut line = Line::new();
        write!(line, "{value:.*e}", n_digits - 1).expect("at most 17 digits and an exponent");
        Self::take_apart(&line)
    }

    fn take_apart(line: &Line<32>) -> Self {
        let text = std::str::from_utf8(line.as_bytes()).expect("digits are ASCII");
        let (mantissa, exponent) = text.split_once('e').expect("{:e} writes an exponent");
        let is_negative = mantissa.starts_with('-');
        let exponent = exponent.parse().expect("{:e} writes an integer exponent");
        let (mut digits, mut length, mut n_digits) = ([0; 24], 0, 0);
        for byte in mantissa.bytes().filter(u8::is_ascii_digit) {
            digits[length] = byte;
            length += 1;
            if byte != b'0' {
                n_digits = length;
            }
        }
        Self { is_negative, digits, n_digits, exponent }
    }

    fn reads_back<T: Float>(&self, value: T) -> bool {
        let mut line = Line::<32>::new();
        if self.is_negative {
            line.byte(b'-');
        }
        for digit in &self.digits[..self.n_digits] {
            line.byte(*digit);
        }
        line.byte(b'e');
        line.integer(i64::from(self.exponent) - (self.n_digits as i64 - 1));
        let text = std::str::from_utf8(line.as_bytes()).expect("digits are ASCII");
        text.parse::<T>().is_ok_and(|read| read == value)
    }

    /// True if `value` lies exactly between the digits and others of the same number: it has one
    /// more digit, which is a 5 as that of every fraction of a power of two.
    fn is_tie<T: Float>(&self, value: T) -> bool {
        let (mantissa, power) = value.decode();
        let n_fraction = -(power + mantissa.trailing_zeros() as i32);
        n_fraction > 0 && n_fraction == self.n_digits as i32 - self.exponent
    }

    /// True if the digits lie exactly between `value` and a neighbour. Only integers can: with a
    /// fraction, the value itself has fewer digits than its border.
    fn is_halfway<T: Float>(&self, value: T) -> bool {
        let zeros = self.exponent - (self.n_digits as i32 - 1);
        let (mantissa, power) = value.decode();
        // 5^27 is more than any border's mantissa.
        if !(0..=27).contains(&zeros) || mantissa % 2 != 0 {
            return false;
        }
        let number = self.digits[..self.n_digits]
            .iter()
            .fold(0_u64, |n, digit| n * 10 + u64::from(digit - b'0'));
        let twos = number.trailing_zeros();
        let odd = u128::from(number >> twos) * 5_u128.pow(zeros as u32);
        let twos = twos as i32 + zeros;
        let mantissa = u128::from(mantissa);
        let is_border = |border: u128, power: i32| odd == border && twos == power;
        is_border(2 * mantissa + 1, power - 1)
            || is_border(2 * mantissa - 1, power - 1)
            // Below a power of two the neighbour is half as far.
            || (mantissa == 1 << (T::MANTISSA_BITS - 1) && is_border(4 * mantissa - 1, power - 2))
    }
}

/// Writes digits as C's `%g` does: with an exponent below 1e-4 and from 10^`exponent_from` on.
fn layout(number: Scientific, exponent_from: i32, out: &mut BytesMut) {
    let digits = &number.digits[..number.n_digits];
    if number.is_negative {
        out.extend_from_slice(b"-");
    }
    if number.exponent < -4 || number.exponent >= exponent_from {
        out.extend_from_slice(&digits[..1]);
        if digits.len() > 1 {
            out.extend_from_slice(b".");
            out.extend_from_slice(&digits[1..]);
        }
        let mut exponent = Line::<6>::new();
        exponent.byte(b'e');
        exponent.byte(if number.exponent < 0 { b'-' } else { b'+' });
        exponent.padded(u64::from(number.exponent.unsigned_abs()), 2);
        out.extend_from_slice(exponent.as_bytes());
    } else if number.exponent < 0 {
        out.extend_from_slice(&b"0.000"[..1 + number.exponent.unsigned_abs() as usize]);
        out.extend_from_slice(digits);
    } else {
        let n_integer = number.exponent as usize + 1;
        if digits.len() <= n_integer {
            out.extend_from_slice(digits);
            out.extend_from_slice(&b"0000000000000000"[..n_integer - digits.len()]);
        } else {
            out.extend_from_slice(&digits[..n_integer]);
            out.extend_from_slice(b".");
            out.extend_from_slice(&digits[n_integer..]);
        }
    }
}

/// Reads a number, `inf`, `infinity` or `nan` in any case; 22003 where the type has no value near.
pub(super) fn parse<T: Float>(text: &str) -> Result<T> {
    let number = trim(text);
    let value: T = number.parse().map_err(|_| invalid_syntax(T::NAME, text))?;
    let wide: f64 = value.into();
    let is_number = number.bytes().any(|byte| byte.is_ascii_digit());
    if (wide.is_infinite() && is_number) || (wide == 0.0 && has_nonzero_digit(number)) {
        return Err(Error::new(
            SqlState::NumericValueOutOfRange,
            format!("\"{}\" is out of range for type {}", Shown(number), T::NAME),
        ));
    }
    // `-nan` is one with a sign.
    Ok(with_one_nan(value))
}

/// True if a digit before the exponent is not 0.
fn has_nonzero_digit(number: &str) -> bool {
    let mantissa = number.split(['e', 'E']).next().unwrap_or(number);
    mantissa.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}
