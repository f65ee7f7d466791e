//! Statements as they should be understood.

use super::*;

#[test]
fn create_stream_and_sink() {
    assert_shown(&[
        (
            "CREATE STREAM orders (id bigint NOT NULL, \"Amount\" numeric(12, 2) DEFAULT 0.5, ts timestamptz) \
             PARTITION BY (id) WITH (partitions = 8, retention = '7d', durability = 'fsync', Compact)",
            "stream orders (id bigint not-null, Amount numeric(12,2) default <0.5>, ts timestamp with time zone) \
             by [\"id\"] compact=\"true\" durability=\"fsync\" partitions=\"8\" retention=\"7d\"",
        ),
        (
            "create stream if not exists S.f with (connector = 'file', 'Path' = '/x', a.b = on, n = -1.5)",
            "stream s.f exists-ok () a.b=\"on\" connector=\"file\" n=\"-1.5\" path=\"/x\"",
        ),
        ("CREATE STREAM s ()", "stream s ()"),
        (
            "CREATE SINK k FROM v WITH (connector = 'blackhole')",
            "sink k connector=\"blackhole\" [SELECT * FROM v] <SELECT * FROM v>",
        ),
        (
            "CREATE SINK IF NOT EXISTS k AS SELECT a, (SELECT 1)  FROM  s.v WITH (connector = 'blackhole')",
            "sink k exists-ok connector=\"blackhole\" [SELECT a, (SELECT 1) FROM s.v] <SELECT a, (SELECT 1)  FROM  s.v>",
        ),
        (
            "CREATE SINK k AS WITH q AS (SELECT 1) SELECT * FROM q",
            "sink k [WITH q AS (SELECT 1) SELECT * FROM q] <WITH q AS (SELECT 1) SELECT * FROM q>",
        ),
    ]);
}

#[test]
fn create_table() {
    assert_shown(&[
        (
            "CREATE TABLE t (a int PRIMARY KEY, b text NOT NULL DEFAULT 'x' || 'y', c int NULL, \
             d int GENERATED ALWAYS AS (a * 2) STORED, e int CHECK (e > 0) CONSTRAINT pos CHECK ( e<9 ))",
            "table t (a integer key, b text not-null default <'x' || 'y'>, c integer, \
             d integer generated <a * 2>, e integer check - <e > 0> check pos <e<9>)",
        ),
        (
            "CREATE TABLE IF NOT EXISTS weir.public.t (a int, b int, CONSTRAINT pk PRIMARY KEY (a, b), \
             CHECK (a > b), CONSTRAINT c2 CHECK (b > (SELECT 1))) WITH (x = 1)",
            "table public.t exists-ok (a integer, b integer) key pk [\"a\", \"b\"] check - <a > b> \
             check c2 <b > (SELECT 1)> x=\"1\"",
        ),
        (
            "CREATE TABLE t (a int CONSTRAINT pk PRIMARY KEY, b text COLLATE \"C\" NOT NULL)",
            "table t (a integer, b text not-null) key pk [\"a\"]",
        ),
        (
            "CREATE TABLE t (a int DEFAULT -1 NOT NULL, b bool DEFAULT (1 > 2 AND true), \
             c timestamptz DEFAULT now() NULL, d text[] DEFAULT '{}'::text[] NOT NULL, e int ARRAY[3], \
             f int DEFAULT NULL, \"primary\" int)",
            "table t (a integer not-null default <-1>, b boolean default <(1 > 2 AND true)>, \
             c timestamp with time zone default <now()>, d text[] not-null default <'{}'::text[]>, \
             e integer[], f integer default <NULL>, primary integer)",
        ),
        ("CREATE TABLE t ()", "table t ()"),
        ("CREATE TABLE t AS SELECT 1 AS a", "table t () [SELECT 1 AS a]"),
        ("CREATE TABLE t AS SELECT a FROM u WITH NO DATA", "table t () [SELECT a FROM u] no-data"),
        ("CREATE TABLE t AS SELECT a FROM u WITH DATA", "table t () [SELECT a FROM u]"),
        ("CREATE TABLE t AS (\n select * from x\n)", "table t () [(SELECT * FROM x)]"),
        (
            "CREATE TABLE t (x, y) AS TABLE u WITH DATA",
            "table t (x unknown, y unknown) [SELECT * FROM u]",
        ),
    ]);
}

