//! The Arrow types that only plans put out.

use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::*;
use bytes::BytesMut;
use weir_delta::schema;
use weir_types::SqlType;

use crate::value::{FormatSettings, ValueEncoder, display};

/// The texts of all values of an array, by the type that its field tells.
fn texts(array: &dyn Array) -> Vec<String> {
    let sql_type = schema::sql_type(&Field::new("c", array.data_type().clone(), true));
    (0..array.len()).map(|row| display(array, row, &sql_type)).collect()
}

fn binary(array: &dyn Array, row: usize) -> Result<Vec<u8>, String> {
    let sql_type = schema::sql_type(&Field::new("c", array.data_type().clone(), true));
    let settings = FormatSettings::default();
    let encoder = ValueEncoder::new(array, &sql_type, &settings).expect("an encoder");
    let mut out = BytesMut::new();
    encoder
        .write_binary(row, &mut out)
        .map(|()| out.to_vec())
        .map_err(|error| format!("{} {}", error.state().code(), error.message()))
}

#[test]
fn integers_of_every_width() {
    assert_eq!(texts(&Int8Array::from(vec![Some(-128), None])), ["-128", "NULL"]);
    assert_eq!(binary(&Int8Array::from(vec![-2]), 0), Ok(vec![0xFF, 0xFE]));
    assert_eq!(binary(&UInt8Array::from(vec![255]), 0), Ok(vec![0, 255]));
    assert_eq!(binary(&UInt16Array::from(vec![65_535]), 0), Ok(vec![0, 0, 255, 255]));
    assert_eq!(binary(&UInt32Array::from(vec![1]), 0), Ok(vec![0, 0, 0, 0, 0, 0, 0, 1]));
    assert_eq!(texts(&UInt64Array::from(vec![u64::MAX])), ["18446744073709551615"]);
    assert_eq!(binary(&UInt64Array::from(vec![10_000]), 0), Ok(vec![0, 1, 0, 1, 0, 0, 0, 0, 0, 1]));
}

#[test]
fn values_outside_the_declared_type_are_errors() {
    let settings = FormatSettings::default();
    let wide = Int64Array::from(vec![Some(1 << 40), None]);
    let error = ValueEncoder::new(&wide, &SqlType::Int4, &settings).err().expect("too wide");
    assert_eq!(error.message(), "value \"1099511627776\" is out of range for type integer");
    assert_eq!(error.state().code(), "22003");
    let error = ValueEncoder::new(&wide, &SqlType::Oid, &settings).err().expect("too wide");
    assert_eq!(error.state().code(), "22003");
    let error = ValueEncoder::new(&wide, &SqlType::Text, &settings).err().expect("no text");
    assert_eq!(error.state().code(), "0A000");
    assert_eq!(
        display(&Date32Array::from(vec![i32::MIN]), 0, &SqlType::Date),
        "<date out of range>"
    );
    let early = TimestampMicrosecondArray::from(vec![i64::MIN]);
    assert_eq!(display(&early, 0, &SqlType::Timestamp), "<timestamp out of range>");
    assert_eq!(binary(&early, 0), Err("22008 timestamp out of range".to_owned()));
    let late = TimestampSecondArray::from(vec![i64::MAX]);
    assert_eq!(display(&late, 0, &SqlType::Timestamp), "<timestamp out of range>");
    let time = Time64MicrosecondArray::from(vec![-1]);
    assert_eq!(display(&time, 0, &SqlType::Time), "<time out of range>");
}

#[test]
fn floats_and_decimals_of_every_width() {
    let half = Float16Array::from_iter_values([1.5, -0.0].map(half_from));
    assert_eq!(texts(&half), ["1.5", "-0"]);
    let small = Decimal32Array::from(vec![12_345]).with_precision_and_scale(9, 2).expect("valid");
    assert_eq!(texts(&small), ["123.45"]);
    let middle = Decimal64Array::from(vec![-5]).with_precision_and_scale(18, 3).expect("valid");
    assert_eq!(texts(&middle), ["-0.005"]);
    let wide = Decimal256Array::from(vec![i256::from_i128(i128::MAX)])
        .with_precision_and_scale(76, 4)
        .expect("valid");
    assert_eq!(texts(&wide), ["17014118346046923173168730371588410.5727"]);
    let negative = Decimal128Array::from(vec![12]).with_precision_and_scale(5, -2).expect("valid");
    assert_eq!(texts(&negative), ["1200"]);
    let free = Decimal128Array::from(vec![15_000_000_000, 0, -10_000_000_000])
        .with_precision_and_scale(38, 10)
        .expect("valid");
    let shown: Vec<_> = (0..3).map(|row| display(&free, row, &SqlType::Numeric(None))).collect();
    assert_eq!(shown, ["1.5", "0", "-1"]);
}

