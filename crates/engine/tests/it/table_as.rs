//! CREATE TABLE .. AS.

use crate::harness::Db;

#[tokio::test(flavor = "multi_thread")]
async fn a_table_takes_a_query_s_columns_and_rows() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v numeric(8,2), w text)").await;
    a.ok("INSERT INTO t VALUES (1, 1.5, 'x'), (2, NULL, NULL)").await;
    let sql = "CREATE TABLE u AS SELECT k, v, w, 'lit' AS l, k + 1 FROM t";
    assert_eq!(a.ok(sql).await, "SELECT 2");
    let rows = ["1|1.50|x|lit|2", "2|NULL|NULL|lit|3"];
    assert_eq!(a.rows("SELECT * FROM u ORDER BY k").await, rows);
    assert_eq!(
        a.rows("DESCRIBE u").await,
        [
            "k|integer|yes|NULL",
            "v|numeric(8,2)|yes|NULL",
            "w|text|yes|NULL",
            "l|text|yes|NULL",
            "?column?|integer|yes|NULL"
        ]
    );
    // Its hidden row ids go on.
    a.ok("INSERT INTO u (k) VALUES (3)").await;
    drop(a);
    let db = db.restart(None).await;
    let a = db.client();
    a.ok("INSERT INTO u (k) VALUES (4)").await;
    assert_eq!(a.rows("SELECT k FROM u ORDER BY k").await, ["1", "2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_no_data() {
    let db = Db::new();
    let a = db.client();
    let sql = "CREATE TABLE u (a, b) AS SELECT 1, 'x', 2.5::numeric(5,2) AS c WITH NO DATA";
    assert_eq!(a.ok(sql).await, "CREATE TABLE AS");
    assert_eq!(
        a.rows("DESCRIBE u").await,
        ["a|integer|yes|NULL", "b|text|yes|NULL", "c|numeric(5,2)|yes|NULL"]
    );
    assert_eq!(a.rows("SELECT count(*) FROM u").await, ["0"]);
    assert_eq!(a.ok("CREATE TABLE IF NOT EXISTS u AS SELECT 1").await, "CREATE TABLE AS");
    assert_eq!(a.notices(), ["relation \"u\" already exists, skipping"]);
    assert_eq!(a.error("CREATE TABLE u AS SELECT 1").await, "42P07 relation \"u\" already exists");
    assert_eq!(
        a.error("CREATE TABLE w (a, b) AS SELECT 1").await,
        "42601 too many column names were specified"
    );
    assert_eq!(
        a.error("CREATE TABLE w AS SELECT 1 AS a, 2 AS a").await,
        "42701 column \"a\" specified more than once"
    );
    let error = a.run("SELECT 1 AS a INTO w").await.expect_err("SELECT INTO");
    assert_eq!(error.state().code(), "0A000");
    assert_eq!(error.hint(), Some("Use CREATE TABLE .. AS SELECT."));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_the_query_leaves_nothing() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO t VALUES (0)").await;
    assert!(a.error("CREATE TABLE u AS SELECT 1 / k FROM t").await.starts_with("22012"));
    assert!(a.error("SELECT * FROM u").await.starts_with("42P01"));
    a.ok("CREATE TABLE u AS SELECT k FROM t").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_block_it_is_seen_and_taken_back() {
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    a.ok("BEGIN").await;
    a.ok("CREATE TABLE u AS SELECT x FROM (VALUES (1), (2), (3)) AS n(x)").await;
    a.ok("INSERT INTO u VALUES (4)").await;
    a.ok("INSERT INTO u VALUES (5)").await;
    assert_eq!(a.rows("SELECT sum(x) FROM u").await, ["15"]);
    assert!(b.error("SELECT * FROM u").await.starts_with("42P01"));
    a.ok("ROLLBACK").await;
    assert!(a.error("SELECT * FROM u").await.starts_with("42P01"));
    a.ok("BEGIN").await;
    a.ok("CREATE TABLE u AS SELECT x FROM (VALUES (1), (2), (3)) AS n(x)").await;
    a.ok("INSERT INTO u VALUES (4)").await;
    a.ok("COMMIT").await;
    b.ok("INSERT INTO u VALUES (5)").await;
    assert_eq!(b.rows("SELECT x FROM u ORDER BY x").await, ["1", "2", "3", "4", "5"]);
}
