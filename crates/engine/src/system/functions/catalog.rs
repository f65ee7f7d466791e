//! Functions over the catalog: definitions, names, visibility, descriptions.

mod definitions;

use weir_types::{Error, ObjectId, RegKind, Result, SqlState, SqlType};

use super::{Call, Definition};
use crate::system::describe::{self, Relation};
use crate::system::objects::{CLASS_OID, NAMESPACE_OID};
use crate::system::resolve::format_type;
use crate::system::row::Datum;
use crate::system::static_rows::{
    COLLATIONS, DESCRIPTIONS, OPCLASSES, OPERATORS, OPFAMILIES, PROCS, RowsByOid, TYPES,
};
use crate::system::{DATABASE_OID, find};

const TEXT: SqlType = SqlType::Text;
const BOOL: SqlType = SqlType::Bool;

/// The functions of this module.
pub(super) const DEFINITIONS: &[Definition] = &[
    Definition::new("format_type", (2, 2), TEXT, format_type_call).takes_null(),
    Definition::new("pg_get_userbyid", (1, 1), SqlType::Name, user_by_id),
    Definition::new("pg_get_expr", (2, 3), TEXT, |call| Ok(call.argument(0).clone())),
    Definition::new("pg_get_viewdef", (1, 2), TEXT, definitions::view),
    Definition::new("pg_get_indexdef", (1, 3), TEXT, definitions::index),
    Definition::new("pg_get_constraintdef", (1, 2), TEXT, definitions::constraint),
    Definition::new("pg_get_functiondef", (1, 1), TEXT, definitions::function),
    Definition::new("pg_get_function_result", (1, 1), TEXT, definitions::function_result),
    Definition::new("pg_get_function_arguments", (1, 1), TEXT, definitions::function_arguments),
    Definition::new(
        "pg_get_function_identity_arguments",
        (1, 1),
        TEXT,
        definitions::function_arguments,
    ),
    Definition::new("pg_get_ruledef", (1, 2), TEXT, definitions::rule),
    Definition::new("pg_get_function_sqlbody", (1, 1), TEXT, nothing),
    Definition::new("pg_get_triggerdef", (1, 2), TEXT, nothing),
    Definition::new("pg_get_partkeydef", (1, 1), TEXT, nothing),
    Definition::new("pg_get_partition_constraintdef", (1, 1), TEXT, nothing),
    Definition::new("pg_get_statisticsobjdef", (1, 1), TEXT, nothing),
    Definition::new("pg_get_statisticsobjdef_columns", (1, 1), TEXT, nothing),
    Definition::new("pg_get_serial_sequence", (2, 2), TEXT, no_sequence),
    Definition::new("obj_description", (1, 2), TEXT, object_description),
    Definition::new("col_description", (2, 2), TEXT, column_description),
    Definition::new("shobj_description", (2, 2), TEXT, nothing),
    Definition::new("pg_describe_object", (3, 3), TEXT, describe_object),
    Definition::new("pg_table_is_visible", (1, 1), BOOL, table_is_visible),
    Definition::new("pg_type_is_visible", (1, 1), BOOL, |call| is_listed(call, &TYPES)),
    Definition::new("pg_function_is_visible", (1, 1), BOOL, |call| is_listed(call, &PROCS)),
    Definition::new("pg_operator_is_visible", (1, 1), BOOL, |call| is_listed(call, &OPERATORS)),
    Definition::new("pg_opclass_is_visible", (1, 1), BOOL, |call| is_listed(call, &OPCLASSES)),
    Definition::new("pg_opfamily_is_visible", (1, 1), BOOL, |call| is_listed(call, &OPFAMILIES)),
    Definition::new("pg_collation_is_visible", (1, 1), BOOL, |call| is_listed(call, &COLLATIONS)),
    Definition::new("pg_conversion_is_visible", (1, 1), BOOL, nothing),
    Definition::new("pg_statistics_obj_is_visible", (1, 1), BOOL, nothing),
    Definition::new("pg_ts_config_is_visible", (1, 1), BOOL, nothing),
    Definition::new("pg_ts_dict_is_visible", (1, 1), BOOL, nothing),
    Definition::new("pg_ts_parser_is_visible", (1, 1), BOOL, nothing),
    Definition::new("pg_ts_template_is_visible", (1, 1), BOOL, nothing),
    Definition::new("pg_relation_is_publishable", (1, 1), BOOL, is_publishable),
    Definition::new("pg_relation_is_updatable", (2, 2), SqlType::Int4, updatable_events),
    Definition::new("pg_column_is_updatable", (3, 3), BOOL, |call| Ok(is_writable(call)?.into())),
    Definition::new("row_security_active", (1, 1), BOOL, |_| Ok(false.into())),
    Definition::new("pg_is_other_temp_schema", (1, 1), BOOL, |_| Ok(false.into())),
    Definition::new("pg_my_temp_schema", (0, 0), SqlType::Oid, |_| Ok(0.into())),
    Definition::new("pg_stat_get_numscans", (1, 1), SqlType::Int8, |_| Ok(0.into())),
    Definition::new("regclass", (1, 1), SqlType::Reg(RegKind::Class), |call| {
        reg(call, RegKind::Class)
    }),
    Definition::new("regtype", (1, 1), SqlType::Reg(RegKind::Type), |call| {
        reg(call, RegKind::Type)
    }),
    Definition::new("regproc", (1, 1), SqlType::Reg(RegKind::Proc), |call| {
        reg(call, RegKind::Proc)
    }),
    Definition::new("regnamespace", (1, 1), SqlType::Reg(RegKind::Namespace), |call| {
        reg(call, RegKind::Namespace)
    }),
    Definition::new("to_regclass", (1, 1), SqlType::Reg(RegKind::Class), |call| {
        try_reg(call, RegKind::Class)
    }),
    Definition::new("to_regtype", (1, 1), SqlType::Reg(RegKind::Type), |call| {
        try_reg(call, RegKind::Type)
    }),
    Definition::new("to_regproc", (1, 1), SqlType::Reg(RegKind::Proc), |call| {
        try_reg(call, RegKind::Proc)
    }),
    Definition::new("to_regnamespace", (1, 1), SqlType::Reg(RegKind::Namespace), |call| {
        try_reg(call, RegKind::Namespace)
    }),
    Definition::new("regtypes", (1, 1), SqlType::Reg(RegKind::Type), |call| {
        Ok(call.argument(0).clone())
    })
    .array(),
    Definition::new("regtypes_text", (1, 1), TEXT, type_names).array(),
    // The text forms: what a cast of the type to text is rewritten to.
    Definition::new("regclass_text", (1, 1), TEXT, |call| reg_text(call, RegKind::Class)),
    Definition::new("regtype_text", (1, 1), TEXT, |call| reg_text(call, RegKind::Type)),
    Definition::new("regproc_text", (1, 1), TEXT, |call| reg_text(call, RegKind::Proc)),
    Definition::new("regnamespace_text", (1, 1), TEXT, |call| reg_text(call, RegKind::Namespace)),
    Definition::new("regrole_text", (1, 1), TEXT, role_text),
    Definition::new("regrole", (1, 1), SqlType::Oid, role),
    // Two types that have no value of their own here: they are shown only.
    Definition::new("regoperator", (1, 1), TEXT, operator_text),
    Definition::new("regoperator_text", (1, 1), TEXT, operator_text),
    Definition::new("regprocedure", (1, 1), TEXT, procedure_text),
    Definition::new("regprocedure_text", (1, 1), TEXT, procedure_text),
];

