//! `information_schema.columns`.

use weir_types::{Result, SqlType};

use super::{is_table, is_writable, yes_no};
use crate::system::SystemContext;
use crate::system::describe::{self, Attribute, Relation};
use crate::system::row::{Datum, Rows};

/// Most bytes of a text, and bytes of a character: PostgreSQL's limits for UTF-8.
const OCTETS_MAX: i32 = 1 << 30;
const CHARACTER_OCTETS_MAX: i64 = 4;

pub(super) fn push(rows: &mut Rows<'_>, context: &SystemContext<'_>) -> Result<()> {
    for relation in describe::all(context).filter(is_table) {
        for attribute in relation.attributes() {
            push_column(rows, context, &relation, &attribute)?;
        }
    }
    Ok(())
}

fn push_column(
    rows: &mut Rows<'_>,
    context: &SystemContext<'_>,
    relation: &Relation<'_>,
    attribute: &Attribute<'_>,
) -> Result<()> {
    let sql_type = attribute.sql_type;
    let (length, octets) = character_sizes(sql_type);
    let (precision, radix, scale) = numeric_sizes(sql_type);
    let generated = attribute.column.and_then(|column| column.generated.as_deref());
    let default = attribute.column.and_then(|column| column.default.as_deref());
    let time_precision = match sql_type {
        SqlType::Date => Some(0),
        SqlType::Time | SqlType::Timestamp | SqlType::Timestamptz | SqlType::Interval => Some(6),
        _ => None,
    };
    rows.push([
        ("table_catalog", (&context.database).into()),
        ("table_schema", context.catalog.schema_name(relation.schema_id()).into()),
        ("table_name", relation.name().into()),
        ("column_name", attribute.name.into()),
        ("ordinal_position", attribute.number.into()),
        ("column_default", if generated.is_some() { Datum::Null } else { default.into() }),
        ("is_nullable", yes_no(!attribute.not_null).into()),
        ("data_type", data_type(sql_type).into()),
        ("character_maximum_length", length.into()),
        ("character_octet_length", octets.into()),
        ("numeric_precision", precision.into()),
        ("numeric_precision_radix", radix.into()),
        ("numeric_scale", scale.into()),
        ("datetime_precision", time_precision.into()),
        ("udt_catalog", (&context.database).into()),
        ("udt_schema", "pg_catalog".into()),
        ("udt_name", sql_type.internal_name().into()),
        ("dtd_identifier", attribute.number.to_string().into()),
        ("is_self_referencing", "NO".into()),
        ("is_identity", "NO".into()),
        ("identity_cycle", "NO".into()),
        ("is_generated", if generated.is_some() { "ALWAYS" } else { "NEVER" }.into()),
        ("generation_expression", generated.into()),
        ("is_updatable", yes_no(is_writable(relation)).into()),
    ])
}

/// The type's name without its modifier.
fn data_type(sql_type: &SqlType) -> String {
    match sql_type {
        SqlType::Array(_) | SqlType::Int2Vector | SqlType::OidVector => "ARRAY".to_owned(),
        SqlType::Numeric(_) => SqlType::Numeric(None).to_string(),
        SqlType::Varchar(_) => SqlType::Varchar(None).to_string(),
        SqlType::Char(_) => "character".to_owned(),
        other => other.to_string(),
    }
}

fn character_sizes(sql_type: &SqlType) -> (Option<i32>, Option<i32>) {
    match sql_type {
        SqlType::Varchar(Some(n)) | SqlType::Char(Some(n)) => {
            let octets = (i64::from(*n) * CHARACTER_OCTETS_MAX).min(i64::from(OCTETS_MAX));
            (i32::try_from(*n).ok(), i32::try_from(octets).ok())
        }
        SqlType::Text | SqlType::Varchar(None) | SqlType::Char(None) => (None, Some(OCTETS_MAX)),
        _ => (None, None),
    }
}

/// Precision, radix, scale.
fn numeric_sizes(sql_type: &SqlType) -> (Option<i32>, Option<i32>, Option<i32>) {
    match sql_type {
        SqlType::Int2 => (Some(16), Some(2), Some(0)),
        SqlType::Int4 => (Some(32), Some(2), Some(0)),
        SqlType::Int8 => (Some(64), Some(2), Some(0)),
        SqlType::Float4 => (Some(24), Some(2), None),
        SqlType::Float8 => (Some(53), Some(2), None),
        SqlType::Numeric(Some((precision, scale))) => {
            (Some((*precision).into()), Some(10), Some((*scale).into()))
        }
        SqlType::Numeric(None) => (None, Some(10), None),
        _ => (None, None, None),
    }
}
