//! What crashes and damage do to a write-ahead log, and what RocksDB alone would make of it.

use std::os::unix::fs::FileExt;

use rocksdb::DB;
use weir_types::{Offset, PartitionId, SqlState, TopicId};

use super::*;
use crate::class::RetentionClass;
use crate::key::MetaKind;
use crate::log_store::{LogStore, LogStoreOptions};
use crate::options;
use crate::testing::{copy_dir, files};

const CLASS: RetentionClass = RetentionClass::Days;
const TOPIC: TopicId = TopicId(1);
const PARTITION: PartitionId = PartitionId(0);

fn open(dir: &Path, acknowledged: u64) -> Result<LogStore> {
    let acknowledged = Epoch(acknowledged);
    LogStore::open(dir, &LogStoreOptions { create: true, acknowledged, accept_loss: false })
}

/// Writes the epoch with a block of that size; the descriptor is just the number.
fn write(store: &LogStore, epoch: u64, n_bytes: usize) {
    let mut batch = store.batch(Epoch(epoch));
    batch.put_block(CLASS, TOPIC, PARTITION, Offset(epoch), &vec![epoch as u8; n_bytes]);
    batch.put_meta(MetaKind::Epoch, &[], &epoch.to_le_bytes());
    store.write(batch).expect("written");
}

/// The epochs whose blocks are there, which the descriptor must agree with.
fn epochs(store: &LogStore) -> Vec<u64> {
    let blocks = store.blocks(CLASS, TOPIC, PARTITION, Offset(0), None).expect("healthy");
    let epochs: Vec<u64> = blocks.map(|block| block.expect("readable").0.0).collect();
    let newest = store.get_meta(MetaKind::Epoch, &[]).expect("readable");
    let newest = newest.map(|bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")));
    assert_eq!(epochs.last().copied(), newest, "a commit is there as a whole");
    epochs
}

/// A store as a crash leaves it: epochs 1 to `durable` synced one by one, then up to `written` not.
fn crashed(durable: u64, written: u64, n_bytes: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("made");
    let store = open(&dir.path().join("store"), 0).expect("made");
    for epoch in 1..=written {
        write(&store, epoch, n_bytes);
        if epoch <= durable {
            store.sync().expect("synced");
        }
    }
    let crash = tempfile::tempdir().expect("made");
    copy_dir(&dir.path().join("store"), crash.path());
    crash
}

fn wal_files(dir: &Path) -> Vec<PathBuf> {
    list(dir).expect("listed").into_iter().map(|(_, path)| path).collect()
}

/// All records of the last file.
fn records(dir: &Path) -> Vec<reader::Record> {
    let (number, path) = list(dir).expect("listed").pop().expect("a file");
    records_of(number, &path)
}

fn records_of(number: u64, path: &Path) -> Vec<reader::Record> {
    let mut file = WalFile::open(number, path).expect("opened");
    let (mut records, mut at) = (Vec::new(), 0);
    while let Found::Record(record) = file.record(at).expect("read") {
        at = record.end;
        records.push(record);
    }
    records
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).expect("opened");
    file.write_all_at(bytes, at).expect("written");
}

fn flip(path: &Path, at: u64) {
    let mut byte = [0];
    let file = OpenOptions::new().read(true).write(true).open(path).expect("opened");
    file.read_exact_at(&mut byte, at).expect("read");
    file.write_all_at(&[byte[0] ^ 0x10], at).expect("written");
}

/// The store must be refused with nothing changed; gives the message.
fn refused(dir: &Path, acknowledged: u64) -> Error {
    let before = files(dir);
    let error = repair(dir, Epoch(acknowledged), false).expect_err("refused");
    assert_eq!(error.state(), SqlState::DataCorrupted, "{error}");
    assert_eq!(files(dir), before, "nothing was changed");
    error
}

#[test]
fn whatever_the_store_writes_is_one_unbroken_run() {
    for seed in 0..3 {
        let dir = tempfile::tempdir().expect("made");
        let mut rng = weir_env::Rng::from_seed(seed);
        let mut epoch = 0;
        for _ in 0..6 {
            let store = open(dir.path(), epoch).expect("whole");
            store.write(store.batch(Epoch(epoch))).expect("written");
            for _ in 0..30 {
                epoch += 1;
                // Up to some pages, and often just around the end of one.
                write(&store, epoch, (rng.next_u64() % 70_000) as usize);
                disturb(&store, epoch, rng.next_u64());
                let run = follow(&mut wals(dir.path())).expect("read");
                assert!(run.broken.is_none(), "seed {seed} epoch {epoch}: {:?}", run.broken);
                assert_eq!(run.newest, Some(Epoch(epoch)));
            }
        }
    }
}

fn wals(dir: &Path) -> Vec<WalFile> {
    let files = list(dir).expect("listed");
    // A file may be deleted in the background after it was listed.
    files.iter().filter_map(|(number, path)| WalFile::open(*number, path).ok()).collect()
}

