//! Queries in WITH that are named like one of a WITH around them.
//!
//! PostgreSQL takes the innermost of the name. DataFusion refuses the name, so the inner one gets another, that cannot
//! be typed.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self as sql, Query, TableAlias, TableFactor, VisitMut, Visitor, VisitorMut,
};

use crate::dialect::visit::{visit, visit_mut};
use crate::names::{SUFFIX, fold, quoted};

/// Behind the suffix of such a name.
const MARK: &str = "with";

/// Gives the queries in WITH that hide others names of their own.
pub(super) fn rename(query: &mut Query) {
    if repeats_a_name(query) {
        Renamer { n_renamed: 0 }.query(query, &[]);
    }
}

/// True where two queries in WITH anywhere have one name.
fn repeats_a_name(query: &Query) -> bool {
    struct Finder(BTreeSet<String>);
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
                if !self.0.insert(fold(&cte.alias.name)) {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        }
    }
    visit(query, &mut Finder(BTreeSet::new())).is_break()
}

/// A query in WITH: its name, and what it is called here. Of several of a name the last is the innermost.
type Named = (String, String);

struct Renamer {
    n_renamed: usize,
}

impl Renamer {
    fn query(&mut self, query: &mut Query, outer: &[Named]) {
        let mut visible = outer.to_vec();
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                let name = fold(&cte.alias.name);
                let own = self.own_name(&name, outer);
                if own != name {
                    cte.alias.name = quoted(own.clone());
                }
                let named = (name, own);
                if with.recursive {
                    visible.push(named);
                    self.query(&mut cte.query, &visible);
                } else {
                    self.query(&mut cte.query, &visible);
                    visible.push(named);
                }
            }
        }
        self.part(query.body.as_mut(), &visible);
        if let Some(order_by) = &mut query.order_by {
            self.part(order_by, &visible);
        }
    }

    fn own_name(&mut self, name: &str, outer: &[Named]) -> String {
        if outer.iter().all(|(known, _)| known != name) {
            return name.to_owned();
        }
        self.n_renamed += 1;
        format!("{name}{SUFFIX}{MARK}{}", self.n_renamed)
    }

    /// Renames what a part of a query reads.
    fn part(&mut self, part: &mut impl VisitMut, visible: &[Named]) {
        let _ = visit_mut(part, &mut Outermost { renamer: self, visible, depth: 0 });
    }
}

/// Visits the relations of a part of a query, and its queries as a whole.
struct Outermost<'a> {
    renamer: &'a mut Renamer,
    visible: &'a [Named],
    depth: usize,
}

impl VisitorMut for Outermost<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if self.depth == 0 {
            self.renamer.query(query, self.visible);
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, relation: &mut TableFactor) -> ControlFlow<()> {
        if self.depth == 0 {
            read(relation, self.visible);
        }
        ControlFlow::Continue(())
    }
}

/// Lets a relation be what it means, under the name that it has.
fn read(relation: &mut TableFactor, visible: &[Named]) {
    let TableFactor::Table { name, alias, args: None, .. } = relation else { return };
    let [sql::ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() else { return };
    let shown = fold(ident);
    let Some((_, own)) = visible.iter().rfind(|(known, _)| *known == shown) else { return };
    if *own == shown {
        return;
    }
    *ident = quoted(own.clone());
    alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: quoted(shown),
        columns: Vec::new(),
        at: None,
    });
}
