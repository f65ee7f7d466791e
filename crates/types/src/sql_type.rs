//! The SQL types of columns, parameters and results, with PostgreSQL's names, oids and typmods.

use std::fmt;

/// Scale in which a `numeric` without precision is kept: it has room for 28 digits before the point
/// in 38 digits, and shows no trailing zeros.
pub const NUMERIC_SCALE_UNCONSTRAINED: i8 = 10;

/// A SQL type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SqlType {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric(precision, scale)`; `None` is `numeric` without precision.
    Numeric(Option<(u8, i8)>),
    /// `text`
    Text,
    /// `character varying(n)`; `None` is without length.
    Varchar(Option<u32>),
    /// `character(n)`, blank-padded; `None` is `bpchar` without length. Values of a length are kept without
    /// the blanks at their ends, those of none with them: both compare without them.
    Char(Option<u32>),
    /// `bytea`
    Bytea,
    /// `date`
    Date,
    /// `time without time zone`, in microseconds.
    Time,
    /// `timestamp without time zone`, in microseconds.
    Timestamp,
    /// `timestamp with time zone`, an instant in microseconds.
    Timestamptz,
    /// `interval`
    Interval,
    /// `uuid`
    Uuid,
    /// `json`, text as given.
    Json,
    /// `jsonb`, text in canonical form.
    Jsonb,
    /// `oid`
    Oid,
    /// `name`, of system relations.
    Name,
    /// `"char"`, of system relations.
    InternalChar,
    /// `regclass`, `regtype`, `regproc` and so on: an oid that shows itself as a name.
    Reg(RegKind),
    /// `int2vector`, of system relations.
    Int2Vector,
    /// `oidvector`, of system relations.
    OidVector,
    /// `pg_lsn`: an epoch.
    PgLsn,
    /// A literal or parameter whose type is not told yet; `text` on the wire where it remains.
    Unknown,
    /// `void`, of functions called for their effect.
    Void,
    /// `record`, an anonymous composite.
    Record,
    /// An array, of any number of dimensions of which Weir keeps one.
    Array(Box<SqlType>),
}

/// Which catalog a `reg*` type names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegKind {
    /// `regclass`
    Class,
    /// `regtype`
    Type,
    /// `regproc`
    Proc,
    /// `regnamespace`
    Namespace,
}

impl SqlType {
    /// PostgreSQL's oid of the type.
    #[must_use]
    pub fn oid(&self) -> u32 {
        match self {
            Self::Bool => 16,
            Self::Bytea => 17,
            Self::InternalChar => 18,
            Self::Name => 19,
            Self::Int8 => 20,
            Self::Int2 => 21,
            Self::Int2Vector => 22,
            Self::Int4 => 23,
            Self::Reg(RegKind::Proc) => 24,
            Self::Text => 25,
            Self::Oid => 26,
            Self::OidVector => 30,
            Self::Json => 114,
            Self::Float4 => 700,
            Self::Float8 => 701,
            Self::Unknown => 705,
            Self::Char(_) => 1042,
            Self::Varchar(_) => 1043,
            Self::Date => 1082,
            Self::Time => 1083,
            Self::Timestamp => 1114,
            Self::Timestamptz => 1184,
            Self::Interval => 1186,
            Self::Numeric(_) => 1700,
            Self::Reg(RegKind::Class) => 2205,
            Self::Reg(RegKind::Type) => 2206,
            Self::Record => 2249,
            Self::Void => 2278,
            Self::Uuid => 2950,
            Self::PgLsn => 3220,
            Self::Jsonb => 3802,
            Self::Reg(RegKind::Namespace) => 4089,
            Self::Array(element) => element.array_oid(),
        }
    }

