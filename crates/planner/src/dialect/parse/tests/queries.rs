//! Queries and expressions: PostgreSQL's precedences, its words, and what clients send.

use super::*;

fn assert_queries(cases: &[(&str, &str)]) {
    for (sql, expected) in cases {
        let query = parse_query(sql).unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
        assert_eq!(query.to_string(), *expected, "{sql}");
    }
}

/// The expression with all its operators in parentheses.
fn grouped(text: &str) -> String {
    fn show(expr: &sql::Expr) -> String {
        use sql::Expr as E;
        match expr {
            E::BinaryOp { left, op, right } => format!("({} {op} {})", show(left), show(right)),
            E::UnaryOp { op, expr } => format!("({op} {})", show(expr)),
            E::Cast { expr, data_type, .. } => format!("({}::{data_type})", show(expr)),
            E::IsDistinctFrom(left, right) => format!("({} <!> {})", show(left), show(right)),
            E::IsNotDistinctFrom(left, right) => format!("({} <=> {})", show(left), show(right)),
            E::IsNull(expr) => format!("({} null?)", show(expr)),
            E::Like { expr, pattern, .. } => format!("({} like {})", show(expr), show(pattern)),
            E::AtTimeZone { timestamp, time_zone } => {
                format!("({} at {})", show(timestamp), show(time_zone))
            }
            E::Nested(expr) => show(expr),
            other => other.to_string(),
        }
    }
    show(&parse_expr(text).unwrap_or_else(|error| panic!("{text}\n{error:?}")))
}

#[test]
fn operators_bind_as_in_postgresql() {
    for (text, expected) in [
        ("a OR b AND NOT c = d", "(a OR (b AND (NOT (c = d))))"),
        ("-2 ^ 2", "((- 2) ^ 2)"),
        ("- a * b", "((- a) * b)"),
        ("- a::int", "(- (a::INT))"),
        ("-a AT TIME ZONE b", "((- a) at b)"),
        ("- - a", "(- (- a))"),
        ("~ a + b", "(~ (a + b))"),
        ("~ -a", "(~ (- a))"),
        ("@ -a = b", "((@ (- a)) = b)"),
        ("a - -1", "(a - (- 1))"),
        ("2 ^ 3 ^ 4", "((2 ^ 3) ^ 4)"),
        ("a + b * c - d", "((a + (b * c)) - d)"),
        ("a || b + c", "(a || (b + c))"),
        ("a || b ~ c", "((a || b) ~ c)"),
        ("a ~ b || c = d", "(((a ~ b) || c) = d)"),
        ("a -> 'x' ->> 'y' = 'z'", "(((a -> 'x') ->> 'y') = 'z')"),
        ("a = b -> 'x'", "(a = (b -> 'x'))"),
        ("a IS DISTINCT FROM b AND c", "((a <!> b) AND c)"),
        ("a IS NOT DISTINCT FROM b + 1 OR c", "((a <=> (b + 1)) OR c)"),
        ("a = 1 IS DISTINCT FROM b", "((a = 1) <!> b)"),
        ("a ISNULL AND b", "((a null?) AND b)"),
        ("a = b IS NULL", "((a = b) null?)"),
        ("a LIKE b || c AND d", "((a like (b || c)) AND d)"),
        ("a OPERATOR(pg_catalog.~) b AND c", "((a OPERATOR(pg_catalog.~) b) AND c)"),
        ("a < b = c", "((a < b) = c)"),
        ("a % 2 = 0", "((a % 2) = 0)"),
    ] {
        assert_eq!(grouped(text), expected, "{text}");
    }
}

