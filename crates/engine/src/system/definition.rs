//! Names, oids, columns and types of PostgreSQL's system relations, read from `sql/catalog`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{Schema, SchemaRef};
use weir_types::{RegKind, SqlType};

/// A relation of `pg_catalog` or `information_schema`.
#[derive(Debug, Clone)]
pub struct SystemRelation {
    /// PostgreSQL's oid of the relation.
    pub oid: u32,
    /// Its schema.
    pub schema: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Names and types, in PostgreSQL's order.
    pub columns: Vec<(&'static str, SqlType)>,
    /// For each column: NOT NULL is declared.
    pub not_null: Vec<bool>,
    /// PostgreSQL's relkind: `r` for a table, `v` for a view.
    pub kind: char,
}

impl SystemRelation {
    /// The Arrow schema of its rows.
    #[must_use]
    pub fn arrow_schema(&self) -> SchemaRef {
        let fields = self
            .columns
            .iter()
            .map(|(name, sql_type)| weir_delta::schema::field(name, sql_type, true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Position of the column, from 0.
    #[must_use]
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|(column, _)| *column == name)
    }
}

struct Relations {
    all: Vec<SystemRelation>,
    by_name: HashMap<(&'static str, &'static str), usize>,
    by_oid: HashMap<u32, usize>,
}

static RELATIONS: LazyLock<Relations> = LazyLock::new(|| {
    let all = parse(include_str!("../../../../sql/catalog/relations.txt"));
    let by_name = all.iter().enumerate().map(|(i, r)| ((r.schema, r.name), i)).collect();
    let by_oid = all.iter().enumerate().map(|(i, r)| (r.oid, i)).collect();
    Relations { all, by_name, by_oid }
});

/// All relations of `pg_catalog` and `information_schema`, in the order of their oids.
#[must_use]
pub fn relations() -> &'static [SystemRelation] {
    &RELATIONS.all
}

/// What `pg_get_keywords()` returns, as a relation that is not listed.
static KEYWORDS: LazyLock<SystemRelation> = LazyLock::new(|| SystemRelation {
    oid: 0,
    schema: "pg_catalog",
    name: "pg_get_keywords",
    columns: vec![
        ("word", SqlType::Text),
        ("catcode", SqlType::InternalChar),
        ("barelabel", SqlType::Bool),
        ("catdesc", SqlType::Text),
        ("baredesc", SqlType::Text),
    ],
    not_null: vec![false; 5],
    kind: 'f',
});

/// The relation of that name, in lower case.
#[must_use]
pub fn find(schema: &str, name: &str) -> Option<&'static SystemRelation> {
    if (schema, name) == ("pg_catalog", "pg_get_keywords") {
        return Some(&KEYWORDS);
    }
    // The map's keys live for ever, the looked-up names do not: compare through a shorter life.
    let by_name: &HashMap<(&str, &str), usize> = &RELATIONS.by_name;
    by_name.get(&(schema, name)).map(|i| &RELATIONS.all[*i])
}

/// The relation of that oid.
#[must_use]
pub fn find_oid(oid: u32) -> Option<&'static SystemRelation> {
    RELATIONS.by_oid.get(&oid).map(|i| &RELATIONS.all[*i])
}

/// Reads `oid schema name kind` lines, each followed by indented `name type [!]` lines.
fn parse(text: &'static str) -> Vec<SystemRelation> {
    let mut all: Vec<SystemRelation> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(column) = line.strip_prefix("  ") {
            let (column, not_null) = match column.strip_suffix(" !") {
                Some(column) => (column, true),
                None => (column, false),
            };
            let (name, type_name) = column.split_once(' ').expect("a column has a type");
            let relation = all.last_mut().expect("a column follows a relation");
            relation.columns.push((name, shown_type(type_name)));
            relation.not_null.push(not_null);
        } else {
            let mut parts = line.split(' ');
            let mut part = || parts.next().expect("a relation has oid, schema, name and kind");
            all.push(SystemRelation {
                oid: part().parse().expect("an oid is a number"),
                schema: part(),
                name: part(),
                columns: Vec::new(),
                not_null: Vec::new(),
                kind: part().chars().next().expect("a kind is a letter"),
            });
        }
    }
    all
}

/// The type that Weir shows for a type of PostgreSQL's system relations. Types that Weir does not
/// have are shown as the type whose text form they share.
fn shown_type(name: &str) -> SqlType {
    if let Some(element) = name.strip_suffix("[]") {
        return SqlType::Array(Box::new(shown_type(element)));
    }
    match name {
        "boolean" => SqlType::Bool,
        "smallint" => SqlType::Int2,
        "integer" | "cardinal_number" => SqlType::Int4,
        "bigint" | "xid" => SqlType::Int8,
        "real" => SqlType::Float4,
        "double precision" => SqlType::Float8,
        "numeric" => SqlType::Numeric(None),
        "bytea" => SqlType::Bytea,
        "interval" => SqlType::Interval,
        "timestamp with time zone" | "time_stamp" => SqlType::Timestamptz,
        "oid" => SqlType::Oid,
        "name" | "sql_identifier" => SqlType::Name,
        "\"char\"" => SqlType::InternalChar,
        "regproc" => SqlType::Reg(RegKind::Proc),
        "regtype" => SqlType::Reg(RegKind::Type),
        "int2vector" => SqlType::Int2Vector,
        "oidvector" => SqlType::OidVector,
        "pg_lsn" => SqlType::PgLsn,
        "character_data" => SqlType::Varchar(None),
        "yes_or_no" => SqlType::Varchar(Some(3)),
        "text" | "pg_node_tree" | "aclitem" | "anyarray" | "inet" | "pg_ndistinct"
        | "pg_dependencies" | "pg_statistic" | "pg_mcv_list" => SqlType::Text,
        other => unreachable!("sql/catalog/relations.txt names the type {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_have_postgresqls_oids_and_columns() {
        let class = find("pg_catalog", "pg_class").expect("pg_class is listed");
        assert_eq!((class.oid, class.kind, class.columns.len()), (1259, 'r', 33));
        assert_eq!(class.columns[0], ("oid", SqlType::Oid));
        assert!(class.not_null[0]);
        assert_eq!(
            class.columns[class.column_index("relacl").expect("a column")].1,
            SqlType::Array(Box::new(SqlType::Text))
        );
        assert_eq!(find_oid(1259).map(|r| r.name), Some("pg_class"));
        assert!(find("public", "pg_class").is_none());
        let columns = find("information_schema", "columns").expect("columns is listed");
        assert_eq!(columns.kind, 'v');
        assert_eq!(columns.columns.len(), 44);
    }
}
