//! All types against the answers of a PostgreSQL 15 server, and against themselves.

mod arrow_types;
mod beyond;
mod postgres;
mod round_trip;

use arrow::array::ArrayRef;
use bytes::BytesMut;
use weir_types::{RegKind, Result, SqlType};

use super::{ColumnBuilder, FormatSettings, ValueEncoder};

/// The array of one value given as text.
fn read_text(text: &str, sql_type: &SqlType, settings: &FormatSettings) -> Result<ArrayRef> {
    let mut builder = ColumnBuilder::new(sql_type, settings);
    builder.push_text(text)?;
    builder.finish()
}

/// The array of one value given in binary.
fn read_binary(bytes: &[u8], sql_type: &SqlType) -> Result<ArrayRef> {
    let mut builder = ColumnBuilder::new(sql_type, &FormatSettings::default());
    builder.push_binary(bytes)?;
    builder.finish()
}

/// Text and binary of the first value.
fn written(
    array: &ArrayRef,
    sql_type: &SqlType,
    settings: &FormatSettings,
) -> Result<(String, Vec<u8>)> {
    let encoder = ValueEncoder::new(array.as_ref(), sql_type, settings)?;
    let (mut text, mut binary) = (BytesMut::new(), BytesMut::new());
    encoder.write_text(0, &mut text)?;
    encoder.write_binary(0, &mut binary)?;
    Ok((String::from_utf8(text.to_vec()).expect("text is UTF-8"), binary.to_vec()))
}

/// The type of that name, as `format_type` or `pg_type` have it.
pub(crate) fn type_of(name: &str) -> SqlType {
    if let Some(element) = name.strip_suffix("[]") {
        return SqlType::Array(Box::new(type_of(element)));
    }
    let (base, modifiers) = name.split_once('(').unwrap_or((name, ""));
    let numbers: Vec<i32> = modifiers
        .trim_end_matches(')')
        .split(',')
        .filter(|number| !number.is_empty())
        .map(|number| number.parse().expect("a number"))
        .collect();
    match (base, numbers.as_slice()) {
        ("boolean", _) => SqlType::Bool,
        ("smallint", _) => SqlType::Int2,
        ("integer" | "int", _) => SqlType::Int4,
        ("bigint", _) => SqlType::Int8,
        ("real", _) => SqlType::Float4,
        ("double precision", _) => SqlType::Float8,
        ("numeric", []) => SqlType::Numeric(None),
        ("numeric", [precision, scale]) => SqlType::Numeric(Some((*precision as u8, *scale as i8))),
        ("varchar", []) => SqlType::Varchar(None),
        ("varchar", [n]) => SqlType::Varchar(Some(n.unsigned_abs())),
        ("char", [n]) => SqlType::Char(Some(n.unsigned_abs())),
        ("\"char\"", _) => SqlType::InternalChar,
        ("text", _) => SqlType::Text,
        ("bytea", _) => SqlType::Bytea,
        ("date", _) => SqlType::Date,
        ("time", _) => SqlType::Time,
        ("timestamp", _) => SqlType::Timestamp,
        ("timestamptz", _) => SqlType::Timestamptz,
        ("interval", _) => SqlType::Interval,
        ("uuid", _) => SqlType::Uuid,
        ("json", _) => SqlType::Json,
        ("jsonb", _) => SqlType::Jsonb,
        ("oid", _) => SqlType::Oid,
        ("name", _) => SqlType::Name,
        ("regclass", _) => SqlType::Reg(RegKind::Class),
        ("int2vector", _) => SqlType::Int2Vector,
        ("oidvector", _) => SqlType::OidVector,
        ("pg_lsn", _) => SqlType::PgLsn,
        ("record", _) => SqlType::Record,
        other => panic!("unknown type {other:?}"),
    }
}

/// The bytes of a field of a file of cases: as COPY writes them, and `\xNN` for other than ASCII.
pub(crate) fn unescape(field: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), field.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let mut next = || char::from(rest.next().expect("a character behind the backslash"));
        bytes.push(match next() {
            'n' => b'\n',
            't' => b'\t',
            'r' => b'\r',
            'x' => {
                let digits: String = [next(), next()].into_iter().collect();
                u8::from_str_radix(&digits, 16).expect("two digits")
            }
            other => other as u8,
        });
    }
    bytes
}
