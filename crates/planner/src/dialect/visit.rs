//! Visits of a query's text.
//!
//! sqlparser's walk over its tree is generic over the visitor, so each type of visitor makes a copy of the
//! code that walks all of SQL, which takes long to compile. Here the walk calls its visitor by a pointer, and a crate
//! has one copy of it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Select, Statement, TableFactor, ValueWithSpan, Visit, VisitMut,
    Visitor, VisitorMut,
};
use weir_types::{Error, Result};

/// Walks over the node; what ended the walk, if the visitor did.
pub(crate) fn visit<V: Visitor>(node: &impl Visit, visitor: &mut V) -> ControlFlow<V::Break> {
    let mut keeping = Keeping { visitor, kept: None };
    let _ = Visit::visit(node, &mut ByPointer(&mut keeping));
    flow_of(keeping.kept)
}

/// Walks over the node, which the visitor may change; what ended the walk, if the visitor did.
pub fn visit_mut<V: VisitorMut>(
    node: &mut impl VisitMut,
    visitor: &mut V,
) -> ControlFlow<V::Break> {
    let mut keeping = KeepingMut { visitor, kept: None };
    let _ = VisitMut::visit(node, &mut ByPointerMut(&mut keeping));
    flow_of(keeping.kept)
}

/// Calls the function for each expression of the node, before those in it.
pub(crate) fn visit_expressions<B>(
    node: &impl Visit,
    act: impl FnMut(&Expr) -> ControlFlow<B>,
) -> ControlFlow<B> {
    visit(node, &mut EachExpression(act))
}

/// Calls the function for each expression of the node, after those in it.
pub(crate) fn visit_expressions_mut<B>(
    node: &mut impl VisitMut,
    act: impl FnMut(&mut Expr) -> ControlFlow<B>,
) -> ControlFlow<B> {
    visit_mut(node, &mut EachExpression(act))
}

/// Calls the function for each name of a relation in the node.
pub fn visit_relations<B>(
    node: &impl Visit,
    act: impl FnMut(&ObjectName) -> ControlFlow<B>,
) -> ControlFlow<B> {
    visit(node, &mut EachRelation(act))
}

/// The outcome of a step of a visitor, which ends at the first error.
pub(crate) fn to_flow(outcome: Result<()>) -> ControlFlow<Error> {
    match outcome {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

/// The outcome of a whole visit.
///
/// # Errors
/// The one that ended it.
pub(crate) fn of_flow(flow: ControlFlow<Error>) -> Result<()> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The error with the position of a name, where the text has the name.
pub(crate) fn at(name: &Ident, error: Error) -> Error {
    match name.span.start.column as usize {
        0 => error,
        position => error.with_position(position),
    }
}

fn flow_of<B>(kept: Option<B>) -> ControlFlow<B> {
    kept.map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

struct EachExpression<F>(F);

impl<B, F: FnMut(&Expr) -> ControlFlow<B>> Visitor for EachExpression<F> {
    type Break = B;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<B> {
        (self.0)(expr)
    }
}

impl<B, F: FnMut(&mut Expr) -> ControlFlow<B>> VisitorMut for EachExpression<F> {
    type Break = B;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<B> {
        (self.0)(expr)
    }
}

struct EachRelation<F>(F);

impl<B, F: FnMut(&ObjectName) -> ControlFlow<B>> Visitor for EachRelation<F> {
    type Break = B;

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<B> {
        (self.0)(name)
    }
}

/// The one visitor that the walk is compiled for: it calls another by pointer.
struct ByPointer<'a>(&'a mut dyn Visitor<Break = ()>);

/// As [`ByPointer`].
struct ByPointerMut<'a>(&'a mut dyn VisitorMut<Break = ()>);

/// Keeps what ended a visitor's walk, so that walks that end with different things are the same to the
/// compiler.
struct Keeping<'a, V: Visitor> {
    visitor: &'a mut V,
    kept: Option<V::Break>,
}

/// As [`Keeping`].
struct KeepingMut<'a, V: VisitorMut> {
    visitor: &'a mut V,
    kept: Option<V::Break>,
}

fn keep<B>(kept: &mut Option<B>, flow: ControlFlow<B>) -> ControlFlow<()> {
    flow.map_break(|broken| *kept = Some(broken))
}

macro_rules! forward {
    ($self:ident.$step:ident($node:ident)) => {
        $self.0.$step($node)
    };
}

macro_rules! forward_and_keep {
    ($self:ident.$step:ident($node:ident)) => {{
        let flow = $self.visitor.$step($node);
        keep(&mut $self.kept, flow)
    }};
}

/// The steps of a walk, each done by a macro.
macro_rules! steps {
    ($act:ident: $($before:ident, $after:ident of $node:ty;)+) => {
        type Break = ();

        $(
            fn $before(&mut self, node: $node) -> ControlFlow<()> {
                $act!(self.$before(node))
            }

            fn $after(&mut self, node: $node) -> ControlFlow<()> {
                $act!(self.$after(node))
            }
        )+
    };
}

macro_rules! all_steps {
    ($act:ident) => {
        steps! { $act:
            pre_visit_query, post_visit_query of &Query;
            pre_visit_select, post_visit_select of &Select;
            pre_visit_relation, post_visit_relation of &ObjectName;
            pre_visit_table_factor, post_visit_table_factor of &TableFactor;
            pre_visit_expr, post_visit_expr of &Expr;
            pre_visit_statement, post_visit_statement of &Statement;
            pre_visit_value, post_visit_value of &ValueWithSpan;
        }
    };
}

macro_rules! all_steps_mut {
    ($act:ident) => {
        steps! { $act:
            pre_visit_query, post_visit_query of &mut Query;
            pre_visit_select, post_visit_select of &mut Select;
            pre_visit_relation, post_visit_relation of &mut ObjectName;
            pre_visit_table_factor, post_visit_table_factor of &mut TableFactor;
            pre_visit_expr, post_visit_expr of &mut Expr;
            pre_visit_statement, post_visit_statement of &mut Statement;
            pre_visit_value, post_visit_value of &mut ValueWithSpan;
        }
    };
}

impl Visitor for ByPointer<'_> {
    all_steps!(forward);
}

impl VisitorMut for ByPointerMut<'_> {
    all_steps_mut!(forward);
}

impl<V: Visitor> Visitor for Keeping<'_, V> {
    all_steps!(forward_and_keep);
}

impl<V: VisitorMut> VisitorMut for KeepingMut<'_, V> {
    all_steps_mut!(forward_and_keep);
}
