//! Random queries from a typed grammar.

use std::collections::BTreeMap;

use super::expression::is_constant;
use super::gather::{Gather, Item, Scope};
use super::literal;
use super::relation::{Column, Kind, Relation};
use super::ty::Ty;
use crate::dice::Dice;

/// A query.
#[derive(Clone, Debug)]
pub struct Query {
    /// Its text.
    pub sql: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// PostgreSQL gives the same answer.
    pub common: bool,
    /// What it uses, and how often.
    pub kinds: BTreeMap<&'static str, usize>,
}

/// The fewest operators of a query.
const OPERATORS_MIN: usize = 3;
/// The most: what has more takes long and finds no more.
const OPERATORS_MAX: usize = 14;

/// A query over those relations.
pub fn random(dice: &mut Dice, relations: &[Relation]) -> Query {
    let common = dice.percent(75);
    loop {
        let mut gather = Gather::new(dice, relations, common);
        let (sql, columns) = match gather.dice.below(20) {
            0..=2 => gather.linear(),
            3..=6 => gather.followed(),
            _ => {
                let depth = gather.dice.between(1, 2);
                gather.query(depth)
            }
        };
        if (OPERATORS_MIN..=OPERATORS_MAX).contains(&gather.operators) {
            let mut kinds = gather.kinds;
            let reads =
                |relation: &Relation| sql.matches(&format!(" {} AS ", relation.name)).count();
            if relations.iter().any(|relation| reads(relation) > 1) {
                kinds.insert("relation read twice", 1);
            }
            return Query { sql, columns, common, kinds };
        }
    }
}

/// True for the first column of a base relation.
fn is_k(item: &Item) -> bool {
    item.sql.ends_with(".k")
}

/// Output columns: expressions and their types.
type Outputs = Vec<(String, Ty)>;

fn named(outputs: &Outputs) -> (String, Vec<Column>) {
    let name = |at: usize| format!("c{at}");
    let list: Vec<String> =
        outputs.iter().enumerate().map(|(at, (sql, _))| format!("{sql} AS {}", name(at))).collect();
    let columns = outputs
        .iter()
        .enumerate()
        .map(|(at, (_, ty))| Column { name: name(at), ty: *ty, nulls: 0 })
        .collect();
    (list.join(", "), columns)
}

