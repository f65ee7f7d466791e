//! Type names to [`SqlType`].

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, Ident, IntervalFields,
    ObjectName, TimezoneInfo,
};
use weir_types::{Error, RegKind, Result, SqlState, SqlType};

/// Digits of the widest numeric: it is kept in 128 bits.
const NUMERIC_PRECISION_MAX: u64 = 38;
/// PostgreSQL's longest varchar(n) and char(n).
const CHARACTER_LENGTH_MAX: u64 = 10_485_760;
/// Digits of a second that times and timestamps hold.
const TIME_PRECISION_MAX: u64 = 6;

/// PostgreSQL's types that Weir does not have.
const KNOWN_UNSUPPORTED: &[&str] = &[
    "bit",
    "box",
    "cid",
    "cidr",
    "circle",
    "daterange",
    "inet",
    "int4range",
    "int8range",
    "jsonpath",
    "line",
    "lseg",
    "macaddr",
    "macaddr8",
    "money",
    "numrange",
    "path",
    "pg_snapshot",
    "point",
    "polygon",
    "regcollation",
    "regconfig",
    "regdictionary",
    "regoper",
    "regoperator",
    "regprocedure",
    "regrole",
    "tid",
    "timetz",
    "tsquery",
    "tsrange",
    "tstzrange",
    "tsvector",
    "varbit",
    "xid",
    "xid8",
    "xml",
];

/// The SQL type that a type name means.
///
/// # Errors
/// 42704 for an unknown name, 0A000 for a type of PostgreSQL that Weir does not have, 22023 for a
/// modifier out of range; with the position within the statement where the name has a location.
pub fn sql_type(data_type: &DataType) -> Result<SqlType> {
    use DataType as D;
    match data_type {
        D::Bool | D::Boolean => Ok(SqlType::Bool),
        D::Int2(None) | D::SmallInt(None) => Ok(SqlType::Int2),
        D::Int(None) | D::Int4(None) | D::Integer(None) => Ok(SqlType::Int4),
        D::Int8(None) | D::BigInt(None) => Ok(SqlType::Int8),
        D::Int2(_) | D::SmallInt(_) => Err(no_modifier("smallint")),
        D::Int(_) | D::Int4(_) | D::Integer(_) => Err(no_modifier("integer")),
        D::Int8(_) | D::BigInt(_) => Err(no_modifier("bigint")),
        D::Real | D::Float4 => Ok(SqlType::Float4),
        D::Float8 | D::DoublePrecision => Ok(SqlType::Float8),
        D::Float(info) => float(*info),
        D::Numeric(info) | D::Decimal(info) | D::Dec(info) => numeric(*info),
        D::Text => Ok(SqlType::Text),
        D::Varchar(length) | D::CharacterVarying(length) | D::CharVarying(length) => {
            Ok(SqlType::Varchar(character_length("varchar", *length)?))
        }
        D::Char(length) | D::Character(length) => {
            Ok(SqlType::Char(character_length("char", *length)?.or(Some(1))))
        }
        D::Bytea => Ok(SqlType::Bytea),
        D::Date => Ok(SqlType::Date),
        D::Time(precision, zone) => {
            if has_zone(*zone) {
                return Err(unsupported("time with time zone")
                    .with_hint("Use timestamp with time zone, or time."));
            }
            full_precision(SqlType::Time, *precision)
        }
        D::Timestamp(precision, zone) => full_precision(
            if has_zone(*zone) { SqlType::Timestamptz } else { SqlType::Timestamp },
            *precision,
        ),
        D::Interval { fields, precision } => interval(*fields, *precision),
        D::Uuid => Ok(SqlType::Uuid),
        D::JSON => Ok(SqlType::Json),
        D::JSONB => Ok(SqlType::Jsonb),
        D::Regclass => Ok(SqlType::Reg(RegKind::Class)),
        D::Array(ArrayElemTypeDef::SquareBracket(element, _)) => {
            Ok(match sql_type(element)? {
                // PostgreSQL's arrays have any number of dimensions, whatever their type says.
                array @ SqlType::Array(_) => array,
                element => SqlType::Array(Box::new(element)),
            })
        }
        D::Custom(name, modifiers) => named(name, modifiers),
        other => Err(by_name(&type_text(other))),
    }
}

/// True for the name of a type of which constants can be written as `name '..'`.
pub(super) fn is_type_name(name: &str) -> bool {
    builtin(name).is_some()
}

