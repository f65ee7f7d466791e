//! The scheduler's promises, on views that only count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use parking_lot::Mutex;
use weir_types::{Epoch, Error, ObjectId, Result, SqlState, TopicId};

use super::{Failure, Maintained, Scheduler, Tick, TickClass, ViewInputs};

/// Remembers its ticks; fails up to and with `fails_until`; takes no more than `most` epochs at once.
struct Probe {
    ticks: Mutex<Vec<(Epoch, Epoch)>>,
    gate: Mutex<()>,
    fails_until: Epoch,
    most: u64,
}

impl Probe {
    fn new(fails_until: Epoch) -> Arc<Self> {
        Self::taking(u64::MAX, fails_until)
    }

    fn taking(most: u64, fails_until: Epoch) -> Arc<Self> {
        Arc::new(Self { ticks: Mutex::default(), gate: Mutex::default(), fails_until, most })
    }

    fn ticks(&self) -> Vec<(u64, u64)> {
        self.ticks.lock().iter().map(|(from, upto)| (from.0, upto.0)).collect()
    }
}

impl Maintained for Probe {
    fn tick(&self, from: Epoch, upto: Epoch) -> Result<Tick> {
        let _open = self.gate.lock();
        if upto <= self.fails_until {
            return Err(Error::new(SqlState::DivisionByZero, "division by zero"));
        }
        let upto = upto.min(Epoch(from.0.saturating_add(self.most)));
        self.ticks.lock().push((from, upto));
        Ok(Tick { upto, changed: true })
    }

    fn class(&self) -> TickClass {
        TickClass::Linear
    }
}

const TOPIC: TopicId = TopicId(1);
const A: ObjectId = ObjectId(100);
const B: ObjectId = ObjectId(101);

fn on_topic() -> ViewInputs {
    ViewInputs { topics: BTreeSet::from([TOPIC]), ..ViewInputs::default() }
}

fn on_view(id: ObjectId) -> ViewInputs {
    ViewInputs { views: vec![id], ..ViewInputs::default() }
}

fn commit(scheduler: &Scheduler, epoch: u64) {
    scheduler.committed(Epoch(epoch), &BTreeSet::from([TOPIC]), false);
}

fn wait(scheduler: &Scheduler, views: &[ObjectId]) -> (Epoch, Receiver<Result<(), Failure>>) {
    let (sender, receiver) = channel();
    let waiter = Box::new(move |outcome| {
        let _ = sender.send(outcome);
    });
    (scheduler.wait_at_newest(views, &[], waiter), receiver)
}

fn wait_at(
    scheduler: &Scheduler,
    epoch: Epoch,
    views: &[ObjectId],
) -> Receiver<Result<(), Failure>> {
    let (sender, receiver) = channel();
    let waiter = Box::new(move |outcome| {
        let _ = sender.send(outcome);
    });
    scheduler.wait_at(epoch, views, waiter);
    receiver
}

fn until_running(scheduler: &Scheduler, id: ObjectId) {
    while !scheduler.status(id).expect("added").running {
        std::thread::yield_now();
    }
}

#[test]
fn a_lagging_view_takes_all_that_waited_in_one_tick_but_stops_at_a_cut() {
    let scheduler = Scheduler::start(1, Epoch(1));
    let probe = Probe::new(Epoch::ZERO);
    let gate = probe.gate.lock();
    scheduler.add(A, on_topic(), Epoch(1), Arc::clone(&probe) as Arc<dyn Maintained>);
    commit(&scheduler, 2);
    until_running(&scheduler, A);
    commit(&scheduler, 3);
    commit(&scheduler, 4);
    let (epoch, done) = wait(&scheduler, &[A]);
    assert_eq!(epoch, Epoch(4));
    commit(&scheduler, 5);
    commit(&scheduler, 6);
    drop(gate);
    done.recv().expect("the scheduler answers").expect("no tick fails");
    let (_, done) = wait(&scheduler, &[A]);
    done.recv().expect("the scheduler answers").expect("no tick fails");
    assert_eq!(probe.ticks(), [(1, 2), (2, 4), (4, 6)]);
    scheduler.stop();
}

