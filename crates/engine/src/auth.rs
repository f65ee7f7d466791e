//! The password that clients must know, as SCRAM keeps it: nothing from which it could be found.

use serde::{Deserialize, Serialize};

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
