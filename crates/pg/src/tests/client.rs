//! A client that sends bytes and shows what it receives as short lines of text.
//!
//! `T n:23/4/-1/0@16384.1`, `D 1|row 1` (NULL is `~`, bytes that are no text are in hexadecimal),
//! `C SELECT 1`, `E ERROR 42601 message`, `Z I` and so on: the type byte, then the fields.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// After this a test hangs, and fails.
const HANGS: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: BytesMut,
    /// From BackendKeyData.
    pub(crate) key: (i32, i32),
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        Self { stream, buffer: BytesMut::new(), key: (0, 0) }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the server reads");
    }

    /// One byte, as the answers to questions for encryption are.
    pub(crate) async fn byte(&mut self) -> u8 {
        self.fill(1).await;
        self.buffer.get_u8()
    }

    /// The type and the body of the next message; `None` at the end of the connection.
    pub(crate) async fn message(&mut self) -> Option<(u8, Bytes)> {
        if !self.fill(5).await {
            assert!(self.buffer.is_empty(), "half a message: {:?}", self.buffer);
            return None;
        }
        let length = (&self.buffer[1..]).get_u32() as usize;
        assert!(self.fill(1 + length).await, "half a message: {:?}", self.buffer);
        let mut message = self.buffer.split_to(1 + length);
        let kind = message.get_u8();
        message.advance(4);
        if kind == b'K' {
            self.key = ((&message[..]).get_i32(), (&message[4..]).get_i32());
        }
        Some((kind, message.freeze()))
    }

    /// The next message as a line.
    pub(crate) async fn line(&mut self) -> Option<String> {
        self.message().await.map(|(kind, body)| show(kind, body))
    }

    /// The lines up to ReadyForQuery, or to the end of the connection, shown as `end`.
    pub(crate) async fn until_ready(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.starts_with('Z')) {
            match self.line().await {
                Some(line) => lines.push(line),
                None => {
                    lines.push("end".to_owned());
                    return lines;
                }
            }
        }
        lines
    }

    /// The next `n` lines.
    pub(crate) async fn lines(&mut self, n: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..n {
            lines.push(self.line().await.expect("the connection goes on"));
        }
        lines
    }

    pub(crate) async fn run(&mut self, sql: &str) -> Vec<String> {
        self.send(&query(sql)).await;
        self.until_ready().await
    }

    /// Reads until `n` bytes are there; false at the end of the connection.
    async fn fill(&mut self, n: usize) -> bool {
        while self.buffer.len() < n {
            let read = self.stream.read_buf(&mut self.buffer);
            match timeout(HANGS, read).await.expect("the server hangs") {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => panic!("the connection broke: {error}"),
            }
        }
        true
    }
}

fn show(kind: u8, mut body: Bytes) -> String {
    let fields = match kind {
        b'C' | b'S' => strings(&body).join("="),
        b'Z' => char::from(body.get_u8()).to_string(),
        b'R' => body.get_u32().to_string(),
        b'E' | b'N' => show_report(&body),
        b'D' => show_row(body),
        b'T' => show_description(body),
        b't' => {
            (0..body.get_u16()).map(|_| body.get_u32().to_string()).collect::<Vec<_>>().join(" ")
        }
        b'd' => format!("{:?}", String::from_utf8_lossy(&body)),
        b'G' | b'H' => {
            let format = body.get_u8();
            let formats = (0..body.get_u16()).map(|_| body.get_u16().to_string());
            format!("{format} {}", formats.collect::<Vec<_>>().join(","))
        }
        b'v' => {
            let version = body.get_u32();
            let options = if body.get_u32() == 0 { Vec::new() } else { strings(&body) };
            format!("{version} {}", options.join(" "))
        }
        b'K' => String::new(),
        _ => {
            assert!(body.is_empty(), "{} has a body", char::from(kind));
            String::new()
        }
    };
    format!("{} {fields}", char::from(kind)).trim_end().to_owned()
}

fn strings(body: &[u8]) -> Vec<String> {
    let texts = body.strip_suffix(b"\0").expect("a terminator").split(|&byte| byte == 0);
    texts.map(|text| String::from_utf8(text.to_vec()).expect("UTF-8")).collect()
}

