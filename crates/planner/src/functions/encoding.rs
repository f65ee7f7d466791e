//! Functions of bytea, encodings and digests.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datafusion::functions::crypto;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};
use weir_types::{Error, Result, SqlState};

use super::call::Call;
use super::number::{error_of, invalid_parameter};
use super::overload::{Declaration, declare};
use super::text::character_range;

pub(crate) const DECLARATIONS: &[Declaration] = &[
    declare("length(bytea) -> int4", bytes).total(),
    declare("octet_length(bytea) -> int4", bytes).total(),
    declare("bit_length(bytea) -> int4", |call| {
        let bytes = call.bytes(0);
        call.each::<Int32Type>(|row| Ok(bytes.at(row).len() as i32 * 8))
    })
    .total(),
    declare("bit_count(bytea) -> int8", |call| {
        let bytes = call.bytes(0);
        call.each::<Int64Type>(|row| {
            Ok(bytes.at(row).iter().map(|byte| i64::from(byte.count_ones())).sum())
        })
    })
    .total(),
    declare("||(bytea, bytea) -> bytea", |call| {
        let (a, b) = (call.bytes(0), call.bytes(1));
        call.each_bytes(|row, out| {
            out.extend_from_slice(a.at(row));
            out.extend_from_slice(b.at(row));
            Ok(())
        })
    }),
    declare("substr(bytea, int4) -> bytea", substring),
    declare("substr(bytea, int4, int4) -> bytea", substring),
    declare("substring(bytea, int4) -> bytea", substring),
    declare("substring(bytea, int4, int4) -> bytea", substring),
    declare("position(bytea, bytea) -> int4", |call| position(call, 1, 0)).total(),
    declare("strpos(bytea, bytea) -> int4", |call| position(call, 0, 1)).total(),
    declare("btrim(bytea, bytea) -> bytea", |call| trim(call, true, true)).total(),
    declare("ltrim(bytea, bytea) -> bytea", |call| trim(call, true, false)).total(),
    declare("rtrim(bytea, bytea) -> bytea", |call| trim(call, false, true)).total(),
    declare("get_byte(bytea, int4) -> int4", get_byte),
    declare("set_byte(bytea, int4, int4) -> bytea", set_byte),
    declare("encode(bytea, text) -> text", encode),
    declare("decode(text, text) -> bytea", decode),
    declare("convert_from(bytea, text) -> text", convert_from),
    declare("convert_to(text, text) -> bytea", |call| {
        let (texts, encodings) = (call.texts(0), call.texts(1));
        call.each_bytes(|row, out| {
            check_utf8(encodings.at(row))?;
            out.extend_from_slice(texts.at(row).as_bytes());
            Ok(())
        })
    }),
    declare("md5(text) -> text", md5).total(),
    declare("md5(bytea) -> text", md5).total(),
    declare("sha224(bytea) -> bytea", |call| digest(call, &crypto::sha224())).total(),
    declare("sha256(bytea) -> bytea", |call| digest(call, &crypto::sha256())).total(),
    declare("sha384(bytea) -> bytea", |call| digest(call, &crypto::sha384())).total(),
    declare("sha512(bytea) -> bytea", |call| digest(call, &crypto::sha512())).total(),
    declare("gen_random_uuid() -> uuid", |call| {
        call.each_text(|_, out| {
            out.push_str(&uuid::Uuid::new_v4().to_string());
            Ok(())
        })
    })
    .volatile()
    .total(),
];

fn bytes(call: &Call<'_>) -> Result<ArrayRef> {
    let bytes = call.bytes(0);
    call.each::<Int32Type>(|row| Ok(bytes.at(row).len() as i32))
}

fn substring(call: &Call<'_>) -> Result<ArrayRef> {
    let (bytes, starts) = (call.bytes(0), call.numbers::<Int32Type>(1));
    let lengths = (call.arguments.len() > 2).then(|| call.numbers::<Int32Type>(2));
    call.each_bytes(|row, out| {
        let length = lengths.as_ref().map(|lengths| lengths.at(row));
        let (from, to) = character_range(starts.at(row), length)?;
        let bytes = bytes.at(row);
        let to = to.unwrap_or(bytes.len()).min(bytes.len());
        out.extend_from_slice(bytes.get(from..to).unwrap_or(&[]));
        Ok(())
    })
}

