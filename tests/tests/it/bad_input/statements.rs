//! Statements, COPY data and files.

use std::time::Duration;

use bytes::Bytes;
use futures::SinkExt;
use tokio_postgres::Client;
use weir_tests::process::Process;

use super::{failure, server, value};

#[tokio::test]
async fn an_unknown_column_is_named_with_its_place() {
    let (_dir, _process, client) = server().await;
    client.batch_execute("CREATE TABLE t (a integer, b text)").await.unwrap();
    let (code, message, position) = failure(&client, "SELECT a, c FROM t").await;
    assert_eq!((code.as_str(), position), ("42703", Some(11)), "{message}");
    assert_eq!(message, "column \"c\" does not exist");
    let (code, message, _) = failure(&client, "INSERT INTO t (a, c) VALUES (1, 2)").await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("42703", "column \"c\" of relation \"t\" does not exist")
    );
    let (code, ..) = failure(&client, "CREATE MATERIALIZED VIEW v AS SELECT c FROM t").await;
    assert_eq!(code, "42703");
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn a_value_of_another_type_is_refused() {
    let (_dir, _process, client) = server().await;
    client.batch_execute("CREATE STREAM s (a integer, at date)").await.unwrap();
    for (sql, code) in [
        ("INSERT INTO s VALUES ('one', NULL)", "22P02"),
        ("INSERT INTO s VALUES (true, NULL)", "42804"),
        ("INSERT INTO s VALUES (1, 20240101)", "42804"),
        ("INSERT INTO s VALUES (3000000000, NULL)", "22003"),
        ("INSERT INTO s VALUES (1, '2024-02-30')", "22008"),
        ("SELECT a + at || 'x' FROM s WHERE a", "42804"),
        ("SELECT * FROM s WHERE at = 1", "42883"),
    ] {
        assert_eq!(failure(&client, sql).await.0, code, "{sql}");
    }
    assert_eq!(value(&client, "SELECT count(*) FROM s").await, "0");
    // What PostgreSQL assigns to text, it casts.
    client.batch_execute("CREATE STREAM t (a text)").await.unwrap();
    client.batch_execute("INSERT INTO t VALUES (true), (1.50), (-7)").await.unwrap();
    let all = "SELECT string_agg(a, ' ' ORDER BY a COLLATE \"C\") FROM t";
    assert_eq!(value(&client, all).await, "-7 1.50 true");
}

/// The error of a COPY with that data.
async fn copy_failure(client: &Client, sql: &str, data: &'static [u8]) -> (String, String, String) {
    let sink = client.copy_in::<_, Bytes>(sql).await.unwrap();
    let mut sink = std::pin::pin!(sink);
    // The error may come before all data went out: it is told by the end.
    let _ = sink.send(Bytes::from_static(data)).await;
    let error = sink.finish().await.expect_err("the data is refused");
    let db = error.as_db_error().unwrap_or_else(|| panic!("no answer but {error}"));
    let place = db.where_().unwrap_or_default().to_owned();
    (db.code().code().to_owned(), db.message().to_owned(), place)
}

#[tokio::test]
async fn malformed_copy_data_is_refused_whole_and_with_its_line() {
    let (_dir, _process, client) = server().await;
    client.batch_execute("CREATE TABLE t (a integer, b text)").await.unwrap();
    for (options, data, code, place) in [
        ("", &b"1\tx\n2\n3\ty\n"[..], "22P04", "COPY t, line 2"),
        ("", b"1\tx\ttoo many\n", "22P04", "COPY t, line 1"),
        ("", b"1\tx\nno number\ty\n", "22P02", "COPY t, line 2, column a"),
        ("", b"1\t\xff\xfe\n", "22021", "COPY t, line 1"),
        ("(FORMAT csv)", b"1,x\n2,\"never closed\n", "22P04", "COPY t, line 3"),
        ("(FORMAT binary)", b"no signature at all, but long enough", "22P04", ""),
        (
            "(FORMAT binary)",
            b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x7f",
            "22P04",
            "COPY t",
        ),
    ] {
        let sql = format!("COPY t FROM STDIN {options}");
        let (found, message, context) = copy_failure(&client, &sql, data).await;
        assert_eq!(found, code, "{data:?}: {message}");
        assert!(context.starts_with(place), "{context:?} does not begin with {place:?}: {message}");
        assert_eq!(value(&client, "SELECT count(*) FROM t").await, "0", "{data:?}");
    }
}

