//! The queries that clients send, in `queries/*.sql`.

use weir_types::SqlState;

use super::harness::{Answer, Sample};

/// Titles and queries of a file.
fn queries(text: &str) -> Vec<(&str, &str)> {
    let parts = text.split("\n;;\n").filter_map(|part| part.split_once("\n-- "));
    parts.filter_map(|(_, query)| query.split_once('\n')).collect()
}

#[track_caller]
fn run_all(text: &str, at_least: usize) {
    let queries = queries(text);
    assert!(queries.len() >= at_least, "only {} queries were read", queries.len());
    let sample = Sample::new();
    let failure = |(title, query): &(&str, &str)| {
        let error = sample.run(query).err()?;
        Some(format!("{title}: {} {error}\n  {query}", error.state().code()))
    };
    let failures: Vec<String> = queries.iter().filter_map(failure).collect();
    assert!(failures.is_empty(), "{} queries fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn psql_is_answered() {
    run_all(include_str!("queries/psql.sql"), 90);
}

#[test]
fn drivers_are_answered() {
    run_all(include_str!("queries/drivers.sql"), 60);
}

#[test]
fn tools_are_answered() {
    run_all(include_str!("queries/tools.sql"), 50);
}

impl Sample {
    #[track_caller]
    fn answer(&self, query: &str) -> Answer {
        self.run(query).unwrap_or_else(|error| panic!("{error}\n{query}"))
    }

    /// The first query of psql's that has the title and contains the text.
    #[track_caller]
    fn psql(&self, title: &str, part: &str) -> Answer {
        let queries = queries(include_str!("queries/psql.sql"));
        let found = queries.iter().find(|(t, query)| *t == title && query.contains(part));
        self.answer(found.unwrap_or_else(|| panic!("no query of {title} has {part}")).1)
    }
}

/// The rows, values separated by `|`, NULL as `~`.
fn lines(answer: &Answer) -> Vec<String> {
    let line = |row: &Vec<Option<String>>| {
        row.iter().map(|value| value.as_deref().unwrap_or("~")).collect::<Vec<_>>().join("|")
    };
    answer.rows.iter().map(line).collect()
}

#[test]
fn describe_shows_the_columns_of_a_table() {
    let sample = Sample::new();
    let columns = sample.psql("\\d customers", "pg_get_expr(d.adbin");
    assert_eq!(
        lines(&columns),
        [
            "id|bigint|~|t|~||",
            "name|text|~|t|~||",
            "email|character varying(80)|'none@example.org'|f|~||",
            "joined|timestamp with time zone|now()|t|~||",
            "score|numeric(10,2)|~|f|~||",
            "tags|text[]|~|f|~||",
        ]
    );
}

#[test]
fn describe_shows_keys_and_checks() {
    let sample = Sample::new();
    let indexes = sample.psql("\\d customers", "pg_get_indexdef");
    let index = "customers_pkey|t|t|f|t|CREATE UNIQUE INDEX customers_pkey ON customers \
                 USING btree (id)|PRIMARY KEY (id)|p|f|f|f|0";
    assert_eq!(lines(&indexes), [index]);
    let checks = sample.psql("\\d customers", "r.contype = 'c'");
    assert_eq!(lines(&checks), ["score_positive|CHECK (score >= 0)"]);
    let of_index = sample.psql("\\d customers_pkey", "indnkeyatts");
    assert_eq!(lines(&of_index), ["id|bigint|yes|id"]);
}

#[test]
fn lists_show_every_kind_of_relation() {
    let sample = Sample::new();
    assert_eq!(
        lines(&sample.psql("\\d", "relkind")),
        [
            "public|big_orders|view|weir",
            "public|clicks|table|weir",
            "public|customers|table|weir",
            "public|order_totals|materialized view|weir",
            "public|orders|table|weir",
        ]
    );
    assert_eq!(
        lines(&sample.psql("\\di", "Table")),
        ["public|customers_pkey|index|weir|customers", "public|orders_pkey|index|weir|orders",]
    );
    let with_sizes = lines(&sample.psql("\\dt+", "pg_size_pretty"));
    let customers = with_sizes[1].strip_prefix("public|customers|table|weir|permanent|heap|");
    let size = customers.and_then(|rest| rest.strip_suffix(" bytes|people who buy"));
    let size: i64 = size.expect("a size in bytes").parse().expect("a number");
    assert!(size > 0);
    assert_eq!(lines(&sample.psql("\\dt shop.*", "relkind")), ["shop|stock|table|weir"]);
}

#[test]
fn server_wide_lists_are_right() {
    let sample = Sample::new();
    let schemas = sample.psql("\\dn", "nspname");
    assert_eq!(lines(&schemas), ["dlq|weir", "late|weir", "public|weir", "shop|weir", "sys|weir"]);
    assert_eq!(lines(&sample.psql("\\l", "datname")), ["weir|weir|UTF8|C.UTF-8|C.UTF-8|~|libc|~"]);
    let roles = sample.psql("\\du", "rolname");
    assert_eq!(lines(&roles), ["weir|t|t|t|t|t|-1|~|{}|f|t"]);
    let view = sample.psql("\\d+ big_orders", "pg_get_viewdef");
    assert_eq!(lines(&view), [" SELECT customer, price FROM orders WHERE price > 100;"]);
    let function = sample.psql("\\dfS format_type", "proname");
    assert_eq!(lines(&function), ["pg_catalog|format_type|text|oid, integer|func"]);
}

#[test]
fn keys_are_found_through_vectors() {
    let sample = Sample::new();
    let odbc = "select ta.attname, ia.attnum from pg_attribute ta, pg_attribute ia, pg_index i \
                where i.indrelid = 'orders'::regclass and i.indisprimary = 't' \
                and ia.attrelid = i.indexrelid and ta.attrelid = i.indrelid \
                and ta.attnum = i.indkey[ia.attnum-1] order by ia.attnum";
    assert_eq!(lines(&sample.answer(odbc)), ["customer|1", "item|2"]);
    let jdbc = "select r.n, a.attname from (select i.indrelid, \
                (information_schema._pg_expandarray(i.indkey)).n, \
                information_schema._pg_expandarray(i.indkey) as keys from pg_index i) r \
                join pg_attribute a on a.attrelid = r.indrelid and a.attnum = (r.keys).x \
                where r.indrelid = 'public.orders'::regclass order by 1";
    assert_eq!(lines(&sample.answer(jdbc)), ["1|customer", "2|item"]);
    let ordinality = "select a.attname, k.ord from pg_index i, \
                      unnest(i.indkey) with ordinality as k(attnum, ord), pg_attribute a \
                      where i.indrelid = 'orders'::regclass and a.attrelid = i.indrelid \
                      and a.attnum = k.attnum order by k.ord";
    assert_eq!(lines(&sample.answer(ordinality)), ["customer|1", "item|2"]);
}

#[test]
fn outputs_keep_their_names() {
    let sample = Sample::new();
    let named = sample.answer(
        "select c.oid::regclass, 'pg_class'::regclass, (information_schema._pg_expandarray(i.indkey)).n, \
         pg_catalog.format_type(23, null), c.relname::pg_catalog.text, i.indkey[0], c.oid, c.* \
         from pg_class c join pg_index i on i.indrelid = c.oid",
    );
    let expected = ["oid", "regclass", "n", "format_type", "relname", "indkey", "oid", "oid"];
    let names: Vec<&str> = named.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names[..8], expected);
}