#[test]
fn create_views_and_schemas() {
    assert_shown(&[
        (
            "CREATE OR REPLACE VIEW v (a, \"B\") AS SELECT 1, /* two */ 2",
            "view v replace [\"a\", \"B\"] [SELECT 1, 2] <SELECT 1, /* two */ 2>",
        ),
        (
            "create view if not exists s.v as values (1)",
            "view s.v exists-ok [VALUES (1)] <values (1)>",
        ),
        (
            "CREATE MATERIALIZED VIEW IF NOT EXISTS mv WITH (on_error = skip) AS SELECT count(*) FROM T;",
            "mview mv exists-ok on_error=\"skip\" [SELECT count(*) FROM t] <SELECT count(*) FROM T>",
        ),
        (
            "CREATE MATERIALIZED VIEW mv AS SELECT * FROM t WITH DATA",
            "mview mv [SELECT * FROM t] <SELECT * FROM t>",
        ),
        (
            "CREATE MATERIALIZED VIEW mv AS TABLE \"weir\".\"public\".\"T\"",
            "mview mv [SELECT * FROM \"public\".\"T\"] <TABLE \"weir\".\"public\".\"T\">",
        ),
        ("CREATE SCHEMA a", "schema a"),
        ("CREATE SCHEMA IF NOT EXISTS \"weir\".\"A\"", "schema A exists-ok"),
    ]);
}

#[test]
fn analyze_and_vacuum() {
    assert_shown(&[
        ("ANALYZE", "Analyze"),
        ("analyse verbose t, s.u (a, b)", "Analyze t s.u(a b)"),
        ("ANALYZE (verbose, skip_locked false) t", "Analyze t"),
        ("VACUUM", "Vacuum"),
        ("VACUUM FULL FREEZE VERBOSE ANALYZE t (a)", "Vacuum t(a)"),
        ("VACUUM (analyze, parallel 2, index_cleanup auto) t (a)", "Vacuum t(a)"),
    ]);
}

#[test]
fn alter_drop_comment() {
    assert_shown(&[
        ("ALTER TABLE IF EXISTS t RENAME TO u", "alter Table t missing-ok rename u"),
        ("ALTER VIEW s.v SET SCHEMA x", "alter View s.v schema x"),
        (
            "ALTER MATERIALIZED VIEW v OWNER TO CURRENT_USER",
            "alter MaterializedView v owner current_user",
        ),
        ("ALTER SCHEMA x RENAME TO y", "alter Schema x rename y"),
        ("ALTER STREAM s RENAME COLUMN a TO b", "alter Stream s rename-column a b"),
        ("ALTER TABLE ONLY t RENAME a TO b", "alter Table t rename-column a b"),
        (
            "ALTER STREAM s ADD COLUMN IF NOT EXISTS c text NOT NULL DEFAULT 'x'",
            "alter Stream s add (c text not-null default <'x'>) exists-ok",
        ),
        ("ALTER TABLE t ADD c int8", "alter Table t add (c bigint)"),
        (
            "ALTER TABLE t ADD a int, ADD COLUMN IF NOT EXISTS b text, OWNER TO x",
            "alter Table t add (a integer), add (b text) exists-ok, owner x",
        ),
        ("ALTER SINK k SET (a = 1, b = 'x')", "alter Sink k options a=\"1\" b=\"x\""),
        (
            "ALTER MATERIALIZED VIEW v SET (on_error = 'skip')",
            "alter MaterializedView v options on_error=\"skip\"",
        ),
        ("DROP TABLE a, s.b", "drop Table a, s.b"),
        (
            "DROP MATERIALIZED VIEW IF EXISTS v CASCADE",
            "drop MaterializedView v missing-ok cascade",
        ),
        ("DROP SCHEMA x RESTRICT", "drop Schema x"),
        ("drop stream S; ", "drop Stream s"),
        ("DROP SINK k", "drop Sink k"),
        ("COMMENT ON TABLE t IS 'it''s'", "comment Table t Some(\"it's\")"),
        (
            "comment on table \"weir\".\"public\".\"x\" is $dbt_comment_literal_block$it's $$ x$dbt_comment_literal_block$",
            "comment Table public.x Some(\"it's $$ x\")",
        ),
        ("COMMENT ON MATERIALIZED VIEW v IS NULL", "comment MaterializedView v None"),
        ("COMMENT ON SCHEMA s IS E'a\\nb'", "comment Schema s Some(\"a\\nb\")"),
        ("COMMENT ON COLUMN s.t.c IS ''", "comment s.t c Some(\"\")"),
        ("COMMENT ON COLUMN t.c IS 'x'", "comment t c Some(\"x\")"),
    ]);
}

