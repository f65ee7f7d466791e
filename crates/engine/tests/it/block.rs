//! What a transaction block sees of its own writes, and what it commits of them.

use crate::harness::{Client, Db};

/// Runs statements in a block, then compares what the block saw with what is committed.
async fn seen_and_committed(a: &Client, statements: &[&str], query: &str) -> Vec<String> {
    a.ok("BEGIN").await;
    for statement in statements {
        a.ok(statement).await;
    }
    let seen = a.rows(query).await;
    a.ok("COMMIT").await;
    assert_eq!(a.rows(query).await, seen, "{statements:?}");
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn own_rows_are_changed_taken_out_and_put_back() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v text)").await;
    a.ok("INSERT INTO t VALUES (1, 'one'), (2, 'two')").await;
    let statements = [
        "INSERT INTO t VALUES (3, 'three'), (4, 'four'), (5, 'five')",
        "INSERT INTO t VALUES (6, 'six')",
        "DELETE FROM t WHERE k IN (1, 4)",
        "UPDATE t SET v = v || '!' WHERE k IN (2, 3, 5)",
        "INSERT INTO t VALUES (4, 'vier'), (1, 'eins')",
        "DELETE FROM t WHERE k IN (1, 6)",
        "INSERT INTO t VALUES (1, 'uno')",
        "INSERT INTO t VALUES (1, 'x'), (3, 'x'), (7, 'seven') \
         ON CONFLICT (k) DO UPDATE SET v = t.v || '+'",
    ];
    assert_eq!(
        seen_and_committed(&a, &statements, "SELECT k, v FROM t ORDER BY k").await,
        ["1|uno+", "2|two!", "3|three!+", "4|vier", "5|five!", "7|seven"]
    );
    let nothing = ["INSERT INTO t VALUES (8, 'eight')", "DELETE FROM t WHERE k = 8"];
    let rows = seen_and_committed(&a, &nothing, "SELECT count(*) FROM t").await;
    assert_eq!(rows, ["6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_own_rows_are_taken() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO t VALUES (1)").await;
    let taken = "23505 duplicate key value violates unique constraint \"t_pkey\"";
    for statement in ["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)"] {
        a.ok("BEGIN").await;
        a.ok("INSERT INTO t VALUES (2)").await;
        assert_eq!(a.error(statement).await, taken);
        a.ok("ROLLBACK").await;
    }
    a.ok("BEGIN").await;
    a.ok("SAVEPOINT p").await;
    assert_eq!(a.error("INSERT INTO t VALUES (2), (1)").await, taken);
    a.ok("ROLLBACK TO p").await;
    a.ok("INSERT INTO t VALUES (2)").await;
    a.ok("COMMIT").await;
    assert_eq!(a.rows("SELECT k FROM t ORDER BY k").await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn appended_rows_are_seen_and_committed_in_order() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE STREAM s (x int)").await;
    let statements: Vec<String> =
        (0..50).map(|n| format!("INSERT INTO s VALUES ({n}), ({n})")).collect();
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    let rows = seen_and_committed(&a, &statements, "SELECT x FROM s").await;
    let expected: Vec<String> = (0..100).map(|n| (n / 2).to_string()).collect();
    assert_eq!(rows, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_violated_constraint_is_named() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE SCHEMA app").await;
    a.ok(
        "CREATE TABLE app.t (k int PRIMARY KEY, v int NOT NULL CONSTRAINT positive CHECK (v > 0))",
    )
    .await;
    a.ok("INSERT INTO app.t VALUES (1, 1)").await;
    let subject = async |sql: &str| {
        let error = a.run(sql).await.expect_err("refused");
        let subject = error.subject().expect("a constraint").clone();
        assert_eq!(subject.schema.as_deref(), Some("app"));
        assert_eq!(subject.table.as_deref(), Some("t"));
        (error.state().code(), subject.column, subject.constraint)
    };
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(subject("INSERT INTO app.t VALUES (1, 1)").await, ("23505", None, name("t_pkey")));
    assert_eq!(subject("INSERT INTO app.t VALUES (2, NULL)").await, ("23502", name("v"), None));
    assert_eq!(subject("UPDATE app.t SET v = -1").await, ("23514", None, name("positive")));
    a.ok("BEGIN").await;
    assert_eq!(subject("INSERT INTO app.t VALUES (1, 1)").await, ("23505", None, name("t_pkey")));
    a.ok("ROLLBACK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_returning_fails_has_written_nothing() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE z (k int PRIMARY KEY, v int)").await;
    a.ok("CREATE STREAM s (v int)").await;
    a.ok("INSERT INTO z VALUES (1, 10), (2, 20), (3, 30)").await;
    for statement in [
        "DELETE FROM z RETURNING 1 / (v - 20)",
        "UPDATE z SET v = v + 1 RETURNING 1 / (v - 21)",
        "INSERT INTO z VALUES (4, 4) RETURNING 1 / (v - 4)",
        "INSERT INTO z VALUES (1, 4) ON CONFLICT (k) DO UPDATE SET v = 0 RETURNING 1 / v",
        "INSERT INTO s VALUES (4) RETURNING 1 / (v - 4)",
    ] {
        assert_eq!(a.error(statement).await, "22012 division by zero", "{statement}");
    }
    assert_eq!(a.rows("SELECT k, v FROM z ORDER BY k").await, ["1|10", "2|20", "3|30"]);
    assert_eq!(a.rows("SELECT count(*) FROM s").await, ["0"]);
    assert_eq!(a.rows("DELETE FROM z WHERE v > 10 RETURNING k").await.len(), 2);
    let error = a.error("UPDATE z SET v = s.v FROM s RETURNING *").await;
    assert!(error.starts_with("0A000 RETURNING *"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_a_commit_that_failed_is_not_there() {
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO t VALUES (0)").await;
    a.ok("BEGIN").await;
    a.ok("ALTER TABLE t ADD COLUMN c int DEFAULT 5").await;
    a.ok("CREATE TABLE made (k int)").await;
    a.ok("INSERT INTO t VALUES (1, 5)").await;
    b.ok("INSERT INTO t VALUES (1)").await;
    assert!(a.error("COMMIT").await.starts_with("23505"));
    b.ok("INSERT INTO t VALUES (2)").await;
    a.ok("ALTER TABLE t ADD COLUMN c int DEFAULT 7").await;
    b.ok("INSERT INTO t VALUES (3, 3)").await;
    assert_eq!(a.rows("SELECT k, c FROM t ORDER BY k").await, ["0|7", "1|7", "2|7", "3|3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_the_block_added_is_read_with_its_default() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE w (k int PRIMARY KEY, v text)").await;
    a.ok("INSERT INTO w VALUES (1, 'one'), (2, 'two'), (3, 'three')").await;
    let statements = [
        "UPDATE w SET v = 'zwei' WHERE k = 2",
        "DELETE FROM w WHERE k = 3",
        "INSERT INTO w VALUES (4, 'four')",
        "ALTER TABLE w ADD COLUMN y int",
        "ALTER TABLE w ADD COLUMN z int DEFAULT 7",
        "INSERT INTO w VALUES (5, 'five', 50, 51), (3, 'drei', 30, NULL)",
        "INSERT INTO w (k) VALUES (6)",
        "INSERT INTO w VALUES (1, 'x'), (4, 'x'), (7, 'x') \
         ON CONFLICT (k) DO UPDATE SET v = w.v || w.z, y = excluded.z + 1",
        "UPDATE w SET z = z + 1 WHERE k IN (2, 4)",
    ];
    let rows = seen_and_committed(&a, &statements, "SELECT * FROM w ORDER BY k").await;
    let expected = [
        "1|one7|8|7",
        "2|zwei|NULL|8",
        "3|drei|30|NULL",
        "4|four7|8|8",
        "5|five|50|51",
        "6|NULL|NULL|7",
        "7|x|NULL|7",
    ];
    assert_eq!(rows, expected);
    assert_eq!(a.rows("SELECT count(*), sum(z) FROM w").await, ["7|88"]);
    drop(a);
    let db = db.restart(None).await;
    assert_eq!(db.client().rows("SELECT * FROM w ORDER BY k").await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_committed_rows_read_a_column_of_the_block() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE w (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO w VALUES (1), (2)").await;
    a.ok("BEGIN").await;
    a.ok("ALTER TABLE w ADD COLUMN z text DEFAULT 'd'").await;
    assert_eq!(a.rows("SELECT z FROM w").await, ["d", "d"]);
    assert_eq!(a.rows("SELECT z, k FROM w ORDER BY k").await, ["d|1", "d|2"]);
    assert_eq!(a.rows("SELECT count(*) FROM w WHERE z = 'd'").await, ["2"]);
    assert_eq!(a.rows("DELETE FROM w WHERE z = 'd' AND k = 1 RETURNING *").await, ["1|d"]);
    assert_eq!(a.rows("UPDATE w SET z = z || k RETURNING *").await, ["2|d2"]);
    a.ok("COMMIT").await;
    assert_eq!(a.rows("SELECT * FROM w").await, ["2|d2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_new_relation_get_the_column_that_the_block_adds() {
    let db = Db::new();
    let a = db.client();
    for (kind, name) in [("TABLE", "n"), ("STREAM", "s")] {
        let statements = [
            &format!("CREATE {kind} {name} (id int)"),
            &format!("INSERT INTO {name} VALUES (1)"),
            &format!("ALTER {kind} {name} ADD COLUMN v int DEFAULT 5"),
            &format!("INSERT INTO {name} VALUES (2, 6)"),
        ];
        let statements = statements.map(String::as_str);
        let query = format!("SELECT * FROM {name} ORDER BY id");
        assert_eq!(seen_and_committed(&a, &statements, &query).await, ["1|5", "2|6"]);
    }
    a.ok("CREATE STREAM old (id int)").await;
    a.ok("INSERT INTO old VALUES (0)").await;
    let statements = [
        "INSERT INTO old VALUES (1)",
        "ALTER STREAM old ADD COLUMN v int DEFAULT 5",
        "INSERT INTO old VALUES (2, 6)",
    ];
    let query = "SELECT * FROM old ORDER BY id";
    assert_eq!(seen_and_committed(&a, &statements, query).await, ["0|5", "1|5", "2|6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_follows_rows_that_the_block_widened() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE w (k int PRIMARY KEY, v int)").await;
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n, sum(v) AS s FROM w").await;
    a.ok("INSERT INTO w VALUES (1, 1), (2, 2)").await;
    a.ok("BEGIN").await;
    a.ok("UPDATE w SET v = 10 WHERE k = 1").await;
    a.ok("DELETE FROM w WHERE k = 2").await;
    a.ok("INSERT INTO w VALUES (3, 3)").await;
    a.ok("ALTER TABLE w ADD COLUMN z int DEFAULT 4").await;
    a.ok("CREATE MATERIALIZED VIEW mz AS SELECT k, z FROM w").await;
    a.ok("COMMIT").await;
    assert_eq!(a.rows("SELECT * FROM m").await, ["2|13"]);
    assert_eq!(a.rows("SELECT * FROM mz ORDER BY k").await, ["1|4", "3|4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_takes_an_added_column_away_again() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE w (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO w VALUES (1)").await;
    a.ok("BEGIN").await;
    a.ok("INSERT INTO w VALUES (2)").await;
    a.ok("SAVEPOINT p").await;
    a.ok("ALTER TABLE w ADD COLUMN z int DEFAULT 7").await;
    a.ok("UPDATE w SET z = 8").await;
    assert_eq!(a.rows("SELECT * FROM w ORDER BY k").await, ["1|8", "2|8"]);
    a.ok("ROLLBACK TO p").await;
    assert_eq!(a.rows("SELECT * FROM w ORDER BY k").await, ["1", "2"]);
    a.ok("INSERT INTO w VALUES (3)").await;
    a.ok("ALTER TABLE w ADD COLUMN y text DEFAULT 'y'").await;
    a.ok("SAVEPOINT q").await;
    a.ok("DROP TABLE w").await;
    a.ok("ROLLBACK TO q").await;
    assert_eq!(a.rows("SELECT * FROM w ORDER BY k").await, ["1|y", "2|y", "3|y"]);
    a.ok("COMMIT").await;
    assert_eq!(a.rows("SELECT * FROM w ORDER BY k").await, ["1|y", "2|y", "3|y"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_another_transaction_added_is_a_lost_race() {
    let changed = "40001 could not serialize access: the table's columns were changed meanwhile";
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    for kind in ["TABLE", "STREAM"] {
        let name = kind.to_lowercase();
        a.ok(&format!("CREATE {kind} \"{name}\" (k int)")).await;
        a.ok("BEGIN").await;
        a.ok(&format!("ALTER {kind} \"{name}\" ADD COLUMN mine int DEFAULT 1")).await;
        b.ok(&format!("ALTER {kind} \"{name}\" ADD COLUMN other int DEFAULT 2")).await;
        b.ok(&format!("INSERT INTO \"{name}\" VALUES (1, 3)")).await;
        a.ok("SAVEPOINT p").await;
        assert_eq!(a.error(&format!("SELECT * FROM \"{name}\"")).await, changed);
        a.ok("ROLLBACK TO p").await;
        assert_eq!(a.error("COMMIT").await, changed);
        assert_eq!(a.rows(&format!("SELECT * FROM \"{name}\"")).await, ["1|3"]);
    }
    a.ok("BEGIN").await;
    a.ok("INSERT INTO \"table\" VALUES (2, 2)").await;
    b.ok("ALTER TABLE \"table\" ADD COLUMN third int").await;
    a.ok("SAVEPOINT p").await;
    for statement in ["SELECT * FROM \"table\"", "INSERT INTO \"table\" VALUES (3, 3, 3)"] {
        assert_eq!(a.error(statement).await, changed);
        a.ok("ROLLBACK TO p").await;
    }
    a.ok("ALTER TABLE \"table\" ADD COLUMN fourth int").await;
    assert_eq!(a.error("COMMIT").await, changed);
    assert_eq!(a.rows("SELECT * FROM \"table\"").await, ["1|3|NULL"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_block_created_is_read_or_told_of() {
    let db = Db::new();
    let a = db.client();
    a.ok("BEGIN").await;
    a.ok("CREATE STREAM s (id int) WITH (partitions = 2)").await;
    assert_eq!(a.rows("SELECT * FROM s").await, [] as [&str; 0]);
    a.ok("INSERT INTO s VALUES (1), (2)").await;
    assert_eq!(a.rows("SELECT id, _offset FROM s ORDER BY id").await, ["1|NULL", "2|NULL"]);
    assert_eq!(a.rows("SELECT count(*) FROM s").await, ["2"]);
    a.ok("CREATE VIEW v AS SELECT id + 1 AS n FROM s").await;
    assert_eq!(a.rows("SELECT n FROM v ORDER BY n").await, ["2", "3"]);
    a.ok("CREATE TABLE t AS SELECT id FROM s").await;
    assert_eq!(a.rows("SELECT id FROM t ORDER BY id").await, ["1", "2"]);
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT sum(id) AS x FROM s").await;
    a.ok("SAVEPOINT p").await;
    for query in ["SELECT * FROM m", "SELECT * FROM s, m"] {
        let error = a.run(query).await.expect_err("refused");
        assert_eq!(error.state().code(), "55000");
        assert_eq!(
            error.message(),
            "materialized view \"m\" is filled after the transaction that creates it"
        );
        assert_eq!(error.hint(), Some("COMMIT first."));
        a.ok("ROLLBACK TO p").await;
    }
    a.ok("COMMIT").await;
    assert_eq!(a.rows("SELECT * FROM m").await, ["3"]);
    assert_eq!(a.rows("SELECT count(*) FROM s").await, ["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_table_that_the_block_created_are_taken() {
    let db = Db::new();
    let a = db.client();
    a.ok("BEGIN").await;
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO t VALUES (1)").await;
    a.ok("SAVEPOINT p").await;
    let taken = "23505 duplicate key value violates unique constraint \"t_pkey\"";
    assert_eq!(a.error("INSERT INTO t VALUES (1)").await, taken);
    a.ok("ROLLBACK TO p").await;
    assert_eq!(a.error("INSERT INTO t VALUES (2), (2)").await, taken);
    a.ok("ROLLBACK TO p").await;
    a.ok("COMMIT").await;
    assert_eq!(a.rows("SELECT k FROM t").await, ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_transaction_dropped_is_a_lost_race() {
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    for (kind, word) in [("TABLE", "table"), ("STREAM", "stream")] {
        let write = "INSERT INTO x VALUES (1)".to_owned();
        let alter = format!("ALTER {kind} x ADD COLUMN v int");
        let other = "CREATE TABLE other (k int)".to_owned();
        let cases: [&[&String]; 4] = [&[&write], &[&alter], &[&write, &alter], &[&other, &write]];
        for (statements, recreated) in cases.iter().flat_map(|case| [(case, false), (case, true)]) {
            b.ok(&format!("CREATE {kind} x (k int)")).await;
            a.ok("BEGIN").await;
            for statement in *statements {
                a.ok(statement).await;
            }
            b.ok(&format!("DROP {kind} x")).await;
            if recreated {
                b.ok(&format!("CREATE {kind} x (k int)")).await;
            }
            let error = a.run("COMMIT").await.expect_err("refused");
            assert_eq!(error.state().code(), "40001", "{statements:?}");
            let told = format!("could not serialize access: {word} \"x\" was dropped meanwhile");
            assert_eq!(error.message(), told, "{statements:?}");
            assert_eq!(error.hint(), Some("Retry the transaction."));
            if recreated {
                assert_eq!(a.rows("SELECT count(*) FROM x").await, ["0"]);
                b.ok(&format!("DROP {kind} x")).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_block_drops_takes_its_rows_along() {
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("CREATE STREAM s (k int)").await;
    a.ok("INSERT INTO t VALUES (1)").await;
    a.ok("BEGIN").await;
    a.ok("CREATE TABLE made (k int)").await;
    for table in ["t", "s", "made"] {
        a.ok(&format!("INSERT INTO {table} VALUES (2)")).await;
    }
    a.ok("UPDATE t SET k = 3 WHERE k = 1").await;
    b.ok("UPDATE t SET k = 4 WHERE k = 1").await;
    a.ok("DROP TABLE t, made").await;
    a.ok("DROP STREAM s").await;
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO t VALUES (9)").await;
    a.ok("COMMIT").await;
    assert_eq!(a.rows("SELECT k FROM t").await, ["9"]);
    assert!(a.error("SELECT * FROM made").await.starts_with("42P01"));
}
