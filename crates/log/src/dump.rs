//! Looking into a log without owning it, also beside a running server.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use weir_store::{DataDir, LogStore};
use weir_types::{Epoch, Offset, PartitionId, Result, Timestamp, TopicId};

use crate::log::BlockReader;
use crate::payload::Projection;
use crate::read::Shelf;
use crate::recover::{self, Recovered};
use crate::tail::Tail;
use crate::topic::{TopicConfig, Topics};

/// The log of a data directory as of the moment it was opened, for reading.
pub struct LogDump {
    shelf: Arc<Shelf>,
    topics: Topics,
    epoch: Epoch,
    now: Timestamp,
}

impl LogDump {
    /// Opens the log of the data directory `path`. What a running server has written until now is
    /// seen, fsynced or not. Nothing is changed.
    ///
    /// # Errors
    /// 58P01 where there is no data directory, 0A000 for another format, XX001 where the log is
    /// damaged, 58030.
    pub fn open(path: &Path) -> Result<Self> {
        let store = LogStore::open_read_only(&DataDir::log_dir_of(path)?)?;
        let Recovered { topics, newest } = recover::recover(&store)?;
        let shelf = Arc::new(Shelf { store, tail: Tail::new(0), _owned: None });
        Ok(Self { shelf, topics, epoch: newest.epoch, now: newest.now })
    }

    /// The newest epoch and its time.
    #[must_use]
    pub fn newest(&self) -> (Epoch, Timestamp) {
        (self.epoch, self.now)
    }

    /// All topics by id.
    #[must_use]
    pub fn topics(&self) -> Vec<TopicConfig> {
        self.topics.all().iter().map(|topic| topic.config.clone()).collect()
    }

    /// All records of the layers above in a space, by key.
    ///
    /// # Errors
    /// XX001, 58030.
    pub fn scan_meta(&self, space: u8) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        crate::read::scan_meta(&self.shelf.store, space)
    }

    /// The offsets that a partition has.
    ///
    /// # Errors
    /// 42704 where there is no such topic or partition.
    pub fn offsets(&self, topic: TopicId, partition: PartitionId) -> Result<Range<Offset>> {
        let topic = self.topics.get(topic)?;
        let partition = topic.partition(partition)?.lock();
        Ok(partition.start..partition.tip.end)
    }

    /// The blocks of a partition from the one on that contains `from`.
    ///
    /// # Errors
    /// 42704, and 55000 where `from` is before the start. The reader gives XX001 for a damaged block,
    /// and 58030 where a running server has deleted the file of one meanwhile: open again then.
    pub fn read(
        &self,
        topic: TopicId,
        partition: PartitionId,
        from: Offset,
    ) -> Result<BlockReader> {
        let topic = self.topics.get(topic)?;
        self.shelf.read(&topic, partition, from, Offset(u64::MAX), &Projection::All)
    }
}
