//! The words of a date, time or interval: what PostgreSQL takes as one field, and of which kind.

use super::Failure;

/// Bytes of all fields together, and the number of fields; PostgreSQL's limits.
const BYTES_MAX: usize = 153;
const FIELDS_MAX: usize = 25;

/// What a field looks like; what it is depends on its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::value) enum Kind {
    /// Digits, with a fraction or without.
    Number,
    /// Digits and letters joined by `-`, `/` or `.`: a date, or the name of a zone.
    Date,
    /// Digits with a colon.
    Time,
    /// A sign and digits: a zone, or a number of an interval.
    Signed,
    /// Letters.
    Word,
    /// A sign and letters.
    SignedWord,
}

/// The fields of a text, in lower case.
pub(in crate::value) struct Tokens {
    bytes: [u8; BYTES_MAX],
    n_bytes: usize,
    fields: [(Kind, u8, u8); FIELDS_MAX],
    n_fields: usize,
}

impl Tokens {
    /// Splits the text. `is_word` tells if letters are a word that a digit may follow at once
    /// (`T` in `20240102T0304`), rather than the name of a zone with digits in it.
    pub(in crate::value) fn split(
        text: &str,
        is_word: impl Fn(&str) -> bool,
    ) -> Result<Self, Failure> {
        let mut tokens = Self {
            bytes: [0; BYTES_MAX],
            n_bytes: 0,
            fields: [(Kind::Number, 0, 0); FIELDS_MAX],
            n_fields: 0,
        };
        let mut rest = text.as_bytes();
        while let [first, behind @ ..] = rest {
            match first {
                b' ' | b'\t'..=b'\r' => rest = behind,
                b'0'..=b'9' => rest = tokens.take_digits(rest)?,
                b'.' => rest = tokens.take_fraction(rest)?,
                b'+' | b'-' => rest = tokens.take_signed(rest)?,
                first if first.is_ascii_alphabetic() => rest = tokens.take_word(rest, &is_word)?,
                first if first.is_ascii_punctuation() => rest = behind,
                _ => return Err(Failure::Format),
            }
        }
        Ok(tokens)
    }

    pub(in crate::value) fn len(&self) -> usize {
        self.n_fields
    }

    pub(in crate::value) fn kind(&self, at: usize) -> Option<Kind> {
        self.fields[..self.n_fields].get(at).map(|field| field.0)
    }

    pub(in crate::value) fn text(&self, at: usize) -> &str {
        let (_, start, end) = self.fields[at];
        std::str::from_utf8(&self.bytes[usize::from(start)..usize::from(end)])
            .expect("fields are ASCII")
    }

    /// Begins a field; `push` adds to it.
    fn begin(&mut self, kind: Kind) -> Result<(), Failure> {
        if self.n_fields == FIELDS_MAX {
            return Err(Failure::Format);
        }
        let start = self.n_bytes as u8;
        self.fields[self.n_fields] = (kind, start, start);
        self.n_fields += 1;
        Ok(())
    }

    fn push(&mut self, byte: u8) -> Result<(), Failure> {
        let slot = self.bytes.get_mut(self.n_bytes).ok_or(Failure::Format)?;
        *slot = byte.to_ascii_lowercase();
        self.n_bytes += 1;
        self.fields[self.n_fields - 1].2 = self.n_bytes as u8;
        Ok(())
    }

    fn set_kind(&mut self, kind: Kind) {
        self.fields[self.n_fields - 1].0 = kind;
    }

