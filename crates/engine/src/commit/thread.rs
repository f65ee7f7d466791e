//! The committer: checks, applies and writes, one epoch after the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedRwLockReadGuard, oneshot};
use weir_catalog::{Catalog, ObjectKind};
use weir_delta::codec::Encoded;
use weir_log::{Append as LogAppend, BlockKind, Commit, Part};
use weir_types::{Epoch, Error, Result, SqlState, Timestamp, TopicId};

use super::marker;
use super::request::{DdlContext, DdlEffects, Request, Waiting, WriteSet};
use super::syncer::{self, Fsync, Syncer, Written};
use crate::shared::Shared;
use crate::storage::{self, MetaSpace};
use crate::tables::dropped_meanwhile;

/// Most requests of one epoch, so that the first one is not kept waiting for ever.
const REQUESTS_MAX: usize = 4096;
/// An epoch that has so many bytes takes no more requests: its write and its fsync should be short.
const EPOCH_BYTES_MAX: usize = 64 << 20;

/// Takes write sets to the committer.
#[derive(Clone)]
pub(crate) struct Committer {
    requests: SyncSender<Request>,
    turn: Arc<Turn>,
}

/// Who is the committer at the moment: the thread, or a session that finds nobody at it.
struct Turn {
    /// Held from the begin of an epoch until it is with the syncer or durable.
    work: Mutex<Work>,
    /// Requests that were sent to the thread and are in no epoch yet.
    n_waiting: Arc<AtomicUsize>,
    /// The last epoch had one request, and none waited when it was over. Otherwise sessions gather at the thread,
    /// so that they share an fsync.
    is_calm: AtomicBool,
}

impl Turn {
    fn n_waiting(&self) -> usize {
        self.n_waiting.load(Ordering::Acquire)
    }

    /// Makes this thread, which is a session's, the committer while the result lives; `None` where it is better to
    /// leave that to the committer's thread.
    fn take(&self) -> Option<MutexGuard<'_, Work>> {
        if !self.is_calm.load(Ordering::Relaxed) || !may_block() {
            return None;
        }
        let work = self.work.try_lock()?;
        // What was sent before is committed before; it may be of this session. Behind epochs that the syncer has, the
        // session would wait for that thread in any case.
        (self.n_waiting() == 0 && !work.syncer.is_busy()).then_some(work)
    }
}

impl Committer {
    /// Commits; returns when the commit is durable, or written where it is relaxed.
    ///
    /// # Errors
    /// 40001 for a lost race, 23505 for a taken key, 54000 for too much at once, those of DDL steps; nothing was
    /// written then.
    pub(crate) async fn commit(&self, writes: WriteSet) -> Result<()> {
        writes.check_size()?;
        let (reply, answer) = oneshot::channel();
        let request = Request { writes, reply, waiting: None };
        if let Some(request) = self.commit_here(request) {
            self.send(request).await?;
        }
        Submitted(answer).committed().await
    }

    /// Commits on this thread where nobody else commits or waits for it: to wake the committer's thread, and to be
    /// woken by it, takes a good part of what the fsync takes. Gives back what is for the thread.
    fn commit_here(&self, request: Request) -> Option<Request> {
        if !request.writes.is_small() {
            return Some(request);
        }
        let Some(work) = self.turn.take() else { return Some(request) };
        // The runtime's other tasks go on without this thread.
        tokio::task::block_in_place(|| work.commit(vec![request]));
        self.turn.is_calm.store(self.turn.n_waiting() == 0, Ordering::Relaxed);
        None
    }

    /// Begins a commit: what is submitted later is committed later, whether or not somebody waits.
    ///
    /// # Errors
    /// 57P01 while the engine stops, 54000 for more than fits into one commit.
    pub(crate) async fn submit(&self, writes: WriteSet) -> Result<Submitted> {
        writes.check_size()?;
        let (reply, answer) = oneshot::channel();
        self.send(Request { writes, reply, waiting: None }).await?;
        Ok(Submitted(answer))
    }

    async fn send(&self, mut request: Request) -> Result<()> {
        request.waiting = Some(Waiting::new(&self.turn.n_waiting));
        // The queue is bounded: a full one is backpressure, without blocking the runtime's thread.
        loop {
            match self.requests.try_send(request) {
                Ok(()) => return Ok(()),
                Err(std::sync::mpsc::TrySendError::Full(back)) => {
                    request = back;
                    tokio::task::yield_now().await;
                }
                Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return Err(stopped()),
            }
        }
    }

