//! The packets of the startup, decoded strictly, and the settings that a client gives with them.

use bytes::{Buf, Bytes};
use weir_types::{Error, Result, SqlState};

use crate::engine::SessionStartup;
use crate::failure::Failure;
use crate::message::Body;

/// What a client asks for first.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Ssl,
    GssEncryption,
    Cancel { pid: i32, secret: i32 },
    Startup(StartupPacket),
}

/// A startup packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StartupPacket {
    minor_version: u16,
    parameters: Vec<(String, String)>,
    /// Names of the protocol options (`_pq_.*`), none of which is known.
    pub(super) protocol_options: Vec<String>,
}

const PROTOCOL_MAJOR: u16 = 3;
const CANCEL_CODE: (u16, u16) = (1234, 5678);
const SSL_CODE: (u16, u16) = (1234, 5679);
const GSS_CODE: (u16, u16) = (1234, 5680);

/// The request in a packet, of which the length is cut off. Packets have 4 bytes at least.
pub(super) fn decode(packet: Bytes) -> Result<Request, Failure> {
    let mut body = Body(packet);
    let mut code = body.take(4)?;
    let code = (code.get_u16(), code.get_u16());
    let request = match code {
        SSL_CODE => Request::Ssl,
        GSS_CODE => Request::GssEncryption,
        CANCEL_CODE => {
            // A longer key is none that this server has given out.
            let mut key = body.take(8).map_err(|_| Failure::Gone)?;
            Request::Cancel { pid: key.get_i32(), secret: key.get_i32() }
        }
        (PROTOCOL_MAJOR, minor_version) => {
            Request::Startup(StartupPacket::decode(minor_version, &mut body)?)
        }
        (major, minor) => {
            return Err(Error::unsupported(format!(
                "unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2"
            ))
            .into());
        }
    };
    match body.end() {
        Ok(()) => Ok(request),
        // Nobody waits for an answer to a cancel request.
        Err(_) if matches!(request, Request::Cancel { .. }) => Err(Failure::Gone),
        Err(_) => Err(bad_layout().into()),
    }
}

impl StartupPacket {
    fn decode(minor_version: u16, body: &mut Body) -> Result<Self> {
        let (mut parameters, mut protocol_options) = (Vec::new(), Vec::new());
        loop {
            let name = parameter_text(body)?;
            if name.is_empty() {
                break;
            }
            let value = parameter_text(body)?;
            if name.starts_with("_pq_.") {
                protocol_options.push(name);
            } else {
                parameters.push((name, value));
            }
        }
        Ok(Self { minor_version, parameters, protocol_options })
    }

    /// The protocol version as the wire has it.
    pub(super) fn version(&self) -> i32 {
        i32::from(PROTOCOL_MAJOR) << 16 | i32::from(self.minor_version)
    }

    /// Who wants which database with which settings. Settings of `options` come first, so that one
    /// given by its own name wins.
    pub(super) fn into_session_startup(self, peer: String) -> Result<SessionStartup> {
        let (mut user, mut database, mut options) = (None, None, String::new());
        let mut named = Vec::new();
        for (name, value) in self.parameters {
            match name.as_str() {
                "user" => user = Some(value),
                "database" => database = Some(value),
                "options" => options = value,
                "replication" => refuse_replication(&value)?,
                _ => named.push((name, value)),
            }
        }
        let user = user.filter(|user| !user.is_empty()).ok_or_else(|| {
            Error::new(
                SqlState::InvalidAuthorization,
                "no PostgreSQL user name specified in startup packet",
            )
        })?;
        let database =
            database.filter(|database| !database.is_empty()).unwrap_or_else(|| user.clone());
        let mut settings = parse_options(&options)?;
        settings.append(&mut named);
        Ok(SessionStartup { user, database, peer, settings })
    }
}

fn parameter_text(body: &mut Body) -> Result<String> {
    body.string().map_err(|error| {
        if error.state() == SqlState::ProtocolViolation { bad_layout() } else { error }
    })
}

fn refuse_replication(value: &str) -> Result<()> {
    if ["false", "off", "no", "0"].contains(&value.to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Error::unsupported("replication connections are not supported")
        .with_hint("Read changes with SUBSCRIBE."))
}

