//! The store with a real RocksDB.

use weir_types::{Offset, SqlState};

use super::*;
use crate::class::RetentionClass;
use crate::testing::{copy_dir, files};

const TOPIC: TopicId = TopicId(7);
const CLASS: RetentionClass = RetentionClass::Hours;

fn open(dir: &Path) -> LogStore {
    let options = LogStoreOptions { create: true, acknowledged: Epoch::ZERO, accept_loss: false };
    LogStore::open(dir, &options).expect("opened")
}

fn partition(partition: u32) -> PartitionId {
    PartitionId(partition)
}

/// Bytes that are as good as random for a compressor and tell their offset.
fn block(offset: u64, n_bytes: usize) -> Vec<u8> {
    let mut bytes = vec![0; n_bytes];
    weir_env::Rng::from_seed(offset).fill(&mut bytes);
    bytes
}

fn put(store: &LogStore, p: u32, offsets: std::ops::Range<u64>, n_bytes: usize) {
    let mut batch = store.batch(Epoch(1));
    for offset in offsets {
        batch.put_block(CLASS, TOPIC, partition(p), Offset(offset), &block(offset, n_bytes));
    }
    store.write(batch).expect("written");
}

fn offsets(store: &LogStore, p: u32, from: u64) -> Vec<u64> {
    let blocks = store.blocks(CLASS, TOPIC, partition(p), Offset(from), None).expect("healthy");
    blocks.map(|block| block.expect("readable").0.0).collect()
}

#[test]
fn blocks_come_in_order_from_one_partition_and_class_both_ways() {
    let dir = tempfile::tempdir().expect("made");
    let store = open(dir.path());
    put(&store, 0, 1_000..1_001, 10);
    put(&store, 1, 9..12, 2_000);
    put(&store, i32::MAX as u32, 5..6, 10);
    let mut batch = store.batch(Epoch(1));
    batch.put_block(RetentionClass::Weeks, TOPIC, partition(1), Offset(10), b"another class");
    store.write(batch).expect("written");
    for _ in 0..2 {
        assert_eq!(offsets(&store, 1, 0), [9, 10, 11]);
        assert_eq!(offsets(&store, 1, 10), [10, 11]);
        assert_eq!(offsets(&store, 1, 12), []);
        assert_eq!(offsets(&store, i32::MAX as u32, 0), [5]);
        let back = store.blocks_rev(CLASS, TOPIC, partition(1)).expect("healthy");
        let back: Vec<u64> = back.map(|block| block.expect("readable").0.0).collect();
        assert_eq!(back, [11, 10, 9]);
        let last = store.last_block(CLASS, TOPIC, partition(1)).expect("readable").expect("there");
        assert_eq!((last.0, last.1.as_ref()), (Offset(11), block(11, 2_000).as_slice()));
        assert!(store.last_block(CLASS, TopicId(8), partition(1)).expect("readable").is_none());
        // The second time from tables and blob files.
        store.db.flush_cf(store.family(CLASS.column_family())).expect("flushed");
    }
}

