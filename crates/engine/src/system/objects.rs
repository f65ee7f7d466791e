//! Relations of `pg_catalog` that show the user's objects.

mod constraints;
mod views;

use weir_catalog::{Object, ObjectBody, ObjectKind};
use weir_types::{ColumnId, ObjectId, Result, SqlType};

use super::SystemContext;
use super::describe::{self, Attribute, Relation};
use super::row::{Datum, Rows};
use super::static_rows::TYPES;

pub(crate) use constraints::{Constraint, ConstraintKind, constraints};
pub(crate) use views::{definition_text, index_definition};

/// Oids of the system relations that others refer to as `classoid`.
pub(crate) const CLASS_OID: u32 = 1259;
pub(crate) const NAMESPACE_OID: u32 = 2615;
pub(crate) const REWRITE_OID: u32 = 2618;

/// The number of a column in `pg_attribute`, as row descriptions give it: from 1 over the columns
/// that users see; 0 for a hidden or unknown one.
#[must_use]
pub fn attribute_number(object: &Object, column: ColumnId) -> i16 {
    describe::column_number(object, column)
}

/// Adds the rows that the catalog has for the relation of `rows`.
pub(crate) fn push(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    match rows.relation().name {
        "pg_namespace" => push_namespaces(rows, context),
        "pg_class" => push_classes(rows, context),
        "pg_attribute" => push_attributes(rows, context),
        "pg_attrdef" => push_defaults(rows, context),
        "pg_index" => constraints::push_indexes(rows, context),
        "pg_constraint" => constraints::push_constraints(rows, context),
        "pg_description" => push_comments(rows, context),
        "pg_rewrite" => views::push_rules(rows, context),
        "pg_depend" => views::push_dependencies(rows, context),
        "pg_tables" => views::push_tables(rows, context),
        "pg_views" => views::push_views(rows, context),
        "pg_matviews" => views::push_materialized_views(rows, context),
        "pg_indexes" => views::push_index_texts(rows, context),
        "pg_stat_all_tables" | "pg_stat_user_tables" => views::push_statistics(rows, context),
        _ => Ok(()),
    }
}

fn push_namespaces(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for (name, id) in context.catalog.schemas() {
        let owner = context.catalog.get(id).map_or("weir", |schema| &schema.owner);
        rows.push([
            ("oid", id.into()),
            ("nspname", name.into()),
            ("nspowner", describe::role_oid(owner).into()),
        ])?;
    }
    Ok(())
}

fn push_classes(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for relation in describe::all(context) {
        push_class(rows, context, relation)?;
    }
    Ok(())
}

fn push_class(
    rows: &mut Rows<'_>,
    context: &SystemContext<'_>,
    relation: Relation<'_>,
) -> Result<()> {
    let kind = relation.kind();
    let stored = matches!(kind, 'r' | 'm' | 'i');
    let oid = relation.oid();
    // An index has the rows of its table.
    let counted = match relation {
        Relation::Index(table, _) => table.id,
        _ => ObjectId(oid),
    };
    let n_rows = context.row_counts.get(&counted).map_or(-1.0, |n_rows| *n_rows as f64);
    let (n_checks, has_index) = match relation {
        Relation::Object(object) => match &object.body {
            ObjectBody::Table(table) => {
                (i32::try_from(table.checks.len()).unwrap_or(0), table.primary_key_id.is_some())
            }
            _ => (0, false),
        },
        _ => (0, false),
    };
    rows.push([
        ("oid", oid.into()),
        ("relname", relation.name().into()),
        ("relnamespace", relation.schema_id().into()),
        ("relowner", describe::role_oid(relation.owner()).into()),
        ("relam", relation.access_method().into()),
        ("relfilenode", if stored { oid } else { 0 }.into()),
        ("reltuples", n_rows.into()),
        ("relhasindex", has_index.into()),
        ("relpersistence", 'p'.into()),
        ("relkind", kind.into()),
        ("relnatts", i32::try_from(relation.attributes().len()).unwrap_or(0).into()),
        ("relchecks", n_checks.into()),
        ("relhasrules", matches!(kind, 'v' | 'm').into()),
        ("relispopulated", (!context.unpopulated.contains(&ObjectId(oid))).into()),
        ("relreplident", if matches!(kind, 'r' | 'm') { 'd' } else { 'n' }.into()),
    ])
}

fn push_attributes(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for relation in describe::all(context) {
        for attribute in relation.attributes() {
            push_attribute(rows, relation.oid(), relation.kind(), &attribute)?;
        }
    }
    Ok(())
}

fn push_attribute(
    rows: &mut Rows<'_>,
    relation: u32,
    kind: char,
    attribute: &Attribute<'_>,
) -> Result<()> {
    let type_row = TYPES.get(&attribute.sql_type.oid());
    let of_type = |column: &str| type_row.map_or(Datum::Null, |row| row.get(column).clone());
    let column = attribute.column.filter(|_| kind == 'r');
    let is_generated = column.is_some_and(|column| column.generated.is_some());
    let has_default = is_generated || column.is_some_and(|column| column.default.is_some());
    let n_dimensions = i32::from(matches!(attribute.sql_type, SqlType::Array(_)));
    rows.push([
        ("attrelid", relation.into()),
        ("attname", attribute.name.into()),
        ("atttypid", attribute.sql_type.oid().into()),
        ("attstattarget", (-1).into()),
        ("attlen", of_type("typlen")),
        ("attnum", attribute.number.into()),
        ("attndims", n_dimensions.into()),
        ("attcacheoff", (-1).into()),
        ("atttypmod", attribute.sql_type.typmod().into()),
        ("attbyval", of_type("typbyval")),
        ("attalign", of_type("typalign")),
        ("attstorage", of_type("typstorage")),
        ("attnotnull", attribute.not_null.into()),
        ("atthasdef", has_default.into()),
        ("attgenerated", if is_generated { "s" } else { "" }.into()),
        ("attislocal", true.into()),
        ("attcollation", describe::collation_oid(attribute.sql_type).into()),
    ])
}

/// The text of a column's default or generation expression.
pub(crate) fn default_text(column: &weir_catalog::Column) -> Option<&str> {
    column.generated.as_deref().or(column.default.as_deref())
}

fn push_defaults(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for object in context.catalog.objects().filter(|object| describe::is_relation(object)) {
        for (number, column) in describe::visible_columns(object) {
            let Some(text) = default_text(column) else { continue };
            rows.push([
                ("oid", describe::part_oid(object.id, number.unsigned_abs()).into()),
                ("adrelid", object.id.into()),
                ("adnum", number.into()),
                ("adbin", text.into()),
            ])?;
        }
    }
    Ok(())
}

/// `COMMENT ON` of schemas, relations and columns; those of built-in objects are static.
fn push_comments(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for object in context.catalog.objects() {
        let class = match object.kind() {
            ObjectKind::Schema => NAMESPACE_OID,
            ObjectKind::Sink => continue,
            _ => CLASS_OID,
        };
        let own = object.comment.as_deref().map(|comment| (0, comment));
        let columns = describe::visible_columns(object)
            .filter_map(|(number, column)| Some((number, column.comment.as_deref()?)));
        for (number, comment) in own.into_iter().chain(columns) {
            rows.push([
                ("objoid", object.id.into()),
                ("classoid", class.into()),
                ("objsubid", number.into()),
                ("description", comment.into()),
            ])?;
        }
    }
    Ok(())
}
