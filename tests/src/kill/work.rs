//! The clients of a kill round.

use std::fs::OpenOptions;
use std::future::Future;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use super::ledger::{Known, Ledger};
use crate::dice::Dice;
use crate::process::Process;

/// Clients that write.
const WRITERS: i32 = 4;
/// Keys of table `kv` that each of them has for its own.
const KEYS: i32 = 5;
/// Rows of table `accounts`, and what each begins with.
const ACCOUNTS: i64 = 4;
pub(super) const BALANCE: i64 = 1_000;
/// Lines of one file.
const LINES_MAX: usize = 40;

/// The views and their queries.
pub(super) const VIEWS: [(&str, &str); 7] = [
    ("v_linear", "SELECT op, part * 2 AS twice FROM events WHERE op % 3 = 0"),
    ("v_groups", "SELECT parts, count(*) AS n, sum(op) AS ops FROM events GROUP BY parts"),
    ("v_join", "SELECT t.op, a.owner FROM transfers t JOIN accounts a ON a.id = t.source"),
    ("v_above", "SELECT count(*) AS n, max(twice) AS highest FROM v_linear"),
    ("v_keys", "SELECT count(*) AS n, sum(v) AS total FROM kv"),
    ("v_made", "SELECT n, word FROM made WHERE n % 100 = 0"),
    ("v_lines", "SELECT n % 2 AS odd, count(*) AS n FROM lines GROUP BY n % 2"),
];

/// Makes the relations.
pub(super) async fn set_up(process: &Process, files: &Path) {
    let client = process.connect().await;
    let run = async |sql: String| client.batch_execute(&sql).await.expect("the relations are made");
    run("CREATE STREAM events (op bigint NOT NULL, part bigint, parts bigint) WITH (partitions = 4)"
        .to_owned())
    .await;
    run("CREATE STREAM more (op bigint, note text) WITH (durability = 'os')".to_owned()).await;
    run("CREATE TABLE kv (k integer PRIMARY KEY, v bigint NOT NULL)".to_owned()).await;
    run("CREATE TABLE accounts (id bigint PRIMARY KEY, owner text, balance bigint)".to_owned())
        .await;
    run("CREATE TABLE transfers (op bigint PRIMARY KEY, source bigint, amount bigint)".to_owned())
        .await;
    for id in 0..ACCOUNTS {
        run(format!("INSERT INTO accounts VALUES ({id}, 'owner {id}', {BALANCE})")).await;
    }
    run(format!(
        "CREATE STREAM lines (n bigint NOT NULL) WITH (connector = 'file', path = '{}', \
         format = 'json', poll_interval = '10ms', settle_time = '1h')",
        files.display()
    ))
    .await;
    run("CREATE STREAM made (n bigint NOT NULL, word text) WITH (connector = 'datagen', \
         'fields.n.kind' = 'sequence', 'fields.n.start' = '1', rows_per_second = '1000')"
        .to_owned())
    .await;
    run("CREATE STREAM bids WITH (connector = 'nexmark', 'table' = 'bid', rate = '1000')"
        .to_owned())
    .await;
    for (name, query) in VIEWS {
        run(format!("CREATE MATERIALIZED VIEW {name} AS {query}")).await;
    }
}

/// Clients at work.
pub(super) struct Workers(Vec<JoinHandle<()>>);

