//! Relations of `pg_catalog` that show the server: database, roles, settings, connections.

use weir_types::Result;

use super::describe::{self, WEIR_ROLE_OID};
use super::row::{Datum, Rows};
use super::{DATABASE_OID, SystemContext};
use crate::settings;

/// Number of the encoding UTF8.
const UTF8: i32 = 6;
/// Oid of the tablespace `pg_default`.
const DEFAULT_TABLESPACE_OID: u32 = 1663;

/// Adds the rows that the server has for the relation of `rows`.
pub(crate) fn push(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    match rows.relation().name {
        "pg_database" => push_database(rows, context),
        "pg_authid" | "pg_roles" => push_roles(rows, context),
        "pg_user" => push_users(rows, context),
        "pg_settings" => push_settings(rows, context),
        "pg_stat_activity" => push_connections(rows, context),
        "pg_cursors" => push_cursors(rows, context),
        "pg_stat_database" => {
            let n_connections = i64::try_from(context.connections.len()).unwrap_or(0);
            rows.push([
                ("datid", DATABASE_OID.into()),
                ("datname", (&context.database).into()),
                ("numbackends", n_connections.into()),
            ])
        }
        _ => Ok(()),
    }
}

fn push_database(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    rows.push([
        ("oid", DATABASE_OID.into()),
        ("datname", (&context.database).into()),
        ("datdba", WEIR_ROLE_OID.into()),
        ("encoding", UTF8.into()),
        ("datlocprovider", 'c'.into()),
        ("datallowconn", true.into()),
        ("datconnlimit", (-1).into()),
        ("dattablespace", DEFAULT_TABLESPACE_OID.into()),
        ("datcollate", "C.UTF-8".into()),
        ("datctype", "C.UTF-8".into()),
    ])
}

/// Every role may do everything: Weir has one kind of user so far.
fn push_roles(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    let is_view = rows.relation().name == "pg_roles";
    for name in describe::roles(context.catalog, &context.user) {
        let flags = [
            ("oid", Datum::from(describe::role_oid(name))),
            ("rolname", name.into()),
            ("rolsuper", true.into()),
            ("rolinherit", true.into()),
            ("rolcreaterole", true.into()),
            ("rolcreatedb", true.into()),
            ("rolcanlogin", true.into()),
            ("rolreplication", false.into()),
            ("rolconnlimit", (-1).into()),
            ("rolbypassrls", true.into()),
            // The view never shows a password, the table has none in it.
            ("rolpassword", if is_view { "********".into() } else { Datum::Null }),
        ];
        rows.push(flags)?;
    }
    Ok(())
}

fn push_users(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for name in describe::roles(context.catalog, &context.user) {
        rows.push([
            ("usename", name.into()),
            ("usesysid", describe::role_oid(name).into()),
            ("usecreatedb", true.into()),
            ("usesuper", true.into()),
            ("userepl", false.into()),
            ("usebypassrls", true.into()),
            ("passwd", "********".into()),
        ])?;
    }
    Ok(())
}

fn push_settings(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for (name, shown, description) in &context.settings {
        let (value, unit) = settings::without_unit(name, shown);
        let kind = match value.as_str() {
            "on" | "off" => "bool",
            value if value.parse::<i64>().is_ok() => "integer",
            value if value.parse::<f64>().is_ok() => "real",
            _ => "string",
        };
        rows.push([
            ("name", name.into()),
            ("setting", (&value).into()),
            ("unit", unit.into()),
            ("category", "Weir".into()),
            ("short_desc", description.into()),
            ("context", "user".into()),
            ("vartype", kind.into()),
            ("source", "session".into()),
            ("boot_val", (&value).into()),
            ("reset_val", (&value).into()),
            ("pending_restart", false.into()),
        ])?;
    }
    Ok(())
}

fn push_cursors(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for cursor in &context.cursors {
        rows.push([
            ("name", (&cursor.name).into()),
            ("statement", (&cursor.statement).into()),
            ("is_holdable", false.into()),
            ("is_binary", false.into()),
            ("is_scrollable", false.into()),
            ("creation_time", cursor.declared.into()),
        ])?;
    }
    Ok(())
}

fn push_connections(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for connection in &context.connections {
        rows.push([
            ("datid", DATABASE_OID.into()),
            ("datname", (&context.database).into()),
            ("pid", connection.pid.into()),
            ("usesysid", describe::role_oid(&connection.user).into()),
            ("usename", (&connection.user).into()),
            ("application_name", (&connection.application_name).into()),
            ("client_addr", connection.client_address.as_ref().into()),
            ("client_port", connection.client_port.into()),
            ("backend_start", connection.backend_start.into()),
            ("xact_start", connection.transaction_start.into()),
            ("query_start", connection.query_start.into()),
            ("state_change", connection.state_change.into()),
            ("state", (&connection.state).into()),
            ("query", (&connection.query).into()),
            ("backend_type", "client backend".into()),
        ])?;
    }
    Ok(())
}
