//! COPY TO: Arrow batches to bytes.

use arrow::array::RecordBatch;
use bytes::{BufMut, Bytes, BytesMut};
use weir_types::{Error, Result, SqlType};

use super::binary::{SIGNATURE, TRAILER};
use super::options::{CopyFormat, CopyOptions};
use crate::value::encoder::with_length;
use crate::value::{FormatSettings, ValueEncoder};

/// Writes the data of a COPY TO: first `header`, then what `encode` gives, then `trailer`.
pub struct CopyEncoder {
    options: CopyOptions,
    columns: Vec<(String, SqlType)>,
    settings: FormatSettings,
    /// Bytes of which one makes escapes or quotes necessary.
    is_special: [bool; 256],
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

    /// What goes before the rows: the signature of binary data, or a line with the names.
    #[must_use]
    pub fn header(&self) -> Option<Bytes> {
        let mut out = BytesMut::new();
        if self.options.format == CopyFormat::Binary {
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

    /// The rows of a batch. The errors are those of [`ValueEncoder`].
    pub fn encode(&mut self, batch: &RecordBatch) -> Result<Bytes> {
        if batch.num_columns() != self.columns.len() {
            return Err(Error::internal(format!(
                "COPY of {} columns was given {}",
                self.columns.len(),
                batch.num_columns()
            )));
        }
        let encoders = batch.columns().iter().zip(&self.columns);
        let encoders = encoders
            .map(|(array, (_, sql_type))| {
                ValueEncoder::new(array.as_ref(), sql_type, &self.settings)
            })
            .collect::<Result<Vec<_>>>()?;
        let mut out = BytesMut::with_capacity(batch.num_rows() * 8 * encoders.len());
        for row in 0..batch.num_rows() {
            if self.options.format == CopyFormat::Binary {
                self.write_binary_row(&encoders, row, &mut out)?;
            } else {
                self.write_line(&encoders, row, &mut out)?;
            }
        }
        Ok(out.freeze())
    }

    /// What goes behind the rows, of binary data.
    #[must_use]
    pub fn trailer(&self) -> Option<Bytes> {
        let trailer = Bytes::copy_from_slice(&TRAILER.to_be_bytes());
        (self.options.format == CopyFormat::Binary).then_some(trailer)
    }

    fn write_binary_row(
        &self,
        encoders: &[ValueEncoder<'_>],
        row: usize,
        out: &mut BytesMut,
    ) -> Result<()> {
        // A relation has at most `limits::COLUMNS_MAX` columns.
        out.put_u16(encoders.len() as u16);
        for encoder in encoders {
            if encoder.is_null(row) {
                out.put_i32(-1);
            } else {
                with_length(out, |out| encoder.write_binary(row, out))?;
            }
        }
        Ok(())
    }

    fn write_line(
        &self,
        encoders: &[ValueEncoder<'_>],
        row: usize,
        out: &mut BytesMut,
    ) -> Result<()> {
        for (at, encoder) in encoders.iter().enumerate() {
            if at > 0 {
                out.put_u8(self.options.delimiter);
            }
            if encoder.is_null(row) {
                out.put_slice(self.options.null.as_bytes());
                continue;
            }
            let start = out.len();
            encoder.write_text(row, out)?;
            let is_forced = self.options.force_quote.get(at).copied().unwrap_or(false);
            self.protect(out, start, is_forced);
        }
        out.put_u8(b'\n');
        Ok(())
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
        let plain = out.split_off(start);
        out.reserve(plain.len() + 8);
        for byte in plain {
            if self.is_special[usize::from(byte)] {
                out.put_u8(b'\\');
            }
            out.put_u8(match byte {
                0x08 => b'b',
                b'\t' => b't',
                b'\n' => b'n',
                0x0B => b'v',
                0x0C => b'f',
                b'\r' => b'r',
                byte => byte,
            });
        }
    }

    fn quote(&self, out: &mut BytesMut, start: usize) {
        let CopyOptions { quote, escape, .. } = self.options;
        let plain = out.split_off(start);
        out.reserve(plain.len() + 2);
        out.put_u8(quote);
        for byte in plain {
            if byte == quote || byte == escape {
                out.put_u8(escape);
            }
            out.put_u8(byte);
        }
        out.put_u8(quote);
    }
}
