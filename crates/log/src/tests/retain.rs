//! Retention: what goes, what stays, and the disk.

use weir_types::SqlState;

use super::*;
use crate::Retained;

const NO_HOLDS: fn(TopicId, PartitionId) -> Option<Offset> = |_, _| None;

fn disk_bytes(dir: &Path) -> u64 {
    let kinds = ["sst", "blob"];
    let all = kinds.iter().flat_map(|kind| files(dir, kind));
    all.map(|path| std::fs::metadata(path).map_or(0, |file| file.len())).sum()
}

/// A topic of one partition with a hundred blocks of ten rows and 20 kB, one a second from second 0.
fn hundred_blocks(dir: &Path, retention_ms: Option<u64>, retention_bytes: Option<u64>) {
    let partitions = 1;
    let log =
        with_topic(dir, TopicConfig { partitions, retention_ms, retention_bytes, ..config() });
    for second in 0..100 {
        commit(&log, &[(P0, rows(10, second * 1_000_000, &noise(second as u64, 20_000)))]);
    }
    drop(log);
    // From the write-ahead log into blob files.
    drop(open(dir));
}

fn enforce(log: &EmbeddedLog, second: i64) -> Retained {
    log.enforce_retention(Timestamp(second * 1_000_000), &NO_HOLDS).expect("enforced")
}

#[test]
fn records_older_than_the_bound_go_with_their_disk() {
    let dir = tempfile::tempdir().expect("made");
    hundred_blocks(dir.path(), Some(30_000), None);
    let log = open(dir.path());
    let before = disk_bytes(dir.path());
    assert_eq!(enforce(&log, 30).starts, [], "all are young enough");
    let all = log.n_bytes(TOPIC, P0).expect("there");
    assert!((2_000_000..2_100_000).contains(&all), "{all} bytes in the log");
    let retained = enforce(&log, 100);
    // The block of second 70 is as old as the bound.
    assert_eq!(retained.starts, [(TOPIC, P0, Offset(700))]);
    assert_eq!(log.start_offset(TOPIC, P0).expect("there"), Offset(700));
    assert_eq!(log.n_bytes(TOPIC, P0).expect("there"), all * 30 / 100);
    assert_eq!(read(&log, P0, 700, 1_000).len(), 30);
    let error =
        log.read(TOPIC, P0, Offset(699), Offset(1_000), &Projection::All).err().expect("gone");
    assert_eq!(error.state(), SqlState::ObjectNotInPrerequisiteState);
    assert!(error.message().contains("\"orders\" partition 0 is before its start 700"), "{error}");
    assert_eq!(enforce(&log, 100), Retained::default(), "nothing more to do");
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.start_offset(TOPIC, P0).expect("there"), Offset(700));
    assert_eq!(log.n_bytes(TOPIC, P0).expect("there"), all * 30 / 100);
    assert_eq!(log.offset_for_timestamp(TOPIC, P0, Timestamp(0)).expect("found"), Offset(700));
    assert_eq!(log.end_offset_at(TOPIC, P0, Epoch(5)).expect("found"), Offset(700));
    // The parts of all blocks lie in one blob file: its disk comes back when the last one goes.
    assert!(retained.bytes_freed < 100_000, "{} bytes freed", retained.bytes_freed);
    commit(&log, &[(P0, rows(1, 200_000_000, b"young"))]);
    let retained = enforce(&log, 200);
    assert_eq!(retained.starts, [(TOPIC, P0, Offset(1_000))]);
    assert!(retained.bytes_freed > 1_900_000, "{} bytes freed", retained.bytes_freed);
    drop(log);
    assert!(disk_bytes(dir.path()) < before / 10);
    assert_eq!(read(&open(dir.path()), P0, 1_000, 1_001), [(1_000, b"young".to_vec())]);
}

#[test]
fn oldest_records_go_while_a_partition_is_too_large() {
    let dir = tempfile::tempdir().expect("made");
    let block = 20_000 + 96;
    hundred_blocks(dir.path(), None, Some(10 * block));
    let log = open(dir.path());
    assert_eq!(enforce(&log, 0).starts, [(TOPIC, P0, Offset(900))]);
    assert_eq!(enforce(&log, 0).starts, []);
    commit(&log, &[(P0, rows(10, 0, &noise(1, 20_000)))]);
    assert_eq!(enforce(&log, 0).starts, [(TOPIC, P0, Offset(910))]);
}