#[test]
fn a_tick_that_ends_early_is_followed_by_others_up_to_the_epoch_that_is_waited_for() {
    let scheduler = Scheduler::start(2, Epoch(1));
    let lower = Probe::taking(2, Epoch::ZERO);
    let upper = Probe::new(Epoch::ZERO);
    let gate = lower.gate.lock();
    scheduler.add(A, on_topic(), Epoch(1), Arc::clone(&lower) as Arc<dyn Maintained>);
    scheduler.add(B, on_view(A), Epoch(1), Arc::clone(&upper) as Arc<dyn Maintained>);
    commit(&scheduler, 2);
    until_running(&scheduler, A);
    (3..=7).for_each(|epoch| commit(&scheduler, epoch));
    let (epoch, done) = wait(&scheduler, &[A, B]);
    assert_eq!(epoch, Epoch(7));
    commit(&scheduler, 8);
    drop(gate);
    done.recv().expect("the scheduler answers").expect("no tick fails");
    assert_eq!(lower.ticks()[..4], [(1, 2), (2, 4), (4, 6), (6, 7)]);
    assert!(upper.ticks().iter().any(|(_, upto)| *upto == 7));
    scheduler.stop();
}

#[test]
fn a_view_that_lags_is_exact_no_further_than_its_last_tick() {
    let scheduler = Scheduler::start(1, Epoch(10));
    let probe = Probe::taking(3, Epoch::ZERO);
    let gate = probe.gate.lock();
    scheduler.add(A, on_topic(), Epoch(3), Arc::clone(&probe) as Arc<dyn Maintained>);
    assert_eq!(scheduler.newest_common(&[A]), Some(Epoch(3)));
    // The epochs between were not told of; the pieces end at some of them.
    let exact = wait_at(&scheduler, Epoch(6), &[A]);
    drop(gate);
    exact.recv().expect("the scheduler answers").expect("no tick fails");
    let (_, done) = wait(&scheduler, &[A]);
    done.recv().expect("the scheduler answers").expect("no tick fails");
    assert_eq!(probe.ticks().first(), Some(&(3, 6)));
    assert_eq!(probe.ticks().last().map(|(_, upto)| *upto), Some(10));
    scheduler.stop();
}

#[test]
fn a_view_on_a_view_ticks_only_at_epochs_where_the_lower_one_stopped() {
    let scheduler = Scheduler::start(2, Epoch(1));
    let lower = Probe::new(Epoch::ZERO);
    let upper = Probe::new(Epoch::ZERO);
    scheduler.add(A, on_topic(), Epoch(1), Arc::clone(&lower) as Arc<dyn Maintained>);
    scheduler.add(B, on_view(A), Epoch(1), Arc::clone(&upper) as Arc<dyn Maintained>);
    for epoch in 2..200 {
        commit(&scheduler, epoch);
    }
    let (_, done) = wait(&scheduler, &[B]);
    done.recv().expect("the scheduler answers").expect("no tick fails");
    let stops: BTreeSet<u64> = lower.ticks().iter().map(|(_, upto)| *upto).collect();
    for (_, upto) in upper.ticks() {
        assert!(stops.contains(&upto), "the upper view saw epoch {upto}, the lower one never did");
    }
    assert_eq!(upper.ticks().last().map(|(_, upto)| *upto), Some(199));
    scheduler.stop();
}

#[test]
fn a_view_that_nothing_touched_is_exact_without_a_tick() {
    let scheduler = Scheduler::start(1, Epoch(1));
    let probe = Probe::new(Epoch::ZERO);
    scheduler.add(A, on_topic(), Epoch(1), Arc::clone(&probe) as Arc<dyn Maintained>);
    scheduler.committed(Epoch(2), &BTreeSet::from([TopicId(9)]), false);
    let (epoch, done) = wait(&scheduler, &[A]);
    assert_eq!(epoch, Epoch(2));
    done.recv().expect("the scheduler answers").expect("nothing can fail");
    assert_eq!(scheduler.newest_common(&[A]), Some(Epoch(2)));
    assert_eq!(probe.ticks(), []);
    scheduler.stop();
}

