//! How large a query is once its common table expressions are put in where they are read.
//!
//! DataFusion puts them in, so that each of a chain of them that reads the one before it twice
//! doubles the plan: thirty lines would never end.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{ObjectName, Spanned, With};
use weir_types::{Error, SqlState};

use super::{Checked, at};

/// Most relations of a query after that.
const EXPANDED_MAX: usize = 4_096;

/// The count, while a query is visited.
#[derive(Default)]
pub(super) struct Expansion {
    /// Of each query around the node at hand: the sizes of its common table expressions by name.
    scopes: Vec<HashMap<String, usize>>,
    /// The clauses themselves, taken out while the rest of their queries is visited.
    withs: Vec<Option<With>>,
    /// Relations counted so far.
    n_relations: usize,
}

impl Expansion {
    /// A query begins.
    pub(super) fn open(&mut self) {
        self.scopes.push(HashMap::new());
    }

    /// A common table expression begins: returns what was counted before it.
    pub(super) fn begin(&mut self) -> usize {
        std::mem::take(&mut self.n_relations)
    }

    /// It ends: its size is kept under its name, and counted where the name is read.
    pub(super) fn end(&mut self, before: usize, name: &str) {
        let size = std::mem::replace(&mut self.n_relations, before);
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), size.max(1));
        }
    }

    /// Keeps the query's WITH until the query ends.
    pub(super) fn keep(&mut self, with: Option<With>) {
        self.withs.push(with);
    }

    /// A query ends: returns its WITH.
    pub(super) fn close(&mut self) -> Option<With> {
        self.scopes.pop();
        self.withs.pop().flatten()
    }

    /// A relation is read.
    pub(super) fn add(&mut self, name: &ObjectName) -> Checked {
        let size = match name.0.as_slice() {
            [part] => part.as_ident().and_then(|ident| {
                self.scopes.iter().rev().find_map(|scope| scope.get(&ident.value)).copied()
            }),
            _ => None,
        };
        self.n_relations = self.n_relations.saturating_add(size.unwrap_or(1));
        if self.n_relations > EXPANDED_MAX {
            let error = Error::new(
                SqlState::StatementTooComplex,
                format!(
                    "query reads more than {EXPANDED_MAX} relations, each WITH put in where it is \
                     read"
                ),
            )
            .with_hint("Create materialized views of the parts that are read several times.");
            return Err(at(error, name.span()));
        }
        Ok(())
    }
}