/// A half float; arrow does not give its type a name of its own.
fn half_from(value: f32) -> <Float16Type as ArrowPrimitiveType>::Native {
    <Float16Type as ArrowPrimitiveType>::Native::from_f32(value)
}

#[test]
fn text_and_bytes_of_every_type() {
    assert_eq!(texts(&StringArray::from(vec!["a"])), ["a"]);
    assert_eq!(texts(&LargeStringArray::from(vec!["a"])), ["a"]);
    assert_eq!(texts(&StringViewArray::from(vec!["a text of more than 12 bytes"])).len(), 1);
    assert_eq!(texts(&LargeBinaryArray::from_vec(vec![b"\x01"])), ["\\x01"]);
    assert_eq!(texts(&BinaryViewArray::from_iter_values([b"\x01"])), ["\\x01"]);
    let fixed = FixedSizeBinaryArray::try_from_iter([[7_u8; 16]].into_iter()).expect("one size");
    assert_eq!(texts(&fixed), ["\\x07070707070707070707070707070707"]);
    assert_eq!(display(&fixed, 0, &SqlType::Uuid), "07070707-0707-0707-0707-070707070707");
    assert_eq!(texts(&NullArray::new(1)), ["NULL"]);
    let dictionary: DictionaryArray<Int8Type> =
        vec![Some("x"), None, Some("y"), Some("x")].into_iter().collect();
    assert_eq!(texts(&dictionary), ["x", "NULL", "y", "x"]);
    let null_value = DictionaryArray::<Int8Type>::new(
        Int8Array::from(vec![0, 1]),
        Arc::new(StringArray::from(vec![Some("x"), None])),
    );
    assert_eq!(texts(&null_value), ["x", "NULL"]);
    let empty = DictionaryArray::<Int8Type>::new(
        Int8Array::from(vec![None, None]),
        Arc::new(StringArray::from(Vec::<&str>::new())),
    );
    assert_eq!(texts(&empty), ["NULL", "NULL"]);
    let runs: RunArray<Int32Type> =
        vec![Some("x"), Some("x"), None, Some("y")].into_iter().collect();
    assert_eq!(texts(&runs), ["x", "x", "NULL", "y"]);
    assert_eq!(texts(&runs.slice(1, 3)), ["x", "NULL", "y"]);
}

#[test]
fn times_of_every_unit() {
    assert_eq!(texts(&Date64Array::from(vec![-1])), ["1969-12-31 23:59:59.999"]);
    assert_eq!(display(&Date64Array::from(vec![-1]), 0, &SqlType::Date), "1969-12-31");
    assert_eq!(texts(&TimestampSecondArray::from(vec![1])), ["1970-01-01 00:00:01"]);
    assert_eq!(texts(&TimestampMillisecondArray::from(vec![-1])), ["1969-12-31 23:59:59.999"]);
    assert_eq!(texts(&TimestampNanosecondArray::from(vec![-1])), ["1969-12-31 23:59:59.999999"]);
    let zoned = TimestampNanosecondArray::from(vec![1_500]).with_timezone("+02:00");
    assert_eq!(texts(&zoned), ["1970-01-01 00:00:00.000001+00"]);
    assert_eq!(texts(&Time32SecondArray::from(vec![86_399])), ["23:59:59"]);
    assert_eq!(texts(&Time32MillisecondArray::from(vec![1])), ["00:00:00.001"]);
    assert_eq!(texts(&Time64NanosecondArray::from(vec![1_999])), ["00:00:00.000001"]);
    assert_eq!(texts(&IntervalYearMonthArray::from(vec![-14])), ["-1 years -2 mons"]);
    let day_time = IntervalDayTimeArray::from(vec![IntervalDayTime::new(1, -500)]);
    assert_eq!(texts(&day_time), ["1 day -00:00:00.5"]);
    assert_eq!(texts(&DurationSecondArray::from(vec![90])), ["00:01:30"]);
    assert_eq!(texts(&DurationMillisecondArray::from(vec![-1])), ["-00:00:00.001"]);
    assert_eq!(texts(&DurationMicrosecondArray::from(vec![1])), ["00:00:00.000001"]);
    assert_eq!(texts(&DurationNanosecondArray::from(vec![1_000])), ["00:00:00.000001"]);
    let long = DurationSecondArray::from(vec![i64::MAX]);
    assert_eq!(texts(&long), ["<interval out of range>"]);
}

