//! What single calls do.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use weir_types::limits::BATCH_ROWS;
use weir_types::{Epoch, SqlState};

use crate::delta::{Delta, Weights};
use crate::rows;
use crate::segments::{ApplyError, ApplyErrorKind, Key, RowRef, Segments};

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::Int64, false),
        Field::new("text", DataType::Utf8View, true),
    ]))
}

fn batch(rows: &[(i64, &str)]) -> RecordBatch {
    let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| row.1)));
    rows::batch(schema(), vec![keys, texts], rows.len()).expect("a batch")
}

fn delta(changes: &[(i64, i64, &str)]) -> Delta {
    let rows: Vec<(i64, &str)> = changes.iter().map(|(_, key, text)| (*key, *text)).collect();
    Delta::new(batch(&rows), Weights::Mixed(changes.iter().map(|change| change.0).collect()))
}

fn keys(keys: &[i64]) -> Vec<ArrayRef> {
    vec![Arc::new(Int64Array::from(keys.to_vec()))]
}

fn unique() -> Segments {
    Segments::new(schema(), Key::Unique(vec![0]))
}

fn apply(store: &Segments, epoch: u64, changes: &[(i64, i64, &str)]) {
    store.apply(Epoch(epoch), &delta(changes)).expect("a valid delta");
}

fn refused(store: &Segments, changes: &[(i64, i64, &str)]) -> (ApplyErrorKind, usize) {
    let before = store.snapshot().changes(Epoch::ZERO, Epoch(u64::MAX - 1), None);
    let error = store.apply(Epoch(9), &delta(changes)).expect_err("an invalid delta");
    let after = store.snapshot().changes(Epoch::ZERO, Epoch(u64::MAX - 1), None);
    assert_eq!(before.expect("changes"), after.expect("changes"));
    (error.kind, error.row)
}

fn scan(store: &Segments, at: u64) -> Vec<(i64, String)> {
    let mut rows = Vec::new();
    for batch in store.snapshot().scan(Epoch(at), None) {
        let (keys, texts) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1));
        let texts = texts.as_string_view();
        rows.extend(
            (0..batch.num_rows()).map(|row| (keys.value(row), texts.value(row).to_owned())),
        );
    }
    rows
}

fn rows_of(rows: &[(i64, &str)]) -> Vec<(i64, String)> {
    rows.iter().map(|(key, text)| (*key, (*text).to_owned())).collect()
}

const LONG: &str = "a text of more than twelve bytes";

#[test]
fn readers_see_the_rows_of_their_epoch() {
    let store = unique();
    apply(&store, 1, &[(1, 10, "a"), (1, 20, LONG)]);
    apply(&store, 3, &[(-1, 10, "a"), (1, 10, "b"), (1, 30, "c")]);
    apply(&store, 5, &[(-1, 20, LONG)]);
    assert_eq!(scan(&store, 0), []);
    assert_eq!(scan(&store, 1), rows_of(&[(10, "a"), (20, LONG)]));
    assert_eq!(scan(&store, 2), rows_of(&[(10, "a"), (20, LONG)]));
    assert_eq!(scan(&store, 3), rows_of(&[(20, LONG), (10, "b"), (30, "c")]));
    assert_eq!(scan(&store, 5), rows_of(&[(10, "b"), (30, "c")]));
    let snapshot = store.snapshot();
    assert_eq!([0, 2, 4, 5].map(|at| snapshot.n_rows(Epoch(at))), [0, 2, 3, 2]);
    assert_eq!(store.n_live(), 2);
    assert!(store.n_bytes() > 0);
}

#[test]
fn changes_are_consolidated() {
    let store = unique();
    apply(&store, 1, &[(1, 10, "a"), (1, 20, "b")]);
    apply(&store, 2, &[(-1, 10, "a"), (1, 10, "x")]);
    apply(&store, 3, &[(-1, 10, "x"), (1, 10, "a"), (-1, 20, "b"), (1, 20, "c")]);
    let snapshot = store.snapshot();
    let changes = |after, upto| snapshot.changes(Epoch(after), Epoch(upto), None).expect("changes");
    assert_eq!(changes(1, 3), delta(&[(-1, 20, "b"), (1, 20, "c")]));
    assert_eq!(changes(1, 2), delta(&[(-1, 10, "a"), (1, 10, "x")]));
    assert_eq!(changes(0, 3), Delta::insertions(batch(&[(10, "a"), (20, "c")])));
    assert!(changes(3, 3).is_empty());
}