/// One of the things that make RocksDB begin a file, or delete one.
fn disturb(store: &LogStore, epoch: u64, choice: u64) {
    match choice % 8 {
        0 => drop(store.sync().expect("synced")),
        1 => store.db.flush_cf(store.family("meta")).expect("flushed"),
        2 => {
            let mut batch = store.batch(Epoch(epoch));
            batch.delete_blocks_below(CLASS, TOPIC, PARTITION, Offset(epoch / 2));
            store.write(batch).expect("written");
        }
        3 => drop(store.reclaim(CLASS).expect("reclaimed")),
        _ => {}
    }
}

#[test]
fn torn_end_is_cut_unless_it_was_acknowledged() {
    let dir = crashed(3, 5, 100);
    let all = records(dir.path());
    let (begin, end) = (all[all.len() - 1].begin, all[all.len() - 1].end);
    for at in [begin + 1, begin + 7, begin + 20, end - 1] {
        let torn = tempfile::tempdir().expect("made");
        copy_dir(dir.path(), torn.path());
        let wal = wal_files(torn.path()).pop().expect("a file");
        OpenOptions::new().write(true).open(&wal).expect("opened").set_len(at).expect("cut");
        let error = refused(torn.path(), 5);
        assert!(error.message().contains("0/4") && error.message().contains("0/5"), "{error}");
        assert!(error.message().contains(&wal.display().to_string()), "{error}");
        let store = open(torn.path(), 4).expect("epoch 5 was not acknowledged");
        assert_eq!(epochs(&store), [1, 2, 3, 4]);
    }
}

#[test]
fn cut_at_the_end_of_a_record_is_found_by_the_mark() {
    let dir = crashed(3, 5, 100);
    let last = *records(dir.path()).last().expect("records");
    let wal = wal_files(dir.path()).pop().expect("a file");
    OpenOptions::new().write(true).open(&wal).expect("opened").set_len(last.begin).expect("cut");
    refused(dir.path(), 5);
    assert_eq!(epochs(&open(dir.path(), 4).expect("opened")), [1, 2, 3, 4]);
}

#[test]
fn flipped_bit_in_what_was_acknowledged_is_refused_by_file_and_byte() {
    let dir = crashed(40, 42, 3_000);
    let all = records(dir.path());
    // The last records that knew of a durable epoch vouch for all before.
    for record in all.iter().filter(|record| record.begin < 90_000) {
        for at in
            [record.begin, record.begin + 5, record.begin + 6, record.begin + 40, record.end - 1]
        {
            let damaged = tempfile::tempdir().expect("made");
            copy_dir(dir.path(), damaged.path());
            let wal = wal_files(damaged.path()).pop().expect("a file");
            flip(&wal, at);
            // The mark is far behind: it alone would not find out.
            let error = refused(damaged.path(), 0);
            let place = format!("\"{}\" is damaged at byte {}", wal.display(), record.begin);
            assert!(error.message().contains(&place), "byte {at}: {error}");
        }
    }
}

#[test]
fn page_lost_before_the_fsync_is_cut_with_all_behind_it() {
    let dir = crashed(5, 60, 3_000);
    let all = records(dir.path());
    // Pages of the kernel are written in any order: one is missing, later ones are there.
    let lost_at = all[20].begin.next_multiple_of(4096);
    let n_kept = all.iter().filter(|record| record.end <= lost_at).count();
    let wal = wal_files(dir.path()).pop().expect("a file");
    overwrite(&wal, lost_at, &[0; 4096]);
    let store = open(dir.path(), 5).expect("nothing acknowledged is lost");
    assert_eq!(epochs(&store).len(), n_kept);
    assert!((5..30).contains(&n_kept));
}

#[test]
fn page_lost_after_the_fsync_is_refused() {
    let dir = crashed(59, 60, 3_000);
    let wal = wal_files(dir.path()).pop().expect("a file");
    let all = records(dir.path());
    overwrite(&wal, all[20].begin.next_multiple_of(4096), &[0; 4096]);
    refused(dir.path(), 0);
}

/// Two files that RocksDB both needs: the first with epochs 1 to 3, the second with 4 to 6.
fn two_files(durable: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("made");
    let store = open(&dir.path().join("store"), 0).expect("made");
    for epoch in 1..=6 {
        write(&store, epoch, 100);
        if epoch <= durable {
            store.sync().expect("synced");
        }
        if epoch == 3 {
            store.db.flush_cf(store.family("meta")).expect("flushed");
        }
    }
    let crash = tempfile::tempdir().expect("made");
    copy_dir(&dir.path().join("store"), crash.path());
    assert_eq!(wal_files(crash.path()).len(), 2);
    crash
}

