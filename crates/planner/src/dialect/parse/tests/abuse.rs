//! Texts made to break the parser: none may overflow a stack, take exponential time or panic.

use super::*;
use weir_types::SqlState;

/// A small generator of numbers (SplitMix64), so that a failing round can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// Texts at the guard's bounds: what passes must be parsed, and its tree dropped.
#[test]
fn what_the_guard_lets_pass_is_parsed() {
    let depth = limits::SQL_DEPTH_MAX;
    let chain = limits::SQL_CHAIN_MAX;
    let nested = |open: &str, close: &str, n: usize| {
        format!("SELECT {}1{}", open.repeat(n), close.repeat(n))
    };
    let texts = vec![
        nested("(", ")", depth),
        nested("f(", ")", depth),
        nested("ARRAY[", "]", depth),
        nested("(SELECT ", ")", 16),
        nested("NOT EXISTS (SELECT ", ")", 16),
        nested("CASE WHEN true THEN ", " END", depth),
        nested("CAST(", " AS int)", depth),
        nested("a IN (", ")", depth),
        nested("NOT (1 + ", ")", depth),
        nested("coalesce(a, -", ", 1)", depth),
        nested("a OR b AND c = d || e + f * (", ")", depth),
        format!("SELECT 1{}", " + 1".repeat(chain)),
        format!("SELECT a{}", " OR a".repeat(chain)),
        format!("SELECT {}a", "NOT ".repeat(64)),
        format!("SELECT {}1", "- ".repeat(64)),
        format!("SELECT a{}", "::int".repeat(chain)),
        format!("SELECT a{}", "[1]".repeat(400)),
        format!("SELECT a{}", " IS DISTINCT FROM a".repeat(300)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(chain)),
        format!("SELECT * FROM t{}", " JOIN t ON true".repeat(199)),
        format!("SELECT * FROM t{}", ", t".repeat(199)),
        format!("SELECT * FROM {}t{}", "(SELECT * FROM ".repeat(depth), ") x".repeat(depth)),
        format!("SELECT * FROM {}t{}", "(t JOIN ".repeat(depth), " ON true)".repeat(depth)),
        format!("SELECT a IN ({})", vec!["1"; limits::SQL_LIST_MAX].join(",")),
        format!("INSERT INTO t VALUES {}", vec!["(1)"; 24_000].join(",")),
    ];
    on_planner_stack(move || {
        for text in texts {
            let start: String = text.chars().take(60).collect();
            parse_sql(&text).unwrap_or_else(|error| panic!("{start}: {error:?}"));
        }
    });
}

/// What parses quickly and takes the optimizer for ever.
#[test]
fn queries_that_would_take_too_long_to_plan_are_refused() {
    let doubling = |n: usize| {
        let with: String =
            (1..n).map(|i| format!(", a{i} AS (SELECT * FROM a{0} x, a{0} y)", i - 1)).collect();
        format!("WITH a0 AS (SELECT 1 FROM t){with} SELECT * FROM a{}", n - 1)
    };
    let wide = |n: usize| format!("SELECT * FROM t{}", " CROSS JOIN (t JOIN t ON true)".repeat(n));
    let nested = |n: usize| {
        let open = "a IN (SELECT (SELECT 1 FROM (SELECT ARRAY(SELECT 1 WHERE ";
        format!("SELECT {}true{}", open.repeat(n), "))) x)".repeat(n))
    };
    on_planner_stack(move || {
        for (passes, refused, message) in [
            (
                doubling(13),
                doubling(14),
                "query reads more than 4096 relations, each WITH put in where it is read",
            ),
            (wide(99), wide(100), "more than 200 relations are joined in one query"),
            (
                format!("DELETE FROM t USING t{}", ", t".repeat(199)),
                format!("DELETE FROM t USING t{}", ", t".repeat(200)),
                "more than 200 relations are joined in one query",
            ),
            (nested(5), nested(6), "subqueries in expressions are nested more than 16 deep"),
            (
                format!("INSERT INTO t {}", doubling(13)),
                doubling(14).replace("SELECT * FROM a13", "INSERT INTO t SELECT * FROM a13"),
                "query reads more than 4096 relations, each WITH put in where it is read",
            ),
        ] {
            let start: String = refused.chars().take(40).collect();
            parse_sql(&passes).unwrap_or_else(|error| panic!("{start}: {error:?}"));
            let error = parse_sql(&refused).expect_err("too much");
            assert_eq!((error.state().code(), error.message()), ("54001", message), "{start}");
        }
    });
}

