//! Bytes that no PostgreSQL client sends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use weir_tests::dice::Dice;
use weir_tests::process::Process;

use super::{server, value};

/// A connection that does not wait for ever.
fn connect(process: &Process) -> TcpStream {
    let stream = TcpStream::connect(process.pg()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends the bytes, ends the sending side, and gives what the server says until it closes.
fn send(process: &Process, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(process);
    // The server may close before it has taken all.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    answer
}

/// A startup packet.
fn startup() -> Vec<u8> {
    let body = b"\0\x03\0\0user\0weir\0database\0weir\0\0";
    let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
    packet.extend_from_slice(body);
    packet
}

/// A message after the startup.
fn after_startup(kind: u8, length: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = startup();
    bytes.push(kind);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// The SQLSTATE of the last error in an answer.
fn code(answer: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(answer);
    let at = text.rfind("\0C")?;
    text.get(at + 2..at + 7).map(str::to_owned)
}

#[tokio::test]
async fn truncated_and_impossible_startups_end_their_connection_alone() {
    let (_dir, process, client) = server().await;
    let whole = startup();
    for end in 0..whole.len() {
        send(&process, &whole[..end]);
    }
    for packet in [
        &[0, 0, 0, 0, 0, 3, 0, 0][..],
        &[0xff; 8],
        &[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0],
        &[0, 0, 0, 8, 0, 2, 0, 0],
        &[0, 0, 0, 8, 4, 0xd2, 0x16, 0x2e],
        b"GET / HTTP/1.1\r\nHost: weir\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    ] {
        let answer = send(&process, packet);
        assert!(answer.len() < 4096, "{packet:?}: {answer:?}");
    }
    assert_eq!(value(&client, "SELECT 1").await, "1");
}

#[tokio::test]
async fn huge_lengths_and_unknown_messages_are_protocol_violations() {
    let (_dir, process, client) = server().await;
    for (kind, length) in
        [(b'Q', u32::MAX), (b'Q', 0x7fff_ffff), (b'Q', 3), (b'Q', 0), (b'd', 0x6000_0000)]
    {
        let answer = send(&process, &after_startup(kind, length, b"SELECT 1\0"));
        let code = code(&answer).unwrap_or_default();
        assert!(["08P01", "54000"].contains(&code.as_str()), "{length}: {code}");
    }
    for kind in [b'!', b'Z', 0, 0xff] {
        let answer = send(&process, &after_startup(kind, 8, b"abcd"));
        assert_eq!(code(&answer).as_deref(), Some("08P01"), "{kind}");
    }
    // A query without its NUL, and one that is not UTF-8.
    for body in [&b"SELECT 1"[..], b"SELECT '\xff\xfe'\0"] {
        let answer = send(&process, &after_startup(b'Q', body.len() as u32 + 4, body));
        let code = code(&answer).unwrap_or_default();
        assert!(["08P01", "22021"].contains(&code.as_str()), "{body:?}: {code}");
    }
    assert_eq!(value(&client, "SELECT 1").await, "1");
}

#[tokio::test]
async fn random_bytes_harm_nobody() {
    let (_dir, process, client) = server().await;
    let mut dice = Dice::new(0x0bad_f00d);
    for round in 0..200 {
        let mut bytes = if round % 2 == 0 { startup() } else { Vec::new() };
        for _ in 0..dice.between(1, 8) {
            if dice.percent(70) {
                let body: Vec<u8> = (0..dice.below(40)).map(|_| dice.bits() as u8).collect();
                bytes.push(*dice.pick(b"QPBDECSHFfdcpX"));
                bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
                bytes.extend_from_slice(&body);
            } else {
                bytes.extend((0..dice.below(60)).map(|_| dice.bits() as u8));
            }
        }
        send(&process, &bytes);
    }
    assert_eq!(value(&client, "SELECT 1").await, "1");
    assert_eq!(value(&client, "SELECT count(*) FROM sys.connections").await, "1");
}
