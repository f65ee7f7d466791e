//! Randomness that a seed repeats.

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

/// A source of random numbers. The same seed gives the same numbers within one build.
#[derive(Debug)]
pub struct Rng(StdRng);

impl Rng {
    /// The numbers of that seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// Numbers that nobody can foresee, seeded by the operating system.
    #[must_use]
    pub fn from_os() -> Self {
        Self(StdRng::from_os_rng())
    }

    /// The next number, any of all 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Fills `bytes` with random ones.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn one_seed_gives_one_sequence() {
        let draw = |seed| {
            let mut rng = Rng::from_seed(seed);
            let mut bytes = [0; 9];
            rng.fill(&mut bytes);
            (bytes, rng.next_u64())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