impl Workers {
    /// Waits until all have seen that the server is gone.
    pub(super) async fn end(self) {
        for worker in self.0 {
            if let Err(error) = worker.await {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }
}

/// Starts the clients: writers, two readers, and one that writes files.
pub(super) fn start(
    runtime: &Runtime,
    process: &Process,
    ledger: &Arc<Mutex<Ledger>>,
    files: &Path,
    seed: u64,
) -> Workers {
    let mut dice = Dice::new(seed);
    let mut workers = Vec::new();
    // All connect before the first one works, so that all work when the server is killed.
    let connect = || runtime.block_on(process.connect());
    let clients: Vec<Client> = (0..WRITERS).map(|_| connect()).collect();
    let readers = [connect(), connect()];
    for (number, client) in (0..).zip(clients) {
        let writer = Writer { client, ledger: Arc::clone(ledger), number };
        workers.push(runtime.spawn(writer.work(Dice::new(dice.bits()))));
    }
    for (client, mode) in readers.into_iter().zip(["strict", "newest"]) {
        workers.push(runtime.spawn(read(client, Arc::clone(ledger), mode)));
    }
    let (ledger, files) = (Arc::clone(ledger), files.to_owned());
    let dice = Dice::new(dice.bits());
    workers.push(runtime.spawn_blocking(move || write_file(&ledger, &files, dice)));
    Workers(workers)
}

/// What an answer means for a write: `None` where the server has not answered it.
fn outcome(result: &Result<(), Error>) -> Option<Known> {
    match result {
        Ok(()) => Some(Known::Done),
        Err(error) => match error.code().map(|code| code.code()) {
            // A lost race. Everything else is no answer to what these clients send.
            Some("40001") => Some(Known::Refused),
            // The server stops: it does not tell whether the commit was written.
            None | Some("57P01" | "57P02" | "08006") => None,
            Some(_) => panic!("{error}: {:?}", error.as_db_error()),
        },
    }
}

struct Writer {
    client: Client,
    ledger: Arc<Mutex<Ledger>>,
    number: i32,
}

impl Writer {
    /// Writes until the server does not answer.
    async fn work(self, mut dice: Dice) {
        loop {
            let goes_on = match dice.below(20) {
                0..5 => self.insert_prepared().await,
                5..9 => self.insert_many(dice.between(2, 200) as i64).await,
                9..12 => self.transfer(&mut dice).await,
                12..18 => self.change_key(&mut dice).await,
                _ => self.change_relation(&mut dice).await,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Notes the outcome of a write of rows; false where there is none.
    async fn note(&self, op: i64, run: impl Future<Output = Result<(), Error>>) -> bool {
        let known = outcome(&run.await);
        if let Some(known) = known {
            self.ledger.lock().know(op, known);
        }
        known.is_some()
    }

    async fn insert_prepared(&self) -> bool {
        let op = self.ledger.lock().begin(1, false);
        let sql = "INSERT INTO events (op, part, parts) VALUES ($1, 0, 1)";
        self.note(op, async { self.client.execute(sql, &[&op]).await.map(drop) }).await
    }

    async fn insert_many(&self, parts: i64) -> bool {
        let op = self.ledger.lock().begin(parts, false);
        let rows: Vec<String> = (0..parts).map(|part| format!("({op}, {part}, {parts})")).collect();
        let sql = format!("INSERT INTO events VALUES {}", rows.join(", "));
        self.note(op, self.client.batch_execute(&sql)).await
    }

    async fn transfer(&self, dice: &mut Dice) -> bool {
        let op = self.ledger.lock().begin(2, true);
        let source = dice.below(ACCOUNTS as usize) as i64;
        let target = (source + 1) % ACCOUNTS;
        let amount = dice.between(1, 9);
        let commits = dice.percent(85);
        let body = format!(
            "INSERT INTO events VALUES ({op}, 0, 2), ({op}, 1, 2);
             INSERT INTO more VALUES ({op}, 'a transfer');
             UPDATE accounts SET balance = balance - {amount} WHERE id = {source};
             UPDATE accounts SET balance = balance + {amount} WHERE id = {target};
             INSERT INTO transfers VALUES ({op}, {source}, {amount})"
        );
        let mut result = self.client.batch_execute(&format!("BEGIN; {body}")).await;
        if result.is_ok() {
            let end = if commits { "COMMIT" } else { "ROLLBACK" };
            result = self.client.batch_execute(end).await;
        }
        let known = match outcome(&result) {
            Some(Known::Done) if !commits => Some(Known::Refused),
            Some(Known::Refused) => {
                // In a block that failed before its end; outside of one it is a warning.
                let ended = self.client.batch_execute("ROLLBACK").await;
                self.ledger.lock().know(op, Known::Refused);
                outcome(&ended).and(Some(Known::Refused))
            }
            known => known,
        };
        if let Some(known) = known {
            self.ledger.lock().know(op, known);
        }
        known.is_some()
    }

    async fn change_key(&self, dice: &mut Dice) -> bool {
        let key = self.number * KEYS + dice.below(KEYS as usize) as i32;
        let (value, is_there) = {
            let mut ledger = self.ledger.lock();
            let value = ledger.number();
            let entry = ledger.kv.entry(key).or_default();
            (value, entry.certain.is_some())
        };
        let (next, sql) = match dice.below(4) {
            0 => (None, format!("DELETE FROM kv WHERE k = {key}")),
            1 => {
                let next = is_there.then_some(value);
                (next, format!("UPDATE kv SET v = {value} WHERE k = {key}"))
            }
            _ => (
                Some(value),
                format!(
                    "INSERT INTO kv VALUES ({key}, {value}) \
                     ON CONFLICT (k) DO UPDATE SET v = excluded.v"
                ),
            ),
        };
        let begin = |ledger: &mut Ledger| ledger.kv.entry(key).or_default().begin(next);
        begin(&mut self.ledger.lock());
        let known = outcome(&self.client.batch_execute(&sql).await);
        let mut ledger = self.ledger.lock();
        let entry = ledger.kv.entry(key).or_default();
        match known {
            Some(Known::Done) => entry.done(),
            Some(_) => entry.refused(),
            None => {}
        }
        known.is_some()
    }

    async fn change_relation(&self, dice: &mut Dice) -> bool {
        let is_view = dice.percent(60);
        let kind = if is_view { "view" } else { "table" };
        let name = format!("side_{kind}_{}", self.number);
        let exists = {
            let mut ledger = self.ledger.lock();
            let entry = ledger.relations.entry(name.clone()).or_default();
            let exists = entry.certain;
            entry.begin(!exists);
            exists
        };
        let sql = match (exists, is_view) {
            (true, true) => format!("DROP MATERIALIZED VIEW {name}"),
            (true, false) => format!("DROP TABLE {name}"),
            (false, true) => format!("CREATE MATERIALIZED VIEW {name} AS {}", side_query()),
            (false, false) => format!("CREATE TABLE {name} (a integer PRIMARY KEY)"),
        };
        let known = outcome(&self.client.batch_execute(&sql).await);
        let mut ledger = self.ledger.lock();
        let entry = ledger.relations.entry(name).or_default();
        match known {
            Some(Known::Done) => entry.done(),
            Some(_) => entry.refused(),
            None => {}
        }
        known.is_some()
    }
}

/// The query of the views that come and go.
pub(super) fn side_query() -> &'static str {
    "SELECT op % 7 AS class, count(*) AS n, max(part) AS last FROM events GROUP BY op % 7"
}

/// Reads until the server does not answer, and notes what was there.
async fn read(client: Client, ledger: Arc<Mutex<Ledger>>, mode: &'static str) {
    let queries = "SELECT DISTINCT op FROM events; SELECT count(*) FROM lines; \
                   SELECT max(epoch)::text FROM sys.views";
    if client.batch_execute(&format!("SET weir.read = '{mode}'")).await.is_err() {
        return;
    }
    loop {
        let answer = match client.simple_query(queries).await {
            Ok(answer) => answer,
            Err(error) => {
                assert_eq!(outcome(&Err(error)), None, "reads are not refused");
                return;
            }
        };
        let mut ledger = ledger.lock();
        let mut statement = 0;
        for message in answer {
            match message {
                SimpleQueryMessage::Row(row) => {
                    let text = row.get(0).unwrap_or("0");
                    match statement {
                        0 => {
                            ledger.read.insert(text.parse().expect("op is a number"));
                        }
                        1 => {
                            let lines = text.parse().expect("a count is a number");
                            ledger.lines_read = ledger.lines_read.max(lines);
                        }
                        _ => ledger.epoch = ledger.epoch.max(lsn(text)),
                    }
                }
                SimpleQueryMessage::CommandComplete(_) => statement += 1,
                _ => {}
            }
        }
    }
}

/// The number of an epoch that is shown as `pg_lsn`.
pub(super) fn lsn(text: &str) -> u64 {
    let Some((high, low)) = text.split_once('/') else { return 0 };
    let part = |text| u64::from_str_radix(text, 16).expect("a pg_lsn is hexadecimal");
    part(high) << 32 | part(low)
}

/// Writes one file line by line, some of them damaged, each in two pieces.
fn write_file(ledger: &Mutex<Ledger>, files: &Path, mut dice: Dice) {
    let number = ledger.lock().number();
    // Sometimes a file of an earlier round goes on.
    let name = if dice.percent(50) { "long.json".to_owned() } else { format!("{number}.json") };
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(files.join(name))
        .expect("a file can be written");
    for _ in 0..dice.between(1, LINES_MAX) {
        let number = ledger.lock().number();
        let text = match dice.below(12) {
            0 => format!("{{\"n\": \"damaged {number}\"}}\n"),
            1 => format!("{{\"other\": {number}}}\n"),
            _ => format!("{{\"n\": {number}}}\n"),
        };
        {
            let mut ledger = ledger.lock();
            if text.starts_with("{\"n\": \"") || text.starts_with("{\"other") {
                ledger.bad_lines.insert(text.clone());
            } else {
                ledger.lines.insert(number);
            }
        }
        let (first, rest) = text.split_at(dice.between(1, text.len() - 1));
        for piece in [first, rest] {
            file.write_all(piece.as_bytes()).expect("a file can be written");
            std::thread::yield_now();
        }
    }
}
