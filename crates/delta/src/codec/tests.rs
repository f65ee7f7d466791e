use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, Date32Array,
    Decimal128Array, Decimal256Array, FixedSizeBinaryArray, FixedSizeListArray, Float64Array,
    Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, LargeListArray,
    LargeStringArray, ListArray, ListBuilder, NullArray, RecordBatch, StringArray, StringViewArray,
    StringViewBuilder, StructArray, TimestampMicrosecondArray, UnionArray, new_null_array,
};
use arrow::buffer::Buffer;
use arrow::datatypes::{
    DataType, Field, Int32Type, Int64Type, IntervalMonthDayNano, Schema, UnionFields, i256,
};
use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use weir_types::{ColumnId, Result, SqlState};

use super::{Decoder, ROWS_MAX};
use crate::rows;

const LONG: &str = "a text of more than twelve bytes";

fn encode(rows: &RecordBatch, ids: &[ColumnId], weights: Option<&[i8]>) -> Result<Vec<u8>> {
    super::encode(rows, ids, weights).map(|encoded| encoded.bytes)
}

fn batch_of(columns: Vec<ArrayRef>) -> RecordBatch {
    let n_rows = columns.first().map_or(0, |column| column.len());
    let fields: Vec<Field> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| Field::new(format!("c{at}"), column.data_type().clone(), true))
        .collect();
    rows::batch(Arc::new(Schema::new(fields)), columns, n_rows).expect("a batch")
}

fn ids(batch: &RecordBatch) -> Vec<ColumnId> {
    (0..batch.num_columns() as u32).map(|at| ColumnId(at * 100)).collect()
}

/// Five rows of every type that is stored.
fn all_types() -> RecordBatch {
    let texts = vec![Some("a"), None, Some(LONG), Some(""), Some("twelve bytes")];
    let bytes: Vec<Option<&[u8]>> = texts.iter().map(|text| text.map(str::as_bytes)).collect();
    let numbers = vec![Some(1), None, Some(-3), Some(i64::MAX), Some(0)];
    let lists = || {
        [Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(2)]), Some(vec![None, None])]
    };
    let mut text_lists = ListBuilder::new(StringViewBuilder::new());
    for text in &texts {
        text_lists.values().append_option(*text);
        text_lists.values().append_value(LONG);
        text_lists.append(text.is_some());
    }
    let months = IntervalMonthDayNano::new(1, 2, 3);
    let fixed = (0..5_u8).map(|n| (n != 1).then_some([n; 3]));
    let decimals = Decimal128Array::from(vec![Some(1 << 100), None, Some(-1), Some(0), Some(7)]);
    let decimals = decimals.with_precision_and_scale(38, 10).expect("a valid precision");
    let structs = StructArray::new(
        vec![Field::new("n", DataType::Int64, true), Field::new("t", DataType::Utf8View, true)]
            .into(),
        vec![
            Arc::new(Int64Array::from(numbers.clone())),
            Arc::new(StringViewArray::from(texts.clone())),
        ],
        Some(vec![true, true, false, true, true].into()),
    );
    let columns: Vec<ArrayRef> = vec![
        Arc::new(NullArray::new(5)),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true), None])),
        Arc::new(Int16Array::from(vec![1, 2, 3, 4, 5])),
        Arc::new(Int32Array::from(vec![None, Some(2), None, None, Some(5)])),
        Arc::new(Int64Array::from(numbers)),
        Arc::new(Float64Array::from(vec![0.0, -0.0, 1.5, f64::INFINITY, 2.0])),
        Arc::new(decimals),
        Arc::new(Decimal256Array::from(vec![Some(i256::MAX), None, Some(i256::MIN), None, None])),
        Arc::new(Date32Array::from(vec![1, 2, 3, 4, 5])),
        Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3, 4, 5]).with_timezone("UTC")),
        Arc::new(IntervalMonthDayNanoArray::from(vec![Some(months), None, None, None, None])),
        Arc::new(
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed, 3).expect("of size 3"),
        ),
        Arc::new(StringArray::from(texts.clone())),
        Arc::new(LargeStringArray::from(texts.clone())),
        Arc::new(BinaryArray::from(bytes.clone())),
        Arc::new(StringViewArray::from(texts)),
        Arc::new(BinaryViewArray::from(bytes)),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists())),
        Arc::new(LargeListArray::from_iter_primitive::<Int32Type, _, _>(lists())),
        Arc::new(text_lists.finish()),
        Arc::new(FixedSizeListArray::from_iter_primitive::<Int64Type, _, _>(
            (0..5).map(|n| (n != 3).then_some(vec![Some(n), None])),
            2,
        )),
        Arc::new(structs),
        Arc::new(Int64Array::from(vec![None, None, None, None, None])),
        Arc::new(StringViewArray::from(vec![None::<&str>; 5])),
    ];
    batch_of(columns)
}

