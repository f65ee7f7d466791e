//! Operators by symbol, and the planner extension that puts them into plans.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr,
};
use datafusion::logical_expr::{Expr, ExprSchemable, GetFieldAccess, Operator};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::BinaryOperator;
use weir_delta::schema;
use weir_types::{Error, Result, SqlType};

use super::call::Call;
use super::cast::CAST_FIELD;
use super::library;
use super::overload::{Declaration, declare};

/// A comparison: it is planned as one of DataFusion's, so that its optimizer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Distinct,
    NotDistinct,
}

impl Comparison {
    /// That of an operator, or of a function that stands for one.
    pub(crate) fn of_symbol(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "=" => Self::Equal,
            "<>" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            DISTINCT => Self::Distinct,
            NOT_DISTINCT => Self::NotDistinct,
            _ => return None,
        })
    }

    pub(crate) fn of_operator(operator: Operator) -> Option<Self> {
        Some(match operator {
            Operator::Eq => Self::Equal,
            Operator::NotEq => Self::NotEqual,
            Operator::Lt => Self::Less,
            Operator::LtEq => Self::LessOrEqual,
            Operator::Gt => Self::Greater,
            Operator::GtEq => Self::GreaterOrEqual,
            Operator::IsDistinctFrom => Self::Distinct,
            Operator::IsNotDistinctFrom => Self::NotDistinct,
            _ => return None,
        })
    }

    pub(crate) fn operator(self) -> Operator {
        match self {
            Self::Equal => Operator::Eq,
            Self::NotEqual => Operator::NotEq,
            Self::Less => Operator::Lt,
            Self::LessOrEqual => Operator::LtEq,
            Self::Greater => Operator::Gt,
            Self::GreaterOrEqual => Operator::GtEq,
            Self::Distinct => Operator::IsDistinctFrom,
            Self::NotDistinct => Operator::IsNotDistinctFrom,
        }
    }

    /// The function that it is planned as.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Distinct => DISTINCT,
            Self::NotDistinct => NOT_DISTINCT,
            other => other.symbol(),
        }
    }

    /// The symbol whose operators decide on the types.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Equal | Self::Distinct | Self::NotDistinct => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// The symbol of an operator that DataFusion's planner made by itself.
pub(crate) fn symbol_of(operator: Operator) -> Option<&'static str> {
    Some(match operator {
        Operator::Plus => "+",
        Operator::Minus => "-",
        Operator::Multiply => "*",
        Operator::Divide => "/",
        Operator::Modulo => "%",
        Operator::StringConcat => "||",
        _ => return None,
    })
}

fn symbol(operator: &BinaryOperator) -> Option<&str> {
    use BinaryOperator as B;
    Some(match operator {
        B::Plus => "+",
        B::Minus => "-",
        B::Multiply => "*",
        B::Divide => "/",
        B::Modulo => "%",
        B::PGExp => "^",
        B::StringConcat => "||",
        B::Eq => "=",
        B::NotEq => "<>",
        B::Lt => "<",
        B::LtEq => "<=",
        B::Gt => ">",
        B::GtEq => ">=",
        B::BitwiseAnd => "&",
        B::BitwiseOr => "|",
        B::PGBitwiseXor => "#",
        B::PGBitwiseShiftLeft => "<<",
        B::PGBitwiseShiftRight => ">>",
        B::PGRegexMatch => "~",
        B::PGRegexIMatch => "~*",
        B::PGRegexNotMatch => "!~",
        B::PGRegexNotIMatch => "!~*",
        B::PGLikeMatch => "~~",
        B::PGILikeMatch => "~~*",
        B::PGNotLikeMatch => "!~~",
        B::PGNotILikeMatch => "!~~*",
        B::PGStartsWith => "^@",
        B::PGOverlap => "&&",
        B::Arrow => "->",
        B::LongArrow => "->>",
        B::HashArrow => "#>",
        B::HashLongArrow => "#>>",
        B::AtArrow => "@>",
        B::ArrowAt => "<@",
        B::HashMinus => "#-",
        B::Question => "?",
        B::QuestionAnd => "?&",
        B::QuestionPipe => "?|",
        B::Custom(symbol) => symbol,
        // `OPERATOR(pg_catalog.~)`
        B::PGCustomBinaryOperator(path) => path.last()?,
        _ => return None,
    })
}

