//! Columns of one name in a relation of FROM.
//!
//! PostgreSQL lets a query in FROM or WITH have several outputs of one name: `*` shows them all, and to name one is an
//! error. DataFusion needs different names, so all but the first get one that cannot be typed. A list of column names
//! can be shorter than the columns, of which the rest keep theirs. The operands of set operations are matched by names,
//! so those with columns of `*` are read from FROM, too.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    self as sql, ExcludeSelectItem, Query, SelectItem, SetExpr, SetOperator, TableAlias,
    TableFactor, Visitor, VisitorMut, WildcardAdditionalOptions,
};
use weir_types::{Error, Result, SqlState};

use crate::decorrelate;
use crate::dialect::visit::{visit, visit_mut};
use crate::dialect::{no_rows, plain_query, plain_select};
use crate::names::relations::alias_of;
use crate::names::{self, SUFFIX, fold, wire_name};

/// Plans relations with a list of column names, and queries in FROM.
#[derive(Debug)]
pub(super) struct NamedColumns;

impl RelationPlanner for NamedColumns {
    fn plan_relation(
        &self,
        mut relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DfResult<RelationPlanning> {
        let is_query = matches!(relation, TableFactor::Derived { .. });
        let Some(place) = alias_of(&mut relation) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let Some(mut alias) = place.take_if(|alias| is_query || !alias.columns.is_empty()) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let plan = context.plan(relation)?;
        let fields = plan.schema().fields();
        if alias.columns.len() > fields.len() {
            // DataFusion tells of it.
            return Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
                plan,
                Some(alias),
            ))));
        }
        let given = std::mem::take(&mut alias.columns).into_iter().map(|column| fold(&column.name));
        let given: Vec<String> = given.collect();
        let kept = fields.iter().skip(given.len()).map(|field| field.name().clone());
        let names = apart(given.iter().cloned().chain(kept));
        let plan = renamed(plan, names)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, Some(alias)))))
    }
}

/// The names, those that occur again with a suffix.
pub(super) fn apart(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    for (column, name) in names.enumerate() {
        let mut own = name.clone();
        let mut number = column;
        while !taken.insert(own.clone()) {
            own = format!("{}{SUFFIX}{number}", wire_name(&name));
            number += 1;
        }
        found.push(own);
    }
    found
}

fn renamed(plan: LogicalPlan, names: Vec<String>) -> DfResult<LogicalPlan> {
    let fields = plan.schema().fields();
    if fields.iter().zip(&names).all(|(field, name)| field.name() == name) {
        return Ok(plan);
    }
    let columns = plan.schema().columns().into_iter().map(Expr::Column);
    let outputs: Vec<Expr> = columns.zip(names).map(|(column, name)| column.alias(name)).collect();
    LogicalPlanBuilder::from(plan).project(outputs)?.build()
}

/// Makes the queries in WITH and the operands whose columns may need other names read one in FROM, where they get them.
pub(super) fn move_names_into_queries(query: &mut Query) {
    let _ = visit_mut(query, &mut Mover);
}

struct Mover;

impl VisitorMut for Mover {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(with) = &mut query.with {
            let recursive = with.recursive;
            for cte in with.cte_tables.iter_mut().filter(|cte| needs_names(cte)) {
                let mut alias = cte.alias.clone();
                cte.alias.columns.clear();
                alias.explicit = true;
                if recursive
                    && mentions(&cte.query, &fold(&alias.name))
                    && let SetExpr::SetOperation { left, .. } = cte.query.body.as_mut()
                {
                    // Its columns are those of its first term.
                    let term = std::mem::replace(left.as_mut(), no_rows());
                    **left = *reading(plain_query(term), alias).body;
                } else {
                    let inner = plain_query(no_rows());
                    let inner = std::mem::replace(cte.query.as_mut(), inner);
                    *cte.query = reading(inner, alias);
                }
            }
        }
        read_operands(&mut query.body);
        ControlFlow::Continue(())
    }
}

