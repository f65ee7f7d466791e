//! Listening sockets, and who may be let near them.

use std::net::SocketAddr;

use tokio::net::{TcpListener, lookup_host};
use weir_types::{Error, Result, SqlState};

/// One address of the command line.
pub(crate) struct Endpoint<'a> {
    /// The flag that sets it.
    pub(crate) flag: &'static str,
    /// `ADDR:PORT`, or `NAME:PORT`.
    pub(crate) text: &'a str,
}

impl Endpoint<'_> {
    /// The addresses behind the text.
    ///
    /// # Errors
    /// 22023 where it is no address.
    pub(crate) async fn resolve(&self) -> Result<Vec<SocketAddr>> {
        let invalid = |reason: String| {
            Error::new(
                SqlState::InvalidParameterValue,
                format!("invalid address for {}: \"{}\": {reason}", self.flag, self.text),
            )
            .with_hint("It must be ADDR:PORT, such as 127.0.0.1:7432.")
        };
        let found: Vec<_> =
            lookup_host(self.text).await.map_err(|error| invalid(error.to_string()))?.collect();
        if found.is_empty() {
            return Err(invalid("the name has no address".to_owned()));
        }
        Ok(found)
    }

    /// Listens on one of `addresses`.
    ///
    /// # Errors
    /// 55006 where the port is in use, 42501 where the system forbids it, else 58030.
    pub(crate) async fn listen(&self, addresses: &[SocketAddr]) -> Result<TcpListener> {
        TcpListener::bind(addresses).await.map_err(|error| {
            let message = format!("could not listen on {}: {error}", self.text);
            if error.kind() == std::io::ErrorKind::AddrInUse {
                return Error::new(SqlState::ObjectInUse, message).with_hint(format!(
                    "Stop the process that has the port, or choose another with {} (port 0 takes \
                     a free one).",
                    self.flag
                ));
            }
            Error::io(format!("could not listen on {}", self.text), &error)
                .with_hint(format!("Choose an address of this machine with {}.", self.flag))
        })
    }
}

/// Refuses addresses that other machines reach, unless a password is set or the user insists.
///
/// # Errors
/// 28000 with the address.
pub(crate) fn check_exposure(
    endpoint: &Endpoint<'_>,
    addresses: &[SocketAddr],
    is_permitted: bool,
) -> Result<()> {
    let exposed = addresses.iter().find(|address| !address.ip().to_canonical().is_loopback());
    match exposed {
        Some(address) if !is_permitted => Err(Error::new(
            SqlState::InvalidAuthorization,
            format!(
                "refusing to listen on {address} ({}) without a password: other machines could \
                 reach it",
                endpoint.flag
            ),
        )
        .with_hint("Set WEIR_PASSWORD, or add --insecure, or listen on 127.0.0.1.")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_needs_no_password() {
        let endpoint = Endpoint { flag: "--pg-listen", text: "" };
        let check = |text: &str, is_permitted| {
            check_exposure(
                &endpoint,
                &[text.parse().expect("the text is of that form")],
                is_permitted,
            )
        };
        for loopback in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(check(loopback, false).is_ok(), "{loopback}");
        }
        for exposed in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert_eq!(check(exposed, false).unwrap_err().state().code(), "28000", "{exposed}");
            assert!(check(exposed, true).is_ok(), "{exposed}");
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_with_the_flag() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let text = taken.local_addr().expect("a bound socket has an address").to_string();
        let endpoint = Endpoint { flag: "--pg-listen", text: &text };
        let addresses = endpoint.resolve().await.expect("a number is an address");
        let error = endpoint.listen(&addresses).await.unwrap_err();
        assert_eq!(error.state().code(), "55006");
        assert!(error.message().contains(&text), "{error}");
        assert!(error.hint().expect("the error has a hint").contains("--pg-listen"));
    }

    #[tokio::test]
    async fn a_text_that_is_no_address_is_refused() {
        let error = Endpoint { flag: "--pg-listen", text: "7432" }.resolve().await.unwrap_err();
        assert_eq!(error.state().code(), "22023");
    }
}