/// The type of that name in `pg_catalog`, without modifiers.
fn builtin(name: &str) -> Option<SqlType> {
    Some(match name {
        "bool" => SqlType::Bool,
        "int2" => SqlType::Int2,
        "int4" => SqlType::Int4,
        "int8" => SqlType::Int8,
        "float4" => SqlType::Float4,
        "float8" => SqlType::Float8,
        "numeric" => SqlType::Numeric(None),
        "text" => SqlType::Text,
        "varchar" => SqlType::Varchar(None),
        "bpchar" => SqlType::Char(None),
        "char" => SqlType::InternalChar,
        "name" => SqlType::Name,
        "bytea" => SqlType::Bytea,
        "date" => SqlType::Date,
        "time" => SqlType::Time,
        "timestamp" => SqlType::Timestamp,
        "timestamptz" => SqlType::Timestamptz,
        "interval" => SqlType::Interval,
        "uuid" => SqlType::Uuid,
        "json" => SqlType::Json,
        "jsonb" => SqlType::Jsonb,
        "oid" => SqlType::Oid,
        "regclass" => SqlType::Reg(RegKind::Class),
        "regtype" => SqlType::Reg(RegKind::Type),
        "regproc" => SqlType::Reg(RegKind::Proc),
        "regnamespace" => SqlType::Reg(RegKind::Namespace),
        "int2vector" => SqlType::Int2Vector,
        "oidvector" => SqlType::OidVector,
        "pg_lsn" => SqlType::PgLsn,
        "unknown" => SqlType::Unknown,
        "void" => SqlType::Void,
        "record" => SqlType::Record,
        _ => return None,
    })
}

/// A type that sqlparser knows by its name only.
fn named(object_name: &ObjectName, modifiers: &[String]) -> Result<SqlType> {
    let idents: Vec<&Ident> = object_name.0.iter().filter_map(|part| part.as_ident()).collect();
    let at = |error: Error| match idents.first().map(|ident| ident.span.start.column) {
        Some(column) if column > 0 => error.with_position(column as usize),
        _ => error,
    };
    let name = match idents.as_slice() {
        [name] => name.value.as_str(),
        [schema, name] if schema.value == "pg_catalog" => name.value.as_str(),
        _ => {
            let parts: Vec<&str> = idents.iter().map(|ident| ident.value.as_str()).collect();
            return Err(at(does_not_exist(&parts.join("."))));
        }
    };
    let found = match name.strip_prefix('_').and_then(builtin) {
        Some(element) => SqlType::Array(Box::new(element)),
        None => builtin(name).ok_or_else(|| at(by_name(name)))?,
    };
    if modifiers.is_empty() { Ok(found) } else { modified(name, found, modifiers).map_err(at) }
}

/// A type given by its internal name, with modifiers.
fn modified(name: &str, found: SqlType, modifiers: &[String]) -> Result<SqlType> {
    let numbers: Vec<i64> = modifiers
        .iter()
        .map(|modifier| modifier.parse().map_err(|_| invalid_modifier(name)))
        .collect::<Result<_>>()?;
    let unsigned = |number: i64| u64::try_from(number).map_err(|_| invalid_modifier(name));
    let length = |number: i64| {
        Ok(Some(CharacterLength::IntegerLength { length: unsigned(number)?, unit: None }))
    };
    match (found, numbers.as_slice()) {
        (SqlType::Numeric(_), [precision]) => {
            numeric(ExactNumberInfo::Precision(unsigned(*precision)?))
        }
        (SqlType::Numeric(_), [precision, scale]) => {
            numeric(ExactNumberInfo::PrecisionAndScale(unsigned(*precision)?, *scale))
        }
        (SqlType::Varchar(_), [number]) => {
            Ok(SqlType::Varchar(character_length(name, length(*number)?)?))
        }
        (SqlType::Char(_), [number]) => {
            Ok(SqlType::Char(character_length(name, length(*number)?)?))
        }
        (found @ (SqlType::Time | SqlType::Timestamp | SqlType::Timestamptz), [precision]) => {
            full_precision(found, Some(unsigned(*precision)?))
        }
        _ => Err(no_modifier(name)),
    }
}

fn has_zone(zone: TimezoneInfo) -> bool {
    matches!(zone, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz)
}

fn float(info: ExactNumberInfo) -> Result<SqlType> {
    let out_of_range = |message| Err(Error::new(SqlState::InvalidParameterValue, message));
    match info {
        ExactNumberInfo::None => Ok(SqlType::Float8),
        ExactNumberInfo::Precision(0) => {
            out_of_range("precision for type float must be at least 1 bit")
        }
        ExactNumberInfo::Precision(1..=24) => Ok(SqlType::Float4),
        ExactNumberInfo::Precision(25..=53) => Ok(SqlType::Float8),
        ExactNumberInfo::Precision(_) => {
            out_of_range("precision for type float must be less than 54 bits")
        }
        ExactNumberInfo::PrecisionAndScale(..) => Err(invalid_modifier("float")),
    }
}

