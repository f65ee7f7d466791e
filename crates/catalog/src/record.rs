//! Objects as stored bytes: a format byte, then JSON.

use weir_types::{Error, Result};

use crate::object::Object;

/// Format byte of a stored object.
const FORMAT: u8 = 1;

/// The object as bytes to store.
///
/// # Errors
/// Only where JSON cannot express the object, which its types exclude.
pub fn encode_object(object: &Object) -> Result<Vec<u8>> {
    let mut bytes = vec![FORMAT];
    serde_json::to_writer(&mut bytes, object)
        .map_err(|e| Error::internal(format!("cannot encode catalog object {}: {e}", object.id)))?;
    Ok(bytes)
}

/// The object from stored bytes.
///
/// # Errors
/// XX001 for an unknown format byte or damaged bytes.
pub fn decode_object(bytes: &[u8]) -> Result<Object> {
    match bytes.split_first() {
        Some((&FORMAT, json)) => serde_json::from_slice(json)
            .map_err(|e| Error::corrupt(format!("cannot decode a catalog object: {e}"))),
        Some((format, _)) => Err(Error::corrupt(format!(
            "catalog object has format {format}, this version reads format {FORMAT}"
        ))),
        None => Err(Error::corrupt("catalog object is empty")),
    }
}

#[cfg(test)]
mod tests {
    use weir_types::{Epoch, ObjectId};

    use super::*;
    use crate::object::{ObjectBody, Schema};

    #[test]
    fn an_object_reads_back_and_damage_is_named() {
        let object = Object {
            id: ObjectId(16_400),
            schema: ObjectId(16_400),
            name: "s".to_owned(),
            owner: "weir".to_owned(),
            comment: None,
            created: Epoch(7),
            part_of: None,
            body: ObjectBody::Schema(Schema {}),
        };
        let mut bytes = encode_object(&object).expect("a schema is JSON");
        assert_eq!(decode_object(&bytes).expect("just encoded"), object);
        bytes[0] = 9;
        let error = decode_object(&bytes).expect_err("format 9 is unknown");
        assert!(error.message().contains("format 9"), "{error}");
        assert!(decode_object(&[]).is_err());
    }
}
