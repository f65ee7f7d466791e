//! Startup: encryption questions, packets of any length, versions, settings, cancel requests.

use bytes::Buf;

use super::client::{cancel, packet, query, startup};
use super::{Server, hasty};
use crate::stub::Engine;

#[tokio::test]
async fn the_greeting_ends_in_ready() {
    let server = Server::start().await;
    let mut client = server.caller().await;
    client.send(&startup(0, &[("user", "ada")])).await;
    assert_eq!(
        client.until_ready().await,
        ["R 0", "S server_version=15.0 (Weir test)", "S client_encoding=UTF8", "K", "Z I"]
    );
}

#[tokio::test]
async fn encryption_is_refused_and_the_startup_goes_on() {
    let server = Server::start().await;
    let mut client = server.caller().await;
    client.send(&packet(1234, 5680, b"")).await;
    assert_eq!(client.byte().await, b'N');
    client.send(&packet(1234, 5679, b"")).await;
    assert_eq!(client.byte().await, b'N');
    client.send(&startup(0, &[("user", "ada")])).await;
    assert_eq!(client.until_ready().await.last().expect("a line"), "Z I");
}

#[tokio::test]
async fn bytes_right_behind_an_ssl_request_are_never_read() {
    let server = Server::start().await;
    let mut client = server.caller().await;
    client.send(&[packet(1234, 5679, b""), startup(0, &[("user", "eve")])].concat()).await;
    assert_eq!(client.byte().await, b'N');
    let end = client.until_ready().await;
    assert!(end[0].starts_with("E FATAL 08P01 received unencrypted data"), "{end:?}");
    assert_eq!(end[1], "end");
    assert!(server.engine.startups().is_empty());
}

#[tokio::test]
async fn encryption_can_be_asked_for_once() {
    let server = Server::start().await;
    let mut client = server.caller().await;
    for answer in [&b"N"[..], b"E"] {
        client.send(&packet(1234, 5679, b"")).await;
        if answer == b"N" {
            assert_eq!(client.byte().await, b'N');
        }
    }
    let end = client.until_ready().await;
    assert!(end[0].starts_with("E FATAL 08P01 "), "{end:?}");
}

#[tokio::test]
async fn impossible_packet_lengths_are_fatal() {
    let server = Server::start().await;
    for length in [0, 3, 7, -1, i32::MAX, 10_001] {
        let mut client = server.caller().await;
        client.send(&length.to_be_bytes()).await;
        let end = client.until_ready().await;
        assert_eq!(end, ["E FATAL 08P01 invalid length of startup packet", "end"], "{length}");
    }
}

#[tokio::test]
async fn a_startup_in_single_bytes_is_the_same() {
    let server = Server::start().await;
    let mut client = server.caller().await;
    for byte in startup(0, &[("user", "ada")]) {
        client.send(&[byte]).await;
    }
    assert_eq!(client.until_ready().await.last().expect("a line"), "Z I");
}

#[tokio::test]
async fn a_newer_protocol_is_negotiated() {
    let server = Server::start().await;
    for (minor, options, first) in [
        (0, &[("user", "ada")][..], "R 0"),
        (2, &[("user", "ada")], "R 0"),
        (3, &[("user", "ada")], "v 196610"),
        (9999, &[("user", "ada"), ("_pq_.x", "1")], "v 196610 _pq_.x"),
        (0, &[("user", "ada"), ("_pq_.x", "1")], "v 196608 _pq_.x"),
    ] {
        let mut client = server.caller().await;
        client.send(&startup(minor, options)).await;
        let lines = client.until_ready().await;
        assert_eq!(lines[0], first);
        assert_eq!(lines.last().expect("a line"), "Z I");
    }
    let mut client = server.caller().await;
    client.send(&packet(2, 0, b"user\0ada\0\0")).await;
    assert!(client.until_ready().await[0].starts_with("E FATAL 0A000 unsupported frontend"));
}

#[tokio::test]
async fn the_engine_learns_who_it_is() {
    let server = Server::start().await;
    let mut client = server.caller().await;
    let parameters = [
        ("user", "ada"),
        ("database", "weir"),
        ("application_name", "test"),
        ("options", "-c DateStyle=German"),
    ];
    client.send(&startup(0, &parameters)).await;
    client.until_ready().await;
    let startup = &server.engine.startups()[0];
    assert_eq!((startup.user.as_str(), startup.database.as_str()), ("ada", "weir"));
    assert_eq!(startup.peer, client.stream.local_addr().expect("connected").to_string());
    let settings: Vec<_> = startup.settings.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(settings, ["DateStyle=German", "application_name=test"]);
}

#[tokio::test]
async fn refusals_of_the_engine_are_fatal() {
    let server = Server::start().await;
    let mut client = server.caller().await;
    client.send(&startup(0, &[("user", "ada"), ("database", "nowhere")])).await;
    assert_eq!(
        client.until_ready().await,
        ["E FATAL 3D000 database \"nowhere\" does not exist", "end"]
    );
}

#[tokio::test]
async fn a_client_that_takes_too_long_is_closed() {
    let server = Server::start_with(Engine::default(), hasty()).await;
    for start in [&b""[..], b"\0\0", b"\0\0\0\x20\0\x03"] {
        let mut client = server.caller().await;
        client.send(start).await;
        assert_eq!(client.until_ready().await, ["end"]);
    }
}

#[tokio::test]
async fn a_cancel_request_needs_the_right_key() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&query("WAIT")).await;
    server.engine.waits_become(1).await;
    let (pid, secret) = client.key;
    for wrong in [(pid, secret ^ 1), (pid + 1, secret)] {
        let mut caller = server.caller().await;
        caller.send(&cancel(wrong)).await;
        assert_eq!(caller.until_ready().await, ["end"]);
    }
    assert_eq!(server.client().await.run("INSERT x").await, ["C INSERT 0 1", "Z I"]);
    server.engine.waits_become(1).await;
    let mut caller = server.caller().await;
    caller.send(&cancel(client.key)).await;
    assert_eq!(caller.until_ready().await, ["end"]);
    let lines = client.until_ready().await;
    assert_eq!(lines, ["E ERROR 57014 canceling statement due to user request", "Z I"]);
    assert_eq!(client.run("INSERT y").await, ["C INSERT 0 1", "Z I"]);
}

#[tokio::test]
async fn a_second_startup_is_no_message() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&startup(0, &[("user", "ada")])).await;
    let end = client.until_ready().await;
    assert_eq!(end, ["E FATAL 08P01 invalid frontend message type 0", "end"]);
    server.engine.sessions_become(0).await;
}

#[tokio::test]
async fn backend_key_data_is_that_of_the_session() {
    let server = Server::start().await;
    let mut client = server.caller().await;
    client.send(&startup(2, &[("user", "ada")])).await;
    let mut key = None;
    while let Some((kind, body)) = client.message().await {
        match kind {
            b'K' => key = Some(((&body[..]).get_i32(), body.len())),
            b'Z' => break,
            _ => {}
        }
    }
    assert_eq!(key, Some((1, 8)));
}