#[tokio::test]
async fn malformed_json_lines_are_dead_letters_and_the_others_rows() {
    let (dir, _process, client) = server().await;
    let path = dir.path().join("in.json");
    let lines = [
        "{\"a\": 1, \"b\": \"x\"}\n",
        "{\"a\": 2, \"b\":\n",
        "not json\n",
        "{\"a\": \"two\"}\n",
        "{\"b\": \"no a\"}\n",
        "{\"a\": 3, \"b\": \"\\ud800\"}\n",
        "[1, 2]\n",
        "{\"a\": 4}\n",
    ];
    std::fs::write(&path, lines.concat()).unwrap();
    let sql = format!(
        "CREATE STREAM s (a integer NOT NULL, b text) WITH (connector = 'file', path = '{}', format = 'json')",
        path.display()
    );
    client.batch_execute(&sql).await.unwrap();
    // One commit has rows and letters: who sees a row sees them all.
    while value(&client, "SELECT count(*) FROM s").await == "0" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(value(&client, "SELECT string_agg(a::text, ' ' ORDER BY a) FROM s").await, "1 4");
    let letters = "SELECT string_agg(place || ' ' || sqlstate || ' ' || convert_from(raw, 'UTF8'), '' ORDER BY place) FROM dlq.s";
    let expected: String =
        [(2, "22P02"), (3, "22P02"), (4, "22P02"), (5, "23502"), (6, "22P02"), (7, "22P02")]
            .iter()
            .map(|(line, code)| format!("{line} {code} {}", lines[*line - 1]))
            .collect();
    assert_eq!(value(&client, letters).await, expected);
    let origins = "SELECT count(*) FROM dlq.s WHERE origin <> '' AND error LIKE '%line %'";
    assert_eq!(value(&client, origins).await, "6");
}

#[tokio::test]
async fn a_megabyte_of_parentheses_is_refused() {
    let (_dir, _process, client) = server().await;
    let half = (1 << 19) - 16;
    let nested = format!("SELECT {}1{}", "(".repeat(half), ")".repeat(half));
    assert_eq!(failure(&client, &nested).await.0, "54000");
    let deep = format!("SELECT {}1{}", "(".repeat(1_000), ")".repeat(1_000));
    assert_eq!(failure(&client, &deep).await.0, "54001");
    let longer = format!("SELECT {}1{}", "(".repeat(1 << 20), ")".repeat(1 << 20));
    assert_eq!(failure(&client, &longer).await.0, "54000");
    for open in ["[", "CASE WHEN 1=1 THEN ", "NOT ", "- ", "(SELECT ", "ARRAY["] {
        let sql = format!("SELECT {}1", open.repeat(900_000 / open.len()));
        let (code, message, _) = failure(&client, &sql).await;
        assert!(["54001", "54000", "42601"].contains(&code.as_str()), "{open}: {code} {message}");
    }
    assert_eq!(value(&client, "SELECT 1").await, "1");
}

#[tokio::test]
async fn views_may_be_as_deep_as_statements() {
    let (dir, process, client) = server().await;
    client.batch_execute("CREATE TABLE t (x bigint PRIMARY KEY)").await.unwrap();
    client.batch_execute("INSERT INTO t VALUES (1), (2)").await.unwrap();
    let sum = vec!["x"; 400].join(" + ");
    let terms: Vec<String> = (0..480).map(|n| format!("x = {n}")).collect();
    let nested = format!("{}x{}", "(".repeat(120), " + 1)".repeat(120));
    let calls = format!("{}x{}", "abs(".repeat(60), ")".repeat(60));
    let derived = (0..60).fold("SELECT x FROM t".to_owned(), |query, level| {
        format!("SELECT x + 1 AS x FROM ({query}) q{level}")
    });
    // With the sums over both rows, and over the first.
    let queries = [
        (format!("SELECT {sum} AS x FROM t"), "1200", "400"),
        (format!("SELECT x FROM t WHERE {}", terms.join(" OR ")), "3", "1"),
        (format!("SELECT {nested} AS x FROM t"), "243", "121"),
        (format!("SELECT {calls} AS x, count(*) FROM t GROUP BY 1"), "3", "1"),
        (vec!["SELECT x FROM t"; 200].join(" UNION ALL "), "600", "200"),
        (derived, "123", "61"),
    ];
    for (view_idx, (query, of_both, _)) in queries.iter().enumerate() {
        let create = format!("CREATE MATERIALIZED VIEW v{view_idx} AS {query}");
        client.batch_execute(&create).await.unwrap_or_else(|e| panic!("view {view_idx}: {e}"));
        assert_eq!(&value(&client, &format!("SELECT sum(x) FROM v{view_idx}")).await, of_both);
    }
    assert!(process.stop().success());
    let process = Process::start(&dir.path().join("data"));
    let client = process.connect().await;
    client.batch_execute("DELETE FROM t WHERE x = 2").await.unwrap();
    for (view_idx, (_, _, of_one)) in queries.iter().enumerate() {
        assert_eq!(&value(&client, &format!("SELECT sum(x) FROM v{view_idx}")).await, of_one);
    }
}

