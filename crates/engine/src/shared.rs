//! What all parts of an engine share.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use weir_catalog::{Catalog, Object, ObjectBody};
use weir_dataflow::Scheduler;
use weir_env::Clock;
use weir_log::Log;
use weir_types::{Epoch, Error, ObjectId, Result, SqlState, Timestamp};

use crate::batch::BatchEngine;
use crate::checkpoint::Checkpoints;
use crate::commit::{Committer, DdlEffects, WriteSet};
use crate::connections::Connections;
use crate::epochs::DurableEpoch;
use crate::pins::Pins;
use crate::sources::Sources;
use crate::tables::Tables;
use crate::views::Views;

/// How many epochs' times are kept: more than any view lags behind in commits.
const EPOCH_TIMES_MAX: usize = 1 << 20;

/// What all parts of an engine share.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    /// When the process began to serve.
    pub(crate) began: Timestamp,
    pub(crate) data_dir: PathBuf,
    /// Threads that a tick may use.
    pub(crate) n_workers: usize,
    pub(crate) log: Arc<dyn Log>,
    committer: RwLock<Option<Committer>>,
    /// Written by retention, read by catalog changes: a view that is being created must hold what it reads
    /// before anything of that is removed, or come after.
    pub(crate) retention: Arc<tokio::sync::RwLock<()>>,
    /// Versions that end before that epoch may be gone.
    pub(crate) horizon: Mutex<Epoch>,
    pub(crate) durable: Arc<DurableEpoch>,
    pub(crate) scheduler: Scheduler,
    pub(crate) tables: Tables,
    pub(crate) views: Views,
    pub(crate) sources: Sources,
    pub(crate) pins: Pins,
    pub(crate) batch: BatchEngine,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) connections: Connections,
    catalog: RwLock<Arc<Catalog>>,
    last_now: AtomicI64,
    /// The times of recent epochs, ascending.
    epoch_times: Mutex<VecDeque<(Epoch, Timestamp)>>,
    /// The newest epoch with rows or catalog changes.
    changed: AtomicU64,
    /// Ids given to objects; the catalog's own counter follows at commit.
    next_id: AtomicU64,
}

