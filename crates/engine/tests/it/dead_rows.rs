//! `on_error = 'skip'`: the rows that a view leaves out are those of `dlq.<view>`.

use crate::harness::Db;

#[tokio::test(flavor = "multi_thread")]
async fn a_linear_view_goes_on_without_rows_that_fail() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (id int PRIMARY KEY, a int, b int)").await;
    a.ok("CREATE MATERIALIZED VIEW v AS SELECT id, a / b AS q FROM t").await;
    a.ok("INSERT INTO t VALUES (1, 10, 2), (2, 5, 0), (3, 9, 3)").await;
    assert!(a.error("SELECT * FROM v").await.starts_with("22012"));
    a.ok("ALTER MATERIALIZED VIEW v SET (on_error = 'skip')").await;
    assert_eq!(a.rows("SELECT * FROM v ORDER BY id").await, ["1|5", "3|3"]);
    let dead = "SELECT \"row\" ->> 'id', error, sqlstate FROM dlq.v ORDER BY 1";
    assert_eq!(a.rows(dead).await, ["2|division by zero|22012"]);
    drop(a);
    let db = db.restart(None).await;
    let a = db.client();
    assert_eq!(a.rows(dead).await, ["2|division by zero|22012"], "neither lost nor doubled");
    a.ok("UPDATE t SET b = 1 WHERE id = 2").await;
    assert_eq!(a.rows("SELECT * FROM v ORDER BY id").await, ["1|5", "2|5", "3|3"]);
    assert!(a.rows(dead).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_leaves_out_rows_whose_arguments_fail() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE STREAM s (k int, a int, b int)").await;
    a.ok("CREATE MATERIALIZED VIEW v WITH (on_error = 'skip') AS \
          SELECT k, sum(a / b) AS q, count(*) AS n FROM s GROUP BY k")
        .await;
    a.ok("INSERT INTO s VALUES (0, 4, 2), (0, 1, 0), (1, 3, 1), (1, 1, 0)").await;
    assert_eq!(a.rows("SELECT * FROM v ORDER BY k").await, ["0|2|1", "1|3|1"]);
    assert_eq!(a.rows("SELECT count(*) FROM dlq.v").await, ["2"]);
    a.ok("INSERT INTO s VALUES (0, 9, 0), (0, 6, 3)").await;
    assert_eq!(a.rows("SELECT * FROM v ORDER BY k").await, ["0|4|2", "1|3|1"]);
    assert_eq!(a.rows("SELECT count(*) FROM dlq.v").await, ["3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_rows_come_and_go_with_their_view() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (x int)").await;
    a.ok("CREATE MATERIALIZED VIEW v WITH (on_error = 'skip') AS SELECT 1 / x AS q FROM t").await;
    assert!(a.error("DROP MATERIALIZED VIEW dlq.v").await.starts_with("2BP01"));
    assert!(a.error("SHOW CREATE dlq.v").await.starts_with("42809"));
    a.ok("DROP MATERIALIZED VIEW v").await;
    assert!(a.error("SELECT * FROM dlq.v").await.starts_with("42P01"));
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_again_is_refused_while_rows_are_left_out() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY, x int)").await;
    a.ok("INSERT INTO t VALUES (1, 5), (2, 0)").await;
    a.ok("CREATE MATERIALIZED VIEW v WITH (on_error = 'skip') AS SELECT k, 10 / x AS q FROM t")
        .await;
    assert_eq!(a.rows("SELECT * FROM v").await, ["1|2"]);
    let fail = "ALTER MATERIALIZED VIEW v SET (on_error = 'fail')";
    assert_eq!(
        a.error(fail).await,
        "55000 materialized view \"v\" leaves out 1 rows for their errors"
    );
    a.ok("DELETE FROM t WHERE k = 2").await;
    a.ok(fail).await;
    a.ok("INSERT INTO t VALUES (3, 0)").await;
    assert!(a.error("SELECT * FROM v").await.starts_with("22012"));
}
