//! Checkpoints: rows of tables and views as of an epoch, in the state store.
//!
//! Each object has a *record* that names its epoch and a range of *chunks*: blocks of rows with weights,
//! whose sum is the content at that epoch. A checkpoint takes all views that can be brought there to one
//! epoch, as a strict read does, adds to each object the chunk of what changed since its last one (or
//! begins its chunks anew where the changes have grown as large as the content), and replaces the records
//! in one atomic write. What the log holds up to the records is then not needed for them any more.
//!
//! | key | value |
//! |---|---|
//! | 0 | format byte 1, then JSON of [`Newest`] |
//! | 1, object id | format byte 1, then JSON of [`Record`] |
//! | 2, object id, number of the chunk | a block of `weir_delta::codec` |
//! | 3, object id, number of the chunk | what operators of a view remember: see `state` |
//!
//! Ids and numbers are big endian.
//!
//! **Invariant:** an incremental view and the views it reads have records of one epoch, and the tables it reads
//! have records of that epoch or an earlier one. So the view finds the history from its record on.
//!
//! | part | what it does |
//! |---|---|
//! | `round` | chooses the epoch, and the objects that come along |
//! | `chunks` | rows to chunks and back |
//! | `state` | what operators remember, to chunks and back |
//! | `thread` | when rounds are made |

mod chunks;
mod round;
mod state;
mod thread;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use weir_catalog::Object;
use weir_delta::segments::Segments;
use weir_log::Log;
use weir_store::{StateBatch, StateStore};
use weir_types::{Epoch, Error, ObjectId, Result, SqlState};

use crate::pins::{Pin, Pins};
use crate::storage::{self, MetaSpace};

pub(crate) use state::Frozen;
pub(crate) use thread::{Checkpointer, make};

const NEWEST: u8 = 0;
const RECORD: u8 = 1;
const CHUNK: u8 = 2;
const STATE_CHUNK: u8 = 3;

/// What the newest checkpoint was.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Newest {
    epoch: Epoch,
}

/// Where an object's content is, and as of when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The content is exact here.
    pub(crate) epoch: Epoch,
    /// Its chunks: from the first number to before the second.
    chunks: (u64, u64),
    /// Rows of the chunks that were written when they were begun anew, and of those since.
    n_base: u64,
    n_since: u64,
    /// The last id of a hidden `_rowid`.
    pub(crate) last_row_id: i64,
    /// Rows that a sink has taken.
    pub(crate) n_out: u64,
    /// What the operators of a view remember at that epoch; none where they remember nothing.
    #[serde(default)]
    pub(crate) state: Option<StateRecord>,
}

/// Where the state of a view's operators is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StateRecord {
    /// Its chunks: from the first number to before the second.
    chunks: (u64, u64),
    /// Bytes of the chunks that were written when they were begun anew, and of those since: one changed group may
    /// be most of a state. A record without them is of rows, and due to begin anew.
    #[serde(default)]
    base_bytes: u64,
    #[serde(default = "StateRecord::not_counted")]
    since_bytes: u64,
    /// What the operators were: others cannot go on with it.
    pub(crate) operators: String,
}

/// The checkpoints of an engine.
pub(crate) struct Checkpoints {
    path: PathBuf,
    store: StateStore,
    known: Mutex<Known>,
    /// Held through a round: there is one at a time.
    round: Mutex<()>,
}

#[derive(Default)]
struct Known {
    records: BTreeMap<ObjectId, Record>,
    newest: Epoch,
    /// Keeps the versions as of `newest`, so that the next round finds what changed since.
    pin: Option<Pin>,
    /// The epoch up to which retention may rely on the records, as the log knows it.
    relied_on: Epoch,
}

impl Checkpoints {
    /// Opens the checkpoints in the directory `path`, which belong to `log`.
    ///
    /// # Errors
    /// XX001 where they are damaged, or ahead of the log, or older than what the log has removed rests on.
    pub(crate) fn open(path: &Path, log: &dyn Log) -> Result<Self> {
        let relied_on = match log.meta(MetaSpace::ReliedOn as u8, &[])? {
            Some(bytes) => storage::decode_json(&bytes, "the epoch that retention relies on")?,
            None => Epoch::ZERO,
        };
        Self::open_relied_on(path, log, relied_on).map_err(|e| hinted(e, path, relied_on))
    }

