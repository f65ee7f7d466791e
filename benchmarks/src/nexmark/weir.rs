//! Weir: the load of all tables into its log, queries over the log, and queries from files.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use super::plan::{ALL_TABLES, Engine, Key, What};
use super::rows::NULL;
use super::sql::TABLES;
use super::store::{Measured, Outcome, Taken, WRONG};
use super::{Bench, check, say};
use crate::Result;
use crate::usage::Watch;
use crate::weir::Weir;

/// Between two looks at how far a source is: small beside the seconds that it takes.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What the view or sink that is measured is called.
const NAME: &str = "measured";

/// Loads all tables from files into a new log: to its end all rows are decoded, typed and fsynced.
pub(crate) fn load(bench: &Bench) -> Result<Measured> {
    let dir = new_dir(bench, "load")?;
    let key = Key::new(Engine::Weir, What::Load, ALL_TABLES, 1);
    let work = async |client: &Client| -> Result<Value> {
        for table in TABLES {
            client.batch_execute(&create_stream(bench, table)).await?;
        }
        wait_for_rows(bench, client, &TABLES).await?;
        Ok(json!({ "rows": bench.data.all_rows() }))
    };
    let mut measured = measure(bench, &key, &dir, work, async |_| Ok(()))?;
    if matches!(measured.outcome, Outcome::Finished(_)) {
        measured.details["bytes_on_disk"] = json!(bytes_below(&dir)?);
        let log = log_dir(bench);
        forget_log(bench)?;
        std::fs::rename(dir, log)?;
        std::fs::write(log_mark(bench), log_identity(bench))?;
    }
    Ok(measured)
}

/// Runs a query in one of Weir's ways.
pub(crate) fn query(bench: &Bench, key: &Key) -> Result<Measured> {
    let measured = match key.what {
        What::EndToEnd => end_to_end(bench, key)?,
        _ => from_log(bench, key, async |_| Ok(()))?,
    };
    if key.what != What::FromLogView
        && let Some(rows) = check::expected_rows(bench, &key.query)?
        && matches!(measured.outcome, Outcome::Finished(_))
        && measured.details["rows"] != json!(rows)
    {
        let taken = &measured.details["rows"];
        return Ok(Measured::failed(format!("{WRONG}: the sink took {taken} rows of {rows}")));
    }
    Ok(measured)
}

/// Makes a materialized view of the query and writes its rows to a CSV file.
pub(crate) fn result(bench: &Bench, key: &Key, output: &Path) -> Result<Measured> {
    from_log(bench, key, async |client| {
        let sql = format!("COPY (SELECT * FROM {NAME}) TO STDOUT WITH (FORMAT csv, NULL '{NULL}')");
        let mut file = std::io::BufWriter::new(std::fs::File::create(output)?);
        let mut rows = pin!(client.copy_out(&sql).await?);
        while let Some(piece) = rows.try_next().await? {
            std::io::Write::write_all(&mut file, &piece)?;
        }
        Ok(std::io::Write::flush(&mut file)?)
    })
}

/// From CREATE until the view or sink has taken in all that the log has.
fn from_log(
    bench: &Bench,
    key: &Key,
    after: impl AsyncFnOnce(&Client) -> Result<()>,
) -> Result<Measured> {
    let dir = loaded(bench)?;
    // Until the server has stopped in order, the directory is not what it was.
    std::fs::remove_file(log_mark(bench))?;
    let object = match key.what {
        What::FromLogSink | What::FromLogOneWorker => "SINK",
        _ => "MATERIALIZED VIEW",
    };
    let create = create(bench, key, object)?;
    let work = async |client: &Client| -> Result<Value> {
        client.batch_execute(&create).await?;
        caught_up(client).await
    };
    let after = async |client: &Client| -> Result<()> {
        after(client).await?;
        Ok(client.batch_execute(&format!("DROP {object} {NAME}")).await?)
    };
    let measured = measure(bench, key, &dir, work, after)?;
    if matches!(measured.outcome, Outcome::Finished(_)) {
        std::fs::write(log_mark(bench), log_identity(bench))?;
    }
    Ok(measured)
}

/// From CREATE STREAM until the sink has taken in the rows of all files.
fn end_to_end(bench: &Bench, key: &Key) -> Result<Measured> {
    let dir = new_dir(bench, "end-to-end")?;
    let create = create(bench, key, "SINK")?;
    let work = async |client: &Client| -> Result<Value> {
        client.batch_execute(&create_stream(bench, "bid")).await?;
        client.batch_execute(&create).await?;
        wait_for_rows(bench, client, &["bid"]).await?;
        caught_up(client).await
    };
    let measured = measure(bench, key, &dir, work, async |_| Ok(()))?;
    std::fs::remove_dir_all(dir)?;
    Ok(measured)
}