    /// PostgreSQL's oid of the array of this type; that of `text[]` where PostgreSQL has none.
    #[must_use]
    pub fn array_oid(&self) -> u32 {
        match self {
            Self::Bool => 1000,
            Self::Bytea => 1001,
            Self::InternalChar => 1002,
            Self::Name => 1003,
            Self::Int8 => 1016,
            Self::Int2 => 1005,
            Self::Int2Vector => 1006,
            Self::Int4 => 1007,
            Self::Reg(RegKind::Proc) => 1008,
            Self::Oid => 1028,
            Self::OidVector => 1013,
            Self::Json => 199,
            Self::Float4 => 1021,
            Self::Float8 => 1022,
            Self::Char(_) => 1014,
            Self::Varchar(_) => 1015,
            Self::Date => 1182,
            Self::Time => 1183,
            Self::Timestamp => 1115,
            Self::Timestamptz => 1185,
            Self::Interval => 1187,
            Self::Numeric(_) => 1231,
            Self::Reg(RegKind::Class) => 2210,
            Self::Reg(RegKind::Type) => 2211,
            Self::Reg(RegKind::Namespace) => 4090,
            Self::Record => 2287,
            Self::Uuid => 2951,
            Self::PgLsn => 3221,
            Self::Jsonb => 3807,
            Self::Text | Self::Unknown | Self::Void | Self::Array(_) => 1009,
        }
    }

    /// The type of that oid, without a type modifier; `None` where Weir has no such type.
    #[must_use]
    pub fn from_oid(oid: u32) -> Option<Self> {
        let scalar = [
            Self::Bool,
            Self::Bytea,
            Self::InternalChar,
            Self::Name,
            Self::Int8,
            Self::Int2,
            Self::Int2Vector,
            Self::Int4,
            Self::Reg(RegKind::Proc),
            Self::Text,
            Self::Oid,
            Self::OidVector,
            Self::Json,
            Self::Float4,
            Self::Float8,
            Self::Unknown,
            Self::Char(None),
            Self::Varchar(None),
            Self::Date,
            Self::Time,
            Self::Timestamp,
            Self::Timestamptz,
            Self::Interval,
            Self::Numeric(None),
            Self::Reg(RegKind::Class),
            Self::Reg(RegKind::Type),
            Self::Record,
            Self::Void,
            Self::Uuid,
            Self::PgLsn,
            Self::Jsonb,
            Self::Reg(RegKind::Namespace),
        ];
        scalar.into_iter().find_map(|scalar| {
            if scalar.oid() == oid {
                Some(scalar)
            } else if scalar.array_oid() == oid && !matches!(scalar, Self::Unknown | Self::Void) {
                Some(Self::Array(Box::new(scalar)))
            } else {
                None
            }
        })
    }

    /// PostgreSQL's type modifier: -1 for none.
    #[must_use]
    pub fn typmod(&self) -> i32 {
        match self {
            Self::Numeric(Some((precision, scale))) => {
                ((i32::from(*precision) << 16) | (i32::from(*scale) & 0x7FF)) + 4
            }
            Self::Varchar(Some(n)) | Self::Char(Some(n)) => {
                i32::try_from(*n).unwrap_or(i32::MAX - 4) + 4
            }
            Self::Array(element) => element.typmod(),
            _ => -1,
        }
    }

    /// The type with PostgreSQL's type modifier put in.
    #[must_use]
    pub fn with_typmod(self, typmod: i32) -> Self {
        if typmod < 4 {
            return self;
        }
        let length = (typmod - 4).unsigned_abs();
        match self {
            Self::Numeric(_) => Self::Numeric(Some(((length >> 16) as u8, (length & 0x7FF) as i8))),
            Self::Varchar(_) => Self::Varchar(Some(length)),
            Self::Char(_) => Self::Char(Some(length)),
            Self::Array(element) => Self::Array(Box::new(element.with_typmod(typmod))),
            other => other,
        }
    }

    /// PostgreSQL's `typlen`: bytes of a fixed-size type, -1 for a variable one.
    #[must_use]
    pub fn type_len(&self) -> i16 {
        match self {
            Self::Bool | Self::InternalChar => 1,
            Self::Int2 => 2,
            Self::Int4 | Self::Float4 | Self::Date | Self::Oid | Self::Reg(_) | Self::Void => 4,
            Self::Int8
            | Self::Float8
            | Self::Time
            | Self::Timestamp
            | Self::Timestamptz
            | Self::PgLsn => 8,
            Self::Interval | Self::Uuid => 16,
            Self::Name => 64,
            Self::Unknown => -2,
            _ => -1,
        }
    }