#[test]
fn lists_of_every_kind() {
    let values = vec![Some(vec![Some(1), None]), None, Some(vec![])];
    let small = ListArray::from_iter_primitive::<Int32Type, _, _>(values.clone());
    let large = LargeListArray::from_iter_primitive::<Int32Type, _, _>(values);
    assert_eq!(texts(&small), ["{1,NULL}", "NULL", "{}"]);
    assert_eq!(texts(&large), ["{1,NULL}", "NULL", "{}"]);
    assert_eq!(texts(&small.slice(2, 1)), ["{}"]);
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
        [Some(vec![Some(1), Some(2)]), None, Some(vec![Some(3), None])],
        2,
    );
    assert_eq!(texts(&fixed), ["{1,2}", "NULL", "{3,NULL}"]);
    assert_eq!(texts(&fixed.slice(2, 1)), ["{3,NULL}"]);
    assert_eq!(texts(&ListViewArray::from(small.clone())), ["{1,NULL}", "NULL", "{}"]);
    assert_eq!(texts(&LargeListViewArray::from(large)), ["{1,NULL}", "NULL", "{}"]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("a b");
    map.values().append_value(1);
    map.append(true).expect("a key for each value");
    assert_eq!(texts(&map.finish()), ["{\"(\\\"a b\\\",1)\"}"]);
}

/// A list of lists of the given lengths, counting from 1.
fn nested(lengths: &[usize]) -> ListArray {
    let n = lengths.iter().sum::<usize>() as i32;
    let item = |data_type: &DataType| Arc::new(Field::new_list_field(data_type.clone(), true));
    let inner = ListArray::new(
        item(&DataType::Int32),
        OffsetBuffer::from_lengths(lengths.iter().copied()),
        Arc::new(Int32Array::from_iter_values(1..=n)),
        None,
    );
    ListArray::new(
        item(inner.data_type()),
        OffsetBuffer::from_lengths([lengths.len()]),
        Arc::new(inner),
        None,
    )
}

#[test]
fn lists_of_lists_are_arrays_of_two_dimensions() {
    let square = nested(&[2, 2]);
    assert_eq!(texts(&square), ["{{1,2},{3,4}}"]);
    let expected = "000000020000000000000017000000020000000100000002000000010000000400000001\
                    000000040000000200000004000000030000000400000004";
    let found = binary(&square, 0).expect("a rectangle");
    assert_eq!(found.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), expected);
    let ragged = nested(&[1, 2]);
    assert_eq!(texts(&ragged), ["{{1},{2,3}}"]);
    assert!(binary(&ragged, 0).expect_err("no rectangle").starts_with("0A000 "));
}

#[test]
fn structs_are_records() {
    let record = StructArray::from(vec![
        (
            Arc::new(Field::new("a", DataType::Int32, true)),
            Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("b", DataType::Utf8, true)),
            Arc::new(StringArray::from(vec!["x\"\\ ,", ""])) as ArrayRef,
        ),
    ]);
    assert_eq!(texts(&record), ["(1,\"x\"\"\\\\ ,\")", "(,\"\")"]);
    assert_eq!(texts(&record.slice(1, 1)), ["(,\"\")"]);
    let expected = [0, 0, 0, 2, 0, 0, 0, 23, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 25, 0, 0, 0, 0];
    assert_eq!(binary(&record, 1), Ok(expected.to_vec()));
}