/// Plans operators, subscripts, array literals and PostgreSQL's functions with a grammar of their own as
/// calls of functions.
#[derive(Debug)]
pub(super) struct Operators;

impl Operators {
    fn call(name: &str, args: Vec<Expr>) -> DfResult<Expr> {
        let function = library::udf(name).map_err(super::scalar::external)?;
        Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, args)))
    }

    fn planned<T>(name: &str, args: Vec<Expr>) -> DfResult<PlannerResult<T>> {
        Ok(PlannerResult::Planned(Self::call(name, args)?))
    }
}

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        _schema: &DFSchema,
    ) -> DfResult<PlannerResult<RawBinaryExpr>> {
        match symbol(&expr.op) {
            Some(symbol) if library::udf(symbol).is_ok() => {
                let symbol = symbol.to_owned();
                Self::planned(&symbol, vec![expr.left, expr.right])
            }
            _ => match expr.op {
                BinaryOperator::And | BinaryOperator::Or => {
                    let (left, right) = (as_condition(expr.left), as_condition(expr.right));
                    Ok(PlannerResult::Original(RawBinaryExpr { op: expr.op, left, right }))
                }
                _ => Ok(PlannerResult::Original(expr)),
            },
        }
    }

    fn plan_field_access(
        &self,
        expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> DfResult<PlannerResult<RawFieldAccessExpr>> {
        let RawFieldAccessExpr { field_access, expr } = expr;
        match field_access {
            GetFieldAccess::ListIndex { key } => Self::planned("array_subscript", vec![expr, *key]),
            GetFieldAccess::ListRange { start, stop, .. } => {
                Self::planned("array_slice", vec![expr, *start, *stop])
            }
            GetFieldAccess::NamedStructField { name } => {
                let is_struct = matches!(expr.get_type(schema)?, DataType::Struct(_));
                if is_struct {
                    let field_access = GetFieldAccess::NamedStructField { name };
                    return Ok(PlannerResult::Original(RawFieldAccessExpr { field_access, expr }));
                }
                Self::planned("->", vec![expr, Expr::Literal(name, None)])
            }
        }
    }

    fn plan_array_literal(
        &self,
        exprs: Vec<Expr>,
        _schema: &DFSchema,
    ) -> DfResult<PlannerResult<Vec<Expr>>> {
        Self::planned("array", exprs)
    }

    fn plan_position(&self, args: Vec<Expr>) -> DfResult<PlannerResult<Vec<Expr>>> {
        Self::planned("strpos", args)
    }

    fn plan_extract(&self, args: Vec<Expr>) -> DfResult<PlannerResult<Vec<Expr>>> {
        Self::planned("extract", args)
    }

    fn plan_substring(&self, args: Vec<Expr>) -> DfResult<PlannerResult<Vec<Expr>>> {
        Self::planned("substring", args)
    }

    fn plan_overlay(&self, args: Vec<Expr>) -> DfResult<PlannerResult<Vec<Expr>>> {
        Self::planned("overlay", args)
    }
}

/// DataFusion's planner takes no text for a condition, be it a literal of open type.
fn as_condition(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(ScalarValue::Utf8(_), _) => {
            let field = Arc::new(schema::field(CAST_FIELD, &SqlType::Bool, true));
            Expr::Cast(Cast::new_from_field(Box::new(expr), field))
        }
        other => other,
    }
}

