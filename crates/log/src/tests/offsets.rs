//! Appending, reading and finding offsets.

use weir_types::SqlState;

use super::*;
use crate::{LogDump, Producer};

#[test]
fn one_commit_writes_topics_blocks_and_records_as_a_whole() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), config());
    let mut commit = log.begin(Epoch(2), Timestamp(20));
    assert_eq!(commit.append(TOPIC, P0, rows(3, 5, b"abc")).expect("appended"), Offset(0));
    assert_eq!(commit.append(TOPIC, P1, rows(1, 5, b"")).expect("appended"), Offset(0));
    let producer = Some(Producer { id: 9, epoch: 2, base_sequence: 4 });
    let set = Append { kind: BlockKind::RecordSet, producer, ..rows(2, 6, b"de") };
    assert_eq!(commit.append(TOPIC, P0, set).expect("appended"), Offset(3));
    assert_eq!(commit.end_offset(TOPIC, P0).expect("there"), Offset(5));
    commit.put_meta(3, b"k1", b"v1".to_vec());
    commit.put_meta(4, b"k1", b"other space".to_vec());
    commit.put_meta(3, b"k2", b"v2".to_vec());
    commit.delete_meta(3, b"k2");
    assert_eq!(log.end_offset(TOPIC, P0).expect("there"), Offset(0), "not written yet");
    log.write(commit).expect("written");
    let check = |log: &EmbeddedLog| {
        assert_eq!(log.end_offset(TOPIC, P0).expect("there"), Offset(5));
        assert_eq!(read(log, P0, 0, 9), [(0, b"abc".to_vec()), (3, b"de".to_vec())]);
        assert_eq!(read(log, P1, 0, 9), [(0, Vec::new())]);
        let blocks = log.read(TOPIC, P0, Offset(3), Offset(5), &Projection::All).expect("in range");
        let block = blocks.last().expect("one").expect("whole");
        assert_eq!((block.header.kind, block.header.producer), (BlockKind::RecordSet, producer));
        assert_eq!((block.header.epoch, block.header.max_timestamp), (Epoch(2), Timestamp(6)));
        assert_eq!(log.meta(3, b"k1").expect("read"), Some(b"v1".to_vec()));
        assert_eq!(log.scan_meta(3).expect("read"), [(b"k1".to_vec(), b"v1".to_vec())]);
        assert_eq!(log.topics(), [config()]);
        assert_eq!((log.newest_epoch(), log.newest_now()), (Epoch(2), Timestamp(20)));
    };
    check(&log);
    drop(log);
    check(&open(dir.path()));
}

#[test]
fn dropped_and_late_commits_leave_no_trace() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), config());
    let mut dropped = log.begin(Epoch(2), Timestamp(2));
    dropped.append(TOPIC, P0, rows(3, 5, b"abc")).expect("appended");
    drop(dropped);
    let mut late = log.begin(Epoch(2), Timestamp(2));
    late.append(TOPIC, P0, rows(3, 5, b"abc")).expect("appended");
    commit(&log, &[(P0, rows(1, 5, b"x"))]);
    let error = log.write(late).expect_err("another commit came first");
    assert_eq!(error.state(), SqlState::InternalError);
    let skipping = log.begin(Epoch(9), Timestamp(2));
    assert!(log.write(skipping).is_err(), "epochs have no gaps");
    assert_eq!(read(&log, P0, 0, 9), [(0, b"x".to_vec())]);
    commit(&log, &[(P0, rows(1, 5, b"y"))]);
    assert_eq!(read(&log, P0, 0, 9), [(0, b"x".to_vec()), (1, b"y".to_vec())]);
}

#[test]
fn topics_come_and_go_with_their_records() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), config());
    let state = |result: Result<()>| result.expect_err("refused").state();
    let mut first = log.begin(Epoch(2), Timestamp(2));
    assert_eq!(state(first.create_topic(config())), SqlState::DuplicateObject);
    let none = TopicConfig { partitions: 0, id: TopicId(8), ..config() };
    assert_eq!(state(first.create_topic(none)), SqlState::InvalidParameterValue);
    let append = |commit: &mut crate::Commit, topic, partition| {
        commit.append(topic, partition, rows(1, 0, b"x")).map(drop)
    };
    assert_eq!(state(append(&mut first, TopicId(8), P0)), SqlState::UndefinedObject);
    assert_eq!(state(append(&mut first, TOPIC, PartitionId(2))), SqlState::UndefinedObject);
    // Made and dropped in one commit, with rows in between.
    first.create_topic(TopicConfig { id: TopicId(8), ..config() }).expect("created");
    append(&mut first, TopicId(8), P0).expect("appended");
    append(&mut first, TOPIC, P0).expect("appended");
    first.drop_topic(TopicId(8)).expect("dropped");
    assert_eq!(state(append(&mut first, TopicId(8), P0)), SqlState::UndefinedObject);
    log.write(first).expect("written");
    assert_eq!(log.topics().len(), 1);
    let mut second = log.begin(Epoch(3), Timestamp(3));
    append(&mut second, TOPIC, P0).expect("appended");
    second.drop_topic(TOPIC).expect("dropped");
    assert_eq!(state(second.drop_topic(TOPIC)), SqlState::UndefinedObject);
    log.write(second).expect("written");
    let check = |log: &EmbeddedLog| {
        assert_eq!(log.topics(), []);
        let error =
            log.read(TOPIC, P0, Offset(0), Offset(1), &Projection::All).err().expect("gone");
        assert_eq!(error.state(), SqlState::UndefinedObject);
        assert!(error.message().contains("id 7"), "{error}");
    };
    check(&log);
    drop(log);
    check(&open(dir.path()));
}