fn numeric(info: ExactNumberInfo) -> Result<SqlType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(SqlType::Numeric(None)),
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    if !(1..=1000).contains(&precision) {
        return Err(Error::new(
            SqlState::InvalidParameterValue,
            format!("NUMERIC precision {precision} must be between 1 and 1000"),
        ));
    }
    if precision > NUMERIC_PRECISION_MAX {
        return Err(Error::unsupported(format!(
            "NUMERIC precision {precision} is not supported: the limit is {NUMERIC_PRECISION_MAX}"
        ))
        .with_hint("Use a lower precision, double precision, or text."));
    }
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision), Ok(scale)) if (0..=i16::from(precision)).contains(&i16::from(scale)) => {
            Ok(SqlType::Numeric(Some((precision, scale))))
        }
        _ => Err(Error::unsupported(format!(
            "NUMERIC scale {scale} is not supported: it must be between 0 and precision {precision}"
        ))),
    }
}

fn character_length(name: &str, length: Option<CharacterLength>) -> Result<Option<u32>> {
    let length = match length {
        None => return Ok(None),
        Some(CharacterLength::IntegerLength { length, unit: None }) => length,
        Some(_) => return Err(invalid_modifier(name)),
    };
    let out_of_range = |message| Err(Error::new(SqlState::InvalidParameterValue, message));
    match length {
        0 => out_of_range(format!("length for type {name} must be at least 1")),
        1..=CHARACTER_LENGTH_MAX => Ok(Some(length as u32)),
        _ => out_of_range(format!("length for type {name} cannot exceed {CHARACTER_LENGTH_MAX}")),
    }
}

/// A time type, whose values are always kept in microseconds: a lower precision would have to
/// round.
fn full_precision(sql_type: SqlType, precision: Option<u64>) -> Result<SqlType> {
    match precision {
        Some(precision) if precision < TIME_PRECISION_MAX => Err(Error::unsupported(format!(
            "precision {precision} of type {sql_type} is not supported: values are kept in \
             microseconds"
        ))
        .with_hint("Leave the precision out, and use date_trunc where values must be rounded.")),
        _ => Ok(sql_type),
    }
}

/// `interval`, with fields only where they leave values as they are: those down to seconds.
fn interval(fields: Option<IntervalFields>, precision: Option<u64>) -> Result<SqlType> {
    use IntervalFields::{DayToSecond, HourToSecond, MinuteToSecond, Second};
    match fields {
        None | Some(Second | DayToSecond | HourToSecond | MinuteToSecond) => {
            full_precision(SqlType::Interval, precision)
        }
        Some(fields) => Err(unsupported(&format!("interval {fields}").to_lowercase())
            .with_hint("Use interval without fields.")),
    }
}

/// The error of a type name that is none of Weir's types.
fn by_name(name: &str) -> Error {
    match name {
        "serial" | "bigserial" | "smallserial" | "serial2" | "serial4" | "serial8" => {
            unsupported(name).with_hint(
                "Weir has no sequences. Use bigint with values of your own, or no primary key: \
                 a table without one has a hidden row id.",
            )
        }
        _ if KNOWN_UNSUPPORTED.binary_search(&name).is_ok() => unsupported(name),
        _ => {
            let error = does_not_exist(name);
            match replacement(name) {
                Some(replacement) => error.with_hint(format!("Use {replacement}.")),
                None => error,
            }
        }
    }
}

/// What other databases' types are called in PostgreSQL.
fn replacement(name: &str) -> Option<&'static str> {
    Some(match name {
        "string" | "clob" | "longtext" | "mediumtext" | "nvarchar" | "tinytext" => "text",
        "datetime" | "timestamp_ntz" => "timestamp",
        "double" | "float64" => "double precision",
        "float32" => "real",
        "tinyint" | "int16" | "uint8" => "smallint",
        "mediumint" | "int32" | "uint16" => "integer",
        "int64" | "uint32" | "long" => "bigint",
        "uint64" | "hugeint" | "int128" => "numeric",
        "blob" | "binary" | "bytes" | "varbinary" => "bytea",
        _ => return None,
    })
}

/// The name of a type as sqlparser prints it, without modifiers.
fn type_text(data_type: &DataType) -> String {
    let text = match data_type {
        DataType::BitVarying(_) => "varbit".to_owned(),
        other => other.to_string().to_lowercase(),
    };
    text.split('(').next().unwrap_or_default().trim().to_owned()
}

fn does_not_exist(name: &str) -> Error {
    Error::new(SqlState::UndefinedObject, format!("type \"{name}\" does not exist"))
}

fn unsupported(name: &str) -> Error {
    Error::unsupported(format!("type {name} is not supported"))
}

fn no_modifier(name: &str) -> Error {
    Error::syntax(format!("type modifier is not allowed for type \"{name}\""))
}

fn invalid_modifier(name: &str) -> Error {
    Error::new(
        SqlState::InvalidParameterValue,
        format!("invalid type modifier for type \"{name}\""),
    )
}

#[cfg(test)]
mod tests;