#[test]
fn changes_of_some_columns_are_those_that_show_in_them() {
    let store = unique();
    apply(&store, 1, &[(1, 10, "a"), (1, 20, "b"), (1, 30, "c")]);
    apply(&store, 2, &[(-1, 10, "a"), (1, 10, "x"), (-1, 20, "b")]);
    let snapshot = store.snapshot();
    let changes =
        |columns: &[usize]| snapshot.changes(Epoch(1), Epoch(2), Some(columns)).expect("changes");
    let keys = changes(&[0]);
    assert_eq!(keys.rows().num_columns(), 1);
    assert_eq!(keys.rows().column(0).as_primitive::<Int64Type>().values(), &[20]);
    assert_eq!(keys.weights().get(0), -1);
    let none = changes(&[]);
    assert_eq!(none.rows().num_columns(), 0);
    let total: i64 = (0..none.len()).map(|row| none.weights().get(row)).sum();
    assert_eq!(total, -1);
}

#[test]
fn epochs_are_those_of_all_changes_that_are_known() {
    let store = unique();
    apply(&store, 2, &[(1, 10, "a"), (1, 20, "b")]);
    apply(&store, 5, &[(-1, 10, "a"), (1, 10, "x")]);
    apply(&store, 9, &[(-1, 20, "b")]);
    assert_eq!(store.snapshot().epochs(), [Epoch(2), Epoch(5), Epoch(9)]);
    assert_eq!(unique().snapshot().epochs(), []);
}

#[test]
fn rows_that_come_and_go_within_an_epoch_are_never_seen() {
    let store = unique();
    apply(&store, 1, &[(1, 10, "a")]);
    apply(&store, 1, &[(-1, 10, "a"), (1, 10, "b")]);
    apply(&store, 1, &[(-1, 10, "b"), (1, 10, "c")]);
    assert_eq!(scan(&store, 1), rows_of(&[(10, "c")]));
    let changes = store.snapshot().changes(Epoch(0), Epoch(1), None).expect("changes");
    assert_eq!(changes, Delta::insertions(batch(&[(10, "c")])));
}

#[test]
fn deltas_that_do_not_fit_change_nothing() {
    use ApplyErrorKind::{DuplicateKey, MissingRow};
    let store = unique();
    apply(&store, 1, &[(1, 10, "a"), (1, 20, "b")]);
    assert_eq!(refused(&store, &[(1, 30, "c"), (-1, 40, "d")]), (MissingRow, 1));
    assert_eq!(refused(&store, &[(1, 30, "c"), (-1, 10, "b")]), (MissingRow, 1));
    assert_eq!(refused(&store, &[(-1, 10, "a"), (-1, 10, "a")]), (MissingRow, 1));
    assert_eq!(refused(&store, &[(-2, 10, "a")]), (MissingRow, 0));
    assert_eq!(refused(&store, &[(-1, 20, "b"), (1, 30, "c"), (1, 10, "x")]), (DuplicateKey, 2));
    assert_eq!(refused(&store, &[(1, 30, "c"), (1, 31, "c"), (1, 30, "d")]), (DuplicateKey, 2));
    assert_eq!(refused(&store, &[(2, 30, "c")]), (DuplicateKey, 0));
    let bag = Segments::new(schema(), Key::Bag);
    apply(&bag, 1, &[(2, 10, "a"), (1, 10, "b")]);
    assert_eq!(refused(&bag, &[(-1, 10, "c")]), (MissingRow, 0));
    assert_eq!(refused(&bag, &[(1, 10, "a"), (-2, 10, "a"), (-1, 10, "a")]), (MissingRow, 2));
    assert_eq!(refused(&bag, &[(-1, 10, "b"), (i64::MIN, 10, "a")]), (MissingRow, 1));
    apply(&bag, 10, &[(-1, 10, "a"), (-1, 10, "a"), (-1, 10, "b")]);
    assert_eq!(bag.n_live(), 0);
}

