//! One checkpoint: an epoch, the objects that are exact there, what is written of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use weir_catalog::{Catalog, Object, ObjectBody};
use weir_dataflow::Failure;
use weir_delta::segments::Segments;
use weir_planner::incremental::Dataflow;
use weir_store::StateBatch;
use weir_types::{ColumnId, Epoch, ObjectId, Result, TopicId};

use super::{
    CHUNK, Checkpoints, Frozen, NEWEST, Newest, Record, STATE_CHUNK, chunk_key, chunks,
    delete_chunks, record_key, state,
};
use crate::pins::Pin;
use crate::relation::TableData;
use crate::shared::Shared;
use crate::storage;
use crate::views::ViewData;

/// How long a round waits for views to get to its epoch; those that do not stay as they were.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of chunks that are written at once.
const WRITE_BYTES: usize = 16 << 20;
/// Changes below this many rows are never a reason to begin anew.
const SINCE_MIN: u64 = 10_000;

/// What has rows.
enum Content {
    Table(Arc<TableData>),
    View(Arc<ViewData>),
}

impl Content {
    fn segments(&self) -> &Segments {
        match self {
            Self::Table(table) => &table.segments,
            Self::View(view) => &view.segments,
        }
    }

    fn column_ids(&self, object: &Object) -> Vec<ColumnId> {
        match self {
            Self::Table(table) => table.columns.clone(),
            Self::View(_) => object.columns().iter().map(|column| column.id).collect(),
        }
    }
}

impl Checkpoints {
    /// Makes a checkpoint at the newest epoch. Blocks: for the views to get there, for that epoch to be
    /// durable, and for the disk.
    ///
    /// # Errors
    /// Of the disk; the checkpoint before is in force then.
    pub(super) fn make(&self, shared: &Shared) -> Result<()> {
        let _one = self.round.lock();
        // Records of what is not in the catalog are taken away, so its changes must be durable: those whose
        // commit is being made, too.
        let catalog = shared.catalog();
        futures::executor::block_on(shared.durable.wait(shared.log.newest_epoch()))?;
        let hold = shared.pins.pin(shared.durable.newest());
        let (epoch, reached) = reach(shared);
        let pin = shared.pins.pin(epoch);
        drop(hold);
        futures::executor::block_on(shared.durable.wait(epoch))?;
        let came = self.come_along(shared, &catalog, reached);
        let written = self.write(shared, &catalog, came, pin);
        for (id, view) in shared.views.all() {
            let record = self.record(id).and_then(|record| record.state);
            let goes_on = written.as_ref().is_ok_and(|came| came.contains(&id));
            view.freezing.end(goes_on && record.is_some_and(|record| !record.is_grown()));
        }
        written.map(drop)
    }

    /// The objects to write: of the views that reached the epoch, those whose incremental readers and
    /// incremental inputs come along too; and the tables whose incremental readers do.
    fn come_along(
        &self,
        shared: &Shared,
        catalog: &Catalog,
        reached: BTreeSet<ObjectId>,
    ) -> BTreeSet<ObjectId> {
        let mut came = reached;
        let incremental: Vec<(ObjectId, Arc<ViewData>)> = shared
            .views
            .all()
            .into_iter()
            .filter(|(_, view)| matches!(view.dataflow, Dataflow::Incremental { .. }))
            .collect();
        loop {
            let mut stay = BTreeSet::new();
            for (id, view) in &incremental {
                let comes = came.contains(id);
                for input in &view.views {
                    match (comes, came.contains(input)) {
                        (true, false) => {
                            stay.insert(*id);
                        }
                        (false, true) if self.record(*id).is_some() => {
                            stay.insert(*input);
                        }
                        _ => {}
                    }
                }
            }
            if stay.is_empty() {
                break;
            }
            came.retain(|id| !stay.contains(id));
        }
        let behind =
            incremental.iter().filter(|(id, _)| !came.contains(id) && self.record(*id).is_some());
        let kept: BTreeSet<TopicId> =
            behind.flat_map(|(_, view)| view.topics.iter().copied()).collect();
        for object in catalog.objects() {
            let ObjectBody::Table(table) = &object.body else { continue };
            if !kept.contains(&table.topic) {
                came.insert(object.id);
            }
        }
        came
    }

