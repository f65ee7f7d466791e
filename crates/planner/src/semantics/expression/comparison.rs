//! Comparisons: both sides in one type, and in the form in which DataFusion's comparisons are PostgreSQL's.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Projection, Subquery, not};
use datafusion::scalar::ScalarValue;
use weir_delta::schema;
use weir_types::{Error, Result, SqlState, SqlType};

use super::{Resolver, is_float, two};
use crate::functions::arithmetic::numeric::integer_digits;
use crate::functions::cast::{self, native};
use crate::functions::coercion::{
    Context, NUMERIC_DIGITS, array_of, as_numeric, base, common_type, element_of,
};
use crate::functions::comparison_key::{COMPARISON_KEY, has_key};
use crate::functions::library;
use crate::functions::operator::Comparison;
use crate::functions::scalar::Function;
use crate::semantics::error::to_error;
use crate::semantics::resolve::with_output_types;
use crate::semantics::typing::{Typed, into_exactly, is_comparable_as_is, literals_as, mismatch};

/// Digits of the widest decimal in which numerics are compared.
const WIDE_NUMERIC_DIGITS: i16 = 76;

impl Resolver<'_> {
    /// A comparison by DataFusion, whose optimizer knows them, of operands brought to one type.
    pub(in crate::semantics) fn compare(
        &self,
        comparison: Comparison,
        left: Expr,
        right: Expr,
    ) -> Result<Expr> {
        let (left, right) = self.comparable(comparison.symbol(), left, right)?;
        let operator = comparison.operator();
        Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right))))
    }

    /// The operands of a comparison in one type.
    fn comparable(&self, symbol: &str, left: Expr, right: Expr) -> Result<(Expr, Expr)> {
        let (left, right) = (self.typed(left)?, self.typed(right)?);
        let given = [left.sql_type.clone(), right.sql_type.clone()];
        let (_, types) = library::function(symbol)?.choose(&given, &[])?;
        let mut arguments = types.arguments.into_iter();
        let (left_type, right_type) = (arguments.next(), arguments.next());
        let (Some(left_type), Some(right_type)) = (left_type, right_type) else {
            return Err(Error::internal("a comparison takes two operands"));
        };
        let left = self.literal_as(left, &left_type)?;
        let right = self.literal_as(right, &right_type)?;
        let common = comparison_type(&left.sql_type, &left_type, &right.sql_type, &right_type)?;
        Ok((self.as_compared(left, &common)?, self.as_compared(right, &common)?))
    }

    /// An operand in the form in which it compares as in PostgreSQL.
    pub(super) fn as_compared(&self, typed: Typed, common: &SqlType) -> Result<Expr> {
        if *common == SqlType::Char(None) {
            return self.without_blanks(typed);
        }
        // Of floats by themselves DataFusion's comparisons know what is equal.
        if has_key(common) && !is_float(common) {
            let expr = into_exactly(typed, common, self.settings)?;
            return self.call(COMPARISON_KEY, vec![expr]);
        }
        if is_comparable_as_is(&typed.sql_type, common) {
            return Ok(typed.expr);
        }
        if matches!(common, SqlType::Numeric(Some((precision, _))) if *precision > NUMERIC_DIGITS) {
            return Ok(native(typed.expr, common));
        }
        into_exactly(typed, common, self.settings)
    }

    /// A text as `bpchar` compares it. A `char(n)` is kept so.
    fn without_blanks(&self, typed: Typed) -> Result<Expr> {
        match (&typed.expr, &typed.sql_type) {
            (_, SqlType::Char(Some(_))) => Ok(typed.expr),
            (Expr::Literal(ScalarValue::Utf8View(Some(text)), _), _) => {
                let (text, to) = (Some(text.trim_end_matches(' ')), SqlType::Char(None));
                Ok(cast::literal_of(text, &to, Context::Implicit, self.settings)?.0)
            }
            _ => {
                let expr = into_exactly(typed, &SqlType::Char(None), self.settings)?;
                self.call(COMPARISON_KEY, vec![expr])
            }
        }
    }

    /// `x IN (a, b, ..)`. As in PostgreSQL, items that name no columns have a common type with the operand, where there
    /// are several of them and such a type; any other item is compared by itself.
    pub(super) fn in_list(&self, in_list: InList) -> Result<Expr> {
        let InList { expr, list, negated } = in_list;
        let expr = self.typed(*expr)?;
        let items = list.into_iter().map(|item| self.typed(item)).collect::<Result<Vec<_>>>()?;
        let plain = items.iter().filter(|item| !names_columns(&item.expr));
        let types: Vec<SqlType> =
            std::iter::once(&expr).chain(plain).map(|typed| typed.sql_type.clone()).collect();
        let common = if types.len() > 2 { common_type(&types) } else { None };
        // A literal takes the type, but not its modifier.
        let common = common.map(|t| if types.contains(&SqlType::Unknown) { base(&t) } else { t });
        // The items by the type in which the operator sees them.
        let mut lists: Vec<(SqlType, Vec<Typed>)> = Vec::new();
        for item in items {
            let sql_type = match &common {
                Some(common) if !names_columns(&item.expr) => common,
                _ => &item.sql_type,
            };
            match lists.iter_mut().find(|(known, _)| known == sql_type) {
                Some((_, list)) => list.push(item),
                None => lists.push((sql_type.clone(), vec![item])),
            }
        }
        let mut any: Option<Expr> = None;
        for (sql_type, list) in lists {
            let list = self.list_of_type(expr.clone(), &sql_type, list)?;
            any = Some(match any {
                Some(before) => before.or(list),
                None => list,
            });
        }
        match any {
            Some(Expr::InList(list)) => Ok(Expr::InList(InList { negated, ..list })),
            Some(any) if negated => Ok(not(any)),
            Some(any) => Ok(any),
            None => Err(Error::internal("an IN list has no items")),
        }
    }

    /// `x IN (a, b, ..)` with items of one type.
    fn list_of_type(&self, expr: Typed, of_items: &SqlType, items: Vec<Typed>) -> Result<Expr> {
        let given = [expr.sql_type.clone(), of_items.clone()];
        let (_, types) = library::function("=")?.choose(&given, &[])?;
        let expr = self.literal_as(expr, &types.arguments[0])?;
        let mut operands = vec![expr];
        operands.extend(literals_as(items, &types.arguments[1], self.settings)?);
        let common = common_type(&types.arguments)
            .ok_or_else(|| mismatch(&types.arguments, "comparison"))?;
        let types: Vec<SqlType> = operands.iter().map(|typed| typed.sql_type.clone()).collect();
        let common = compared_numeric(common, &types);
        let mut list = Vec::with_capacity(operands.len());
        for operand in operands {
            let operand = self.as_compared(self.literal_as(operand, &common)?, &common)?;
            // Lists are looked up by the bits of a value.
            list.push(if is_float(&common) { self.keyed(operand)? } else { operand });
        }
        let expr = list.remove(0);
        Ok(Expr::InList(InList::new(Box::new(expr), list, false)))
    }

    /// `x = ANY (array)` and the like: the operator for the value and an element decides on the types. Of patterns, it
    /// takes the two as they are.
    pub(super) fn quantified(
        &self,
        function: &Function,
        symbol: &str,
        args: Vec<Expr>,
    ) -> Result<Expr> {
        let [value, array] = two(args)?;
        let (value, array) = (self.typed(value)?, self.typed(array)?);
        let element = match &array.sql_type {
            SqlType::Unknown => SqlType::Unknown,
            other => element_of(other).ok_or_else(|| {
                Error::new(
                    SqlState::WrongObjectType,
                    "op ANY/ALL (array) requires array on right side",
                )
            })?,
        };
        let given = [value.sql_type.clone(), element];
        let (_, types) = library::function(symbol)?.choose(&given, &[])?;
        let [of_value, of_element] = <[SqlType; 2]>::try_from(types.arguments)
            .map_err(|_| Error::internal("a comparison takes two operands"))?;
        let value = self.literal_as(value, &of_value)?;
        let array = self.literal_as(array, &array_of(of_element.clone()))?;
        if Comparison::of_symbol(symbol).is_none() {
            return self.call_of(function, vec![value.expr, array.expr]);
        }
        let element = element_of(&array.sql_type).unwrap_or_else(|| of_element.clone());
        let common = match comparison_type(&value.sql_type, &of_value, &element, &of_element)? {
            SqlType::Numeric(_) => common_type(&[value.sql_type.clone(), element]),
            other => Some(other),
        };
        let common = common.ok_or_else(|| Error::internal("compared numbers have a type"))?;
        let value = into_exactly(value, &common, self.settings)?;
        let array = into_exactly(array, &array_of(common), self.settings)?;
        self.call_of(function, vec![value, array])
    }

    /// Two join keys that are equal where SQL's `=` says so.
    pub(in crate::semantics) fn equal_pair(&self, left: Expr, right: Expr) -> Result<(Expr, Expr)> {
        self.comparable("=", left, right)
    }

    /// An operand and the one output of a subquery, in one type.
    pub(super) fn compared_subquery(
        &self,
        expr: Expr,
        subquery: Subquery,
        symbol: &str,
    ) -> Result<(Expr, Subquery)> {
        let Subquery { subquery: plan, outer_ref_columns, spans } = self.subquery(subquery)?;
        let field = match plan.schema().fields().as_ref() {
            [field] => field,
            [] => return Err(Error::new(SqlState::SyntaxError, "subquery has too few columns")),
            _ => return Err(Error::new(SqlState::SyntaxError, "subquery has too many columns")),
        };
        let output = schema::sql_type(field);
        let typed = self.typed(expr)?;
        let given = [typed.sql_type.clone(), output.clone()];
        let (_, types) = library::function(symbol)?.choose(&given, &[])?;
        let typed = self.literal_as(typed, &types.arguments[0])?;
        let common =
            comparison_type(&typed.sql_type, &types.arguments[0], &output, &types.arguments[1])?;
        let mut plan = plan;
        let is_without_blanks = common == SqlType::Char(None) && output != common;
        if is_without_blanks && matches!(output, SqlType::Char(_)) {
            let expr = self.as_compared(typed, &common)?;
            return Ok((expr, Subquery { subquery: plan, outer_ref_columns, spans }));
        }
        if !is_comparable_as_is(&output, &common) {
            let given = Arc::unwrap_or_clone(plan);
            let types = std::slice::from_ref(&common);
            plan = Arc::new(with_output_types(given, types, self.settings)?);
        }
        if has_key(&common) && !is_float(&common) {
            plan = Arc::new(self.keyed_output(Arc::unwrap_or_clone(plan))?);
        }
        let expr = self.as_compared(typed, &common)?;
        Ok((expr, Subquery { subquery: plan, outer_ref_columns, spans }))
    }

    /// The plan of one output with the key of that.
    fn keyed_output(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let resolver = Resolver { schema: plan.schema(), settings: self.settings };
        let column = plan.schema().columns().swap_remove(0);
        let key = resolver.call(COMPARISON_KEY, vec![Expr::Column(column.clone())])?;
        let key = key.alias_qualified(column.relation, column.name);
        Projection::try_new(vec![key], Arc::new(plan))
            .map(LogicalPlan::Projection)
            .map_err(to_error)
    }
}

