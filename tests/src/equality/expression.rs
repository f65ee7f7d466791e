//! Scalar expressions and predicates of every type.

use super::gather::{Gather, Item, Scope};
use super::literal;
use super::ty::Ty;

/// True for an expression without a column.
pub(super) fn is_constant(sql: &str) -> bool {
    !sql.contains('.')
}

impl Gather<'_> {
    /// An expression of that type.
    pub fn expression(&mut self, scope: &Scope, ty: Ty, depth: usize) -> String {
        let columns = scope.those(|other| other == ty);
        if !columns.is_empty() && self.dice.percent(if depth == 0 { 90 } else { 55 }) {
            return self.dice.pick(&columns).sql.clone();
        }
        if depth == 0 {
            return literal::typed(self.dice, ty);
        }
        match self.dice.below(12) {
            0 | 1 => self.case(scope, ty, depth - 1),
            2 => {
                self.mentions("coalesce");
                let (a, b) = self.two(scope, ty, depth - 1);
                format!("coalesce({a}, {b})")
            }
            3 if ty.is_comparable() => {
                self.mentions("nullif");
                let (a, b) = self.two(scope, ty, depth - 1);
                format!("nullif({a}, {b})")
            }
            4 if depth > 1 && ty.has_min_max() => self.scalar_subquery(scope, ty),
            5 => literal::typed(self.dice, ty),
            _ => self.function(scope, ty, depth - 1),
        }
    }

    fn two(&mut self, scope: &Scope, ty: Ty, depth: usize) -> (String, String) {
        (self.expression(scope, ty, depth), self.expression(scope, ty, depth))
    }

    fn case(&mut self, scope: &Scope, ty: Ty, depth: usize) -> String {
        self.mentions("case");
        let when = self.simple_predicate(scope, depth);
        let (a, b) = self.two(scope, ty, depth);
        match self.dice.below(3) {
            0 => format!("CASE WHEN {when} THEN {a} END"),
            1 => format!("CASE WHEN {when} THEN {a} ELSE {b} END"),
            _ => {
                let other = self.simple_predicate(scope, depth);
                format!("CASE WHEN {when} THEN {a} WHEN {other} THEN {b} END")
            }
        }
    }

    /// An operator or function that gives that type.
    fn function(&mut self, scope: &Scope, ty: Ty, depth: usize) -> String {
        match ty {
            Ty::Bool => {
                let predicate = self.simple_predicate(scope, depth);
                format!("({predicate})")
            }
            Ty::Int2 | Ty::Int4 | Ty::Int8 => self.integer(scope, ty, depth),
            Ty::Real | Ty::Double => self.float(scope, ty, depth),
            Ty::Numeric => self.numeric(scope, depth),
            Ty::Text => self.text(scope, depth),
            Ty::Varchar => {
                let text = self.expression(scope, Ty::Text, depth);
                format!("({text})::varchar(40)")
            }
            Ty::Date | Ty::Time | Ty::Timestamp | Ty::Timestamptz | Ty::Interval => {
                self.datetime(scope, ty, depth)
            }
            Ty::IntArray => self.array(scope, Ty::Int4, ty, depth),
            Ty::TextArray => self.array(scope, Ty::Text, ty, depth),
            Ty::Jsonb => {
                let json = self.expression(scope, Ty::Jsonb, depth);
                let key = *self.dice.pick(&["'a'", "'b'", "0", "1"]);
                format!("({json} -> {key})")
            }
            Ty::Bytea | Ty::Uuid => literal::typed(self.dice, ty),
        }
    }

    fn integer(&mut self, scope: &Scope, ty: Ty, depth: usize) -> String {
        let (a, b) = self.two(scope, ty, depth);
        let sql = match self.dice.below(11) {
            0 => format!("{a} % 7 + {b} % 5"),
            1 => format!("{a} % 10 * ({b} % 10)"),
            2 => format!("{a} % 100 - {b} % 100"),
            3 => format!("{a} / nullif({b} % 4, 0) % 9"),
            4 => format!("abs({a} % 50)"),
            // PostgreSQL computes constants before it knows whether there are rows.
            5 if self.dice.percent(30) && !is_constant(&a) => format!("{a} + {b}"),
            6 if self.dice.percent(15) && !is_constant(&b) => format!("{a} / {b}"),
            7 => {
                let text = self.expression(scope, Ty::Text, depth);
                format!("length({text})")
            }
            8 => {
                let array = self.expression(scope, Ty::IntArray, depth);
                format!("cardinality({array})")
            }
            9 => {
                let other = self.expression(scope, Ty::Int2, depth);
                format!("{other}::int")
            }
            _ => format!("greatest({a}, {b})"),
        };
        format!("({sql})::{}", ty.sql())
    }

    fn float(&mut self, scope: &Scope, ty: Ty, depth: usize) -> String {
        let (a, b) = self.two(scope, ty, depth);
        let sql = match self.dice.below(5) {
            0 => format!("{}::int", self.expression(scope, Ty::Int2, depth)),
            1 => format!("abs({a})"),
            2 => format!("-{a}"),
            3 => format!("CASE WHEN abs({a}) < 100 AND abs({b}) < 100 THEN {a} + {b} END"),
            _ => format!("least({a}, {b})"),
        };
        format!("({sql})::{}", ty.sql())
    }

    fn numeric(&mut self, scope: &Scope, depth: usize) -> String {
        let (a, b) = self.two(scope, Ty::Numeric, depth);
        let sql = match self.dice.below(6) {
            0 => self.expression(scope, Ty::Int4, depth),
            1 => format!("{a} + {b}"),
            2 => format!("{a} - {b}"),
            3 => format!("round({a}, 2)"),
            4 => format!("round({a} % 100 * ({b} % 10), 3)"),
            _ => format!("abs({a})"),
        };
        format!("({sql})::{}", Ty::Numeric.sql())
    }

    fn text(&mut self, scope: &Scope, depth: usize) -> String {
        let (a, b) = self.two(scope, Ty::Text, depth);
        match self.dice.below(12) {
            0 => format!("upper({a})"),
            1 => format!("lower({a})"),
            2 => format!("({a} || {b})"),
            3 => format!("substr({a}, 1, 3)"),
            4 => format!("trim({a})"),
            5 => format!("replace({a}, 'a', 'xy')"),
            6 => format!("left({a}, 2)"),
            7 => format!("concat({a}, '-', {b})"),
            8 => format!("coalesce({a}, '') || 'z'"),
            9 => {
                let json = self.expression(scope, Ty::Jsonb, depth);
                format!("({json} ->> 'a')")
            }
            10 => format!("reverse({a})"),
            _ => {
                let types =
                    [Ty::Int4, Ty::Int8, Ty::Date, Ty::Uuid, Ty::Timestamp, Ty::Bool, Ty::Numeric];
                let ty = *self.dice.pick(&types);
                let other = self.expression(scope, ty, depth);
                format!("({other})::text")
            }
        }
    }

    fn datetime(&mut self, scope: &Scope, ty: Ty, depth: usize) -> String {
        let date = self.expression(scope, Ty::Date, depth);
        let timestamp = self.expression(scope, Ty::Timestamp, depth);
        let first = self.dice.percent(50);
        match ty {
            Ty::Date if first => format!("({timestamp})::date"),
            Ty::Date => format!("least({date}, '2024-06-01'::date) + 7"),
            Ty::Time => format!("({timestamp})::time"),
            Ty::Timestamp if first => format!("date_trunc('hour', {timestamp})"),
            Ty::Timestamp => format!("({date})::timestamp"),
            Ty::Timestamptz => {
                let other = self.expression(scope, Ty::Timestamptz, depth);
                format!("date_trunc('day', {other})")
            }
            _ => format!("({timestamp} - '2024-01-01 00:00:00'::timestamp)"),
        }
    }

    fn array(&mut self, scope: &Scope, item: Ty, ty: Ty, depth: usize) -> String {
        let (a, b) = self.two(scope, item, depth);
        if self.dice.percent(50) {
            return format!("ARRAY[{a}, {b}]");
        }
        let array = self.expression(scope, ty, depth);
        // PostgreSQL 15 lets array_append change the array that another output shows.
        format!("({array} || ARRAY[{a}])")
    }

    /// A predicate without subqueries.
    pub fn simple_predicate(&mut self, scope: &Scope, depth: usize) -> String {
        let items = scope.those(Ty::is_comparable);
        let item = if items.is_empty() {
            Item { sql: literal::typed(self.dice, Ty::Int4), ty: Ty::Int4 }
        } else {
            self.dice.pick(&items).clone()
        };
        if depth > 0 && self.dice.percent(25) {
            let a = self.simple_predicate(scope, depth - 1);
            let b = self.simple_predicate(scope, depth - 1);
            return match self.dice.below(4) {
                0 => format!("({a} AND {b})"),
                1 | 2 => format!("({a} OR {b})"),
                _ => format!("NOT ({a})"),
            };
        }
        self.condition(scope, &item, depth)
    }

    /// Something to compare a column with, which is not the column itself.
    fn another(&mut self, scope: &Scope, item: &Item, depth: usize) -> String {
        let other = self.expression(scope, item.ty, depth);
        if other == item.sql { literal::usual(self.dice, item.ty) } else { other }
    }

    fn condition(&mut self, scope: &Scope, item: &Item, depth: usize) -> String {
        let Item { sql, ty } = item;
        match self.dice.below(10) {
            0 => format!("{sql} IS NOT NULL"),
            1 if self.dice.percent(50) => format!("{sql} IS NULL"),
            2 => {
                self.mentions("is distinct from");
                let other = self.another(scope, item, depth.min(1));
                let not = *self.dice.pick(&["", "NOT "]);
                format!("{sql} IS {not}DISTINCT FROM {other}")
            }
            3 => {
                let list: Vec<String> = (0..4).map(|_| literal::usual(self.dice, *ty)).collect();
                let not = *self.dice.pick(&["", "", "NOT "]);
                format!("{sql} {not}IN ({})", list.join(", "))
            }
            4 if ty.is_orderable() && *ty != Ty::Bool => {
                let (low, high) = (literal::usual(self.dice, *ty), literal::typed(self.dice, *ty));
                let not = *self.dice.pick(&["", "NOT "]);
                format!("{sql} {not}BETWEEN {low} AND {high}")
            }
            5 if ty.is_text() => {
                let pattern = *self.dice.pick(&["'a%'", "'%b%'", "'_'", "'%'", "'%12%'"]);
                let like = *self.dice.pick(&["LIKE", "ILIKE", "NOT LIKE"]);
                format!("{sql} {like} {pattern}")
            }
            6 if *ty == Ty::Bool => format!("{sql} IS NOT TRUE"),
            _ => {
                let operators: &[&str] = if ty.is_orderable() {
                    &["=", "<>", "<", "<=", ">", ">="]
                } else {
                    &["=", "<>"]
                };
                let operator = *self.dice.pick(operators);
                let other = self.another(scope, item, depth.min(1));
                format!("{sql} {operator} {other}")
            }
        }
    }
}
