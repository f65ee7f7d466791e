//! COPY TO: Arrow batches to bytes.

use arrow::array::RecordBatch;
use bytes::{BufMut, Bytes, BytesMut};
use weir_types::{Error, Result, SqlType};

use super::binary::{SIGNATURE, TRAILER};
use super::options::{CopyFormat, CopyOptions};
use crate::value::encoder::with_length;
use crate::value::{FormatSettings, ValueEncoder};

/// Writes the data of a COPY TO: first `header`, then the rows of batches, then `trailer`.
pub struct CopyEncoder {
    options: CopyOptions,
    columns: Vec<(String, SqlType)>,
    settings: FormatSettings,
    /// Bytes of which one makes escapes or quotes necessary.
    is_special: [bool; 256],
}

/// The rows of one batch, to be written one by one.
pub struct CopyRows<'a> {
    form: &'a CopyEncoder,
    columns: Vec<ValueEncoder<'a>>,
}

impl CopyEncoder {
    /// An encoder of rows with those columns, given by name and type. 22023 and 0A000 for options
    /// that contradict each other.
    pub fn new(
        options: &CopyOptions,
        columns: Vec<(String, SqlType)>,
        settings: &FormatSettings,
    ) -> Result<Self> {
        options.check()?;
        let mut is_special = [false; 256];
        let special: &[u8] = match options.format {
            CopyFormat::Text => &[options.delimiter, b'\\', 0x08, 0x0B, 0x0C, b'\n', b'\r', b'\t'],
            CopyFormat::Csv => &[options.delimiter, options.quote, b'\n', b'\r'],
            CopyFormat::Binary => &[],
        };
        for byte in special {
            is_special[usize::from(*byte)] = true;
        }
        Ok(Self { options: options.clone(), columns, settings: settings.clone(), is_special })
    }

    /// Number of columns.
    #[must_use]
    pub fn n_columns(&self) -> usize {
        self.columns.len()
    }

    /// True for the binary format.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.options.format == CopyFormat::Binary
    }

    /// What goes before the rows: the signature of binary data, or a line with the names.
    #[must_use]
    pub fn header(&self) -> Option<Bytes> {
        let mut out = BytesMut::new();
        if self.is_binary() {
            out.put_slice(SIGNATURE);
            out.put_u64(0);
        } else if self.options.header {
            for (at, (name, _)) in self.columns.iter().enumerate() {
                if at > 0 {
                    out.put_u8(self.options.delimiter);
                }
                let start = out.len();
                out.put_slice(name.as_bytes());
                self.protect(&mut out, start, false);
            }
            out.put_u8(b'\n');
        } else {
            return None;
        }
        Some(out.freeze())
    }

    /// The rows of a batch. XX000 for a batch of other columns.
    pub fn rows<'a>(&'a self, batch: &'a RecordBatch) -> Result<CopyRows<'a>> {
        if batch.num_columns() != self.columns.len() {
            return Err(Error::internal(format!(
                "COPY of {} columns was given {}",
                self.columns.len(),
                batch.num_columns()
            )));
        }
        let columns = batch.columns().iter().zip(&self.columns);
        let columns = columns
            .map(|(array, (_, sql_type))| {
                ValueEncoder::new(array.as_ref(), sql_type, &self.settings)
            })
            .collect::<Result<_>>()?;
        Ok(CopyRows { form: self, columns })
    }

    /// What goes behind the rows, of binary data.
    #[must_use]
    pub fn trailer(&self) -> Option<Bytes> {
        let trailer = Bytes::copy_from_slice(&TRAILER.to_be_bytes());
        self.is_binary().then_some(trailer)
    }

    /// Escapes or quotes the field that `out` ends with, from `start` on, where it must be.
    fn protect(&self, out: &mut BytesMut, start: usize, is_forced: bool) {
        let field = &out[start..];
        let has_special = field.iter().any(|byte| self.is_special[usize::from(*byte)]);
        if self.options.format == CopyFormat::Text {
            if has_special {
                self.escape(out, start);
            }
        } else if has_special
            || is_forced
            || field == self.options.null.as_bytes()
            || (self.columns.len() == 1 && field == b"\\.")
        {
            self.quote(out, start);
        }
    }

    fn escape(&self, out: &mut BytesMut, start: usize) {
        let is_special = |byte: &&u8| self.is_special[usize::from(**byte)];
        let n_special = out[start..].iter().filter(is_special).count();
        let mut from = out.len();
        out.resize(from + n_special, 0);
        // From the end, until no byte has to move any more.
        let mut to = out.len();
        while to > from {
            (from, to) = (from - 1, to - 1);
            let byte = out[from];
            out[to] = match byte {
                0x08 => b'b',
                b'\t' => b't',
                b'\n' => b'n',
                0x0B => b'v',
                0x0C => b'f',
                b'\r' => b'r',
                byte => byte,
            };
            if self.is_special[usize::from(byte)] {
                to -= 1;
                out[to] = b'\\';
            }
        }
    }

    fn quote(&self, out: &mut BytesMut, start: usize) {
        let CopyOptions { quote, escape, .. } = self.options;
        let is_escaped = |byte: u8| byte == quote || byte == escape;
        let n_escaped = out[start..].iter().filter(|byte| is_escaped(**byte)).count();
        let mut from = out.len();
        out.resize(from + n_escaped + 2, quote);
        let mut to = out.len() - 1;
        out[to] = quote;
        while from > start {
            (from, to) = (from - 1, to - 1);
            let byte = out[from];
            out[to] = byte;
            if is_escaped(byte) {
                to -= 1;
                out[to] = escape;
            }
        }
        out[start] = quote;
    }
}

impl CopyRows<'_> {
    /// Writes a row. The errors are those of [`ValueEncoder`]; `out` ends with a part of the row then.
    pub fn write(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        if self.form.is_binary() { self.write_binary(row, out) } else { self.write_line(row, out) }
    }

    fn write_binary(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        // A relation has at most `limits::COLUMNS_MAX` columns.
        out.put_u16(self.columns.len() as u16);
        for column in &self.columns {
            if column.is_null(row) {
                out.put_i32(-1);
            } else {
                with_length(out, |out| column.write_binary(row, out))?;
            }
        }
        Ok(())
    }

    fn write_line(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        let options = &self.form.options;
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                out.put_u8(options.delimiter);
            }
            if column.is_null(row) {
                out.put_slice(options.null.as_bytes());
                continue;
            }
            let start = out.len();
            column.write_text(row, out)?;
            let is_forced = options.force_quote.get(at).copied().unwrap_or(false);
            self.form.protect(out, start, is_forced);
        }
        out.put_u8(b'\n');
        Ok(())
    }
}
