//! DEFAULT: which constants a column takes.

use crate::harness::Db;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_no_values_that_are_equal_in_several_forms() {
    let db = Db::new();
    let a = db.client();
    for definition in ["k bpchar PRIMARY KEY", "k int, b bpchar, PRIMARY KEY (k, b)"] {
        let found = a.error(&format!("CREATE TABLE bad ({definition})")).await;
        assert!(found.starts_with("0A000"), "{definition}: {found}");
    }
    a.ok("CREATE TABLE good (k char(3) PRIMARY KEY, b bpchar)").await;
    a.ok("INSERT INTO good VALUES ('a', 'a ')").await;
    assert!(a.error("INSERT INTO good VALUES ('a  ', 'a')").await.starts_with("23505"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constant_in_quotes_becomes_what_its_column_needs() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("INSERT INTO t VALUES (1)").await;
    let columns = [
        ("int[]", "'{1,2}'", "{1,2}"),
        ("jsonb", "'{\"a\":1}'", "{\"a\": 1}"),
        ("int", "('5')", "5"),
        ("numeric(6,2)", "'1.5'", "1.50"),
        ("boolean", "'yes'", "t"),
        ("date", "'2024-02-29'", "2024-02-29"),
        ("interval", "'1 day'", "1 day"),
        ("varchar(3)", "'abc'", "abc"),
        ("bytea", "'\\x00ff'", "\\x00ff"),
    ];
    for (column_idx, (sql_type, constant, shown)) in columns.iter().enumerate() {
        a.ok(&format!("ALTER TABLE t ADD COLUMN c{column_idx} {sql_type} DEFAULT {constant}"))
            .await;
        a.ok(&format!("CREATE TABLE n{column_idx} (k int, c {sql_type} DEFAULT {constant})")).await;
        let n = format!("n{column_idx}");
        a.ok(&format!("INSERT INTO {n} (k) VALUES (1)")).await;
        a.ok(&format!("INSERT INTO {n} VALUES (1 + 1, DEFAULT)")).await;
        a.ok(&format!("INSERT INTO {n} VALUES (3, NULL)")).await;
        a.ok(&format!("UPDATE {n} SET c = DEFAULT WHERE k = 3")).await;
        let expected = [*shown; 3];
        assert_eq!(a.rows(&format!("SELECT c FROM {n}")).await, expected, "{sql_type}");
        assert_eq!(a.rows(&format!("SELECT c{column_idx} FROM t")).await, [*shown], "{sql_type}");
    }
    a.ok("CREATE TABLE free (a int DEFAULT NULL, b text DEFAULT 5, c date DEFAULT now())").await;
    for (definition, error) in [
        ("x int DEFAULT 'a'", "22P02 invalid input syntax for type integer: \"a\""),
        ("x int[] DEFAULT '1'", "22P02"),
        ("x int DEFAULT true", "42804 column \"x\" is of type integer but expression is of type"),
        ("x boolean DEFAULT 1", "42804"),
    ] {
        for statement in
            [format!("CREATE TABLE bad ({definition})"), format!("ALTER TABLE t ADD {definition}")]
        {
            let found = a.error(&statement).await;
            assert!(found.starts_with(error), "{statement}: {found}");
        }
    }
}