/// NULL: Weir has no object of the kind that the function describes.
fn nothing(_call: &Call<'_>) -> Result<Datum> {
    Ok(Datum::Null)
}

/// The relation that the argument means: an oid, or a text as for `regclass`.
///
/// # Errors
/// 42P01 for an unknown name; an unknown oid is `None`.
pub(super) fn relation<'a>(call: &Call<'a>, index: usize) -> Result<Option<Relation<'a>>> {
    let oid = match call.argument(index) {
        Datum::Text(text) => call.names().reg_oid(RegKind::Class, text)?,
        _ => call.oid(index)?,
    };
    Ok(call.names().by_oid(oid))
}

fn format_type_call(call: &Call<'_>) -> Result<Datum> {
    if call.argument(0).is_null() {
        return Ok(Datum::Null);
    }
    let typmod = match call.argument(1) {
        Datum::Null => None,
        _ => i32::try_from(call.number(1)?).ok(),
    };
    Ok(format_type(call.oid(0)?, typmod).into())
}

fn role_name<'a>(call: &Call<'a>, oid: u32) -> Option<&'a str> {
    let mut roles = describe::roles(call.context.catalog(), call.context.user()).into_iter();
    roles.find(|name| describe::role_oid(name) == oid)
}

fn user_by_id(call: &Call<'_>) -> Result<Datum> {
    let oid = call.oid(0)?;
    let name = role_name(call, oid).map(str::to_owned);
    Ok(name.unwrap_or_else(|| format!("unknown (OID={oid})")).into())
}

