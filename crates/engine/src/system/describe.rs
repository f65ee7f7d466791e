//! One way to look at every relation that is listed: the user's, indexes, and system relations.

use std::collections::HashSet;
use std::sync::LazyLock;

use weir_catalog::{
    Catalog, Column, INFORMATION_SCHEMA_ID, Object, ObjectBody, ObjectKind, PG_CATALOG_ID, SYS_ID,
    Table,
};
use weir_types::{ColumnId, ObjectId, SqlType};

use super::static_rows::TYPES;
use super::{SystemContext, SystemRelation, find_oid, relations};

/// Oid of the role `weir`, which owns the system's objects.
pub(crate) const WEIR_ROLE_OID: u32 = 10;
/// Oid of the access method `heap`.
pub(crate) const HEAP_OID: u32 = 2;
/// Oid of the access method `btree`.
pub(crate) const BTREE_OID: u32 = 403;

/// A listed relation.
#[derive(Clone, Copy)]
pub(crate) enum Relation<'a> {
    /// A stream, table, view or materialized view.
    Object(&'a Object),
    /// The index of a primary key.
    Index(&'a Object, &'a Table),
    /// A system relation.
    System(&'a SystemRelation),
}

/// A column of a listed relation.
pub(crate) struct Attribute<'a> {
    pub(crate) number: i16,
    pub(crate) name: &'a str,
    pub(crate) sql_type: &'a SqlType,
    pub(crate) not_null: bool,
    /// The catalog's column, for a stream, table or view.
    pub(crate) column: Option<&'a Column>,
}

/// True for an object that is a relation.
pub(crate) fn is_relation(object: &Object) -> bool {
    !matches!(object.kind(), ObjectKind::Schema | ObjectKind::Sink)
}

/// The primary key that users see, with its index.
pub(crate) fn primary_key(object: &Object) -> Option<(&Table, ObjectId, &str)> {
    let ObjectBody::Table(table) = &object.body else { return None };
    Some((table, table.primary_key_id?, table.primary_key_name.as_deref()?))
}

/// The columns that users see, with their numbers from 1.
pub(crate) fn visible_columns(object: &Object) -> impl Iterator<Item = (i16, &Column)> {
    let visible = object.columns().iter().filter(|column| !column.hidden);
    (1_i16..).zip(visible)
}

/// The number of a column in `pg_attribute`; 0 for a hidden or unknown one.
pub(crate) fn column_number(object: &Object, id: ColumnId) -> i16 {
    visible_columns(object).find(|(_, column)| column.id == id).map_or(0, |(number, _)| number)
}

/// All listed relations.
pub(crate) fn all<'a>(context: &SystemContext<'a>) -> impl Iterator<Item = Relation<'a>> {
    let system = relations().iter().chain(context.extra).map(Relation::System);
    system.chain(users(context.catalog))
}

/// The relations that users made, each index after its table.
pub(crate) fn users(catalog: &Catalog) -> impl Iterator<Item = Relation<'_>> {
    let objects = catalog.objects().map(|object| &**object).filter(|object| is_relation(object));
    objects.flat_map(|object| {
        let index = primary_key(object).map(|(table, ..)| Relation::Index(object, table));
        std::iter::once(Relation::Object(object)).chain(index)
    })
}

/// The listed relation of that oid.
pub(crate) fn by_oid<'a>(
    catalog: &'a Catalog,
    extra: &'a [SystemRelation],
    oid: u32,
) -> Option<Relation<'a>> {
    if let Some(object) = catalog.get(ObjectId(oid)).filter(|object| is_relation(object)) {
        return Some(Relation::Object(object));
    }
    let system = find_oid(oid).or_else(|| extra.iter().find(|relation| relation.oid == oid));
    if let Some(system) = system {
        return Some(Relation::System(system));
    }
    users(catalog).find(|relation| matches!(relation, Relation::Index(..)) && relation.oid() == oid)
}

impl<'a> Relation<'a> {
    pub(crate) fn oid(&self) -> u32 {
        match self {
            Self::Object(object) => object.id.0,
            Self::Index(_, table) => table.primary_key_id.map_or(0, |id| id.0),
            Self::System(relation) => relation.oid,
        }
    }