/// Measures `work` on a server of its own; `after` runs when that is over.
fn measure(
    bench: &Bench,
    key: &Key,
    dir: &Path,
    work: impl AsyncFnOnce(&Client) -> Result<Value>,
    after: impl AsyncFnOnce(&Client) -> Result<()>,
) -> Result<Measured> {
    let workers = if key.what == What::FromLogOneWorker { 1 } else { bench.options.cores };
    let workers = workers.to_string();
    let flags = [OsStr::new("--workers"), OsStr::new(&workers)];
    let mut server = Weir::start(&bench.options.weir, dir, &flags, Some(&bench.log(key)?))?;
    let watch = Watch::new(server.pid());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bound = bench.options.bound;
    let connect_line = server.connect_line();
    let measured = runtime.block_on(async {
        let client = connect(&connect_line).await?;
        let (began, cpu_before) = (Instant::now(), watch.cpu_seconds());
        let ended = tokio::time::timeout(bound, work(&client)).await;
        let taken = Taken {
            seconds: began.elapsed().as_secs_f64(),
            cpu_seconds: watch.cpu_seconds() - cpu_before,
            peak_bytes: watch.peak_bytes(),
        };
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(match ended {
            Ok(Ok(details)) => match tokio::time::timeout(bound, after(&client)).await {
                Ok(Ok(())) => Measured { outcome: Outcome::Finished(taken), details },
                Ok(Err(error)) => Measured::failed(told(error.as_ref())),
                Err(_) => Measured::failed("it hung when it was over"),
            },
            Ok(Err(error)) => Measured::failed(told(error.as_ref())),
            Err(_) => {
                let (seconds, peak_bytes) = (bound.as_secs(), taken.peak_bytes);
                let outcome = Outcome::Unfinished { seconds, peak_bytes };
                Measured { outcome, details: json!({}) }
            }
        })
    })?;
    match &measured.outcome {
        Outcome::Finished(_) => server.stop()?,
        // It may be busy for long, and its directory is made anew.
        _ => server.kill(),
    }
    Ok(measured)
}

async fn connect(line: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(line, NoTls).await?;
    // Its error is that of the statement that meets it.
    tokio::spawn(connection);
    Ok(client)
}

fn create_stream(bench: &Bench, table: &str) -> String {
    let columns = bench.sql.weir_columns(table);
    let path = bench.data.dir.join(table).join("*.json");
    let path = path.display().to_string().replace('\'', "''");
    format!(
        "CREATE STREAM {table} ({columns}) WITH (connector = 'file', path = '{path}', format = 'json')"
    )
}

fn create(bench: &Bench, key: &Key, object: &str) -> Result<String> {
    let query = bench.sql.query(Engine::Weir, &key.query)?;
    let options = if object == "SINK" { "\nWITH (connector = 'blackhole')" } else { "" };
    Ok(format!("CREATE {object} {NAME} AS\n{query}{options}"))
}

/// Waits until the sources of the tables have committed all rows of their files.
async fn wait_for_rows(bench: &Bench, client: &Client, tables: &[&str]) -> Result<()> {
    let sql = "SELECT name, source_rows, source_bad_rows, source_error FROM sys.streams \
               WHERE schema = 'public'";
    let statement = client.prepare(sql).await?;
    loop {
        let rows = client.query(&statement, &[]).await?;
        let mut missing = tables.len();
        for row in rows {
            let (name, taken): (&str, Option<i64>) = (row.get(0), row.get(1));
            let (bad, error): (Option<i64>, Option<&str>) = (row.get(2), row.get(3));
            if let Some(error) = error {
                return Err(format!("stream {name}: {error}").into());
            }
            if let Some(bad) = bad.filter(|bad| *bad > 0) {
                return Err(format!("stream {name}: {bad} rows could not be decoded").into());
            }
            let is_whole = taken == i64::try_from(bench.data.rows(name)).ok();
            missing -= usize::from(is_whole && tables.contains(&name));
        }
        if missing == 0 {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until the view or sink has reached the newest epoch.
async fn caught_up(client: &Client) -> Result<Value> {
    client.batch_execute("FLUSH").await?;
    let sql = format!("SELECT state, rows, bytes, error FROM sys.views WHERE name = '{NAME}'");
    let row = client.query_one(&sql, &[]).await?;
    let (state, error): (&str, Option<&str>) = (row.get(0), row.get(3));
    if state != "running" {
        return Err(format!("it is {state} after FLUSH: {}", error.unwrap_or("no error")).into());
    }
    let (rows, bytes): (Option<i64>, Option<i64>) = (row.get(1), row.get(2));
    Ok(json!({ "rows": rows, "bytes": bytes }))
}

/// An error with what the server said.
fn told(error: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    let postgres = error.downcast_ref::<tokio_postgres::Error>();
    let Some(server) = postgres.and_then(|error| error.as_db_error()) else {
        return error.to_string();
    };
    let more = [server.detail(), server.hint()].into_iter().flatten();
    let more: Vec<&str> = more.collect();
    format!("{} {} {}", server.code().code(), server.message(), more.join(" ")).trim().to_owned()
}

/// The directory with all tables in its log; loads them, unmeasured, where they are not.
fn loaded(bench: &Bench) -> Result<PathBuf> {
    let known = std::fs::read_to_string(log_mark(bench)).unwrap_or_default();
    if known != log_identity(bench) {
        say("loading Weir's log");
        let measured = load(bench)?;
        if !matches!(measured.outcome, Outcome::Finished(_)) {
            return Err(format!("Weir does not load: {measured}").into());
        }
    }
    Ok(log_dir(bench))
}

fn log_dir(bench: &Bench) -> PathBuf {
    bench.options.work.join("weir/log")
}

/// A file that says whose log it is, and that nobody was at it since.
fn log_mark(bench: &Bench) -> PathBuf {
    bench.options.work.join("weir/log.whole")
}

fn log_identity(bench: &Bench) -> String {
    format!("{} {}", bench.store.identity(Engine::Weir), bench.data.facts["generator"])
}

fn forget_log(bench: &Bench) -> Result<()> {
    let mark = log_mark(bench);
    if mark.exists() {
        std::fs::remove_file(mark)?;
    }
    if log_dir(bench).exists() {
        std::fs::remove_dir_all(log_dir(bench))?;
    }
    Ok(())
}

fn new_dir(bench: &Bench, name: &str) -> Result<PathBuf> {
    let dir = bench.options.work.join("weir").join(name);
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

fn bytes_below(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { bytes_below(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}