fn role_text(call: &Call<'_>) -> Result<Datum> {
    let oid = call.oid(0)?;
    let name = role_name(call, oid).map(describe::quote_ident);
    Ok(name.unwrap_or_else(|| oid.to_string()).into())
}

fn role(call: &Call<'_>) -> Result<Datum> {
    let Datum::Text(name) = call.argument(0) else { return Ok(call.argument(0).clone()) };
    if let Ok(oid) = name.parse::<u32>() {
        return Ok(oid.into());
    }
    let roles = describe::roles(call.context.catalog(), call.context.user());
    let found = roles.into_iter().find(|role| role == name).map(describe::role_oid);
    found.map(Datum::from).ok_or_else(|| {
        Error::new(SqlState::UndefinedObject, format!("role \"{name}\" does not exist"))
    })
}

fn reg(call: &Call<'_>, kind: RegKind) -> Result<Datum> {
    match call.argument(0) {
        Datum::Text(text) => Ok(call.names().reg_oid(kind, text)?.into()),
        _ => Ok(call.number(0)?.into()),
    }
}

/// NULL instead of an error for an unknown name.
fn try_reg(call: &Call<'_>, kind: RegKind) -> Result<Datum> {
    Ok(call.names().reg_oid(kind, call.text(0)?).ok().into())
}

fn reg_text(call: &Call<'_>, kind: RegKind) -> Result<Datum> {
    let Datum::Int(oid) = reg(call, kind)? else { return Ok(Datum::Null) };
    Ok(call.names().reg_name(kind, u32::try_from(oid).unwrap_or(0)).into())
}

fn type_names(call: &Call<'_>) -> Result<Datum> {
    let Datum::List(oids) = call.argument(0) else { return Ok(Datum::Null) };
    let names = call.names();
    let shown = oids.iter().map(|oid| match oid {
        Datum::Int(oid) => names.reg_name(RegKind::Type, u32::try_from(*oid).unwrap_or(0)).into(),
        _ => Datum::Null,
    });
    Ok(Datum::List(shown.collect()))
}

fn operator_text(call: &Call<'_>) -> Result<Datum> {
    let oid = call.oid(0)?;
    Ok(OPERATORS
        .get(&oid)
        .map_or_else(
            || oid.to_string(),
            |row| {
                let side = |column| match row.oid(column) {
                    0 => "NONE".to_owned(),
                    oid => format_type(oid, None),
                };
                format!("{}({},{})", row.text("oprname"), side("oprleft"), side("oprright"))
            },
        )
        .into())
}

fn procedure_text(call: &Call<'_>) -> Result<Datum> {
    let oid = call.oid(0)?;
    let text = PROCS.get(&oid).map_or_else(
        || if oid == 0 { "-".to_owned() } else { oid.to_string() },
        |row| {
            let types = row.oids("proargtypes").into_iter().map(|oid| format_type(oid, None));
            let types = types.collect::<Vec<_>>().join(",");
            format!("{}({types})", describe::quote_ident(row.text("proname")))
        },
    );
    Ok(text.into())
}

fn table_is_visible(call: &Call<'_>) -> Result<Datum> {
    let names = call.names();
    Ok(names.by_oid(call.oid(0)?).map(|relation| names.is_visible(relation)).into())
}

