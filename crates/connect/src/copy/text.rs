//! COPY's text format: where rows and fields end, and what their backslashes mean.

use weir_types::{Error, Result};

use super::options::CopyOptions;
use super::rows::{Rows, bad_format};
use super::scan::{Field, LineEnd, Needles, Scan};
use crate::value::failure::{invalid_utf8, utf8};

pub(super) struct TextReader {
    delimiter: u8,
    null: String,
    line_end: LineEnd,
    needles: Needles,
    /// The fields of the row, as far as it is read. No more than one beyond the columns is kept.
    fields: Vec<Field>,
    n_fields_max: usize,
    field_start: usize,
    is_escaped: bool,
    /// Where the search goes on when more bytes are there.
    position: usize,
    unescaped: Vec<u8>,
}

impl TextReader {
    pub(super) fn new(options: &CopyOptions, n_columns: usize) -> Self {
        Self {
            delimiter: options.delimiter,
            null: options.null.clone(),
            line_end: LineEnd::Unknown,
            needles: Needles::new([options.delimiter, b'\n', b'\r', b'\\']),
            fields: Vec::new(),
            n_fields_max: n_columns + 1,
            field_start: 0,
            is_escaped: false,
            position: 0,
            unescaped: Vec::new(),
        }
    }

    /// Where the field begins that is being read.
    pub(super) fn field_start(&self) -> usize {
        self.field_start
    }

    /// Forgets the row.
    pub(super) fn begin_row(&mut self) {
        self.fields.clear();
        self.begin_field(0);
        self.position = 0;
    }

    fn begin_field(&mut self, start: usize) {
        self.field_start = start;
        self.is_escaped = false;
    }

    fn end_field(&mut self, end: usize) {
        if self.fields.len() < self.n_fields_max {
            self.fields.push(Field {
                start: self.field_start,
                end,
                is_raw: self.is_escaped,
                is_quoted: false,
            });
        }
    }

    /// Looks for the end of the row that `bytes` begin with, from where the last search stopped.
    pub(super) fn scan(&mut self, bytes: &[u8], at_end: bool) -> Result<Scan> {
        let mut at = self.position;
        loop {
            at = self.needles.find(bytes, at);
            let next = bytes.get(at + 1).copied();
            let Some(byte) = bytes.get(at) else {
                return Ok(self.scan_end(bytes, at_end, at));
            };
            match byte {
                b'\n' => {
                    if matches!(self.line_end, LineEnd::Return | LineEnd::ReturnNewline) {
                        return Err(literal_newline());
                    }
                    self.line_end = LineEnd::Newline;
                    self.end_field(at);
                    return Ok(Scan::Row { length: at, consumed: at + 1 });
                }
                b'\r' => {
                    let Some(width) = self.return_width(next, at_end)? else {
                        self.position = at;
                        return Ok(Scan::More);
                    };
                    self.end_field(at);
                    return Ok(Scan::Row { length: at, consumed: at + width });
                }
                b'\\' => match next {
                    None if !at_end => {
                        self.position = at;
                        return Ok(Scan::More);
                    }
                    // A backslash that ends the data stands for nothing.
                    None => {
                        self.end_field(at);
                        return Ok(Scan::Row { length: at + 1, consumed: at + 1 });
                    }
                    Some(b'.') => match self.end_marker(&bytes[at + 2..], at_end)? {
                        true => {
                            self.end_field(at);
                            return Ok(Scan::End { length: at });
                        }
                        false => {
                            self.position = at;
                            return Ok(Scan::More);
                        }
                    },
                    Some(_) => {
                        self.is_escaped = true;
                        at += 2;
                    }
                },
                _ => {
                    debug_assert_eq!(*byte, self.delimiter);
                    self.end_field(at);
                    self.begin_field(at + 1);
                    at += 1;
                }
            }
        }
    }

    /// No byte of meaning is left: the last line may lack its end.
    fn scan_end(&mut self, bytes: &[u8], at_end: bool, at: usize) -> Scan {
        if !at_end {
            self.position = at;
            return Scan::More;
        }
        if bytes.is_empty() {
            return Scan::End { length: 0 };
        }
        self.end_field(bytes.len());
        Scan::Row { length: bytes.len(), consumed: bytes.len() }
    }

