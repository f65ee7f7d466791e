//! Pipelines: what runs up to a Sync is one transaction. And cursors of SQL, which are portals to the wire.

use super::Server;
use super::client::{Client, bind_plain, close, describe, execute, flush, parse, query, sync};

const ROWS: &str = "T n:23/4/-1/0@16384.1 name:1043/-1/24/0@16384.2";

/// Parse, Bind and Execute of each statement.
fn run<const N: usize>(statements: [&str; N]) -> Vec<u8> {
    let messages = statements.map(|sql| [parse("", sql, &[]), bind_plain("", ""), execute("", 0)]);
    messages.concat().concat()
}

/// Sends the statements and a Sync. Returns tags, errors and the status.
async fn outcome<const N: usize>(client: &mut Client, statements: [&str; N]) -> Vec<String> {
    client.send(&[run(statements), sync()].concat()).await;
    let lines = client.until_ready().await;
    lines.into_iter().filter(|line| line.len() > 1).collect()
}

#[tokio::test]
async fn an_error_undoes_what_ran_since_the_last_sync() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let lines = outcome(&mut client, ["INSERT a", "INSERT b", "FAIL 23505", "INSERT c"]).await;
    assert_eq!(lines[..2], ["C INSERT 0 1", "C INSERT 0 1"]);
    assert!(lines[2].starts_with("E ERROR 23505"), "{lines:?}");
    assert_eq!(lines[3..], ["Z I"]);
    assert!(server.engine.committed().is_empty());

    let lines = outcome(&mut client, ["INSERT a", "SELECT rows 0", "INSERT b"]).await;
    assert_eq!(lines, ["C INSERT 0 1", "C SELECT 0", "C INSERT 0 1", "Z I"]);
    assert_eq!(server.engine.committed(), ["a", "b"]);
    client.send(&[run(["INSERT lost"]), parse("", "SYNTAX", &[]), sync()].concat()).await;
    assert_eq!(client.until_ready().await.last().expect("a line"), "Z I");
    assert_eq!(outcome(&mut client, ["INSERT c"]).await, ["C INSERT 0 1", "Z I"]);
    assert_eq!(server.engine.committed(), ["a", "b", "c"]);
}

#[tokio::test]
async fn the_last_tag_waits_for_the_commit() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let lost = "E ERROR 40001 could not serialize access";
    assert_eq!(outcome(&mut client, ["INSERT a", "CONFLICT"]).await, ["C INSERT 0 1", lost, "Z I"]);
    // With a Flush it is answered before: then Sync tells.
    client.send(&[run(["INSERT a", "CONFLICT"]), flush()].concat()).await;
    assert_eq!(client.lines(6).await.last().expect("a line"), "C CONFLICT");
    client.send(&sync()).await;
    assert_eq!(client.until_ready().await, [lost, "Z I"]);
    assert!(server.engine.committed().is_empty());
}

#[tokio::test]
async fn nothing_is_committed_before_the_sync() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&[run(["INSERT a"]), flush()].concat()).await;
    assert_eq!(client.lines(3).await, ["1", "2", "C INSERT 0 1"]);
    assert!(server.engine.committed().is_empty());
    client.send(&[close('P', ""), sync()].concat()).await;
    assert_eq!(client.until_ready().await, ["3", "Z I"]);
    assert_eq!(server.engine.committed(), ["a"]);

    client.send(&[run(["INSERT lost"]), flush()].concat()).await;
    client.lines(3).await;
    drop(client);
    server.engine.sessions_become(0).await;
    assert_eq!(server.engine.committed(), ["a"]);
}

#[tokio::test]
async fn begin_and_commit_take_over_what_ran_before() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let lines = outcome(&mut client, ["INSERT a", "BEGIN", "INSERT b"]).await;
    assert_eq!(lines, ["C INSERT 0 1", "C BEGIN", "C INSERT 0 1", "Z T"]);
    assert_eq!(client.run("ROLLBACK").await, ["C ROLLBACK", "Z I"]);
    assert!(server.engine.committed().is_empty());

    let lines = outcome(&mut client, ["INSERT a", "COMMIT", "INSERT b", "FAIL 22012"]).await;
    assert_eq!(lines.last().expect("a line"), "Z I");
    assert_eq!(server.engine.committed(), ["a"]);
}

#[tokio::test]
async fn a_query_ends_it_too() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&[run(["INSERT a"]), query("INSERT b")].concat()).await;
    assert_eq!(client.until_ready().await[2..], ["C INSERT 0 1", "C INSERT 0 1", "Z I"]);
    client.send(&[run(["INSERT c"]), query("")].concat()).await;
    assert_eq!(client.until_ready().await[2..], ["C INSERT 0 1", "I", "Z I"]);
    assert_eq!(server.engine.committed(), ["a", "b", "c"]);
    client.send(&[run(["INSERT d"]), query("FAIL 22012")].concat()).await;
    client.until_ready().await;
    assert_eq!(outcome(&mut client, ["INSERT e"]).await, ["C INSERT 0 1", "Z I"]);
    assert_eq!(server.engine.committed(), ["a", "b", "c", "e"]);
}

#[tokio::test]
async fn a_cursor_of_sql_is_a_portal() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.run("DECLARE c 3").await;
    client.send(&[describe('P', "c"), execute("c", 2), execute("c", 0), sync()].concat()).await;
    let rows = [ROWS, "D 0|row 0", "D 1|row 1", "s", "D 2|~", "C SELECT 1", "Z I"];
    assert_eq!(client.until_ready().await, rows);
    client.send(&[parse("s", "SELECT rows 1", &[]), bind_plain("c", "s"), sync()].concat()).await;
    let taken = "E ERROR 42P03 cursor \"c\" already exists";
    assert_eq!(client.until_ready().await, ["1", taken, "Z I"]);
    client.send(&[close('P', "c"), describe('P', "c"), sync()].concat()).await;
    let gone = "E ERROR 34000 portal \"c\" does not exist";
    assert_eq!(client.until_ready().await, ["3", gone, "Z I"]);
}
