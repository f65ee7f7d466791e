//! The password exchange: SCRAM-SHA-256 (RFC 5802, 7677) without channel binding.
//!
//! The server holds a verifier, from which the password cannot be got. It is the same for every
//! user, so that an unknown user learns nothing that a known one with a wrong password does not.

use std::time::Duration;

use bytes::{Buf, Bytes};
use pgwire::api::auth::sasl::scram::{ScramSecret, ScramServerAuth};
use pgwire::error::PgWireError;
use pgwire::messages::startup::Authentication;
use tokio::time::sleep;
use weir_types::{Error, Result, SqlState};

use super::Caller;
use crate::engine::ScramVerifier;
use crate::failure::Failure;
use crate::message::Body;

const MECHANISM: &str = "SCRAM-SHA-256";

/// Lets the client prove that it knows the password; 28P01 when it does not, after
/// `failure_delay`.
pub(super) async fn authenticate(
    caller: &mut Caller,
    user: &str,
    verifier: ScramVerifier,
    failure_delay: Duration,
) -> Result<(), Failure> {
    caller.send(&[&Authentication::SASL(vec![MECHANISM.to_owned()])]).await?;
    let outcome = exchange(caller, user, verifier).await;
    if matches!(outcome, Err(Failure::Statement(_) | Failure::Fatal(_))) {
        sleep(failure_delay).await;
    }
    outcome
}

async fn exchange(caller: &mut Caller, user: &str, verifier: ScramVerifier) -> Result<(), Failure> {
    let client_first = decode_initial(caller.read_sasl().await?)?;
    let secret = ScramSecret::Verifier {
        salt: verifier.salt,
        iterations: verifier.iterations as usize,
        stored_key: verifier.stored_key,
        server_key: verifier.server_key,
    };
    let (server_first, state) = ScramServerAuth::new()
        .on_client_first_message_with_secret(&client_first, secret)
        .map_err(|error| refusal(user, &error))?;
    caller.send(&[&Authentication::SASLContinue(server_first.into())]).await?;
    let client_final = caller.read_sasl().await?;
    let server_final =
        state.on_client_final_message(&client_final).map_err(|error| refusal(user, &error))?;
    caller.send(&[&Authentication::SASLFinal(server_final.into())]).await
}

/// The client's first SCRAM message, out of its SASLInitialResponse.
fn decode_initial(message: Bytes) -> Result<Bytes> {
    let mut body = Body(message);
    let mechanism = body.string()?;
    if mechanism != MECHANISM {
        return Err(Error::new(
            SqlState::ProtocolViolation,
            "client selected an invalid SASL authentication mechanism",
        ));
    }
    let length = usize::try_from(body.take(4)?.get_i32())
        .map_err(|_| malformed("The first message is empty."))?;
    let data = body.take(length)?;
    body.end()?;
    Ok(data)
}

/// What the client is told: whether the message or the password was wrong, and no more.
fn refusal(user: &str, error: &PgWireError) -> Error {
    match error {
        PgWireError::InvalidPassword(_) => Error::new(
            SqlState::InvalidPassword,
            format!("password authentication failed for user \"{user}\""),
        ),
        other => malformed(other.to_string()),
    }
}

fn malformed(detail: impl Into<String>) -> Error {
    Error::new(SqlState::ProtocolViolation, "malformed SCRAM message").with_detail(detail)
}
