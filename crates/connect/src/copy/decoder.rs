//! COPY FROM: bytes, cut anywhere, to Arrow batches.

use arrow::array::RecordBatch;
use weir_types::{Error, Result, SqlType};

use super::binary::BinaryReader;
use super::csv::CsvReader;
use super::options::{CopyFormat, CopyOptions};
use super::rows::Rows;
use super::scan::Scan;
use super::text::TextReader;
use crate::value::FormatSettings;
use crate::value::failure::invalid_utf8;

/// Reads the data of a COPY FROM.
///
/// The errors are PostgreSQL's, with the line, the column and the value in their context. After an
/// error the decoder is of no more use.
pub struct CopyDecoder {
    reader: Reader,
    rows: Rows,
    /// The next row is the header.
    is_header: bool,
    /// The data has ended with a marker; what follows is ignored.
    is_ended: bool,
}

enum Reader {
    Lines(LineReader, Pending),
    /// With the bytes of a row that is not whole yet.
    Binary(BinaryReader, Vec<u8>),
}

enum LineReader {
    Text(TextReader),
    Csv(CsvReader),
}

/// What was pushed and not read yet.
#[derive(Default)]
struct Pending {
    /// The beginning of a row.
    text: String,
    /// The beginning of a character.
    tail: Vec<u8>,
    /// The row that `text` begins with is counted already.
    is_in_row: bool,
}

impl CopyDecoder {
    /// A decoder of rows with those columns, given by name and type; `relation` is named in errors.
    /// 22023 and 0A000 for options that contradict each other.
    pub fn new(
        options: &CopyOptions,
        columns: Vec<(String, SqlType)>,
        settings: &FormatSettings,
        relation: &str,
    ) -> Result<Self> {
        options.check()?;
        let lines = |reader| Reader::Lines(reader, Pending::default());
        let reader = match options.format {
            CopyFormat::Text => lines(LineReader::Text(TextReader::new(options, columns.len()))),
            CopyFormat::Csv => lines(LineReader::Csv(CsvReader::new(options, columns.len()))),
            CopyFormat::Binary => Reader::Binary(BinaryReader::new(), Vec::new()),
        };
        Ok(Self {
            reader,
            rows: Rows::new(&columns, settings, relation),
            is_header: options.header,
            is_ended: false,
        })
    }

    /// Takes the next bytes of the data. 22P04 for data of wrong form, 22021 for bytes that are not
    /// UTF-8, 54000 for a field of more than 64 MiB, and the errors of the values.
    pub fn push(&mut self, data: &[u8]) -> Result<()> {
        self.read(data, false)
    }

    /// The rows read since the last batch, if they are at least `min_rows` and there is one.
    pub fn take_batch(&mut self, min_rows: usize) -> Result<Option<RecordBatch>> {
        if self.rows.n_rows() < min_rows { Ok(None) } else { self.rows.take() }
    }

    /// Ends the data: reads a last row without a line end, and gives the rows that are left. 22P04
    /// for data that ends within a row.
    pub fn finish(&mut self) -> Result<Option<RecordBatch>> {
        self.read(&[], true)?;
        self.rows.take()
    }

    /// The line, or row of binary data, that was read last; from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.rows.line.max(1)
    }

    /// The line of a row of the batch that was taken last.
    #[must_use]
    pub fn line_of(&self, row: usize) -> u64 {
        self.rows.line_of(row)
    }

    fn read(&mut self, data: &[u8], at_end: bool) -> Result<()> {
        if self.is_ended {
            return Ok(());
        }
        match &mut self.reader {
            Reader::Binary(reader, pending) => {
                if pending.is_empty() {
                    let consumed = reader.read(data, at_end, &mut self.rows)?;
                    pending.extend_from_slice(&data[consumed..]);
                } else {
                    pending.extend_from_slice(data);
                    let consumed = reader.read(pending, at_end, &mut self.rows)?;
                    pending.drain(..consumed);
                }
                Ok(())
            }
            Reader::Lines(reader, pending) => {
                let mut lines = Lines {
                    reader,
                    rows: &mut self.rows,
                    is_header: &mut self.is_header,
                    is_ended: &mut self.is_ended,
                };
                pending.read(data, at_end, &mut lines)
            }
        }
    }
}

