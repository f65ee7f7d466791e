//! Which types convert into which, and the type that several expressions have in common, by
//! PostgreSQL's rules.

use weir_types::{NUMERIC_SCALE_UNCONSTRAINED, SqlType};

/// Digits of the widest numeric.
pub(crate) const NUMERIC_DIGITS: u8 = 38;

/// What asks for a conversion. A wider context allows all that the narrower ones do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Context {
    /// An argument, an operand, a branch.
    Implicit,
    /// A value for a column.
    Assignment,
    /// `CAST` and `::`.
    Explicit,
}

/// PostgreSQL's `typcategory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    Array,
    Boolean,
    DateTime,
    Number,
    Pseudo,
    Text,
    Span,
    User,
    Unknown,
    Internal,
}

pub(crate) fn category(t: &SqlType) -> Category {
    match t {
        SqlType::Bool => Category::Boolean,
        SqlType::Int2
        | SqlType::Int4
        | SqlType::Int8
        | SqlType::Float4
        | SqlType::Float8
        | SqlType::Numeric(_)
        | SqlType::Oid
        | SqlType::Reg(_) => Category::Number,
        SqlType::Text | SqlType::Varchar(_) | SqlType::Char(_) | SqlType::Name => Category::Text,
        SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::Timestamptz => {
            Category::DateTime
        }
        SqlType::Interval => Category::Span,
        SqlType::Array(_) | SqlType::Int2Vector | SqlType::OidVector => Category::Array,
        SqlType::InternalChar => Category::Internal,
        SqlType::Unknown => Category::Unknown,
        SqlType::Record | SqlType::Void => Category::Pseudo,
        SqlType::Bytea | SqlType::Uuid | SqlType::Json | SqlType::Jsonb | SqlType::PgLsn => {
            Category::User
        }
    }
}

/// PostgreSQL's `typispreferred`: where in doubt, the type of a category that is meant.
pub(crate) fn is_preferred(t: &SqlType) -> bool {
    matches!(
        t,
        SqlType::Bool
            | SqlType::Float8
            | SqlType::Oid
            | SqlType::Text
            | SqlType::Timestamptz
            | SqlType::Interval
    )
}

/// The type without its modifier.
pub(crate) fn base(t: &SqlType) -> SqlType {
    match t {
        SqlType::Numeric(_) => SqlType::Numeric(None),
        SqlType::Varchar(_) => SqlType::Varchar(None),
        SqlType::Char(_) => SqlType::Char(None),
        SqlType::Array(element) => SqlType::Array(Box::new(base(element))),
        other => other.clone(),
    }
}

/// True if both are the same type, modifiers aside.
pub(crate) fn same(a: &SqlType, b: &SqlType) -> bool {
    match (a, b) {
        (SqlType::Numeric(_), SqlType::Numeric(_))
        | (SqlType::Varchar(_), SqlType::Varchar(_))
        | (SqlType::Char(_), SqlType::Char(_)) => true,
        (SqlType::Array(a), SqlType::Array(b)) => same(a, b),
        _ => a == b,
    }
}

/// The element of an array type.
pub(crate) fn element_of(t: &SqlType) -> Option<SqlType> {
    match t {
        SqlType::Array(element) => Some(element.as_ref().clone()),
        SqlType::Int2Vector => Some(SqlType::Int2),
        SqlType::OidVector => Some(SqlType::Oid),
        _ => None,
    }
}

pub(crate) fn array_of(element: SqlType) -> SqlType {
    SqlType::Array(Box::new(element))
}

