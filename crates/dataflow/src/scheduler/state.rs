//! The scheduler's decisions, as plain functions on its state.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use weir_types::planted::{self, Bug};
use weir_types::{Epoch, Error, ObjectId, Result, SqlState, TopicId};

use super::entry::Entry;
use super::{Failure, Maintained, Tick, TickClass, ViewStatus, Waiter};

/// A wait for several views to be exact at one epoch.
struct Wait {
    views: Vec<ObjectId>,
    epoch: Epoch,
    waiter: Waiter,
}

/// All views, and what waits.
pub(super) struct State {
    newest: Epoch,
    views: BTreeMap<ObjectId, Entry>,
    by_topic: BTreeMap<TopicId, BTreeSet<ObjectId>>,
    clock: BTreeSet<ObjectId>,
    queues: [VecDeque<ObjectId>; 2],
    n_queued: [usize; 2],
    waits: Vec<Wait>,
    done: Vec<(Waiter, Result<(), Failure>)>,
    stopped: bool,
}

/// A tick to run.
pub(super) struct Job {
    pub(super) id: ObjectId,
    pub(super) view: Arc<dyn Maintained>,
    pub(super) from: Epoch,
    pub(super) upto: Epoch,
}

impl State {
    pub(super) fn new(newest: Epoch) -> Self {
        Self {
            newest,
            views: BTreeMap::new(),
            by_topic: BTreeMap::new(),
            clock: BTreeSet::new(),
            queues: [VecDeque::new(), VecDeque::new()],
            n_queued: [0, 0],
            waits: Vec::new(),
            done: Vec::new(),
            stopped: false,
        }
    }

    pub(super) fn newest(&self) -> Epoch {
        self.newest
    }

    pub(super) fn take_done(&mut self) -> Vec<(Waiter, Result<(), Failure>)> {
        std::mem::take(&mut self.done)
    }

    pub(super) fn take_queued(&mut self) -> [usize; 2] {
        std::mem::take(&mut self.n_queued)
    }

    pub(super) fn add(&mut self, id: ObjectId, mut entry: Entry) {
        for topic in &entry.inputs.topics {
            self.by_topic.entry(*topic).or_default().insert(id);
        }
        if entry.inputs.clock {
            self.clock.insert(id);
        }
        for upstream in entry.inputs.views.clone() {
            if let Some(upstream) = self.views.get_mut(&upstream) {
                upstream.downstream.push(id);
            }
        }
        if entry.processed < self.newest {
            entry.touch(self.newest);
            if entry.has_content() {
                entry.touch(entry.processed.next());
            }
        }
        self.views.insert(id, entry);
        self.plan(id);
    }

    /// Takes the view out, unless a tick of it runs: then it is marked, and true is returned.
    pub(super) fn remove(&mut self, id: ObjectId) -> bool {
        let Some(entry) = self.views.get_mut(&id) else { return false };
        entry.removed = true;
        if entry.running.is_some() {
            return true;
        }
        let Some(entry) = self.views.remove(&id) else { return false };
        for topic in &entry.inputs.topics {
            if let Some(users) = self.by_topic.get_mut(topic) {
                users.remove(&id);
            }
        }
        self.clock.remove(&id);
        for upstream in &entry.inputs.views {
            if let Some(upstream) = self.views.get_mut(upstream) {
                upstream.downstream.retain(|user| *user != id);
            }
        }
        self.settle();
        false
    }

    pub(super) fn committed(&mut self, epoch: Epoch, topics: &BTreeSet<TopicId>, timer: bool) {
        debug_assert!(epoch > self.newest, "epochs come in order");
        self.newest = epoch;
        let mut touched = BTreeSet::new();
        for topic in topics {
            touched.extend(self.by_topic.get(topic).into_iter().flatten().copied());
        }
        if timer {
            touched.extend(self.clock.iter().copied());
        }
        if planted::is(Bug::MissedCommit) && epoch.0.is_multiple_of(3) {
            touched.clear();
        }
        for id in touched {
            if let Some(entry) = self.views.get_mut(&id) {
                entry.touch(epoch);
            }
            self.plan(id);
        }
    }

    /// Registers the wait; hands the waiter back with the outcome where that is known at once.
    pub(super) fn wait(
        &mut self,
        views: &[ObjectId],
        epoch: Epoch,
        waiter: Waiter,
    ) -> Option<(Waiter, Result<(), Failure>)> {
        match self.outcome(views, epoch) {
            Some(outcome) => Some((waiter, outcome)),
            None => {
                self.begin_wait(views, epoch, waiter);
                None
            }
        }
    }

    /// Registers a wait that is not over yet.
    pub(super) fn begin_wait(&mut self, views: &[ObjectId], epoch: Epoch, waiter: Waiter) {
        for id in views {
            self.cut(*id, epoch);
        }
        self.waits.push(Wait { views: views.to_vec(), epoch, waiter });
    }

