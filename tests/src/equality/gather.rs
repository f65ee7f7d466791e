//! What a query's making gathers: names given, kinds used, and whether PostgreSQL would answer the same.

use std::collections::BTreeMap;

use super::relation::{Kind, Relation};
use super::ty::Ty;
use crate::dice::Dice;

/// A column that expressions can name.
#[derive(Clone, Debug)]
pub struct Item {
    /// As it is written.
    pub sql: String,
    /// Its type.
    pub ty: Ty,
}

/// The columns that expressions of a SELECT can name.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// In their order.
    pub items: Vec<Item>,
}

/// The making of one query.
pub struct Gather<'a> {
    /// Where choices come from.
    pub dice: &'a mut Dice,
    /// What can be read.
    pub relations: &'a [Relation],
    /// Names of WITH: name and columns.
    pub with: Vec<Relation>,
    /// PostgreSQL is to give the same answer: what it decides otherwise, or not at all, is left out.
    pub common: bool,
    /// What was used, and how often.
    pub kinds: BTreeMap<&'static str, usize>,
    /// How many operators there are.
    pub operators: usize,
    n_names: usize,
    /// The window of the first function of a SELECT whose answer depends on the order of rows.
    pub ordered_window: Option<String>,
    /// Aggregates are those that a view follows by a state.
    pub has_states_only: bool,
    /// Rows may multiply by joins without an equality only so often.
    pub products_left: usize,
}

impl<'a> Gather<'a> {
    /// An empty one.
    pub fn new(dice: &'a mut Dice, relations: &'a [Relation], common: bool) -> Self {
        Self {
            dice,
            relations,
            with: Vec::new(),
            common,
            kinds: BTreeMap::new(),
            operators: 0,
            n_names: 0,
            ordered_window: None,
            has_states_only: false,
            products_left: 1,
        }
    }

    /// An operator of that kind is used.
    pub fn uses(&mut self, kind: &'static str) {
        *self.kinds.entry(kind).or_default() += 1;
        self.operators += 1;
    }

    /// An expression of that kind is used.
    pub fn mentions(&mut self, kind: &'static str) {
        *self.kinds.entry(kind).or_default() += 1;
    }

    /// A name that the query does not have yet.
    pub fn name(&mut self) -> String {
        self.n_names += 1;
        format!("q{}", self.n_names)
    }

    /// A relation to read, and the columns under that alias.
    pub fn relation(&mut self) -> Relation {
        if !self.with.is_empty() && self.dice.percent(60) {
            return self.dice.pick(&self.with).clone();
        }
        let common = self.common;
        // Products of views that are products themselves have more rows than a round has time for.
        let has_product = self.products_left == 0;
        let fitting: Vec<&Relation> = self
            .relations
            .iter()
            .filter(|relation| relation.in_postgres || !common)
            .filter(|relation| relation.kind != Kind::View || !has_product)
            .collect();
        let relation = (*self.dice.pick(&fitting)).clone();
        if relation.kind == Kind::View {
            self.mentions("view on view");
        }
        relation
    }
}

impl Scope {
    /// The columns of a relation under an alias.
    #[must_use]
    pub fn of(relation: &Relation, alias: &str) -> Self {
        let item = |column: &super::relation::Column| Item {
            sql: format!("{alias}.{}", column.name),
            ty: column.ty,
        };
        Self { items: relation.columns.iter().map(item).collect() }
    }

    /// Both sides of a join.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self { items: self.items.iter().chain(&other.items).cloned().collect() }
    }

    /// The columns for which `fits` holds.
    #[must_use]
    pub fn those(&self, fits: impl Fn(Ty) -> bool) -> Vec<Item> {
        self.items.iter().filter(|item| fits(item.ty)).cloned().collect()
    }

    /// An order of the rows in which only equal rows tie: all columns, those without an order as text.
    #[must_use]
    pub fn total_order(&self) -> String {
        let key = |item: &Item| {
            if item.ty.is_orderable() { item.sql.clone() } else { format!("{}::text", item.sql) }
        };
        self.items.iter().map(key).collect::<Vec<_>>().join(", ")
    }
}
