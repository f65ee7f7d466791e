//! AND and OR that ask for no more than they need: `x = 0 OR 10 / x > 1` must not divide by zero.
//!
//! DataFusion evaluates both sides on all rows of a batch, unless the left one decides nearly all of them; only a CASE
//! evaluates its branches just on the rows that are theirs. So whether a query fails would depend on how its rows were
//! cut into batches, and a view would not be what its query is.
//!
//! A chain of operands becomes one CASE, and not one within the other: DataFusion makes each CASE twice, so that a
//! nest of them would take time that doubles with each level.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::split_binary_owned;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator, binary_expr, lit};

use super::filter::can_fail;

/// Most parts of operands that are asked twice: each level of AND within OR doubles the expression.
const ASKED_TWICE_PARTS_MAX: usize = 4_096;

/// What becomes of a value that is neither true nor false.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// It is NULL.
    Value,
    /// It is as good as false.
    Condition,
}

/// The node with such operators in its expressions; conditions of filters and joins are for [`of_condition`].
pub(super) fn of_node(node: LogicalPlan) -> DfResult<Transformed<LogicalPlan>> {
    if matches!(node, LogicalPlan::Filter(_) | LogicalPlan::Join(_)) {
        return Ok(Transformed::no(node));
    }
    let names = NamePreserver::new(&node);
    let of_named = |expr: Expr| {
        let name = names.save(&expr);
        Ok(of_expr(expr, Meaning::Value)?.update_data(|expr| name.restore(expr)))
    };
    node.map_expressions(|expr| match expr {
        Expr::GroupingSet(_) => expr.map_children(of_named),
        expr => of_named(expr),
    })
}

/// The condition with such operators.
pub(super) fn of_condition(condition: Expr) -> DfResult<Expr> {
    of_expr(condition, Meaning::Condition).data()
}

fn of_expr(expr: Expr, meaning: Meaning) -> DfResult<Transformed<Expr>> {
    if let Some(op) = logic_operator(&expr) {
        return of_chain(op, expr, meaning);
    }
    expr.transform_down(|expr| match logic_operator(&expr) {
        Some(op) => of_chain(op, expr, Meaning::Value),
        None => Ok(Transformed::no(expr)),
    })
}

fn logic_operator(expr: &Expr) -> Option<Operator> {
    match expr {
        Expr::BinaryExpr(binary) if binary.op.is_logic_operator() => Some(binary.op),
        _ => None,
    }
}

fn of_chain(op: Operator, expr: Expr, meaning: Meaning) -> DfResult<Transformed<Expr>> {
    if !can_fail(&expr) {
        return Ok(Transformed::new(expr, false, TreeNodeRecursion::Jump));
    }
    let mut operands = Vec::new();
    for operand in split_binary_owned(expr, op) {
        operands.push(of_expr(operand, meaning)?.data);
    }
    Ok(Transformed::new(chain(op, operands, meaning), true, TreeNodeRecursion::Jump))
}

/// The operands in a row, up to the last that can fail each asked of the rows alone that those before it leave open.
fn chain(op: Operator, mut operands: Vec<Expr>, meaning: Meaning) -> Expr {
    let last_risky = operands.iter().rposition(can_fail).unwrap_or(0);
    let safe = operands.split_off(last_risky + 1);
    let is_guarded = operands.len() > 1
        && (meaning == Meaning::Condition || operands.iter().all(may_be_asked_twice));
    let guarded = if is_guarded { vec![in_order(op, operands, meaning)] } else { operands };
    joined(op, guarded.into_iter().chain(safe))
}

fn joined(op: Operator, operands: impl Iterator<Item = Expr>) -> Expr {
    let joined = operands.reduce(|left, right| binary_expr(left, op, right));
    joined.unwrap_or_else(|| lit(op == Operator::And))
}

/// The operands as one CASE: where one decides, those behind it are not asked.
fn in_order(op: Operator, operands: Vec<Expr>, meaning: Meaning) -> Expr {
    let decides = |operand: Expr| match (op, meaning) {
        (Operator::Or, _) => operand,
        (_, Meaning::Value) => operand.is_false(),
        (_, Meaning::Condition) => operand.is_not_true(),
    };
    let branch = |operand| (Box::new(decides(operand)), Box::new(lit(op == Operator::Or)));
    let (branches, rest) = match meaning {
        // Where none decides, none is true of OR and none is false of AND: what is left is false or true, or NULL.
        Meaning::Value => {
            let branches = operands.iter().cloned().map(branch).collect();
            (branches, joined(op, operands.into_iter()))
        }
        Meaning::Condition => {
            let mut operands = operands;
            let last = operands.pop().unwrap_or_else(|| lit(op == Operator::And));
            (operands.into_iter().map(branch).collect(), last)
        }
    };
    Expr::Case(Case::new(None, branches, Some(Box::new(rest))))
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

/// `conditions` in a row, each asked where those before it are met.
pub(super) fn all_of(conditions: Vec<Expr>) -> Expr {
    match conditions.len() {
        0 | 1 => joined(Operator::And, conditions.into_iter()),
        _ => in_order(Operator::And, conditions, Meaning::Condition),
    }
}
