//! `numeric`: decimal text and PostgreSQL's base-10000 binary form, from and to unscaled integers.

use arrow::datatypes::i256;
use bytes::{Buf, BufMut, BytesMut};
use weir_types::{Error, NUMERIC_SCALE_UNCONSTRAINED, Result, SqlState};

use super::digits;
use super::failure::{bad_binary, invalid_syntax, no_such_value, too_short};
use super::integer::trim;

/// PostgreSQL's limits for the digits before and after the point.
const INTEGER_DIGITS_MAX: i64 = 131_072;
const FRACTION_DIGITS_MAX: i64 = 16_383;
/// Digits of the widest decimal.
const DECIMAL256_DIGITS: u8 = 76;
/// Room for them, and some.
const DIGITS_MAX: usize = 80;

const SIGN_NEGATIVE: u16 = 0x4000;
const SIGN_NAN: u16 = 0xC000;
const SIGN_INFINITY: u16 = 0xD000;
const SIGN_MINUS_INFINITY: u16 = 0xF000;

/// How a column of decimals is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Decimal digits behind the point that the unscaled integers hold.
    pub(super) digits: i8,
    /// `numeric` without precision: no trailing zeros.
    pub(super) trimmed: bool,
}

/// An unscaled integer, as Arrow stores it.
pub(super) trait Unscaled: Copy {
    fn is_negative(self) -> bool;
    /// The digits of the magnitude at the end of `buffer`, without leading zeros.
    fn digits(self, buffer: &mut [u8; DIGITS_MAX]) -> &[u8];
    /// The number of those digits, no more than the type is kept in; none are 0.
    fn from_digits(is_negative: bool, digits: &[u8]) -> Self;
}

impl Unscaled for i128 {
    fn is_negative(self) -> bool {
        self < 0
    }

    fn digits(self, buffer: &mut [u8; DIGITS_MAX]) -> &[u8] {
        const HALF: u128 = 10_u128.pow(19);
        let magnitude = self.unsigned_abs();
        let start = match u64::try_from(magnitude) {
            Ok(small) => put(small, DIGITS_MAX, 0, buffer),
            Err(_) => {
                put((magnitude % HALF) as u64, DIGITS_MAX, 19, buffer);
                put((magnitude / HALF) as u64, DIGITS_MAX - 19, 0, buffer)
            }
        };
        &buffer[start..]
    }

    fn from_digits(is_negative: bool, digits: &[u8]) -> Self {
        let (high, low) = digits.split_at(digits.len().saturating_sub(19));
        let magnitude = i128::from(number(high)) * 10_i128.pow(19) + i128::from(number(low));
        if is_negative { -magnitude } else { magnitude }
    }
}

impl Unscaled for i256 {
    fn is_negative(self) -> bool {
        self < i256::ZERO
    }

    fn digits(self, buffer: &mut [u8; DIGITS_MAX]) -> &[u8] {
        let part = i256::from_i128(10_i128.pow(18));
        let (mut rest, mut end) = (self, DIGITS_MAX);
        loop {
            let low = rest.wrapping_rem(part).as_i128().unsigned_abs() as u64;
            rest = rest.wrapping_div(part);
            if rest == i256::ZERO {
                let start = put(low, end, 0, buffer);
                return &buffer[start..];
            }
            put(low, end, 18, buffer);
            end -= 18;
        }
    }

    fn from_digits(is_negative: bool, digits: &[u8]) -> Self {
        let magnitude = digits.chunks(18).fold(i256::ZERO, |sum, part| {
            let power = i256::from_i128(10_i128.pow(part.len() as u32));
            sum.wrapping_mul(power).wrapping_add(i256::from_i128(i128::from(number(part))))
        });
        if is_negative { magnitude.wrapping_neg() } else { magnitude }
    }
}

