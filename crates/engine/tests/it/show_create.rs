//! SHOW CREATE: what it gives makes the same object again.

use crate::harness::Db;

const OBJECTS: [(&str, &str, &str); 11] = [
    ("SCHEMA", "\"Sch em\"", "CREATE SCHEMA \"Sch em\""),
    (
        "TABLE",
        "t",
        "CREATE TABLE t (k int, \"V v\" numeric(8,2) DEFAULT 1.5 NOT NULL, w text \
         GENERATED ALWAYS AS (upper(u)) STORED, u varchar(9), z timestamptz[], \
         CONSTRAINT pk PRIMARY KEY (k, u), CONSTRAINT pos CHECK (k > 0), CHECK (\"V v\" < 9))",
    ),
    ("TABLE", "bare", "CREATE TABLE bare (a jsonb, b interval, c char(3))"),
    (
        "STREAM",
        "s",
        "CREATE STREAM s (a int NOT NULL, b text DEFAULT 'it''s') PARTITION BY (b) \
      WITH (partitions = 3, retention = '7d', retention_bytes = '1MB', durability = 'os')",
    ),
    ("STREAM", "plain", "CREATE STREAM plain (a int)"),
    (
        "STREAM",
        "gen",
        "CREATE STREAM gen (id bigint) WITH (connector = 'datagen', \
         rows_per_second = 1, rows = 1, on_error = 'skip')",
    ),
    ("VIEW", "v", "CREATE VIEW v (one, \"Two\") AS SELECT k, \"V v\" FROM public.t WHERE k > 1"),
    (
        "MATERIALIZED VIEW",
        "m",
        "CREATE MATERIALIZED VIEW m AS SELECT a, count(*) FROM public.plain GROUP BY a",
    ),
    (
        "MATERIALIZED VIEW",
        "n",
        "CREATE MATERIALIZED VIEW n (x) WITH (on_error = 'skip', force_recompute = 'filter, aggregate') \
         AS SELECT 1 / k FROM public.t",
    ),
    ("SINK", "k", "CREATE SINK k FROM public.plain WITH (connector = 'blackhole')"),
    (
        "SINK",
        "q",
        "CREATE SINK q AS SELECT a + 1 AS a FROM public.plain WITH (connector = 'blackhole')",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_it_gives_makes_the_object_again() {
    let db = Db::new();
    let a = db.client();
    for (_, _, create) in OBJECTS {
        a.ok(create).await;
    }
    let shown = async |name: &str| {
        let rows = a.rows(&format!("SHOW CREATE {name}")).await;
        rows[0].split_once('|').expect("two columns").1.to_owned()
    };
    for (kind, name, _) in OBJECTS.iter().rev().filter(|(kind, ..)| *kind != "SCHEMA") {
        let first = shown(name).await;
        // What stands on it goes, too; it has been looked at already.
        a.ok(&format!("DROP {kind} {name} CASCADE")).await;
        a.ok(&first).await;
        assert_eq!(shown(name).await, first, "{name}");
        let described = a.run(&format!("DESCRIBE {name}")).await;
        assert!(described.is_ok() || *kind == "SINK", "{name}");
    }
    // The definitions say all that was asked for.
    let stream = shown("s").await;
    for part in ["PARTITION BY (\"b\")", "partitions = 3", "retention_bytes", "durability = 'os'"] {
        assert!(stream.contains(part), "{stream}");
    }
    assert!(shown("gen").await.contains("on_error = 'skip'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_has_the_names_of_today() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE SCHEMA x").await;
    a.ok("CREATE TABLE x.t (k int PRIMARY KEY, v int)").await;
    a.ok("CREATE TABLE u (k int PRIMARY KEY, w text)").await;
    a.ok("CREATE STREAM s (a int, b int)").await;
    a.ok("INSERT INTO x.t VALUES (1, 10), (2, 20)").await;
    a.ok("INSERT INTO u VALUES (1, 'one'), (2, 'two')").await;
    a.ok("INSERT INTO s VALUES (1, 7), (5, 8)").await;
    let views = [
        "SELECT t.k AS tk, x.t.v AS \"é\", u.* FROM x.t JOIN u ON x.t.k = u.k",
        "WITH u AS (SELECT w, k AS uk FROM u WHERE w <> 'u') SELECT * FROM u, (SELECT x.t.* FROM x.t) y",
        "SELECT * FROM u AS o WHERE EXISTS (SELECT 1 FROM x.t i WHERE i.k = o.k AND i.v > 10)",
        "SELECT *, _offset FROM s WHERE s.b > 7",
        "SELECT a FROM s UNION ALL SELECT k FROM u ORDER BY 1",
        "WITH RECURSIVE r AS (SELECT k FROM u UNION SELECT r.k + 1 FROM r WHERE r.k < 4) \
         SELECT r.k FROM r",
        "SELECT q.p FROM u AS q(p, w)",
    ];
    for (view_idx, query) in views.iter().enumerate() {
        a.ok(&format!("CREATE VIEW v{view_idx} AS {query}")).await;
    }
    let contents = async |prefix: &str| {
        let mut all = Vec::new();
        for view_idx in 0..views.len() {
            let mut rows = a.rows(&format!("SELECT * FROM {prefix}{view_idx}")).await;
            rows.sort();
            all.push(rows);
        }
        all
    };
    let before = contents("v").await;
    let shown = async |name: &str| {
        let rows = a.rows(&format!("SHOW CREATE {name}")).await;
        rows[0].split_once('|').expect("two columns").1.to_owned()
    };
    assert!(shown("v0").await.ends_with(views[0]), "as it was written while nothing has changed");
    for change in [
        "ALTER TABLE x.t RENAME TO \"T t\"",
        "ALTER TABLE x.\"T t\" RENAME COLUMN v TO amount",
        "ALTER SCHEMA x RENAME TO y",
        "ALTER TABLE u RENAME TO t",
        "ALTER TABLE t ADD COLUMN amount int DEFAULT 3",
        "ALTER STREAM s RENAME COLUMN b TO k",
        "CREATE TABLE u (k text, w int)",
    ] {
        a.ok(change).await;
    }
    for (view_idx, query) in views.iter().enumerate() {
        let definition = shown(&format!("v{view_idx}")).await;
        assert!(!definition.ends_with(query), "{definition}");
        a.ok(&definition.replacen(&format!("\"v{view_idx}\""), &format!("\"n{view_idx}\""), 1))
            .await;
        let of_query = a
            .rows(&format!("SELECT definition FROM pg_views WHERE viewname = 'v{view_idx}'"))
            .await
            .remove(0);
        let of_query = of_query.trim().trim_end_matches(';');
        assert!(definition.ends_with(of_query), "{definition} {of_query}");
    }
    assert_eq!(contents("v").await, before);
    assert_eq!(contents("n").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_of_a_view_has_the_names_of_its_columns() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    a.ok("INSERT INTO t VALUES (1, 2)").await;
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT k, count(*), v + 1 AS w FROM t GROUP BY k, v").await;
    let definition = async || a.rows("SELECT definition FROM pg_matviews").await.remove(0);
    assert!(definition().await.starts_with(" SELECT k, count(*)"), "{}", definition().await);
    a.ok("ALTER MATERIALIZED VIEW m RENAME COLUMN count TO \"N\"").await;
    let query = definition().await;
    a.ok(&format!("CREATE VIEW n AS {}", query.trim_end_matches(';'))).await;
    assert_eq!(a.rows("SELECT k, \"N\", w FROM n").await, ["1|1|3"]);
    assert_eq!(a.rows("SELECT pg_get_viewdef('m'::regclass)").await, [query]);
}

#[tokio::test(flavor = "multi_thread")]
async fn expressions_of_a_table_follow_a_renamed_column() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (a int CHECK (a > 0), b text GENERATED ALWAYS AS ('a' || a) STORED)")
        .await;
    a.ok("ALTER TABLE t RENAME COLUMN a TO \"A\"").await;
    a.ok("INSERT INTO t VALUES (7)").await;
    assert_eq!(a.rows("SELECT * FROM t").await, ["7|a7"]);
    assert!(a.error("INSERT INTO t VALUES (-7)").await.starts_with("23514"));
    let definition = a.rows("SHOW CREATE t").await.remove(0);
    assert!(definition.contains("CHECK (\"A\" > 0)"), "{definition}");
}