#[test]
fn parts_of_a_block_are_read_by_number_and_go_with_it() {
    let dir = tempfile::tempdir().expect("made");
    let store = open(dir.path());
    put(&store, 1, 9..12, 10);
    let mut batch = store.batch(Epoch(1));
    for (last, part) in [(9, 3), (10, 0), (10, 3), (10, 900), (11, 3)] {
        let bytes = block(last * 1_000 + u64::from(part), 2_000);
        batch.put_block_part(CLASS, TOPIC, partition(1), Offset(last), part, &bytes);
    }
    store.write(batch).expect("written");
    // Which of them are there, with the bytes that were written.
    let parts = |last: u64, parts: &[u32]| -> Vec<bool> {
        let found = store.block_parts(CLASS, TOPIC, partition(1), Offset(last), parts);
        let found = found.expect("readable").into_iter().zip(parts);
        let is_there = |(bytes, part): (Option<bytes::Bytes>, &u32)| {
            let written = block(last * 1_000 + u64::from(*part), 2_000);
            bytes.inspect(|bytes| assert_eq!(bytes, &written)).is_some()
        };
        found.map(is_there).collect()
    };
    for _ in 0..2 {
        assert_eq!(parts(10, &[0, 900]), [true, true]);
        assert_eq!(parts(10, &[1, 3]), [false, true]);
        assert_eq!(offsets(&store, 1, 0), [9, 10, 11], "a walk over blocks meets none");
        // The second time from tables and blob files.
        store.db.flush_cf(store.family(CLASS.column_family())).expect("flushed");
    }
    let mut batch = store.batch(Epoch(1));
    batch.delete_blocks_below(CLASS, TOPIC, partition(1), Offset(11));
    store.write(batch).expect("written");
    assert_eq!(offsets(&store, 1, 0), [11]);
    assert_eq!((parts(9, &[3]), parts(10, &[0, 3, 900])), (vec![false], vec![false; 3]));
    assert_eq!(parts(11, &[3]), [true]);
    let mut batch = store.batch(Epoch(1));
    batch.delete_topic(CLASS, TOPIC);
    store.write(batch).expect("written");
    assert_eq!(parts(11, &[3]), [false]);
}

#[test]
fn meta_records_are_there_after_reopening() {
    let dir = tempfile::tempdir().expect("made");
    let store = open(dir.path());
    let mut batch = store.batch(Epoch(1));
    batch.put_meta(MetaKind::User, b"a1", b"x");
    batch.put_meta(MetaKind::User, b"a2", b"y");
    batch.put_meta(MetaKind::User, b"b", b"z");
    batch.put_meta(MetaKind::Topic, b"a", b"other kind");
    batch.delete_meta(MetaKind::User, b"a1");
    store.write(batch).expect("written");
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.get_meta(MetaKind::User, b"a2").expect("read"), Some(b"y".to_vec()));
    assert_eq!(store.get_meta(MetaKind::User, b"a1").expect("read"), None);
    let all = store.scan_meta(MetaKind::User, b"").expect("read");
    assert_eq!(all, [(b"a2".to_vec(), b"y".to_vec()), (b"b".to_vec(), b"z".to_vec())]);
    assert_eq!(store.scan_meta(MetaKind::User, b"a").expect("read").len(), 1);
}

#[test]
fn time_index_finds_the_last_entry_before_a_time_and_shrinks_from_the_front() {
    let dir = tempfile::tempdir().expect("made");
    let store = open(dir.path());
    let entry = |ts, base| TimeIndexEntry {
        running_max: Timestamp(ts),
        base_offset: Offset(base),
        byte_pos: base * 100,
    };
    let mut batch = store.batch(Epoch(1));
    for (ts, base) in [(i64::MIN, 0), (-5, 10), (5, 20), (50, 30)] {
        batch.put_time_index(TOPIC, partition(1), &entry(ts, base));
    }
    batch.put_time_index(TOPIC, partition(0), &entry(0, 999));
    store.write(batch).expect("written");
    let before =
        |ts| store.time_index_before(TOPIC, partition(1), Timestamp(ts)).expect("readable");
    assert_eq!(before(-5), Some(entry(i64::MIN, 0)));
    assert_eq!(before(-4), Some(entry(-5, 10)));
    assert_eq!(before(51), Some(entry(50, 30)));
    assert_eq!(before(i64::MIN), None);
    let mut batch = store.batch(Epoch(1));
    batch.delete_time_index_below(TOPIC, partition(1), Offset(25)).expect("readable");
    store.write(batch).expect("written");
    assert_eq!(before(5), None);
    assert_eq!(before(6), Some(entry(5, 20)), "a lookup at 25 needs it");
}