    /// As [`Self::commit`], for a thread of its own.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub(crate) fn commit_blocking(&self, writes: WriteSet) -> Result<()> {
        writes.check_size()?;
        let (reply, answer) = oneshot::channel();
        let waiting = Some(Waiting::new(&self.turn.n_waiting));
        self.requests.send(Request { writes, reply, waiting }).map_err(|_| stopped())?;
        answer.blocking_recv().map_err(|_| stopped())?
    }
}

/// True where a task may block its thread: not on a runtime of one thread.
fn may_block() -> bool {
    Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread)
}

/// A commit that was begun.
pub(crate) struct Submitted(oneshot::Receiver<Result<()>>);

impl Submitted {
    /// Waits for its outcome.
    ///
    /// # Errors
    /// As [`Committer::commit`].
    pub(crate) async fn committed(self) -> Result<()> {
        self.0.await.map_err(|_| stopped())?
    }
}

fn stopped() -> Error {
    Error::new(SqlState::AdminShutdown, "the server is shutting down")
        .with_detail("Whether the commit was written is unknown.")
}

/// Starts the threads. They end when every [`Committer`] is dropped; the handle waits for that.
pub(crate) fn start(shared: &Arc<Shared>) -> (Committer, Vec<std::thread::JoinHandle<()>>) {
    let (requests, receiver) = sync_channel(REQUESTS_MAX);
    let (marker, asked) = sync_channel(1);
    let log = Arc::clone(&shared.log);
    let mark = weir_env::spawn_thread("weir-mark", move || marker::run(&log, &asked));
    let (log, durable) = (Arc::clone(&shared.log), Arc::clone(&shared.durable));
    let (syncer, queue) = Syncer::new(Fsync { log, durable, marker });
    let sync = weir_env::spawn_thread("weir-sync", move || syncer::run(&queue));
    let work = Mutex::new(Work { shared: Arc::clone(shared), syncer });
    let turn = Turn { work, n_waiting: Arc::default(), is_calm: AtomicBool::new(true) };
    let turn = Arc::new(turn);
    let committer = Committer { requests, turn: Arc::clone(&turn) };
    let commit = weir_env::spawn_thread("weir-commit", move || run(&turn, &receiver));
    (committer, vec![commit, sync, mark])
}

/// What the committer does, on whatever thread.
struct Work {
    shared: Arc<Shared>,
    syncer: Syncer,
}

/// What an epoch has gathered.
struct Gathered {
    commit: Commit,
    topics: BTreeSet<TopicId>,
    effects: DdlEffects,
    replies: Vec<oneshot::Sender<Result<()>>>,
    relaxed: Vec<oneshot::Sender<Result<()>>>,
    /// Of all blocks, as they are stored.
    n_bytes: usize,
    timer: bool,
    empty: bool,
    now: Timestamp,
    no_retention: Vec<OwnedRwLockReadGuard<()>>,
}

/// An epoch that is being made. A panic leaves it half applied: memory is not what the log says, and only a start
/// from the log brings the two together.
struct Whole;

impl Drop for Whole {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a commit panicked; the process ends");
            std::process::abort();
        }
    }
}

/// The thread: commits what sessions leave to it.
fn run(turn: &Turn, requests: &Receiver<Request>) {
    while let Ok(first) = requests.recv() {
        let work = turn.work.lock();
        // After the wait for the turn: what came in meanwhile is of the same epoch.
        let mut n_bytes = first.writes.n_bytes();
        let mut batch = vec![first];
        while batch.len() < REQUESTS_MAX && n_bytes < EPOCH_BYTES_MAX {
            let Ok(next) = requests.try_recv() else { break };
            n_bytes += next.writes.n_bytes();
            batch.push(next);
        }
        let was_alone = batch.len() == 1;
        work.commit(batch);
        turn.is_calm.store(was_alone && turn.n_waiting() == 0, Ordering::Relaxed);
    }
}

