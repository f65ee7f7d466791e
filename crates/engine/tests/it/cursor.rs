//! DECLARE, FETCH, MOVE, CLOSE.

use futures::StreamExt;
use weir_engine::Execution;

use crate::harness::{Client, Db};

/// A client of a database with the table `numbers` of 1 to 100.
async fn numbers(db: &Db) -> Client {
    let client = db.client();
    client.ok("CREATE TABLE numbers (g int PRIMARY KEY)").await;
    let values: Vec<String> = (1..=100).map(|g| format!("({g})")).collect();
    client.ok(&format!("INSERT INTO numbers VALUES {}", values.join(", "))).await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_gives_its_rows_in_pieces() {
    let db = Db::new();
    let a = numbers(&db).await;
    a.ok("BEGIN").await;
    let sql = "DECLARE c NO SCROLL CURSOR FOR SELECT g FROM numbers WHERE g <= 10 ORDER BY g";
    assert_eq!(a.ok(sql).await, "DECLARE CURSOR");
    let rows = a.run("FETCH 2 FROM c").await.expect("rows");
    assert_eq!((rows.tag.as_str(), rows.rows), ("FETCH 2", vec!["1".to_owned(), "2".to_owned()]));
    assert_eq!(a.rows("FETCH c").await, ["3"]);
    assert_eq!(a.rows("FETCH NEXT IN c").await, ["4"]);
    assert_eq!(a.ok("MOVE FORWARD 2 FROM c").await, "MOVE 2");
    assert_eq!(a.rows("FETCH FORWARD 1 FROM c").await, ["7"]);
    assert_eq!(a.rows("FETCH ALL FROM c").await, ["8", "9", "10"]);
    assert_eq!(a.ok("FETCH 5 FROM c").await, "FETCH 0");
    assert_eq!(a.ok("MOVE ALL IN c").await, "MOVE 0");
    assert_eq!(a.ok("CLOSE c").await, "CLOSE CURSOR");
    assert_eq!(a.error("FETCH c").await, "34000 cursor \"c\" does not exist");
    a.ok("ROLLBACK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_than_a_batch_come_once_each() {
    let db = Db::new();
    let a = numbers(&db).await;
    a.ok("BEGIN").await;
    a.ok("DECLARE c CURSOR FOR SELECT a.g + 100 * (b.g - 1) AS g FROM numbers a, numbers b ORDER BY g").await;
    let mut seen = 0;
    loop {
        let rows = a.rows("FETCH 3001 FROM c").await;
        for row in &rows {
            seen += 1;
            assert_eq!(*row, seen.to_string());
        }
        if rows.len() < 3001 {
            break;
        }
    }
    assert_eq!(seen, 10_000);
    a.ok("COMMIT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_sees_the_epoch_of_its_transaction_and_own_writes_before_it() {
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO t VALUES (1)").await;
    a.ok("BEGIN").await;
    assert_eq!(a.rows("SELECT count(*) FROM t").await, ["1"]);
    b.ok("INSERT INTO t VALUES (2)").await;
    a.ok("INSERT INTO t VALUES (3)").await;
    a.ok("DECLARE c CURSOR FOR SELECT k FROM t ORDER BY k").await;
    a.ok("INSERT INTO t VALUES (4)").await;
    assert_eq!(a.rows("FETCH ALL FROM c").await, ["1", "3"]);
    a.ok("COMMIT").await;
    assert_eq!(a.error("FETCH c").await, "34000 cursor \"c\" does not exist");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused() {
    let db = Db::new();
    let a = db.client();
    assert_eq!(
        a.error("DECLARE c CURSOR FOR SELECT 1").await,
        "25P01 DECLARE CURSOR can only be used in transaction blocks"
    );
    assert_eq!(
        a.error("DECLARE c CURSOR WITH HOLD FOR SELECT 1").await,
        "0A000 cursors WITH HOLD are not supported"
    );
    assert_eq!(a.error("CLOSE c").await, "34000 cursor \"c\" does not exist");
    assert_eq!(a.error("MOVE c").await, "34000 cursor \"c\" does not exist");
    assert_eq!(a.ok("CLOSE ALL").await, "CLOSE CURSOR ALL");
    a.ok("BEGIN").await;
    a.ok("DECLARE c CURSOR FOR SELECT 1").await;
    assert_eq!(a.error("DECLARE c CURSOR FOR SELECT 2").await, "42P03 cursor \"c\" already exists");
    a.ok("ROLLBACK").await;
    a.ok("BEGIN").await;
    assert!(a.error("DECLARE c CURSOR FOR SELECT nosuch").await.starts_with("42703"));
    a.ok("ROLLBACK").await;
    a.ok("BEGIN").await;
    assert!(a.error("FETCH BACKWARD 1 FROM c").await.starts_with("55000"));
    a.ok("ROLLBACK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_cursors_are_listed_and_savepoints_close_younger_ones() {
    let db = Db::new();
    let a = numbers(&db).await;
    a.ok("BEGIN").await;
    a.ok("DECLARE old CURSOR FOR SELECT g FROM numbers WHERE g <= 3 ORDER BY g").await;
    a.ok("SAVEPOINT p").await;
    a.ok("DECLARE young CURSOR FOR SELECT 2").await;
    a.ok("FETCH old").await;
    let list = "SELECT name, is_scrollable FROM pg_cursors ORDER BY name";
    assert_eq!(a.rows(list).await, ["old|f", "young|f"]);
    a.ok("ROLLBACK TO p").await;
    assert_eq!(a.rows(list).await, ["old|f"]);
    assert_eq!(a.rows("FETCH old").await, ["2"], "its position is not undone");
    a.ok("CLOSE ALL").await;
    assert!(a.rows(list).await.is_empty());
    a.ok("COMMIT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_fetched_from() {
    let db = Db::new();
    let (a, b) = (db.client(), db.client());
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO t VALUES (1), (2)").await;
    a.ok("BEGIN").await;
    a.ok("DECLARE c CURSOR FOR SUBSCRIBE TO t").await;
    let without_epoch = |rows: Vec<String>| -> Vec<String> {
        rows.iter().map(|row| row.split_once('|').expect("columns").1.to_owned()).collect()
    };
    assert_eq!(without_epoch(a.rows("FETCH 1 FROM c").await), ["1|1"]);
    assert_eq!(without_epoch(a.rows("FETCH ALL FROM c").await), ["1|2"]);
    assert!(a.rows("FETCH ALL FROM c").await.is_empty(), "nothing changed");
    b.ok("INSERT INTO t VALUES (3)").await;
    b.ok("DELETE FROM t WHERE k = 1").await;
    assert_eq!(without_epoch(a.rows("FETCH ALL FROM c").await), ["1|3", "-1|1"]);
    b.ok("INSERT INTO t VALUES (4)").await;
    assert_eq!(without_epoch(a.rows("FETCH 10 FROM c").await), ["1|4"], "what is there");
    a.ok("COMMIT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn to_the_wire_a_cursor_is_a_portal() {
    let db = Db::new();
    let a = numbers(&db).await;
    assert!(a.session.cursor_columns("c").is_none());
    a.ok("BEGIN").await;
    a.ok("DECLARE c CURSOR FOR SELECT g, g::text AS t FROM numbers ORDER BY g").await;
    let columns = a.session.cursor_columns("c").expect("it is open");
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["g", "t"]);
    let Ok(Execution::Rows { mut rows, tag, .. }) = a.session.fetch_cursor("c", Some(2)) else {
        panic!("no rows")
    };
    let batch = rows.next().await.expect("rows").expect("no error");
    assert_eq!((batch.num_rows(), tag.complete(2)), (2, "SELECT 2".to_owned()));
    drop(rows);
    assert_eq!(a.rows("FETCH c").await, ["3|3"]);
    a.session.close_cursor("c");
    assert_eq!(a.error("FETCH c").await, "34000 cursor \"c\" does not exist");
}
