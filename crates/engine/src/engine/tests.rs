//! What runs behind statements, in the order in which it does harm: versions that are dropped, and retention.

use std::sync::Arc;
use std::time::Duration;

use arrow::util::display::array_value_to_string;
use futures::TryStreamExt;
use tempfile::TempDir;

use super::*;
use crate::session::Execution;
use crate::upkeep;

/// An engine of its own.
pub(crate) fn open() -> (TempDir, Engine) {
    let dir = TempDir::new().expect("a directory");
    let config = EngineConfig {
        data_dir: dir.path().join("data"),
        workers: 2,
        memory_limit: 256 << 20,
        checkpoint_interval: Duration::from_secs(3600),
        password: None,
    };
    let engine = Engine::open(config).expect("the engine opens");
    (dir, engine)
}

/// What takes write sets to its committer.
pub(crate) fn committer(engine: &Engine) -> crate::commit::Committer {
    engine.inner.shared.committer().expect("the engine runs")
}

fn session(engine: &Engine) -> Arc<Session> {
    let startup = SessionStartup {
        user: "ada".to_owned(),
        database: "weir".to_owned(),
        peer: "test".to_owned(),
        settings: Vec::new(),
    };
    engine.session(startup).expect("a session")
}

/// Longest wait for something that must come: only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The rows of a statement, `|` between the columns.
async fn run(session: &Session, sql: &str) -> Result<Vec<String>> {
    let rows = tokio::time::timeout(PATIENCE, rows(session, sql));
    rows.await.unwrap_or_else(|_| panic!("{sql} has no end"))
}

async fn rows(session: &Session, sql: &str) -> Result<Vec<String>> {
    let parsed = session.parse(sql)?.remove(0);
    let prepared = session.prepare(parsed, Vec::new()).await?;
    let Execution::Rows { rows, .. } = session.execute(&prepared, Vec::new()).await? else {
        return Ok(Vec::new());
    };
    let batches: Vec<_> = rows.try_collect().await?;
    let line = |batch: &arrow::array::RecordBatch, row_idx| {
        let cells = batch.columns().iter();
        let cells = cells.map(|cell| array_value_to_string(cell, row_idx).expect("it has a text"));
        cells.collect::<Vec<_>>().join("|")
    };
    let lines =
        batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| line(batch, row)));
    Ok(lines.collect())
}