    fn open_relied_on(path: &Path, log: &dyn Log, relied_on: Epoch) -> Result<Self> {
        let store = StateStore::open(path)?;
        let newest = match store.get(&[NEWEST])? {
            Some(bytes) => storage::decode_json::<Newest>(&bytes, "the newest checkpoint")?.epoch,
            None => Epoch::ZERO,
        };
        if newest > log.newest_epoch() {
            return Err(Error::corrupt(format!(
                "the checkpoint in \"{}\" is of epoch {newest}, but the log ends at epoch {}",
                path.display(),
                log.newest_epoch()
            ))
            .with_hint("Commits were lost: restore the data directory from a backup."));
        }
        if newest < relied_on {
            return Err(Error::corrupt(format!(
                "the checkpoint in \"{}\" is of epoch {newest}, but the log was cut relying on that of \
                 epoch {relied_on}",
                path.display()
            ))
            .with_hint("Restore the folder from a backup of the data directory."));
        }
        let mut records = BTreeMap::new();
        store.scan(&[RECORD], |key, value| {
            let id = ObjectId(storage::read_id(&key[1..])?);
            records.insert(id, storage::decode_json(value, "a checkpoint's record")?);
            Ok(())
        })?;
        let known = Known { records, newest, pin: None, relied_on };
        let path = path.to_owned();
        Ok(Self { path, store, known: Mutex::new(known), round: Mutex::default() })
    }

    /// The record of an object.
    pub(crate) fn record(&self, id: ObjectId) -> Option<Record> {
        self.known.lock().records.get(&id).cloned()
    }

    /// Takes a record for none: what it stands for is made again.
    pub(crate) fn forget(&self, id: ObjectId) {
        self.known.lock().records.remove(&id);
    }

    /// The epochs of all records.
    pub(crate) fn epochs(&self) -> BTreeMap<ObjectId, Epoch> {
        self.known.lock().records.iter().map(|(id, record)| (*id, record.epoch)).collect()
    }

    /// Keeps the versions as of the newest checkpoint, so that the next one finds what changed since. To be
    /// called before anybody drops versions.
    pub(crate) fn pin(&self, pins: &Pins) {
        let mut known = self.known.lock();
        if known.newest > Epoch::ZERO {
            known.pin = Some(pins.pin(known.newest));
        }
    }

    /// The newest epoch that the log does not yet know to be relied on.
    pub(crate) fn to_rely_on(&self) -> Option<Epoch> {
        let known = self.known.lock();
        (known.newest > known.relied_on).then_some(known.newest)
    }

    /// The log knows: from now on records may go for checkpoints up to `epoch`.
    pub(crate) fn relied_on(&self, epoch: Epoch) {
        let mut known = self.known.lock();
        known.relied_on = known.relied_on.max(epoch);
    }

    /// Puts the content of the object's record into `segments`, which are empty.
    ///
    /// # Errors
    /// XX001 where it is damaged.
    pub(crate) fn load(&self, object: &Object, record: &Record, segments: &Segments) -> Result<()> {
        let reader = chunks::Reader::new(object, record.epoch)?;
        self.each_chunk(object, CHUNK, record.chunks, |chunk| reader.read(chunk, segments))
    }

    /// Hands the chunks of those numbers to `each`.
    fn each_chunk(
        &self,
        object: &Object,
        kind: u8,
        (mut next, end): (u64, u64),
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let read = self.store.scan(&chunk_prefix(kind, object.id), |key, value| {
            let number = read_number(key)?;
            if number < next || number >= end {
                return Ok(());
            }
            if number != next {
                return Err(missing_chunk(object, next));
            }
            next += 1;
            each(value)
        });
        let complete = || if next == end { Ok(()) } else { Err(missing_chunk(object, next)) };
        let relied_on = self.known.lock().relied_on;
        read.and_then(|()| complete()).map_err(|error| hinted(error, &self.path, relied_on))
    }
}

/// A damaged checkpoint with what to do: it can be made again unless records have gone because of it.
fn hinted(error: Error, path: &Path, relied_on: Epoch) -> Error {
    if error.state() != SqlState::DataCorrupted || error.hint().is_some() {
        return error;
    }
    error.with_hint(match relied_on {
        Epoch::ZERO => format!(
            "Remove the folder \"{}\" while the server is stopped: the log holds everything, and the next \
             start makes the folder again from it.",
            path.display()
        ),
        _ => "Retention has removed records that are only in this folder: restore the data directory \
              from a backup."
            .to_owned(),
    })
}

fn missing_chunk(object: &Object, number: u64) -> Error {
    Error::corrupt(format!("chunk {number} of the checkpoint of \"{}\" is missing", object.name))
}

fn record_key(id: ObjectId) -> Vec<u8> {
    [&[RECORD], id.0.to_be_bytes().as_slice()].concat()
}

fn chunk_prefix(kind: u8, id: ObjectId) -> Vec<u8> {
    [&[kind], id.0.to_be_bytes().as_slice()].concat()
}

fn chunk_key(kind: u8, id: ObjectId, number: u64) -> Vec<u8> {
    [chunk_prefix(kind, id).as_slice(), &number.to_be_bytes()].concat()
}

fn read_number(key: &[u8]) -> Result<u64> {
    let bytes = key.get(5..).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u64::from_be_bytes).ok_or_else(|| Error::corrupt("a chunk's key is damaged"))
}

/// Takes chunks out, from a number to before another.
fn delete_chunks(batch: &mut StateBatch, kind: u8, id: ObjectId, range: (u64, u64)) {
    if range.0 < range.1 {
        batch.delete_range(&chunk_key(kind, id, range.0), &chunk_key(kind, id, range.1));
    }
}
