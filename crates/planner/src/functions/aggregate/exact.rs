//! Sums of floats and of wide integers without rounding, so that the order of adding does not matter and
//! what was added can be taken away again.
//!
//! A sum is a number to the base 2^32 of which only the digits in use are kept. Each digit has room for
//! 2^30 additions before carries have to be settled.

/// Bits of a digit.
const DIGIT_BITS: i32 = 32;
const DIGIT_MASK: i64 = 0xFFFF_FFFF;
/// Additions after which carries are settled.
const PENDING_MAX: u32 = 1 << 30;
/// Digits that 64 bits touch when shifted by less than a digit.
const TOUCHED: usize = 3;

/// A sum of integers times powers of two.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ExactSum {
    /// The place of the first digit, in digits.
    base: i32,
    digits: Vec<i64>,
    pending: u32,
}

impl ExactSum {
    /// Adds a finite float, or takes it away.
    pub(super) fn add_float(&mut self, value: f64, takes: bool) {
        let (negative, mantissa, exponent) = parts(value);
        self.add(negative != takes, mantissa, exponent);
    }

    /// Adds the exact product of two finite floats, or takes it away.
    pub(super) fn add_product(&mut self, a: f64, b: f64, takes: bool) {
        let (a_negative, a, a_exponent) = parts(a);
        let (b_negative, b, b_exponent) = parts(b);
        let product = u128::from(a) * u128::from(b);
        self.add_wide((a_negative != b_negative) != takes, product, a_exponent + b_exponent);
    }

    /// Adds an integer, or takes it away.
    pub(super) fn add_integer(&mut self, value: i128, takes: bool) {
        self.add_wide((value < 0) != takes, value.unsigned_abs(), 0);
    }

    /// Adds the square of an integer, or takes it away.
    pub(super) fn add_square(&mut self, value: i128, takes: bool) {
        let magnitude = value.unsigned_abs();
        let (high, low) = (magnitude >> 64, magnitude & u128::from(u64::MAX));
        self.add_wide(takes, low * low, 0);
        if high != 0 {
            // Twice the mixed product, each half below 2^128.
            self.add_wide(takes, high * low, 65);
            self.add_wide(takes, high * high, 128);
        }
    }

    fn add_wide(&mut self, negative: bool, magnitude: u128, exponent: i32) {
        self.add(negative, magnitude as u64, exponent);
        let high = (magnitude >> 64) as u64;
        if high != 0 {
            self.add(negative, high, exponent + 64);
        }
    }

    fn add(&mut self, negative: bool, magnitude: u64, exponent: i32) {
        if magnitude == 0 {
            return;
        }
        let place = exponent.div_euclid(DIGIT_BITS);
        let shifted = u128::from(magnitude) << exponent.rem_euclid(DIGIT_BITS);
        let first = self.make_room(place);
        for (digit, shift) in self.digits[first..first + TOUCHED].iter_mut().zip([0, 32, 64]) {
            let part = (shifted >> shift) as i64 & DIGIT_MASK;
            *digit += if negative { -part } else { part };
        }
        self.pending += 1;
        if self.pending == PENDING_MAX {
            self.settle();
        }
    }

    /// The index of a place, with room for the places that an addition touches.
    fn make_room(&mut self, place: i32) -> usize {
        if self.digits.is_empty() {
            self.base = place;
        }
        if place < self.base {
            let missing = (self.base - place) as usize;
            self.digits.splice(0..0, std::iter::repeat_n(0, missing));
            self.base = place;
        }
        let first = (place - self.base) as usize;
        if self.digits.len() < first + TOUCHED {
            self.digits.resize(first + TOUCHED, 0);
        }
        first
    }