fn position(call: &Call<'_>, whole: usize, part: usize) -> Result<ArrayRef> {
    let (whole, part) = (call.bytes(whole), call.bytes(part));
    call.each::<Int32Type>(|row| {
        let (whole, part) = (whole.at(row), part.at(row));
        let found = match part.len() {
            0 => Some(0),
            length => whole.windows(length).position(|window| window == part),
        };
        Ok(found.map_or(0, |at| at as i32 + 1))
    })
}

fn trim(call: &Call<'_>, at_start: bool, at_end: bool) -> Result<ArrayRef> {
    let (bytes, sets) = (call.bytes(0), call.bytes(1));
    call.each_bytes(|row, out| {
        let (mut bytes, set) = (bytes.at(row), sets.at(row));
        while at_start && bytes.first().is_some_and(|byte| set.contains(byte)) {
            bytes = &bytes[1..];
        }
        while at_end && bytes.last().is_some_and(|byte| set.contains(byte)) {
            bytes = &bytes[..bytes.len() - 1];
        }
        out.extend_from_slice(bytes);
        Ok(())
    })
}

fn byte_index(index: i32, length: usize) -> Result<usize> {
    usize::try_from(index).ok().filter(|index| *index < length).ok_or_else(|| {
        error_of("2202E", &format!("index {index} out of valid range, 0..{}", length as i64 - 1))
    })
}

fn get_byte(call: &Call<'_>) -> Result<ArrayRef> {
    let (bytes, indexes) = (call.bytes(0), call.numbers::<Int32Type>(1));
    call.each::<Int32Type>(|row| {
        let bytes = bytes.at(row);
        Ok(bytes[byte_index(indexes.at(row), bytes.len())?].into())
    })
}

fn set_byte(call: &Call<'_>) -> Result<ArrayRef> {
    let (bytes, indexes) = (call.bytes(0), call.numbers::<Int32Type>(1));
    let values = call.numbers::<Int32Type>(2);
    call.each_bytes(|row, out| {
        let bytes = bytes.at(row);
        let index = byte_index(indexes.at(row), bytes.len())?;
        out.extend_from_slice(bytes);
        out[index] = values.at(row) as u8;
        Ok(())
    })
}

/// Base64 as PostgreSQL writes it has lines of 76 characters.
const BASE64_LINE: usize = 76;

fn encode(call: &Call<'_>) -> Result<ArrayRef> {
    let (bytes, formats) = (call.bytes(0), call.texts(1));
    call.each_text(|row, out| {
        let bytes = bytes.at(row);
        match formats.at(row).to_ascii_lowercase().as_str() {
            "hex" => write_hex(bytes, out)?,
            "base64" => {
                let text = STANDARD.encode(bytes);
                let mut rest = text.as_str();
                while rest.len() > BASE64_LINE {
                    out.push_str(&rest[..BASE64_LINE]);
                    out.push('\n');
                    rest = &rest[BASE64_LINE..];
                }
                out.push_str(rest);
            }
            "escape" => {
                for byte in bytes {
                    match byte {
                        b'\\' => out.push_str("\\\\"),
                        0 | 0x80.. => write!(out, "\\{byte:03o}").map_err(no_text)?,
                        _ => out.push(char::from(*byte)),
                    }
                }
            }
            _ => return Err(unknown_encoding(formats.at(row))),
        }
        Ok(())
    })
}

fn unknown_encoding(name: &str) -> Error {
    invalid_parameter(format!("unrecognized encoding: \"{name}\""))
}

fn no_text(_: std::fmt::Error) -> Error {
    Error::internal("a String takes any text")
}

fn write_hex(bytes: &[u8], out: &mut String) -> Result<()> {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}")).map_err(no_text)
}

fn decode(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, formats) = (call.texts(0), call.texts(1));
    call.each_bytes(|row, out| {
        let text = texts.at(row);
        match formats.at(row).to_ascii_lowercase().as_str() {
            "hex" => from_hex(text, out),
            "base64" => {
                let digits: String = text.chars().filter(|c| !" \t\r\n".contains(*c)).collect();
                let bytes = STANDARD.decode(digits).map_err(|error| {
                    invalid_parameter(format!("invalid base64 end sequence: {error}")).with_hint(
                        "Input data is missing padding, is truncated, or is otherwise corrupted.",
                    )
                })?;
                out.extend(bytes);
                Ok(())
            }
            "escape" => from_escape(text, out),
            _ => Err(unknown_encoding(formats.at(row))),
        }
    })
}

