use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use weir_types::SqlState;

use super::{Delta, Weights};
use crate::rows;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("n", DataType::Float64, true),
        Field::new("t", DataType::Utf8View, true),
    ]))
}

fn batch(rows: &[(Option<f64>, Option<&str>)]) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Float64Array>());
    let texts: ArrayRef = Arc::new(rows.iter().map(|row| row.1).collect::<StringViewArray>());
    rows::batch(schema(), vec![numbers, texts], rows.len()).expect("a batch")
}

const LONG: &str = "a text of more than twelve bytes";

#[test]
fn consolidate_sums_weights_of_same_rows_and_drops_zeros() {
    let rows = batch(&[
        (Some(0.0), Some(LONG)),
        (None, None),
        (Some(f64::NAN), Some("a")),
        (Some(-0.0), Some(LONG)),
        (None, None),
        (Some(-f64::NAN), Some("a")),
        (Some(1.0), Some("b")),
    ]);
    let delta = Delta::new(rows, Weights::Mixed(vec![1, 1, 2, 1, -1, -3, -4]));
    let consolidated = delta.consolidate().expect("consolidates");
    let expected = batch(&[
        (Some(0.0), Some(LONG)),
        (Some(f64::NAN), Some("a")),
        (Some(-0.0), Some(LONG)),
        (Some(1.0), Some("b")),
    ]);
    assert_eq!(consolidated.weights(), &Weights::Mixed(vec![1, -1, 1, -4]));
    let texts = |batch: &RecordBatch| batch.column(1).clone();
    assert_eq!(&texts(consolidated.rows()), &texts(&expected));
    assert!(consolidated.rows().column(0).as_primitive::<Float64Type>().value(1).is_nan());
}

#[test]
fn consolidate_finds_short_weights_and_leaves_distinct_rows_alone() {
    let rows = batch(&[(Some(1.0), None), (Some(2.0), None), (Some(1.0), None)]);
    let delta = Delta::new(rows.clone(), Weights::Mixed(vec![2, 1, -1]));
    let consolidated = delta.consolidate().expect("consolidates");
    assert_eq!(consolidated, Delta::insertions(rows.slice(0, 2)));
    let distinct = Delta::retractions(rows.slice(0, 2));
    assert_eq!(distinct.consolidate().expect("consolidates"), distinct);
    let cancelled = Delta::new(rows, Weights::Mixed(vec![1, 0, -1]));
    assert!(cancelled.consolidate().expect("consolidates").is_empty());
    assert!(!cancelled.is_empty());
}

#[test]
fn weights_out_of_range_are_an_error() {
    let rows = batch(&[(None, None), (None, None)]);
    let delta = Delta::new(rows, Weights::Mixed(vec![i64::MAX, 1]));
    let error = delta.consolidate().expect_err("out of range");
    assert_eq!(error.state(), SqlState::NumericValueOutOfRange);
}

#[test]
fn concat_keeps_short_weights_where_it_can() {
    let one = Delta::insertions(batch(&[(Some(1.0), None)]));
    let two = Delta::retractions(batch(&[(Some(2.0), None)]));
    let none = Delta::empty(schema());
    let concat =
        |deltas: &[&Delta]| Delta::concat(&schema(), deltas.iter().copied()).expect("concatenates");
    let twice = concat(&[&one, &none, &one]);
    assert_eq!(twice, Delta::insertions(batch(&[(Some(1.0), None), (Some(1.0), None)])));
    assert_eq!(concat(&[&none, &two]), two);
    let mixed = concat(&[&one, &two]);
    assert_eq!(mixed.weights(), &Weights::Mixed(vec![1, -1]));
    assert_eq!(mixed.rows(), &batch(&[(Some(1.0), None), (Some(2.0), None)]));
    assert_eq!(concat(&[]), none);
}

#[test]
fn split_parts_by_sign() {
    let rows = batch(&[(Some(1.0), None), (Some(2.0), None), (Some(3.0), None), (Some(4.0), None)]);
    let delta = Delta::new(rows.clone(), Weights::Mixed(vec![2, -1, 0, 1]));
    let (positive, negative) = delta.split().expect("splits");
    let kept = batch(&[(Some(1.0), None), (Some(4.0), None)]);
    assert_eq!(positive, Delta::new(kept, Weights::Mixed(vec![2, 1])));
    assert_eq!(negative, Delta::retractions(batch(&[(Some(2.0), None)])));
    let (positive, negative) = Delta::retractions(rows.clone()).split().expect("splits");
    assert!(positive.is_empty());
    assert_eq!(negative, Delta::retractions(rows));
}

#[test]
fn project_keeps_weights() {
    let delta =
        Delta::new(batch(&[(Some(1.0), Some("a")), (None, None)]), Weights::Mixed(vec![3, -2]));
    let projected = delta.project(&[1]).expect("projects");
    assert_eq!((projected.weight(0), projected.weight(1)), (3, -2));
    assert_eq!(projected.rows().schema().field(0).name(), "t");
    let nothing = delta.project(&[]).expect("projects");
    let sum = nothing.consolidate().expect("consolidates");
    assert_eq!((sum.len(), sum.weight(0)), (1, 1));
    assert_eq!(delta.project(&[2]).expect_err("no such column").state(), SqlState::InternalError);
}