    /// Adds all of another sum.
    pub(super) fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        other.settle();
        for (index, digit) in other.digits.iter().enumerate() {
            let place = other.base + index as i32;
            let first = self.make_room(place);
            // A settled digit has at most 33 bits.
            self.digits[first] += digit;
        }
        self.pending += 2;
        if self.pending >= PENDING_MAX {
            self.settle();
        }
    }

    /// Brings every digit but the highest into 0..2^32; the highest has the sign.
    fn settle(&mut self) {
        let mut carry = 0;
        for digit in &mut self.digits {
            let value = *digit + carry;
            *digit = value & DIGIT_MASK;
            carry = value >> DIGIT_BITS;
        }
        if carry != 0 {
            self.digits.push(carry);
        }
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        let zeros = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..zeros);
        self.base += zeros as i32;
        self.pending = 0;
    }

    /// The sum as one number.
    pub(super) fn total(&self) -> Big {
        let mut settled = self.clone();
        settled.settle();
        let negative = settled.digits.last().is_some_and(|digit| *digit < 0);
        if negative {
            settled.digits.iter_mut().for_each(|digit| *digit = -*digit);
            settled.settle();
        }
        let digits = settled.digits.iter().map(|digit| *digit as u32).collect();
        Big { negative, digits, exponent: settled.base * DIGIT_BITS }.trimmed()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut settled = self.clone();
        settled.settle();
        out.extend_from_slice(&settled.base.to_le_bytes());
        out.extend_from_slice(&(settled.digits.len() as u32).to_le_bytes());
        for digit in &settled.digits {
            out.extend_from_slice(&digit.to_le_bytes());
        }
    }

    pub(super) fn read(bytes: &mut Reader<'_>) -> Option<Self> {
        let base = i32::from_le_bytes(bytes.take()?);
        let n_digits = u32::from_le_bytes(bytes.take()?);
        let mut digits = Vec::new();
        for _ in 0..n_digits {
            digits.push(i64::from_le_bytes(bytes.take()?));
        }
        Some(Self { base, digits, pending: 1 })
    }
}

/// Sign, mantissa and exponent of a finite float.
fn parts(value: f64) -> (bool, u64, i32) {
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7FF) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let negative = value.is_sign_negative();
    if exponent == 0 {
        (negative, fraction, -1074)
    } else {
        (negative, fraction | 1 << 52, exponent - 1075)
    }
}

/// Takes fixed-size values off the front of a stored state.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
}

/// A number of any size: digits to the base 2^32, the lowest first, times a power of two.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Big {
    negative: bool,
    digits: Vec<u32>,
    /// A multiple of 32.
    exponent: i32,
}

impl Big {
    pub(super) fn from_integer(value: u128) -> Self {
        let digits = [0, 32, 64, 96].iter().map(|shift| (value >> shift) as u32).collect();
        Self { negative: false, digits, exponent: 0 }.trimmed()
    }

