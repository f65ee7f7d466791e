//! `has_*_privilege`. Weir has one kind of user, which may do everything; what these functions
//! check is that the object and the privilege exist.

use weir_types::{Error, RegKind, Result, SqlState};

use super::super::Call;
use super::super::catalog::{is_database, relation, schema_exists};
use super::unknown_database;
use crate::system::row::Datum;

/// Where the object is among the arguments: a user may come before it.
fn object_index(call: &Call<'_>, n_after_user: usize) -> usize {
    call.arguments.len() - n_after_user
}

/// True where every privilege of the list (`SELECT, INSERT WITH GRANT OPTION`) is one of `known`.
fn check_privileges(call: &Call<'_>, known: &[&str]) -> Result<()> {
    let text = call.text(call.arguments.len() - 1)?;
    for part in text.split(',') {
        let name = part.trim().to_uppercase();
        let name = name.strip_suffix(" WITH GRANT OPTION").unwrap_or(&name);
        if !known.contains(&name) {
            return Err(Error::new(
                SqlState::InvalidParameterValue,
                format!("unrecognized privilege type: \"{}\"", part.trim()),
            ));
        }
    }
    Ok(())
}

const ON_TABLE: &[&str] =
    &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "RULE"];

pub(super) fn on_table(call: &Call<'_>) -> Result<Datum> {
    check_privileges(call, ON_TABLE)?;
    Ok(relation(call, object_index(call, 2))?.map(|_| true).into())
}

pub(super) fn on_column(call: &Call<'_>) -> Result<Datum> {
    check_privileges(call, ON_TABLE)?;
    let index = object_index(call, 3);
    let Some(relation) = relation(call, index)? else { return Ok(Datum::Null) };
    match call.argument(index + 1) {
        Datum::Text(name) => {
            if relation.attributes().iter().any(|attribute| attribute.name == name) {
                return Ok(true.into());
            }
            Err(Error::new(
                SqlState::UndefinedColumn,
                format!("column \"{name}\" of relation \"{}\" does not exist", relation.name()),
            ))
        }
        _ => {
            let number = call.number(index + 1)?;
            let attributes = relation.attributes();
            let found = attributes.iter().any(|attribute| i64::from(attribute.number) == number);
            Ok(found.then_some(true).into())
        }
    }
}

pub(super) fn on_schema(call: &Call<'_>) -> Result<Datum> {
    check_privileges(call, &["CREATE", "USAGE"])?;
    let index = object_index(call, 2);
    let oid = match call.argument(index) {
        Datum::Text(name) => {
            call.names().reg_oid(RegKind::Namespace, &crate::system::describe::quote_ident(name))?
        }
        _ => call.oid(index)?,
    };
    Ok(schema_exists(call, oid).then_some(true).into())
}

pub(super) fn on_database(call: &Call<'_>) -> Result<Datum> {
    check_privileges(call, &["CREATE", "CONNECT", "TEMPORARY", "TEMP"])?;
    let index = object_index(call, 2);
    match call.argument(index) {
        Datum::Text(name) if name == call.context.database() => Ok(true.into()),
        Datum::Text(name) => Err(unknown_database(name)),
        _ => Ok(is_database(call.oid(index)?).then_some(true).into()),
    }
}
