//! The relations of a round.

use super::literal;
use super::ty::{ALL, Ty};
use crate::dice::Dice;

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Ty,
    /// In how many of a hundred new rows it is NULL.
    pub nulls: usize,
}

/// What a relation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Rows are only added.
    Stream,
    /// The positions of its primary key; none where it has no key.
    Table(Vec<usize>),
    /// Of a query.
    View,
}

/// A relation that queries can read.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its columns.
    pub columns: Vec<Column>,
    /// PostgreSQL has it with the same rows.
    pub in_postgres: bool,
}

/// Relations of a new round: at least three, streams and tables among them.
pub fn random(dice: &mut Dice) -> Vec<Relation> {
    let n_relations = dice.between(3, 4);
    let first_is_stream = dice.percent(50);
    (0..n_relations)
        .map(|at| {
            let is_stream = match at {
                0 => first_is_stream,
                1 => !first_is_stream,
                _ => dice.percent(40),
            };
            relation(dice, at, is_stream)
        })
        .collect()
}

fn relation(dice: &mut Dice, at: usize, is_stream: bool) -> Relation {
    let mut columns = vec![Column { name: "k".to_owned(), ty: Ty::Int4, nulls: 10 }];
    // A second integer and a text give most pairs of relations something to be joined by.
    let mut types = vec![*dice.pick(&[Ty::Int4, Ty::Int8, Ty::Int2]), Ty::Text];
    let n_others = dice.between(1, 4);
    // Arrays often enough for views that unnest one and do little else.
    types.extend((0..n_others).map(
        |_| {
            if dice.percent(15) { Ty::IntArray } else { *dice.pick(&ALL) }
        },
    ));
    for (column_idx, ty) in types.into_iter().enumerate() {
        let nulls = *dice.pick(&[0, 15, 15, 50]);
        columns.push(Column { name: format!("c{column_idx}"), ty, nulls });
    }
    let kind = if is_stream {
        Kind::Stream
    } else {
        let key: &[usize] = dice.pick::<&[usize]>(&[&[], &[0], &[0], &[0, 1], &[2], &[0, 2]]);
        Kind::Table(key.to_vec())
    };
    if let Kind::Table(key) = &kind {
        for column_idx in key {
            columns[*column_idx].nulls = 1;
        }
    }
    Relation { name: format!("r{at}"), kind, columns, in_postgres: true }
}

impl Relation {
    /// The statement that makes it.
    pub fn create(&self, dice: &mut Dice) -> super::Statement {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("{} {}", column.name, column.ty.sql()))
            .collect();
        let columns = columns.join(", ");
        match &self.kind {
            Kind::Stream => super::Statement {
                weir: format!(
                    "CREATE STREAM {} ({columns}) WITH (partitions = {})",
                    self.name,
                    dice.between(1, 5)
                ),
                postgres: format!("CREATE TABLE {} ({columns})", self.name),
            },
            Kind::Table(key) if key.is_empty() => {
                super::Statement::same(format!("CREATE TABLE {} ({columns})", self.name))
            }
            Kind::Table(key) => {
                let key: Vec<&str> = key.iter().map(|at| self.columns[*at].name.as_str()).collect();
                let key = key.join(", ");
                super::Statement::same(format!(
                    "CREATE TABLE {} ({columns}, PRIMARY KEY ({key}))",
                    self.name
                ))
            }
            Kind::View => unreachable!("views are made of queries"),
        }
    }

    /// The primary key's positions.
    #[must_use]
    pub fn key(&self) -> &[usize] {
        match &self.kind {
            Kind::Table(key) => key,
            Kind::Stream | Kind::View => &[],
        }
    }

    /// A row for VALUES.
    pub fn row(&self, dice: &mut Dice) -> String {
        let values: Vec<String> = self
            .columns
            .iter()
            .map(|column| literal::value(dice, column.ty, column.nulls))
            .collect();
        format!("({})", values.join(", "))
    }

    /// Its columns' names, as a list.
    #[must_use]
    pub fn column_list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        names.join(", ")
    }
}
