//! `JOIN .. USING` and `NATURAL JOIN` as joins with a condition.
//!
//! Both merge columns: unqualified, the name of a merged column means the left one, in a RIGHT JOIN the right
//! one, and in a FULL JOIN whichever is there; `*` has it once, before the others. DataFusion takes the left
//! one in any join, and does not find it in WHERE. So before planning the joins get conditions, and the
//! references what they mean, in the common type of the two columns.

mod typing;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use datafusion::sql::sqlparser::ast::{
    self as sql, Cte, Expr, Ident, JoinConstraint, JoinOperator, Query, Select, SelectItem,
    SetExpr, TableFactor, TableWithJoins, Visit, VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use weir_types::{Error, Result, SqlState, SqlType};

use super::twins;
use crate::dialect::visit::{at, of_flow, to_flow, visit, visit_mut};
use crate::names::relations::{constraint_of, ident_of};
use crate::names::{self, fold};
use typing::{Relation, Typing};

pub(super) use typing::Plans;

/// Gives all joins of a query and its subqueries conditions.
///
/// # Errors
/// 42703 and 42702 for a name of USING that is not one column of either side.
pub(super) fn expand(query: &mut Query, plans: Plans<'_>) -> Result<()> {
    if merges(query) {
        Expander { plans, names_only: false }.query(query, &Visible::default())?;
    }
    Ok(())
}

/// True where a join anywhere in it merges columns.
fn merges(node: &impl Visit) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            let mut bodies = vec![query.body.as_ref()];
            while let Some(body) = bodies.pop() {
                match body {
                    SetExpr::Select(select) if select.from.iter().any(tree_merges) => {
                        return ControlFlow::Break(());
                    }
                    SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, &**right]),
                    _ => {}
                }
            }
            ControlFlow::Continue(())
        }
    }
    visit(node, &mut Finder).is_break()
}

fn tree_merges(tree: &TableWithJoins) -> bool {
    let of_factor = |factor: &TableFactor| match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => tree_merges(table_with_joins),
        _ => false,
    };
    let of_join = |join: &sql::Join| {
        let constraint = constraint_of(&join.join_operator);
        matches!(constraint, Some(JoinConstraint::Using(_) | JoinConstraint::Natural))
            || of_factor(&join.relation)
    };
    of_factor(&tree.relation) || tree.joins.iter().any(of_join)
}

/// The same join with that constraint.
fn with_constraint(operator: &JoinOperator, constraint: JoinConstraint) -> JoinOperator {
    match operator {
        JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => JoinOperator::Left(constraint),
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => JoinOperator::Right(constraint),
        JoinOperator::FullOuter(_) => JoinOperator::FullOuter(constraint),
        _ => JoinOperator::Inner(constraint),
    }
}

/// A column of FROM.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    /// What it means.
    expr: Expr,
    /// Made of two columns: a reference to it is replaced by what it means.
    is_merged: bool,
    typing: Typing,
}

/// The WITH queries that a query sees, expanded.
#[derive(Clone, Default)]
pub(super) struct Visible {
    queries: Vec<Cte>,
    pub(super) recursive: bool,
}

impl Visible {
    pub(super) fn add(&mut self, cte: Cte) {
        self.queries.retain(|known| fold(&known.alias.name) != fold(&cte.alias.name));
        self.queries.push(cte);
    }
}

struct Expander<'a> {
    plans: Plans<'a>,
    /// Only the names of columns are asked for, not what they mean.
    names_only: bool,
}

