//! Tests with IN of one value, which DataFusion must not make one of.
//!
//! Of `a IN (1, 2) AND a IN (3, 4)`, of the one test and a negated other one, and of OR between two negated ones, it
//! computes which elements are left, and where none is, takes false or true for what is NULL for a NULL. And elements
//! that are not constants it takes for different where they look so: `a IN (1, 2) AND a IN (b, 5)`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use weir_types::Result;

use super::error::to_error;

/// The plan in which the values of such tests are different expressions.
///
/// # Errors
/// XX000 on a defect.
pub(super) fn set_apart(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let unnamed = unnamed_in(&expr)?;
            if unnamed.is_empty() {
                return Ok(Transformed::no(expr));
            }
            let name = names.save(&expr);
            let apart = expr.transform_up(|expr| {
                Ok(match expr {
                    Expr::InList(test) if unnamed.contains(&test) => {
                        Transformed::yes(Expr::InList(of_its_own(test)))
                    }
                    other => Transformed::no(other),
                })
            })?;
            Ok(apart.update_data(|expr| name.restore(expr)))
        })
    })
    .data()
    .map_err(to_error)
}

/// The tests whose values need names.
fn unnamed_in(expr: &Expr) -> DfResult<Vec<InList>> {
    let mut tests = Vec::new();
    expr.apply(|expr| {
        if let Expr::InList(test) = expr {
            tests.push(test);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(tests.iter().filter(|test| needs_name(test, &tests)).map(|test| (*test).clone()).collect())
}

fn needs_name(test: &InList, all: &[&InList]) -> bool {
    let is_known = |test: &InList| match test.expr.as_ref() {
        Expr::ScalarFunction(call) => is_tested(&call.func),
        _ => false,
    };
    let has_variables = test.list.iter().any(|element| !matches!(element, Expr::Literal(..)));
    let others = all.iter().filter(|other| other.expr == test.expr).count();
    !is_known(test) && (has_variables || others > 1)
}

/// The test of the value under a name that no test with other elements has.
fn of_its_own(test: InList) -> InList {
    let mut hasher = DefaultHasher::new();
    (&test.list, test.negated).hash(&mut hasher);
    let signature = Signature::any(1, Volatility::Immutable);
    let tested = Tested { elements: hasher.finish(), signature };
    let expr = ScalarUDF::new_from_impl(tested).call(vec![*test.expr]);
    InList { expr: Box::new(expr), ..test }
}

/// True for the function whose value is its argument.
pub(super) fn is_tested(function: &Arc<ScalarUDF>) -> bool {
    function.inner().is::<Tested>()
}

/// Its argument, told apart by the elements that it is tested for.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Tested {
    elements: u64,
    signature: Signature,
}

impl ScalarUDFImpl for Tested {
    fn name(&self) -> &'static str {
        "tested"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> DfResult<DataType> {
        Ok(arguments[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> DfResult<FieldRef> {
        Ok(Arc::clone(&args.arg_fields[0]))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> DfResult<ColumnarValue> {
        Ok(args.args.swap_remove(0))
    }
}