#[test]
fn appends_that_cannot_be_stored_are_refused() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), config());
    let mut commit = log.begin(Epoch(2), Timestamp(2));
    let error = commit.append(TOPIC, P0, rows(0, 0, b"x")).expect_err("no rows");
    assert_eq!(error.state(), SqlState::InternalError);
    let part = |id, range| Part { id, range };
    for parts in [
        vec![part(1, 0..200), part(2, 100..400)],
        vec![part(1, 200..400), part(2, 0..200)],
        vec![part(1, 0..200), part(1, 200..400)],
        vec![part(1, 0..200), part(2, 200..401)],
        vec![part(1, 200..200)],
    ] {
        let append = Append { parts, ..rows(1, 0, &noise(1, 400)) };
        let error = commit.append(TOPIC, P0, append).expect_err("bad parts");
        assert_eq!(error.state(), SqlState::InternalError);
        assert!(error.message().contains("of an append to topic \"orders\""), "{error}");
    }
    assert_eq!(commit.end_offset(TOPIC, P0).expect("there"), Offset(0));
}

#[test]
fn offsets_have_no_gaps_over_restarts_wherever_blocks_are_read_from() {
    let dir = tempfile::tempdir().expect("made");
    drop(with_topic(dir.path(), config()));
    let mut rng = Rng::from_seed(5);
    let (mut end, mut written) = (0, Vec::new());
    for round in 0..5 {
        // Sometimes all from memory, sometimes some, sometimes none.
        let tail_bytes_max = [1 << 20, 20_000, 0][round % 3];
        let log =
            open_with(dir.path(), LogOptions { tail_bytes_max, ..options() }).expect("opened");
        for _ in 0..30 {
            let n_rows = (rng.next_u64() % 9 + 1) as u32;
            let payload = noise(rng.next_u64(), (rng.next_u64() % 3_000) as usize);
            commit(&log, &[(P0, rows(n_rows, 0, &payload))]);
            written.push((end, payload));
            end += u64::from(n_rows);
            assert_eq!(log.end_offset(TOPIC, P0).expect("there"), Offset(end));
        }
        assert_eq!(read(&log, P0, 0, u64::MAX), written);
        for _ in 0..20 {
            let from = rng.next_u64() % end;
            let upto = from + rng.next_u64() % (end - from + 1);
            let begin = written.partition_point(|(base, _)| *base <= from) - 1;
            let n_blocks = written.partition_point(|(base, _)| *base < upto).max(begin) - begin;
            let expected = if from == upto { &[] } else { &written[begin..begin + n_blocks] };
            assert_eq!(read(&log, P0, from, upto), expected, "from {from} to {upto}");
        }
    }
}

#[test]
fn more_than_one_chunk_is_read_through() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), config());
    let large = noise(1, 1 << 20);
    for _ in 0..9 {
        commit(&log, &[(P0, rows(1, 0, &large))]);
    }
    let small: Vec<_> = (0..1_100).map(|_| (P1, rows(1, 0, b"s"))).collect();
    commit(&log, &small);
    assert_eq!(read(&log, P0, 0, u64::MAX).len(), 9);
    assert_eq!(read(&log, P1, 0, u64::MAX).len(), 1_100);
}

#[test]
fn end_as_of_an_epoch_is_that_of_its_commit_also_after_a_restart() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), config());
    // Ends of partition 0 by epoch; some epochs do not touch it, some twice.
    let mut ends = vec![0, 0];
    for epoch in 2..1_400_u64 {
        let n_appends = epoch % 3;
        let appends: Vec<_> = (0..n_appends).map(|_| (P0, rows(2, 0, b"x"))).collect();
        commit(&log, &appends);
        ends.push(ends[ends.len() - 1] + 2 * n_appends);
    }
    let check = |log: &EmbeddedLog| {
        for (epoch, end) in ends.iter().enumerate().step_by(7) {
            let found = log.end_offset_at(TOPIC, P0, Epoch(epoch as u64)).expect("found");
            assert_eq!(found, Offset(*end), "as of epoch {epoch}");
            let other = log.end_offset_at(TOPIC, P1, Epoch(epoch as u64)).expect("found");
            assert_eq!(other, Offset(0));
        }
        let newest = log.end_offset_at(TOPIC, P0, Epoch::MAX).expect("found");
        assert_eq!(newest, log.end_offset(TOPIC, P0).expect("there"));
    };
    check(&log);
    drop(log);
    check(&open(dir.path()));
}

