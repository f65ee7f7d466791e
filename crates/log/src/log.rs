//! The seam: a log as its committer and its readers see it.

use weir_types::{Epoch, Offset, PartitionId, Result, Timestamp, TopicId};

use crate::block::Block;
use crate::commit::Commit;
use crate::notify::{EpochCallback, Listener, Subscription};
use crate::payload::Projection;
use crate::retention::Retained;
use crate::topic::TopicConfig;

/// The blocks of a range of offsets, in order and without gaps. Ends after the first error.
pub type BlockReader = Box<dyn Iterator<Item = Result<Block>> + Send>;

/// A durable log of topics.
///
/// One thread at a time begins and writes commits; one thread at a time syncs; any threads read.
///
/// A `topic` or `partition` that does not exist is 42704 everywhere. What is stored and damaged is XX001
/// by topic, partition and offset; a failed read is 58030.
pub trait Log: Send + Sync {
    /// Begins the commit of `epoch`, which must be the one after [`Self::newest_epoch`].
    fn begin(&self, epoch: Epoch, now: Timestamp) -> Commit;

    /// Writes a commit as a whole or not at all. It can be read on return; it is durable only after
    /// [`Self::sync`].
    ///
    /// # Errors
    /// XX000 where another commit was written since it began; nothing was written then. 53100, 58030
    /// and the like where the write failed: a restart may find the commit or not, each further call
    /// fails, and the caller must end the process.
    fn write(&self, commit: Commit) -> Result<()>;

    /// Makes durable all commits written before the call, and returns the newest epoch that it covers.
    /// Other threads write on meanwhile.
    ///
    /// # Errors
    /// 53100, 58030 and the like: nothing may be acknowledged any more, and trying again could report
    /// success for what is lost. The caller must end the process.
    fn sync(&self) -> Result<Epoch>;

    /// Notes, outside of the log, which epoch is durable: a log that ends before it is refused. One fsync
    /// of its own, where there is something newer to note; any thread, while others write and sync.
    ///
    /// # Errors
    /// As [`Self::sync`].
    fn mark(&self) -> Result<()>;

    /// The epoch written last.
    fn newest_epoch(&self) -> Epoch;

    /// The time of the epoch written last.
    fn newest_now(&self) -> Timestamp;

    /// The newest epoch known to be durable.
    fn durable_epoch(&self) -> Epoch;

    /// All topics by id.
    fn topics(&self) -> Vec<TopicConfig>;

    /// The first offset that retention has left.
    ///
    /// # Errors
    /// 42704.
    fn start_offset(&self, topic: TopicId, partition: PartitionId) -> Result<Offset>;

    /// The offset after the last record, as of the newest epoch.
    ///
    /// # Errors
    /// 42704.
    fn end_offset(&self, topic: TopicId, partition: PartitionId) -> Result<Offset>;

    /// Bytes of the blocks from the start on, headers and payloads. At times a search that reads a block.
    ///
    /// # Errors
    /// 42704, XX001, 58030.
    fn n_bytes(&self, topic: TopicId, partition: PartitionId) -> Result<u64>;

    /// The offset after the last record as of `epoch`, but at least the start. From memory for recent
    /// epochs; otherwise a search that reads some blocks.
    ///
    /// # Errors
    /// 42704, XX001, 58030.
    fn end_offset_at(&self, topic: TopicId, partition: PartitionId, epoch: Epoch)
    -> Result<Offset>;

    /// An offset before which all records are earlier than `timestamp`, and whose block is the first
    /// with one that is not; the end where there is none.
    ///
    /// # Errors
    /// 42704, XX001, 58030.
    fn offset_for_timestamp(
        &self,
        topic: TopicId,
        partition: PartitionId,
        timestamp: Timestamp,
    ) -> Result<Offset>;

    /// The blocks with the records from `from` to before `upto`, or to the end where that comes first.
    /// The first block may begin before `from`, the last one end after `upto`: the caller takes what it
    /// asked for. What is not durable yet is read too. Of each block those parts are there, at least, that
    /// `projection` has.
    ///
    /// # Errors
    /// 42704, 55000 where `from` is before the start. The reader gives XX001, 58030, and 55000 where
    /// retention overtakes it.
    fn read(
        &self,
        topic: TopicId,
        partition: PartitionId,
        from: Offset,
        upto: Offset,
        projection: &Projection,
    ) -> Result<BlockReader>;

    /// As [`Self::read`], from several readers for as many threads: each block comes from one of them. Where
    /// a block is missing between two of them, the last one that ends gives the error.
    ///
    /// # Errors
    /// As of [`Self::read`].
    fn read_side_by_side(
        &self,
        topic: TopicId,
        partition: PartitionId,
        from: Offset,
        upto: Offset,
        projection: &Projection,
        n_readers: usize,
    ) -> Result<Vec<BlockReader>>;

    /// A record of the layers above.
    ///
    /// # Errors
    /// XX001, 58030.
    fn meta(&self, space: u8, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// All records of a space, by key.
    ///
    /// # Errors
    /// XX001, 58030.
    fn scan_meta(&self, space: u8) -> Result<Vec<(Vec<u8>, Vec<u8>)>>;

    /// Waits for epochs as they are written, durable or not.
    fn subscribe(&self) -> Listener;

    /// Calls back with epochs as they are written, durable or not, until the subscription is dropped.
    fn on_epoch(&self, callback: EpochCallback) -> Subscription;

    /// Removes the records that no topic keeps, as of `now`, and frees their disk when it is worth it.
    /// `holds` gives the first offset that somebody still needs; nothing from there on is removed.
    /// Takes long; commits go on.
    ///
    /// # Errors
    /// XX001 and 58030 for a partition whose blocks cannot be read; 53100 and the like where a write
    /// failed, as for [`Self::write`].
    fn enforce_retention(
        &self,
        now: Timestamp,
        holds: &dyn Fn(TopicId, PartitionId) -> Option<Offset>,
    ) -> Result<Retained>;

    /// Syncs, marks, and ends the waiting of all listeners. To be called last.
    ///
    /// # Errors
    /// As [`Self::sync`].
    fn close(&self) -> Result<()>;
}
