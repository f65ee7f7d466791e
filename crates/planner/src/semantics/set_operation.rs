//! INTERSECT and EXCEPT: on bags with ALL, and by what makes values equal.
//!
//! DataFusion plans them as semi and anti joins, which keep every copy of a row or none. Numbered, the
//! copies are different rows: the n-th copy on one side matches the n-th copy on the other.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, NullEquality};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Distinct, Expr, Join, LogicalPlan, LogicalPlanBuilder, WindowFrame, WindowFunctionDefinition,
};
use weir_connect::value::FormatSettings;
use weir_delta::schema::sql_type;
use weir_types::Result;

use super::error::to_error;
use super::expression::Resolver;
use super::resolve::is_set_operation;
use crate::functions::comparison_key::{COMPARISON_KEY, has_key};
use crate::functions::row_number;
use crate::functions::scalar::external;

/// The plan with its set operations on bags, and by the keys of values that can be equal and not the same.
pub(super) fn rewrite(plan: LogicalPlan, settings: &Arc<FormatSettings>) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Join(join) if is_set_operation(&join) && !is_numbered(&join.left) => {
            // Without ALL, the left side is made distinct first: copies do not matter then.
            let is_on_bags = !matches!(join.left.as_ref(), LogicalPlan::Distinct(Distinct::All(_)));
            let has_keys =
                join.left.schema().fields().iter().any(|field| has_key(&sql_type(field)));
            if is_on_bags || has_keys {
                matched(join, is_on_bags, settings).map(Transformed::yes)
            } else {
                Ok(Transformed::no(LogicalPlan::Join(join)))
            }
        }
        other => Ok(Transformed::no(other)),
    })
    .data()
    .map_err(to_error)
}

fn is_numbered(plan: &LogicalPlan) -> bool {
    plan.schema().has_column_with_unqualified_name(LEFT.number)
}

/// Names that cannot be typed, for what is added to a side.
struct Names {
    /// The number of a copy.
    number: &'static str,
    /// What keys begin with.
    key: &'static str,
}

const LEFT: Names = Names { number: "\u{1}left copy", key: "\u{1}left key " };
const RIGHT: Names = Names { number: "\u{1}right copy", key: "\u{1}right key " };

fn matched(join: Join, is_on_bags: bool, settings: &Arc<FormatSettings>) -> DfResult<LogicalPlan> {
    let columns = join.left.schema().columns();
    let side = |plan: Arc<LogicalPlan>, names| {
        with_keys(Arc::unwrap_or_clone(plan), names, is_on_bags, settings)
    };
    let (left, left_keys) = side(join.left, &LEFT)?;
    let (right, right_keys) = side(join.right, &RIGHT)?;
    let keys = (left_keys, right_keys);
    LogicalPlanBuilder::from(left)
        .join_detailed(right, join.join_type, keys, None, NullEquality::NullEqualsNull)?
        .project(columns.into_iter().map(Expr::Column))?
        .build()
}

/// The rows with the keys of their values, and with each copy's number among its equals; and the columns by which
/// they match.
fn with_keys(
    plan: LogicalPlan,
    names: &Names,
    is_on_bags: bool,
    settings: &Arc<FormatSettings>,
) -> DfResult<(LogicalPlan, Vec<Column>)> {
    let resolver = Resolver { schema: plan.schema(), settings };
    let columns: Vec<Column> = plan.schema().columns();
    let (mut outputs, mut keys) = (Vec::new(), Vec::new());
    outputs.extend(columns.iter().cloned().map(Expr::Column));
    for (place, (column, field)) in columns.iter().zip(plan.schema().fields()).enumerate() {
        if !has_key(&sql_type(field)) {
            keys.push(column.clone());
            continue;
        }
        let key = resolver.call(COMPARISON_KEY, vec![Expr::Column(column.clone())]);
        let key = key.map_err(external)?;
        if field.data_type().is_floating() {
            // Which of equal copies are left is open; as their key they are all the same.
            outputs[place] = key.alias_qualified(column.relation.clone(), &column.name);
            keys.push(column.clone());
            continue;
        }
        let name = format!("{}{place}", names.key);
        outputs.push(key.alias(&name));
        keys.push(Column::from_name(name));
    }
    let keyed = LogicalPlanBuilder::from(plan).project(outputs)?;
    if !is_on_bags {
        return Ok((keyed.build()?, keys));
    }
    let number = Expr::from(WindowFunction {
        fun: WindowFunctionDefinition::WindowUDF(row_number()),
        params: WindowFunctionParams {
            args: Vec::new(),
            partition_by: keys.iter().cloned().map(Expr::Column).collect(),
            order_by: Vec::new(),
            window_frame: WindowFrame::new(None),
            filter: None,
            null_treatment: None,
            distinct: false,
        },
    });
    let written = Expr::Column(Column::from_name(number.schema_name().to_string()));
    let numbered = keyed.window([number])?;
    let outputs = numbered.schema().columns().into_iter().map(Expr::Column);
    let outputs: Vec<Expr> = outputs.filter(|output| *output != written).collect();
    let numbered = numbered.project(outputs.into_iter().chain([written.alias(names.number)]))?;
    keys.push(Column::from_name(names.number));
    Ok((numbered.build()?, keys))
}
