//! COPY FROM: what an error says of its place, and of the rows that stay.

use weir_types::Error;

use crate::harness::{Client, Db};

/// Lines `0` to `n`, and one more.
fn lines(n: usize, last: &str) -> String {
    (0..n).map(|n| format!("{n}\n")).collect::<String>() + last + "\n"
}

async fn failure(a: &Client, sql: &str, data: String) -> Error {
    a.copy_in(sql, data).await.expect_err("refused")
}

/// The number of rows that an error says stay.
fn told(error: &Error) -> usize {
    let last = error.detail().and_then(|detail| detail.lines().last()).expect("a detail");
    let (n_rows, rest) = last.split_once(' ').expect("a number");
    assert_eq!(rest, "rows before were committed and stay.");
    assert!(error.hint().expect("a hint").contains("between BEGIN and COMMIT"), "{error:?}");
    n_rows.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_tells_which_rows_stay() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY)").await;
    a.ok("CREATE STREAM s (k int)").await;
    for relation in ["t", "s"] {
        let copy = format!("COPY {relation} FROM STDIN");
        let count = format!("SELECT count(*) FROM {relation}");
        let error = failure(&a, &copy, lines(200_000, "zz")).await;
        assert_eq!(error.state().code(), "22P02");
        let context = format!("COPY {relation}, line 200001, column k: \"zz\"");
        assert_eq!(error.context(), Some(context.as_str()));
        let n_rows = told(&error);
        assert!(n_rows >= 65_536, "{n_rows}");
        assert_eq!(a.rows(&count).await, [n_rows.to_string()]);
    }
    // Few rows are one commit, and a block is one.
    let error = failure(&a, "COPY s FROM STDIN", lines(10, "zz")).await;
    assert_eq!((error.detail(), error.hint()), (None, None));
    a.ok("BEGIN").await;
    let error = failure(&a, "COPY s FROM STDIN", lines(200_000, "zz")).await;
    assert_eq!((error.detail(), error.hint()), (None, None));
    a.ok("ROLLBACK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_row_is_named_by_its_line() {
    let db = Db::new();
    let a = db.client();
    a.ok("CREATE TABLE t (k int PRIMARY KEY, v text NOT NULL CHECK (v <> 'bad'))").await;
    let context = async |options: &str, data: &str| {
        let error = failure(&a, &format!("COPY t FROM STDIN {options}"), data.to_owned()).await;
        format!("{} {}", error.state().code(), error.context().expect("a context"))
    };
    assert_eq!(context("", "1\ta\n2\tb\n3\t\\N\n4\td\n").await, "23502 COPY t, line 3");
    assert_eq!(context("", "1\ta\n2\tbad\n3\tc\n").await, "23514 COPY t, line 2");
    assert_eq!(context("", "1\ta\n2\tb\n1\tc\n").await, "23505 COPY t, line 3");
    // A header counts, and so do line ends within quotes.
    let csv = "k,v\n1,\"a\nb\nc\"\n2,b\n3,bad\n";
    assert_eq!(context("(FORMAT csv, HEADER)", csv).await, "23514 COPY t, line 6");
    a.ok("BEGIN").await;
    assert_eq!(context("", "1\ta\n1\tb\n").await, "23505 COPY t, line 2");
    a.ok("ROLLBACK").await;

    // Far behind the first commit, and with a detail of its own.
    let text = "x".repeat(40);
    let mut data: String = (0..70_000).map(|n| format!("{n}\t{text}\n")).collect();
    data += "70000\t\\N\n";
    let error = failure(&a, "COPY t FROM STDIN", data).await;
    assert_eq!(error.context(), Some("COPY t, line 70001"));
    assert!(error.detail().expect("a detail").starts_with("Failing row contains (70000, null)."));
    assert_eq!(a.rows("SELECT count(*) FROM t").await, [told(&error).to_string()]);
}