    pub(crate) fn name(&self) -> &'a str {
        match self {
            Self::Object(object) => &object.name,
            Self::Index(_, table) => table.primary_key_name.as_deref().unwrap_or(""),
            Self::System(relation) => relation.name,
        }
    }

    pub(crate) fn schema_id(&self) -> ObjectId {
        match self {
            Self::Object(object) | Self::Index(object, _) => object.schema,
            Self::System(relation) => match relation.schema {
                "pg_catalog" => PG_CATALOG_ID,
                "information_schema" => INFORMATION_SCHEMA_ID,
                _ => SYS_ID,
            },
        }
    }

    /// PostgreSQL's relkind. A stream looks like a table: every client shows those.
    pub(crate) fn kind(&self) -> char {
        match self {
            Self::Object(object) => match object.kind() {
                ObjectKind::View => 'v',
                ObjectKind::MaterializedView => 'm',
                _ => 'r',
            },
            Self::Index(..) => 'i',
            Self::System(relation) => relation.kind,
        }
    }

    pub(crate) fn owner(&self) -> &'a str {
        match self {
            Self::Object(object) | Self::Index(object, _) => &object.owner,
            Self::System(_) => "weir",
        }
    }

    /// True for a view and a materialized view.
    pub(crate) fn has_query(&self) -> bool {
        matches!(self, Self::Object(object) if object.query().is_some())
    }

    pub(crate) fn access_method(&self) -> u32 {
        match self.kind() {
            'r' | 'm' => HEAP_OID,
            'i' => BTREE_OID,
            _ => 0,
        }
    }

    pub(crate) fn attributes(&self) -> Vec<Attribute<'a>> {
        match *self {
            Self::Object(object) => visible_columns(object)
                .map(|(number, column)| attribute(number, column, !column.nullable))
                .collect(),
            Self::Index(object, table) => {
                let columns = table
                    .primary_key
                    .iter()
                    .filter_map(|id| object.columns().iter().find(|column| column.id == *id));
                (1_i16..).zip(columns).map(|(number, c)| attribute(number, c, false)).collect()
            }
            Self::System(relation) => (1_i16..)
                .zip(&relation.columns)
                .zip(&relation.not_null)
                .map(|((number, (name, sql_type)), not_null)| Attribute {
                    number,
                    name,
                    sql_type,
                    not_null: *not_null,
                    column: None,
                })
                .collect(),
        }
    }
}

fn attribute(number: i16, column: &Column, not_null: bool) -> Attribute<'_> {
    Attribute {
        number,
        name: &column.name,
        sql_type: &column.sql_type,
        not_null,
        column: Some(column),
    }
}

/// Oid of a part of an object that has no id of its own: a default, a rule, a check. Different
/// within one system relation; PostgreSQL's oids too are unique only there.
pub(crate) fn part_oid(object: ObjectId, number: u16) -> u32 {
    0x4000_0000 | ((object.0 << 11 | u32::from(number)) & 0x3FFF_FFFF)
}

/// The oid of a role. `weir` has PostgreSQL's oid of the first superuser, others one made of their
/// name, so that it stays the same.
pub(crate) fn role_oid(name: &str) -> u32 {
    if name == "weir" {
        return WEIR_ROLE_OID;
    }
    let hash = name
        .bytes()
        .fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    0x2000_0000 | (hash & 0x1FFF_FFFF)
}

/// All roles: those that own something, and the session's.
pub(crate) fn roles<'a>(catalog: &'a Catalog, user: &'a str) -> Vec<&'a str> {
    let mut names: Vec<&str> = catalog.objects().map(|object| object.owner.as_str()).collect();
    names.extend(["weir", user]);
    names.sort_unstable();
    names.dedup();
    names
}

/// The collation of a type: that of its pg_type row.
pub(crate) fn collation_oid(sql_type: &SqlType) -> u32 {
    TYPES.get(&sql_type.oid()).map_or(0, |row| row.oid("typcollation"))
}

/// An identifier as SQL needs it: quoted unless it is all lower-case letters, digits and `_`, and
/// no keyword.
pub(crate) fn quote_ident(name: &str) -> String {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !is_keyword(name);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// True for a keyword that PostgreSQL quotes as a name: any but the unreserved.
fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(name)
}

static KEYWORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let rows = include_str!("../../../../sql/catalog/rows/pg_get_keywords.tsv").lines().skip(1);
    rows.filter_map(|row| {
        let mut values = row.split('\t');
        let (word, category) = (values.next()?, values.next()?);
        (category != "U").then_some(word)
    })
    .collect()
});
