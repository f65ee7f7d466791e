//! SUBSCRIBE: the snapshot, then every change once and in order.

use bytes::BytesMut;
use futures::StreamExt;

use crate::harness::{Db, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_followed() {
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v text)").await;
    a.ok("INSERT INTO t VALUES (1, 'one'), (2, 'two')").await;
    let mut rows = a.follow("SUBSCRIBE TO t").await;
    assert_eq!(rows.take(2).await, ["1|1|one", "1|2|two"]);
    b.ok("UPDATE t SET v = 'eins' WHERE k = 1").await;
    let mut change = rows.take_with_epochs(2).await;
    assert_eq!(change[0].0, change[1].0, "one commit, one epoch");
    change.sort_by(|x, y| x.1.cmp(&y.1));
    assert_eq!([change[0].1.as_str(), &change[1].1], ["-1|1|one", "1|1|eins"]);
    // What nets out within a transaction is no change.
    b.ok("BEGIN").await;
    b.ok("INSERT INTO t VALUES (9, 'x')").await;
    b.ok("DELETE FROM t WHERE k = 9").await;
    b.ok("UPDATE t SET v = v").await;
    b.ok("COMMIT").await;
    b.ok("DELETE FROM t WHERE k = 2").await;
    assert_eq!(rows.take(1).await, ["-1|2|two"]);
    assert!(!rows.has_more());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_columns_begin_with_epoch_and_diff() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v text)").await;
    let parsed = a.session.parse("SUBSCRIBE TO t").expect("it parses").remove(0);
    let prepared = a.session.prepare(parsed, Vec::new()).await.expect("it is planned");
    let columns = prepared.columns().expect("columns");
    let shown: Vec<String> = columns.iter().map(|c| format!("{} {}", c.name, c.sql_type)).collect();
    assert_eq!(shown, ["epoch pg_lsn", "diff bigint", "k integer", "v text"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_epoch_comes_once_and_in_order() {
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    a.ok("CREATE STREAM s (x int) WITH (partitions = 3)").await;
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT k % 3 AS g, sum(v) AS n FROM t GROUP BY 1").await;
    let (c, d, e) = (db.client(), db.client(), db.client());
    let mut of_table = c.follow("SUBSCRIBE TO t").await;
    let mut of_stream = d.follow("SUBSCRIBE TO s").await;
    let mut of_view = e.follow("SUBSCRIBE TO m").await;
    for k in 1..=60 {
        b.ok(&format!("INSERT INTO t VALUES ({k}, 1)")).await;
        b.ok(&format!("INSERT INTO s VALUES ({k})")).await;
    }
    let table = of_table.take_with_epochs(60).await;
    let expected: Vec<String> = (1..=60).map(|k| format!("1|{k}|1")).collect();
    assert_eq!(table.iter().map(|(_, row)| row.clone()).collect::<Vec<_>>(), expected);
    assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0), "an epoch each: {table:?}");
    let stream = of_stream.take_with_epochs(60).await;
    let expected: Vec<String> = (1..=60).map(|k| format!("1|{k}")).collect();
    assert_eq!(stream.iter().map(|(_, row)| row.clone()).collect::<Vec<_>>(), expected);
    assert!(stream.windows(2).all(|pair| pair[0].0 < pair[1].0), "an epoch each: {stream:?}");
    // Ticks may have taken several commits at once: the sum of all changes is the content.
    let mut content = std::collections::BTreeMap::<String, i64>::new();
    let mut last = 0;
    let wanted = [("0|20".to_owned(), 1), ("1|20".to_owned(), 1), ("2|20".to_owned(), 1)];
    while content != wanted.clone().into() {
        let (epoch, row) = of_view.take_with_epochs(1).await.remove(0);
        assert!(epoch >= last, "{epoch} after {last}");
        last = epoch;
        let (diff, row) = row.split_once('|').expect("a diff");
        *content.entry(row.to_owned()).or_default() += diff.parse::<i64>().expect("a number");
        content.retain(|_, count| *count != 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_followed_linear_or_not() {
    let db = Db::new();
    let (a, b, c) = (db.client(), db.client(), db.client());
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    a.ok("CREATE STREAM s (k int, w int)").await;
    a.ok("INSERT INTO t VALUES (1, 10), (2, 20)").await;
    let mut linear = b.follow("SUBSCRIBE TO (SELECT v + 1 AS w FROM t WHERE k > 1)").await;
    assert_eq!(linear.take(1).await, ["1|21"]);
    let mut joined = c
        .follow("SUBSCRIBE TO (SELECT t.k, sum(s.w) AS w FROM t JOIN s USING (k) GROUP BY t.k)")
        .await;
    assert!(!joined.has_more());
    a.ok("INSERT INTO s VALUES (1, 5)").await;
    assert_eq!(joined.take(1).await, ["1|1|5"]);
    a.ok("INSERT INTO s VALUES (1, 2), (3, 9)").await;
    let mut change = joined.take(2).await;
    change.sort();
    assert_eq!(change, ["-1|1|5", "1|1|7"]);
    a.ok("UPDATE t SET k = 3 WHERE k = 2").await;
    assert_eq!(joined.take(1).await, ["1|3|9"]);
    // The same value again is no change of the linear query.
    a.ok("UPDATE t SET v = 21 WHERE k = 3").await;
    let mut change = linear.take(2).await;
    change.sort();
    assert_eq!(change, ["-1|21", "1|22"]);
    // It is nowhere in the catalog.
    assert!(a.rows("SELECT name FROM sys.views").await.is_empty());
    assert!(a.rows("SHOW MATERIALIZED VIEWS").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_views_and_unions_of_streams_and_tables_are_followed() {
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    a.ok("CREATE TABLE t (x int PRIMARY KEY)").await;
    a.ok("CREATE STREAM s (x int) WITH (partitions = 2)").await;
    a.ok("CREATE VIEW v AS SELECT x FROM t UNION ALL SELECT x FROM s").await;
    a.ok("INSERT INTO s VALUES (1)").await;
    let mut rows = b.follow("SUBSCRIBE TO v").await;
    assert_eq!(rows.take(1).await, ["1|1"]);
    a.ok("BEGIN").await;
    a.ok("INSERT INTO s VALUES (2)").await;
    a.ok("INSERT INTO t VALUES (2)").await;
    a.ok("COMMIT").await;
    assert_eq!(rows.take(1).await, ["2|2"], "consolidated over both");
    a.ok("DELETE FROM t").await;
    assert_eq!(rows.take(1).await, ["-1|2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_snapshot_only_changes_come() {
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO t VALUES (1)").await;
    let mut rows = b.follow("SUBSCRIBE TO t WITH (snapshot = false)").await;
    a.ok("INSERT INTO t VALUES (2)").await;
    assert_eq!(rows.take(1).await, ["1|2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_sends_each_change_at_once() {
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v text)").await;
    a.ok("INSERT INTO t VALUES (1, NULL)").await;
    let (encoder, mut rows) = b.copy_out("COPY (SUBSCRIBE TO t) TO STDOUT").await;
    let mut line = async || {
        loop {
            let batch = within(rows.next()).await.expect("rows").expect("no error");
            if batch.num_rows() > 0 {
                let mut line = BytesMut::new();
                encoder.rows(&batch).expect("its columns").write(0, &mut line).expect("values");
                let text = String::from_utf8(line.to_vec()).expect("text");
                return text.split_once('\t').expect("columns").1.to_owned();
            }
        }
    };
    assert_eq!(line().await, "1\t1\t\\N\n");
    a.ok("INSERT INTO t VALUES (2, 'x')").await;
    assert_eq!(line().await, "1\t2\tx\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_what_is_followed_ends_it() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM t").await;
    a.ok("CREATE VIEW v AS SELECT k FROM t").await;
    let (b, c, d) = (db.client(), db.client(), db.client());
    let of_view = b.follow("SUBSCRIBE TO m WITH (snapshot = false)").await;
    let of_plain = c.follow("SUBSCRIBE TO v").await;
    let of_query = d.follow("SUBSCRIBE TO (SELECT max(k) FROM t) WITH (snapshot = false)").await;
    a.ok("DROP MATERIALIZED VIEW m").await;
    let gone = |what: &str| format!("42P01 {what} was dropped during SUBSCRIBE");
    assert_eq!(of_view.end().await, gone("materialized view \"public.m\""));
    a.ok("DROP VIEW v").await;
    assert_eq!(of_plain.end().await, gone("view \"public.v\""));
    a.ok("DROP TABLE t").await;
    assert_eq!(of_query.end().await, gone("table \"public.t\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_query_ends_it_with_its_error() {
    let db = Db::new();
    let (a, b, c) = (db.client(), db.client(), db.client());
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO t VALUES (1)").await;
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT sum(10 / k) AS n FROM t").await;
    let mut of_view = b.follow("SUBSCRIBE TO m").await;
    assert_eq!(of_view.take(1).await, ["1|10"]);
    let mut linear = c.follow("SUBSCRIBE TO (SELECT 10 / k FROM t)").await;
    assert_eq!(linear.take(1).await, ["1|10"]);
    a.ok("INSERT INTO t VALUES (0)").await;
    assert_eq!(of_view.end().await, "22012 division by zero");
    assert_eq!(linear.end().await, "22012 division by zero");
    // Nothing is left behind: the table goes on.
    a.ok("DELETE FROM t WHERE k = 0").await;
    assert_eq!(a.rows("SELECT n FROM m").await, ["10"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_it() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    let rows = a.follow("SUBSCRIBE TO t").await;
    db.engine().cancel(a.session.pid(), a.session.secret());
    assert_eq!(rows.end().await, "57014 canceling statement due to user request");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_followed_is_refused() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    assert!(a.error("SUBSCRIBE TO nosuch").await.starts_with("42P01"));
    assert!(a.error("SUBSCRIBE TO (SELECT random())").await.starts_with("0A000"));
    assert!(a.error("SUBSCRIBE TO pg_class").await.starts_with("0A000"));
    a.ok("BEGIN").await;
    a.ok("INSERT INTO t VALUES (1)").await;
    assert_eq!(
        a.error("SUBSCRIBE TO t").await,
        "0A000 cannot SUBSCRIBE in a transaction that has written"
    );
    a.ok("ROLLBACK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_after_a_restart_where_the_data_are() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM t").await;
    a.ok("INSERT INTO t VALUES (1), (2)").await;
    drop(a);
    let db = db.restart(None).await;
    let (a, b) = (db.client(), db.client());
    let mut rows = b.follow("SUBSCRIBE TO m").await;
    assert_eq!(rows.take(1).await, ["1|2"]);
    a.ok("INSERT INTO t VALUES (3)").await;
    let mut change = rows.take(2).await;
    change.sort();
    assert_eq!(change, ["-1|2", "1|3"]);
}
