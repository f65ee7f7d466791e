//! Bad input on the real binary: a clear error each time, and a server that goes on.
//!
//! Ports in use, bad flags and bad configuration are the binary's own tests.

mod disk;
mod statements;
mod wire;

use tempfile::TempDir;
use tokio_postgres::{Client, SimpleQueryMessage};
use weir_tests::process::Process;

/// A server on a new directory, and a connection.
async fn server() -> (TempDir, Process, Client) {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(&dir.path().join("data"));
    let client = process.connect().await;
    (dir, process, client)
}

/// SQLSTATE, message and position of the error that a statement gives.
async fn failure(client: &Client, sql: &str) -> (String, String, Option<u32>) {
    let error = client.simple_query(sql).await.expect_err("the statement is refused");
    let Some(db) = error.as_db_error() else { panic!("no answer but {error}") };
    let position = match db.position() {
        Some(tokio_postgres::error::ErrorPosition::Original(position)) => Some(*position),
        _ => None,
    };
    (db.code().code().to_owned(), db.message().to_owned(), position)
}

/// The first value of the first row.
async fn value(client: &Client, sql: &str) -> String {
    let answer = client.simple_query(sql).await.unwrap();
    let row = answer.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
        _ => None,
    });
    row.expect("a row")
}
