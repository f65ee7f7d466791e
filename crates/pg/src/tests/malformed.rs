//! Messages that no client should send.

use tokio::io::AsyncWriteExt;

use super::Server;
use super::client::{message, query, sync};

#[tokio::test]
async fn broken_frames_end_the_connection() {
    let server = Server::start().await;
    for (bytes, error) in [
        (&b"Q\0\0\0\x03"[..], "08P01 invalid message length"),
        (b"Q\0\0\0\0", "08P01 invalid message length"),
        (b"S\xff\xff\xff\xff", "08P01 invalid message length"),
        (b"\x01", "08P01 invalid frontend message type 1"),
        (b"p\0\0\0\x08abcd", "08P01 invalid frontend message type 112"),
        (
            b"Q\x40\0\0\0",
            "54000 message too long D=It has 1073741820 bytes; the limit is 67108864.",
        ),
        (b"E\0\x01\0\0", "54000 message too long D=It has 65532 bytes; the limit is 10000."),
    ] {
        let mut client = server.client().await;
        client.send(bytes).await;
        client.send(&query("INSERT lost")).await;
        let end = client.until_ready().await;
        assert_eq!(end, [format!("E FATAL {error}"), "end".to_owned()]);
    }
    server.engine.sessions_become(0).await;
    assert!(server.engine.committed().is_empty());
}

#[tokio::test]
async fn broken_bodies_are_errors_of_their_message() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for (kind, body, error) in [
        (b'P', &b"name"[..], "08P01 invalid string in message"),
        (b'P', b"\0\0\0\x01", "08P01 insufficient data left in message"),
        (b'B', b"\0\0\0\x01", "08P01 insufficient data left in message"),
        (b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xf0", "08P01 invalid parameter length in Bind message"),
        (b'E', b"\0\0\0", "08P01 insufficient data left in message"),
        (b'D', b"Xs\0", "08P01 invalid message subtype 88"),
        (b'C', b"", "08P01 insufficient data left in message"),
        (b'H', b"x", "08P01 invalid message format"),
        (b'P', b"\0\xff\0\0\0", "22021 invalid byte sequence for encoding \"UTF8\": 0xff"),
    ] {
        client.send(&[message(kind, body), query("skipped"), sync()].concat()).await;
        let lines = client.until_ready().await;
        assert_eq!(lines, [format!("E ERROR {error}"), "Z I".to_owned()]);
    }
    for (kind, body, error) in [
        (b'Q', &b"INSERT a"[..], "08P01 invalid string in message"),
        (b'Q', b"INSERT a\0\0", "08P01 invalid message format"),
        (
            b'Q',
            b"INSERT \xe2\x82\0",
            "22021 invalid byte sequence for encoding \"UTF8\": 0xe2 0x82",
        ),
        (b'S', b"x", "08P01 invalid message format"),
    ] {
        client.send(&message(kind, body)).await;
        let lines = client.until_ready().await;
        assert_eq!(lines, [format!("E ERROR {error}"), "Z I".to_owned()]);
    }
    assert_eq!(client.run("INSERT b").await, ["C INSERT 0 1", "Z I"]);
}

#[tokio::test]
async fn a_broken_message_fails_the_block() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.run("BEGIN").await;
    client.send(&message(b'Q', b"no end")).await;
    assert_eq!(client.until_ready().await.last().expect("a line"), "Z E");
}

#[tokio::test]
async fn function_calls_are_not_offered() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&message(b'F', &[0; 10])).await;
    let lines = client.until_ready().await;
    assert!(lines[0].starts_with("E ERROR 0A000 the function call protocol"), "{lines:?}");
    assert_eq!(lines[1], "Z I");
}

#[tokio::test]
async fn copy_messages_outside_a_copy_are_ignored() {
    let server = Server::start().await;
    let mut client = server.client().await;
    let stray = [message(b'd', b"x"), message(b'c', b""), message(b'f', b"x\0")].concat();
    client.send(&[stray, query("INSERT a")].concat()).await;
    assert_eq!(client.until_ready().await, ["C INSERT 0 1", "Z I"]);
}

#[tokio::test]
async fn a_goodbye_is_answered_with_silence() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client.send(&message(b'X', b"")).await;
    assert_eq!(client.until_ready().await, ["end"]);
    server.engine.sessions_become(0).await;
}

#[tokio::test]
async fn random_bytes_harm_nobody() {
    let server = Server::start().await;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..300 {
        let mut client = server.client().await;
        let mut bytes = Vec::new();
        for _ in 0..random() % 8 {
            let kind = b"BCDEFHPQSXcdf"[(random() % 13) as usize];
            let body: Vec<u8> = (0..random() % 24).map(|_| (random() % 4) as u8 * 40).collect();
            bytes.extend(message(kind, &body));
        }
        bytes.truncate((random() % 200) as usize);
        client.send(&bytes).await;
        client.stream.shutdown().await.ok();
        while client.line().await.is_some() {}
    }
    server.engine.sessions_become(0).await;
    assert_eq!(server.client().await.run("INSERT a").await, ["C INSERT 0 1", "Z I"]);
}