    /// Adds bytes as long as they are of the set; the rest.
    fn push_while<'a>(
        &mut self,
        bytes: &'a [u8],
        is_part: impl Fn(u8) -> bool,
    ) -> Result<&'a [u8], Failure> {
        let length = bytes.iter().take_while(|byte| is_part(**byte)).count();
        for byte in &bytes[..length] {
            self.push(*byte)?;
        }
        Ok(&bytes[length..])
    }

    fn take_digits<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Failure> {
        let is_digit = |byte: u8| byte.is_ascii_digit();
        self.begin(Kind::Number)?;
        let rest = self.push_while(bytes, is_digit)?;
        match rest {
            [b':', ..] => {
                self.set_kind(Kind::Time);
                self.push_while(rest, |byte| is_digit(byte) || byte == b':' || byte == b'.')
            }
            [separator @ (b'-' | b'/' | b'.'), behind @ ..] => {
                let separator = *separator;
                self.push(separator)?;
                if !behind.first().is_some_and(u8::is_ascii_digit) {
                    self.set_kind(Kind::Date);
                    return self.push_while(behind, |byte| {
                        byte.is_ascii_alphanumeric() || byte == separator
                    });
                }
                self.set_kind(if separator == b'.' { Kind::Number } else { Kind::Date });
                let rest = self.push_while(behind, is_digit)?;
                if rest.first() != Some(&separator) {
                    return Ok(rest);
                }
                self.set_kind(Kind::Date);
                self.push_while(rest, |byte| is_digit(byte) || byte == separator)
            }
            _ => Ok(rest),
        }
    }

    fn take_fraction<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Failure> {
        self.begin(Kind::Number)?;
        self.push(b'.')?;
        self.push_while(&bytes[1..], |byte| byte.is_ascii_digit())
    }

    fn take_word<'a>(
        &mut self,
        bytes: &'a [u8],
        is_word: impl Fn(&str) -> bool,
    ) -> Result<&'a [u8], Failure> {
        self.begin(Kind::Word)?;
        let rest = self.push_while(bytes, |byte| byte.is_ascii_alphabetic())?;
        let goes_on = match rest.first() {
            Some(b'-' | b'/' | b'.') => true,
            Some(b'+' | b'0'..=b'9') => !is_word(self.text(self.n_fields - 1)),
            _ => false,
        };
        if !goes_on {
            return Ok(rest);
        }
        self.set_kind(Kind::Date);
        self.push_while(rest, |byte| byte.is_ascii_alphanumeric() || b"+-/_.:".contains(&byte))
    }

    fn take_signed<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Failure> {
        let spaces = bytes[1..]
            .iter()
            .take_while(|byte| **byte == b' ' || (b'\t'..=b'\r').contains(byte))
            .count();
        let rest = &bytes[1 + spaces..];
        match rest.first() {
            Some(b'0'..=b'9') => {
                self.begin(Kind::Signed)?;
                self.push(bytes[0])?;
                self.push_while(rest, |byte| byte.is_ascii_digit() || b":.-".contains(&byte))
            }
            Some(byte) if byte.is_ascii_alphabetic() => {
                self.begin(Kind::SignedWord)?;
                self.push(bytes[0])?;
                self.push_while(rest, |byte| byte.is_ascii_alphabetic())
            }
            _ => Err(Failure::Format),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Tokens};

    fn split(text: &str) -> Option<Vec<(Kind, String)>> {
        let tokens = Tokens::split(text, |word| word == "t").ok()?;
        Some(
            (0..tokens.len())
                .map(|at| (tokens.kind(at).expect("a field"), tokens.text(at).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn fields_and_kinds() {
        let fields = |pairs: &[(Kind, &str)]| {
            Some(pairs.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect::<Vec<_>>())
        };
        assert_eq!(
            split("2024-01-02T03:04:05.5 - 07"),
            fields(&[
                (Kind::Date, "2024-01-02"),
                (Kind::Word, "t"),
                (Kind::Time, "03:04:05.5"),
                (Kind::Signed, "-07"),
            ])
        );
        assert_eq!(
            split("(20240102T0304, America/New_York)"),
            fields(&[
                (Kind::Number, "20240102"),
                (Kind::Word, "t"),
                (Kind::Number, "0304"),
                (Kind::Date, "america/new_york"),
            ])
        );
        assert_eq!(
            split("8-Jan-1999 1999.008 -infinity .5 Etc/GMT+3"),
            fields(&[
                (Kind::Date, "8-jan-1999"),
                (Kind::Number, "1999.008"),
                (Kind::SignedWord, "-infinity"),
                (Kind::Number, ".5"),
                (Kind::Date, "etc/gmt+3"),
            ])
        );
        assert_eq!(split("  "), fields(&[]));
    }

    #[test]
    fn texts_beyond_the_limits_are_none() {
        assert!(split(&"1 ".repeat(25)).is_some());
        assert!(split(&"1 ".repeat(26)).is_none());
        assert!(split(&"1".repeat(153)).is_some());
        assert!(split(&"1".repeat(154)).is_none());
        assert!(split("- ").is_none());
        assert!(split("1\u{e9}").is_none());
    }
}