#[test]
fn common_table_expressions_are_counted_by_their_scope() {
    on_planner_stack(|| {
        // The inner `a` is another one, and WITH is in the tree as it was.
        let text = "WITH a AS (SELECT 1), b AS (WITH a AS (SELECT * FROM a) SELECT * FROM a) \
                    SELECT * FROM a, b, s.a";
        assert_eq!(parse_query(text).expect("valid").to_string(), text);
    });
}

/// Readings that sqlparser tries twice at each level.
#[test]
fn nothing_takes_exponential_time() {
    let repeat = |text: &str, n: usize| text.repeat(n);
    let n = 60;
    let texts = vec![
        format!("SELECT {}", repeat("ceil(", n)),
        format!("SELECT {}", repeat("extract(a, ", n)),
        format!("SELECT {}", repeat("position(", n)),
        format!("SELECT {}", repeat("overlay(a, ", n)),
        format!("SELECT {}", repeat("trim(both ", n)),
        format!("SELECT {}", repeat("substring(a from ", n)),
        format!("SELECT {}", repeat("array(", n)),
        format!("SELECT {}", repeat("interval ", 900)),
        format!("SELECT {}", repeat("f(a => ", n)),
        format!("SELECT {}", repeat("f(ARRAY[", n)),
        format!("SELECT {}", repeat("a IN ((SELECT a WHERE ", n)),
        format!("SELECT {}", repeat("a.b(", n)),
        format!("SELECT {}", repeat("a = ANY ((SELECT ", n)),
        format!("SELECT * FROM {}", repeat("((SELECT * FROM ", n)),
        format!("SELECT * FROM {}", repeat("((SELECT FROM ", n)),
        format!(
            "SELECT * FROM {}t x{}",
            repeat("((SELECT * FROM ", 40),
            repeat(") a JOIN b ON true) ", 40)
        ),
        format!("SELECT * FROM {}t", repeat("(", 128)),
        format!("SELECT * FROM {}t JOIN u ON true{}", repeat("(", 128), repeat(")", 128)),
        format!("SELECT * FROM {}t", repeat("(t JOIN ", 100)),
        format!("SELECT a::{}", repeat("array<", 900)),
        format!("SELECT {}", repeat("struct<", 900)),
        format!("WITH {}", repeat("a AS (WITH ", n)),
        format!("SELECT {}", repeat("CASE WHEN ", n)),
        format!("SELECT {}", repeat("(((((", 25)),
    ];
    on_planner_stack(move || {
        for text in texts {
            let start: String = text.chars().take(60).collect();
            match parse_sql(&text) {
                Ok(_) => {}
                Err(error) => assert!(
                    matches!(error.state(), SqlState::SyntaxError | SqlState::StatementTooComplex),
                    "{start}: {error:?}"
                ),
            }
        }
    });
}

/// Statements that are cut, glued and changed below.
const SEEDS: &[&str] = &[
    "SELECT a, count(*) FILTER (WHERE b > 1) FROM t JOIN u USING (id) WHERE a IN (1, 2) GROUP BY 1 HAVING true ORDER BY 2 DESC LIMIT 3 OFFSET 1",
    "WITH RECURSIVE x (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT CASE WHEN n > 1 THEN 'a' ELSE E'\\n' END, -n ^ 2 FROM x",
    "SELECT INTERVAL '1' DAY, a::numeric(5,2)[], (x).y, arr[1:2], f(VARIADIC a), row_number() OVER (PARTITION BY a ORDER BY b) FROM ((t x JOIN (SELECT 1) y ON true))",
    "CREATE STREAM IF NOT EXISTS s (a int NOT NULL DEFAULT -1, b text) PARTITION BY (a) WITH (partitions = 8, retention = '7d')",
    "CREATE TABLE t (a int PRIMARY KEY, b numeric(10,2) CHECK (b > 0), c text GENERATED ALWAYS AS (b || 'x') STORED, CONSTRAINT k CHECK (a < 9))",
    "CREATE OR REPLACE VIEW v (a, b) AS TABLE t",
    "CREATE MATERIALIZED VIEW v WITH (on_error = 'skip') AS SELECT * FROM t WHERE a IS DISTINCT FROM b WITH DATA",
    "CREATE SINK k AS SELECT * FROM v WITH (connector = 'blackhole')",
    "INSERT INTO t AS x (a, b) VALUES (1, DEFAULT), (2, $1) ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE x.a > 1 RETURNING *",
    "UPDATE t SET (a, b) = (1, DEFAULT), c = d FROM u WHERE t.id = u.id RETURNING t.*",
    "DELETE FROM t USING u, v WHERE t.a = u.a RETURNING a",
    "COPY t (a, b) FROM STDIN WITH (FORMAT csv, HEADER, DELIMITER ';', FORCE_QUOTE (a))",
    "COPY (SUBSCRIBE TO v WITH (snapshot = false)) TO STDOUT CSV QUOTE AS '|'",
    "ALTER STREAM s ADD COLUMN IF NOT EXISTS c text DEFAULT 'x'",
    "DROP MATERIALIZED VIEW IF EXISTS a, s.b CASCADE",
    "COMMENT ON COLUMN s.t.c IS $tag$text$tag$",
    "EXPLAIN (ANALYZE, VERBOSE off) SELECT 1",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
    "SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
    "SHOW CREATE MATERIALIZED VIEW s.v",
    "PREPARE p (int, text) AS SELECT $1, $2",
    "DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1",
    "FETCH FORWARD 5 FROM c",
    "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY, NOT DEFERRABLE",
    "SUBSCRIBE TO (SELECT * FROM v) WITH (snapshot = false)",
    "SELECT U&'\\0061' || N'x' /* c /* d */ */ || 0x1F -- e\n || \"Q\"\"q\" @> '{}' ?| ARRAY['a']",
];

