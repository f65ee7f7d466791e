//! The extended protocol: statements, portals, formats, limits, and how errors skip to Sync.

use super::Server;
use super::client::{
    Client, bind, bind_plain, close, describe, execute, flush, parse, query, sync,
};

const ROWS: &str = "T n:23/4/-1/0@16384.1 name:1043/-1/24/0@16384.2";
const ECHO: &str = "SELECT echo $1 $2";

/// Sends the messages and a Sync. Returns what comes up to ReadyForQuery.
async fn run<const N: usize>(client: &mut Client, messages: [Vec<u8>; N]) -> Vec<String> {
    client.send(&[messages.concat(), sync()].concat()).await;
    client.until_ready().await
}

#[tokio::test]
async fn a_statement_is_parsed_bound_described_and_run() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let lines = run(
        &mut client,
        [
            parse("s", ECHO, &[]),
            describe('S', "s"),
            bind("p", "s", &[], &[Some(b"7"), None], &[]),
            describe('P', "p"),
            execute("p", 0),
            close('P', "p"),
            close('S', "s"),
        ],
    )
    .await;
    assert_eq!(lines, ["1", "t 23 25", ROWS, "2", ROWS, "D 7|~", "C SELECT 1", "3", "3", "Z I"]);
}

#[tokio::test]
async fn formats_are_none_one_or_one_for_each() {
    let server = Server::start().await;
    let mut client = server.client().await;
    run(&mut client, [parse("s", ECHO, &[23, 25])]).await;
    let seven = 7_i32.to_be_bytes();
    for (parameter_formats, result_formats, row) in [
        (&[][..], &[][..], "D 7|x"),
        (&[0], &[0], "D 7|x"),
        (&[0, 0], &[1, 0], "D 00000007|x"),
        (&[1, 0], &[1], "D 00000007|x"),
        (&[1], &[0, 1], "D 7|x"),
    ] {
        let number: &[u8] = if parameter_formats.first() == Some(&1) { &seven } else { b"7" };
        let parameters = [Some(number), Some(&b"x"[..])];
        let messages =
            [bind("", "s", parameter_formats, &parameters, result_formats), execute("", 0)];
        assert_eq!(run(&mut client, messages).await, ["2", row, "C SELECT 1", "Z I"]);
    }
    let messages = [bind("", "s", &[], &[None, None], &[1, 0]), describe('P', ""), execute("", 0)];
    assert_eq!(
        run(&mut client, messages).await,
        ["2", "T n:23/4/-1/1@16384.1 name:1043/-1/24/0@16384.2", "D ~|~", "C SELECT 1", "Z I"]
    );
}

#[tokio::test]
async fn counts_that_do_not_fit_are_refused() {
    let server = Server::start().await;
    let mut client = server.client().await;
    run(&mut client, [parse("s", ECHO, &[])]).await;
    let two = [None, None];
    for (message, error) in [
        (
            bind("", "s", &[], &[None], &[]),
            "08P01 bind message supplies 1 parameters, but prepared statement \"s\" requires 2",
        ),
        (
            bind("", "s", &[0, 0, 0], &two, &[]),
            "08P01 bind message has 3 parameter formats but 2 parameters",
        ),
        (
            bind("", "s", &[], &two, &[0, 0, 0]),
            "08P01 bind message has 3 result formats but query has 2 columns",
        ),
        (bind("", "s", &[2], &two, &[]), "22023 unsupported format code: 2"),
        (bind("", "s", &[], &two, &[7]), "22023 unsupported format code: 7"),
    ] {
        let lines = run(&mut client, [message]).await;
        assert_eq!(lines, [format!("E ERROR {error}"), "Z I".to_owned()]);
    }
}

#[tokio::test]
async fn names_are_checked() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let insert = |name| parse(name, "INSERT x", &[]);
    assert_eq!(
        run(&mut client, [insert("s"), insert("s")]).await,
        ["1", "E ERROR 42P05 prepared statement \"s\" already exists", "Z I"]
    );
    assert_eq!(run(&mut client, [insert(""), insert("")]).await, ["1", "1", "Z I"]);
    assert_eq!(
        run(&mut client, [bind_plain("p", "s"), bind_plain("p", "s")]).await,
        ["2", "E ERROR 42P03 cursor \"p\" already exists", "Z I"]
    );
    assert_eq!(
        run(&mut client, [bind_plain("", "s"), bind_plain("", "s")]).await,
        ["2", "2", "Z I"]
    );
    for (message, error) in [
        (bind_plain("", "t"), "26000 prepared statement \"t\" does not exist"),
        (describe('S', "t"), "26000 prepared statement \"t\" does not exist"),
        (describe('P', "q"), "34000 portal \"q\" does not exist"),
        (execute("q", 0), "34000 portal \"q\" does not exist"),
        (execute("", 0), "34000 portal \"\" does not exist"),
    ] {
        let lines = run(&mut client, [message]).await;
        assert_eq!(lines, [format!("E ERROR {error}"), "Z I".to_owned()]);
    }
    let lines = run(&mut client, [close('S', "nothing"), close('P', "nothing")]).await;
    assert_eq!(lines, ["3", "3", "Z I"]);
}

