//! Where in a statement its error is, as PostgreSQL tells it.

use crate::harness::Db;

/// Each of these has its error at the first `zzz`, or at the relation before it.
const UNKNOWN_COLUMNS: &[&str] = &[
    "UPDATE t SET name = zzz WHERE id = 1",
    "UPDATE t SET name = 'x' WHERE zzz = 1",
    "UPDATE t SET zzz = 'x'",
    "UPDATE t SET (name, zzz) = ('x', 1)",
    "UPDATE t AS x SET name = x.zzz",
    "UPDATE t SET name = u.zzz FROM u WHERE u.id = t.id",
    "UPDATE t SET name = 'x' FROM u JOIN u AS v ON zzz = 1",
    "UPDATE t SET name = 'x' RETURNING id, zzz",
    "UPDATE t SET name = 'x' FROM u RETURNING id, u.zzz",
    "UPDATE t SET name = (SELECT max(zzz) FROM u)",
    "DELETE FROM t WHERE zzz = 1",
    "DELETE FROM t USING u WHERE u.zzz = t.id",
    "DELETE FROM t WHERE id = 1 RETURNING lower(zzz)",
    "INSERT INTO t VALUES (1, zzz)",
    "INSERT INTO t SELECT 1, zzz FROM u",
    "INSERT INTO t VALUES (1, 'a') RETURNING zzz",
    "INSERT INTO t VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET zzz = 1",
    "INSERT INTO t VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET name = zzz",
    "INSERT INTO t VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET name = excluded.zzz",
    "INSERT INTO t VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET name = 'x' WHERE zzz = 1",
    "SELECT name AS zzz FROM t GROUP BY name HAVING length(zzz) > 1",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_column_is_shown_where_it_is_named() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (id int PRIMARY KEY, name text DEFAULT upper('n'))").await;
    a.ok("CREATE TABLE u (id int, v int)").await;
    for sql in UNKNOWN_COLUMNS {
        let error = a.run(sql).await.expect_err(sql);
        assert_eq!(error.state().code(), "42703", "{sql}: {}", error.message());
        let named = sql.rfind("zzz").expect("each case has the name");
        let relation = sql[..named].rsplit([' ', '(']).next().unwrap_or_default();
        assert_eq!(error.position(), Some(named - relation.len() + 1), "{sql}");
    }
}
