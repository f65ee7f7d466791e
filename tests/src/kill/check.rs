//! What has to hold after a restart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::Tally;
use super::ledger::{Known, Ledger};
use super::work::{BALANCE, VIEWS, side_query};
use crate::process::Process;

/// The lines of a file are taken within a second; after this they are lost.
const LINES_WAIT: Duration = Duration::from_secs(60);

/// Compares a server that has just come up with what the clients know. What was unknown is known then.
pub(super) async fn check(process: &Process, ledger: &Mutex<Ledger>, tally: &mut Tally) {
    let client = process.connect().await;
    {
        let ledger = ledger.lock();
        let (seen, ready) = (ledger.epoch, process.epoch());
        assert!(ready >= seen, "epoch {seen} was seen, and the server is ready at {ready}");
    }
    check_writes(&client, ledger, tally).await;
    check_keys(&client, ledger).await;
    check_lines(&client, ledger, tally).await;
    check_generators(&client).await;
    check_relations(&client, ledger).await;
    check_views(&client, ledger, tally).await;
}

/// The rows of a query as texts.
async fn rows(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let answer = client.simple_query(sql).await;
    let answer = answer.unwrap_or_else(|error| {
        panic!("{sql}: {error}: {:?}", error.as_db_error());
    });
    let rows = answer.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
        }
        _ => None,
    });
    rows.collect()
}

/// The rows of a query that gives numbers.
async fn numbers(client: &Client, sql: &str) -> Vec<Vec<i64>> {
    let number = |cell: Option<String>| cell.and_then(|text| text.parse().ok()).expect("a number");
    let rows = rows(client, sql).await;
    rows.into_iter().map(|row| row.into_iter().map(number).collect()).collect()
}

/// How often each number is there.
async fn counts(client: &Client, sql: &str) -> BTreeMap<i64, usize> {
    let mut counts = BTreeMap::new();
    for row in numbers(client, sql).await {
        *counts.entry(row[0]).or_default() += 1;
    }
    counts
}

async fn check_writes(client: &Client, ledger: &Mutex<Ledger>, tally: &mut Tally) {
    let mut parts: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for row in numbers(client, "SELECT op, part FROM events").await {
        let [op, part] = row[..] else { panic!("two columns were asked for") };
        assert!(
            parts.entry(op).or_default().insert(part),
            "row {part} of write {op} is there twice"
        );
    }
    let more = counts(client, "SELECT op FROM more").await;
    let transfers = counts(client, "SELECT op FROM transfers").await;
    let balances = numbers(client, "SELECT sum(balance), count(*) FROM accounts").await;
    assert_eq!(balances[0][0], BALANCE * balances[0][1], "a transfer is half done");

    let mut ledger = ledger.lock();
    for op in parts.keys().chain(more.keys()).chain(transfers.keys()) {
        assert!(ledger.writes.contains_key(op), "write {op} was never sent");
    }
    for (op, write) in &mut ledger.writes {
        let n_parts = parts.get(op).map_or(0, BTreeSet::len);
        let is_there = n_parts > 0;
        let expected = if is_there { write.parts as usize } else { 0 };
        assert_eq!(n_parts, expected, "write {op} is torn");
        let beside = usize::from(is_there && write.is_transfer);
        for (name, found) in [("more", &more), ("transfers", &transfers)] {
            let found = found.get(op).copied().unwrap_or(0);
            assert_eq!(found, beside, "write {op} has {n_parts} rows in events, {found} in {name}");
        }
        match write.known {
            Known::Done => assert!(is_there, "acknowledged write {op} is lost: {write:?}"),
            Known::Refused => assert!(!is_there, "refused write {op} is there"),
            Known::Unknown => {
                tally.unanswered += 1;
                tally.unanswered_there += usize::from(is_there);
                write.known = if is_there { Known::Done } else { Known::Refused };
            }
        }
    }
    let is_done = |write: &&super::ledger::Write| write.known == Known::Done;
    tally.acknowledged = tally.acknowledged.max(ledger.writes.values().filter(is_done).count());
    let unread = ledger.read.iter().find(|op| !parts.contains_key(op));
    assert_eq!(unread, None, "a write that was read is gone");
}

async fn check_keys(client: &Client, ledger: &Mutex<Ledger>) {
    let found: HashMap<i32, i64> = numbers(client, "SELECT k, v FROM kv")
        .await
        .into_iter()
        .map(|row| (row[0] as i32, row[1]))
        .collect();
    let mut ledger = ledger.lock();
    for key in found.keys() {
        assert!(ledger.kv.contains_key(key), "key {key} was never written");
    }
    for (key, value) in &mut ledger.kv {
        let now = found.get(key).copied();
        let before = value.clone();
        assert!(value.settle(&now), "key {key} has {now:?}, which is none of {before:?}");
    }
}