impl Work {
    fn commit(&self, batch: Vec<Request>) {
        let _whole = Whole;
        let shared = &self.shared;
        let epoch = shared.log.newest_epoch().next();
        let now = shared.next_now();
        let mut catalog = shared.catalog();
        // Once for all of them: nothing of the epoch is written before it has them all.
        let space = shared.check_space();
        let mut gathered = Gathered {
            commit: shared.log.begin(epoch, now),
            topics: BTreeSet::new(),
            effects: DdlEffects::default(),
            replies: Vec::new(),
            relaxed: Vec::new(),
            n_bytes: 0,
            timer: false,
            empty: true,
            now,
            no_retention: Vec::new(),
        };
        for Request { writes, reply, waiting: _ } in batch {
            let relaxed = writes.is_relaxed();
            match self.take_in(&mut gathered, &mut catalog, &space, writes, epoch) {
                Ok(()) if relaxed => gathered.relaxed.push(reply),
                Ok(()) => gathered.replies.push(reply),
                Err(error) => {
                    let _ = reply.send(Err(error));
                }
            }
        }
        if gathered.empty {
            for reply in gathered.replies {
                let _ = reply.send(Ok(()));
            }
            return;
        }
        self.write(gathered, catalog, epoch);
    }

    /// Checks one write set, applies it to the tables, and adds it to the epoch; or leaves no trace.
    fn take_in(
        &self,
        gathered: &mut Gathered,
        catalog: &mut Arc<Catalog>,
        space: &Result<()>,
        writes: WriteSet,
        epoch: Epoch,
    ) -> Result<()> {
        if writes.is_empty() {
            return Ok(());
        }
        space.clone()?;
        let mut effects = DdlEffects::default();
        let changed_catalog = if writes.ddl.is_empty() {
            Arc::clone(catalog)
        } else {
            let mut changed = catalog.as_ref().clone();
            for step in &writes.ddl {
                step(&mut DdlContext { catalog: &mut changed, epoch, effects: &mut effects })?;
            }
            Arc::new(changed)
        };
        for append in &writes.appends {
            let known = changed_catalog.get(append.stream).and_then(|object| object.topic());
            if known != Some(append.topic) {
                return Err(dropped_meanwhile(ObjectKind::Stream, &append.name));
            }
        }
        for change in &writes.changes {
            if changed_catalog.get(change.table).is_none() {
                return Err(dropped_meanwhile(ObjectKind::Table, &change.name));
            }
        }
        let replaced = self.shared.tables.create(&changed_catalog, &effects)?;
        if let Err(error) = self.apply_changes(&changed_catalog, &writes, epoch) {
            self.shared.tables.restore(replaced);
            return Err(error);
        }
        // From here on nothing fails: the write set is part of the epoch.
        *catalog = changed_catalog;
        if let Err(error) = gathered.add(writes, effects) {
            self.give_up(&error);
        }
        Ok(())
    }