/// The declarations of the comparison of each symbol.
pub(crate) fn comparisons() -> Vec<Declaration> {
    let mut declarations = Vec::new();
    for list in [EQUAL, NOT_EQUAL, LESS, LESS_OR_EQUAL, GREATER, GREATER_OR_EQUAL] {
        declarations.extend(list.iter().map(|text| declare(text, planned_natively).total()));
    }
    for text in TESTS {
        declarations.push(declare(text, planned_natively).takes_null().total());
    }
    declarations
}

fn planned_natively(call: &Call<'_>) -> Result<ArrayRef> {
    Err(Error::internal(format!("comparison {} was not planned as DataFusion's", call.name)))
}

/// The types that have comparisons, from `pg_operator`.
macro_rules! comparison {
    ($symbol:literal) => {
        &[
            concat!($symbol, "(bool, bool) -> bool"),
            concat!($symbol, "(int2, int2) -> bool"),
            concat!($symbol, "(int4, int4) -> bool"),
            concat!($symbol, "(int8, int8) -> bool"),
            concat!($symbol, "(int2, int4) -> bool"),
            concat!($symbol, "(int4, int2) -> bool"),
            concat!($symbol, "(int2, int8) -> bool"),
            concat!($symbol, "(int8, int2) -> bool"),
            concat!($symbol, "(int4, int8) -> bool"),
            concat!($symbol, "(int8, int4) -> bool"),
            concat!($symbol, "(float4, float4) -> bool"),
            concat!($symbol, "(float8, float8) -> bool"),
            concat!($symbol, "(float4, float8) -> bool"),
            concat!($symbol, "(float8, float4) -> bool"),
            concat!($symbol, "(numeric, numeric) -> bool"),
            concat!($symbol, "(text, text) -> bool"),
            concat!($symbol, "(bpchar, bpchar) -> bool"),
            concat!($symbol, "(name, name) -> bool"),
            concat!($symbol, "(name, text) -> bool"),
            concat!($symbol, "(text, name) -> bool"),
            concat!($symbol, "(char, char) -> bool"),
            concat!($symbol, "(bytea, bytea) -> bool"),
            concat!($symbol, "(date, date) -> bool"),
            concat!($symbol, "(time, time) -> bool"),
            concat!($symbol, "(timestamp, timestamp) -> bool"),
            concat!($symbol, "(timestamptz, timestamptz) -> bool"),
            concat!($symbol, "(date, timestamp) -> bool"),
            concat!($symbol, "(date, timestamptz) -> bool"),
            concat!($symbol, "(timestamp, date) -> bool"),
            concat!($symbol, "(timestamp, timestamptz) -> bool"),
            concat!($symbol, "(timestamptz, date) -> bool"),
            concat!($symbol, "(timestamptz, timestamp) -> bool"),
            concat!($symbol, "(interval, interval) -> bool"),
            concat!($symbol, "(uuid, uuid) -> bool"),
            concat!($symbol, "(jsonb, jsonb) -> bool"),
            concat!($symbol, "(oid, oid) -> bool"),
            concat!($symbol, "(oidvector, oidvector) -> bool"),
            concat!($symbol, "(pg_lsn, pg_lsn) -> bool"),
            concat!($symbol, "(anyarray, anyarray) -> bool"),
            concat!($symbol, "(record, record) -> bool"),
        ]
    };
}

/// What `IS [NOT] DISTINCT FROM` is until the semantics choose an equality for the types.
const TESTS: [&str; 2] =
    ["is distinct from(any, any) -> bool", "is not distinct from(any, any) -> bool"];
const DISTINCT: &str = "is distinct from";
const NOT_DISTINCT: &str = "is not distinct from";

const EQUAL: &[&str] = comparison!("=");
const NOT_EQUAL: &[&str] = comparison!("<>");
const LESS: &[&str] = comparison!("<");
const LESS_OR_EQUAL: &[&str] = comparison!("<=");
const GREATER: &[&str] = comparison!(">");
const GREATER_OR_EQUAL: &[&str] = comparison!(">=");
