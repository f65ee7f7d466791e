//! What bare names mean where DataFusion's planner would take them for something else, or not at all.
//!
//! Visits the SELECTs of a query from the outside in, each with the relations that it sees: those of its FROM, and of
//! the queries around it.
//! - The name of a function in FROM is its value, where no column has the name (`FROM jsonb_array_elements(d) x`).
//! - A name in HAVING is a column, never an output ([`Scopes::having`]).
//! - Columns that a primary key in GROUP BY determines can be named beside aggregates ([`super::determined`]).

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self as sql, Distinct, Expr, GroupByExpr, Ident, ObjectName, OrderBy, OrderByKind, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins,
    VisitMut, VisitorMut,
};
use weir_types::{Error, Result, SqlState};

use super::determined;
use super::provider::{KeyedColumns, Provider};
use crate::dialect::visit::{at, of_flow, to_flow, visit_mut};
use crate::names::relations::{alias_of, constraint_of, ident_of};
use crate::names::{figure, fold, quoted, wire_name};

/// Names of columns; `None` where the text does not tell them.
type Names = Option<BTreeSet<String>>;

/// A relation in FROM.
pub(super) struct Relation {
    /// The name under which its columns are known.
    pub(super) ident: Option<Ident>,
    columns: Names,
    /// Its primary key, where it is a table.
    pub(super) keyed: Option<KeyedColumns>,
    /// Of a function, the column that its name means by itself.
    value: Option<Ident>,
}

impl Relation {
    /// True where a reference to that relation means it.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.ident.as_ref().is_some_and(|ident| fold(ident) == name)
    }

    /// True where it is known to have a column of that name.
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.as_ref().is_some_and(|columns| columns.contains(column))
    }
}

/// Gives names their meaning in a query and the queries in it.
///
/// # Errors
/// 42703 for an output that HAVING names.
pub(super) fn resolve(query: &mut Query, provider: &Provider<'_>) -> Result<()> {
    let mut scopes = Scopes { provider, levels: Vec::new(), withs: Vec::new() };
    scopes.query(query).map(drop)
}

/// The relations that the SELECT at hand sees.
struct Scopes<'a> {
    provider: &'a Provider<'a>,
    /// Of each SELECT around, outermost first.
    levels: Vec<Vec<Relation>>,
    /// WITH queries and their outputs, the nearest last.
    withs: Vec<(String, Names)>,
}