    /// Applies the changes of tables; where one fails, undoes those before it.
    fn apply_changes(&self, catalog: &Catalog, writes: &WriteSet, epoch: Epoch) -> Result<()> {
        for (change_idx, change) in writes.changes.iter().enumerate() {
            let outcome = self.shared.tables.apply(catalog, change, writes.read_epoch, epoch);
            if let Err(error) = outcome {
                for done in writes.changes[..change_idx].iter().rev() {
                    self.shared.tables.undo(done, epoch);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Writes the epoch and makes it known.
    fn write(&self, mut gathered: Gathered, catalog: Arc<Catalog>, epoch: Epoch) {
        let shared = &self.shared;
        shared.begin_epoch(epoch, gathered.now);
        let has_ddl = !gathered.effects.put.is_empty() || !gathered.effects.removed.is_empty();
        if let Err(error) = gathered.finish(&catalog) {
            self.give_up(&error);
        }
        let Gathered {
            commit,
            topics,
            effects,
            replies,
            relaxed,
            n_bytes,
            timer,
            no_retention,
            ..
        } = gathered;
        let has_relaxed = !relaxed.is_empty();
        if let Err(error) = shared.log.write(commit) {
            // Tables hold rows of an epoch that is not in the log. It will never be durable, so nobody
            // reads them; but no later epoch may be written either.
            self.give_up(&error);
        }
        if has_ddl {
            shared.set_catalog(catalog);
        }
        if has_ddl || !topics.is_empty() {
            shared.saw_change(epoch);
        }
        shared.scheduler.committed(epoch, &topics, timer);
        if has_ddl {
            shared.after_ddl(&effects, epoch);
        }
        drop(no_retention);
        for reply in relaxed {
            let _ = reply.send(Ok(()));
        }
        if let Err(error) = self.syncer.take(Written { epoch, n_bytes, replies, has_relaxed }) {
            self.give_up(&error);
        }
    }

    /// A commit that was applied cannot be written: only a restart brings memory and log together.
    fn give_up(&self, error: &Error) -> ! {
        tracing::error!(%error, "the log cannot be written; the process ends");
        std::process::abort();
    }
}

impl Gathered {
    fn add(&mut self, writes: WriteSet, effects: DdlEffects) -> Result<()> {
        let now = self.now;
        self.empty = false;
        self.timer |= writes.timer;
        self.no_retention.extend(writes.no_retention);
        for config in effects.topics {
            self.commit.create_topic(config)?;
        }
        self.effects.put.extend(effects.put);
        self.effects.removed.extend(effects.removed);
        self.effects.dropped_topics.extend(effects.dropped_topics);
        for append in writes.appends {
            self.topics.insert(append.topic);
            for rows in append.partitions {
                let Encoded { bytes, columns } = rows.payload;
                self.n_bytes += bytes.len();
                let parts = columns.into_iter().map(|(id, range)| Part { id: id.0, range });
                let parts = parts.collect();
                let record = block(append.schema_version, rows.n_rows, now, bytes, parts);
                self.commit.append(append.topic, rows.partition, record)?;
            }
        }
        for change in writes.changes {
            let topic = change.topic;
            self.topics.insert(topic);
            self.n_bytes += change.payload.len();
            let n_rows = change.delta.len() as u32;
            // Whoever reads changes reads whole rows.
            let record = block(change.schema_version, n_rows, now, change.payload, Vec::new());
            self.commit.append(topic, weir_types::PartitionId(0), record)?;
        }
        if let Some(epoch) = writes.relied_on {
            let value = storage::encode_json(&epoch)?;
            self.commit.put_meta(MetaSpace::ReliedOn as u8, &[], value);
        }
        for (id, position) in writes.positions {
            self.commit.put_meta(MetaSpace::Position as u8, &storage::id_key(id), position);
        }
        Ok(())
    }

    /// Adds the catalog's records.
    fn finish(&mut self, catalog: &Catalog) -> Result<()> {
        if self.effects.put.is_empty() && self.effects.removed.is_empty() {
            return Ok(());
        }
        for id in BTreeSet::from_iter(self.effects.put.iter().copied()) {
            if let Some(object) = catalog.get(id) {
                let record = weir_catalog::encode_object(object)?;
                self.commit.put_meta(MetaSpace::Object as u8, &storage::id_key(id), record);
            }
        }
        for object in &self.effects.removed {
            if catalog.get(object.id).is_none() {
                let key = storage::id_key(object.id);
                self.commit.delete_meta(MetaSpace::Object as u8, &key);
                self.commit.delete_meta(MetaSpace::Position as u8, &key);
            }
        }
        for topic in self.effects.dropped_topics.clone() {
            self.commit.drop_topic(topic)?;
            self.topics.remove(&topic);
        }
        let next_id = catalog.next_id().to_be_bytes().to_vec();
        self.commit.put_meta(MetaSpace::NextId as u8, &[], next_id);
        Ok(())
    }
}

fn block(
    schema_version: u32,
    n_rows: u32,
    now: Timestamp,
    payload: Vec<u8>,
    parts: Vec<Part>,
) -> LogAppend {
    LogAppend {
        kind: BlockKind::Rows,
        schema_version,
        n_rows,
        min_timestamp: now,
        max_timestamp: now,
        payload,
        parts,
        producer: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::{committer, open};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_session_commits_where_nobody_does_or_waits() {
        let (_dir, engine) = open();
        let committer = committer(&engine);
        let turn = &committer.turn;
        let work = turn.take().expect("nobody commits");
        assert!(turn.take().is_none(), "one commits");
        drop(work);
        let waiting = Waiting::new(&turn.n_waiting);
        assert!(turn.take().is_none(), "one waits");
        drop(waiting);
        assert!(turn.take().is_some(), "none waits any more");
        turn.is_calm.store(false, Ordering::Relaxed);
        assert!(turn.take().is_none(), "several wanted to");
        // The thread sees that only one does.
        let timer = WriteSet { timer: true, ..WriteSet::default() };
        committer.commit(timer).await.expect("committed");
        // Its answer may come before it looks.
        drop(turn.work.lock());
        while !turn.is_calm.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        assert!(turn.take().is_some());
    }

    #[tokio::test]
    async fn the_only_thread_of_a_runtime_is_not_blocked() {
        let (_dir, engine) = open();
        let committer = committer(&engine);
        assert!(committer.turn.take().is_none());
    }
}