#[test]
fn a_failing_view_answers_with_its_error_and_heals_when_an_input_changes() {
    let scheduler = Scheduler::start(1, Epoch(1));
    let lower = Probe::new(Epoch(3));
    let upper = Probe::new(Epoch::ZERO);
    scheduler.add(A, on_topic(), Epoch(1), Arc::clone(&lower) as Arc<dyn Maintained>);
    scheduler.add(B, on_view(A), Epoch(1), Arc::clone(&upper) as Arc<dyn Maintained>);
    commit(&scheduler, 2);
    let (_, done) = wait(&scheduler, &[B]);
    let failure = done.recv().expect("the scheduler answers").expect_err("the lower view fails");
    assert_eq!((failure.view, failure.error.state()), (Some(A), SqlState::DivisionByZero));
    for id in [A, B] {
        let failed = scheduler.status(id).expect("added").failed;
        assert_eq!(failed.and_then(|failure| failure.view), Some(A));
    }
    assert_eq!(scheduler.newest_common(&[A]), Some(Epoch(1)));
    commit(&scheduler, 3);
    commit(&scheduler, 4);
    let (_, done) = wait(&scheduler, &[B]);
    done.recv().expect("the scheduler answers").expect("epoch 4 heals it");
    assert!(scheduler.status(B).expect("added").failed.is_none());
    assert_eq!(lower.ticks().last().map(|(_, upto)| *upto), Some(4));
    scheduler.stop();
}

#[test]
fn a_new_view_is_filled_and_its_waiters_wait_for_that() {
    let scheduler = Scheduler::start(1, Epoch(7));
    let probe = Probe::new(Epoch::ZERO);
    let gate = probe.gate.lock();
    scheduler.add(A, on_topic(), Epoch::ZERO, Arc::clone(&probe) as Arc<dyn Maintained>);
    assert_eq!(scheduler.newest_common(&[A]), None);
    let (_, done) = wait(&scheduler, &[A]);
    assert!(done.try_recv().is_err(), "the view has no content yet");
    drop(gate);
    done.recv().expect("the scheduler answers").expect("no tick fails");
    assert_eq!(probe.ticks(), [(0, 7)]);
    scheduler.stop();
}

#[test]
fn waiters_of_a_dropped_view_are_told() {
    let scheduler = Scheduler::start(1, Epoch(1));
    let probe = Probe::new(Epoch(9));
    scheduler.add(A, on_topic(), Epoch(1), Arc::clone(&probe) as Arc<dyn Maintained>);
    let gate = probe.gate.lock();
    commit(&scheduler, 2);
    let (_, done) = wait(&scheduler, &[A]);
    drop(gate);
    scheduler.remove(A);
    assert!(done.recv().expect("the scheduler answers").is_err());
    assert!(scheduler.status(A).is_none());
    scheduler.stop();
}

#[test]
fn a_view_that_lags_touches_its_reader_before_a_newer_commit_did() {
    let scheduler = Scheduler::start(2, Epoch(1));
    let lower = Probe::new(Epoch::ZERO);
    let upper = Probe::new(Epoch::ZERO);
    let other = TopicId(2);
    let inputs = ViewInputs { topics: BTreeSet::from([other]), ..on_view(A) };
    scheduler.add(A, on_topic(), Epoch(1), Arc::clone(&lower) as Arc<dyn Maintained>);
    scheduler.add(B, inputs, Epoch(1), Arc::clone(&upper) as Arc<dyn Maintained>);
    let gate = lower.gate.lock();
    commit(&scheduler, 2);
    until_running(&scheduler, A);
    scheduler.committed(Epoch(3), &BTreeSet::from([other]), false);
    // Somebody needs the epoch between: the reader stops there, with what the lagging view gives.
    let stopped = wait_at(&scheduler, Epoch(2), &[B]);
    let (_, newest) = wait(&scheduler, &[B]);
    drop(gate);
    stopped.recv().expect("the scheduler answers").expect("no tick fails");
    newest.recv().expect("the scheduler answers").expect("no tick fails");
    assert_eq!(upper.ticks(), [(1, 2), (2, 3)]);
    scheduler.stop();
}

