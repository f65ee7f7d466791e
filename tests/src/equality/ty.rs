//! The column types of the harness.

/// A column type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ty {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Real,
    /// `double precision`
    Double,
    /// `numeric(30, 4)`
    Numeric,
    /// `text`
    Text,
    /// `varchar(40)`
    Varchar,
    /// `bytea`
    Bytea,
    /// `date`
    Date,
    /// `time`
    Time,
    /// `timestamp`
    Timestamp,
    /// `timestamptz`
    Timestamptz,
    /// `interval`
    Interval,
    /// `uuid`
    Uuid,
    /// `int4[]`
    IntArray,
    /// `text[]`
    TextArray,
    /// `jsonb`
    Jsonb,
}

/// All of them.
pub const ALL: [Ty; 19] = [
    Ty::Bool,
    Ty::Int2,
    Ty::Int4,
    Ty::Int8,
    Ty::Real,
    Ty::Double,
    Ty::Numeric,
    Ty::Text,
    Ty::Varchar,
    Ty::Bytea,
    Ty::Date,
    Ty::Time,
    Ty::Timestamp,
    Ty::Timestamptz,
    Ty::Interval,
    Ty::Uuid,
    Ty::IntArray,
    Ty::TextArray,
    Ty::Jsonb,
];

impl Ty {
    /// Its name in SQL.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Real => "real",
            Self::Double => "double precision",
            Self::Numeric => "numeric(30,4)",
            Self::Text => "text",
            Self::Varchar => "varchar(40)",
            Self::Bytea => "bytea",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
            Self::Interval => "interval",
            Self::Uuid => "uuid",
            Self::IntArray => "integer[]",
            Self::TextArray => "text[]",
            Self::Jsonb => "jsonb",
        }
    }

    /// `smallint`, `integer` or `bigint`.
    #[must_use]
    pub fn is_integer(self) -> bool {
        matches!(self, Self::Int2 | Self::Int4 | Self::Int8)
    }

    /// `real` or `double precision`.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::Real | Self::Double)
    }

    /// `text` or `varchar`.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Varchar)
    }

    /// True where `=` means the same in both databases. Equal intervals may have different texts.
    #[must_use]
    pub fn is_comparable(self) -> bool {
        self != Self::Interval
    }

    /// True where `<` means the same in both databases. Weir orders jsonb by its text.
    #[must_use]
    pub fn is_orderable(self) -> bool {
        !matches!(self, Self::Interval | Self::Jsonb)
    }

    /// True where PostgreSQL 15 has `min` and `max`.
    #[must_use]
    pub fn has_min_max(self) -> bool {
        self.is_orderable() && !matches!(self, Self::Bool | Self::Bytea | Self::Uuid)
    }
}