#[test]
fn words_are_names_where_postgresql_has_them_for_names() {
    assert_queries(&[
        (
            "SELECT interval, position, trim, overlay, floor, ceil FROM t",
            "SELECT interval, position, trim, overlay, floor, ceil FROM t",
        ),
        (
            "SELECT path, point, box, date, time, timestamp, text FROM t",
            "SELECT path, point, box, date, time, timestamp, text FROM t",
        ),
        (
            "SELECT t.case, t.end, t.from, t.\"Select\" FROM t",
            "SELECT t.case, t.end, t.from, t.\"Select\" FROM t",
        ),
        (
            "SELECT 1 AS from, 2 AS case, 3 value, 4 name, 5 end FROM t",
            "SELECT 1 AS from, 2 AS case, 3 AS value, 4 AS name, 5 AS end FROM t",
        ),
        (
            "SELECT * FROM t format JOIN u sample ON true",
            "SELECT * FROM t format JOIN u sample ON true",
        ),
        ("SELECT * FROM t AS open, u start", "SELECT * FROM t AS open, u start"),
        ("SELECT left('abc', 2), right(x, 1)", "SELECT left('abc', 2), right(x, 1)"),
        (
            "SELECT current_schema, current_user, current_role, current_date",
            "SELECT current_schema, current_user, current_role, current_date",
        ),
        (
            "SELECT current_schema(), user, session_user",
            "SELECT current_schema(), user, session_user",
        ),
        (
            "SELECT INTERVAL '1' DAY, INTERVAL '1 day', interval '2' day to second",
            "SELECT INTERVAL '1' DAY, INTERVAL '1 day', INTERVAL '2' DAY TO SECOND",
        ),
        (
            "SELECT pg_lsn '0/1', name 'x', int4 '1', oid '5'",
            "SELECT pg_lsn '0/1', name 'x', INT4 '1', oid '5'",
        ),
        ("SELECT \"interval\" FROM \"select\"", "SELECT \"interval\" FROM \"select\""),
        ("SELECT FROM t", "SELECT FROM t"),
    ]);
}

#[test]
fn forms_that_datafusion_does_not_plan_are_spelled_as_those_that_it_does() {
    assert_queries(&[
        ("SELECT a FROM t FETCH FIRST 5 ROWS ONLY", "SELECT a FROM t LIMIT 5"),
        (
            "SELECT a FROM t OFFSET 2 ROWS FETCH NEXT ROW ONLY",
            "SELECT a FROM t LIMIT 1 OFFSET 2 ROWS",
        ),
        ("SELECT * FROM (SELECT 1 FETCH FIRST 1 ROW ONLY) x", "SELECT * FROM (SELECT 1 LIMIT 1) x"),
        ("SELECT * FROM weir.public.t, \"weir\".s.u x", "SELECT * FROM public.t, s.u x"),
        (
            "SELECT a IN (TABLE t) FROM (TABLE u) v",
            "SELECT a IN (SELECT * FROM t) FROM (SELECT * FROM u) v",
        ),
        ("SELECT (SELECT 1 FROM weir.s.t)", "SELECT (SELECT 1 FROM s.t)"),
    ]);
}

