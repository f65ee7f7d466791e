//! Ids as newtypes: an offset, a count and an object id never mix by accident.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Identifies a catalog object for ever; never reused, and shown to PostgreSQL clients as its oid.
    ObjectId(u32)
}
id! {
    /// Identifies a topic for ever; never reused, so that a late delete cannot hit a younger topic.
    TopicId(u32)
}
id! {
    /// One ordered part of a topic, from 0.
    PartitionId(u32)
}
id! {
    /// Identifies a column of a relation for ever; survives RENAME, never reused within its relation.
    ColumnId(u32)
}
id! {
    /// Position of a record within a partition, from 0, without gaps.
    Offset(u64)
}

impl Offset {
    /// The position `n_records` after this one.
    #[must_use]
    pub fn advance(self, n_records: u64) -> Self {
        Self(self.0 + n_records)
    }
}
