//! Every RocksDB option that is not its default, with the reason. Modes that decide what survives are
//! set even where they are the default: a default may change.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, Options,
};
use weir_types::Result;

use crate::class::RetentionClass;
use crate::failure::rocksdb_error;
use crate::key::{META, TIME_INDEX};

/// A flush of a column family, and with it a blob file, is at most this large.
const BLOCKS_BUFFER_BYTES: usize = 64 << 20;
/// The descriptor of the newest epoch is rewritten by each commit: a small buffer is enough.
const META_BUFFER_BYTES: usize = 16 << 20;
/// All memtables of one instance. Four classes of blocks would otherwise take 1 GiB.
const BUFFERS_BYTES_MAX: usize = 256 << 20;
/// Replayed at start, at about 1 GiB a second; held by the column family that is flushed last.
const WAL_BYTES_MAX: u64 = 512 << 20;
/// Pointers to blobs are small, and mostly read in order; what is warm is in the page cache as well.
const CACHE_BYTES: usize = 32 << 20;
const BLOB_FILE_BYTES: u64 = 256 << 20;
/// Smaller blocks stay in the tables: a pointer is some 60 bytes, and each blob a read of its own.
/// At 1 KiB the write amplification is 2.1 with blobs and 3.5 without.
const BLOB_BYTES_MIN: u64 = 512;

/// What decides how a write-ahead log is read, also by an open for reading.
fn recovery() -> Result<Options> {
    // The crate has no setters for these two. A new `Options` comes back, so they come first.
    // - track_and_verify_wals: each WAL names its predecessor, so a missing one is found.
    // - max_bgerror_resume_count: no resume after a failed write (see `lib.rs`); RocksDB's leaves
    //   stores that fail later.
    let modes = "track_and_verify_wals=true;max_bgerror_resume_count=0";
    let mut options = Options::default()
        .get_options_from_string(modes)
        .map_err(|e| rocksdb_error("RocksDB refuses its options", &e))?;
    // A WAL may end in an incomplete record, which was never acknowledged. Anything else that cannot
    // be read is an error: point-in-time recovery would cut acknowledged records off and start.
    // What this mode still lets pass, `wal.rs` looks for.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_paranoid_checks(true);
    Ok(options)
}

/// What both instances share, for an open that writes.
fn instance() -> Result<Options> {
    let mut options = recovery()?;
    // A recycled file has old records after its end, which this mode cannot tell from damage.
    options.set_recycle_log_file_num(0);
    // A write is in the kernel when it returns, so that a killed process loses nothing.
    options.set_manual_wal_flush(false);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_db_write_buffer_size(BUFFERS_BYTES_MAX);
    // Spreads write-back, so that an fsync does not find hundreds of MiB to write.
    options.set_wal_bytes_per_sync(1 << 20);
    options.set_bytes_per_sync(1 << 20);
    // Flush and compaction beside the views' workers.
    options.set_max_background_jobs(2);
    // Every table file stays open: no open in the read path.
    options.set_max_open_files(-1);
    // Obsolete files are deleted in the background, not by a reader that ends.
    options.set_avoid_unnecessary_blocking_io(true);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(16 << 20);
    // A line per interval in a text log that nobody reads.
    options.set_stats_dump_period_sec(0);
    Ok(options)
}

/// The log's instance.
pub(crate) fn log_instance(create: bool) -> Result<Options> {
    let mut options = instance()?;
    // Parts of blocks lie behind one another in the order in which a reader of all asks for them: the kernel reads
    // ahead of it, unless it is told that reads are at random.
    options.set_advise_random_on_open(false);
    options.create_if_missing(create);
    options.create_missing_column_families(create);
    Ok(options)
}

/// The state's instance. It is made again where it is missing: it can be computed from the log.
pub(crate) fn state_instance() -> Result<Options> {
    let mut options = instance()?;
    options.create_if_missing(true);
    Ok(options)
}

/// The log's instance, for reading. Another process may be writing it, and delete a write-ahead log file
/// between the moments when the list of tables and that file are read: the open then fails for the
/// missing file, and is tried again.
pub(crate) fn read_only_instance() -> Result<Options> {
    recovery()
}

/// The column families of the log's instance.
pub(crate) fn log_families() -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let mut families = vec![
        ColumnFamilyDescriptor::new(META, small_family(&cache, META_BUFFER_BYTES)),
        ColumnFamilyDescriptor::new(TIME_INDEX, small_family(&cache, META_BUFFER_BYTES)),
    ];
    for class in RetentionClass::ALL {
        families.push(ColumnFamilyDescriptor::new(class.column_family(), blocks_family(&cache)));
    }
    families
}

fn tables(cache: &Cache) -> BlockBasedOptions {
    let mut tables = BlockBasedOptions::default();
    tables.set_block_cache(cache);
    tables.set_block_size(16 << 10);
    tables
}

fn small_family(cache: &Cache, buffer_bytes: usize) -> Options {
    let mut options = Options::default();
    options.set_block_based_table_factory(&tables(cache));
    options.set_write_buffer_size(buffer_bytes);
    options.set_compression_type(DBCompressionType::Lz4);
    options
}

/// Blocks and their parts: key and pointer in tables, the bytes in a blob file. They are then written twice
/// (WAL and blob file), whatever the number of partitions, and never again.
fn blocks_family(cache: &Cache) -> Options {
    let mut options = Options::default();
    options.set_block_based_table_factory(&tables(cache));
    options.set_write_buffer_size(BLOCKS_BUFFER_BYTES);
    options.set_max_write_buffer_number(4);
    options.set_enable_blob_files(true);
    options.set_min_blob_size(BLOB_BYTES_MIN);
    options.set_blob_file_size(BLOB_FILE_BYTES);
    // Rewriting half-dead files costs more than they hold: retention kills whole files.
    options.set_enable_blob_gc(false);
    // Record sets of Kafka clients come compressed. Columns of SQL rows would shrink, but the WAL has
    // them in full anyway, and on a small machine the views need the processor more than the log
    // needs the disk. Pointers do not shrink.
    options.set_blob_compression_type(DBCompressionType::None);
    options.set_compression_type(DBCompressionType::None);
    // Pointers are less than a hundredth of the data: their compaction never has to slow writes down.
    options.set_level_zero_slowdown_writes_trigger(1 << 20);
    options.set_level_zero_stop_writes_trigger(1 << 20);
    options.set_soft_pending_compaction_bytes_limit(1 << 50);
    options.set_hard_pending_compaction_bytes_limit(1 << 50);
    options
}

/// Checkpoints: large values that are replaced, so that dead ones must be collected, unlike in the log.
pub(crate) fn state_family() -> Options {
    let mut options = Options::default();
    options.set_block_based_table_factory(&tables(&Cache::new_lru_cache(CACHE_BYTES)));
    options.set_write_buffer_size(32 << 20);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_enable_blob_files(true);
    options.set_min_blob_size(16 << 10);
    options.set_blob_compression_type(DBCompressionType::Lz4);
    options.set_enable_blob_gc(true);
    options.set_blob_gc_age_cutoff(0.5);
    options.set_blob_gc_force_threshold(0.5);
    options
}
