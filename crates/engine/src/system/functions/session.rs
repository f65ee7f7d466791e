//! Functions over the session and the server: who, where, settings, sizes, privileges.

mod privileges;

use weir_types::{Error, ObjectId, Result, SqlState, SqlType};

use super::catalog::{is_database, relation};
use super::{Call, Definition};
use crate::system::describe::Relation;
use crate::system::resolve::name_parts;
use crate::system::row::Datum;

const TEXT: SqlType = SqlType::Text;
const NAME: SqlType = SqlType::Name;
const BOOL: SqlType = SqlType::Bool;
const INT4: SqlType = SqlType::Int4;
const INT8: SqlType = SqlType::Int8;
const TIMESTAMPTZ: SqlType = SqlType::Timestamptz;

/// The functions of this module.
pub(super) const DEFINITIONS: &[Definition] = &[
    Definition::new("version", (0, 0), TEXT, version),
    Definition::new("current_database", (0, 0), NAME, |call| Ok(call.context.database().into())),
    Definition::new("current_catalog", (0, 0), NAME, |call| Ok(call.context.database().into())),
    Definition::new("current_schema", (0, 0), NAME, current_schema),
    Definition::new("current_schemas", (1, 1), NAME, current_schemas).array(),
    Definition::new("current_user", (0, 0), NAME, |call| Ok(call.context.user().into())),
    Definition::new("current_role", (0, 0), NAME, |call| Ok(call.context.user().into())),
    Definition::new("session_user", (0, 0), NAME, |call| Ok(call.context.user().into())),
    Definition::new("user", (0, 0), NAME, |call| Ok(call.context.user().into())),
    Definition::new("pg_backend_pid", (0, 0), INT4, |call| Ok(call.context.backend_pid().into())),
    Definition::new("current_setting", (1, 2), TEXT, current_setting),
    Definition::new("set_config", (3, 3), TEXT, set_config).volatile().takes_null(),
    Definition::new("pg_cancel_backend", (1, 1), BOOL, |call| signal(call, false)).volatile(),
    Definition::new("pg_terminate_backend", (1, 2), BOOL, |call| signal(call, true)).volatile(),
    // Weir has no advisory locks, so a session holds none.
    Definition::new("pg_advisory_unlock_all", (0, 0), SqlType::Void, |_| Ok("".into())).volatile(),
    Definition::new("pg_is_in_recovery", (0, 0), BOOL, |_| Ok(false.into())),
    Definition::new("pg_postmaster_start_time", (0, 0), TIMESTAMPTZ, |call| {
        Ok(call.context.server_start().into())
    }),
    Definition::new("pg_conf_load_time", (0, 0), TIMESTAMPTZ, |call| {
        Ok(call.context.server_start().into())
    }),
    Definition::new("inet_client_addr", (0, 0), TEXT, |_| Ok(Datum::Null)),
    Definition::new("inet_client_port", (0, 0), INT4, |_| Ok(Datum::Null)),
    Definition::new("inet_server_addr", (0, 0), TEXT, |_| Ok(Datum::Null)),
    Definition::new("inet_server_port", (0, 0), INT4, |_| Ok(Datum::Null)),
    Definition::new("pg_client_encoding", (0, 0), NAME, |_| Ok("UTF8".into())),
    Definition::new("getdatabaseencoding", (0, 0), NAME, |_| Ok("UTF8".into())),
    Definition::new("pg_encoding_to_char", (1, 1), NAME, encoding_name),
    Definition::new("pg_char_to_encoding", (1, 1), INT4, encoding_number),
    Definition::new("parse_ident", (1, 1), TEXT, |call| Ok(name_parts(call.text(0)?)?.into()))
        .array(),
    Definition::new("pg_tablespace_location", (1, 1), TEXT, |_| Ok("".into())),
    Definition::new("pg_relation_size", (1, 2), INT8, relation_size),
    Definition::new("pg_table_size", (1, 1), INT8, relation_size),
    Definition::new("pg_total_relation_size", (1, 1), INT8, relation_size),
    Definition::new("pg_indexes_size", (1, 1), INT8, |_| Ok(0.into())),
    Definition::new("pg_database_size", (1, 1), INT8, database_size),
    Definition::new("pg_tablespace_size", (1, 1), INT8, |call| {
        Ok(call.context.database_bytes().into())
    }),
    Definition::new("pg_size_pretty", (1, 1), TEXT, size_pretty),
    Definition::new("has_table_privilege", (2, 3), BOOL, privileges::on_table),
    Definition::new("has_any_column_privilege", (2, 3), BOOL, privileges::on_table),
    Definition::new("has_column_privilege", (3, 4), BOOL, privileges::on_column),
    Definition::new("has_schema_privilege", (2, 3), BOOL, privileges::on_schema),
    Definition::new("has_database_privilege", (2, 3), BOOL, privileges::on_database),
    Definition::new("has_function_privilege", (2, 3), BOOL, |_| Ok(true.into())),
    Definition::new("has_type_privilege", (2, 3), BOOL, |_| Ok(true.into())),
    Definition::new("has_language_privilege", (2, 3), BOOL, |_| Ok(true.into())),
    Definition::new("has_tablespace_privilege", (2, 3), BOOL, |_| Ok(true.into())),
    Definition::new("pg_has_role", (2, 3), BOOL, |_| Ok(true.into())),
];

