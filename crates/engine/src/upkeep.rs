//! What has to be done now and then: the clock's epochs, versions that nobody sees, retention.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use weir_catalog::{Catalog, ObjectBody};
use weir_planner::incremental::Dataflow;
use weir_types::{Epoch, ObjectId, Offset, PartitionId, Result, TopicId};

use crate::commit::WriteSet;
use crate::shared::Shared;
use crate::views::ViewData;

/// Time between rounds. Views that read the clock get an epoch each round.
const ROUND: Duration = Duration::from_secs(1);
/// Rounds between looks at retention.
const RETENTION_ROUNDS: u32 = 30;

/// The thread that does it.
pub(crate) struct Upkeep {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Upkeep {
    pub(crate) fn start(shared: &Arc<Shared>) -> Self {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (shared, signal) = (Arc::downgrade(shared), Arc::clone(&stop));
        let thread = weir_env::spawn_thread("weir-upkeep", move || run(&shared, &signal));
        Self { stop, thread: Some(thread) }
    }

    pub(crate) fn stop(&mut self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there was logged; stopping goes on.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Weak<Shared>, stop: &(Mutex<bool>, Condvar)) {
    let mut round = 0;
    loop {
        {
            let mut stopped = stop.0.lock();
            if !*stopped {
                stop.1.wait_for(&mut stopped, ROUND);
            }
            if *stopped {
                return;
            }
        }
        let Some(shared) = shared.upgrade() else { return };
        round += 1;
        if let Err(error) = once(&shared, round) {
            tracing::error!(%error, "upkeep failed");
        }
    }
}

fn once(shared: &Arc<Shared>, round: u32) -> Result<()> {
    if shared.sources.needs_clock() {
        let writes = WriteSet { timer: true, ..WriteSet::default() };
        shared.committer()?.commit_blocking(writes)?;
    }
    compact(shared);
    if round.is_multiple_of(RETENTION_ROUNDS) {
        enforce_retention(shared)?;
    }
    Ok(())
}

/// Drops row versions that nobody can see.
pub(crate) fn compact(shared: &Shared) {
    let oldest = {
        // One step, as a newest read chooses its epoch and pins it in one.
        let mut horizon = shared.horizon.lock();
        // Before the pins are looked at: whoever pins later pins at least this.
        let durable = shared.durable.newest();
        let used = [shared.pins.oldest(), shared.scheduler.oldest_exact()];
        let oldest = used.into_iter().flatten().fold(durable, Epoch::min);
        *horizon = oldest.max(*horizon);
        oldest
    };
    let views = shared.views.all();
    let processed: HashMap<ObjectId, Epoch> = shared.scheduler.processed().into_iter().collect();
    let readers = Readers::of(&views, &processed);
    let catalog = shared.catalog();
    for (id, table) in shared.tables.all() {
        let topic = catalog.get(id).and_then(|object| object.topic());
        let read = topic.and_then(|topic| readers.of_topics.get(&topic));
        let horizon = read.map_or(oldest, |read| oldest.min(*read));
        table.segments.release(horizon);
        table.segments.compact(horizon);
    }
    for (id, view) in &views {
        let own = processed.get(id).copied().unwrap_or(Epoch::ZERO);
        let read = readers.of_views.get(id).map_or(oldest, |read| oldest.min(*read));
        let horizon = read.min(own);
        view.segments.release(horizon);
        view.segments.compact(horizon);
    }
}

/// How far back the views are that read something: what they read is kept as far back.
#[derive(Default)]
struct Readers {
    of_topics: HashMap<TopicId, Epoch>,
    of_views: HashMap<ObjectId, Epoch>,
}

impl Readers {
    fn of(views: &[(ObjectId, Arc<ViewData>)], processed: &HashMap<ObjectId, Epoch>) -> Self {
        let mut readers = Self::default();
        for (id, view) in views {
            let Some(epoch) = processed.get(id).copied() else { continue };
            for topic in &view.topics {
                let oldest = readers.of_topics.entry(*topic).or_insert(epoch);
                *oldest = epoch.min(*oldest);
            }
            for input in &view.views {
                let oldest = readers.of_views.entry(*input).or_insert(epoch);
                *oldest = epoch.min(*oldest);
            }
        }
        readers
    }
}

/// Removes what streams need not keep, and the changes of tables that their checkpoints have.
///
/// # Errors
/// Of the disk.
pub(crate) fn enforce_retention(shared: &Arc<Shared>) -> Result<()> {
    let records = shared.checkpoints.epochs();
    if let Some(epoch) = shared.checkpoints.to_rely_on() {
        let writes = WriteSet { relied_on: Some(epoch), ..WriteSet::default() };
        shared.committer()?.commit_blocking(writes)?;
        shared.checkpoints.relied_on(epoch);
    }
    let _no_ddl = shared.retention.blocking_write();
    let catalog = shared.catalog();
    let hold = |topic: TopicId, partition: PartitionId| {
        holds(shared, &catalog, &records, topic, partition).into_iter().map(|hold| hold.from).min()
    };
    shared.log.enforce_retention(shared.clock.now(), &hold)?;
    Ok(())
}

/// Somebody who needs records of a partition.
pub(crate) struct Hold {
    /// A view or a sink; or a table, which needs its own.
    pub(crate) id: ObjectId,
    /// The first offset it needs.
    pub(crate) from: Offset,
}

/// Who needs records of a partition after a crash or for the next tick: a query that is run again needs all
/// of them, an incremental view those after its checkpoint, a table its changes since its own.
pub(crate) fn holds(
    shared: &Shared,
    catalog: &Catalog,
    records: &BTreeMap<ObjectId, Epoch>,
    topic: TopicId,
    partition: PartitionId,
) -> Vec<Hold> {
    let start = shared.log.start_offset(topic, partition).unwrap_or_default();
    // Most records are of one epoch, and the log is asked once for each.
    let mut ends = HashMap::new();
    // An offset that cannot be found holds everything: it is found at the next round.
    let mut after = |record: Option<&Epoch>| {
        record.map_or(start, |epoch| {
            let end = || shared.log.end_offset_at(topic, partition, *epoch).unwrap_or(start);
            *ends.entry(*epoch).or_insert_with(end)
        })
    };
    let owner = catalog.by_topic(topic);
    if let Some(object) = owner
        && matches!(object.body, ObjectBody::Table(_))
    {
        return vec![Hold { id: object.id, from: after(records.get(&object.id)) }];
    }
    let readers = shared.views.all().into_iter().filter(|(_, view)| view.topics.contains(&topic));
    readers
        .map(|(id, view)| match &view.dataflow {
            Dataflow::Recompute { .. } => Hold { id, from: start },
            Dataflow::Incremental { .. } => Hold { id, from: after(records.get(&id)) },
        })
        .collect()
}