    fn trimmed(mut self) -> Self {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        let zeros = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..zeros);
        self.exponent += zeros as i32 * DIGIT_BITS;
        if self.digits.is_empty() {
            return Self { negative: false, digits: Vec::new(), exponent: 0 };
        }
        self
    }

    pub(super) fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    pub(super) fn times(&self, other: &Self) -> Self {
        let mut digits = vec![0_u32; self.digits.len() + other.digits.len()];
        for (i, a) in self.digits.iter().enumerate() {
            let mut carry = 0_u64;
            for (j, b) in other.digits.iter().enumerate() {
                let value = u64::from(digits[i + j]) + u64::from(*a) * u64::from(*b) + carry;
                digits[i + j] = value as u32;
                carry = value >> 32;
            }
            digits[i + other.digits.len()] = carry as u32;
        }
        let exponent = self.exponent + other.exponent;
        Self { negative: self.negative != other.negative, digits, exponent }.trimmed()
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        let mut sum = ExactSum::default();
        for (number, takes) in [(self, false), (other, true)] {
            for (index, digit) in number.digits.iter().enumerate() {
                let exponent = number.exponent + index as i32 * DIGIT_BITS;
                sum.add(number.negative != takes, u64::from(*digit), exponent);
            }
        }
        sum.total()
    }

    /// The quotient rounded towards zero. The number is whole, the divisor is not 0.
    pub(super) fn whole_quotient(&self, divisor: u64) -> Self {
        let mut digits = self.whole_digits();
        let divisor = u128::from(divisor);
        let mut rest = 0;
        for digit in digits.iter_mut().rev() {
            let value = rest << 32 | u128::from(*digit);
            *digit = (value / divisor) as u32;
            rest = value % divisor;
        }
        Self { negative: self.negative, digits, exponent: 0 }.trimmed()
    }

    /// The digits of a whole number from the ones on.
    fn whole_digits(&self) -> Vec<u32> {
        let zeros = (self.exponent / DIGIT_BITS).max(0) as usize;
        std::iter::repeat_n(0, zeros).chain(self.digits.iter().copied()).collect()
    }

    /// A whole number as 256 bits, the lowest 64 first; `None` where it has more.
    pub(super) fn to_limbs(&self) -> Option<[u64; 4]> {
        let mut limbs = [0_u64; 4];
        for (index, digit) in self.whole_digits().into_iter().enumerate() {
            let limb = limbs.get_mut(index / 2);
            match limb {
                Some(limb) => *limb |= u64::from(digit) << (index % 2 * 32),
                None if digit == 0 => {}
                None => return None,
            }
        }
        Some(limbs)
    }

    /// The nearest double, halves to the even one; infinite beyond all doubles.
    pub(super) fn to_double(&self) -> f64 {
        let Some((mantissa, exponent)) = self.rounded(53, -1074) else { return 0.0 };
        let magnitude = if exponent > 1023 {
            f64::INFINITY
        } else {
            // Both factors are exact, and so is the product, short of infinity.
            mantissa as f64 * power_of_two(exponent)
        };
        if self.negative { -magnitude } else { magnitude }
    }

    /// The nearest real, halves to the even one; infinite beyond all reals.
    pub(super) fn to_real(&self) -> f32 {
        let Some((mantissa, exponent)) = self.rounded(24, -149) else { return 0.0 };
        let magnitude =
            if exponent > 1023 { f64::INFINITY } else { mantissa as f64 * power_of_two(exponent) };
        // Rounded to 24 bits already, so this only finds what is beyond all reals.
        (if self.negative { -magnitude } else { magnitude }) as f32
    }

    /// The first bits as an integer and the exponent that goes with it, rounded; `None` for 0.
    fn rounded(&self, precision: i32, exponent_min: i32) -> Option<(u64, i32)> {
        let top = *self.digits.last()?;
        let n_bits = self.digits.len() as i32 * DIGIT_BITS - top.leading_zeros() as i32;
        let lowest = (self.exponent + n_bits - precision).max(exponent_min);
        let dropped = lowest - self.exponent;
        let mut mantissa = 0_u64;
        for bit in (0..precision).rev() {
            mantissa = mantissa << 1 | u64::from(self.bit(dropped + bit));
        }
        let half = self.bit(dropped - 1);
        let is_more_than_half = (0..dropped - 1).any(|bit| self.bit(bit));
        if half && (is_more_than_half || mantissa & 1 == 1) {
            mantissa += 1;
        }
        Some((mantissa, lowest))
    }

    /// The bit at that place, counted from the lowest digit.
    fn bit(&self, place: i32) -> bool {
        usize::try_from(place).is_ok_and(|place| {
            self.digits.get(place / 32).is_some_and(|digit| digit >> (place % 32) & 1 == 1)
        })
    }
}

/// 2 to that power, which a double holds (down to -1074).
fn power_of_two(exponent: i32) -> f64 {
    if exponent >= -1022 {
        f64::from_bits(((exponent + 1023) as u64) << 52)
    } else {
        f64::from_bits(1 << (exponent + 1074))
    }
}

