//! `information_schema`: the SQL standard's view of the catalog.
//!
//! Streams are listed as BASE TABLE. Materialized views are listed as VIEW: PostgreSQL leaves them
//! out, and tools that list what is there would show none.

mod columns;
mod constraints;

use weir_types::Result;

use super::SystemContext;
use super::describe::{self, Relation};
use super::objects::definition_text;
use super::row::Rows;
use super::static_rows::COLLATIONS;

/// Adds the rows of the relation of `rows`.
pub(crate) fn push(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    match rows.relation().name {
        "information_schema_catalog_name" => {
            rows.push([("catalog_name", (&context.database).into())])
        }
        "schemata" => push_schemata(rows, context),
        "tables" => push_tables(rows, context),
        "views" => push_views(rows, context),
        "view_table_usage" => push_view_tables(rows, context),
        "columns" => columns::push(rows, context),
        "table_constraints"
        | "check_constraints"
        | "key_column_usage"
        | "constraint_column_usage"
        | "constraint_table_usage" => constraints::push(rows, context),
        "character_sets" => rows.push([
            ("character_set_name", "UTF8".into()),
            ("character_repertoire", "UCS".into()),
            ("form_of_use", "UTF8".into()),
            ("default_collate_catalog", (&context.database).into()),
        ]),
        "collations" => push_collations(rows, context),
        _ => Ok(()),
    }
}

/// `YES` or `NO`.
fn yes_no(value: bool) -> &'static str {
    if value { "YES" } else { "NO" }
}

/// True for relations that the standard knows: no index.
fn is_table(relation: &Relation<'_>) -> bool {
    !matches!(relation, Relation::Index(..))
}

/// True where INSERT may name it.
fn is_writable(relation: &Relation<'_>) -> bool {
    matches!(relation, Relation::Object(_)) && relation.kind() == 'r'
}

fn push_schemata(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for (name, id) in context.catalog.schemas() {
        let owner = context.catalog.get(id).map_or("weir", |schema| &schema.owner);
        rows.push([
            ("catalog_name", (&context.database).into()),
            ("schema_name", name.into()),
            ("schema_owner", owner.into()),
        ])?;
    }
    Ok(())
}

fn push_tables(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for relation in describe::all(context).filter(is_table) {
        let kind = if relation.kind() == 'r' { "BASE TABLE" } else { "VIEW" };
        rows.push([
            ("table_catalog", (&context.database).into()),
            ("table_schema", context.catalog.schema_name(relation.schema_id()).into()),
            ("table_name", relation.name().into()),
            ("table_type", kind.into()),
            ("is_insertable_into", yes_no(is_writable(&relation)).into()),
            ("is_typed", "NO".into()),
        ])?;
    }
    Ok(())
}

fn push_views(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for view in describe::all(context).filter(|r| matches!(r.kind(), 'v' | 'm')) {
        rows.push([
            ("table_catalog", (&context.database).into()),
            ("table_schema", context.catalog.schema_name(view.schema_id()).into()),
            ("table_name", view.name().into()),
            ("view_definition", definition_text(context.catalog, view).into()),
            ("check_option", "NONE".into()),
            ("is_updatable", "NO".into()),
            ("is_insertable_into", "NO".into()),
            ("is_trigger_updatable", "NO".into()),
            ("is_trigger_deletable", "NO".into()),
            ("is_trigger_insertable_into", "NO".into()),
        ])?;
    }
    Ok(())
}

fn push_view_tables(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for view in describe::users(context.catalog) {
        let Relation::Object(object) = view else { continue };
        for used in object.query().into_iter().flat_map(|query| &query.relations) {
            let Some(table) = context.catalog.get(used.id) else { continue };
            rows.push([
                ("view_catalog", (&context.database).into()),
                ("view_schema", context.catalog.schema_name(object.schema).into()),
                ("view_name", (&object.name).into()),
                ("table_catalog", (&context.database).into()),
                ("table_schema", context.catalog.schema_name(table.schema).into()),
                ("table_name", (&table.name).into()),
            ])?;
        }
    }
    Ok(())
}

fn push_collations(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    let mut names: Vec<&str> = COLLATIONS.values().map(|row| row.text("collname")).collect();
    names.sort_unstable();
    for name in names {
        rows.push([
            ("collation_catalog", (&context.database).into()),
            ("collation_schema", "pg_catalog".into()),
            ("collation_name", name.into()),
            ("pad_attribute", "NO PAD".into()),
        ])?;
    }
    Ok(())
}