#[test]
fn offset_for_a_timestamp_is_the_first_block_with_a_record_as_late() {
    let dir = tempfile::tempdir().expect("made");
    let mut log = with_topic(dir.path(), config());
    let mut rng = Rng::from_seed(3);
    let mut blocks = Vec::new();
    for epoch in 0..400_u64 {
        if epoch == 200 {
            drop(log);
            log = open(dir.path());
        }
        // Out of order by up to a hundred, in steps, with equal ones.
        let ts = (epoch / 4 * 10) as i64 - (rng.next_u64() % 100) as i64;
        let append =
            Append { min_timestamp: Timestamp(ts - 5), ..rows(2, ts, &noise(epoch, 20_000)) };
        commit(&log, &[(P0, append)]);
        blocks.push(ts);
    }
    for ts in -200..1_100 {
        let expected =
            blocks.iter().position(|max| *max >= ts).map_or(800, |block| block as u64 * 2);
        let found = log.offset_for_timestamp(TOPIC, P0, Timestamp(ts)).expect("found");
        assert_eq!(found, Offset(expected), "at {ts}");
    }
    assert_eq!(log.offset_for_timestamp(TOPIC, P1, Timestamp(0)).expect("found"), Offset(0));
}

#[test]
fn dump_sees_a_running_log_and_changes_nothing() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), config());
    // The second one's parts lie apart.
    let large = noise(1, 3_000);
    commit(&log, &[(P0, rows(3, 5, b"abc")), (P0, rows(1, 5, &large))]);
    let before = paths(&dir.path().join("log"));
    let dump = LogDump::open(dir.path()).expect("opened beside the log");
    assert_eq!(paths(&dir.path().join("log")), before, "no file came or went");
    commit(&log, &[(P0, rows(1, 5, b"later"))]);
    assert_eq!(dump.newest(), (Epoch(2), Timestamp(2)));
    assert_eq!(dump.topics(), [config()]);
    assert_eq!(dump.offsets(TOPIC, P0).expect("there"), Offset(0)..Offset(4));
    let payloads = |dump: &LogDump| -> Vec<Vec<u8>> {
        let blocks = dump.read(TOPIC, P0, Offset(1)).expect("in range");
        blocks.map(|block| payload(&block.expect("whole"))).collect()
    };
    assert_eq!(payloads(&dump), [&b"abc"[..], &large]);
    // A start moves the blocks from the write-ahead log into tables and blob files.
    drop(log);
    drop(open(dir.path()));
    let dump = LogDump::open(dir.path()).expect("opened without a log beside");
    assert_eq!(payloads(&dump), [&b"abc"[..], &large, b"later"]);
    let error = LogDump::open(&dir.path().join("log/none")).err().expect("no directory");
    assert_eq!(error.state(), SqlState::UndefinedFile);
    let error = LogDump::open(&dir.path().join("log")).err().expect("no data directory");
    assert_eq!(error.state(), SqlState::ObjectNotInPrerequisiteState);
}

#[test]
fn readers_side_by_side_have_each_block_once() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), config());
    let sizes = [3, 1, 40, 2, 2, 90, 1, 1, 7];
    for n_rows in sizes {
        commit(&log, &[(P0, rows(n_rows, 0, b"x"))]);
    }
    let end = sizes.iter().map(|n_rows| u64::from(*n_rows)).sum::<u64>();
    let check = |log: &EmbeddedLog| {
        for (from, n_readers) in [(0, 1), (0, 2), (0, 7), (2, 5), (46, 3), (0, 1000)] {
            let readers = log.read_side_by_side(
                TOPIC,
                P0,
                Offset(from),
                Offset(end),
                &Projection::All,
                n_readers,
            );
            let mut bases: Vec<u64> = Vec::new();
            // The last one first: none needs another to be read before.
            for reader in readers.expect("in range").into_iter().rev() {
                let blocks = reader.map(|block| block.expect("whole").header.base_offset.0);
                bases.splice(0..0, blocks);
            }
            let whole: Vec<u64> =
                read(log, P0, from, end).into_iter().map(|(base, _)| base).collect();
            assert_eq!(bases, whole, "{n_readers} readers from {from}");
        }
    };
    check(&log);
    drop(log);
    check(&open(dir.path()));
}
