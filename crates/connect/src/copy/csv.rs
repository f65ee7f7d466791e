//! COPY's CSV format: where rows and fields end, with quotes and line ends within them.

use weir_types::{Error, Result};

use super::options::CopyOptions;
use super::rows::{Rows, bad_format};
use super::scan::{Field, LineEnd, Needles, Scan};

pub(super) struct CsvReader {
    quote: u8,
    escape: u8,
    null: String,
    line_end: LineEnd,
    /// Delimiter, quote and line ends.
    needles: Needles,
    /// The fields of the row, as far as it is read. No more than one beyond the columns is kept.
    fields: Vec<Field>,
    n_fields_max: usize,
    field_start: usize,
    /// Quotes seen in the field; an odd number means that it is open.
    n_quotes: usize,
    /// Something of the field is not to be taken as it stands between its first and last byte.
    is_raw: bool,
    /// Where the search goes on when more bytes are there.
    position: usize,
    /// Line ends within quotes, since they were last asked for.
    n_lines: u64,
    unquoted: String,
}

impl CsvReader {
    pub(super) fn new(options: &CopyOptions, n_columns: usize) -> Self {
        Self {
            quote: options.quote,
            escape: options.escape,
            null: options.null.clone(),
            line_end: LineEnd::Unknown,
            needles: Needles::new([options.delimiter, b'\n', b'\r', options.quote]),
            fields: Vec::new(),
            n_fields_max: n_columns + 1,
            field_start: 0,
            n_quotes: 0,
            is_raw: false,
            position: 0,
            n_lines: 0,
            unquoted: String::new(),
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

    /// The line ends within quotes that were passed since the last call.
    pub(super) fn take_lines(&mut self) -> u64 {
        std::mem::take(&mut self.n_lines)
    }

    fn begin_field(&mut self, start: usize) {
        self.field_start = start;
        self.n_quotes = 0;
        self.is_raw = false;
    }

    fn end_field(&mut self, bytes: &[u8], end: usize) {
        if self.fields.len() == self.n_fields_max {
            return;
        }
        let (start, is_quoted) = (self.field_start, self.n_quotes > 0);
        let is_plain = !self.is_raw
            && self.n_quotes == 2
            && bytes[start] == self.quote
            && bytes[end - 1] == self.quote;
        self.fields.push(if is_plain {
            Field { start: start + 1, end: end - 1, is_raw: false, is_quoted }
        } else {
            Field { start, end, is_raw: is_quoted, is_quoted }
        });
    }

    /// Looks for the end of the row that `bytes` begin with, from where the last search stopped.
    pub(super) fn scan(&mut self, bytes: &[u8], at_end: bool) -> Result<Scan> {
        if self.position == 0 && bytes.first() == Some(&b'\\') {
            match self.end_marker(bytes, at_end)? {
                Some(true) => return Ok(Scan::End { length: 0 }),
                Some(false) => {}
                None => return Ok(Scan::More),
            }
        }
        let mut at = self.position;
        loop {
            if self.n_quotes % 2 == 1 {
                match self.skip_quoted(bytes, at, at_end) {
                    Some(behind) => at = behind,
                    None => break,
                }
            }
            at = self.needles.find(bytes, at);
            let Some(byte) = bytes.get(at) else {
                self.position = at;
                break;
            };
            match byte {
                b'\n' => {
                    if matches!(self.line_end, LineEnd::Return | LineEnd::ReturnNewline) {
                        return Err(unquoted_newline());
                    }
                    self.line_end = LineEnd::Newline;
                    self.end_field(bytes, at);
                    return Ok(Scan::Row { length: at, consumed: at + 1 });
                }
                b'\r' => {
                    let next = bytes.get(at + 1).copied();
                    let Some(width) = self.return_width(next, at_end)? else {
                        self.position = at;
                        return Ok(Scan::More);
                    };
                    self.end_field(bytes, at);
                    return Ok(Scan::Row { length: at, consumed: at + width });
                }
                byte if *byte == self.quote => {
                    self.is_raw |= self.n_quotes > 0;
                    self.n_quotes += 1;
                    at += 1;
                }
                _ => {
                    self.end_field(bytes, at);
                    self.begin_field(at + 1);
                    at += 1;
                }
            }
        }
        if !at_end {
            return Ok(Scan::More);
        }
        if bytes.is_empty() {
            return Ok(Scan::End { length: 0 });
        }
        if !self.is_unterminated() {
            self.end_field(bytes, bytes.len());
        }
        Ok(Scan::Row { length: bytes.len(), consumed: bytes.len() })
    }

    /// True if the row that was found ends within quotes, at the end of the data.
    pub(super) fn is_unterminated(&self) -> bool {
        self.n_quotes % 2 == 1
    }

    /// Looks for the quote that closes; the place behind it. Sets `position` where there is none yet.
    fn skip_quoted(&mut self, bytes: &[u8], from: usize, at_end: bool) -> Option<usize> {
        let mut at = from;
        let closing = loop {
            let rest = &bytes[at..];
            let found = if self.escape == self.quote {
                memchr::memchr(self.quote, rest)
            } else {
                memchr::memchr2(self.quote, self.escape, rest)
            };
            let Some(found) = found else {
                at = bytes.len();
                break None;
            };
            at += found;
            if bytes[at] == self.quote {
                break Some(at);
            }
            self.is_raw = true;
            match bytes.get(at + 1) {
                Some(next) if *next == self.quote || *next == self.escape => at += 2,
                Some(_) => at += 1,
                None if at_end => at += 1,
                None => break None,
            }
        };
        let line_end = if self.line_end == LineEnd::Newline { b'\n' } else { b'\r' };
        self.n_lines += memchr::memchr_iter(line_end, &bytes[from..at]).count() as u64;
        self.position = at;
        let closing = closing?;
        self.n_quotes += 1;
        Some(closing + 1)
    }

    /// How many bytes end the line at a carriage return; `None` if the next byte must be known.
    fn return_width(&mut self, next: Option<u8>, at_end: bool) -> Result<Option<usize>> {
        match self.line_end {
            LineEnd::Newline => Err(unquoted_return()),
            LineEnd::Return => Ok(Some(1)),
            LineEnd::Unknown | LineEnd::ReturnNewline => match next {
                None if !at_end => Ok(None),
                Some(b'\n') => {
                    self.line_end = LineEnd::ReturnNewline;
                    Ok(Some(2))
                }
                _ if self.line_end == LineEnd::ReturnNewline => Err(unquoted_return()),
                _ => {
                    self.line_end = LineEnd::Return;
                    Ok(Some(1))
                }
            },
        }
    }

    /// True if the line is `\.` and nothing else, which ends the data; `None` if more bytes are
    /// needed to tell.
    fn end_marker(&self, bytes: &[u8], at_end: bool) -> Result<Option<bool>> {
        let last = match (self.line_end, bytes) {
            (_, [b'\\'] | [b'\\', b'.']) | (LineEnd::ReturnNewline, [b'\\', b'.', b'\r'])
                if !at_end =>
            {
                return Ok(None);
            }
            (LineEnd::ReturnNewline, [b'\\', b'.', b'\r', last, ..]) => *last,
            (LineEnd::ReturnNewline, _) => return Ok(Some(false)),
            (_, [b'\\', b'.', last, ..]) => *last,
            _ => return Ok(Some(false)),
        };
        match (self.line_end, last) {
            (LineEnd::Newline | LineEnd::ReturnNewline, b'\r') | (LineEnd::Return, b'\n') => {
                Err(bad_format("end-of-copy marker does not match previous newline style"))
            }
            (_, b'\r' | b'\n') => Ok(Some(true)),
            _ => Ok(Some(false)),
        }
    }

    /// Adds the row that was found to `rows`; `line` is its text.
    pub(super) fn emit(&mut self, line: &str, rows: &mut Rows) -> Result<()> {
        if self.is_unterminated() {
            return Err(rows.in_text(bad_format("unterminated CSV quoted field"), line));
        }
        if self.fields.len() > rows.n_columns() && !(rows.n_columns() == 0 && line.is_empty()) {
            return Err(rows.extra(line));
        }
        for column in 0..rows.n_columns() {
            let Some(field) = self.fields.get(column).copied() else {
                return Err(rows.missing(column, line));
            };
            let raw = &line[field.start..field.end];
            if !field.is_quoted && raw == self.null {
                rows.push_null(column);
            } else if !field.is_raw {
                rows.push_text(column, raw)?;
            } else {
                self.unquote(raw);
                rows.push_text(column, &self.unquoted)?;
            }
        }
        rows.end_row();
        Ok(())
    }

    /// Takes quotes and escapes out of a field.
    fn unquote(&mut self, raw: &str) {
        let (quote, escape) = (char::from(self.quote), char::from(self.escape));
        self.unquoted.clear();
        let mut is_quoted = false;
        let mut characters = raw.chars().peekable();
        while let Some(character) = characters.next() {
            let next = characters.peek().copied();
            if is_quoted && character == escape && (next == Some(quote) || next == Some(escape)) {
                self.unquoted.extend(characters.next());
            } else if character == quote {
                is_quoted = !is_quoted;
            } else {
                self.unquoted.push(character);
            }
        }
    }
}

fn unquoted_return() -> Error {
    bad_format("unquoted carriage return found in data")
        .with_hint("Use quoted CSV field to represent carriage return.")
}

fn unquoted_newline() -> Error {
    bad_format("unquoted newline found in data")
        .with_hint("Use quoted CSV field to represent newline.")
}
