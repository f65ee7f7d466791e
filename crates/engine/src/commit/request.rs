//! What is asked of the committer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedRwLockReadGuard, oneshot};
use weir_catalog::{Catalog, Object};
use weir_delta::Delta;
use weir_delta::codec::Encoded;
use weir_log::TopicConfig;
use weir_types::{Epoch, Error, ObjectId, PartitionId, Result, SqlState, TopicId, limits};

use super::syncer::AT_ONCE_BYTES_MAX;

/// All that one transaction writes.
#[derive(Default)]
pub(crate) struct WriteSet {
    /// The epoch that the transaction read at; rows it changes must not have changed since.
    pub(crate) read_epoch: Epoch,
    /// Catalog changes, in order; they come before the rows.
    pub(crate) ddl: Vec<DdlStep>,
    /// Appends to streams.
    pub(crate) appends: Vec<Append>,
    /// Changes of tables.
    pub(crate) changes: Vec<Change>,
    /// Positions of sources: object and stored form.
    pub(crate) positions: Vec<(ObjectId, Vec<u8>)>,
    /// An epoch for the clock, also where nothing is written.
    pub(crate) timer: bool,
    /// From now on retention relies on the checkpoint of that epoch.
    pub(crate) relied_on: Option<Epoch>,
    /// Keeps retention away until the catalog changes have come about, and their views hold what they read.
    pub(crate) no_retention: Option<OwnedRwLockReadGuard<()>>,
}

/// Rows for a stream.
pub(crate) struct Append {
    pub(crate) stream: ObjectId,
    /// Its name, for messages.
    pub(crate) name: String,
    pub(crate) topic: TopicId,
    pub(crate) schema_version: u32,
    pub(crate) partitions: Vec<PartitionRows>,
    /// The acknowledgement need not wait for the fsync.
    pub(crate) relaxed: bool,
}

/// Rows for one partition, encoded.
pub(crate) struct PartitionRows {
    pub(crate) partition: PartitionId,
    pub(crate) n_rows: u32,
    pub(crate) payload: Encoded,
}

/// A change of a table: old rows out, new rows in.
pub(crate) struct Change {
    pub(crate) table: ObjectId,
    /// Its name, for messages.
    pub(crate) name: String,
    pub(crate) topic: TopicId,
    pub(crate) schema_version: u32,
    /// Retractions of rows as the transaction saw them, then insertions.
    pub(crate) delta: Delta,
    /// The change for the log.
    pub(crate) payload: Vec<u8>,
}

/// One catalog change, made on the catalog as it is when the transaction commits.
pub(crate) type DdlStep = Arc<dyn Fn(&mut DdlContext<'_>) -> Result<()> + Send + Sync>;

/// What a catalog change works on.
pub(crate) struct DdlContext<'a> {
    /// The catalog to change; it replaces the current one when the whole commit passes.
    pub(crate) catalog: &'a mut Catalog,
    /// The epoch of the commit.
    pub(crate) epoch: Epoch,
    pub(crate) effects: &'a mut DdlEffects,
}

/// What a catalog change brings about besides the catalog.
#[derive(Default)]
pub(crate) struct DdlEffects {
    pub(crate) put: Vec<ObjectId>,
    pub(crate) removed: Vec<Arc<Object>>,
    pub(crate) topics: Vec<TopicConfig>,
    pub(crate) dropped_topics: Vec<TopicId>,
}

impl DdlContext<'_> {
    /// Adds or replaces an object.
    pub(crate) fn put(&mut self, object: Object) {
        self.effects.put.push(object.id);
        self.catalog.put(object);
    }

    /// Takes an object out, with its topic.
    pub(crate) fn remove(&mut self, id: ObjectId) {
        if let Some(object) = self.catalog.remove(id) {
            self.effects.put.retain(|put| *put != id);
            if let Some(topic) = object.topic() {
                match self.effects.topics.iter().position(|config| config.id == topic) {
                    Some(position) => {
                        self.effects.topics.remove(position);
                    }
                    None => self.effects.dropped_topics.push(topic),
                }
            }
            self.effects.removed.push(object);
        }
    }

    /// Makes a topic.
    pub(crate) fn create_topic(&mut self, config: TopicConfig) {
        self.effects.topics.push(config);
    }
}

/// A write set and where its outcome goes.
pub(crate) struct Request {
    pub(crate) writes: WriteSet,
    pub(crate) reply: oneshot::Sender<Result<()>>,
    /// Of one that was sent to the thread.
    pub(crate) waiting: Option<Waiting>,
}

