//! The simple protocol: results, several statements, errors, and what happens while rows flow.

use super::Server;
use super::client::{bind_plain, cancel, parse, query, sync};

const ROWS: &str = "T n:23/4/-1/0@16384.1 name:1043/-1/24/0@16384.2";

#[tokio::test]
async fn rows_come_with_their_description_and_tag() {
    let server = Server::start().await;
    let mut client = server.client().await;
    assert_eq!(
        client.run("SELECT rows 4").await,
        [ROWS, "D 0|row 0", "D 1|row 1", "D 2|~", "D 3|row 3", "C SELECT 4", "Z I"]
    );
    assert_eq!(client.run("SELECT rows 0").await, [ROWS, "C SELECT 0", "Z I"]);
}

#[tokio::test]
async fn many_rows_all_come_in_order() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let lines = client.run("SELECT rows 50500").await;
    assert_eq!(lines.len(), 50_503);
    assert_eq!(lines[50_500], "D 50499|row 50499");
    assert!(lines[1..50_501].iter().enumerate().all(|(n, line)| {
        line.strip_prefix("D ").and_then(|row| row.split('|').next()) == Some(&n.to_string())
    }));
    assert_eq!(lines[50_501], "C SELECT 50500");
}

#[tokio::test]
async fn empty_texts_have_an_answer_of_their_own() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for sql in ["", "  ", ";", " ; ; "] {
        assert_eq!(client.run(sql).await, ["I", "Z I"], "{sql:?}");
    }
}

#[tokio::test]
async fn statements_of_one_text_commit_together() {
    let server = Server::start().await;
    let mut client = server.client().await;
    assert_eq!(client.run("INSERT a; ; INSERT b").await, ["C INSERT 0 1", "C INSERT 0 1", "Z I"]);
    assert_eq!(server.engine.committed(), ["a", "b"]);
    let lines = client.run("INSERT c; FAIL 22012; INSERT d").await;
    assert_eq!(lines[0], "C INSERT 0 1");
    assert!(lines[1].starts_with("E ERROR 22012"), "{lines:?}");
    assert_eq!(lines[2..], ["Z I"]);
    assert_eq!(server.engine.committed(), ["a", "b"]);
}

#[tokio::test]
async fn the_last_tag_waits_for_the_commit() {
    let server = Server::start().await;
    let mut client = server.client().await;
    assert_eq!(
        client.run("INSERT a; CONFLICT").await,
        ["C INSERT 0 1", "E ERROR 40001 could not serialize access", "Z I"]
    );
    assert!(server.engine.committed().is_empty());
}

#[tokio::test]
async fn a_block_inside_a_text_takes_over() {
    let server = Server::start().await;
    let mut client = server.client().await;
    assert_eq!(
        client.run("INSERT a; BEGIN; INSERT b").await,
        ["C INSERT 0 1", "C BEGIN", "C INSERT 0 1", "Z T"]
    );
    assert!(server.engine.committed().is_empty());
    assert_eq!(client.run("COMMIT").await, ["C COMMIT", "Z I"]);
    assert_eq!(server.engine.committed(), ["a", "b"]);
}

#[tokio::test]
async fn the_status_follows_the_block() {
    let server = Server::start().await;
    let mut client = server.client().await;
    assert_eq!(client.run("BEGIN").await, ["C BEGIN", "Z T"]);
    assert_eq!(client.run("FAIL 22012").await.last().expect("a line"), "Z E");
    assert_eq!(client.run("INSERT a").await, ["E ERROR 25P02 the block has failed", "Z E"]);
    assert_eq!(client.run("").await, ["I", "Z E"]);
    assert_eq!(client.run("COMMIT").await, ["C ROLLBACK", "Z I"]);
}

#[tokio::test]
async fn errors_carry_every_field() {
    let server = Server::start().await;
    let mut client = server.client().await;
    assert_eq!(
        client.run("FAIL 42P01").await,
        ["E ERROR 42P01 it failed D=Because. H=Do not. W=test", "Z I"]
    );
    assert_eq!(
        client.run("SYNTAX").await,
        ["E ERROR 42601 syntax error at or near \"SYNTAX\" P=1", "Z I"]
    );
}