/// PostgreSQL's version first, as clients read the leading number; then Weir's.
fn version(call: &Call<'_>) -> Result<Datum> {
    let server = call.context.setting("server_version").unwrap_or_default();
    Ok(format!("PostgreSQL {server} on {}-{}", std::env::consts::ARCH, std::env::consts::OS).into())
}

fn current_schema(call: &Call<'_>) -> Result<Datum> {
    let catalog = call.context.catalog();
    let mut path = call.context.search_path().0.iter();
    Ok(path.find(|schema| catalog.schema_id(schema).is_some()).into())
}

fn current_schemas(call: &Call<'_>) -> Result<Datum> {
    let catalog = call.context.catalog();
    let path = call.context.search_path();
    let all: Vec<&str> = if call.flag(0)? {
        path.effective().collect()
    } else {
        path.0.iter().map(String::as_str).collect()
    };
    Ok(all.into_iter().filter(|s| catalog.schema_id(s).is_some()).collect::<Vec<_>>().into())
}

fn current_setting(call: &Call<'_>) -> Result<Datum> {
    let name = call.text(0)?;
    match call.context.setting(&name.to_lowercase()) {
        Some(value) => Ok(value.into()),
        None if call.flag(1)? => Ok(Datum::Null),
        None => Err(Error::new(
            SqlState::UndefinedObject,
            format!("unrecognized configuration parameter \"{name}\""),
        )),
    }
}

fn set_config(call: &Call<'_>) -> Result<Datum> {
    if call.argument(0).is_null() {
        return Err(Error::new(SqlState::NullValueNotAllowed, "SET requires parameter name"));
    }
    let name = call.text(0)?.to_lowercase();
    Ok(call.context.set_setting(&name, call.text(1)?, call.flag(2)?)?.into())
}

fn signal(call: &Call<'_>, terminate: bool) -> Result<Datum> {
    let pid = i32::try_from(call.number(0)?).unwrap_or(0);
    Ok(call.context.signal_backend(pid, terminate)?.into())
}

fn encoding_name(call: &Call<'_>) -> Result<Datum> {
    Ok(match call.number(0)? {
        0 => "SQL_ASCII",
        6 => "UTF8",
        8 => "LATIN1",
        _ => "",
    }
    .into())
}

fn encoding_number(call: &Call<'_>) -> Result<Datum> {
    let name: String = call.text(0)?.chars().filter(char::is_ascii_alphanumeric).collect();
    Ok(match name.to_lowercase().as_str() {
        "sqlascii" => 0,
        "utf8" | "unicode" => 6,
        "latin1" | "iso88591" => 8,
        _ => -1,
    }
    .into())
}

fn relation_size(call: &Call<'_>) -> Result<Datum> {
    Ok(match relation(call, 0)? {
        Some(Relation::Object(object)) => call.context.relation_bytes(object.id).into(),
        Some(relation @ Relation::Index(..)) => {
            call.context.relation_bytes(ObjectId(relation.oid())).into()
        }
        Some(Relation::System(_)) => 0.into(),
        None => Datum::Null,
    })
}

fn database_size(call: &Call<'_>) -> Result<Datum> {
    let is_known = match call.argument(0) {
        Datum::Text(name) => name == call.context.database(),
        _ => is_database(call.oid(0)?),
    };
    match (is_known, call.argument(0)) {
        (true, _) => Ok(call.context.database_bytes().into()),
        (false, Datum::Text(name)) => Err(unknown_database(name)),
        (false, _) => Ok(Datum::Null),
    }
}

fn unknown_database(name: &str) -> Error {
    Error::new(SqlState::InvalidCatalogName, format!("database \"{name}\" does not exist"))
}

/// PostgreSQL's rule: the next unit from 10 of it on, rounded half up.
fn size_pretty(call: &Call<'_>) -> Result<Datum> {
    let bytes = call.number(0)?;
    let mut size = bytes.unsigned_abs();
    if size < 10 * 1024 {
        return Ok(format!("{bytes} bytes").into());
    }
    // Keep one bit below the unit for the rounding.
    size /= 512;
    let mut unit = "kB";
    for larger in ["MB", "GB", "TB", "PB"] {
        if size < 2 * 10 * 1024 - 1 {
            break;
        }
        size /= 1024;
        unit = larger;
    }
    let sign = if bytes < 0 { "-" } else { "" };
    Ok(format!("{sign}{} {unit}", size.div_ceil(2)).into())
}
