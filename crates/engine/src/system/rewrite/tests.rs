//! What queries become.

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

fn rewritten(text: &str) -> String {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, text).expect("valid SQL");
    let Some(Statement::Query(mut query)) = statements.pop() else { panic!("a query") };
    super::query(&mut query);
    query.to_string()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(rewritten(text), expected);
}

#[test]
fn functions_of_information_schema_lose_its_name() {
    check(
        "SELECT information_schema._pg_truetypid(a) AS x, other.lower(b) AS y FROM t",
        "SELECT _pg_truetypid(a) AS x, other.lower(b) AS y FROM t",
    );
}

#[test]
fn arrays_of_types_are_calls() {
    check(
        "SELECT a::regtype[]::text[] AS x FROM t",
        "SELECT regtypes_text(regtypes(a)) AS x FROM t",
    );
}

#[test]
fn what_depends_on_system_columns_needs_a_system_relation() {
    check("SELECT typinput::text AS x FROM t", "SELECT typinput::TEXT AS x FROM t");
    check(
        "SELECT typinput::text AS x FROM pg_type",
        "SELECT regproc_text(typinput) AS x FROM pg_type",
    );
    check("SELECT d.tableoid FROM pg_cast AS d", "SELECT 2605 AS tableoid FROM pg_cast AS d");
    check("SELECT d.tableoid AS x FROM d", "SELECT d.tableoid AS x FROM d");
}

#[test]
fn functions_of_the_session_are_relations() {
    check(
        "SELECT s FROM current_schemas(true) AS s",
        "SELECT s FROM LATERAL (SELECT current_schemas(true) AS \"s\") AS s",
    );
    check(
        "SELECT (information_schema._pg_expandarray(k)).n AS n FROM t",
        "SELECT get_field(unnest(_pg_expandarray(k)), 'n') AS n FROM t",
    );
}
