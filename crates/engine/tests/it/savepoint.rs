//! SAVEPOINT, ROLLBACK TO, RELEASE.

use weir_engine::TransactionStatus;

use crate::harness::Db;

#[tokio::test(flavor = "multi_thread")]
async fn rolling_back_undoes_what_came_after() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v text)").await;
    a.ok("CREATE STREAM s (x int)").await;
    a.ok("INSERT INTO t VALUES (1, 'one'), (2, 'two')").await;
    a.ok("BEGIN").await;
    a.ok("UPDATE t SET v = 'eins' WHERE k = 1").await;
    a.ok("INSERT INTO s VALUES (1)").await;
    assert_eq!(a.ok("SAVEPOINT p").await, "SAVEPOINT");
    a.ok("DELETE FROM t").await;
    a.ok("INSERT INTO t VALUES (3, 'three')").await;
    a.ok("INSERT INTO s VALUES (2)").await;
    a.ok("CREATE TABLE u (x int)").await;
    a.ok("SET LOCAL statement_timeout = '77s'").await;
    assert_eq!(a.rows("SELECT k FROM t").await, ["3"]);
    assert_eq!(a.ok("ROLLBACK TO SAVEPOINT p").await, "ROLLBACK");
    assert_eq!(a.rows("SELECT k, v FROM t ORDER BY k").await, ["1|eins", "2|two"]);
    assert_eq!(a.rows("SELECT x FROM s").await, ["1"]);
    assert_ne!(a.rows("SHOW statement_timeout").await, ["77s"]);
    assert_eq!(a.ok("COMMIT").await, "COMMIT");
    let b = db.client();
    assert_eq!(b.rows("SELECT k, v FROM t ORDER BY k").await, ["1|eins", "2|two"]);
    assert_eq!(b.rows("SELECT x FROM s").await, ["1"]);
    assert_eq!(b.error("SELECT * FROM u").await, "42P01 relation \"u\" does not exist");
    drop((a, b));
    let db = db.restart(None).await;
    let c = db.client();
    assert_eq!(c.rows("SELECT k, v FROM t ORDER BY k").await, ["1|eins", "2|two"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_block_can_be_rescued() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("BEGIN").await;
    a.ok("INSERT INTO t VALUES (1)").await;
    a.ok("SAVEPOINT p").await;
    assert!(a.error("INSERT INTO t VALUES (1)").await.starts_with("23505"));
    assert_eq!(a.session.transaction_status(), TransactionStatus::Failed);
    for refused in ["SELECT 1", "SAVEPOINT q", "RELEASE SAVEPOINT p", "FETCH c"] {
        assert!(a.error(refused).await.starts_with("25P02"), "{refused}");
    }
    assert_eq!(a.error("ROLLBACK TO nosuch").await, "3B001 savepoint \"nosuch\" does not exist");
    assert_eq!(a.session.transaction_status(), TransactionStatus::Failed);
    a.ok("ROLLBACK TO p").await;
    assert_eq!(a.session.transaction_status(), TransactionStatus::InBlock);
    a.ok("INSERT INTO t VALUES (2)").await;
    a.ok("COMMIT").await;
    assert_eq!(a.rows("SELECT k FROM t ORDER BY k").await, ["1", "2"]);
    // Without a savepoint nothing rescues it.
    a.ok("BEGIN").await;
    a.error("SELECT 1 / 0").await;
    assert_eq!(a.error("ROLLBACK TO p").await, "3B001 savepoint \"p\" does not exist");
    assert_eq!(a.ok("COMMIT").await, "ROLLBACK");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_nest_as_in_postgresql() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("BEGIN").await;
    a.ok("SAVEPOINT p").await;
    a.ok("INSERT INTO t VALUES (1)").await;
    a.ok("SAVEPOINT p").await;
    a.ok("INSERT INTO t VALUES (2)").await;
    a.ok("SAVEPOINT q").await;
    a.ok("INSERT INTO t VALUES (3)").await;
    a.ok("ROLLBACK TO p").await;
    assert_eq!(a.rows("SELECT k FROM t").await, ["1"], "the newer p");
    // It stays, what came after it went.
    a.ok("INSERT INTO t VALUES (4)").await;
    a.ok("ROLLBACK TO p").await;
    assert_eq!(a.rows("SELECT k FROM t").await, ["1"]);
    a.ok("SAVEPOINT r").await;
    a.ok("INSERT INTO t VALUES (5)").await;
    assert_eq!(a.ok("RELEASE SAVEPOINT p").await, "RELEASE");
    assert_eq!(a.rows("SELECT k FROM t ORDER BY k").await, ["1", "5"], "released, not undone");
    a.ok("SAVEPOINT z").await;
    assert_eq!(a.error("RELEASE r").await, "3B001 savepoint \"r\" does not exist");
    a.ok("ROLLBACK TO z").await;
    a.ok("ROLLBACK TO p").await;
    assert!(a.rows("SELECT k FROM t").await.is_empty(), "the older p");
    a.ok("ROLLBACK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_needed() {
    let db = Db::new();
    let a = db.client();
    for (sql, name) in [
        ("SAVEPOINT p", "SAVEPOINT"),
        ("RELEASE p", "RELEASE SAVEPOINT"),
        ("ROLLBACK TO p", "ROLLBACK TO SAVEPOINT"),
    ] {
        let expected = format!("25P01 {name} can only be used in transaction blocks");
        assert_eq!(a.error(sql).await, expected);
    }
}