impl Pending {
    fn read(&mut self, data: &[u8], at_end: bool, lines: &mut Lines<'_>) -> Result<()> {
        if self.tail.is_empty() {
            return self.read_bytes(data, at_end, lines);
        }
        let mut joined = std::mem::take(&mut self.tail);
        joined.extend_from_slice(data);
        self.read_bytes(&joined, at_end, lines)
    }

    /// Reads the rows before the first bad byte, and fails for that.
    fn read_bytes(&mut self, bytes: &[u8], at_end: bool, lines: &mut Lines<'_>) -> Result<()> {
        let (mut text, rest) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, &[][..]),
            Err(error) => {
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                let text = std::str::from_utf8(valid).map_err(|_| invalid_utf8(valid))?;
                let is_cut = error.error_len().is_none() && !at_end;
                if is_cut {
                    self.tail.extend_from_slice(rest);
                }
                (text, if is_cut { &[][..] } else { rest })
            }
        };
        let mut bad = rest;
        if let Some(nul) = memchr::memchr(0, text.as_bytes()) {
            bad = &text.as_bytes()[nul..=nul];
            text = &text[..nul];
        }
        let at_end = at_end && bad.is_empty();
        if self.text.is_empty() {
            let consumed = lines.read(text, at_end, &mut self.is_in_row)?;
            self.text.push_str(&text[consumed..]);
        } else {
            self.text.push_str(text);
            let consumed = lines.read(&self.text, at_end, &mut self.is_in_row)?;
            self.text.drain(..consumed);
        }
        if bad.is_empty() || *lines.is_ended {
            return Ok(());
        }
        lines.rows.line += u64::from(!self.is_in_row);
        Err(lines.rows.in_line(invalid_utf8(bad)))
    }
}

/// The state that rows of text are read with.
struct Lines<'a> {
    reader: &'a mut LineReader,
    rows: &'a mut Rows,
    is_header: &'a mut bool,
    is_ended: &'a mut bool,
}

impl Lines<'_> {
    /// Reads all whole rows; how many bytes they had.
    fn read(&mut self, text: &str, at_end: bool, is_in_row: &mut bool) -> Result<usize> {
        let mut at = 0;
        loop {
            let rest = &text[at..];
            if rest.is_empty() && !*is_in_row {
                return Ok(at);
            }
            if !*is_in_row {
                self.rows.line += 1;
                self.reader.begin_row();
                *is_in_row = true;
            }
            let scan = self.reader.scan(rest.as_bytes(), at_end, self.rows)?;
            let (length, consumed) = match scan {
                Scan::More => {
                    let n_field = rest.len() - self.reader.field_start();
                    self.rows.check_pending(n_field, rest.len())?;
                    return Ok(at);
                }
                Scan::Row { length, consumed } => (length, consumed),
                Scan::End { length } => {
                    *self.is_ended = true;
                    if length == 0 {
                        return Ok(text.len());
                    }
                    (length, rest.len())
                }
            };
            *is_in_row = false;
            if !std::mem::take(self.is_header) {
                self.reader.emit(&rest[..length], self.rows)?;
            }
            at += consumed;
        }
    }
}

impl LineReader {
    fn begin_row(&mut self) {
        match self {
            Self::Text(reader) => reader.begin_row(),
            Self::Csv(reader) => reader.begin_row(),
        }
    }

    fn field_start(&self) -> usize {
        match self {
            Self::Text(reader) => reader.field_start(),
            Self::Csv(reader) => reader.field_start(),
        }
    }

    fn scan(&mut self, bytes: &[u8], at_end: bool, rows: &mut Rows) -> Result<Scan> {
        let found = match self {
            Self::Text(reader) => reader.scan(bytes, at_end),
            Self::Csv(reader) => {
                let found = reader.scan(bytes, at_end);
                rows.line += reader.take_lines();
                found
            }
        };
        found.map_err(|error: Error| rows.in_line(error))
    }

    fn emit(&mut self, line: &str, rows: &mut Rows) -> Result<()> {
        match self {
            Self::Text(reader) => reader.emit(line, rows),
            Self::Csv(reader) => reader.emit(line, rows),
        }
    }
}