/// What clients send, and the forms that PostgreSQL's manual shows.
pub(super) const CLIENT_QUERIES: &[&str] = &[
    // psql's \d
    "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c \
         LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relname OPERATOR(pg_catalog.~) '^(t)$' COLLATE pg_catalog.default \
         AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3;",
    "SELECT c.relchecks, c.relkind, '', c.reltablespace, \
         CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, \
         c.relreplident, am.amname FROM pg_catalog.pg_class c \
         LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid) \
         LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid) WHERE c.oid = '16384';",
    "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
         (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d \
          WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef), a.attnotnull, \
         (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t \
          WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation \
         FROM pg_catalog.pg_attribute a WHERE a.attrelid = '16384' AND a.attnum > 0 AND NOT a.attisdropped \
         ORDER BY a.attnum;",
    "SELECT n.nspname as \"Schema\", c.relname as \"Name\", \
         CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' END as \"Type\", \
         pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\" FROM pg_catalog.pg_class c \
         WHERE c.relkind IN ('r','p','v','m','S','f','') AND n.nspname !~ '^pg_toast' \
         AND n.nspname <> 'information_schema' ORDER BY 1,2;",
    "SELECT pubname, NULL, NULL FROM pg_catalog.pg_publication p \
         UNION SELECT pubname, pg_get_expr(pr.prqual, c.oid), \
         (CASE WHEN pr.prattrs IS NOT NULL THEN (SELECT string_agg(attname, ', ') \
          FROM pg_catalog.generate_series(0, pg_catalog.array_upper(pr.prattrs::pg_catalog.int2[], 1)) s, \
          pg_catalog.pg_attribute WHERE attrelid = pr.prrelid AND attnum = prattrs[s]) ELSE NULL END) \
         FROM pg_catalog.pg_publication_rel pr ORDER BY 1;",
    // pgjdbc
    "SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, ct.relname AS TABLE_NAME, \
         (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ, ci.relname AS PK_NAME, \
         information_schema._pg_expandarray(i.indkey) AS KEYS FROM pg_catalog.pg_class ct \
         JOIN pg_catalog.pg_index i ON (a.attrelid = i.indrelid) WHERE true AND i.indisprimary",
    "SELECT typinput='pg_catalog.array_in'::regproc as is_array, typtype, typname, pg_type.oid \
         FROM pg_catalog.pg_type LEFT JOIN (select ns.oid as nspoid, ns.nspname, r.r \
         from pg_namespace as ns join ( select s.r, (current_schemas(false))[s.r] as nspname \
         from generate_series(1, array_upper(current_schemas(false), 1)) as s(r) ) as r using ( nspname )) as sp \
         ON sp.nspoid = typnamespace WHERE pg_type.oid = $1 ORDER BY sp.r, pg_type.oid DESC",
    // SQLAlchemy, psycopg, Metabase, Grafana
    "SELECT pg_catalog.pg_attribute.attname AS name, (SELECT json_build_object('always', \
         pg_catalog.pg_attribute.attidentity = 'a') AS json_build_object_1) AS identity_options \
         FROM pg_catalog.pg_class WHERE pg_catalog.pg_class.relkind = ANY (ARRAY['r', 'p', 'f', 'v', 'm'])",
    "SELECT typname AS name, oid, typarray AS array_oid, oid::regtype::text AS regtype, typdelim \
         FROM pg_type t WHERE t.oid = to_regtype($1) ORDER BY t.oid",
    "SELECT t.oid, t.*, x::\"char\" FROM t WHERE a = ANY('{1,2}'::int[]) AND b <> ALL (ARRAY[1]) \
         AND c NOT IN (VALUES (1), (2)) AND (d, e) IN ((1, 2), (3, 4))",
    "select quote_ident(table_name) as \"table\" from information_schema.tables where \
         quote_ident(table_schema) not in ('information_schema', 'pg_catalog') and \
         CASE WHEN array_length(string_to_array(current_setting('search_path'),','), 1) IS NULL THEN true END",
    "SELECT floor(extract(epoch from \"ts\")/60)*60 AS \"time\", count(*) FILTER (WHERE x) FROM t \
         WHERE ts BETWEEN '2024-01-01T00:00:00Z' AND '2024-01-02T00:00:00Z' GROUP BY 1 ORDER BY 1 NULLS LAST",
    // Windows, sets, grouping, lateral, values.
    "SELECT row_number() OVER w, sum(x) OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), \
         array_agg(DISTINCT y ORDER BY y DESC) FROM t WINDOW w AS (ORDER BY a)",
    "SELECT a, b, grouping(a) FROM t GROUP BY GROUPING SETS ((a), (b), ()), ROLLUP (c, d), CUBE (e)",
    "SELECT * FROM t CROSS JOIN LATERAL (SELECT * FROM u WHERE u.a = t.a LIMIT 1) x \
         LEFT JOIN LATERAL unnest(t.arr) WITH ORDINALITY AS e(v, i) ON true NATURAL JOIN z",
    "SELECT DISTINCT ON (a) a, b FROM (VALUES (1, 'x'), (2, 'y')) AS v (a, b) ORDER BY a, b DESC",
    "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 10) SELECT * FROM r",
    "WITH a AS MATERIALIZED (SELECT 1), b AS NOT MATERIALIZED (SELECT 2) SELECT * FROM a EXCEPT ALL SELECT * FROM b",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x), f(a => 1), ARRAY(SELECT 1), ROW(1, 2), \
         substring(x FROM 1 FOR 2), trim(LEADING 'x' FROM y), position('a' IN b), overlay(a PLACING b FROM 1), \
         CAST(a AS double precision), a::timestamp(6) with time zone, x COLLATE \"C\", NOT EXISTS (SELECT 1)",
    "SELECT ((SELECT 1)) + (((2))), ((a, b)) FROM ((t JOIN u ON true) JOIN (v JOIN w ON true) ON true)",
    "((SELECT 1 UNION (SELECT 2)) EXCEPT (((SELECT 3)))) ORDER BY 1 LIMIT ALL OFFSET 1",
];

