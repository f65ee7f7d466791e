use arrow::array::{Int32Array, StringViewArray};
use arrow::util::display::array_value_to_string;

use super::*;

/// `string_agg(text, delimiter ORDER BY key)`.
fn call(is_distinct: bool) -> Call {
    Call {
        form: Form::Text,
        to: DataType::Utf8View,
        types: vec![DataType::Utf8View, DataType::Utf8View, DataType::Int32],
        n_arguments: 2,
        order: vec![SortOptions { descending: true, nulls_first: false }],
        is_distinct,
        skips_null: false,
    }
}

/// Rows of a text, a delimiter and a key.
fn columns(rows: &[(Option<&str>, &str, i32)]) -> Vec<ArrayRef> {
    let texts: StringViewArray = rows.iter().map(|row| row.0).collect();
    let delimiters: StringViewArray = rows.iter().map(|row| Some(row.1)).collect();
    let keys: Int32Array = rows.iter().map(|row| Some(row.2)).collect();
    vec![Arc::new(texts), Arc::new(delimiters), Arc::new(keys)]
}

const ROWS: [(Option<&str>, &str, i32); 6] = [
    (Some("a"), "-", 1),
    (Some("b of more than 12 bytes"), "+", 3),
    (None, "*", 9),
    (Some("c"), "/", 2),
    (Some("a"), "-", 1),
    (Some("d"), ":", 4),
];
const GROUPS: [usize; 6] = [0, 0, 1, 0, 0, 2];

fn texts(array: &ArrayRef) -> Vec<Option<String>> {
    let text = |row| array_value_to_string(array, row).expect("a text has a text");
    (0..array.len()).map(|row| array.is_valid(row).then(|| text(row))).collect()
}

fn all(is_distinct: bool) -> Collected {
    let mut collected = Collected::new(call(is_distinct), 0);
    let (first, last) = (columns(&ROWS[..2]), columns(&ROWS[2..]));
    collected.update_batch(&first, &GROUPS[..2], None, 1).expect("rows are taken");
    collected.update_batch(&last, &GROUPS[2..], None, 3).expect("rows are taken");
    collected
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn groups_are_put_together_in_their_order() {
    let found = all(false).evaluate(EmitTo::All).expect("there is a result");
    assert_eq!(texts(&found), [some("b of more than 12 bytes/c-a-a"), None, some("d")]);
    let found = all(true).evaluate(EmitTo::All).expect("there is a result");
    assert_eq!(texts(&found), [some("b of more than 12 bytes/c-a"), None, some("d")]);
}

#[test]
fn groups_that_are_not_emitted_stay() {
    let mut collected = all(false);
    let found = collected.evaluate(EmitTo::First(1)).expect("there is a result");
    assert_eq!(texts(&found), [some("b of more than 12 bytes/c-a-a")]);
    let more = columns(&[(Some("e"), "=", 5), (Some("f"), "=", 0)]);
    collected.update_batch(&more, &[1, 2], None, 3).expect("rows are taken");
    let found = collected.evaluate(EmitTo::All).expect("there is a result");
    assert_eq!(texts(&found), [None, some("e:d"), some("f")]);
    assert_eq!(collected.n_bytes, 0);
}

#[test]
fn partial_rows_are_merged() {
    let chosen = BooleanArray::from(vec![true, true, true, true, false, true]);
    let plain = Collected::new(call(false), 0);
    let of_rows = plain.convert_to_state(&columns(&ROWS), Some(&chosen)).expect("rows have states");
    let of_groups = all(false).state(EmitTo::All).expect("groups have states");
    let mut merged = Collected::new(call(false), 0);
    merged.merge_batch(&of_rows, &GROUPS, 3).expect("states are taken");
    merged.merge_batch(&of_groups, &[2, 1, 0], 3).expect("states are taken");
    let found = merged.evaluate(EmitTo::All).expect("there is a result");
    let last = "d+b of more than 12 bytes/c-a-a";
    assert_eq!(texts(&found), [some("d+b of more than 12 bytes/c-a"), None, some(last)]);
}

#[test]
fn rows_leave_a_frame_in_their_order() {
    let mut plain = call(false);
    plain.order.clear();
    plain.types.pop();
    let mut frame = OneGroup { rows: Collected::new(plain, 1) };
    let rows = |from: usize, to: usize| columns(&ROWS[from..to])[..2].to_vec();
    frame.update_batch(&rows(0, 4)).expect("rows are taken");
    frame.retract_batch(&rows(0, 1)).expect("rows go");
    let found = frame.evaluate().expect("there is a result");
    assert_eq!(found, ScalarValue::Utf8View(some("b of more than 12 bytes/c")));
    frame.update_batch(&rows(5, 6)).expect("rows are taken");
    frame.retract_batch(&rows(1, 4)).expect("rows go");
    assert_eq!(frame.evaluate().expect("there is a result"), ScalarValue::Utf8View(some("d")));
}