    /// The short name in `pg_type.typname` (`int4`, `_int4`).
    #[must_use]
    pub fn internal_name(&self) -> String {
        let name = match self {
            Self::Bool => "bool",
            Self::Bytea => "bytea",
            Self::InternalChar => "char",
            Self::Name => "name",
            Self::Int8 => "int8",
            Self::Int2 => "int2",
            Self::Int2Vector => "int2vector",
            Self::Int4 => "int4",
            Self::Text => "text",
            Self::Oid => "oid",
            Self::OidVector => "oidvector",
            Self::Json => "json",
            Self::Float4 => "float4",
            Self::Float8 => "float8",
            Self::Unknown => "unknown",
            Self::Char(_) => "bpchar",
            Self::Varchar(_) => "varchar",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Interval => "interval",
            Self::Numeric(_) => "numeric",
            Self::Reg(RegKind::Class) => "regclass",
            Self::Reg(RegKind::Type) => "regtype",
            Self::Reg(RegKind::Proc) => "regproc",
            Self::Reg(RegKind::Namespace) => "regnamespace",
            Self::Record => "record",
            Self::Void => "void",
            Self::Uuid => "uuid",
            Self::PgLsn => "pg_lsn",
            Self::Jsonb => "jsonb",
            Self::Array(element) => return format!("_{}", element.internal_name()),
        };
        name.to_owned()
    }

    /// True for smallint, integer, bigint.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::Int2 | Self::Int4 | Self::Int8)
    }

    /// True for every type whose values are kept as text.
    #[must_use]
    pub fn is_text_like(&self) -> bool {
        matches!(self, Self::Text | Self::Varchar(_) | Self::Char(_) | Self::Name | Self::Unknown)
    }
}

/// Writes the name as `format_type` and psql's `\d` show it.
impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("boolean"),
            Self::Int2 => f.write_str("smallint"),
            Self::Int4 => f.write_str("integer"),
            Self::Int8 => f.write_str("bigint"),
            Self::Float4 => f.write_str("real"),
            Self::Float8 => f.write_str("double precision"),
            Self::Numeric(Some((precision, scale))) => write!(f, "numeric({precision},{scale})"),
            Self::Varchar(None) => f.write_str("character varying"),
            Self::Varchar(Some(n)) => write!(f, "character varying({n})"),
            Self::Char(Some(n)) => write!(f, "character({n})"),
            Self::InternalChar => f.write_str("\"char\""),
            Self::Time => f.write_str("time without time zone"),
            Self::Timestamp => f.write_str("timestamp without time zone"),
            Self::Timestamptz => f.write_str("timestamp with time zone"),
            Self::Array(element) => write!(f, "{element}[]"),
            other => f.write_str(&other.internal_name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SqlType;

    #[test]
    fn oid_and_typmod_read_back() {
        for sql_type in [
            SqlType::Int4,
            SqlType::Numeric(Some((10, 2))),
            SqlType::Varchar(Some(5)),
            SqlType::Char(None),
            SqlType::Char(Some(3)),
            SqlType::Array(Box::new(SqlType::Text)),
            SqlType::Array(Box::new(SqlType::Numeric(Some((7, 0))))),
        ] {
            let found = SqlType::from_oid(sql_type.oid()).map(|t| t.with_typmod(sql_type.typmod()));
            assert_eq!(found, Some(sql_type));
        }
        assert_eq!(SqlType::from_oid(1), None);
    }

    #[test]
    fn names_are_those_of_format_type() {
        assert_eq!(SqlType::Numeric(None).to_string(), "numeric");
        assert_eq!(SqlType::Array(Box::new(SqlType::Int4)).to_string(), "integer[]");
        assert_eq!(SqlType::Array(Box::new(SqlType::Int4)).internal_name(), "_int4");
    }
}
