//! Abuses, and what has to pass.

use super::*;

/// State and message of the refusal.
fn refusal(text: &str) -> (String, String) {
    let error = check_text(text).expect_err("must be refused");
    assert!(error.hint().is_some() || error.state() == SqlState::SyntaxError, "{error:?}");
    (error.state().code().to_owned(), error.message().to_owned())
}

#[test]
fn size_is_bounded() {
    let text = format!("SELECT '{}'", "x".repeat(limits::SQL_TEXT_BYTES_MAX));
    let (state, message) = refusal(&text);
    assert_eq!(state, "54000");
    assert!(message.contains("1048585 bytes exceeds the limit of 1048576"), "{message}");
    let just_below = format!("SELECT '{}'", "x".repeat(limits::SQL_TEXT_BYTES_MAX - 9));
    assert_eq!(just_below.len(), limits::SQL_TEXT_BYTES_MAX);
    check_text(&just_below).expect("as long as may be");
}

#[test]
fn tokens_and_list_items_are_bounded() {
    let rows = |n: usize| format!("INSERT INTO t VALUES {}", vec!["(1)"; n].join(","));
    check_text(&rows(20_000)).expect("80,000 tokens");
    assert_eq!(refusal(&rows(30_000)).0, "54000");
    check_text(&vec!["SELECT 1"; 60_000].join(";")).expect("the bound is for one statement");

    let in_list = |n: usize| format!("SELECT * FROM t WHERE a IN ({})", vec!["1"; n].join(","));
    check_text(&in_list(limits::SQL_LIST_MAX)).expect("as long as may be");
    let (state, message) = refusal(&in_list(limits::SQL_LIST_MAX + 1));
    assert_eq!((state.as_str(), message.as_str()), ("54000", "list has more than 10000 items"));
    assert_eq!(refusal(&format!("SELECT {}", vec!["a"; 20_000].join(","))).0, "54000");
}

#[test]
fn nesting_is_bounded() {
    let nested = |open: &str, close: &str, n: usize| {
        format!("SELECT {}1{}", open.repeat(n), close.repeat(n))
    };
    for (open, close) in [
        ("(", ")"),
        ("f(", ")"),
        ("ARRAY[", "]"),
        ("CASE WHEN true THEN ", " END"),
        ("(SELECT ", ")"),
        ("CAST(", " AS int)"),
        ("a IN (", ")"),
        ("EXISTS (SELECT ", ")"),
        ("(CASE ", " END)"),
        ("f(ARRAY[", "])"),
    ] {
        let levels = open.matches(['(', '[']).count() + usize::from(open.contains("CASE"));
        check_text(&nested(open, close, limits::SQL_DEPTH_MAX / levels)).expect(open);
        for n in [limits::SQL_DEPTH_MAX / levels + 1, 10_000] {
            let (state, message) = refusal(&nested(open, close, n));
            assert_eq!(state, "54001", "{open}");
            assert_eq!(message, "statement is nested more than 128 levels deep", "{open}");
        }
        // Left open.
        assert_eq!(refusal(&format!("SELECT {}", open.repeat(5_000))).0, "54001", "{open}");
    }
}

#[test]
fn chains_are_bounded() {
    let chain = |first: &str, next: &str, n: usize| format!("{first}{}", next.repeat(n));
    let cases = [
        ("SELECT 1", " + 1"),
        ("SELECT 1", "+1"),
        ("SELECT a", " OR a"),
        ("SELECT a", " AND a"),
        ("SELECT a", " || a"),
        ("SELECT a", "::int"),
        ("SELECT a", "::from"),
        ("SELECT a", "::case"),
        ("SELECT a", "[1]"),
        ("SELECT a", "[1].b"),
        ("SELECT f()", ".f()"),
        ("SELECT a", " IS NULL"),
        ("SELECT a", " IS DISTINCT FROM a"),
        ("SELECT a", " IS NOT DISTINCT FROM a"),
        ("SELECT a", " AT TIME ZONE a"),
        ("SELECT a", " COLLATE b"),
        ("SELECT a", " IN (1)"),
        ("SELECT a", " LIKE a"),
        ("SELECT a", " BETWEEN a AND a"),
        ("SELECT a", " OPERATOR(pg_catalog.+) a"),
        ("SELECT a", " = (a)"),
        ("SELECT 1", " UNION SELECT 1"),
        ("SELECT 1", " EXCEPT ALL SELECT 1"),
        ("SELECT 1", " INTERSECT SELECT 1"),
        ("SELECT 1 FROM a", " UNION SELECT 1 FROM a"),
        ("SELECT * FROM a", " JOIN a ON true"),
        ("SELECT * FROM a", " JOIN a USING (x)"),
        ("SELECT * FROM a", " JOIN a"),
        ("SELECT * FROM a", ", a"),
        ("SELECT DISTINCT FROM a", ", a"),
        ("DELETE FROM t USING a", ", a"),
        ("UPDATE t SET a = 1 FROM a", ", a"),
        ("WITH a AS (SELECT 1)", ", a AS (SELECT 1)"),
        ("CREATE VIEW v AS WITH a AS (SELECT 1)", ", a AS (SELECT 1)"),
    ];
    for (first, next) in cases {
        check_text(&chain(first, next, 400))
            .unwrap_or_else(|error| panic!("{first}{next}: {error:?}"));
        for n in [1_100, 12_000] {
            let (state, message) = refusal(&chain(first, next, n));
            assert_eq!(state, "54001", "{first}{next}");
            assert!(message.contains("more than 1000 operators"), "{message}");
        }
    }
    for sign in ["- ", "-+", "NOT ", "~ ", "+ - ", "@ "] {
        check_text(&chain("SELECT ", sign, 30)).expect(sign);
        for n in [100, 12_000] {
            let (state, message) = refusal(&chain("SELECT ", sign, n));
            assert_eq!(
                (state.as_str(), message.as_str()),
                ("54001", "more than 64 operators in a row")
            );
        }
    }
    // Of a million bytes.
    for (first, next) in
        [("SELECT 1", "+1"), ("SELECT ", "NOT "), ("SELECT ", "- "), ("SELECT a", " OR a")]
    {
        let n = (limits::SQL_TEXT_BYTES_MAX - first.len()) / next.len();
        let state = check_text(&chain(first, next, n)).expect_err(next).state();
        assert!(
            matches!(state, SqlState::StatementTooComplex | SqlState::ProgramLimitExceeded),
            "{first}{next}: {state:?}"
        );
    }
}