    /// Writes the objects that came; gives those that did in the end: a view whose state cannot be taken keeps its old
    /// record, as do those tied to it, and all others are written. Its error is logged at each checkpoint; the log
    /// keeps what it would need after a crash.
    fn write(
        &self,
        shared: &Shared,
        catalog: &Catalog,
        mut came: BTreeSet<ObjectId>,
        pin: Pin,
    ) -> Result<BTreeSet<ObjectId>> {
        let epoch = pin.epoch();
        let mut batch = StateBatch::default();
        let mut records = BTreeMap::new();
        let mut stay = BTreeSet::new();
        for id in &came {
            let Some(object) = catalog.get(*id) else { continue };
            // Dropped meanwhile: the next round takes its record away.
            let content = match &object.body {
                ObjectBody::Table(_) => shared.tables.of(object).map(Content::Table),
                _ => shared.views.get(*id).map(Content::View),
            };
            let Ok(content) = content else { continue };
            let frozen = match &content {
                Content::Table(_) => None,
                Content::View(view) => match view.take_frozen() {
                    Ok(frozen) => frozen,
                    Err(error) => {
                        tracing::error!(view = %object.name, %error, "a view is not in the checkpoint");
                        stay.insert(*id);
                        continue;
                    }
                },
            };
            let record = self.write_object(object, &content, frozen.as_ref(), epoch, &mut batch)?;
            records.insert(*id, record);
        }
        if !stay.is_empty() {
            came.retain(|id| !stay.contains(id) && shared.views.get(*id).is_ok());
            came = self.come_along(shared, catalog, came);
            records.retain(|id, _| came.contains(id));
        }
        let dropped: Vec<(ObjectId, Record)> = {
            let known = self.known.lock();
            let gone = known.records.iter().filter(|(id, _)| catalog.get(**id).is_none());
            gone.map(|(id, record)| (*id, record.clone())).collect()
        };
        for (id, record) in &dropped {
            batch.delete(&record_key(*id));
            delete_chunks(&mut batch, CHUNK, *id, record.chunks);
            delete_chunks(&mut batch, STATE_CHUNK, *id, state_chunks(Some(record)));
        }
        for (id, record) in &records {
            batch.put(&record_key(*id), &storage::encode_json(record)?);
            let old = self.record(*id);
            let content = old.as_ref().map_or((0, 0), |old| old.chunks);
            delete_chunks(&mut batch, CHUNK, *id, (content.0, record.chunks.0.min(content.1)));
            let state = state_chunks(old.as_ref());
            let begin = state_chunks(Some(record)).0;
            delete_chunks(&mut batch, STATE_CHUNK, *id, (state.0, begin.min(state.1)));
        }
        batch.put(&[NEWEST], &storage::encode_json(&Newest { epoch })?);
        self.store.write_atomic(batch)?;
        let mut known = self.known.lock();
        known.records.retain(|id, _| catalog.get(*id).is_some());
        known.records.extend(records);
        known.newest = epoch;
        known.pin = Some(pin);
        Ok(came)
    }

