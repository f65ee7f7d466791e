//! Casts that alone tell two expressions of a query apart: `sum(a), sum(a::numeric)`.
//!
//! DataFusion leaves casts out of the names that it gives to expressions, and refuses two of one name among groups,
//! aggregates and windows.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, GroupByExpr, OrderByKind, Query, Select, SetExpr, Value, Visit, VisitorMut,
};

use super::build::call;
use crate::dialect::visit::{visit_expressions, visit_expressions_mut, visit_mut};
use crate::functions::TYPE_MARK;

/// Marks the casts of a query in which names would meet.
pub(super) fn mark(query: &mut Query) {
    if !has_cast(query) || !names_meet(query) {
        return;
    }
    let _: ControlFlow<()> = visit_mut(query, &mut Marker);
}

struct Marker;

impl VisitorMut for Marker {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { data_type, .. } = expr
            // An offset of a frame is told by a constant.
            && !matches!(data_type, DataType::Interval { .. })
        {
            let name = format!("{TYPE_MARK}{data_type}");
            let cast = std::mem::replace(expr, Expr::value(Value::Null));
            *expr = call(&name, vec![cast]);
        }
        ControlFlow::Continue(())
    }
}

fn has_cast(node: &impl Visit) -> bool {
    let find = |expr: &Expr| match expr {
        Expr::Cast { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    visit_expressions(node, find).is_break()
}

/// True where two calls or two groups differ in casts alone.
fn names_meet(query: &Query) -> bool {
    let mut names = Names::default();
    let mut bodies = vec![query.body.as_ref()];
    while let Some(body) = bodies.pop() {
        match body {
            SetExpr::Select(select) => names.add_select(select),
            SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, &**right]),
            _ => {}
        }
    }
    if let Some(OrderByKind::Expressions(keys)) = query.order_by.as_ref().map(|order| &order.kind) {
        names.add_calls(keys);
    }
    names.meet
}

/// Texts of expressions by their texts without casts and parentheses.
#[derive(Default)]
struct Names {
    texts: HashMap<String, String>,
    meet: bool,
}

impl Names {
    fn add_select(&mut self, select: &Select) {
        self.add_calls(&select.projection);
        self.add_calls(&select.having);
        self.add_calls(&select.qualify);
        if let GroupByExpr::Expressions(groups, _) = &select.group_by {
            groups.iter().for_each(|group| self.add_group(group));
        }
    }

    fn add_group(&mut self, group: &Expr) {
        match group {
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                sets.iter().flatten().for_each(|group| self.add(group));
            }
            other => self.add(other),
        }
    }

    fn add_calls(&mut self, node: &impl Visit) {
        let _: ControlFlow<()> = visit_expressions(node, |expr| {
            if matches!(expr, Expr::Function(_)) {
                self.add(expr);
            }
            ControlFlow::Continue(())
        });
    }

    fn add(&mut self, expr: &Expr) {
        let text = expr.to_string();
        let mut bare = expr.clone();
        let _: ControlFlow<()> = visit_expressions_mut(&mut bare, |expr| {
            while let Expr::Cast { expr: inner, .. } | Expr::Nested(inner) = expr {
                let inner = std::mem::replace(&mut **inner, Expr::value(Value::Null));
                *expr = inner;
            }
            ControlFlow::Continue(())
        });
        let known = self.texts.entry(bare.to_string()).or_insert_with(|| text.clone());
        self.meet |= *known != text;
    }
}
