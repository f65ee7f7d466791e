//! Who writes when.

use std::time::Duration;

use tokio::time::Instant;

use super::STATEMENTS_PER_SECOND;

/// Of each turn, before anything is counted: the server has just been woken, and may have a checkpoint to make.
const WARM_UP: u64 = 12;
/// Counted seconds of a turn at most.
const COUNTED: u64 = 30;
/// After a turn's writing, for its last rows to arrive.
const QUIET: Duration = Duration::from_secs(2);

/// The turns of a server, all alike.
#[derive(Clone, Copy)]
pub(crate) struct Turns {
    pub(crate) count: usize,
    /// Counted seconds of each.
    pub(crate) counted: u64,
}

impl Turns {
    /// Turns whose counted seconds are so many, or a few more.
    pub(crate) fn of(seconds: u64) -> Self {
        let count = seconds.div_ceil(COUNTED).max(1);
        Self { count: count as usize, counted: seconds.div_ceil(count) }
    }

    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs(WARM_UP + self.counted) + QUIET
    }

    /// When the turns begin of the server that has that place among so many.
    pub(crate) fn starts(&self, start: Instant, place: usize, n_servers: usize) -> Vec<Instant> {
        let turns = (0..self.count).map(|turn| (turn * n_servers + place) as u32);
        turns.map(|turn| start + self.length() * turn).collect()
    }

    /// INSERTs of a writer in all turns.
    pub(crate) fn n_statements(&self) -> usize {
        self.count * self.statements_of_turn()
    }

    pub(crate) fn statements_of_turn(&self) -> usize {
        (WARM_UP + self.counted) as usize * STATEMENTS_PER_SECOND as usize
    }

    /// True for a writer's INSERT of that number that is counted.
    pub(crate) fn counts(&self, statement_idx: usize) -> bool {
        let n_warm = WARM_UP as usize * STATEMENTS_PER_SECOND as usize;
        statement_idx % self.statements_of_turn() >= n_warm
    }

    /// Seconds of a server's turns in which rows come.
    pub(crate) fn seconds_of_writing(&self) -> f64 {
        (self.count as u64 * (WARM_UP + self.counted)) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_have_the_seconds_that_were_asked_for() {
        let turns = Turns::of(120);
        assert_eq!((turns.count, turns.counted), (4, 30));
        assert_eq!((Turns::of(5).count, Turns::of(5).counted), (1, 5));
        let counted = (0..turns.n_statements()).filter(|idx| turns.counts(*idx)).count();
        assert_eq!(counted, 120 * STATEMENTS_PER_SECOND as usize);
    }

    #[test]
    fn no_two_servers_write_at_once() {
        let (turns, start) = (Turns::of(60), Instant::now());
        let [first, second] = [0, 1].map(|place| turns.starts(start, place, 2));
        let in_seconds = |at: &Instant| (*at - start).as_secs();
        assert_eq!(first.iter().map(in_seconds).collect::<Vec<_>>(), [0, 88]);
        assert_eq!(second.iter().map(in_seconds).collect::<Vec<_>>(), [44, 132]);
    }
}