    /// The newest epoch at which all the views are exact now.
    pub(super) fn newest_common(&self, views: &[ObjectId]) -> Option<Epoch> {
        let mut exact: Vec<(Epoch, Epoch)> = Vec::with_capacity(views.len());
        for id in views {
            let entry = self.views.get(id)?;
            if !entry.has_content() {
                return None;
            }
            exact.push((entry.processed, self.exact_until(*id)));
        }
        let newest = exact.iter().map(|(_, until)| *until).min().unwrap_or(self.newest);
        let all_exact = exact.iter().all(|(from, _)| *from <= newest);
        all_exact.then_some(newest)
    }

    pub(super) fn oldest_exact(&self) -> Option<Epoch> {
        let views = self.views.iter().filter(|(_, entry)| entry.has_content());
        let sound = views.map(|(id, _)| *id).filter(|id| self.failed(*id).is_none());
        sound.map(|id| self.exact_until(id)).min()
    }

    /// The last epoch up to which the view's content of `processed` stays exact.
    fn exact_until(&self, id: ObjectId) -> Epoch {
        let Some(entry) = self.views.get(&id) else { return Epoch::ZERO };
        let own = match entry.dirty.front() {
            Some(first) => Epoch(first.0 - 1),
            None => self.newest,
        };
        let above = entry.inputs.views.iter().map(|upstream| self.exact_until(*upstream));
        above.fold(own, Epoch::min).max(entry.processed)
    }

    pub(super) fn retry(&mut self, id: ObjectId) {
        if let Some(entry) = self.views.get_mut(&id) {
            entry.failed = None;
            if entry.dirty.is_empty() && entry.processed < self.newest {
                entry.touch(self.newest);
            }
            self.plan(id);
        }
    }

    pub(super) fn status(&self, id: ObjectId) -> Option<ViewStatus> {
        let entry = self.views.get(&id)?;
        let processed = if entry.has_content() { self.exact_until(id) } else { Epoch::ZERO };
        Some(ViewStatus {
            processed,
            n_waiting: entry.dirty.len(),
            running: entry.running.is_some(),
            failed: self.failed(id),
        })
    }

    /// The failure of a view that this one reads, or else its own.
    fn failed(&self, id: ObjectId) -> Option<Failure> {
        let entry = self.views.get(&id)?;
        let above = entry.inputs.views.iter().find_map(|upstream| self.failed(*upstream));
        above.or_else(|| {
            let (_, error) = entry.failed.as_ref()?;
            Some(Failure { view: Some(id), error: error.clone() })
        })
    }

    pub(super) fn processed(&self) -> Vec<(ObjectId, Epoch)> {
        self.views.iter().map(|(id, entry)| (*id, entry.processed)).collect()
    }

    pub(super) fn stop(&mut self) -> Vec<Waiter> {
        self.stopped = true;
        self.waits.drain(..).map(|wait| wait.waiter).collect()
    }

    /// The next tick of that class; `None` where nothing can run.
    pub(super) fn next_job(&mut self, class: TickClass) -> Option<Job> {
        while let Some(id) = self.queues[class.queue()].pop_front() {
            let Some(entry) = self.views.get_mut(&id) else { continue };
            entry.queued = false;
            if entry.removed || entry.running.is_some() {
                continue;
            }
            let Some(upto) = self.target(id) else { continue };
            if !self.inputs_exact(id, upto) {
                continue;
            }
            let entry = self.views.get_mut(&id).expect("looked up above");
            entry.running = Some(upto);
            let view = Arc::clone(&entry.view);
            return Some(Job { id, view, from: entry.processed, upto });
        }
        None
    }

    pub(super) fn stopped(&self) -> bool {
        self.stopped
    }

    /// Takes in what a tick did.
    pub(super) fn finished(&mut self, id: ObjectId, upto: Epoch, outcome: Result<Tick>) {
        let Some(entry) = self.views.get_mut(&id) else { return };
        entry.running = None;
        match outcome {
            Ok(tick) => {
                let first = !entry.has_content();
                entry.failed = None;
                entry.advance(tick.upto);
                if tick.upto < upto {
                    // The content is exact no further, although the next commit that was told may be a later one.
                    entry.touch(tick.upto.next());
                }
                if tick.changed || first {
                    for user in entry.downstream.clone() {
                        if let Some(user) = self.views.get_mut(&user) {
                            user.touch(tick.upto);
                        }
                    }
                }
            }
            Err(error) => {
                entry.failed = Some((upto, error.clone()));
                self.fail_waits(id, upto, &error);
            }
        }
        let users = self.views.get(&id).map(|entry| entry.downstream.clone()).unwrap_or_default();
        for user in users {
            self.plan(user);
        }
        self.plan(id);
        self.settle();
    }