#[tokio::test]
async fn after_an_error_everything_up_to_sync_is_skipped() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client
        .send(
            &[
                parse("", "FAIL 22012", &[]),
                bind_plain("", ""),
                execute("", 0),
                parse("", "INSERT lost", &[]),
                bind_plain("", ""),
                execute("", 0),
                query("INSERT lost, too"),
                sync(),
                parse("", "INSERT kept", &[]),
                bind_plain("", ""),
                execute("", 0),
                sync(),
            ]
            .concat(),
        )
        .await;
    let lines = client.until_ready().await;
    assert_eq!(lines[..2], ["1", "2"]);
    assert!(lines[2].starts_with("E ERROR 22012"), "{lines:?}");
    assert_eq!(lines[3..], ["Z I"]);
    assert_eq!(client.until_ready().await, ["1", "2", "C INSERT 0 1", "Z I"]);
    assert_eq!(server.engine.committed(), ["kept"]);
}

#[tokio::test]
async fn a_limit_suspends_the_portal() {
    let server = Server::start().await;
    let mut client = server.client().await;
    run(&mut client, [parse("", "BEGIN", &[]), bind_plain("", ""), execute("", 0)]).await;
    let lines = run(
        &mut client,
        [parse("s", "SELECT rows 5", &[]), bind_plain("p", "s"), execute("p", 2), execute("p", 2)],
    )
    .await;
    assert_eq!(lines, ["1", "2", "D 0|row 0", "D 1|row 1", "s", "D 2|~", "D 3|row 3", "s", "Z T"]);
    let lines = run(&mut client, [execute("p", 2), execute("p", 2), execute("p", 0)]).await;
    assert_eq!(lines, ["D 4|row 4", "C SELECT 1", "C SELECT 0", "C SELECT 0", "Z T"]);
}

#[tokio::test]
async fn a_limit_that_is_met_exactly_suspends_once_more() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let lines = run(
        &mut client,
        [
            parse("", "SELECT rows 2", &[]),
            bind_plain("", ""),
            execute("", 2),
            execute("", 2),
            execute("", -1),
        ],
    )
    .await;
    assert_eq!(lines, ["1", "2", "D 0|row 0", "D 1|row 1", "s", "C SELECT 0", "C SELECT 0", "Z I"]);
}

#[tokio::test]
async fn a_stream_that_pauses_suspends_early() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let messages = [parse("", "SELECT stream 3", &[]), bind_plain("", ""), execute("", 100)];
    let lines = run(&mut client, messages).await;
    assert_eq!(lines, ["1", "2", "D 0|row 0", "D 1|row 1", "D 2|~", "s", "Z I"]);
    server.engine.streams_become(0).await;
}

#[tokio::test]
async fn portals_end_with_their_transaction() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let start = [parse("s", "SELECT rows 9", &[]), bind_plain("p", "s"), execute("p", 1)];
    assert_eq!(run(&mut client, start).await, ["1", "2", "D 0|row 0", "s", "Z I"]);
    server.engine.streams_become(0).await;
    let no_portal = ["E ERROR 34000 portal \"p\" does not exist", "Z I"];
    assert_eq!(run(&mut client, [execute("p", 1)]).await, no_portal);

    client.run("BEGIN").await;
    run(&mut client, [bind_plain("p", "s"), execute("p", 1)]).await;
    assert_eq!(run(&mut client, [execute("p", 1)]).await, ["D 1|row 1", "s", "Z T"]);
    client.run("COMMIT").await;
    assert_eq!(run(&mut client, [execute("p", 1)]).await, no_portal);

    client.run("BEGIN").await;
    let lines = run(
        &mut client,
        [
            bind_plain("p", "s"),
            execute("p", 1),
            parse("", "COMMIT", &[]),
            bind_plain("", ""),
            execute("", 0),
            execute("p", 1),
        ],
    )
    .await;
    let expected = ["2", "D 0|row 0", "s", "1", "2", "C COMMIT", no_portal[0], "Z I"];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn an_error_ends_the_streams_of_its_block() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.run("BEGIN").await;
    run(&mut client, [parse("", "SELECT stream 1", &[]), bind_plain("p", ""), execute("p", 1)])
        .await;
    server.engine.streams_become(1).await;
    assert_eq!(client.run("FAIL 22012").await.last().expect("a line"), "Z E");
    server.engine.streams_become(0).await;
}

#[tokio::test]
async fn a_failed_block_takes_only_its_end() {
    let server = Server::start().await;
    let mut client = server.client().await;
    run(&mut client, [parse("s", "SELECT rows 1", &[]), parse("end", "ROLLBACK", &[])]).await;
    client.run("BEGIN").await;
    run(&mut client, [parse("", "FAIL 22012", &[]), bind_plain("", ""), execute("", 0)]).await;
    let aborted = "E ERROR 25P02 current transaction is aborted, commands ignored until end of \
                   transaction block";
    for message in [parse("", "SELECT rows 1", &[]), bind_plain("", "s"), describe('S', "s")] {
        assert_eq!(run(&mut client, [message]).await, [aborted, "Z E"]);
    }
    let messages = [describe('S', "end"), bind_plain("", "end"), execute("", 0)];
    assert_eq!(run(&mut client, messages).await, ["t", "n", "2", "C ROLLBACK", "Z I"]);
}

