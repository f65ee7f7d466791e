//! Who may do what, in `information_schema`: an owner everything, and nobody else is named.

use weir_types::Result;

use super::SystemContext;
use super::describe::{self, Relation};
use super::row::{Datum, Rows};

/// What an owner may do with a relation, as PostgreSQL names it.
const PRIVILEGES: &[&str] =
    &["INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];

/// Those of them that are given by column.
const COLUMN_PRIVILEGES: &[&str] = &["INSERT", "SELECT", "UPDATE", "REFERENCES"];

/// Adds the rows of the relation of `rows`.
pub(crate) fn push(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    match rows.relation().name {
        "enabled_roles" => {
            for name in describe::roles(context.catalog, &context.user) {
                rows.push([("role_name", name.into())])?;
            }
            Ok(())
        }
        "table_privileges" | "role_table_grants" => push_tables(rows, context),
        "column_privileges" | "role_column_grants" => push_columns(rows, context),
        _ => Ok(()),
    }
}

fn push_tables(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for relation in describe::users(context.catalog).filter(|relation| relation.kind() != 'i') {
        for privilege in PRIVILEGES {
            let [a, b, c, d, e, f, g] = shared(context, relation, privilege);
            let hierarchy = if *privilege == "SELECT" { "YES" } else { "NO" };
            rows.push([a, b, c, d, e, f, g, ("with_hierarchy", hierarchy.into())])?;
        }
    }
    Ok(())
}

fn push_columns(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for relation in describe::users(context.catalog).filter(|relation| relation.kind() != 'i') {
        for attribute in relation.attributes() {
            for privilege in COLUMN_PRIVILEGES {
                let [a, b, c, d, e, f, g] = shared(context, relation, privilege);
                rows.push([a, b, c, d, e, f, g, ("column_name", attribute.name.into())])?;
            }
        }
    }
    Ok(())
}

fn shared(
    context: &SystemContext<'_>,
    relation: Relation<'_>,
    privilege: &str,
) -> [(&'static str, Datum); 7] {
    [
        ("grantor", relation.owner().into()),
        ("grantee", relation.owner().into()),
        ("table_catalog", (&context.database).into()),
        ("table_schema", context.catalog.schema_name(relation.schema_id()).into()),
        ("table_name", relation.name().into()),
        ("privilege_type", privilege.into()),
        ("is_grantable", "YES".into()),
    ]
}