    /// Ends the waits for the failed view, and for those that read it, up to the epoch it failed at. Nobody
    /// stops there any more: a later tick may heal the view without ever being exact at that epoch.
    fn fail_waits(&mut self, id: ObjectId, upto: Epoch, error: &Error) {
        let failure = Failure { view: Some(id), error: error.clone() };
        let mut failed = BTreeSet::from([id]);
        let mut stack = vec![id];
        while let Some(id) = stack.pop() {
            let Some(entry) = self.views.get_mut(&id) else { continue };
            entry.cuts = entry.cuts.split_off(&upto.next());
            stack.extend(entry.downstream.iter().copied().filter(|user| failed.insert(*user)));
        }
        for wait in std::mem::take(&mut self.waits) {
            if wait.epoch <= upto && wait.views.iter().any(|view| failed.contains(view)) {
                self.done.push((wait.waiter, Err(failure.clone())));
            } else {
                self.waits.push(wait);
            }
        }
    }

    /// Makes the view and those it reads stop at `epoch`.
    pub(super) fn cut(&mut self, id: ObjectId, epoch: Epoch) {
        if self.exact_at(id, epoch) {
            return;
        }
        let Some(entry) = self.views.get_mut(&id) else { return };
        entry.cuts.insert(epoch);
        for upstream in entry.inputs.views.clone() {
            self.cut(upstream, epoch);
        }
        self.plan(id);
    }

    /// True where the view's content is exact at `epoch`.
    fn exact_at(&self, id: ObjectId, epoch: Epoch) -> bool {
        let Some(entry) = self.views.get(&id) else { return true };
        entry.processed >= epoch || (entry.clean_at(epoch) && self.inputs_exact(id, epoch))
    }

    fn inputs_exact(&self, id: ObjectId, epoch: Epoch) -> bool {
        let Some(entry) = self.views.get(&id) else { return true };
        entry.inputs.views.iter().all(|upstream| self.exact_at(*upstream, epoch))
    }

    /// Where the view's next tick should end; `None` where it has no reason to run.
    fn target(&self, id: ObjectId) -> Option<Epoch> {
        let entry = self.views.get(&id)?;
        if entry.removed || entry.stuck().is_some() {
            return None;
        }
        if let Some(cut) = entry.cuts.first() {
            return Some(*cut);
        }
        if entry.dirty.is_empty() && entry.has_content() {
            return None;
        }
        Some(self.newest)
    }

    /// Puts the view in its queue where a tick can begin; else asks those it reads to come along.
    fn plan(&mut self, id: ObjectId) {
        let Some(upto) = self.target(id) else { return };
        let Some(entry) = self.views.get_mut(&id) else { return };
        if entry.running.is_some() || entry.queued || upto == Epoch::ZERO {
            return;
        }
        let upstreams = entry.inputs.views.clone();
        let waiting: Vec<ObjectId> =
            upstreams.into_iter().filter(|upstream| !self.exact_at(*upstream, upto)).collect();
        if !waiting.is_empty() {
            // Fixed as a cut, so that the end does not move on while those upstream get there.
            if let Some(entry) = self.views.get_mut(&id) {
                entry.cuts.insert(upto);
            }
            for upstream in waiting {
                self.cut(upstream, upto);
            }
            return;
        }
        let Some(entry) = self.views.get_mut(&id) else { return };
        // A view that nothing has touched is exact at its cut without a tick.
        if entry.clean_at(upto) {
            entry.advance(upto);
            for user in entry.downstream.clone() {
                self.plan(user);
            }
            self.settle();
            // There may be a later cut, or commits behind this one.
            self.plan(id);
            return;
        }
        entry.queued = true;
        let class = entry.class.queue();
        self.queues[class].push_back(id);
        self.n_queued[class] += 1;
    }

    /// Finds the waits that are over.
    fn settle(&mut self) {
        let mut wait_idx = 0;
        while wait_idx < self.waits.len() {
            let wait = &self.waits[wait_idx];
            match self.outcome(&wait.views, wait.epoch) {
                Some(outcome) => {
                    let wait = self.waits.swap_remove(wait_idx);
                    self.done.push((wait.waiter, outcome));
                }
                None => wait_idx += 1,
            }
        }
    }

    /// How a wait ends; `None` while it goes on.
    pub(super) fn outcome(&self, views: &[ObjectId], epoch: Epoch) -> Option<Result<(), Failure>> {
        let mut all_exact = true;
        for id in views {
            if !self.views.contains_key(id) {
                let error = Error::new(
                    SqlState::ObjectNotInPrerequisiteState,
                    "a materialized view of the query was dropped meanwhile",
                );
                return Some(Err(error.into()));
            }
            if let Some(failure) = self.failure(*id, epoch) {
                return Some(Err(failure));
            }
            all_exact &= self.exact_at(*id, epoch);
        }
        all_exact.then_some(Ok(()))
    }

    /// The error that keeps the view, or one it reads, from being exact at `epoch`.
    fn failure(&self, id: ObjectId, epoch: Epoch) -> Option<Failure> {
        let entry = self.views.get(&id)?;
        if entry.processed >= epoch {
            return None;
        }
        // What it reads may be about to change, and heal it.
        if let Some(error) = entry.stuck().filter(|_| self.inputs_exact(id, epoch)) {
            return Some(Failure { view: Some(id), error: error.clone() });
        }
        entry.inputs.views.iter().find_map(|upstream| self.failure(*upstream, epoch))
    }
}
