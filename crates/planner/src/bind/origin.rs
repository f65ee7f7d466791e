//! Where an output comes from: the column of a relation that it is, unchanged.

use datafusion::common::TableReference;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan};
use weir_catalog::Catalog;
use weir_types::{ColumnId, ObjectId};

use crate::source::{RelationSource, Target};

/// The column of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Of an object.
    Object(ObjectId, ColumnId),
    /// Of a system relation.
    System {
        /// Schema of the relation.
        schema: String,
        /// Its name.
        name: String,
        /// Name of the column.
        column: String,
    },
}

/// First part of the name under which the plan of a view is put in the view's place; no relation of a
/// query can have it.
const VIEW: &str = "view";

/// The name that marks the plan of a view.
pub(super) fn view_mark(id: ObjectId, name: &str) -> TableReference {
    TableReference::full(VIEW, id.0.to_string(), name)
}

/// The view that the name marks.
fn marked_view(name: &TableReference) -> Option<ObjectId> {
    match name {
        TableReference::Full { catalog, schema, .. } if &**catalog == VIEW => {
            schema.parse().ok().map(ObjectId)
        }
        _ => None,
    }
}

/// The column that an output of the plan is; `None` for a computed one, and for one of several.
pub(super) fn of_output(plan: &LogicalPlan, position: usize, catalog: &Catalog) -> Option<Origin> {
    match plan {
        LogicalPlan::Projection(node) => of_expr(node.expr.get(position)?, &node.input, catalog),
        LogicalPlan::Aggregate(node) => {
            of_expr(node.group_expr.get(position)?, &node.input, catalog)
        }
        LogicalPlan::SubqueryAlias(node) => match marked_view(&node.alias) {
            Some(id) => {
                let column = catalog.get(id)?.columns().get(position)?;
                Some(Origin::Object(id, column.id))
            }
            None => of_output(&node.input, position, catalog),
        },
        LogicalPlan::Filter(node) => of_output(&node.input, position, catalog),
        LogicalPlan::Sort(node) => of_output(&node.input, position, catalog),
        LogicalPlan::Limit(node) => of_output(&node.input, position, catalog),
        LogicalPlan::Distinct(node) => of_output(node.input(), position, catalog),
        LogicalPlan::Window(node) if position < node.input.schema().fields().len() => {
            of_output(&node.input, position, catalog)
        }
        LogicalPlan::Join(join) => {
            let n_left = match join.join_type {
                JoinType::RightSemi | JoinType::RightAnti => 0,
                _ => join.left.schema().fields().len(),
            };
            if position < n_left {
                of_output(&join.left, position, catalog)
            } else {
                of_output(&join.right, position - n_left, catalog)
            }
        }
        LogicalPlan::TableScan(scan) => {
            let position = match &scan.projection {
                Some(columns) => *columns.get(position)?,
                None => position,
            };
            let source: &dyn std::any::Any = scan.source.as_ref();
            of_source(source.downcast_ref()?, position)
        }
        _ => None,
    }
}

fn of_expr(expr: &Expr, input: &LogicalPlan, catalog: &Catalog) -> Option<Origin> {
    match expr {
        Expr::Alias(alias) => of_expr(&alias.expr, input, catalog),
        Expr::Column(column) => {
            let position = input.schema().maybe_index_of_column(column)?;
            of_output(input, position, catalog)
        }
        _ => None,
    }
}

fn of_source(source: &RelationSource, position: usize) -> Option<Origin> {
    match &source.target {
        Target::Object(id) => Some(Origin::Object(*id, *source.columns.get(position)?)),
        Target::System { schema, name } => Some(Origin::System {
            schema: schema.clone(),
            name: name.clone(),
            column: source.column_name(position)?,
        }),
        Target::View(_) | Target::Local(_) => None,
    }
}
