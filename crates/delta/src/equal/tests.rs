use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, DictionaryArray, FixedSizeListArray,
    Float32Array, Float64Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, LargeListArray,
    LargeStringArray, ListArray, NullArray, StringArray, StringViewArray, StructArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, IntervalMonthDayNano};

use super::{Pair, Sameness, equal_rows};
use crate::hash::hash_rows;

/// Compares all rows with all: row `a` is row `b` where their classes are the same, and then their
/// hashes are as well.
fn check(array: ArrayRef, classes: &[u32]) {
    assert_eq!(array.len(), classes.len());
    let n = classes.len() as u32;
    let pairs: Vec<Pair> = (0..n).flat_map(|a| (0..n).map(move |b| (a, b))).collect();
    let hashes = hash_rows(&[Arc::clone(&array)]);
    let columns = [array];
    for ((a, b), equal) in pairs.iter().zip(equal_rows(&columns, &columns, &pairs, Sameness::Equal))
    {
        let (a, b) = (*a as usize, *b as usize);
        assert_eq!(equal, classes[a] == classes[b], "rows {a}, {b} of {:?}", columns[0]);
        assert!(!equal || hashes[a] == hashes[b], "rows {a}, {b} of {:?}", columns[0]);
    }
}

#[test]
fn flat_values() {
    let nan = f64::from_bits(f64::NAN.to_bits() | 1 << 63);
    check(
        Arc::new(Float64Array::from(vec![
            Some(0.0),
            Some(-0.0),
            None,
            Some(f64::NAN),
            Some(nan),
            None,
            Some(1.0),
        ])),
        &[0, 0, 1, 2, 2, 1, 3],
    );
    check(Arc::new(Float32Array::from(vec![0.0, -0.0, f32::NAN, 1.0])), &[0, 0, 1, 2]);
    check(Arc::new(Int32Array::from(vec![Some(0), None, Some(0), Some(1)])), &[0, 1, 0, 2]);
    check(Arc::new(BooleanArray::from(vec![Some(false), None, Some(true)])), &[0, 1, 2]);
    check(Arc::new(NullArray::new(2)), &[0, 0]);
    check(Arc::new(Decimal128Array::from(vec![1, -1, 1 << 100, 1])), &[0, 1, 2, 0]);
    let month = IntervalMonthDayNano::new(1, 0, 0);
    let days = IntervalMonthDayNano::new(0, 30, 0);
    check(Arc::new(IntervalMonthDayNanoArray::from(vec![month, days, month])), &[0, 1, 0]);
}

#[test]
fn texts_of_every_form() {
    let long = "a text of more than twelve bytes";
    let other = "a text of more than twelve bytez";
    let texts = vec![Some(""), None, Some(long), Some(other), Some("a"), Some(long), None];
    let classes = [0, 1, 2, 3, 4, 2, 1];
    check(Arc::new(StringArray::from(texts.clone())), &classes);
    check(Arc::new(LargeStringArray::from(texts.clone())), &classes);
    check(Arc::new(StringViewArray::from(texts.clone())), &classes);
    let dictionary: DictionaryArray<Int32Type> = texts.clone().into_iter().collect();
    let dictionary: ArrayRef = Arc::new(dictionary);
    check(Arc::clone(&dictionary), &classes);
    let bytes: Vec<Option<&[u8]>> = texts.iter().map(|text| text.map(str::as_bytes)).collect();
    check(Arc::new(BinaryArray::from(bytes)), &classes);

    let view: ArrayRef = Arc::new(StringViewArray::from(texts.clone()));
    let plain: ArrayRef = Arc::new(StringArray::from(texts));
    let pairs = [(0, 0), (1, 1), (2, 5), (2, 3), (1, 0)];
    let expected = [true, true, true, false, false];
    for (left, right) in
        [(&view, &plain), (&plain, &view), (&dictionary, &view), (&view, &dictionary)]
    {
        let (left, right) = ([Arc::clone(left)], [Arc::clone(right)]);
        assert_eq!(equal_rows(&left, &right, &pairs, Sameness::Equal), expected);
    }
}

#[test]
fn nested_values() {
    let lists = || {
        [
            Some(vec![Some(1), None]),
            Some(vec![]),
            None,
            Some(vec![Some(1), None]),
            Some(vec![Some(1)]),
            Some(vec![Some(1), Some(0)]),
            None,
        ]
    };
    let classes = [0, 1, 2, 0, 3, 4, 2];
    check(Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists())), &classes);
    check(Arc::new(LargeListArray::from_iter_primitive::<Int32Type, _, _>(lists())), &classes);
    let fixed =
        [Some(vec![Some(1), None]), None, Some(vec![Some(1), None]), Some(vec![None, None])];
    check(
        Arc::new(FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(fixed, 2)),
        &[0, 1, 0, 2],
    );
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, 0.0, 2.0, 0.0]));
    let texts: ArrayRef =
        Arc::new(StringArray::from(vec![Some("a"), Some("a"), Some("b"), Some("a"), None]));
    let structs = StructArray::new(
        vec![Field::new("n", DataType::Float64, true), Field::new("t", DataType::Utf8, true)]
            .into(),
        vec![numbers, texts],
        Some(vec![true, true, true, false, false].into()),
    );
    check(Arc::new(structs), &[0, 0, 1, 2, 2]);
}

#[test]
fn a_row_is_equal_in_all_its_columns() {
    let left: [ArrayRef; 2] = [
        Arc::new(Int64Array::from(vec![1, 1, 2])),
        Arc::new(StringArray::from(vec!["a", "b", "a"])),
    ];
    let pairs = [(0, 0), (0, 1), (0, 2), (1, 1)];
    assert_eq!(equal_rows(&left, &left, &pairs, Sameness::Equal), [true, false, false, true]);
    assert_eq!(equal_rows(&[], &[], &pairs, Sameness::Equal), [true; 4]);
}

#[test]
#[should_panic(expected = "decimals of one scale")]
fn decimals_of_other_scales_are_not_compared() {
    let with_scale = |scale| -> [ArrayRef; 1] {
        let array = Decimal128Array::from(vec![1]).with_precision_and_scale(10, scale);
        [Arc::new(array.expect("a valid precision"))]
    };
    let _ = equal_rows(&with_scale(2), &with_scale(3), &[(0, 0)], Sameness::Equal);
}

#[test]
fn the_zeros_are_equal_and_not_identical() {
    let zeros: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN]));
    let list = ListArray::from_iter_primitive::<arrow::datatypes::Float64Type, _, _>([
        Some(vec![Some(0.0)]),
        Some(vec![Some(-0.0)]),
    ]);
    let (floats, lists) = ([zeros], [Arc::new(list) as ArrayRef]);
    for (how, expected) in [(Sameness::Equal, true), (Sameness::Identical, false)] {
        assert_eq!(
            equal_rows(&floats, &floats, &[(0, 1), (2, 3), (1, 1)], how),
            [expected, true, true]
        );
        assert_eq!(equal_rows(&lists, &lists, &[(0, 1)], how), [expected]);
    }
}
