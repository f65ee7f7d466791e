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
        "CREATE MATERIALIZED VIEW n (x) WITH (on_error = 'skip') AS SELECT 1 / k FROM public.t",
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