impl Expander<'_> {
    /// Expands the joins of a query that sees those WITH queries.
    fn query(&self, query: &mut Query, outer: &Visible) -> Result<()> {
        let mut visible = outer.clone();
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                let mut own = visible.clone();
                if with.recursive {
                    own.add(self.first_term(cte, &visible)?);
                }
                self.query(&mut cte.query, &own)?;
                visible.add(cte.clone());
            }
            visible.recursive |= with.recursive;
        }
        let scope = self.body(&mut query.body, &visible)?;
        if let (Some(merged), SetExpr::Select(select)) = (scope, query.body.as_ref())
            && let Some(order_by) = &mut query.order_by
        {
            self.expand_order(order_by, select, &merged, &visible)?;
        }
        Ok(())
    }

    /// A query that has the columns of a recursive one: its first term.
    fn first_term(&self, cte: &Cte, visible: &Visible) -> Result<Cte> {
        let mut first = cte.clone();
        if let SetExpr::SetOperation { left, .. } = cte.query.body.as_ref() {
            first.query.body.clone_from(left);
        }
        self.query(&mut first.query, visible)?;
        Ok(first)
    }

    /// What merged columns mean in the ORDER BY of a query with that body.
    fn body(&self, body: &mut SetExpr, visible: &Visible) -> Result<Option<Merged>> {
        match body {
            SetExpr::Select(select) => self.select(select, visible),
            SetExpr::Query(query) => self.query(query, visible).map(|()| None),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, visible)?;
                self.body(right, visible)?;
                Ok(None)
            }
            other => self.subqueries(other, visible).map(|()| None),
        }
    }

    fn select(&self, select: &mut Select, visible: &Visible) -> Result<Option<Merged>> {
        self.subqueries(select, visible)?;
        if !select.from.iter().any(tree_merges) {
            return Ok(None);
        }
        let mut columns = Vec::new();
        for tree in &mut select.from {
            columns.extend(self.tree(tree, visible)?);
        }
        let merged = merged(&columns);
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(Expr::Identifier(ident)) = item
                && let Some(expr) = merged.get(&fold(ident))
            {
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: ident.clone() };
            }
        }
        self.replace(select, &merged, visible)?;
        expand_wildcards(select, &columns);
        Ok(Some(merged))
    }

    /// Expands the queries inside of a part of a query.
    fn subqueries(&self, node: &mut impl VisitMut, visible: &Visible) -> Result<()> {
        struct Outermost<'a, 'b> {
            expander: &'a Expander<'b>,
            visible: &'a Visible,
            depth: usize,
        }
        impl VisitorMut for Outermost<'_, '_> {
            type Break = Error;

            fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
                self.depth += 1;
                match self.depth {
                    1 => to_flow(self.expander.query(query, self.visible)),
                    _ => ControlFlow::Continue(()),
                }
            }

            fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
                self.depth -= 1;
                ControlFlow::Continue(())
            }
        }
        of_flow(visit_mut(node, &mut Outermost { expander: self, visible, depth: 0 }))
    }

    /// Gives the joins of a tree their conditions; its columns, in the order of `*`.
    fn tree(&self, tree: &mut TableWithJoins, visible: &Visible) -> Result<Vec<Column>> {
        let mut left = self.factor(&mut tree.relation, visible)?;
        for join in &mut tree.joins {
            let right = self.factor(&mut join.relation, visible)?;
            let names = match constraint_of(&join.join_operator) {
                Some(JoinConstraint::Using(names)) => using_names(names),
                Some(JoinConstraint::Natural) => common_names(&left, &right),
                _ => {
                    left.extend(right);
                    continue;
                }
            };
            let (condition, columns) = self.merge(&join.join_operator, &names, left, right)?;
            join.join_operator =
                with_constraint(&join.join_operator, JoinConstraint::On(condition));
            left = columns;
        }
        Ok(left)
    }

    fn factor(&self, factor: &mut TableFactor, visible: &Visible) -> Result<Vec<Column>> {
        if let TableFactor::NestedJoin { table_with_joins, alias: None } = factor {
            return self.tree(table_with_joins, visible);
        }
        if let TableFactor::NestedJoin { alias, .. } = factor {
            // Its name hides those inside.
            let alias = alias.take();
            let mut query = crate::dialect::star_query(factor.clone());
            self.query(&mut query, visible)?;
            let subquery = Box::new(query);
            *factor = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
        }
        // Where it stands in FROM is not where a column is named.
        let ident = ident_of(factor).map(|ident| Ident { span: Span::empty(), ..ident });
        let Some(alias) = ident else {
            return Err(Error::unsupported(
                "a relation without a name cannot be joined with USING",
            )
            .with_hint("Give it an alias."));
        };
        let relation = Rc::new(Relation::new(all_of(factor, visible)));
        let names = match named_columns(factor) {
            Some(names) => names,
            None => self.plans.names(relation.all().clone())?,
        };
        let column = |planned: String| Column {
            name: names::wire_name(&planned).to_owned(),
            typing: Typing::Planned(Rc::clone(&relation), planned.clone()),
            expr: Expr::CompoundIdentifier(vec![alias.clone(), Ident::with_quote('"', planned)]),
            is_merged: false,
        };
        Ok(names.into_iter().map(column).collect())
    }

    /// Puts what they mean in the place of merged columns, also in subqueries that have no column of the
    /// name themselves.
    fn replace(&self, node: &mut impl VisitMut, merged: &Merged, visible: &Visible) -> Result<()> {
        if merged.is_empty() {
            return Ok(());
        }
        let replacer = &mut Replacer { expander: self, merged, visible, hidden: Vec::new() };
        of_flow(visit_mut(node, replacer))
    }

    /// The columns of the relations in a query's FROM; `None` where they cannot be told without the query
    /// around.
    fn names_in(&self, query: &Query, visible: &Visible) -> Option<BTreeSet<String>> {
        let mut visible = visible.clone();
        if let Some(with) = &query.with {
            with.cte_tables.iter().for_each(|cte| visible.add(cte.clone()));
            visible.recursive |= with.recursive;
        }
        let namer = Expander { plans: self.plans, names_only: true };
        let mut names = BTreeSet::new();
        let mut bodies = vec![query.body.as_ref()];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::Select(select) => {
                    for tree in &select.from {
                        let columns = namer.tree(&mut tree.clone(), &visible).ok()?;
                        names.extend(columns.into_iter().map(|column| column.name));
                    }
                }
                SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, &**right]),
                _ => {}
            }
        }
        Some(names)
    }

    /// A bare name in ORDER BY means an output, where there is one of that name.
    fn expand_order(
        &self,
        order_by: &mut sql::OrderBy,
        select: &Select,
        merged: &Merged,
        visible: &Visible,
    ) -> Result<()> {
        let sql::OrderByKind::Expressions(keys) = &mut order_by.kind else { return Ok(()) };
        let outputs: BTreeSet<String> = select
            .projection
            .iter()
            .filter_map(|item| match item {
                SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
                SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(fold),
                _ => None,
            })
            .collect();
        for key in keys {
            let is_output =
                matches!(&key.expr, Expr::Identifier(ident) if outputs.contains(&fold(ident)));
            if !is_output {
                self.replace(&mut key.expr, merged, visible)?;
            }
        }
        Ok(())
    }

    /// The condition of a join that merges those columns, and its columns.
    fn merge(
        &self,
        operator: &JoinOperator,
        names: &[Ident],
        mut left: Vec<Column>,
        mut right: Vec<Column>,
    ) -> Result<(Expr, Vec<Column>)> {
        let mut columns = Vec::new();
        let mut condition: Option<Expr> = None;
        for name in names {
            let (l, r) = (take(&mut left, name, "left")?, take(&mut right, name, "right")?);
            let equal = binary(l.expr.clone(), sql::BinaryOperator::Eq, r.expr.clone());
            condition = Some(match condition {
                None => equal,
                Some(condition) => binary(condition, sql::BinaryOperator::And, equal),
            });
            columns.push(self.merged(operator, l, r));
        }
        columns.append(&mut left);
        columns.append(&mut right);
        let always = || Expr::Value(sql::Value::Boolean(true).with_empty_span());
        Ok((condition.unwrap_or_else(always), columns))
    }

    /// The column that a join makes of two, which has their common type.
    fn merged(&self, operator: &JoinOperator, l: Column, r: Column) -> Column {
        let type_of = |column: &Column| match self.names_only {
            true => None,
            false => column.typing.sql_type(&self.plans),
        };
        let types = type_of(&l).zip(type_of(&r));
        let common = types.as_ref().and_then(|(left, right)| typing::common(left, right));
        // Where there is a row of the side that tells, its value is there; where there is none, both are NULL.
        let told = |value: Expr, own: Option<&SqlType>, other: Expr| match own {
            Some(own) => typing::converted(value, own, common.as_ref()),
            None => coalesce(value, other),
        };
        let expr = match operator {
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => {
                told(r.expr, types.as_ref().map(|(_, right)| right), l.expr)
            }
            JoinOperator::FullOuter(_) => coalesce(l.expr, r.expr),
            _ => told(l.expr, types.as_ref().map(|(left, _)| left), r.expr),
        };
        Column { name: l.name, expr, is_merged: true, typing: Typing::Merged(common) }
    }
}