#[test]
fn insert() {
    assert_shown(&[
        ("INSERT INTO t VALUES (1, DEFAULT), (2, 'x')", "insert t [VALUES (1, default), (2, 'x')]"),
        ("INSERT INTO t DEFAULT VALUES", "insert t DEFAULT"),
        (
            "INSERT INTO s.t AS x (a, \"B\") SELECT 1, 2",
            "insert s.t as x [\"a\", \"B\"] [SELECT 1, 2]",
        ),
        ("INSERT INTO t (SELECT 1)", "insert t [(SELECT 1)]"),
        ("INSERT INTO t ((SELECT 1))", "insert t [((SELECT 1))]"),
        ("INSERT INTO t (a) (VALUES (1))", "insert t [\"a\"] [(VALUES (1))]"),
        ("INSERT INTO t TABLE u", "insert t [SELECT * FROM u]"),
        ("INSERT INTO t OVERRIDING SYSTEM VALUE VALUES ($1, $2)", "insert t [VALUES ($1, $2)]"),
        (
            "INSERT INTO t SELECT * FROM u ON CONFLICT DO NOTHING RETURNING *",
            "insert t [SELECT * FROM u] conflict [] nothing returning *",
        ),
        (
            "INSERT INTO t VALUES (1) ON CONFLICT (a, b) DO UPDATE SET x = excluded.x + 1, y = DEFAULT \
             WHERE t.x > 1 RETURNING a, x AS y",
            "insert t [VALUES (1)] conflict [\"a\", \"b\"] set x = excluded.x + 1, y = DEFAULT \
             where t.x > 1 returning a, x AS y",
        ),
        (
            "INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT t_pkey DO UPDATE SET (x, y) = (1, DEFAULT)",
            "insert t [VALUES (1)] conflict [] t_pkey set x = 1, y = DEFAULT",
        ),
        (
            "WITH a AS (SELECT 1), b AS (TABLE a) INSERT INTO t SELECT * FROM b",
            "insert t [WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b]",
        ),
        (
            "WITH RECURSIVE a AS (SELECT 1) INSERT INTO t WITH b (x) AS (SELECT 2) SELECT * FROM a, b",
            "insert t [WITH RECURSIVE a AS (SELECT 1) (WITH b (x) AS (SELECT 2) SELECT * FROM a, b)]",
        ),
    ]);
}

#[test]
fn update_delete_truncate() {
    assert_shown(&[
        ("UPDATE t SET a = 1", "update t set a = 1"),
        (
            "UPDATE ONLY s.t AS x SET a = DEFAULT, (b, c) = ROW (1 + 1, DEFAULT), d = x.d || 'y' \
             FROM u JOIN v ON u.id = v.id, w WHERE x.id = u.id RETURNING x.*",
            "update s.t as x set a = DEFAULT, b = 1 + 1, c = DEFAULT, d = x.d || 'y' \
             from u JOIN v ON u.id = v.id, w where x.id = u.id returning x.*",
        ),
        (
            "UPDATE t x SET a = 1 WHERE a IN (SELECT 1)",
            "update t as x set a = 1 where a IN (SELECT 1)",
        ),
        ("DELETE FROM t", "delete t"),
        ("DELETE FROM t \"T\" WHERE true", "delete t as T where true"),
        (
            "DELETE FROM ONLY t AS x USING u, v WHERE x.a = u.a RETURNING a",
            "delete t as x using u, v where x.a = u.a returning a",
        ),
        ("TRUNCATE t", "truncate t"),
        ("TRUNCATE TABLE ONLY a, s.b * CONTINUE IDENTITY CASCADE", "truncate a, s.b"),
    ]);
}

