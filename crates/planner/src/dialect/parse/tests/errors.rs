//! Refusals, with SQLSTATE and position.

use super::*;

/// Text, SQLSTATE, position (0 for none), message.
type Case = (&'static str, &'static str, usize, &'static str);

fn assert_refused(cases: &[Case]) {
    for (text, state, position, message) in cases {
        let error = match parse_sql(text) {
            Ok(parsed) => panic!("{text}\naccepted: {}", shown(&parsed[0].statement)),
            Err(error) => error,
        };
        assert_eq!(
            (error.state().code(), error.position().unwrap_or(0), error.message()),
            (*state, *position, *message),
            "{text}"
        );
    }
}

/// 42601 at or near each text's second part.
fn assert_syntax_errors(cases: &[(&str, usize, &str)]) {
    for (text, position, near) in cases {
        let error = parse_sql(text).err().unwrap_or_else(|| panic!("{text}: accepted"));
        let expected = match *near {
            "" => "syntax error at end of input".to_owned(),
            near => format!("syntax error at or near \"{near}\""),
        };
        assert_eq!(
            (error.state().code(), error.message(), error.position()),
            ("42601", expected.as_str(), Some(*position)),
            "{text}"
        );
    }
}

#[test]
fn syntax_errors_are_where_postgresql_sees_them() {
    assert_syntax_errors(&[
        ("SELEC 1", 1, "SELEC"),
        ("\"SELECT\" 1", 1, "\"SELECT\""),
        ("1", 1, "1"),
        ("SELECT", 7, ""),
        ("SELECT 1 +", 11, ""),
        ("SELECT 1 + ; SELECT 2", 12, ";"),
        ("SELECT 1; SELECT 2 2", 20, "2"),
        ("SELECT '\u{e9}', FROM t", 13, "FROM"),
        ("SELECT a b c FROM t", 12, "c"),
        ("SELECT (1", 10, ""),
        ("SELECT (1; 2)", 10, ";"),
        ("SELECT 1)", 9, ")"),
        ("SELECT * FROM", 14, ""),
        ("SELECT * FROM WHERE a", 15, "WHERE"),
        ("SELECT * FROM t WHERE", 22, ""),
        ("SELECT * FROM t WHERE a = = 1", 27, "="),
        ("SELECT * FROM (SELECT a FROM t WHERE) x", 37, ")"),
        ("SELECT * FROM (SELECT a FROM t WHERE a IN (1, )) x", 47, ")"),
        ("SELECT a FROM t JOIN u", 23, ""),
        ("SELECT CASE WHEN a THEN b FROM t", 27, "FROM"),
        ("SELECT where FROM t", 8, "where"),
        ("SELECT a + from", 12, "from"),
        ("SELECT default", 8, "default"),
        ("SELECT f(a b)", 12, "b"),
        ("SELECT a::", 11, ""),
        ("SELECT a::1", 11, "1"),
        ("SELECT * x FROM t", 10, "x"),
        ("SELECT ?", 8, "?"),
        ("SELECT {d '2020-01-01'}", 8, "{"),
        ("\\d t", 1, "\\"),
        ("SELECT 1 LIMIT", 15, ""),
        ("SELECT * FROM t WITH (NOLOCK)", 23, "NOLOCK"),
        ("VALUES", 7, ""),
        ("VALUES (1,)", 11, ")"),
        ("TABLE", 1, "TABLE"),
        ("TABLE t WHERE a", 1, "TABLE"),
        ("WITH a AS (SELECT 1", 20, ""),
        ("WITH a AS (SELECT 1) DROP TABLE t", 22, "DROP"),
        ("INSERT t VALUES (1)", 8, "t"),
        ("INSERT INTO t", 14, ""),
        ("INSERT INTO t (a, ) VALUES (1)", 19, ")"),
        ("INSERT INTO t (a) DEFAULT VALUES", 19, "DEFAULT"),
        ("INSERT INTO t VALUES (1) ON CONFLICT", 37, ""),
        ("INSERT INTO t VALUES (1) RETURNING", 35, ""),
        ("UPDATE t", 9, ""),
        ("UPDATE t SET a", 15, ""),
        ("UPDATE t SET a = 1,", 20, ""),
        ("UPDATE t SET a == 1", 16, "=="),
        ("DELETE t", 8, "t"),
        ("DELETE FROM t WHERE", 20, ""),
        ("CREATE", 7, ""),
        ("CREATE THING x", 8, "THING"),
        ("CREATE TABLE", 13, ""),
        ("CREATE TABLE t", 15, ""),
        ("CREATE TABLE t (a)", 18, ")"),
        ("CREATE TABLE t (a int,)", 23, ")"),
        ("CREATE TABLE t (a int b)", 23, "b"),
        ("CREATE TABLE t (a int) AS SELECT 1", 24, "AS"),
        ("CREATE TABLE select (a int)", 14, "select"),
        ("CREATE TABLE t (a int DEFAULT)", 30, ")"),
        ("CREATE TABLE t (a int CHECK a > 0)", 29, "a"),
        ("CREATE TABLE t (a int CONSTRAINT x)", 35, ")"),
        ("CREATE STREAM s (a)", 19, ")"),
        ("CREATE STREAM s (a int) PARTITION (a)", 25, "PARTITION"),
        ("CREATE STREAM s WITH (a =)", 26, ")"),
        ("CREATE VIEW v", 14, ""),
        ("CREATE VIEW v AS", 17, ""),
        ("CREATE VIEW v AS INSERT INTO t VALUES (1)", 18, "INSERT"),
        ("CREATE SINK k AS SELECT a FROM WITH (connector = 'x')", 32, "WITH"),
        ("CREATE SINK k AS SELECT a FROM t, WITH (connector = 'x')", 35, "WITH"),
        ("CREATE SINK k", 14, ""),
        ("DROP TABLE", 11, ""),
        ("DROP t", 6, "t"),
        ("DROP TABLE a,", 14, ""),
        ("ALTER TABLE t", 14, ""),
        ("ALTER TABLE t RENAME a b", 24, "b"),
        ("ALTER TABLE t ADD a int, RENAME b TO c", 26, "RENAME"),
        ("ALTER TABLE t RENAME b TO c, ADD a int", 28, ","),
        ("ALTER TABLE t ADD a int,", 25, ""),
        ("COMMENT ON TABLE t IS x", 23, "x"),
        ("COPY t", 7, ""),
        ("COPY t FROM x", 13, "x"),
        ("COPY (SELECT 1) FROM STDIN", 17, "FROM"),
        ("COPY t FROM STDIN CSV HEADER yes", 30, "yes"),
        ("EXPLAIN", 8, ""),
        ("EXPLAIN EXPLAIN SELECT 1", 9, "EXPLAIN"),
        ("EXPLAIN DROP TABLE t", 9, "DROP"),
        ("SHOW", 5, ""),
        ("SHOW x y", 8, "y"),
        ("SET", 4, ""),
        ("SET x", 6, ""),
        ("SET x =", 8, ""),
        ("SET x = select", 9, "select"),
        ("SET x = a,", 11, ""),
        ("SET TRANSACTION", 16, ""),
        ("RESET", 6, ""),
        ("DISCARD everything", 9, "everything"),
        ("BEGIN ISOLATION LEVEL NONE", 23, "NONE"),
        ("BEGIN READ ONLY,", 17, ""),
        ("START", 6, ""),
        ("COMMIT x", 8, "x"),
        ("SAVEPOINT", 10, ""),
        ("PREPARE p AS DROP TABLE t", 14, "DROP"),
        ("PREPARE p AS PREPARE q AS SELECT 1", 14, "PREPARE"),
        ("PREPARE p AS SELECT 1 +; SELECT 1", 24, ";"),
        ("DECLARE c CURSOR FOR INSERT INTO t VALUES (1)", 22, "INSERT"),
        ("DECLARE c CURSOR FOR SELECT 1 +", 32, ""),
        ("FETCH", 6, ""),
        ("FETCH x FROM c", 7, "x"),
        ("EXECUTE p (", 12, ""),
        ("SUBSCRIBE TO", 13, ""),
        ("SUBSCRIBE TO (v)", 15, "v"),
        ("FLUSH t", 7, "t"),
    ]);
}

#[test]
fn the_first_error_of_the_text_refuses_all_of_it() {
    assert_syntax_errors(&[("SELECT 1; SELEC 2; SELECT 3 3", 11, "SELEC")]);
}

#[test]
fn known_statements_that_weir_does_not_have_are_named() {
    assert_refused(&[
        ("CREATE TEMP TABLE t (a int)", "0A000", 8, "temporary tables and views are not supported"),
        ("CREATE UNLOGGED TABLE t (a int)", "0A000", 8, "unlogged tables are not supported"),
        ("CREATE UNIQUE INDEX i ON t (a)", "0A000", 8, "CREATE UNIQUE is not supported"),
        ("CREATE INDEX i ON t (a)", "0A000", 8, "CREATE INDEX is not supported"),
        (
            "CREATE OR REPLACE FUNCTION f() RETURNS int",
            "0A000",
            19,
            "CREATE OR REPLACE FUNCTION is not supported",
        ),
        (
            "CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT 1",
            "0A000",
            8,
            "CREATE OR REPLACE MATERIALIZED VIEW is not supported",
        ),
        ("CREATE DATABASE x", "0A000", 8, "CREATE DATABASE is not supported"),
        ("DROP SEQUENCE s", "0A000", 6, "DROP SEQUENCE is not supported"),
        ("ALTER ROLE x SET a = 1", "0A000", 7, "ALTER ROLE is not supported"),
        ("COMMENT ON INDEX i IS 'x'", "0A000", 12, "COMMENT ON INDEX is not supported"),
        ("ALTER TABLE t DROP COLUMN a", "0A000", 15, "ALTER .. DROP COLUMN is not supported"),
        ("ALTER VIEW v ADD COLUMN a int", "0A000", 14, "ALTER .. ADD COLUMN is not supported"),
        (
            "ALTER TABLE t ADD CONSTRAINT x CHECK (a > 0)",
            "0A000",
            19,
            "ALTER .. ADD CONSTRAINT is not supported",
        ),
        ("REFRESH MATERIALIZED VIEW v", "0A000", 1, "REFRESH is not supported"),
        (
            "VACUUM t (a)",
            "0A000",
            0,
            "ANALYZE option must be specified when a column list is provided",
        ),
        ("GRANT SELECT ON t TO x", "0A000", 1, "GRANT is not supported"),
        ("MERGE INTO t USING u ON true", "0A000", 1, "MERGE is not supported"),
        ("COMMIT AND CHAIN", "0A000", 8, "AND CHAIN is not supported"),
        ("PREPARE TRANSACTION 'x'", "0A000", 9, "PREPARE TRANSACTION is not supported"),
        (
            "EXPLAIN (FORMAT json) SELECT 1",
            "0A000",
            10,
            "EXPLAIN in format \"json\" is not supported",
        ),
        ("EXPLAIN EXECUTE p", "0A000", 9, "EXPLAIN of this statement is not supported"),
        ("SET CONSTRAINTS ALL DEFERRED", "0A000", 5, "SET CONSTRAINTS is not supported"),
        ("DECLARE c BINARY CURSOR FOR SELECT 1", "0A000", 11, "binary cursors are not supported"),
        ("FETCH BACKWARD 1 FROM c", "55000", 7, "cursor can only scan forward"),
        ("FETCH -1 FROM c", "55000", 7, "cursor can only scan forward"),
        (
            "SUBSCRIBE TO v WITH (progress)",
            "0A000",
            16,
            "option \"progress\" of SUBSCRIBE is not supported",
        ),
        (
            "SUBSCRIBE TO v WITH (snapshot = maybe)",
            "22023",
            16,
            "invalid value for option \"snapshot\": \"maybe\"",
        ),
        (
            "TRUNCATE t RESTART IDENTITY",
            "0A000",
            12,
            "TRUNCATE .. RESTART IDENTITY is not supported",
        ),
    ]);
}

#[test]
fn parts_of_queries_that_would_be_ignored_are_refused() {
    assert_refused(&[
        (
            "SELECT * FROM t FOR UPDATE",
            "0A000",
            0,
            "SELECT FOR UPDATE and FOR SHARE are not supported",
        ),
        ("SELECT * INTO x FROM t", "0A000", 15, "SELECT INTO is not supported"),
        ("SELECT * FROM t TABLESAMPLE SYSTEM (10)", "0A000", 15, "TABLESAMPLE is not supported"),
        (
            "SELECT a FROM t FETCH FIRST 1 ROW WITH TIES",
            "0A000",
            0,
            "FETCH .. WITH TIES and PERCENT are not supported",
        ),
        (
            "SELECT a FROM t LIMIT 1 FETCH FIRST 1 ROW ONLY",
            "42601",
            0,
            "multiple LIMIT clauses not allowed",
        ),
        (
            "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
            "0A000",
            12,
            "data-modifying statements in WITH or in a query are not supported",
        ),
        (
            "WITH y AS (SELECT 1), x AS MATERIALIZED (UPDATE t SET a = 1) SELECT 1",
            "0A000",
            42,
            "data-modifying statements in WITH or in a query are not supported",
        ),
        (
            "WITH x AS (SELECT 1) UPDATE t SET a = 1",
            "0A000",
            22,
            "WITH before UPDATE is not supported",
        ),
        (
            "SELECT 1; SELECT * FROM other.public.t",
            "0A000",
            25,
            "cross-database references are not implemented: \"other.public.t\"",
        ),
        (
            "SELECT * FROM a.b.c.d",
            "42601",
            15,
            "improper qualified name (too many dotted names): a.b.c.d",
        ),
        (
            "INSERT INTO postgres.public.t VALUES (1)",
            "0A000",
            13,
            "cross-database references are not implemented: \"postgres.public.t\"",
        ),
    ]);
}

#[test]
fn definitions_are_checked() {
    assert_refused(&[
        ("CREATE TABLE t (a int UNIQUE)", "0A000", 23, "UNIQUE constraints are not supported"),
        ("CREATE TABLE t (a int, UNIQUE (a))", "0A000", 24, "UNIQUE constraints are not supported"),
        ("CREATE TABLE t (a int REFERENCES u)", "0A000", 23, "foreign keys are not supported"),
        (
            "CREATE TABLE t (FOREIGN KEY (a) REFERENCES u)",
            "0A000",
            17,
            "foreign keys are not supported",
        ),
        ("CREATE TABLE t (a serial)", "0A000", 19, "type serial is not supported"),
        (
            "CREATE TABLE t (a int GENERATED BY DEFAULT AS IDENTITY)",
            "0A000",
            23,
            "identity columns are not supported",
        ),
        ("CREATE TABLE t (a int, a text)", "42701", 16, "column \"a\" specified more than once"),
        ("CREATE TABLE t (a int, b whatever)", "42704", 26, "type \"whatever\" does not exist"),
        (
            "CREATE TABLE t (a numeric(40, 2))",
            "0A000",
            19,
            "NUMERIC precision 40 is not supported: the limit is 38",
        ),
        (
            "CREATE TABLE t (a int PRIMARY KEY, b int PRIMARY KEY)",
            "42P16",
            38,
            "multiple primary keys for table \"t\" are not allowed",
        ),
        (
            "CREATE TABLE t (a int PRIMARY KEY, PRIMARY KEY (a))",
            "42P16",
            36,
            "multiple primary keys for table \"t\" are not allowed",
        ),
        (
            "CREATE TABLE t (a int NULL NOT NULL)",
            "42601",
            28,
            "conflicting NULL/NOT NULL declarations for column \"a\" of table \"t\"",
        ),
        (
            "CREATE TABLE t (a int DEFAULT 1 DEFAULT 2)",
            "42601",
            33,
            "multiple default values specified for column \"a\" of table \"t\"",
        ),
        (
            "CREATE TABLE t (a int DEFAULT 1 GENERATED ALWAYS AS (2) STORED)",
            "42601",
            33,
            "both default and generation expression specified for column \"a\" of table \"t\"",
        ),
        (
            "CREATE TABLE t (a text COLLATE \"de_DE\")",
            "0A000",
            32,
            "collation \"de_DE\" is not supported",
        ),
        (
            "CREATE TABLE t (a int) PARTITION BY RANGE (a)",
            "0A000",
            24,
            "partitioned tables are not supported",
        ),
        ("CREATE TABLE t (LIKE u)", "0A000", 17, "CREATE TABLE (LIKE ..) is not supported"),
        (
            "CREATE STREAM s (a int PRIMARY KEY)",
            "42P16",
            17,
            "stream \"s\" cannot have a primary key",
        ),
        (
            "CREATE STREAM s (a int CHECK (a > 0))",
            "0A000",
            17,
            "CHECK constraints on a stream are not supported",
        ),
        ("CREATE STREAM s AS SELECT 1", "0A000", 17, "CREATE STREAM .. AS is not supported"),
        (
            "CREATE STREAM s WITH (a = 1, A = 2)",
            "42710",
            30,
            "option \"a\" specified more than once",
        ),
        (
            "CREATE VIEW v AS SELECT 1 WITH CHECK OPTION",
            "0A000",
            27,
            "WITH CHECK OPTION is not supported",
        ),
        (
            "CREATE MATERIALIZED VIEW v AS SELECT 1 WITH NO DATA",
            "0A000",
            40,
            "WITH NO DATA is not supported",
        ),
        ("DECLARE c SCROLL CURSOR FOR SELECT 1", "0A000", 11, "SCROLL cursors are not supported"),
        ("CREATE SCHEMA a.b", "0A000", 15, "cross-database references are not implemented"),
        ("COMMENT ON COLUMN c IS 'x'", "42601", 19, "column name must be qualified"),
        (
            "INSERT INTO t (a, a) VALUES (1, 2)",
            "42701",
            15,
            "column \"a\" specified more than once",
        ),
        ("UPDATE t SET a = 1, a = 2", "42601", 14, "multiple assignments to same column \"a\""),
        (
            "UPDATE t SET (a, b) = (1)",
            "42601",
            23,
            "number of columns does not match number of values",
        ),
        (
            "UPDATE t SET (a, b) = (SELECT 1, 2)",
            "0A000",
            23,
            "UPDATE .. SET (..) = (SELECT ..) is not supported",
        ),
        (
            "UPDATE t SET a[1] = 2",
            "0A000",
            15,
            "assignment to an array element or a field is not supported",
        ),
        ("DELETE FROM t WHERE CURRENT OF c", "0A000", 21, "WHERE CURRENT OF is not supported"),
        (
            "INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1",
            "42601",
            38,
            "ON CONFLICT DO UPDATE requires inference specification or constraint name",
        ),
        (
            "INSERT INTO t VALUES (1) ON CONFLICT (lower(a)) DO NOTHING",
            "0A000",
            44,
            "ON CONFLICT over anything but columns is not supported",
        ),
    ]);
    let long = format!("SELECT {}", "\u{e9}".repeat(32));
    let error = parse_sql(&long).expect_err("64 bytes");
    assert_eq!((error.state().code(), error.position()), ("42622", Some(8)));
}

#[test]
fn copy_options_are_checked() {
    assert_refused(&[
        (
            "COPY t FROM '/etc/passwd'",
            "0A000",
            13,
            "COPY from a file on the server is not supported",
        ),
        ("COPY t TO PROGRAM 'rm'", "0A000", 11, "COPY to a program on the server is not supported"),
        (
            "COPY (INSERT INTO t VALUES (1) RETURNING *) TO STDOUT",
            "0A000",
            7,
            "COPY of a data-modifying statement is not supported",
        ),
        ("COPY t FROM STDIN WHERE a > 1", "0A000", 19, "COPY .. FROM .. WHERE is not supported"),
        ("COPY t FROM STDIN (FORMAT xml)", "22023", 20, "COPY format \"xml\" not recognized"),
        (
            "COPY t FROM STDIN (FORMAT csv, FORMAT text)",
            "42601",
            32,
            "conflicting or redundant options",
        ),
        ("COPY t FROM STDIN CSV BINARY", "42601", 23, "conflicting or redundant options"),
        ("COPY t FROM STDIN (FASTER)", "42601", 20, "option \"faster\" not recognized"),
        ("COPY t FROM STDIN (HEADER maybe)", "42601", 20, "header requires a Boolean value"),
        (
            "COPY t FROM STDIN (HEADER match)",
            "0A000",
            20,
            "COPY option HEADER MATCH is not supported",
        ),
        (
            "COPY t FROM STDIN (ENCODING 'latin1')",
            "0A000",
            20,
            "COPY in encoding \"latin1\" is not supported",
        ),
        (
            "COPY t FROM STDIN (FORCE_NULL (a))",
            "0A000",
            20,
            "COPY option FORCE_NULL is not supported",
        ),
        (
            "COPY t FROM STDIN (DELIMITER 'ab')",
            "0A000",
            19,
            "COPY delimiter must be a single one-byte character",
        ),
        (
            "COPY t FROM STDIN (DELIMITER '\u{e9}')",
            "0A000",
            19,
            "COPY delimiter must be a single one-byte character",
        ),
        ("COPY t FROM STDIN (DELIMITER 'a')", "22023", 19, "COPY delimiter cannot be \"a\""),
        (
            "COPY t FROM STDIN (DELIMITER E'\\n')",
            "22023",
            19,
            "COPY delimiter cannot be newline or carriage return",
        ),
        (
            "COPY t FROM STDIN (NULL E'\\n')",
            "22023",
            19,
            "COPY null representation cannot use newline or carriage return",
        ),
        (
            "COPY t FROM STDIN (DELIMITER '|', NULL '|')",
            "22023",
            19,
            "COPY delimiter character must not appear in the NULL specification",
        ),
        ("COPY t FROM STDIN (QUOTE '|')", "0A000", 19, "COPY QUOTE requires CSV mode"),
        (
            "COPY t FROM STDIN (FORMAT csv, QUOTE ',')",
            "22023",
            19,
            "COPY delimiter and quote must be different",
        ),
        (
            "COPY t FROM STDIN (FORMAT csv, NULL '\"')",
            "22023",
            19,
            "CSV quote character must not appear in the NULL specification",
        ),
        (
            "COPY t FROM STDIN (FORMAT csv, FORCE_QUOTE *)",
            "0A000",
            19,
            "COPY FORCE_QUOTE cannot be used with COPY FROM",
        ),
        (
            "COPY t FROM STDIN (FORMAT binary, DELIMITER ',')",
            "42601",
            19,
            "cannot specify DELIMITER in BINARY mode",
        ),
        (
            "COPY t FROM STDIN (FORMAT binary, HEADER)",
            "42601",
            19,
            "cannot specify HEADER in BINARY mode",
        ),
    ]);
    let error = parse_sql("COPY t FROM '/x'").expect_err("a file");
    assert!(error.hint().is_some_and(|hint| hint.contains("\\copy")), "{error:?}");
}