/// The narrowest context in which `from` converts into `to`; `None` where it never does.
pub(crate) fn cast_context(from: &SqlType, to: &SqlType) -> Option<Context> {
    use Context::{Assignment, Explicit, Implicit};
    use SqlType as T;
    if same(from, to) || *from == T::Unknown {
        return Some(Implicit);
    }
    let context = match (from, to) {
        (T::Int2, T::Int4 | T::Int8)
        | (T::Int4, T::Int8)
        | (T::Int2 | T::Int4 | T::Int8, T::Float4 | T::Float8 | T::Numeric(_))
        | (T::Numeric(_), T::Float4 | T::Float8)
        | (T::Float4, T::Float8)
        | (T::Int2 | T::Int4 | T::Int8, T::Oid | T::Reg(_))
        | (T::Oid, T::Reg(_))
        | (T::Reg(_), T::Oid)
        | (T::Text | T::Varchar(_) | T::Char(_), T::Text | T::Varchar(_) | T::Char(_) | T::Name)
        | (T::Name | T::InternalChar, T::Text)
        | (T::Text | T::Varchar(_), T::Reg(_))
        | (T::Date, T::Timestamp | T::Timestamptz)
        | (T::Timestamp, T::Timestamptz)
        | (T::Time, T::Interval) => Implicit,
        (T::Int4, T::Int2)
        | (T::Int8, T::Int2 | T::Int4)
        | (T::Numeric(_) | T::Float4 | T::Float8, T::Int2 | T::Int4 | T::Int8)
        | (T::Float8, T::Float4)
        | (T::Float4 | T::Float8, T::Numeric(_))
        | (T::Oid | T::Reg(_), T::Int4 | T::Int8)
        | (T::Timestamp, T::Date | T::Time)
        | (T::Timestamptz, T::Date | T::Time | T::Timestamp)
        | (T::Interval, T::Time)
        | (T::Json, T::Jsonb)
        | (T::Jsonb, T::Json) => Assignment,
        (T::Bool, T::Int4)
        | (T::Int4, T::Bool | T::InternalChar)
        | (T::InternalChar, T::Int4)
        | (
            T::Jsonb,
            T::Bool | T::Numeric(_) | T::Int2 | T::Int4 | T::Int8 | T::Float4 | T::Float8,
        ) => Explicit,
        // An int2vector is an int2[] that counts from 0.
        (T::Int2Vector | T::OidVector, T::Array(element)) => {
            cast_context(&element_of(from)?, element)?
        }
        (T::Array(from), T::Array(to)) => cast_context(from, to)?,
        // Every type has a text form.
        (_, T::Text | T::Varchar(_) | T::Char(_) | T::Name) => Assignment,
        (T::Text | T::Varchar(_) | T::Char(_) | T::Name, _) => Explicit,
        _ => return None,
    };
    Some(context)
}

/// True if an argument of type `from` may stand where `to` is declared.
pub(crate) fn converts_implicitly(from: &SqlType, to: &SqlType) -> bool {
    cast_context(from, to) == Some(Context::Implicit)
}

/// The numeric in which values of another number type are exact; of a numeric, itself.
pub(crate) fn as_numeric(t: &SqlType) -> (u8, i8) {
    match t {
        SqlType::Int2 => (5, 0),
        SqlType::Int4 => (10, 0),
        SqlType::Int8 => (19, 0),
        SqlType::Numeric(Some((precision, scale))) => {
            ((*precision).max(scale.unsigned_abs()).min(NUMERIC_DIGITS), *scale)
        }
        _ => (NUMERIC_DIGITS, NUMERIC_SCALE_UNCONSTRAINED),
    }
}

/// The numeric that holds the values of both; where 38 digits are not enough, the digits behind the
/// point are kept.
pub(crate) fn wider_numeric(a: (u8, i8), b: (u8, i8)) -> (u8, i8) {
    let scale = a.1.max(b.1);
    let digits = |(precision, scale): (u8, i8)| i16::from(precision) - i16::from(scale);
    let precision = digits(a).max(digits(b)) + i16::from(scale);
    (precision.clamp(1, i16::from(NUMERIC_DIGITS)) as u8, scale)
}

/// PostgreSQL's `select_common_type`: the type of a CASE, of the columns of a UNION, of the elements of
/// an array. `None` where there is none; unknown literals fit any, and become text among themselves. A
/// literal has no length, so that beside one a `varchar(n)` or `char(n)` has none either.
pub(crate) fn common_type(types: &[SqlType]) -> Option<SqlType> {
    let known: Vec<&SqlType> = types.iter().filter(|t| **t != SqlType::Unknown).collect();
    let Some((first, others)) = known.split_first() else { return Some(SqlType::Text) };
    let mut chosen = (*first).clone();
    for other in others {
        if same(&chosen, other) {
            continue;
        }
        if let (Some(a), Some(b)) = (element_of(&chosen), element_of(other)) {
            chosen = array_of(common_type(&[a, b])?);
            continue;
        }
        if category(&chosen) != category(other) {
            return None;
        }
        if !is_preferred(&chosen)
            && converts_implicitly(&chosen, other)
            && !converts_implicitly(other, &chosen)
        {
            chosen = (*other).clone();
        }
    }
    if known.iter().any(|t| !converts_implicitly(t, &chosen)) {
        return None;
    }
    Some(widened(&chosen, &known, known.len() < types.len()))
}

