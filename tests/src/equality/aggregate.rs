//! Aggregates and grouping.

use super::gather::{Gather, Item, Scope};
use super::relation::Column;
use super::ty::Ty;

impl Gather<'_> {
    /// A query with GROUP BY, or an aggregate over all rows.
    pub fn aggregated(&mut self, depth: usize) -> (String, Vec<Column>) {
        let (from, scope) = self.from(depth);
        let filter = if self.dice.percent(18) {
            self.uses("where");
            format!(" WHERE {}", self.predicate(&scope, depth))
        } else {
            String::new()
        };
        self.aggregated_of(&from, &scope, &filter)
    }

    /// The same over a FROM clause and behind a WHERE clause.
    pub fn aggregated_of(
        &mut self,
        from: &str,
        scope: &Scope,
        filter: &str,
    ) -> (String, Vec<Column>) {
        let keys = self.group_keys(scope);
        let mut outputs: Vec<(String, Ty)> =
            keys.iter().map(|key| (key.sql.clone(), key.ty)).collect();
        let group = self.grouping(&keys, &mut outputs);
        for _ in 0..self.dice.between(1, 3) {
            outputs.push(self.aggregate(scope));
        }
        let having = if self.dice.percent(12) {
            self.uses("having");
            let (sql, ty) = self.aggregate(scope);
            if ty.is_integer() {
                format!(" HAVING {sql} > 0")
            } else {
                format!(" HAVING {sql} IS NOT NULL")
            }
        } else {
            String::new()
        };
        let list: Vec<String> =
            outputs.iter().enumerate().map(|(at, (sql, _))| format!("{sql} AS c{at}")).collect();
        let columns = outputs
            .iter()
            .enumerate()
            .map(|(at, (_, ty))| Column { name: format!("c{at}"), ty: *ty, nulls: 0 })
            .collect();
        (format!("SELECT {} FROM {from}{filter}{group}{having}", list.join(", ")), columns)
    }

    fn group_keys(&mut self, scope: &Scope) -> Vec<Item> {
        let fitting = scope.those(Ty::is_comparable);
        let n_keys = if fitting.is_empty() { 0 } else { *self.dice.pick(&[0, 1, 1, 1, 2, 2]) };
        let mut keys: Vec<Item> = Vec::new();
        for _ in 0..n_keys {
            let key = self.dice.pick(&fitting).clone();
            if keys.iter().all(|known| known.sql != key.sql) {
                keys.push(key);
            }
        }
        keys
    }

    fn grouping(&mut self, keys: &[Item], outputs: &mut Vec<(String, Ty)>) -> String {
        if keys.is_empty() {
            return String::new();
        }
        let list: Vec<&str> = keys.iter().map(|key| key.sql.as_str()).collect();
        let all = list.join(", ");
        // Two outputs of a subquery may be the same column, which PostgreSQL 15 then takes for grouped in a set that has
        // only one of them: `CUBE` over such a query splits the group of NULLs where it sorts.
        let may_be_one = matches!(keys, [first, second] if first.ty == second.ty);
        let choice = if may_be_one { 9 } else { self.dice.below(10) };
        if choice < 3 {
            outputs.push((format!("grouping({})", list[0]), Ty::Int4));
        }
        match choice {
            0 => {
                self.uses("grouping sets");
                format!(" GROUP BY GROUPING SETS (({all}), ({}), ())", list[0])
            }
            1 => {
                self.uses("rollup");
                format!(" GROUP BY ROLLUP ({all})")
            }
            2 => {
                self.uses("cube");
                format!(" GROUP BY CUBE ({all})")
            }
            _ => {
                self.uses("group by");
                format!(" GROUP BY {all}")
            }
        }
    }

    /// An aggregate call and its type.
    pub fn aggregate(&mut self, scope: &Scope) -> (String, Ty) {
        let n_choices = if self.common { 15 } else { 24 };
        let mut choice = self.dice.below(n_choices);
        // Lists of all rows have no state of their own.
        while self.has_states_only && matches!(choice, 10 | 11 | 15 | 16 | 22 | 23) {
            choice = self.dice.below(n_choices);
        }
        let integer_ty = self.any_type(scope, Ty::is_integer);
        let integer = self.expression(scope, integer_ty, 1);
        let text = self.expression(scope, Ty::Text, 1);
        let flag = self.simple_predicate(scope, 1);
        let any_ty = self.any_type(scope, Ty::is_comparable);
        let any = self.expression(scope, any_ty, 1);
        let extreme_ty = self.any_type(scope, Ty::has_min_max);
        let extreme = self.expression(scope, extreme_ty, 1);
        let numeric = Ty::Numeric.sql();
        let (kind, call, ty) = match choice {
            0 => ("count(*)", "count(*)".to_owned(), Ty::Int8),
            1 => ("count", format!("count({any})"), Ty::Int8),
            2 => ("count distinct", format!("count(DISTINCT {any})"), Ty::Int8),
            3 if integer_ty == Ty::Int8 => ("sum", format!("sum({integer})"), Ty::Numeric),
            3 => ("sum", format!("sum({integer})"), Ty::Int8),
            4 if integer_ty == Ty::Int8 => {
                ("sum distinct", format!("sum(DISTINCT {integer})"), Ty::Numeric)
            }
            4 => ("sum distinct", format!("sum(DISTINCT {integer})"), Ty::Int8),
            // Of a quotient of ten digits and more PostgreSQL keeps fewer than 4 behind the point.
            5 => ("avg", format!("avg({integer} % 1000000)"), Ty::Numeric),
            6 if extreme_ty.has_min_max() => ("min", format!("min({extreme})"), extreme_ty),
            7 if extreme_ty.has_min_max() => ("max", format!("max({extreme})"), extreme_ty),
            8 => ("bool_and", format!("bool_and({flag})"), Ty::Bool),
            9 => ("bool_or", format!("bool_or({flag})"), Ty::Bool),
            10 => ("string_agg", format!("string_agg({text}, ',' ORDER BY {text})"), Ty::Text),
            11 => (
                "array_agg",
                format!("array_agg({integer}::int ORDER BY {integer}::int)"),
                Ty::IntArray,
            ),
            12 => {
                let (name, kind) = *self.dice.pick(&[
                    ("bit_and", "bit_and"),
                    ("bit_or", "bit_or"),
                    ("bit_xor", "bit_xor"),
                ]);
                (kind, format!("{name}({integer})"), integer_ty)
            }
            13 => {
                let small = format!("{integer} % 100");
                let (name, kind) = *self.dice.pick(&[
                    ("stddev", "stddev"),
                    ("var_pop", "var_pop"),
                    ("variance", "variance"),
                ]);
                (kind, format!("{name}({small})"), Ty::Numeric)
            }
            14 => {
                let value = self.expression(scope, Ty::Numeric, 0);
                ("sum numeric", format!("sum({value})"), Ty::Numeric)
            }
            15 | 22 => ("array_agg unordered", format!("array_agg({text})"), Ty::TextArray),
            16 | 23 => ("string_agg unordered", format!("string_agg({text}, '|')"), Ty::Text),
            17 => {
                ("sum float", format!("sum({})", self.expression(scope, Ty::Double, 1)), Ty::Double)
            }
            18 => {
                ("avg float", format!("avg({})", self.expression(scope, Ty::Double, 1)), Ty::Double)
            }
            19 => (
                "stddev float",
                format!("stddev({})", self.expression(scope, Ty::Real, 1)),
                Ty::Double,
            ),
            20 => {
                let name = *self.dice.pick(&["covar_samp", "corr", "regr_slope", "regr_count"]);
                let y = self.expression(scope, Ty::Double, 1);
                let x = self.expression(scope, Ty::Double, 1);
                let ty = if name == "regr_count" { Ty::Int8 } else { Ty::Double };
                ("pair of floats", format!("{name}({y}, {x})"), ty)
            }
            _ => ("count(*)", "count(*)".to_owned(), Ty::Int8),
        };
        self.uses(kind);
        let filter = if self.dice.percent(20) {
            self.mentions("filter");
            format!(" FILTER (WHERE {})", self.simple_predicate(scope, 1))
        } else {
            String::new()
        };
        // PostgreSQL gives more digits of quotients than fit into Weir's numeric.
        let sql = match kind {
            "avg" | "stddev" | "var_pop" | "variance" => {
                format!("round(({call}{filter})::numeric, 4)::{numeric}")
            }
            _ if ty == Ty::Numeric => format!("({call}{filter})::{numeric}"),
            _ => format!("{call}{filter}"),
        };
        (sql, ty)
    }
}