fn decode(block: Bytes, like: &RecordBatch) -> RecordBatch {
    let decoder = Decoder::new(block).expect("a block");
    let columns = ids(like)
        .into_iter()
        .zip(like.columns())
        .map(|(id, column)| decoder.column(id, column.data_type()).expect("a column"))
        .collect();
    rows::batch(like.schema(), columns, decoder.n_rows()).expect("a batch")
}

#[test]
fn every_type_and_slice_reads_back() {
    let all = all_types();
    let all = rows::concat(&all.schema(), [&all; 4]).expect("a batch");
    for start in 0..=20 {
        for end in start..=20 {
            let slice = all.slice(start, end - start);
            let block = encode(&slice, &ids(&slice), None).expect("a block");
            assert_eq!(decode(Bytes::from(block), &slice), slice, "rows {start} to {end}");
        }
    }
}

#[test]
fn columns_and_weights_are_found_by_id() {
    let rows = batch_of(vec![
        Arc::new(Int64Array::from(vec![1, 2])),
        Arc::new(StringArray::from(vec!["a", "b"])),
    ]);
    let block = encode(&rows, &[ColumnId(70_000), ColumnId(3)], Some(&[1, -1])).expect("a block");
    let decoder = Decoder::new(Bytes::from(block)).expect("a block");
    assert_eq!((decoder.n_rows(), decoder.weights()), (2, Some(vec![1, -1])));
    assert!(decoder.has(ColumnId(70_000)) && decoder.has(ColumnId(3)) && !decoder.has(ColumnId(4)));
    let text = decoder.column(ColumnId(3), &DataType::Utf8).expect("a column");
    assert_eq!(&text, rows.column(1));
    let missing = decoder.column(ColumnId(4), &DataType::Utf8).expect_err("no such column");
    assert_eq!(missing.state(), SqlState::InternalError);
    for (id, other) in [(3, DataType::Int64), (70_000, DataType::FixedSizeBinary(8))] {
        let wrong = decoder.column(ColumnId(id), &other).expect_err("another type");
        assert_eq!(wrong.state(), SqlState::DataCorrupted);
    }
    let plain = Decoder::new(Bytes::from(encode(&rows, &ids(&rows), None).expect("a block")));
    assert_eq!(plain.expect("a block").weights(), None);
}

#[test]
fn columns_are_read_without_the_bytes_of_others() {
    let all = all_types();
    let all = rows::concat(&all.schema(), [&all; 4]).expect("a batch");
    let block = Bytes::from(encode(&all, &ids(&all), Some(&[1; 20])).expect("a block"));
    let columns = Decoder::new(block.clone()).expect("a block").places();
    let begin = 21;
    let end = columns.iter().map(|(_, range)| range.end).max().expect("a column");
    let ends = || [(0, block.slice(..begin)), (end, block.slice(end..))];
    for (column_idx, (column, (id, range))) in all.columns().iter().zip(&columns).enumerate() {
        let begin = range.start - range.start % 16;
        let read = placed(&block[begin..range.end], 0);
        let addresses = read.as_ptr_range();
        let pieces = ends().into_iter().chain([(begin, read)]);
        let decoder = Decoder::of_pieces(block.len(), pieces).expect("a block");
        let array = decoder.column(*id, column.data_type()).expect("a column");
        assert_eq!(&array, column, "column {id}");
        // Decimals and views are read in place.
        let values = array.to_data().buffers().first().map(|buffer| buffer.as_ptr());
        assert!(![6, 15].contains(&column_idx) || addresses.contains(&values.expect("values")));
        assert_eq!((decoder.n_rows(), decoder.weights()), (20, Some(vec![1; 20])));
        for (other, (other_id, other_range)) in all.columns().iter().zip(&columns) {
            assert!(decoder.has(*other_id));
            // A short one may lie in the bytes before.
            let is_read = begin <= other_range.start && other_range.end <= range.end;
            if !is_read && !other_range.is_empty() {
                let error = decoder.column(*other_id, other.data_type()).expect_err("not read");
                assert_eq!(error.state(), SqlState::InternalError);
            }
        }
    }
    // What belongs to no column is needed for all.
    let [head, tail] = ends();
    for pieces in [vec![head.clone()], vec![tail.clone()], vec![(0, block.slice(..5)), tail]] {
        let error = Decoder::of_pieces(block.len(), pieces).expect_err("more than columns");
        assert_eq!(error.state(), SqlState::DataCorrupted);
    }
}

