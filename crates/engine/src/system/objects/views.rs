//! Views and their definitions, what they depend on, and PostgreSQL's summary views over `pg_class`.

use weir_catalog::Catalog;
use weir_types::{ObjectId, Result};

use super::{CLASS_OID, REWRITE_OID};
use crate::statement::view_text;
use crate::system::SystemContext;
use crate::system::describe::{self, Relation};
use crate::system::row::{Datum, Rows};

/// A view's definition as `pg_get_viewdef` shows it: the query's text with a semicolon.
pub(crate) fn definition_text(catalog: &Catalog, relation: Relation<'_>) -> Option<String> {
    let Relation::Object(object) = relation else { return None };
    let sql = view_text(catalog, object)?;
    Some(format!(" {};", sql.trim().trim_end_matches(';').trim_end()))
}

/// The text of the CREATE INDEX of a primary key's index; its table is shown under its full name
/// unless another is given.
pub(crate) fn index_definition(
    catalog: &Catalog,
    index: Relation<'_>,
    table: Option<String>,
) -> Option<String> {
    let Relation::Index(object, _) = index else { return None };
    let table = table.unwrap_or_else(|| {
        let schema = describe::quote_ident(catalog.schema_name(object.schema));
        format!("{schema}.{}", describe::quote_ident(&object.name))
    });
    let columns: Vec<String> =
        index.attributes().iter().map(|column| describe::quote_ident(column.name)).collect();
    Some(format!(
        "CREATE UNIQUE INDEX {} ON {table} USING btree ({})",
        describe::quote_ident(index.name()),
        columns.join(", ")
    ))
}

/// The user's relations that have a query.
fn views<'a>(context: &SystemContext<'a>) -> impl Iterator<Item = Relation<'a>> {
    describe::users(context.catalog).filter(|relation| matches!(relation.kind(), 'v' | 'm'))
}

/// Each view has the rule `_RETURN`, through which clients find what it depends on.
pub(super) fn push_rules(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for view in views(context) {
        rows.push([
            ("oid", describe::part_oid(ObjectId(view.oid()), 0).into()),
            ("rulename", "_RETURN".into()),
            ("ev_class", view.oid().into()),
            ("ev_type", '1'.into()),
            ("ev_enabled", 'O'.into()),
            ("is_instead", true.into()),
        ])?;
    }
    Ok(())
}

/// Views depend on their relations through their rule, an index on its table, `dlq.s` on `s`.
pub(super) fn push_dependencies(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    let mut push = |class: u32, oid: u32, on: u32, kind: char| {
        rows.push([
            ("classid", class.into()),
            ("objid", oid.into()),
            ("refclassid", CLASS_OID.into()),
            ("refobjid", on.into()),
            ("deptype", kind.into()),
        ])
    };
    for relation in describe::users(context.catalog) {
        match relation {
            Relation::Object(object) => {
                let rule = describe::part_oid(object.id, 0);
                if let Some(query) = object.query() {
                    push(REWRITE_OID, rule, object.id.0, 'i')?;
                    for used in &query.relations {
                        push(REWRITE_OID, rule, used.id.0, 'n')?;
                    }
                }
                if let Some(whole) = object.part_of {
                    push(CLASS_OID, object.id.0, whole.0, 'a')?;
                }
            }
            Relation::Index(object, _) => push(CLASS_OID, relation.oid(), object.id.0, 'a')?,
            Relation::System(_) => {}
        }
    }
    Ok(())
}

pub(super) fn push_tables(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for table in describe::all(context).filter(|relation| relation.kind() == 'r') {
        let has_index =
            matches!(table, Relation::Object(object) if describe::primary_key(object).is_some());
        rows.push([
            ("schemaname", context.catalog.schema_name(table.schema_id()).into()),
            ("tablename", table.name().into()),
            ("tableowner", table.owner().into()),
            ("hasindexes", has_index.into()),
            ("hasrules", false.into()),
            ("hastriggers", false.into()),
            ("rowsecurity", false.into()),
        ])?;
    }
    Ok(())
}

pub(super) fn push_views(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for view in describe::all(context).filter(|relation| relation.kind() == 'v') {
        rows.push([
            ("schemaname", context.catalog.schema_name(view.schema_id()).into()),
            ("viewname", view.name().into()),
            ("viewowner", view.owner().into()),
            ("definition", definition_text(context.catalog, view).into()),
        ])?;
    }
    Ok(())
}

pub(super) fn push_materialized_views(
    rows: &mut Rows<'_>,
    context: &SystemContext<'_>,
) -> Result<()> {
    for view in views(context).filter(|relation| relation.kind() == 'm') {
        rows.push([
            ("schemaname", context.catalog.schema_name(view.schema_id()).into()),
            ("matviewname", view.name().into()),
            ("matviewowner", view.owner().into()),
            ("hasindexes", false.into()),
            ("ispopulated", (!context.unpopulated.contains(&ObjectId(view.oid()))).into()),
            ("definition", definition_text(context.catalog, view).into()),
        ])?;
    }
    Ok(())
}

pub(super) fn push_index_texts(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for index in describe::users(context.catalog) {
        let Relation::Index(table, _) = index else { continue };
        rows.push([
            ("schemaname", context.catalog.schema_name(table.schema).into()),
            ("tablename", (&table.name).into()),
            ("indexname", index.name().into()),
            ("indexdef", index_definition(context.catalog, index, None).into()),
        ])?;
    }
    Ok(())
}

/// Row counts, where they are known; Weir counts no scans.
pub(super) fn push_statistics(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for relation in describe::users(context.catalog) {
        if !matches!(relation.kind(), 'r' | 'm') {
            continue;
        }
        let n_rows = context.row_counts.get(&ObjectId(relation.oid())).copied();
        rows.push([
            ("relid", relation.oid().into()),
            ("schemaname", context.catalog.schema_name(relation.schema_id()).into()),
            ("relname", relation.name().into()),
            ("n_live_tup", n_rows.map_or(Datum::Null, Datum::Int)),
        ])?;
    }
    Ok(())
}