fn show_report(body: &[u8]) -> String {
    let fields = strings(body.strip_suffix(b"\0").expect("a terminator"));
    let value = |code: &str| fields.iter().find_map(|field| field.strip_prefix(code));
    assert_eq!(value("S"), value("V"));
    let mut shown = ["V", "C", "M"].map(|code| value(code).expect("always there")).join(" ");
    for code in ["D", "H", "P", "W", "s", "t", "c", "n"] {
        shown.extend(value(code).map(|value| format!(" {code}={value}")));
    }
    shown
}

fn show_row(mut body: Bytes) -> String {
    let columns = (0..body.get_u16()).map(|_| match body.get_i32() {
        -1 => "~".to_owned(),
        length => show_value(&body.split_to(length as usize)),
    });
    let row = columns.collect::<Vec<_>>().join("|");
    assert!(body.is_empty());
    row
}

fn show_value(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if text.chars().all(|c| !c.is_control()) => text.to_owned(),
        _ => value.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

fn show_description(mut body: Bytes) -> String {
    let columns = (0..body.get_u16()).map(|_| {
        let length = body.iter().position(|&byte| byte == 0).expect("a terminator");
        let name = String::from_utf8(body.split_to(length).to_vec()).expect("UTF-8");
        body.advance(1);
        let (table, attribute) = (body.get_u32(), body.get_u16());
        let (oid, size, typmod, format) =
            (body.get_u32(), body.get_i16(), body.get_i32(), body.get_u16());
        format!("{name}:{oid}/{size}/{typmod}/{format}@{table}.{attribute}")
    });
    columns.collect::<Vec<_>>().join(" ")
}

/// A message of that type and body.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    message.put_u32(body.len() as u32 + 4);
    message.extend_from_slice(body);
    message
}

/// A packet without a type, of those 16-bit codes and that body.
pub(crate) fn packet(major: u16, minor: u16, body: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.put_u32(body.len() as u32 + 8);
    packet.put_u16(major);
    packet.put_u16(minor);
    packet.extend_from_slice(body);
    packet
}

pub(crate) fn startup(minor: u16, parameters: &[(&str, &str)]) -> Vec<u8> {
    let texts = parameters.iter().map(|(name, value)| format!("{name}\0{value}\0"));
    packet(3, minor, format!("{}\0", texts.collect::<String>()).as_bytes())
}

pub(crate) fn cancel(key: (i32, i32)) -> Vec<u8> {
    packet(1234, 5678, &[key.0.to_be_bytes(), key.1.to_be_bytes()].concat())
}

pub(crate) fn query(sql: &str) -> Vec<u8> {
    message(b'Q', format!("{sql}\0").as_bytes())
}

pub(crate) fn parse(name: &str, sql: &str, oids: &[u32]) -> Vec<u8> {
    let mut body = format!("{name}\0{sql}\0").into_bytes();
    body.put_u16(oids.len() as u16);
    oids.iter().for_each(|&oid| body.put_u32(oid));
    message(b'P', &body)
}

pub(crate) fn bind(
    portal: &str,
    statement: &str,
    parameter_formats: &[u16],
    parameters: &[Option<&[u8]>],
    result_formats: &[u16],
) -> Vec<u8> {
    let mut body = format!("{portal}\0{statement}\0").into_bytes();
    body.put_u16(parameter_formats.len() as u16);
    parameter_formats.iter().for_each(|&format| body.put_u16(format));
    body.put_u16(parameters.len() as u16);
    for parameter in parameters {
        match parameter {
            None => body.put_i32(-1),
            Some(value) => {
                body.put_i32(value.len() as i32);
                body.extend_from_slice(value);
            }
        }
    }
    body.put_u16(result_formats.len() as u16);
    result_formats.iter().for_each(|&format| body.put_u16(format));
    message(b'B', &body)
}

/// A portal without parameters, with text results.
pub(crate) fn bind_plain(portal: &str, statement: &str) -> Vec<u8> {
    bind(portal, statement, &[], &[], &[])
}

pub(crate) fn describe(target: char, name: &str) -> Vec<u8> {
    message(b'D', format!("{target}{name}\0").as_bytes())
}

pub(crate) fn close(target: char, name: &str) -> Vec<u8> {
    message(b'C', format!("{target}{name}\0").as_bytes())
}

pub(crate) fn execute(portal: &str, max_rows: i32) -> Vec<u8> {
    let mut body = format!("{portal}\0").into_bytes();
    body.put_i32(max_rows);
    message(b'E', &body)
}

pub(crate) fn sync() -> Vec<u8> {
    message(b'S', b"")
}

pub(crate) fn flush() -> Vec<u8> {
    message(b'H', b"")
}