    /// Writes what the object's new record needs; the record itself comes with those of the others.
    fn write_object(
        &self,
        object: &Object,
        content: &Content,
        frozen: Option<&Frozen>,
        epoch: Epoch,
        batch: &mut StateBatch,
    ) -> Result<Record> {
        let old = self.record(object.id);
        let (last_row_id, n_out) = match content {
            Content::Table(table) => (table.last_row_id(), 0),
            Content::View(view) => (0, view.n_out.load(Ordering::Relaxed)),
        };
        let state = match content {
            Content::View(view) => match (&view.dataflow, frozen) {
                (Dataflow::Incremental { graph, .. }, Some(frozen)) => {
                    Some(self.write_state(object, frozen, state::operators(graph), batch)?)
                }
                _ => None,
            },
            Content::Table(_) => None,
        };
        let ids = content.column_ids(object);
        let snapshot = content.segments().snapshot();
        if let Some(old) = &old
            && self.pinned() == Some(old.epoch)
            && let Ok(change) = snapshot.changes(old.epoch, epoch, None)
        {
            let n_since = old.n_since + change.len() as u64;
            if n_since <= SINCE_MIN.max(old.n_base / 2) {
                let mut number = old.chunks.1;
                for chunk in chunks::of_change(&change, &ids)? {
                    self.put_chunk(batch, CHUNK, object.id, &mut number, &chunk)?;
                }
                let chunks = (old.chunks.0, number);
                let n_base = old.n_base;
                return Ok(Record { epoch, chunks, n_base, n_since, last_row_id, n_out, state });
            }
        }
        let begin = old.map_or(0, |old| old.chunks.1);
        let (mut number, mut n_base) = (begin, 0);
        for rows in snapshot.scan(epoch, None) {
            n_base += rows.num_rows() as u64;
            let chunk = chunks::of_rows(&rows, &ids)?;
            self.put_chunk(batch, CHUNK, object.id, &mut number, &chunk)?;
        }
        let chunks = (begin, number);
        Ok(Record { epoch, chunks, n_base, n_since: 0, last_row_id, n_out, state })
    }

    /// Puts a chunk, and writes those that have gathered where they are many. No record names them yet: a
    /// crash leaves chunks that the next checkpoint overwrites.
    pub(super) fn put_chunk(
        &self,
        batch: &mut StateBatch,
        kind: u8,
        id: ObjectId,
        number: &mut u64,
        chunk: &[u8],
    ) -> Result<()> {
        batch.put(&chunk_key(kind, id, *number), chunk);
        *number += 1;
        if batch.n_bytes() >= WRITE_BYTES {
            self.store.write_atomic(std::mem::take(batch))?;
        }
        Ok(())
    }

    /// The epoch whose versions are kept for the next round.
    fn pinned(&self) -> Option<Epoch> {
        self.known.lock().pin.as_ref().map(Pin::epoch)
    }
}

/// The chunks of a record's state.
fn state_chunks(record: Option<&Record>) -> (u64, u64) {
    record.and_then(|record| record.state.as_ref()).map_or((0, 0), |state| state.chunks)
}

/// Brings views to the newest epoch: that epoch, and the views that are exact there.
fn reach(shared: &Shared) -> (Epoch, BTreeSet<ObjectId>) {
    let filled = |(_, processed): &(ObjectId, Epoch)| *processed > Epoch::ZERO;
    let views: Vec<ObjectId> =
        shared.scheduler.processed().into_iter().filter(filled).map(|(id, _)| id).collect();
    let (sender, answers) = channel();
    let note = |epoch| {
        for (_, view) in shared.views.all() {
            view.freezing.begin(epoch);
        }
    };
    // The waits begin where the views are made to stop: one that fails there is not taken for exact when a later
    // tick heals it and goes past the epoch.
    let epoch = shared.scheduler.wait_for_each_at_newest(&views, note, |id| {
        let sender = sender.clone();
        Box::new(move |outcome: Result<(), Failure>| {
            // Nobody listens any more once the round's patience is over.
            let _ = sender.send((id, outcome.is_ok()));
        })
    });
    drop(sender);
    let mut reached = BTreeSet::new();
    let deadline = Instant::now() + PATIENCE;
    while let Ok((id, exact)) =
        answers.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        if exact {
            reached.insert(id);
        }
    }
    (epoch, reached)
}