impl Scopes<'_> {
    /// Visits a query; the names of its outputs.
    fn query(&mut self, query: &mut Query) -> Result<Names> {
        let n_withs = self.withs.len();
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                let name = fold(&cte.alias.name);
                if with.recursive {
                    self.withs.push((name.clone(), None));
                }
                let outputs = self.query(&mut cte.query)?;
                let given = cte.alias.columns.iter().map(|column| fold(&column.name));
                self.withs.push((name, outputs.map(|all| all.into_iter().chain(given).collect())));
            }
        }
        let outputs = self.body(&mut query.body, query.order_by.as_mut());
        self.withs.truncate(n_withs);
        outputs
    }

    fn body(&mut self, body: &mut SetExpr, order_by: Option<&mut OrderBy>) -> Result<Names> {
        match body {
            SetExpr::Select(select) => self.select(select, order_by),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, right, .. } => {
                let outputs = self.body(left, None)?;
                self.body(right, None)?;
                Ok(outputs)
            }
            other => {
                self.expressions(other)?;
                Ok(None)
            }
        }
    }

    fn select(&mut self, select: &mut Select, order_by: Option<&mut OrderBy>) -> Result<Names> {
        let mut from = std::mem::take(&mut select.from);
        self.levels.push(Vec::new());
        let visited = from.iter_mut().try_for_each(|tree| self.tree(tree));
        let outputs = visited.and_then(|()| self.in_select(select, order_by));
        select.from = from;
        self.levels.pop();
        outputs
    }

    /// The parts of a SELECT whose relations are those of the innermost level.
    fn in_select(&mut self, select: &mut Select, order_by: Option<&mut OrderBy>) -> Result<Names> {
        let outputs: BTreeSet<String> = select.projection.iter().filter_map(output_of).collect();
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(Expr::Identifier(ident)) = item
                && let Some(expr) = self.value_of(ident)
            {
                *item = SelectItem::ExprWithAlias { expr, alias: quoted(fold(ident)) };
            }
        }
        if let Some(having) = &mut select.having {
            self.having(having, &select.projection)?;
        }
        let mut keys: Vec<&mut Expr> = Vec::new();
        if let Some(OrderByKind::Expressions(all)) = order_by.map(|order_by| &mut order_by.kind) {
            keys.extend(all.iter_mut().map(|key| &mut key.expr));
        }
        let empty = GroupByExpr::Expressions(Vec::new(), Vec::new());
        let mut group_by = std::mem::replace(&mut select.group_by, empty);
        let mut distinct = select.distinct.take();
        let mut named = grouped(&mut group_by);
        if let Some(Distinct::On(exprs)) = &mut distinct {
            named.extend(exprs);
        }
        // A bare name is an output there.
        let is_output =
            |expr: &Expr| matches!(expr, Expr::Identifier(name) if outputs.contains(&fold(name)));
        let mut visited = Ok(());
        for expr in named.into_iter().chain(keys.iter_mut().map(|key| &mut **key)) {
            if visited.is_ok() && !is_output(expr) {
                visited = self.expressions(expr);
            }
        }
        let visited = visited.and_then(|()| self.expressions(select));
        (select.group_by, select.distinct) = (group_by, distinct);
        visited?;
        let Some(level) = self.levels.last() else { return Ok(None) };
        determined::add_to_groups(select, &keys, level);
        Ok(outputs_of(select, level))
    }

    /// Visits the relations of an item of FROM, each of which sees those before it where it may.
    fn tree(&mut self, tree: &mut TableWithJoins) -> Result<()> {
        self.factor(&mut tree.relation)?;
        for join in &mut tree.joins {
            self.factor(&mut join.relation)?;
            if let Some(sql::JoinConstraint::On(_)) = constraint_of(&join.join_operator) {
                self.expressions(&mut join.join_operator)?;
            }
        }
        Ok(())
    }

    fn factor(&mut self, factor: &mut TableFactor) -> Result<()> {
        let columns = match &mut *factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                return self.tree(table_with_joins);
            }
            TableFactor::Derived { subquery, lateral, .. } => {
                let own = if *lateral { None } else { self.levels.pop() };
                let outputs = self.query(subquery);
                self.levels.extend(own);
                outputs?
            }
            TableFactor::UNNEST { array_exprs, .. } => {
                array_exprs.iter_mut().try_for_each(|array| self.expressions(array))?;
                Some(BTreeSet::new())
            }
            TableFactor::Table { name, args: None, .. } => self.columns_of(name),
            other => {
                self.expressions(other)?;
                None
            }
        };
        let relation = self.relation(factor, columns);
        if let Some(level) = self.levels.last_mut() {
            level.push(relation);
        }
        Ok(())
    }

    fn with(&self, name: &ObjectName) -> Option<&Names> {
        let [sql::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
        let name = fold(ident);
        self.withs.iter().rev().find(|(known, _)| *known == name).map(|(_, outputs)| outputs)
    }

    fn columns_of(&self, name: &ObjectName) -> Names {
        match self.with(name) {
            Some(outputs) => outputs.clone(),
            None => Some(self.provider.column_names(name).into_iter().collect()),
        }
    }

    fn relation(&self, factor: &mut TableFactor, columns: Names) -> Relation {
        let ident = ident_of(factor);
        let alias = alias_of(factor).and_then(|alias| alias.clone());
        let given: Vec<Ident> = alias
            .iter()
            .flat_map(|alias| alias.columns.iter().map(|column| column.name.clone()))
            .collect();
        let columns = columns.map(|all| all.into_iter().chain(given.iter().map(fold)).collect());
        let keyed = match factor {
            TableFactor::Table { name, .. } if given.is_empty() && self.with(name).is_none() => {
                self.provider.keyed_columns(name)
            }
            _ => None,
        };
        let value = match (&*factor, given.as_slice()) {
            (TableFactor::UNNEST { .. }, [only]) => Some(only.clone()),
            _ => None,
        };
        Relation { ident, columns, keyed, value }
    }

    /// What the name of a function means by itself. Columns of the name go before, those of queries around too.
    fn value_of(&self, ident: &Ident) -> Option<Expr> {
        let name = fold(ident);
        let mut relations = self.levels.iter().rev().flatten();
        if self.levels.iter().flatten().any(|other| other.columns.is_none() || other.has(&name)) {
            return None;
        }
        let function = relations.find(|relation| relation.is_named(&name))?;
        let value = function.value.clone()?;
        let relation = Ident { span: ident.span, ..function.ident.clone()? };
        Some(Expr::CompoundIdentifier(vec![relation, value]))
    }

    /// Makes names in HAVING that outputs have, too, those of columns. DataFusion prefers the outputs.
    ///
    /// # Errors
    /// 42703 where there is no column of the name.
    fn having(&self, having: &mut Expr, items: &[SelectItem]) -> Result<()> {
        let outputs: BTreeSet<String> = items
            .iter()
            .filter_map(|item| match item {
                SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
                _ => None,
            })
            .collect();
        let mut meaning = |expr: &mut Expr| -> Result<()> {
            let Expr::Identifier(ident) = expr else { return Ok(()) };
            let name = fold(ident);
            if !outputs.contains(&name) || self.levels.iter().flatten().any(|r| r.columns.is_none())
            {
                return Ok(());
            }
            let column = self.levels.iter().rev().flatten().find(|relation| relation.has(&name));
            match column.map(|relation| relation.ident.clone()) {
                Some(Some(relation)) => {
                    let relation = Ident { span: ident.span, ..relation };
                    *expr = Expr::CompoundIdentifier(vec![relation, ident.clone()]);
                    Ok(())
                }
                Some(None) => Ok(()),
                None if self.value_of(ident).is_some() => Ok(()),
                None => Err(no_column(ident)),
            }
        };
        of_flow(visit_mut(having, &mut Own { act: &mut meaning, depth: 0 }))
    }

    /// Visits the expressions of a part of a SELECT, and the queries in them.
    fn expressions(&mut self, node: &mut impl VisitMut) -> Result<()> {
        struct Outermost<'a, 'b> {
            scopes: &'a mut Scopes<'b>,
            depth: usize,
        }
        impl VisitorMut for Outermost<'_, '_> {
            type Break = Error;

            fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
                self.depth += 1;
                if self.depth > 1 {
                    return ControlFlow::Continue(());
                }
                to_flow(self.scopes.query(query).map(drop))
            }

            fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
                self.depth -= 1;
                ControlFlow::Continue(())
            }

            fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
                if let Expr::Identifier(ident) = expr
                    && self.depth == 0
                    && let Some(value) = self.scopes.value_of(ident)
                {
                    *expr = value;
                }
                ControlFlow::Continue(())
            }
        }
        of_flow(visit_mut(node, &mut Outermost { scopes: self, depth: 0 }))
    }
}