/// True for an expression that columns of the query are named in.
fn names_columns(expr: &Expr) -> bool {
    let is_of_columns = |expr: &Expr| {
        Ok(match expr {
            Expr::Column(_) => true,
            Expr::ScalarSubquery(subquery) => !subquery.outer_ref_columns.is_empty(),
            _ => false,
        })
    };
    !matches!(expr, Expr::Literal(..)) && expr.exists(is_of_columns).unwrap_or(false)
}

/// The type in which two operands of declared types compare.
fn comparison_type(
    left: &SqlType,
    left_declared: &SqlType,
    right: &SqlType,
    right_declared: &SqlType,
) -> Result<SqlType> {
    let declared = [left_declared.clone(), right_declared.clone()];
    let common = common_type(&declared).ok_or_else(|| mismatch(&declared, "comparison"))?;
    Ok(compared_numeric(common, &[left.clone(), right.clone()]))
}

/// A numeric that holds the values of all, in 256 bits where 38 digits are not enough.
fn compared_numeric(common: SqlType, types: &[SqlType]) -> SqlType {
    if !matches!(common, SqlType::Numeric(_)) {
        return common;
    }
    let known = || types.iter().filter(|t| **t != SqlType::Unknown).map(as_numeric);
    let scale = known().map(|(_, scale)| scale).max().unwrap_or(0);
    let digits = known().map(integer_digits).max().unwrap_or(0) + i16::from(scale);
    SqlType::Numeric(Some((digits.clamp(1, WIDE_NUMERIC_DIGITS) as u8, scale)))
}