#[test]
fn deltas_of_another_schema_do_not_fit() {
    let store = unique();
    let text: ArrayRef = Arc::new(StringViewArray::from(vec!["a"]));
    let other = Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8View, true)]));
    let other = rows::batch(other, vec![Arc::clone(&text)], 1).expect("a batch");
    let nullable = Arc::new(Schema::new(vec![
        Field::new("key", DataType::Int64, true),
        Field::new("text", DataType::Utf8View, true),
    ]));
    let null: ArrayRef = Arc::new(Int64Array::from(vec![None]));
    let null = rows::batch(nullable, vec![null, text], 1).expect("a batch");
    for rows in [other, null] {
        let refused = store.apply(Epoch(1), &Delta::insertions(rows));
        assert_eq!(refused, Err(ApplyError { kind: ApplyErrorKind::Unfit, row: 0 }));
    }
}

#[test]
fn lookup_gather_and_created_go_by_the_live_version() {
    let store = unique();
    apply(&store, 1, &[(1, 10, "a"), (1, 20, LONG), (1, 30, "c")]);
    apply(&store, 2, &[(-1, 10, "a"), (1, 10, "b"), (-1, 30, "c")]);
    let found = store.lookup(&keys(&[30, 20, 10, 99]));
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true, false]);
    let refs: Vec<RowRef> = found.into_iter().flatten().collect();
    assert_eq!(store.gather(&refs).expect("rows"), batch(&[(20, LONG), (10, "b")]));
    let again = store.gather(&[refs[1], refs[0], refs[1]]).expect("rows");
    assert_eq!(again, batch(&[(10, "b"), (20, LONG), (10, "b")]));
    assert_eq!(store.gather(&[]).expect("rows").num_rows(), 0);
    let created: Vec<Epoch> =
        refs.iter().map(|row| store.created(*row).expect("a row that is held")).collect();
    assert_eq!(created, [Epoch(1), Epoch(2)]);
}

#[test]
fn row_references_outlive_merging_until_their_version_is_dropped() {
    let store = unique();
    apply(&store, 1, &[(1, 0, "first"), (1, 1, LONG)]);
    let refs: Vec<RowRef> = store.lookup(&keys(&[0, 1])).into_iter().flatten().collect();
    for key in 2..200 {
        apply(&store, key as u64, &[(1, key, "more")]);
    }
    apply(&store, 200, &[(-1, 0, "first")]);
    while store.compact(Epoch(199)) {}
    assert_eq!(store.gather(&refs).expect("rows"), batch(&[(0, "first"), (1, LONG)]));
    for key in 200..300 {
        apply(&store, key as u64 + 1, &[(1, key, "more")]);
    }
    while store.compact(Epoch(300)) {}
    for key in 300..1000 {
        apply(&store, key as u64 + 1, &[(1, key, "more")]);
    }
    assert_eq!(store.gather(&refs[1..]).expect("rows"), batch(&[(1, LONG)]));
    assert_eq!(store.gather(&refs).expect_err("dropped").state(), SqlState::InternalError);
    assert!(store.created(refs[0]).is_err());
}

#[test]
fn last_change_remembers_deletions_until_they_are_released() {
    let store = unique();
    apply(&store, 1, &[(1, 10, "a"), (1, 20, "b"), (1, 30, "c")]);
    apply(&store, 2, &[(-1, 10, "a")]);
    apply(&store, 3, &[(-1, 20, "b"), (1, 20, "x")]);
    apply(&store, 4, &[(-1, 30, "c")]);
    let change = || store.last_change(&keys(&[10, 20, 30, 99]));
    assert_eq!(change(), [Some(Epoch(2)), Some(Epoch(3)), Some(Epoch(4)), None]);
    while store.compact(Epoch(4)) {}
    assert_eq!(change(), [Some(Epoch(2)), Some(Epoch(3)), Some(Epoch(4)), None]);
    store.release(Epoch(3));
    assert_eq!(change(), [None, Some(Epoch(3)), Some(Epoch(4)), None]);
    apply(&store, 5, &[(1, 30, "d")]);
    apply(&store, 6, &[(-1, 30, "d")]);
    store.release(Epoch(5));
    assert_eq!(change()[2], Some(Epoch(6)));
    store.release(Epoch(6));
    assert_eq!(change(), [None, Some(Epoch(3)), None, None]);
}

#[test]
fn a_key_of_no_columns_is_one_row() {
    let store = Segments::new(schema(), Key::Unique(Vec::new()));
    apply(&store, 1, &[(1, 1, "a")]);
    assert_eq!(refused(&store, &[(1, 2, "b")]), (ApplyErrorKind::DuplicateKey, 0));
    apply(&store, 2, &[(-1, 1, "a"), (1, 2, "b")]);
    let found = store.lookup(&[])[0].expect("the row");
    assert_eq!(store.gather(&[found]).expect("a row"), batch(&[(2, "b")]));
    assert_eq!(store.last_change(&[]), [Some(Epoch(2))]);
}