/// What merged columns mean, by name.
type Merged = BTreeMap<String, Expr>;

/// A name of two columns is ambiguous, merged or not.
fn merged(columns: &[Column]) -> Merged {
    let is_only = |name: &str| columns.iter().filter(|other| other.name == name).count() == 1;
    let only = columns.iter().filter(|column| column.is_merged && is_only(&column.name));
    only.map(|column| (column.name.clone(), column.expr.clone())).collect()
}

fn using_names(names: &[sql::ObjectName]) -> Vec<Ident> {
    names.iter().filter_map(|name| name.0.last()?.as_ident().cloned()).collect()
}

fn common_names(left: &[Column], right: &[Column]) -> Vec<Ident> {
    let is_right = |column: &&Column| right.iter().any(|other| other.name == column.name);
    let common = left.iter().filter(is_right);
    common.map(|column| Ident::with_quote('"', column.name.clone())).collect()
}

/// Takes the one column of that name out of a side.
fn take(side: &mut Vec<Column>, name: &Ident, which: &str) -> Result<Column> {
    let wanted = fold(name);
    let mut places = (0..side.len()).filter(|place| side[*place].name == wanted);
    let (first, second) = (places.next(), places.next());
    let error = match (first, second) {
        (Some(place), None) => return Ok(side.remove(place)),
        (Some(_), _) => Error::new(
            SqlState::AmbiguousColumn,
            format!("common column name \"{wanted}\" appears more than once in {which} table"),
        ),
        (None, _) => Error::new(
            SqlState::UndefinedColumn,
            format!(
                "column \"{wanted}\" specified in USING clause does not exist in {which} table"
            ),
        ),
    };
    Err(at(name, error))
}

