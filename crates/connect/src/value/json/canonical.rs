//! The text that `jsonb` keeps and shows: keys sorted and unique, numbers without exponent, one
//! space behind each comma and colon.

use std::fmt::Write as _;
use std::ops::Range;

use weir_types::Result;

use super::{Parser, Sink};
use crate::value::numeric;

/// The canonical text of a JSON document (22P02 where it is none).
pub(in crate::value) fn canonical(text: &str) -> Result<String> {
    let mut parser = Parser::new(text, Writer { out: String::with_capacity(text.len()) });
    parser.document()?;
    Ok(parser.sink.out)
}

/// Writes each part as it comes, and puts the members of an object in order when it ends.
struct Writer {
    out: String,
}

struct Object {
    /// Where the first member begins.
    start: usize,
    members: Vec<Member>,
}

struct Member {
    key: String,
    /// Key and value in the text.
    range: Range<usize>,
}

impl Object {
    /// True if the members are in order already, without a key twice.
    fn is_sorted(&self) -> bool {
        self.members.is_sorted_by(|a, b| order(&a.key) < order(&b.key))
    }
}

/// Short keys go first, as in PostgreSQL.
fn order(key: &str) -> (usize, &str) {
    (key.len(), key)
}

impl Writer {
    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            if byte >= b' ' && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.out.push_str(&text[plain..at]);
            plain = at + 1;
            match byte {
                b'"' => self.out.push_str("\\\""),
                b'\\' => self.out.push_str("\\\\"),
                0x08 => self.out.push_str("\\b"),
                0x0C => self.out.push_str("\\f"),
                b'\n' => self.out.push_str("\\n"),
                b'\r' => self.out.push_str("\\r"),
                b'\t' => self.out.push_str("\\t"),
                _ => write!(self.out, "\\u{byte:04x}").expect("a String takes any text"),
            }
        }
        self.out.push_str(&text[plain..]);
        self.out.push('"');
    }
}

impl Sink for Writer {
    const DECODES: bool = true;
    type Object = Object;

    fn string(&mut self, decoded: &str) {
        self.quoted(decoded);
    }

    fn literal(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn number(&mut self, text: &str) -> Result<()> {
        numeric::write_canonical(text, &mut self.out)
    }

    fn begin_array(&mut self) {
        self.out.push('[');
    }

    fn next_element(&mut self) {
        self.out.push_str(", ");
    }

    fn end_array(&mut self) {
        self.out.push(']');
    }

    fn begin_object(&mut self) -> Object {
        self.out.push('{');
        Object { start: self.out.len(), members: Vec::new() }
    }

    fn key(&mut self, object: &mut Object, decoded: &str) {
        if let Some(last) = object.members.last_mut() {
            last.range.end = self.out.len();
            self.out.push_str(", ");
        }
        let start = self.out.len();
        object.members.push(Member { key: decoded.to_owned(), range: start..start });
        self.quoted(decoded);
        self.out.push_str(": ");
    }

    fn end_object(&mut self, mut object: Object) {
        if let Some(last) = object.members.last_mut() {
            last.range.end = self.out.len();
        }
        if !object.is_sorted() {
            // The sort is stable, so that the last one of a key is the last of its like.
            object.members.sort_by(|a, b| order(&a.key).cmp(&order(&b.key)));
            let mut sorted = String::with_capacity(self.out.len() - object.start);
            for (at, member) in object.members.iter().enumerate() {
                if object.members.get(at + 1).is_some_and(|next| next.key == member.key) {
                    continue;
                }
                if !sorted.is_empty() {
                    sorted.push_str(", ");
                }
                sorted.push_str(&self.out[member.range.clone()]);
            }
            self.out.truncate(object.start);
            self.out.push_str(&sorted);
        }
        self.out.push('}');
    }
}
