//! Rows with fields of which equal ones can look different: `SELECT DISTINCT (a, b)` over `jsonb`.
//!
//! Of a row that is made, its Arrow form alone says nothing of its fields' SQL types. So where it matters, rows are
//! distinct by their fields, which have these types, and are made of them afterwards. Groups that are such rows are
//! refused.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::error::Result as DfResult;
use datafusion::functions::core::r#struct::StructFunc;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{
    Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Projection, ScalarUDF,
};
use weir_delta::schema::sql_type;
use weir_types::{Error, Result, SqlState, SqlType};

use super::equal_groups::is_looser;
use super::error::to_error;
use crate::functions::scalar::external;

/// The plan with such rows distinct by their fields.
///
/// # Errors
/// 0A000 for groups that are such rows.
pub(super) fn spread(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        Ok(match node {
            LogicalPlan::Distinct(Distinct::All(input)) => match input.as_ref() {
                LogicalPlan::Projection(projection) if has_such_rows(projection)? => {
                    Transformed::yes(distinct(projection)?)
                }
                _ => Transformed::no(LogicalPlan::Distinct(Distinct::All(input))),
            },
            LogicalPlan::Aggregate(aggregate) => {
                for expr in grouping_set_to_exprlist(&aggregate.group_expr)? {
                    if let Some(field) = field_that_matters(expr, &aggregate.input)? {
                        return Err(external(refused(&field)));
                    }
                }
                Transformed::no(LogicalPlan::Aggregate(aggregate))
            }
            other => Transformed::no(other),
        })
    })
    .data()
    .map_err(to_error)
}

fn refused(field: &SqlType) -> Error {
    let what = format!("grouping by a row with a field of type {field} is not supported");
    Error::new(SqlState::FeatureNotSupported, what).with_hint("Group by the fields, without ROW.")
}

/// The call that `ROW(..)` is.
fn row(expr: &Expr) -> Option<&ScalarFunction> {
    match expr {
        Expr::Alias(alias) => row(&alias.expr),
        Expr::ScalarFunction(call) if call.func.inner().is::<StructFunc>() => Some(call),
        _ => None,
    }
}

/// The type of a row's field of which equal values can look different; floats are not among them, whose zeros alone
/// do.
fn field_that_matters(expr: &Expr, input: &LogicalPlan) -> DfResult<Option<SqlType>> {
    let Some(row) = row(expr) else { return Ok(None) };
    for field in &row.args {
        if let Some(inner) = field_that_matters(field, input)? {
            return Ok(Some(inner));
        }
        let sql_type = sql_type(&field.to_field(input.schema())?.1);
        if is_looser(&sql_type) && !matches!(sql_type, SqlType::Float4 | SqlType::Float8) {
            return Ok(Some(sql_type));
        }
    }
    Ok(None)
}

fn has_such_rows(projection: &Projection) -> DfResult<bool> {
    for expr in &projection.expr {
        if field_that_matters(expr, &projection.input)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An output: a column, or a row of columns, by their places.
enum Output {
    Plain(usize),
    Row(Arc<ScalarUDF>, Vec<Output>),
}

impl Output {
    fn of(&self, columns: &[Column]) -> Expr {
        match self {
            Self::Plain(place) => Expr::Column(columns[*place].clone()),
            Self::Row(func, fields) => {
                let args = fields.iter().map(|field| field.of(columns)).collect();
                Expr::ScalarFunction(ScalarFunction { func: Arc::clone(func), args })
            }
        }
    }
}

/// The output that stands for `expr`, whose columns, or whose fields' ones, are added to `spread`.
fn output(expr: &Expr, spread: &mut Vec<Expr>) -> Output {
    match row(expr) {
        Some(call) => {
            let fields = call.args.iter().map(|field| output(field, spread)).collect();
            Output::Row(Arc::clone(&call.func), fields)
        }
        None => {
            let place = spread.len();
            spread.push(expr.clone().unalias().alias(format!("__field_{place}")));
            Output::Plain(place)
        }
    }
}

/// The distinct ones of the outputs' fields, and the outputs made of them.
fn distinct(projection: &Projection) -> DfResult<LogicalPlan> {
    let mut spread = Vec::new();
    let outputs: Vec<Output> =
        projection.expr.iter().map(|expr| output(expr, &mut spread)).collect();
    let input = Arc::clone(&projection.input);
    let fields = LogicalPlanBuilder::from(input).project(spread)?.distinct()?.build()?;
    let columns = fields.schema().columns();
    let named = outputs
        .iter()
        .zip(projection.schema.columns())
        .map(|(output, name)| output.of(&columns).alias_qualified(name.relation, name.name));
    LogicalPlanBuilder::from(fields).project(named.collect::<Vec<_>>())?.build()
}