#[test]
fn chains_in_brackets_add_up() {
    // 20 levels with 100 operators each are a tree of a height of 2,000.
    let level = format!("({}", "1 + ".repeat(100));
    let on_the_right = format!("SELECT {}1{}", level.repeat(20), ")".repeat(20));
    assert_eq!(refusal(&on_the_right).0, "54001");
    let on_the_left =
        format!("SELECT {}1{}", "(".repeat(20), format!("){}", " + 1".repeat(100)).repeat(20));
    assert_eq!(refusal(&on_the_left).0, "54001");
    let unions = format!(
        "SELECT * FROM {}t{}",
        "(SELECT 1 UNION ".repeat(20),
        ") x JOIN a ON true".repeat(60)
    );
    check_text(&unions).expect("80 relations");
}

#[test]
fn dotted_names_are_bounded() {
    check_text("SELECT weir.public.t.a.b.c FROM t").expect("fields of a composite");
    let error = check_text(&format!("SELECT a{}", ".b".repeat(20_000))).expect_err("too long");
    assert_eq!(error.message(), "improper qualified name (too many dotted names)");
    assert_eq!(error.position(), Some(24));
}

#[test]
fn wide_statements_pass() {
    let branches = "WHEN a = 1 AND b = 2 THEN 'x' ".repeat(3_000);
    check_text(&format!("SELECT CASE {branches} ELSE 'y' END FROM t")).expect("a wide CASE");
    let terms = vec!["(a = 1 AND b = 2 AND c LIKE 'x')"; 300].join(" OR ");
    check_text(&format!("SELECT * FROM t WHERE {terms}")).expect("a wide OR");
    let columns = vec!["c.a + coalesce(b, -1) * 2 AS x"; 1_500].join(", ");
    check_text(&format!("SELECT {columns} FROM t c")).expect("a wide select list");
    let columns = vec!["c timestamp with time zone NOT NULL DEFAULT now()"; 1_600].join(", ");
    check_text(&format!("CREATE TABLE t ({columns})")).expect("a wide table");
    let joins = "LEFT JOIN d ON d.id = f.d_id AND d.x IS NOT NULL ".repeat(200);
    check_text(&format!("SELECT * FROM f {joins}")).expect("a wide star");
    let rows = vec!["(-1, 'a', NOW() - INTERVAL '1 day', ARRAY[1, 2])"; 4_000].join(", ");
    check_text(&format!("INSERT INTO t VALUES {rows}")).expect("many rows");
    check_text(&format!("SELECT * FROM (VALUES {rows}) v")).expect("many rows of a relation");
    check_text("SELECT t.case, t.end, a AS case, b AS end FROM t").expect("labels");
}

#[test]
fn unbalanced_brackets_are_left_to_the_parser() {
    for text in [")", "]", "END", "SELECT )))(((", "SELECT (]", "CASE )", "[)]("] {
        check_text(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    }
}

#[test]
fn the_second_statement_is_checked_too() {
    let error = check_text(&format!("SELECT 1; SELECT 1{}", "+1".repeat(2_000))).expect_err("long");
    assert_eq!(error.state().code(), "54001");
    assert_eq!(error.position(), Some(10 + 8 + 1 + 2 * 1_000));
}
