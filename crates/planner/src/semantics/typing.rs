//! Types of expressions as PostgreSQL sees them, and conversions of expressions into a type.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::scalar::ScalarValue;
use weir_connect::value::FormatSettings;
use weir_delta::schema;
use weir_types::{Error, Result, SqlState, SqlType};

use super::error::to_error;
use crate::functions::cast::{self, literal_of, native, null_literal};
use crate::functions::coercion::{Context, array_of, base, common_type, element_of, same};
use crate::functions::huge_number;
use crate::functions::overload::Constant;
use crate::functions::scalar::{Bound, constant};

/// Name of the fields that tell the types of parameters for certain.
pub(crate) const PARAMETER_FIELD: &str = "parameter";

/// The SQL type of an expression whose parts are resolved. A text literal, NULL and a parameter without
/// a type are of unknown type.
pub(super) fn type_of(expr: &Expr, schema: &DFSchema) -> Result<SqlType> {
    Ok(match expr {
        Expr::Alias(alias) => return type_of(&alias.expr, schema),
        Expr::Literal(ScalarValue::Utf8(_) | ScalarValue::Null, _) => SqlType::Unknown,
        Expr::Placeholder(Placeholder { field: None, .. }) => SqlType::Unknown,
        Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<Bound>() {
            Some(bound) => bound.types.returns.clone(),
            None => of_field(expr, schema)?,
        },
        Expr::Cast(cast) if !cast.field.name().is_empty() => schema::sql_type(&cast.field),
        // DataFusion would look at all of a chain, for each of its operators.
        Expr::BinaryExpr(binary) if binary.op.is_logic_operator() => SqlType::Bool,
        _ => of_field(expr, schema)?,
    })
}

fn of_field(expr: &Expr, schema: &DFSchema) -> Result<SqlType> {
    let (_, field) = expr.to_field(schema).map_err(to_error)?;
    Ok(schema::sql_type(&field))
}

/// The value of a constant, for functions whose type depends on it.
pub(super) fn constant_of(expr: &Expr) -> Option<Constant> {
    match expr {
        Expr::Alias(alias) => constant_of(&alias.expr),
        Expr::Literal(value, _) => constant(value),
        _ => None,
    }
}

/// An expression with its type.
#[derive(Clone)]
pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) sql_type: SqlType,
}

impl Typed {
    pub(super) fn new(expr: Expr, schema: &DFSchema) -> Result<Self> {
        let sql_type = type_of(&expr, schema)?;
        Ok(Self { expr, sql_type })
    }
}

/// The expression as one of type `to`; and its type, which may have another modifier.
///
/// # Errors
/// Those of the type's input function for a literal of unknown type, 42846 for a cast that the context
/// does not allow.
pub(super) fn convert(
    typed: Typed,
    to: &SqlType,
    context: Context,
    settings: &Arc<FormatSettings>,
) -> Result<Typed> {
    let Typed { expr, sql_type: from } = typed;
    if from == SqlType::Unknown {
        return from_unknown(expr, to, context, settings);
    }
    if matches!(to, SqlType::Float4 | SqlType::Float8)
        && let Some(text) = huge_number::text_of(&expr)
    {
        let (expr, sql_type) = literal_of(Some(&text), to, context, settings)?;
        return Ok(Typed { expr, sql_type });
    }
    let to = cast::target(&from, to, context);
    let expr = cast::cast(expr, &from, &to, context, settings)?;
    Ok(Typed { expr, sql_type: to })
}

fn from_unknown(
    expr: Expr,
    to: &SqlType,
    context: Context,
    settings: &Arc<FormatSettings>,
) -> Result<Typed> {
    let (expr, sql_type) = match expr {
        Expr::Alias(mut alias) => {
            let inner = from_unknown(*alias.expr, to, context, settings)?;
            *alias.expr = inner.expr;
            return Ok(Typed { expr: Expr::Alias(alias), sql_type: inner.sql_type });
        }
        Expr::Literal(ScalarValue::Utf8(text), _) => {
            literal_of(text.as_deref(), to, context, settings)?
        }
        Expr::Literal(ScalarValue::Null, _) => (null_literal(to)?, to.clone()),
        Expr::Placeholder(placeholder) => {
            let to = if *to == SqlType::Unknown { &SqlType::Text } else { to };
            let field = Arc::new(schema::field(PARAMETER_FIELD, to, true));
            (
                Expr::Placeholder(Placeholder::new_with_field(placeholder.id, Some(field))),
                to.clone(),
            )
        }
        // A column without a type holds nothing but NULL.
        other => (native(other, to), to.clone()),
    };
    Ok(Typed { expr, sql_type })
}