/// Makes the operands of set operations that may have several columns of a name by `*` read a query in FROM. A union has
/// the names of its first one.
fn read_operands(body: &mut SetExpr) {
    let SetExpr::SetOperation { op, left, right, .. } = body else { return };
    let right_counts = *op != SetOperator::Union;
    for (operand, counts) in [(left, true), (right, right_counts)] {
        if counts && may_have_twins(operand) {
            let inner = plain_query(std::mem::replace(operand.as_mut(), no_rows()));
            let name = names::quoted(OPERAND.to_owned());
            let alias = TableAlias { explicit: true, name, columns: Vec::new(), at: None };
            **operand = *reading(inner, alias).body;
        } else {
            read_operands(operand);
        }
    }
}

/// The name of an operand in FROM. It cannot be typed.
const OPERAND: &str = "\u{1}operand";

/// True for columns of several relations, or beside others, by `*`. A literal among the outputs would lose its open
/// type in FROM: it stays.
fn may_have_twins(operand: &SetExpr) -> bool {
    let mut operand = operand;
    while let SetExpr::Query(query) = operand {
        operand = &query.body;
    }
    let SetExpr::Select(select) = operand else { return false };
    let items = &select.projection;
    let is_column = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            names::column_path(expr).is_some()
        }
        _ => true,
    };
    items.iter().any(is_wildcard)
        && items.iter().all(is_column)
        && (items.len() > 1 || !is_one_relation(&select.from))
}

fn is_wildcard(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

/// `SELECT * FROM (query) AS alias`.
fn reading(query: Query, alias: TableAlias) -> Query {
    let subquery = Box::new(query);
    let relation =
        TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None };
    // Of all columns: none is to be taken out as a record column.
    let all = WildcardAdditionalOptions {
        opt_exclude: Some(ExcludeSelectItem::Multiple(Vec::new())),
        ..WildcardAdditionalOptions::default()
    };
    let from = vec![sql::TableWithJoins { relation, joins: Vec::new() }];
    plain_query(SetExpr::Select(Box::new(plain_select(vec![SelectItem::Wildcard(all)], from))))
}

/// True where not each column gets a name from the list, or two may have the same.
fn needs_names(cte: &sql::Cte) -> bool {
    let given: Vec<String> = cte.alias.columns.iter().map(|column| fold(&column.name)).collect();
    let distinct: BTreeSet<&String> = given.iter().collect();
    if distinct.len() < given.len() {
        return true;
    }
    let mut body = cte.query.body.as_ref();
    loop {
        match body {
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(query) => body = &query.body,
            SetExpr::Select(select) => {
                let items = &select.projection;
                if items.iter().any(is_wildcard) {
                    return !given.is_empty() || items.len() > 1 || !is_one_relation(&select.from);
                }
                return !given.is_empty() && given.len() != items.len();
            }
            SetExpr::Values(values) => {
                let n_columns = values.rows.first().map_or(0, |row| row.content.len());
                return !given.is_empty() && given.len() != n_columns;
            }
            _ => return !given.is_empty(),
        }
    }
}

fn is_one_relation(from: &[sql::TableWithJoins]) -> bool {
    match from {
        [tree] => tree.joins.is_empty() && !matches!(tree.relation, TableFactor::NestedJoin { .. }),
        _ => false,
    }
}

