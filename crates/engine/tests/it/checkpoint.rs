//! What a stop leaves behind, and a start takes up: each restart here goes through a checkpoint.

use crate::harness::{Client, Db};

const VIEWS: [&str; 4] = [
    "SELECT k, v FROM t",
    "SELECT v, count(*) AS n FROM t GROUP BY v",
    "SELECT x * 2 AS d FROM s WHERE x > 0",
    "SELECT d, count(*) AS n FROM v2 GROUP BY d",
];

/// Every view, every table, and each view beside its query.
async fn contents(client: &Client) -> Vec<Vec<String>> {
    let mut contents = Vec::new();
    for (idx, query) in VIEWS.iter().enumerate() {
        let mut view = client.rows(&format!("SELECT * FROM v{idx}")).await;
        let mut batch = client.rows(query).await;
        batch.sort();
        view.sort();
        assert_eq!(view, batch, "v{idx} equals its query");
        contents.push(view);
    }
    contents.push(client.rows("SELECT * FROM bag ORDER BY 1").await);
    contents
}

async fn filled() -> Db {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v text)").await;
    a.ok("CREATE TABLE bag (x int)").await;
    a.ok("CREATE STREAM s (x int) WITH (partitions = 2)").await;
    for (idx, query) in VIEWS.iter().enumerate() {
        a.ok(&format!("CREATE MATERIALIZED VIEW v{idx} AS {query}")).await;
    }
    a.ok("INSERT INTO t SELECT i, 'v' || i % 7 FROM generate_series(1, 100) i").await;
    a.ok("INSERT INTO bag SELECT i % 3 FROM generate_series(1, 9) i").await;
    a.ok("INSERT INTO s VALUES (1), (1), (-1), (2)").await;
    db
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_since_a_checkpoint_are_added_to_it() {
    let db = filled().await.restart(None).await;
    let a = db.client();
    // A key that goes and comes back, rows that go, and more equal rows than a byte counts.
    a.ok("UPDATE t SET v = 'new' WHERE k <= 10").await;
    a.ok("DELETE FROM t WHERE k > 90").await;
    a.ok("DELETE FROM bag WHERE x = 1").await;
    a.ok("INSERT INTO s SELECT 5 FROM generate_series(1, 300)").await;
    let before = contents(&a).await;
    drop(a);
    let db = db.restart(None).await;
    assert_eq!(contents(&db.client()).await, before);
    let db = db.restart(None).await;
    let a = db.client();
    assert_eq!(contents(&a).await, before, "a checkpoint with nothing new");
    // Row ids of before are not given again.
    a.ok("INSERT INTO bag VALUES (7)").await;
    a.ok("INSERT INTO t VALUES (1, 'x') ON CONFLICT (k) DO UPDATE SET v = excluded.v").await;
    a.ok("INSERT INTO s VALUES (9)").await;
    contents(&a).await;
    assert_eq!(a.rows("SELECT count(*) FROM bag").await, ["7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_view_keeps_its_error_and_heals_after_a_start() {
    let db = filled().await;
    let a = db.client();
    a.ok("CREATE MATERIALIZED VIEW q AS SELECT k, 10 / (k - 5) AS q FROM t WHERE k < 5").await;
    a.ok("CREATE MATERIALIZED VIEW f AS SELECT 10 / x AS q FROM bag").await;
    assert!(a.error("SELECT * FROM f").await.starts_with("22012"));
    drop(a);
    let db = db.restart(None).await;
    let a = db.client();
    assert!(a.error("SELECT * FROM f").await.starts_with("22012"));
    assert_eq!(a.rows("SELECT count(*) FROM q").await, ["4"]);
    a.ok("DELETE FROM bag WHERE x = 0").await;
    assert_eq!(a.rows("SELECT count(*) FROM f").await, ["6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_added_after_the_checkpoint_reads_its_default() {
    let db = filled().await.restart(None).await;
    let a = db.client();
    a.ok("ALTER TABLE t ADD COLUMN w int DEFAULT 4").await;
    a.ok("UPDATE t SET w = 5 WHERE k = 1").await;
    drop(a);
    let db = db.restart(None).await;
    let rows = db.client().rows("SELECT w, count(*) FROM t GROUP BY w ORDER BY w").await;
    assert_eq!(rows, ["4|99", "5|1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_state_folder_may_go_where_the_log_holds_everything() {
    let db = filled().await;
    let before = contents(&db.client()).await;
    let dir = db.stop().await;
    let state = dir.path().join("data").join("state");
    std::fs::write(state.join("CURRENT"), "nothing of the kind").expect("written");
    let error = Db::refusal(&dir);
    assert_eq!(error.state().code(), "XX001");
    let hint = error.hint().expect("a hint");
    assert!(hint.contains("Remove the folder") && hint.contains("/data/state\""), "{hint}");
    std::fs::remove_dir_all(&state).expect("removed");
    let db = Db::open(dir);
    assert_eq!(contents(&db.client()).await, before);
}

/// A view that groups floats shows the positive zero, whatever came and whenever it was stored, as its query does.
#[tokio::test(flavor = "multi_thread")]
async fn groups_of_a_zero_end_and_come_back() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE z (id int PRIMARY KEY, f float8)").await;
    a.ok("CREATE MATERIALIZED VIEW g AS SELECT f, count(*) AS n FROM z GROUP BY f").await;
    a.ok("CREATE MATERIALIZED VIEW d AS SELECT DISTINCT f FROM z").await;
    drop(a);
    let mut db = db;
    for zero in ["-0", "0", "-0", "0"] {
        let a = db.client();
        a.ok(&format!("INSERT INTO z VALUES (1, '{zero}')")).await;
        for sql in ["SELECT * FROM g", "SELECT f, count(*) AS n FROM z GROUP BY f"] {
            assert_eq!(a.rows(sql).await, ["0|1"], "{sql}");
        }
        for sql in ["SELECT * FROM d", "SELECT DISTINCT f FROM z"] {
            assert_eq!(a.rows(sql).await, ["0"], "{sql}");
        }
        drop(a);
        db = db.restart(None).await;
        let a = db.client();
        a.ok("UPDATE z SET f = -f").await;
        assert_eq!(a.rows("SELECT * FROM g").await, ["0|1"]);
        a.ok("DELETE FROM z").await;
        assert!(a.rows("SELECT * FROM g").await.is_empty());
        drop(a);
        db = db.restart(None).await;
    }
}
