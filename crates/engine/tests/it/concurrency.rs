//! Several sessions at once, and statements that end early.

use std::sync::Arc;

use crate::harness::Db;

#[tokio::test(flavor = "multi_thread")]
async fn on_conflict_meets_no_duplicate_key_whoever_else_writes() {
    let db = Arc::new(Db::new());
    db.client().ok("CREATE TABLE t (k int PRIMARY KEY, n int NOT NULL)").await;
    let n_keys = 40;
    let writers: Vec<_> = (0..6)
        .map(|writer| {
            let db = Arc::clone(&db);
            tokio::spawn(async move {
                let client = db.client();
                for key in 0..n_keys {
                    let action = match writer % 2 {
                        0 => "UPDATE SET n = t.n + 1",
                        _ => "NOTHING",
                    };
                    client
                        .ok(&format!("INSERT INTO t VALUES ({key}, 1) ON CONFLICT (k) DO {action}"))
                        .await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no statement fails");
    }
    let client = db.client();
    // Three of them count; one that inserts nothing may have been first.
    let bounds = "SELECT count(*), min(n) >= 3, max(n) <= 4 FROM t";
    assert_eq!(client.rows(bounds).await, ["40|t|t"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_with_on_conflict_loses_the_race() {
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    for statement in ["BEGIN", "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING"] {
        a.ok(statement).await;
    }
    b.ok("INSERT INTO t VALUES (1)").await;
    assert!(a.error("COMMIT").await.starts_with("40001"));
    assert_eq!(a.rows("SELECT k FROM t").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_may_come_between_a_write_and_its_commit() {
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("CREATE STREAM s (k int)").await;
    a.ok("PREPARE put AS INSERT INTO t VALUES ($1)").await;
    for statement in ["BEGIN", "INSERT INTO s VALUES (1)"] {
        a.ok(statement).await;
    }
    b.ok("ALTER STREAM s ADD COLUMN c int DEFAULT 7").await;
    a.ok("COMMIT").await;
    assert_eq!(a.rows("SELECT k, c FROM s").await, ["1|7"]);
    for statement in ["BEGIN", "INSERT INTO t VALUES (1)"] {
        a.ok(statement).await;
    }
    b.ok("ALTER TABLE t ADD COLUMN c int DEFAULT 7").await;
    assert!(a.error("COMMIT").await.starts_with("40001"));
    // It was one COMMIT: there is nothing to say it again for.
    assert!(a.rows("SELECT * FROM t").await.is_empty());
    // What was prepared before is planned again.
    a.ok("EXECUTE put(2)").await;
    assert_eq!(a.rows("SELECT * FROM t").await, ["2|7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_back_brings_settings_back() {
    let db = Db::new();
    let a = db.client();
    for (begin, end) in [("BEGIN", "ROLLBACK"), ("BEGIN", "SELECT 1 / 0")] {
        a.ok(begin).await;
        a.ok("SET timezone = 'Asia/Tokyo'").await;
        a.ok("SET LOCAL statement_timeout = '1min'").await;
        let _ = a.run(end).await;
        let _ = a.run("ROLLBACK").await;
        assert_eq!(a.rows("SHOW timezone").await, ["UTC"], "{end}");
        assert_eq!(a.rows("SHOW statement_timeout").await, ["0"], "{end}");
    }
    for statement in ["BEGIN", "SET timezone = 'Asia/Tokyo'", "COMMIT"] {
        a.ok(statement).await;
    }
    assert_eq!(a.rows("SHOW timezone").await, ["Asia/Tokyo"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_queries_leave_the_threads_to_others() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE w (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO w SELECT n FROM generate_series(1, 1000) AS g(n)").await;
    a.ok("SET statement_timeout = '100ms'").await;
    // As many as there are threads, each of them months long.
    for query in [
        "SELECT count(*) FROM w a, w b, w c, w d, w e",
        "SELECT count(*) FROM w a JOIN w b ON a.k <> b.k JOIN w c ON b.k <> c.k, w d, w e",
        "SELECT sum(u) FROM w a, w b, w c, unnest(ARRAY[1, 2, 3]) AS x(u), w d",
    ] {
        assert!(a.error(query).await.starts_with("57014"), "{query}");
    }
    a.ok("SET statement_timeout = 0").await;
    assert_eq!(a.rows("SELECT count(*) FROM w").await, ["1000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_free_as_soon_as_its_engine_has_ended() {
    let mut db = Db::new();
    let a = db.client();
    a.ok("CREATE STREAM s (n int) WITH (partitions = 1)").await;
    for first in [1, 20_001, 40_001] {
        a.ok(&format!(
            "INSERT INTO s SELECT n FROM generate_series({first}, {first} + 19999) AS g(n)"
        ))
        .await;
    }
    drop(a);
    for _ in 0..3 {
        let a = db.client();
        // Nobody waits for its rows; its threads are amid pairs of rows, and have more of the log to read.
        let running =
            a.copy_out("COPY (SELECT count(*) FROM s a, s b WHERE a.n <> b.n) TO STDOUT").await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        drop((running, a));
        db = db.restart(None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_views_are_in_nobodys_way_and_end_when_dropped() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE w (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO w SELECT n FROM generate_series(1, 1000) AS g(n)").await;
    for view in 0..3 {
        a.ok(&format!(
            "CREATE MATERIALIZED VIEW long{view} AS SELECT max(a.k + b.k) AS m FROM w a, w b, w c, w d"
        ))
        .await;
    }
    assert_eq!(a.rows("SELECT count(*) FROM w").await, ["1000"]);
    a.ok("CREATE MATERIALIZED VIEW short AS SELECT count(*) AS n FROM w").await;
    assert_eq!(a.rows("SELECT n FROM short").await, ["1000"]);
    for view in 0..3 {
        a.ok(&format!("DROP MATERIALIZED VIEW long{view}")).await;
    }
    a.ok("CREATE MATERIALIZED VIEW again AS SELECT array_agg(k) AS l FROM w WHERE k < 3").await;
    assert_eq!(a.rows("SELECT l FROM again").await, ["{1,2}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_in_the_way_was_committed() {
    let db = Db::new();
    let (a, b, c) = (db.client(), db.client(), db.client());
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("CREATE TABLE late (k int PRIMARY KEY)").await;
    for k in 0..40 {
        // The commit applies one table's rows, and fails for the last one of the other.
        a.ok("BEGIN").await;
        a.ok(&format!("INSERT INTO t VALUES ({k})")).await;
        let keys =
            "g.g + 1000 * $1 FROM generate_series(1, 1000) AS g(g)".replace("$1", &k.to_string());
        a.ok(&format!("INSERT INTO late SELECT {keys}")).await;
        b.ok(&format!("INSERT INTO late VALUES ({})", 1000 * (k + 1))).await;
        let insert = format!("INSERT INTO t VALUES ({k}) ON CONFLICT DO NOTHING");
        let (failed, _) = tokio::join!(a.error("COMMIT"), c.ok(&insert));
        assert!(failed.starts_with("23505"), "{failed}");
        assert_eq!(c.rows(&format!("SELECT count(*) FROM t WHERE k = {k}")).await, ["1"]);
    }
}