#[test]
fn modes_that_decide_what_survives_are_set() {
    let dir = tempfile::tempdir().expect("made");
    let _store = open(dir.path());
    let text: String = files(dir.path())
        .into_iter()
        .filter(|(path, _)| path.to_string_lossy().contains("OPTIONS-"))
        .map(|(_, bytes)| String::from_utf8(bytes).expect("text"))
        .next_back()
        .expect("RocksDB writes its options down");
    for mode in [
        "wal_recovery_mode=kTolerateCorruptedTailRecords",
        "track_and_verify_wals=true",
        "max_bgerror_resume_count=0",
        "recycle_log_file_num=0",
        "paranoid_checks=true",
        "manual_wal_flush=false",
        "max_total_wal_size=536870912",
        "enable_blob_garbage_collection=false",
    ] {
        assert!(text.contains(mode), "{mode}");
    }
}

#[test]
fn second_open_is_refused_and_a_missing_store_is_not_made_up() {
    let dir = tempfile::tempdir().expect("made");
    let store = open(dir.path());
    let options = LogStoreOptions { create: false, acknowledged: Epoch(0), accept_loss: false };
    let error = LogStore::open(dir.path(), &options).expect_err("open already");
    assert_eq!(error.state(), SqlState::ObjectInUse, "{error}");
    drop(store);
    let missing = dir.path().join("none");
    let error = LogStore::open(&missing, &options).expect_err("missing");
    assert_eq!(error.state(), SqlState::DataCorrupted, "{error}");
    assert!(error.message().contains(&missing.display().to_string()), "{error}");
}

#[test]
fn tables_without_current_are_not_deleted() {
    let dir = tempfile::tempdir().expect("made");
    let store = open(dir.path());
    put(&store, 0, 0..1, 10_000);
    store.db.flush_cf(store.family(CLASS.column_family())).expect("flushed");
    drop(store);
    std::fs::remove_file(dir.path().join("CURRENT")).expect("removed");
    let before = files(dir.path());
    let options = LogStoreOptions { create: true, acknowledged: Epoch(0), accept_loss: true };
    let error = LogStore::open(dir.path(), &options).expect_err("no CURRENT");
    assert_eq!(error.state(), SqlState::DataCorrupted);
    assert_eq!(files(dir.path()), before);
}

#[test]
fn read_only_store_sees_what_a_running_one_has_only_in_its_write_ahead_log() {
    let dir = tempfile::tempdir().expect("made");
    let store = open(dir.path());
    put(&store, 0, 0..3, 10_000);
    let reader = LogStore::open_read_only(dir.path()).expect("opened beside the writer");
    put(&store, 0, 3..4, 10_000);
    assert_eq!(offsets(&reader, 0, 0), [0, 1, 2]);
    assert_eq!(offsets(&LogStore::open_read_only(dir.path()).expect("opened"), 0, 0).len(), 4);
    assert_eq!(offsets(&store, 0, 0).len(), 4);
}

#[test]
fn after_a_failed_write_every_call_gives_its_error() {
    let dir = tempfile::tempdir().expect("made");
    let store = open(dir.path());
    put(&store, 0, 0..1, 10);
    // A write that must fail.
    let reader = LogStore::open_read_only(dir.path()).expect("opened");
    let error = reader.write(reader.batch(Epoch(2))).expect_err("read only");
    assert!(error.message().contains(&dir.path().display().to_string()), "{error}");
    let told = |error: Error| assert_eq!(error.message(), reader_message(&reader), "{error}");
    told(reader.get_meta(MetaKind::User, b"").expect_err("poisoned"));
    told(reader.sync().expect_err("poisoned"));
    told(reader.blocks(CLASS, TOPIC, partition(0), Offset(0), None).err().expect("poisoned"));
    told(reader.reclaim(CLASS).expect_err("poisoned"));
    assert_eq!(offsets(&store, 0, 0), [0], "the other one is well");
}

fn reader_message(reader: &LogStore) -> String {
    reader.poison.check().expect_err("poisoned").message().to_owned()
}

