//! The search for the few bytes that end a field or a row, and what it finds.

/// How lines end; the first line tells, and the others must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    Unknown,
    Newline,
    Return,
    ReturnNewline,
}

/// A field of a row: where it is, from the row's start on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Escapes or quotes have to be taken out.
    pub(super) is_raw: bool,
    /// Some of it was quoted, so it is never NULL.
    pub(super) is_quoted: bool,
}

/// What a search for the end of a row came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// More bytes are needed.
    More,
    /// The row has `length` bytes; the next one begins behind `consumed`.
    Row { length: usize, consumed: usize },
    /// The end of the data, behind a last row of `length` bytes if that is not 0.
    End { length: usize },
}

/// Up to four bytes that are searched for at once, eight bytes a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needles([u64; 4]);

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

impl Needles {
    pub(super) fn new(bytes: [u8; 4]) -> Self {
        Self(bytes.map(|byte| u64::from(byte) * ONES))
    }

    /// The first place of one of the bytes, from `at` on; the length of `bytes` if there is none.
    pub(super) fn find(&self, bytes: &[u8], mut at: usize) -> usize {
        while let Some((word, _)) = bytes.get(at..).and_then(<[u8]>::split_first_chunk::<8>) {
            let found = self.matches(u64::from_le_bytes(*word));
            if found != 0 {
                return at + found.trailing_zeros() as usize / 8;
            }
            at += 8;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let is_needle = |byte: &u8| self.0.contains(&(u64::from(*byte) * ONES));
        rest.iter().position(is_needle).map_or(bytes.len(), |n| at + n)
    }

    /// A word whose lowest bit that is set is in the first byte that is a needle.
    fn matches(&self, word: u64) -> u64 {
        let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & HIGH_BITS;
        let [a, b, c, d] = self.0;
        zero_bytes(word ^ a) | zero_bytes(word ^ b) | zero_bytes(word ^ c) | zero_bytes(word ^ d)
    }
}

#[cfg(test)]
mod tests {
    use super::Needles;

    #[test]
    fn the_first_needle_is_found_wherever_it_is() {
        let needles = Needles::new(*b"\t\n\r\\");
        for length in 0..40 {
            for place in 0..length {
                for (needle, filler) in [(b'\t', b'a'), (b'\\', 0x08), (b'\n', 0x0B), (b'\r', 0xFF)]
                {
                    let mut bytes = vec![filler; length];
                    bytes[place] = needle;
                    bytes[length - 1] = b'\n';
                    for start in 0..=place {
                        assert_eq!(needles.find(&bytes, start), place.min(length - 1));
                    }
                }
            }
            assert_eq!(needles.find(&vec![b'x'; length], 0), length);
        }
    }
}
