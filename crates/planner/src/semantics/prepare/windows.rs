//! Windows with names: `OVER w`, `OVER (w ORDER BY ..)` and `WINDOW w2 AS (w ..)` become windows that are
//! spelled out.
//!
//! DataFusion replaces `OVER w` in the select list alone, and takes no notice of the window that another one
//! copies.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, NamedWindowDefinition, NamedWindowExpr, OrderByKind, Query, Select, SetExpr,
    VisitMut, VisitorMut, WindowSpec, WindowType,
};
use weir_types::{Error, Result, SqlState};

use crate::dialect::visit::{at, of_flow, to_flow, visit_mut};
use crate::names::fold;

/// Spells out the windows of each SELECT of a query, but not those of the queries in it.
///
/// # Errors
/// 42704 for a window that is not there, 42P20 for one that is there twice or cannot be copied so.
pub(super) fn spell_out(query: &mut Query) -> Result<()> {
    let Query { body, order_by, .. } = query;
    if let SetExpr::Select(select) = body.as_mut() {
        let windows = of_select(select)?;
        if let Some(OrderByKind::Expressions(keys)) =
            order_by.as_mut().map(|order_by| &mut order_by.kind)
        {
            replace(keys, &windows)?;
        }
        return Ok(());
    }
    of_body(body)
}

fn of_body(body: &mut SetExpr) -> Result<()> {
    match body {
        SetExpr::Select(select) => of_select(select).map(drop),
        SetExpr::SetOperation { left, right, .. } => {
            of_body(left)?;
            of_body(right)
        }
        _ => Ok(()),
    }
}

/// The windows that a SELECT gives names.
type Windows = Vec<(String, WindowSpec)>;

fn of_select(select: &mut Select) -> Result<Windows> {
    let mut windows = Windows::new();
    for NamedWindowDefinition(name, definition) in std::mem::take(&mut select.named_window) {
        if windows.iter().any(|(known, _)| *known == fold(&name)) {
            let text = format!("window \"{}\" is already defined", fold(&name));
            return Err(at(&name, Error::new(SqlState::WindowingError, text)));
        }
        let window = match definition {
            NamedWindowExpr::WindowSpec(window) => complete(window, &windows)?,
            NamedWindowExpr::NamedWindow(other) => named(&other, &windows)?.clone(),
        };
        windows.push((fold(&name), window));
    }
    replace(&mut select.projection, &windows)?;
    replace(&mut select.distinct, &windows)?;
    Ok(windows)
}

fn named<'a>(name: &Ident, windows: &'a Windows) -> Result<&'a WindowSpec> {
    let found = windows.iter().find(|(known, _)| *known == fold(name));
    found.map(|(_, window)| window).ok_or_else(|| {
        let text = format!("window \"{}\" does not exist", fold(name));
        at(name, Error::new(SqlState::UndefinedObject, text))
    })
}

/// A window with what it takes from the one that it copies: its partition, and its order.
fn complete(mut window: WindowSpec, windows: &Windows) -> Result<WindowSpec> {
    let Some(name) = window.window_name.take() else { return Ok(window) };
    let base = named(&name, windows)?;
    let refuse = |text: String| Err(at(&name, Error::new(SqlState::WindowingError, text)));
    if !window.partition_by.is_empty() {
        return refuse(format!(
            "cannot override PARTITION BY clause of window \"{}\"",
            fold(&name)
        ));
    }
    if !window.order_by.is_empty() && !base.order_by.is_empty() {
        return refuse(format!("cannot override ORDER BY clause of window \"{}\"", fold(&name)));
    }
    if base.window_frame.is_some() {
        let is_bare = window.order_by.is_empty() && window.window_frame.is_none();
        let text = format!("cannot copy window \"{}\" because it has a frame clause", fold(&name));
        return refuse(text).map_err(|error| match is_bare {
            true => error.with_hint("Omit the parentheses in this OVER clause."),
            false => error,
        });
    }
    window.partition_by.clone_from(&base.partition_by);
    if window.order_by.is_empty() {
        window.order_by.clone_from(&base.order_by);
    }
    Ok(window)
}

/// Spells out the windows of calls, outside of queries, whose windows are their own.
fn replace(node: &mut impl VisitMut, windows: &Windows) -> Result<()> {
    of_flow(visit_mut(node, &mut Replacer { windows, depth: 0 }))
}

struct Replacer<'a> {
    windows: &'a Windows,
    depth: usize,
}

impl VisitorMut for Replacer<'_> {
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
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let spelled_out = match function.over.take() {
            None => return ControlFlow::Continue(()),
            Some(WindowType::NamedWindow(name)) => named(&name, self.windows).cloned(),
            Some(WindowType::WindowSpec(window)) => complete(window, self.windows),
        };
        to_flow(spelled_out.map(|window| {
            function.over = Some(WindowType::WindowSpec(window));
        }))
    }
}