/// The expression where a condition is asked for.
///
/// # Errors
/// 42804 for another type than boolean; `what` says of what.
pub(super) fn condition(
    expr: Expr,
    what: &str,
    schema: &DFSchema,
    settings: &Arc<FormatSettings>,
) -> Result<Expr> {
    let typed = Typed::new(expr, schema)?;
    match typed.sql_type {
        SqlType::Bool => Ok(typed.expr),
        SqlType::Unknown => Ok(convert(typed, &SqlType::Bool, Context::Implicit, settings)?.expr),
        other => Err(Error::new(
            SqlState::DatatypeMismatch,
            format!("argument of {what} must be type boolean, not type {other}"),
        )),
    }
}

/// Expressions brought to their common type; and that type.
///
/// # Errors
/// 42804 where there is none; `what` says of what.
pub(super) fn to_common(
    typed: Vec<Typed>,
    what: &str,
    settings: &Arc<FormatSettings>,
) -> Result<(Vec<Expr>, SqlType)> {
    let types = |typed: &[Typed]| -> Vec<SqlType> {
        typed.iter().map(|typed| typed.sql_type.clone()).collect()
    };
    let given = types(&typed);
    let mut common = common_type(&given).ok_or_else(|| mismatch(&given, what))?;
    let mut typed = typed;
    if matches!(common, SqlType::Numeric(Some(_))) {
        // A literal has the digits of its text, and what a parameter will hold is not known.
        typed = literals_as(typed, &base(&common), settings)?;
        common = common_type(&types(&typed)).unwrap_or(common);
    }
    let mut exprs = Vec::with_capacity(typed.len());
    for typed in typed {
        exprs.push(into_exactly(typed, &common, settings)?);
    }
    Ok((exprs, common))
}

/// Expressions of which those of unknown type are brought to that type. NULL stays, as any type has it.
///
/// # Errors
/// Those of the type's input function.
pub(super) fn literals_as(
    typed: Vec<Typed>,
    to: &SqlType,
    settings: &Arc<FormatSettings>,
) -> Result<Vec<Typed>> {
    let is_null = |expr: &Expr| matches!(expr, Expr::Literal(value, _) if value.is_null());
    typed
        .into_iter()
        .map(|typed| {
            if typed.sql_type != SqlType::Unknown || is_null(&typed.expr) {
                return Ok(typed);
            }
            convert(typed, to, Context::Implicit, settings)
        })
        .collect()
}

/// The expression in just that type, modifier included.
pub(super) fn into_exactly(
    typed: Typed,
    to: &SqlType,
    settings: &Arc<FormatSettings>,
) -> Result<Expr> {
    // An assignment keeps to the modifier; what it allows beyond an implicit cast was ruled out by the
    // choice of `to`.
    Ok(convert(typed, to, Context::Assignment, settings)?.expr)
}

/// The error of types without a common one.
pub(super) fn mismatch(types: &[SqlType], what: &str) -> Error {
    let mut known = types.iter().filter(|t| **t != SqlType::Unknown);
    let first = known.next().cloned().unwrap_or(SqlType::Text);
    let other = known
        .find(|other| common_type(&[first.clone(), (*other).clone()]).is_none())
        .cloned()
        .unwrap_or(SqlType::Text);
    Error::new(
        SqlState::DatatypeMismatch,
        format!("{what} types {first} and {other} cannot be matched"),
    )
}

/// The SQL type whose Arrow type a column or result should have, if it has another: DataFusion's own
/// functions give types that SQL does not have.
pub(super) fn canonical_type(data_type: &DataType, sql_type: &SqlType) -> Option<SqlType> {
    if *data_type == schema::arrow_type(sql_type) {
        return None;
    }
    match data_type {
        DataType::UInt32 | DataType::UInt64 => Some(SqlType::Int8),
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::FixedSizeList(element, _) => {
            let SqlType::Array(sql_element) = sql_type else { return None };
            // The fields of records are known to Arrow only.
            if matches!(element.data_type(), DataType::Struct(_)) {
                return None;
            }
            let element = canonical_type(element.data_type(), sql_element);
            Some(array_of(element.unwrap_or_else(|| sql_element.as_ref().clone())))
        }
        DataType::Null | DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => None,
        _ => Some(sql_type.clone()),
    }
}

/// True if a value of type `a` compares as one of type `b`: they are one type with one modifier, or text of
/// any length.
pub(super) fn is_comparable_as_is(a: &SqlType, b: &SqlType) -> bool {
    let is_alike = match (element_of(a), element_of(b)) {
        (Some(a), Some(b)) => !is_blank_padded(&a) || cast::is_kept_alike(&a, &b),
        _ => !is_blank_padded(a),
    };
    a == b || cast::is_kept_alike(a, b) || (same(a, b) && !is_numeric(a) && is_alike)
}

fn is_blank_padded(t: &SqlType) -> bool {
    matches!(t, SqlType::Char(_))
}

fn is_numeric(t: &SqlType) -> bool {
    matches!(t, SqlType::Numeric(_))
}