#[tokio::test]
async fn an_error_after_rows_comes_behind_them() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let lines = client.run("SELECT broken 2").await;
    assert_eq!(lines[..3], [ROWS, "D 0|row 0", "D 1|row 1"]);
    assert!(lines[3].starts_with("E ERROR 22012"), "{lines:?}");
    assert_eq!(lines[4..], ["Z I"]);
}

#[tokio::test]
async fn notices_and_settings_come_before_the_tag() {
    let server = Server::start().await;
    let mut client = server.client().await;
    assert_eq!(
        client.run("NOTICE take care; SET TimeZone UTC").await,
        ["N NOTICE 00000 take care", "C NOTICE", "S TimeZone=UTC", "C SET", "Z I"]
    );
}

#[tokio::test]
async fn parameters_need_the_extended_protocol() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let lines = client.run("SELECT echo $1 $2").await;
    assert!(lines[0].starts_with("E ERROR 42P02 there is no parameter $1"), "{lines:?}");
}

#[tokio::test]
async fn a_query_drops_the_unnamed_statement() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&[parse("", "SELECT rows 1", &[]), sync()].concat()).await;
    assert_eq!(client.until_ready().await, ["1", "Z I"]);
    client.run("").await;
    client.send(&[bind_plain("", ""), sync()].concat()).await;
    assert_eq!(
        client.until_ready().await,
        ["E ERROR 26000 unnamed prepared statement does not exist", "Z I"]
    );
}

#[tokio::test]
async fn rows_of_an_endless_stream_leave_at_once() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&query("SELECT stream 2")).await;
    assert_eq!(client.lines(3).await, [ROWS, "D 0|row 0", "D 1|row 1"]);
    server.engine.streams_become(1).await;
    server.caller().await.send(&cancel(client.key)).await;
    let lines = client.until_ready().await;
    assert_eq!(lines, ["E ERROR 57014 canceling statement due to user request", "Z I"]);
    server.engine.streams_become(0).await;
    assert_eq!(client.run("INSERT a").await, ["C INSERT 0 1", "Z I"]);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_statement() {
    let server = Server::start().await;
    for sql in ["SELECT stream 2", "WAIT", "COPY STREAM 1", "COPY IN"] {
        let mut client = server.client().await;
        client.send(&query(sql)).await;
        if sql == "WAIT" {
            server.engine.waits_become(1).await;
        } else {
            server.engine.streams_become(1).await;
        }
        drop(client);
        server.engine.streams_become(0).await;
        server.engine.waits_become(0).await;
        server.engine.sessions_become(0).await;
    }
}

#[tokio::test]
async fn a_statement_can_be_stopped_while_the_client_does_not_read() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&query("SELECT rows 10000000")).await;
    server.engine.streams_become(1).await;
    server.caller().await.send(&cancel(client.key)).await;
    server.engine.streams_become(0).await;
    let lines = client.until_ready().await;
    assert!(lines.len() < 10_000_000);
    let end = &lines[lines.len() - 2..];
    assert_eq!(end, ["E ERROR 57014 canceling statement due to user request", "Z I"]);
}

#[tokio::test]
async fn queries_sent_together_are_answered_one_after_the_other() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&[query("INSERT a"), query("FAIL 22012"), query("INSERT b")].concat()).await;
    assert_eq!(client.until_ready().await, ["C INSERT 0 1", "Z I"]);
    assert!(client.until_ready().await[0].starts_with("E ERROR 22012"));
    assert_eq!(client.until_ready().await, ["C INSERT 0 1", "Z I"]);
}

#[tokio::test]
async fn a_panic_ends_its_connection_alone() {
    let server = Server::start().await;
    let mut other = server.client().await;
    let mut client = server.client().await;
    let end = client.run("INSERT a; PANIC").await;
    assert_eq!(end[0], "C INSERT 0 1");
    assert!(end[1].starts_with("E FATAL XX000 "), "{end:?}");
    assert_eq!(end[2..], ["end"]);
    assert_eq!(other.run("INSERT b").await, ["C INSERT 0 1", "Z I"]);
    server.engine.sessions_become(1).await;
    assert_eq!(server.engine.committed(), ["b"]);
}