#[test]
fn a_bag_holds_copies_and_is_indexed_when_needed() {
    let store = Segments::new(schema(), Key::Bag);
    apply(&store, 1, &[(3, 1, "a"), (1, 2, "b")]);
    apply(&store, 2, &[(2, 1, "a")]);
    assert_eq!(store.n_live(), 6);
    let bytes_without_index = store.n_bytes();
    assert!(store.lookup(batch(&[(2, "b")]).columns())[0].is_some());
    assert!(store.n_bytes() > bytes_without_index);
    apply(&store, 3, &[(-2, 1, "a"), (-1, 1, "a"), (1, 3, "c")]);
    assert_eq!(scan(&store, 2).len(), 6);
    let mut rows = scan(&store, 3);
    rows.sort();
    assert_eq!(rows, rows_of(&[(1, "a"), (1, "a"), (2, "b"), (3, "c")]));
    apply(&store, 4, &[(-2, 1, "a"), (5, 1, "a")]);
    assert_eq!(scan(&store, 4).len(), 7);
    let row = batch(&[(1, "a"), (9, "a")]);
    let found = store.lookup(row.columns());
    assert_eq!(store.gather(&[found[0].expect("a copy")]).expect("a row"), row.slice(0, 1));
    assert_eq!(found[1], None);
    let changes = store.snapshot().changes(Epoch(2), Epoch(3), None).expect("changes");
    assert_eq!(changes, delta(&[(-3, 1, "a"), (1, 3, "c")]));
}

#[test]
fn a_bag_without_columns_counts() {
    let rows = |n| rows::batch(Arc::new(Schema::empty()), Vec::new(), n).expect("a batch");
    let store = Segments::new(Arc::new(Schema::empty()), Key::Bag);
    store.apply(Epoch(1), &Delta::insertions(rows(3))).expect("a valid delta");
    store.apply(Epoch(2), &Delta::retractions(rows(2))).expect("a valid delta");
    let n_rows = |at| -> usize {
        store.snapshot().scan(Epoch(at), None).map(|batch| batch.num_rows()).sum()
    };
    assert_eq!([n_rows(1), n_rows(2)], [3, 1]);
}

#[test]
fn a_row_that_is_updated_all_the_time_does_not_fill_the_store() {
    let store = unique();
    apply(&store, 1, &[(1, 7, "0")]);
    let mut before = "0".to_owned();
    for n in 1..2_000_u64 {
        let after = n.to_string();
        apply(&store, n + 1, &[(-1, 7, &before), (1, 7, &after)]);
        before = after;
        if n % 10 == 0 {
            store.compact(Epoch(n));
            store.release(Epoch(n));
        }
    }
    assert_eq!(store.n_live(), 1);
    assert!(store.n_bytes() < 100_000, "{} bytes", store.n_bytes());
    assert_eq!(scan(&store, 2_000), rows_of(&[(7, "1999")]));
}

mod many_rows {
    use super::*;

    #[test]
    fn scans_give_batches_of_bounded_size_that_share_the_memory_of_the_store() {
        let store = unique();
        let n_rows = BATCH_ROWS as i64 * 20 + 5;
        let rows: Vec<(i64, &str)> = (0..n_rows).map(|key| (key, LONG)).collect();
        store.apply(Epoch(1), &Delta::insertions(batch(&rows))).expect("a valid delta");
        let scan = |at, projection: Option<&[usize]>| -> Vec<RecordBatch> {
            store.snapshot().scan(Epoch(at), projection).collect()
        };
        let all = scan(1, None);
        assert!(all.iter().all(|batch| (1..=BATCH_ROWS).contains(&batch.num_rows())));
        assert_eq!(all.iter().map(RecordBatch::num_rows).sum::<usize>(), n_rows as usize);
        let address =
            |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().values().as_ptr();
        assert_eq!(address(&all[1]), address(&scan(1, None)[1]));

        apply(&store, 2, &[(-1, 0, LONG)]);
        let later = scan(2, Some(&[0]));
        assert_eq!(later[0].num_columns(), 1);
        assert_eq!(later[0].num_rows(), BATCH_ROWS - 1);
        assert_eq!(address(&later[1]), address(&all[1]));
        assert_eq!(scan(1, Some(&[]))[0].num_rows(), BATCH_ROWS);
    }