/// Visits the expressions of a SELECT, without those of queries in them.
struct Own<'a> {
    act: &'a mut dyn FnMut(&mut Expr) -> Result<()>,
    depth: usize,
}

impl VisitorMut for Own<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if self.depth > 0 { ControlFlow::Continue(()) } else { to_flow((self.act)(expr)) }
    }
}

/// The expressions of GROUP BY, those of grouping sets one by one.
fn grouped(group_by: &mut GroupByExpr) -> Vec<&mut Expr> {
    let GroupByExpr::Expressions(exprs, _) = group_by else { return Vec::new() };
    let mut all = Vec::with_capacity(exprs.len());
    for expr in exprs {
        match expr {
            Expr::Rollup(sets) | Expr::Cube(sets) | Expr::GroupingSets(sets) => {
                all.extend(sets.iter_mut().flatten());
            }
            other => all.push(other),
        }
    }
    all
}

/// The name of an output; `None` for a wildcard.
fn output_of(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(wire_name(&fold(alias)).to_owned()),
        SelectItem::UnnamedExpr(expr) => Some(figure(expr).0),
        _ => None,
    }
}

/// The names of the outputs of a SELECT over those relations.
fn outputs_of(select: &Select, level: &[Relation]) -> Names {
    let mut names = BTreeSet::new();
    for item in &select.projection {
        match item {
            SelectItem::Wildcard(_) => {
                for relation in level {
                    names.extend(relation.columns.clone()?);
                }
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                let name = name.0.last().and_then(|part| part.as_ident()).map(fold)?;
                let relation = level.iter().find(|relation| relation.is_named(&name))?;
                names.extend(relation.columns.clone()?);
            }
            item => {
                names.insert(output_of(item)?);
            }
        }
    }
    Some(names)
}

fn no_column(ident: &Ident) -> Error {
    let error =
        Error::new(SqlState::UndefinedColumn, format!("column \"{}\" does not exist", fold(ident)));
    at(ident, error)
}