fn seeds() -> Vec<&'static str> {
    SEEDS.iter().chain(super::queries::CLIENT_QUERIES).copied().collect()
}

/// A random expression: all forms that can be an operand of another.
fn expression(random: &mut Random, depth: usize) -> String {
    const OPERATORS: &[&str] = &[
        "+",
        "-",
        "*",
        "/",
        "%",
        "^",
        "=",
        "<>",
        "<",
        ">=",
        "AND",
        "OR",
        "||",
        "~",
        "!~*",
        "->",
        "->>",
        "#>",
        "@>",
        "&&",
        "&",
        "|",
        "#",
        "<<",
        "~~",
        "LIKE",
        "NOT ILIKE",
        "IS DISTINCT FROM",
        "IS NOT DISTINCT FROM",
        "AT TIME ZONE",
        "OPERATOR(pg_catalog.+)",
    ];
    const LEAVES: &[&str] = &[
        "a",
        "t.b",
        "\"C\"",
        "t.case",
        "1",
        "1.5",
        "'x''y'",
        "E'\\n'",
        "NULL",
        "true",
        "$1",
        "INTERVAL '1' DAY",
        "date '2020-01-01'",
        "pg_lsn '0/1'",
        "current_date",
        "now()",
        "interval",
    ];
    if depth == 0 {
        return LEAVES[random.below(LEAVES.len())].to_owned();
    }
    let inner = |random: &mut Random| {
        let less = 1 + random.below(depth);
        expression(random, depth - less)
    };
    let a = inner(random);
    let b = inner(random);
    match random.below(20) {
        0..=7 => format!("{a} {} {b}", OPERATORS[random.below(OPERATORS.len())]),
        8 => format!("{} {a}", ["-", "+", "NOT", "~", "@", "|/", "- -"][random.below(7)]),
        9 => format!("({a})"),
        10 => format!("{a}::{}", ["int", "numeric(5, 2)[]", "pg_catalog.text"][random.below(3)]),
        11 => format!("f({a}, {b})"),
        12 => format!("CASE {a} WHEN {b} THEN {a} ELSE {b} END"),
        13 => format!("({a})[{b}]"),
        14 => format!("{a} IN ({b}, {a})"),
        15 => format!("{a} BETWEEN {b} AND {b}"),
        16 => format!("{a} {}", ["IS NULL", "IS NOT TRUE", "ISNULL", "NOTNULL"][random.below(4)]),
        17 => format!("(SELECT {a} FROM t WHERE {b})"),
        18 => format!("{a} = ANY (ARRAY[{b}])"),
        _ => format!("count(DISTINCT {a}) FILTER (WHERE {b}) OVER (PARTITION BY {a} ORDER BY {b})"),
    }
}