#[test]
fn large_columns_are_told_with_their_places() {
    let n_rows = 2_100_usize;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter_values(0..n_rows as i32)),
        Arc::new(Int64Array::from_iter_values(0..n_rows as i64)),
        Arc::new(BooleanArray::from_iter((0..n_rows).map(|n| Some(n % 3 == 0)))),
        new_null_array(&DataType::Int64, n_rows),
        Arc::new(StringViewArray::from_iter_values((0..n_rows).map(|n| format!("{LONG} {n}")))),
    ];
    let all = batch_of(columns);
    let encoded = super::encode(&all, &ids(&all), None).expect("a block");
    let large: Vec<u32> = encoded.columns.iter().map(|(id, _)| id.0).collect();
    assert_eq!(large, [100, 400], "8 bytes a row are more than 16 KiB, 4 are less");
    let decoder = Decoder::new(Bytes::from(encoded.bytes)).expect("a block");
    assert!(encoded.columns.iter().all(|column| decoder.places().contains(column)));
}

#[test]
fn rows_without_columns_keep_their_count() {
    let rows = rows::batch(Arc::new(Schema::empty()), Vec::new(), 7).expect("a batch");
    let block = encode(&rows, &[], Some(&[-1; 7])).expect("a block");
    let decoder = Decoder::new(Bytes::from(block)).expect("a block");
    assert_eq!((decoder.n_rows(), decoder.weights()), (7, Some(vec![-1; 7])));
}

#[test]
fn a_small_block_costs_little_more_than_its_data() {
    let numbers: Vec<ArrayRef> =
        (0..10).map(|n| Arc::new(Int64Array::from(vec![n])) as ArrayRef).collect();
    let block = encode(&batch_of(numbers), &(0..10).map(ColumnId).collect::<Vec<_>>(), None);
    assert!(block.expect("a block").len() <= 80 + 40);
    let nulls: Vec<ArrayRef> = (0..10).map(|_| new_null_array(&DataType::Utf8View, 1)).collect();
    let nulls = batch_of(nulls);
    assert!(encode(&nulls, &ids(&nulls), None).expect("a block").len() <= 50);
}

#[test]
fn only_used_bytes_are_stored() {
    let views: ArrayRef =
        Arc::new(StringViewArray::from_iter_values((0..1000).map(|n| format!("{LONG} {n}"))));
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    for n in 0..1000 {
        lists.values().append_value(format!("{LONG} {n}"));
        lists.append(true);
    }
    let all = batch_of(vec![views, Arc::new(lists.finish())]);
    let slice = all.slice(500, 2);
    let block = encode(&slice, &ids(&slice), None).expect("a block");
    assert!(block.len() < 400, "{} bytes", block.len());
    assert_eq!(decode(Bytes::from(block), &slice), slice);
}

struct Aligned(Buffer);

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The block at the distance `shift` from a multiple of 64.
fn placed(block: &[u8], shift: usize) -> Bytes {
    let padded = [vec![0; shift].as_slice(), block].concat();
    Bytes::from_owner(Aligned(Buffer::from_slice_ref(&padded))).slice(shift..)
}

#[test]
fn an_aligned_block_is_read_without_a_copy_and_another_one_all_the_same() {
    let all = all_types();
    let all = rows::concat(&all.schema(), [&all; 4]).expect("a batch");
    let block = encode(&all, &ids(&all), Some(&[1; 20])).expect("a block");
    for shift in [0, 1, 7, 8, 16] {
        let bytes = placed(&block, shift);
        let range = bytes.as_ptr_range();
        let read = decode(bytes.clone(), &all);
        assert_eq!(read, all, "shift {shift}");
        let is_shared = |start: *const u8| range.contains(&start) == (shift.is_multiple_of(16));
        let decimals = read.column(6).to_data();
        assert!(is_shared(decimals.buffers()[0].as_ptr()), "shift {shift}");
        let views = read.column(15).as_string_view();
        assert!(is_shared(views.views().inner().as_ptr()), "shift {shift}");
        assert!(range.contains(&views.data_buffers()[0].as_ptr()), "shift {shift}");
    }
}

