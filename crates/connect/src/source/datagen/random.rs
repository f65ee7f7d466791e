//! Random numbers that are a function of seed, column and row.
//!
//! They are made here, not by a crate, because they must stay the same for ever: a stream goes on
//! after an upgrade with the rows that it would have had.

/// A sequence of random numbers (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    /// The sequence of one value.
    pub(super) fn new(seed: u64, column: u64, row: u64) -> Self {
        Self(mix(mix(mix(seed).wrapping_add(column)).wrapping_add(row)))
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `bound`, which is above 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product is as even as 64 bits allow, without a division.
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `min` to `max`, both included.
    pub(super) fn between(&mut self, min: i128, max: i128) -> i128 {
        // The difference of two 128-bit numbers fits 128 bits without a sign.
        let span = max.wrapping_sub(min) as u128;
        let step = match u64::try_from(span) {
            Ok(span) if span < u64::MAX => u128::from(self.below(span + 1)),
            _ => {
                let bits = (u128::from(self.bits()) << 64) | u128::from(self.bits());
                span.checked_add(1).map_or(bits, |count| bits % count)
            }
        };
        min.wrapping_add(step as i128)
    }

    /// A number from 0, included, to 1.
    pub(super) fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Spreads each bit over all bits.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_the_same_for_ever() {
        let mut random = Random::new(1, 2, 3);
        let numbers = [random.bits(), random.bits()];
        assert_eq!(numbers, [Random::new(1, 2, 3).bits(), numbers[1]]);
        assert_eq!(mix(0), 0);
        assert_eq!(mix(0x9E37_79B9_7F4A_7C15), 16_294_208_416_658_607_535);
    }

    #[test]
    fn each_argument_changes_the_numbers() {
        let first = Random::new(1, 2, 3).bits();
        for other in [Random::new(2, 2, 3), Random::new(1, 3, 3), Random::new(1, 2, 4)] {
            let Random(state) = other;
            assert_ne!(Random(state).bits(), first);
        }
    }

    #[test]
    fn ranges_include_both_ends_and_nothing_else() {
        let mut random = Random::new(0, 0, 0);
        let mut found = [0; 4];
        for _ in 0..1000 {
            found[(random.between(-1, 2) + 1) as usize] += 1;
            assert!((0.0..1.0).contains(&random.fraction()));
        }
        assert!(found.iter().all(|count| (150..350).contains(count)), "{found:?}");
        assert_eq!(random.between(7, 7), 7);
        let wide = random.between(i128::from(i64::MIN), i128::from(i64::MAX));
        assert!(i64::try_from(wide).is_ok());
        let all = random.between(i128::MIN, i128::MAX);
        assert_ne!(all, random.between(i128::MIN, i128::MAX));
    }
}
