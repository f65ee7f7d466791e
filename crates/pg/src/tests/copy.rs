//! COPY in both directions and both protocols, with every way it can fail.

use super::Server;
use super::client::{bind_plain, cancel, execute, flush, message, parse, query, sync};

const BEGIN: &str = "G 0 0,0";

fn data(text: &str) -> Vec<u8> {
    message(b'd', text.as_bytes())
}

fn done() -> Vec<u8> {
    message(b'c', b"")
}

fn fail(reason: &str) -> Vec<u8> {
    message(b'f', format!("{reason}\0").as_bytes())
}

/// COPY IN by the extended protocol, with a Sync right behind it as rust-postgres sends it.
fn copy_in_extended() -> Vec<u8> {
    [parse("", "COPY IN", &[]), bind_plain("", ""), execute("", 0), sync()].concat()
}

#[tokio::test]
async fn lines_come_in_by_the_simple_protocol() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&query("COPY IN")).await;
    assert_eq!(client.lines(1).await, [BEGIN]);
    // Sync and Flush do not count within a COPY; lines may be cut anywhere.
    client.send(&[data("a\nb"), sync(), data("c\n"), flush(), done()].concat()).await;
    assert_eq!(client.until_ready().await, ["C COPY 2", "Z I"]);
    assert_eq!(server.engine.committed(), ["a", "bc"]);
}

#[tokio::test]
async fn lines_come_in_by_the_extended_protocol() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&copy_in_extended()).await;
    assert_eq!(client.lines(3).await, ["1", "2", BEGIN]);
    client.send(&[data("a\n"), done(), sync()].concat()).await;
    assert_eq!(client.until_ready().await, ["C COPY 1", "Z I"]);
    assert_eq!(server.engine.committed(), ["a"]);
}

#[tokio::test]
async fn the_client_can_give_up() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&[query("COPY IN"), data("a\n"), fail("no more")].concat()).await;
    assert_eq!(
        client.until_ready().await,
        [BEGIN, "E ERROR 57014 COPY from stdin failed: no more W=after some lines", "Z I"]
    );
    client.send(&[copy_in_extended(), data("a\n"), fail("no more"), sync()].concat()).await;
    assert_eq!(
        client.until_ready().await,
        [
            "1",
            "2",
            BEGIN,
            "E ERROR 57014 COPY from stdin failed: no more W=after some lines",
            "Z I"
        ]
    );
    assert!(server.engine.committed().is_empty());
}

#[tokio::test]
async fn the_rest_of_refused_data_is_skipped() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let rest = [data("bad\n"), data("b\n"), data("c\n"), done()].concat();
    client.send(&[query("COPY IN"), data("a\n"), rest.clone(), query("INSERT x")].concat()).await;
    assert_eq!(client.until_ready().await, [BEGIN, "E ERROR 22P04 a bad line", "Z I"]);
    assert_eq!(client.until_ready().await, ["C INSERT 0 1", "Z I"]);

    client.send(&[copy_in_extended(), rest, sync(), query("INSERT y")].concat()).await;
    assert_eq!(client.until_ready().await, ["1", "2", BEGIN, "E ERROR 22P04 a bad line", "Z I"]);
    assert_eq!(client.until_ready().await, ["C INSERT 0 1", "Z I"]);
    assert_eq!(server.engine.committed(), ["x", "y"]);
}

#[tokio::test]
async fn other_messages_end_the_copy() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&[query("COPY IN"), data("a\n"), query("INSERT x")].concat()).await;
    assert_eq!(
        client.until_ready().await,
        [
            BEGIN,
            "E ERROR 08P01 unexpected Query message during COPY from stdin W=after some lines",
            "Z I"
        ]
    );
    assert_eq!(client.run("INSERT y").await, ["C INSERT 0 1", "Z I"]);
    assert_eq!(server.engine.committed(), ["y"]);
}

