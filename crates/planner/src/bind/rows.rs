//! Whole rows of relations in FROM, written out over the columns that the relations' plans have.
//!
//! - `r.* IS NULL` and `r IS NULL` are true where each column is NULL, `IS NOT NULL` where none is. DataFusion takes
//!   `r.*` in an expression for a value that is never NULL.
//! - `SELECT *, *` and `SELECT x, *` show a column twice, which DataFusion refuses ([`written_out`]).

mod written_out;

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self as sql, BinaryOperator, Expr, Ident, OrderBy, Query, Select, SetExpr, TableFactor,
    TableWithJoins, Value, VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span;
use weir_types::{Error, Result, SqlState};

use super::merged::{self, Plans, Visible};
use crate::dialect::visit::{at, of_flow, to_flow, visit, visit_expressions, visit_mut};
use crate::names::relations::{ident_of, name_of};
use crate::names::{fold, plain, wire_name};

/// Writes out whole rows in a query and the queries in it. `hidden` are columns of tables that no row shows.
///
/// # Errors
/// 42P01 for a row of a relation that is not there; 0A000 where its columns cannot be told, and for other uses of a
/// row as a value.
pub(super) fn expand(query: &mut Query, hidden: &[String], plans: Plans<'_>) -> Result<()> {
    if !may_have(query) {
        return Ok(());
    }
    Rows { plans, hidden, visible: Visible::default(), levels: Vec::new() }.query(query)?;
    let rest = visit_expressions(query, |expr| match expr {
        Expr::QualifiedWildcard(name, _) => ControlFlow::Break(unsupported(name)),
        _ => ControlFlow::Continue(()),
    });
    of_flow(rest)
}

/// True where the text has a test of a row, or wildcards that may show a column twice.
fn may_have(query: &Query) -> bool {
    #[derive(Default)]
    struct Finder {
        tested: BTreeSet<String>,
        relations: BTreeSet<String>,
    }
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            match written_out::is_due(select) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }

        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            self.relations.extend(name_of(factor));
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::QualifiedWildcard(..) => return ControlFlow::Break(()),
                Expr::IsNull(tested) | Expr::IsNotNull(tested) => {
                    if let Expr::Identifier(name) = tested.as_ref() {
                        self.tested.insert(fold(name));
                    }
                }
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut finder = Finder::default();
    visit(query, &mut finder).is_break() || !finder.tested.is_disjoint(&finder.relations)
}

/// A relation in FROM.
struct Relation {
    /// The name under which its columns are known.
    ident: Option<Ident>,
    /// `SELECT *` of it.
    all: Query,
    /// The names of its columns as its text has them, for want of a plan.
    written: Option<Vec<String>>,
    /// Names of columns that it does not show.
    hidden: Vec<String>,
    columns: OnceCell<Option<Vec<String>>>,
}

impl Relation {
    fn is_named(&self, name: &str) -> bool {
        self.ident.as_ref().is_some_and(|ident| fold(ident) == name)
    }

    /// The names of its columns as its plan has them; `None` where they cannot be told without what is around it.
    fn names(&self, plans: &Plans<'_>) -> Option<&[String]> {
        let names = self.columns.get_or_init(|| {
            let mut names = plans.names(self.all.clone()).ok().or_else(|| self.written.clone())?;
            names.retain(|name| !self.hidden.contains(name));
            Some(names)
        });
        names.as_deref()
    }

    /// Its columns.
    fn columns(&self, plans: &Plans<'_>) -> Option<Vec<Expr>> {
        let ident = self.ident.as_ref()?;
        let relation = Ident { span: Span::empty(), ..ident.clone() };
        let column = |name: &String| {
            Expr::CompoundIdentifier(vec![relation.clone(), Ident::with_quote('"', name)])
        };
        Some(self.names(plans)?.iter().map(column).collect())
    }
}

/// Visits SELECTs from the outside in, each with the relations that it sees.
struct Rows<'a> {
    plans: Plans<'a>,
    hidden: &'a [String],
    visible: Visible,
    /// The relations of each SELECT around, outermost first.
    levels: Vec<Vec<Relation>>,
}