/// True where the query reads a relation of that name.
fn mentions(query: &Query, name: &str) -> bool {
    struct Finder<'n>(&'n str);
    impl Visitor for Finder<'_> {
        type Break = ();

        fn pre_visit_relation(&mut self, relation: &sql::ObjectName) -> ControlFlow<()> {
            match relation.0.as_slice() {
                [sql::ObjectNamePart::Identifier(ident)] if fold(ident) == self.0 => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    visit(query, &mut Finder(name)).is_break()
}

/// Tells of the columns that are named where a relation has several of the name. A column of `*` has no place in the
/// text, and is meant as it is.
///
/// # Errors
/// 42702 for the first.
pub(super) fn check(plan: &LogicalPlan, query: &Query) -> Result<()> {
    let keys = sort_key_names(query);
    let mut found = None;
    let visited = plan.apply_with_subqueries(|node| {
        found = ambiguous_in(node, &keys);
        Ok(match found {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    });
    debug_assert!(visited.is_ok(), "the visitor gives no error");
    let Some(column) = found else { return Ok(()) };
    let error = Error::new(
        SqlState::AmbiguousColumn,
        format!("column reference \"{}\" is ambiguous", column.name),
    );
    Err(match column.spans().first().map(|span| span.start.column as usize) {
        Some(position) if position > 0 => error.with_position(position),
        _ => error,
    })
}

/// The names that are keys in ORDER BY anywhere: the planner forgets the places of those that are outputs.
fn sort_key_names(query: &Query) -> BTreeSet<String> {
    struct Finder(BTreeSet<String>);
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            let Some(order_by) = &query.order_by else { return ControlFlow::Continue(()) };
            if let sql::OrderByKind::Expressions(keys) = &order_by.kind {
                let name = |key: &sql::OrderByExpr| match &key.expr {
                    sql::Expr::Identifier(name) => Some(fold(name)),
                    sql::Expr::CompoundIdentifier(parts) => parts.last().map(fold),
                    _ => None,
                };
                self.0.extend(keys.iter().filter_map(name));
            }
            ControlFlow::Continue(())
        }
    }
    let mut finder = Finder(BTreeSet::new());
    let _ = visit(query, &mut finder);
    finder.0
}

/// The first column that a node names though it is one of several.
fn ambiguous_in(node: &LogicalPlan, keys: &BTreeSet<String>) -> Option<Column> {
    let inputs: Vec<&DFSchema> =
        node.inputs().iter().map(|input| input.schema().as_ref()).collect();
    if !inputs.iter().any(|schema| has_twins(schema)) {
        return None;
    }
    let is_sort = matches!(node, LogicalPlan::Sort(_));
    let is_named = |column: &Column| {
        column.spans().first().is_some() || (is_sort && keys.contains(&column.name))
    };
    let is_twin = |column: &Column| inputs.iter().any(|schema| is_one_of_several(schema, column));
    let mut found = None;
    for expr in node.expressions() {
        let visited = expr.apply(|expr| {
            let named = match expr {
                Expr::Column(column) if is_named(column) => vec![column.clone()],
                other => decorrelate::outer_columns_of(other),
            };
            found = named.into_iter().find(is_twin);
            Ok(match found {
                Some(_) => TreeNodeRecursion::Stop,
                None => TreeNodeRecursion::Continue,
            })
        });
        debug_assert!(visited.is_ok(), "the visitor gives no error");
        if found.is_some() {
            return found;
        }
    }
    match node {
        LogicalPlan::Join(join) => decorrelate::outer_columns(&join.right)
            .into_iter()
            .find(|column| is_one_of_several(join.left.schema(), column)),
        _ => None,
    }
}

fn has_twins(schema: &DFSchema) -> bool {
    schema.iter().any(|(relation, field)| relation.is_some() && twin_of(field.name()).is_some())
}

fn is_one_of_several(schema: &DFSchema, column: &Column) -> bool {
    let Some(relation) = &column.relation else { return false };
    let is_twin = |name: &str| twin_of(name) == Some(column.name.as_str());
    schema.has_column(column)
        && schema.iter().any(|(other, field)| other == Some(relation) && is_twin(field.name()))
}

/// The name that a column with a suffix shares. Other suffixes than numbers are of columns that nobody can name.
fn twin_of(name: &str) -> Option<&str> {
    let (shown, number) = name.split_once(SUFFIX)?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(shown)
}
