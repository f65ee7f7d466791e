//! Columns of old rows: a reader reads those that it needs.

use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::harness::Db;

/// Flips a bit of the only place in the log's files that has these bytes.
fn flip(data_dir: &Path, bytes: &[u8]) {
    let mut n_found = 0;
    for entry in std::fs::read_dir(data_dir.join("log")).expect("listed") {
        let path = entry.expect("listed").path();
        let stored = std::fs::read(&path).expect("read");
        for (at, _) in stored.windows(bytes.len()).enumerate().filter(|(_, at)| *at == bytes) {
            n_found += 1;
            let file = std::fs::OpenOptions::new().write(true).open(&path).expect("opened");
            file.write_all_at(&[bytes[0] ^ 1], at as u64).expect("written");
        }
    }
    assert_eq!(n_found, 1, "places of the bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_one_column_is_met_by_those_who_read_it() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE STREAM s (a bigint, b bigint, c text, d bool)").await;
    let rows = "SELECT n, n::bigint * 1000003, 'text no ' || n, n % 3 = 0 FROM generate_series(1, 5000) AS g(n)";
    a.ok(&format!("INSERT INTO s {rows}")).await;
    drop(a);
    // A start moves rows from the write-ahead log to where they stay.
    let dir = Db::open(db.stop().await).stop().await;
    flip(&dir.path().join("data"), &(2_500_i64 * 1_000_003).to_le_bytes());
    let db = Db::open(dir);
    let a = db.client();
    a.ok("CREATE MATERIALIZED VIEW v AS SELECT d, count(*), sum(a), max(c) FROM s GROUP BY d")
        .await;
    let view = a.rows("SELECT * FROM v ORDER BY d").await;
    assert_eq!(view, ["f|3334|8336667|text no 998", "t|1666|4165833|text no 999"]);
    assert_eq!(a.rows("SELECT count(*), max(_offset) FROM s").await, ["5000|4999"]);
    for sql in ["SELECT sum(b) FROM s", "SELECT * FROM s WHERE a = 1"] {
        let error = a.error(sql).await;
        assert!(
            error.starts_with("XX001 ") && error.contains("topic \"public.s\""),
            "{sql}: {error}"
        );
    }
    a.ok("CREATE MATERIALIZED VIEW w AS SELECT sum(b) FROM s").await;
    let error = a.error("SELECT * FROM w").await;
    assert!(error.contains("XX001") || error.contains("damaged"), "{error}");
}