impl Rows<'_> {
    fn query(&mut self, query: &mut Query) -> Result<()> {
        let outer = self.visible.clone();
        if let Some(with) = &mut query.with {
            self.visible.recursive |= with.recursive;
            for cte in &mut with.cte_tables {
                let before = self.visible.clone();
                if with.recursive {
                    self.visible.add(cte.clone());
                }
                self.query(&mut cte.query)?;
                self.visible = before;
                self.visible.add(cte.clone());
            }
        }
        self.body(&mut query.body, query.order_by.as_mut())?;
        self.visible = outer;
        Ok(())
    }

    fn body(&mut self, body: &mut SetExpr, order_by: Option<&mut OrderBy>) -> Result<()> {
        match body {
            SetExpr::Select(select) => self.select(select, order_by),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left, None)?;
                self.body(right, None)
            }
            other => self.expressions(other),
        }
    }

    fn select(&mut self, select: &mut Select, order_by: Option<&mut OrderBy>) -> Result<()> {
        let mut from = std::mem::take(&mut select.from);
        self.levels.push(Vec::new());
        let visited = from.iter_mut().try_for_each(|tree| self.tree(tree));
        let visited = visited.and_then(|()| self.in_select(select, order_by));
        select.from = from;
        self.levels.pop();
        visited
    }

    /// The parts of a SELECT whose relations are those of the innermost level.
    fn in_select(&mut self, select: &mut Select, order_by: Option<&mut OrderBy>) -> Result<()> {
        if let Some(level) = self.levels.last()
            && written_out::is_due(select)
        {
            written_out::write_out(select, order_by.is_some(), level, &self.plans);
        }
        self.expressions(select)?;
        order_by.map_or(Ok(()), |order_by| self.expressions(order_by))
    }

    fn tree(&mut self, tree: &mut TableWithJoins) -> Result<()> {
        self.factor(&mut tree.relation)?;
        for join in &mut tree.joins {
            self.factor(&mut join.relation)?;
            self.expressions(&mut join.join_operator)?;
        }
        Ok(())
    }

    fn factor(&mut self, factor: &mut TableFactor) -> Result<()> {
        match &mut *factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                return self.tree(table_with_joins);
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                // Its name hides those inside.
                self.levels.push(Vec::new());
                let visited = self.tree(table_with_joins);
                self.levels.pop();
                visited?;
            }
            TableFactor::Derived { subquery, lateral, .. } => {
                let own = if *lateral { None } else { self.levels.pop() };
                let visited = self.query(subquery);
                self.levels.extend(own);
                visited?;
            }
            TableFactor::Table { args: None, .. } => {}
            other => self.expressions(other)?,
        }
        let hidden = match factor {
            TableFactor::Table { .. } => self.hidden.to_vec(),
            _ => Vec::new(),
        };
        let relation = Relation {
            hidden,
            ident: ident_of(factor),
            all: merged::all_of(factor, &self.visible),
            written: merged::named_columns(factor),
            columns: OnceCell::new(),
        };
        if let Some(level) = self.levels.last_mut() {
            level.push(relation);
        }
        Ok(())
    }

    /// Visits the expressions of a part of a SELECT, and the queries in them.
    fn expressions(&mut self, node: &mut impl VisitMut) -> Result<()> {
        of_flow(visit_mut(node, &mut Outermost { rows: self, depth: 0 }))
    }

    /// What tests a row as a whole, where the expression is such a test.
    fn test(&self, expr: &Expr) -> Result<Option<Expr>> {
        let (tested, is_null) = match expr {
            Expr::IsNull(tested) => (tested, true),
            Expr::IsNotNull(tested) => (tested, false),
            _ => return Ok(None),
        };
        let columns = match (tested.as_ref(), plain(tested)) {
            (_, Expr::QualifiedWildcard(name, _)) => self.wildcard(name)?,
            (Expr::Identifier(name), _) => match self.row(name) {
                Some(columns) => columns,
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let each = columns.into_iter().map(Box::new).map(|column| match is_null {
            true => Expr::IsNull(column),
            false => Expr::IsNotNull(column),
        });
        let and = |all: Expr, one: Expr| Expr::BinaryOp {
            left: Box::new(all),
            op: BinaryOperator::And,
            right: Box::new(one),
        };
        let all = each.reduce(and).unwrap_or_else(|| Expr::value(Value::Boolean(true)));
        Ok(Some(Expr::Nested(Box::new(all))))
    }

    fn relation(&self, name: &str) -> Option<&Relation> {
        let mut relations = self.levels.iter().rev().flatten();
        relations.find(|relation| relation.is_named(name))
    }

    /// The columns of `relation.*`.
    fn wildcard(&self, name: &sql::ObjectName) -> Result<Vec<Expr>> {
        let ident = name.0.last().and_then(|part| part.as_ident());
        let Some(ident) = ident else { return Err(unsupported(name)) };
        let shown = fold(ident);
        let Some(relation) = self.relation(&shown) else {
            let message = format!("missing FROM-clause entry for table \"{}\"", wire_name(&shown));
            return Err(at(ident, Error::new(SqlState::UndefinedTable, message)));
        };
        relation.columns(&self.plans).ok_or_else(|| unsupported(name))
    }

    /// The columns of the relation that a bare name means: columns of the name go before, wherever they are.
    fn row(&self, ident: &Ident) -> Option<Vec<Expr>> {
        let name = fold(ident);
        let relation = self.relation(&name)?;
        let may_have = |other: &Relation| {
            let names = other.names(&self.plans);
            names.is_none_or(|names| names.iter().any(|column| wire_name(column) == name))
        };
        if self.levels.iter().flatten().any(may_have) {
            return None;
        }
        relation.columns(&self.plans)
    }
}

/// Visits expressions, and hands the outermost queries in them on.
struct Outermost<'a, 'b> {
    rows: &'a mut Rows<'b>,
    depth: usize,
}

impl VisitorMut for Outermost<'_, '_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.depth += 1;
        if self.depth > 1 {
            return ControlFlow::Continue(());
        }
        to_flow(self.rows.query(query))
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let found = self.rows.test(expr).map(|test| {
            if let Some(test) = test {
                *expr = test;
            }
        });
        to_flow(found)
    }
}

fn unsupported(name: &sql::ObjectName) -> Error {
    let ident = name.0.last().and_then(|part| part.as_ident());
    let shown = ident.map(fold).unwrap_or_default();
    Error::unsupported(format!("\"{}.*\" as a value is not supported", wire_name(&shown)))
        .with_hint("Name the columns of the row.")
}
