//! Casts to text of what system relations hold as oids, and to arrays of types.

use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, DataType, Expr};

use super::{call, column_name, last_name, take};

/// Columns of system relations that hold a function, which they show by its name.
const PROC_COLUMNS: &[&str] = &[
    "typinput",
    "typoutput",
    "typreceive",
    "typsend",
    "typmodin",
    "typmodout",
    "typanalyze",
    "typsubscript",
    "amhandler",
    "oprcode",
    "oprrest",
    "oprjoin",
    "prosupport",
    "aggfnoid",
    "aggtransfn",
    "aggfinalfn",
    "amproc",
    "conproc",
    "evtfoid",
];

pub(super) fn rewrite(expr: &mut Expr, is_system: bool) {
    let Expr::Cast { expr: inner, data_type, .. } = expr else { return };
    let replaced = match data_type {
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => {
            match type_name(element).as_deref() {
                Some("regtype") => Some("regtypes"),
                Some("text") if holds_regtypes(inner) => Some("regtypes_text"),
                _ => None,
            }
        }
        _ => match type_name(data_type).as_deref() {
            Some("text" | "varchar" | "name") if is_system && is_proc_column(inner) => {
                Some("regproc_text")
            }
            _ => None,
        },
    };
    if let Some(function) = replaced {
        *expr = call(function, vec![take(inner)]);
    }
}

fn is_proc_column(expr: &Expr) -> bool {
    column_name(expr).is_some_and(|name| PROC_COLUMNS.contains(&name.as_str()))
}

/// True for an array of `regtype`, or a choice between such.
fn holds_regtypes(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    match last_name(&function.name).as_str() {
        "regtypes" => true,
        "coalesce" => super::arguments(function)
            .is_some_and(|arguments| arguments.into_iter().any(holds_regtypes)),
        _ => false,
    }
}

/// The type's name in lower case, where it has no modifier.
fn type_name(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Custom(name, modifiers) if modifiers.is_empty() => Some(last_name(name)),
        DataType::Text => Some("text".to_owned()),
        DataType::Varchar(None) => Some("varchar".to_owned()),
        _ => None,
    }
}
