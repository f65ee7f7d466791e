//! Parsed SQL that says nothing beyond its parts.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, Query, Select, SelectFlavor, SelectItem, SetExpr, TableFactor,
    TableWithJoins, Values, VisitMut, WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::dialect::visit::visit_expressions_mut;

/// The name that an identifier means.
#[must_use]
pub fn fold(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// Takes their places off the names in a text that is not the user's: an error must not point there.
pub fn without_places(node: &mut impl VisitMut) {
    let _: ControlFlow<()> = visit_expressions_mut(node, |expr| {
        match expr {
            Expr::Identifier(ident) => ident.span = Span::empty(),
            Expr::CompoundIdentifier(idents) => {
                idents.iter_mut().for_each(|ident| ident.span = Span::empty());
            }
            Expr::Value(value) => value.span = Span::empty(),
            _ => {}
        }
        ControlFlow::Continue(())
    });
}

/// VALUES without a row: stands where a body was taken from.
#[must_use]
pub fn no_rows() -> SetExpr {
    SetExpr::Values(Values { explicit_row: false, value_keyword: false, rows: Vec::new() })
}

/// The query of a body: without WITH, order and limit.
#[must_use]
pub fn plain_query(body: SetExpr) -> Query {
    Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// `SELECT * FROM relation`.
#[must_use]
pub fn star_query(relation: TableFactor) -> Query {
    let from = TableWithJoins { relation, joins: Vec::new() };
    let items = vec![SelectItem::Wildcard(WildcardAdditionalOptions::default())];
    plain_query(SetExpr::Select(Box::new(plain_select(items, vec![from]))))
}

/// `SELECT items FROM from`.
#[must_use]
pub fn plain_select(items: Vec<SelectItem>, from: Vec<TableWithJoins>) -> Select {
    Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: items,
        exclude: None,
        into: None,
        from,
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }
}
