//! `boolean`: the words that PostgreSQL reads as true and false.

use weir_types::{Error, Result};

use super::failure::{bad_binary, invalid_syntax, too_short};
use super::integer::trim;

/// Reads `true`, `yes`, `on`, `1`, their opposites, and each beginning that says which is meant.
pub(super) fn parse(text: &str) -> Result<bool> {
    let word = trim(text).as_bytes();
    let begins = |full: &str, shortest: usize| {
        word.len() >= shortest
            && word.len() <= full.len()
            && word.eq_ignore_ascii_case(&full.as_bytes()[..word.len()])
    };
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || word == b"1" {
        Ok(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == b"0" {
        Ok(false)
    } else {
        Err(invalid_syntax("boolean", text))
    }
}

pub(super) fn receive(bytes: &[u8]) -> Result<bool, Error> {
    match bytes {
        [] => Err(too_short()),
        [byte] => Ok(*byte != 0),
        _ => Err(bad_binary()),
    }
}
