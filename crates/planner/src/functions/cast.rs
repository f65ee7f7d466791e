//! Casts: which way a value goes from one SQL type to another.
//!
//! Where DataFusion's cast is exact and cannot fail it is used, as its optimizer sees through it; else a
//! function of ours with PostgreSQL's roundings and errors.

mod convert;
mod literal;

use std::sync::Arc;

use datafusion::logical_expr::{Cast, Expr};
use weir_connect::value::FormatSettings;
use weir_delta::schema;
use weir_types::{Error, Result, SqlState, SqlType};

use super::call::Kernel;
use super::coercion::{
    Category, Context, array_of, as_numeric, base, cast_context, category, element_of,
};
use super::overload::{CallTypes, Overload};
use super::scalar::Bound;

pub(crate) use convert::convert;
pub(crate) use literal::{literal_of, null_literal};

/// Name of the fields of casts that the text of a query asks for. DataFusion's own have none.
pub(crate) const CAST_FIELD: &str = "cast";

/// Name of the fields of casts that the semantics chose.
pub(crate) const FINAL_FIELD: &str = "final cast";

/// The expression of type `from` as one of type `to`.
///
/// # Errors
/// 42846 where the context does not allow the cast.
pub(crate) fn cast(
    expr: Expr,
    from: &SqlType,
    to: &SqlType,
    context: Context,
    settings: &Arc<FormatSettings>,
) -> Result<Expr> {
    let to = &target(from, to, context);
    if from == to {
        return Ok(expr);
    }
    if cast_context(from, to).is_none_or(|needed| needed > context) {
        return Err(Error::new(
            SqlState::CannotCoerce,
            format!("cannot cast type {} to {}", base_name(from), base_name(to)),
        ));
    }
    if is_native(from, to) {
        return Ok(native(expr, to));
    }
    // DataFusion takes calls of one name over the same arguments for one: the name tells all that differs.
    let (kernel, verb): (Kernel, _) = if context == Context::Explicit {
        (convert::explicit, "to")
    } else {
        (convert::implicit, "as")
    };
    let overload = Overload::of_cast(
        format!("{}_{verb}_{to}", internal_name(from)),
        kernel,
        convert::can_fail(from, to, context),
        convert::uses_settings(from, to),
    );
    let types = CallTypes { arguments: vec![from.clone()], returns: to.clone() };
    Ok(Bound::new(&overload, types, settings).call(vec![expr]))
}

/// A cast by DataFusion, which says the SQL type of its result. It is final: a plan that is resolved
/// again keeps it.
pub(crate) fn native(expr: Expr, to: &SqlType) -> Expr {
    let field = Arc::new(schema::field(FINAL_FIELD, to, true));
    match expr {
        Expr::Cast(cast) if cast.field == field => Expr::Cast(cast),
        expr => Expr::Cast(Cast::new_from_field(Box::new(expr), field)),
    }
}

/// The type that a cast to `to` gives: `numeric` without precision takes another number as it is.
pub(crate) fn target(from: &SqlType, to: &SqlType, context: Context) -> SqlType {
    match (from, to) {
        (
            SqlType::Int2 | SqlType::Int4 | SqlType::Int8 | SqlType::Numeric(Some(_)),
            SqlType::Numeric(None),
        ) if context != Context::Assignment => SqlType::Numeric(Some(as_numeric(from))),
        _ => to.clone(),
    }
}

fn internal_name(t: &SqlType) -> String {
    base(t).internal_name()
}

fn base_name(t: &SqlType) -> String {
    match base(t) {
        SqlType::Char(_) => "character".to_owned(),
        other => other.to_string(),
    }
}

/// True where DataFusion's cast is exact, and cannot fail.
fn is_native(from: &SqlType, to: &SqlType) -> bool {
    use SqlType as T;
    match (from, to) {
        (T::Int2, T::Int4 | T::Int8)
        | (T::Int4, T::Int8)
        | (T::Int2 | T::Int4, T::Float4 | T::Float8)
        | (T::Int8, T::Float8)
        | (T::Float4, T::Float8)
        | (T::Int2, T::Oid)
        | (T::Oid | T::Reg(_), T::Oid | T::Reg(_) | T::Int8)
        | (T::Jsonb | T::Uuid, T::Text | T::Json) => true,
        (T::Int2 | T::Int4 | T::Int8 | T::Numeric(_), T::Numeric(_)) => {
            let ((from_precision, from_scale), (precision, scale)) =
                (as_numeric(from), as_numeric(to));
            scale >= from_scale
                && i16::from(precision) - i16::from(scale)
                    >= i16::from(from_precision) - i16::from(from_scale)
        }
        // Both are kept as the same text.
        (
            T::Text | T::Varchar(_) | T::Char(_) | T::Name | T::InternalChar | T::Json,
            T::Text | T::Varchar(None) | T::Char(None) | T::Unknown,
        ) => is_kept_alike(from, to),
        (T::Varchar(Some(from)), T::Varchar(Some(to))) => from <= to,
        (T::Int2Vector | T::OidVector, T::Array(element)) => {
            element_of(from).as_ref() == Some(element)
        }
        _ => false,
    }
}

/// True for a type whose values are kept as text.
pub(crate) fn is_kept_as_text(t: &SqlType) -> bool {
    category(t) == Category::Text || matches!(t, SqlType::Unknown | SqlType::InternalChar)
}

/// True if values of both types are kept as texts, and a value of the first is one of the second without a
/// change. Blanks at the end of a `char(n)` are added for a `bpchar` without length, whose own are taken off
/// for any other type.
pub(crate) fn is_kept_alike(from: &SqlType, to: &SqlType) -> bool {
    let with_blanks = |t: &SqlType| *t == SqlType::Char(None);
    is_kept_as_text(from)
        && is_kept_as_text(to)
        && match (from, to) {
            (SqlType::Char(_), _) => with_blanks(from) == with_blanks(to),
            _ => true,
        }
}

/// The numeric in which a text of digits is exact, if it is plainly written.
fn numeric_of_text(text: &str) -> Option<SqlType> {
    let digits = text.trim().trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = !digits.is_empty()
        && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    let precision = whole.trim_start_matches('0').len() + fraction.len();
    (is_plain && precision <= 38)
        .then(|| SqlType::Numeric(Some(((precision.max(1) as u8), fraction.len() as i8))))
}

/// An array of the type that its elements have.
pub(crate) fn array_type(element: &SqlType) -> SqlType {
    array_of(element.clone())
}
