//! Record columns of streams (`_offset` and so on): there when named, not in `*`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self as sql, ExcludeSelectItem, Expr, Query, SelectItem, SetExpr, VisitorMut,
    WildcardAdditionalOptions,
};

use crate::dialect::visit::{visit_expressions, visit_mut};
use crate::source::RecordColumn;

/// The record columns that the query names anywhere.
pub(crate) fn mentioned(query: &Query) -> Vec<RecordColumn> {
    let mut found = Vec::new();
    let mut note = |ident: &sql::Ident| {
        let column =
            RecordColumn::ALL.into_iter().find(|c| ident.value.eq_ignore_ascii_case(c.name()));
        if let Some(column) = column
            && !found.contains(&column)
        {
            found.push(column);
        }
    };
    let _ = visit_expressions(query, |expr| {
        match expr {
            Expr::Identifier(ident) => note(ident),
            Expr::CompoundIdentifier(idents) => idents.iter().for_each(&mut note),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    found
}

/// Takes those columns out of every `*` and `t.*`.
pub(super) fn exclude_from_wildcards(query: &mut Query, columns: &[RecordColumn]) {
    let names: Vec<sql::ObjectName> =
        columns.iter().map(|column| sql::Ident::new(column.name()).into()).collect();
    let _ = visit_mut(query, &mut Excluder { names });
}

struct Excluder {
    names: Vec<sql::ObjectName>,
}

impl VisitorMut for Excluder {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.visit_body(&mut query.body);
        ControlFlow::Continue(())
    }
}

impl Excluder {
    fn visit_body(&self, body: &mut SetExpr) {
        match body {
            SetExpr::Select(select) => {
                for item in &mut select.projection {
                    if let SelectItem::Wildcard(options)
                    | SelectItem::QualifiedWildcard(_, options) = item
                    {
                        self.exclude(options);
                    }
                }
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.visit_body(left);
                self.visit_body(right);
            }
            _ => {}
        }
    }

    fn exclude(&self, options: &mut WildcardAdditionalOptions) {
        if options.opt_exclude.is_none() {
            options.opt_exclude = Some(ExcludeSelectItem::Multiple(self.names.clone()));
        }
    }
}
