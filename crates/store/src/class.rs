//! Retention classes: which column family the blocks of a topic lie in.

/// How long the blocks of a topic stay, roughly.
///
/// RocksDB frees blob files one by one, each when its last block goes. Blocks that go at about the same
/// time therefore share files, and each class is a column family: not each topic, because a column
/// family costs a memtable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RetentionClass {
    /// Up to 6 hours.
    Hours = 1,
    /// Up to 3 days.
    Days = 2,
    /// More than 3 days, or bounded by size alone.
    Weeks = 3,
    /// No bound.
    Forever = 4,
}

const HOUR_MS: u64 = 60 * 60 * 1000;

impl RetentionClass {
    /// All classes, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Hours, Self::Days, Self::Weeks, Self::Forever];

    /// The class for a retention by time and by size, either of which may be unbounded.
    #[must_use]
    pub fn for_retention(retention_ms: Option<u64>, retention_bytes: Option<u64>) -> Self {
        match (retention_ms, retention_bytes) {
            (Some(ms), _) if ms <= 6 * HOUR_MS => Self::Hours,
            (Some(ms), _) if ms <= 3 * 24 * HOUR_MS => Self::Days,
            (Some(_), _) | (None, Some(_)) => Self::Weeks,
            (None, None) => Self::Forever,
        }
    }

    /// The class of that stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| *class as u8 == number)
    }

    pub(crate) fn column_family(self) -> &'static str {
        match self {
            Self::Hours => "blocks_hours",
            Self::Days => "blocks_days",
            Self::Weeks => "blocks_weeks",
            Self::Forever => "blocks_forever",
        }
    }

    /// Position in [`Self::ALL`].
    #[must_use]
    pub fn idx(self) -> usize {
        self as usize - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_follows_the_retention_and_reads_back() {
        let class = RetentionClass::for_retention;
        assert_eq!(class(Some(0), None), RetentionClass::Hours);
        assert_eq!(class(Some(6 * HOUR_MS + 1), Some(1)), RetentionClass::Days);
        assert_eq!(class(Some(30 * 24 * HOUR_MS), None), RetentionClass::Weeks);
        assert_eq!(class(None, Some(1 << 30)), RetentionClass::Weeks);
        assert_eq!(class(None, None), RetentionClass::Forever);
        for (class_idx, class) in RetentionClass::ALL.into_iter().enumerate() {
            assert_eq!(RetentionClass::from_number(class as u8), Some(class));
            assert_eq!(class.idx(), class_idx);
        }
        assert_eq!(RetentionClass::from_number(0), None);
    }
}
