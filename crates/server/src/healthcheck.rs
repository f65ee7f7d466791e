//! `weir healthcheck`: one HTTP request to `/readyz`, for images without curl.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use clap::Args;
use weir_types::{Error, Result, SqlState};

use crate::config;

/// A server that takes longer is not well.
const PATIENCE: Duration = Duration::from_secs(3);
/// Enough for the status line and the short body.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Flags of `weir healthcheck`.
#[derive(Args, Debug)]
pub(crate) struct HealthcheckFlags {
    /// HTTP address of the server
    #[arg(long, value_name = "ADDR:PORT", env = "WEIR_HTTP_LISTEN",
          default_value = config::default_http_address())]
    http: String,
}

/// Asks the server.
///
/// # Errors
/// 08000 where it cannot be reached, 57P03 where it says that it is not ready.
pub(crate) fn run(flags: &HealthcheckFlags) -> Result<()> {
    let unreachable = |error: std::io::Error| {
        Error::new(
            SqlState::ConnectionException,
            format!("could not reach the server at {}: {error}", flags.http),
        )
        .with_hint("Give the address that the server listens on with --http.")
    };
    let answer = ask(&flags.http).map_err(unreachable)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split_ascii_whitespace().nth(1) == Some("200") {
        return Ok(());
    }
    let reason = if body.is_empty() { head } else { body }.trim();
    Err(Error::new(
        SqlState::CannotConnectNow,
        format!("the server at {} is not ready: {reason}", flags.http),
    ))
}

fn ask(address: &str) -> std::io::Result<String> {
    let address = address.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answer_with(answer: &'static str) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let http = listener.local_addr().expect("a bound socket has an address").to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the other side answers");
            let mut request = [0; 256];
            let n = stream.read(&mut request).expect("the client asks");
            stream.write_all(answer.as_bytes()).expect("the client listens");
            String::from_utf8_lossy(&request[..n]).into_owned()
        });
        let outcome = run(&HealthcheckFlags { http });
        assert!(
            server
                .join()
                .expect("the server thread does not panic")
                .starts_with("GET /readyz HTTP/1.1\r\n")
        );
        outcome
    }

    #[test]
    fn only_200_is_healthy() {
        answer_with("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n")
            .expect("the server is ready");
        let error = answer_with("HTTP/1.1 503 Service Unavailable\r\n\r\nstarting\n").unwrap_err();
        assert_eq!(error.state().code(), "57P03");
        assert!(error.message().ends_with("is not ready: starting"), "{error}");
    }

    #[test]
    fn nobody_there_is_an_error() {
        let free = TcpListener::bind("127.0.0.1:0")
            .expect("a port is free")
            .local_addr()
            .expect("a port is free");
        let error = run(&HealthcheckFlags { http: free.to_string() }).unwrap_err();
        assert_eq!(error.state().code(), "08000");
    }
}