#[test]
fn queries_of_clients_parse() {
    for text in CLIENT_QUERIES {
        if let Err(error) = parse_sql(text) {
            panic!("{text}\n{error:?} at {:?}", error.position());
        }
    }
}

#[test]
fn printed_trees_parse_to_themselves() {
    let more = [
        "SELECT - -1, + - a, - (- b), ~ -1, @ - 2, a - -b, a ^ -b, NOT NOT c, -a::int, -a[1]",
        "SELECT 'it''s', E'a\\nb\\\\', $$x'$$, U&'\\00e9', '', \"A\"\"b\", \"select\"",
        "SELECT a::timestamp(6) with time zone, b::numeric(5,2)[], c::\"char\", d::pg_catalog.regclass, e::interval second",
        "SELECT t.case, a AS from, (x).y, arr[1:2], arr[:2], arr[1][2], f(a => 1), count(*), ARRAY[]::int[], ARRAY(SELECT 1)",
        "SELECT a IS DISTINCT FROM b AND c, a ISNULL, a NOTNULL, a IS NOT TRUE, a NOT LIKE 'x' ESCAPE '!', a NOT BETWEEN 1 AND 2",
        "SELECT a = ANY (ARRAY[1]), a <> ALL (SELECT 1), a IN (SELECT 1), (a, b) IN ((1, 2)), EXISTS (SELECT FROM t)",
        "SELECT a OPERATOR(pg_catalog.~) b, a ->> 'x', a #>> '{a,b}', a @> b, a ?| b, a && b, a || b, a !~* b, a ~~ b",
        "SELECT CASE a WHEN 1 THEN 2 END, CASE WHEN a THEN b ELSE c END, extract(epoch from ts), ts AT TIME ZONE 'UTC'",
        "SELECT trim(both 'x' from y), substring(a from 1 for 2), position('a' in b), overlay(a placing b from 1 for 2), ceil(a), floor(b)",
        "SELECT a LIKE ANY (ARRAY['x']), a NOT ILIKE ALL (b), a ILIKE SOME (SELECT 'x'), a ~~ ANY (b), trim(both from y)",
        "SELECT trim(leading 'x', y), trim(y), a NOT BETWEEN SYMMETRIC 1 AND 2, a BETWEEN ASYMMETRIC b AND c",
        "SELECT DISTINCT ON (a) a FROM t WINDOW w AS (PARTITION BY a ORDER BY b DESC NULLS FIRST RANGE UNBOUNDED PRECEDING) LIMIT 1 OFFSET 2",
        "SELECT 1 UNION ALL (SELECT 2 EXCEPT SELECT 3) INTERSECT SELECT 4 ORDER BY 1",
        "SELECT string_agg(DISTINCT a, ',' ORDER BY a) FILTER (WHERE b), rank() OVER (w ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING)",
    ];
    for text in more.iter().chain(CLIENT_QUERIES) {
        let text = text.trim_end_matches(';');
        let once = parse_query(text)
            .unwrap_or_else(|error| panic!("{text}\n{error:?} at {:?}", error.position()))
            .to_string();
        let twice = parse_query(&once)
            .unwrap_or_else(|error| panic!("{once}\n{error:?} at {:?}", error.position()));
        assert_eq!(twice.to_string(), once, "{text}");
    }
}