#[test]
fn copy() {
    assert_shown(&[
        ("COPY t FROM STDIN", "copy t from Text '\\t' null=\"\\\\N\""),
        (
            "copy  s.t (a, b) from stdin csv header",
            "copy s.t [\"a\", \"b\"] from Csv ',' null=\"\" header",
        ),
        ("COPY t TO STDOUT WITH BINARY", "copy t to Binary '\\t' null=\"\\\\N\""),
        ("COPY BINARY t FROM STDIN", "copy t from Binary '\\t' null=\"\\\\N\""),
        (
            "COPY t FROM STDIN WITH DELIMITER AS ';' NULL 'x' CSV QUOTE AS '''' ESCAPE '\\'",
            "copy t from Csv ';' null=\"x\" '\\'' '\\\\'",
        ),
        (
            "COPY t TO STDOUT (FORMAT csv, HEADER false, DELIMITER E'\\t', QUOTE '|', FORCE_QUOTE (a, b), ENCODING 'UTF8')",
            "copy t to Csv '\\t' null=\"\" '|' '|' force [\"a\", \"b\"]",
        ),
        (
            "COPY t TO STDOUT WITH (FORMAT 'csv', HEADER, FORCE_QUOTE *)",
            "copy t to Csv ',' null=\"\" header force-all",
        ),
        (
            "COPY t TO STDOUT CSV FORCE QUOTE a, b",
            "copy t to Csv ',' null=\"\" force [\"a\", \"b\"]",
        ),
        ("COPY t FROM STDIN (FREEZE, HEADER on)", "copy t from Text '\\t' null=\"\\\\N\" header"),
        ("COPY t FROM STDIN USING DELIMITERS ','", "copy t from Text ',' null=\"\\\\N\""),
        ("COPY (SELECT 1) TO STDOUT", "copy [SELECT 1] to Text '\\t' null=\"\\\\N\""),
        (
            "COPY (TABLE t) TO STDOUT (FORMAT BINARY)",
            "copy [SELECT * FROM t] to Binary '\\t' null=\"\\\\N\"",
        ),
        (
            "COPY (SUBSCRIBE TO v WITH (snapshot = off)) TO STDOUT",
            "copy subscribe [SELECT * FROM v] <SELECT * FROM v> changes-only to Text '\\t' null=\"\\\\N\"",
        ),
    ]);
}

#[test]
fn explain() {
    assert_shown(&[
        ("EXPLAIN SELECT 1", "explain: query SELECT 1"),
        ("EXPLAIN ANALYZE VERBOSE TABLE t", "explain analyze verbose: query SELECT * FROM t"),
        ("EXPLAIN (SELECT 1)", "explain: query (SELECT 1)"),
        (
            "EXPLAIN (ANALYZE, VERBOSE off, COSTS false, FORMAT text) INSERT INTO t VALUES (1)",
            "explain analyze: insert t [VALUES (1)]",
        ),
        ("EXPLAIN (VERBOSE) (SELECT 1)", "explain verbose: query (SELECT 1)"),
        (
            "EXPLAIN CREATE MATERIALIZED VIEW v AS SELECT a FROM t",
            "explain: mview v [SELECT a FROM t] <SELECT a FROM t>",
        ),
        (
            "EXPLAIN WITH q AS (SELECT 1) SELECT * FROM q",
            "explain: query WITH q AS (SELECT 1) SELECT * FROM q",
        ),
        ("EXPLAIN DELETE FROM t", "explain: delete t"),
    ]);
}

#[test]
fn show_and_describe() {
    assert_shown(&[
        ("SHOW STREAMS", "show-objects Stream"),
        ("show tables", "show-objects Table"),
        ("SHOW VIEWS", "show-objects View"),
        ("SHOW MATERIALIZED VIEWS", "show-objects MaterializedView"),
        ("SHOW SCHEMAS", "show-objects Schema"),
        ("SHOW SINKS", "show-objects Sink"),
        ("SHOW CREATE s.t", "show-create s.t"),
        ("SHOW CREATE MATERIALIZED VIEW v", "show-create v"),
        ("SHOW CREATE TABLE t", "show-create t"),
        ("SHOW CREATE view", "show-create view"),
        ("SHOW ALL", "show all"),
        ("SHOW search_path", "show search_path"),
        ("SHOW weir.read", "show weir.read"),
        ("SHOW \"DateStyle\"", "show datestyle"),
        ("SHOW TIME ZONE", "show timezone"),
        ("show transaction isolation level", "show transaction_isolation"),
        ("SHOW SESSION AUTHORIZATION", "show session_authorization"),
        ("DESCRIBE t", "describe t"),
        ("DESC s.\"T\"", "describe s.T"),
        ("DESCRIBE MATERIALIZED VIEW v", "describe v"),
    ]);
}

