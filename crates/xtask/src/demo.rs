//! `cargo xtask demo`: Weir on real data and on a live stream, from nothing to views that change.

mod batch;
mod csv;
mod server;
mod show;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::pg_client::PgClient;
use crate::progress::{self, say};
use crate::setup::{self, Need};
use crate::{Result, cargo, workspace};

use server::Server;

/// The scripts, in their order.
const SCRIPTS: [&str; 3] = ["01_flights.sql", "02_flight_views.sql", "03_live_auctions.sql"];
/// The streams of real data, each with its file.
const FILES: [&str; 4] = ["airlines", "airports", "weather", "flights"];
/// The load takes seconds; after this it has failed.
const LOAD_MAX: Duration = Duration::from_secs(300);
/// How often the live views are shown.
const SHOW_EVERY: Duration = Duration::from_secs(2);
/// How often they are shown with `--once`.
const SHOWN_ONCE: usize = 3;
/// After so many times the psql line is printed again.
const REMIND_EVERY: usize = 30;

/// How long the demo lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Until Ctrl-C.
    Stay,
    /// Until the results are printed and checked.
    Once,
}

/// Builds, starts a server on an empty directory, loads, shows and checks.
pub(crate) fn run(mode: Mode) -> Result<()> {
    setup::provide(&[Need::Libclang, Need::CppCompiler])?;
    let mut build = cargo::building("build")?;
    build.args(["--release", "--locked", "-p", "weir-server"]);
    progress::run("release build (the first one takes a while)", &mut build)?;
    let binary = cargo::target_dir()?.join("release/weir");

    let mut server = Server::start(&binary, mode)?;
    let outcome = present(&server, mode);
    match outcome {
        Ok(()) => server.stop(),
        Err(error) => {
            let log = server.last_log_lines();
            // The first error is the one to tell.
            let stopped = server.stop().err().map(|error| format!("\n{error}"));
            Err(format!("{error}{}\nthe server's last words:\n{log}", stopped.unwrap_or_default()))
        }
    }
}

fn present(server: &Server, mode: Mode) -> Result<()> {
    let mut client = PgClient::connect(server.pg_address())?;
    client.query("SET TIME ZONE 'UTC'")?;
    for script in SCRIPTS {
        run_script(&mut client, script)?;
    }
    wait_for_load(&mut client)?;
    let checked = batch::check_views(&mut client)?;
    show::flights(&mut client)?;
    println!(
        "\nAll {} rows of the {} views equal an independent batch computation over the files.\n",
        checked.rows, checked.views
    );
    let connect = server.connect_lines();
    println!("{connect}");
    let mut shown = 0;
    while mode == Mode::Stay || shown < SHOWN_ONCE {
        show::live(&mut client)?;
        shown += 1;
        if mode == Mode::Stay && shown % REMIND_EVERY == 0 {
            println!("\n{connect}");
        }
        std::thread::sleep(SHOW_EVERY);
    }
    Ok(())
}

/// Runs the statements of a script of `sql/examples`, and shows each one's first line.
fn run_script(client: &mut PgClient, script: &str) -> Result<()> {
    let text = workspace::read_root_file(&format!("sql/examples/{script}"))?;
    say(format!("sql/examples/{script}"));
    for statement in statements(&text) {
        println!("  {}", statement.lines().next().unwrap_or_default());
        client.query(&statement)?;
    }
    Ok(())
}

/// The statements without comments. The scripts have no `;` and no `--` inside a text.
fn statements(script: &str) -> Vec<String> {
    let code: Vec<&str> =
        script.lines().map(|line| line.split("--").next().unwrap_or_default().trim_end()).collect();
    let code = code.join("\n");
    code.split(';').map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

/// Waits until every stream has the rows of its file; says how far each is.
fn wait_for_load(client: &mut PgClient) -> Result<()> {
    let began = Instant::now();
    let mut expected = Vec::new();
    for name in FILES {
        expected.push((name, csv::Table::read(&data_file(name))?.len() as u64));
    }
    loop {
        let mut is_loaded = true;
        let mut line = String::from("loaded");
        for (name, rows) in &expected {
            let found = client.number(&format!("SELECT count(*) FROM {name}"))?;
            is_loaded &= found == *rows;
            line.push_str(&format!("  {name} {found}/{rows}"));
            if found > *rows {
                return Err(format!("stream {name} has {found} rows, its file {rows}"));
            }
        }
        let departed =
            client.number("SELECT coalesce(sum(departed), 0) FROM departures_by_hour")?;
        say(format!("{line}  view departures_by_hour: {departed} departed"));
        if is_loaded {
            return Ok(());
        }
        if began.elapsed() > LOAD_MAX {
            return Err("the files are not loaded in time; are there rows in dlq.flights?".into());
        }
        std::io::stdout().flush().map_err(|error| format!("could not write: {error}"))?;
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// A CSV file of the real data set.
fn data_file(name: &str) -> PathBuf {
    workspace::root().join(format!("sql/examples/data/nycflights13/{name}.csv"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_cut_into_statements() {
        let script = "-- about; this\nCREATE a (\n  b text -- c\n);\n\nSELECT 1;\n";
        assert_eq!(statements(script), ["CREATE a (\n  b text\n)", "SELECT 1"]);
    }

    #[test]
    fn the_scripts_of_the_demo_are_there_and_have_statements() {
        for script in SCRIPTS {
            let text = workspace::read_root_file(&format!("sql/examples/{script}"))
                .expect("the data set is whole");
            let found = statements(&text);
            assert!(found.len() >= 4, "{script}");
            assert!(found.iter().all(|statement| statement.starts_with("CREATE ")), "{script}");
        }
    }
}