#[test]
fn random_expressions_mean_the_same_when_printed() {
    on_planner_stack(|| {
        let mut n_understood = 0;
        for round in 0..6_000 {
            let mut random = Random(2_000_000 + round);
            let text = expression(&mut random, 6);
            n_understood += usize::from(parse_expr(&text).is_ok());
            check(&text);
        }
        // A few are no expressions: the left side of IS NULL may end in BETWEEN .. AND, for one.
        assert!(n_understood > 5_000, "{n_understood}");
    });
}

#[test]
fn cut_statements_never_panic() {
    on_planner_stack(|| {
        for seed in seeds() {
            check(seed);
            // Every place in a short text, every seventh in a long one.
            let step = if seed.len() > 200 { 7 } else { 1 };
            for (at, _) in seed.char_indices().step_by(step) {
                check(&seed[..at]);
                check(&seed[at..]);
            }
        }
    });
}

#[test]
fn glued_statements_never_panic() {
    let pieces: Vec<&str> = seeds().into_iter().flat_map(|seed| seed.split(' ')).collect();
    let extra = [
        "(", ")", "[", "]", ",", ".", ";", "::", ":", "'", "\"", "$$", "E'", "/*", "*/", "--", "*",
        "-", "@", "?", "{", "}", "\\", "|", "|>", "=>", "1", "1e", "0x", "\u{e9}", "\u{a0}", "\0",
        "CASE", "END", "INTERVAL", "ARRAY", "TABLE", "LATERAL", "OPERATOR", "ANY", "PIVOT", "FROM",
        "AT", "ZONE",
    ];
    on_planner_stack(move || {
        for round in 0..6_000 {
            let mut random = Random(round);
            let n_words = 1 + random.below(24);
            let mut text = String::new();
            for _ in 0..n_words {
                let word = match random.below(3) {
                    0 => extra[random.below(extra.len())],
                    _ => pieces[random.below(pieces.len())],
                };
                text.push_str(word);
                if random.below(4) > 0 {
                    text.push(' ');
                }
            }
            check(&text);
        }
    });
}

#[test]
fn changed_statements_never_panic() {
    on_planner_stack(|| {
        let seeds = seeds();
        for round in 0..6_000 {
            let mut random = Random(1_000_000 + round);
            let mut words: Vec<&str> = seeds[random.below(seeds.len())].split(' ').collect();
            for _ in 0..1 + random.below(4) {
                let other: Vec<&str> = seeds[random.below(seeds.len())].split(' ').collect();
                let at = random.below(words.len());
                match random.below(4) {
                    0 => words[at] = other[random.below(other.len())],
                    1 => words.insert(at, other[random.below(other.len())]),
                    2 if words.len() > 1 => {
                        words.remove(at);
                    }
                    _ => {
                        let with = random.below(words.len());
                        words.swap(at, with);
                    }
                }
            }
            check(&words.join(" "));
        }
    });
}

/// Parses; an error must say what, and point into the text. What is understood must mean the same
/// after it is printed: the engine builds texts from the parts of statements.
fn check(text: &str) {
    match parse_sql(text) {
        Ok(statements) => {
            for parsed in statements {
                if let Statement::Query(query) = parsed.statement {
                    assert_prints_itself(text, &*query, |printed| parse_query(printed).map(|q| *q));
                }
            }
        }
        Err(error) => assert_points_into(text, &error),
    }
    match parse_expr(text) {
        Ok(expr) => assert_prints_itself(text, &expr, parse_expr),
        Err(error) => assert_points_into(text, &error),
    }
}

fn assert_points_into(text: &str, error: &Error) {
    assert!(!error.message().is_empty());
    assert_ne!(error.state(), SqlState::InternalError, "{text}: {error:?}");
    if let Some(position) = error.position() {
        let n_chars = text.chars().count();
        assert!((1..=n_chars + 1).contains(&position), "{text}: {error:?} at {position}");
    }
}

fn assert_prints_itself<T: std::fmt::Debug + ToString>(
    text: &str,
    tree: &T,
    parse: impl Fn(&str) -> Result<T>,
) {
    let printed = tree.to_string();
    match parse(&printed) {
        Ok(again) => assert_eq!(structure(&again), structure(tree), "{text}\nprinted as {printed}"),
        Err(error) => panic!("{text}\nprinted as {printed}\n{error:?}"),
    }
}

/// A tree without its locations.
fn structure(tree: &impl std::fmt::Debug) -> String {
    let shown = format!("{tree:?}");
    let mut parts = shown.split("Span(Location(");
    let mut structure = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        structure.push_str(part.split_once("))").map_or(part, |(_, rest)| rest));
    }
    structure
}
