//! What a session tells of its settings and transactions.

use crate::harness::{Db, within};

#[tokio::test(flavor = "multi_thread")]
async fn times_are_shown_with_their_unit() {
    let db = Db::new();
    let a = db.client();
    a.ok("SET statement_timeout = 1500").await;
    assert_eq!(a.rows("SHOW statement_timeout").await, ["1500ms"]);
    assert_eq!(a.rows("SELECT current_setting('statement_timeout')").await, ["1500ms"]);
    assert_eq!(
        a.rows("SELECT setting, unit FROM pg_settings WHERE name = 'statement_timeout'").await,
        ["1500|ms"]
    );
    a.ok("SET statement_timeout = '5min'").await;
    assert_eq!(a.rows("SHOW statement_timeout").await, ["5min"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_are_read_in_the_order_of_the_setting() {
    let db = Db::new();
    let a = db.client();
    assert_eq!(a.rows("SELECT '01/02/2003'::date").await, ["2003-01-02"]);
    a.ok("SET datestyle = 'ISO, DMY'").await;
    assert_eq!(
        a.rows("SELECT '01/02/2003'::date, date '04/05/2003'").await,
        ["2003-02-01|2003-05-04"]
    );
    a.ok("SET datestyle = 'ISO, YMD'").await;
    assert_eq!(a.rows("SELECT '01/02/03'::date").await, ["2001-02-03"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tag_repeats_how_a_transaction_was_begun() {
    let db = Db::new();
    let a = db.client();
    for begin in ["START TRANSACTION", "BEGIN"] {
        assert_eq!(a.ok(&format!("{begin} READ ONLY")).await, begin);
        a.ok("ROLLBACK").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_idles_in_a_transaction_ends() {
    let db = Db::new();
    let a = db.client();
    a.ok("SET idle_in_transaction_session_timeout = 50").await;
    a.ok("BEGIN").await;
    let error = within(a.session.interrupted()).await;
    assert_eq!(error.state().code(), "25P03");
    assert_eq!(error.message(), "terminating connection due to idle-in-transaction timeout");
    // Later statements do not take that back.
    assert!(a.run("SELECT 1").await.is_err());
    // Without a transaction nothing ends.
    let b = db.client();
    b.ok("SET idle_in_transaction_session_timeout = 1").await;
    b.ok("SET statement_timeout = 0").await;
    assert!(futures::FutureExt::now_or_never(b.session.interrupted()).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_values_of_execute_have_the_types_of_its_parameters() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (id int PRIMARY KEY, m numeric, w numeric(6, 1), s varchar(3))").await;
    a.ok("INSERT INTO t VALUES (1, 1, 1, 'a')").await;
    a.ok("PREPARE add(numeric) AS SELECT $1 + 1, $1::int, round($1, 1), $1::float8").await;
    for (value, row) in
        [("2.5", "3.5|3|2.5|2.5"), ("'2.55'", "3.55|3|2.6|2.55"), ("3", "4|3|3.0|3")]
    {
        assert_eq!(a.rows(&format!("EXECUTE add({value})")).await, [row], "{value}");
    }
    a.ok("PREPARE untold AS UPDATE t SET m = m + $1, w = $2, s = $3 WHERE id = $4").await;
    a.ok("EXECUTE untold(2.5, 3.26, 'abc', 1)").await;
    a.ok("PREPARE put(numeric) AS INSERT INTO t SELECT 2, $1, $1, 'b'").await;
    a.ok("EXECUTE put(2.5)").await;
    let rows = a.rows("SELECT id, m, w, s FROM t ORDER BY id").await;
    assert_eq!(rows, ["1|3.5|3.3|abc", "2|2.5|2.5|b"]);
}
