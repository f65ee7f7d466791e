//! Window functions.

use super::gather::{Gather, Scope};
use super::ty::Ty;

impl Gather<'_> {
    /// A call of a window function, and its type.
    pub fn window(&mut self, scope: &Scope) -> (String, Ty) {
        let (sql, ty, needs_order) = self.window_function(scope);
        if needs_order
            && self.common
            && let Some(window) = self.ordered_window.clone()
        {
            // Rows that are equal in all columns tie in any order: which of them gets which two values
            // is open, unless both functions go through the rows in one order.
            return (format!("{sql} OVER ({window})"), ty);
        }
        let partition = self.partition(scope);
        let key = self.sort_key(scope);
        // Where PostgreSQL is asked, ties must not matter.
        let total = needs_order && self.common;
        let order = if total {
            format!(" ORDER BY {key}, {}", scope.total_order())
        } else {
            format!(" ORDER BY {key}")
        };
        if !needs_order && self.dice.percent(30) {
            return (format!("{sql} OVER ({partition})"), ty);
        }
        let frame =
            if sql.starts_with("row_number") || !needs_order { "" } else { self.frame(&sql) };
        if needs_order {
            self.ordered_window = Some(format!("{partition}{order}"));
        }
        (format!("{sql} OVER ({partition}{order}{frame})"), ty)
    }

    fn partition(&mut self, scope: &Scope) -> String {
        let items = scope.those(Ty::is_comparable);
        if items.is_empty() || self.dice.percent(25) {
            return String::new();
        }
        format!("PARTITION BY {}", self.dice.pick(&items).sql)
    }

    fn sort_key(&mut self, scope: &Scope) -> String {
        let items = scope.those(Ty::is_orderable);
        if items.is_empty() {
            return "1".to_owned();
        }
        let direction = *self.dice.pick(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
        format!("{}{direction}", self.dice.pick(&items).sql)
    }

    fn frame(&mut self, function: &str) -> &'static str {
        let is_framed =
            ["sum", "count", "min", "max", "avg", "first_value", "last_value", "nth_value"];
        if !is_framed.iter().any(|name| function.starts_with(name)) {
            return "";
        }
        self.dice.pick::<&str>(&[
            "",
            " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
            " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
            " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
            " ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING",
            " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
            " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
        ])
    }

    /// The call without OVER, its type, and whether its answer depends on the order of ties.
    fn window_function(&mut self, scope: &Scope) -> (String, Ty, bool) {
        let ty = self.any_type(scope, |_| true);
        let number = self.any_type(scope, Ty::is_integer);
        let value = self.expression(scope, ty, 0);
        let integer = self.expression(scope, number, 0);
        let (kind, sql, ty, ordered) = match self.dice.below(15) {
            0 => ("row_number", "row_number()".to_owned(), Ty::Int8, true),
            1 => ("rank", "rank()".to_owned(), Ty::Int8, false),
            2 => ("dense_rank", "dense_rank()".to_owned(), Ty::Int8, false),
            3 => ("percent_rank", "percent_rank()".to_owned(), Ty::Double, false),
            4 => ("cume_dist", "cume_dist()".to_owned(), Ty::Double, false),
            5 => ("ntile", "ntile(3)".to_owned(), Ty::Int4, true),
            6 => ("lag", format!("lag({value})"), ty, true),
            7 => ("lead", format!("lead({value}, 2)"), ty, true),
            8 => ("first_value", format!("first_value({value})"), ty, true),
            9 => ("last_value", format!("last_value({value})"), ty, true),
            10 => ("nth_value", format!("nth_value({value}, 2)"), ty, true),
            11 => ("window count", format!("count({value})"), Ty::Int8, true),
            12 if ty.has_min_max() => ("window min", format!("min({value})"), ty, true),
            13 => ("window max", format!("max({integer})"), number, true),
            _ => ("window sum", format!("sum({integer} % 1000)"), sum_type(number), true),
        };
        self.uses(kind);
        let is_numeric = ty == Ty::Numeric && kind == "window sum";
        debug_assert!(!is_numeric || number == Ty::Int8, "only the sum of bigint is numeric");
        (sql, ty, ordered)
    }

    /// A type of a column of the scope that fits, or one that fits anyway.
    pub fn any_type(&mut self, scope: &Scope, fits: impl Fn(Ty) -> bool) -> Ty {
        let items = scope.those(&fits);
        if items.is_empty() {
            return Ty::Int4;
        }
        self.dice.pick(&items).ty
    }
}

/// The type of a sum of integers.
fn sum_type(ty: Ty) -> Ty {
    if ty == Ty::Int8 { Ty::Numeric } else { Ty::Int8 }
}