/// The type with the modifier that holds the values of all; of text types the modifier is kept only
/// where all agree, and none is a literal of unknown type.
fn widened(chosen: &SqlType, known: &[&SqlType], has_unknown: bool) -> SqlType {
    match chosen {
        SqlType::Numeric(_) => {
            let wide = known.iter().map(|t| as_numeric(t)).reduce(wider_numeric);
            let is_open = known.iter().any(|t| **t == SqlType::Numeric(None));
            // Without a modifier a value keeps its own digits, as far as there is room for them.
            match wide {
                Some((_, scale)) if is_open && scale <= NUMERIC_SCALE_UNCONSTRAINED => {
                    SqlType::Numeric(None)
                }
                wide => SqlType::Numeric(wide),
            }
        }
        SqlType::Varchar(_) | SqlType::Char(_) => {
            if !has_unknown && known.iter().all(|t| *t == chosen) {
                chosen.clone()
            } else {
                base(chosen)
            }
        }
        SqlType::Array(element) => {
            let elements: Vec<SqlType> = known.iter().filter_map(|t| element_of(t)).collect();
            let elements: Vec<&SqlType> = elements.iter().collect();
            array_of(widened(element, &elements, has_unknown))
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Context, array_of, cast_context, common_type, wider_numeric};
    use weir_types::SqlType as T;

    #[test]
    fn casts_have_the_contexts_of_pg_cast() {
        assert_eq!(cast_context(&T::Int4, &T::Int8), Some(Context::Implicit));
        assert_eq!(cast_context(&T::Int8, &T::Int4), Some(Context::Assignment));
        assert_eq!(cast_context(&T::Bool, &T::Int4), Some(Context::Explicit));
        assert_eq!(cast_context(&T::Bool, &T::Int8), None);
        assert_eq!(cast_context(&T::Int4, &T::Text), Some(Context::Assignment));
        assert_eq!(cast_context(&T::Text, &T::Int4), Some(Context::Explicit));
        assert_eq!(
            cast_context(&array_of(T::Int4), &array_of(T::Numeric(None))),
            Some(Context::Implicit)
        );
        assert_eq!(cast_context(&T::Int4, &T::Date), None);
    }

    #[test]
    fn common_types_are_those_of_postgresql() {
        let numeric = |p, s| T::Numeric(Some((p, s)));
        for (types, common) in [
            (vec![T::Int4, T::Int8], Some(T::Int8)),
            (vec![T::Int4, numeric(3, 2)], Some(numeric(12, 2))),
            (vec![numeric(3, 2), T::Numeric(None)], Some(T::Numeric(None))),
            (vec![numeric(20, 16), T::Numeric(None)], Some(numeric(38, 16))),
            (vec![numeric(3, 2), T::Float4, T::Int8], Some(T::Float4)),
            (vec![T::Unknown, T::Unknown], Some(T::Text)),
            (vec![T::Unknown, T::Date], Some(T::Date)),
            (vec![T::Date, T::Timestamptz], Some(T::Timestamptz)),
            (vec![T::Int4, T::Text], None),
            (vec![T::Varchar(Some(3)), T::Varchar(Some(4))], Some(T::Varchar(None))),
            (vec![T::Varchar(Some(3)), T::Text], Some(T::Varchar(None))),
            (vec![T::Text, T::Varchar(Some(3))], Some(T::Text)),
            (vec![T::Varchar(Some(3)), T::Varchar(Some(3))], Some(T::Varchar(Some(3)))),
            (vec![T::Varchar(Some(3)), T::Unknown], Some(T::Varchar(None))),
            (vec![T::Char(Some(3)), T::Char(Some(3))], Some(T::Char(Some(3)))),
            (vec![T::Char(Some(3)), T::Char(Some(4))], Some(T::Char(None))),
            (vec![T::Char(Some(3)), T::Unknown], Some(T::Char(None))),
            (vec![T::Char(Some(3)), T::Varchar(Some(3))], Some(T::Char(None))),
            (vec![array_of(T::Char(Some(3))), T::Unknown], Some(array_of(T::Char(None)))),
            (vec![array_of(T::Int4), array_of(T::Int8)], Some(array_of(T::Int8))),
        ] {
            assert_eq!(common_type(&types), common, "{types:?}");
        }
    }

    #[test]
    fn digits_behind_the_point_win_over_those_before_it() {
        assert_eq!(wider_numeric((5, 2), (10, 0)), (12, 2));
        assert_eq!(wider_numeric((38, 10), (20, 16)), (38, 16));
    }
}
