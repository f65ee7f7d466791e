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
fn names_lose_what_says_nothing() {
    check(
        "SELECT a FROM t WHERE a OPERATOR(pg_catalog.~) '^x$' COLLATE pg_catalog.default \
         AND lower(b) COLLATE \"C\" = pg_catalog.upper(c::pg_catalog.int8::text)",
        "SELECT a FROM t WHERE a ~ '^x$' AND lower(b) = upper(c::BIGINT::TEXT)",
    );
    check(
        "SELECT a FROM t ORDER BY a COLLATE \"de_DE\"",
        "SELECT a FROM t ORDER BY a COLLATE \"de_DE\"",
    );
    check("SELECT other.lower(a) AS x FROM t", "SELECT other.lower(a) AS x FROM t");
}

#[test]
fn casts_to_reg_types_are_calls() {
    check("SELECT 'a'::regclass::oid AS x", "SELECT oid(regclass('a')) AS x");
    check(
        "SELECT a::name AS x, b::\"char\" AS y FROM t",
        "SELECT a::TEXT AS x, left(b, 1) AS y FROM t",
    );
    check(
        "SELECT a::pg_catalog.regtype::text AS x FROM t",
        "SELECT regtype_text(regtype(a)) AS x FROM t",
    );
    check(
        "SELECT a::regtype[]::text[] AS x FROM t",
        "SELECT regtypes_text(regtypes(a)) AS x FROM t",
    );
}

#[test]
fn what_depends_on_system_columns_needs_a_system_relation() {
    check("SELECT a.indkey[0] AS x FROM a", "SELECT a.indkey[0] AS x FROM a");
    check(
        "SELECT a.indkey[0] AS x FROM pg_index AS a",
        "SELECT a.indkey[(0) + 1] AS x FROM pg_index AS a",
    );
    check(
        "SELECT typinput::text AS x FROM pg_type WHERE typbyval = 't'",
        "SELECT regproc_text(typinput) AS x FROM pg_type WHERE typbyval = true",
    );
    check("SELECT d.tableoid AS x FROM pg_cast AS d", "SELECT 2605 AS x FROM pg_cast AS d");
    check("SELECT d.tableoid AS x FROM d", "SELECT d.tableoid AS x FROM d");
}

#[test]
fn array_subqueries_are_aggregates() {
    check(
        "SELECT ARRAY(SELECT a FROM t ORDER BY 1 DESC) AS x",
        "SELECT array_or_empty((SELECT array_agg(a ORDER BY a DESC) FROM t)) AS x",
    );
    check(
        "SELECT ARRAY(SELECT DISTINCT a FROM t LIMIT 2) AS x",
        "SELECT array_or_empty((SELECT array_agg(__element) FROM (SELECT DISTINCT a FROM t LIMIT 2) \
         AS __elements (__element))) AS x",
    );
}

#[test]
fn functions_of_from_are_unnested() {
    check(
        "SELECT i FROM pg_catalog.generate_series(1, 3) AS i",
        "SELECT i FROM UNNEST(generate_series(1, 3)) AS i (i)",
    );
    check(
        "SELECT x FROM unnest(a) WITH ORDINALITY AS u(x, n)",
        "SELECT x FROM LATERAL (SELECT unnest(a) AS \"x\", unnest(generate_series(1, \
         CAST(cardinality(a) AS BIGINT) + 0)) AS \"n\") AS u",
    );
    check(
        "SELECT generate_series(1, 2) AS i, (SELECT generate_series(1, 2) AS j) AS k",
        "SELECT unnest(generate_series(1, 2)) AS i, \
         (SELECT unnest(generate_series(1, 2)) AS j) AS k",
    );
}

#[test]
fn like_has_one_escape() {
    check(
        "SELECT a FROM t WHERE a LIKE 'x/_' ESCAPE '/'",
        "SELECT a FROM t WHERE a LIKE like_escape('x/_', '/')",
    );
}
