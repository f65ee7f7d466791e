//! VALUES with subqueries, as the UNION ALL of a SELECT for each row: DataFusion evaluates lists before anything
//! else.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Query, SelectItem, SetExpr, SetOperator, SetQuantifier, Values, Visit, Visitor,
};

use super::build::quoted;
use crate::dialect::plain_select;

/// Makes it of every such list of a body.
pub(super) fn as_selects(body: &mut SetExpr) {
    match body {
        SetExpr::Values(values) if has_query(values) => {
            let rows = std::mem::take(&mut values.rows).into_iter();
            let selects = rows.map(|row| {
                let items = row.content.into_iter().enumerate().map(|(place, expr)| {
                    let alias = quoted(&format!("column{}", place + 1));
                    SelectItem::ExprWithAlias { expr, alias }
                });
                SetExpr::Select(Box::new(plain_select(items.collect(), Vec::new())))
            });
            let all = selects.reduce(|left, right| SetExpr::SetOperation {
                op: SetOperator::Union,
                set_quantifier: SetQuantifier::All,
                left: Box::new(left),
                right: Box::new(right),
            });
            if let Some(all) = all {
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

fn has_query(values: &Values) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    values.visit(&mut Finder).is_break()
}
