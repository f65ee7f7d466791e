//! OR REPLACE VIEW, `weir.read`, EXPLAIN.

use crate::harness::Db;

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_replaced_by_postgresql_s_rules() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (a int PRIMARY KEY, b text)").await;
    a.ok("INSERT INTO t VALUES (1, 'x')").await;
    a.ok("CREATE VIEW v AS SELECT a, b FROM t").await;
    a.ok("CREATE VIEW above AS SELECT * FROM v").await;
    a.ok("CREATE OR REPLACE VIEW v AS SELECT a, upper(b) AS b, a * 2 AS c FROM t").await;
    assert_eq!(a.rows("SELECT * FROM v").await, ["1|X|2"]);
    assert_eq!(a.rows("SELECT * FROM above").await, ["1|X"], "its columns as they were");
    for (query, error) in [
        ("SELECT a FROM t", "42P16 cannot drop columns from view"),
        (
            "SELECT a, b AS d, a AS c FROM t",
            "42P16 cannot change name of view column \"b\" to \"d\"",
        ),
        (
            "SELECT a::text AS a, b, a AS c FROM t",
            "42P16 cannot change data type of view column \"a\" from integer to text",
        ),
        ("SELECT a, b, 2 AS c FROM v", "42P17 view \"v\" would read itself"),
        ("SELECT a, b, 2 AS c FROM above", "42P17 view \"v\" would read itself"),
    ] {
        assert_eq!(a.error(&format!("CREATE OR REPLACE VIEW v AS {query}")).await, error);
    }
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT a FROM above").await;
    assert_eq!(
        a.error("CREATE OR REPLACE VIEW v AS SELECT a, b, 3 AS c FROM t").await,
        "2BP01 cannot replace view \"v\" because materialized view \"public.m\" uses it"
    );
    assert_eq!(a.error("CREATE OR REPLACE VIEW m AS SELECT 1").await, "42809 \"m\" is not a view");
    a.ok("DROP MATERIALIZED VIEW m").await;
    a.ok("CREATE OR REPLACE VIEW v AS SELECT a, b, 3 AS c FROM t").await;
    drop(a);
    let db = db.restart(None).await;
    let a = db.client();
    assert_eq!(a.rows("SELECT * FROM v").await, ["1|x|3"]);
    assert_eq!(a.rows("SELECT * FROM above").await, ["1|x"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_common_epoch_of_several_views_is_read() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM t").await;
    a.ok("CREATE MATERIALIZED VIEW l AS SELECT k FROM t").await;
    a.ok("INSERT INTO t VALUES (1), (2)").await;
    let both = "SELECT n, (SELECT count(*) FROM l) FROM m";
    // A strict read brings both to one epoch, which is then common without a wait.
    assert_eq!(a.rows(both).await, ["2|2"]);
    a.ok("SET weir.read = 'newest'").await;
    assert_eq!(a.rows(both).await, ["2|2"]);
    // A view that fails stops at its last good content: its error is told, by name or not.
    a.ok("CREATE MATERIALIZED VIEW f AS SELECT sum(1 / (k - 3)) AS n FROM t").await;
    a.ok("FLUSH").await;
    a.ok("INSERT INTO t VALUES (3)").await;
    a.ok("SET weir.read = 'strict'").await;
    assert!(a.error("SELECT * FROM f").await.starts_with("22012"));
    a.ok("SET weir.read = 'newest'").await;
    assert!(a.error("SELECT * FROM m, f").await.starts_with("22012"));
    a.ok("FLUSH").await;
    assert_eq!(a.rows(both).await, ["3|3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_view_is_named_to_all_who_read_above_it() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY, d int)").await;
    a.ok("CREATE MATERIALIZED VIEW fine AS SELECT k FROM t").await;
    a.ok("CREATE MATERIALIZED VIEW q AS SELECT k, 1 / d AS r FROM t").await;
    a.ok("CREATE VIEW plain AS SELECT * FROM q").await;
    a.ok("CREATE MATERIALIZED VIEW above AS SELECT count(*) AS n FROM plain, fine").await;
    a.ok("INSERT INTO t VALUES (1, 1)").await;
    assert_eq!(a.rows("SELECT n FROM above").await, ["1"]);
    a.ok("BEGIN").await;
    assert_eq!(a.rows("SELECT n FROM above").await, ["1"]);
    let b = db.client();
    b.ok("INSERT INTO t VALUES (2, 0)").await;
    b.ok("ALTER MATERIALIZED VIEW q RENAME TO \"Q\"").await;
    let own = "Materialized view \"public.Q\" has failed.";
    let through = "Materialized view \"public.above\" reads materialized view \"public.Q\", which \
                   has failed.";
    for mode in ["strict", "newest"] {
        b.ok(&format!("SET weir.read = '{mode}'")).await;
        for (query, detail) in [
            ("SELECT * FROM fine, \"Q\"", own),
            ("SELECT * FROM plain", own),
            ("SELECT n FROM above", through),
            ("SELECT n FROM fine, above", through),
        ] {
            let error = b.run(query).await.expect_err(query);
            assert_eq!((error.state().code(), error.message()), ("22012", "division by zero"));
            assert_eq!(error.detail(), Some(detail), "{query} {mode}");
            let hint = error.hint().expect("a hint");
            assert!(hint.contains("ALTER MATERIALIZED VIEW \"public\".\"Q\" SET"), "{hint}");
        }
        assert_eq!(b.rows("SELECT count(*) FROM fine").await, ["2"]);
    }
    assert_eq!(
        b.rows("SELECT name, state, error FROM sys.views ORDER BY name").await,
        [
            "Q|failed|division by zero",
            "above|failed|materialized view \"public.Q\": division by zero",
            "fine|running|NULL",
        ]
    );
    // What a transaction has read stays as it was for it.
    assert_eq!(a.rows("SELECT n FROM above").await, ["1"]);
    a.ok("COMMIT").await;
    b.ok("ALTER MATERIALIZED VIEW \"Q\" SET (on_error = 'skip')").await;
    assert_eq!(a.rows("SELECT n FROM above").await, ["2"]);
    b.ok("FLUSH").await;
    assert_eq!(b.rows("SELECT n FROM above").await, ["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_told_to_recompute() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    let query = "SELECT v % 2 AS p, count(*) AS n FROM t WHERE v > 1 GROUP BY v % 2";
    let explained = async |kinds: &str| {
        let options = format!("WITH (force_recompute = '{kinds}')");
        let sql = format!("EXPLAIN CREATE MATERIALIZED VIEW v {options} AS {query}");
        a.rows(&sql).await.remove(0)
    };
    assert!(explained("").await.starts_with("Materialize"));
    assert!(explained("unnest, union").await.starts_with("Materialize"));
    for (kinds, because) in [
        ("aggregate", "because of Aggregate"),
        ("filter", "because of Aggregate, Filter"),
        ("projection,filter", "Projection"),
        ("all", "Projection"),
    ] {
        let first = explained(kinds).await;
        assert!(first.starts_with("Recompute") && first.contains(because), "{kinds}: {first}");
    }
    for (name, options) in [("a", ""), ("b", "WITH (force_recompute = 'aggregate')")] {
        a.ok(&format!("CREATE MATERIALIZED VIEW {name} {options} AS {query}")).await;
    }
    a.ok("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, 4)").await;
    a.ok("DELETE FROM t WHERE k = 2").await;
    let followed = a.rows("SELECT * FROM a ORDER BY p").await;
    assert_eq!(followed, ["0|1", "1|1"]);
    assert_eq!(a.rows("SELECT * FROM b ORDER BY p").await, followed);
    let measured = a.rows("EXPLAIN ANALYZE MATERIALIZED VIEW b").await;
    assert!(measured.join("\n").contains("Recompute"), "{measured:?}");
    let wrong = "CREATE MATERIALIZED VIEW c WITH (force_recompute = 'join') AS SELECT v FROM t";
    let error = a.error(wrong).await;
    assert_eq!(error, "22023 invalid value for option \"force_recompute\": \"join\"");
}

/// A view has no order: one in its query costs nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_with_an_order_follows_changes() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    for (query, head) in [
        ("SELECT v FROM t ORDER BY k DESC", "Materialize"),
        ("SELECT v + 1 AS w FROM (SELECT * FROM t ORDER BY v) AS s", "Materialize"),
        ("SELECT v, count(*) FROM t GROUP BY v ORDER BY 2", "Materialize"),
        ("SELECT v FROM t ORDER BY k DESC LIMIT 3", "Recompute"),
    ] {
        let sql = format!("EXPLAIN CREATE MATERIALIZED VIEW v AS {query}");
        let first = a.rows(&sql).await.remove(0);
        assert!(first.starts_with(head), "{query}: {first}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_of_each_statement() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    let first = async |sql: &str| a.rows(&format!("EXPLAIN {sql}")).await.remove(0);
    let linear = first("SUBSCRIBE TO (SELECT v FROM t WHERE k > 1)").await;
    assert_eq!(linear, "Subscribe: changes leave as they are made, no state");
    let batch = first("SUBSCRIBE TO (SELECT sum(v) FROM t)").await;
    assert!(batch.starts_with("Recompute:") && batch.contains("Aggregate"), "{batch}");
    let view = first("CREATE MATERIALIZED VIEW m AS SELECT v FROM t").await;
    assert_eq!(view, "Materialize: rows of the view, state O(view)");
    let plain = a.rows("EXPLAIN SELECT v FROM t WHERE k > 1").await;
    for sql in ["DECLARE c CURSOR FOR ", "CREATE TABLE u AS "] {
        let rows = a.rows(&format!("EXPLAIN {sql} SELECT v FROM t WHERE k > 1")).await;
        assert_eq!(rows, plain, "{sql}");
    }
    assert_eq!(first("INSERT INTO t VALUES (1, 2)").await, "Insert on public.t");
    assert_eq!(first("INSERT INTO t SELECT k, v FROM t").await, "Insert on public.t");
    assert_eq!(first("UPDATE t SET v = 1 WHERE k = 2").await, "Update on public.t");
    assert_eq!(first("DELETE FROM t USING t AS o WHERE o.k = t.k").await, "Delete on public.t");
    // Nothing of it ran.
    assert!(a.error("SELECT * FROM u").await.starts_with("42P01"));
    assert_eq!(a.rows("SELECT count(*) FROM t").await, ["0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_runs_again_for_touched_values_alone() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int NOT NULL, v int, b bigint)").await;
    a.ok("CREATE STREAM s (k int NOT NULL, v int)").await;
    let touched = async |query: &str| {
        let lines = a.rows(&format!("EXPLAIN CREATE MATERIALIZED VIEW m AS {query}")).await;
        let line = lines.iter().find(|line| line.starts_with("Recompute")).expect(query);
        let of = line.strip_prefix("Recompute for touched values of (");
        of.and_then(|rest| rest.split_once(')')).map(|(columns, _)| columns.to_owned())
    };
    for (query, columns) in [
        ("SELECT k, array_agg(v) FROM t GROUP BY k", Some("k")),
        ("SELECT k AS a, v AS b, array_agg(b) FROM t GROUP BY k, v", Some("a, b")),
        ("SELECT array_agg(k) FROM t", None),
        ("SELECT k + 1 AS k, array_agg(v) FROM t GROUP BY k + 1", None),
        ("SELECT k, v, array_agg(v) FROM t GROUP BY GROUPING SETS ((k), (k, v))", None),
        ("SELECT t.k, s.v FROM t JOIN s ON t.k = s.k", Some("k")),
        ("SELECT t.v, s.v FROM t JOIN s ON t.k = s.k", None),
        ("SELECT t.v, s.k FROM t LEFT JOIN s ON t.v = s.v WHERE t.b > 1", Some("v")),
        ("SELECT t.k, s.v FROM t LEFT JOIN s ON t.k = s.k", Some("k")),
        ("SELECT s.k, t.v FROM t LEFT JOIN s ON t.k = s.k", None),
        ("SELECT t.k, s.k FROM t FULL JOIN s ON t.k = s.k", None),
        ("SELECT k, v FROM t WHERE k IN (SELECT k FROM s)", Some("k")),
        ("SELECT k, v FROM t WHERE v NOT IN (SELECT v FROM s)", None),
        ("SELECT k, row_number() OVER (PARTITION BY k ORDER BY v) FROM t", Some("k")),
        ("SELECT k, v, rank() OVER (PARTITION BY k), rank() OVER (PARTITION BY v) FROM t", None),
        ("SELECT k, v FROM t ORDER BY v LIMIT 3", None),
        (
            "SELECT k, max(v) FROM (SELECT k, v FROM t UNION ALL SELECT 1, 2) q GROUP BY k",
            Some("k"),
        ),
        ("SELECT k, (SELECT max(v) FROM s WHERE s.k = t.k) FROM t", Some("k")),
        ("SELECT k, max(v) < (SELECT max(v) FROM s) FROM t GROUP BY k", None),
        ("SELECT k, max(now()) FROM t GROUP BY k", None),
    ] {
        assert_eq!(touched(query).await.as_deref(), columns, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregations_follow_changes_without_a_notice() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int NOT NULL, v int)").await;
    a.ok("CREATE STREAM s (k int NOT NULL, v int)").await;
    let plan =
        async |query: &str| a.rows(&format!("EXPLAIN CREATE MATERIALIZED VIEW m AS {query}")).await;
    assert_eq!(
        plan(
            "SELECT k, max(v) AS m, count(DISTINCT v) FILTER (WHERE v > 1) AS n FROM s GROUP BY k"
        )
        .await[2..],
        [
            "  -> Aggregate by (k) of max(), count(DISTINCT) FILTER: from append-only rows, retracting, \
             cost O(change), state O(groups + distinct arguments)",
            "    -> Project: k@0, v@1, v@1 > 1, cost O(change), no state",
            "    -> Changes of public.s: append-only, cost O(change), no state",
        ]
    );
    let union = plan("SELECT k FROM t UNION SELECT v FROM s").await;
    assert!(
        union.iter().any(|line| line.contains("Aggregate by (k): from retracting rows")),
        "{union:?}"
    );
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT k, sum(v) FROM t GROUP BY k HAVING count(*) > 1")
        .await;
    assert_eq!(a.notices(), Vec::<String>::new());
    a.ok("INSERT INTO t VALUES (1, 2), (1, 3), (2, 4)").await;
    assert_eq!(a.rows("SELECT * FROM m").await, ["1|5"]);
    let lines = a.rows("EXPLAIN ANALYZE MATERIALIZED VIEW m").await;
    assert!(lines[0].starts_with("Materialize public.m: 1 rows, "), "{lines:?}");
    let aggregate = lines.iter().find(|line| line.contains("-> Aggregate")).expect("one line");
    assert!(aggregate.contains("(rows in 3, out 2; ms by worker: "), "{aggregate}");
    assert!(aggregate.contains("; state: 2 groups, "), "{aggregate}");
    assert!(a.error("EXPLAIN ANALYZE MATERIALIZED VIEW t").await.starts_with("42809"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregation_goes_on_after_a_restart_and_a_failed_tick() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY, g int, v bigint)").await;
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT g, sum(v)::bigint AS s, min(v) AS lo, count(DISTINCT v) \
          AS d FROM t GROUP BY g")
        .await;
    a.ok("CREATE MATERIALIZED VIEW n AS SELECT sum(100 / (s - 7)) AS q FROM m").await;
    a.ok("INSERT INTO t VALUES (1, 1, 5), (2, 1, 5), (3, 2, 9)").await;
    assert_eq!(a.rows("SELECT * FROM m ORDER BY g").await, ["1|10|5|1", "2|9|9|1"]);
    drop(a);
    let db = db.restart(None).await;
    let a = db.client();
    a.ok("DELETE FROM t WHERE k = 1").await;
    assert_eq!(a.rows("SELECT * FROM m ORDER BY g").await, ["1|5|5|1", "2|9|9|1"]);
    // 100 / (7 - 7): the view above fails, and goes on from what it had.
    a.ok("INSERT INTO t VALUES (4, 1, 2)").await;
    assert!(a.error("SELECT * FROM n").await.starts_with("22012"));
    a.ok("UPDATE t SET v = 3 WHERE k = 4").await;
    assert_eq!(a.rows("SELECT * FROM n").await, ["150"]);
    // The sum leaves the range of bigint: the state is as before, and so is the content once it heals.
    a.ok("INSERT INTO t VALUES (5, 1, 9223372036854775807)").await;
    assert!(a.error("SELECT * FROM m").await.starts_with("22003"));
    drop(a);
    let db = db.restart(None).await;
    let a = db.client();
    assert!(a.error("SELECT * FROM m").await.starts_with("22003"));
    a.ok("DELETE FROM t WHERE k IN (2, 5)").await;
    assert_eq!(a.rows("SELECT * FROM m ORDER BY g").await, ["1|3|3|1", "2|9|9|1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_sees_a_zero_change_its_sign() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (id int PRIMARY KEY, v double precision)").await;
    a.ok("CREATE TABLE k (v double precision PRIMARY KEY)").await;
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT id, v, v::text AS s FROM t").await;
    a.ok("INSERT INTO t VALUES (1, '-0')").await;
    assert_eq!(a.rows("SELECT s FROM m").await, ["-0"]);
    a.ok("UPDATE t SET v = 0").await;
    assert_eq!(a.rows("SELECT v, s FROM m").await, ["0|0"]);
    // As keys they are one.
    a.ok("INSERT INTO k VALUES ('-0')").await;
    assert!(a.error("INSERT INTO k VALUES (0)").await.starts_with("23505"));
    a.ok("UPDATE k SET v = 0 WHERE v = 0").await;
    assert_eq!(a.rows("SELECT v FROM k").await, ["0"]);
}
