//! `weir log dump` beside a running engine.

use crate::harness::Db;

/// The lines for a name, without the timestamps, which must be there.
fn dump(db: &Db, name: &str, partition: Option<u32>, from: u64) -> Vec<String> {
    let mut out = Vec::new();
    weir_engine::dump_log(&db.data_dir(), name, partition, from, &mut out).expect(name);
    let text = String::from_utf8(out).expect("text");
    let without_time = |line: &str| {
        let (begin, rest) = line.split_once(",\"timestamp\":\"20").expect("a timestamp");
        format!("{begin}{}", rest.split_once('"').expect("the timestamp ends").1)
    };
    text.lines().map(without_time).collect()
}

fn error(db: &Db, name: &str, partition: Option<u32>) -> String {
    let dumped = weir_engine::dump_log(&db.data_dir(), name, partition, 0, &mut Vec::new());
    let error = dumped.expect_err(name);
    assert!(error.hint().is_some(), "{error:?}");
    format!("{} {}", error.state().code(), error.message())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_stream_are_lines_from_an_offset_on() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE STREAM s (a int, b text, c numeric(6,2)[], d jsonb)").await;
    a.ok("INSERT INTO s SELECT i, 'r' || i FROM generate_series(0, 6) AS g(i)").await;
    let lines = dump(&db, "s", None, 5);
    assert_eq!(
        lines,
        [
            r#"{"partition":0,"offset":5,"row":{"a":5,"b":"r5","c":null,"d":null}}"#,
            r#"{"partition":0,"offset":6,"row":{"a":6,"b":"r6","c":null,"d":null}}"#,
        ]
    );
    assert_eq!(dump(&db, "public.s", Some(0), 0).len(), 7);
    assert_eq!(dump(&db, "s", None, 7), [""; 0]);
    // Its name now is what counts, and its columns now.
    a.ok("ALTER STREAM s RENAME TO \"new.name\"").await;
    a.ok("ALTER STREAM \"new.name\" RENAME COLUMN b TO \"b\"\"b\"").await;
    a.ok("ALTER STREAM \"new.name\" ADD COLUMN e int DEFAULT 4").await;
    a.ok("INSERT INTO \"new.name\" VALUES (-1, e'\"\\n', '{1.5,2}', '{\"x\": 1}', 9)").await;
    assert_eq!(
        dump(&db, "new.name", None, 6),
        [
            r#"{"partition":0,"offset":6,"row":{"a":6,"b\"b":"r6","c":null,"d":null,"e":4}}"#,
            r#"{"partition":0,"offset":7,"row":{"a":-1,"b\"b":"\"\n","c":[1.50,2.00],"d":{"x": 1},"e":9}}"#,
        ]
    );
    assert_eq!(error(&db, "s", None), "42P01 stream or table \"s\" does not exist");
    assert_eq!(
        error(&db, "new.name", Some(1)),
        "42704 partition 1 of \"public.new.name\" does not exist"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_table_have_their_sign() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE SCHEMA x").await;
    a.ok("CREATE TABLE x.t (k int PRIMARY KEY, v text)").await;
    a.ok("INSERT INTO x.t VALUES (1, 'a')").await;
    a.ok("UPDATE x.t SET v = 'b'").await;
    let mut lines = dump(&db, "t", None, 0);
    lines[1..].sort_by_key(|line| line.contains("\"b\""));
    let heads: Vec<&str> =
        lines.iter().map(|line| line.split_once("\"change\"").expect("a change").1).collect();
    assert_eq!(
        heads,
        [
            r#":"+","row":{"k":1,"v":"a"}}"#,
            r#":"-","row":{"k":1,"v":"a"}}"#,
            r#":"+","row":{"k":1,"v":"b"}}"#,
        ]
    );
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT k FROM x.t").await;
    assert_eq!(error(&db, "m", None), "42809 \"m\" has no records in the log");
    a.ok("CREATE TABLE t (k int)").await;
    assert_eq!(dump(&db, "t", None, 0), [""; 0], "that of public comes first");
}