    /// How many bytes end the line at a carriage return; `None` if the next byte must be known.
    fn return_width(&mut self, next: Option<u8>, at_end: bool) -> Result<Option<usize>> {
        match self.line_end {
            LineEnd::Newline => Err(literal_return()),
            LineEnd::Return => Ok(Some(1)),
            LineEnd::Unknown | LineEnd::ReturnNewline => match next {
                None if !at_end => Ok(None),
                Some(b'\n') => {
                    self.line_end = LineEnd::ReturnNewline;
                    Ok(Some(2))
                }
                _ if self.line_end == LineEnd::ReturnNewline => Err(literal_return()),
                _ => {
                    self.line_end = LineEnd::Return;
                    Ok(Some(1))
                }
            },
        }
    }

    /// Checks what follows `\.`: false if more bytes are needed to tell.
    fn end_marker(&self, behind: &[u8], at_end: bool) -> Result<bool> {
        let other_style = || bad_format("end-of-copy marker does not match previous newline style");
        let corrupt = || bad_format("end-of-copy marker corrupt");
        let last = match (self.line_end, behind) {
            (_, []) | (LineEnd::ReturnNewline, [b'\r']) if !at_end => return Ok(false),
            (LineEnd::ReturnNewline, [b'\n', ..]) => return Err(other_style()),
            (LineEnd::ReturnNewline, [b'\r', last, ..]) => *last,
            (LineEnd::ReturnNewline, _) | (_, []) => return Err(corrupt()),
            (_, [last, ..]) => *last,
        };
        match (self.line_end, last) {
            (LineEnd::Newline | LineEnd::ReturnNewline, b'\r') | (LineEnd::Return, b'\n') => {
                Err(other_style())
            }
            (_, b'\r' | b'\n') => Ok(true),
            _ => Err(corrupt()),
        }
    }

    /// Adds the row that was found to `rows`; `line` is its text.
    pub(super) fn emit(&mut self, line: &str, rows: &mut Rows) -> Result<()> {
        if self.fields.len() > rows.n_columns() && !(rows.n_columns() == 0 && line.is_empty()) {
            return Err(rows.extra(line));
        }
        for column in 0..rows.n_columns() {
            let Some(field) = self.fields.get(column) else {
                return Err(rows.missing(column, line));
            };
            let raw = &line[field.start..field.end];
            if raw == self.null {
                rows.push_null(column);
            } else if !field.is_raw {
                rows.push_text(column, raw)?;
            } else {
                unescape(raw.as_bytes(), &mut self.unescaped);
                let text = match memchr::memchr(0, &self.unescaped) {
                    None => utf8(&self.unescaped),
                    Some(_) => Err(invalid_utf8(&[0])),
                };
                let text = text.map_err(|error| rows.in_text(error, line))?;
                rows.push_text(column, text)?;
            }
        }
        rows.end_row();
        Ok(())
    }
}

fn literal_return() -> Error {
    bad_format("literal carriage return found in data")
        .with_hint("Use \"\\r\" to represent carriage return.")
}

fn literal_newline() -> Error {
    bad_format("literal newline found in data").with_hint("Use \"\\n\" to represent newline.")
}

/// The bytes that a field stands for; `out` is emptied first.
fn unescape(mut raw: &[u8], out: &mut Vec<u8>) {
    out.clear();
    while let Some(plain) = memchr::memchr(b'\\', raw) {
        out.extend_from_slice(&raw[..plain]);
        raw = &raw[plain + 1..];
        let Some((escape, behind)) = raw.split_first() else { return };
        raw = behind;
        out.push(match escape {
            b'0'..=b'7' => {
                let (value, behind) = number(raw, escape - b'0', 8, 2);
                raw = behind;
                value
            }
            b'x' if raw.first().is_some_and(u8::is_ascii_hexdigit) => {
                let (value, behind) = number(raw, 0, 16, 2);
                raw = behind;
                value
            }
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0B,
            other => *other,
        });
    }
    out.extend_from_slice(raw);
}

/// Adds up to `n_max` digits of that radix to `value`, and tells what follows them.
fn number(mut bytes: &[u8], value: u8, radix: u8, n_max: usize) -> (u8, &[u8]) {
    let mut value = value;
    for _ in 0..n_max {
        let digit = bytes.first().and_then(|byte| char::from(*byte).to_digit(radix.into()));
        let Some(digit) = digit else { break };
        value = value.wrapping_mul(radix).wrapping_add(digit as u8);
        bytes = &bytes[1..];
    }
    (value, bytes)
}
