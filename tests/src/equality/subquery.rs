//! Subqueries in expressions and predicates.

use super::gather::{Gather, Item, Scope};
use super::ty::Ty;

impl Gather<'_> {
    /// A predicate that may have a subquery.
    pub fn predicate(&mut self, scope: &Scope, depth: usize) -> String {
        if depth == 0 || self.dice.percent(60) {
            return self.simple_predicate(scope, 2);
        }
        let subquery = match self.dice.below(5) {
            0 | 1 => self.exists(scope),
            2 | 3 => self.in_subquery(scope),
            _ => self.compared_subquery(scope),
        };
        match self.dice.below(5) {
            0 => format!("{subquery} AND {}", self.simple_predicate(scope, 1)),
            1 => format!("({subquery} OR {})", self.simple_predicate(scope, 1)),
            _ => subquery,
        }
    }

    /// An equality between a column of each side; `None` where no two have the same type.
    pub fn equality(&mut self, left: &Scope, right: &Scope) -> Option<String> {
        let pairs: Vec<(&Item, &Item)> = left
            .items
            .iter()
            .flat_map(|l| right.items.iter().map(move |r| (l, r)))
            .filter(|(l, r)| {
                let integers = l.ty.is_integer() && r.ty.is_integer();
                (l.ty == r.ty || integers) && l.ty.is_comparable()
            })
            .collect();
        if pairs.is_empty() {
            return None;
        }
        // Few values come so often as those of integers that most rows find another.
        let integers: Vec<(&Item, &Item)> =
            pairs.iter().copied().filter(|(l, _)| l.ty.is_integer()).collect();
        let from = if integers.is_empty() || self.dice.percent(40) { &pairs } else { &integers };
        let (l, r) = *self.dice.pick(from);
        Some(format!("{} = {}", l.sql, r.sql))
    }

    /// The inner FROM and WHERE of a subquery, and what it can name.
    fn inner(&mut self, outer: &Scope, correlated: bool) -> (String, Scope) {
        let (mut from, first) = self.inner_relation();
        let mut conditions = Vec::new();
        let mut scope = first.clone();
        if self.dice.percent(25) {
            let (other, second) = self.inner_relation();
            if let Some(on) = self.equality(&first, &second) {
                self.mentions("joined subquery");
                from = format!("{from} JOIN {other} ON {on}");
                scope = first.and(&second);
                if correlated && self.dice.percent(60) {
                    conditions.extend(self.equality(&second, outer));
                }
            }
        }
        if correlated {
            self.mentions("correlated subquery");
            conditions.extend(self.equality(&first, outer));
            if self.dice.percent(25) {
                conditions.push(self.simple_predicate(&scope.and(outer), 1));
            }
        } else if self.dice.percent(60) {
            conditions.push(self.simple_predicate(&scope, 1));
        }
        let filter = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        (format!("{from}{filter}"), scope)
    }

    fn inner_relation(&mut self) -> (String, Scope) {
        let relation = self.relation();
        let alias = self.name();
        (format!("{} AS {alias}", relation.name), Scope::of(&relation, &alias))
    }

    fn exists(&mut self, scope: &Scope) -> String {
        let negated = self.dice.percent(50);
        self.uses(if negated { "not exists" } else { "exists" });
        let (from, inner) = self.inner(scope, true);
        let not = if negated { "NOT " } else { "" };
        let output = match self.dice.below(3) {
            0 => "1".to_owned(),
            1 => "*".to_owned(),
            // Under the name that another column may have.
            _ => format!("{} AS c{}", self.dice.pick(&inner.items).sql, self.dice.below(3)),
        };
        format!("{not}EXISTS (SELECT {output} FROM {from})")
    }

    fn in_subquery(&mut self, scope: &Scope) -> String {
        let correlated = self.dice.percent(30);
        let (from, inner) = self.inner(scope, correlated);
        let own = scope.those(Ty::is_comparable);
        let pairs: Vec<(&Item, &Item)> = own
            .iter()
            .flat_map(|l| inner.items.iter().map(move |r| (l, r)))
            .filter(|(l, r)| l.ty == r.ty || (l.ty.is_integer() && r.ty.is_integer()))
            .collect();
        let negated = self.dice.percent(50);
        self.uses(if negated { "not in" } else { "in" });
        let not = if negated { "NOT " } else { "" };
        if pairs.is_empty() {
            return format!("1 {not}IN (SELECT 2 FROM {from})");
        }
        let (l, r) = *self.dice.pick(&pairs);
        format!("{} {not}IN (SELECT {} FROM {from})", l.sql, r.sql)
    }

    fn compared_subquery(&mut self, scope: &Scope) -> String {
        let items = scope.those(Ty::has_min_max);
        if items.is_empty() {
            return self.exists(scope);
        }
        let item = self.dice.pick(&items).clone();
        let subquery = self.scalar_subquery(scope, item.ty);
        let operator = *self.dice.pick(&["=", "<>", "<=", ">="]);
        format!("{} {operator} {subquery}", item.sql)
    }

    /// A subquery of one value.
    pub fn scalar_subquery(&mut self, scope: &Scope, ty: Ty) -> String {
        let correlated = self.dice.percent(60);
        self.uses("scalar subquery");
        let (from, inner) = self.inner(scope, correlated);
        let aggregate = *self.dice.pick(&["min", "max"]);
        let value = self.expression(&inner, ty, 0);
        if ty == Ty::Int8 && self.dice.percent(40) {
            return format!("(SELECT count(*) FROM {from})");
        }
        format!("(SELECT {aggregate}({value}) FROM {from})")
    }
}
