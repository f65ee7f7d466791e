//! Keys of `jsonb`: bytes that compare as PostgreSQL compares the values.
//!
//! Kinds ascend from null over strings, numbers and booleans to arrays and objects; of arrays and objects the longer
//! is the greater, then what is in them decides, in its order. An empty array that is the whole value is below all
//! else.
//!
//! | value | bytes |
//! |---|---|
//! | `[]`, as a whole | 0 |
//! | null | 1 |
//! | string | 2, its bytes, 0 |
//! | number | 3, then 128 for zero, else 129, the exponent (big endian, its highest bit turned), the digits, 0: of a negative one with all bits turned |
//! | boolean | 4, 0 or 1 |
//! | array | 5, number of elements (big endian), elements |
//! | object | 6, number of members (big endian), keys (as strings) and values |

const EMPTY: u8 = 0;
const NULL: u8 = 1;
const STRING: u8 = 2;
const NUMBER: u8 = 3;
const BOOLEAN: u8 = 4;
const ARRAY: u8 = 5;
const OBJECT: u8 = 6;

/// Appends the key of a value, which is text as `jsonb` keeps it: its objects have each key once, in order.
pub(super) fn write(text: &str, out: &mut Vec<u8>) {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    let begin = out.len();
    reader.value(out);
    if out[begin..] == [ARRAY, 0, 0, 0, 0] {
        out.truncate(begin);
        out.push(EMPTY);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// The next byte that is no space; 0 at the end.
    fn peek(&mut self) -> u8 {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn value(&mut self, out: &mut Vec<u8>) {
        match self.peek() {
            b'{' => self.members(OBJECT, b'}', out),
            b'[' => self.members(ARRAY, b']', out),
            b'"' => self.string(out),
            b't' => self.word(4, &[BOOLEAN, 1], out),
            b'f' => self.word(5, &[BOOLEAN, 0], out),
            b'n' => self.word(4, &[NULL], out),
            _ => self.number(out),
        }
    }

    fn word(&mut self, length: usize, key: &[u8], out: &mut Vec<u8>) {
        self.at += length;
        out.extend_from_slice(key);
    }

    fn members(&mut self, kind: u8, end: u8, out: &mut Vec<u8>) {
        out.push(kind);
        let place = out.len();
        out.extend([0; 4]);
        self.at += 1;
        let mut n = 0_u32;
        while self.peek() != end && self.at < self.bytes.len() {
            if self.peek() == b',' {
                self.at += 1;
            }
            if kind == OBJECT {
                self.peek();
                self.string(out);
                self.peek();
                // The colon.
                self.at += 1;
            }
            self.value(out);
            n += 1;
        }
        self.at += 1;
        out[place..place + 4].copy_from_slice(&n.to_be_bytes());
    }

    fn string(&mut self, out: &mut Vec<u8>) {
        out.push(STRING);
        self.at += 1;
        while let Some(byte) = self.bytes.get(self.at).copied().filter(|byte| *byte != b'"') {
            self.at += 1;
            if byte != b'\\' {
                out.push(byte);
                continue;
            }
            let escaped = self.bytes.get(self.at).copied().unwrap_or(0);
            self.at += 1;
            match escaped {
                b'n' => out.push(b'\n'),
                b't' => out.push(b'\t'),
                b'r' => out.push(b'\r'),
                b'b' => out.push(8),
                b'f' => out.push(12),
                b'u' => self.code_point(out),
                other => out.push(other),
            }
        }
        self.at += 1;
        out.push(0);
    }

    fn code_point(&mut self, out: &mut Vec<u8>) {
        let mut code = self.hexadecimal();
        let has_low = self.bytes[self.at.min(self.bytes.len())..].starts_with(b"\\u");
        if (0xd800..0xdc00).contains(&code) && has_low {
            self.at += 2;
            let low = self.hexadecimal().wrapping_sub(0xdc00) & 0x3ff;
            code = 0x1_0000 + ((code - 0xd800) << 10) + low;
        }
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn hexadecimal(&mut self) -> u32 {
        let digits = self.bytes.get(self.at..self.at + 4).and_then(|d| std::str::from_utf8(d).ok());
        self.at += 4;
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0)
    }

    fn number(&mut self, out: &mut Vec<u8>) {
        let is_of_number =
            |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        let length = rest.iter().take_while(|byte| is_of_number(byte)).count();
        // Something that is no number must not stop the reader.
        self.at += length.max(1);
        number_key(&rest[..length], out);
    }
}

fn number_key(text: &[u8], out: &mut Vec<u8>) {
    let (is_negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let e = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = match e {
        Some(e) => (&text[..e], std::str::from_utf8(&text[e + 1..]).ok()),
        None => (text, None),
    };
    let exponent: i32 = exponent.and_then(|text| text.parse().ok()).unwrap_or(0);
    let point = mantissa.iter().position(|byte| *byte == b'.').unwrap_or(mantissa.len());
    let digits: Vec<u8> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
    let n_leading = digits.iter().take_while(|digit| **digit == b'0').count();
    let n_trailing = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    out.push(NUMBER);
    if n_leading == digits.len() {
        out.push(128);
        return;
    }
    let exponent = exponent + point as i32 - n_leading as i32;
    let begin = out.len();
    out.push(129);
    out.extend_from_slice(&(exponent.cast_unsigned() ^ 1 << 31).to_be_bytes());
    out.extend_from_slice(&digits[n_leading..digits.len() - n_trailing]);
    out.push(0);
    if is_negative {
        out[begin..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::write;

    fn key(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        write(text, &mut out);
        out
    }

    #[test]
    fn keys_ascend_as_postgresql_orders_values() {
        let ascending = [
            "[]",
            "null",
            r#""""#,
            r#""a""#,
            r#""a\nb""#,
            r#""ab""#,
            r#""b""#,
            "-100",
            "-99.5",
            "-1.5",
            "-0.01",
            "0",
            "0.001",
            "0.01",
            "0.9",
            "1",
            "1.5",
            "2",
            "9.99",
            "10",
            "1000000000000",
            "false",
            "true",
            "[1]",
            "[2]",
            "[[]]",
            "[1, 1]",
            "[1, 2]",
            "{}",
            r#"{"a": 1}"#,
            r#"{"a": 2}"#,
            r#"{"b": 1}"#,
            r#"{"a": 1, "b": 1}"#,
        ];
        for pair in ascending.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn equal_values_have_one_key() {
        for (one, other) in [
            ("1.0", "1"),
            ("-0", "0"),
            ("0.00", "0"),
            ("1e2", "100"),
            ("[1.50, 2]", "[1.5,2.0]"),
            (r#"{"a":1.0}"#, r#"{"a": 1}"#),
            (r#""\u0041\ud83d\ude00""#, "\"A\u{1F600}\""),
        ] {
            assert_eq!(key(one), key(other), "{one} and {other}");
        }
    }
}