/// True for a listed object, as all of them are in `pg_catalog`; NULL for others.
fn is_listed(call: &Call<'_>, rows: &RowsByOid) -> Result<Datum> {
    Ok(rows.contains_key(&call.oid(0)?).then_some(true).into())
}

fn is_publishable(call: &Call<'_>) -> Result<Datum> {
    let relation = relation(call, 0)?;
    Ok(matches!(relation, Some(Relation::Object(_)) if relation.is_some_and(|r| r.kind() == 'r'))
        .into())
}

fn is_writable(call: &Call<'_>) -> Result<bool> {
    Ok(matches!(relation(call, 0)?, Some(Relation::Object(object))
        if matches!(object.body, weir_catalog::ObjectBody::Table(_))))
}

/// PostgreSQL's event bits: INSERT 8, UPDATE 4, DELETE 16.
fn updatable_events(call: &Call<'_>) -> Result<Datum> {
    let events = match relation(call, 0)? {
        Some(Relation::Object(object)) => match object.body {
            weir_catalog::ObjectBody::Table(_) => 8 | 4 | 16,
            weir_catalog::ObjectBody::Stream(_) => 8,
            _ => 0,
        },
        _ => 0,
    };
    Ok(events.into())
}

/// NULL, after the relation was found to exist: no column has a sequence.
fn no_sequence(call: &Call<'_>) -> Result<Datum> {
    relation(call, 0)?;
    Ok(Datum::Null)
}

/// The comment on an object of the class.
fn comment(call: &Call<'_>, class: u32, oid: u32, number: i64) -> Option<String> {
    if let Some(description) = DESCRIPTIONS.get(&(oid, class, number)) {
        return Some(description.clone());
    }
    let object = call.context.catalog().get(ObjectId(oid))?;
    let is_schema = object.kind() == weir_catalog::ObjectKind::Schema;
    if class != (if is_schema { NAMESPACE_OID } else { CLASS_OID }) {
        return None;
    }
    if number == 0 {
        return object.comment.clone();
    }
    let mut columns = describe::visible_columns(object);
    columns.find(|(n, _)| i64::from(*n) == number).and_then(|(_, column)| column.comment.clone())
}

fn object_description(call: &Call<'_>) -> Result<Datum> {
    let oid = call.oid(0)?;
    let class = match call.argument(1) {
        Datum::Text(name) => find("pg_catalog", name).map_or(0, |relation| relation.oid),
        // The form without a catalog: any object of that oid.
        _ => {
            let classes = [CLASS_OID, NAMESPACE_OID];
            let found = classes.into_iter().find_map(|class| comment(call, class, oid, 0));
            return Ok(found.into());
        }
    };
    Ok(comment(call, class, oid, 0).into())
}

fn column_description(call: &Call<'_>) -> Result<Datum> {
    Ok(comment(call, CLASS_OID, call.oid(0)?, call.number(1)?).into())
}

fn describe_object(call: &Call<'_>) -> Result<Datum> {
    let (class, oid, number) = (call.oid(0)?, call.oid(1)?, call.number(2)?);
    let names = call.names();
    let text = match class {
        CLASS_OID => names.by_oid(oid).map(|relation| {
            let kind = match relation.kind() {
                'v' => "view",
                'm' => "materialized view",
                'i' => "index",
                _ => "table",
            };
            let name = format!("{kind} {}", names.shown_name(relation));
            let attribute =
                relation.attributes().into_iter().find(|a| i64::from(a.number) == number);
            match attribute {
                Some(attribute) => format!("column {} of {name}", attribute.name),
                None => name,
            }
        }),
        NAMESPACE_OID => names.schema_name(oid).map(|name| format!("schema {name}")),
        _ => None,
    };
    Ok(text.into())
}

/// True for a schema that `oid` names.
pub(super) fn schema_exists(call: &Call<'_>, oid: u32) -> bool {
    call.names().schema_name(oid).is_some()
}

/// True for the database's oid.
pub(super) fn is_database(oid: u32) -> bool {
    oid == DATABASE_OID
}
