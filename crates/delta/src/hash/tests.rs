use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, DictionaryArray,
    FixedSizeListArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, LargeListArray, LargeStringArray, ListArray, NullArray, StringArray,
    StringViewArray, StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Int64Type, IntervalMonthDayNano, i256};

use super::{SHARDS, hash_n_rows, hash_rows, shard};

const NULL: u64 = 0xdeec_7e41_0cf3_24fe;

fn hashes(array: impl Array + 'static) -> Vec<u64> {
    hash_rows(&[Arc::new(array) as ArrayRef])
}

fn int_and_text(numbers: Vec<i64>, texts: Vec<&str>, nulls: Option<NullBuffer>) -> StructArray {
    let fields = Fields::from(vec![
        Field::new("n", DataType::Int64, true),
        Field::new("t", DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(numbers)), Arc::new(StringArray::from(texts))];
    StructArray::new(fields, columns, nulls)
}

/// Computed from the table of the module by another program. Stored data depends on them.
#[test]
fn pinned_values() {
    let numbers = hashes(Int64Array::from(vec![Some(0), Some(1), Some(-1), None]));
    assert_eq!(
        numbers,
        [0xc626_2b42_db0c_0995, 0xa1de_1fa7_2de4_178d, 0x07be_831d_be02_df58, NULL]
    );
    let long = "x".repeat(100);
    let texts =
        vec![Some(""), Some("a"), Some("a text of more than twelve bytes"), Some(&long), None];
    assert_eq!(
        hashes(StringViewArray::from(texts)),
        [
            0xc81d_c069_b983_f7e6,
            0x2718_8b81_0300_0106,
            0xc166_ba51_d7fd_d133,
            0x7b5d_a852_dc86_9aa4,
            NULL
        ]
    );
    assert_eq!(
        hashes(Float64Array::from(vec![0.0, 1.5, f64::NAN, f64::INFINITY])),
        [
            0xc626_2b42_db0c_0995,
            0x5c7f_a003_81ed_387c,
            0x63d4_5630_6ab4_8e08,
            0x047a_13b7_7e66_360b
        ]
    );
    assert_eq!(
        hashes(BooleanArray::from(vec![Some(false), Some(true), None])),
        [0xc626_2b42_db0c_0995, 0xa1de_1fa7_2de4_178d, NULL]
    );
    let decimals = Decimal128Array::from(vec![12_345, -1]).with_precision_and_scale(10, 2);
    assert_eq!(
        hashes(decimals.expect("a valid precision")),
        [0x7529_33f4_678d_5ea9, 0xd800_eb47_784b_bb38]
    );
    let big = i256::from_parts(5, 1 << 72);
    assert_eq!(hashes(Decimal256Array::from(vec![big])), [0xe75a_0752_35a9_1a8f]);
    let intervals = vec![IntervalMonthDayNano::new(1, 2, 3), IntervalMonthDayNano::new(0, 32, 3)];
    assert_eq!(hashes(IntervalMonthDayNanoArray::from(intervals)), [0x2c8a_f36c_14b7_cd6a; 2]);
}

#[test]
fn pinned_values_of_nested_types_and_rows() {
    let lists = [Some(vec![Some(1), None]), Some(vec![]), None];
    let expected = [0xe8d6_bdfd_5ca3_95d9, 0xc626_2b42_db0c_0995, NULL];
    assert_eq!(hashes(ListArray::from_iter_primitive::<Int64Type, _, _>(lists.clone())), expected);
    assert_eq!(
        hashes(LargeListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), None]),
            Some(vec![]),
            None,
        ])),
        expected
    );
    let structs = int_and_text(vec![1, 1], vec!["a", "a"], Some(vec![true, false].into()));
    assert_eq!(hashes(structs), [0x4510_9314_0065_217a, NULL]);
    let row: [ArrayRef; 2] =
        [Arc::new(Int16Array::from(vec![7])), Arc::new(StringArray::from(vec!["seven"]))];
    assert_eq!(hash_rows(&row), [0x26b2_b30a_4690_66b2]);
    assert_eq!(hash_n_rows(&[], 2), [0xb9c1_74b5_4488_5ccc; 2]);
    assert!(hash_rows(&[]).is_empty());
}