/// The parts that recovery has made ready.
pub(crate) struct Parts {
    pub(crate) began: Timestamp,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) data_dir: PathBuf,
    pub(crate) n_workers: usize,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) scheduler: Scheduler,
    pub(crate) batch: BatchEngine,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) connections: Connections,
    pub(crate) catalog: Catalog,
    pub(crate) last_now: Timestamp,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        let newest = parts.log.newest_epoch();
        Self {
            clock: parts.clock,
            began: parts.began,
            committer: RwLock::new(None),
            retention: Arc::default(),
            horizon: Mutex::new(Epoch::ZERO),
            data_dir: parts.data_dir,
            n_workers: parts.n_workers,
            log: parts.log,
            durable: Arc::new(DurableEpoch::new(newest)),
            scheduler: parts.scheduler,
            tables: Tables::default(),
            views: Views::default(),
            sources: Sources::default(),
            pins: Pins::default(),
            batch: parts.batch,
            checkpoints: parts.checkpoints,
            connections: parts.connections,
            last_now: AtomicI64::new(parts.last_now.0),
            epoch_times: Mutex::new(VecDeque::from([(newest, parts.last_now)])),
            changed: AtomicU64::new(newest.0),
            next_id: AtomicU64::new(u64::from(parts.catalog.next_id())),
            catalog: RwLock::new(Arc::new(parts.catalog)),
        }
    }

    /// Where commits go.
    ///
    /// # Errors
    /// 57P01 while the engine stops.
    pub(crate) fn committer(&self) -> Result<Committer> {
        self.committer
            .read()
            .clone()
            .ok_or_else(|| Error::new(SqlState::AdminShutdown, "the server is shutting down"))
    }

    /// Commits what a transaction wrote.
    ///
    /// # Errors
    /// As of [`Committer::commit`].
    pub(crate) async fn commit(&self, mut writes: WriteSet) -> Result<()> {
        if !writes.ddl.is_empty() {
            writes.no_retention = Some(Arc::clone(&self.retention).read_owned().await);
        }
        self.committer()?.commit(writes).await
    }

    /// Waits until what is being committed is durable, or was taken back.
    ///
    /// # Errors
    /// 57P01 while the engine stops.
    pub(crate) async fn settle(&self) -> Result<()> {
        self.committer()?.commit(WriteSet::default()).await?;
        self.durable.wait(self.log.newest_epoch()).await
    }

    pub(crate) fn set_committer(&self, committer: Committer) {
        *self.committer.write() = Some(committer);
    }

    pub(crate) fn take_committer(&self) {
        *self.committer.write() = None;
    }

    /// The objects as of the newest commit.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read())
    }

    pub(crate) fn set_catalog(&self, catalog: Arc<Catalog>) {
        *self.catalog.write() = catalog;
    }

    /// An id for an object or a topic, never given before.
    pub(crate) fn allocate_id(&self) -> ObjectId {
        ObjectId(self.next_id.fetch_add(1, Ordering::Relaxed) as u32)
    }

    /// The time of the next epoch: the clock's, but never going back.
    pub(crate) fn next_now(&self) -> Timestamp {
        let now = self.clock.now().0;
        Timestamp(self.last_now.fetch_max(now, Ordering::Relaxed).max(now))
    }

    /// Remembers the time of an epoch that is being committed.
    pub(crate) fn begin_epoch(&self, epoch: Epoch, now: Timestamp) {
        let mut times = self.epoch_times.lock();
        times.push_back((epoch, now));
        if times.len() > EPOCH_TIMES_MAX {
            times.pop_front();
        }
    }

    /// The time of an epoch; of one too old to be remembered: that of the oldest remembered.
    pub(crate) fn now_of(&self, epoch: Epoch) -> Timestamp {
        let times = self.epoch_times.lock();
        let after = times.partition_point(|(known, _)| *known <= epoch);
        times.get(after.saturating_sub(1)).map_or(Timestamp(0), |(_, now)| *now)
    }

    /// An epoch with rows or catalog changes was written.
    pub(crate) fn saw_change(&self, epoch: Epoch) {
        self.changed.fetch_max(epoch.0, Ordering::Relaxed);
    }

    /// The newest epoch with rows or catalog changes; at first, that of the start.
    pub(crate) fn changed(&self) -> Epoch {
        Epoch(self.changed.load(Ordering::Relaxed))
    }

    /// Refuses writes while the disk has no room: a RocksDB that met a full disk does not recover by
    /// itself.
    ///
    /// # Errors
    /// 53100.
    pub(crate) fn check_space(&self) -> Result<()> {
        let free = weir_env::free_bytes(&self.data_dir)?;
        if free >= crate::SPACE_BYTES_MIN {
            return Ok(());
        }
        Err(Error::new(
            SqlState::DiskFull,
            format!(
                "the disk of the data directory has {} MiB free, writes need {} MiB",
                free >> 20,
                crate::SPACE_BYTES_MIN >> 20
            ),
        )
        .with_hint("Free space on the disk; writes go on by themselves then."))
    }

    /// Brings views, sources and tables in line with a catalog change that was written.
    pub(crate) fn after_ddl(self: &Arc<Self>, effects: &DdlEffects, epoch: Epoch) {
        for object in &effects.removed {
            if self.catalog().get(object.id).is_none() {
                self.forget(object);
            }
        }
        for id in &effects.put {
            let catalog = self.catalog();
            let Some(object) = catalog.get(*id) else { continue };
            match &object.body {
                ObjectBody::MaterializedView(_) | ObjectBody::Sink(_) => {
                    self.views.start(self, object, epoch);
                }
                ObjectBody::Stream(stream) if stream.source.is_some() => {
                    self.sources.start(self, object);
                }
                _ => {}
            }
        }
    }

    fn forget(self: &Arc<Self>, object: &Object) {
        match &object.body {
            ObjectBody::MaterializedView(_) | ObjectBody::Sink(_) => {
                self.views.stop(self, object.id);
            }
            ObjectBody::Stream(_) => self.sources.stop(object.id),
            ObjectBody::Table(_) => self.tables.remove(object.id),
            _ => {}
        }
    }
}
