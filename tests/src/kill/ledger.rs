//! What clients know that they wrote and read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a client knows of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It was acknowledged: it is there.
    Done,
    /// It was refused: it is not there.
    Refused,
    /// It is under way, or the answer was lost.
    Unknown,
}

/// A write of rows that nothing changes later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    /// Rows of it in stream `events`.
    pub(super) parts: i64,
    /// True where it has a row in `more` and in `transfers` too.
    pub(super) is_transfer: bool,
    pub(super) known: Known,
}

/// A value of which an earlier one is known, and perhaps a write is under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Value<T> {
    pub(super) certain: T,
    pub(super) perhaps: Option<T>,
}

impl<T: Clone + PartialEq> Value<T> {
    /// A write begins.
    pub(super) fn begin(&mut self, next: T) {
        self.perhaps = Some(next);
    }

    /// It was acknowledged.
    pub(super) fn done(&mut self) {
        if let Some(next) = self.perhaps.take() {
            self.certain = next;
        }
    }

    /// It was refused.
    pub(super) fn refused(&mut self) {
        self.perhaps = None;
    }

    /// True where that may be the value now; it is known from then on.
    pub(super) fn settle(&mut self, found: &T) -> bool {
        let fits = *found == self.certain || self.perhaps.as_ref() == Some(found);
        self.certain = found.clone();
        self.perhaps = None;
        fits
    }
}

/// All that clients know.
#[derive(Debug, Default)]
pub struct Ledger {
    last_op: i64,
    /// Writes by the number in their rows.
    pub(super) writes: BTreeMap<i64, Write>,
    /// The value of each key of table `kv`; `None` where the key is not there.
    pub(super) kv: HashMap<i32, Value<Option<i64>>>,
    /// Whether each relation of the DDL exists.
    pub(super) relations: BTreeMap<String, Value<bool>>,
    /// Numbers that were read from `events`, whoever wrote them.
    pub(super) read: BTreeSet<i64>,
    /// The highest epoch that was seen.
    pub(super) epoch: u64,
    /// Lines of the files: those with a number, and those that are damaged.
    pub(super) lines: BTreeSet<i64>,
    pub(super) bad_lines: BTreeSet<String>,
    /// Rows of files that were read by a client.
    pub(super) lines_read: i64,
}

impl Ledger {
    /// A new write begins; its number.
    pub(super) fn begin(&mut self, parts: i64, is_transfer: bool) -> i64 {
        self.last_op += 1;
        let write = Write { parts, is_transfer, known: Known::Unknown };
        self.writes.insert(self.last_op, write);
        self.last_op
    }

    /// What is known of a write now.
    pub(super) fn know(&mut self, op: i64, known: Known) {
        self.writes.get_mut(&op).expect("a write that began").known = known;
    }

    /// A number that no write and no line had.
    pub(super) fn number(&mut self) -> i64 {
        self.last_op += 1;
        self.last_op
    }
}