#[cfg(test)]
mod tests {
    use super::{Big, ExactSum, Reader};

    fn sum(values: &[f64]) -> f64 {
        let mut sum = ExactSum::default();
        values.iter().for_each(|value| sum.add_float(*value, false));
        sum.total().to_double()
    }

    #[test]
    fn sums_are_rounded_once() {
        assert_eq!(sum(&[1e20, 1.0, -1e20]), 1.0);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]), f64::MAX);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        let least = f64::from_bits(1);
        assert_eq!(sum(&[least, least, -1e300, 1e300]), 2.0 * least);
        assert_eq!(sum(&[]), 0.0);
        // Half a unit in the last place: to the even neighbour.
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0]), 1.0);
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0, 1e-300]), 1.0 + f64::EPSILON);
        assert_eq!(sum(&[1.0 + f64::EPSILON, f64::EPSILON / 2.0]), 1.0 + 2.0 * f64::EPSILON);
    }

    #[test]
    fn order_and_removal_do_not_matter() {
        let values: Vec<f64> =
            (0..2000).map(|i| f64::from(i - 1000) * 1.37_f64.powi(i % 300 - 150)).collect();
        let mut backwards = values.clone();
        backwards.reverse();
        assert_eq!(sum(&values).to_bits(), sum(&backwards).to_bits());

        let mut partial = ExactSum::default();
        values.iter().for_each(|value| partial.add_float(*value, false));
        values[7..].iter().for_each(|value| partial.add_float(*value, true));
        assert_eq!(partial.total().to_double().to_bits(), sum(&values[..7]).to_bits());
    }

    #[test]
    fn merged_and_stored_sums_are_the_sum_of_all() {
        let (mut a, mut b) = (ExactSum::default(), ExactSum::default());
        for value in [1e300, -3.5, 7e-200] {
            a.add_float(value, false);
            b.add_float(-value * 2.0, false);
        }
        let mut bytes = Vec::new();
        b.write(&mut bytes);
        let stored = ExactSum::read(&mut Reader(&bytes)).expect("was just written");
        a.merge(&stored);
        assert_eq!(a.total().to_double(), sum(&[-1e300, 3.5, -7e-200]));
        assert!(ExactSum::read(&mut Reader(&bytes[..5])).is_none());
    }

    #[test]
    fn squares_and_products_are_exact() {
        let mut squares = ExactSum::default();
        let large = i128::MAX / 3;
        squares.add_square(large, false);
        squares.add_square(-large, true);
        assert!(squares.total().is_zero());
        squares.add_square(-1_000_000_007, false);
        squares.add_integer(1_000_000_007 * 1_000_000_007, true);
        assert!(squares.total().is_zero());
        let mut products = ExactSum::default();
        products.add_product(1e200, 1e200, false);
        products.add_product(1e200, -1e200, false);
        products.add_product(0.5, 3.0, false);
        assert_eq!(products.total().to_double(), 1.5);
    }

    #[test]
    fn big_arithmetic() {
        let a = Big::from_integer(u128::MAX);
        let square = a.times(&a);
        let other = square.minus(&a);
        assert_eq!(other.minus(&square).to_double(), -(u128::MAX as f64));
        assert_eq!(square.whole_quotient(1).minus(&square).to_double(), 0.0);
        assert_eq!(
            Big::from_integer(1 << 40).whole_quotient(3).to_double(),
            (1_u64 << 40) as f64 / 3.0 - 1.0 / 3.0
        );
        assert_eq!(
            Big::from_integer(1 << 100).whole_quotient((1 << 40) + 1).to_limbs(),
            Some([(1_u128 << 100).div_euclid((1 << 40) + 1) as u64, 0, 0, 0])
        );
        assert_eq!(Big::from_integer(1 << 100).to_limbs(), Some([0, 1 << 36, 0, 0]));
        assert_eq!(Big::from_integer(16_777_217).to_real(), 16_777_216.0);
    }
}