fn binary(left: Expr, op: sql::BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn coalesce(left: Expr, right: Expr) -> Expr {
    call("coalesce", vec![left, right])
}

fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let argument = |expr| sql::FunctionArg::Unnamed(sql::FunctionArgExpr::Expr(expr));
    let arguments = sql::FunctionArgumentList {
        duplicate_treatment: None,
        args: arguments.into_iter().map(argument).collect(),
        clauses: Vec::new(),
    };
    Expr::Function(sql::Function {
        name: Ident::with_quote('"', name).into(),
        uses_odbc_syntax: false,
        parameters: sql::FunctionArguments::None,
        args: sql::FunctionArguments::List(arguments),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The columns of a derived table or an unnested array, where its text tells them: it may refer to what is around it,
/// without which it cannot be planned.
pub(super) fn named_columns(factor: &TableFactor) -> Option<Vec<String>> {
    if let TableFactor::UNNEST { alias: Some(alias), array_exprs, .. } = factor {
        let names: Vec<String> = alias.columns.iter().map(|column| fold(&column.name)).collect();
        return (names.len() == array_exprs.len()).then_some(names);
    }
    let TableFactor::Derived { subquery, alias, .. } = factor else { return None };
    let mut body = subquery.body.as_ref();
    let select = loop {
        match body {
            SetExpr::Select(select) => break select,
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(query) => body = &query.body,
            _ => return None,
        }
    };
    let name = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(fold(ident)),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(fold),
        _ => None,
    };
    let mut names = select.projection.iter().map(name).collect::<Option<Vec<String>>>()?;
    let given = alias.iter().flat_map(|alias| &alias.columns);
    for (name, column) in names.iter_mut().zip(given) {
        *name = fold(&column.name);
    }
    Some(twins::apart(names.into_iter()))
}

/// `SELECT *` of that relation.
pub(super) fn all_of(factor: &TableFactor, visible: &Visible) -> Query {
    let mut query = crate::dialect::star_query(factor.clone());
    if !visible.queries.is_empty() {
        query.with = Some(sql::With {
            with_token: sql::helpers::attached_token::AttachedToken::empty(),
            recursive: visible.recursive,
            cte_tables: visible.queries.clone(),
        });
    }
    query
}

/// Puts the columns in the place of `*`.
fn expand_wildcards(select: &mut Select, columns: &[Column]) {
    let mut items = Vec::with_capacity(select.projection.len());
    for item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::Wildcard(_) => {
                let item = |column: &Column| SelectItem::ExprWithAlias {
                    expr: column.expr.clone(),
                    alias: Ident::with_quote('"', column.name.clone()),
                };
                items.extend(columns.iter().map(item));
            }
            other => items.push(other),
        }
    }
    select.projection = items;
    names::name_select(select);
}

struct Replacer<'a, 'b> {
    expander: &'a Expander<'b>,
    merged: &'a Merged,
    visible: &'a Visible,
    /// For each query that is being visited, the names that mean its own columns; `None`: any may.
    hidden: Vec<Option<BTreeSet<String>>>,
}

impl VisitorMut for Replacer<'_, '_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.hidden.push(self.expander.names_in(query, self.visible));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.hidden.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Expr::Identifier(ident) = expr
            && let Some(meaning) = self.merged.get(&fold(ident))
        {
            let is_own = |names: &Option<BTreeSet<String>>| {
                names.as_ref().is_none_or(|names| names.contains(&fold(ident)))
            };
            if !self.hidden.iter().any(is_own) {
                *expr = meaning.clone();
            }
        }
        ControlFlow::Continue(())
    }
}