#[test]
fn nothing_from_a_hold_on_goes() {
    let dir = tempfile::tempdir().expect("made");
    hundred_blocks(dir.path(), Some(0), Some(0));
    let log = open(dir.path());
    let enforce = |hold: u64| {
        let now = Timestamp(1_000_000_000);
        let holds = move |topic, partition| {
            assert_eq!((topic, partition), (TOPIC, P0));
            Some(Offset(hold))
        };
        log.enforce_retention(now, &holds).expect("enforced").starts
    };
    assert_eq!(enforce(0), []);
    // In the middle of a block: the block stays.
    assert_eq!(enforce(255), [(TOPIC, P0, Offset(255))]);
    let first =
        log.read(TOPIC, P0, Offset(255), Offset(256), &Projection::All).expect("in range").next();
    assert_eq!(first.expect("one").expect("whole").header.base_offset, Offset(250));
    assert_eq!(enforce(255), []);
    assert_eq!(enforce(600), [(TOPIC, P0, Offset(600))]);
    assert_eq!(read(&log, P0, 600, 1_000).len(), 40);
}

#[test]
fn empty_partition_keeps_its_end_over_a_restart() {
    let dir = tempfile::tempdir().expect("made");
    hundred_blocks(dir.path(), Some(0), None);
    let log = open(dir.path());
    assert_eq!(enforce(&log, 1_000).starts, [(TOPIC, P0, Offset(1_000))]);
    assert_eq!(read(&log, P0, 1_000, u64::MAX), []);
    drop(log);
    let log = open(dir.path());
    let bounds = (log.start_offset(TOPIC, P0), log.end_offset(TOPIC, P0));
    assert_eq!(
        (bounds.0.expect("there"), bounds.1.expect("there")),
        (Offset(1_000), Offset(1_000))
    );
    commit(&log, &[(P0, rows(1, 2_000_000_000, b"next"))]);
    assert_eq!(read(&log, P0, 1_000, u64::MAX), [(1_000, b"next".to_vec())]);
}

#[test]
fn reader_that_retention_overtakes_is_told_so() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), TopicConfig { retention_ms: Some(0), ..config() });
    for _ in 0..10 {
        commit(&log, &[(P0, rows(1, 0, &noise(1, 1 << 20)))]);
    }
    let mut blocks =
        log.read(TOPIC, P0, Offset(0), Offset(10), &Projection::All).expect("in range");
    assert!(blocks.next().expect("one").is_ok());
    enforce(&log, 1);
    let error = blocks.find_map(Result::err).expect("the rest was not read yet");
    assert_eq!(error.state(), SqlState::ObjectNotInPrerequisiteState, "{error}");
}

#[test]
fn dropped_topic_gives_its_disk_back() {
    let dir = tempfile::tempdir().expect("made");
    hundred_blocks(dir.path(), None, None);
    let log = open(dir.path());
    let mut commit = log.begin(log.newest_epoch().next(), Timestamp(0));
    commit.drop_topic(TOPIC).expect("dropped");
    log.write(commit).expect("written");
    let retained = enforce(&log, 0);
    assert_eq!(retained.starts, []);
    assert!(retained.bytes_freed > 1_900_000, "{} bytes freed", retained.bytes_freed);
}

#[test]
fn a_start_never_moves_back() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), TopicConfig { retention_ms: Some(1_000), ..config() });
    for second in 0..10 {
        let block = rows(10, second * 1_000_000, b"x");
        commit(&log, &[(P0, block.clone()), (P1, block)]);
    }
    // Another enforces it with a later clock, when one has decided on the first partition only.
    let meanwhile = |_, partition| {
        (partition == P1).then(|| {
            enforce(&log, 9);
            Offset(100)
        })
    };
    let retained = log.enforce_retention(Timestamp(5_000_000), &meanwhile).expect("enforced");
    assert_eq!(retained.starts, []);
    for partition in [P0, P1] {
        assert_eq!(log.start_offset(TOPIC, partition).expect("there"), Offset(80));
        assert_eq!(read(&log, partition, 80, 100).len(), 2);
    }
}
