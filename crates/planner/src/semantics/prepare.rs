//! Forms of SQL that DataFusion's planner does not take, or takes for something else, in forms that it
//! does.
//!
//! To be called behind the naming of output columns, as some forms become calls of functions of other
//! names, and before planning.

mod aggregate_order;
mod build;
mod casts;
mod expression;
mod grouping;
mod relation;
mod row_in;
mod rows;
mod set_returning;
mod sublink;
mod whole_row;
mod windows;

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, LimitClause, Query, SetExpr, TableFactor, Value, Values, VisitorMut,
};
use weir_types::{Error, Result};

use self::build::{call, cast, list_item};
use crate::dialect::visit::{of_flow, to_flow, visit_mut};
use crate::functions::huge_number;

/// What a query was found to have on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// GROUP BY or HAVING.
    pub groups: bool,
    /// A function in FROM whose column is not named like the relation.
    pub values: bool,
}

/// Rewrites a query and the queries in it.
///
/// # Errors
/// 0A000 for forms that cannot be planned.
pub fn prepare(query: &mut Query) -> Result<Found> {
    let mut rewriter = Rewriter::default();
    of_flow(visit_mut(query, &mut rewriter))?;
    Ok(rewriter.found)
}

/// Rewrites an expression and the queries in it.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_expr(expr: &mut Expr) -> Result<()> {
    of_flow(visit_mut(expr, &mut Rewriter::default()))
}

#[derive(Default)]
struct Rewriter {
    found: Found,
}

impl VisitorMut for Rewriter {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        to_flow(fetch_as_limit(query))?;
        to_flow(windows::spell_out(query))?;
        grouping::spread(&mut query.body);
        casts::mark(query);
        set_returning::apart_from_columns(query);
        rows::as_selects(&mut query.body);
        to_flow(selects(&mut query.body, &mut self.found))?;
        lists(&mut query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, relation: &mut TableFactor) -> ControlFlow<Error> {
        relation::rewrite(relation);
        self.found.values |= relation::has_value(relation);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        to_flow(sublink::rewrite(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        aggregate_order::without_constants(expr);
        to_flow(expression::rewrite(expr))
    }
}

/// `FETCH FIRST n ROWS ONLY` is LIMIT.
fn fetch_as_limit(query: &mut Query) -> Result<()> {
    let Some(fetch) = query.fetch.take() else { return Ok(()) };
    if fetch.with_ties || fetch.percent {
        let form = if fetch.with_ties { "WITH TIES" } else { "PERCENT" };
        return Err(Error::unsupported(format!("FETCH .. {form} is not supported")));
    }
    let quantity =
        fetch.quantity.unwrap_or_else(|| Expr::value(Value::Number("1".to_owned(), false)));
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit, .. }) => *limit = Some(quantity),
        other => {
            *other = Some(LimitClause::LimitOffset {
                limit: Some(quantity),
                offset: None,
                limit_by: Vec::new(),
            });
        }
    }
    Ok(())
}

/// What is refused or rewritten in each SELECT of a query.
fn selects(body: &mut SetExpr, found: &mut Found) -> Result<()> {
    match body {
        SetExpr::Select(select) => {
            whole_row::check(select)?;
            found.groups |= select.having.is_some() || grouping::groups(select);
            grouping::spell_out(select)?;
            grouping::name_positions(select)
        }
        SetExpr::SetOperation { left, right, .. } => {
            selects(left, found)?;
            selects(right, found)
        }
        _ => Ok(()),
    }
}

