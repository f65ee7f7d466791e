//! Answers of correlated queries, against PostgreSQL's on the same rows.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::decorrelate;

static CONTEXT: LazyLock<SessionContext> = LazyLock::new(|| {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    let table = |names: [&str; 2], a: Vec<Option<i32>>, b: Vec<Option<i32>>| {
        let fields = names.map(|name| Field::new(name, DataType::Int32, true)).to_vec();
        let columns: Vec<Arc<dyn Array>> =
            vec![Arc::new(Int32Array::from(a)), Arc::new(Int32Array::from(b))];
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns fit")
    };
    let t = table(
        ["a", "b"],
        vec![Some(1), Some(2), Some(2), None],
        vec![Some(10), Some(20), None, Some(30)],
    );
    let u = table(
        ["k", "v"],
        vec![Some(1), Some(2), Some(2), Some(3), None],
        vec![Some(100), Some(200), Some(250), Some(300), Some(400)],
    );
    context.register_batch("t", t).expect("a new name");
    context.register_batch("u", u).expect("a new name");
    context
});

async fn run(sql: &str) -> Result<Vec<String>> {
    let plan = CONTEXT.state().create_logical_plan(sql).await?;
    let plan = decorrelate(plan)?;
    let batches = CONTEXT.execute_logical_plan(plan).await?.collect().await?;
    let options = FormatOptions::default();
    let mut rows = Vec::new();
    for batch in &batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| {
                let text =
                    ArrayFormatter::try_new(column, &options).expect("every type has a text");
                if column.is_null(row) { String::new() } else { text.value(row).to_string() }
            });
            rows.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    Ok(rows)
}

fn answer(sql: &str) -> Result<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(run(sql))
}

#[track_caller]
fn check(sql: &str, expected: &[&str]) {
    match answer(sql) {
        Ok(rows) => assert_eq!(rows, expected, "{sql}"),
        Err(error) => panic!("{sql}: {error}"),
    }
}

#[test]
fn a_scalar_subquery_is_correlated_by_any_condition() {
    check(
        "select a, b, (select max(v) from u where u.k <> t.a) from t order by 1, 2, 3",
        &["1|10|300", "2|20|300", "2||300", "|30|"],
    );
    check(
        "select a, (select b2 from (select t.b as b2) s) from t order by 1, 2",
        &["1|10", "2|20", "2|", "|30"],
    );
}

#[test]
fn aggregates_over_no_rows_have_their_value() {
    check(
        "select a, (select count(*) from u where u.k = t.a) from t order by 1, 2",
        &["1|1", "2|2", "2|2", "|0"],
    );
    check(
        "select a, (select coalesce(sum(v), 0) from u where u.k = t.b) from t order by 1, 2",
        &["1|0", "2|0", "2|0", "|0"],
    );
    check("select a from t where (select count(*) from u where u.k = t.a) = 0 order by 1", &[""]);
    check("select sum((select count(*) from u where u.k = t.a)) from t", &["5"]);
}

#[test]
fn a_limit_counts_for_each_outer_row() {
    check(
        "select a, b, (select v from u where u.k < t.a order by v limit 1) from t order by 1, 2, 3",
        &["1|10|", "2|20|100", "2||100", "|30|"],
    );
    check(
        "select t.a, x.v from t, lateral (select v from u where u.k >= t.a order by v desc limit 1) x \
         order by 1, 2",
        &["1|300", "2|300", "2|300"],
    );
}

#[test]
fn exists_and_in_are_values() {
    check(
        "select a, exists(select 1 from u where u.k = t.a and v > 200) from t order by 1, 2",
        &["1|false", "2|true", "2|true", "|false"],
    );
    check(
        "select a, a in (select k from u), a not in (select k from u where k is not null) from t \
         order by 1, 2, 3",
        &["1|true|false", "2|true|false", "2|true|false", "||"],
    );
    for is_in in ["in", "= any"] {
        check(
            &format!(
                "select a, a {is_in} (select k from u where u.v > t.b * 10) from t order by 1, 2"
            ),
            &["1|", "2|false", "2|true", "|"],
        );
    }
}

#[test]
fn subqueries_nest() {
    check(
        "select a, (select sum(v) from u where k = (select max(k) from u u2 where u2.k <= t.a)) \
         from t order by 1, 2",
        &["1|100", "2|450", "2|450", "|"],
    );
}

#[test]
fn lateral_joins_see_the_left_side() {
    check(
        "select t.a, x.v from t left join lateral (select v from u where u.k = t.a + 1) x on true \
         order by 1, 2",
        &["1|200", "1|250", "2|300", "2|300", "|"],
    );
    check(
        "select t.a, x.n from t, lateral (select a + 1 as n union all select b) x order by 1, 2",
        &["1|2", "1|10", "2|3", "2|3", "2|20", "2|", "|30", "|"],
    );
    check(
        "select t.a, x.w from t join lateral (select distinct v / 100 as w from u where u.k >= t.a) x \
         on x.w > 1 order by 1, 2",
        &["1|2", "1|3", "2|2", "2|2", "2|3", "2|3"],
    );
    check(
        "select t.a, s.n from t, unnest(make_array(t.a, t.b)) as s(n) order by 1, 2",
        &["1|1", "1|10", "2|2", "2|2", "2|20", "2|", "|30", "|"],
    );
}

#[test]
fn a_sort_key_may_be_a_subquery() {
    check(
        "select a from t order by (select max(v) from u where u.k = t.a) desc, a",
        &["", "2", "2", "1"],
    );
}

#[test]
fn a_second_row_is_an_error() {
    let error = answer("select a, (select v from u where u.k = t.a) from t").expect_err("two rows");
    assert!(error.to_string().contains("more than one row returned by a subquery"), "{error}");
}
