//! Statements, their syntax trees and their errors, as tables.

mod abuse;
mod errors;
mod queries;
mod shown;
mod statements;

use self::shown::shown;
use super::*;
use weir_types::limits;

/// Runs on a stack of the size that the engine gives to parsing and planning.
fn on_planner_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(limits::PLANNER_STACK_BYTES)
        .spawn(run)
        .expect("a thread can be made")
        .join()
        .expect("the thread does not panic");
}

/// The one statement of that text.
fn parse_one(sql: &str) -> Parsed {
    let mut parsed =
        parse_sql(sql).unwrap_or_else(|error| panic!("{sql}\n{error:?} at {:?}", error.position()));
    assert_eq!(parsed.len(), 1, "{sql}");
    parsed.remove(0)
}

/// Each text gives that statement.
fn assert_shown(cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        assert_eq!(shown(&parse_one(sql).statement), *expected, "{sql}");
    }
}

#[test]
fn a_text_is_split_into_statements_with_their_offsets() {
    let parsed =
        parse_sql(" -- \u{e9}\n SELECT '\u{e9}'; ;\n /* x */ begin ;COMMIT").expect("valid");
    let found: Vec<_> = parsed.iter().map(|p| (p.text.as_str(), p.offset)).collect();
    assert_eq!(found, [("SELECT '\u{e9}'", 7), ("begin", 30), ("COMMIT", 37)]);
    assert_eq!(shown(&parsed[1].statement), "begin");
}

#[test]
fn a_text_without_statements_is_one_empty_statement() {
    for sql in ["", "  \n", ";", " ; -- x\n ; /* y */"] {
        assert_eq!(shown(&parse_one(sql).statement), "empty");
    }
}

#[test]
fn locations_are_characters_within_the_statement() {
    let parsed = parse_sql("SELECT 1;\n  SELECT '\u{e9}',\n  zzz FROM t").expect("valid");
    let Statement::Query(query) = &parsed[1].statement else { panic!("a query") };
    let sql::SetExpr::Select(select) = query.body.as_ref() else { panic!("a SELECT") };
    let sql::SelectItem::UnnamedExpr(sql::Expr::Identifier(ident)) = &select.projection[1] else {
        panic!("a column")
    };
    assert_eq!((ident.span.start.line, ident.span.start.column), (1, 15));
    let text: String = parsed[1].text.chars().skip(14).take(3).collect();
    assert_eq!(text, "zzz");
}

#[test]
fn stored_texts_parse_by_themselves() {
    assert_eq!(parse_query("TABLE Weir.S.T").expect("valid").to_string(), "SELECT * FROM s.t");
    assert_eq!(parse_expr("A + 1 > 2").expect("valid").to_string(), "a + 1 > 2");
    for (sql, position) in [("", 1), ("a b", 3), ("a;", 2), ("1; 2", 2)] {
        assert_eq!(parse_expr(sql).expect_err(sql).position(), Some(position), "{sql}");
    }
    assert_eq!(parse_query("SELECT 1; SELECT 2").expect_err("two").position(), Some(9));
    let deep = format!("{}1{}", "(".repeat(1_000), ")".repeat(1_000));
    assert_eq!(parse_expr(&deep).expect_err("deep").state().code(), "54001");
}