#[test]
fn forms_of_one_value_hash_alike() {
    let other_nan = f64::from_bits(f64::NAN.to_bits() | 1 << 63 | 5);
    assert_eq!(
        hashes(Float64Array::from(vec![-0.0, other_nan, 1.5])),
        hashes(Float32Array::from(vec![0.0, f32::NAN, 1.5]))
    );
    assert_eq!(hashes(Int64Array::from(vec![-5, 7])), hashes(Int16Array::from(vec![-5, 7])));
    assert_eq!(hashes(NullArray::new(1)), [NULL]);

    let texts = vec![Some("b"), None, Some("a text of more than twelve bytes"), Some("b")];
    let dictionary: DictionaryArray<Int32Type> = texts.clone().into_iter().collect();
    let expected = hashes(StringArray::from(texts.clone()));
    assert_eq!(hashes(LargeStringArray::from(texts.clone())), expected);
    assert_eq!(hashes(StringViewArray::from(texts.clone())), expected);
    assert_eq!(hashes(dictionary), expected);
    let bytes: Vec<Option<&[u8]>> = texts.iter().map(|text| text.map(str::as_bytes)).collect();
    assert_eq!(hashes(BinaryArray::from(bytes)), expected);

    let decimal = |n: i128| Decimal128Array::from(vec![n]);
    let wide = |n: i128| Decimal256Array::from(vec![i256::from_i128(n)]);
    for n in [0, -1, i128::MAX, i128::MIN] {
        assert_eq!(hashes(decimal(n)), hashes(wide(n)));
    }
}

#[test]
fn slices_hash_as_what_they_show() {
    let lists = [Some(vec![Some(9)]), Some(vec![Some(1), None]), None, Some(vec![Some(2)])];
    let all: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists.clone()));
    assert_eq!(hash_rows(&[all.slice(1, 3)]), hash_rows(&[all])[1..]);
    let fixed: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
        [Some(vec![Some(1), Some(2)]), None, Some(vec![Some(3), None])],
        2,
    ));
    assert_eq!(hash_rows(&[fixed.slice(1, 2)]), hash_rows(&[fixed])[1..]);
    let structs: ArrayRef = Arc::new(int_and_text(
        vec![1, 2, 3],
        vec!["a", "b", "c"],
        Some(vec![true, false, true].into()),
    ));
    assert_eq!(hash_rows(&[structs.slice(1, 2)]), hash_rows(&[structs])[1..]);
}

#[test]
fn values_and_places_that_differ_hash_differently() {
    let texts = hashes(StringArray::from(vec![Some(""), None, Some("0"), Some("a"), Some("aa")]));
    let lists = [Some(vec![]), None, Some(vec![None]), Some(vec![Some(0)]), Some(vec![None, None])];
    let lists = hashes(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
    for mut hashes in [texts, lists] {
        let n = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), n);
    }
    let (one, two): (ArrayRef, ArrayRef) =
        (Arc::new(Int32Array::from(vec![1])), Arc::new(Int32Array::from(vec![2])));
    assert_ne!(hash_rows(&[Arc::clone(&one), Arc::clone(&two)]), hash_rows(&[two, one]));
}

#[test]
fn counting_numbers_spread_over_the_shards() {
    let mut counts = vec![0_u32; usize::from(SHARDS)];
    for hash in hashes(Int64Array::from_iter_values(0..100 * i64::from(SHARDS))) {
        counts[usize::from(shard(hash))] += 1;
    }
    assert!(counts.iter().all(|count| (50..150).contains(count)));
    assert_eq!(shard(u64::MAX), SHARDS - 1);
    assert_eq!(shard(1 << 54), 1);
}
