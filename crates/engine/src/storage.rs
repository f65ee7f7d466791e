//! What the engine keeps in the log's meta records, beside rows: the only list of its kind.
//!
//! | space | key | value |
//! |---|---|---|
//! | `Object` | object id, 4 bytes big endian | catalog object (`weir_catalog::encode_object`) |
//! | `NextId` | none | next object id, 4 bytes big endian |
//! | `Position` | object id of the stream, 4 bytes big endian | format byte 1, then JSON of the source's position |
//! | `ReliedOn` | none | format byte 1, then JSON of the epoch whose checkpoint retention relies on |
//! | `Password` | none | format byte 1, then JSON of the SCRAM verifier |

use weir_types::{Error, ObjectId, Result};

/// A space of meta records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum MetaSpace {
    Object = 1,
    NextId = 2,
    Position = 3,
    Password = 4,
    ReliedOn = 5,
}

/// The key of an object's records.
pub(crate) fn id_key(id: ObjectId) -> [u8; 4] {
    id.0.to_be_bytes()
}

/// The id in a key.
pub(crate) fn read_id(bytes: &[u8]) -> Result<u32> {
    let bytes = bytes.try_into().map_err(|_| {
        Error::corrupt(format!("a stored id has {} bytes instead of 4", bytes.len()))
    })?;
    Ok(u32::from_be_bytes(bytes))
}

/// A value as JSON behind a format byte.
pub(crate) fn encode_json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = vec![1];
    serde_json::to_writer(&mut bytes, value)
        .map_err(|e| Error::internal(format!("cannot encode a stored value: {e}")))?;
    Ok(bytes)
}

/// The value of [`encode_json`].
pub(crate) fn decode_json<T: serde::de::DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    match bytes.split_first() {
        Some((1, json)) => serde_json::from_slice(json)
            .map_err(|e| Error::corrupt(format!("cannot decode {what}: {e}"))),
        Some((format, _)) => {
            Err(Error::corrupt(format!("{what} has format {format}, this version reads format 1")))
        }
        None => Err(Error::corrupt(format!("{what} is empty"))),
    }
}
