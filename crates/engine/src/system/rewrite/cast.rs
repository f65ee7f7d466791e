//! Casts to and from the types of system relations.

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CastKind, DataType, Expr, Ident, ObjectName, Value, ValueWithSpan,
};

use super::{call, column_name, is_system_name, last_name, take};

/// The `reg*` types: each is a function from a text or number, and has one to text.
const REG_TYPES: &[&str] = &["regclass", "regtype", "regproc", "regnamespace", "regrole"];

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
    // `CAST(x AS t ARRAY)` is no PostgreSQL, `CAST(.. FORMAT ..)` neither.
    let Expr::Cast { kind, expr: inner, data_type, array: false, format: None } = expr else {
        return;
    };
    if !matches!(kind, CastKind::Cast | CastKind::DoubleColon) {
        return;
    }
    unqualify(data_type);
    if let DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) = data_type {
        if let Some(array) = super::array::array_literal(inner) {
            **inner = array;
        }
        if let Some(replaced) = array_form(inner, element) {
            *expr = replaced;
        }
        return;
    }
    let replaced = match type_name(data_type).as_deref() {
        Some("oid") => Some(call("oid", vec![take(inner)])),
        Some("regprocedure") => Some(call("regproc", vec![take(inner)])),
        Some("regoperator") => Some(call("regoperator_text", vec![take(inner)])),
        Some(name) if REG_TYPES.contains(&name) => Some(call(name, vec![take(inner)])),
        Some("char") => Some(call("left", vec![take(inner), super::number(1)])),
        Some(name @ ("text" | "varchar" | "name")) => {
            let replaced = text_form(inner, is_system);
            if name == "name" {
                *data_type = DataType::Text;
            }
            replaced
        }
        _ => None,
    };
    if let Some(replaced) = replaced {
        *expr = replaced;
    }
}

/// A cast to an array of a type of system relations, and one of such an array to `text[]`.
fn array_form(inner: &mut Expr, element: &mut DataType) -> Option<Expr> {
    match type_name(element).as_deref() {
        Some("oid") => {
            *element = DataType::BigInt(None);
            None
        }
        Some("regtype") => Some(call("regtypes", vec![take(inner)])),
        Some("text") if holds_regtypes(inner) => Some(call("regtypes_text", vec![take(inner)])),
        _ => None,
    }
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

/// The cast to text of a value that shows itself as a name.
fn text_form(inner: &mut Expr, is_system: bool) -> Option<Expr> {
    if let Expr::Function(function) = inner {
        let name = last_name(&function.name);
        let name = name.strip_prefix("to_").unwrap_or(&name);
        if REG_TYPES.contains(&name) {
            let text = format!("{name}_text");
            return Some(call(&text, vec![take(inner)]));
        }
    }
    if is_system && column_name(inner).is_some_and(|name| PROC_COLUMNS.contains(&name.as_str())) {
        return Some(call("regproc_text", vec![take(inner)]));
    }
    None
}

/// Takes `pg_catalog.` off; a type that SQL has under that name becomes SQL's.
fn unqualify(data_type: &mut DataType) {
    match data_type {
        DataType::Custom(name, _) if name.0.len() == 2 && is_system_name(name) => {
            let bare = last_name(name);
            *data_type = sql_type(&bare).unwrap_or_else(|| {
                DataType::Custom(ObjectName::from(vec![Ident::new(bare)]), Vec::new())
            });
        }
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => unqualify(element),
        _ => {}
    }
}

fn sql_type(name: &str) -> Option<DataType> {
    Some(match name {
        "bool" => DataType::Boolean,
        "int2" => DataType::SmallInt(None),
        "int4" => DataType::Integer(None),
        "int8" => DataType::BigInt(None),
        "float4" => DataType::Real,
        "float8" => DataType::DoublePrecision,
        "text" => DataType::Text,
        "varchar" => DataType::Varchar(None),
        "bytea" => DataType::Bytea,
        "date" => DataType::Date,
        _ => return None,
    })
}

/// The type's name in lower case, where it has no modifier.
fn type_name(data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Custom(name, modifiers) if modifiers.is_empty() && name.0.len() == 1 => {
            Some(last_name(name))
        }
        DataType::Regclass => Some("regclass".to_owned()),
        DataType::Text => Some("text".to_owned()),
        DataType::Varchar(None) => Some("varchar".to_owned()),
        _ => None,
    }
}

/// The text of a string literal.
pub(super) fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan {
            value: Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text),
            ..
        }) => Some(text),
        _ => None,
    }
}
