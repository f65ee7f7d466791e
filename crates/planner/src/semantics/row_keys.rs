//! Rows as keys: `SELECT DISTINCT (a, b)`, groups that are rows, and comparisons of a subquery's rows.
//!
//! A row's fields have lost their SQL types once it is made: of its Arrow form alone nobody can say whether a text is
//! `jsonb`. So a row is distinct by its fields, and made of them afterwards; one that comes from further in is refused
//! as a key where equal fields could look different.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result as DfResult;
use datafusion::functions::core::r#struct::StructFunc;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    Aggregate, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Projection,
    ScalarUDF,
};
use weir_types::{Error, Result, SqlState};

use super::error::to_error;

/// The plan with rows that are distinct, or grouped, by their fields.
///
/// # Errors
/// XX000 on a defect.
pub(super) fn spread(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        Ok(match node {
            LogicalPlan::Distinct(Distinct::All(input)) if has_rows(&input) => {
                Transformed::yes(distinct(input)?)
            }
            LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.iter().any(is_row) => {
                Transformed::yes(grouped(aggregate)?)
            }
            other => Transformed::no(other),
        })
    })
    .data()
    .map_err(to_error)
}

fn has_rows(input: &LogicalPlan) -> bool {
    matches!(input, LogicalPlan::Projection(projection) if projection.expr.iter().any(is_row))
}

fn is_row(expr: &Expr) -> bool {
    row(expr).is_some()
}

/// The call that `ROW(..)` is.
pub(super) fn row(expr: &Expr) -> Option<&ScalarFunction> {
    match expr {
        Expr::Alias(alias) => row(&alias.expr),
        Expr::ScalarFunction(call) if call.func.inner().is::<StructFunc>() => Some(call),
        _ => None,
    }
}

/// An output: a column, or a row of columns.
enum Output {
    Plain(usize),
    Row(Arc<ScalarUDF>, Vec<usize>),
}

impl Output {
    /// The output, of columns that are those with these places.
    fn of(self, columns: &[Column]) -> Expr {
        let column = |place: usize| Expr::Column(columns[place].clone());
        match self {
            Self::Plain(place) => column(place),
            Self::Row(func, places) => {
                let args = places.into_iter().map(column).collect();
                Expr::ScalarFunction(ScalarFunction { func, args })
            }
        }
    }
}

/// Of a projection with rows: the distinct ones of their fields, and the rows made of them.
fn distinct(input: Arc<LogicalPlan>) -> DfResult<LogicalPlan> {
    let LogicalPlan::Projection(Projection { expr: exprs, input, schema, .. }) = &*input else {
        return Ok(LogicalPlan::Distinct(Distinct::All(input)));
    };
    let mut spread: Vec<Expr> = Vec::new();
    let mut add = |expr: Expr| {
        spread.push(expr);
        spread.len() - 1
    };
    let mut outputs = Vec::with_capacity(exprs.len());
    for (place, expr) in exprs.iter().enumerate() {
        outputs.push(match row(expr) {
            None => Output::Plain(add(expr.clone())),
            Some(call) => {
                let fields = call.args.iter().enumerate();
                let named = fields.map(|(idx, field)| {
                    add(field.clone().unalias().alias(format!("__field_{place}_{idx}")))
                });
                Output::Row(Arc::clone(&call.func), named.collect())
            }
        });
    }
    let fields =
        LogicalPlanBuilder::from(Arc::clone(input)).project(spread)?.distinct()?.build()?;
    named(fields, outputs, &schema.columns())
}

/// An aggregation by rows as one by their fields.
fn grouped(aggregate: Aggregate) -> DfResult<LogicalPlan> {
    let Aggregate { input, group_expr, aggr_expr, schema, .. } = aggregate;
    let mut groups: Vec<Expr> = Vec::new();
    let mut add = |expr: Expr| match groups.iter().position(|known| *known == expr) {
        Some(place) => place,
        None => {
            groups.push(expr);
            groups.len() - 1
        }
    };
    let mut outputs = Vec::with_capacity(schema.fields().len());
    for expr in &group_expr {
        outputs.push(match row(expr) {
            None => Output::Plain(add(expr.clone())),
            Some(call) => {
                let fields = call.args.iter().map(|field| add(field.clone()));
                Output::Row(Arc::clone(&call.func), fields.collect())
            }
        });
    }
    let n_groups = groups.len();
    outputs.extend((0..aggr_expr.len()).map(|place| Output::Plain(n_groups + place)));
    let grouped = LogicalPlan::Aggregate(Aggregate::try_new(input, groups, aggr_expr)?);
    named(grouped, outputs, &schema.columns())
}

/// The outputs of a plan's columns, named as they were.
fn named(plan: LogicalPlan, outputs: Vec<Output>, names: &[Column]) -> DfResult<LogicalPlan> {
    let columns = plan.schema().columns();
    let outputs = outputs.into_iter().zip(names).map(|(output, name)| {
        output.of(&columns).alias_qualified(name.relation.clone(), name.name.clone())
    });
    LogicalPlanBuilder::from(plan).project(outputs.collect::<Vec<_>>())?.build()
}

/// Refuses a row that is not `ROW(..)` as a key where its fields can look different. An expression that is no row is
/// let through.
///
/// # Errors
/// 0A000.
pub(super) fn check(expr: &Expr, schema: &DFSchema) -> Result<()> {
    let data_type = expr.get_type(schema).map_err(to_error)?;
    if !matches!(data_type, DataType::Struct(_)) || !can_look_different(&data_type) {
        return Ok(());
    }
    let what = match expr {
        Expr::Column(column) => format!("the rows of \"{}\"", column.name),
        _ => "rows within rows, or of a subquery,".to_owned(),
    };
    Err(Error::new(
        SqlState::FeatureNotSupported,
        format!("comparing, sorting and grouping {what} is not supported"),
    )
    .with_hint("Name the fields of the row, as columns of their own."))
}

/// True if values that are equal to SQL may be different ones of the Arrow type.
fn can_look_different(data_type: &DataType) -> bool {
    match data_type {
        DataType::Struct(fields) => fields.iter().any(|f| can_look_different(f.data_type())),
        DataType::Float32
        | DataType::Float64
        | DataType::Interval(_)
        | DataType::List(_)
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View => true,
        _ => false,
    }
}