#[test]
fn set_and_reset() {
    assert_shown(&[
        ("SET x = 1", "set x = 1"),
        ("SET SESSION x TO 'a b'", "set x = a b"),
        ("SET LOCAL statement_timeout = '5s'", "set statement_timeout local = 5s"),
        ("SET weir.read = 'newest'", "set weir.read = newest"),
        ("SET DateStyle TO ISO, MDY", "set datestyle = iso, mdy"),
        ("SET x TO DEFAULT", "set x = DEFAULT"),
        ("SET x = on", "set x = on"),
        ("SET x = true", "set x = true"),
        ("SET x = -1.5", "set x = -1.5"),
        (
            "SET search_path = public, \"My Schema\", '$user'",
            "set search_path = public, \"My Schema\", \"$user\"",
        ),
        ("SET search_path TO ''", "set search_path = \"\""),
        ("SET SCHEMA 'x'", "set search_path = x"),
        ("SET TIME ZONE 'Europe/Rome'", "set timezone = Europe/Rome"),
        ("SET LOCAL TIME ZONE LOCAL", "set timezone local = DEFAULT"),
        ("SET TIME ZONE DEFAULT", "set timezone = DEFAULT"),
        ("SET TIME ZONE -7", "set timezone = -7"),
        ("SET TIME ZONE UTC", "set timezone = utc"),
        ("SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE", "set timezone = INTERVAL '-08:00'"),
        ("SET NAMES 'utf8'", "set client_encoding = utf8"),
        ("SET NAMES", "set client_encoding = DEFAULT"),
        ("SET SESSION AUTHORIZATION DEFAULT", "set session_authorization = DEFAULT"),
        ("SET SESSION AUTHORIZATION 'joe'", "set session_authorization = joe"),
        ("SET ROLE none", "set role = none"),
        ("SET role = joe", "set role = joe"),
        (
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            "set-transaction Some(true)",
        ),
        ("SET TRANSACTION READ WRITE NOT DEFERRABLE", "set-transaction Some(false)"),
        (
            "SET LOCAL transaction_isolation = 'serializable'",
            "set transaction_isolation local = serializable",
        ),
        (
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "set default_transaction_read_only = on",
        ),
        (
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "set default_transaction_isolation = serializable",
        ),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION DEFERRABLE", "set-transaction None"),
        ("RESET x", "reset x"),
        ("RESET ALL", "reset ALL"),
        ("RESET TIME ZONE", "reset timezone"),
        ("RESET weir.read", "reset weir.read"),
        ("DISCARD ALL", "discard ALL"),
        ("discard temporary", "discard TEMP"),
        ("DISCARD PLANS", "discard PLANS"),
    ]);
}

#[test]
fn transactions() {
    assert_shown(&[
        ("BEGIN", "begin"),
        ("begin work", "begin"),
        ("BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY, DEFERRABLE", "begin read-only"),
        ("BEGIN READ ONLY READ WRITE", "begin"),
        ("START TRANSACTION ISOLATION LEVEL READ UNCOMMITTED", "start transaction"),
        ("COMMIT", "commit"),
        ("COMMIT WORK AND NO CHAIN", "commit"),
        ("END TRANSACTION", "commit"),
        ("ROLLBACK", "rollback"),
        ("ABORT WORK", "rollback"),
        ("ROLLBACK TRANSACTION AND NO CHAIN", "rollback"),
        ("SAVEPOINT a", "savepoint Define a"),
        ("RELEASE SAVEPOINT \"A\"", "savepoint Release A"),
        ("RELEASE a", "savepoint Release a"),
        ("ROLLBACK TO a", "savepoint RollbackTo a"),
        ("ROLLBACK WORK TO SAVEPOINT a", "savepoint RollbackTo a"),
    ]);
}

