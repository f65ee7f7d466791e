//! What is left after crashes, and what is refused.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use weir_types::{Error, SqlState};

use super::*;

/// A crashed log with epochs 1 to 6, of which up to `marked` were synced and marked.
fn crashed(marked: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("made");
    let log = open(dir.path());
    let mut first = log.begin(Epoch(1), Timestamp(1));
    first.create_topic(config()).expect("created");
    log.write(first).expect("written");
    for epoch in 2..=6 {
        commit(&log, &[(P0, rows(2, 0, &noise(epoch, 1_000)))]);
        if epoch == marked {
            assert_eq!(log.sync().expect("synced"), Epoch(epoch));
            assert_eq!(log.durable_epoch(), Epoch(epoch));
            log.mark().expect("marked");
        }
    }
    crash(dir.path())
}

fn refused(dir: &Path) -> Error {
    let error = open_with(dir, options()).err().expect("refused");
    assert_eq!(error.state(), SqlState::DataCorrupted, "{error}");
    error
}

/// Cuts bytes off the end of the write-ahead log.
fn tear(dir: &Path, n_bytes: u64) {
    let path = files(dir, "log").pop().expect("a write-ahead log");
    let file = OpenOptions::new().write(true).open(path).expect("opened");
    file.set_len(file.metadata().expect("read").len() - n_bytes).expect("cut");
}

pub(super) fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("opened");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("read");
    file.write_all_at(&[byte[0] ^ 8], at).expect("written");
}

#[test]
fn killed_process_loses_nothing_that_it_wrote() {
    let dir = crashed(0);
    let log = open(dir.path());
    assert_eq!((log.newest_epoch(), log.newest_now()), (Epoch(6), Timestamp(6)));
    assert_eq!(log.durable_epoch(), Epoch(6), "what was found was made durable");
    assert_eq!(read(&log, P0, 0, 99).len(), 5);
}

#[test]
fn torn_tail_that_was_not_synced_is_lost_alone() {
    let dir = crashed(4);
    tear(dir.path(), 1);
    let log = open(dir.path());
    assert_eq!(log.newest_epoch(), Epoch(5));
    assert_eq!(read(&log, P0, 0, 99).len(), 4);
    // The log goes on where it was cut, and the next start finds all of it.
    commit(&log, &[(P0, rows(1, 0, b"again"))]);
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.newest_epoch(), Epoch(6));
    assert_eq!(read(&log, P0, 8, 99), [(8, b"again".to_vec())]);
}

#[test]
fn torn_tail_that_the_mark_knows_is_refused_by_both_epochs_until_accepted() {
    let dir = crashed(6);
    tear(dir.path(), 1);
    for _ in 0..2 {
        let error = refused(dir.path());
        assert!(error.message().contains("epoch 0/5"), "{error}");
        assert!(error.message().contains("epoch 0/6 was acknowledged"), "{error}");
        assert!(error.message().contains(".log"), "{error}");
        assert_eq!(error.detail(), Some("What epochs 0/6 to 0/6 committed is lost."));
        assert_eq!(error.hint(), Some("Restore the data directory from a backup."));
    }
    let accept = LogOptions { accept_loss: true, ..options() };
    let log = open_with(dir.path(), accept).expect("accepted");
    assert_eq!(log.newest_epoch(), Epoch(5));
    commit(&log, &[(P0, rows(1, 0, b"on"))]);
    drop(log);
    assert_eq!(open(dir.path()).newest_epoch(), Epoch(6));
}

#[test]
fn damage_in_the_middle_of_the_write_ahead_log_is_refused_by_file() {
    let dir = crashed(5);
    let path = files(dir.path(), "log").pop().expect("a write-ahead log");
    flip(&path, std::fs::metadata(&path).expect("read").len() / 2);
    let error = refused(dir.path());
    assert!(error.message().contains(&path.display().to_string()), "{error}");
}

#[test]
fn older_log_beside_a_newer_mark_is_refused() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), config());
    log.close().expect("synced");
    let old = crash(dir.path());
    commit(&log, &[(P0, rows(1, 0, b"x"))]);
    log.close().expect("synced");
    drop(log);
    std::fs::copy(dir.path().join("MARK"), old.path().join("MARK")).expect("copied");
    let error = refused(old.path());
    assert!(error.message().contains("ends at epoch 0/1, but epoch 0/2"), "{error}");
}