#[tokio::test]
async fn commands_without_rows_run_once() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let lines = run(
        &mut client,
        [
            parse("", "INSERT a", &[]),
            bind_plain("", ""),
            describe('P', ""),
            execute("", 0),
            execute("", 0),
        ],
    )
    .await;
    assert_eq!(lines[..4], ["1", "2", "n", "C INSERT 0 1"]);
    assert!(lines[4].starts_with("E ERROR 55000 portal \"\" cannot be run"), "{lines:?}");
    assert!(server.engine.committed().is_empty());
}

#[tokio::test]
async fn one_statement_at_a_time() {
    let server = Server::start().await;
    let mut client = server.client().await;
    assert_eq!(
        run(&mut client, [parse("", "INSERT a; INSERT b", &[])]).await,
        ["E ERROR 42601 cannot insert multiple commands into a prepared statement", "Z I"]
    );
    let lines = run(
        &mut client,
        [
            parse("", " ;", &[]),
            describe('S', ""),
            bind_plain("", ""),
            describe('P', ""),
            execute("", 0),
        ],
    )
    .await;
    assert_eq!(lines, ["1", "t", "n", "2", "n", "I", "Z I"]);
}

#[tokio::test]
async fn a_connection_keeps_only_so_much() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let lines = run(&mut client, [parse(&"x".repeat(1025), "INSERT a", &[])]).await;
    assert!(lines[0].starts_with("E ERROR 42622 name of a prepared statement"), "{lines:?}");
    run(&mut client, [parse("s", "INSERT a", &[])]).await;
    let portals: Vec<u8> = (0..1001).flat_map(|n| bind_plain(&format!("p{n}"), "s")).collect();
    let lines = run(&mut client, [portals]).await;
    assert_eq!(lines.len(), 1002);
    assert!(lines[1000].starts_with("E ERROR 53400 too many portals"), "{:?}", lines[1000]);
    let statements: Vec<u8> =
        (1..10_001).flat_map(|n| parse(&format!("s{n}"), "INSERT a", &[])).collect();
    let lines = run(&mut client, [statements]).await;
    assert_eq!(lines.len(), 10_001);
    assert!(lines[9999].starts_with("E ERROR 53400 too many prepared"), "{:?}", lines[9999]);
}

#[tokio::test]
async fn parameter_types_must_exist() {
    let server = Server::start().await;
    let mut client = server.client().await;
    assert_eq!(
        run(&mut client, [parse("", ECHO, &[1])]).await,
        ["E ERROR 42704 type with OID 1 does not exist", "Z I"]
    );
    let messages = [parse("", ECHO, &[0, 705]), describe('S', "")];
    assert_eq!(run(&mut client, messages).await, ["1", "t 23 25", ROWS, "Z I"]);
    let messages = [parse("", ECHO, &[20, 1043]), describe('S', "")];
    assert_eq!(run(&mut client, messages).await, ["1", "t 20 1043", ROWS, "Z I"]);
}

#[tokio::test]
async fn flush_brings_what_is_there() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&[parse("", "SELECT rows 1", &[]), describe('S', ""), flush()].concat()).await;
    assert_eq!(client.lines(3).await, ["1", "t", ROWS]);
    client.send(&[bind_plain("c", ""), execute("c", 1), flush()].concat()).await;
    assert_eq!(client.lines(3).await, ["2", "D 0|row 0", "s"]);
    client.send(&[execute("c", 1), sync()].concat()).await;
    assert_eq!(client.until_ready().await, ["C SELECT 0", "Z I"]);
}

#[tokio::test]
async fn deallocate_all_reaches_statements_of_the_wire() {
    let server = Server::start().await;
    let mut client = server.client().await;
    run(&mut client, [parse("s", "INSERT a", &[])]).await;
    client.run("DEALLOCATE ALL").await;
    let lines = run(&mut client, [bind_plain("", "s")]).await;
    assert!(lines[0].starts_with("E ERROR 26000"), "{lines:?}");
}

#[tokio::test]
async fn rows_of_an_endless_stream_leave_at_once() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let messages = [parse("", "SELECT stream 2", &[]), bind_plain("", ""), execute("", 0)];
    client.send(&[messages.concat(), sync()].concat()).await;
    assert_eq!(client.lines(4).await, ["1", "2", "D 0|row 0", "D 1|row 1"]);
    server.caller().await.send(&super::client::cancel(client.key)).await;
    let lines = client.until_ready().await;
    assert_eq!(lines, ["E ERROR 57014 canceling statement due to user request", "Z I"]);
}