#[test]
fn prepared_statements_and_cursors() {
    assert_shown(&[
        (
            "PREPARE p (int, numeric(5, 1), text[]) AS INSERT INTO t VALUES ($1, $2, $3)",
            "prepare p [\"integer\", \"numeric(5,1)\", \"text[]\"] @42 <INSERT INTO t VALUES ($1, $2, $3)> \
             insert t [VALUES ($1, $2, $3)]",
        ),
        ("PREPARE \"P\" AS TABLE t", "prepare P [] @15 <TABLE t> query SELECT * FROM t"),
        ("EXECUTE p", "execute p []"),
        ("EXECUTE p (1 + 1, 'x')", "execute p [1 + 1, 'x']"),
        ("DEALLOCATE p", "deallocate p"),
        ("DEALLOCATE PREPARE ALL", "deallocate ALL"),
        ("DECLARE c CURSOR FOR SELECT 1", "declare c @21 <SELECT 1> query SELECT 1"),
        (
            "declare \"SQL_CUR0x1\" NO SCROLL INSENSITIVE cursor with hold for SELECT 1",
            "declare SQL_CUR0x1 hold @64 <SELECT 1> query SELECT 1",
        ),
        (
            "DECLARE c CURSOR WITHOUT HOLD FOR SUBSCRIBE TO v",
            "declare c @34 <SUBSCRIBE TO v> subscribe [SELECT * FROM v] <SELECT * FROM v>",
        ),
        ("FETCH c", "fetch c Some(1)"),
        ("FETCH FROM c", "fetch c Some(1)"),
        ("FETCH NEXT FROM c", "fetch c Some(1)"),
        ("FETCH next", "fetch next Some(1)"),
        ("FETCH 100 c", "fetch c Some(100)"),
        ("FETCH FORWARD 5 IN \"C\"", "fetch C Some(5)"),
        ("FETCH FORWARD FROM c", "fetch c Some(1)"),
        ("FETCH FORWARD ALL FROM c", "fetch c None"),
        ("FETCH ALL c", "fetch c None"),
        ("MOVE 3 IN c", "fetch c Some(3) move"),
        ("CLOSE c", "close c"),
        ("CLOSE ALL", "close ALL"),
    ]);
    let parsed = parse_sql("SELECT 1; PREPARE p AS SELECT \u{e9}").expect("valid");
    let Statement::Prepare { statement, .. } = &parsed[1].statement else { panic!("PREPARE") };
    assert_eq!(
        (parsed[1].offset, statement.offset, statement.text.as_str()),
        (10, 23, "SELECT \u{e9}")
    );
}

#[test]
fn the_rest() {
    assert_shown(&[
        ("SUBSCRIBE TO s.v", "subscribe [SELECT * FROM s.v] <SELECT * FROM s.v>"),
        ("SUBSCRIBE \"V\"", "subscribe [SELECT * FROM \"V\"] <SELECT * FROM \"V\">"),
        (
            "SUBSCRIBE TO (SELECT a  FROM v WHERE b) WITH (snapshot = false)",
            "subscribe [SELECT a FROM v WHERE b] <SELECT a  FROM v WHERE b> changes-only",
        ),
        ("SUBSCRIBE TO v WITH (SNAPSHOT)", "subscribe [SELECT * FROM v] <SELECT * FROM v>"),
        ("FLUSH", "flush"),
        ("CHECKPOINT", "checkpoint"),
        ("LISTEN c", "notify LISTEN"),
        ("UNLISTEN *", "notify UNLISTEN"),
        ("NOTIFY c, 'x'", "notify NOTIFY"),
        ("VALUES (1, 'a'), (2, NULL)", "query VALUES (1, 'a'), (2, NULL)"),
        ("TABLE t", "query SELECT * FROM t"),
        ("TABLE s.t ORDER BY 1 LIMIT 3", "query SELECT * FROM s.t ORDER BY 1 LIMIT 3"),
        ("(TABLE t) UNION ALL TABLE u", "query (SELECT * FROM t) UNION ALL SELECT * FROM u"),
    ]);
}
