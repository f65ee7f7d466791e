//! Content that does not change: types, functions, operators, casts, access methods, from
//! `sql/catalog/rows`, which holds PostgreSQL's rows in COPY's text format under a line of names.

use std::collections::HashMap;
use std::sync::LazyLock;

use weir_types::{Error, Result, SqlType};

use super::row::{Datum, Rows};
use super::{SystemRelation, find};

macro_rules! tables {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../sql/catalog/rows/", $name, ".tsv")))),*]
    };
}

/// Relation name and text.
const TABLES: &[(&str, &str)] = tables![
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_cast",
    "pg_collation",
    "pg_description",
    "pg_get_keywords",
    "pg_language",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_proc",
    "pg_tablespace",
    "pg_type",
];

/// The stored rows of a relation; `None` where it has none.
fn text_of(relation: &SystemRelation) -> Option<&'static str> {
    let (_, text) = TABLES.iter().find(|(name, _)| *name == relation.name)?;
    (relation.schema == "pg_catalog").then_some(*text)
}

/// Adds the stored rows of the relation of `rows`, if it has some.
pub(crate) fn push(rows: &mut Rows<'_>) -> Result<()> {
    let Some(text) = text_of(rows.relation()) else { return Ok(()) };
    for line in text.lines().skip(1) {
        rows.push_all(parse_line(rows.relation(), line)?);
    }
    Ok(())
}

fn parse_line(relation: &SystemRelation, line: &str) -> Result<Vec<Datum>> {
    let values: Option<Vec<Datum>> = line
        .split('\t')
        .zip(&relation.columns)
        .map(|(text, (_, sql_type))| parse_value(text, sql_type))
        .collect();
    values.filter(|values| values.len() == relation.columns.len()).ok_or_else(|| {
        Error::internal(format!("sql/catalog/rows/{}.tsv has a bad line: {line}", relation.name))
    })
}

fn parse_value(text: &str, sql_type: &SqlType) -> Option<Datum> {
    if text == "\\N" {
        return Some(Datum::Null);
    }
    match sql_type {
        SqlType::Bool => Some(Datum::Bool(text == "t")),
        SqlType::Float4 | SqlType::Float8 => text.parse().ok().map(Datum::Float),
        SqlType::Int2 | SqlType::Int4 | SqlType::Int8 | SqlType::Oid | SqlType::Reg(_) => {
            text.parse().ok().map(Datum::Int)
        }
        SqlType::Int2Vector | SqlType::OidVector => {
            let numbers = text.split_ascii_whitespace().map(|n| n.parse().ok().map(Datum::Int));
            numbers.collect::<Option<Vec<_>>>().map(Datum::List)
        }
        SqlType::Array(element) => {
            let items = text.strip_prefix('{')?.strip_suffix('}')?;
            let items = items.split(',').filter(|item| !item.is_empty());
            let items = items.map(|item| parse_value(item.trim_matches('"'), element));
            items.collect::<Option<Vec<_>>>().map(Datum::List)
        }
        _ => Some(Datum::Text(unescape(text))),
    }
}

/// Takes COPY's backslashes away.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some(other)) => out.push(other),
            (c, _) => out.push(c),
        }
    }
    out
}

/// One stored row, to look things up in by column name.
pub(crate) struct StaticRow {
    relation: &'static SystemRelation,
    values: Vec<Datum>,
}

impl StaticRow {
    pub(crate) fn get(&self, column: &str) -> &Datum {
        let index = self.relation.column_index(column).expect("the column is PostgreSQL's");
        &self.values[index]
    }

    pub(crate) fn text(&self, column: &str) -> &str {
        match self.get(column) {
            Datum::Text(text) => text,
            _ => "",
        }
    }

    pub(crate) fn oid(&self, column: &str) -> u32 {
        match self.get(column) {
            Datum::Int(oid) => u32::try_from(*oid).unwrap_or(0),
            _ => 0,
        }
    }

    pub(crate) fn flag(&self, column: &str) -> bool {
        matches!(self.get(column), Datum::Bool(true))
    }