#[test]
fn mark_is_moved_to_what_is_durable_and_by_closing() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), config());
    let mark = |dir: &Path| std::fs::read(dir.join("MARK")).expect("read");
    let before = mark(dir.path());
    log.mark().expect("nothing to note");
    assert_eq!(mark(dir.path()), before, "the topic is not durable");
    log.sync().expect("synced");
    assert_eq!(mark(dir.path()), before, "no fsync of another file in the way of a commit");
    log.mark().expect("marked");
    let marked = mark(dir.path());
    assert_ne!(marked, before);
    commit(&log, &[(P0, rows(1, 0, b"x"))]);
    log.close().expect("closed");
    assert_ne!(mark(dir.path()), marked);
}

#[test]
fn missing_and_damaged_marks_are_refused_until_accepted() {
    for damage in
        [|path: &Path| std::fs::remove_file(path), |path: &Path| std::fs::write(path, "x")]
    {
        let dir = crashed(5);
        damage(&dir.path().join("MARK")).expect("done");
        let error = refused(dir.path());
        assert!(error.message().contains("MARK"), "{error}");
        let accept = LogOptions { accept_loss: true, ..options() };
        drop(open_with(dir.path(), accept).expect("accepted"));
        assert_eq!(open(dir.path()).newest_epoch(), Epoch(6));
    }
}

#[test]
fn missing_log_and_the_log_of_another_directory_are_refused() {
    let dir = crashed(5);
    let log = dir.path().join("log");
    let away = dir.path().join("away");
    std::fs::rename(&log, &away).expect("moved");
    let error = refused(dir.path());
    assert!(error.message().contains(&log.display().to_string()), "{error}");

    let other = tempfile::Builder::new().prefix("longer").tempdir().expect("made");
    drop(with_topic(other.path(), config()));
    std::fs::remove_dir_all(&log).ok();
    copy(&other.path().join("log"), &log);
    std::fs::copy(other.path().join("MARK"), dir.path().join("MARK")).expect("copied");
    let error = refused(dir.path());
    assert!(error.message().contains("another data directory"), "{error}");
}

#[test]
fn damaged_block_is_named_and_the_others_are_read() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), config());
    for epoch in 0..4 {
        let whole = Append { parts: Vec::new(), ..rows(10, 0, &noise(epoch, 5_000)) };
        commit(&log, &[(P1, whole)]);
    }
    drop(log);
    // Opening moves the blocks from the write-ahead log into a blob file.
    drop(open(dir.path()));
    let blob = files(dir.path(), "blob").pop().expect("a blob file");
    flip(&blob, 7_000);
    let log = open(dir.path());
    let mut blocks =
        log.read(TOPIC, P1, Offset(0), Offset(40), &Projection::All).expect("in range");
    assert!(blocks.next().expect("one").is_ok());
    let error = blocks.next().expect("an error").expect_err("damaged");
    assert_eq!(error.state(), SqlState::DataCorrupted);
    assert!(error.message().contains("topic \"orders\" partition 1"), "{error}");
    assert!(blocks.next().is_none(), "nothing after an error");
    assert_eq!(read(&log, P1, 20, 40).len(), 2);
    // The last block tells where the partition ends: without it there is no start.
    drop(log);
    drop(blocks);
    flip(&blob, 17_000);
    let error = refused(dir.path());
    assert!(error.message().contains("topic \"orders\" partition 1"), "{error}");
}

#[test]
fn every_flip_in_a_file_of_the_log_is_right_or_refused() {
    let dir = crashed(6);
    drop(open(dir.path()));
    let expected: Vec<_> = (2..=6).map(|epoch| ((epoch - 2) * 2, noise(epoch, 1_000))).collect();
    let mut rng = Rng::from_seed(17);
    let mut n_refused = 0;
    for round in 0..60 {
        let damaged = crash(dir.path());
        let log_files = paths(&damaged.path().join("log"));
        let path = &log_files[round % log_files.len()];
        let n_bytes = std::fs::metadata(path).expect("read").len();
        if n_bytes == 0 {
            continue;
        }
        flip(path, rng.next_u64() % n_bytes);
        let blocks = open_with(damaged.path(), options()).and_then(|log| {
            log.read(TOPIC, P0, Offset(0), Offset(99), &Projection::All)?
                .collect::<Result<Vec<_>>>()
        });
        match blocks {
            Ok(blocks) => {
                let found: Vec<_> = blocks
                    .iter()
                    .map(|block| (block.header.base_offset.0, payload(block)))
                    .collect();
                assert_eq!(found, expected, "after a flip in {}", path.display());
            }
            Err(error) => {
                n_refused += 1;
                let told = matches!(
                    error.state(),
                    SqlState::DataCorrupted | SqlState::IoError | SqlState::InternalError
                );
                assert!(told, "{error:?}");
            }
        }
    }
    assert!(n_refused > 10, "{n_refused} refused");
}