async fn ok(session: &Session, sql: &str) -> Vec<String> {
    run(session, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

/// Removes what need not be kept, as the thread does that sees to it.
async fn enforce_retention(shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    let enforced = tokio::task::spawn_blocking(move || upkeep::enforce_retention(&shared));
    enforced.await.expect("it ends").expect("it is enforced");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newest_read_needs_stays_while_a_view_lags() {
    let (_dir, engine) = open();
    let shared = &engine.inner.shared;
    let a = session(&engine);
    ok(&a, "CREATE STREAM s (n int)").await;
    ok(&a, "CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    ok(&a, "CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM s").await;
    ok(&a, "INSERT INTO t VALUES (1, 1)").await;
    assert_eq!(ok(&a, "SELECT n, v FROM m, t").await, ["0|1"]);
    let catalog = shared.catalog();
    let id = catalog.objects().find(|object| object.name == "m").expect("the view").id;
    let view = shared.views.get(id).expect("it runs");
    // It cannot take anything in until the sender is dropped.
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let (is_stopped, stopped) = std::sync::mpsc::channel();
    let stopper = weir_env::spawn_thread("stop", move || {
        let _state = view.state.lock();
        is_stopped.send(()).expect("the test waits");
        // An error: the sender was dropped.
        let _ = wait.recv();
    });
    stopped.recv().expect("the thread goes on");
    ok(&a, "INSERT INTO s VALUES (1)").await;
    ok(&a, "UPDATE t SET v = 2").await;
    upkeep::compact(shared);
    ok(&a, "SET weir.read = 'newest'").await;
    assert_eq!(ok(&a, "SELECT n, v FROM m, t").await, ["0|1"]);
    assert_eq!(ok(&a, "SELECT n FROM m").await, ["0"]);
    drop(go_on);
    stopper.join().expect("it ends");
    ok(&a, "SET weir.read = 'strict'").await;
    assert_eq!(ok(&a, "SELECT n, v FROM m, t").await, ["1|2"]);
}

/// One session commits by itself, several leave it to the thread; a key is taken once either way.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_commit_alone_and_together() {
    let (_dir, engine) = open();
    let first = session(&engine);
    ok(&first, "CREATE TABLE t (k int PRIMARY KEY)").await;
    ok(&first, "CREATE STREAM s (k int)").await;
    for k in 0..20 {
        ok(&first, &format!("INSERT INTO t VALUES ({k})")).await;
        ok(&first, &format!("INSERT INTO s VALUES ({k})")).await;
    }
    let mut others = tokio::task::JoinSet::new();
    for n in 1..=4 {
        let other = session(&engine);
        others.spawn(async move {
            let mut n_taken = 0;
            for k in 0..20 {
                ok(&other, &format!("INSERT INTO s VALUES ({})", 100 * n + k)).await;
                match run(&other, &format!("INSERT INTO t VALUES ({})", 100 + k)).await {
                    Ok(_) => {}
                    Err(error) => {
                        assert_eq!(error.state(), SqlState::UniqueViolation, "{error:?}");
                        other.fail();
                        n_taken += 1;
                    }
                }
            }
            n_taken
        });
    }
    let mut n_taken = 0;
    while let Some(done) = others.join_next().await {
        n_taken += done.expect("it ends");
    }
    assert_eq!(n_taken, 60);
    assert_eq!(ok(&first, "SELECT count(*), max(k) FROM t").await, ["40|119"]);
    assert_eq!(ok(&first, "SELECT count(*), max(k) FROM s").await, ["100|419"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_where_it_did_for_a_transaction() {
    let (_dir, engine) = open();
    let a = session(&engine);
    ok(&a, "CREATE STREAM s (n int) WITH (partitions = 1, retention = '1 ms')").await;
    for n in 0..3 {
        ok(&a, &format!("INSERT INTO s VALUES ({n})")).await;
    }
    ok(&a, "BEGIN").await;
    assert_eq!(ok(&a, "SELECT count(*) FROM s").await, ["3"]);
    tokio::time::sleep(Duration::from_millis(10)).await;
    enforce_retention(&engine.inner.shared).await;
    let error = run(&a, "SELECT count(*) FROM s").await.expect_err("its rows are gone");
    assert_eq!(error.state(), SqlState::ObjectNotInPrerequisiteState);
    a.fail();
    ok(&a, "ROLLBACK").await;
    assert_eq!(ok(&a, "SELECT count(*) < 3 FROM s").await, ["true"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_comes_before_retention_or_after_it() {
    let (_dir, engine) = open();
    let shared = &engine.inner.shared;
    let (a, b) = (session(&engine), session(&engine));
    ok(&a, "CREATE STREAM s (n int)").await;
    let under_way = Arc::clone(&shared.retention).write_owned().await;
    let create = async { ok(&b, "CREATE MATERIALIZED VIEW m AS SELECT n FROM s").await };
    let others = async {
        for n in 0..50 {
            ok(&a, &format!("INSERT INTO s VALUES ({n})")).await;
        }
        assert!(!shared.catalog().objects().any(|object| object.name == "m"));
        drop(under_way);
    };
    tokio::join!(create, others);
    assert_eq!(ok(&a, "SELECT count(*) FROM m").await, ["50"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_cannot_go_on_is_there_and_fails() {
    let (_dir, engine) = open();
    let shared = &engine.inner.shared;
    let a = session(&engine);
    ok(&a, "CREATE TABLE t (k int PRIMARY KEY)").await;
    ok(&a, "CREATE MATERIALIZED VIEW m AS SELECT k, count(*) AS n FROM t GROUP BY k").await;
    ok(&a, "CREATE MATERIALIZED VIEW above AS SELECT k FROM m").await;
    ok(&a, "INSERT INTO t VALUES (1)").await;
    ok(&a, "FLUSH").await;
    let checkpointed = Arc::clone(shared);
    let made = tokio::task::spawn_blocking(move || crate::checkpoint::make(&checkpointed));
    made.await.expect("it ends").expect("a checkpoint");

    let catalog = shared.catalog();
    let [m, above] = ["m", "above"]
        .map(|name| catalog.objects().find(|object| object.name == name).expect("a view"));
    let mut of_m = shared.checkpoints.record(m.id).expect("a record");
    of_m.state.as_mut().expect("of an aggregation").operators = "of another version".to_owned();
    let of_above = shared.checkpoints.record(above.id).expect("a record");
    for (view, record, refilled, why) in [
        (above, &of_above, Some(m.id), "it reads a view that is filled again"),
        (m, &of_m, None, "its operators are other ones"),
    ] {
        shared.views.stop(shared, view.id);
        let mut refilled = refilled.into_iter().collect();
        shared.views.resume(shared, view, Some(record), &mut refilled).expect("the others go on");
        let error = run(&a, &format!("SELECT * FROM {}", view.name)).await.expect_err("it fails");
        let text = format!("the state of \"{}\" was kept by another version: {why}", view.name);
        assert_eq!(
            (error.state(), error.message()),
            (SqlState::ObjectNotInPrerequisiteState, &*text)
        );
    }
    ok(&a, "DROP MATERIALIZED VIEW m CASCADE").await;
    ok(&a, "CREATE MATERIALIZED VIEW m AS SELECT k, count(*) AS n FROM t GROUP BY k").await;
    assert_eq!(ok(&a, "SELECT * FROM m").await, ["1|1"]);
}