#[tokio::test]
async fn a_string_of_100_megabytes_is_refused() {
    let (_dir, process, client) = server().await;
    client.batch_execute("CREATE TABLE t (a text)").await.unwrap();
    let long = "x".repeat(100 << 20);
    // As a parameter the message is too long to be taken in, which ends the connection.
    let error = client.execute("INSERT INTO t VALUES ($1)", &[&long]).await.unwrap_err();
    let code = error.code().map(|code| code.code().to_owned());
    assert!(code.is_none() || code.as_deref() == Some("54000"), "{error}");
    let client = process.connect().await;
    // In COPY data it is one value over the bound, in pieces that are not.
    let sink = client.copy_in::<_, Bytes>("COPY t FROM STDIN").await.unwrap();
    let mut sink = std::pin::pin!(sink);
    for piece in long.as_bytes().chunks(1 << 20) {
        if sink.send(Bytes::copy_from_slice(piece)).await.is_err() {
            break;
        }
    }
    let error = sink.finish().await.expect_err("the value is too long");
    let code = error.code().map(|code| code.code().to_owned());
    assert_eq!(code.as_deref(), Some("54000"), "{error}");
    let client = process.connect().await;
    // Made by the server itself.
    let (code, ..) = failure(&client, "INSERT INTO t SELECT repeat('x', 104857600)").await;
    assert_eq!(code, "54000");
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, "0");
    client.batch_execute("INSERT INTO t SELECT repeat('x', 1048576)").await.unwrap();
    assert_eq!(value(&client, "SELECT length(a) FROM t").await, "1048576");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let (dir, _process, client) = server().await;
    let create = |path: &str| {
        format!(
            "CREATE STREAM s (a integer) WITH (connector = 'file', path = '{path}', format = 'json')"
        )
    };
    let root = dir.path().display();
    let (code, message, _) = failure(&client, &create(&format!("{root}/none.json"))).await;
    assert_eq!(code, "58P01");
    assert!(message.contains(&format!("{root}/none.json")), "{message}");
    let (code, ..) = failure(&client, &create(&format!("{root}/none/*.json"))).await;
    assert_eq!(code, "58P01");
    let (code, ..) = failure(&client, &create("/dev/zero")).await;
    assert_eq!(code, "42809");
    // Nothing of a refused stream stays.
    assert_eq!(value(&client, "SELECT count(*) FROM sys.streams").await, "0");
    // A file that goes away after it was read: the error is shown, and ends when it is back.
    let path = dir.path().join("in.json");
    std::fs::write(&path, "{\"a\": 1}\n").unwrap();
    client.batch_execute(&create(&path.display().to_string())).await.unwrap();
    while value(&client, "SELECT count(*) FROM s").await == "0" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    std::fs::rename(&path, dir.path().join("away")).unwrap();
    let state = "SELECT source_state || coalesce(' ' || source_error, '') FROM sys.streams WHERE name = 's' AND schema = 'public'";
    let state = loop {
        let state = value(&client, state).await;
        if state != "running" {
            break state;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(
        state.starts_with("failed could not open file") && state.contains("in.json"),
        "{state}"
    );
    std::fs::write(&path, "{\"a\": 1}\n{\"a\": 2}\n").unwrap();
    while value(&client, "SELECT count(*) FROM s").await != "2" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
