//! Random changes of tables and appends to streams.

use super::gather::{Gather, Scope};
use super::literal;
use super::relation::{Kind, Relation};
use super::{Statement, Step};
use crate::dice::Dice;

/// A batch: one statement, or a transaction of several.
pub fn batch(dice: &mut Dice, relations: &[Relation]) -> Vec<Step> {
    if dice.percent(65) {
        return vec![run(change(dice, relations))];
    }
    let mut steps = vec![run("BEGIN")];
    for _ in 0..dice.between(2, 4) {
        steps.push(run(change(dice, relations)));
    }
    steps.push(run(if dice.percent(75) { "COMMIT" } else { "ROLLBACK" }));
    steps
}

/// Changes to be made in a transaction with others: none of them ends it.
pub fn part(dice: &mut Dice, relations: &[Relation]) -> Vec<Step> {
    (0..dice.between(1, 2)).map(|_| run(change(dice, relations))).collect()
}

/// Rows that come alone, each by a statement of its own.
pub fn single_rows(dice: &mut Dice, relations: &[Relation]) -> Vec<Step> {
    let relation = dice.pick(relations).clone();
    if relation.kind != Kind::Stream && dice.percent(40) {
        return vec![run(change(dice, relations))];
    }
    let rows: Vec<String> = (0..dice.between(1, 6)).map(|_| relation.row(dice)).collect();
    rows.into_iter().map(|row| run(insertion(dice, &relation, &row))).collect()
}

fn run(sql: impl Into<String>) -> Step {
    Step::Run(Statement::same(sql))
}

fn change(dice: &mut Dice, relations: &[Relation]) -> String {
    let relation = dice.pick(relations).clone();
    if relation.kind == Kind::Stream {
        return if dice.percent(8) {
            copy(dice, relations, &relation)
        } else {
            insert(dice, &relation)
        };
    }
    match dice.below(20) {
        0..=9 => insert(dice, &relation),
        10 | 11 => upsert(dice, &relation),
        12..=15 => update(dice, &relation),
        16..=17 => delete(dice, &relation),
        18 if dice.percent(25) => format!("TRUNCATE {}", relation.name),
        _ => copy(dice, relations, &relation),
    }
}

fn rows(dice: &mut Dice, relation: &Relation) -> String {
    let n_rows = *dice.pick(&[1, 2, 3, 5, 8, 8]);
    let rows: Vec<String> = (0..n_rows).map(|_| relation.row(dice)).collect();
    rows.join(", ")
}

fn insert(dice: &mut Dice, relation: &Relation) -> String {
    let rows = rows(dice, relation);
    insertion(dice, relation, &rows)
}

fn insertion(dice: &mut Dice, relation: &Relation, rows: &str) -> String {
    let conflict =
        if !relation.key().is_empty() && dice.percent(80) { " ON CONFLICT DO NOTHING" } else { "" };
    format!("INSERT INTO {} ({}) VALUES {rows}{conflict}", relation.name, relation.column_list())
}

fn upsert(dice: &mut Dice, relation: &Relation) -> String {
    let key: Vec<&str> =
        relation.key().iter().map(|at| relation.columns[*at].name.as_str()).collect();
    if key.is_empty() {
        return insert(dice, relation);
    }
    let others: Vec<String> = relation
        .columns
        .iter()
        .filter(|column| !key.contains(&column.name.as_str()))
        .map(|column| format!("{0} = excluded.{0}", column.name))
        .collect();
    // Two rows of one statement with the same key are an error; one row is the usual case.
    let rows = if dice.percent(70) { relation.row(dice) } else { rows(dice, relation) };
    format!(
        "INSERT INTO {} ({}) VALUES {rows} ON CONFLICT ({}) DO UPDATE SET {}",
        relation.name,
        relation.column_list(),
        key.join(", "),
        others.join(", ")
    )
}

/// A predicate over the table's own columns that few rows meet.
fn few(dice: &mut Dice, relation: &Relation) -> String {
    let scope = scope(relation);
    let k = literal::usual(dice, relation.columns[0].ty);
    if dice.percent(50) {
        return format!("k = {k}");
    }
    let predicate = Gather::new(dice, &[], true).simple_predicate(&scope, 1);
    format!("k < {k} AND {predicate}")
}

fn scope(relation: &Relation) -> Scope {
    Scope::of(relation, &relation.name)
}

fn update(dice: &mut Dice, relation: &Relation) -> String {
    let filter = few(dice, relation);
    let key = relation.key();
    let mut sets = Vec::new();
    for (at, column) in relation.columns.iter().enumerate() {
        // A key that moves onto another row's is an error at a moment that the two decide differently.
        if !key.contains(&at) && dice.percent(40) {
            let value = Gather::new(dice, &[], true).expression(&scope(relation), column.ty, 1);
            sets.push(format!("{} = {value}", column.name));
        }
    }
    if sets.is_empty() {
        return delete(dice, relation);
    }
    format!("UPDATE {} SET {} WHERE {filter}", relation.name, sets.join(", "))
}

fn delete(dice: &mut Dice, relation: &Relation) -> String {
    format!("DELETE FROM {} WHERE {}", relation.name, few(dice, relation))
}

/// A few rows of another relation.
fn copy(dice: &mut Dice, relations: &[Relation], into: &Relation) -> String {
    let from = dice.pick(relations).clone();
    let scope = scope(&from);
    let values: Vec<String> = into
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let value = Gather::new(dice, &[], true).expression(&scope, column.ty, 1);
            format!("{value} AS n{at}")
        })
        .collect();
    let conflict = if into.key().is_empty() { "" } else { " ON CONFLICT DO NOTHING" };
    format!(
        "INSERT INTO {} ({}) SELECT {} FROM (SELECT * FROM {} ORDER BY {} LIMIT {}) AS {}{conflict}",
        into.name,
        into.column_list(),
        values.join(", "),
        from.name,
        scope.total_order(),
        dice.between(1, 4),
        from.name
    )
}
