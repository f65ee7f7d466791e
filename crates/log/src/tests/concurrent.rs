//! A committer, a syncer, retention and readers at the same time.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const N_EPOCHS: u64 = 600;

/// Writes the epochs 2 to [`N_EPOCHS`]; epoch `e` appends its number to both partitions.
fn write_all(log: &EmbeddedLog) {
    for epoch in 2..=N_EPOCHS {
        let payload = epoch.to_le_bytes();
        let written = commit(log, &[(P0, rows(2, 0, &payload)), (P1, rows(3, 0, &payload))]);
        assert_eq!(written, Epoch(epoch));
    }
}

fn sync_all(log: &EmbeddedLog, durable: &AtomicU64) {
    let mut last = Epoch::ZERO;
    while last < Epoch(N_EPOCHS) {
        let written = log.newest_epoch();
        let synced = log.sync().expect("synced");
        assert!(synced >= written, "covers what was written before it began");
        assert!(synced >= last);
        // Whoever is told of an epoch finds its rows.
        let end = log.end_offset_at(TOPIC, P0, synced).expect("recent");
        assert_eq!(end, Offset((synced.0 - 1) * 2));
        last = synced;
        durable.store(synced.0, Ordering::SeqCst);
    }
}

/// Follows both partitions epoch by epoch: at each epoch they have the same one at their ends.
fn follow(log: &EmbeddedLog) {
    let listener = log.subscribe();
    let mut seen = Epoch(1);
    let mut next = [Offset(0), Offset(0)];
    while seen < Epoch(N_EPOCHS) {
        seen = listener.wait(seen).expect("the log is open");
        for (partition, next) in [P0, P1].into_iter().zip(&mut next) {
            let end = log.end_offset_at(TOPIC, partition, seen).expect("recent");
            let blocks =
                log.read(TOPIC, partition, *next, end, &Projection::All).expect("in range");
            let last = blocks.map(|block| block.expect("whole")).inspect(|block| {
                assert_eq!(block.header.base_offset, *next, "without gaps");
                *next = block.header.end_offset();
                assert_eq!(payload(block), block.header.epoch.0.to_le_bytes());
            });
            let last = last.last().expect("each epoch appends");
            assert_eq!(last.header.epoch, seen);
        }
    }
    assert_eq!(next, [Offset((N_EPOCHS - 1) * 2), Offset((N_EPOCHS - 1) * 3)]);
}

#[test]
fn writer_syncer_retention_and_readers_do_not_disturb_each_other() {
    for tail_bytes_max in [0, 20_000, 1 << 20] {
        let dir = tempfile::tempdir().expect("made");
        let log = open_with(dir.path(), LogOptions { tail_bytes_max, ..options() }).expect("made");
        let mut first = log.begin(Epoch(1), Timestamp(1));
        let keep_all = TopicConfig { retention_ms: Some(u64::MAX), ..config() };
        first.create_topic(keep_all).expect("created");
        log.write(first).expect("written");
        let log = Arc::new(log);
        let durable = Arc::new(AtomicU64::new(0));
        let start = |name: &str, body: Box<dyn FnOnce(&EmbeddedLog) + Send>| {
            let log = Arc::clone(&log);
            weir_env::spawn_thread(name, move || body(&log))
        };
        let synced = Arc::clone(&durable);
        let threads = [
            start("follow", Box::new(follow)),
            start("follow", Box::new(follow)),
            start("sync", Box::new(move |log| sync_all(log, &synced))),
            start(
                "retain",
                Box::new(|log| {
                    while log.newest_epoch() < Epoch(N_EPOCHS) {
                        let held = log.enforce_retention(Timestamp(0), &|_, _| Some(Offset(0)));
                        assert_eq!(held.expect("enforced").starts, []);
                    }
                }),
            ),
            start("write", Box::new(write_all)),
        ];
        for thread in threads {
            thread.join().expect("no failed assertion");
        }
        assert_eq!(durable.load(Ordering::SeqCst), N_EPOCHS);
        assert_eq!(log.durable_epoch(), Epoch(N_EPOCHS));
    }
}

#[test]
fn callbacks_see_each_epoch_and_listeners_end_with_the_log() {
    let dir = tempfile::tempdir().expect("made");
    let log = with_topic(dir.path(), config());
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let saw = Arc::clone(&seen);
    let subscription = log.on_epoch(Box::new(move |epoch| saw.lock().push(epoch)));
    commit(&log, &[]);
    commit(&log, &[(P0, rows(1, 0, b"x"))]);
    drop(subscription);
    commit(&log, &[]);
    assert_eq!(*seen.lock(), [Epoch(2), Epoch(3)]);
    let listener = log.subscribe();
    assert_eq!(listener.wait(Epoch(3)), Some(Epoch(4)));
    log.close().expect("closed");
    assert_eq!(listener.wait(Epoch(4)), None);
}
