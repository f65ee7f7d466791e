//! Streams with a connector, and sinks.

use crate::harness::Db;

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_takes_each_change_of_a_query_that_runs_again() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int, v int)").await;
    a.ok("CREATE SINK s AS SELECT k, sum(v) AS v FROM t GROUP BY k WITH (connector = 'blackhole')")
        .await;
    let taken = "SELECT rows FROM sys.views WHERE name = 's'";
    a.ok("INSERT INTO t VALUES (1, 1), (1, 2), (2, 5)").await;
    a.ok("FLUSH").await;
    assert_eq!(a.rows(taken).await, ["2"]);
    // One row goes, another comes.
    a.ok("INSERT INTO t VALUES (1, 4)").await;
    a.ok("FLUSH").await;
    assert_eq!(a.rows(taken).await, ["4"]);
    drop(a);
    let db = db.restart(None).await;
    let a = db.client();
    a.ok("DELETE FROM t WHERE k = 2").await;
    a.ok("FLUSH").await;
    assert_eq!(a.rows(taken).await, ["5"], "the checkpoint has what was taken before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_source_lets_go_of_the_directory() {
    let mut db = Db::new();
    for round in 0..5 {
        let a = db.client();
        if round == 0 {
            a.ok("CREATE STREAM s (n int) WITH (connector = 'datagen', rows_per_second = '5000')")
                .await;
        }
        let before = a.rows("SELECT count(*) FROM s").await;
        while a.rows("SELECT count(*) FROM s").await == before {}
        drop(a);
        db = db.restart(None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_goes_by_the_new_name() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (x int)").await;
    a.ok("CREATE MATERIALIZED VIEW v WITH (on_error = 'skip') AS SELECT 1 / x AS q FROM t").await;
    a.ok("INSERT INTO t VALUES (0), (1)").await;
    a.ok("ALTER MATERIALIZED VIEW v RENAME TO w").await;
    assert_eq!(a.rows("SELECT sqlstate FROM dlq.w").await, ["22012"]);
    assert!(a.error("SELECT * FROM dlq.v").await.starts_with("42P01"));
    a.ok("CREATE SCHEMA other").await;
    a.ok("ALTER MATERIALIZED VIEW w SET SCHEMA other").await;
    assert_eq!(a.rows("SELECT sqlstate FROM dlq.\"other.w\"").await, ["22012"]);
    a.ok("DROP MATERIALIZED VIEW other.w").await;
    assert!(a.error("SELECT * FROM dlq.\"other.w\"").await.starts_with("42P01"));
}