/// Marks the items of VALUES, as DataFusion would bring them to a common type by its own rules.
fn lists(body: &mut SetExpr) {
    match body {
        SetExpr::Values(Values { rows, .. }) => {
            for item in rows.iter_mut().flat_map(|row| row.content.iter_mut()) {
                if !is_plain_literal(item) {
                    let inner = std::mem::replace(item, Expr::value(Value::Null));
                    *item = call(list_item(), vec![inner]);
                }
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            lists(left);
            lists(right);
        }
        SetExpr::Select(select) => {
            for condition in [&mut select.selection, &mut select.having].into_iter().flatten() {
                as_condition(condition);
            }
        }
        _ => {}
    }
}

/// DataFusion's planner gives each NULL the type that it takes for the column's, and refuses a truth value beside
/// others. A huge number is a call.
fn is_plain_literal(item: &Expr) -> bool {
    match item {
        Expr::Value(value) => match &value.value {
            Value::Null | Value::Boolean(_) => false,
            Value::Number(digits, _) => !huge_number::is_huge(digits),
            _ => true,
        },
        _ => false,
    }
}

/// DataFusion's planner takes no text for a condition, be it a literal of open type.
fn as_condition(condition: &mut Expr) {
    if matches!(condition, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
    {
        let literal = std::mem::replace(condition, Expr::value(Value::Null));
        *condition = cast(literal, DataType::Boolean);
    }
}

#[cfg(test)]
mod tests {
    use super::{prepare, prepare_expr};
    use crate::dialect;

    fn expression(text: &str) -> String {
        let mut expr = dialect::parse_expr(text).expect("an expression");
        prepare_expr(&mut expr).expect("can be planned");
        expr.to_string()
    }

    fn query(text: &str) -> String {
        let mut query = dialect::parse_query(text).expect("a query");
        prepare(&mut query).expect("can be planned");
        query.to_string()
    }

    #[test]
    fn expressions_become_what_can_be_planned() {
        for (text, expected) in [
            ("a AT TIME ZONE 'UTC'", "\"timezone\"('UTC', a)"),
            ("INTERVAL '1 day'", "'1 day'::INTERVAL"),
            ("INTERVAL '2' day", "'2 DAY'::INTERVAL"),
            ("(a, b) = (1, 2)", "(a = 1 AND b = 2)"),
            ("(a, b) < (1, 2)", "(a < 1 OR a = 1 AND b < 2)"),
            ("x = ANY(y)", "\"any =\"(x, y)"),
            ("x <> ALL(y)", "\"all <>\"(x, y)"),
            ("x NOT ILIKE ANY (y)", "\"any !~~*\"(x, y)"),
            ("x BETWEEN SYMMETRIC 2 AND 1", "(x BETWEEN 2 AND 1 OR x BETWEEN 1 AND 2)"),
            ("'t'::regclass", "\"regclass\"('t')"),
            ("'t'::regclass::text", "\"regclass_text\"('t')"),
            ("@ -5", "\"@\"((-5))"),
            ("generate_series(1, 3)", "\"unnest\"(\"generate_series_list\"(1, 3))"),
            ("make_interval(days => 3)", "\"make_interval\"(0, 0, 0, 3, 0, 0, 0)"),
            ("pg_catalog.lower('A')", "lower('A')"),
            ("a COLLATE \"C\"", "a"),
        ] {
            assert_eq!(expression(text), expected, "{text}");
        }
    }

    #[test]
    fn functions_in_from_become_relations() {
        for (text, expected) in [
            (
                "SELECT * FROM generate_series(1, 3) g",
                "SELECT * FROM UNNEST(\"generate_series_list\"(1, 3)) AS g (g)",
            ),
            ("SELECT * FROM unnest(a) AS t(x)", "SELECT * FROM UNNEST(a) AS t (x)"),
            (
                "SELECT * FROM jsonb_array_elements(a) AS x",
                "SELECT * FROM UNNEST(\"jsonb_array_elements_list\"(a)) AS x (\"value\")",
            ),
            (
                "SELECT a FROM t GROUP BY ROLLUP ((a, b), a)",
                "SELECT a FROM t GROUP BY GROUPING SETS ((a, b), (a, b), ())",
            ),
            (
                "SELECT * FROM lower('A')",
                "SELECT * FROM (SELECT lower('A') AS \"lower\") AS \"lower\"",
            ),
            (
                "SELECT ARRAY(SELECT x FROM t ORDER BY y)",
                "SELECT (SELECT coalesce(array_agg(x ORDER BY y), '{}') FROM t)",
            ),
            (
                "SELECT ARRAY(SELECT count(*) AS n FROM t GROUP BY y ORDER BY y)",
                "SELECT (SELECT coalesce(array_agg(\"element\" ORDER BY \"place\"), '{}') FROM \
                 (SELECT count(*) AS n, row_number() OVER (ORDER BY y) AS \"place\" FROM t \
                 GROUP BY y ORDER BY y) AS \"q\" (element, place))",
            ),
            (
                "SELECT ARRAY(SELECT DISTINCT a FROM t ORDER BY 1 LIMIT 2)",
                "SELECT (SELECT coalesce(array_agg(\"element\" ORDER BY \"element\"), '{}') FROM \
                 (SELECT DISTINCT a FROM t ORDER BY 1 LIMIT 2) AS \"q\" (element))",
            ),
            (
                "SELECT * FROM unnest(a) WITH ORDINALITY AS u(x, n)",
                "SELECT * FROM LATERAL (SELECT \"unnest\"(a) AS x, \
                 \"unnest\"(\"generate_series_list\"(1::BIGINT, \
                 \"greatest\"(\"cardinality\"(a))::BIGINT)) AS n) AS u",
            ),
            ("SELECT 1 FETCH FIRST 2 ROWS ONLY", "SELECT 1 LIMIT 2"),
            (
                "SELECT sum(a) OVER (w2 ROWS 1 PRECEDING) FROM t WINDOW w AS (PARTITION BY b), \
                 w2 AS (w ORDER BY c) ORDER BY rank() OVER w2",
                "SELECT sum(a) OVER (PARTITION BY b ORDER BY c ROWS 1 PRECEDING) FROM t ORDER BY \
                 rank() OVER (PARTITION BY b ORDER BY c)",
            ),
        ] {
            assert_eq!(query(text), expected, "{text}");
        }
    }
}