    /// The numbers of an oidvector or oid[].
    pub(crate) fn oids(&self, column: &str) -> Vec<u32> {
        let Datum::List(items) = self.get(column) else { return Vec::new() };
        items
            .iter()
            .map(|item| match item {
                Datum::Int(oid) => u32::try_from(*oid).unwrap_or(0),
                _ => 0,
            })
            .collect()
    }
}

fn load(name: &str) -> Vec<StaticRow> {
    let relation = find("pg_catalog", name).expect("static rows belong to a relation");
    let lines = text_of(relation).expect("the relation has static rows").lines().skip(1);
    lines
        .map(|line| StaticRow {
            relation,
            values: parse_line(relation, line).expect("a test reads every line"),
        })
        .collect()
}

/// Static rows with their oid.
pub(crate) type RowsByOid = HashMap<u32, StaticRow>;

fn load_by_oid(name: &str) -> RowsByOid {
    load(name).into_iter().map(|row| (row.oid("oid"), row)).collect()
}

/// pg_type by oid.
pub(crate) static TYPES: LazyLock<RowsByOid> = LazyLock::new(|| load_by_oid("pg_type"));
/// pg_proc by oid.
pub(crate) static PROCS: LazyLock<RowsByOid> = LazyLock::new(|| load_by_oid("pg_proc"));
/// pg_opclass by oid.
pub(crate) static OPCLASSES: LazyLock<RowsByOid> = LazyLock::new(|| load_by_oid("pg_opclass"));
/// pg_collation by oid.
pub(crate) static COLLATIONS: LazyLock<RowsByOid> = LazyLock::new(|| load_by_oid("pg_collation"));
/// pg_operator by oid.
pub(crate) static OPERATORS: LazyLock<RowsByOid> = LazyLock::new(|| load_by_oid("pg_operator"));
/// pg_opfamily by oid.
pub(crate) static OPFAMILIES: LazyLock<RowsByOid> = LazyLock::new(|| load_by_oid("pg_opfamily"));
/// pg_description by (objoid, classoid, objsubid).
pub(crate) static DESCRIPTIONS: LazyLock<HashMap<(u32, u32, i64), String>> = LazyLock::new(|| {
    load("pg_description")
        .into_iter()
        .map(|row| {
            let number = match row.get("objsubid") {
                Datum::Int(number) => *number,
                _ => 0,
            };
            let key = (row.oid("objoid"), row.oid("classoid"), number);
            (key, row.text("description").to_owned())
        })
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stored_line_is_read() {
        for (name, text) in TABLES {
            let relation = find("pg_catalog", name).expect("static rows belong to a relation");
            let header: Vec<&str> = text.lines().next().expect("a header").split('\t').collect();
            let columns: Vec<&str> = relation.columns.iter().map(|(name, _)| *name).collect();
            assert_eq!(header, columns, "{name}");
            let mut rows = Rows::new(relation);
            push(&mut rows).expect("every line has the right form");
            let batch = rows.finish().expect("types fit");
            assert_eq!(batch.num_rows(), text.lines().count() - 1, "{name}");
        }
    }

    #[test]
    fn types_name_functions_that_are_stored() {
        let int4 = &TYPES[&23];
        assert_eq!(int4.text("typname"), "int4");
        for column in ["typinput", "typoutput", "typreceive", "typsend"] {
            for row in TYPES.values().filter(|row| row.oid(column) != 0) {
                assert!(PROCS.contains_key(&row.oid(column)), "{} {column}", row.text("typname"));
            }
        }
        assert_eq!(PROCS[&int4.oid("typreceive")].text("proname"), "int4recv");
    }

    #[test]
    fn every_type_of_weir_has_a_row() {
        for oid in 1..5000 {
            let Some(sql_type) = SqlType::from_oid(oid) else { continue };
            let row = TYPES.get(&oid).unwrap_or_else(|| panic!("no pg_type row for {sql_type}"));
            assert_eq!(row.text("typname"), sql_type.internal_name());
        }
    }
}