#[tokio::test]
async fn a_copy_can_be_cancelled_while_it_waits_for_data() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&[query("COPY IN"), data("a\n")].concat()).await;
    assert_eq!(client.lines(1).await, [BEGIN]);
    server.caller().await.send(&cancel(client.key)).await;
    let lines = client.until_ready().await;
    let cancelled = "E ERROR 57014 canceling statement due to user request W=after some lines";
    assert_eq!(lines, [cancelled, "Z I"]);
    server.engine.streams_become(0).await;
    client.send(&[data("b\n"), done()].concat()).await;
    assert_eq!(client.run("INSERT x").await, ["C INSERT 0 1", "Z I"]);
    assert_eq!(server.engine.committed(), ["x"]);
}

#[tokio::test]
async fn a_copy_is_one_of_several_statements() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&[query("INSERT x; COPY IN; INSERT y"), data("a\n"), done()].concat()).await;
    assert_eq!(
        client.until_ready().await,
        ["C INSERT 0 1", BEGIN, "C COPY 1", "C INSERT 0 1", "Z I"]
    );
}

#[tokio::test]
async fn lines_go_out_by_both_protocols() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let copy = ["H 0 0,0", "d \"0\\trow 0\\n\"", "d \"1\\trow 1\\n\"", "c", "C COPY 2"];
    assert_eq!(client.run("COPY OUT 2").await, [&copy[..], &["Z I"]].concat());
    client
        .send(&[parse("", "COPY OUT 2", &[]), bind_plain("", ""), execute("", 1), sync()].concat())
        .await;
    assert_eq!(client.until_ready().await, [&["1", "2"], &copy[..], &["Z I"]].concat());
}

#[tokio::test]
async fn each_row_is_a_message_as_with_postgresql() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let csv = ["H 0 0,0", "d \"n,name\\n\"", "d \"0,row 0\\n\"", "c", "C COPY 1", "Z I"];
    assert_eq!(client.run("COPY CSV 1").await, csv);
    let lines = client.run("COPY OUT 50500").await;
    assert_eq!(lines.len(), 50_504);
    assert_eq!(lines[50_500], "d \"50499\\trow 50499\\n\"");
    assert_eq!(lines[50_501..], ["c", "C COPY 50500", "Z I"]);

    let header = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    let row = |n: u8, name: &[u8]| {
        let length = [0, 0, 0, name.len() as u8];
        [&[0, 2, 0, 0, 0, 4, 0, 0, 0, n][..], &length, name].concat()
    };
    for (n_rows, expected) in [
        (0, vec![[&header[..], b"\xff\xff"].concat()]),
        (
            2,
            vec![[&header[..], &row(0, b"row 0")].concat(), row(1, b"row 1"), b"\xff\xff".to_vec()],
        ),
    ] {
        client.send(&query(&format!("COPY BINARY {n_rows}"))).await;
        assert_eq!(client.lines(1).await, ["H 1 1,1"]);
        for data in expected {
            let (kind, body) = client.message().await.expect("data");
            assert_eq!((kind, body.to_vec()), (b'd', data));
        }
        let end = ["c".to_owned(), format!("C COPY {n_rows}"), "Z I".to_owned()];
        assert_eq!(client.until_ready().await, end);
    }
}

#[tokio::test]
async fn lines_of_an_endless_copy_leave_at_once() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&query("COPY STREAM 1")).await;
    assert_eq!(client.lines(2).await, ["H 0 0,0", "d \"0\\trow 0\\n\""]);
    server.caller().await.send(&cancel(client.key)).await;
    let lines = client.until_ready().await;
    assert_eq!(lines, ["E ERROR 57014 canceling statement due to user request", "Z I"]);
    server.engine.streams_become(0).await;
}

#[tokio::test]
async fn a_client_that_leaves_has_copied_nothing() {
    let server = Server::start().await;
    for goodbye in [&b""[..], b"X\0\0\0\x04"] {
        let mut client = server.client().await;
        client.send(&[query("COPY IN"), data("a\n"), goodbye.to_vec()].concat()).await;
        assert_eq!(client.lines(1).await, [BEGIN]);
        drop(client);
        server.engine.sessions_become(0).await;
    }
    assert!(server.engine.committed().is_empty());
}
