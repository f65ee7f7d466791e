//! What PostgreSQL leaves open or has no text for: canonical orders, the time of a statement, functions
//! that a view cannot have, assignment to columns, types of parameters, positions of errors.

use datafusion::logical_expr::LogicalPlan;
use weir_delta::schema;
use weir_types::{Error, SqlState, SqlType};

use super::{config, execute, plan, planned, run};
use crate::semantics::{apply_for_columns, uses_now, volatility_problem};

/// Rows as text in the order in which they come: columns by `|`, rows by a space.
fn rows(sql: &str) -> String {
    match run(sql) {
        Ok(answer) => text_of(&answer.rows),
        Err(error) => panic!("{sql}: {error:?}"),
    }
}

fn text_of(rows: &[Vec<Option<String>>]) -> String {
    let row = |row: &Vec<Option<String>>| {
        let texts: Vec<&str> = row.iter().map(|text| text.as_deref().unwrap_or("\\N")).collect();
        texts.join("|")
    };
    rows.iter().map(row).collect::<Vec<_>>().join(" ")
}

fn types(sql: &str) -> Vec<SqlType> {
    let plan = plan(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    plan.schema().fields().iter().map(|field| schema::sql_type(field)).collect()
}

const T: &str = "(VALUES (2, 'z'), (1, 'y'), (2, 'x'), (1, NULL), (3, 'a')) t(a, b)";

#[test]
fn a_limit_takes_the_first_rows_of_one_order() {
    assert_eq!(rows(&format!("SELECT * FROM {T} LIMIT 3")), "1|y 1|\\N 2|x");
    assert_eq!(rows(&format!("SELECT * FROM {T} LIMIT 2 OFFSET 2")), "2|x 2|z");
    assert_eq!(rows(&format!("SELECT a, b FROM {T} ORDER BY a DESC LIMIT 3")), "3|a 2|x 2|z");
    // The order is by a column that is no output; the outputs break ties all the same.
    assert_eq!(rows(&format!("SELECT b FROM {T} ORDER BY a DESC LIMIT 2")), "a x");
    assert_eq!(rows(&format!("SELECT (SELECT b FROM {T} LIMIT 1)")), "a");
    assert_eq!(
        rows(&format!("SELECT a FROM {T} WHERE b IN (SELECT b FROM {T} LIMIT 2) ORDER BY 1")),
        "2 3"
    );
}

#[test]
fn distinct_on_takes_the_first_of_one_order() {
    assert_eq!(rows(&format!("SELECT DISTINCT ON (a) a, b FROM {T} ORDER BY a")), "1|y 2|x 3|a");
    assert_eq!(
        rows(&format!("SELECT DISTINCT ON (a) a, b FROM {T} ORDER BY a, b DESC")),
        "1|\\N 2|z 3|a"
    );
}

#[test]
fn windows_break_ties_by_all_columns() {
    let of = |call: &str| rows(&format!("SELECT a, b, {call} FROM {T} ORDER BY a, b"));
    assert_eq!(of("row_number() OVER (ORDER BY a)"), "1|y|1 1|\\N|2 2|x|3 2|z|4 3|a|5");
    assert_eq!(of("row_number() OVER (PARTITION BY a)"), "1|y|1 1|\\N|2 2|x|1 2|z|2 3|a|1");
    assert_eq!(of("lag(b) OVER (ORDER BY a)"), "1|y|\\N 1|\\N|y 2|x|\\N 2|z|x 3|a|z");
    assert_eq!(of("lead(b, 1, 'end') OVER (ORDER BY a)"), "1|y|\\N 1|\\N|x 2|x|z 2|z|a 3|a|end");
    assert_eq!(of("first_value(b) OVER (ORDER BY a DESC)"), "1|y|a 1|\\N|a 2|x|a 2|z|a 3|a|a");
    // Peers share a rank: the order of rows among them does not matter.
    assert_eq!(of("rank() OVER (ORDER BY a)"), "1|y|1 1|\\N|1 2|x|3 2|z|3 3|a|5");
    // Two functions with different needs in one SELECT.
    assert_eq!(
        of("row_number() OVER (ORDER BY a DESC), rank() OVER (ORDER BY a DESC)"),
        "1|y|4|4 1|\\N|5|4 2|x|2|2 2|z|3|2 3|a|1|1"
    );
}

#[test]
fn aggregates_of_order_take_one_order() {
    let of = |call: &str| rows(&format!("SELECT {call} FROM {T}"));
    assert_eq!(of("array_agg(b)"), "{a,x,y,z,NULL}");
    assert_eq!(of("array_agg(b ORDER BY a)"), "{y,NULL,x,z,a}");
    assert_eq!(of("array_agg(DISTINCT a)"), "{1,2,3}");
    assert_eq!(of("string_agg(b, ',')"), "a,x,y,z");
    assert_eq!(of("string_agg(b, ',' ORDER BY a DESC)"), "a,x,z,y");
    assert_eq!(of("json_agg(a)"), "[1, 1, 2, 2, 3]");
}

#[test]
fn the_time_is_that_of_the_statement() {
    assert_eq!(rows("SELECT now()"), "2024-07-03 05:46:40-04");
    assert_eq!(rows("SELECT current_date, localtimestamp"), "2024-07-03|2024-07-03 05:46:40");
    assert_eq!(rows("SELECT 1 WHERE now() > '2024-07-03 09:46:39+00'"), "1");
    assert_eq!(rows("SELECT (SELECT max(x) FROM (SELECT now() AS x) q)"), "2024-07-03 05:46:40-04");
    for sql in
        ["SELECT now()", "SELECT 1 WHERE current_date > '2020-01-01'", "SELECT (SELECT now())"]
    {
        assert!(uses_now(&plan(sql).expect("it can be planned")), "{sql}");
    }
    assert!(!uses_now(&plan("SELECT '2020-01-01'::date").expect("it can be planned")));
}

#[test]
fn functions_without_one_result_are_named() {
    let problem = |sql: &str| volatility_problem(&plan(sql).expect("it can be planned"));
    assert_eq!(problem("SELECT 1 + random()").as_deref(), Some("random"));
    assert_eq!(
        problem("SELECT 1 WHERE gen_random_uuid() IS NULL").as_deref(),
        Some("gen_random_uuid")
    );
    assert_eq!(problem("SELECT (SELECT clock_timestamp())").as_deref(), Some("clock_timestamp"));
    assert_eq!(problem("SELECT now(), upper('a'), sum(1)"), None);
}

#[test]
fn conditions_guard_those_behind_them() {
    let t = "(VALUES (0, 'x'), (2, '7'), (5, 'y')) t(a, b)";
    assert_eq!(rows(&format!("SELECT a FROM {t} WHERE a <> 0 AND 10 / a > 3")), "2");
    assert_eq!(rows(&format!("SELECT a FROM {t} WHERE a = 2 AND b::int = 7")), "2");
    assert_eq!(
        rows(&format!("SELECT a FROM (SELECT * FROM {t} WHERE a <> 0) q WHERE 10 / a > 3")),
        "2"
    );
    assert_eq!(rows(&format!("SELECT CASE WHEN a = 0 THEN 0 ELSE 10 / a END FROM {t}")), "0 5 2");
    assert_eq!(rows(&format!("SELECT coalesce(nullif(a, 0), 1 / 1) FROM {t} ORDER BY 1")), "1 2 5");
}

/// The rows of a query as those of a table with such columns.
fn inserted(sql: &str, columns: &[(&str, SqlType)]) -> String {
    let targets: Vec<_> = columns.iter().map(|(name, t)| Some((*name, t))).collect();
    let applied = planned(sql).and_then(|plan| apply_for_columns(plan, &targets, &config()));
    match applied.and_then(execute) {
        Ok(answer) => {
            let wanted = columns.iter().map(|(_, t)| (*t).clone()).collect::<Vec<_>>();
            assert_eq!(answer.types, wanted, "{sql}");
            text_of(&answer.rows)
        }
        Err(error) => format!("{}: {}", error.state().code(), error.message()),
    }
}

#[test]
fn rows_are_assigned_to_columns() {
    let numbers = [("a", SqlType::Int2), ("b", SqlType::Numeric(Some((6, 2))))];
    assert_eq!(
        inserted("VALUES (1, 2), ('3', 4.567), (5.5, NULL)", &numbers),
        "1|2.00 3|4.57 6|\\N"
    );
    assert_eq!(inserted("SELECT 1::int8, '2.345'", &numbers), "1|2.35");
    assert!(inserted("VALUES (40000, 1)", &numbers).starts_with("22003: smallint out of range"));
    assert!(
        inserted("VALUES (1, 12345.678)", &numbers).starts_with("22003: numeric field overflow")
    );
    assert!(inserted("VALUES (1, 'x')", &numbers).starts_with("22P02: "));
    assert_eq!(
        inserted("SELECT true, 1", &numbers),
        "42804: column \"a\" is of type smallint but expression is of type boolean"
    );
    assert_eq!(
        inserted("SELECT 1", &numbers),
        "42601: INSERT has more target columns than expressions"
    );
    assert_eq!(
        inserted("VALUES (1, 2, 3)", &numbers),
        "42601: INSERT has more expressions than target columns"
    );

    let texts = [("v", SqlType::Varchar(Some(3))), ("j", SqlType::Jsonb), ("u", SqlType::Uuid)];
    assert_eq!(
        inserted(
            "VALUES ('abc  ', '{\"b\":1,\"a\":2}', 'A0EEBC999C0B4EF8BB6D6BB9BD380A11')",
            &texts
        ),
        "abc|{\"a\": 2, \"b\": 1}|a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    );
    assert_eq!(
        inserted("VALUES ('abcd', NULL, NULL)", &texts),
        "22001: value too long for type character varying(3)"
    );
    let times = [("t", SqlType::Timestamptz), ("i", SqlType::Interval)];
    assert_eq!(
        inserted("VALUES ('2024-01-01 12:00', '1 day')", &times),
        "2024-01-01 12:00:00-05|1 day"
    );
    assert_eq!(inserted("SELECT current_date, '90 s'", &times), "2024-07-03 00:00:00-04|00:01:30");
}

#[test]
fn parameters_have_the_types_of_their_places() {
    let of = |sql: &str| -> Vec<(String, SqlType)> {
        let plan: LogicalPlan = plan(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let fields = plan.get_parameter_fields().expect("parameters are told");
        let mut types: Vec<_> = fields
            .into_iter()
            .map(|(name, field)| {
                (name, field.map_or(SqlType::Unknown, |field| schema::sql_type(&field)))
            })
            .collect();
        types.sort_by(|a, b| a.0.cmp(&b.0));
        types
    };
    let one = |t: SqlType| vec![("$1".to_owned(), t)];
    assert_eq!(of("SELECT $1 + 1"), one(SqlType::Int4));
    assert_eq!(of("SELECT $1::uuid"), one(SqlType::Uuid));
    assert_eq!(of("SELECT $1"), one(SqlType::Text));
    assert_eq!(of("SELECT upper($1)"), one(SqlType::Text));
    assert_eq!(of(&format!("SELECT * FROM {T} WHERE a = $1")), one(SqlType::Int4));
    assert_eq!(of(&format!("SELECT * FROM {T} WHERE a IN (1, $1)")), one(SqlType::Int4));
    assert_eq!(of("SELECT now() > $1"), one(SqlType::Timestamptz));
    assert_eq!(of(&format!("SELECT * FROM {T} LIMIT $1")), one(SqlType::Int8));
    assert_eq!(
        of("SELECT CASE WHEN $1 THEN $2 ELSE 1.5 END"),
        [("$1".to_owned(), SqlType::Bool), ("$2".to_owned(), SqlType::Numeric(None))]
    );
}

#[test]
fn errors_tell_where_they_are() {
    let position = |sql: &str| plan(sql).expect_err("it is wrong").position();
    assert_eq!(position("SELECT nope"), Some(8));
    assert_eq!(position(&format!("SELECT a, nope FROM {T}")), Some(11));
}

#[test]
fn types_go_through_all_clauses() {
    let uuid = "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid";
    for (expression, t) in [
        (uuid, SqlType::Uuid),
        ("'{}'::jsonb", SqlType::Jsonb),
        ("'{}'::json", SqlType::Json),
        ("'x'::varchar(7)", SqlType::Varchar(Some(7))),
        ("'x'::char(2)", SqlType::Char(Some(2))),
        ("1::oid", SqlType::Oid),
        ("1.5::numeric(5,2)", SqlType::Numeric(Some((5, 2)))),
        (&format!("ARRAY[{uuid}]"), SqlType::Array(Box::new(SqlType::Uuid))),
    ] {
        for sql in [
            format!("SELECT {expression}"),
            format!("SELECT x FROM (SELECT {expression} AS x) q"),
            format!("WITH q AS (SELECT {expression} AS x) SELECT (SELECT x FROM q)"),
            format!("VALUES ({expression})"),
            format!("SELECT {expression} UNION ALL SELECT {expression}"),
            format!("SELECT CASE WHEN true THEN {expression} END"),
            format!("SELECT coalesce({expression}, {expression})"),
            format!(
                "SELECT a.x FROM (SELECT {expression} AS x) a LEFT JOIN (SELECT 1 AS y) b ON true"
            ),
            format!("SELECT x FROM (SELECT {expression} AS x) q ORDER BY x::text LIMIT 1"),
            format!("SELECT lag(x) OVER () FROM (SELECT {expression} AS x) q"),
        ] {
            assert_eq!(types(&sql), std::slice::from_ref(&t), "{sql}");
        }
    }
    for (expression, t) in [
        ("coalesce('x'::varchar(7), NULL)", SqlType::Varchar(None)),
        ("coalesce('x'::char(2), 'abc')", SqlType::Char(None)),
        ("max('x'::char(2))", SqlType::Char(Some(2))),
    ] {
        assert_eq!(types(&format!("SELECT {expression}")), [t], "{expression}");
    }
    for sql in [
        format!("SELECT min(x) FROM (SELECT {uuid}::text AS x) q"),
        "SELECT DISTINCT x FROM (SELECT 'a'::text AS x) q".to_owned(),
    ] {
        assert_eq!(types(&sql), [SqlType::Text], "{sql}");
    }
    let grouped = format!("SELECT x FROM (SELECT {uuid} AS x) q GROUP BY x");
    assert_eq!(types(&grouped), [SqlType::Uuid]);
    let unnested = format!("SELECT unnest(ARRAY[{uuid}])");
    assert_eq!(types(&unnested), [SqlType::Uuid]);
}

/// What would be answered otherwise than in PostgreSQL.
#[test]
fn what_has_another_meaning_here_is_refused() {
    let a = "(VALUES (1), (2)) AS a (x)";
    let b = "(VALUES (1)) AS b (y)";
    for (sql, message) in [
        (
            format!("SELECT count(b.*) FROM {a} LEFT JOIN {b} ON x = y"),
            Some("count(b.*) beside an outer join is not supported"),
        ),
        (
            format!("SELECT 1 FROM {b} RIGHT JOIN {a} ON x = y GROUP BY x HAVING count(B.*) > 0"),
            Some("count(b.*) beside an outer join is not supported"),
        ),
        (format!("SELECT count(a.*) FROM {a} LEFT JOIN {b} ON x = y"), None),
        (format!("SELECT count(b.*) FROM {a} JOIN {b} ON x = y"), None),
        (
            format!("SELECT (SELECT max(x) FROM {b}) FROM {a}"),
            Some(
                "an aggregate in a subquery over columns of the outer query alone is not supported",
            ),
        ),
        (format!("SELECT (SELECT max(x + y) FROM {b}) FROM {a}"), None),
        (format!("SELECT (SELECT count(*) FROM {b} WHERE y = x) FROM {a}"), None),
    ] {
        let refused = plan(&sql).err();
        let state = refused.as_ref().map(Error::state);
        assert_eq!(state, message.map(|_| SqlState::FeatureNotSupported), "{sql}");
        assert_eq!(refused.as_ref().map(Error::message), message, "{sql}");
    }
}

#[test]
fn wrong_types_are_refused() {
    for (sql, state) in [
        ("SELECT 1 + true", SqlState::UndefinedFunction),
        ("SELECT 1 WHERE 1", SqlState::DatatypeMismatch),
        ("SELECT upper(1)", SqlState::UndefinedFunction),
        ("SELECT true::date", SqlState::CannotCoerce),
        ("SELECT 'x'::int", SqlState::InvalidTextRepresentation),
    ] {
        assert_eq!(plan(sql).map(drop).map_err(|error| error.state()), Err(state), "{sql}");
    }
}