/// Counts a request among those that wait for the thread, until it is dropped.
pub(crate) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    pub(super) fn new(n_waiting: &Arc<AtomicUsize>) -> Self {
        n_waiting.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(n_waiting))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl WriteSet {
    /// True where committing it changes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.ddl.is_empty()
            && self.appends.is_empty()
            && self.changes.is_empty()
            && self.positions.is_empty()
            && !self.timer
            && self.relied_on.is_none()
    }

    /// Bytes of its blocks in the log, about.
    pub(crate) fn n_bytes(&self) -> usize {
        let appended = self.appends.iter().flat_map(|append| &append.partitions);
        let appended: usize = appended.map(|rows| rows.payload.bytes.len()).sum();
        appended + self.changes.iter().map(|change| change.payload.len()).sum::<usize>()
    }

    /// Refuses what is too large for one commit.
    ///
    /// # Errors
    /// 54000.
    pub(super) fn check_size(&self) -> Result<()> {
        let n_bytes = self.n_bytes();
        if n_bytes <= limits::COMMIT_BYTES_MAX {
            return Ok(());
        }
        let mib = |n_bytes: usize| n_bytes.div_ceil(1 << 20);
        Err(Error::new(
            SqlState::ProgramLimitExceeded,
            format!(
                "a commit of {} MiB is too large, the limit is {} MiB",
                mib(n_bytes),
                mib(limits::COMMIT_BYTES_MAX)
            ),
        )
        .with_hint(
            "Write fewer rows at a time; COPY outside a transaction block commits in chunks.",
        ))
    }

    /// True for some rows and nothing else: committing them takes little time.
    pub(super) fn is_small(&self) -> bool {
        let has_rows = !self.appends.is_empty() || !self.changes.is_empty();
        has_rows
            && self.ddl.is_empty()
            && self.positions.is_empty()
            && !self.timer
            && self.relied_on.is_none()
            && self.n_bytes() <= AT_ONCE_BYTES_MAX
    }

    /// True where the acknowledgement may come before the fsync: every object it touches allows that.
    pub(crate) fn is_relaxed(&self) -> bool {
        self.ddl.is_empty()
            && self.changes.is_empty()
            && self.positions.is_empty()
            && !self.appends.is_empty()
            && self.appends.iter().all(|append| append.relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_bytes(n_bytes: usize) -> Encoded {
        Encoded { bytes: vec![0; n_bytes], columns: Vec::new() }
    }

    #[test]
    fn a_commit_has_a_largest_size() {
        let with_payloads = |payloads: &[usize]| {
            let rows = |n_bytes: &usize| PartitionRows {
                partition: PartitionId(0),
                n_rows: 1,
                payload: of_bytes(*n_bytes),
            };
            let append = Append {
                stream: ObjectId(1),
                name: "s".to_owned(),
                topic: TopicId(1),
                schema_version: 1,
                partitions: payloads.iter().map(rows).collect(),
                relaxed: false,
            };
            WriteSet { appends: vec![append], ..WriteSet::default() }
        };
        let half = limits::COMMIT_BYTES_MAX / 2;
        with_payloads(&[half, half]).check_size().expect("it fits");
        let error = with_payloads(&[half, half, 1]).check_size().expect_err("a byte too many");
        assert_eq!(error.state(), SqlState::ProgramLimitExceeded);
        assert_eq!(error.message(), "a commit of 1025 MiB is too large, the limit is 1024 MiB");
    }

    #[test]
    fn some_rows_and_nothing_else_are_small() {
        let rows = |n_bytes: usize| {
            let payload = of_bytes(n_bytes);
            let partitions = vec![PartitionRows { partition: PartitionId(0), n_rows: 1, payload }];
            let (stream, topic) = (ObjectId(1), TopicId(1));
            let name = "s".to_owned();
            let append =
                Append { stream, name, topic, schema_version: 1, partitions, relaxed: false };
            WriteSet { appends: vec![append], ..WriteSet::default() }
        };
        assert!(rows(100).is_small());
        assert!(!rows(AT_ONCE_BYTES_MAX + 1).is_small());
        assert!(!WriteSet::default().is_small());
        assert!(!WriteSet { timer: true, ..rows(1) }.is_small());
        assert!(!WriteSet { relied_on: Some(Epoch(1)), ..rows(1) }.is_small());
        assert!(!WriteSet { positions: vec![(ObjectId(1), Vec::new())], ..rows(1) }.is_small());
        let step: DdlStep = Arc::new(|_| Ok(()));
        assert!(!WriteSet { ddl: vec![step], ..rows(1) }.is_small());
    }
}
