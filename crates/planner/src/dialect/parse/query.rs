//! What holds for every query and expression after sqlparser.
//!
//! Forms that DataFusion would silently ignore are refused, PostgreSQL's forms that it does not
//! plan are spelled as those that it does, and what its optimizer would take too long for is
//! refused.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self as sql, AccessExpr, Expr, Fetch, Ident, Join, JoinConstraint, JoinOperator, LimitClause,
    ObjectName, Query, Select, SelectItem, SetExpr, Spanned, TableFactor, TableWithJoins, VisitMut,
    VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Span;
use weir_types::{Error, Result, SqlState};

mod expansion;

use self::expansion::Expansion;
use super::{names, words};
use crate::dialect::visit::visit_mut;

/// Deepest nesting of subqueries in expressions: the time that DataFusion's optimizer takes for
/// them doubles with each level.
const SUBQUERIES_MAX: usize = 16;
/// Most relations that one SELECT joins: the optimizer's time grows with the cube of them.
const JOINED_MAX: usize = 200;

/// Why a rule refuses a syntax tree.
pub(super) enum Refusal {
    /// A syntax error at the token that begins at that character of the statement, from 1.
    At(usize),
    /// A syntax error at the first such word of the statement.
    AtWord(&'static str),
    /// Another error, with its position within the statement where it has one.
    Because(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Because(error)
    }
}

type Checked = Result<(), Refusal>;

/// The visitor of these rules.
#[derive(Default)]
pub(super) struct Rules {
    /// Subqueries in expressions around the node at hand.
    n_subqueries: usize,
    /// How many relations are read once every WITH is put in.
    expansion: Expansion,
}

impl Rules {
    /// Checks and rewrites everything below that node.
    pub(super) fn apply(node: &mut impl VisitMut) -> Checked {
        match visit_mut(node, &mut Self::default()) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(refusal) => Err(refusal),
        }
    }

    /// Visits the common table expressions before all else of their query, one after the other.
    fn enter(&mut self, query: &mut Query) -> Checked {
        check_body(&query.body)?;
        check_tail(query)?;
        let mut with = query.with.take();
        self.expansion.open();
        for cte in with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            let outer = self.expansion.begin();
            if let ControlFlow::Break(refusal) = visit_mut(&mut *cte.query, self) {
                return Err(refusal);
            }
            self.expansion.end(outer, &cte.alias.name.value);
        }
        self.expansion.keep(with);
        Ok(())
    }
}

