//! Pipelines of the extended protocol against the real binary, message by message: several statements, one
//! Sync, one transaction.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tempfile::TempDir;
use weir_tests::process::Process;

/// A client that sends messages of its own making.
struct Raw(TcpStream);

impl Raw {
    fn connect(process: &Process) -> Self {
        let stream = TcpStream::connect(process.pg()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self(stream);
        let body = b"\0\x03\0\0user\0weir\0database\0weir\0\0";
        client.send(&[&(body.len() as u32 + 4).to_be_bytes()[..], body].concat());
        client.until_ready();
        client
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Tags, SQLSTATEs and descriptions up to ReadyForQuery, whose status is the last.
    fn until_ready(&mut self) -> Vec<String> {
        let mut answers = Vec::new();
        loop {
            let mut header = [0; 5];
            self.0.read_exact(&mut header).unwrap();
            let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
            let mut body = vec![0; length - 4];
            self.0.read_exact(&mut body).unwrap();
            let text = String::from_utf8_lossy(&body);
            match header[0] {
                b'C' => answers.push(text.trim_end_matches('\0').to_owned()),
                b'E' => {
                    let code = text.split('\0').find_map(|field| field.strip_prefix('C'));
                    answers.push(code.expect("an error has a code").to_owned());
                }
                b'T' => {
                    let name = text[2..].split('\0').next().expect("a column");
                    answers.push(format!("columns from {name}"));
                }
                b'Z' => {
                    answers.push(text.into_owned());
                    return answers;
                }
                _ => {}
            }
        }
    }

    /// Runs the statements as one pipeline.
    fn pipeline(&mut self, statements: &[&str]) -> Vec<String> {
        let statements: Vec<u8> = statements.iter().flat_map(|sql| statement(sql)).collect();
        self.send(&[&statements[..], b"S\0\0\0\x04"].concat());
        self.until_ready()
    }

    /// The only value of a query.
    fn count(&mut self, relation: &str) -> String {
        let answers = self.pipeline(&[&format!("SELECT * FROM {relation}")]);
        answers[0].clone()
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

/// Parse, Bind and Execute.
fn statement(sql: &str) -> Vec<u8> {
    let parse = message(b'P', format!("\0{sql}\0\0\0").as_bytes());
    [parse, message(b'B', &[0; 8]), message(b'E', &[0; 5])].concat()
}

fn server() -> (TempDir, Process, Raw) {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(&dir.path().join("data"));
    let client = Raw::connect(&process);
    (dir, process, client)
}

#[test]
fn an_error_undoes_all_since_the_last_sync() {
    let (_dir, _process, mut client) = server();
    assert_eq!(client.pipeline(&["CREATE TABLE t (k int PRIMARY KEY)"]), ["CREATE TABLE", "I"]);
    let insert = |k: u32| format!("INSERT INTO t VALUES ({k})");
    let (one, two) = (insert(1), insert(2));
    let answers = client.pipeline(&[&one, &two, &one]);
    assert_eq!(answers, ["INSERT 0 1", "INSERT 0 1", "23505", "I"]);
    assert_eq!(client.count("t"), "SELECT 0");
    assert_eq!(client.pipeline(&[&one, &two]), ["INSERT 0 1", "INSERT 0 1", "I"]);
    assert_eq!(client.count("t"), "SELECT 2");
    // Tables, settings and what reads them are of the transaction, too.
    let answers = client.pipeline(&[
        "CREATE TABLE u (k int PRIMARY KEY)",
        "INSERT INTO u SELECT k FROM t",
        "SET statement_timeout = '77s'",
        "SELECT k FROM u",
        "SELECT 1/0",
    ]);
    assert_eq!(answers, ["CREATE TABLE", "INSERT 0 2", "SET", "SELECT 2", "22012", "I"]);
    assert_eq!(client.pipeline(&["SELECT * FROM u"]), ["42P01", "I"]);
    let answers = client.pipeline(&["DELETE FROM t", "BEGIN", &one, "COMMIT", &two, &two]);
    assert_eq!(answers, ["DELETE 2", "BEGIN", "INSERT 0 1", "COMMIT", "INSERT 0 1", "23505", "I"]);
    assert_eq!(client.count("t"), "SELECT 1");
}

#[test]
fn many_statements_are_one_transaction() {
    let (_dir, _process, mut client) = server();
    client.pipeline(&["CREATE TABLE t (k int PRIMARY KEY, v text)"]);
    client.pipeline(&["CREATE STREAM s (k int)"]);
    let statements: Vec<String> = (0..2000)
        .flat_map(|k| {
            [format!("INSERT INTO t VALUES ({k}, 'x')"), format!("INSERT INTO s VALUES ({k})")]
        })
        .collect();
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    let answers = client.pipeline(&statements);
    assert_eq!(answers.len(), 4001);
    assert!(answers[..4000].iter().all(|answer| answer == "INSERT 0 1"), "{answers:?}");
    assert_eq!(client.count("t"), "SELECT 2000");
    assert_eq!(client.count("s"), "SELECT 2000");
    let again: Vec<&str> =
        statements.iter().copied().filter(|sql| sql.contains("INTO s")).collect();
    let answers = client.pipeline(&[&again[..], &statements[..1]].concat());
    assert_eq!(answers[2000..], ["23505", "I"]);
    assert_eq!(client.count("s"), "SELECT 2000");
}

#[test]
fn a_declared_cursor_is_described_and_run_as_a_portal() {
    let (_dir, _process, mut client) = server();
    client.pipeline(&["BEGIN"]);
    client.pipeline(&["DECLARE nc CURSOR FOR SELECT g AS n FROM generate_series(1, 5) g"]);
    client.send(&[message(b'D', b"Pnc\0"), message(b'S', b"")].concat());
    assert_eq!(client.until_ready(), ["columns from n", "T"]);
    assert_eq!(client.pipeline(&["FETCH 2 FROM nc"]), ["FETCH 2", "T"]);
    client.send(&[message(b'E', b"nc\0\0\0\0\0"), message(b'S', b"")].concat());
    assert_eq!(client.until_ready(), ["SELECT 3", "T"]);
    assert_eq!(client.pipeline(&["COMMIT"]), ["COMMIT", "I"]);
}
