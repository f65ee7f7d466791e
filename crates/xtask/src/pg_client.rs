//! A PostgreSQL client of the smallest kind: simple queries without a password, values as text.
//!
//! **Left out on purpose:** COPY, parameters, TLS. The demo needs none, and a driver would bring
//! more crates than this one has lines.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Result;
use crate::progress::say;

/// A server that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(300);
/// Longest message that is believed to be one.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A connection.
pub(crate) struct PgClient {
    stream: BufReader<TcpStream>,
}

/// What a statement gave; of several the rows of all, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

/// An error or notice of the server.
struct Report {
    code: String,
    text: String,
}

impl PgClient {
    /// Connects to `ADDR:PORT` as user `weir`.
    pub(crate) fn connect(address: &str) -> Result<Self> {
        let fail = |error| format!("could not connect to {address}: {error}");
        let stream = TcpStream::connect(address).map_err(fail)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(fail)?;
        stream.set_nodelay(true).map_err(fail)?;
        let mut client = Self { stream: BufReader::new(stream) };
        let mut body = 0x0003_0000_u32.to_be_bytes().to_vec();
        for text in ["user", "weir", "database", "weir", "application_name", "xtask", ""] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        client.send(None, &body)?;
        client.read_answer()?;
        Ok(client)
    }

    /// Runs `sql` and gives its rows.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Answer> {
        let mut body = sql.as_bytes().to_vec();
        body.push(0);
        self.send(Some(b'Q'), &body)?;
        self.read_answer().map_err(|error| format!("{error}\nin: {}", sql.trim()))
    }

    /// Runs `sql`, which gives one number.
    pub(crate) fn number(&mut self, sql: &str) -> Result<u64> {
        let answer = self.query(sql)?;
        let value = answer.rows.first().and_then(|row| row.first()?.as_deref());
        value
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| format!("a number was expected, not {value:?}, of: {sql}"))
    }

    fn send(&mut self, kind: Option<u8>, body: &[u8]) -> Result<()> {
        let length = u32::try_from(body.len() + 4).map_err(|_| "a statement of 4 GB")?;
        let mut message: Vec<u8> = kind.into_iter().collect();
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(body);
        self.stream
            .get_mut()
            .write_all(&message)
            .map_err(|error| format!("could not send to the server: {error}"))
    }

    /// Reads up to ReadyForQuery.
    fn read_answer(&mut self) -> Result<Answer> {
        let mut answer = Answer::default();
        let mut failure = None;
        loop {
            let (kind, body) = self.read_message()?;
            let mut body = Body(&body);
            match kind {
                b'T' => answer.columns = body.row_description()?,
                b'D' => answer.rows.push(body.data_row()?),
                b'E' => {
                    let report = body.report()?;
                    let text = format!("error {}: {}", report.code, report.text);
                    // After FATAL no ReadyForQuery follows, but the end of the connection.
                    if report.code.starts_with("57P") || report.code.starts_with("28") {
                        return Err(text);
                    }
                    failure = Some(text);
                }
                b'N' => say(format!("the server says: {}", body.report()?.text)),
                b'R' if body.integer()? != 0 => {
                    return Err("the server asks for a password".to_owned());
                }
                b'Z' => return failure.map_or(Ok(answer), Err),
                // Authentication done, settings, cancel key, tags of statements.
                b'R' | b'S' | b'K' | b'C' | b'I' => {}
                other => return Err(format!("unexpected message {:?}", char::from(other))),
            }
        }
    }

    fn read_message(&mut self) -> Result<(u8, Vec<u8>)> {
        let fail = |error| format!("could not read from the server: {error}");
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).map_err(fail)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if !(4..=MESSAGE_BYTES_MAX).contains(&length) {
            return Err(format!("the server sent a message of {length} bytes"));
        }
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body).map_err(fail)?;
        Ok((head[0], body))
    }
}

/// A message's body, read from its beginning.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or("the server sent a short message")?;
        self.0 = rest;
        Ok(taken)
    }

    fn integer(&mut self) -> Result<i32> {
        let bytes = self.take(4)?.try_into().expect("four bytes were taken");
        Ok(i32::from_be_bytes(bytes))
    }

    fn count(&mut self) -> Result<u16> {
        let bytes = self.take(2)?.try_into().expect("two bytes were taken");
        Ok(u16::from_be_bytes(bytes))
    }

    fn text(&mut self) -> Result<String> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or("the server sent no NUL")?;
        let text = String::from_utf8_lossy(self.take(end)?).into_owned();
        self.take(1)?;
        Ok(text)
    }

    fn row_description(&mut self) -> Result<Vec<String>> {
        let columns = self.count()?;
        let mut names = Vec::new();
        for _ in 0..columns {
            names.push(self.text()?);
            // Table, attribute, type, its size, typmod, format.
            self.take(18)?;
        }
        Ok(names)
    }

    fn data_row(&mut self) -> Result<Vec<Option<String>>> {
        let columns = self.count()?;
        let mut row = Vec::new();
        for _ in 0..columns {
            let length = self.integer()?;
            row.push(match usize::try_from(length) {
                Ok(length) => Some(String::from_utf8_lossy(self.take(length)?).into_owned()),
                Err(_) => None,
            });
        }
        Ok(row)
    }

    fn report(&mut self) -> Result<Report> {
        let mut report = Report { code: String::new(), text: String::new() };
        loop {
            let field = self.take(1)?[0];
            if field == 0 {
                return Ok(report);
            }
            let value = self.text()?;
            match field {
                b'C' => report.code = value,
                b'M' => report.text.insert_str(0, &value),
                b'D' | b'H' => report.text.push_str(&format!(" - {value}")),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_reports_are_read() {
        let mut row = vec![0, 3, 0, 0, 0, 2];
        row.extend_from_slice(b"ab");
        row.extend_from_slice(&(-1_i32).to_be_bytes());
        row.extend_from_slice(&0_i32.to_be_bytes());
        let row = Body(&row).data_row().expect("the message is whole");
        assert_eq!(row, [Some("ab".to_owned()), None, Some(String::new())]);
        let report =
            Body(b"SERROR\0C42P01\0Mno\0HLook.\0\0").report().expect("the message is whole");
        assert_eq!((report.code.as_str(), report.text.as_str()), ("42P01", "no - Look."));
    }

    #[test]
    fn a_short_message_is_an_error() {
        assert!(Body(&[0, 1, 0, 0, 0, 9, 1]).data_row().is_err());
        assert!(Body(b"SERROR\0").report().is_err());
    }
}
