//! Defects that the tests of the tests plant, and a switch that makes small tests meet what large ones do.
//!
//! Each harness must find every one of them; a harness that does not is not worth its time. They are there only with
//! the feature `planted-bugs`, which `weir-tests` alone asks for, and do nothing until a test sets one.

/// A defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Bug {
    /// A tick's change of a view is dropped now and then.
    DroppedDelta = 1,
    /// A tick's change of a view is applied twice.
    DoubledDelta,
    /// Rows that come are rows that go, in a tick's change.
    WrongSign,
    /// A view is read at the epoch before.
    StaleView,
    /// A table is read at the epoch before.
    StaleTable,
    /// A tick runs its query one epoch too early.
    EarlyTick,
    /// A commit is not told to the views.
    MissedCommit,
    /// The last partition of a stream is not read.
    IgnoredPartition,
    /// Reading a stream begins one record too late.
    SkippedOffset,
    /// NULL joins NULL.
    NullsJoin,
    /// The newest change of a table is not replayed at a start.
    LostReplay,
    /// Commits are acknowledged without their fsync.
    SkippedFsync,
    /// ROLLBACK commits.
    KeptRollback,
    /// COMMIT forgets what the block appended to streams.
    LostAppends,
    /// ON CONFLICT DO UPDATE changes nothing.
    IgnoredUpsert,
    /// A filter of a linear view lets rows through for which its condition is NULL.
    NullPasses,
    /// Unnesting loses the last element.
    LostElement,
    /// A linear view forgets its last branch.
    LostBranch,
    /// A query that runs again for touched values misses those of its first input.
    UntouchedKeys,
    /// Equal rows count once in the difference of two results.
    SetDifference,
    /// A view that fails shows what it had.
    SwallowedError,
    /// A group of an aggregation stays when its last row goes.
    KeptGroup,
    /// A value counts each time for an aggregate with DISTINCT.
    DistinctAgain,
    /// A checkpoint misses groups that changed.
    LostState,
}

/// All of them.
pub const ALL: [Bug; 24] = [
    Bug::DroppedDelta,
    Bug::DoubledDelta,
    Bug::WrongSign,
    Bug::StaleView,
    Bug::StaleTable,
    Bug::EarlyTick,
    Bug::MissedCommit,
    Bug::IgnoredPartition,
    Bug::SkippedOffset,
    Bug::NullsJoin,
    Bug::LostReplay,
    Bug::SkippedFsync,
    Bug::KeptRollback,
    Bug::LostAppends,
    Bug::IgnoredUpsert,
    Bug::NullPasses,
    Bug::LostElement,
    Bug::LostBranch,
    Bug::UntouchedKeys,
    Bug::SetDifference,
    Bug::SwallowedError,
    Bug::KeptGroup,
    Bug::DistinctAgain,
    Bug::LostState,
];

#[cfg(feature = "planted-bugs")]
static PLANTED: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Plants a defect in this process, in place of the one before; or takes that out.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(0, |bug| bug as u8), std::sync::atomic::Ordering::Relaxed);
}

/// True where that defect is planted; never without the feature.
#[cfg(feature = "planted-bugs")]
#[inline]
#[must_use]
pub fn is(bug: Bug) -> bool {
    PLANTED.load(std::sync::atomic::Ordering::Relaxed) == bug as u8
}

/// True where that defect is planted; never without the feature.
#[cfg(not(feature = "planted-bugs"))]
#[inline]
#[must_use]
pub const fn is(_bug: Bug) -> bool {
    false
}

/// True in a process whose variable `WEIR_SMALL` is set: hashes of tables in memory have 4 bits, what is done for many
/// rows is done for few, and the log keeps few blocks in memory and each column by itself, so that small tests meet
/// collisions, threads, and columns from disk. Never without the feature.
#[cfg(feature = "planted-bugs")]
#[inline]
#[must_use]
pub fn is_small() -> bool {
    static IS_SMALL: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *IS_SMALL.get_or_init(|| std::env::var_os("WEIR_SMALL").is_some())
}

/// True in a process that makes much of few rows; never without the feature.
#[cfg(not(feature = "planted-bugs"))]
#[inline]
#[must_use]
pub const fn is_small() -> bool {
    false
}
