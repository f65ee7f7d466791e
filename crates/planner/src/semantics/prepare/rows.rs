//! VALUES with subqueries, or with columns of queries around it, as the UNION ALL of a SELECT for each row: DataFusion
//! evaluates lists before anything else.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Query, SelectItem, SetExpr, SetOperator, SetQuantifier, Values, Visitor,
};

use super::build::quoted;
use crate::dialect::plain_select;
use crate::dialect::visit::visit;

/// Makes it of every such list of a body.
pub(super) fn as_selects(body: &mut SetExpr) {
    match body {
        SetExpr::Values(values) if is_of_query(values) => {
            let rows = std::mem::take(&mut values.rows).into_iter();
            let selects = rows.map(|row| {
                let items = row.content.into_iter().enumerate().map(|(place, expr)| {
                    let alias = quoted(&format!("column{}", place + 1));
                    SelectItem::ExprWithAlias { expr, alias }
                });
                SetExpr::Select(Box::new(plain_select(items.collect(), Vec::new())))
            });
            if let Some(all) = union_all(selects.collect()) {
                *body = all;
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            as_selects(left);
            as_selects(right);
        }
        _ => {}
    }
}

/// All in the order of the list, in as few levels as there can be: a list may be long.
fn union_all(mut selects: Vec<SetExpr>) -> Option<SetExpr> {
    if selects.len() < 2 {
        return selects.pop();
    }
    let right = selects.split_off(selects.len() / 2);
    Some(SetExpr::SetOperation {
        op: SetOperator::Union,
        set_quantifier: SetQuantifier::All,
        left: Box::new(union_all(selects)?),
        right: Box::new(union_all(right)?),
    })
}

/// True for a list that depends on more than its text.
fn is_of_query(values: &Values) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    visit(values, &mut Finder).is_break()
}