/// The number of at most 19 digits.
fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// Writes the digits of `value` before `end`, filled with zeros to `width`; where they start.
fn put(value: u64, end: usize, width: usize, buffer: &mut [u8; DIGITS_MAX]) -> usize {
    let mut digits_buffer = [0; 20];
    let digits = digits::digits(value, &mut digits_buffer);
    let start = end - digits.len().max(width);
    buffer[start..end].fill(b'0');
    buffer[end - digits.len()..end].copy_from_slice(digits);
    start
}

/// Digits behind the point that are shown.
fn shown_scale(digits: &[u8], scale: Scale) -> usize {
    let mut shown = usize::try_from(scale.digits).unwrap_or(0);
    if scale.trimmed {
        let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
        shown = if zeros == digits.len() { 0 } else { shown.saturating_sub(zeros) };
    }
    shown
}

pub(super) fn write_text<T: Unscaled>(value: T, scale: Scale, out: &mut BytesMut) {
    const ZEROS: &[u8; 128] = &[b'0'; 128];
    let mut buffer = [0; DIGITS_MAX];
    let digits = value.digits(&mut buffer);
    if value.is_negative() {
        out.put_u8(b'-');
    }
    let Ok(n_fraction) = usize::try_from(scale.digits) else {
        out.put_slice(digits);
        if digits != b"0" {
            out.put_slice(&ZEROS[..usize::from(scale.digits.unsigned_abs()).min(ZEROS.len())]);
        }
        return;
    };
    let shown = shown_scale(digits, scale);
    let (integer, fraction) = digits.split_at(digits.len().saturating_sub(n_fraction));
    out.put_slice(if integer.is_empty() { b"0" } else { integer });
    if shown > 0 {
        let n_zeros = n_fraction - fraction.len();
        out.put_u8(b'.');
        out.put_slice(&ZEROS[..n_zeros]);
        out.put_slice(&fraction[..fraction.len() - (n_fraction - shown)]);
    }
}

pub(super) fn write_binary<T: Unscaled>(value: T, scale: Scale, out: &mut BytesMut) {
    let mut buffer = [0; DIGITS_MAX];
    let digits = value.digits(&mut buffer);
    let shown = shown_scale(digits, scale) as u16;
    if digits == b"0" {
        out.put_u64(u64::from(shown));
        return;
    }
    // Groups of four digits begin at the point; the first one may be shorter, the last one is
    // filled with zeros.
    let point = digits.len() as i32 - i32::from(scale.digits);
    let weight = (point - 1).div_euclid(4);
    let mut groups = [0_u16; DIGITS_MAX / 4 + 2];
    let mut n_groups = 0;
    for (at, digit) in (4 - (point - 4 * weight) as usize..).zip(digits) {
        let power = [1000, 100, 10, 1][at % 4];
        groups[at / 4] += u16::from(digit - b'0') * power;
        if groups[at / 4] != 0 {
            n_groups = at / 4 + 1;
        }
    }
    out.put_u16(n_groups as u16);
    out.put_i16(weight as i16);
    out.put_u16(if value.is_negative() { SIGN_NEGATIVE } else { 0 });
    out.put_u16(shown);
    for group in &groups[..n_groups] {
        out.put_u16(*group);
    }
}

/// The type of a column to read into.
#[derive(Clone, Copy, Debug)]
pub(super) struct NumericType {
    /// Decimal digits that are kept in all; at most 76.
    precision: u8,
    /// Decimal digits behind the point that are kept.
    scale: i8,
    /// Without precision in SQL.
    unconstrained: bool,
}

/// A decimal number taken apart: `0.d1d2d3.. * 10^point`.
struct Decimal<D> {
    is_negative: bool,
    digits: D,
    point: i64,
}

impl NumericType {
    /// The type of that SQL precision and scale, whose values are kept in `digits` digits.
    pub(super) fn new(declared: Option<(u8, i8)>, digits: u8) -> Self {
        let (precision, scale) = declared.unwrap_or((digits, NUMERIC_SCALE_UNCONSTRAINED));
        Self {
            precision: precision.min(DECIMAL256_DIGITS),
            scale,
            unconstrained: declared.is_none(),
        }
    }