#[test]
fn names_of_objects_are_looked_up() {
    let sample = Sample::new();
    let found = sample.answer(
        "select 'big_orders'::regclass::oid, 16384::regclass::text, 'shop.stock'::regclass::text, \
         to_regclass('nosuch'), 'numeric'::regtype::oid, 2200::regnamespace::text, \
         atttypid::regtype::text from pg_attribute where attrelid = 'customers'::regclass \
         and attname = 'score'",
    );
    assert_eq!(lines(&found), ["16391|customers|shop.stock|~|1700|public|numeric"]);
    let error = sample.run("select 'nosuch'::regclass").expect_err("there is no such relation");
    assert_eq!(error.state(), SqlState::UndefinedTable, "{error}");
    assert_eq!(error.to_string(), "relation \"nosuch\" does not exist");
}

#[test]
fn arrays_are_read_as_postgresql_writes_them() {
    let sample = Sample::new();
    let query =
        |list: &str| format!("select count(*) from pg_type where typname = any ('{list}'::text[])");
    assert_eq!(lines(&sample.answer(&query("{int4, text,nosuch}"))), ["2"]);
    assert_eq!(lines(&sample.answer(&query("{\"int4\",\"a,b\",null}"))), ["1"]);
    assert_eq!(lines(&sample.answer(&query("{}"))), ["0"]);
    let empty = "select array(select 1 from pg_enum), \
                 array(select typname from pg_type where oid in (25, 23) order by 1 desc)";
    assert_eq!(lines(&sample.answer(empty)), ["{}|{text,int4}"]);
}

