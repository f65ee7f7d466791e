//! Decimal digits without allocation: integers into a buffer, and a small text on the stack.

use std::fmt;

use bytes::BytesMut;

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// The two digits of a number below 100.
pub(super) fn pair(value: u32) -> [u8; 2] {
    let at = (value % 100) as usize * 2;
    [PAIRS[at], PAIRS[at + 1]]
}

/// The digits of `value`, at the end of `buffer`.
pub(super) fn digits(mut value: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    while value >= 100 {
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&pair((value % 100) as u32));
        value /= 100;
    }
    if value >= 10 {
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&pair(value as u32));
    } else {
        at -= 1;
        buffer[at] = b'0' + value as u8;
    }
    &buffer[at..]
}

pub(super) fn write_u64(value: u64, out: &mut BytesMut) {
    out.extend_from_slice(digits(value, &mut [0; 20]));
}

pub(super) fn write_i64(value: i64, out: &mut BytesMut) {
    let mut buffer = [0; 21];
    let magnitude: &mut [u8; 20] = (&mut buffer[1..]).try_into().expect("20 of 21 bytes");
    let length = digits(value.unsigned_abs(), magnitude).len();
    let start = 21 - length;
    if value < 0 {
        buffer[start - 1] = b'-';
        out.extend_from_slice(&buffer[start - 1..]);
    } else {
        out.extend_from_slice(&buffer[start..]);
    }
}

/// A text of at most `N` bytes on the stack. Writing beyond that panics: `N` is chosen for the
/// longest text of the type at hand.
pub(super) struct Line<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Line<N> {
    pub(super) fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes[self.length..self.length + text.len()].copy_from_slice(text.as_bytes());
        self.length += text.len();
    }

    /// Two digits, with a leading zero.
    pub(super) fn pair(&mut self, value: u32) {
        self.bytes[self.length..self.length + 2].copy_from_slice(&pair(value));
        self.length += 2;
    }

    /// The digits of `value`, filled with zeros on the left to `width`.
    pub(super) fn padded(&mut self, value: u64, width: usize) {
        let mut buffer = [0; 20];
        let digits = digits(value, &mut buffer);
        for _ in digits.len()..width {
            self.byte(b'0');
        }
        self.bytes[self.length..self.length + digits.len()].copy_from_slice(digits);
        self.length += digits.len();
    }

    pub(super) fn integer(&mut self, value: i64) {
        if value < 0 {
            self.byte(b'-');
        }
        self.padded(value.unsigned_abs(), 1);
    }

    /// `.5` of 500,000 microseconds: a point and up to six digits without trailing zeros; nothing
    /// for 0.
    pub(super) fn fraction(&mut self, micros: u32) {
        if micros == 0 {
            return;
        }
        self.byte(b'.');
        self.pair(micros / 10_000);
        self.pair(micros / 100 % 100);
        self.pair(micros % 100);
        while self.bytes[self.length - 1] == b'0' {
            self.length -= 1;
        }
    }
}

impl<const N: usize> fmt::Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{Line, write_i64, write_u64};

    #[test]
    fn integers_are_those_of_std() {
        let mut values = vec![0, 1, -1, i64::MAX, i64::MIN];
        for power in 0..63 {
            values.extend([(1 << power) - 1, 1 << power, -(1 << power)]);
        }
        values.extend((0..19).flat_map(|power| {
            let ten = 10_i64.pow(power);
            [ten - 1, ten, -ten]
        }));
        for value in values {
            let mut out = BytesMut::new();
            write_i64(value, &mut out);
            assert_eq!(out, value.to_string());
            out.clear();
            write_u64(value as u64, &mut out);
            assert_eq!(out, (value as u64).to_string());
        }
    }

    #[test]
    fn fractions_lose_trailing_zeros() {
        for (micros, text) in [(0, ""), (500_000, ".5"), (1, ".000001"), (123_450, ".12345")] {
            let mut line = Line::<8>::new();
            line.fraction(micros);
            assert_eq!(line.as_bytes(), text.as_bytes());
        }
        let mut line = Line::<16>::new();
        line.padded(42, 4);
        line.integer(-7);
        assert_eq!(line.as_bytes(), b"0042-7");
    }
}