    #[test]
    fn rows_taken_from_large_buffers_do_not_keep_them() {
        let store = unique();
        let rows: Vec<(i64, &str)> = (0..10_000).map(|key| (key, LONG)).collect();
        let rows = batch(&rows);
        for at in 0..10 {
            let row = Delta::insertions(rows.slice(at * 1000, 1));
            store.apply(Epoch(1), &row).expect("a valid delta");
        }
        let scanned: Vec<RecordBatch> = store.snapshot().scan(Epoch(1), None).collect();
        let held = |column: &ArrayRef| column.to_data().get_buffer_memory_size();
        let held: usize = scanned.iter().flat_map(RecordBatch::columns).map(held).sum();
        assert!(held < 10_000, "{held} bytes");
    }

    #[test]
    fn single_row_deltas_do_not_leave_many_segments() {
        let store = unique();
        for key in 0..5_000 {
            apply(&store, key as u64 + 1, &[(1, key, LONG)]);
            if key % 500 == 0 {
                let batches: Vec<RecordBatch> =
                    store.snapshot().scan(Epoch(key as u64 + 1), None).collect();
                assert!(batches.len() < 40);
                let n_buffers =
                    |batch: &RecordBatch| batch.column(1).as_string_view().data_buffers().len();
                assert!(batches.iter().all(|batch| n_buffers(batch) <= 4));
            }
        }
        assert_eq!(store.n_live(), 5_000);
    }

    #[test]
    fn compaction_rewrites_full_segments_that_are_mostly_dead() {
        let store = unique();
        let all: Vec<(i64, &str)> = (0..200_000).map(|key| (key, "t")).collect();
        store.apply(Epoch(1), &Delta::insertions(batch(&all))).expect("a valid delta");
        let gone: Vec<(i64, &str)> = all.iter().copied().filter(|(key, _)| key % 10 != 0).collect();
        store.apply(Epoch(2), &Delta::retractions(batch(&gone))).expect("a valid delta");
        let (before, bytes) = (store.snapshot(), store.n_bytes());
        assert!(!store.compact(Epoch(1)), "epoch 1 can still be read");
        store.release(Epoch(2));
        while store.compact(Epoch(2)) {}
        let kept: Vec<(i64, String)> = (0..20_000).map(|n| (n * 10, "t".to_owned())).collect();
        assert_eq!(scan(&store, 2), kept);
        assert!(store.n_bytes() * 2 < bytes, "{} of {bytes} bytes", store.n_bytes());
        assert_eq!(before.n_rows(Epoch(1)), 200_000);
        assert_eq!(before.n_rows(Epoch(2)), 20_000);
        let rest: Vec<(i64, &str)> = all.iter().copied().filter(|(key, _)| key % 10 == 0).collect();
        store.apply(Epoch(3), &Delta::retractions(batch(&rest))).expect("a valid delta");
        store.release(Epoch(3));
        while store.compact(Epoch(3)) {}
        assert_eq!(store.snapshot().scan(Epoch(3), None).count(), 0);
        assert!(store.n_bytes() < 50_000, "{} bytes", store.n_bytes());
        assert_eq!(before.n_rows(Epoch(1)), 200_000);
    }

    #[test]
    fn epochs_of_creation_are_forgotten_when_nobody_needs_them() {
        let store = unique();
        for key in 0..70 {
            let rows: Vec<(i64, &str)> = (0..1_000).map(|n| (key * 1_000 + n, "t")).collect();
            store
                .apply(Epoch(key as u64 + 1), &Delta::insertions(batch(&rows)))
                .expect("a valid delta");
        }
        let change = || store.last_change(&keys(&[0, 5_000]));
        while store.compact(Epoch(70)) {}
        assert_eq!(change(), [Some(Epoch(1)), Some(Epoch(6))]);
        let bytes = store.n_bytes();
        store.release(Epoch(70));
        while store.compact(Epoch(70)) {}
        assert!(store.n_bytes() + 32_768 * 8 <= bytes, "{} of {bytes}", store.n_bytes());
        assert!(change().iter().all(|epoch| *epoch <= Some(Epoch(70))));
        assert_eq!(store.snapshot().n_rows(Epoch(70)), 70_000);
    }
}
