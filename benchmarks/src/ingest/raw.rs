//! The same bytes put into a bare RocksDB, with the sync setting that Weir has: each write is fsynced
//! before it returns.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use rocksdb::{DB, Options, WriteBatch, WriteOptions};

use super::load::{INSERT_TIME, Rates};
use super::rows::{Row, Rows};
use crate::Result;

/// Bytes of one write of the bulk load.
const BATCH_BYTES: usize = 1 << 20;

pub(crate) fn measure(path: &Path, rows: &Rows, threads: usize) -> Result<Rates> {
    let mut options = Options::default();
    options.create_if_missing(true);
    let db = DB::open(&options, path)?;
    let mut write = WriteOptions::default();
    write.set_sync(true);

    let began = Instant::now();
    let (mut batch, mut bytes) = (WriteBatch::default(), 0);
    for (number, piece) in rows.copy.iter().enumerate() {
        batch.put((number as u64).to_be_bytes(), piece);
        bytes += piece.len();
        if bytes >= BATCH_BYTES {
            db.write_opt(std::mem::take(&mut batch), &write)?;
            bytes = 0;
        }
    }
    db.write_opt(batch, &write)?;
    let seconds = began.elapsed().as_secs_f64();

    let single = singles(&db, &write, 1)?;
    let concurrent = singles(&db, &write, threads)?;
    drop(db);
    std::fs::remove_dir_all(path)?;
    Ok(Rates {
        copy_rows: rows.count as f64 / seconds,
        copy_mb: rows.bytes as f64 / 1e6 / seconds,
        insert_one: single,
        insert_many: concurrent,
    })
}

/// Single puts a second from that many threads.
fn singles(db: &DB, write: &WriteOptions, threads: usize) -> Result<f64> {
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (stop, done) = (&stop, &done);
                scope.spawn(move || -> Result<(), rocksdb::Error> {
                    let mut id = (thread as i64) << 40;
                    while !stop.load(Ordering::Relaxed) {
                        db.put_opt(id.to_be_bytes(), Row::new(id).encoded(), write)?;
                        id += 1;
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        std::thread::sleep(INSERT_TIME);
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    Ok(done.into_inner() as f64 / began.elapsed().as_secs_f64())
}
