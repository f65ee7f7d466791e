//! The embedded log with a real store on a real disk.

mod concurrent;
mod crash;
mod offsets;
mod parts;
mod retain;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_env::Rng;
use weir_store::DataDir;
use weir_types::{Epoch, Offset, PartitionId, Result, Timestamp, TopicId};

use crate::{
    Append, Block, BlockKind, EmbeddedLog, Log, LogOptions, Part, Projection, TopicConfig,
};

const TOPIC: TopicId = TopicId(7);
const P0: PartitionId = PartitionId(0);
const P1: PartitionId = PartitionId(1);

/// Options with no memory for the tail: reads come from the store.
fn options() -> LogOptions {
    LogOptions { tail_bytes_max: 0, reclaim_bytes_min: 1, ..LogOptions::default() }
}

fn open_with(dir: &Path, options: LogOptions) -> Result<EmbeddedLog> {
    let data = DataDir::open(dir, &mut Rng::from_seed(dir.as_os_str().len() as u64))?;
    EmbeddedLog::open(Arc::new(data), options)
}

fn open(dir: &Path) -> EmbeddedLog {
    open_with(dir, options()).expect("opened")
}

fn config() -> TopicConfig {
    TopicConfig {
        id: TOPIC,
        name: "orders".to_owned(),
        partitions: 2,
        retention_ms: None,
        retention_bytes: None,
    }
}

/// Rows with one timestamp; all of a payload that is not tiny lies in two parts.
fn rows(n_rows: u32, ts: i64, payload: &[u8]) -> Append {
    let (middle, end) = (payload.len() / 3, payload.len());
    let mut parts = vec![Part { id: 1, range: 0..middle }, Part { id: 2, range: middle..end }];
    parts.retain(|part| part.range.len() >= 64);
    Append {
        kind: BlockKind::Rows,
        schema_version: 1,
        n_rows,
        min_timestamp: Timestamp(ts),
        max_timestamp: Timestamp(ts),
        payload: payload.to_vec(),
        parts,
        producer: None,
    }
}

/// Bytes that do not compress and differ by seed.
fn noise(seed: u64, n_bytes: usize) -> Vec<u8> {
    let mut bytes = vec![0; n_bytes];
    Rng::from_seed(seed).fill(&mut bytes);
    bytes
}

/// Writes one commit with those appends to [`TOPIC`], and gives its epoch. The time is that number.
fn commit(log: &EmbeddedLog, appends: &[(PartitionId, Append)]) -> Epoch {
    let epoch = log.newest_epoch().next();
    let mut commit = log.begin(epoch, Timestamp(epoch.0 as i64));
    for (partition, append) in appends {
        commit.append(TOPIC, *partition, append.clone()).expect("appended");
    }
    log.write(commit).expect("written");
    epoch
}

/// A log with [`TOPIC`] as the first commit.
fn with_topic(dir: &Path, config: TopicConfig) -> EmbeddedLog {
    let log = open(dir);
    let mut commit = log.begin(Epoch(1), Timestamp(1));
    commit.create_topic(config).expect("created");
    log.write(commit).expect("written");
    log
}

/// Base offsets and payloads of the blocks in a range.
fn read(log: &EmbeddedLog, partition: PartitionId, from: u64, upto: u64) -> Vec<(u64, Vec<u8>)> {
    log.read(TOPIC, partition, Offset(from), Offset(upto), &Projection::All)
        .expect("in range")
        .map(|block| block.expect("whole"))
        .map(|block| (block.header.base_offset.0, payload(&block)))
        .collect()
}

/// The payload of a block that was read with all its parts.
fn payload(block: &Block) -> Vec<u8> {
    let mut payload = vec![0; block.payload.n_bytes()];
    let mut end = 0;
    for (begin, bytes) in block.payload.pieces() {
        assert!(*begin <= end, "bytes from {end} on were not read");
        payload[*begin..begin + bytes.len()].copy_from_slice(bytes);
        end = end.max(begin + bytes.len());
    }
    assert_eq!(end, payload.len());
    payload
}

/// Copies a data directory as a crash of its process leaves it.
fn crash(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("made");
    copy(from, to.path());
    to
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("made");
    for path in paths(from) {
        let target = to.join(path.file_name().expect("named"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, target).expect("copied");
        }
    }
}

fn paths(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("listed");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("listed").path()).collect();
    paths.sort();
    paths
}

/// Files of the log with that extension.
fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut paths = paths(&dir.join("log"));
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths
}