async fn check_lines(client: &Client, ledger: &Mutex<Ledger>, tally: &mut Tally) {
    let read = ledger.lock().lines_read;
    let there = numbers(client, "SELECT count(*) FROM lines").await[0][0];
    assert!(there >= read, "{read} rows of files were read, {there} are there");
    let began = Instant::now();
    loop {
        let found = counts(client, "SELECT n FROM lines").await;
        if let Some((n, times)) = found.iter().find(|(_, times)| **times > 1) {
            panic!("line {n} is there {times} times");
        }
        let bad = rows(client, "SELECT convert_from(raw, 'UTF8'), place FROM dlq.lines").await;
        let bad: Vec<String> =
            bad.into_iter().map(|row| row[0].clone().expect("a letter has its bytes")).collect();
        let bad_set: BTreeSet<String> = bad.iter().cloned().collect();
        assert_eq!(bad.len(), bad_set.len(), "a damaged line is there twice");
        {
            let ledger = ledger.lock();
            let numbers: BTreeSet<i64> = found.into_keys().collect();
            if numbers == ledger.lines && bad_set == ledger.bad_lines {
                tally.lines = tally.lines.max(numbers.len() + bad_set.len());
                return;
            }
            let extra = numbers.difference(&ledger.lines).next();
            assert_eq!(extra, None, "a line that was never written is there");
            let missing: Vec<_> = ledger.lines.difference(&numbers).collect();
            let bad_missing: Vec<_> = ledger.bad_lines.difference(&bad_set).collect();
            assert!(
                began.elapsed() < LINES_WAIT,
                "lines {missing:?} and damaged lines {bad_missing:?} do not come"
            );
        }
        // The source looks for new lines by itself, every 10 ms.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Rows of generators: from the first one on, each once. A generator runs while it is looked at, so each
/// look is one statement.
async fn check_generators(client: &Client) {
    let made = "SELECT count(*), count(DISTINCT n), max(n), min(n) FROM made HAVING count(*) > 0";
    for row in numbers(client, made).await {
        let [rows, distinct, highest, lowest] = row[..] else { panic!("four columns") };
        assert_eq!(
            (distinct, highest, lowest),
            (rows, rows, 1),
            "generated rows are lost or doubled"
        );
    }
    // Bids have no number of their own, but no two are the same, and each has the time of its event: at
    // this rate one in a millisecond, of which 46 in 50 are bids.
    let bids = "SELECT sum(n), count(*), \
                (max(extract(epoch FROM date_time)) - min(extract(epoch FROM date_time))) * 1000 \
                FROM (SELECT date_time, count(*) AS n FROM bids \
                      GROUP BY auction, bidder, price, date_time, extra) AS each HAVING count(*) > 0";
    for row in rows(client, bids).await {
        let number =
            |column: usize| row[column].as_deref().and_then(|text| text.parse::<f64>().ok());
        let [Some(rows), Some(distinct), Some(millis)] = [0, 1, 2].map(number) else {
            panic!("three numbers, not {row:?}")
        };
        assert!(rows - distinct < 1.0, "{} bids are doubled", rows - distinct);
        let expected = millis * 46.0 / 50.0;
        assert!((rows - expected).abs() <= 10.0, "{rows} bids in {millis} ms: some are lost");
    }
}

async fn check_relations(client: &Client, ledger: &Mutex<Ledger>) {
    let sql = "SELECT relname FROM pg_catalog.pg_class WHERE relname LIKE 'side\\_%' AND relkind IN ('r', 'm')";
    let found: BTreeSet<String> =
        rows(client, sql).await.into_iter().filter_map(|row| row[0].clone()).collect();
    let mut ledger = ledger.lock();
    for (name, value) in &mut ledger.relations {
        let exists = found.contains(name);
        let before = value.clone();
        assert!(value.settle(&exists), "{name} exists: {exists}, which is none of {before:?}");
    }
}

async fn check_views(client: &Client, ledger: &Mutex<Ledger>, tally: &mut Tally) {
    let side: Vec<String> = ledger
        .lock()
        .relations
        .iter()
        .filter(|(name, value)| value.certain && name.contains("_view_"))
        .map(|(name, _)| name.clone())
        .collect();
    let side = side.iter().map(|name| (name.as_str(), side_query()));
    for (name, query) in VIEWS.into_iter().chain(side) {
        // In a block both see one epoch.
        client.batch_execute("BEGIN").await.expect("a block begins");
        let mut content = rows(client, &format!("SELECT * FROM {name}")).await;
        let mut expected = rows(client, query).await;
        client.batch_execute("COMMIT").await.expect("a block of reads commits");
        content.sort();
        expected.sort();
        assert_eq!(content, expected, "view {name} does not equal its query");
        tally.views += 1;
    }
}
