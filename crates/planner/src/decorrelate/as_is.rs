//! Groups and partitions of values as they are.
//!
//! GROUP BY, DISTINCT and PARTITION BY take equal values for one: '1 day' and '24:00', 0.0 and -0.0. A subquery can
//! tell them apart, and so its domain must. Their types are not told yet when a subquery becomes a join, so its keys
//! are marked here, and the semantics put in what tells them apart where a type has equal values that are not the
//! same.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Column;
use datafusion::error::Result;
use datafusion::logical_expr::{
    Aggregate, ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

static AS_IS: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::any(1, Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(AsIs { signature }))
});

/// The column as a key of PARTITION BY.
pub(super) fn as_is(column: &Column) -> Expr {
    AS_IS.call(vec![Expr::Column(column.clone())])
}

/// The column as a key of GROUP BY, whose output has its name.
pub(super) fn group_as_is(column: &Column) -> Expr {
    as_is(column).alias_qualified(column.relation.clone(), column.name.clone())
}

/// Each row of the plan once, of those that differ in these columns in any way, and to SQL in the others.
pub(super) fn distinct_as_is(plan: LogicalPlan, columns: &[Column]) -> Result<LogicalPlan> {
    let groups = plan.schema().columns().into_iter();
    let groups = groups
        .map(|column| match columns.contains(&column) {
            true => group_as_is(&column),
            false => Expr::Column(column),
        })
        .collect();
    Aggregate::try_new(Arc::new(plan), groups, Vec::new()).map(LogicalPlan::Aggregate)
}

/// What such a key marks; `None` for another expression.
pub(crate) fn taken_as_is(key: &Expr) -> Option<&Expr> {
    match key {
        Expr::Alias(alias) => taken_as_is(&alias.expr),
        Expr::ScalarFunction(call) if call.func.inner().is::<AsIs>() => call.args.first(),
        _ => None,
    }
}

/// The mark: it is its argument.
#[derive(Debug, PartialEq, Eq, Hash)]
struct AsIs {
    signature: Signature,
}

impl ScalarUDFImpl for AsIs {
    fn name(&self) -> &'static str {
        "as_is"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::clone(&args.arg_fields[0]))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(args.args.swap_remove(0))
    }
}
