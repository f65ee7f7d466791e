//! Logical time (epochs) and wall-clock time (microseconds).

use std::fmt;
use std::str::FromStr;

/// Number of a commit: the logical time of deltas, reads and checkpoints.
///
/// Users see it as PostgreSQL's `pg_lsn` text (`0/1F`).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Before the first commit.
    pub const ZERO: Self = Self(0);
    /// After every commit; marks a row version that is still live.
    pub const MAX: Self = Self(u64::MAX);

    /// The epoch after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl FromStr for Epoch {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (high, low) = text.split_once('/').ok_or(())?;
        let part = |digits: &str| u32::from_str_radix(digits, 16).map_err(|_| ());
        Ok(Self(u64::from(part(high)?) << 32 | u64::from(part(low)?)))
    }
}

/// Wall-clock time: microseconds since 1970-01-01 00:00:00 UTC.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Milliseconds since the epoch of Unix, rounded down.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::Epoch;

    #[test]
    fn epoch_text_is_a_pg_lsn_and_reads_back() {
        let epoch = Epoch(0x12_0000_00AB);
        assert_eq!(epoch.to_string(), "12/AB");
        assert_eq!("12/AB".parse(), Ok(epoch));
        assert_eq!("12AB".parse::<Epoch>(), Err(()));
    }
}
