//! AND and OR that ask for no more than they need: `x = 0 OR 10 / x > 1` must not divide by zero.
//!
//! DataFusion evaluates both sides on all rows of a batch, unless the left one decides nearly all of them; only a CASE
//! evaluates its results just on the rows that are theirs. So whether a query fails would depend on how its rows were
//! cut into batches, and a view would not be what its query is.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::split_binary_owned;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, binary_expr, lit};

use super::filter::can_fail;

/// Most parts of an operand that is asked twice: each level of AND within OR would double the expression.
const ASKED_TWICE_PARTS_MAX: usize = 256;

/// The node with such operators in its expressions.
pub(super) fn of_node(node: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&node);
    node.map_expressions(|expr| {
        let name = names.save(&expr);
        Ok(of_expr(expr)?.update_data(|expr| name.restore(expr)))
    })
}

fn of_expr(expr: Expr) -> DfResult<Transformed<Expr>> {
    expr.transform_down(|expr| {
        let op = match &expr {
            Expr::BinaryExpr(binary) if binary.op.is_logic_operator() => binary.op,
            _ => return Ok(Transformed::no(expr)),
        };
        if !can_fail(&expr) {
            return Ok(Transformed::new(expr, false, TreeNodeRecursion::Jump));
        }
        let mut operands = Vec::new();
        for operand in split_binary_owned(expr, op) {
            operands.push(of_expr(operand).data()?);
        }
        Ok(Transformed::new(chain(op, operands), true, TreeNodeRecursion::Jump))
    })
}

/// The operands in a row, each asked of the rows alone that those before it leave open.
fn chain(op: Operator, operands: Vec<Expr>) -> Expr {
    let mut operands = operands.into_iter().rev();
    let Some(mut rest) = operands.next() else { return lit(op == Operator::And) };
    let mut is_risky = can_fail(&rest);
    for operand in operands {
        is_risky = is_risky || can_fail(&operand);
        rest = match is_risky && may_be_asked_twice(&operand) {
            true => binary_expr(operand.clone(), op, unless_decided(op, operand, rest)),
            false => binary_expr(operand, op, rest),
        };
    }
    rest
}

/// `rest` where the operand does not decide; where it does, what leaves the decision to it.
fn unless_decided(op: Operator, operand: Expr, rest: Expr) -> Expr {
    let (decides, neutral) = match op {
        Operator::And => (operand.is_false(), true),
        _ => (operand, false),
    };
    let branch = (Box::new(decides), Box::new(lit(neutral)));
    Expr::Case(Case::new(None, vec![branch], Some(Box::new(rest))))
}

/// True for what gives the same value again, and is not large.
fn may_be_asked_twice(operand: &Expr) -> bool {
    let (mut n_parts, mut is_volatile) = (0, false);
    let visited = operand.apply(|part| {
        n_parts += 1;
        is_volatile = part.is_volatile_node();
        let ends = is_volatile || n_parts > ASKED_TWICE_PARTS_MAX;
        Ok(if ends { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    debug_assert!(visited.is_ok(), "looking at an expression does not fail");
    !is_volatile && n_parts <= ASKED_TWICE_PARTS_MAX
}