#[test]
fn same_rows_give_the_same_bytes() {
    let all = all_types();
    let slice = all.slice(1, 3);
    let block = encode(&slice, &ids(&slice), None).expect("a block");
    let read = decode(Bytes::from(block.clone()), &slice);
    assert_eq!(encode(&read, &ids(&read), None).expect("a block"), block);
    let bits: ArrayRef = Arc::new(BooleanArray::from(vec![true; 8]));
    let cut = batch_of(vec![bits.slice(0, 3)]);
    let whole = batch_of(vec![Arc::new(BooleanArray::from(vec![true; 3]))]);
    let block = |rows: &RecordBatch| encode(rows, &[ColumnId(0)], None).expect("a block");
    assert_eq!(block(&cut), block(&whole));
}

/// Reads all that the bytes hold; damage is an error of that state, never a panic.
fn read_damaged(bytes: Vec<u8>, like: &RecordBatch) -> bool {
    let decoder = match Decoder::new(Bytes::from(bytes)) {
        Ok(decoder) => decoder,
        Err(error) => {
            assert_eq!(error.state(), SqlState::DataCorrupted);
            return false;
        }
    };
    let mut is_whole = true;
    for (id, column) in ids(like).into_iter().zip(like.columns()) {
        if !decoder.has(id) {
            continue;
        }
        match decoder.column(id, column.data_type()) {
            Ok(array) => {
                assert_eq!(array.len(), decoder.n_rows());
                assert_eq!(crate::hash::hash_rows(&[array]).len(), decoder.n_rows());
            }
            Err(error) => {
                assert_eq!(error.state(), SqlState::DataCorrupted);
                is_whole = false;
            }
        }
    }
    assert!(decoder.weights().is_none_or(|weights| weights.len() == decoder.n_rows()));
    is_whole
}

#[test]
fn damaged_bytes_are_errors() {
    let all = all_types();
    let block = encode(&all, &ids(&all), Some(&[1; 5])).expect("a block");
    assert!(read_damaged(block.clone(), &all));
    for length in 0..block.len() {
        assert!(!read_damaged(block[..length].to_vec(), &all), "cut to {length}");
    }
    let mut random = SmallRng::seed_from_u64(7);
    let mut n_found = 0;
    for _ in 0..20_000 {
        let mut damaged = block.clone();
        for _ in 0..random.random_range(1..4) {
            // The end of the block, where its directory is, gets half of the damage.
            let from = if random.random() { 0 } else { block.len() - 120 };
            let at = random.random_range(from..block.len());
            damaged[at] = random.random();
        }
        n_found += usize::from(!read_damaged(damaged, &all));
    }
    assert!(n_found > 5_000, "{n_found}");
}

/// A block of no columns with that many rows.
fn empty_block(n_rows: usize) -> Vec<u8> {
    let schema = Arc::new(Schema::empty());
    let rows = rows::batch(schema, Vec::new(), n_rows).expect("a batch");
    encode(&rows, &[], None).expect("a block")
}

#[test]
fn blocks_have_a_limit_of_rows() {
    let whole = empty_block(ROWS_MAX);
    assert_eq!(Decoder::new(Bytes::from(whole.clone())).expect("a block").n_rows(), ROWS_MAX);
    let over = whole.iter().enumerate().map(|(at, byte)| byte | u8::from(at == 1));
    let error = Decoder::new(Bytes::from(over.collect::<Vec<u8>>())).expect_err("too many rows");
    assert_eq!(error.state(), SqlState::DataCorrupted);
    let schema = Arc::new(Schema::empty());
    let rows = rows::batch(schema, Vec::new(), ROWS_MAX + 1).expect("a batch");
    let error = encode(&rows, &[], None).expect_err("too many rows");
    assert_eq!(error.state(), SqlState::ProgramLimitExceeded);
}

#[test]
fn a_column_that_is_there_twice_is_damage() {
    let rows =
        batch_of(vec![Arc::new(Int64Array::from(vec![1])), Arc::new(Int64Array::from(vec![1]))]);
    let block = encode(&rows, &[ColumnId(1), ColumnId(1)], None).expect("a block");
    let error = Decoder::new(Bytes::from(block)).expect_err("twice");
    assert_eq!(error.state(), SqlState::DataCorrupted);
}

#[test]
fn types_that_are_not_stored_are_refused() {
    let fields = UnionFields::try_new([0], [Field::new("n", DataType::Int64, true)]);
    let union = UnionArray::try_new(
        fields.expect("a field"),
        vec![0].into(),
        None,
        vec![Arc::new(Int64Array::from(vec![1]))],
    );
    let rows = batch_of(vec![Arc::new(union.expect("a union"))]);
    let error = encode(&rows, &[ColumnId(0)], None).expect_err("a union");
    assert_eq!(error.state(), SqlState::InternalError);
}