impl VisitorMut for Rules {
    type Break = Refusal;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Refusal> {
        flow(self.enter(query))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Refusal> {
        query.with = self.expansion.close();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Refusal> {
        flow(check_select(select))
    }

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<Refusal> {
        flow(check_relation(name).and_then(|()| self.expansion.add(name)))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Refusal> {
        flow(check_table_factor(factor))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Refusal> {
        self.n_subqueries += usize::from(is_subquery(expr));
        if self.n_subqueries > SUBQUERIES_MAX {
            let error = Error::new(
                SqlState::StatementTooComplex,
                format!("subqueries in expressions are nested more than {SUBQUERIES_MAX} deep"),
            )
            .with_hint("Join the inner queries in FROM.");
            return ControlFlow::Break(at(error, expr.span()));
        }
        flow(check_expr(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Refusal> {
        self.n_subqueries -= usize::from(is_subquery(expr));
        ControlFlow::Continue(())
    }
}

fn is_subquery(expr: &Expr) -> bool {
    match expr {
        Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => true,
        Expr::Function(function) => matches!(function.args, sql::FunctionArguments::Subquery(_)),
        _ => false,
    }
}

fn flow(checked: Checked) -> ControlFlow<Refusal> {
    match checked {
        Ok(()) => ControlFlow::Continue(()),
        Err(refusal) => ControlFlow::Break(refusal),
    }
}

/// That error, at the begin of the span.
fn at(error: Error, span: Span) -> Refusal {
    Refusal::Because(match span.start.column {
        0 => error,
        column => error.with_position(column as usize),
    })
}

/// A syntax error at the begin of the span; some things in quotes have none.
fn near(span: Span) -> Refusal {
    match span.start.column {
        0 => Refusal::Because(Error::syntax("syntax error at a name in single quotes")),
        column => Refusal::At(column as usize),
    }
}

/// The parts of a query's body that are neither SELECT nor VALUES.
fn check_body(body: &SetExpr) -> Checked {
    let mut pending = vec![body];
    while let Some(body) = pending.pop() {
        match body {
            SetExpr::SetOperation { left, right, .. } => pending.extend([&**left, &**right]),
            SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => {}
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                return Err(Error::unsupported(
                    "data-modifying statements in WITH or in a query are not supported",
                )
                .with_hint("Run the statement by itself, in one transaction with the query.")
                .into());
            }
            // `TABLE t` is spelled out before sqlparser sees it: what is left is malformed.
            SetExpr::Table(_) => return Err(Refusal::AtWord("table")),
        }
    }
    Ok(())
}

/// LIMIT, FETCH and locks.
fn check_tail(query: &mut Query) -> Checked {
    if !query.locks.is_empty() {
        return Err(Error::unsupported("SELECT FOR UPDATE and FOR SHARE are not supported")
            .with_hint(
                "Rows are not locked: of two transactions that write one row, the second to commit \
                 gets SQLSTATE 40001 and should be retried.",
            )
            .into());
    }
    if query.for_clause.is_some() {
        return Err(Refusal::AtWord("for"));
    }
    let Some(Fetch { with_ties, percent, quantity }) = query.fetch.take() else { return Ok(()) };
    if with_ties || percent {
        return Err(Error::unsupported("FETCH .. WITH TIES and PERCENT are not supported")
            .with_hint("Use rank() in a subquery.")
            .into());
    }
    let offset = match query.limit_clause.take() {
        None => None,
        Some(LimitClause::LimitOffset { limit: None, offset, .. }) => offset,
        Some(_) => return Err(Error::syntax("multiple LIMIT clauses not allowed").into()),
    };
    let one = || sql::Expr::value(sql::Value::Number("1".to_owned(), false));
    query.limit_clause = Some(LimitClause::LimitOffset {
        limit: Some(quantity.unwrap_or_else(one)),
        offset,
        limit_by: Vec::new(),
    });
    Ok(())
}

fn check_select(select: &Select) -> Checked {
    if let Some(into) = &select.into {
        return Err(at(
            Error::unsupported("SELECT INTO is not supported")
                .with_hint("Use CREATE TABLE .. AS SELECT."),
            into.name.span(),
        ));
    }
    let hive = [&select.cluster_by, &select.distribute_by].into_iter().flatten().next();
    let sorted = select.sort_by.first().map(Spanned::span);
    if let Some(span) = hive.map(Spanned::span).or(sorted) {
        return Err(at(
            Error::unsupported("SORT BY, CLUSTER BY and DISTRIBUTE BY are not supported")
                .with_hint("Use ORDER BY."),
            span,
        ));
    }
    check_from(&select.from)?;
    for item in &select.projection {
        match item {
            // `SELECT * x`
            SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
                if let Some(alias) = &options.opt_alias {
                    return Err(near(alias.span));
                }
            }
            // `SELECT a 'x'`: such an alias has no location of its own.
            SelectItem::ExprWithAlias { expr, alias } if alias.quote_style == Some('\'') => {
                return Err(Refusal::At(expr.span().end.column as usize));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Names in single quotes, and what is no name after a dot.
fn check_expr(expr: &Expr) -> Checked {
    match expr {
        Expr::Identifier(ident) => check_ident(ident),
        Expr::CompoundIdentifier(idents) => idents.iter().try_for_each(check_ident),
        Expr::CompoundFieldAccess { access_chain, .. } => {
            access_chain.iter().try_for_each(|access| match access {
                AccessExpr::Dot(Expr::Identifier(ident)) => check_ident(ident),
                AccessExpr::Dot(other) => Err(near(other.span())),
                AccessExpr::Subscript(_) => Ok(()),
            })
        }
        _ => Ok(()),
    }
}

fn check_ident(ident: &Ident) -> Checked {
    if ident.quote_style == Some('\'') { Err(near(ident.span)) } else { Ok(()) }
}

/// The relations of FROM and USING: joins without the condition that they need, which DataFusion
/// would take for cross joins, and too many of them.
pub(super) fn check_from(from: &[TableWithJoins]) -> Checked {
    from.iter().try_for_each(|relation| check_joins(&relation.joins))?;
    if n_joined(from) > JOINED_MAX {
        return Err(Error::new(
            SqlState::StatementTooComplex,
            format!("more than {JOINED_MAX} relations are joined in one query"),
        )
        .with_hint("Join parts of them in subqueries or views.")
        .into());
    }
    Ok(())
}

/// How many relations there are, those in parentheses included.
fn n_joined(from: &[TableWithJoins]) -> usize {
    let one = |factor: &TableFactor| match factor {
        TableFactor::NestedJoin { table_with_joins, .. } => {
            n_joined(std::slice::from_ref(&**table_with_joins))
        }
        _ => 1,
    };
    from.iter()
        .map(|relation| {
            let joined = relation.joins.iter().map(|join| one(&join.relation));
            one(&relation.relation) + joined.sum::<usize>()
        })
        .sum()
}

fn check_joins(joins: &[Join]) -> Checked {
    use JoinOperator as J;
    for join in joins {
        let constraint = match &join.join_operator {
            J::Join(constraint)
            | J::Inner(constraint)
            | J::Left(constraint)
            | J::LeftOuter(constraint)
            | J::Right(constraint)
            | J::RightOuter(constraint)
            | J::FullOuter(constraint) => constraint,
            _ => continue,
        };
        if *constraint == JoinConstraint::None {
            return Err(Refusal::At(join.relation.span().end.column as usize));
        }
    }
    Ok(())
}

fn check_relation(name: &mut ObjectName) -> Checked {
    let first = name.0.first().and_then(|part| part.as_ident());
    if let Some(ident) = first
        && ident.quote_style.is_none()
        && words::is_reserved(&ident.value)
    {
        return Err(near(ident.span));
    }
    let span = name.span();
    names::without_database(name).map_err(|error| at(error, span))
}

fn check_table_factor(factor: &TableFactor) -> Checked {
    let (TableFactor::Table { alias, .. }
    | TableFactor::Derived { alias, .. }
    | TableFactor::Function { alias, .. }
    | TableFactor::UNNEST { alias, .. }
    | TableFactor::NestedJoin { alias, .. }) = factor
    else {
        return Ok(());
    };
    alias.iter().try_for_each(|alias| check_ident(&alias.name))?;
    let sample = match factor {
        TableFactor::Table { with_hints, sample, .. } => {
            if let Some(hint) = with_hints.first() {
                return Err(near(hint.span()));
            }
            sample
        }
        TableFactor::Derived { sample, .. } => sample,
        TableFactor::NestedJoin { table_with_joins, .. } => {
            return check_joins(&table_with_joins.joins);
        }
        _ => return Ok(()),
    };
    if sample.is_some() {
        return Err(at(Error::unsupported("TABLESAMPLE is not supported"), factor.span()));
    }
    Ok(())
}

/// `SELECT * FROM name`, the name being where the user wrote it.
pub(super) fn select_all(name: ObjectName) -> Box<Query> {
    let mut query = Parser::new(&PostgreSqlDialect {})
        .try_with_sql("SELECT * FROM relation")
        .and_then(|mut parser| parser.parse_query())
        .expect("the constant text is a query");
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(from) = select.from.first_mut()
        && let TableFactor::Table { name: relation, .. } = &mut from.relation
    {
        *relation = name;
    }
    query
}