    /// Reads a number; digits behind the scale round half away from zero. 22003 where the precision
    /// is too small.
    pub(super) fn parse<T: Unscaled>(self, text: &str) -> Result<T> {
        let number = trim(text);
        let (is_negative, magnitude) = match number.as_bytes().first() {
            Some(b'-') => (true, &number[1..]),
            Some(b'+') => (false, &number[1..]),
            _ => (false, number),
        };
        for special in ["nan", "inf", "infinity"] {
            if magnitude.eq_ignore_ascii_case(special) && (special != "nan" || magnitude == number)
            {
                return Err(no_such_value("numeric", number));
            }
        }
        let (mantissa, exponent) = match magnitude.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (magnitude, None),
        };
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(integer) || !is_digits(fraction) || integer.len() + fraction.len() == 0 {
            return Err(invalid_syntax("numeric", text));
        }
        let exponent = match exponent {
            None => 0,
            Some(exponent) => {
                let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
                if digits.is_empty() || !is_digits(digits) {
                    return Err(invalid_syntax("numeric", text));
                }
                exponent.parse::<i32>().map(i64::from).map_err(|_| format_overflow())?
            }
        };
        let point = integer.len() as i64 + exponent;
        let leading_zeros =
            integer.bytes().chain(fraction.bytes()).take_while(|b| *b == b'0').count();
        if point - leading_zeros as i64 > INTEGER_DIGITS_MAX
            || fraction.len() as i64 - exponent > FRACTION_DIGITS_MAX
        {
            return Err(format_overflow());
        }
        let digits = integer.bytes().chain(fraction.bytes());
        self.unscaled(Decimal { is_negative, digits, point })
    }

    /// Reads PostgreSQL's binary form.
    pub(super) fn receive<T: Unscaled>(self, mut bytes: &[u8]) -> Result<T> {
        if bytes.len() < 8 {
            return Err(too_short());
        }
        let n_groups = usize::from(bytes.get_u16());
        let weight = bytes.get_i16();
        let sign = bytes.get_u16();
        let scale = bytes.get_u16();
        let malformed = |what| {
            let message = format!("invalid {what} in external \"numeric\" value");
            Error::new(SqlState::InvalidBinaryRepresentation, message)
        };
        match sign {
            0 | SIGN_NEGATIVE => {}
            SIGN_NAN => return Err(no_such_value("numeric", "NaN")),
            SIGN_INFINITY => return Err(no_such_value("numeric", "Infinity")),
            SIGN_MINUS_INFINITY => return Err(no_such_value("numeric", "-Infinity")),
            _ => return Err(malformed("sign")),
        }
        if i64::from(scale) > FRACTION_DIGITS_MAX {
            return Err(malformed("scale"));
        }
        if bytes.len() < 2 * n_groups {
            return Err(too_short());
        }
        if bytes.len() > 2 * n_groups {
            return Err(bad_binary());
        }
        let groups = || bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        if groups().any(|group| group > 9999) {
            return Err(malformed("digit"));
        }
        let point = 4 * (i64::from(weight) + 1);
        // Digits behind the value's own scale do not count.
        let n_digits = (point + i64::from(scale)).clamp(0, 4 * n_groups as i64) as usize;
        let digits = groups()
            .flat_map(|group| [1000, 100, 10, 1].map(|power| b'0' + (group / power % 10) as u8))
            .take(n_digits);
        self.unscaled(Decimal { is_negative: sign == SIGN_NEGATIVE, digits, point })
    }

    /// The number at the scale of the type.
    fn unscaled<T: Unscaled>(self, decimal: Decimal<impl Iterator<Item = u8>>) -> Result<T> {
        let mut digits = decimal.digits;
        // One place is left free for the carry of rounding.
        let (mut kept, mut n_kept) = ([b'0'; DIGITS_MAX], 1);
        let mut n_places = decimal.point + i64::from(self.scale);
        let mut rounds_up = false;
        while n_places >= 0 {
            let digit = digits.next().unwrap_or(b'0');
            if n_places == 0 {
                rounds_up = digit >= b'5';
                break;
            }
            if n_kept > 1 || digit != b'0' {
                if n_kept > usize::from(self.precision) {
                    return Err(self.overflow());
                }
                kept[n_kept] = digit;
                n_kept += 1;
            }
            n_places -= 1;
        }
        if rounds_up {
            let nines = kept[..n_kept].iter().rev().take_while(|digit| **digit == b'9').count();
            kept[n_kept - nines..n_kept].fill(b'0');
            kept[n_kept - nines - 1] += 1;
        }
        let value = if kept[0] == b'0' { &kept[1..n_kept] } else { &kept[..n_kept] };
        if value.len() > usize::from(self.precision) {
            return Err(self.overflow());
        }
        Ok(T::from_digits(decimal.is_negative, value))
    }

    fn overflow(self) -> Error {
        if self.unconstrained {
            return format_overflow().with_detail(format!(
                "A numeric without precision holds {} digits before and {} after the point.",
                i32::from(self.precision) - i32::from(NUMERIC_SCALE_UNCONSTRAINED),
                NUMERIC_SCALE_UNCONSTRAINED
            ));
        }
        let n_integer = i32::from(self.precision) - i32::from(self.scale);
        let bound = if n_integer == 0 { "1".to_owned() } else { format!("10^{n_integer}") };
        Error::new(SqlState::NumericValueOutOfRange, "numeric field overflow").with_detail(format!(
            "A field with precision {}, scale {} must round to an absolute value less than {bound}.",
            self.precision, self.scale
        ))
    }
}