fn from_hex(text: &str, out: &mut Vec<u8>) -> Result<()> {
    let mut digits = text.chars().filter(|c| !c.is_ascii_whitespace());
    let digit = |c: char| {
        c.to_digit(16)
            .map(|digit| digit as u8)
            .ok_or_else(|| invalid_parameter(format!("invalid hexadecimal digit: \"{c}\"")))
    };
    while let Some(high) = digits.next() {
        let high = digit(high)?;
        let low = digits
            .next()
            .ok_or_else(|| invalid_parameter("invalid hexadecimal data: odd number of digits"))?;
        out.push(high << 4 | digit(low)?);
    }
    Ok(())
}

fn from_escape(text: &str, out: &mut Vec<u8>) -> Result<()> {
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return Ok(()),
            [b'\\', b'\\', rest @ ..] => {
                out.push(b'\\');
                rest
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [b'\\', ..] => {
                return Err(Error::new(
                    SqlState::InvalidTextRepresentation,
                    "invalid input syntax for type bytea",
                ));
            }
            [byte, rest @ ..] => {
                out.push(*byte);
                rest
            }
        };
    }
}

fn check_utf8(encoding: &str) -> Result<()> {
    let name: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect();
    match name.to_ascii_lowercase().as_str() {
        "utf8" | "unicode" => Ok(()),
        _ => Err(Error::unsupported(format!("encoding \"{encoding}\" is not supported"))
            .with_hint("Use UTF8.")),
    }
}

fn convert_from(call: &Call<'_>) -> Result<ArrayRef> {
    let (bytes, encodings) = (call.bytes(0), call.texts(1));
    call.each_text(|row, out| {
        check_utf8(encodings.at(row))?;
        let bytes = bytes.at(row);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let bad = &bytes[error.valid_up_to()..];
            let shown: Vec<String> = bad
                .iter()
                .take(error.error_len().unwrap_or(1))
                .map(|b| format!("0x{b:02x}"))
                .collect();
            Error::new(
                SqlState::CharacterNotInRepertoire,
                format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
            )
        })?;
        out.push_str(text);
        Ok(())
    })
}

/// A digest by DataFusion's function.
fn digest(call: &Call<'_>, function: &Arc<ScalarUDF>) -> Result<ArrayRef> {
    let digests = invoke(call, function)?;
    let bytes = arrow::compute::cast(&digests, &arrow::datatypes::DataType::Binary)
        .map_err(|error| Error::internal(format!("digest: {error}")))?;
    let bytes = bytes.as_binary::<i32>();
    call.each_bytes(|row, out| {
        out.extend_from_slice(bytes.value(if call.arguments[0].is_constant { 0 } else { row }));
        Ok(())
    })
}

fn md5(call: &Call<'_>) -> Result<ArrayRef> {
    let digests = invoke(call, &crypto::md5())?;
    let texts = arrow::compute::cast(&digests, &arrow::datatypes::DataType::Utf8View)
        .map_err(|error| Error::internal(format!("md5: {error}")))?;
    let texts = texts.as_string_view();
    call.each_slice(|row| Ok(texts.value(if call.arguments[0].is_constant { 0 } else { row })))
}

fn invoke(call: &Call<'_>, function: &Arc<ScalarUDF>) -> Result<ArrayRef> {
    let argument = Arc::clone(&call.arguments[0].array);
    let field = Arc::new(arrow::datatypes::Field::new("value", argument.data_type().clone(), true));
    let internal = |error| Error::internal(format!("{}: {error}", call.name));
    let returns = function.return_type(&[argument.data_type().clone()]).map_err(internal)?;
    let number_rows = argument.len();
    let result = function.invoke_with_args(ScalarFunctionArgs {
        args: vec![ColumnarValue::Array(argument)],
        arg_fields: vec![field],
        number_rows,
        return_field: Arc::new(arrow::datatypes::Field::new(call.name, returns, true)),
        config_options: Arc::default(),
    });
    result.and_then(|value| value.into_array(number_rows)).map_err(internal)
}