#[test]
fn flipped_bit_in_a_blob_file_or_a_table_is_found_and_named() {
    for extension in ["blob", "sst"] {
        let dir = tempfile::tempdir().expect("made");
        let store = open(&dir.path().join("store"));
        put(&store, 0, 0..4, if extension == "blob" { 2_000 } else { 400 });
        store.db.flush_cf(store.family(CLASS.column_family())).expect("flushed");
        drop(store);
        let all = files(&dir.path().join("store"));
        // The table with the blocks is the largest one.
        let (path, bytes) = all
            .iter()
            .filter(|(path, _)| path.extension().is_some_and(|found| found == extension))
            .max_by_key(|(_, bytes)| bytes.len())
            .expect("a file");
        for at in (0..bytes.len().min(1_500)).step_by(41) {
            let damaged = dir.path().join(format!("{extension}-{at}"));
            copy_dir(&dir.path().join("store"), &damaged);
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            std::fs::write(damaged.join(path.file_name().expect("a file")), flipped)
                .expect("written");
            let found = read_all(&damaged);
            match found {
                // Not every byte of a file is needed: then nothing is different.
                Ok(found) => assert_eq!(found, [0, 1, 2, 3], "byte {at} of a {extension} file"),
                Err(error) => assert_eq!(error.state(), SqlState::DataCorrupted, "{error}"),
            }
            if at > 60 && at < bytes.len() / 2 {
                let error = read_all(&damaged).expect_err("in the middle of a block");
                let named = error.message().contains("topic 7 partition 0")
                    || error.message().contains("cannot open");
                assert!(named, "{error}");
            }
        }
    }
}

/// Offsets of blocks whose bytes are right; a wrong block that nobody complains of is a failed test.
fn read_all(dir: &Path) -> Result<Vec<u64>> {
    let options = LogStoreOptions { create: false, acknowledged: Epoch(0), accept_loss: false };
    let store = LogStore::open(dir, &options)?;
    let mut found = Vec::new();
    for stored in store.blocks(CLASS, TOPIC, partition(0), Offset(0), None)? {
        let (last, bytes) = stored?;
        assert_eq!(bytes, block(last.0, bytes.len()), "a damaged block was handed out");
        found.push(last.0);
    }
    Ok(found)
}

/// Bytes of the tables and blob files of an open store. RocksDB may delete one while they are listed.
fn disk_bytes(dir: &Path) -> u64 {
    std::fs::read_dir(dir)
        .expect("listed")
        .map(|entry| entry.expect("listed"))
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "sst" || end == "blob"))
        .filter_map(|entry| entry.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

#[test]
fn deleted_blocks_give_their_disk_back_and_the_others_stay() {
    let dir = tempfile::tempdir().expect("made");
    let store = open(dir.path());
    for round in 0..4 {
        put(&store, 0, round * 10..round * 10 + 10, 50_000);
        put(&store, 1, round * 10..round * 10 + 10, 50_000);
        store.db.flush_cf(store.family(CLASS.column_family())).expect("flushed");
    }
    let before = disk_bytes(dir.path());
    assert!(before > 4_000_000);
    assert_eq!(store.reclaim(CLASS).expect("nothing to do"), 0);
    let mut batch = store.batch(Epoch(1));
    for p in [0, 1] {
        batch.delete_blocks_below(CLASS, TOPIC, partition(p), Offset(20));
    }
    store.write(batch).expect("written");
    assert_eq!(offsets(&store, 0, 0)[0], 20);
    let freed = store.reclaim(CLASS).expect("reclaimed");
    assert!(freed > 1_900_000 && freed < 2_100_000, "{freed} bytes freed");
    store.db.wait_for_compact(&rocksdb::WaitForCompactOptions::default()).expect("quiet");
    let after = disk_bytes(dir.path());
    assert!(after < before / 2 + 50_000, "{after} of {before} bytes left");
    let mut batch = store.batch(Epoch(1));
    batch.delete_topic(CLASS, TOPIC);
    store.write(batch).expect("written");
    store.reclaim(CLASS).expect("reclaimed");
    assert_eq!(offsets(&store, 1, 0), []);
    assert_eq!(store.stored_bytes(CLASS).expect("told"), 0);
}