#[test]
fn file_behind_a_torn_one_goes_with_it_unless_it_was_acknowledged() {
    // Within the last record, and just before it: then only the second file knows of the loss.
    for whole_record in [false, true] {
        for durable in [0, 5] {
            let dir = two_files(durable);
            let (number, first) = list(dir.path()).expect("listed").remove(0);
            let last = *records_of(number, &first).last().expect("records");
            let end = if whole_record { last.begin } else { last.end - 1 };
            OpenOptions::new().write(true).open(&first).expect("opened").set_len(end).expect("cut");
            if durable > 0 {
                let error = refused(dir.path(), 0);
                let place = format!("{}\" is damaged at byte {}", first.display(), last.begin);
                assert!(error.message().contains(&place), "{error}");
            }
            repair(dir.path(), Epoch(0), durable > 0).expect("not acknowledged, or accepted");
            assert_eq!(wal_files(dir.path()), [first]);
            repair(dir.path(), Epoch(0), false).expect("nothing is left to do");
        }
    }
}

#[test]
fn missing_file_is_refused() {
    let dir = two_files(6);
    let mut paths = wal_files(dir.path());
    std::fs::remove_file(paths.remove(0)).expect("removed");
    let error = open(dir.path(), 0).expect_err("the first file is missing");
    assert_eq!(error.state(), SqlState::DataCorrupted);
    std::fs::remove_file(paths.remove(0)).expect("removed");
    let error = open(dir.path(), 0).expect_err("all files are missing");
    assert_eq!(error.state(), SqlState::DataCorrupted);
}

/// RocksDB with our options but without [`repair`]: the epochs that it finds, or its error.
fn rocksdb_alone(dir: &Path) -> Result<Vec<u64>, String> {
    let instance = options::log_instance(false).expect("known options");
    let db = DB::open_cf_descriptors(&instance, dir, options::log_families())
        .map_err(|e| e.into_string())?;
    let family = db.cf_handle(CLASS.column_family()).expect("opened");
    let blocks = db.iterator_cf(family, rocksdb::IteratorMode::Start);
    Ok(blocks.map(|block| u64::from(block.expect("readable").0[15])).collect())
}

#[test]
fn rocksdb_alone_takes_a_torn_end_and_refuses_a_flipped_bit() {
    let dir = crashed(3, 5, 100);
    let wal = wal_files(dir.path()).pop().expect("a file");
    let all = records(dir.path());
    let last = all[all.len() - 1];
    OpenOptions::new().write(true).open(&wal).expect("opened").set_len(last.end - 1).expect("cut");
    assert_eq!(rocksdb_alone(dir.path()), Ok(vec![1, 2, 3, 4]));

    let dir = crashed(3, 5, 100);
    flip(&wal_files(dir.path()).pop().expect("a file"), all[2].begin + 20);
    let error = rocksdb_alone(dir.path()).expect_err("refused");
    assert!(error.contains("checksum mismatch"), "{error}");
}

#[test]
fn rocksdb_alone_loses_what_a_wrong_length_hides_and_we_do_not() {
    let dir = crashed(4, 5, 100);
    let wal = wal_files(dir.path()).pop().expect("a file");
    let third = records(dir.path())[2];
    // The high byte of a length: the record seems to go on behind the end of the file.
    overwrite(&wal, third.begin + 5, &[0x7F]);
    refused(dir.path(), 0);
    let found = rocksdb_alone(dir.path()).expect("RocksDB starts");
    assert!(found.len() < 4, "acknowledged epochs are gone: {found:?}");
}

#[test]
fn rocksdb_alone_reads_on_behind_zeros_and_we_do_not() {
    const PAGE: u64 = 32 << 10;
    let dir = tempfile::tempdir().expect("made");
    let store = open(&dir.path().join("store"), 0).expect("made");
    let mut epoch = 0;
    let mut next = |n_bytes| {
        epoch += 1;
        write(&store, epoch, n_bytes);
        store.sync().expect("synced");
        *records(&dir.path().join("store")).last().expect("written")
    };
    // Fill a page to its last byte, so that the next record begins with the next page.
    let mut last = next(1_000);
    let overhead = last.end - last.begin - 1_000;
    while PAGE - last.end > 3_000 {
        last = next(1_000);
    }
    last = next((PAGE - last.end - overhead) as usize);
    assert_eq!(last.end, PAGE);
    for _ in 0..3 {
        next(1_000);
    }
    let crash = tempfile::tempdir().expect("made");
    copy_dir(&dir.path().join("store"), crash.path());
    let wal = wal_files(crash.path()).pop().expect("a file");
    overwrite(&wal, last.begin, &vec![0; (PAGE - last.begin) as usize]);
    let error = refused(crash.path(), 0);
    assert!(error.message().contains(&format!("byte {}", last.begin)), "{error}");
    let found = rocksdb_alone(crash.path()).expect("RocksDB starts");
    assert_eq!(found.len() as u64, epoch - 1, "one epoch in the middle is gone");
    assert_eq!(found.last(), Some(&epoch));
}
