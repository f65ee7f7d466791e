//! The password that clients must know, as SCRAM keeps it: nothing from which it could be found.

use std::borrow::Cow;
use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2};
use serde::{Deserialize, Serialize};
use weir_env::Rng;
use weir_log::Log;
use weir_types::{Error, Result, Timestamp};

use crate::storage::{self, MetaSpace};

/// Rounds of the hash: PostgreSQL's default.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("4096 is not 0");
/// Bytes of salt: PostgreSQL's.
const SALT_BYTES: usize = 16;

/// What a server keeps of a password (RFC 5802).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramVerifier {
    /// Random bytes.
    pub salt: Vec<u8>,
    /// Rounds of the hash.
    pub iterations: u32,
    /// Checks a client's proof.
    pub stored_key: Vec<u8>,
    /// Proves the server to the client.
    pub server_key: Vec<u8>,
}

impl ScramVerifier {
    /// The verifier of a password, with a salt of its own.
    fn new(password: &str, rng: &mut Rng) -> Self {
        let mut salt = vec![0; SALT_BYTES];
        rng.fill(&mut salt);
        Self::with_salt(password, salt, ITERATIONS)
    }

    fn with_salt(password: &str, salt: Vec<u8>, iterations: NonZeroU32) -> Self {
        // As clients do: a password that is no text for SASLprep counts as its bytes.
        let password = stringprep::saslprep(password).unwrap_or(Cow::Borrowed(password));
        let mut salted = [0; digest::SHA256_OUTPUT_LEN];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, iterations, &salt, password.as_bytes(), &mut salted);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
        let client_key = hmac::sign(&key, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, client_key.as_ref()).as_ref().to_vec();
        let server_key = hmac::sign(&key, b"Server Key").as_ref().to_vec();
        Self { salt, iterations: iterations.get(), stored_key, server_key }
    }

    /// True where it is of that password.
    fn is_of(&self, password: &str) -> bool {
        NonZeroU32::new(self.iterations).is_some_and(|iterations| {
            Self::with_salt(password, self.salt.clone(), iterations) == *self
        })
    }
}

/// The verifier of the data directory: that of `password`, which takes the place of the stored one, or the
/// stored one where none is given. Before anything else writes to the log.
///
/// # Errors
/// XX001 for a stored verifier that cannot be read, those of the disk.
pub(crate) fn settle(
    log: &dyn Log,
    password: Option<&str>,
    rng: &mut Rng,
    now: Timestamp,
) -> Result<Option<ScramVerifier>> {
    let stored: Option<ScramVerifier> = match log.meta(MetaSpace::Password as u8, &[])? {
        Some(bytes) => Some(storage::decode_json(&bytes, "the password's verifier")?),
        None => None,
    };
    let Some(password) = password else { return Ok(stored) };
    if password.is_empty() {
        return Err(Error::new(
            weir_types::SqlState::InvalidParameterValue,
            "the password is empty",
        )
        .with_hint("Set WEIR_PASSWORD to a password, or leave it unset."));
    }
    if let Some(stored) = stored.filter(|stored| stored.is_of(password)) {
        return Ok(Some(stored));
    }
    let verifier = ScramVerifier::new(password, rng);
    let mut commit = log.begin(log.newest_epoch().next(), now.max(log.newest_now()));
    commit.put_meta(MetaSpace::Password as u8, &[], storage::encode_json(&verifier)?);
    log.write(commit)?;
    log.sync()?;
    Ok(Some(verifier))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::ScramVerifier;

    /// The exchange in RFC 7677, section 3: user `user`, password `pencil`.
    #[test]
    fn keys_are_those_of_the_rfc() {
        let salt = b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81".to_vec();
        let iterations = NonZeroU32::new(4096).expect("not 0");
        let verifier = ScramVerifier::with_salt("pencil", salt, iterations);
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &verifier.server_key);
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
             r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
             c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = ring::hmac::sign(&key, message.as_bytes());
        let hex: String = signature.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        // base64 "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        assert_eq!(hex, "eabae24d1062db75a9451ff0b6ea7e98c8546549ff741e672d3251b2397de46e");
        assert!(verifier.is_of("pencil") && !verifier.is_of("Pencil"));
    }

    #[test]
    fn forms_of_one_password_are_one() {
        let verifier = ScramVerifier::new("a\u{2168}b", &mut weir_env::Rng::from_seed(1));
        assert!(verifier.is_of("aIXb"));
    }
}
