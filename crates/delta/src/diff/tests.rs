use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::difference;
use crate::delta::{Delta, Weights};
use crate::rows;

type Row = (Option<i64>, String);

fn batch(rows: &[Row]) -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("t", DataType::Utf8View, true),
    ]));
    let numbers: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
    let texts: ArrayRef =
        Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| &row.1)));
    rows::batch(schema, vec![numbers, texts], rows.len()).expect("a batch")
}

fn row_at(batch: &RecordBatch, at: usize) -> Row {
    let numbers = batch.column(0).as_primitive::<Int64Type>();
    let number = numbers.iter().nth(at).expect("a row");
    (number, batch.column(1).as_string_view().value(at).to_owned())
}

fn weights(delta: &Delta) -> BTreeMap<Row, i64> {
    let mut weights = BTreeMap::new();
    for at in 0..delta.len() {
        *weights.entry(row_at(delta.rows(), at)).or_default() += delta.weight(at);
    }
    weights
}

fn random_batches(random: &mut SmallRng) -> Vec<Vec<Row>> {
    let row = |random: &mut SmallRng| {
        let number = random.random_bool(0.9).then(|| random.random_range(0..6));
        let text = ["a", "a text of more than twelve bytes"][random.random_range(0..2)];
        (number, text.to_owned())
    };
    let n_batches = random.random_range(0..4);
    let rows = |random: &mut SmallRng| {
        let n_rows = random.random_range(0..20);
        (0..n_rows).map(|_| row(random)).collect()
    };
    (0..n_batches).map(|_| rows(random)).collect()
}

#[test]
fn difference_is_that_of_multisets() {
    let mut random = SmallRng::seed_from_u64(1);
    for round in 0..300 {
        let (old, new) = (random_batches(&mut random), random_batches(&mut random));
        let mut expected: BTreeMap<Row, i64> = BTreeMap::new();
        new.iter().flatten().for_each(|row| *expected.entry(row.clone()).or_default() += 1);
        old.iter().flatten().for_each(|row| *expected.entry(row.clone()).or_default() -= 1);
        expected.retain(|_, weight| *weight != 0);
        let to_batches =
            |side: &[Vec<Row>]| side.iter().map(|rows| batch(rows)).collect::<Vec<_>>();
        let delta = difference(&to_batches(&old), &to_batches(&new)).expect("a difference");
        assert_eq!(weights(&delta), expected, "round {round}");
        let n_changes: i64 = expected.values().map(|weight| weight.abs()).sum();
        assert_eq!(delta.len() as i64, n_changes, "round {round}: a row in both parts");
        let signs: Vec<i64> = (0..delta.len()).map(|row| delta.weight(row)).collect();
        assert!(signs.is_sorted(), "round {round}: retractions come first");
    }
}

#[test]
fn one_sided_differences_have_short_weights() {
    let rows = [batch(&[(Some(1), "a".to_owned()), (None, "b".to_owned())])];
    let new = difference(&[], &rows).expect("a difference");
    assert_eq!(new, Delta::insertions(rows[0].clone()));
    let gone = difference(&rows, &[]).expect("a difference");
    assert_eq!(gone, Delta::retractions(rows[0].clone()));
    let same = difference(&rows, &rows).expect("a difference");
    assert!(same.is_empty());
    assert_eq!(same.weights(), &Weights::One);
}
