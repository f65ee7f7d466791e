//! The orderly end: idle connections, running statements, and those that cannot wait.

use std::time::Duration;

use tokio::net::TcpStream;
use weir_types::SqlState;

use super::client::{bind_plain, execute, message, packet, parse, query};
use super::{Server, hasty};
use crate::PgOptions;
use crate::stub::Engine;

const END: [&str; 2] = ["E FATAL 57P01 terminating connection due to administrator command", "end"];

/// Options of a server that waits long for its statements.
fn patient() -> PgOptions {
    PgOptions { drain: Duration::from_secs(60), ..PgOptions::default() }
}

#[tokio::test]
async fn idle_connections_are_told_and_closed() {
    let server = Server::start_with(Engine::default(), patient()).await;
    let mut idle = server.client().await;
    let mut in_block = server.client().await;
    in_block.run("BEGIN").await;
    let mut caller = server.caller().await;
    caller.send(&packet(1234, 5679, b"")).await;
    assert_eq!(caller.byte().await, b'N');
    server.shutdown.cancel();
    assert_eq!(idle.until_ready().await, END);
    assert_eq!(in_block.until_ready().await, END);
    let end = caller.until_ready().await;
    assert_eq!(end, ["E FATAL 57P03 the database system is shutting down", "end"]);
    drop((idle, in_block, caller));
    server.task.await.expect("no panic").expect("no error");
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_running_statement_ends_first() {
    let server = Server::start_with(Engine::default(), patient()).await;
    let mut client = server.client().await;
    client.send(&query("COPY IN")).await;
    assert_eq!(client.lines(1).await, ["G 0 0,0"]);
    let mut idle = server.client().await;
    server.shutdown.cancel();
    assert_eq!(idle.until_ready().await, END);
    client.send(&[message(b'd', b"a\n"), message(b'c', b"")].concat()).await;
    assert_eq!(client.until_ready().await, ["C COPY 1", "Z I"]);
    assert_eq!(client.until_ready().await, END);
    assert_eq!(server.engine.committed(), ["a"]);
}

#[tokio::test]
async fn a_statement_without_end_is_cut() {
    for sql in ["WAIT", "SELECT stream 0", "COPY STREAM 0", "COPY IN"] {
        let server = Server::start_with(Engine::default(), hasty()).await;
        let mut client = server.client().await;
        client.send(&query(sql)).await;
        if sql == "WAIT" {
            server.engine.waits_become(1).await;
        } else {
            server.engine.streams_become(1).await;
        }
        server.shutdown.cancel();
        let lines = client.until_ready().await;
        let [.., told, end] = lines.as_slice() else { panic!("{sql}: {lines:?}") };
        assert!(told.starts_with(END[0]) && end == END[1], "{sql}: {lines:?}");
        drop(client);
        server.task.await.expect("no panic").expect("no error");
        server.engine.sessions_become(0).await;
    }
}

#[tokio::test]
async fn the_engine_can_end_a_connection() {
    let server = Server::start().await;
    let mut idle = server.client().await;
    // A cancel that comes too late does nothing.
    server.engine.interrupt(idle.key.0, SqlState::QueryCanceled);
    assert_eq!(idle.run("INSERT a").await, ["C INSERT 0 1", "Z I"]);
    server.engine.interrupt(idle.key.0, SqlState::AdminShutdown);
    assert_eq!(idle.until_ready().await, END);
    for sql in ["WAIT", "SELECT stream 0", "COPY IN"] {
        let mut client = server.client().await;
        client.send(&query(sql)).await;
        match sql {
            "WAIT" => server.engine.waits_become(1).await,
            _ => server.engine.streams_become(1).await,
        }
        server.engine.interrupt(client.key.0, SqlState::AdminShutdown);
        let lines = client.until_ready().await;
        let [.., told, end] = lines.as_slice() else { panic!("{sql}: {lines:?}") };
        assert!(told.starts_with(END[0]) && end == END[1], "{sql}: {lines:?}");
        server.engine.streams_become(0).await;
    }
}

#[tokio::test]
async fn answers_that_are_due_come_before_the_goodbye() {
    let server = Server::start_with(Engine::default(), patient()).await;
    let mut client = server.client().await;
    // Without a Sync nothing is due yet to be sent; the statement has committed all the same.
    client.send(&[parse("", "INSERT a", &[]), bind_plain("", ""), execute("", 0)].concat()).await;
    assert_eq!(client.lines(3).await, ["1", "2", "C INSERT 0 1"]);
    server.shutdown.cancel();
    assert_eq!(client.until_ready().await, END);
}

#[tokio::test]
async fn a_client_that_does_not_read_does_not_hold_the_end_up() {
    let server = Server::start_with(Engine::default(), hasty()).await;
    let mut client = server.client().await;
    client.send(&query("SELECT rows 10000000")).await;
    server.engine.streams_become(1).await;
    server.shutdown.cancel();
    server.engine.sessions_become(0).await;
    server.task.await.expect("no panic").expect("no error");
    drop(client);
}
