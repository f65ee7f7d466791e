//! tokio-postgres against the real binary, and beside it against PostgreSQL: a driver that prepares,
//! pipelines, and works in binary.

use std::error::Error;

use bytes::{BufMut, Bytes, BytesMut};
use futures::{SinkExt, TryStreamExt};
use tempfile::TempDir;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls};
use weir_tests::postgres::Postgres;
use weir_tests::process::Process;

async fn server() -> (TempDir, Process, Client) {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(&dir.path().join("data"));
    let client = process.connect().await;
    (dir, process, client)
}

/// A connection to PostgreSQL; `None`, with the reason printed, where there is none.
async fn postgres() -> Option<(std::sync::Arc<Postgres>, Client)> {
    let server = match tokio::task::spawn_blocking(Postgres::shared).await.unwrap() {
        Ok(server) => server,
        Err(reason) => {
            eprintln!("SKIPPED: there is no PostgreSQL to compare with: {reason}");
            return None;
        }
    };
    let (client, connection) = tokio_postgres::connect(&server.parameters(), NoTls).await.unwrap();
    tokio::spawn(connection);
    Some((server, client))
}

/// A value of any type in its binary form.
#[derive(Clone, Debug, PartialEq)]
struct Raw(Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Types, each with texts of values. A numeric without precision does not keep zeros at its end.
const VALUES: &[(&str, &[&str])] = &[
    ("boolean", &["true", "false"]),
    ("smallint", &["-32768", "0", "32767"]),
    ("integer", &["-2147483648", "7", "2147483647"]),
    ("bigint", &["-9223372036854775808", "9223372036854775807"]),
    ("real", &["1.5", "-0", "NaN", "Infinity", "1e-30"]),
    ("double precision", &["0.1", "-Infinity", "1e300", "NaN"]),
    ("numeric", &["0", "-12345.678", "10000", "0.0001", "99999999999999999999.5"]),
    ("numeric(12,4)", &["1.5", "-99999999.9999", "0"]),
    ("text", &["", "a'b\\c", "\u{e9}\u{1F980}"]),
    ("varchar(5)", &["abcde", ""]),
    ("char(4)", &["ab", "abcd"]),
    ("name", &["a_name"]),
    ("bytea", &["\\x", "\\x00ff5c27"]),
    ("date", &["1970-01-01", "2000-02-29", "0001-01-01", "9999-12-31"]),
    ("time", &["00:00:00", "23:59:59.999999"]),
    ("timestamp", &["2024-01-02 03:04:05.678901", "1900-01-01 00:00:00"]),
    ("timestamptz", &["2024-07-01 12:00:00+02", "1969-12-31 23:59:59.999999+00"]),
    ("interval", &["1 year 2 mons -3 days 04:05:06.7", "-00:00:01", "0"]),
    ("uuid", &["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ("json", &["{\"b\": [1, null], \"a\":2}"]),
    ("jsonb", &["{\"b\": [1, null], \"a\": 2}", "\"x\"", "null"]),
    ("oid", &["0", "4294967295"]),
    ("integer[]", &["{1,NULL,-3}", "{}"]),
    ("text[]", &["{a,\"b c\",NULL,\"\"}"]),
    ("numeric[]", &["{1.5,2}"]),
    ("timestamptz[]", &["{2024-01-01 00:00:00+00}"]),
    ("uuid[]", &["{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"]),
];

/// What a server makes of a value: its binary form, that form sent back as a parameter, and the text of
/// a parameter in binary.
async fn shapes(client: &Client, sql_type: &str, text: &str) -> (Raw, Raw, String) {
    let quoted = text.replace('\'', "''");
    let out = client.query_one(&format!("SELECT '{quoted}'::{sql_type}"), &[]).await;
    let out: Raw = out.unwrap_or_else(|error| panic!("{sql_type} {text}: {error:?}")).get(0);
    let back = client.query_one(&format!("SELECT $1::{sql_type}"), &[&out]).await;
    let back: Raw = back.unwrap_or_else(|error| panic!("{sql_type} {text}: {error:?}")).get(0);
    let shown = client.query_one(&format!("SELECT $1::{sql_type}::text"), &[&out]).await;
    let shown = shown.unwrap_or_else(|error| panic!("{sql_type} {text}: {error:?}")).get(0);
    (out, back, shown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_all_types_go_both_ways_as_with_postgresql() {
    let (_dir, _process, weir) = server().await;
    let postgres = postgres().await;
    for (sql_type, texts) in VALUES {
        for text in *texts {
            let ours = shapes(&weir, sql_type, text).await;
            assert_eq!(ours.0, ours.1, "{sql_type} {text}");
            if let Some((_, postgres)) = &postgres {
                assert_eq!(ours, shapes(postgres, sql_type, text).await, "{sql_type} {text}");
            }
        }
        let statement = weir.prepare(&format!("SELECT $1::{sql_type} AS v")).await.unwrap();
        let row = weir.query_one(&statement, &[&None::<Raw>]).await.unwrap();
        assert_eq!(row.get::<_, Option<Raw>>(0), None, "{sql_type}");
        if let Some((_, postgres)) = &postgres {
            let theirs = postgres.prepare(&format!("SELECT $1::{sql_type} AS v")).await.unwrap();
            assert_eq!(statement.params(), theirs.params(), "{sql_type}");
            let types = |statement: &tokio_postgres::Statement| {
                let columns = statement.columns().iter();
                columns.map(|c| (c.name().to_owned(), c.type_().clone())).collect::<Vec<_>>()
            };
            assert_eq!(types(&statement), types(&theirs), "{sql_type}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_in_binary_has_the_bytes_of_postgresql() {
    let (_dir, _process, weir) = server().await;
    let columns: Vec<String> = (0..).zip(VALUES).map(|(n, (t, _))| format!("c{n} {t}")).collect();
    let list = columns.join(", ");
    let row = |id: usize| {
        let value = |(_, texts): &(&str, &[&str])| match texts.get(id) {
            Some(text) => format!("'{}'", text.replace('\'', "''")),
            None => "NULL".to_owned(),
        };
        format!("({id}, {})", VALUES.iter().map(value).collect::<Vec<_>>().join(", "))
    };
    let rows: Vec<String> = (0..5).map(row).collect();
    let make = |table: &str| {
        format!(
            "CREATE TABLE {table} (id integer PRIMARY KEY, {list}); \
             INSERT INTO {table} VALUES {}",
            rows.join(", ")
        )
    };
    let out = "COPY (SELECT * FROM s ORDER BY id) TO STDOUT (FORMAT binary)";
    weir.batch_execute(&make("s")).await.unwrap();
    let bytes = copy_out(&weir, out).await;
    if let Some((_, postgres)) = postgres().await {
        let schema = "CREATE SCHEMA driver; SET search_path = driver";
        postgres.batch_execute(schema).await.unwrap();
        postgres.batch_execute(&make("s")).await.unwrap();
        assert_eq!(bytes, copy_out(&postgres, out).await);
        postgres.batch_execute("DROP SCHEMA driver CASCADE").await.unwrap();
    }
    weir.batch_execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, {list})")).await.unwrap();
    let sink = weir.copy_in::<_, Bytes>("COPY t FROM STDIN (FORMAT binary)").await.unwrap();
    let mut sink = std::pin::pin!(sink);
    // In pieces that fall anywhere.
    for piece in bytes.chunks(7) {
        sink.send(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 5);
    let stored = "COPY (SELECT * FROM t ORDER BY id) TO STDOUT (FORMAT binary)";
    assert_eq!(copy_out(&weir, stored).await, bytes);
}

async fn copy_out(client: &Client, sql: &str) -> Vec<u8> {
    let stream = client.copy_out(sql).await.unwrap_or_else(|error| panic!("{error:?}"));
    let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
    pieces.concat()
}

fn code(error: &tokio_postgres::Error) -> &str {
    error.code().unwrap_or_else(|| panic!("no answer but {error:?}")).code()
}

#[tokio::test]
async fn statements_in_a_pipeline_keep_their_answers() {
    let (_dir, _process, client) = server().await;
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, v text)").await.unwrap();
    let insert = client.prepare("INSERT INTO t VALUES ($1, $2)").await.unwrap();
    let count = client.prepare("SELECT count(*) FROM t WHERE id >= $1").await.unwrap();
    for first in (0..300_i64).step_by(3) {
        let one: [&(dyn ToSql + Sync); 2] = [&first, &"a"];
        let again: [&(dyn ToSql + Sync); 2] = [&first, &"again"];
        let from: [&(dyn ToSql + Sync); 1] = [&first];
        let (a, b, c) = tokio::join!(
            client.execute(&insert, &one),
            client.execute(&insert, &again),
            client.query_one(&count, &from),
        );
        assert_eq!(a.unwrap(), 1);
        assert_eq!(code(&b.unwrap_err()), "23505");
        assert_eq!(c.unwrap().get::<_, i64>(0), 1);
    }
}

#[tokio::test]
async fn of_two_transactions_that_change_a_row_the_second_loses() {
    let (_dir, process, mut first) = server().await;
    let mut second = process.connect().await;
    first
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)")
        .await
        .unwrap();
    let update = "UPDATE t SET n = n + 1 WHERE id = 1";
    let a = first.transaction().await.unwrap();
    let b = second.transaction().await.unwrap();
    assert_eq!(a.execute(update, &[]).await.unwrap(), 1);
    assert_eq!(b.execute(update, &[]).await.unwrap(), 1);
    a.commit().await.unwrap();
    assert_eq!(code(&b.commit().await.unwrap_err()), "40001");
    let again = second.transaction().await.unwrap();
    again.execute(update, &[]).await.unwrap();
    again.commit().await.unwrap();
    let n: i32 = first.query_one("SELECT n FROM t", &[]).await.unwrap().get(0);
    assert_eq!(n, 2);
}

#[tokio::test]
async fn a_cancel_request_ends_the_statement_and_not_the_connection() {
    let (_dir, process, client) = server().await;
    let watcher = process.connect().await;
    let sleep = client.query("SELECT pg_sleep(1000)", &[]);
    let mut sleep = std::pin::pin!(sleep);
    let asleep = "SELECT count(*) FROM pg_stat_activity \
                  WHERE state = 'active' AND query = 'SELECT pg_sleep(1000)'";
    loop {
        tokio::select! {
            ended = sleep.as_mut() => panic!("nobody woke it: {ended:?}"),
            row = watcher.query_one(asleep, &[]) => if row.unwrap().get::<_, i64>(0) == 1 { break },
        }
    }
    client.cancel_token().cancel_query(NoTls).await.unwrap();
    assert_eq!(code(&sleep.await.unwrap_err()), "57014");
    let row = client.query_one("SELECT 1", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 1);
}

#[tokio::test]
async fn columns_tell_the_relation_that_they_are_of() {
    let (_dir, _process, client) = server().await;
    client
        .batch_execute(
            "CREATE TABLE t (id int PRIMARY KEY, v varchar(9)); \
             CREATE VIEW w AS SELECT v AS name, id FROM t; \
             CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t",
        )
        .await
        .unwrap();
    let oid = async |name: &str| -> u32 {
        let sql = format!("SELECT '{name}'::regclass::oid");
        client.query_one(&sql, &[]).await.unwrap().get(0)
    };
    let (t, w, m) = (oid("t").await, oid("w").await, oid("m").await);
    let places = async |sql: &str| -> Vec<(Option<u32>, Option<i16>)> {
        let statement = client.prepare(sql).await.unwrap();
        statement.columns().iter().map(|c| (c.table_oid(), c.column_id())).collect()
    };
    let of = |oid, column| (Some(oid), Some(column));
    assert_eq!(
        places("SELECT v AS x, id + 1, id FROM t AS a").await,
        [of(t, 2), (None, None), of(t, 1)]
    );
    assert_eq!(places("SELECT * FROM (SELECT id FROM t ORDER BY 1 LIMIT 3) q").await, [of(t, 1)]);
    assert_eq!(places("SELECT v, count(*) FROM t GROUP BY v").await, [of(t, 2), (None, None)]);
    assert_eq!(places("SELECT w.id, m.v FROM w JOIN m USING (id)").await, [of(w, 2), of(m, 2)]);
    assert_eq!(places("SELECT id FROM t UNION SELECT id FROM m").await, [(None, None)]);
    assert_eq!(places("SELECT oid, relname FROM pg_class").await, [of(1259, 1), of(1259, 2)]);
}

#[tokio::test]
async fn each_row_of_a_copy_is_a_piece() {
    let (_dir, _process, weir) = server().await;
    let postgres = postgres().await;
    let rows = "SELECT g, NULLIF('r' || g, 'r2') AS r FROM generate_series(1, 5) g";
    for options in ["", "(FORMAT csv, HEADER)", "(FORMAT binary)"] {
        for sql in [rows.to_owned(), format!("{rows} WHERE g > 5")] {
            let sql = format!("COPY ({sql}) TO STDOUT {options}");
            let pieces = async |client: &Client| -> Vec<Bytes> {
                client.copy_out(&sql).await.unwrap().try_collect().await.unwrap()
            };
            let ours = pieces(&weir).await;
            if options.is_empty() && !sql.contains("WHERE") {
                let expected: [&[u8]; 5] =
                    [b"1\tr1\n", b"2\t\\N\n", b"3\tr3\n", b"4\tr4\n", b"5\tr5\n"];
                assert_eq!(ours, expected);
            }
            if let Some((_, postgres)) = &postgres {
                assert_eq!(ours, pieces(postgres).await, "{sql}");
            }
        }
    }
}

#[tokio::test]
async fn errors_name_the_constraint_and_the_line() {
    let (_dir, _process, weir) = server().await;
    let postgres = postgres().await;
    let schema = "CREATE SCHEMA constraints; CREATE TABLE constraints.t (id bigint PRIMARY KEY, \
                  v int NOT NULL, CONSTRAINT positive CHECK (v > 0)); \
                  INSERT INTO constraints.t VALUES (1, 1)";
    weir.batch_execute(schema).await.unwrap();
    if let Some((_, postgres)) = &postgres {
        postgres.batch_execute(schema).await.unwrap();
    }
    let fields = async |client: &Client, sql: &str| -> Vec<Option<String>> {
        let error = client.execute(sql, &[]).await.unwrap_err();
        let db = error.as_db_error().unwrap();
        let fields = [db.schema(), db.table(), db.column(), db.constraint()];
        fields.map(|field| field.map(str::to_owned)).to_vec()
    };
    for (sql, column, constraint) in [
        ("INSERT INTO constraints.t VALUES (1, 2)", None, Some("t_pkey")),
        ("INSERT INTO constraints.t VALUES (2, NULL)", Some("v"), None),
        ("UPDATE constraints.t SET v = -1", None, Some("positive")),
    ] {
        let ours = fields(&weir, sql).await;
        let expected = [Some("constraints"), Some("t"), column, constraint];
        assert_eq!(ours, expected.map(|field| field.map(str::to_owned)), "{sql}");
        if let Some((_, postgres)) = &postgres {
            assert_eq!(ours, fields(postgres, sql).await, "{sql}");
        }
    }
    if let Some((_, postgres)) = &postgres {
        postgres.batch_execute("DROP SCHEMA constraints CASCADE").await.unwrap();
    }

    let sink = weir.copy_in::<_, Bytes>("COPY constraints.t FROM STDIN").await.unwrap();
    let mut sink = std::pin::pin!(sink);
    let data: String = (2..70_000).map(|id| format!("{id}\t1\n")).collect();
    sink.send(data.into()).await.unwrap();
    sink.send("70000\tx\n".into()).await.unwrap();
    let error = sink.finish().await.unwrap_err();
    let db = error.as_db_error().unwrap();
    assert_eq!(db.where_(), Some("COPY t, line 69999, column v: \"x\""));
    let n_rows: i64 =
        weir.query_one("SELECT count(*) FROM constraints.t", &[]).await.unwrap().get(0);
    assert!(n_rows > 1);
    let stay = format!("{} rows before were committed and stay.", n_rows - 1);
    assert_eq!(db.detail(), Some(stay.as_str()));
    assert!(db.hint().unwrap().contains("BEGIN"), "{db:?}");
}

/// The types of a statement's parameters, and its rows, all of text.
async fn answer(client: &Client, sql: &str, values: &[Raw]) -> (Vec<Type>, Vec<Vec<String>>) {
    let statement = client.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
    let rows = client.query(&statement, &values).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let texts = |row: &tokio_postgres::Row| (0..row.len()).map(|column| row.get(column)).collect();
    (statement.params().to_vec(), rows.iter().map(texts).collect())
}

/// A statement, the values of its parameters, their types, and the rows.
type Case<'a> = (&'a str, &'a [Raw], &'a [Type], &'a [&'a [&'a str]]);

#[tokio::test]
async fn all_parts_of_a_statement_that_writes_have_parameters() {
    let (_dir, _process, weir) = server().await;
    let postgres = postgres().await;
    let table = "TABLE wp (id int PRIMARY KEY, n int, s text)";
    weir.batch_execute(&format!("CREATE {table}")).await.unwrap();
    if let Some((_, postgres)) = &postgres {
        postgres.batch_execute(&format!("CREATE TEMP {table}")).await.unwrap();
    }
    let (int, text) = (|n: i32| Raw(n.to_be_bytes().to_vec()), |s: &str| Raw(s.into()));
    let (i, t) = (Type::INT4, Type::TEXT);
    let cases: [Case; 8] = [
        (
            "INSERT INTO wp (id, n, s) VALUES ($1, 5, $2) ON CONFLICT (id) DO UPDATE SET s = $3",
            &[int(1), text("a"), text("b")],
            &[i.clone(), t.clone(), t.clone()],
            &[],
        ),
        (
            "INSERT INTO wp (id, s) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET s = $3 RETURNING s",
            &[int(1), text("a"), text("b")],
            &[i.clone(), t.clone(), t.clone()],
            &[&["b"]],
        ),
        (
            "INSERT INTO wp VALUES (1) ON CONFLICT (id) DO UPDATE SET n = wp.n + $2 WHERE wp.s = $1 \
             RETURNING (n + $4)::text, $3::text",
            &[text("b"), int(2), text("c"), int(100)],
            &[t.clone(), i.clone(), t.clone(), i.clone()],
            &[&["107", "c"]],
        ),
        (
            "INSERT INTO wp VALUES (1) ON CONFLICT (id) DO UPDATE SET n = 0 WHERE wp.n = $1 \
             RETURNING s",
            &[int(8)],
            std::slice::from_ref(&i),
            &[],
        ),
        (
            "INSERT INTO wp (id) SELECT $3 RETURNING $1::text, (id + $2)::text",
            &[text("d"), int(10), int(2)],
            &[t.clone(), i.clone(), i.clone()],
            &[&["d", "12"]],
        ),
        (
            "UPDATE wp SET n = $1 WHERE id = $2 RETURNING (n + $3)::text",
            &[int(3), int(2), int(20)],
            &[i.clone(), i.clone(), i.clone()],
            &[&["23"]],
        ),
        (
            "UPDATE wp SET n = 4 FROM (VALUES (2, $1::int)) AS x (id, m) WHERE x.id = wp.id \
             RETURNING (x.m + $2 + wp.n)::text, (SELECT count(*) + $3 FROM wp WHERE wp.id > $4)::text",
            &[int(10), int(100), Raw(1000_i64.to_be_bytes().to_vec()), int(1)],
            &[i.clone(), i.clone(), Type::INT8, i.clone()],
            &[&["114", "1001"]],
        ),
        (
            "DELETE FROM wp WHERE id = $1 RETURNING s, $2::int::text",
            &[int(1), int(7)],
            &[i.clone(), i.clone()],
            &[&["b", "7"]],
        ),
    ];
    for (sql, values, types, rows) in cases {
        let ours = answer(&weir, sql, values).await;
        assert_eq!(ours.0, *types, "{sql}");
        assert_eq!(ours.1, *rows, "{sql}");
        if let Some((_, postgres)) = &postgres {
            assert_eq!(ours, answer(postgres, sql, values).await, "{sql}");
        }
    }
}
