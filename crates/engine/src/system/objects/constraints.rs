//! Primary keys and checks: `pg_constraint`, `pg_index`.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use weir_catalog::{Object, ObjectBody};
use weir_types::{Result, SqlType};

use crate::system::SystemContext;
use crate::system::describe;
use crate::system::row::{Datum, Rows};
use crate::system::static_rows::OPCLASSES;

/// A constraint of a table.
pub(crate) struct Constraint<'a> {
    pub(crate) oid: u32,
    pub(crate) name: &'a str,
    pub(crate) table: &'a Object,
    pub(crate) kind: ConstraintKind<'a>,
    /// Numbers of its columns: in key order, or those that the check names.
    pub(crate) columns: Vec<i16>,
}

/// What a constraint demands.
pub(crate) enum ConstraintKind<'a> {
    /// Its index's oid.
    PrimaryKey(u32),
    /// Its condition's text.
    Check(&'a str),
}

impl Constraint<'_> {
    /// As `pg_get_constraintdef` shows it; `is_pretty` leaves out parentheses that nothing needs.
    pub(crate) fn definition(&self, is_pretty: bool) -> String {
        match self.kind {
            ConstraintKind::PrimaryKey(_) => {
                let names = self.columns.iter().filter_map(|number| {
                    let mut columns = describe::visible_columns(self.table);
                    columns.find(|(n, _)| n == number).map(|(_, c)| describe::quote_ident(&c.name))
                });
                format!("PRIMARY KEY ({})", names.collect::<Vec<_>>().join(", "))
            }
            ConstraintKind::Check(text) if is_pretty => format!("CHECK ({text})"),
            ConstraintKind::Check(text) => format!("CHECK (({text}))"),
        }
    }
}

/// The constraints of an object: the primary key, then the checks.
pub(crate) fn constraints(object: &Object) -> Vec<Constraint<'_>> {
    let ObjectBody::Table(table) = &object.body else { return Vec::new() };
    let key = describe::primary_key(object).map(|(table, id, name)| Constraint {
        oid: id.0,
        name,
        table: object,
        kind: ConstraintKind::PrimaryKey(id.0),
        columns: key_columns(object, table),
    });
    let checks = (0_u16..).zip(&table.checks).map(|(number, check)| Constraint {
        oid: describe::part_oid(object.id, number),
        name: &check.name,
        table: object,
        kind: ConstraintKind::Check(&check.expr),
        columns: named_columns(object, &check.expr),
    });
    key.into_iter().chain(checks).collect()
}

fn key_columns(object: &Object, table: &weir_catalog::Table) -> Vec<i16> {
    table.primary_key.iter().map(|id| describe::column_number(object, *id)).collect()
}

/// The columns whose names occur in the expression.
fn named_columns(object: &Object, expr: &str) -> Vec<i16> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, expr).tokenize().unwrap_or_default();
    let words: Vec<String> = tokens
        .into_iter()
        .filter_map(|token| match token {
            Token::Word(word) if word.quote_style.is_some() => Some(word.value),
            Token::Word(word) => Some(word.value.to_lowercase()),
            _ => None,
        })
        .collect();
    describe::visible_columns(object)
        .filter(|(_, column)| words.contains(&column.name))
        .map(|(number, _)| number)
        .collect()
}

pub(super) fn push_constraints(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for object in context.catalog.objects() {
        for constraint in constraints(object) {
            let (kind, index, text) = match constraint.kind {
                ConstraintKind::PrimaryKey(index) => ('p', index, Datum::Null),
                ConstraintKind::Check(text) => ('c', 0, text.into()),
            };
            rows.push([
                ("oid", constraint.oid.into()),
                ("conname", constraint.name.into()),
                ("connamespace", object.schema.into()),
                ("contype", kind.into()),
                ("convalidated", true.into()),
                ("conrelid", object.id.into()),
                ("conindid", index.into()),
                ("confupdtype", ' '.into()),
                ("confdeltype", ' '.into()),
                ("confmatchtype", ' '.into()),
                ("conislocal", true.into()),
                ("connoinherit", (kind == 'p').into()),
                ("conkey", constraint.columns.into()),
                ("conbin", text),
            ])?;
        }
    }
    Ok(())
}

pub(super) fn push_indexes(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for object in context.catalog.objects() {
        let Some((table, id, _)) = describe::primary_key(object) else { continue };
        let types: Vec<&SqlType> = table
            .primary_key
            .iter()
            .filter_map(|id| object.columns().iter().find(|column| column.id == *id))
            .map(|column| &column.sql_type)
            .collect();
        let n_columns = i32::try_from(types.len()).unwrap_or(0);
        let collations: Vec<u32> = types.iter().map(|t| describe::collation_oid(t)).collect();
        let classes: Vec<u32> = types.iter().map(|t| operator_class(t)).collect();
        rows.push([
            ("indexrelid", id.into()),
            ("indrelid", object.id.into()),
            ("indnatts", n_columns.into()),
            ("indnkeyatts", n_columns.into()),
            ("indisunique", true.into()),
            ("indisprimary", true.into()),
            ("indimmediate", true.into()),
            ("indisvalid", true.into()),
            ("indisready", true.into()),
            ("indislive", true.into()),
            ("indkey", key_columns(object, table).into()),
            ("indcollation", collations.into()),
            ("indclass", classes.into()),
            ("indoption", vec![0_i16; types.len()].into()),
        ])?;
    }
    Ok(())
}

/// The default btree operator class of a type; 0 where Weir lists none.
fn operator_class(sql_type: &SqlType) -> u32 {
    let input = match sql_type {
        SqlType::Varchar(_) => SqlType::Text.oid(),
        SqlType::Array(_) => ANYARRAY_OID,
        other => other.oid(),
    };
    let class =
        OPCLASSES.values().find(|row| row.oid("opcintype") == input && row.flag("opcdefault"));
    class.map_or(0, |row| row.oid("oid"))
}

const ANYARRAY_OID: u32 = 2277;