#[test]
fn a_view_goes_on_from_a_cut_that_it_reached_without_a_tick() {
    let scheduler = Scheduler::start(1, Epoch(1));
    let [lower, upper, busy] = [(); 3].map(|()| Probe::new(Epoch::ZERO));
    let (other, third, c) = (TopicId(2), TopicId(3), ObjectId(102));
    let inputs = ViewInputs { topics: BTreeSet::from([other]), ..on_view(A) };
    let on_third = ViewInputs { topics: BTreeSet::from([third]), ..ViewInputs::default() };
    scheduler.add(A, on_topic(), Epoch(1), Arc::clone(&lower) as Arc<dyn Maintained>);
    scheduler.add(B, inputs, Epoch(1), Arc::clone(&upper) as Arc<dyn Maintained>);
    scheduler.add(c, on_third, Epoch(1), Arc::clone(&busy) as Arc<dyn Maintained>);
    // The only worker is busy until both commits are there: the lower view goes past the first one.
    let (busy_gate, lower_gate) = (busy.gate.lock(), lower.gate.lock());
    scheduler.committed(Epoch(2), &BTreeSet::from([third]), false);
    until_running(&scheduler, c);
    commit(&scheduler, 3);
    scheduler.committed(Epoch(4), &BTreeSet::from([other]), false);
    drop(busy_gate);
    until_running(&scheduler, A);
    let stopped = wait_at(&scheduler, Epoch(3), &[B]);
    let (_, newest) = wait(&scheduler, &[B]);
    drop(lower_gate);
    stopped.recv().expect("the scheduler answers").expect("no tick fails");
    newest.recv().expect("the scheduler answers").expect("no tick fails");
    assert_eq!(upper.ticks(), [(3, 4)]);
    scheduler.stop();
}

#[test]
fn a_failed_view_is_not_given_up_before_what_it_reads_has_changed() {
    let scheduler = Scheduler::start(2, Epoch(1));
    let lower = Probe::new(Epoch::ZERO);
    let upper = Probe::new(Epoch(2));
    scheduler.add(A, on_topic(), Epoch(1), Arc::clone(&lower) as Arc<dyn Maintained>);
    scheduler.add(B, on_view(A), Epoch(1), Arc::clone(&upper) as Arc<dyn Maintained>);
    commit(&scheduler, 2);
    let (_, done) = wait(&scheduler, &[B]);
    done.recv().expect("the scheduler answers").expect_err("the upper view fails");
    let gate = lower.gate.lock();
    commit(&scheduler, 3);
    let (_, done) = wait(&scheduler, &[B]);
    drop(gate);
    done.recv().expect("the scheduler answers").expect("epoch 3 heals it");
    scheduler.stop();
}

#[test]
fn each_view_is_waited_for_by_itself() {
    let scheduler = Scheduler::start(2, Epoch(1));
    let [failing, other] = [Epoch(2), Epoch::ZERO].map(Probe::new);
    scheduler.add(A, on_topic(), Epoch(1), Arc::clone(&failing) as Arc<dyn Maintained>);
    scheduler.add(B, on_topic(), Epoch(1), Arc::clone(&other) as Arc<dyn Maintained>);
    let gates = [failing.gate.lock(), other.gate.lock()];
    commit(&scheduler, 2);
    until_running(&scheduler, A);
    until_running(&scheduler, B);
    let (sender, answers) = channel();
    let noted = Mutex::new(None);
    let epoch = scheduler.wait_for_each_at_newest(
        &[A, B],
        |epoch| *noted.lock() = Some(epoch),
        |id| {
            let sender = sender.clone();
            Box::new(move |outcome: Result<(), Failure>| {
                let _ = sender.send((id, outcome.is_ok()));
            })
        },
    );
    assert_eq!((epoch, *noted.lock()), (Epoch(2), Some(Epoch(2))));
    drop(gates);
    let both: BTreeMap<_, _> = answers.iter().take(2).collect();
    // The first one heals, and was not exact there.
    commit(&scheduler, 3);
    let (_, done) = wait(&scheduler, &[A]);
    done.recv().expect("the scheduler answers").expect("epoch 3 heals it");
    assert_eq!(both, BTreeMap::from([(A, false), (B, true)]));
    scheduler.stop();
}