/// A number of more digits than any `numeric` has (22003).
pub(super) fn format_overflow() -> Error {
    Error::new(SqlState::NumericValueOutOfRange, "value overflows numeric format")
}

/// Writes a JSON number as `jsonb` keeps it: without exponent, leading plus or leading zeros, with
/// the digits behind the point that were given. `text` must be a number of JSON's grammar.
pub(super) fn write_canonical(text: &str, out: &mut String) -> Result<()> {
    if !text.contains(['e', 'E']) && !text.starts_with("-0") {
        if text.len() as i64 > FRACTION_DIGITS_MAX {
            let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
            check_digits(integer.trim_start_matches('-').len() as i64, fraction.len() as i64)?;
        }
        out.push_str(text);
        return Ok(());
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse::<i32>().map_err(|_| format_overflow())?.into();
    let magnitude = mantissa.trim_start_matches('-');
    let (integer, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let digits = format!("{integer}{fraction}");
    let significant = digits.trim_start_matches('0');
    let scale = (fraction.len() as i64 - exponent).max(0);
    let point = significant.len() as i64 - fraction.len() as i64 + exponent;
    if significant.is_empty() {
        check_digits(1, scale)?;
        out.push('0');
    } else {
        check_digits(point, scale)?;
        if mantissa.starts_with('-') {
            out.push('-');
        }
        let n_integer = point.clamp(0, significant.len() as i64) as usize;
        out.push_str(if point > 0 { &significant[..n_integer] } else { "0" });
        out.extend(std::iter::repeat_n('0', (point - n_integer as i64).max(0) as usize));
    }
    if scale > 0 {
        out.push('.');
        let n_zeros = if significant.is_empty() { scale } else { (-point).max(0) };
        out.extend(std::iter::repeat_n('0', n_zeros as usize));
        out.push_str(&significant[point.clamp(0, significant.len() as i64) as usize..]);
    }
    Ok(())
}

fn check_digits(n_integer: i64, n_fraction: i64) -> Result<()> {
    if n_integer > INTEGER_DIGITS_MAX || n_fraction > FRACTION_DIGITS_MAX {
        return Err(format_overflow());
    }
    Ok(())
}