#[test]
fn information_schema_lists_streams_and_materialized_views() {
    let sample = Sample::new();
    let tables = sample.answer(
        "select table_name, table_type, is_insertable_into from information_schema.tables \
         where table_schema = 'public' order by table_name",
    );
    assert_eq!(
        lines(&tables),
        [
            "big_orders|VIEW|NO",
            "clicks|BASE TABLE|YES",
            "customers|BASE TABLE|YES",
            "order_totals|VIEW|NO",
            "orders|BASE TABLE|YES",
        ]
    );
    let keys = sample.answer(
        "select constraint_name, column_name, ordinal_position \
         from information_schema.key_column_usage where table_name = 'orders' order by 3",
    );
    assert_eq!(lines(&keys), ["orders_pkey|customer|1", "orders_pkey|item|2"]);
    let columns = sample.answer(
        "select column_name, data_type, character_maximum_length, numeric_precision, numeric_scale, \
         datetime_precision, udt_name, is_nullable, is_generated \
         from information_schema.columns where table_name in ('customers', 'orders', 'stock') \
         and column_name in ('email', 'score', 'joined', 'tags', 'total', '_rowid') order by 1",
    );
    assert_eq!(
        lines(&columns),
        [
            "email|character varying|80|~|~|~|varchar|YES|NEVER",
            "joined|timestamp with time zone|~|~|~|6|timestamptz|NO|NEVER",
            "score|numeric|~|10|2|~|numeric|YES|NEVER",
            "tags|ARRAY|~|~|~|~|_text|YES|NEVER",
            "total|numeric|~|12|2|~|numeric|YES|ALWAYS",
        ]
    );
}

#[test]
fn privileges_and_settings_are_checked() {
    let sample = Sample::new();
    let granted = sample.answer(
        "select has_table_privilege('customers', 'select, insert'), \
         has_table_privilege('weir', 'shop.stock', 'DELETE'), has_schema_privilege('shop', 'usage'), \
         has_table_privilege(99999, 'select'), current_setting('nosuch', true), \
         pg_size_pretty(10240), pg_size_pretty(10239), pg_size_pretty(12345678)",
    );
    assert_eq!(lines(&granted), ["t|t|t|~|~|10 kB|10239 bytes|12 MB"]);
    for (query, message) in [
        ("select has_table_privilege('customers', 'eat')", "unrecognized privilege type: \"eat\""),
        ("select has_table_privilege('nosuch', 'select')", "relation \"nosuch\" does not exist"),
        ("select current_setting('nosuch')", "unrecognized configuration parameter \"nosuch\""),
        ("select pg_get_userbyid()", "function pg_get_userbyid with 0 arguments does not exist"),
    ] {
        let error = sample.run(query).expect_err(query);
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn dependencies_lead_from_views_to_tables() {
    let sample = Sample::new();
    let found = sample.answer(
        "select v.relname, t.relname from pg_depend d join pg_rewrite r on r.oid = d.objid \
         join pg_class v on v.oid = r.ev_class join pg_class t on t.oid = d.refobjid \
         where d.classid = 'pg_rewrite'::regclass and d.deptype = 'n' order by 1",
    );
    assert_eq!(lines(&found), ["big_orders|orders", "order_totals|orders"]);
}
