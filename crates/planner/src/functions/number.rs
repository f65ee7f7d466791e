//! Numbers from one representation to another, rounded as PostgreSQL does.

use weir_types::{Error, Result, SqlState};

use super::arithmetic::numeric::{divide_rounded, ten_to};

/// Powers of ten that a double holds exactly.
const EXACT_POWER_MAX: i8 = 22;
/// Integers up to this a double holds exactly.
const EXACT_INTEGER_MAX: u128 = 1 << 53;
/// Digits that PostgreSQL takes from a double and from a real.
const DOUBLE_DIGITS: usize = 15;
const REAL_DIGITS: usize = 6;

/// The double nearest to a numeric.
pub(crate) fn numeric_to_double(value: i128, scale: i8) -> f64 {
    if value.unsigned_abs() <= EXACT_INTEGER_MAX && (0..=EXACT_POWER_MAX).contains(&scale) {
        // Both operands are exact, so the quotient is rounded once.
        return value as f64 / ten_to(scale.unsigned_abs().into()) as f64;
    }
    let text = format!("{value}e{}", -i16::from(scale));
    text.parse().expect("digits with an exponent are a double")
}

/// The real nearest to a numeric.
pub(crate) fn numeric_to_real(value: i128, scale: i8) -> f32 {
    let text = format!("{value}e{}", -i16::from(scale));
    text.parse().expect("digits with an exponent are a real")
}

/// The first 15 digits of a double as a numeric of that scale; `None` where it has more than 38
/// digits. The double is finite.
pub(crate) fn double_to_numeric(value: f64, scale: i8) -> Option<i128> {
    decimal_text_to_numeric(&format!("{value:.*e}", DOUBLE_DIGITS - 1), scale)
}

/// The first 6 digits of a real, as [`double_to_numeric`].
pub(crate) fn real_to_numeric(value: f32, scale: i8) -> Option<i128> {
    decimal_text_to_numeric(&format!("{value:.*e}", REAL_DIGITS - 1), scale)
}

/// All digits that a double tells apart, as a numeric of that scale.
pub(crate) fn shortest_to_numeric(value: f64, scale: i8) -> Option<i128> {
    decimal_text_to_numeric(&format!("{value:e}"), scale)
}

/// From `-d.ddde-x`.
fn decimal_text_to_numeric(text: &str, scale: i8) -> Option<i128> {
    let (digits, exponent) = text.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let unscaled: i128 = format!("{whole}{fraction}").parse().ok()?;
    let shift = exponent - fraction.len() as i32 + i32::from(scale);
    match u32::try_from(shift) {
        Ok(_) if unscaled == 0 => Some(0),
        Ok(up) if up <= 38 => unscaled
            .checked_mul(ten_to(up))
            .filter(|v| v.unsigned_abs() < ten_to(38).unsigned_abs()),
        Ok(_) => None,
        Err(_) if shift < -38 => Some(0),
        Err(_) => Some(divide_rounded(unscaled, ten_to(shift.unsigned_abs()))),
    }
}

/// The integer nearest to a double, halves to the even one, if it is in the range.
pub(crate) fn double_to_integer(value: f64, min: i64, max: i64) -> Option<i64> {
    let rounded = value.round_ties_even();
    // The bounds as doubles: `max` may round up to one more than it is.
    let fits = rounded >= min as f64 && rounded < max as f64 + 1.0;
    let integer = rounded as i64;
    (fits && (min..=max).contains(&integer)).then_some(integer)
}

/// An error with a SQLSTATE that few functions raise.
pub(crate) fn error_of(code: &str, message: &str) -> Error {
    Error::new(SqlState::from_code(code).expect("a code of `SqlState`"), message)
}

/// The error of a function's argument (22023).
pub(crate) fn invalid_parameter(message: impl Into<String>) -> Error {
    Error::new(SqlState::InvalidParameterValue, message)
}

/// `Ok` if the number of bytes of a result is not over the limit.
pub(crate) fn check_repeat(function: &str, bytes: usize, times: usize) -> Result<()> {
    super::call::check_size(function, bytes.saturating_mul(times))
}

#[cfg(test)]
mod tests {
    use super::{double_to_integer, double_to_numeric, numeric_to_double};

    #[test]
    fn doubles_give_fifteen_digits() {
        assert_eq!(double_to_numeric(0.1, 2), Some(10));
        assert_eq!(double_to_numeric(1.0 / 3.0, 16), Some(3_333_333_333_333_330));
        assert_eq!(double_to_numeric(-2.5, 0), Some(-3));
        assert_eq!(double_to_numeric(1e-300, 10), Some(0));
        assert_eq!(double_to_numeric(1e30, 10), None);
    }

    #[test]
    fn numerics_give_the_nearest_double() {
        for (value, scale, double) in
            [(1, 1, 0.1), (12_345, 3, 12.345), (10_i128.pow(30) + 1, 0, 1e30), (5, -2, 500.0)]
        {
            assert_eq!(numeric_to_double(value, scale).to_bits(), f64::to_bits(double));
        }
    }

    #[test]
    fn halves_round_to_even() {
        let int4 = |value| double_to_integer(value, i32::MIN.into(), i32::MAX.into());
        assert_eq!([int4(0.5), int4(1.5), int4(-2.5)], [Some(0), Some(2), Some(-2)]);
        assert_eq!(int4(2_147_483_647.4), Some(2_147_483_647));
        assert_eq!(int4(2_147_483_647.5), None);
        assert_eq!(double_to_integer(9.3e18, i64::MIN, i64::MAX), None);
        assert_eq!(double_to_integer(f64::NAN, i64::MIN, i64::MAX), None);
    }
}