impl Gather<'_> {
    /// A query of any shape.
    pub fn query(&mut self, depth: usize) -> (String, Vec<Column>) {
        match self.dice.below(if depth == 0 { 6 } else { 20 }) {
            0 | 1 | 6 | 7 => self.plain(depth),
            2 | 3 | 8..=10 => self.aggregated(depth),
            4 | 5 | 11 | 12 => self.windowed(depth),
            13 | 14 => self.set_operation(depth),
            15 => self.limited(depth),
            16 => self.distinct_on(depth),
            17 => self.recursive(),
            18 => self.distinct(depth),
            _ => self.with(depth),
        }
    }

    /// A query that Weir maintains by the changes alone.
    fn linear(&mut self) -> (String, Vec<Column>) {
        let types: Vec<Ty> = vec![Ty::Int4, Ty::Text, *self.dice.pick(&super::ty::ALL)];
        let branches: Vec<(String, Vec<Column>)> =
            (0..self.dice.between(1, 3)).map(|_| self.branch(&types)).collect();
        for _ in 1..branches.len() {
            self.uses("union all");
        }
        let columns = branches[0].1.clone();
        let texts: Vec<String> = branches.into_iter().map(|(sql, _)| sql).collect();
        (texts.join(" UNION ALL "), columns)
    }

    /// Aggregations, one upon the other, that Weir maintains by the changes alone.
    fn followed(&mut self) -> (String, Vec<Column>) {
        self.has_states_only = true;
        let (mut sql, mut columns) =
            if self.dice.percent(30) { self.linear() } else { self.one_relation() };
        for level in 0..self.dice.between(1, 2) {
            let alias = self.name();
            let relation =
                Relation { name: alias.clone(), kind: Kind::View, columns, in_postgres: true };
            let scope = Scope::of(&relation, &alias);
            let from = format!("({sql}) AS {alias}");
            self.mentions("aggregation followed");
            (sql, columns) = if level > 0 && self.dice.percent(30) {
                self.distinct_of(&from, &scope, "")
            } else {
                self.aggregated_of(&from, &scope, "")
            };
        }
        self.has_states_only = false;
        (sql, columns)
    }

    /// Some columns of one relation, and expressions of them.
    fn one_relation(&mut self) -> (String, Vec<Column>) {
        let relation = self.relation();
        let alias = self.name();
        let scope = Scope::of(&relation, &alias);
        let mut outputs: Outputs =
            scope.items.iter().map(|item| (item.sql.clone(), item.ty)).collect();
        let ty = self.any_type(&scope, Ty::is_comparable);
        outputs.push((self.expression(&scope, ty, 2), ty));
        self.uses("project");
        let (list, columns) = named(&outputs);
        let filter = if self.dice.percent(40) {
            self.uses("where");
            format!(" WHERE {}", self.simple_predicate(&scope, 2))
        } else {
            String::new()
        };
        (format!("SELECT {list} FROM {} AS {alias}{filter}", relation.name), columns)
    }

    fn branch(&mut self, types: &[Ty]) -> (String, Vec<Column>) {
        let relation = self.relation();
        let alias = self.name();
        let mut scope = Scope::of(&relation, &alias);
        let mut from = format!("{} AS {alias}", relation.name);
        let arrays = scope.those(|ty| matches!(ty, Ty::IntArray | Ty::TextArray));
        if !arrays.is_empty() && self.dice.percent(70) {
            let (unnest, inner) = self.unnest(&arrays);
            from = format!("{from} {unnest}");
            scope = scope.and(&inner);
        }
        self.uses("where");
        self.uses("project");
        let filter = self.simple_predicate(&scope, 2);
        let mut outputs: Outputs =
            types.iter().map(|ty| (self.expression(&scope, *ty, 1), *ty)).collect();
        let lists = scope.those(|ty| ty == Ty::IntArray);
        if !lists.is_empty() && self.dice.percent(60) {
            // The form that needs no join.
            self.uses("unnest");
            outputs[0].0 = format!("unnest({})", self.dice.pick(&lists).sql);
        }
        let (list, columns) = named(&outputs);
        (format!("SELECT {list} FROM {from} WHERE {filter}"), columns)
    }

    fn unnest(&mut self, arrays: &[Item]) -> (String, Scope) {
        self.uses("unnest");
        let alias = self.name();
        let array = self.dice.pick(arrays).clone();
        let ty = if array.ty == Ty::IntArray { Ty::Int4 } else { Ty::Text };
        let scope = Scope { items: vec![Item { sql: format!("{alias}.u"), ty }] };
        (format!("CROSS JOIN LATERAL unnest({}) AS {alias}(u)", array.sql), scope)
    }

    fn plain(&mut self, depth: usize) -> (String, Vec<Column>) {
        let (from, scope) = self.from(depth);
        let outputs = self.outputs(&scope);
        let filter = self.filter(&scope, depth);
        let (list, columns) = named(&outputs);
        (format!("SELECT {list} FROM {from}{filter}"), columns)
    }

    fn outputs(&mut self, scope: &Scope) -> Outputs {
        (0..self.dice.between(1, 4))
            .map(|_| {
                let ty = self.any_type(scope, |_| true);
                (self.expression(scope, ty, 2), ty)
            })
            .collect()
    }

    fn filter(&mut self, scope: &Scope, depth: usize) -> String {
        if self.dice.percent(78) {
            return String::new();
        }
        self.uses("where");
        format!(" WHERE {}", self.predicate(scope, depth))
    }

    fn windowed(&mut self, depth: usize) -> (String, Vec<Column>) {
        let (from, scope) = self.from(depth);
        let mut outputs = Outputs::new();
        for _ in 0..self.dice.between(0, 2) {
            let item = self.dice.pick(&scope.items).clone();
            outputs.push((item.sql, item.ty));
        }
        self.ordered_window = None;
        for _ in 0..self.dice.between(1, 2) {
            outputs.push(self.window(&scope));
        }
        let filter = self.filter(&scope, depth);
        let (list, columns) = named(&outputs);
        (format!("SELECT {list} FROM {from}{filter}"), columns)
    }

    fn distinct(&mut self, depth: usize) -> (String, Vec<Column>) {
        let (from, scope) = self.from(depth);
        let filter = self.filter(&scope, depth);
        self.distinct_of(&from, &scope, &filter)
    }

    fn distinct_of(&mut self, from: &str, scope: &Scope, filter: &str) -> (String, Vec<Column>) {
        let fitting = scope.those(Ty::is_comparable);
        self.uses("distinct");
        let outputs: Outputs = (0..self.dice.between(1, 2))
            .map(|_| {
                let ty = if fitting.is_empty() { Ty::Int4 } else { self.dice.pick(&fitting).ty };
                (self.expression(scope, ty, 1), ty)
            })
            .collect();
        let (list, columns) = named(&outputs);
        (format!("SELECT DISTINCT {list} FROM {from}{filter}"), columns)
    }

    /// A query as a table: its text under an alias, and its columns.
    fn table(&mut self, depth: usize) -> (String, Scope) {
        let (sql, columns) = self.query(depth);
        let alias = self.name();
        let relation =
            Relation { name: alias.clone(), kind: Kind::View, columns, in_postgres: true };
        (format!("({sql}) AS {alias}"), Scope::of(&relation, &alias))
    }

    /// `SELECT` of all columns of a scope, under new names.
    fn all_of(scope: &Scope) -> (String, Vec<Column>) {
        let outputs: Outputs = scope.items.iter().map(|item| (item.sql.clone(), item.ty)).collect();
        named(&outputs)
    }

    fn limited(&mut self, depth: usize) -> (String, Vec<Column>) {
        let (table, scope) = self.table(depth - 1);
        self.uses("limit");
        let (list, columns) = Self::all_of(&scope);
        let order = if self.common {
            format!(" ORDER BY {}", scope.total_order())
        } else if self.dice.percent(60) {
            let items = scope.those(Ty::is_orderable);
            if items.is_empty() {
                String::new()
            } else {
                format!(" ORDER BY {} DESC", self.dice.pick(&items).sql)
            }
        } else {
            String::new()
        };
        let ordered = format!("SELECT {list} FROM {table}{order}");
        let is_below = !order.is_empty() && self.dice.percent(35);
        if is_below && self.dice.percent(50) {
            return self.gathered_in_order(&ordered, columns);
        }
        let offset = if self.dice.percent(40) {
            self.mentions("offset");
            format!(" OFFSET {}", self.dice.between(0, 3))
        } else {
            String::new()
        };
        let limit = if !offset.is_empty() && self.dice.percent(30) {
            self.mentions("offset alone");
            String::new()
        } else {
            format!(" LIMIT {}", self.dice.between(2, 9))
        };
        let ordered = if is_below {
            self.mentions("limit of an ordered table");
            format!("SELECT * FROM ({ordered}) AS {}", self.name())
        } else {
            ordered
        };
        (format!("{ordered}{limit}{offset}"), columns)
    }

    /// The rows of an ordered query in lists and numbers, which follow its order.
    fn gathered_in_order(&mut self, sql: &str, columns: Vec<Column>) -> (String, Vec<Column>) {
        let alias = self.name();
        if self.dice.percent(40) {
            self.mentions("number of an ordered table");
            let mut outputs: Outputs =
                columns.iter().map(|c| (format!("{alias}.{}", c.name), c.ty)).collect();
            outputs.push(("row_number() OVER ()".to_owned(), Ty::Int8));
            let (list, columns) = named(&outputs);
            return (format!("SELECT {list} FROM ({sql}) AS {alias}"), columns);
        }
        self.mentions("list of an ordered table");
        let outputs: Outputs = columns
            .iter()
            .filter_map(|column| {
                let ty = match column.ty {
                    Ty::Int4 => Ty::IntArray,
                    Ty::Text => Ty::TextArray,
                    _ => return None,
                };
                Some((format!("array_agg({alias}.{})", column.name), ty))
            })
            .chain([("count(*)".to_owned(), Ty::Int8)])
            .collect();
        let (list, columns) = named(&outputs);
        (format!("SELECT {list} FROM ({sql}) AS {alias}"), columns)
    }

    fn distinct_on(&mut self, depth: usize) -> (String, Vec<Column>) {
        let (table, scope) = self.table(depth - 1);
        let items = scope.those(|ty| ty.is_orderable() && ty.is_comparable());
        let (list, columns) = Self::all_of(&scope);
        if items.is_empty() {
            return (format!("SELECT {list} FROM {table}"), columns);
        }
        self.uses("distinct on");
        let key = self.dice.pick(&items).sql.clone();
        let rest = if self.common { format!(", {}", scope.total_order()) } else { String::new() };
        (format!("SELECT DISTINCT ON ({key}) {list} FROM {table} ORDER BY {key}{rest}"), columns)
    }

    fn set_operation(&mut self, depth: usize) -> (String, Vec<Column>) {
        let operators: [(&str, &str); 6] = [
            ("UNION", "union"),
            ("UNION ALL", "union all"),
            ("INTERSECT", "intersect"),
            ("INTERSECT ALL", "intersect all"),
            ("EXCEPT", "except"),
            ("EXCEPT ALL", "except all"),
        ];
        let (operator, kind) = *self.dice.pick(&operators);
        let (left_from, left) = self.from(depth - 1);
        let (right_from, right) = self.from(depth - 1);
        let fitting = left.and(&right).those(Ty::is_comparable);
        self.uses(kind);
        let types: Vec<Ty> = (0..self.dice.between(1, 2))
            .map(|_| if fitting.is_empty() { Ty::Int4 } else { self.dice.pick(&fitting).ty })
            .collect();
        let mut side = |from: &str, scope: &Scope| {
            let outputs: Outputs =
                types.iter().map(|ty| (self.expression(scope, *ty, 1), *ty)).collect();
            let (list, columns) = named(&outputs);
            let filter = self.filter(scope, 0);
            (format!("(SELECT {list} FROM {from}{filter})"), columns)
        };
        let (left, columns) = side(&left_from, &left);
        let (right, _) = side(&right_from, &right);
        (format!("{left} {operator} {right}"), columns)
    }

    fn with(&mut self, depth: usize) -> (String, Vec<Column>) {
        self.uses("with");
        let (inner, columns) = self.query(depth - 1);
        let name = self.name();
        let relation =
            Relation { name: name.clone(), kind: Kind::Stream, columns, in_postgres: true };
        self.with.push(relation);
        let (outer, columns) = self.query(depth - 1);
        self.with.pop();
        let outer = if outer.starts_with("WITH") {
            format!("SELECT * FROM ({outer}) AS {}", self.name())
        } else {
            outer
        };
        (format!("WITH {name} AS ({inner}) {outer}"), columns)
    }

    fn recursive(&mut self) -> (String, Vec<Column>) {
        self.uses("recursive");
        let base = self.relation();
        let edges = self.relation();
        let (name, b, e) = (self.name(), self.name(), self.name());
        let mut start = self.expression(&Scope::of(&base, &b), Ty::Int4, 0);
        if is_constant(&start) {
            "1".clone_into(&mut start);
        }
        let columns = [("n", Ty::Int4), ("d", Ty::Int4)].map(|(name, ty)| Column {
            name: name.to_owned(),
            ty,
            nulls: 0,
        });
        let step = if self.dice.percent(50) {
            format!(
                "SELECT {name}.n + 1, {name}.d + 1 FROM {name} WHERE {name}.d < 3 AND {name}.n < 100"
            )
        } else {
            let scope = Scope::of(&edges, &e);
            let from = self.expression(&scope, Ty::Int4, 0);
            let to = self.expression(&scope, Ty::Int4, 0);
            let edges = &edges.name;
            format!(
                "SELECT {to}, {name}.d + 1 FROM {name} JOIN {edges} AS {e} ON {from} = {name}.n WHERE {name}.d < 3"
            )
        };
        self.uses("inner join");
        let base = base.name;
        let sql = format!(
            "WITH RECURSIVE {name}(n, d) AS (SELECT {start}, 0 FROM {base} AS {b} WHERE {start} < 10 \
             UNION {step}) SELECT n, d, count(*) AS c FROM {name} GROUP BY n, d"
        );
        self.uses("count(*)");
        let mut columns = columns.to_vec();
        columns.push(Column { name: "c".to_owned(), ty: Ty::Int8, nulls: 0 });
        (sql, columns)
    }

    /// A FROM clause, and what it offers.
    pub fn from(&mut self, depth: usize) -> (String, Scope) {
        let (mut sql, mut scope) = self.source(depth);
        for _ in 0..*self.dice.pick(&[0, 1, 1, 2]) {
            if self.dice.percent(14) {
                let (lateral, inner) = self.lateral(&scope);
                sql = format!("{sql} {lateral}");
                scope = scope.and(&inner);
                continue;
            }
            let (other, inner) = self.source(depth);
            if let Some((verb, outer)) = self.merging_join(&scope, &inner) {
                sql = format!("{sql} {verb} {other} USING (k)");
                scope = outer;
                continue;
            }
            if inner.items.iter().any(is_k) {
                scope.items.retain(|item| item.sql != "k");
            }
            let (join, outer) = self.join(&scope, &inner);
            sql = match join {
                Some((verb, on)) => format!("{sql} {verb} {other}{on}"),
                None => continue,
            };
            scope = outer;
        }
        (sql, scope)
    }

    fn source(&mut self, depth: usize) -> (String, Scope) {
        if depth > 0 && self.dice.percent(25) {
            return self.table(depth - 1);
        }
        let alias = self.name();
        if self.dice.percent(4) {
            self.mentions("values");
            let rows: Vec<String> = (0..3)
                .map(|_| {
                    let (n, text) =
                        (literal::typed(self.dice, Ty::Int4), literal::typed(self.dice, Ty::Text));
                    format!("({n}, {text})")
                })
                .collect();
            let items = vec![
                Item { sql: format!("{alias}.n"), ty: Ty::Int4 },
                Item { sql: format!("{alias}.t"), ty: Ty::Text },
            ];
            return (format!("(VALUES {}) AS {alias}(n, t)", rows.join(", ")), Scope { items });
        }
        let relation = self.relation();
        (format!("{} AS {alias}", relation.name), Scope::of(&relation, &alias))
    }

    /// A join by the column that all base relations have; sometimes, where each side has one of them.
    fn merging_join(&mut self, left: &Scope, right: &Scope) -> Option<(&'static str, Scope)> {
        let n_left = left.items.iter().filter(|item| is_k(item)).count();
        let is_merged = left.items.iter().any(|item| item.sql == "k");
        let n_right = right.items.iter().filter(|item| is_k(item)).count();
        if n_right != 1 || !(n_left == 1 || is_merged) || !self.dice.percent(20) {
            return None;
        }
        self.uses("join using");
        let verbs = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"];
        let verb = *self.dice.pick(&verbs);
        let mut scope = left.and(right);
        scope.items.retain(|item| item.sql != "k");
        scope.items.push(Item { sql: "k".to_owned(), ty: Ty::Int4 });
        Some((verb, scope))
    }

    /// How two sources are joined: the verb and ON; `None` where nothing fits.
    fn join(&mut self, left: &Scope, right: &Scope) -> (Option<(&'static str, String)>, Scope) {
        let both = left.and(right);
        let choice = self.dice.below(12);
        let may_multiply = self.products_left > 0 && !self.kinds.contains_key("view on view");
        if choice == 0 && may_multiply {
            self.products_left -= 1;
            self.uses("cross join");
            return (Some(("CROSS JOIN", String::new())), both);
        }
        if choice == 1 && may_multiply {
            self.products_left -= 1;
            self.uses("non-equi join");
            let on = self.simple_predicate(&both, 1);
            let verb = *self.dice.pick(&["JOIN", "LEFT JOIN"]);
            return (Some((verb, format!(" ON {on}"))), both);
        }
        let Some(mut on) = self.equality(left, right) else { return (None, left.clone()) };
        let verbs: [(&'static str, &'static str); 6] = [
            ("JOIN", "inner join"),
            ("JOIN", "inner join"),
            ("LEFT JOIN", "left join"),
            ("LEFT JOIN", "left join"),
            ("RIGHT JOIN", "right join"),
            ("FULL JOIN", "full join"),
        ];
        let (verb, kind) = *self.dice.pick(&verbs);
        self.uses(kind);
        if verb != "FULL JOIN" && self.dice.percent(12) {
            self.mentions("null-equal join");
            on = on.replace(" = ", " IS NOT DISTINCT FROM ");
        }
        if self.dice.percent(10)
            && let Some(more) = self.equality(left, right)
        {
            on = format!("{on} AND {more}");
        }
        if self.dice.percent(15) {
            on = format!("{on} AND {}", self.simple_predicate(&both, 1));
        }
        (Some((verb, format!(" ON {on}"))), both)
    }

    fn lateral(&mut self, outer: &Scope) -> (String, Scope) {
        let arrays = outer.those(|ty| matches!(ty, Ty::IntArray | Ty::TextArray));
        if !arrays.is_empty() && self.dice.percent(60) {
            return self.unnest(&arrays);
        }
        self.uses("lateral");
        let alias = self.name();
        let relation = self.relation();
        let inner_alias = self.name();
        let inner = Scope::of(&relation, &inner_alias);
        let on = self.equality(&inner, outer).unwrap_or_else(|| "true".to_owned());
        let ty = self.any_type(&inner, Ty::has_min_max);
        let value = self.expression(&inner, ty, 0);
        let name = &relation.name;
        let items = vec![
            Item { sql: format!("{alias}.m"), ty },
            Item { sql: format!("{alias}.n"), ty: Ty::Int8 },
        ];
        let verb =
            if self.dice.percent(50) { ("CROSS JOIN", "") } else { ("LEFT JOIN", " ON true") };
        let value = if ty.has_min_max() {
            format!("max({value})")
        } else {
            format!("max(({value})::text)")
        };
        let sql = format!(
            "{} LATERAL (SELECT {value} AS m, count(*) AS n FROM {name} AS {inner_alias} WHERE {on}) AS {alias}{}",
            verb.0, verb.1
        );
        (sql, Scope { items })
    }
}