/// The settings in PostgreSQL's command-line form: `-c name=value`, `-cname=value`,
/// `--name=value`; a backslash takes the next character as it is.
fn parse_options(options: &str) -> Result<Vec<(String, String)>> {
    let mut words = split_options(options).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c").or_else(|| word.strip_prefix("--")) {
            Some("") if word == "-c" => words.next().unwrap_or_default(),
            Some(setting) => setting.to_owned(),
            None => return Err(bad_option(&word)),
        };
        match setting.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                settings.push((name.replace('-', "_"), value.to_owned()));
            }
            _ => return Err(bad_option(&word)),
        }
    }
    Ok(settings)
}

fn split_options(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = options.chars();
    while let Some(c) = chars.next() {
        if c.is_ascii_whitespace() {
            words.extend(word.take());
        } else {
            let c = if c == '\\' { chars.next() } else { Some(c) };
            word.get_or_insert_default().extend(c);
        }
    }
    words.extend(word);
    words
}

fn bad_option(word: &str) -> Error {
    Error::syntax(format!("invalid command-line argument for server process: {word}"))
        .with_hint("Write settings as -c name=value.")
}

fn bad_layout() -> Error {
    Error::new(
        SqlState::ProtocolViolation,
        "invalid startup packet layout: expected terminator as last byte",
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Request, StartupPacket, decode, parse_options};
    use crate::failure::Failure;

    fn packet(minor: u8, body: &[u8]) -> Result<StartupPacket, String> {
        let packet = [&[0, 3, 0, minor], body].concat();
        match decode(Bytes::from(packet)) {
            Ok(Request::Startup(packet)) => Ok(packet),
            Err(Failure::Statement(error) | Failure::Fatal(error)) => {
                Err(error.state().code().to_owned())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn settings_are_sorted_out() {
        let body = b"user\0ada\0options\0-c a=1 --b-c=x\\ y\0DateStyle\0ISO\0_pq_.x\0y\0\0";
        let packet = packet(2, body).expect("well formed");
        assert_eq!(packet.protocol_options, ["_pq_.x"]);
        assert_eq!(packet.version(), 196_610);
        let startup = packet.into_session_startup("peer".into()).expect("a user");
        assert_eq!((startup.user.as_str(), startup.database.as_str()), ("ada", "ada"));
        let settings: Vec<_> =
            startup.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(settings, ["a=1", "b_c=x y", "DateStyle=ISO"]);
    }

    #[test]
    fn malformed_packets_are_refused() {
        for (body, code) in [
            (&b""[..], "08P01"),
            (b"user", "08P01"),
            (b"user\0", "08P01"),
            (b"user\0ada\0", "08P01"),
            (b"user\0ada\0\0x", "08P01"),
            (b"user\0\xff\0\0", "22021"),
        ] {
            assert_eq!(packet(0, body), Err(code.into()), "{body:?}");
        }
        let nobody = packet(0, b"database\0d\0\0").expect("well formed");
        let error = nobody.into_session_startup(String::new()).err().expect("no user");
        assert_eq!(error.state().code(), "28000");
        let replica = packet(0, b"user\0u\0replication\0database\0\0").expect("well formed");
        let error = replica.into_session_startup(String::new()).err().expect("no replication");
        assert_eq!(error.state().code(), "0A000");
    }

    #[test]
    fn a_cancel_request_has_exactly_a_key() {
        let key = [4, 210, 22, 46, 0, 0, 0, 7, 0, 0, 0, 9];
        let request = decode(Bytes::copy_from_slice(&key)).expect("well formed");
        assert_eq!(request, Request::Cancel { pid: 7, secret: 9 });
        for wrong in [&key[..8], &[&key[..], &[0]].concat()] {
            let outcome = decode(Bytes::copy_from_slice(wrong));
            assert!(matches!(outcome, Err(Failure::Gone)), "{outcome:?}");
        }
    }

    #[test]
    fn options_that_are_no_settings_are_refused() {
        for options in ["-d 5", "-c", "-c a", "--", "-c =1", "x"] {
            let error = parse_options(options).expect_err("no setting");
            assert_eq!(error.state().code(), "42601", "{options}");
        }
        assert_eq!(parse_options("  ").expect("nothing"), []);
        assert_eq!(parse_options("-ca=b=c").expect("a setting"), [("a".into(), "b=c".into())]);
    }
}
